/*
 * odd_answers.c - a service that speaks otherwise than ours: `null` for an empty list, entries that
 * nobody can read, text for an answer to a write, a refusal of members it does not know.
 *
 * Real programs against an lts-sim with faults. Holds the agent to taking what does no harm, and to
 * losing by what it cannot read nothing but that.
 */
#include "tests/suites.h"

#include <stdio.h>

#include "tests/support/json_path.h"
#include "tests/support/one_host.h"

static void
begin(struct one_host *h, const char *sim_options, const char *faults, const char *agent_options)
{
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, sim_options);
	sim_faults(&h->sim, faults);
	agent_init(&h->agent, &h->sim, "host", agent_options);
	agent_start(&h->agent);
}

START_TEST(null_for_an_empty_list_is_taken)
{
	struct one_host h;
	begin(&h, "--tls off --shards 2 --records 1000 --consumer_timeout 3",
	      "heartbeat null\ncheckpoint_read null", "--consumer_count 4 --end_time end");
	one_host_expect_drained(&h, 2, 1000);
	one_host_end(&h);
}
END_TEST

/* More than eight shards: their checkpoints are asked for in one list. */
START_TEST(odd_entries_of_others_spoil_only_themselves)
{
	struct one_host h;
	begin(&h, "--tls off --shards 24 --records 200 --consumer_timeout 3",
	      "heartbeat odd=\"a b\"\n"
	      "checkpoint_read odd={\"shard_id\":{\"id\":7},\"checkpoint\":1}",
	      "--consumer_count 2 --end_time end");
	one_host_expect_drained(&h, 24, 200);
	ck_assert_uint_ge(agent_said(&h.agent, "cannot be read; left out\" list=shards"), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "cannot be read; left out\" list=checkpoints"), 1);
	ck_assert_uint_le(agent_said(&h.agent, "cannot be read; left out"), 24);
	one_host_end(&h);
}
END_TEST

START_TEST(write_that_is_answered_with_text_counts_once_it_was_read_back)
{
	struct one_host h;
	begin(&h, "--tls off --shards 24 --records 2000 --consumer_timeout 3",
	      "batch latency=20\ncheckpoint_write p=0.5 say=success\ncheckpoint_write p=0.5 "
	      "say=<html></html>",
	      "--consumer_count 2 --end_time end --publish_interval 100ms "
	      "--consume_batch_size 200");
	one_host_expect_drained(&h, 24, 2000);
	ck_assert_double_eq(sim_published(&h.sim), 48000);
	one_host_end(&h);
}
END_TEST

START_TEST(html_for_a_write_that_was_not_made_moves_nothing)
{
	struct one_host h;
	begin(&h, "--tls off --shards 2 --records 500 --consumer_timeout 3",
	      "checkpoint_write html", "--publish_interval 100ms");
	until("it has read back a few times",
	      sim_number(&h.sim, "requests/checkpoint_read/200") >= 8);
	ck_assert_double_eq(sim_published(&h.sim), 0);
	sim_faults(&h.sim, "");
	until("all is published", sim_published(&h.sim) == 1000);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, 2, 500, "host.out");
	one_host_end(&h);
}
END_TEST

START_TEST(compressed_answers_are_undone_and_cut_ones_refused)
{
	struct one_host h;
	begin(&h, "--tls off --shards 4 --records 5000 --consumer_timeout 3",
	      "any gzip\nbatch p=0.2 truncate=300\nbatch p=0.05 gzip_bomb=200000000\n"
	      "checkpoint_read p=0.3 truncate=10",
	      "--consumer_count 2 --end_time end --consume_batch_size 200");
	one_host_expect_drained(&h, 4, 5000);
	one_host_end(&h);
}
END_TEST

