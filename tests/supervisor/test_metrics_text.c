/*
 * test_metrics_text.c - holds supervisor/metrics_text.c to Prometheus's text format.
 */
#include "supervisor/metrics_text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suites.h"

static struct buf out;

static void
setup(void)
{
	buf_init(&out, 0);
}

static void
teardown(void)
{
	buf_fini(&out);
}

static void
expect(const char *text)
{
	ck_assert_str_eq(out.data ? out.data : "", text);
	buf_clear(&out);
}

START_TEST(family_has_its_help_and_type)
{
	metrics_family(&out, "lts_a_total", METRICS_COUNTER, "What it is.");
	metrics_family(&out, "lts_b", METRICS_GAUGE, "And that.");
	expect("# HELP lts_a_total What it is.\n# TYPE lts_a_total counter\n"
	       "# HELP lts_b And that.\n# TYPE lts_b gauge\n");
}
END_TEST

START_TEST(numbers_are_written_as_they_are)
{
	metrics_count(&out, "a", NULL, UINT64_MAX);
	metrics_value(&out, "b", NULL, -1);
	metrics_value(&out, "c", NULL, 0.25);
	metrics_ms(&out, "d", NULL, 61005);
	metrics_ms(&out, "e", NULL, -3); /* a clock behind the other */
	expect("a 18446744073709551615\nb -1\nc 0.25\nd 61.005\ne 0.000\n");
}
END_TEST

/* Names come from the service: whatever they hold, there is one sample on one line. */
START_TEST(label_cannot_leave_its_quotes)
{
	static const struct {
		const char *value, *line;
	} cases[] = {
		{ "plain 0-9_.", "m{shard=\"plain 0-9_.\"} 1\n" },
		{ "", "m{shard=\"\"} 1\n" },
		{ "a\"b", "m{shard=\"a\\\"b\"} 1\n" },
		{ "a\\", "m{shard=\"a\\\\\"} 1\n" },
		{ "\"} 9\nfake 1", "m{shard=\"\\\"} 9\\nfake 1\"} 1\n" },
		{ "\r\t\x01\x7f", "m{shard=\"????\"} 1\n" },
		{ "\xff\xe4\xb8", "m{shard=\"???\"} 1\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct metrics_label labels[] = { { "shard", cases[i].value },
							{ NULL, NULL } };
		metrics_count(&out, "m", labels, 1);
		expect(cases[i].line);
	}
}
END_TEST

START_TEST(labels_stand_in_their_order)
{
	const struct metrics_label labels[] = { { "a", "1" }, { "b", "2" }, { NULL, NULL } };
	metrics_count(&out, "m", labels, 3);
	metrics_count(&out, "m", labels + 2, 4);
	expect("m{a=\"1\",b=\"2\"} 3\nm 4\n");
}
END_TEST

START_TEST(line_that_is_too_long_is_left_out_whole)
{
	char *value = malloc(4001);
	memset(value, '"', 4000);
	value[4000] = '\0';
	const struct metrics_label labels[] = { { "a", value }, { NULL, NULL } };
	metrics_count(&out, "m", labels, 1);
	metrics_count(&out, "m", NULL, 2);
	expect("m 2\n");
	free(value);
}
END_TEST

START_TEST(full_buffer_ends_with_a_whole_line)
{
	buf_init(&out, 10);
	metrics_count(&out, "abc", NULL, 1);
	metrics_count(&out, "defgh", NULL, 2);
	metrics_count(&out, "i", NULL, 3);
	expect("abc 1\ni 3\n");
}
END_TEST

START_TEST(histogram_is_cumulative_and_ends_with_all)
{
	struct histogram_totals totals = { .sum_us = 1500250, .count = 7 };
	totals.buckets[0] = 4;
	totals.buckets[10] = 2;
	totals.buckets[BOARD_BUCKETS - 1] = 1;
	metrics_histogram(&out, "h_seconds", "H.", &totals);
	ck_assert_ptr_nonnull(strstr(out.data, "# TYPE h_seconds histogram\n"));
	ck_assert_ptr_nonnull(strstr(out.data, "h_seconds_bucket{le=\"0.0005\"} 4\n"));
	ck_assert_ptr_nonnull(strstr(out.data, "h_seconds_bucket{le=\"0.5\"} 4\n"));
	ck_assert_ptr_nonnull(strstr(out.data, "h_seconds_bucket{le=\"1\"} 6\n"));
	ck_assert_ptr_nonnull(strstr(out.data, "h_seconds_bucket{le=\"30\"} 6\n"));
	ck_assert_ptr_nonnull(strstr(out.data, "h_seconds_bucket{le=\"+Inf\"} 7\n"
					       "h_seconds_sum 1.50025\nh_seconds_count 7\n"));
}
END_TEST

Suite *
suite_metrics_text(void)
{
	Suite *suite = suite_create("metrics_text");
	TCase *tc = tcase_create("metrics_text");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, family_has_its_help_and_type);
	tcase_add_test(tc, numbers_are_written_as_they_are);
	tcase_add_test(tc, label_cannot_leave_its_quotes);
	tcase_add_test(tc, labels_stand_in_their_order);
	tcase_add_test(tc, line_that_is_too_long_is_left_out_whole);
	tcase_add_test(tc, full_buffer_ends_with_a_whole_line);
	tcase_add_test(tc, histogram_is_cumulative_and_ends_with_all);
	suite_add_tcase(suite, tc);
	return suite;
}
