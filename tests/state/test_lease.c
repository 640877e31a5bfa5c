/*
 * test_lease.c - holds state/lease.c to rules 4 (epochs), 10 (which position wins) and 11
 * (a starting cursor is a checkpoint) of the architecture.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/state_env.h"
#include "tests/suites.h"

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

/* A shard that another start of this agent left at cursor 500, while 400 stood at the
 * service. */
enum seen { NOTHING, AS_STORED, OTHER };

/* Every combination of rule 10: what is stored here, what stands at the service and by
 * whom. */
static const struct {
	bool local;
	enum seen service; /* none; what the local record says stands there; another one */
	bool ours, unbroken, forced;
	enum lease_origin origin;
} choices[] = {
	/* neither side has one: start */
	{ false, NOTHING, false, false, false, LEASE_FROM_START },
	{ false, NOTHING, false, true, false, LEASE_FROM_START },
	{ false, NOTHING, true, false, false, LEASE_FROM_START },
	{ false, NOTHING, true, true, false, LEASE_FROM_START },
	/* only the service has one */
	{ false, OTHER, false, false, false, LEASE_FROM_SERVICE },
	{ false, OTHER, false, true, false, LEASE_FROM_SERVICE },
	{ false, OTHER, true, false, false, LEASE_FROM_SERVICE },
	{ false, OTHER, true, true, false, LEASE_FROM_SERVICE },
	/* only we have one */
	{ true, NOTHING, false, false, false, LEASE_FROM_LOCAL },
	{ true, NOTHING, false, false, true, LEASE_FROM_LOCAL },
	{ true, NOTHING, false, true, false, LEASE_FROM_LOCAL },
	{ true, NOTHING, false, true, true, LEASE_FROM_LOCAL },
	{ true, NOTHING, true, false, false, LEASE_FROM_LOCAL },
	{ true, NOTHING, true, false, true, LEASE_FROM_LOCAL },
	{ true, NOTHING, true, true, false, LEASE_FROM_LOCAL },
	{ true, NOTHING, true, true, true, LEASE_FROM_LOCAL },
	/* both, and the service's is the one we knew of */
	{ true, AS_STORED, false, false, false, LEASE_FROM_LOCAL },
	{ true, AS_STORED, false, false, true, LEASE_FROM_LOCAL },
	{ true, AS_STORED, false, true, false, LEASE_FROM_LOCAL },
	{ true, AS_STORED, false, true, true, LEASE_FROM_LOCAL },
	{ true, AS_STORED, true, false, false, LEASE_FROM_LOCAL },
	{ true, AS_STORED, true, false, true, LEASE_FROM_LOCAL },
	{ true, AS_STORED, true, true, false, LEASE_FROM_LOCAL },
	{ true, AS_STORED, true, true, true, LEASE_FROM_LOCAL },
	/* both, and the service's is new to us: another host's, unless we wrote it or
	   nobody could have */
	{ true, OTHER, false, false, false, 0 /* whichever is ahead */ },
	{ true, OTHER, false, false, true, LEASE_FROM_LOCAL },
	{ true, OTHER, false, true, false, LEASE_FROM_LOCAL },
	{ true, OTHER, false, true, true, LEASE_FROM_LOCAL },
	{ true, OTHER, true, false, false, LEASE_FROM_LOCAL },
	{ true, OTHER, true, false, true, LEASE_FROM_LOCAL },
	{ true, OTHER, true, true, false, LEASE_FROM_LOCAL },
	{ true, OTHER, true, true, true, LEASE_FROM_LOCAL },
};

static void
expect_to_be_asked_who_is_ahead(struct lease_take *take)
{
	struct checkpoint_record stored;
	struct lease_taken taken;
	ck_assert_int_eq(state_env_take(&env, take, &taken), LTS_AGAIN);
	ck_assert_str_eq(taken.checkpoint.cursor.text, "500");
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_OK);
	ck_assert(epoch_equal(stored.epoch, epoch_of(1, 1))); /* nothing has changed */
	for (int service = 0; service < 2; service++) {
		take->ahead = service ? LEASE_FROM_SERVICE : LEASE_FROM_LOCAL;
		take->epoch.value++;
		stored = left_behind_of_test();
		state_env_put_checkpoint(&env, &stored);
		ck_assert_int_eq(state_env_take(&env, take, &taken), LTS_OK);
		ck_assert_int_eq(taken.origin, take->ahead);
		ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_OK);
		ck_assert_str_eq(stored.cursor.text, service ? "900" : "500");
		ck_assert_str_eq(stored.service.text, "900");
	}
}

