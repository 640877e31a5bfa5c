/*
 * test_checkpoint.c - holds state/checkpoint.c to rules 4, 6, 8 and 9 of the
 * architecture, and state/events.c to its ceiling.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "state/events.h"
#include "tests/support/state_env.h"
#include "tests/suites.h"

static struct state_env env;
static struct epoch now; /* the epoch of shard 0's lease */

static void
setup(void)
{
	now = epoch_of(3, 17);
	state_env_init(&env);
	struct lease_take take = take_of("0", now);
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
}

static void
teardown(void)
{
	state_env_fini(&env);
}

static enum lts_err
result_of(struct checkpoint_move move)
{
	ck_assert_int_eq(state_env_move(&env, &move, 1), LTS_OK);
	return move.result;
}

static struct checkpoint_record
stored(const char *shard)
{
	struct checkpoint_record record;
	ck_assert_int_eq(state_env_checkpoint(&env, shard, &record), LTS_OK);
	return record;
}

/* The whole environment as it stands: no refused move may change any of it. */
static void
expect_refused_as(struct checkpoint_move move, enum lts_err why)
{
	struct checkpoint_record before = stored("0"), after;
	struct lease_record lease_before, lease_after;
	struct schema_value a, b;
	size_t n_before, n_after;
	ck_assert_int_eq(state_env_lease(&env, "0", &lease_before), LTS_OK);
	free(state_env_events(&env, &n_before));
	ck_assert_int_eq(result_of(move), why);
	after = stored("0");
	checkpoint_encode(&before, &a);
	checkpoint_encode(&after, &b);
	ck_assert_uint_eq(a.len, b.len);
	ck_assert_mem_eq(a.data, b.data, a.len);
	ck_assert_int_eq(state_env_lease(&env, "0", &lease_after), LTS_OK);
	lease_encode(&lease_before, &a);
	lease_encode(&lease_after, &b);
	ck_assert_mem_eq(a.data, b.data, a.len);
	free(state_env_events(&env, &n_after));
	ck_assert_uint_eq(n_before, n_after);
}

static void
expect_refused(struct checkpoint_move move)
{
	expect_refused_as(move, LTS_GONE);
}

START_TEST(holder_moves_its_checkpoint)
{
	ck_assert_int_eq(result_of(move_of("0", now, "100", "200")), LTS_OK);
	struct checkpoint_record r = stored("0");
	ck_assert_str_eq(r.cursor.text, "200");
	ck_assert(epoch_equal(r.epoch, now));
	ck_assert_uint_eq(r.position.segment, 2);
	ck_assert_uint_eq(r.position.offset, 4096);
	ck_assert_uint_eq(r.records, 10);
	ck_assert_uint_eq(r.bytes, 1000);
	ck_assert_int_eq(r.committed_ns, 5000);
	ck_assert_str_eq(r.service.text, "");
	ck_assert_int_eq(result_of(move_of("0", now, "200", "300")), LTS_OK);
	r = stored("0");
	ck_assert_str_eq(r.cursor.text, "300");
	ck_assert_uint_eq(r.records, 20);
	ck_assert_uint_eq(r.bytes, 2000);
}
END_TEST

START_TEST(stale_epoch_cannot_move_checkpoint)
{
	expect_refused(move_of("0", epoch_of(3, 16), "100", "200"));
	expect_refused(move_of("0", epoch_of(2, 17), "100", "200"));
	expect_refused(move_of("0", epoch_of(0, 0), "100", "200"));
	struct lease_take take = take_of("0", epoch_of(3, 18));
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	expect_refused(move_of("0", now, "100", "200")); /* it was his until a moment ago */
	ck_assert_int_eq(result_of(move_of("0", epoch_of(3, 18), "100", "200")), LTS_OK);
}
END_TEST

START_TEST(epoch_from_the_future_cannot_move_checkpoint)
{
	expect_refused(move_of("0", epoch_of(3, 18), "100", "200"));
	expect_refused(move_of("0", epoch_of(4, 17), "100", "200"));
}
END_TEST

START_TEST(move_from_elsewhere_is_refused)
{
	expect_refused(move_of("0", now, "99", "200"));
	expect_refused(move_of("0", now, "0100", "200")); /* equal only as text */
	expect_refused(move_of("0", now, "", "200"));
	ck_assert_int_eq(result_of(move_of("0", now, "100", "200")), LTS_OK);
	expect_refused(move_of("0", now, "100", "200")); /* the same again */
}
END_TEST

