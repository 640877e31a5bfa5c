/*
 * bad_service.c - a service that answers late, wrongly, or not at all.
 *
 * Real programs against an lts-sim with faults. Holds the agent to delivering everything
 * exactly once whatever the answers are, and to not hammering a service that is not well.
 */
#include "tests/suites.h"

#include <signal.h>
#include "common/clock.h"
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

START_TEST(wrong_signature_is_said_and_retried_slowly)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 2 --records 100", "--sk wrong --consumer_count 1");
	int64_t start_ms = clock_mono_ms();
	until("it has tried a few times", agent_said(&h.agent, "in_a_row=4") == 1);
	int64_t took_ms = clock_mono_ms() - start_ms;
	double tried = sim_number(&h.sim, "requests/heartbeat/401");
	ck_assert_uint_ge(agent_said(&h.agent, "APIGW.0301"), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "reason=DENIED"), 1);
	ck_assert_int_ge(took_ms, 1200); /* a sixth of heartbeat_timeout between tries */
	ck_assert_double_le(tried, 6);
	agent_stop(&h.agent);
	ck_assert_double_eq(sim_number(&h.sim, "served_records"), 0);
	one_host_end(&h);
}
END_TEST

START_TEST(throttled_shard_waits_as_told_and_the_others_go_on)
{
	struct one_host h;
	begin(&h, "--tls off --shards 4 --records 5000 --consumer_timeout 3",
	      "batch shard=1 status=429 retry_after=1", "--consumer_count 2");
	until("the others are done", agent_committed(&h.agent) == 15000);
	double before = sim_number(&h.sim, "requests/batch/429");
	int64_t start_ms = clock_mono_ms();
	until("it was throttled again", sim_number(&h.sim, "requests/batch/429") >= before + 3);
	ck_assert_int_ge(clock_mono_ms() - start_ms,
			 2000); /* two whole waits, and a part of one */
	ck_assert_double_eq(agent_committed(&h.agent), 15000);
	sim_faults(&h.sim, "");
	until("all is committed", agent_committed(&h.agent) == 20000);
	process_signal(&h.agent.process, SIGUSR2);
	until("both workers are in the summary",
	      agent_said(&h.agent, "msg=summary worker=") == 2);
	/* Each is counted, but for one that was under way when the shard moved: its request is
	 * cancelled, and its answer not heard. */
	double answered = sim_number(&h.sim, "requests/batch/429");
	double counted = (double)agent_sum(&h.agent, " throttled=");
	double moves = (double)(agent_said(&h.agent, "\"shard released\" worker=0 shard=1 ") +
				agent_said(&h.agent, "\"shard released\" worker=1 shard=1 "));
	ck_assert_double_le(counted, answered);
	ck_assert_double_ge(counted, answered - moves);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, 4, 5000, "host.out");
	one_host_end(&h);
}
END_TEST

START_TEST(broken_answers_are_refused_and_all_is_delivered_once)
{
	struct one_host h;
	begin(&h, "--tls off --shards 4 --records 10000 --consumer_timeout 3",
	      "batch p=0.2 truncate=3000\nbatch p=0.1 html\nany p=0.1 reset\ncursor "
	      "p=0.3 html\n"
	      "heartbeat p=0.1 html\ncheckpoint_read p=0.3 truncate=5\nbatch p=0.1 "
	      "garbage={\"count\":1}",
	      "--consumer_count 4 --end_time end");
	one_host_expect_drained(&h, 4, 10000);
	ck_assert_double_gt(sim_number(&h.sim, "requests/batch/reset"), 0);
	one_host_end(&h);
}
END_TEST

