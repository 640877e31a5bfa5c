/*
 * replay.c - dead letters of a real agent are sent through the sink again.
 *
 * Real programs. Holds supervisor/replay.c and worker/replayer.c with what stands around them:
 * each letter is delivered once or stands in FILE.failed, whatever the user's code does.
 */
#include "tests/suites.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/xalloc.h"
#include "tests/support/test_replay.h"

/* The next line of FILE.failed is that record's, and `error` stands in it. */
static char *
expect_failed(char *at, unsigned seq, unsigned attempts, const char *error)
{
	char *line_end = strchr(at, '\n');
	ck_assert_msg(line_end != NULL, "a line for %u: %s", seq, at);
	cJSON *letter = json_parse_exact(at, (size_t)(line_end - at));
	ck_assert_msg(letter != NULL, "not a dead letter: %s", at);
	const char *number = json_text(json_member(letter, "record"), "seq");
	ck_assert_uint_eq(strtoul(number, NULL, 10), seq);
	ck_assert_uint_eq(strtoul(json_text(letter, "attempts"), NULL, 10), attempts);
	ck_assert_ptr_nonnull(strstr(json_text(letter, "error"), error));
	ck_assert_str_eq(json_text(letter, "shard"), "0");
	ck_assert_ptr_nonnull(json_text(letter, "cursor"));
	ck_assert_ptr_nonnull(json_text(letter, "time"));
	cJSON_Delete(letter);
	return line_end + 1;
}

/* FILE.failed holds these two records, or that one alone. */
static void
expect_failed_are(const struct test_replay *b, unsigned one, unsigned two, unsigned attempts,
		  const char *error)
{
	char *text = scenario_read(&b->h.scenario, "letters.log.failed");
	char *at = expect_failed(text, one, attempts, error);
	if (two < TEST_REPLAY_LETTERS)
		at = expect_failed(at, two, attempts, error);
	ck_assert_str_eq(at, "");
	free(text);
	ck_assert(!test_replay_has(b, "letters.log.progress"));
}

START_TEST(every_dead_letter_is_delivered_once)
{
	struct test_replay b;
	test_replay_begin(&b);
	ck_assert_int_eq(test_replay(&b, NULL, ""), 0);
	test_replay_expect_all(&b);
	test_replay_expect_complete(&b);
	test_replay_end(&b);
}
END_TEST

START_TEST(what_fails_again_is_kept_and_can_be_replayed)
{
	static const char *const rules[] = { "refuse 0 7 0\nrefuse 0 20 0\n",
					     "blame 0 7 0\nblame 0 20 0\n" };
	struct test_replay b;
	test_replay_begin(&b);
	test_plugin_rules(&b.h, rules[_i]);
	ck_assert_int_eq(test_replay(&b, NULL, ""), 1);
	ck_assert(test_replay_printed(&b, "replay: 30 records, 28 delivered, 2 failed again "
					  "(letters.log.failed)\n"));
	test_replay_expect_all_but(&b, 7, 20);
	expect_failed_are(&b, 7, 20, 1 + 2, "told to ");
	/* Else the same would be delivered twice. */
	ck_assert_int_eq(test_replay(&b, NULL, ""), 2);
	ck_assert_uint_eq(agent_said(&b.replay, "there is a FILE.failed beside it"), 1);
	test_plugin_rules(&b.h, "");
	ck_assert_int_eq(test_replay(&b, NULL, "--replay_deadletter letters.log.failed"), 0);
	ck_assert(test_replay_printed(&b, "replay: 2 records, 2 delivered, 0 failed again\n"));
	test_replay_expect_all(&b);
	test_replay_end(&b);
}
END_TEST

static const char *const ends[] = {
	"abort",
	"exit",
	"hang",
#ifndef __SANITIZE_ADDRESS__ /* which would report it, as it should */
	"segv",
#endif
};

