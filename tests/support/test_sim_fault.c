/*
 * test_sim_fault.c - holds tests/sim/sim_fault.c: what a rule says is what strikes, and a
 * seed repeats it.
 */
#include <check.h>
#include <string.h>

#include "tests/sim/sim_fault.h"
#include "tests/suites.h"

static struct sim_faults *faults;

static void
setup(void)
{
	faults = sim_faults_create(1, 4);
}

static void
teardown(void)
{
	sim_faults_destroy(&faults);
}

static void
give(const char *rules, bool keep)
{
	struct buf error;
	buf_init(&error, 0);
	ck_assert_msg(sim_faults_set(faults, rules, keep, &error) == LTS_OK, "%s",
		      error.data ? error.data : "");
	buf_fini(&error);
}

static void
set_rules(const char *rules)
{
	give(rules, false);
}

static struct sim_effect
apply(enum sim_kind kind, int shard, const char *consumer)
{
	struct sim_effect effect;
	struct sim_subject subject = { .kind = kind, .shard = shard, .consumer = consumer };
	sim_faults_apply(faults, &subject, &effect);
	return effect;
}

START_TEST(conditions_pick_the_request)
{
	set_rules("batch shard=2 latency=40\nheartbeat consumer=a status=404\nany "
		  "bandwidth=5000\n");
	ck_assert_int_eq(apply(SIM_BATCH, 2, NULL).latency_ms, 40);
	ck_assert_int_eq(apply(SIM_BATCH, 1, NULL).latency_ms, 0);
	ck_assert_int_eq(apply(SIM_CURSOR, 2, NULL).latency_ms, 0);
	ck_assert_int_eq(apply(SIM_HEARTBEAT, -1, "a").status, 404);
	ck_assert_int_eq(apply(SIM_HEARTBEAT, -1, "b").status, 0);
	ck_assert_int_eq(apply(SIM_HEARTBEAT, -1, NULL).status, 0);
	ck_assert_int_eq(apply(SIM_INGEST, -1, NULL).bandwidth, 5000);
	ck_assert_int_eq(apply(SIM_OTHER, -1, NULL).bandwidth, 0);
}
END_TEST

START_TEST(write_of_several_has_each_of_its_shards_and_a_list_no_one)
{
	const unsigned among[] = { 1, 3 };
	struct sim_effect effect;
	struct sim_subject write = { SIM_CHECKPOINT_WRITE, -1, among, 2, NULL, NULL };
	set_rules("checkpoint_write shard=3 status=404\ncheckpoint_write shard=2 latency=5\n"
		  "checkpoint_read list empty");
	sim_faults_apply(faults, &write, &effect);
	ck_assert_int_eq(effect.status, 404);
	ck_assert_int_eq(effect.latency_ms, 0);
	ck_assert_int_eq(apply(SIM_CHECKPOINT_READ, -1, NULL).empty, 1);
	ck_assert_int_eq(apply(SIM_CHECKPOINT_READ, 2, NULL).empty, 0);
}
END_TEST

