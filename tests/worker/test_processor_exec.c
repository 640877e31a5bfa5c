/*
 * test_processor_exec.c - holds worker/processor_exec.c, exec_ask.c and exec_child.c to their
 * protocol, and the examples to it as well. How children die: test_exec_deaths.c.
 */
#include <check.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/suites.h"
#include "tests/support/patience.h"
#include "tests/support/tmpdir.h"
#include "tests/worker/exec_bed.h"

enum { LONG_MS = 120000, SHORT_MS = 700 * PATIENCE_SLOWNESS };

static struct exec_bed bed;

static char root[PATH_MAX];

static void
setup(void)
{
	ck_assert_ptr_nonnull(getcwd(root, sizeof(root)));
	exec_bed_begin(&bed);
}

static void
teardown(void)
{
	exec_bed_end(&bed);
}

static void
expect(const struct verdict *verdict, enum verdict_kind kind, const char *error)
{
	ck_assert_msg(verdict->kind == kind, "kind %d: %s", verdict->kind, verdict->error);
	ck_assert_msg(strstr(verdict->error, error), "\"%s\" is not \"%s\"", verdict->error,
		      error);
}

START_TEST(a_batch_is_acknowledged_with_every_record_of_it_in_order)
{
	exec_bed_start(&bed, "serve 1", LONG_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 3), VERDICT_ACK, "");
	expect(exec_bed_try(&bed, 0, 3, 1), VERDICT_ACK, "");
	size_t len;
	char *acked = tmpdir_read(bed.dir, "acked", &len);
	ck_assert_str_eq(acked, "{\"s\":0,\"i\":0,}\n{\"s\":0,\"i\":1,}\n{\"s\":0,\"i\":2,}\n"
				"{\"s\":0,\"i\":3,}\n");
	free(acked);
	ck_assert_uint_eq(exec_bed_count(&bed, "heard", "\"initialize\""), 1);
	ck_assert_uint_eq(exec_bed_count(&bed, "heard", "\"first\":3,\"count\":1,\"bytes\":15,"),
			  1);
}
END_TEST

START_TEST(save_and_rollback_are_told)
{
	exec_bed_start(&bed,
		       "on_batch() { case $n in"
		       " 1) say '{\"type\":\"ack\",\"id\":'$id',\"save\":true}' ;;"
		       " 2) say '{\"type\":\"ack\",\"id\":'$id',\"persistent\":true}' ;;"
		       " *) say '{\"type\":\"rollback\",\"id\":'$id',\"cursor\":\"77\"}' ;;"
		       "esac; }; serve 1",
		       LONG_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	ck_assert(bed.verdicts[0].saved && !bed.verdicts[0].persistent);
	expect(exec_bed_try(&bed, 0, 0, 2), VERDICT_ACK, "");
	ck_assert(bed.verdicts[0].saved && bed.verdicts[0].persistent);
	expect(exec_bed_try(&bed, 0, 0, 3), VERDICT_ROLLBACK, "");
	ck_assert_str_eq(bed.verdicts[0].rollback.text, "77");
}
END_TEST

START_TEST(a_nack_refuses_with_or_without_the_bad_record_or_means_later)
{
	exec_bed_start(&bed,
		       "on_batch() { case $n in 1) nack ;; 2) nack ',\"index\":1' ;;"
		       " *) nack ',\"later\":true' ;; esac; }; serve 1",
		       LONG_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_REFUSED, "no");
	ck_assert(!bed.verdicts[0].has_bad);
	expect(exec_bed_try(&bed, 0, 0, 2), VERDICT_REFUSED, "no");
	ck_assert(bed.verdicts[0].has_bad);
	ck_assert_uint_eq(bed.verdicts[0].bad, 1);
	expect(exec_bed_try(&bed, 0, 0, 3), VERDICT_LATER, "no");
	ck_assert_uint_eq(exec_bed_count(&bed, "log", "started again"), 0);
}
END_TEST

START_TEST(a_verdict_found_in_another_call_asks_for_a_turn)
{
	exec_bed_start(&bed, "on_batch() { ack; echo $n >>told; }; serve 8", LONG_MS, 2);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	expect(exec_bed_try(&bed, 1, 0, 1), VERDICT_ACK, "");
	bed.processor->ops->turn(bed.processor, clock_mono_ms());
	exec_bed_give(&bed, 0, 1, 2);
	until("its answer was given", exec_bed_count(&bed, "told", "2\n") == 1);
	exec_bed_give(&bed, 1, 1, 3);
	ck_assert_int_le(bed.processor->ops->due_ms(bed.processor), clock_mono_ms());
	bed.processor->ops->turn(bed.processor, clock_mono_ms());
	bed.processor->ops->look(bed.shards[0], &bed.verdicts[0]);
	expect(&bed.verdicts[0], VERDICT_ACK, "");
	expect(exec_bed_verdict(&bed, 1), VERDICT_ACK, "");
}
END_TEST

START_TEST(credits_bound_what_is_under_way)
{
	/* Answers come only once so many batches are there, or none is waiting any more. */
	exec_bed_start(&bed,
		       "on_batch() { all=\"$all $id\"; k=$((k+1)); echo $k >>depth;"
		       " if [ $k = 4 ]; then for id in $all; do ack; done; all=; k=0; fi; };"
		       " serve 4",
		       LONG_MS, EXEC_BED_SHARDS);
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++)
		exec_bed_give(&bed, s, 0, 1);
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++)
		expect(exec_bed_verdict(&bed, s), VERDICT_ACK, "");
	ck_assert_uint_eq(exec_bed_count(&bed, "depth", "4"), 2);
}
END_TEST

