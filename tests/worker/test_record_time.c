/*
 * test_record_time.c - when a record says that it was made.
 */
#include "worker/record_time.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/suites.h"

/* In memory of exactly its length. */
static int64_t
time_of(const char *text)
{
	size_t len = strlen(text);
	char *copy = xmalloc(len ? len : 1);
	memcpy(copy, text, len);
	int64_t ns = record_time_ns(&(struct record){ copy, len });
	free(copy);
	return ns;
}

START_TEST(time_of_a_record_is_that_of_its_labels)
{
	static const struct {
		const char *record;
		int64_t ns;
	} cases[] = {
		{ "{\"__time__\":1767322800000000001}", 1767322800000000001 },
		{ "{\"a\":1,\"__time__\" : \"1767322800\",\"b\":2}", 1767322800000000000 },
		{ "{\"collectTime\":\"1767322800123\"}", 1767322800123000000 },
		{ "{\"collectTime\":1,\"__time__\":1767322800000}", 1767322800000000000 },
		{ "{\"__time__\":\"soon\",\"collectTime\":1767322800}", 1767322800000000000 },
		{ "{\"log_content\":\"x\"}", 0 },
		{ "{\"log_content\":\"\\\"__time__\\\":5\"}", 0 },
		{ "{\"__time__\":}", 0 },
		{ "{\"__time__\":\"\"}", 0 },
		{ "{\"__time__\":-5}", 0 },
		{ "{\"__time__\":99999999999999999999}", 0 },
		{ "\"__time__\"", 0 },
		{ "\"__time__\":17673228", 0 },
		{ "", 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(time_of(cases[i].record) == cases[i].ns, "%s: %lld",
			      cases[i].record, (long long)time_of(cases[i].record));
}
END_TEST

Suite *
suite_record_time(void)
{
	Suite *suite = suite_create("record_time");
	TCase *tc = tcase_create("record_time");
	tcase_add_test(tc, time_of_a_record_is_that_of_its_labels);
	suite_add_tcase(suite, tc);
	return suite;
}
