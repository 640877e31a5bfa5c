/*
 * test_lease_remove.c - holds state/lease_remove.c to what it says: only what never mattered goes.
 */
#include <check.h>
#include <stdio.h>

#include "tests/suites.h"
#include "tests/support/filler.h"
#include "tests/support/state_env.h"

enum { LATER_NS = 1000000 };

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

/* Takes a shard, and lets it go again. */
static void
take_and_let_go(const char *shard, uint32_t sequence)
{
	struct lease_take take = take_of(shard, epoch_of(1, sequence));
	struct checkpoint_move move = move_of(shard, epoch_of(1, sequence), "100", "100");
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	move.records = move.bytes = 0;
	move.position = (struct sink_position){ 0, 0 };
	move.close = LEASE_RELEASED;
	ck_assert_int_eq(state_env_move(&env, &move, 1), LTS_OK);
	ck_assert_int_eq(move.result, LTS_OK);
}

static size_t
remove_before(int64_t before_ns, size_t most)
{
	struct store_txn txn = { 0 };
	size_t n = 0;
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(lease_remove_unused(&txn, before_ns, most, &n), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	return n;
}

START_TEST(shard_of_which_nothing_was_delivered_goes_and_may_come_back)
{
	struct lease_record lease;
	struct checkpoint_record checkpoint;
	for (uint32_t i = 0; i < 5; i++)
		take_and_let_go((const char[]){ (char)('0' + i), '\0' }, i + 1);
	ck_assert_uint_eq(remove_before(0, 100), 0); /* the service may not know yet */
	ck_assert_uint_eq(remove_before(LATER_NS, 3), 3);
	ck_assert_uint_eq(remove_before(LATER_NS, 3), 2);
	ck_assert_int_eq(state_env_lease(&env, "0", &lease), LTS_NOTFOUND);
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &checkpoint), LTS_NOTFOUND);
	take_and_let_go("0", 9);
}
END_TEST

static void
deliver(struct checkpoint_record *r)
{
	r->records = 1;
}

static void
put_aside(struct checkpoint_record *r)
{
	r->dead_letters = 1;
}

static void
make_segment(struct checkpoint_record *r)
{
	r->position.segment = 1;
}

static void
force(struct checkpoint_record *r)
{
	r->forced = true;
}

static void (*const traces[])(struct checkpoint_record *) = { deliver, put_aside, make_segment,
							      force };

START_TEST(shard_that_left_a_trace_stays)
{
	struct checkpoint_record r;
	take_and_let_go("0", 1);
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &r), LTS_OK);
	traces[_i](&r);
	state_env_put_checkpoint(&env, &r);
	ck_assert_uint_eq(remove_before(LATER_NS, 100), 0);
}
END_TEST

START_TEST(held_shard_stays)
{
	struct lease_take take = take_of("0", epoch_of(1, 1));
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	ck_assert_uint_eq(remove_before(LATER_NS, 100), 0);
}
END_TEST

START_TEST(above_three_quarters_of_the_map_only_new_shards_wait_and_a_start_makes_room)
{
	struct lease_take known = take_of("0", epoch_of(1, 2)), new = take_of("1", epoch_of(1, 3));
	struct store_usage before, after;
	take_and_let_go("0", 1);
	store_usage(env.store, &before);
	store_close(&env.store);
	filler_put(env.dir, 2000);
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	ck_assert_int_eq(state_env_take(&env, &known, NULL), LTS_OK);
	ck_assert_int_eq(state_env_take(&env, &new, NULL), LTS_NOSPACE);
	store_close(&env.store);
	ck_assert_int_eq(store_open(env.dir, STORE_CREATE, &env.store), LTS_OK);
	ck_assert_int_eq(state_env_take(&env, &new, NULL), LTS_OK);
	store_close(&env.store);
	/* And the size is the file's from then on. */
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	store_usage(env.store, &after);
	ck_assert_uint_eq(after.map_bytes, 2 * before.map_bytes);
}
END_TEST

Suite *
suite_lease_remove(void)
{
	Suite *suite = suite_create("lease_remove");
	TCase *tc = tcase_create("lease_remove");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, shard_of_which_nothing_was_delivered_goes_and_may_come_back);
	tcase_add_loop_test(tc, shard_that_left_a_trace_stays, 0,
			    (int)(sizeof(traces) / sizeof(traces[0])));
	tcase_add_test(tc, held_shard_stays);
	tcase_add_test(
		tc, above_three_quarters_of_the_map_only_new_shards_wait_and_a_start_makes_room);
	suite_add_tcase(suite, tc);
	return suite;
}
