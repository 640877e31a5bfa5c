/*
 * sink.c - the file sink, which misbehaves as it is told: for scenarios.
 *
 * In a worker of its own (build/bin/test-sink), in place of worker/sink.c. Owns the inner
 * sink. Reads `sink.rules` of its working directory at each call, one rule a line:
 *
 *   abort|segv|overflow|exit|hang|stop_loop|slow|child SHARD SEQ N
 *   start SLOT N
 *
 * The first kind acts on a batch with that record, after the file sink has taken it: dies,
 * exits with N, never returns, stops the loop's thread, takes N ms, or leaves a grandchild
 * that appends to a file until somebody kills it. SHARD and SEQ may be `*`. The second makes
 * that worker exit with N as it opens its sink.
 */
#include "worker/sink.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/xalloc.h"

struct test_sink {
	struct sink sink;
	struct sink *inner;
};

struct sink_stream {
	struct sink *inner;
	struct sink_stream *stream;
	struct shard_id shard;
};

struct rule {
	char what[16], shard[64], seq[24];
	int n;
};

static const struct sink_ops *
inner_ops(const struct sink_stream *s)
{
	return s->inner->ops;
}

/* ---- what it can do ---- */

static void
stand_still(int sig)
{
	for (;;)
		pause();
}

static void
stop_loop(void)
{
	struct sigaction action = { .sa_handler = stand_still };
	sigaction(SIGUSR1, &action, NULL);
	syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
}

__attribute__((noinline)) static int
recurse(volatile int depth)
{
	volatile char page[4096];
	page[depth % 4096] = (char)depth;
	return depth < 0 ? 0 : recurse(depth + 1) + page[depth % 4096];
}

/* While one lives, it holds a lock on its shard's file. */
static int
lock_child_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* What the child does must not allocate: the other thread may have held malloc's lock as it was
 * forked. */
