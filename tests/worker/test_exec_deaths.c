/*
 * test_exec_deaths.c - holds worker/processor_exec.c, exec_ask.c and exec_child.c: every way in
 * which a child can die ends in a verdict, over the right piece, and the next child goes on.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/suites.h"
#include "tests/support/patience.h"
#include "tests/support/tmpdir.h"
#include "tests/worker/exec_bed.h"

enum { LONG_MS = 120000, SHORT_MS = 700 * PATIENCE_SLOWNESS };

static struct exec_bed bed;

static void
setup(void)
{
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

/* What a child does with a batch that holds record 5, and how that is called. */
static const struct {
	const char *does, *error;
} deaths[] = {
	{ "exit 3", "the child exited with 3" },
	{ "kill -SEGV $$", "was killed by signal 11 (SEGV)" },
	{ "sleep 1000", "timed out: no answer within" },
	{ "say garbage", "no frame: not a JSON object: 'garbage'" },
	{ "say '{\"type\":\"ack\",\"id\":99}'", "said ack 99: nothing was asked" },
	{ "say '{\"type\":\"ack\",\"id\":'$id; exec sleep 1000", "said what is no frame" },
	{ "printf '{\"type\":\"ack\",\"id\":'; exit 0",
	  "exited with 0 in the middle of a frame" },
	{ "printf '{\"type\":\"ack\",\"id\":'; sleep 1000", "timed out" },
	{ "printf '%05000d' 7; sleep 1000", "said a line of more than 4096 bytes" },
	{ "nack ',\"index\":'$n; sleep 1000", "its index is not in the batch" },
	{ "exec >&-; sleep 1000", "closed its stdout" },
	{ "exec >&- <&-; sleep 1000", "closed its stdout" },
	{ "say '{\"type\":\"hello\",\"version\":1}'; sleep 1000", "said hello where" },
	{ "sleep 1000 & setsid sleep 1001 & echo $! >>strays; exit 4", "exited with 4" },
};

static void
start_deadly(const char *does, int64_t timeout_ms, unsigned credits)
{
	char command[400];
	snprintf(command, sizeof(command),
		 "on_batch() { if has '\"i\":5,'; then %s; else ack; fi; }; serve %u", does,
		 credits);
	exec_bed_start(&bed, command, timeout_ms, EXEC_BED_SHARDS);
}

static void
kill_strays(void)
{
	size_t len;
	if (access("strays", R_OK) != 0)
		return;
	char *strays = tmpdir_read(bed.dir, "strays", &len);
	for (char *at = strays; *at; at = strchr(at, '\n') + 1)
		kill((pid_t)strtol(at, NULL, 10), SIGKILL);
	free(strays);
}

START_TEST(a_death_over_one_piece_refuses_it_and_the_next_child_goes_on)
{
	start_deadly(deaths[_i].does, SHORT_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 5), VERDICT_ACK, "");
	expect(exec_bed_try(&bed, 0, 5, 2), VERDICT_REFUSED, deaths[_i].error);
	ck_assert(!bed.verdicts[0].has_bad);
	expect(exec_bed_try(&bed, 1, 0, 3), VERDICT_ACK, "");
	expect(exec_bed_try(&bed, 0, 5, 1), VERDICT_REFUSED, deaths[_i].error);
	expect(exec_bed_try(&bed, 0, 6, 10), VERDICT_ACK, "");
	ck_assert_uint_eq(exec_bed_count(&bed, "acked", "\"s\":0,"), 15);
	kill_strays();
}
END_TEST

/* One of eight pieces under way is guilty: it alone is refused, the seven others are done. */
START_TEST(of_several_pieces_under_way_only_the_guilty_one_is_refused)
{
	start_deadly(deaths[_i].does, SHORT_MS * 4, 8);
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++)
		exec_bed_give(&bed, s, s == 3 ? 4 : 0, 2);
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++) {
		exec_bed_verdict(&bed, s);
		if (s == 3)
			expect(&bed.verdicts[s], VERDICT_REFUSED, deaths[_i].error);
		else
			expect(&bed.verdicts[s], VERDICT_ACK, "");
	}
	ck_assert_uint_eq(exec_bed_count(&bed, "acked", "\"s\":3,"), 0);
	kill_strays();
}
END_TEST

START_TEST(a_piece_over_which_a_child_died_goes_alone_while_others_wait)
{
	start_deadly("echo >>died; exit 3", LONG_MS, 8);
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++)
		exec_bed_give(&bed, s, s == 3 ? 4 : 0, 2);
	expect(exec_bed_verdict(&bed, 3), VERDICT_REFUSED, "exited with 3");
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++)
		exec_bed_verdict(&bed, s);
	unsigned before = exec_bed_count(&bed, "died", "\n");
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++)
		exec_bed_give(&bed, s, s == 3 ? 5 : 2, 1);
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++)
		expect(exec_bed_verdict(&bed, s), s == 3 ? VERDICT_REFUSED : VERDICT_ACK, "");
	ck_assert_uint_eq(exec_bed_count(&bed, "died", "\n"), before + 1);
	ck_assert_uint_eq(exec_bed_count(&bed, "log", "batches_under_way=1"), 2);
}
END_TEST

