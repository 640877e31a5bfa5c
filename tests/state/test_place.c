/*
 * test_place.c - holds state/place.c to its header: nothing is guessed, and what is rendered is
 * read back as the same place.
 */
#include "state/place.h"

#include <check.h>
#include <string.h>

#include "tests/suites.h"

static const struct {
	const char *text, *from, *cursor; /* both NULL: refused */
	const char *rendered;
} places[] = {
	{ "begin", "begin", "", "begin" },
	{ "end", "end", "", "end" },
	{ "time:begin", "begin", "", "begin" },
	{ "2026-01-02T03:00:00Z", "1767322800000000000", "", "time:1767322800000000000" },
	{ "1767322800", "1767322800000000000", "", "time:1767322800000000000" },
	{ "1767322800000", "1767322800000000000", "", "time:1767322800000000000" },
	{ "time:1767322800000000000", "1767322800000000000", "", "time:1767322800000000000" },
	{ "cursor:1767322800000000051", "", "1767322800000000051", "cursor:1767322800000000051" },
	{ "cursor:abc==", "", "abc==", "cursor:abc==" },
	{ "cursor:time:5", "", "time:5", "cursor:time:5" },
	{ "1767322800000000000", NULL, NULL, "may be a time or a cursor" },
	{ "99999999999999999999", NULL, NULL, "may be a time or a cursor" },
	{ "cursor:", NULL, NULL, "is no cursor" },
	{ "cursor:@begin", NULL, NULL, "is no cursor" }, /* would be asked for as a time */
	{ "cursor:a\"b", NULL, NULL, "is no cursor" },
	{ "cursor:a\nb", NULL, NULL, "is no cursor" },
	{ "cursor:0123456789012345678901234567890123456789012345678901234567890123", NULL, NULL,
	  "is no cursor" },
	{ "", NULL, NULL, "" },
	{ "time:", NULL, NULL, "" },
	{ "yesterday", NULL, NULL, "" },
	{ "-5", NULL, NULL, "" },
	{ "beginning", NULL, NULL, "" },
	{ "2026-01-02", NULL, NULL, "" },
};

START_TEST(text_is_a_place_or_is_refused_with_the_reason)
{
	struct place place = { .from = "x" }, again;
	char text[PLACE_TEXT];
	const char *why = place_parse(places[_i].text, &place);
	if (!places[_i].from) {
		ck_assert_msg(why && strstr(why, places[_i].rendered), "%s: %s", places[_i].text,
			      why);
		ck_assert_str_eq(place.from, "x");
		return;
	}
	ck_assert_msg(!why, "%s: %s", places[_i].text, why);
	ck_assert_str_eq(place.from, places[_i].from);
	ck_assert_str_eq(place.cursor.text, places[_i].cursor);
	place_render(&place, text);
	ck_assert_str_eq(text, places[_i].rendered);
	ck_assert_ptr_null(place_parse(text, &again));
	ck_assert_int_eq(memcmp(&again, &place, sizeof(place)), 0);
}
END_TEST

START_TEST(longest_cursor_has_room)
{
	char text[80] = "cursor:", rendered[PLACE_TEXT];
	struct place place;
	memset(text + 7, 'c', 63);
	ck_assert_ptr_null(place_parse(text, &place));
	place_render(&place, rendered);
	ck_assert_str_eq(rendered, text);
}
END_TEST

Suite *
suite_place(void)
{
	Suite *suite = suite_create("place");
	TCase *tc = tcase_create("place");
	tcase_add_loop_test(tc, text_is_a_place_or_is_refused_with_the_reason, 0,
			    sizeof(places) / sizeof(places[0]));
	tcase_add_test(tc, longest_cursor_has_room);
	suite_add_tcase(suite, tc);
	return suite;
}