/* It lists what it holds as long as its leases live: an empty list would give that away. */
START_TEST(member_that_holds_shards_never_lists_nothing)
{
	struct one_host h;
	double served = 0;
	begin(&h, "--tls off --shards 4 --records 20000 --consumer_timeout 30", "batch latency=20",
	      "--consumer_count 2 --consume_batch_size 100 --heartbeat_timeout 30s "
	      "--end_time end");
	one_host_await_served(&h, 3000, &served);
	sim_faults(&h.sim, "batch latency=20\nheartbeat count=10 status=400");
	until("its lists were refused", sim_struck(&h.sim, 1) == 10);
	one_host_expect_drained(&h, 4, 20000);
	cJSON *status = sim_status(&h.sim);
	ck_assert_int_eq(cJSON_GetArraySize(json_path_at(status, "unplanned_moves")), 0);
	cJSON_Delete(status);
	one_host_end(&h);
}
END_TEST

/* Its own checkpoint, or one that may be its own, of a form that nobody knows. */
START_TEST(position_that_cannot_be_read_is_never_taken_for_none)
{
	static const char *const answers[] = {
		"[{\"shard_id\":\"0\",\"checkpoint\":{\"at\":1}},"
		"{\"shard_id\":\"7\",\"checkpoint\":1}]",
		"[{\"shard\":\"0\",\"checkpoint\":1},{\"shard_id\":\"7\",\"checkpoint\":1}]",
	};
	for (size_t i = 0; i < 2; i++) {
		struct one_host h;
		char faults[160];
		snprintf(faults, sizeof(faults), "checkpoint_read garbage=%s", answers[i]);
		begin(&h, "--tls off --shards 1 --records 100 --consumer_timeout 3", faults, "");
		until("it has asked again", sim_struck(&h.sim, 0) >= 3);
		ck_assert_double_eq(sim_number(&h.sim, "served_records"), 0);
		ck_assert_double_eq(sim_number(&h.sim, "requests/cursor/200"), 0);
		ck_assert_uint_ge(agent_said(&h.agent, "cannot be read; left out"), 1);
		sim_faults(&h.sim, "");
		until("all is committed", agent_committed(&h.agent) == 100);
		agent_stop(&h.agent);
		one_host_end(&h);
	}
}
END_TEST

static bool
has_members(const struct sim_process *sim)
{
	cJSON *status = sim_status(sim);
	bool has = cJSON_GetArraySize(json_path_at(status, "members")) > 0;
	cJSON_Delete(status);
	return has;
}

START_TEST(member_that_the_service_has_forgotten_joins_anew_and_repeats_nothing)
{
	struct one_host h;
	double served = 0;
	begin(&h, "--tls off --shards 4 --records 5000 --consumer_timeout 3",
	      "batch latency=20\nheartbeat unknown_member",
	      "--consumer_count 2 --consume_batch_size 100");
	one_host_await_served(&h, 3000, &served);
	agent_kill_whole(&h.agent);
	until("the service has forgotten it", !has_members(&h.sim));
	agent_start(&h.agent);
	until("all is committed", agent_committed(&h.agent) == 20000);
	ck_assert_uint_ge(agent_said(&h.agent, "joins anew"), 1);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, 4, 5000, "host.out");
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

Suite *
suite_odd_answers(void)
{
	Suite *suite = suite_create("odd_answers");
	TCase *tc = scenario_case(suite, "odd_answers");
	tcase_add_test(tc, null_for_an_empty_list_is_taken);
	tcase_add_test(tc, odd_entries_of_others_spoil_only_themselves);
	tcase_add_test(tc, write_that_is_answered_with_text_counts_once_it_was_read_back);
	tcase_add_test(tc, html_for_a_write_that_was_not_made_moves_nothing);
	tcase_add_test(tc, compressed_answers_are_undone_and_cut_ones_refused);
	tcase_add_test(tc, member_that_holds_shards_never_lists_nothing);
	tcase_add_test(tc, position_that_cannot_be_read_is_never_taken_for_none);
	tcase_add_test(tc, member_that_the_service_has_forgotten_joins_anew_and_repeats_nothing);
	return suite;
}
