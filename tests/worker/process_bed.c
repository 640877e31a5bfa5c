/*
 * process_bed.c - a committer with the test's own processor.
 *
 * In the test runner. Owns what the committer's bed owns, and the processor.
 */
#include "tests/worker/process_bed.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/support/patience.h"
#include "worker/commit_inside.h"

struct processor_shard {
	struct process_bed *bed;
};

static struct process_bed *
bed_of(struct processor *processor)
{
	return (struct process_bed *)((char *)processor -
				      offsetof(struct process_bed, processor));
}

#define CALLED(bed, ...) ck_assert_int_eq(buf_printf(&(bed)->called, __VA_ARGS__), LTS_OK)

/* ---- the processor ---- */

static enum lts_err
fake_open(struct processor *processor, const struct shard_id *shard,
	  const struct cursor *checkpoint, struct processor_shard **out, struct buf *why_out)
{
	struct process_bed *bed = bed_of(processor);
	CALLED(bed, "open %s\n", checkpoint->text);
	*out = xcalloc(1, sizeof(**out));
	(*out)->bed = bed;
	return LTS_OK;
}

static unsigned
number_of(const struct record *record)
{
	unsigned number;
	ck_assert_int_eq(sscanf(record->text, "{\"n\":%u}", &number), 1);
	ck_assert_uint_lt(number, PROCESS_BED_RECORDS);
	return number;
}

static void
obey_records(struct process_bed *bed, const struct piece *piece, struct verdict *out)
{
	for (size_t i = 0; i < piece->n; i++) {
		unsigned number = number_of(&piece->records[i]);
		if (bed->refuses[number])
			out->kind = VERDICT_REFUSED;
		if (!bed->kills[number])
			continue;
		bed->died = (struct suspect){ piece->cursor, (uint32_t)piece->first,
					      (uint32_t)piece->n, 1 };
		out->kind = VERDICT_PENDING;
		return;
	}
}

static void
answer(struct process_bed *bed, const struct piece *piece, struct verdict *out)
{
	*out = (struct verdict){ .kind = VERDICT_ACK, .saved = bed->saves };
	if (bed->said < bed->n_script)
		*out = bed->script[bed->said++];
	else
		obey_records(bed, piece, out);
	for (size_t i = 0; i < piece->n && out->kind == VERDICT_ACK; i++)
		bed->acked[number_of(&piece->records[i])]++;
}

static void
fake_process(struct processor_shard *shard, const struct piece *piece, struct verdict *out)
{
	struct process_bed *bed = shard->bed;
	CALLED(bed, "%s>%s %zu+%zu%s failed %u\n", piece->cursor.text, piece->next.text,
	       piece->first, piece->n, piece->last ? " last" : "", piece->attempts);
	answer(bed, piece, out);
}

static void
fake_look(struct processor_shard *shard, struct verdict *out)
{
	CALLED(shard->bed, "look\n");
	answer(shard->bed, &(struct piece){ .n = 0 }, out);
}

static void
fake_committed(struct processor_shard *shard, const struct cursor *checkpoint)
{
	CALLED(shard->bed, "committed %s\n", checkpoint->text);
}

static bool
fake_forgot(struct processor_shard *shard)
{
	bool forgets = shard->bed->forgets;
	shard->bed->forgets = false;
	return forgets;
}

static void
fake_close(struct processor_shard **shard, enum processor_reason reason, struct verdict *out)
{
	static const char *const reasons[] = { "stopping", "lease lost", "finished" };
	CALLED((*shard)->bed, "close %s\n", reasons[reason]);
	*out = (*shard)->bed->closing;
	free(*shard);
	*shard = NULL;
}

static void
fake_destroy(struct processor **processor)
{
	*processor = NULL;
}

static const struct processor_ops fake_ops = {
	.open = fake_open,
	.process = fake_process,
	.look = fake_look,
	.committed = fake_committed,
	.forgot = fake_forgot,
	.close = fake_close,
	.destroy = fake_destroy,
};

/* ---- the bed ---- */

void
process_bed_init(struct process_bed *bed, bool manual)
{
	memset(bed, 0, sizeof(*bed));
	commit_bed_init(&bed->commit);
	bed->commit.config.process.max_attempts = 2;
	bed->commit.config.process.manual = manual;
	bed->processor.ops = &fake_ops;
	buf_init(&bed->called, 0);
}

void
process_bed_fini(struct process_bed *bed)
{
	commit_bed_fini(&bed->commit);
	buf_fini(&bed->called);
}

struct verdict *
process_bed_say(struct process_bed *bed, enum verdict_kind kind)
{
	ck_assert_uint_lt(bed->n_script, PROCESS_BED_SCRIPT);
	bed->script[bed->n_script] = (struct verdict){ .kind = kind };
	return &bed->script[bed->n_script++];
}