START_TEST(position_wins_as_rule_10_says)
{
	static const char *const service[] = { "", "400", "900" };
	struct checkpoint_record local = left_behind_of_test(), stored;
	struct lease_take take = take_of("0", epoch_of(2, 1));
	struct lease_taken taken;
	local.forced = choices[_i].forced;
	if (choices[_i].local)
		state_env_put_checkpoint(&env, &local);
	take.service = cursor_of(service[choices[_i].service]);
	take.service_is_ours = choices[_i].ours;
	take.unbroken = choices[_i].unbroken;
	if (!choices[_i].origin) {
		expect_to_be_asked_who_is_ahead(&take);
		return;
	}
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_str_eq(lease_origin_name(taken.origin), lease_origin_name(choices[_i].origin));
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_OK);
	const char *cursor = taken.origin == LEASE_FROM_LOCAL     ? "500"
			     : taken.origin == LEASE_FROM_SERVICE ? take.service.text
								  : "100";
	ck_assert_str_eq(stored.cursor.text, cursor);
	ck_assert_str_eq(taken.checkpoint.cursor.text, cursor);
	ck_assert(epoch_equal(stored.epoch, take.epoch));
	ck_assert(!stored.forced); /* it wins once */
	/* What stands at the service is now known, unless a sibling knew better under the
	 * same grant. */
	bool kept = choices[_i].unbroken && choices[_i].local;
	ck_assert_str_eq(stored.service.text, kept ? "400" : take.service.text);
}
END_TEST

START_TEST(table_of_choices_is_complete)
{
	/* local, service, ours, unbroken, forced; without a local record there is nothing
	 * to be forced or stored */
	ck_assert_uint_eq(sizeof(choices) / sizeof(choices[0]), 2 * 2 * 2 + 3 * 2 * 2 * 2);
	for (size_t a = 0; a < sizeof(choices) / sizeof(choices[0]); a++)
		for (size_t b = 0; b < a; b++)
			ck_assert(choices[a].local != choices[b].local ||
				  choices[a].service != choices[b].service ||
				  choices[a].ours != choices[b].ours ||
				  choices[a].unbroken != choices[b].unbroken ||
				  choices[a].forced != choices[b].forced);
}
END_TEST

START_TEST(position_once_taken_from_the_service_is_known_at_the_next_grant)
{
	struct lease_take take = take_of("0", epoch_of(1, 1));
	struct lease_taken taken;
	/* The first holder died before its take: same grant, nothing stored. */
	take.service = cursor_of("900");
	take.unbroken = true;
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_int_eq(taken.origin, LEASE_FROM_SERVICE);
	struct checkpoint_move move = move_of("0", take.epoch, "900", "950");
	ck_assert_int_eq(state_env_move(&env, &move, 1), LTS_OK);
	ck_assert_int_eq(move.result, LTS_OK);
	/* After a restart the same 900 stands there: nobody else has moved on, so 950 it
	 * is. */
	take.epoch = epoch_of(2, 1);
	take.unbroken = false;
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_int_eq(taken.origin, LEASE_FROM_LOCAL);
	ck_assert_str_eq(taken.checkpoint.cursor.text, "950");
}
END_TEST

START_TEST(take_stores_the_lease)
{
	struct lease_take take = take_of("12", epoch_of(3, 17));
	struct lease_record lease;
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	ck_assert_int_eq(state_env_lease(&env, "12", &lease), LTS_OK);
	ck_assert_str_eq(lease.shard.text, "12");
	ck_assert(epoch_equal(lease.epoch, epoch_of(3, 17)));
	ck_assert_int_eq(lease.state, LEASE_HELD);
	ck_assert_uint_eq(lease.slot, 3);
	ck_assert_uint_eq(lease.home, 4);
	ck_assert_uint_eq(lease.pid, 555);
	ck_assert_int_eq(lease.since_ns, 1000);
}
END_TEST

START_TEST(starting_cursor_is_a_checkpoint)
{
	struct lease_take take = take_of("0", epoch_of(1, 1));
	struct checkpoint_record stored;
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_OK);
	ck_assert_str_eq(stored.cursor.text, "100");
	ck_assert_str_eq(stored.service.text, "");
	ck_assert_uint_eq(stored.records, 0);
	ck_assert_uint_eq(stored.position.segment, 0);
	ck_assert_int_eq(stored.committed_ns, 1000);
}
END_TEST

