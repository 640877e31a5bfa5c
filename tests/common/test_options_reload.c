/*
 * test_options_reload.c - holds common/options_reload.c: what a second reading may change.
 */
#include <check.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/support/options_attempt.h"

static struct options in_force;
static struct options_news news;
static struct buf why;

static void
setup(void)
{
	options_attempt_begin();
	attempt_required();
	attempt_succeeds();
	in_force = attempt.options;
	options_init(&attempt.options);
	buf_init(&why, 0);
	buf_init(&news.changed, 0);
	buf_init(&news.restart, 0);
	news.workers = false;
}

static void
teardown(void)
{
	options_fini(&in_force);
	buf_fini(&why);
	buf_fini(&news.changed);
	buf_fini(&news.restart);
	attempt_end();
}

static enum lts_err
reload(void)
{
	attempt_succeeds();
	return options_reload(&in_force, &attempt.options, &news, &why);
}

static void
expect(const char *changed, const char *restart, bool workers)
{
	ck_assert_str_eq(news.changed.len ? news.changed.data : "", changed);
	ck_assert_str_eq(news.restart.len ? news.restart.data : "", restart);
	ck_assert(news.workers == workers);
}

START_TEST(same_values_are_no_news)
{
	ck_assert_int_eq(reload(), LTS_OK);
	expect("", "", false);
}
END_TEST

START_TEST(live_values_come_into_force)
{
	attempt_args("--log_level", "debug", "--consumer_count", "3", NULL);
	ck_assert_int_eq(reload(), LTS_OK);
	expect("consumer_count, log_level", "", false);
	ck_assert_int_eq(in_force.consumer_count, 3);
	ck_assert_int_eq(attempt.options.consumer_count, 1); /* the former one */
}
END_TEST

START_TEST(values_of_workers_are_told_apart)
{
	attempt_args("--consume_batch_size", "77", NULL);
	ck_assert_int_eq(reload(), LTS_OK);
	expect("consume_batch_size", "", true);
	ck_assert_int_eq(in_force.consume_batch_size, 77);
}
END_TEST

START_TEST(what_needs_a_restart_is_named_and_stays)
{
	attempt_args("--state_dir", "/elsewhere", "--sink", "null", "--fetch_interval", "1s",
		     NULL);
	ck_assert_int_eq(reload(), LTS_OK);
	expect("fetch_interval", "state_dir, sink", true);
	ck_assert_str_eq(in_force.state_dir, "./lts-state.d");
	ck_assert_int_eq(in_force.fetch_interval_ms, 1000);
}
END_TEST

/* The interval alone would come into force, beside the timeout that does not. */
START_TEST(what_does_not_fit_together_changes_nothing)
{
	attempt_args("--heartbeat_timeout", "10m", "--heartbeat_interval", "20s", "--log_level",
		     "debug", NULL);
	ck_assert_int_eq(reload(), LTS_INVALID);
	ck_assert_ptr_nonnull(strstr(why.data, "heartbeat_interval"));
	expect("", "", false);
	ck_assert_int_eq(in_force.heartbeat_interval_ms, 1000);
	ck_assert_int_ne(in_force.log_level, attempt.options.log_level);
}
END_TEST

Suite *
suite_options_reload(void)
{
	Suite *suite = suite_create("options_reload");
	TCase *tc = tcase_create("reload");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, same_values_are_no_news);
	tcase_add_test(tc, live_values_come_into_force);
	tcase_add_test(tc, values_of_workers_are_told_apart);
	tcase_add_test(tc, what_needs_a_restart_is_named_and_stays);
	tcase_add_test(tc, what_does_not_fit_together_changes_nothing);
	suite_add_tcase(suite, tc);
	return suite;
}