START_TEST(records_done_with_behind_the_cursor_are_part_of_the_place)
{
	struct checkpoint_move move = move_of("0", now, "100", "100");
	move.to_done = 7;
	move.dead_letters = 1;
	move.attempts = 3;
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_uint_eq(stored("0").done, 7);
	ck_assert_uint_eq(stored("0").dead_letters, 1);
	ck_assert_uint_eq(stored("0").attempts, 3);
	ck_assert_int_eq(stored("0").committed_ns, 5000);
	expect_refused(move); /* from its beginning, as before */
	expect_refused(move_of("0", now, "100", "200"));
	move.from_done = 8;
	expect_refused(move);
	move.from_done = 7;
	move.to = cursor_of("200");
	move.to_done = 0;
	move.attempts = 0;
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_uint_eq(stored("0").done, 0);
	ck_assert_uint_eq(stored("0").dead_letters, 2);
	ck_assert_uint_eq(stored("0").attempts, 0);
}
END_TEST

static const struct asides two_aside = { 2, { { 7, 1 }, { 9, 2 } } };

START_TEST(dead_letter_ahead_of_the_place_is_stored_and_moves_it_not)
{
	struct checkpoint_move move = move_of("0", now, "100", "100");
	move.dead_letters = 2;
	move.asides = &two_aside;
	ck_assert_int_eq(result_of(move), LTS_OK);
	struct checkpoint_record record = stored("0");
	ck_assert_str_eq(record.cursor.text, "100");
	ck_assert_uint_eq(record.dead_letters, 2);
	ck_assert_uint_eq(record.asides.n, 2);
	ck_assert_uint_eq(record.asides.list[1].place, 9);
	move = move_of("0", now, "100", "200");
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_uint_eq(stored("0").asides.n, 0); /* they were ahead of the former place */
}
END_TEST

START_TEST(dead_letter_ahead_of_the_place_is_refused_past_its_deadline)
{
	struct checkpoint_move move = move_of("0", now, "100", "100");
	move.dead_letters = 2;
	move.asides = &two_aside;
	move.deadline_ms = STATE_ENV_NOW_MS;
	expect_refused_as(move, LTS_EXPIRED);
}
END_TEST

/* What was put aside since then is undone with all else. */
START_TEST(commit_that_moves_nothing_leaves_what_is_aside)
{
	struct checkpoint_move move = move_of("0", now, "100", "100");
	move.dead_letters = 2;
	move.asides = &two_aside;
	ck_assert_int_eq(result_of(move), LTS_OK);
	move.dead_letters = 0;
	move.asides = &(struct asides){ 1, { { 3, 3 } } };
	move.deadline_ms = 0;
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_uint_eq(stored("0").asides.n, 2);
}
END_TEST

START_TEST(move_behind_the_cursor_is_refused_past_its_deadline)
{
	struct checkpoint_move move = move_of("0", now, "100", "100");
	move.to_done = 7;
	move.deadline_ms = STATE_ENV_NOW_MS;
	expect_refused_as(move, LTS_EXPIRED);
}
END_TEST

START_TEST(move_past_its_deadline_is_refused)
{
	struct checkpoint_move move = move_of("0", now, "100", "200");
	move.deadline_ms = STATE_ENV_NOW_MS;
	expect_refused_as(move, LTS_EXPIRED);
	move.deadline_ms = STATE_ENV_NOW_MS - 1;
	expect_refused_as(move, LTS_EXPIRED);
	move.deadline_ms = 0;
	expect_refused_as(move, LTS_EXPIRED);
	move.deadline_ms = STATE_ENV_NOW_MS + 1;
	ck_assert_int_eq(result_of(move), LTS_OK);
}
END_TEST

START_TEST(shard_never_taken_is_gone)
{
	size_t n;
	struct checkpoint_move move = move_of("1", now, "100", "200");
	ck_assert_int_eq(result_of(move), LTS_GONE);
	struct checkpoint_record record;
	ck_assert_int_eq(state_env_checkpoint(&env, "1", &record), LTS_NOTFOUND);
	free(state_env_events(&env, &n));
	ck_assert_uint_eq(n, 1); /* the fixture's take */
}
END_TEST

static const enum lease_state let_go_states[] = { LEASE_RELEASED, LEASE_PAUSED };

