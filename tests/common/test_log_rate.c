/*
 * test_log_rate.c - holds common/log_rate.c, and the log that uses it, to counting what they hold
 * back.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/log_rate.h"
#include "tests/suites.h"

START_TEST(lines_of_one_message_are_held_back_and_counted)
{
	static struct log_rate rate;
	uint64_t held = 0, now_ms = 1000000;
	for (int i = 0; i < LOG_RATE_BURST; i++)
		ck_assert(log_rate_allows(&rate, "storm", (int64_t)now_ms, &held));
	for (int i = 0; i < 100; i++)
		ck_assert(!log_rate_allows(&rate, "storm", (int64_t)now_ms, &held));
	ck_assert(log_rate_allows(&rate, "calm", (int64_t)now_ms, &held));
	ck_assert_uint_eq(held, 0);
	now_ms += 1000 / LOG_RATE_PER_SECOND;
	ck_assert(log_rate_allows(&rate, "storm", (int64_t)now_ms, &held));
	ck_assert_uint_eq(held, 100);
	ck_assert(!log_rate_allows(&rate, "storm", (int64_t)now_ms, &held));
	now_ms += 3600000; /* all of it again, and no more */
	for (int i = 0; i < LOG_RATE_BURST; i++) {
		ck_assert(log_rate_allows(&rate, "storm", (int64_t)now_ms, &held));
		ck_assert_uint_eq(held, i == 0);
	}
	ck_assert(!log_rate_allows(&rate, "storm", (int64_t)now_ms, &held));
}
END_TEST

START_TEST(what_was_held_back_last_is_told_at_the_end)
{
	enum { LINES = LOG_RATE_BURST + 500 };
	char dir[] = "/tmp/lts-log-XXXXXX", path[64], line[512];
	unsigned long written = 0, held = 0, told = 0;
	struct log *log = log_create("w");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	ck_assert_int_eq(log_add_file(log, path, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT), LTS_OK);
	for (int i = 0; i < LINES; i++)
		log_info(log, "storm");
	log_destroy(&log);
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		const char *count = strstr(line, "held_back=");
		written += strstr(line, "msg=storm") != NULL;
		told += strstr(line, "msg=\"lines were held back\" of=storm held_back=") != NULL;
		held += count ? strtoul(count + 10, NULL, 10) : 0;
	}
	fclose(file);
	ck_assert_uint_eq(written + held, LINES);
	ck_assert_uint_eq(told, 1);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(messages_beyond_the_table_are_never_held_back)
{
	static struct log_rate rate;
	static char names[2 * LOG_RATE_MESSAGES][8];
	uint64_t held = 0;
	for (int round = 0; round < 3; round++)
		for (unsigned i = 0; i < 2 * LOG_RATE_MESSAGES; i++) {
			snprintf(names[i], sizeof(names[i]), "m%u", i);
			ck_assert(log_rate_allows(&rate, names[i], 1, &held));
		}
}
END_TEST

Suite *
suite_log_rate(void)
{
	Suite *suite = suite_create("log_rate");
	TCase *tc = tcase_create("log_rate");
	tcase_add_test(tc, lines_of_one_message_are_held_back_and_counted);
	tcase_add_test(tc, what_was_held_back_last_is_told_at_the_end);
	tcase_add_test(tc, messages_beyond_the_table_are_never_held_back);
	suite_add_tcase(suite, tc);
	return suite;
}