/* Of that which it knew, and of nothing else: the next one has initialized shard 1 alone. */
START_TEST(end_of_a_child_is_told_once_for_each_shard_that_it_knew)
{
	start_deadly("exit 3", LONG_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 5), VERDICT_ACK, "");
	expect(exec_bed_try(&bed, 1, 0, 1), VERDICT_ACK, "");
	expect(exec_bed_try(&bed, 1, 5, 1), VERDICT_REFUSED, "exited with 3");
	for (unsigned s = 0; s < EXEC_BED_SHARDS; s++) {
		bool forgot = bed.processor->ops->forgot(bed.shards[s]) || bed.forgot[s];
		ck_assert_int_eq(forgot, s < 2);
		ck_assert(!bed.processor->ops->forgot(bed.shards[s]));
		bed.forgot[s] = false;
	}
	expect(exec_bed_try(&bed, 1, 0, 1), VERDICT_ACK, "");
	expect(exec_bed_try(&bed, 1, 5, 1), VERDICT_REFUSED, "exited with 3");
	ck_assert(!bed.processor->ops->forgot(bed.shards[0]));
}
END_TEST

START_TEST(nothing_is_sent_of_a_shard_before_the_end_of_its_child_is_taken_note_of)
{
	start_deadly("exit 3", LONG_MS, 2);
	expect(exec_bed_try(&bed, 0, 0, 1), VERDICT_ACK, "");
	exec_bed_give(&bed, 1, 5, 1);
	until("it has died", exec_bed_count(&bed, "log", "child ended") == 1 ||
				     (exec_bed_turn(&bed), false));
	exec_bed_give(&bed, 0, 1, 1);
	expect(exec_bed_try(&bed, 2, 0, 1), VERDICT_ACK, "");
	ck_assert_int_eq(bed.verdicts[0].kind, VERDICT_PENDING);
	ck_assert_uint_eq(exec_bed_count(&bed, "heard", "\"shard\":\"0\",\"cursor\""), 1);
	expect(exec_bed_verdict(&bed, 0), VERDICT_ACK, "");
	ck_assert(bed.forgot[0]);
}
END_TEST

/* Two records at a time: what the dead one said of the first two is not the next one's. */
START_TEST(part_that_a_child_acknowledged_before_its_end_is_told_as_such)
{
	exec_bed_start(&bed,
		       "[ -e lived ] && again=1; : >lived;"
		       "on_batch() { if [ $again ]; then ack; elif has '\"s\":1'; then :;"
		       " elif has '\"i\":2'; then exit 3; else ack; fi; };"
		       " serve '2,\"max_bytes\":32'",
		       LONG_MS, 2);
	exec_bed_give(&bed, 0, 0, 4);
	exec_bed_give(&bed, 1, 0, 1);
	expect(exec_bed_verdict(&bed, 1), VERDICT_ACK, "");
	expect(exec_bed_verdict(&bed, 0), VERDICT_LATER, "the child ended over the rest of it");
	ck_assert_uint_eq(bed.verdicts[0].done, 2);
	ck_assert(bed.forgot[0]);
}
END_TEST

START_TEST(save_over_a_part_says_how_much_came_behind_it)
{
	exec_bed_start(&bed,
		       "on_batch() { if has '\"i\":0,'; then"
		       " say '{\"type\":\"ack\",\"id\":'$id',\"save\":true}';"
		       " elif has '\"i\":6,'; then exit 3; else ack; fi; };"
		       " serve '1,\"max_bytes\":32'",
		       LONG_MS, 1);
	expect(exec_bed_try(&bed, 0, 0, 5), VERDICT_ACK, "");
	ck_assert(bed.verdicts[0].saved);
	ck_assert_uint_eq(bed.verdicts[0].unsaved, 3);
	expect(exec_bed_try(&bed, 0, 2, 6), VERDICT_REFUSED, "exited with 3");
	ck_assert(!bed.verdicts[0].saved);
	ck_assert_uint_eq(bed.verdicts[0].done, 4);
}
END_TEST

Suite *
suite_exec_deaths(void)
{
	Suite *suite = suite_create("exec_deaths");
	TCase *tc = tcase_create("exec_deaths");
	enum { DEATHS = sizeof(deaths) / sizeof(*deaths) };
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90 * PATIENCE_SLOWNESS);
	tcase_add_loop_test(tc, a_death_over_one_piece_refuses_it_and_the_next_child_goes_on, 0,
			    DEATHS);
	tcase_add_loop_test(tc, of_several_pieces_under_way_only_the_guilty_one_is_refused, 0,
			    DEATHS);
	tcase_add_test(tc, a_piece_over_which_a_child_died_goes_alone_while_others_wait);
	tcase_add_test(tc, end_of_a_child_is_told_once_for_each_shard_that_it_knew);
	tcase_add_test(
		tc, nothing_is_sent_of_a_shard_before_the_end_of_its_child_is_taken_note_of);
	tcase_add_test(tc, part_that_a_child_acknowledged_before_its_end_is_told_as_such);
	tcase_add_test(tc, save_over_a_part_says_how_much_came_behind_it);
	suite_add_tcase(suite, tc);
	return suite;
}