START_TEST(lease_let_go_cannot_move)
{
	struct checkpoint_move move = move_of("0", now, "100", "200");
	struct lease_record lease;
	move.close = let_go_states[_i];
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_int_eq(state_env_lease(&env, "0", &lease), LTS_OK);
	ck_assert_int_eq(lease.state, let_go_states[_i]);
	ck_assert(epoch_equal(lease.epoch, now));
	ck_assert_int_eq(lease.since_ns, 5000);
	ck_assert_str_eq(stored("0").cursor.text, "200"); /* closing moves, too */
	expect_refused(move_of("0", now, "200", "300"));
	move = move_of("0", now, "200", "200");
	move.published = cursor_of("200");
	expect_refused(move);
	move.close = let_go_states[_i];
	expect_refused(move);
}
END_TEST

START_TEST(closing_without_moving_keeps_the_age)
{
	struct checkpoint_move move = move_of("0", now, "100", "100");
	move.records = move.bytes = 0;
	move.close = LEASE_RELEASED;
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_int_eq(stored("0").committed_ns, 1000); /* the take's */
	ck_assert_int_eq(stored("0").finished_end_ns, 0);
}
END_TEST

START_TEST(finished_lease_keeps_its_end_and_takes_what_was_published)
{
	struct checkpoint_move move = move_of("0", now, "100", "200");
	struct lease_record lease;
	move.close = LEASE_FINISHED;
	move.end_ns = 777;
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_int_eq(state_env_lease(&env, "0", &lease), LTS_OK);
	ck_assert_int_eq(lease.state, LEASE_FINISHED);
	ck_assert_int_eq(stored("0").finished_end_ns, 777);
	move = move_of("0", now, "200", "200");
	move.records = 0;
	move.published = cursor_of("200");
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_str_eq(stored("0").service.text, "200");
	ck_assert_int_eq(stored("0").finished_end_ns, 777);
}
END_TEST

START_TEST(published_cursor_is_stored_with_the_commit)
{
	struct checkpoint_move move = move_of("0", now, "100", "200");
	move.published = cursor_of("100");
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_str_eq(stored("0").service.text, "100");
	move = move_of("0", now, "200", "300"); /* nothing new: stays */
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_str_eq(stored("0").service.text, "100");
	move = move_of("0", now, "300", "300"); /* without any move */
	move.published = cursor_of("300");
	ck_assert_int_eq(result_of(move), LTS_OK);
	ck_assert_str_eq(stored("0").service.text, "300");
}
END_TEST

START_TEST(group_commit_leaves_out_what_is_gone_and_commits_the_rest)
{
	struct lease_take one = take_of("1", epoch_of(3, 20)),
			  two = take_of("2", epoch_of(3, 21));
	ck_assert_int_eq(state_env_take(&env, &one, NULL), LTS_OK);
	ck_assert_int_eq(state_env_take(&env, &two, NULL), LTS_OK);
	struct checkpoint_move moves[] = {
		move_of("1", epoch_of(3, 19), "100", "201"), /* stale */
		move_of("0", now, "100", "200"),
		move_of("3", epoch_of(3, 22), "100", "203"), /* never taken */
		move_of("2", epoch_of(3, 21), "100", "202"),
		move_of("2", epoch_of(3, 21), "100", "999"), /* moved on by the one before */
	};
	static const enum lts_err wanted[] = { LTS_GONE, LTS_OK, LTS_GONE, LTS_OK, LTS_GONE };
	ck_assert_int_eq(state_env_move(&env, moves, 5), LTS_OK);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(moves[i].result, wanted[i]);
	ck_assert_str_eq(stored("0").cursor.text, "200");
	ck_assert_str_eq(stored("1").cursor.text, "100");
	ck_assert_str_eq(stored("2").cursor.text, "202");
}
END_TEST

START_TEST(damaged_record_stops_the_group)
{
	struct store_txn txn = { 0 };
	struct checkpoint_record record = stored("0");
	struct schema_value value;
	struct checkpoint_move move = move_of("0", now, "100", "200");
	checkpoint_encode(&record, &value);
	value.data[10] ^= 1;
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, STORE_CHECKPOINTS, (struct store_key){ "0", 1 }, &value),
			 LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	ck_assert_int_eq(state_env_move(&env, &move, 1), LTS_BADDATA);
	ck_assert_int_ne(move.result, LTS_OK);
}
END_TEST

