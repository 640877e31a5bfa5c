/*
 * test_shard_walk.c - shard machines in a random world: whatever the service, the sink
 * and the supervisor answer, each is released once, its batches follow one another
 * without a hole, and the budget is zero in the end. The bed checks the rest. Seeds are
 * fixed.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/support/state_env.h"
#include "tests/worker/shard_bed.h"

enum { LIVES = 3000, STEPS = 84 };

/* What the shard has asked for and was not answered. */
enum request { NOTHING, TAKE, CURSOR, BATCH, WAIT, CLOSE };

struct walk {
	struct shard_bed bed;
	uint64_t random;
	enum request fetch; /* CURSOR, BATCH or WAIT */
	bool taking, closing;
	enum request early;  /* BATCH, or NOTHING */
	unsigned position;   /* of the stream, as the service tells it */
	unsigned promise[2]; /* where the batch leads, or the early one, by its head; 0: not said
			      */
	char reached[16];    /* where the last batch that was submitted ended */
	unsigned takes, submits, earlies;
};

static uint32_t
draw(struct walk *walk, uint32_t below)
{
	walk->random = walk->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(walk->random >> 33) % below;
}

/* Reads what the bed wrote down. */
static void
listen(struct walk *walk)
{
	char from[64], to[64];
	char *line = walk->bed.said.data, *end;
	for (; line && (end = strchr(line, '\n')); line = end + 1) {
		if (strncmp(line, "take ", 5) == 0) {
			ck_assert(!walk->taking);
			walk->taking = true;
		} else if (strncmp(line, "cursor ", 7) == 0 || strncmp(line, "batch ", 6) == 0) {
			ck_assert_int_eq(walk->fetch, NOTHING);
			walk->fetch = line[0] == 'c' ? CURSOR : BATCH;
			walk->promise[0] = 0;
		} else if (strncmp(line, "early taken", 11) == 0) {
			ck_assert_int_eq(walk->fetch, NOTHING);
			walk->fetch = walk->early;
			walk->promise[0] = walk->promise[1];
			walk->early = NOTHING;
		} else if (strncmp(line, "early ", 6) == 0) {
			ck_assert(walk->fetch == BATCH || line[6] == 'c');
			walk->early = line[6] == 'c' ? NOTHING : BATCH;
			walk->promise[1] = 0;
			walk->earlies++;
		} else if (strncmp(line, "wait ", 5) == 0) {
			walk->fetch = WAIT;
		} else if (strncmp(line, "cancel", 6) == 0) {
			walk->fetch = NOTHING;
		} else if (strncmp(line, "close ", 6) == 0) {
			ck_assert(!walk->closing);
			walk->closing = true;
		} else if (sscanf(line, "submit %63[^>]>%63s", from, to) == 2) {
			ck_assert_str_eq(from, walk->reached);
			snprintf(walk->reached, sizeof(walk->reached), "%.15s", to);
			walk->submits++;
		}
	}
	shard_bed_ignore(&walk->bed);
}

static void
answer_take(struct walk *walk)
{
	static const enum lts_err errors[] = { LTS_GONE, LTS_NOSPACE, LTS_BUSY, LTS_BADDATA };
	enum lts_err err = LTS_OK;
	walk->taking = false;
	if (walk->takes++ == 0 && draw(walk, 2))
		err = LTS_NOTFOUND;
	else if (draw(walk, 8) == 0)
		err = errors[draw(walk, 4)];
	snprintf(walk->reached, sizeof(walk->reached), "%u", walk->position);
	shard_bed_taken(&walk->bed, err, err ? "" : walk->reached);
}

static void
answer_error(struct walk *walk)
{
	static const enum lts_err errors[] = { LTS_AGAIN, LTS_AGAIN, LTS_TOOBIG, LTS_EXPIRED,
					       LTS_DENIED };
	shard_bed_error(&walk->bed, errors[draw(walk, 5)], draw(walk, 3) ? -1 : 5000);
}

/* The first bytes of the one or the other. */
static void
show_head(struct walk *walk, bool early)
{
	char next[16];
	if ((early ? walk->early : walk->fetch) != BATCH || walk->promise[early])
		return;
	walk->promise[early] = ++walk->position;
	snprintf(next, sizeof(next), "%u", walk->position);
	(early ? shard_bed_early_head : shard_bed_head)(&walk->bed, next,
							BED_BATCH - draw(walk, 4) / 3);
}

static void
answer_early(struct walk *walk)
{
	char next[16];
	if (walk->early != BATCH)
		return;
	walk->early = NOTHING;
	if (draw(walk, 6) == 0) {
		shard_bed_early_error(&walk->bed, LTS_AGAIN);
		return;
	}
	snprintf(next, sizeof(next), "%u",
		 walk->promise[1] && draw(walk, 8) ? walk->promise[1] : ++walk->position);
	shard_bed_early_batch(&walk->bed, next, draw(walk, 4), 100 + draw(walk, 5000));
}

