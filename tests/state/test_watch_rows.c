/*
 * test_watch_rows.c - holds rates, notes, alarms and order of the screen's rows to the records.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "state/watch_lag.h"
#include "tests/suites.h"
#include "tests/support/watch_bed.h"

START_TEST(rates_are_what_changed_between_two_looks)
{
	watch_bed_draw(200, 60);
	/* 12 shards with 100 + 10 i: 1860 in all, of 1 KiB. */
	ck_assert_ptr_nonnull(strstr(watch_bed.screen.lines[1].text, " 1860/s 1.8MiB/s"));
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("11 "), " 210 "));
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("11 "), " 210.0KiB "));
	watch_bed.in.before = NULL;
	watch_bed_draw(200, 60);
	ck_assert_ptr_nonnull(strstr(watch_bed.screen.lines[1].text, " -/s -/s"));
}
END_TEST

START_TEST(counts_of_something_else_give_no_rate)
{
	watch_bed_draw(200, 60);
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("1     701"), " 1000 "));
	watch_bed_now()->snapshot.workers[1].pid_start = 2; /* started anew under the same pid */
	watch_bed_now()->snapshot.checkpoints[2].records = 1; /* went back: a reset */
	watch_bed_draw(200, 60);
	ck_assert_ptr_null(strstr(watch_bed_text_of("1     701"), " 1000 "));
	ck_assert_ptr_null(strstr(watch_bed_text_of("2     2 "), " 120 "));
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("3     3 "), " 130 "));
	ck_assert_ptr_nonnull(strstr(watch_bed.screen.lines[1].text, " 1740/s "));
	snprintf(watch_bed_now()->snapshot.identity.instance, 16, "other");
	watch_bed_draw(200, 60);
	ck_assert_ptr_nonnull(strstr(watch_bed.screen.lines[1].text, " -/s "));
}
END_TEST

START_TEST(dead_worker_and_its_shards_stand_out)
{
	watch_bed_now()->workers[1] = PROC_GONE;
	watch_bed_now()->workers[2] = PROC_STOPPED;
	watch_bed_now()->snapshot.workers[3].exited = true;
	watch_bed_now()->snapshot.leases[3].state = watch_bed_now()->snapshot.leases[7].state =
		watch_bed_now()->snapshot.leases[11].state = LEASE_PAUSED;
	watch_bed_draw(80, 24);
	ck_assert_int_ge(watch_bed_line_of("supervisor 600 up 1m06s; workers 1/4 alive"), 0);
	ck_assert_int_eq(watch_bed.screen.lines[watch_bed_line_of("1     701 no ")].style,
			 WATCH_ALARM);
	ck_assert_int_eq(watch_bed.screen.lines[watch_bed_line_of("2     702 stopped ")].style,
			 WATCH_ALARM);
	ck_assert_int_eq(watch_bed.screen.lines[watch_bed_line_of("3     703 exited ")].style,
			 WATCH_PLAIN);
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("1     1 held"), "owner dead"));
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("2     2 held"), "owner stopped"));
	ck_assert_int_eq(watch_bed.screen.lines[watch_bed_line_of("1     1 held")].style,
			 WATCH_ALARM);
	ck_assert_int_eq(watch_bed.screen.lines[watch_bed_line_of("3     - paused")].style,
			 WATCH_PLAIN);
	/* Another process runs in the slot: the holder is gone all the same. */
	watch_bed_now()->snapshot.workers[0].pid = 999;
	watch_bed_draw(80, 24);
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("0     0 held"), "owner dead"));
}
END_TEST

START_TEST(note_says_what_is_the_matter_with_a_shard)
{
	struct checkpoint_record *c = watch_bed_now()->snapshot.checkpoints;
	watch_bed_now()->snapshot.leases[0].state = LEASE_STUCK;
	c[1].attempts = 4;
	c[1].dead_letters = 2;
	c[2].forced = true;
	c[2].finished_end_ns = WATCH_BED_NOW;
	watch_bed_add_event(EVENT_STUCK, "0", "first");
	watch_bed_add_event(EVENT_STUCK, "0", "the output file was cut");
	watch_bed_draw(200, 60);
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("0     0 "), " the output file was cut"));
	ck_assert_int_eq(watch_bed.screen.lines[watch_bed_line_of("0     0 ")].style,
			 WATCH_ALARM);
	ck_assert_ptr_nonnull(
		strstr(watch_bed_text_of("1     1 "), " failed 4 times, 2 dead letters"));
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("2     2 "), " forced, finished"));
	watch_bed_now()->snapshot.n_events = 0;
	watch_bed_draw(200, 60);
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("0     0 "), " why is in events"));
}
END_TEST

START_TEST(half_of_a_shard_is_shown_as_it_is)
{
	watch_bed_now()->snapshot.n_leases = 11; /* those of 11 and of 0 are damaged */
	watch_bed_now()->snapshot.n_checkpoints = 11;
	memmove(watch_bed_now()->snapshot.checkpoints, watch_bed_now()->snapshot.checkpoints + 1,
		11 * sizeof(struct checkpoint_record));
	watch_bed_now()->n_problems = 2;
	snprintf(watch_bed_now()->problem, sizeof(watch_bed_now()->problem),
		 "leases: record '11' is damaged");
	watch_bed_draw(200, 60);
	ck_assert_int_ge(watch_bed_line_of("0     0    2.1 held                       -"), 0);
	ck_assert_int_eq(watch_bed.screen.lines[watch_bed_line_of("11     -   2.12 - ")].style,
			 WATCH_ALARM);
	ck_assert_int_ge(
		watch_bed_line_of("2 bad records, see lts-state verify: leases: record '11'"), 0);
}
END_TEST

