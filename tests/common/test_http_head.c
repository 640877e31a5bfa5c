/*
 * test_http_head.c - header lines, the honest and the absurd ones.
 */
#include <check.h>
#include <string.h>

#include "common/http_head.h"
#include "tests/suites.h"

#define S ((int64_t)1000000000)

/* Sun, 06 Nov 1994 08:49:37 GMT */
static const int64_t NOV_1994_S = 784111777;

static struct http_head
head_of(const char *a, const char *b)
{
	struct http_head head;
	http_head_init(&head);
	http_head_line(&head, a, strlen(a));
	http_head_line(&head, b, strlen(b));
	return head;
}

static int64_t
retry_ms(const char *a, const char *b, int64_t now_ns)
{
	struct http_head head = head_of(a, b);
	return http_head_retry_after_ms(&head, now_ns);
}

START_TEST(date_is_read_as_nanoseconds)
{
	struct http_head head = head_of("date:  Sun, 06 Nov 1994 08:49:37 GMT\r\n", "X: y\r\n");
	ck_assert_int_eq(head.date_ns, NOV_1994_S * S);
}
END_TEST

START_TEST(absurd_date_is_no_date)
{
	const char *dates[] = {
		"Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
		"Date: yesterday\r\n",
		"Date: 20260102\r\n",
		"Date: \r\n",
		"Date: Thu, 01 Jan 1960 00:00:00 GMT\r\n",
		"Date\r\n",
	};
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++)
		ck_assert_int_eq(head_of(dates[i], "").date_ns, 0);
}
END_TEST

START_TEST(retry_after_in_seconds)
{
	ck_assert_int_eq(retry_ms("Retry-After: 7\r\n", "", 0), 7000);
	ck_assert_int_eq(retry_ms("RETRY-AFTER:0\r\n", "", 0), 0);
	ck_assert_int_eq(retry_ms("X: 1\r\n", "", 0), -1);
}
END_TEST

START_TEST(retry_after_date_counts_from_the_answers_own_date)
{
	const char *at = "Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n";
	const char *date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
	ck_assert_int_eq(retry_ms(at, date, 0), 10000);
	ck_assert_int_eq(retry_ms(date, at, 999 * S), 10000);
}
END_TEST

START_TEST(retry_after_date_without_date_counts_from_our_clock)
{
	const char *at = "Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n";
	ck_assert_int_eq(retry_ms(at, "", (NOV_1994_S + 5) * S), 5000);
}
END_TEST

START_TEST(absurd_retry_after_is_clamped)
{
	ck_assert_int_eq(retry_ms("Retry-After: 301\r\n", "", 0), 300000);
	ck_assert_int_eq(retry_ms("Retry-After: 99999999999999999999999999\r\n", "", 0), 300000);
	ck_assert_int_eq(retry_ms("Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n", "", S),
			 300000);
	ck_assert_int_eq(retry_ms("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "",
				  (NOV_1994_S + 1000) * S),
			 0);
}
END_TEST

START_TEST(garbage_retry_after_is_ignored)
{
	const char *lines[] = {
		"Retry-After: -5\r\n",
		"Retry-After: 1.5\r\n",
		"Retry-After: 10 s\r\n",
		"Retry-After: soon\r\n",
		"Retry-After: \r\n",
		"Retry-After: 0x10\r\n",
		"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
		"Retry-After: \xff\xfe\r\n",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_int_eq(retry_ms(lines[i], "", 0), -1);
}
END_TEST

START_TEST(request_id_is_printable_and_cut)
{
	struct http_head head = head_of("X-Request-Id: a\x01\xff"
					"b \r\n",
					"");
	ck_assert_str_eq(head.request_id, "a??b");
	char line[200] = "X-Request-Id: ";
	memset(line + 14, 'r', 150);
	head = head_of(line, "");
	ck_assert_uint_eq(strlen(head.request_id), 63);
}
END_TEST

START_TEST(status_line_starts_over)
{
	struct http_head head = head_of("X-Request-Id: old\r\n", "HTTP/1.1 200 OK\r\n");
	ck_assert_str_eq(head.request_id, "");
}
END_TEST

START_TEST(only_a_real_encoding_counts)
{
	ck_assert(head_of("Content-Encoding: gzip\r\n", "").encoded);
	ck_assert(!head_of("Content-Encoding: Identity\r\n", "").encoded);
}
END_TEST

Suite *
suite_http_head(void)
{
	Suite *suite = suite_create("http_head");
	TCase *tc = tcase_create("http_head");
	tcase_add_test(tc, date_is_read_as_nanoseconds);
	tcase_add_test(tc, absurd_date_is_no_date);
	tcase_add_test(tc, retry_after_in_seconds);
	tcase_add_test(tc, retry_after_date_counts_from_the_answers_own_date);
	tcase_add_test(tc, retry_after_date_without_date_counts_from_our_clock);
	tcase_add_test(tc, absurd_retry_after_is_clamped);
	tcase_add_test(tc, garbage_retry_after_is_ignored);
	tcase_add_test(tc, request_id_is_printable_and_cut);
	tcase_add_test(tc, status_line_starts_over);
	tcase_add_test(tc, only_a_real_encoding_counts);
	suite_add_tcase(suite, tc);
	return suite;
}
