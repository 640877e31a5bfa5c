/*
 * look.c - reads an environment, live or dead, and says so when that cannot be.
 *
 * In lts-state. Owns the guard around reading. Must never disturb a running agent: it copies
 * the environment's file (state/store_look.h), and where it must be LMDB's reader after all, it
 * cannot be stopped by the terminal or interrupted meanwhile. Held by tests/state/test_lts_state.c.
 */
#include "state/look.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"

enum { READ_LIMIT_S = 5 };

/* What the signal handlers say; set before they are installed. */
static const char *text_stuck, *text_damaged;

static void
on_signal_end(int signo)
{
	const char *text = signo == SIGALRM ? text_stuck : text_damaged;
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
	(void)ignored;
	_exit(EXIT_FAILED);
}

/* A disk may not answer, and LMDB does not survive all damage, so reading it ends the process
 * in both cases. What could stop or end the process from outside waits: a stopped reader
 * would stop others. */
static enum lts_err
guarded(look_reader *read, const char *path, void *out)
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
	enum lts_err err = read(path, out);
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
say_failed(const char *dir, const char *data, enum lts_err err, int number)
{
	if (err == LTS_NOTFOUND && dir == data)
		fprintf(stderr, "lts-state: %s: no such file\n", data);
	else if (err == LTS_NOTFOUND)
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
}

static enum exit_code
read_or_say(look_reader *read, const char *path, const char *data, void *out)
{
	char *stuck =
		xasprintf("lts-state: %s: no answer within %d s: its disk does not answer, or %s "
			  "is damaged\n",
			  path, (int)READ_LIMIT_S, data);
	char *damaged = xasprintf("lts-state: %s: damaged, reading it failed\n", data);
	text_stuck = stuck;
	text_damaged = damaged;
	enum lts_err err = guarded(read, path, out);
	int number = errno;
	free(stuck);
	free(damaged);
	if (err)
		say_failed(path, data, err, number);
	return err ? EXIT_FAILED : EXIT_DONE;
}

enum exit_code
look_guarded(look_reader *read, const char *state_dir, void *out)
{
	char *data = xasprintf("%s/data.mdb", state_dir);
	enum exit_code code = read_or_say(read, state_dir, data, out);
	free(data);
	return code;
}

static enum exit_code
refuse_newer(const char *path, struct snapshot *snapshot)
{
	if (!snapshot->newer_schema)
		return EXIT_DONE;
	fprintf(stderr,
		"lts-state: %s: its schema is version %u, this lts-state knows up to %d: use the "
		"lts-state of the newer version\n",
		path, snapshot->newer_schema, (int)SCHEMA_VERSION);
	snapshot_fini(snapshot);
	return EXIT_FAILED;
}

static enum lts_err
read_dir(const char *path, void *out)
{
	return snapshot_read(path, out);
}

static enum lts_err
read_file(const char *path, void *out)
{
	return snapshot_read_file(path, out);
}

enum exit_code
look_read(const char *state_dir, struct snapshot *out)
{
	enum exit_code code = look_guarded(read_dir, state_dir, out);
	return code ? code : refuse_newer(state_dir, out);
}

enum exit_code
look_read_file(const char *file, struct snapshot *out)
{
	enum exit_code code = read_or_say(read_file, file, file, out);
	return code ? code : refuse_newer(file, out);
}
