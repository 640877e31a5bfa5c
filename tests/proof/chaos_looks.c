/*
 * chaos_looks.c - what must hold at every moment, looked at while things go wrong: I4, I5, I9.
 *
 * In the proof's process. Only reads: the service's status first, then each state, then its
 * files, so that what is said later may be ahead of what was said before, and never behind.
 * Must never look into a state whose locks a stopped process may hold: that would wait.
 */
#include "tests/proof/chaos.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/names.h"
#include "state/snapshot.h"
#include "tests/support/json_path.h"

enum { WRITERS_MAX = 512 };

/* ---- I4 and I9: the service's position, the committed one, the file ---- */

static uint64_t
number(const char *text)
{
	return strtoull(text, NULL, 10);
}

/* I4, first half: what this host wrote to the service, it had committed. */
static void
expect_published_is_committed(struct chaos *c, const struct host *h, const cJSON *shard,
			      const struct snapshot *snapshot,
			      const struct checkpoint_record *record)
{
	struct consumer_name writer = { 0 };
	struct own_names *own = own_names_create(&snapshot->identity);
	snprintf(writer.text, sizeof(writer.text), "%s", json_path_text(shard, "writer"));
	bool ours = own_names_has(own, &writer);
	own_names_destroy(&own);
	if (!ours)
		return;
	uint64_t published = number(json_path_text(shard, "cursor"));
	if (number(record->cursor.text) < published)
		chaos_violated(c, "I4",
			       "shard %s: host %s has published %" PRIu64 ", its state has %s",
			       record->shard.text, h->name, published, record->cursor.text);
}

/* I4, second half: what is committed is in the file. */
static void
expect_committed_is_in_the_file(struct chaos *c, const struct host *h,
				const struct snapshot *snapshot,
				const struct checkpoint_record *record)
{
	struct stat st;
	if (!record->position.offset)
		return;
	const char *dir = c->code == CODE_NONE ? "out" : "st/deadletter";
	char *sealed = xasprintf("%s/%s.%s/%s-%s-%08" PRIu64 ".log", c->scenario.dir, h->name,
				 dir, record->shard.text, snapshot->identity.instance,
				 record->position.segment),
	     *part = xasprintf("%s.part", sealed);
	if (stat(part, &st) < 0 && stat(sealed, &st) < 0)
		chaos_violated(c, "I4", "%s is in the state and not on disk", part);
	if ((uint64_t)st.st_size < record->position.offset)
		chaos_violated(c, "I4", "%s has %lld bytes, the state says %" PRIu64, part,
			       (long long)st.st_size, record->position.offset);
	free(sealed);
	free(part);
}

/* I9 */
static void
expect_no_step_back(struct chaos *c, struct host *h, unsigned shard,
		    const struct checkpoint_record *record)
{
	uint64_t cursor = number(record->cursor.text);
	if (cursor < h->committed[shard])
		chaos_violated(c, "I9",
			       "shard %u: host %s went back from %" PRIu64 " to %" PRIu64, shard,
			       h->name, h->committed[shard], cursor);
	if (record->epoch.value < h->epoch[shard])
		chaos_violated(c, "I9",
			       "shard %u: host %s went back from epoch %" PRIx64 " to %" PRIx64,
			       shard, h->name, h->epoch[shard], record->epoch.value);
	h->committed[shard] = cursor;
	h->epoch[shard] = record->epoch.value;
}

static void
look_at_state(struct chaos *c, struct host *h, const cJSON *status)
{
	struct snapshot snapshot;
	char *dir = xasprintf("%s/%s.st", c->scenario.dir, h->name);
	enum lts_err err = snapshot_read(dir, &snapshot);
	free(dir);
	if (err == LTS_BADDATA)
		chaos_violated(c, "state", "that of host %s cannot be read", h->name);
	if (err)
		return; /* there is none yet */
	if (snapshot.n_problems)
		chaos_violated(c, "state", "host %s: %s", h->name, snapshot.problems[0]);
	for (size_t i = 0; i < snapshot.n_checkpoints; i++) {
		const struct checkpoint_record *record = &snapshot.checkpoints[i];
		unsigned shard = (unsigned)number(record->shard.text);
		expect_published_is_committed(
			c, h, cJSON_GetArrayItem(json_path_at(status, "shards"), (int)shard),
			&snapshot, record);
		expect_committed_is_in_the_file(c, h, &snapshot, record);
		expect_no_step_back(c, h, shard, record);
	}
	snapshot_fini(&snapshot);
}