START_TEST(moves_leave_events_for_ends_and_gaps_only)
{
	static const enum event_kind kinds[] = { EVENT_TAKEN, EVENT_EXPIRED, EVENT_FINISHED,
						 EVENT_RELEASED };
	static const char *const cursors[] = { "100", "300", "400", "400" };
	struct checkpoint_move move = move_of("0", now, "200", "300");
	size_t n;
	ck_assert_int_eq(result_of(move_of("0", now, "100", "200")), LTS_OK);
	move.gap = true;
	ck_assert_int_eq(result_of(move), LTS_OK);
	move = move_of("0", now, "300", "400");
	move.close = LEASE_FINISHED;
	ck_assert_int_eq(result_of(move), LTS_OK);
	move = move_of("0", now, "400", "400");
	move.close = LEASE_PAUSED;
	ck_assert_int_eq(result_of(move), LTS_OK);
	struct event_record *events = state_env_events(&env, &n);
	ck_assert_uint_eq(n, 4);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(events[i].kind, kinds[i]);
		ck_assert_str_eq(events[i].cursor.text, cursors[i]);
		ck_assert(epoch_equal(events[i].epoch, now));
		ck_assert_uint_eq(events[i].slot, i ? 7 : 3); /* who moved; who took */
	}
	free(events);
}
END_TEST

START_TEST(events_are_bounded_and_numbered_without_gaps)
{
	struct store_txn txn = { 0 };
	struct event_record event = { .kind = EVENT_TAKEN, .number = 4711 };
	uint64_t count;
	size_t n;
	/* The fixture's take left the first. */
	for (int i = 1; i < EVENTS_KEPT + 250;) {
		ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
		for (int batch = 0; batch < 500 && i < EVENTS_KEPT + 250; batch++, i++) {
			event.time_ns = i;
			ck_assert_int_eq(events_append(&txn, &event), LTS_OK);
		}
		ck_assert_int_eq(store_count(&txn, STORE_EVENTS, &count), LTS_OK);
		ck_assert_uint_le(count, EVENTS_KEPT);
		ck_assert_int_eq(store_commit(&txn), LTS_OK);
	}
	struct event_record *events = state_env_events(&env, &n);
	ck_assert_uint_eq(n, EVENTS_KEPT);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(events[i].number, 251 + i);
		ck_assert_int_eq(events[i].time_ns, (int64_t)(250 + i));
	}
	free(events);
}
END_TEST

START_TEST(numbers_go_on_after_closing)
{
	size_t n;
	store_close(&env.store);
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	struct lease_take take = take_of("1", now);
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	struct event_record *events = state_env_events(&env, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(events[1].number, 2);
	free(events);
}
END_TEST

Suite *
suite_checkpoint(void)
{
	Suite *suite = suite_create("checkpoint");
	TCase *tc = tcase_create("checkpoint");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, holder_moves_its_checkpoint);
	tcase_add_test(tc, stale_epoch_cannot_move_checkpoint);
	tcase_add_test(tc, epoch_from_the_future_cannot_move_checkpoint);
	tcase_add_test(tc, move_from_elsewhere_is_refused);
	tcase_add_test(tc, move_past_its_deadline_is_refused);
	tcase_add_test(tc, records_done_with_behind_the_cursor_are_part_of_the_place);
	tcase_add_test(tc, dead_letter_ahead_of_the_place_is_stored_and_moves_it_not);
	tcase_add_test(tc, dead_letter_ahead_of_the_place_is_refused_past_its_deadline);
	tcase_add_test(tc, commit_that_moves_nothing_leaves_what_is_aside);
	tcase_add_test(tc, move_behind_the_cursor_is_refused_past_its_deadline);
	tcase_add_test(tc, shard_never_taken_is_gone);
	tcase_add_loop_test(tc, lease_let_go_cannot_move, 0, 2);
	tcase_add_test(tc, closing_without_moving_keeps_the_age);
	tcase_add_test(tc, finished_lease_keeps_its_end_and_takes_what_was_published);
	tcase_add_test(tc, published_cursor_is_stored_with_the_commit);
	tcase_add_test(tc, group_commit_leaves_out_what_is_gone_and_commits_the_rest);
	tcase_add_test(tc, damaged_record_stops_the_group);
	tcase_add_test(tc, moves_leave_events_for_ends_and_gaps_only);
	tcase_add_test(tc, events_are_bounded_and_numbered_without_gaps);
	tcase_add_test(tc, numbers_go_on_after_closing);
	suite_add_tcase(suite, tc);
	return suite;
}