START_TEST(hostile_bodies_are_refused_and_all_is_delivered_once)
{
	struct one_host h;
	begin(&h, "--tls off --shards 2 --records 2000 --consumer_timeout 3",
	      "batch after=1 count=2 nest=100000\nbatch after=4 count=2 huge=100000000\n"
	      "batch after=7 count=2 gzip_bomb=200000000\nbatch after=10 count=2 "
	      "same_next\n"
	      "heartbeat after=3 count=1 huge=50000000\ncheckpoint_read count=1 "
	      "nest=100000",
	      "--consumer_count 2 --end_time end --consume_batch_size 100 "
	      "--max_body_bytes 1MiB");
	one_host_expect_drained(&h, 2, 2000);
	one_host_end(&h);
}
END_TEST

START_TEST(lost_reply_to_a_checkpoint_is_read_back_and_nothing_is_repeated)
{
	struct one_host h;
	begin(&h, "--tls off --shards 4 --records 20000 --consumer_timeout 3",
	      "batch latency=20\ncheckpoint_write p=0.6 lose_reply",
	      "--consumer_count 2 --end_time end --publish_interval 100ms "
	      "--consume_batch_size 500");
	one_host_expect_drained(&h, 4, 20000);
	ck_assert_double_eq(sim_published(&h.sim), 80000);
	double lost = sim_number(&h.sim, "requests/checkpoint_write/reset");
	ck_assert_double_gt(lost, 0);
	ck_assert_double_gt(sim_number(&h.sim, "requests/checkpoint_read/200"), lost);
	one_host_end(&h);
}
END_TEST

START_TEST(answer_above_max_body_bytes_is_asked_for_in_halves)
{
	struct one_host h;
	begin(&h,
	      "--tls off --shards 3 --records 2000 --record_bytes 900 --consumer_timeout "
	      "3",
	      "", "--consumer_count 2 --end_time end --max_body_bytes 64KiB");
	one_host_expect_drained(&h, 3, 2000);
	ck_assert_double_gt(sim_number(&h.sim, "requests/batch/200"), 6000 / 72.);
	one_host_end(&h);
}
END_TEST

START_TEST(ten_records_above_max_body_bytes_stop_the_shard_loudly)
{
	struct one_host h;
	begin(&h,
	      "--tls off --shards 2 --records 100 --record_bytes 10000 "
	      "--consumer_timeout 3",
	      "", "--consumer_count 2 --end_time end --max_body_bytes 64KiB");
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "shard stopped"), 2);
	ck_assert_uint_ge(agent_said(&h.agent, "max_body_bytes"), 2);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

/* The service answers nothing for longer than a lease lasts. */
START_TEST(silent_service_ends_the_leases_and_all_is_delivered_once)
{
	struct one_host h;
	double served = 0;
	begin(&h, "--tls off --shards 4 --records 40000 --consumer_timeout 3", "batch latency=20",
	      "--consumer_count 4 --end_time end --consume_batch_size 100");
	one_host_await_served(&h, 5000, &served);
	sim_faults(&h.sim, "batch latency=20\nheartbeat stall");
	until("the leases end", agent_said(&h.agent, "lease ended") >= 4);
	sim_faults(&h.sim, "batch latency=20");
	one_host_expect_drained(&h, 4, 40000);
	one_host_end(&h);
}
END_TEST

Suite *
suite_bad_service(void)
{
	Suite *suite = suite_create("bad_service");
	TCase *tc = scenario_case(suite, "bad_service");
	tcase_add_test(tc, wrong_signature_is_said_and_retried_slowly);
	tcase_add_test(tc, throttled_shard_waits_as_told_and_the_others_go_on);
	tcase_add_test(tc, broken_answers_are_refused_and_all_is_delivered_once);
	tcase_add_test(tc, hostile_bodies_are_refused_and_all_is_delivered_once);
	tcase_add_test(tc, lost_reply_to_a_checkpoint_is_read_back_and_nothing_is_repeated);
	tcase_add_test(tc, answer_above_max_body_bytes_is_asked_for_in_halves);
	tcase_add_test(tc, ten_records_above_max_body_bytes_stop_the_shard_loudly);
	tcase_add_test(tc, silent_service_ends_the_leases_and_all_is_delivered_once);
	return suite;
}