/* ---- I5: who has a shard's file open for writing ---- */

struct writer {
	pid_t pid;
	char link[64]; /* the descriptor, under /proc */
	char *path;
};

static bool
is_still_so(const struct writer *w)
{
	char path[PATH_MAX];
	ssize_t len = readlink(w->link, path, sizeof(path) - 1);
	if (len < 0)
		return false;
	path[len] = '\0';
	return strcmp(path, w->path) == 0;
}

/* Its segments; `.part` is open for nothing but writing. */
static size_t
add_writers(const struct chaos *c, pid_t pid, struct writer *list, size_t n)
{
	char dir[32], path[PATH_MAX];
	struct dirent *entry;
	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	DIR *stream = opendir(dir);
	while (stream && n < WRITERS_MAX && (entry = readdir(stream))) {
		struct writer *w = &list[n];
		ssize_t len = readlinkat(dirfd(stream), entry->d_name, path, sizeof(path) - 1);
		if (len < 6 || memcmp(path + len - 5, ".part", 5) != 0 ||
		    strncmp(path, c->scenario.dir, strlen(c->scenario.dir)) != 0)
			continue;
		path[len] = '\0';
		w->pid = pid;
		snprintf(w->link, sizeof(w->link), "%s/%.8s", dir, entry->d_name);
		w->path = xstrdup(path);
		n++;
	}
	if (stream)
		closedir(stream);
	return n;
}

/* Every worker that lives, orphans too. */
static size_t
list_writers(const struct chaos *c, struct writer *list)
{
	pid_t pids[AGENT_WORKERS_MAX];
	size_t n = 0, workers = process_children(getpid(), "lts-worker", pids, AGENT_WORKERS_MAX);
	for (size_t i = 0; i < workers; i++)
		n = add_writers(c, pids[i], list, n);
	for (int h = 0; h < CHAOS_HOSTS; h++) {
		if (!c->hosts[h].agent.process.pid)
			continue;
		workers = agent_workers(&c->hosts[h].agent, pids);
		for (size_t i = 0; i < workers; i++)
			n = add_writers(c, pids[i], list, n);
	}
	return n;
}

/* The shard and instance: all before the segment's number. */
static size_t
stem(const char *path)
{
	return (size_t)(strrchr(path, '-') - path);
}

static void
look_at_writers(struct chaos *c)
{
	static struct writer list[WRITERS_MAX];
	size_t n = list_writers(c, list);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = i + 1; k < n; k++) {
			size_t len = stem(list[i].path);
			if (list[i].pid == list[k].pid || len != stem(list[k].path) ||
			    memcmp(list[i].path, list[k].path, len) != 0)
				continue;
			/* One after the other, or both at once? */
			if (is_still_so(&list[k]) && is_still_so(&list[i]))
				chaos_violated(c, "I5", "%d and %d both write %s", list[i].pid,
					       list[k].pid, list[i].path);
		}
	}
	for (size_t i = 0; i < n; i++)
		free(list[i].path);
}

void
invariants_look(struct chaos *c)
{
	int64_t now_ms = clock_mono_ms();
	look_at_writers(c);
	if (c->sim_ms)
		return; /* it would not answer */
	const cJSON *status = chaos_status(c);
	if (json_path_number(status, "checkpoint_regressions") > 0)
		chaos_violated(c, "I9", "a checkpoint went back at the service");
	for (int i = 0; i < CHAOS_HOSTS; i++) {
		struct host *h = &c->hosts[i];
		if (h->state != HOST_STOPPED && h->unread_ms <= now_ms)
			look_at_state(c, h, status);
	}
}
