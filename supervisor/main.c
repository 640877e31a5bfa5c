/*
 * main.c - lts-supervisor: options in, exit code out.
 *
 * Reads the configuration, sets up logs and signals' dispositions, and hands over to
 * supervisor.c. Errors of usage are one line and exit code 2.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "common/make_dirs.h"
#include "common/protect.h"
#include "common/used_up.h"
#include "common/xalloc.h"
#include "supervisor/check_config.h"
#include "supervisor/privileges.h"
#include "supervisor/replay.h"
#include "supervisor/supervisor.h"

enum {
	START_DESCRIPTORS = 24, /* locks, the state, the loop, sockets, a few boards */
	LOOK_AGAIN_MS = 200,
};

/* What a reload reads again. */
struct invocation {
	int argc;
	char **argv, **envp;
	struct log *log;
	bool keys_locked;
};

static int
complain(const struct buf *why)
{
	fprintf(stderr, "lts-supervisor: %s\n", why->data ? why->data : "invalid");
	return EXIT_USAGE;
}

static enum lts_err
load(const struct invocation *how, struct options *options, struct credentials *credentials,
     struct buf *why)
{
	enum lts_err err = options_load(options, how->argc, how->argv, how->envp, why);
	if (err || options->help || options->version || options->replay_deadletter)
		return err; /* a replay needs no keys */
	err = credentials_load(options, credentials, why);
	if (err && options->agency == AGENCY_ECS && !credentials_are_given(options))
		return LTS_OK; /* they come later */
	return err;
}

static enum lts_err
load_again(void *arg, struct options *fresh, struct buf *why)
{
	const struct invocation *how = arg;
	return options_load(fresh, how->argc, how->argv, how->envp, why);
}

static enum lts_err
open_logs(struct log *log, const struct options *o, struct buf *why)
{
	enum log_format format = (enum log_format)o->log_format;
	enum lts_err err = LTS_OK;
	const char *path = o->log_file;
	char *debug = NULL;
	if (!path)
		log_add_fd(log, STDERR_FILENO, (enum log_level)o->log_level, format);
	else
		err = log_add_file(log, path, (enum log_level)o->log_level, format);
	if (!err && o->is_test) {
		path = debug = xasprintf("%s/debug.log", o->state_dir);
		/* The first start: who makes state_dir comes after us. */
		if (make_dirs(o->state_dir, 0700))
			err = LTS_SYS;
		else
			err = log_add_file(log, path, LOG_LEVEL_DEBUG, format);
	}
	if (err) {
		enum lts_err ignored =
			buf_printf(why, "log file '%s': %s", path, strerror(errno));
		(void)ignored;
	}
	free(debug);
	return err;
}

/* SIGPIPE and SIGTTOU (the log of an agent in the background) for good, the others until the loop
 * listens to them: a start may wait for seconds for what a former supervisor left, and nobody
 * means to end us by these. */
static void
ignore_signals(void)
{
	static const int signals[] = { SIGPIPE, SIGTTOU, SIGHUP, SIGUSR1, SIGUSR2 };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &ignore, NULL);
}

static void
on_early_stop(int signo)
{
	_exit(EXIT_DONE);
}

/* A start may wait, and as pid 1 of a container nothing would end it. No worker is there before
 * the loop listens, and what is held goes with us. */
static void
end_at_once_when_told_to(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT };
	const struct sigaction end = { .sa_handler = on_early_stop };
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &end, NULL);
}

static void
say_who_we_are(const struct invocation *how)
{
	log_debug(how->log, "process", LOG_INT("uid", geteuid()), LOG_INT("gid", getegid()),
		  LOG_TEXT("keys", how->keys_locked ? "locked" : "not locked"));
}

static int
run(struct invocation *how, struct options *options, struct credentials *credentials)
{
	struct buf why;
	buf_init(&why, 0);
	ignore_signals();
	how->log = log_create("supervisor");
	int code = EXIT_USAGE;
	if (privileges_drop(options, &why) || open_logs(how->log, options, &why)) {
		complain(&why);
	} else if (options->replay_deadletter) {
		code = (int)replay_run(options, how->log);
	} else {
		end_at_once_when_told_to();
		say_who_we_are(how);
		code = (int)supervisor_run(
			&(struct supervisor_config){ .options = options,
						     .credentials = credentials,
						     .log = how->log,
						     .load_again = load_again,
						     .arg = how });
	}
	log_destroy(&how->log);
	buf_fini(&why);
	return code;
}

static int
check(const struct options *options, const struct credentials *credentials)
{
	enum exit_code code = check_config(options, credentials);
	if (!code)
		printf("lts-supervisor: the configuration is valid%s\n",
		       geteuid() == 0 && !options->user
			       ? ", as root sees it: another user may not read or write all of it"
			       : "");
	return (int)code;
}

/* A descriptor of ours must not become 0, 1 or 2: records and log lines go there. What was closed
 * reads as empty and cannot be written to, so a sink or log there still says that nobody is
 * listening. */
static void
keep_standard_fds_apart(void)
{
	int fd;
	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Before anything is opened: a start without room for its files, for now, is none that failed. */
static void
await_descriptors(void)
{
	struct buf why;
	bool waits = false;
	buf_init(&why, 0);
	for (int error; (error = descriptors_lack(START_DESCRIPTORS)); waits = true) {
		used_up_explain(error, &why);
		if (!waits)
			fprintf(stderr, "lts-supervisor: a start needs %d descriptors: %s: "
					"waiting until there are\n",
				START_DESCRIPTORS, why.data);
		buf_clear(&why);
		poll(NULL, 0, LOOK_AGAIN_MS);
	}
	buf_fini(&why);
}

/* EFBIG says it. Of the first start, too, which makes files. */
static void
ignore_full_files(void)
{
	sigaction(SIGXFSZ, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

int
main(int argc, char **argv, char **envp)
{
	struct invocation how = { .argc = argc, .argv = argv, .envp = envp };
	struct options options;
	struct buf why;
	int code = EXIT_DONE;
	keep_standard_fds_apart();
	ignore_full_files();
	descriptors_raise();
	await_descriptors();
	how.keys_locked = protect_process();
	struct credentials *credentials = protect_alloc(sizeof(*credentials));
	options_init(&options);
	buf_init(&why, 0);
	if (load(&how, &options, credentials, &why))
		code = complain(&why);
	else if (options.help)
		options_print_help(stdout);
	else if (options.version)
		puts("lts-supervisor " LTS_VERSION);
	else if (options.check_config)
		code = check(&options, credentials);
	else
		code = run(&how, &options, credentials);
	protect_free(credentials, sizeof(*credentials));
	options_fini(&options);
	buf_fini(&why);
	return code;
}
