/*
 * test_sim_control.c - holds what /sim/... changes in the world of shards, and how the status
 * shows it: sim_serve_control.c, sim_serve_status.c, sim_moves.c.
 */
#include <check.h>
#include <string.h>

#include "tests/sim/sim.h"
#include "tests/suites.h"

#define START_NS INT64_C(1767323045000000000)

static struct sim sim;
static struct sim_options options;
static struct sim_answer answer;
static struct sim_time now;

static void
setup(void)
{
	struct buf error;
	static char *argv[] = { NULL };
	buf_init(&error, 0);
	ck_assert_int_eq(sim_options_load(&options, 0, argv, &error), LTS_OK);
	memset(&sim, 0, sizeof(sim));
	sim.options = &options;
	sim.stream = sim_stream_create(&(struct sim_stream_config){
		.shards = 4, .records = 1000, .record_bytes = 400, .start_ns = START_NS });
	sim.group = sim_group_create(4, 60000);
	sim_group_on_lost(sim.group, sim_on_lost, &sim);
	now = (struct sim_time){ 1000, START_NS };
	sim_answer_init(&answer);
}

static void
teardown(void)
{
	sim_answer_fini(&answer);
	sim_group_destroy(&sim.group);
	sim_stream_destroy(&sim.stream);
	sim_moves_fini(&sim.moves);
	sim_options_fini(&options);
}

static int
ask(const char *method, const char *target)
{
	sim_answer_fini(&answer);
	sim_answer_init(&answer);
	sim_serve(&sim, &(struct sim_request){ .method = method, .target = target }, now,
		  &answer);
	return answer.status;
}

static void
expect_in_status(const char *part)
{
	ck_assert_int_eq(ask("GET", "/sim/status"), 200);
	ck_assert_msg(strstr(answer.body.data, part) != NULL, "%s", part);
}

START_TEST(split_and_merge_end_shards_and_make_others)
{
	ck_assert_int_eq(ask("POST", "/sim/split?shard=1"), 200);
	ck_assert_str_eq(answer.body.data, "[\"4\",\"5\"]\n");
	ck_assert_int_eq(ask("POST", "/sim/merge?shard=5&with=2"), 200);
	ck_assert_str_eq(answer.body.data, "[\"6\"]\n");
	ck_assert_int_eq(ask("POST", "/sim/produce?records=3"), 200);
	static const char *const parts[] = {
		"{\"shard\":\"1\",\"produced\":1000,",
		"\"read_only\":true,\"on_offer\":true,\"parents\":[],\"children\":[\"4\",\"5\"]}",
		"{\"shard\":\"5\",\"produced\":0,",
		"\"read_only\":true,\"on_offer\":false,\"parents\":[\"1\"],\"children\":[\"6\"]}",
		"{\"shard\":\"6\",\"produced\":3,",
		"\"on_offer\":false,\"parents\":[\"5\",\"2\"],\"children\":[]}",
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		expect_in_status(parts[i]);
}
END_TEST

START_TEST(what_cannot_be_split_or_merged_is_refused)
{
	ck_assert_int_eq(ask("POST", "/sim/split?shard=1"), 200);
	static const char *const wrong[] = {
		"/sim/split?shard=1",
		"/sim/split?shard=6",
		"/sim/split",
		"/sim/merge?shard=0&with=0",
		"/sim/merge?shard=0&with=1",
		"/sim/merge?shard=0",
		"/sim/rate",
		"/sim/produce?shard=1&records=1",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(ask("POST", wrong[i]) == 400, "%s", wrong[i]);
	ck_assert_uint_eq(sim_stream_shards(sim.stream), 6);
}
END_TEST

START_TEST(rate_begins_and_ends_at_a_word)
{
	ck_assert_int_eq(ask("POST", "/sim/rate?records=40"), 200);
	now.wall_ns += INT64_C(2000000000);
	expect_in_status("{\"produced\":4080,");
	ck_assert_int_eq(ask("POST", "/sim/rate?records=0"), 200);
	now.wall_ns += INT64_C(2000000000);
	expect_in_status("{\"produced\":4080,");
}
END_TEST

START_TEST(unplanned_move_covers_what_was_served_behind_the_checkpoint)
{
	const struct consumer_name name = { "a" };
	const struct sim_checkpoint at = { 0, 40 };
	bool granted[SIM_SHARDS_MAX];
	ck_assert_int_eq(sim_group_heartbeat(sim.group, &name, NULL, 0, now.mono_ms, granted),
			 LTS_OK);
	ck_assert_int_eq(sim_group_write(sim.group, &name, &at, 1, now.mono_ms, 0), LTS_OK);
	sim.served_to[0] = 100;
	sim.served_to[1] = 7;
	now.mono_ms += 60000;
	expect_in_status("\"unplanned_moves\":[{\"shard\":\"0\",\"from\":40,\"to\":100},"
			 "{\"shard\":\"1\",\"from\":0,\"to\":7}],");
}
END_TEST

START_TEST(overlapping_moves_of_a_shard_are_one)
{
	struct sim_moves moves = { 0 };
	sim_moves_add(&moves, 0, 10, 20);
	sim_moves_add(&moves, 1, 15, 30);
	sim_moves_add(&moves, 0, 15, 30);
	sim_moves_add(&moves, 0, 5, 5);
	sim_moves_add(&moves, 0, 40, 50);
	ck_assert_uint_eq(moves.n, 3);
	ck_assert_uint_eq(moves.list[0].from, 10);
	ck_assert_uint_eq(moves.list[0].to, 30);
	sim_moves_fini(&moves);
}
END_TEST

Suite *
suite_sim_control(void)
{
	Suite *suite = suite_create("sim_control");
	TCase *tcase = tcase_create("sim_control");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, split_and_merge_end_shards_and_make_others);
	tcase_add_test(tcase, what_cannot_be_split_or_merged_is_refused);
	tcase_add_test(tcase, rate_begins_and_ends_at_a_word);
	tcase_add_test(tcase, unplanned_move_covers_what_was_served_behind_the_checkpoint);
	tcase_add_test(tcase, overlapping_moves_of_a_shard_are_one);
	suite_add_tcase(suite, tcase);
	return suite;
}
