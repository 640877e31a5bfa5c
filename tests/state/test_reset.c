/*
 * test_reset.c - holds state/reset.c to its header: the next take goes on there, and what was
 * delivered stays delivered.
 */
#include "state/reset.h"

#include <check.h>
#include <stdlib.h>

#include "tests/suites.h"
#include "tests/support/state_env.h"

static struct state_env env;

static void
setup(void)
{
	state_env_init(&env);
}

static void
teardown(void)
{
	state_env_fini(&env);
}

static enum lts_err
force(const char *shard, const char *place, struct cursor *from)
{
	struct store_txn txn = { 0 };
	struct shard_id id = shard_of(shard);
	struct place to;
	ck_assert_ptr_null(place_parse(place, &to));
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	enum lts_err err = reset_force(&txn, &id, &to, 4000, from);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	return err;
}

/* Shard 0 was taken at 100 and has moved to 200, with this and that behind it. */
static void
leave_at_200(void)
{
	struct store_txn txn = { 0 };
	struct checkpoint_record record;
	struct lease_take take = take_of("0", epoch_of(1, 1));
	struct checkpoint_move move = move_of("0", epoch_of(1, 1), "100", "200");
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	ck_assert_int_eq(state_env_move(&env, &move, 1), LTS_OK);
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &record), LTS_OK);
	record.done = 5;
	record.attempts = 2;
	record.asides = (struct asides){ .n = 1, .list = { { 3, 33 } } };
	record.finished_end_ns = 12;
	record.service = cursor_of("150");
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(checkpoint_put(&txn, &record), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
}

static const struct {
	const char *place, *cursor;
} forced[] = {
	{ "cursor:120", "120" },
	{ "begin", "@begin" },
	{ "end", "@end" },
	{ "1767322800", "@1767322800000000000" },
};

START_TEST(record_is_marked_and_keeps_what_was_delivered)
{
	struct cursor from;
	struct checkpoint_record before, record;
	struct lease_record lease;
	size_t n;
	leave_at_200();
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &before), LTS_OK);
	ck_assert_int_eq(force("0", forced[_i].place, &from), LTS_OK);
	ck_assert_str_eq(from.text, "200");
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &record), LTS_OK);
	ck_assert_str_eq(record.cursor.text, forced[_i].cursor);
	ck_assert(record.forced);
	ck_assert_uint_eq(record.done + record.attempts + record.asides.n, 0);
	ck_assert_int_eq(record.finished_end_ns, 0);
	ck_assert(epoch_equal(record.epoch, before.epoch));
	ck_assert_uint_eq(record.records, before.records);
	ck_assert_uint_eq(record.position.segment, before.position.segment);
	ck_assert_uint_eq(record.position.offset, before.position.offset);
	ck_assert_str_eq(record.service.text, "150");
	ck_assert_int_eq(state_env_lease(&env, "0", &lease), LTS_OK);
	ck_assert(epoch_equal(lease.epoch, epoch_of(1, 1)));
	struct event_record *events = state_env_events(&env, &n);
	const struct event_record *last = &events[n - 1];
	ck_assert_int_eq(last->kind, EVENT_RESET);
	ck_assert_int_eq(last->time_ns, 4000);
	ck_assert_str_eq(last->cursor.text, forced[_i].cursor);
	ck_assert_str_eq(last->text, "from 200, while no agent ran");
	free(events);
}
END_TEST

START_TEST(next_take_goes_on_there_and_the_one_after_does_not)
{
	struct cursor from;
	struct lease_take take = take_of("0", epoch_of(2, 1));
	struct checkpoint_move move = move_of("0", epoch_of(2, 1), "120", "180");
	struct lease_taken taken;
	leave_at_200();
	ck_assert_int_eq(force("0", "cursor:120", &from), LTS_OK);
	take.service = cursor_of("900"); /* another host has been further: so be it */
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_str_eq(taken.checkpoint.cursor.text, "120");
	ck_assert_int_eq(state_env_move(&env, &move, 1), LTS_OK);
	take.epoch.value++;
	take.unbroken = true;
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_str_eq(taken.checkpoint.cursor.text, "180");
}
END_TEST

START_TEST(last_of_two_wins)
{
	struct cursor from;
	struct checkpoint_record record;
	leave_at_200();
	ck_assert_int_eq(force("0", "begin", &from), LTS_OK);
	ck_assert_int_eq(force("0", "cursor:140", &from), LTS_OK);
	ck_assert_str_eq(from.text, "@begin");
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &record), LTS_OK);
	ck_assert_str_eq(record.cursor.text, "140");
}
END_TEST

START_TEST(shard_that_is_not_there_is_not_found_and_nothing_is_written)
{
	struct cursor from;
	struct checkpoint_record record;
	size_t n;
	ck_assert_int_eq(force("7", "begin", &from), LTS_NOTFOUND);
	ck_assert_int_eq(state_env_checkpoint(&env, "7", &record), LTS_NOTFOUND);
	free(state_env_events(&env, &n));
	ck_assert_uint_eq(n, 0);
}
END_TEST

Suite *
suite_reset(void)
{
	Suite *suite = suite_create("reset");
	TCase *tc = tcase_create("reset");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, record_is_marked_and_keeps_what_was_delivered, 0,
			    sizeof(forced) / sizeof(forced[0]));
	tcase_add_test(tc, next_take_goes_on_there_and_the_one_after_does_not);
	tcase_add_test(tc, last_of_two_wins);
	tcase_add_test(tc, shard_that_is_not_there_is_not_found_and_nothing_is_written);
	suite_add_tcase(suite, tc);
	return suite;
}