START_TEST(record_that_ends_workers_fails_alone)
{
	struct test_replay b;
	char rules[80];
	test_replay_begin(&b);
	snprintf(rules, sizeof(rules), "%s 0 7 0\n%s 0 20 0\n", ends[_i], ends[_i]);
	test_plugin_rules(&b.h, rules);
	ck_assert_int_eq(test_replay(&b, NULL, "--process_timeout 400ms --batch_max_records 5"),
			 1);
	test_replay_expect_all_but(&b, 7, 20);
	char *text = scenario_read(&b.h.scenario, "letters.log.failed");
	ck_assert_ptr_nonnull(strstr(text, "workers died or hung over it"));
	ck_assert_ptr_nonnull(strstr(text, "\"seq\":7,"));
	ck_assert_ptr_nonnull(strstr(text, "\"seq\":20,"));
	free(text);
	ck_assert(test_replay_printed(&b, "30 records, 28 delivered, 2 failed again"));
	test_replay_end(&b);
}
END_TEST

START_TEST(plugin_that_ends_the_worker_as_it_is_made_ends_the_replay)
{
	struct test_replay b;
	test_replay_begin(&b);
	char *sink = xasprintf("plugin:%s/test-plugin/misbehave.so?abort", b.h.scenario.bin);
	ck_assert_int_eq(test_replay(&b, sink, ""), 1);
	ck_assert_uint_eq(agent_said(&b.replay, "as its processor was made"), 1);
	free(sink);
	ck_assert_int_eq(test_replay(&b, NULL, ""), 0);
	test_replay_expect_all(&b);
	test_replay_end(&b);
}
END_TEST

static const char *const children[] = { "nack", "crash", "hang" };

START_TEST(child_is_given_the_letters_and_its_poison_fails_alone)
{
	struct test_replay b;
	char rules[40];
	test_replay_begin(&b);
	snprintf(rules, sizeof(rules), "%s 0 7 0\n", children[_i]);
	test_plugin_rules(&b.h, rules);
	char *sink = xasprintf("exec:exec python3 %s/test-exec/misbehave.py", b.h.scenario.bin);
	ck_assert_int_eq(test_replay(&b, sink, "--process_timeout 1500ms --batch_max_records 3"),
			 1);
	ck_assert_uint_eq(agent_said(&b.replay, "the worker died"), 0);
	test_replay_expect_all_but(&b, 7, TEST_REPLAY_LETTERS);
	expect_failed_are(&b, 7, TEST_REPLAY_LETTERS, 1 + 2, "");
	free(sink);
	test_replay_end(&b);
}
END_TEST

START_TEST(command_is_given_the_letters_and_its_poison_fails_alone)
{
	struct test_replay b;
	test_replay_begin(&b);
	ck_assert_int_eq(test_replay(&b,
				     "batch:cat > in; ! grep -q '\"seq\":7,' in && "
				     "sed -E 's/.*\"seq\":([0-9]+).*/\\1/' in >> done.$LTS_SHARD",
				     ""),
			 1);
	test_replay_expect_all_but(&b, 7, TEST_REPLAY_LETTERS);
	expect_failed_are(&b, 7, TEST_REPLAY_LETTERS, 1 + 2, "exit 1");
	test_replay_end(&b);
}
END_TEST

START_TEST(letters_go_into_sealed_files_of_their_own)
{
	struct test_replay b;
	test_replay_begin(&b);
	ck_assert_int_eq(test_replay(&b, "file:again", ""), 0);
	test_replay_expect_complete(&b);
	scenario_expect_exact(&b.h.scenario, 1, TEST_REPLAY_LETTERS, "again");
	test_replay_end(&b);
}
END_TEST

START_TEST(letters_on_stdout_are_not_mixed_with_the_summary)
{
	struct test_replay b;
	test_replay_begin(&b);
	ck_assert_int_eq(test_replay(&b, "stdout", ""), 0);
	ck_assert_uint_eq(agent_said(&b.replay, "replay: 30 records, 30 delivered"), 1);
	ck_assert(!test_replay_printed(&b, "replay: "));
	ck_assert(test_replay_printed(&b, "\"seq\":29,"));
	test_replay_end(&b);
}
END_TEST