START_TEST(names_that_are_no_uuids_can_be_picked)
{
	static const char uuid[] = "9f1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5d";
	static const char *const others[] = { "",
					      "host-a1b2c3d4-0",
					      "9f1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5",
					      "9f1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5dd",
					      "9f1b2c3d04e5f-4a6b-8c7d-0e1f2a3b4c5d",
					      "9f1b2c3g-4e5f-4a6b-8c7d-0e1f2a3b4c5d" };
	set_rules("heartbeat consumer=!uuid status=400\n");
	ck_assert_int_eq(apply(SIM_HEARTBEAT, -1, uuid).status, 0);
	ck_assert_int_eq(apply(SIM_HEARTBEAT, -1, NULL).status, 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_int_eq(apply(SIM_HEARTBEAT, -1, others[i]).status, 400);
}
END_TEST

START_TEST(after_and_count_bound_a_rule)
{
	set_rules("batch after=2 count=3 reset");
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(apply(SIM_BATCH, 0, NULL).reset, i >= 2 && i < 5);
}
END_TEST

START_TEST(several_rules_add_up_and_the_later_wins)
{
	set_rules("batch latency=10 status=500\nbatch status=503 retry_after=7\nbatch "
		  "truncate=0");
	struct sim_effect effect = apply(SIM_BATCH, 0, NULL);
	ck_assert_int_eq(effect.latency_ms, 10);
	ck_assert_int_eq(effect.status, 503);
	ck_assert_str_eq(effect.retry_after, "7");
	ck_assert(effect.has_truncate);
	ck_assert_int_eq(effect.truncate, 0);
}
END_TEST

START_TEST(quoted_values_and_the_rest_of_the_line)
{
	set_rules("cursor retry_after=\"Wed, 21 Oct 2099 07:28:00 GMT\" status=429\n"
		  "\r\n  \nbatch garbage={\"a\": [1, 2]} x=y\nheartbeat redirect");
	ck_assert_str_eq(apply(SIM_CURSOR, 0, NULL).retry_after, "Wed, 21 Oct 2099 07:28:00 GMT");
	ck_assert_int_eq(apply(SIM_CURSOR, 0, NULL).status, 429);
	ck_assert_str_eq(apply(SIM_BATCH, 0, NULL).garbage, "{\"a\": [1, 2]} x=y");
	ck_assert_ptr_nonnull(apply(SIM_HEARTBEAT, -1, NULL).redirect);
}
END_TEST

static unsigned
count_strikes(uint64_t seed, int shard, uint64_t *pattern_out)
{
	unsigned struck = 0;
	*pattern_out = 0;
	sim_faults_destroy(&faults);
	faults = sim_faults_create(seed, 4);
	set_rules("batch p=0.25 reset");
	for (int i = 0; i < 1000; i++) {
		bool hit = apply(SIM_BATCH, shard, NULL).reset;
		struck += hit;
		*pattern_out = *pattern_out * 31 + hit;
		apply(SIM_BATCH, 3, NULL); /* what others do must not matter */
	}
	return struck;
}

START_TEST(chance_is_repeated_by_the_seed_for_each_shard)
{
	uint64_t first, again, other_seed, other_shard;
	unsigned struck = count_strikes(1, 0, &first);
	ck_assert_uint_gt(struck, 200);
	ck_assert_uint_lt(struck, 300);
	count_strikes(1, 0, &again);
	ck_assert_uint_eq(first, again);
	count_strikes(2, 0, &other_seed);
	ck_assert_uint_ne(first, other_seed);
	count_strikes(1, 1, &other_shard);
	ck_assert_uint_ne(first, other_shard);
}
END_TEST

START_TEST(bad_rules_are_refused_whole_and_named)
{
	static const char *const wrong[] = {
		"x reset",
		"batch",
		"batch wat",
		"batch status",
		"batch status=9",
		"batch p=2 reset",
		"batch p= reset",
		"batch latency=1x",
		"batch reset=1",
		"batch=1 reset",
		"batch count=-1 reset",
		"batch latency=99999999999999999999",
		"batch shard= reset",
		"batch garbage",
	};
	set_rules("batch latency=5");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct buf error;
		buf_init(&error, 0);
		ck_assert_msg(sim_faults_set(faults, wrong[i], true, &error) == LTS_INVALID, "%s",
			      wrong[i]);
		ck_assert_msg(strstr(error.data, wrong[i]) != NULL, "%s", error.data);
		buf_fini(&error);
	}
	ck_assert_int_eq(apply(SIM_BATCH, 0, NULL).latency_ms, 5);
	set_rules("");
	ck_assert_int_eq(apply(SIM_BATCH, 0, NULL).latency_ms, 0);
}
END_TEST

START_TEST(description_counts_strikes_and_rules_that_stay_keep_them)
{
	struct buf text;
	buf_init(&text, 0);
	set_rules("batch count=2 reset\ncursor stall");
	for (int i = 0; i < 5; i++)
		apply(SIM_BATCH, 0, NULL);
	sim_faults_describe(faults, &text);
	ck_assert_str_eq(text.data, "2 batch count=2 reset\n0 cursor stall\n");
	give("batch latency=5\nbatch count=2 reset\nbatch count=2 reset", true);
	for (int i = 0; i < 5; i++)
		apply(SIM_BATCH, 0, NULL);
	buf_clear(&text);
	sim_faults_describe(faults, &text);
	ck_assert_str_eq(text.data,
			 "5 batch latency=5\n2 batch count=2 reset\n2 batch count=2 reset\n");
	set_rules("batch count=2 reset");
	buf_clear(&text);
	sim_faults_describe(faults, &text);
	ck_assert_str_eq(text.data, "0 batch count=2 reset\n");
	buf_fini(&text);
}
END_TEST

Suite *
suite_sim_fault(void)
{
	Suite *suite = suite_create("sim_fault");
	TCase *tcase = tcase_create("sim_fault");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, conditions_pick_the_request);
	tcase_add_test(tcase, write_of_several_has_each_of_its_shards_and_a_list_no_one);
	tcase_add_test(tcase, names_that_are_no_uuids_can_be_picked);
	tcase_add_test(tcase, after_and_count_bound_a_rule);
	tcase_add_test(tcase, several_rules_add_up_and_the_later_wins);
	tcase_add_test(tcase, quoted_values_and_the_rest_of_the_line);
	tcase_add_test(tcase, chance_is_repeated_by_the_seed_for_each_shard);
	tcase_add_test(tcase, bad_rules_are_refused_whole_and_named);
	tcase_add_test(tcase, description_counts_strikes_and_rules_that_stay_keep_them);
	suite_add_tcase(suite, tcase);
	return suite;
}
