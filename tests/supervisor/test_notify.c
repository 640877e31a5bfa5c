/*
 * test_notify.c - holds supervisor/notify.c to sd_notify(3)'s datagrams.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/notify.h"
#include "tests/suites.h"
#include "tests/support/manager.h"

START_TEST(what_is_said_arrives_and_the_environment_is_clean)
{
	struct manager m;
	manager_begin(&m);
	struct notify *notify = notify_create();
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	notify_say(notify, "READY=1");
	ck_assert(manager_hears(&m));
	ck_assert_str_eq(m.last, "READY=1");
	notify_reloading(notify, 123);
	ck_assert(manager_hears(&m));
	ck_assert_str_eq(m.last, "RELOADING=1\nMONOTONIC_USEC=123000");
	notify_alive(notify, 1000000);
	ck_assert(!manager_hears(&m));
	notify_destroy(&notify);
	manager_end(&m);
}
END_TEST

START_TEST(watchdog_is_told_three_times_in_each_interval)
{
	struct manager m;
	unsigned times = 0;
	manager_begin(&m);
	setenv("WATCHDOG_USEC", "3000000", 1);
	struct notify *notify = notify_create();
	for (int64_t ms = 5000; ms < 35000; ms += 200) {
		notify_alive(notify, ms);
		times += manager_hears(&m) && strcmp(m.last, "WATCHDOG=1") == 0;
	}
	ck_assert_uint_eq(times, 30);
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	notify_destroy(&notify);
	manager_end(&m);
}
END_TEST

START_TEST(watchdog_of_another_process_is_not_ours)
{
	struct manager m;
	manager_begin(&m);
	setenv("WATCHDOG_USEC", "3000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	struct notify *notify = notify_create();
	notify_alive(notify, 5000);
	ck_assert(!manager_hears(&m));
	notify_destroy(&notify);
	manager_end(&m);
}
END_TEST

START_TEST(manager_that_does_not_listen_keeps_nobody_waiting)
{
	struct manager m;
	manager_begin(&m);
	struct notify *notify = notify_create();
	for (int i = 0; i < 5000; i++) /* more than its queue takes */
		notify_say(notify, "STATUS=x");
	manager_end(&m);
	notify_say(notify, "READY=1");
	notify_destroy(&notify);
}
END_TEST

START_TEST(without_a_manager_nothing_happens)
{
	static const char *const addresses[] = { NULL, "", "relative", "vsock:2:3" };
	for (int i = 0; i < 4; i++) {
		if (addresses[i])
			setenv("NOTIFY_SOCKET", addresses[i], 1);
		setenv("WATCHDOG_USEC", "soon", 1);
		struct notify *notify = notify_create();
		notify_say(notify, "READY=1");
		notify_alive(notify, 1);
		notify_destroy(&notify);
		ck_assert_ptr_null(notify);
	}
}
END_TEST

Suite *
suite_notify(void)
{
	Suite *suite = suite_create("notify");
	TCase *tc = tcase_create("notify");
	tcase_add_test(tc, what_is_said_arrives_and_the_environment_is_clean);
	tcase_add_test(tc, watchdog_is_told_three_times_in_each_interval);
	tcase_add_test(tc, watchdog_of_another_process_is_not_ours);
	tcase_add_test(tc, manager_that_does_not_listen_keeps_nobody_waiting);
	tcase_add_test(tc, without_a_manager_nothing_happens);
	suite_add_tcase(suite, tc);
	return suite;
}
