/*
 * misbehave.c - a plugin that writes down what it was given, and misbehaves as it is told: for
 * scenarios.
 *
 * In a worker. Reads `plugin.rules` of its working directory at each call, one rule a line:
 *
 *   abort|segv|exit|hang|slow|refuse|blame|later|rollback|save|persist SHARD SEQ N
 *
 * A rule acts on a batch with that record; SHARD and SEQ may be `*`. All but slow, save and
 * persist act before anything is written down: it dies, exits with N, never returns, refuses
 * without and with the record's index, asks for later, or goes back to the checkpoint, N times
 * in the life of this worker (0: always). slow takes N ms; save and persist save. What it is
 * done with is appended to done.SHARD, a line for each record: its number. SAYS what is called
 * with a line in called.SHARD.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/lts_processor.h"

struct counting {
	char shard[64];
	const char *args;
};

struct rule {
	char what[16], shard[64], seq[24];
	int n;
};

enum { RULES_MOST = 16 };

static unsigned fired[RULES_MOST];

static void
append(const char *file, const char *shard, const char *text, size_t len)
{
	char path[128];
	snprintf(path, sizeof(path), "%s.%s", file, shard);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	close(fd);
}

static void
say(const struct counting *c, const char *text)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s\n", text);
	append("called", c->shard, line, (size_t)len);
}

static unsigned long
seq_of(const struct lts_record *record)
{
	static const char key[] = "\"seq\":";
	const char *at = memmem(record->text, record->len, key, sizeof(key) - 1);
	return at ? strtoul(at + sizeof(key) - 1, NULL, 10) : 0;
}

/* The record that the rule means; n_records: none. */
static size_t
find(const struct rule *rule, const struct lts_batch *batch)
{
	size_t i = 0;
	if (strcmp(rule->shard, "*") != 0 && strcmp(rule->shard, batch->shard) != 0)
		return batch->n_records;
	if (strcmp(rule->seq, "*") == 0)
		return 0;
	while (i < batch->n_records && seq_of(&batch->records[i]) != strtoul(rule->seq, NULL, 10))
		i++;
	return i;
}

static void
stand_still(void)
{
	for (;;)
		pause();
}

static int
act(const struct rule *rule, size_t index, struct lts_tracker *tracker)
{
	int *volatile nowhere = (int *)(uintptr_t)64;
	if (strcmp(rule->what, "abort") == 0)
		abort();
	if (strcmp(rule->what, "segv") == 0)
		*nowhere = 0;
	if (strcmp(rule->what, "exit") == 0)
		exit(rule->n);
	if (strcmp(rule->what, "hang") == 0)
		stand_still();
	if (strcmp(rule->what, "slow") == 0)
		poll(NULL, 0, rule->n);
	if (strcmp(rule->what, "save") == 0 || strcmp(rule->what, "persist") == 0)
		tracker->save(tracker, rule->what[0] == 'p');
	if (strcmp(rule->what, "blame") == 0)
		tracker->refuse(tracker, index, "told to blame \"it\"");
	if (strcmp(rule->what, "refuse") == 0)
		tracker->refuse(tracker, SIZE_MAX, "told to refuse");
	if (strcmp(rule->what, "refuse") == 0 || strcmp(rule->what, "blame") == 0)
		return LTS_PROCESSOR_FAILED;
	return strcmp(rule->what, "later") == 0 ? LTS_PROCESSOR_LATER : LTS_PROCESSOR_OK;
}

static int
obey_rules(const struct lts_batch *batch, struct lts_tracker *tracker, int *back)
{
	char line[200];
	int result = LTS_PROCESSOR_OK;
	unsigned n = 0;
	FILE *file = fopen("plugin.rules", "re");
	while (file && result == LTS_PROCESSOR_OK && n < RULES_MOST &&
	       fgets(line, sizeof(line), file)) {
		struct rule rule;
		if (sscanf(line, "%15s %63s %23s %d", rule.what, rule.shard, rule.seq, &rule.n) !=
		    4)
			continue;
		size_t index = find(&rule, batch);
		unsigned *times = &fired[n++];
		int timed = rule.n && strstr("refuse blame later rollback", rule.what) != NULL;
		if (index == batch->n_records || (timed && *times >= (unsigned)rule.n))
			continue;
		++*times;
		*back |= strcmp(rule.what, "rollback") == 0;
		result = act(&rule, index, tracker);
	}
	if (file)
		fclose(file);
	return result;
}

static void
write_down(const struct lts_batch *batch)
{
	char *text = malloc(batch->n_records * 21 + 1);
	size_t len = 0;
	if (!text)
		abort();
	for (size_t i = 0; i < batch->n_records; i++)
		len += (size_t)snprintf(text + len, 22, "%lu\n", seq_of(&batch->records[i]));
	append("done", batch->shard, text, len);
	free(text);
}

static void *
misbehave_create(const char *args)
{
	struct counting *c = calloc(1, sizeof(*c));
	if (strcmp(args, "none") == 0) {
		free(c);
		return NULL;
	}
	if (strcmp(args, "abort") == 0)
		abort();
	return c;
}

static int
misbehave_initialize(void *self, const char *shard)
{
	struct counting *c = self;
	snprintf(c->shard, sizeof(c->shard), "%s", shard);
	say(c, "initialize");
	return 0;
}

static int
misbehave_process(void *self, const struct lts_batch *batch, struct lts_tracker *tracker)
{
	int back = 0, result = obey_rules(batch, tracker, &back);
	if (result != LTS_PROCESSOR_OK)
		return result;
	if (back) {
		say(self, "rollback");
		tracker->rollback(tracker, tracker->get_checkpoint(tracker));
	} else {
		write_down(batch);
	}
	return LTS_PROCESSOR_OK;
}

static void
misbehave_shutdown(void *self, enum lts_processor_reason reason, struct lts_tracker *tracker)
{
	static const char *const names[] = { "?", "stopping", "lease_lost", "finished" };
	say(self, names[reason]);
	if (access("save.at.shutdown", F_OK) == 0)
		tracker->save(tracker, 1);
}

static void
misbehave_destroy(void *self)
{
	say(self, "destroy");
	free(self);
}

const struct lts_processor_ops *
lts_processor(void)
{
	static const struct lts_processor_ops ops = {
		.version = LTS_PROCESSOR_VERSION,
		.size = sizeof(ops),
		.create = misbehave_create,
		.initialize = misbehave_initialize,
		.process = misbehave_process,
		.shutdown = misbehave_shutdown,
		.destroy = misbehave_destroy,
	};
	return &ops;
}
