/*
 * test_watch_view.c - holds the screen of `lts-state watch` to its sizes, keys and words, without
 * a terminal.
 */
#include <check.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/support/watch_bed.h"

START_TEST(eighty_by_24_is_this)
{
	/* clang-format off */
	static const char *const wanted[] = {
		"readers of stream stream                                    2026-01-03T03:04:05Z",
		"supervisor 600 up 1m06s; workers 4/4 alive; shards 12            1860/s 1.8MiB/s",
		"state_dir DIR, instance a1b2c3, start 0",
		"SLOT     PID ALIVE   UPTIME SHARDS    REC/S   BYTES/S  COMMITS UPDATED",
		"   0     700 yes      1m05s      3     1000 1000.0KiB       17    0.2s",
		"   1     701 yes      1m05s      3     1000 1000.0KiB       17    0.2s",
		"   2     702 yes      1m05s      3     1000 1000.0KiB       17    0.2s",
		"   3     703 yes      1m05s      3     1000 1000.0KiB       17    0.2s",
		"SHARD OWNER STATE                 CURSOR   REC/S   BYTES/S  BEHIND    AGE NOTE",
		"    0     0 held     1767409444000000000     100  100.0KiB    1.0s   0.1s -",
		"    1     1 held     1767409443000000000     110  110.0KiB    2.0s   0.1s -",
		"    2     2 held     1767409442000000000     120  120.0KiB    3.0s   0.1s -",
		"    3     3 held     1767409441000000000     130  130.0KiB    4.0s   0.1s -",
		"    4     0 held     1767409440000000000     140  140.0KiB    5.0s   0.1s -",
		"    5     1 held     1767409439000000000     150  150.0KiB    6.0s   0.1s -",
		"    6     2 held     1767409438000000000     160  160.0KiB    7.0s   0.1s -",
		"    7     3 held     1767409437000000000     170  170.0KiB    8.0s   0.1s -",
		"    8     0 held     1767409436000000000     180  180.0KiB    9.0s   0.1s -",
		"    9     1 held     1767409435000000000     190  190.0KiB   10.0s   0.1s -",
		"   10     2 held     1767409434000000000     200  200.0KiB   11.0s   0.1s -",
		"   11     3 held     1767409433000000000     210  210.0KiB   12.0s   0.1s -",
		"   AGE EVENT     SHARD SLOT  EPOCH              CURSOR TEXT",
		"  3.0s taken         3    0    2.1                 100 position: start",
		"? help  q quit  Tab pane  s sort  r reverse  p pause shards 1-12 of 12 by SHARD",
	};
	/* clang-format on */
	watch_bed_draw(80, 24);
	for (int y = 0; y < 24; y++) {
		char *text = watch_bed.screen.lines[y].text;
		size_t len = strlen(text);
		while (len && text[len - 1] == ' ')
			text[--len] = '\0';
		ck_assert_str_eq(text, wanted[y]);
	}
	ck_assert_int_eq(watch_bed.screen.lines[0].style, WATCH_STRONG);
	ck_assert_int_eq(watch_bed.screen.lines[3].style, WATCH_STRONG);
	ck_assert_int_eq(watch_bed.screen.lines[4].style, WATCH_PLAIN);
	ck_assert_int_eq(watch_bed.screen.lines[8].style, WATCH_FOCUSED);
}
END_TEST

START_TEST(two_hundred_by_60_leaves_nothing_out)
{
	watch_bed_draw(200, 60);
	static const char *const titles[] = { "EPOCH", "RECORDS", "CURSOR", "NOTE",
					      "NAME",  "UPDATED", "BEHIND", "TEXT" };
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		ck_assert_msg(watch_bed_shows(titles[i]), "%s", titles[i]);
	ck_assert(watch_bed_shows("vm-aabbccdd-3"));
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("11 "), "2.12"));
	ck_assert_ptr_nonnull(strstr(watch_bed_text_of("11 "), "1000420"));
}
END_TEST

START_TEST(any_size_is_filled_and_never_exceeded)
{
	watch_bed_fill(100, 400);
	for (unsigned width = 1; width <= 130; width += 7)
		for (unsigned height = 1; height <= 60; height += 3) {
			watch_bed.view.help = height % 2;
			watch_bed.in.trouble = height % 3 ? NULL : "something is wrong with it";
			watch_bed_draw(width, height);
		}
	watch_bed.in.now = watch_bed.in.before = NULL;
	for (unsigned height = 1; height <= 60; height++)
		watch_bed_draw(61, height);
}
END_TEST