START_TEST(rows_are_sorted_by_the_column_chosen)
{
	watch_bed_draw(80, 24);
	ck_assert_int_lt(watch_bed_line_of("2 "),
			 watch_bed_line_of("3 ")); /* shards, as numbers */
	watch_bed_press("ssssss");
	ck_assert(watch_bed_shows("shards 1-12 of 12 by REC/S"));
	ck_assert_int_eq(watch_bed_line_of("11     3"), 9); /* the fastest first */
	ck_assert_int_eq(watch_bed_line_of("10     2"), 10);
	watch_bed_press("r");
	ck_assert_int_eq(watch_bed_line_of("0     0 held"), 9);
	watch_bed_press("S");
	ck_assert(watch_bed_shows("by RECORDS"));
	watch_bed_press("\t");
	ck_assert(watch_bed_shows("events 1-1 of 1 by AGE"));
	watch_bed_press("\t");
	ck_assert(watch_bed_shows("workers 1-4 of 4 by SLOT"));
	watch_bed_press("r");
	ck_assert_int_lt(watch_bed_line_of("3     703"), watch_bed_line_of("2     702"));
	watch_bed_press("S");
	ck_assert(watch_bed_shows("by NAME"));
}
END_TEST

/* Whatever the cursor is. */
START_TEST(behind_is_what_the_agent_says)
{
	int64_t *behind_ms = watch_bed_now()->behind_ms;
	behind_ms[3] = 0;
	behind_ms[4] = -1; /* not told */
	behind_ms[5] = INT64_C(328) * 24 * 3600 * 1000;
	watch_bed_draw(200, 60);
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("2     2 "), "    3.0s   0.1s "));
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("3     3 "), "    0.0s   0.1s "));
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("4     0 "), "       -   0.1s "));
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("5     1 "), " 328d00h   0.1s "));
	watch_bed_press("ssssssss"); /* the furthest first, those not told last */
	ck_assert(watch_bed_shows("by BEHIND"));
	ck_assert_int_lt(watch_bed_line_of("5     1 "), watch_bed_line_of("11     3 "));
	ck_assert_int_lt(watch_bed_line_of("11     3 "), watch_bed_line_of("3     3 "));
	ck_assert_int_lt(watch_bed_line_of("3     3 "), watch_bed_line_of("4     0 "));
}
END_TEST

START_TEST(lag_is_taken_from_whole_answers_only)
{
#define DONE "{\"done\":true}\n"
	static const struct {
		const char *answer;
		int64_t wanted[2]; /* of shards 0 and 2 */
	} rows[] = {
		{ "{\"shard\":\"2\",\"behind_ms\":1234}\n{\"shard\":\"0\",\"behind_ms\":0}"
		  "\n" DONE,
		  { 0, 1234 } },
		{ "{\"shard\":\"2\",\"behind_ms\":5}\n{\"shard\":\"99\",\"behind_ms\":7}\n" DONE,
		  { -1, 5 } },
		{ "{\"shard\":\"2\",\"behind_ms\":5}\n{\"shard\":\"0\",\"beh", { -1, -1 } },
		{ "{\"error\":\"not understood\"}\n", { -1, -1 } },
		{ "{\"shard\":\"0\",\"behind_ms\":-5}\n"
		  "{\"shard\":\"2\",\"behind_ms\":99999999999999999999}\n" DONE,
		  { -1, -1 } },
		{ "", { -1, -1 } },
		{ NULL, { -1, -1 } },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *answer = rows[i].answer ? xstrdup(rows[i].answer) : NULL;
		int64_t *behind_ms = watch_lag_parse(answer, &watch_bed_now()->snapshot);
		ck_assert_msg(behind_ms[0] == rows[i].wanted[0] &&
				      behind_ms[2] == rows[i].wanted[1] && behind_ms[1] == -1,
			      "row %zu", i);
		free(behind_ms);
		free(answer);
	}
#undef DONE
}
END_TEST

Suite *
suite_watch_rows(void)
{
	Suite *suite = suite_create("watch_rows");
	TCase *tc = tcase_create("watch_rows");
	tcase_add_checked_fixture(tc, watch_bed_setup, watch_bed_teardown);
	tcase_add_test(tc, rates_are_what_changed_between_two_looks);
	tcase_add_test(tc, counts_of_something_else_give_no_rate);
	tcase_add_test(tc, dead_worker_and_its_shards_stand_out);
	tcase_add_test(tc, note_says_what_is_the_matter_with_a_shard);
	tcase_add_test(tc, half_of_a_shard_is_shown_as_it_is);
	tcase_add_test(tc, rows_are_sorted_by_the_column_chosen);
	tcase_add_test(tc, behind_is_what_the_agent_says);
	tcase_add_test(tc, lag_is_taken_from_whole_answers_only);
	suite_add_tcase(suite, tc);
	return suite;
}
