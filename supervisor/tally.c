/*
 * tally.c - the summary of a run.
 *
 * Runs in the supervisor. Owns the counters as they were at the start. Only reads. Held
 * by the drain scenario.
 */
#include "supervisor/tally.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/xalloc.h"

struct base {
	struct shard_id shard;
	uint64_t records, bytes, dead_letters;
};

struct tally {
	struct base *bases;
	size_t count;
	int64_t start_ms;
};

struct sum {
	const struct tally *tally;
	struct log *log;
	const char *event;
	uint64_t records, bytes, dead_letters, shards;
};

static enum lts_err
add_base(void *arg, struct store_key key, const void *data, size_t len)
{
	struct tally *tally = arg;
	struct checkpoint_record record;
	enum lts_err err = checkpoint_decode(data, len, &record);
	if (err)
		return err;
	tally->bases = xreallocarray(tally->bases, tally->count + 1, sizeof(*tally->bases));
	tally->bases[tally->count++] =
		(struct base){ record.shard, record.records, record.bytes,
			       record.dead_letters };
	return LTS_OK;
}

static enum lts_err
add_sum(void *arg, struct store_key key, const void *data, size_t len)
{
	struct sum *sum = arg;
	struct checkpoint_record record;
	enum lts_err err = checkpoint_decode(data, len, &record);
	if (err)
		return err;
	for (size_t i = 0; i < sum->tally->count; i++) {
		if (!shard_id_equal(&sum->tally->bases[i].shard, &record.shard))
			continue;
		record.records -= sum->tally->bases[i].records;
		record.bytes -= sum->tally->bases[i].bytes;
		record.dead_letters -= sum->tally->bases[i].dead_letters;
	}
	sum->records += record.records;
	sum->bytes += record.bytes;
	sum->dead_letters += record.dead_letters;
	sum->shards++;
	log_info(sum->log, sum->event, LOG_TEXT("shard", record.shard.text),
		 LOG_UINT("records", record.records), LOG_UINT("bytes", record.bytes),
		 LOG_TEXT("cursor", record.cursor.text));
	return LTS_OK;
}

static enum lts_err
each_checkpoint(struct store *store, store_visit *visit, void *arg)
{
	struct store_txn txn = { 0 };
	enum lts_err err = store_read_begin(store, &txn);
	if (!err)
		err = store_each(&txn, STORE_CHECKPOINTS, visit, arg);
	store_abort(&txn);
	return err;
}

struct tally *
tally_create(struct store *store)
{
	struct tally *tally = xcalloc(1, sizeof(*tally));
	tally->start_ms = clock_mono_ms();
	/* What cannot be read counts from zero: this is for people. */
	enum lts_err ignored = each_checkpoint(store, add_base, tally);
	(void)ignored;
	return tally;
}

size_t
tally_checkpoints(const struct tally *tally)
{
	return tally->count;
}

void
tally_destroy(struct tally **tally)
{
	if (!*tally)
		return;
	free((*tally)->bases);
	free(*tally);
	*tally = NULL;
}

uint64_t
tally_log(const struct tally *tally, struct store *store, struct log *log, const char *event)
{
	struct sum sum = { .tally = tally, .log = log, .event = event };
	enum lts_err err = each_checkpoint(store, add_sum, &sum);
	log_info(log, event, LOG_UINT("shards", sum.shards), LOG_UINT("records", sum.records),
		 LOG_UINT("bytes", sum.bytes), LOG_INT("ms", clock_mono_ms() - tally->start_ms),
		 LOG_TEXT("reason", err ? lts_err_name(err) : NULL));
	return sum.dead_letters;
}

void
tally_say_dead(struct log *log, uint64_t dead_letters, const struct options *o)
{
	char *dir = o->deadletter_dir ? xstrdup(o->deadletter_dir)
				      : xasprintf("%s/deadletter", o->state_dir);
	if (dead_letters)
		log_warn(log, "records were put aside: --replay_deadletter FILE sends them again",
			 LOG_UINT("records", dead_letters), LOG_TEXT("deadletter_dir", dir));
	free(dir);
}