START_TEST(too_small_a_screen_says_so)
{
	watch_bed_draw(40, 10);
	ck_assert(strncmp(watch_bed.screen.lines[0].text, "40x10 is too small: needs 60x16 ",
			  32) == 0);
	ck_assert_int_eq(watch_bed.screen.lines[0].style, WATCH_ALARM);
	watch_bed_draw(WATCH_WIDTH_MIN, WATCH_HEIGHT_MIN);
	ck_assert(!watch_bed_shows("too small"));
	ck_assert_int_ge(watch_bed_line_of("SHARD"), 0);
	ck_assert_int_ge(watch_bed_line_of("AGE"), 0);
}
END_TEST

START_TEST(dead_or_stopped_supervisor_is_said)
{
	watch_bed_draw(80, 24);
	ck_assert_int_ge(
		watch_bed_line_of("supervisor 600 up 1m06s; workers 4/4 alive; shards 12"), 0);
	watch_bed_now()->supervisor = PROC_STOPPED;
	watch_bed_draw(80, 24);
	ck_assert_int_eq(
		watch_bed.screen.lines[watch_bed_line_of("supervisor 600 stopped, up ")].style,
		WATCH_ALARM);
	watch_bed_now()->supervisor_err = LTS_NOTFOUND;
	watch_bed_draw(80, 24);
	ck_assert_int_eq(watch_bed.screen.lines[watch_bed_line_of("no supervisor; ")].style,
			 WATCH_ALARM);
	watch_bed_now()->supervisor_err = LTS_SYS;
	watch_bed_draw(80, 24);
	ck_assert_int_ge(watch_bed_line_of("supervisor unknown; "), 0);
}
END_TEST

START_TEST(trouble_is_said_whole_above_what_was)
{
	watch_bed.in.trouble = "DIR: no answer within 5 s: the state's lock is held by a stopped "
			       "process (continue or end it), or data.mdb is damaged";
	watch_bed.in.now_ms = 7000 + 12500;
	watch_bed_draw(80, 24);
	ck_assert_int_ge(watch_bed_line_of("DIR: no answer within 5 s:"), 0);
	ck_assert(watch_bed_shows("there 12.5s ago"));
	ck_assert_int_ge(watch_bed_line_of("9 "), 0);
	watch_bed.in.now = watch_bed.in.before = NULL;
	watch_bed.in.trouble = "DIR: no such directory";
	watch_bed_draw(80, 24);
	ck_assert_int_eq(
		watch_bed.screen.lines[watch_bed_line_of("DIR: no such directory; still looking")]
			.style,
		WATCH_ALARM);
	watch_bed.in.trouble = NULL;
	watch_bed_draw(80, 24);
	ck_assert_int_ge(watch_bed_line_of("looking at DIR"), 0);
}
END_TEST

START_TEST(scrolling_ends_at_both_ends)
{
	watch_bed_fill(4, 300);
	watch_bed_draw(80, 24);
	ck_assert(watch_bed_shows("shards 1-12 of 300"));
	watch_bed_press("k");
	ck_assert(watch_bed_shows("shards 1-12 of 300"));
	watch_bed_press("jj");
	ck_assert(watch_bed_shows("shards 3-14 of 300"));
	watch_bed_press_key(WATCH_PAGE_DOWN);
	ck_assert(watch_bed_shows("shards 15-26 of 300"));
	watch_bed_press_key(WATCH_UP);
	ck_assert(watch_bed_shows("shards 14-25 of 300"));
	watch_bed_press("G");
	ck_assert(watch_bed_shows("shards 289-300 of 300"));
	ck_assert_int_ge(watch_bed_line_of("299 "), 0);
	watch_bed_press_key(WATCH_DOWN);
	ck_assert(watch_bed_shows("shards 289-300 of 300"));
	watch_bed_fill(4, 20); /* most of them are gone */
	watch_bed_draw(80, 24);
	ck_assert(watch_bed_shows("shards 9-20 of 20"));
	watch_bed_press_key(WATCH_PAGE_UP);
	ck_assert(watch_bed_shows("shards 1-12 of 20"));
	watch_bed_press_key(WATCH_END);
	watch_bed_press_key(WATCH_HOME);
	ck_assert(watch_bed_shows("shards 1-12 of 20"));
}
END_TEST

