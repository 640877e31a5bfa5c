/*
 * test_take_reset.c - holds state/lease.c to rule 10's last word: what people ask for wins against
 * every other position, once.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/suites.h"
#include "tests/support/state_env.h"

static struct state_env env;

static void
setup(void)
{
	state_env_init(&env);
}

static void
teardown(void)
{
	state_env_fini(&env);
}

static void
expect_reset_event(const char *cursor, const char *text)
{
	size_t n, resets = 0;
	struct event_record *events = state_env_events(&env, &n);
	for (size_t i = 0; i < n; i++) {
		if (events[i].kind != EVENT_RESET)
			continue;
		resets++;
		ck_assert_str_eq(events[i].cursor.text, cursor);
		ck_assert_str_eq(events[i].text, text);
	}
	ck_assert_uint_eq(resets, 1);
	free(events);
}

/* Of records behind the former place, so that nothing of it may be kept. */
static void
add_leftovers(struct checkpoint_record *record)
{
	record->done = 7;
	record->attempts = 3;
	record->asides = (struct asides){ .n = 1, .list = { { 4, 99 } } };
	record->finished_end_ns = 1234;
}

static const struct {
	bool local, forced;
	const char *service;
	bool ours, unbroken;
} known[] = {
	{ false, false, "", false, false },    { false, false, "900", false, false },
	{ false, false, "900", true, true },   { true, false, "", false, false },
	{ true, true, "", false, false },      { true, false, "400", false, false },
	{ true, false, "900", false, false },  { true, true, "900", false, false },
	{ true, false, "900", true, false },   { true, true, "900", true, true },
	{ true, false, "900", false, true },
};

START_TEST(reset_wins_against_every_other_position)
{
		struct checkpoint_record local = left_behind_of_test(), stored;
	struct lease_take take = take_of("0", epoch_of(2, 1));
	struct lease_taken taken;
	add_leftovers(&local);
	local.forced = known[_i].forced;
	if (known[_i].local)
		state_env_put_checkpoint(&env, &local);
	take.service = cursor_of(known[_i].service);
	take.service_is_ours = known[_i].ours;
	take.unbroken = known[_i].unbroken;
	take.reset = cursor_of("33");
	take.reset_first = take.epoch;
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_int_eq(taken.origin, LEASE_FROM_RESET);
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_OK);
	ck_assert_str_eq(stored.cursor.text, "33");
	ck_assert_uint_eq(stored.done + stored.attempts + stored.asides.n, 0);
	ck_assert_int_eq(stored.finished_end_ns, 0);
	ck_assert(!stored.forced);
	if (known[_i].local) /* what was delivered stays so */
		ck_assert(stored.position.offset == 4096 && stored.records == 10);
	/* Under an unbroken grant what stands there by now is known better already. */
	bool kept = known[_i].unbroken && known[_i].local;
	ck_assert_str_eq(stored.service.text,
			 kept ? "400" : known[_i].unbroken ? "" : take.service.text);
	expect_reset_event("33", known[_i].local ? "from 500" : "from nowhere");
	/* Once, also if it is asked for again because who took it there died. */
	take.epoch.value++;
	take.unbroken = true;
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_int_eq(taken.origin, LEASE_FROM_LOCAL);
	take.epoch.value++;
	take.reset = cursor_of("");
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_int_eq(taken.origin, LEASE_FROM_LOCAL);
	expect_reset_event("33", known[_i].local ? "from 500" : "from nowhere");
}
END_TEST

START_TEST(forced_place_in_time_is_asked_for_then_taken_once)
{
	struct checkpoint_record local = left_behind_of_test(), stored;
	struct lease_take take = take_of("0", epoch_of(2, 1));
	struct lease_taken taken;
	local.cursor = cursor_of("@1767322800000000000");
	local.forced = true;
	state_env_put_checkpoint(&env, &local);
	take.start = cursor_of("");
	take.service = cursor_of("900");
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_NOTFOUND);
	ck_assert_str_eq(taken.from, "1767322800000000000");
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_OK);
	ck_assert(stored.forced); /* nothing has changed */
	take.start = cursor_of("250");
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_int_eq(taken.origin, LEASE_FROM_RESET);
	ck_assert_str_eq(taken.checkpoint.cursor.text, "250");
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_OK);
	ck_assert(!stored.forced);
	ck_assert_str_eq(stored.service.text, "900");
	take.epoch.value++;
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_int_eq(taken.origin, LEASE_FROM_LOCAL);
}
END_TEST

START_TEST(cursor_that_looks_like_a_mark_but_is_not_forced_is_a_cursor)
{
	struct checkpoint_record local = left_behind_of_test();
	struct lease_take take = take_of("0", epoch_of(2, 1));
	struct lease_taken taken;
	local.cursor = cursor_of("@begin");
	state_env_put_checkpoint(&env, &local);
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_int_eq(taken.origin, LEASE_FROM_LOCAL);
	ck_assert_str_eq(taken.checkpoint.cursor.text, "@begin");
}
END_TEST

Suite *
suite_take_reset(void)
{
	Suite *suite = suite_create("take_reset");
	TCase *tc = tcase_create("take_reset");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, reset_wins_against_every_other_position, 0,
			    sizeof(known) / sizeof(known[0]));
	tcase_add_test(tc, forced_place_in_time_is_asked_for_then_taken_once);
	tcase_add_test(tc, cursor_that_looks_like_a_mark_but_is_not_forced_is_a_cursor);
	suite_add_tcase(suite, tc);
	return suite;
}
