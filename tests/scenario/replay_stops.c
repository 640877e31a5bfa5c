/*
 * replay_stops.c - replays of dead letters that are killed, told to stop, and go on.
 *
 * Real programs. Holds worker/replay_file.c and supervisor/replay.c: what was done is not done
 * again, nothing is lost, and no two replay one file at a time.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/test_replay.h"
#include "tests/support/tmpdir.h"

START_TEST(killed_replay_goes_on_where_it_was)
{
	struct test_replay b;
	test_replay_begin(&b);
	test_replay_stand_in_front(&b, "hang");
	process_kill(&b.replay.process);
	test_plugin_rules(&b.h, "");
	ck_assert_int_eq(test_replay(&b, NULL, ""), 0);
	ck_assert_uint_eq(agent_said(&b.replay, "goes on where it was interrupted"), 1);
	test_replay_expect_complete(&b);
	test_replay_expect_all(&b);
	test_replay_end(&b);
}
END_TEST

START_TEST(killed_worker_is_replaced_and_nothing_is_blamed)
{
	struct test_replay b;
	pid_t pids[AGENT_WORKERS_MAX];
	test_replay_begin(&b);
	test_replay_stand_in_front(&b, "hang");
	for (unsigned i = 0; i < 3; i++) { /* more often than max_attempts */
		until("it has a worker", agent_workers(&b.replay, pids) == 1);
		kill(pids[0], SIGKILL);
		until("it is noticed", agent_said(&b.replay, "the worker died") == i + 1);
	}
	test_plugin_rules(&b.h, "");
	until("there is another", agent_workers(&b.replay, pids) == 1);
	kill(pids[0], SIGKILL); /* it may hang already */
	ck_assert_int_eq(agent_wait(&b.replay), 0);
	test_replay_expect_complete(&b);
	/* The last kill may have come between a record and its progress. */
	struct test_plugin_account *account = test_plugin_account(&b.h, 1, TEST_REPLAY_LETTERS);
	ck_assert_uint_eq(account->lost, 0);
	ck_assert_uint_le(account->repeated, 1);
	free(account);
	test_replay_end(&b);
}
END_TEST

START_TEST(replay_that_is_told_to_stop_keeps_its_progress)
{
	struct test_replay b;
	test_replay_begin(&b);
	test_replay_stand_in_front(&b, "later");
	process_signal(&b.replay.process, SIGTERM);
	ck_assert_int_eq(agent_wait(&b.replay), 1);
	ck_assert(test_replay_printed(&b, "; not complete: the same command goes on there\n"));
	ck_assert(test_replay_has(&b, "letters.log.progress"));
	test_plugin_rules(&b.h, "");
	ck_assert_int_eq(test_replay(&b, NULL, ""), 0);
	test_replay_expect_complete(&b);
	test_replay_expect_all(&b);
	test_replay_end(&b);
}
END_TEST

START_TEST(replay_stops_behind_the_piece_in_hand)
{
	struct test_replay b;
	test_replay_begin(&b);
	test_plugin_rules(&b.h, "slow 0 5 700\n");
	test_replay_start(&b, NULL, "--batch_max_records 5");
	until("it is in the second piece", test_plugin_done(&b.h, 1) == 5);
	process_signal(&b.replay.process, SIGTERM);
	ck_assert_int_eq(agent_wait(&b.replay), 1);
	ck_assert_uint_le(test_plugin_done(&b.h, 1), 10);
	ck_assert_int_eq(test_replay(&b, NULL, ""), 0);
	test_replay_expect_complete(&b);
	test_replay_expect_all(&b);
	test_replay_end(&b);
}
END_TEST

START_TEST(replay_that_does_not_stop_is_ended)
{
	struct test_replay b;
	test_replay_begin(&b);
	test_replay_start(&b, "batch:touch standing; exec sleep 1000",
			  "--shutdown_timeout 200ms");
	until("the command stands there", test_replay_has(&b, "standing"));
	process_signal(&b.replay.process, SIGTERM);
	ck_assert_int_eq(agent_wait(&b.replay), 1);
	ck_assert_uint_eq(agent_said(&b.replay, "reason=\"it does not stop\""), 1);
	ck_assert_int_eq(test_replay(&b, NULL, ""), 0);
	test_replay_expect_all(&b);
	test_replay_end(&b);
}
END_TEST

START_TEST(what_failed_behind_the_progress_does_not_stand_there_twice)
{
	struct test_replay b;
	test_replay_begin(&b);
	test_plugin_rules(&b.h, "refuse 0 7 0\nhang 0 20 0\n");
	test_replay_start(&b, NULL, "--batch_max_records 1");
	until("it is behind the one and in front of the other", test_replay_saved(&b) == 19);
	process_kill(&b.replay.process);
	/* As if it had been killed behind that. */
	char *before = scenario_read(&b.h.scenario, "letters.log.failed");
	char *more = xasprintf("%s%s{\"half", before, before);
	tmpdir_write(b.h.scenario.dir, "letters.log.failed", more, strlen(more));
	test_plugin_rules(&b.h, "");
	ck_assert_int_eq(test_replay(&b, NULL, ""), 1);
	char *after = scenario_read(&b.h.scenario, "letters.log.failed");
	ck_assert_str_eq(after, before);
	test_replay_expect_all_but(&b, 7, TEST_REPLAY_LETTERS);
	free(after);
	free(more);
	free(before);
	test_replay_end(&b);
}
END_TEST

START_TEST(second_replay_of_a_file_is_refused)
{
	struct test_replay b;
	test_replay_begin(&b);
	test_replay_stand_in_front(&b, "hang");
	struct test_replay other = b;
	other.began = false;
	ck_assert_int_eq(test_replay(&other, NULL, ""), 2);
	ck_assert_uint_eq(agent_said(&other.replay, "another replay of it is running"), 1);
	agent_fini(&other.replay);
	process_kill(&b.replay.process);
	test_replay_end(&b);
}
END_TEST

START_TEST(progress_of_another_file_is_refused)
{
	struct test_replay b;
	test_replay_begin(&b);
	test_replay_stand_in_front(&b, "hang");
	process_kill(&b.replay.process);
	test_replay_spoil(&b);
	ck_assert_int_eq(test_replay(&b, NULL, ""), 2);
	ck_assert_uint_eq(agent_said(&b.replay, "is about another file of that name"), 1);
	test_replay_end(&b);
}
END_TEST

Suite *
suite_replay_stops(void)
{
	Suite *suite = suite_create("replay_stops");
	TCase *tc = scenario_case(suite, "replay_stops");
	tcase_add_test(tc, killed_replay_goes_on_where_it_was);
	tcase_add_test(tc, killed_worker_is_replaced_and_nothing_is_blamed);
	tcase_add_test(tc, replay_that_is_told_to_stop_keeps_its_progress);
	tcase_add_test(tc, replay_stops_behind_the_piece_in_hand);
	tcase_add_test(tc, replay_that_does_not_stop_is_ended);
	tcase_add_test(tc, what_failed_behind_the_progress_does_not_stand_there_twice);
	tcase_add_test(tc, second_replay_of_a_file_is_refused);
	tcase_add_test(tc, progress_of_another_file_is_refused);
	return suite;
}