START_TEST(malformed_line_is_named_and_kept)
{
	struct test_replay b;
	test_replay_begin(&b);
	test_replay_spoil(&b);
	ck_assert_int_eq(test_replay(&b, NULL, ""), 1);
	ck_assert(test_replay_printed(&b, "replay: 32 records, 29 delivered, 3 failed again"));
	ck_assert_uint_eq(agent_said(&b.replay, "msg=\"not a dead letter\" line=1 "), 1);
	ck_assert_uint_eq(agent_said(&b.replay, "msg=\"not a dead letter\" line=3 "), 1);
	ck_assert_uint_eq(agent_said(&b.replay, "msg=\"not a dead letter\" line=32 "), 1);
	test_replay_expect_all_but(&b, TEST_REPLAY_LETTERS - 1, TEST_REPLAY_LETTERS);
	char *text = scenario_read(&b.h.scenario, "letters.log.failed");
	static const char first[] = "no letter\n{\"shard\":\"0\"}\n{\"shard\":\"0\",";
	ck_assert_int_eq(strncmp(text, first, strlen(first)), 0);
	ck_assert(text[strlen(text) - 1] == '}');
	free(text);
	test_replay_end(&b);
}
END_TEST

START_TEST(file_that_is_no_complete_one_is_refused)
{
	struct test_replay b;
	test_replay_begin(&b);
	ck_assert_int_eq(test_replay(&b, NULL, "--replay_deadletter letters.log.part"), 2);
	ck_assert_uint_eq(agent_said(&b.replay, "an agent may still be writing it"), 1);
	ck_assert_int_eq(test_replay(&b, NULL, "--replay_deadletter missing.log"), 2);
	ck_assert_uint_eq(agent_said(&b.replay, "No such file"), 1);
	ck_assert_int_eq(test_replay(&b, NULL, "--replay_deadletter ."), 2);
	ck_assert_int_eq(test_replay(&b, "plugin:./missing.so", ""), 2);
	test_replay_end(&b);
}
END_TEST

START_TEST(what_is_acknowledged_but_not_saved_has_failed)
{
	struct test_replay b;
	test_replay_begin(&b);
	test_plugin_rules(&b.h, "save 0 * 0\n");
	ck_assert_int_eq(test_replay(&b, NULL, "--checkpoint_mode manual"), 0);
	test_replay_expect_complete(&b);
	test_replay_expect_all(&b);
	test_plugin_rules(&b.h, "");
	ck_assert_int_eq(test_replay(&b, NULL, "--checkpoint_mode manual --max_attempts 1"), 1);
	ck_assert(test_replay_printed(&b, "30 records, 0 delivered, 30 failed again"));
	test_replay_end(&b);
}
END_TEST

Suite *
suite_replay(void)
{
	Suite *suite = suite_create("replay");
	TCase *tc = scenario_case(suite, "replay");
	tcase_add_test(tc, every_dead_letter_is_delivered_once);
	tcase_add_loop_test(tc, what_fails_again_is_kept_and_can_be_replayed, 0, 2);
	tcase_add_loop_test(tc, record_that_ends_workers_fails_alone, 0,
			    sizeof(ends) / sizeof(ends[0]));
	tcase_add_test(tc, plugin_that_ends_the_worker_as_it_is_made_ends_the_replay);
	tcase_add_loop_test(tc, child_is_given_the_letters_and_its_poison_fails_alone, 0,
			    sizeof(children) / sizeof(children[0]));
	tcase_add_test(tc, command_is_given_the_letters_and_its_poison_fails_alone);
	tcase_add_test(tc, letters_go_into_sealed_files_of_their_own);
	tcase_add_test(tc, letters_on_stdout_are_not_mixed_with_the_summary);
	tcase_add_test(tc, malformed_line_is_named_and_kept);
	tcase_add_test(tc, file_that_is_no_complete_one_is_refused);
	tcase_add_test(tc, what_is_acknowledged_but_not_saved_has_failed);
	return suite;
}