START_TEST(progress_extends_the_time_of_a_piece_and_silence_does_not)
{
	exec_bed_start(&bed,
		       "on_batch() { for i in 1 2 3 4 5 6 7 8; do sleep 0.3;"
		       " [ $n = 2 ] || say '{\"type\":\"progress\",\"id\":'$id'}'; done; ack; };"
		       " serve 1",
		       1500, 1);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	expect(exec_bed_try(&bed, 0, 0, 2), VERDICT_REFUSED, "timed out");
}
END_TEST

START_TEST(a_child_that_ignores_its_stdin_times_out)
{
	struct record big = { NULL, 4 << 20 };
	struct piece piece = { .records = &big, .n = 1, .cursor = { "1" }, .next = { "2" } };
	char *text = malloc(big.len);
	memset(text, ' ', big.len);
	big.text = text;
	exec_bed_start(
		&bed,
		"say '{\"type\":\"hello\",\"version\":1}'; read -r a; read -r line; num id;"
		" id=$v; yes; sleep 1000",
		SHORT_MS, 1);
	bed.processor->ops->process(bed.shards[0], &piece, &bed.verdicts[0]);
	expect(exec_bed_verdict(&bed, 0), VERDICT_REFUSED, "timed out");
	free(text);
}
END_TEST

START_TEST(records_larger_than_a_pipe_go_through_whole)
{
	struct record big[2] = { { NULL, 4 << 20 }, { NULL, 4 << 20 } };
	struct piece piece = { .records = big, .n = 2, .cursor = { "1" }, .next = { "2" } };
	char *text = malloc(big[0].len);
	memset(text, 'x', big[0].len);
	big[0].text = big[1].text = text;
	exec_bed_start(
		&bed,
		"say '{\"type\":\"hello\",\"version\":1}'; read -r a; read -r line; num id;"
		" id=$v; yes; read -r line; num id; id=$v; num bytes;"
		" head -c $v | wc >counted; yes; sleep 1000",
		LONG_MS, 1);
	bed.processor->ops->process(bed.shards[0], &piece, &bed.verdicts[0]);
	expect(exec_bed_verdict(&bed, 0), VERDICT_ACK, "");
	ck_assert_uint_eq(exec_bed_count(&bed, "counted", "2       2 8388610"), 1);
	free(text);
}
END_TEST

