/*
 * main.c - lts-state: looks into a state environment, live or dead.
 *
 * A process of its own, started by people and scripts. Owns the command line and the
 * guard around reading. Must never disturb a running agent: it takes no lock but LMDB's
 * reader slot, gives that back, and cannot be stopped or interrupted while it has it.
 * Held by tests/state/test_lts_state.c.
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/handoff.h"
#include "common/xalloc.h"
#include "state/dump.h"
#include "state/proc.h"

enum { READ_LIMIT_S = 5, LAST_DEFAULT = 50 };

/* What the signal handlers say; set before they are installed. */
static const char *text_stuck, *text_damaged;

struct command {
	const char *name;
	unsigned tables; /* 0: verify */
	const char *help;
};

static const struct command commands[] = {
	{ "dump", (1u << STORE_TABLES) - 1, "all of the tables below" },
	{ "leases", 1u << STORE_LEASES, "who holds which shard" },
	{ "checkpoints", 1u << STORE_CHECKPOINTS, "where each shard stands" },
	{ "workers", 1u << STORE_WORKERS, "the worker processes and what they did" },
	{ "events", 1u << STORE_EVENTS, "what happened to shards, the latest last" },
	{ "meta", 1u << STORE_META, "which stream, group and host this state belongs to" },
	{ "verify", 0, "reads and checks every record; exit 1 if one is wrong" },
};

struct request {
	const struct command *command;
	const char *state_dir;
	bool json, last_given, help, version;
	size_t last;
};

__attribute__((format(printf, 1, 2))) static enum exit_code
usage(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("lts-state: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return EXIT_USAGE;
}

static enum exit_code
take_command(struct request *request, const char *name)
{
	if (request->command)
		return usage("one command at a time, '%s' is another", name);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0)
			request->command = &commands[i];
	if (!request->command)
		return usage("no command '%s'; allowed: dump, leases, checkpoints, "
			     "workers, events, "
			     "meta, verify",
			     name);
	return EXIT_DONE;
}

/* Whether `arg` is the option `name`; - and _ are the same. `value_out` is behind its
 * '=', or NULL. */
static bool
is_option(const char *arg, const char *name, const char **value_out)
{
	size_t i = 0;
	for (arg += 2; name[i]; i++)
		if (arg[i] != name[i] && !(arg[i] == '-' && name[i] == '_'))
			return false;
	if (arg[i] != '\0' && arg[i] != '=')
		return false;
	*value_out = arg[i] ? arg + i + 1 : NULL;
	return true;
}

static enum exit_code
take_last(struct request *request, const char *value)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(value, &end, 10);
	if (errno || *end || value[0] < '0' || value[0] > '9')
		return usage("--last '%s': a number is allowed, 0 for all", value);
	request->last = (size_t)n;
	request->last_given = true;
	return EXIT_DONE;
}

/* Takes argv[*i], and its value from the next argument if need be. */
static enum exit_code
take_option(struct request *request, char **argv, int *i)
{
	const char *arg = argv[*i], *value = NULL;
	const struct {
		const char *name;
		bool *flag;
	} flags[] = { { "json", &request->json },
		      { "help", &request->help },
		      { "version", &request->version } };
	for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
		if (!is_option(arg, flags[f].name, &value))
			continue;
		if (value)
			return usage("%s: no value is allowed with this option", arg);
		*flags[f].flag = true;
		return EXIT_DONE;
	}
	bool dir = is_option(arg, "state_dir", &value);
	if (!dir && !is_option(arg, "last", &value))
		return usage("no option '%s'; allowed: --state_dir DIR, --json, --last "
			     "N, --help, "
			     "--version",
			     arg);
	if (!value)
		value = argv[*i + 1] ? argv[++*i] : "";
	if (!*value)
		return usage("%s: a %s must follow", arg, dir ? "directory" : "number");
	if (!dir)
		return take_last(request, value);
	request->state_dir = value;
	return EXIT_DONE;
}

static enum exit_code
parse(struct request *request, char **argv)
{
	const char *env = getenv("LTS_STATE_DIR");
	enum exit_code code = EXIT_DONE;
	*request = (struct request){ .state_dir = env && *env ? env : "./lts-state.d",
				     .last = LAST_DEFAULT };
	for (int i = 1; argv[i] && !code; i++)
		code = argv[i][0] == '-' && argv[i][1] == '-' ? take_option(request, argv, &i)
							      : take_command(request, argv[i]);
	if (code || request->help || request->version)
		return code;
	if (!request->command)
		return usage("a command must be given; allowed: dump, leases, "
			     "checkpoints, workers, "
			     "events, meta, verify");
	if (request->last_given && !(request->command->tables & 1u << STORE_EVENTS))
		return usage("--last goes with events and dump, not with %s",
			     request->command->name);
	return EXIT_DONE;
}