static void
answer_fetch(struct walk *walk)
{
	enum request what = walk->fetch;
	char next[16];
	walk->fetch = NOTHING;
	snprintf(next, sizeof(next), "%u", walk->position + 1);
	if (what == WAIT) {
		shard_bed_timer(&walk->bed, 1000);
	} else if (draw(walk, 6) == 0) {
		answer_error(walk);
	} else if (what == CURSOR) {
		/* The end, the start, or the end of a gap: often as it was, else further on. */
		walk->position += draw(walk, 2) ? 0 : draw(walk, 3);
		snprintf(next, sizeof(next), "%u", walk->position);
		shard_bed_cursor(&walk->bed, next);
	} else {
		size_t n = draw(walk, 4);
		switch (draw(walk, 8)) {
		case 0:
			next[0] = '\0';
			break;
		case 1:
			snprintf(next, sizeof(next), "%.15s", walk->bed.from.text);
			break;
		default:
			if (walk->promise[0] && draw(walk, 8))
				snprintf(next, sizeof(next), "%u", walk->promise[0]);
			else
				walk->position++;
		}
		shard_bed_batch(&walk->bed, next, n, 100 + draw(walk, 5000));
	}
}

static void
random_event(struct walk *walk)
{
	static const enum lts_err results[] = { LTS_OK, LTS_OK, LTS_OK,   LTS_OK,
						LTS_OK, LTS_OK, LTS_GONE, LTS_BADDATA };
	struct shard_bed *bed = &walk->bed;
	switch (draw(walk, 14)) {
	case 10:
	case 11:
		show_head(walk, false);
		break;
	case 12:
		show_head(walk, true);
		break;
	case 13:
		answer_early(walk);
		break;
	case 0:
	case 1:
		if (walk->taking)
			answer_take(walk);
		break;
	case 2:
	case 3:
	case 4:
		if (walk->fetch != NOTHING)
			answer_fetch(walk);
		break;
	case 5:
	case 6:
		if (bed->submitted)
			shard_bed_delivered(bed, results[draw(walk, 8)]);
		break;
	case 7:
		if (walk->closing) {
			walk->closing = false;
			shard_bed_closed(bed, draw(walk, 6) ? LTS_OK : LTS_GONE);
		}
		break;
	case 8:
		bed->full = draw(walk, 3) == 0;
		if (!bed->full)
			shard_on_room(bed->shard, bed->now_ms);
		break;
	default:
		if (draw(walk, 12) == 0)
			shard_on_gone(bed->shard, bed->now_ms);
		else if (draw(walk, 12) == 0)
			shard_on_revoke(bed->shard, draw(walk, 2) ? LEASE_RELEASED : LEASE_PAUSED,
					bed->now_ms);
		bed->now_ms += draw(walk, 500);
	}
	listen(walk);
}

/* Lets it go, if nobody has, and answers all that is left. */
static void
let_go(struct walk *walk)
{
	struct shard_bed *bed = &walk->bed;
	shard_on_revoke(bed->shard, LEASE_RELEASED, bed->now_ms);
	listen(walk);
	for (int i = 0; i < 10 && shard_state(bed->shard) != SHARD_DONE; i++) {
		if (walk->taking)
			answer_take(walk);
		else if (bed->submitted)
			shard_bed_delivered(bed, LTS_OK);
		else if (walk->closing) {
			walk->closing = false;
			shard_bed_closed(bed, LTS_OK);
		}
		listen(walk);
	}
	ck_assert_int_eq(shard_state(bed->shard), SHARD_DONE);
	ck_assert_uint_eq(bed->released, 1);
	ck_assert_uint_eq(bed->forgotten, 1);
	ck_assert_int_eq(walk->fetch, NOTHING);
	ck_assert_int_eq(walk->early, NOTHING);
}

START_TEST(every_life_ends_released_with_the_budget_at_zero)
{
	static struct walk walk;
	unsigned submits = 0, earlies = 0;
	uint64_t random = (uint64_t)_i * 104729 + 7;
	for (int life = 0; life < LIVES; life++) {
		memset(&walk, 0, sizeof(walk));
		walk.random = random;
		walk.position = 100;
		shard_bed_init(&walk.bed, draw(&walk, 2) ? 2000000000 : 0);
		walk.bed.config.on_expired = (enum expired_policy)draw(&walk, 3);
		shard_bed_set_service_clock(&walk.bed, draw(&walk, 2) ? 1000000000 : 3000000000);
		shard_start(walk.bed.shard);
		listen(&walk);
		for (int step = 0; step < STEPS && shard_state(walk.bed.shard) != SHARD_DONE;
		     step++)
			random_event(&walk);
		let_go(&walk);
		submits += walk.submits;
		earlies += walk.earlies;
		random = walk.random;
		shard_bed_fini(&walk.bed);
	}
	ck_assert_uint_gt(submits, LIVES / 2);
	ck_assert_uint_gt(earlies, LIVES / 2);
}
END_TEST

Suite *
suite_shard_walk(void)
{
	Suite *suite = suite_create("shard_walk");
	TCase *tc = tcase_create("random walks");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, every_life_ends_released_with_the_budget_at_zero, 0, 4);
	suite_add_tcase(suite, tc);
	return suite;
}