START_TEST(pane_in_focus_gets_the_room)
{
	watch_bed_fill(100, 400);
	for (int i = 0; i < 40; i++)
		watch_bed_add_event(EVENT_RELEASED, "3", "");
	watch_bed_draw(80, 24);
	ck_assert(watch_bed_shows("shards 1-9 of 400"));
	watch_bed_press("\t");
	ck_assert(watch_bed_shows("events 1-9 of 41"));
	watch_bed_press("\t");
	ck_assert(watch_bed_shows("workers 1-9 of 100"));
}
END_TEST

START_TEST(help_and_pause_and_leaving)
{
	watch_bed_draw(80, 24);
	watch_bed_press("?");
	ck_assert_int_ge(watch_bed_line_of("BEHIND "), 0);
	ck_assert_int_lt(watch_bed_line_of("SHARD "), 0);
	watch_bed_press("s"); /* only leaves the help */
	ck_assert(watch_bed_shows("shards 1-12 of 12 by SHARD"));
	watch_bed_press("p");
	ck_assert(watch_bed.view.paused && watch_bed_shows("PAUSED, "));
	watch_bed_press(" ");
	ck_assert(!watch_bed.view.paused && !watch_bed_shows("PAUSED"));
	ck_assert(!watch_view_key(&watch_bed.view, 'q', &watch_bed.screen));
	watch_bed_press("h");
	ck_assert(!watch_view_key(&watch_bed.view, 'q', &watch_bed.screen));
}
END_TEST

START_TEST(no_text_steers_the_terminal)
{
	watch_bed.in.trouble = "a \x1b[2J b \x9b c \xc2\x9b d \xff e";
	watch_bed_add_event(EVENT_STUCK, "1", "x \x1b]0;y\a \xc2\x85 z");
	snprintf(watch_bed_now()->snapshot.identity.stream_id, 128, "s\x1b[31m");
	watch_bed_draw(80, 24);
	for (unsigned y = 0; y < 24; y++)
		for (const char *at = watch_bed.screen.lines[y].text; *at; at++)
			ck_assert_msg((unsigned char)*at >= ' ' && (unsigned char)*at < 0x7f,
				      "line %u: %s", y, watch_bed.screen.lines[y].text);
	ck_assert_int_ge(watch_bed_line_of("a ?[2J b ? c ?? d ? e; still looking"), 0);
}
END_TEST

START_TEST(wide_characters_are_cut_at_the_margin)
{
	watch_bed_add_event(
		EVENT_STUCK, "1",
		"\u65e5\u5fd7\u670d\u52a1\u65e5\u5fd7\u670d\u52a1\u65e5\u5fd7\u670d\u52a1\u65e5"
		"\u5fd7"
		"\u670d\u52a1\u65e5\u5fd7\u670d\u52a1\u65e5\u5fd7\u670d\u52a1\u65e5\u5fd7\u670d"
		"\u52a1");
	watch_bed_draw(80, 24);
	ck_assert(watch_bed_shows("\u65e5\u5fd7"));
	watch_bed_draw(81, 24);
	setlocale(LC_CTYPE, "C");
	watch_bed_draw(80, 24);
	ck_assert(!watch_bed_shows("\u65e5") && watch_bed_shows("?????"));
}
END_TEST

Suite *
suite_watch_view(void)
{
	Suite *suite = suite_create("watch_view");
	TCase *tc = tcase_create("watch_view");
	tcase_add_checked_fixture(tc, watch_bed_setup, watch_bed_teardown);
	tcase_add_test(tc, eighty_by_24_is_this);
	tcase_add_test(tc, two_hundred_by_60_leaves_nothing_out);
	tcase_add_test(tc, any_size_is_filled_and_never_exceeded);
	tcase_add_test(tc, too_small_a_screen_says_so);
	tcase_add_test(tc, dead_or_stopped_supervisor_is_said);
	tcase_add_test(tc, trouble_is_said_whole_above_what_was);
	tcase_add_test(tc, scrolling_ends_at_both_ends);
	tcase_add_test(tc, pane_in_focus_gets_the_room);
	tcase_add_test(tc, help_and_pause_and_leaving);
	tcase_add_test(tc, no_text_steers_the_terminal);
	tcase_add_test(tc, wide_characters_are_cut_at_the_margin);
	suite_add_tcase(suite, tc);
	return suite;
}
