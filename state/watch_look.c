/*
 * watch_look.c - a child that reads the environment, asks the agent, and leaves it in a memfd.
 *
 * In lts-state and its child. Owns the child and the two memfds. The child does what every other
 * command of lts-state does (state/look.c) and ends the same ways; nothing that happens to it
 * reaches the screen but its words. Must never kill it, nor return from it. Held by
 * tests/scenario/watch.c.
 */
#include "state/watch_look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/look.h"
#include "state/watch_lag.h"

/* Parent and child are one program: memory is copied as it is. Behind it the snapshot's leases,
 * checkpoints, workers and events, and how far behind each lease's shard is. */
struct found {
	int64_t taken_ms;
	struct snapshot snapshot;
	size_t n_problems;
	char problem[WATCH_TEXT_MAX];
};

/* Into a memfd: all of it, or there is no memory. */
static void
put(int fd, const void *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(EXIT_NO_MEMORY);
		data = (const char *)data + n;
		len -= (size_t)n;
	}
}

static void
leave_found(int fd, struct snapshot *s, const char *state_dir)
{
	struct found found = { .taken_ms = clock_mono_ms(), .n_problems = s->n_problems };
	const int64_t *behind_ms = watch_lag_ask(state_dir, s);
	if (s->n_problems)
		snprintf(found.problem, sizeof(found.problem), "%s", s->problems[0]);
	if (s->n_events > WATCH_EVENTS_KEPT) {
		s->events += s->n_events - WATCH_EVENTS_KEPT;
		s->n_events = WATCH_EVENTS_KEPT;
	}
	found.snapshot = *s;
	put(fd, &found, sizeof(found));
	put(fd, s->leases, s->n_leases * sizeof(*s->leases));
	put(fd, s->checkpoints, s->n_checkpoints * sizeof(*s->checkpoints));
	put(fd, s->workers, s->n_workers * sizeof(*s->workers));
	put(fd, s->events, s->n_events * sizeof(*s->events));
	put(fd, behind_ms, s->n_leases * sizeof(*behind_ms));
}

static void
run_child(const struct watch_look *look, const char *state_dir)
{
	struct snapshot snapshot;
	const struct rlimit no_core = { 0 };
	setrlimit(RLIMIT_CORE, &no_core);
	dup2(look->said_fd, STDERR_FILENO);
	enum exit_code code = look_read(state_dir, &snapshot);
	if (!code)
		leave_found(look->found_fd, &snapshot, state_dir);
	_exit((int)code);
}

static void
forget(struct watch_look *look)
{
	if (look->found_fd > 0)
		close(look->found_fd);
	if (look->said_fd > 0)
		close(look->said_fd);
	*look = (struct watch_look){ 0 };
}

enum lts_err
watch_look_start(struct watch_look *look, const char *state_dir)
{
	look->found_fd = memfd_create("found", MFD_CLOEXEC);
	look->said_fd = memfd_create("said", MFD_CLOEXEC);
	look->pid = look->found_fd < 0 || look->said_fd < 0 ? -1 : fork();
	if (look->pid == 0)
		run_child(look, state_dir);
	if (look->pid > 0)
		return LTS_OK;
	int saved = errno;
	forget(look);
	errno = saved;
	return LTS_SYS;
}

/* The whole of a memfd, and a NUL; the caller frees. */
static char *
content(int fd, size_t *len_out)
{
	struct stat st;
	size_t len = fstat(fd, &st) < 0 ? 0 : (size_t)st.st_size, have = 0;
	char *data = xmalloc(len + 1);
	while (have < len) {
		ssize_t n = pread(fd, data + have, len - have, (off_t)have);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	data[have] = '\0';
	*len_out = have;
	return data;
}

/* A copy of the next `n` things at *at, which moves on; NULL: there are none. */
static void *
cut(const char **at, size_t n, size_t size)
{
	const char *from = *at;
	*at += n * size;
	return n ? memcpy(xmalloc(n * size), from, n * size) : NULL;
}

static enum lts_err
parse_found(const char *data, size_t len, struct watch_sample *out)
{
	struct found found;
	struct snapshot *s = &found.snapshot;
	const char *at = data + sizeof(found);
	if (len < sizeof(found))
		return LTS_BADDATA;
	memcpy(&found, data, sizeof(found));
	if (len != sizeof(found) + s->n_leases * sizeof(*s->leases) +
			   s->n_checkpoints * sizeof(*s->checkpoints) +
			   s->n_workers * sizeof(*s->workers) + s->n_events * sizeof(*s->events) +
			   s->n_leases * sizeof(*out->behind_ms))
		return LTS_BADDATA;
	s->leases = cut(&at, s->n_leases, sizeof(*s->leases));
	s->checkpoints = cut(&at, s->n_checkpoints, sizeof(*s->checkpoints));
	s->workers = cut(&at, s->n_workers, sizeof(*s->workers));
	s->events = cut(&at, s->n_events, sizeof(*s->events));
	s->problems = NULL;
	s->n_problems = 0;
	*out = (struct watch_sample){ .taken_ms = found.taken_ms,
				      .snapshot = *s,
				      .behind_ms = cut(&at, s->n_leases, sizeof(*out->behind_ms)),
				      .n_problems = found.n_problems };
	memcpy(out->problem, found.problem, sizeof(out->problem));
	return LTS_OK;
}

/* The first line of what it said, without the program's name. */
static void
keep_said(const struct watch_look *look, int status, char why[WATCH_TEXT_MAX])
{
	static const char name[] = "lts-state: ";
	size_t len;
	char *said = content(look->said_fd, &len), *text = said;
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, name, sizeof(name) - 1) == 0)
		text += sizeof(name) - 1;
	if (*text)
		snprintf(why, WATCH_TEXT_MAX, "%s", text);
	else
		snprintf(why, WATCH_TEXT_MAX, "reading it was ended by %s %d",
			 WIFSIGNALED(status) ? "signal" : "exit code",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	free(said);
}

enum lts_err
watch_look_take(struct watch_look *look, const char *state_dir, struct watch_sample *out,
		char why[WATCH_TEXT_MAX])
{
	int status;
	size_t len;
	enum lts_err err = LTS_BADDATA;
	if (waitpid(look->pid, &status, WNOHANG) != look->pid)
		return LTS_AGAIN;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE) {
		char *data = content(look->found_fd, &len);
		err = parse_found(data, len, out);
		free(data);
	}
	if (err)
		keep_said(look, status, why);
	else
		watch_sample_ask(out, state_dir);
	forget(look);
	return err;
}

void
watch_look_end(struct watch_look *look)
{
	if (look->pid > 0)
		while (waitpid(look->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	forget(look);
}