START_TEST(stale_or_equal_epoch_is_gone_and_changes_nothing)
{
	static const struct {
		uint32_t boot, sequence;
	} stale[] = { { 3, 17 }, { 3, 16 }, { 3, 0 }, { 2, 18 }, { 2, UINT32_MAX }, { 0, 0 } };
	struct lease_take take = take_of("0", epoch_of(3, 17));
	struct lease_taken untouched = { .origin = 99 };
	struct lease_record lease;
	struct checkpoint_record stored;
	size_t n_before, n_after;
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	free(state_env_events(&env, &n_before));
	for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++) {
		take = take_of("0", epoch_of(stale[i].boot, stale[i].sequence));
		take.slot = 9;
		take.service = cursor_of("900");
		take.start_ns = 1;
		ck_assert_int_eq(state_env_take(&env, &take, &untouched), LTS_GONE);
		ck_assert_int_eq((int)untouched.origin, 99);
	}
	ck_assert_int_eq(state_env_lease(&env, "0", &lease), LTS_OK);
	ck_assert(epoch_equal(lease.epoch, epoch_of(3, 17)));
	ck_assert_uint_eq(lease.slot, 3);
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_OK);
	ck_assert_str_eq(stored.cursor.text, "100");
	ck_assert_str_eq(stored.service.text, "");
	free(state_env_events(&env, &n_after));
	ck_assert_uint_eq(n_after, n_before);
}
END_TEST

START_TEST(greater_epoch_takes_also_a_lease_that_is_held)
{
	struct lease_take take = take_of("0", epoch_of(1, UINT32_MAX));
	struct lease_record lease;
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	take = take_of("0", epoch_of(2, 0));
	take.slot = 9;
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	ck_assert_int_eq(state_env_lease(&env, "0", &lease), LTS_OK);
	ck_assert(epoch_equal(lease.epoch, epoch_of(2, 0)));
	ck_assert_uint_eq(lease.slot, 9);
}
END_TEST

START_TEST(epochs_of_different_shards_do_not_meet)
{
	struct lease_take take = take_of("1", epoch_of(5, 5));
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	take = take_of("2", epoch_of(5, 4));
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
}
END_TEST

START_TEST(take_without_any_position_is_not_found_and_changes_nothing)
{
	struct lease_take take = take_of("0", epoch_of(1, 1));
	struct lease_record lease;
	struct checkpoint_record stored;
	size_t n;
	take.start = cursor_of("");
	take.start_ns = 5;
	take.inherited = "killed";
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_NOTFOUND);
	ck_assert_int_eq(state_env_lease(&env, "0", &lease), LTS_NOTFOUND);
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_NOTFOUND);
	free(state_env_events(&env, &n));
	ck_assert_uint_eq(n, 0);
	take.start = cursor_of("100"); /* and the same epoch may come again with one */
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
}
END_TEST

START_TEST(position_without_start_needs_none)
{
	struct lease_take take = take_of("0", epoch_of(1, 1));
	struct checkpoint_record local = left_behind_of_test();
	take.start = cursor_of("");
	take.service = cursor_of("900");
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	state_env_put_checkpoint(&env, &local);
	take.epoch = epoch_of(1, 2);
	take.service = cursor_of("");
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
}
END_TEST

START_TEST(local_position_keeps_counts_sink_and_finish)
{
	struct checkpoint_record local = left_behind_of_test(), stored;
	struct lease_take take = take_of("0", epoch_of(2, 1));
	local.finished_end_ns = 123;
	local.done = 5;
	local.dead_letters = 2;
	local.asides.n = 1;
	state_env_put_checkpoint(&env, &local);
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_OK);
	ck_assert_int_eq(stored.finished_end_ns, 123);
	ck_assert_int_eq(stored.committed_ns, 77);
	ck_assert_uint_eq(stored.position.segment, 3);
	ck_assert_uint_eq(stored.position.offset, 4096);
	ck_assert_uint_eq(stored.records, 10);
	ck_assert_uint_eq(stored.bytes, 1000);
	ck_assert_uint_eq(stored.done, 5);
	ck_assert_uint_eq(stored.dead_letters, 2);
	ck_assert_uint_eq(stored.asides.n, 1);
}
END_TEST

START_TEST(position_of_another_host_keeps_the_sink_and_is_not_finished)
{
	struct checkpoint_record local = left_behind_of_test(), stored;
	struct lease_take take = take_of("0", epoch_of(2, 1));
	local.finished_end_ns = 123;
	local.done = 5;
	local.dead_letters = 2;
	local.asides.n = 1;
	state_env_put_checkpoint(&env, &local);
	take.service = cursor_of("900");
	take.ahead = LEASE_FROM_SERVICE;
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	ck_assert_int_eq(state_env_checkpoint(&env, "0", &stored), LTS_OK);
	ck_assert_str_eq(stored.cursor.text, "900");
	ck_assert_int_eq(stored.finished_end_ns, 0);
	ck_assert_int_eq(stored.committed_ns, 1000);
	ck_assert_uint_eq(stored.position.segment, 3); /* our own file goes on where it was */
	ck_assert_uint_eq(stored.position.offset, 4096);
	ck_assert_uint_eq(stored.records, 10);
	ck_assert_uint_eq(stored.done, 0); /* which was behind our own place */
	ck_assert_uint_eq(stored.asides.n, 0);
	ck_assert_uint_eq(stored.dead_letters, 2);
}
END_TEST