START_TEST(a_batch_larger_than_the_childs_limit_goes_in_parts_and_a_record_alone_is_refused)
{
	exec_bed_start(
		&bed,
		"on_batch() { if has '\"i\":7,'; then nack ',\"index\":1'; else ack; fi; };"
		"say() { case $1 in *hello*) set -- '{\"type\":\"hello\",\"version\":1,"
		"\"max_bytes\":30}' ;; esac; printf '%s\\n' \"$1\"; }; serve 1",
		LONG_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 5), VERDICT_ACK, "");
	ck_assert_uint_eq(exec_bed_count(&bed, "heard", "\"count\":2,"), 2);
	ck_assert_uint_eq(exec_bed_count(&bed, "heard", "\"first\":4,\"count\":1,"), 1);
	expect(exec_bed_try(&bed, 0, 4, 6), VERDICT_REFUSED, "no");
	ck_assert(bed.verdicts[0].has_bad);
	ck_assert_uint_eq(bed.verdicts[0].bad, 3);
	struct record wide = { "{\"a\":\"0123456789012345678901234567890\"}", 39 };
	struct piece piece = { .records = &wide, .n = 1, .cursor = { "1" }, .next = { "2" } };
	bed.processor->ops->process(bed.shards[0], &piece, &bed.verdicts[0]);
	expect(exec_bed_verdict(&bed, 0), VERDICT_REFUSED, "max_bytes");
}
END_TEST

START_TEST(a_command_that_cannot_start_is_later_and_loud_once_per_level)
{
	exec_bed_start(&bed, "exec /nowhere/at-all", LONG_MS, 2);
	for (int i = 0; i < 3; i++) {
		expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_LATER, "exited with 127");
		expect(exec_bed_try(&bed, 1, 0, 1), VERDICT_LATER, "exited with 127");
	}
	unsigned said = exec_bed_count(&bed, "log", "the processor does not work");
	ck_assert_uint_ge(said, 2);
	ck_assert_uint_le(said, 7);
}
END_TEST

START_TEST(a_child_without_a_hello_is_killed_and_its_pieces_are_later)
{
	exec_bed_start(&bed, "sleep 1000", SHORT_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_LATER, "timed out: no hello");
}
END_TEST

START_TEST(a_refused_initialize_is_later_and_is_tried_again)
{
	exec_bed_start(&bed,
		       "on_initialize() { if [ -e once ]; then yes; else : >once; nack; fi; };"
		       " serve 1",
		       LONG_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_LATER, "initialize: no");
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	ck_assert_uint_eq(exec_bed_count(&bed, "heard", "\"initialize\""), 2);
}
END_TEST

/* What a dying child was given may be blamed for it, and is tried again. */
static void
try_until_done(unsigned shard, size_t first)
{
	while (exec_bed_verdict(&bed, shard)->kind != VERDICT_ACK) {
		ck_assert_int_eq(bed.verdicts[shard].kind, VERDICT_REFUSED);
		exec_bed_give(&bed, shard, first, 1);
	}
}

START_TEST(a_child_that_exits_after_each_ack_loses_and_repeats_nothing)
{
	exec_bed_start(&bed, "on_batch() { ack; exit 0; }; serve 1", LONG_MS, 1);
	for (size_t i = 0; i < 6; i++) {
		exec_bed_give(&bed, 0, i, 1);
		try_until_done(0, i);
		bed.processor->ops->committed(bed.shards[0], &(struct cursor){ "1500" });
	}
	ck_assert_uint_eq(exec_bed_count(&bed, "acked", "\n"), 6);
}
END_TEST

START_TEST(an_ack_that_a_dying_child_said_counts)
{
	exec_bed_start(&bed, "on_batch() { ack; kill -KILL $$; }; serve 8", LONG_MS, 3);
	for (unsigned s = 0; s < 3; s++)
		exec_bed_give(&bed, s, 0, 1);
	for (unsigned s = 0; s < 3; s++)
		try_until_done(s, 0);
	ck_assert_uint_eq(exec_bed_count(&bed, "acked", "\n"), 3);
}
END_TEST

static bool
has_heard(const char *text)
{
	exec_bed_turn(&bed);
	return exec_bed_count(&bed, "heard", text) == 1;
}