static void
print_help(FILE *out)
{
	fprintf(out, "lts-state [--state_dir DIR] [--json] [--last N] COMMAND\n\n"
		     "Looks into the state of an lts-consumer agent, running or "
		     "not.\n\nCommands:\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
	fprintf(out,
		"\nOptions, before or after the command:\n"
		"  --state_dir DIR  also LTS_STATE_DIR; default ./lts-state.d\n"
		"  --json           one JSON object instead of tables\n"
		"  --last N         so many events, 0 for all; default %d\n"
		"  --help, --version\n\n"
		"Exit: 0 done; 1 no such environment, damaged, or verify found "
		"something; 2 usage.\n",
		LAST_DEFAULT);
}

static void
on_signal_end(int signo)
{
	const char *text = signo == SIGALRM ? text_stuck : text_damaged;
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
	(void)ignored;
	_exit(EXIT_FAILED);
}

/* LMDB neither gives up on a lock nor survives all damage, so reading it ends the process
 * in both cases. What could stop or end the process from outside waits: a stopped reader
 * would stop others. */
static enum lts_err
read_guarded(const char *state_dir, struct snapshot *out)
{
	static const int fatal[] = { SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGFPE };
	static const int later[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU
	};
	struct sigaction end = { .sa_handler = on_signal_end },
			 before[sizeof(fatal) / sizeof(fatal[0])];
	sigset_t blocked, heard, old;
	sigemptyset(&blocked);
	sigemptyset(&heard);
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		sigaddset(&blocked, later[i]);
	sigprocmask(SIG_BLOCK, &blocked, &old);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		sigaction(fatal[i], &end, &before[i]);
		sigaddset(&heard, fatal[i]);
	}
	sigprocmask(SIG_UNBLOCK, &heard, NULL);
	alarm(READ_LIMIT_S);
	enum lts_err err = snapshot_read(state_dir, out);
	int saved = errno;
	alarm(0);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return err;
}

static void
say_denied(const char *dir, const char *data)
{
	struct stat st;
	if (stat(data, &st) < 0 && stat(dir, &st) < 0) {
		fprintf(stderr, "lts-state: %s: not readable by this user\n", dir);
		return;
	}
	const struct passwd *owner = getpwuid(st.st_uid);
	fprintf(stderr,
		"lts-state: %s: not readable by this user; it belongs to %s (uid %u): "
		"run as that "
		"user or as root\n",
		dir, owner ? owner->pw_name : "a user without a name", (unsigned)st.st_uid);
}

static void
say_failed(const char *dir, enum lts_err err, int number)
{
	char *data = xasprintf("%s/data.mdb", dir);
	if (err == LTS_NOTFOUND)
		fprintf(stderr, "lts-state: %s: %s; name the right one with --state_dir\n", dir,
			access(dir, F_OK) < 0 ? "no such directory"
					      : "no state environment in it");
	else if (err == LTS_BADDATA)
		fprintf(stderr,
			"lts-state: %s: damaged, or not a state environment of "
			"lts-consumer\n",
			data);
	else if (err == LTS_AGAIN)
		fprintf(stderr, "lts-state: %s: every reader slot is taken; try again later\n",
			dir);
	else if (err == LTS_SYS && number == EACCES)
		say_denied(dir, data);
	else
		fprintf(stderr, "lts-state: %s: cannot be read: %s\n", dir,
			err == LTS_SYS ? strerror(number) : lts_err_name(err));
	free(data);
}

/* Problems with single records are said beside the tables, and inside verify's and JSON's
 * output. */
static void
show(const struct request *request, struct snapshot *snapshot, FILE *out)
{
	char *lock = xasprintf("%s/supervisor.lock", request->state_dir);
	struct dump dump = { .snapshot = snapshot,
			     .state_dir = request->state_dir,
			     .tables = request->command->tables,
			     .last = request->last };
	dump.supervisor_err = proc_lock_holder(lock, &dump.supervisor_pid);
	free(lock);
	if (!dump.tables) {
		snapshot_verify(snapshot);
		(request->json ? dump_findings_json : dump_findings)(&dump, out);
		return;
	}
	(request->json ? dump_json : dump_tables)(&dump, out);
	for (size_t i = 0; i < snapshot->n_problems && !request->json; i++)
		fprintf(stderr, "lts-state: %s\n", snapshot->problems[i]);
}

/* A reader that has seen enough, as in `| head`, is no error. */
static enum exit_code
write_output(const char *text, size_t len, enum exit_code code)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EPIPE)
			return code;
		if (n < 0) {
			fprintf(stderr, "lts-state: output: %s\n", strerror(errno));
			return EXIT_FAILED;
		}
		text += n;
		len -= (size_t)n;
	}
	return code;
}

static enum exit_code
run(const struct request *request, FILE *out)
{
	struct snapshot snapshot;
	char *stuck =
		xasprintf("lts-state: %s: no answer within %d s: the state's lock is held by a "
			  "stopped process (continue or end it), or data.mdb is damaged\n",
			  request->state_dir, (int)READ_LIMIT_S);
	char *damaged = xasprintf("lts-state: %s/data.mdb: damaged, reading it failed\n",
				  request->state_dir);
	text_stuck = stuck;
	text_damaged = damaged;
	enum lts_err err = read_guarded(request->state_dir, &snapshot);
	int number = errno;
	free(stuck);
	free(damaged);
	if (err) {
		say_failed(request->state_dir, err, number);
		return EXIT_FAILED;
	}
	show(request, &snapshot, out);
	enum exit_code code = snapshot.n_problems ? EXIT_FAILED : EXIT_DONE;
	snapshot_fini(&snapshot);
	return code;
}

int
main(int argc, char **argv)
{
	struct request request;
	char *text = NULL;
	size_t len = 0;
	enum exit_code code = parse(&request, argv);
	if (code)
		return code;
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return EXIT_NO_MEMORY;
	if (request.help)
		print_help(out);
	else if (request.version)
		fputs("lts-state " LTS_VERSION "\n", out);
	else
		code = run(&request, out);
	if (fclose(out) != 0)
		return EXIT_NO_MEMORY;
	code = write_output(text, len, code);
	free(text);
	return code;
}
