/*
 * test_batch_head.c - holds worker/batch_head.c: a head is read as soon as it is here, from the
 * bytes that are here, and says what the scan of the whole body will say.
 */
#include "worker/batch_head.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suites.h"
#include "worker/batch_scan.h"

static enum batch_head_found
read_text(const char *text, struct batch_head *head)
{
	/* In memory that ends where the bytes end, for ASan to see who goes beyond. */
	size_t len = strlen(text);
	char *bytes = malloc(len ? len : 1);
	memcpy(bytes, text, len);
	enum batch_head_found found = batch_head_read(bytes, len, head);
	free(bytes);
	return found;
}

START_TEST(head_says_count_and_next)
{
	static const char *const heads[] = {
		"{\"count\":1000,\"next\":1767322800000001001,\"logs\":[",
		"{\"next\":\"1767322800000001001\",\"count\":1000,\"logs\":[{\"labels",
		" {\r\n \"count\" : 1000 ,\t\"next\" : 1767322800000001001 , \"logs\" : [ ]}",
	};
	struct batch_head head;
	ck_assert_int_eq(read_text(heads[_i], &head), BATCH_HEAD_WHOLE);
	ck_assert_uint_eq(head.count, 1000);
	ck_assert_str_eq(head.next.text, "1767322800000001001");
}
END_TEST

START_TEST(every_cut_of_a_head_wants_more)
{
	const char text[] = " {\"count\":1000, \"next\" : \"1767322800000001001\" ,\"logs\" : [";
	char cut[sizeof(text)];
	struct batch_head head = { 7, { "same" } };
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		memcpy(cut, text, len);
		cut[len] = '\0';
		ck_assert_msg(read_text(cut, &head) == BATCH_HEAD_MORE, "%s", cut);
	}
	ck_assert_uint_eq(head.count, 7);
	ck_assert_str_eq(head.next.text, "same");
}
END_TEST

START_TEST(anything_else_is_none)
{
	static const char *const heads[] = {
		"[",
		"<html>",
		"{}",
		"{\"logs\":[",
		"{\"count\":1000,\"logs\":[",
		"{\"next\":12,\"logs\":[",
		"{\"count\":1000,\"next\":12,\"logs\":null}",
		"{\"count\":1000,\"next\":12}",
		"{\"count\":1000,\"next\":0,\"logs\":[",
		"{\"count\":1000,\"next\":\"\",\"logs\":[",
		"{\"count\":1000,\"next\":null,\"logs\":[",
		"{\"count\":1000,\"next\":-12,\"logs\":[",
		"{\"count\":1000,\"next\":1.5,\"logs\":[",
		"{\"count\":1000,\"next\":\"1\\u0032\",\"logs\":[",
		"{\"count\":1000,\"next\":\"1 2\",\"logs\":[",
		"{\"count\":1000,\"next\":\"1\n2\",\"logs\":[",
		"{\"count\":1000,\"next\":12,\"next\":12,\"logs\":[",
		"{\"count\":1000,\"count\":1000,\"next\":12,\"logs\":[",
		"{\"count\":10000000,\"next\":12,\"logs\":[",
		"{\"count\":\"1000\",\"next\":12,\"logs\":[",
		"{\"count\":1000,\"other\":1,\"next\":12,\"logs\":[",
		"{\"count\":1000 \"next\":12,\"logs\":[",
		"{\"count\":1000,\"next\":"
		"1234567890123456789012345678901234567890123456789012345678901234,\"logs\":[",
	};
	struct batch_head head;
	ck_assert_msg(read_text(heads[_i], &head) == BATCH_HEAD_NONE, "%s", heads[_i]);
}
END_TEST

START_TEST(head_that_does_not_end_is_none_after_so_many_bytes)
{
	char spaces[2 * BATCH_HEAD_MAX];
	struct batch_head head;
	memset(spaces, ' ', sizeof(spaces));
	ck_assert_int_eq(batch_head_read(spaces, BATCH_HEAD_MAX, &head), BATCH_HEAD_MORE);
	ck_assert_int_eq(batch_head_read(spaces, sizeof(spaces), &head), BATCH_HEAD_NONE);
}
END_TEST

/* Bodies with a few bytes changed, put in or taken out. */
START_TEST(whatever_the_scan_takes_was_not_announced_otherwise)
{
	static const char whole[] = "{\"count\":2,\"next\":\"1767322800000001001\",\"logs\":"
				    "[{\"labels\":{}},{\"labels\":{\"a\":1}}]}";
	static const char bytes[] = "0123456789{}[]\",:\\ \n.-elnextcoustg\t\x80";
	uint64_t random = (uint64_t)_i + 1;
	unsigned agreed = 0;
	struct batch_scan scan;
	batch_scan_init(&scan);
	for (int round = 0; round < 200000; round++) {
		char body[sizeof(whole) + 4];
		size_t len = sizeof(whole) - 1;
		memcpy(body, whole, len);
		random = random * 6364136223846793005u + 1442695040888963407u;
		for (unsigned i = 0; i < 1 + (random >> 62); i++) {
			size_t at = (random >> (8 + 9 * i)) % 46;
			char byte = bytes[(random >> (20 + 7 * i)) % (sizeof(bytes) - 1)];
			bool in = random >> (33 + i) & 1, out = random >> (37 + i) & 1;
			memmove(body + at + in, body + at + out, len - at - out);
			len = len + in - out;
			if (in)
				body[at] = byte;
		}
		struct batch_head head;
		struct batch_view view;
		struct batch_fault fault;
		if (batch_head_read(body, len, &head) != BATCH_HEAD_WHOLE ||
		    batch_scan_run(&scan, body, len, &fault, &view))
			continue;
		ck_assert_uint_eq(head.count, view.n_records);
		ck_assert_msg(cursor_equal(&head.next, &view.next), "%.*s", (int)len, body);
		agreed++;
	}
	batch_scan_fini(&scan);
	ck_assert_uint_gt(agreed, 1000);
}
END_TEST

Suite *
suite_batch_head(void)
{
	Suite *suite = suite_create("batch_head");
	TCase *tc = tcase_create("head");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, head_says_count_and_next, 0, 3);
	tcase_add_test(tc, every_cut_of_a_head_wants_more);
	tcase_add_loop_test(tc, anything_else_is_none, 0, 23);
	tcase_add_test(tc, head_that_does_not_end_is_none_after_so_many_bytes);
	tcase_add_loop_test(tc, whatever_the_scan_takes_was_not_announced_otherwise, 0, 3);
	suite_add_tcase(suite, tc);
	return suite;
}