enum lts_err
process_bed_try(struct process_bed *bed, const char *start)
{
	struct commit_bed *commit = &bed->commit;
	struct suspect suspect = commit->a.suspect;
	store_close(&commit->env.store);
	commit->a = commit_bed_lease("A", ++bed->epoch);
	commit->a.suspect = suspect;
	commit_bed_open(commit);
	/* The dead letters' sink is there; beside it stands who takes the rest. */
	commit->committer->sink->ops->destroy(&commit->committer->sink);
	commit->committer->processor = &bed->processor;
	return commit_bed_take(commit, &commit->a, start);
}

void
process_bed_open(struct process_bed *bed, const char *start)
{
	ck_assert_int_eq(process_bed_try(bed, start), LTS_OK);
}

void
process_bed_die(struct process_bed *bed)
{
	commit_bed_drop(&bed->commit);
}

enum lts_err
process_bed_step(struct process_bed *bed, struct batch *batch)
{
	int64_t due_ms = 0;
	enum lts_err err =
		committer_submit(bed->commit.committer, batch, &due_ms, &bed->commit.why);
	if (err == LTS_AGAIN && due_ms != INT64_MAX &&
	    committer_due_ms(bed->commit.committer) > clock_mono_ms())
		until("it is due again", clock_mono_ms() >= due_ms);
	return err;
}

enum lts_err
process_bed_deliver(struct process_bed *bed, const char *from, const char *to, unsigned first,
		    unsigned last)
{
	struct batch *batch = commit_bed_batch(&bed->commit.a, from, to, first, last);
	enum lts_err err;
	while ((err = process_bed_step(bed, batch)) == LTS_AGAIN && !bed->died.attempts)
		if (committer_due_ms(bed->commit.committer) <= clock_mono_ms())
			commit_bed_commit(&bed->commit);
	batch_destroy(&batch);
	return bed->died.attempts ? LTS_CLOSED : err;
}

/* As the supervisor counts them: see supervisor/lease_suspect.c. */
static void
count_death(struct process_bed *bed)
{
	struct suspect *known = &bed->commit.a.suspect, now = bed->died;
	bool within =
		now.first >= known->first && now.first + now.count <= known->first + known->count;
	if (cursor_equal(&known->cursor, &now.cursor) && (within || now.first == known->first))
		now.attempts += known->attempts;
	*known = now;
	bed->died.attempts = 0;
}

static bool
live_once(struct process_bed *bed, const struct process_bed_batch *batches, size_t n)
{
	struct suspect suspect = bed->commit.a.suspect; /* the life takes it off its lease */
	process_bed_open(bed, batches[0].from);
	struct track *track = bed->commit.a.delivery_side;
	size_t i = 0;
	while (i < n && strcmp(batches[i].from, track->committed.text) != 0)
		i++;
	enum lts_err err = LTS_OK;
	for (; i < n && !err; i++)
		err = process_bed_deliver(bed, batches[i].from, batches[i].to, batches[i].first,
					  batches[i].last);
	ck_assert(err == LTS_OK || err == LTS_CLOSED);
	if (!err)
		return true;
	process_bed_die(bed);
	bed->commit.a.suspect = suspect;
	count_death(bed);
	return false;
}

unsigned
process_bed_live(struct process_bed *bed, const struct process_bed_batch *batches, size_t n,
		 unsigned most)
{
	unsigned deaths = 0;
	while (!live_once(bed, batches, n))
		ck_assert_uint_le(++deaths, most);
	return deaths;
}

void
process_bed_expect(struct process_bed *bed, const char *lines)
{
	ck_assert_str_eq(bed->called.len ? bed->called.data : "", lines);
	buf_clear(&bed->called);
}

unsigned
process_bed_dead(struct process_bed *bed, unsigned number)
{
	char wanted[32];
	unsigned n = 0;
	snprintf(wanted, sizeof(wanted), "\"record\":{\"n\":%u}", number);
	char *letters = commit_bed_letters(&bed->commit, "A");
	for (const char *at = letters; (at = strstr(at, wanted)); at++)
		n++;
	free(letters);
	return n;
}

void
process_bed_expect_stored(struct process_bed *bed, const char *cursor, uint64_t done,
			  uint64_t dead_letters)
{
	struct checkpoint_record record;
	process_bed_die(bed);
	ck_assert_int_eq(state_env_checkpoint(commit_bed_state(&bed->commit), "A", &record),
			 LTS_OK);
	ck_assert_str_eq(record.cursor.text, cursor);
	ck_assert_uint_eq(record.done, done);
	ck_assert_uint_eq(record.dead_letters, dead_letters);
}