START_TEST(the_child_hears_of_checkpoints_flushes_and_the_next_one_starts_from_them)
{
	exec_bed_start(&bed, "on_batch() { if [ $n = 2 ]; then exit 1; fi; ack; }; serve 1",
		       LONG_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	bed.processor->ops->committed(bed.shards[0], &(struct cursor){ "1500" });
	bed.processor->ops->flush(bed.processor);
	until("the checkpoint is heard",
	      has_heard("{\"type\":\"checkpoint\",\"shard\":\"0\",\"cursor\":\"1500\"}\n"));
	until("the flush is heard", has_heard("{\"type\":\"flush\",\"shard\":\"0\"}\n"));
	expect(exec_bed_try(&bed, 0, 0, 2), VERDICT_REFUSED, "exited with 1");
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	ck_assert_uint_eq(exec_bed_count(&bed, "heard", "\"checkpoint\":\"1500\"}"), 1);
}
END_TEST

START_TEST(a_shard_that_ends_is_shut_down_and_what_it_saves_is_told)
{
	exec_bed_start(
		&bed,
		"on_shutdown() { say '{\"type\":\"ack\",\"id\":'$id',\"persistent\":true}'; };"
		" serve 1",
		LONG_MS, 2);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	exec_bed_close(&bed, 0, PROCESSOR_FINISHED);
	ck_assert(bed.verdicts[0].saved && bed.verdicts[0].persistent);
	ck_assert_uint_eq(
		exec_bed_count(&bed, "heard", "\"shard\":\"0\",\"reason\":\"finished\"}"), 1);
	expect(exec_bed_try(&bed, 1, 0, 1), VERDICT_ACK, "");
}
END_TEST

START_TEST(a_lost_lease_ends_a_piece_within_half_a_second_and_nobody_is_blamed)
{
	exec_bed_start(&bed, "on_batch() { if [ $n = 2 ]; then sleep 1000; fi; ack; }; serve 8",
		       LONG_MS, 3);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	exec_bed_give(&bed, 0, 0, 2);
	exec_bed_give(&bed, 1, 0, 1);
	until("the batch is with the child", has_heard("\"count\":2,"));
	int64_t before_ms = clock_mono_ms();
	exec_bed_close(&bed, 0, PROCESSOR_LEASE_LOST);
	ck_assert_int_ge(clock_mono_ms() - before_ms, 450);
	ck_assert_ptr_null(bed.shards[0]);
	expect(exec_bed_verdict(&bed, 1), VERDICT_ACK, "");
	ck_assert_uint_eq(exec_bed_count(&bed, "acked", "\n"), 2);
}
END_TEST

START_TEST(a_lost_lease_is_told_and_an_answer_in_time_keeps_the_child)
{
	exec_bed_start(&bed, "serve 8", LONG_MS, 2);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	exec_bed_give(&bed, 0, 1, 1);
	exec_bed_close(&bed, 0, PROCESSOR_LEASE_LOST);
	expect(exec_bed_try(&bed, 1, 0, 1), VERDICT_ACK, "");
	ck_assert_uint_eq(
		exec_bed_count(&bed, "heard", "{\"type\":\"lease_lost\",\"shard\":\"0\"}"), 1);
	ck_assert_uint_eq(exec_bed_count(&bed, "log", "started again"), 0);
	ck_assert_uint_eq(exec_bed_count(&bed, "log", "is killed"), 0);
}
END_TEST

START_TEST(a_flood_on_stderr_holds_no_batch_up)
{
	exec_bed_start(&bed, "on_batch() { seq 1 50000 >&2; ack; }; serve 1", LONG_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	exec_bed_close(&bed, 0, PROCESSOR_STOPPING);
	bed.processor->ops->destroy(&bed.processor);
	ck_assert_uint_ge(exec_bed_count(&bed, "log", "lines_held_back="), 1);
	ck_assert_uint_lt(exec_bed_count(&bed, "log", "\n"), 5000);
}
END_TEST

/* What each example does with {"log_content":"record 7"}, and with what is no JSON object. */
static const struct {
	const char *command, *file, *wanted;
} examples[] = {
	{ "exec python3 %s/worker/examples/exec_processor.py", "log", "text=\"0 record 7\"" },
	{ "exec bash %s/worker/examples/exec_processor.sh out", "out", "record 7\n" },
};

START_TEST(the_examples_acknowledge_refuse_and_shut_down)
{
	char command[PATH_MAX + 100];
	struct record records[2] = { { "{\"log_content\":\"record 7\"}", 26 }, { "{}}", 3 } };
	struct piece piece = { .records = records, .n = 1, .cursor = { "1" }, .next = { "2" } };
	snprintf(command, sizeof(command), examples[_i].command, root);
	exec_bed_start(&bed, command, LONG_MS, 1);
	bed.processor->ops->process(bed.shards[0], &piece, &bed.verdicts[0]);
	expect(exec_bed_verdict(&bed, 0), VERDICT_ACK, "");
	piece.records++;
	bed.processor->ops->process(bed.shards[0], &piece, &bed.verdicts[0]);
	expect(exec_bed_verdict(&bed, 0), VERDICT_REFUSED, "");
	exec_bed_close(&bed, 0, PROCESSOR_STOPPING);
	bed.processor->ops->destroy(&bed.processor);
	ck_assert_uint_eq(exec_bed_count(&bed, examples[_i].file, examples[_i].wanted), 1);
	ck_assert_uint_eq(exec_bed_count(&bed, "log", "is killed"), 0);
}
END_TEST

START_TEST(a_format_that_is_not_one_object_a_line_is_refused)
{
	struct processor_config config = { .format = RECORD_CONTENT };
	struct buf why;
	buf_init(&why, 0);
	ck_assert_int_eq(processor_exec_create("x", &config, &bed.processor, &why), LTS_INVALID);
	ck_assert_str_eq(why.data, "exec: takes format=labels alone");
	buf_fini(&why);
}
END_TEST

Suite *
suite_processor_exec(void)
{
	Suite *suite = suite_create("processor_exec");
	TCase *tc = tcase_create("processor_exec");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90 * PATIENCE_SLOWNESS);
	tcase_add_test(tc, a_batch_is_acknowledged_with_every_record_of_it_in_order);
	tcase_add_test(tc, save_and_rollback_are_told);
	tcase_add_test(tc, a_nack_refuses_with_or_without_the_bad_record_or_means_later);
	tcase_add_test(tc, a_verdict_found_in_another_call_asks_for_a_turn);
	tcase_add_test(tc, credits_bound_what_is_under_way);
	tcase_add_test(tc, progress_extends_the_time_of_a_piece_and_silence_does_not);
	tcase_add_test(tc, a_child_that_ignores_its_stdin_times_out);
	tcase_add_test(tc, records_larger_than_a_pipe_go_through_whole);
	tcase_add_test(
		tc,
		a_batch_larger_than_the_childs_limit_goes_in_parts_and_a_record_alone_is_refused);
	tcase_add_test(tc, a_command_that_cannot_start_is_later_and_loud_once_per_level);
	tcase_add_test(tc, a_child_without_a_hello_is_killed_and_its_pieces_are_later);
	tcase_add_test(tc, a_refused_initialize_is_later_and_is_tried_again);
	tcase_add_test(tc, a_child_that_exits_after_each_ack_loses_and_repeats_nothing);
	tcase_add_test(tc, an_ack_that_a_dying_child_said_counts);
	tcase_add_test(tc,
		       the_child_hears_of_checkpoints_flushes_and_the_next_one_starts_from_them);
	tcase_add_test(tc, a_shard_that_ends_is_shut_down_and_what_it_saves_is_told);
	tcase_add_test(tc, a_lost_lease_ends_a_piece_within_half_a_second_and_nobody_is_blamed);
	tcase_add_test(tc, a_lost_lease_is_told_and_an_answer_in_time_keeps_the_child);
	tcase_add_test(tc, a_flood_on_stderr_holds_no_batch_up);
	tcase_add_loop_test(tc, the_examples_acknowledge_refuse_and_shut_down, 0,
			    sizeof(examples) / sizeof(*examples));
	tcase_add_test(tc, a_format_that_is_not_one_object_a_line_is_refused);
	suite_add_tcase(suite, tc);
	return suite;
}