START_TEST(take_leaves_an_event_and_the_fate_of_the_last_holder_before_it)
{
	size_t n;
	struct lease_take take = take_of("7", epoch_of(1, 1));
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	take.epoch = epoch_of(1, 2);
	take.inherited = "worker 2 was killed";
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	struct event_record *events = state_env_events(&env, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(events[0].kind, EVENT_TAKEN);
	ck_assert_str_eq(events[0].text, "position: start");
	ck_assert_int_eq(events[1].kind, EVENT_INHERITED);
	ck_assert_str_eq(events[1].text, "worker 2 was killed");
	ck_assert_int_eq(events[2].kind, EVENT_TAKEN);
	ck_assert_str_eq(events[2].text, "position: local");
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(events[i].number, i + 1);
		ck_assert_str_eq(events[i].shard.text, "7");
		ck_assert_str_eq(events[i].cursor.text, "100");
		ck_assert_uint_eq(events[i].slot, 3);
		ck_assert(epoch_equal(events[i].epoch, epoch_of(1, i ? 2 : 1)));
	}
	free(events);
}
END_TEST

START_TEST(fate_longer_than_its_room_is_cut)
{
	size_t n;
	char fate[400];
	struct lease_take take = take_of("7", epoch_of(1, 1));
	memset(fate, 'x', sizeof(fate) - 1);
	fate[sizeof(fate) - 1] = '\0';
	take.inherited = fate;
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	struct event_record *events = state_env_events(&env, &n);
	ck_assert_uint_eq(strlen(events[0].text), sizeof(events[0].text) - 1);
	free(events);
}
END_TEST

/* Stores bytes under a shard's key, whatever they are. */
static void
put_raw(enum store_table table, const char *key, const struct schema_value *value)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, table, (struct store_key){ key, strlen(key) }, value),
			 LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
}

START_TEST(record_of_another_shard_is_bad_data)
{
	struct schema_value value;
	struct lease_record lease = { .shard = shard_of("1"),
				      .epoch = { 1 },
				      .state = LEASE_HELD };
	struct checkpoint_record local = left_behind_of_test();
	lease_encode(&lease, &value);
	put_raw(STORE_LEASES, "2", &value);
	ck_assert_int_eq(state_env_lease(&env, "2", &lease), LTS_BADDATA);
	checkpoint_encode(&local, &value);
	put_raw(STORE_CHECKPOINTS, "2", &value);
	ck_assert_int_eq(state_env_checkpoint(&env, "2", &local), LTS_BADDATA);
}
END_TEST

START_TEST(damaged_record_stops_the_take)
{
	struct schema_value value;
	struct checkpoint_record local = left_behind_of_test();
	struct lease_record lease = { .shard = shard_of("0"),
				      .epoch = { 1 },
				      .state = LEASE_HELD };
	struct lease_take take = take_of("0", epoch_of(2, 1));
	take.service = cursor_of("900");
	checkpoint_encode(&local, &value);
	value.data[30] ^= 4;
	put_raw(STORE_CHECKPOINTS, "0", &value);
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_BADDATA);
	state_env_put_checkpoint(&env, &local);
	lease_encode(&lease, &value);
	value.data[value.len - 1] ^= 4;
	put_raw(STORE_LEASES, "0", &value);
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_BADDATA);
}
END_TEST

Suite *
suite_lease(void)
{
	Suite *suite = suite_create("lease");
	TCase *tc = tcase_create("lease");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, position_wins_as_rule_10_says, 0,
			    sizeof(choices) / sizeof(choices[0]));
	tcase_add_test(tc, table_of_choices_is_complete);
	tcase_add_test(tc, position_once_taken_from_the_service_is_known_at_the_next_grant);
	tcase_add_test(tc, take_stores_the_lease);
	tcase_add_test(tc, starting_cursor_is_a_checkpoint);
	tcase_add_test(tc, stale_or_equal_epoch_is_gone_and_changes_nothing);
	tcase_add_test(tc, greater_epoch_takes_also_a_lease_that_is_held);
	tcase_add_test(tc, epochs_of_different_shards_do_not_meet);
	tcase_add_test(tc, take_without_any_position_is_not_found_and_changes_nothing);
	tcase_add_test(tc, position_without_start_needs_none);
	tcase_add_test(tc, local_position_keeps_counts_sink_and_finish);
	tcase_add_test(tc, position_of_another_host_keeps_the_sink_and_is_not_finished);
	tcase_add_test(tc, take_leaves_an_event_and_the_fate_of_the_last_holder_before_it);
	tcase_add_test(tc, fate_longer_than_its_room_is_cut);
	tcase_add_test(tc, record_of_another_shard_is_bad_data);
	tcase_add_test(tc, damaged_record_stops_the_take);
	suite_add_tcase(suite, tc);
	return suite;
}
