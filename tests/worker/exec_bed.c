/*
 * exec_bed.c - an exec processor with shards, and children in shell.
 *
 * In a test's process. Owns the processor and its directory, in which the children run. Must
 * never wait without a condition. Held by tests/worker/test_processor_exec.c.
 */
#include "tests/worker/exec_bed.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "tests/support/patience.h"
#include "tests/support/tmpdir.h"

static const char library[] =
	"say() { printf '%s\\n' \"$1\"; }\n"
	"num() { v=${line#*\\\"$1\\\":}; v=${v%%[!0-9]*}; }\n"
	"ack() { cat rec.$$ >>acked; say '{\"type\":\"ack\",\"id\":'$id'}'; }\n"
	"yes() { say '{\"type\":\"ack\",\"id\":'$id'}'; }\n"
	"nack() { say '{\"type\":\"nack\",\"id\":'$id',\"error\":\"no\"'$1'}'; }\n"
	"has() { grep -q \"$1\" rec.$$; }\n"
	"on_batch() { ack; }\n"
	"on_initialize() { yes; }\n"
	"on_shutdown() { yes; }\n"
	"serve() {\n"
	"	say '{\"type\":\"hello\",\"version\":1,\"credits\":'$1'}'\n"
	"	while read -r line; do\n"
	"		printf '%s\\n' \"$line\" >>heard\n"
	"		num id; id=$v; num count; n=$v\n"
	"		case $line in\n"
	"		*type\\\":\\\"initialize*) on_initialize ;;\n"
	"		*type\\\":\\\"shutdown*) on_shutdown ;;\n"
	"		*type\\\":\\\"batch*)\n"
	"			: >rec.$$; i=0\n"
	"			while [ $i -lt $n ] && read -r r; do\n"
	"				printf '%s\\n' \"$r\" >>rec.$$; i=$((i+1))\n"
	"			done\n"
	"			on_batch ;;\n"
	"		esac\n"
	"	done\n"
	"}\n";

static void
make_records(struct exec_bed *bed)
{
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++) {
		for (unsigned i = 0; i < EXEC_BED_RECORDS; i++) {
			char *text = xasprintf("{\"s\":%u,\"i\":%u,}", s, i);
			bed->records[s][i] = (struct record){ text, strlen(text) };
		}
	}
}

void
exec_bed_begin(struct exec_bed *bed)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigaction(SIGPIPE, &ignore, NULL);
	*bed = (struct exec_bed){ .dir = tmpdir_make() };
	ck_assert_int_eq(chdir(bed->dir), 0);
	tmpdir_write(bed->dir, "lib.sh", library, sizeof(library) - 1);
	bed->log = log_create("worker");
	ck_assert_int_eq(log_add_file(bed->log, "log", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT),
			 LTS_OK);
	make_records(bed);
}

void
exec_bed_start(struct exec_bed *bed, const char *command, int64_t timeout_ms, unsigned shards)
{
	struct buf why;
	char *whole = xasprintf(". ./lib.sh; %s", command);
	struct processor_config config = { .spec = "exec:",
					   .log = bed->log,
					   .timeout_ms = timeout_ms,
					   .max_body_bytes = 16 << 20 };
	buf_init(&why, 0);
	ck_assert_int_eq(processor_exec_create(whole, &config, &bed->processor, &why), LTS_OK);
	for (unsigned s = 0; s < shards; s++) {
		struct shard_id id = { 0 };
		struct cursor checkpoint = { "1000" };
		snprintf(id.text, sizeof(id.text), "%u", s);
		ck_assert_int_eq(bed->processor->ops->open(bed->processor, &id, &checkpoint,
							   &bed->shards[s], &why),
				 LTS_OK);
	}
	buf_fini(&why);
	free(whole);
}

void
exec_bed_close(struct exec_bed *bed, unsigned shard, enum processor_reason reason)
{
	bed->processor->ops->close(&bed->shards[shard], reason, &bed->verdicts[shard]);
}

void
exec_bed_end(struct exec_bed *bed)
{
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++) {
		if (bed->shards[s])
			exec_bed_close(bed, s, PROCESSOR_STOPPING);
		for (unsigned i = 0; i < EXEC_BED_RECORDS; i++)
			free((char *)(uintptr_t)bed->records[s][i].text);
	}
	if (bed->processor)
		bed->processor->ops->destroy(&bed->processor);
	log_destroy(&bed->log);
	tmpdir_remove(&bed->dir);
}

void
exec_bed_give(struct exec_bed *bed, unsigned shard, size_t first, size_t n)
{
	unsigned attempts = bed->verdicts[shard].kind == VERDICT_REFUSED;
	struct piece piece = {
		.records = bed->records[shard] + first,
		.n = n,
		.cursor = { "1000" },
		.next = { "2000" },
		.first = first,
		.last = first + n == EXEC_BED_RECORDS,
		.attempts = attempts,
	};
	bed->processor->ops->process(bed->shards[shard], &piece, &bed->verdicts[shard]);
}

void
exec_bed_turn(struct exec_bed *bed)
{
	const struct processor_ops *ops = bed->processor->ops;
	struct pollfd fd = { .fd = ops->fd(bed->processor), .events = POLLIN };
	int64_t now_ms = clock_mono_ms(), due_ms = ops->due_ms(bed->processor);
	int64_t wait_ms = due_ms - now_ms < 20 ? due_ms - now_ms : 20;
	poll(&fd, 1, wait_ms > 0 ? (int)wait_ms : 0);
	ops->turn(bed->processor, clock_mono_ms());
}

static bool
is_judged(struct exec_bed *bed, unsigned shard)
{
	struct verdict *verdict = &bed->verdicts[shard];
	if (verdict->kind == VERDICT_PENDING)
		bed->processor->ops->look(bed->shards[shard], verdict);
	bed->forgot[shard] |= bed->processor->ops->forgot(bed->shards[shard]);
	if (verdict->kind == VERDICT_PENDING)
		exec_bed_turn(bed);
	return verdict->kind != VERDICT_PENDING;
}

const struct verdict *
exec_bed_verdict(struct exec_bed *bed, unsigned shard)
{
	until("there is a verdict", is_judged(bed, shard));
	return &bed->verdicts[shard];
}

const struct verdict *
exec_bed_try(struct exec_bed *bed, unsigned shard, size_t first, size_t n)
{
	exec_bed_give(bed, shard, first, n);
	return exec_bed_verdict(bed, shard);
}

unsigned
exec_bed_count(const struct exec_bed *bed, const char *file, const char *text)
{
	size_t len;
	unsigned n = 0;
	if (access(file, R_OK) != 0)
		return 0;
	char *all = tmpdir_read(bed->dir, file, &len);
	for (const char *at = all; (at = strstr(at, text)); at += strlen(text))
		n++;
	free(all);
	return n;
}