static void
leave_child(const struct shard_id *shard)
{
	int ready[2];
	char word;
	pid_t worker = getpid();
	char *path = xasprintf("child.%s", shard->text);
	if (pipe(ready) || fork()) {
		close(ready[1]);
		if (read(ready[0], &word, 1) < 0) /* it has the lock, or there is one already */
			abort();
		close(ready[0]);
		free(path);
		return;
	}
	close(ready[0]);
	setsid(); /* out of reach of a kill of the worker's process group */
	prctl(PR_SET_NAME, "grandchild"); /* before the supervisor inherits it: it is no worker */
	if (fork())
		_exit(0);
	int fd = lock_child_file(path);
	if (fd >= 0 && (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", worker) < 0))
		abort();
	close(ready[1]);
	for (; fd >= 0; poll(NULL, 0, 1))
		if (write(fd, "x", 1) < 0)
			break;
	_exit(0);
}

static void
act(const struct rule *rule, const struct shard_id *shard)
{
	int *volatile nowhere = (int *)(uintptr_t)64;
	if (strcmp(rule->what, "abort") == 0)
		abort();
	if (strcmp(rule->what, "segv") == 0)
		*nowhere = 0;
	if (strcmp(rule->what, "overflow") == 0)
		recurse(1);
	if (strcmp(rule->what, "exit") == 0)
		exit(rule->n);
	if (strcmp(rule->what, "hang") == 0)
		stand_still(0);
	if (strcmp(rule->what, "stop_loop") == 0)
		stop_loop();
	if (strcmp(rule->what, "slow") == 0)
		poll(NULL, 0, rule->n);
	if (strcmp(rule->what, "child") == 0)
		leave_child(shard);
}

/* ---- when it does it ---- */

static bool
has_seq(const struct record *records, size_t n, const char *seq)
{
	bool found = strcmp(seq, "*") == 0;
	char *text = xasprintf("\"seq\":%s,", seq);
	for (size_t i = 0; i < n && !found; i++)
		found = memmem(records[i].text, records[i].len, text, strlen(text)) != NULL;
	free(text);
	return found;
}

static void
obey_rules(const struct shard_id *shard, const struct record *records, size_t n)
{
	struct rule rule;
	char line[200];
	FILE *file = fopen("sink.rules", "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%15s %63s %23s %d", rule.what, rule.shard, rule.seq, &rule.n) ==
			    4 &&
		    (strcmp(rule.shard, "*") == 0 || strcmp(rule.shard, shard->text) == 0) &&
		    has_seq(records, n, rule.seq))
			act(&rule, shard);
	fclose(file);
}

/* This worker's slot: its name, which is argument 1, ends with it. */
static int
own_slot(void)
{
	char line[512];
	FILE *file = fopen("/proc/self/cmdline", "re");
	size_t len = file ? fread(line, 1, sizeof(line) - 1, file) : 0;
	if (file)
		fclose(file);
	line[len] = '\0';
	const char *dash = strrchr(line + strlen(line) + 1, '-');
	return dash ? (int)strtol(dash + 1, NULL, 10) : -1;
}

static void
obey_start_rules(void)
{
	char line[200];
	int slot, code;
	FILE *file = fopen("sink.rules", "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "start %d %d", &slot, &code) == 2 && slot == own_slot())
			_exit(code);
	fclose(file);
}

/* ---- the sink ---- */

/* A grandchild of a worker that is dead and reaped still writes: that must not be. */
static void
look_for_grandchild(const struct shard_id *shard)
{
	char *path = xasprintf("child.%s", shard->text);
	int worker = 0;
	FILE *file = fopen(path, "re");
	bool dead = file && fscanf(file, "%d", &worker) == 1 && kill(worker, 0) < 0;
	int fd = dead ? lock_child_file(path) : -1;
	if (dead && fd < 0)
		close(open("overlaps", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (fd >= 0)
		close(fd);
	if (file)
		fclose(file);
	free(path);
}

static enum lts_err
test_open(struct sink *sink, const struct shard_id *shard, struct sink_position position,
	  struct sink_stream **out, struct buf *why_out)
{
	struct sink_stream *s = xcalloc(1, sizeof(*s));
	look_for_grandchild(shard);
	s->inner = ((struct test_sink *)sink)->inner;
	s->shard = *shard;
	enum lts_err err = inner_ops(s)->open(s->inner, shard, position, &s->stream, why_out);
	if (err)
		free(s);
	else
		*out = s;
	return err;
}

static enum lts_err
test_submit(struct sink_stream *s, const struct record *records, size_t n, struct buf *why_out)
{
	enum lts_err err = inner_ops(s)->submit(s->stream, records, n, why_out);
	if (!err)
		obey_rules(&s->shard, records, n);
	return err;
}

static enum lts_err
test_flush(struct sink_stream *s, bool seal, struct sink_position *position_out)
{
	return inner_ops(s)->flush(s->stream, seal, position_out);
}

static enum lts_err
test_committed(struct sink_stream *s)
{
	return inner_ops(s)->committed(s->stream);
}

static int64_t
test_due_ms(const struct sink_stream *s)
{
	return inner_ops(s)->due_ms ? inner_ops(s)->due_ms(s->stream) : INT64_MAX;
}

static void
test_close(struct sink_stream **stream)
{
	inner_ops(*stream)->close(&(*stream)->stream);
	free(*stream);
	*stream = NULL;
}

static void
test_destroy(struct sink **sink)
{
	struct test_sink *s = (struct test_sink *)*sink;
	s->inner->ops->destroy(&s->inner);
	free(s);
	*sink = NULL;
}

enum lts_err
sink_create(const struct sink_config *config, struct sink **out, struct buf *why_out)
{
	static const struct sink_ops ops = {
		.user_code = true,
		.open = test_open,
		.submit = test_submit,
		.flush = test_flush,
		.committed = test_committed,
		.due_ms = test_due_ms,
		.close = test_close,
		.destroy = test_destroy,
	};
	static const char file[] = "file:";
	if (strncmp(config->spec, file, sizeof(file) - 1) != 0)
		return LTS_INVALID;
	obey_start_rules();
	struct test_sink *s = xcalloc(1, sizeof(*s));
	s->sink.ops = &ops;
	enum lts_err err =
		sink_file_create(config->spec + sizeof(file) - 1, config, &s->inner, why_out);
	if (err)
		free(s);
	else
		*out = &s->sink;
	return err;
}
