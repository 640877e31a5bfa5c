/*
 * test_sim_group.c - holds tests/sim/sim_group.c to the service's rules.
 *
 * Time is a number. A member is driven by what the last answer granted it.
 */
#include <check.h>
#include <string.h>

#include "tests/sim/sim_group.h"
#include "tests/suites.h"

enum { TIMEOUT_MS = 60000, SHARDS = 8, SHARDS_MOST = 16 };

static struct sim_group *group;
static int64_t now_ms;

static void
setup(void)
{
	now_ms = 1000;
	group = sim_group_create(SHARDS, TIMEOUT_MS);
}

static void
teardown(void)
{
	sim_group_destroy(&group);
}

/* What a member owns by the last answer, as a bit for each shard. */
static unsigned
beat(const char *name, unsigned listed_bits)
{
	struct consumer_name consumer = { "" };
	unsigned listed[SHARDS_MOST], bits = 0;
	bool granted[SHARDS_MOST] = { false };
	size_t n = 0;
	ck_assert(consumer_name_set(&consumer, name));
	for (unsigned i = 0; i < SHARDS_MOST; i++)
		if (listed_bits >> i & 1)
			listed[n++] = i;
	ck_assert_int_eq(sim_group_heartbeat(group, &consumer, listed, n, now_ms, granted),
			 LTS_OK);
	for (unsigned i = 0; i < SHARDS_MOST; i++)
		bits |= (unsigned)granted[i] << i;
	return bits;
}

static enum lts_err
write_one(const char *name, unsigned shard, uint64_t index)
{
	struct consumer_name consumer = { "" };
	const struct sim_checkpoint point = { shard, index };
	ck_assert(consumer_name_set(&consumer, name));
	return sim_group_write(group, &consumer, &point, 1, now_ms, 77);
}

static struct sim_shard_view
view(unsigned shard)
{
	struct sim_shard_view shown;
	sim_group_shard(group, shard, &shown);
	return shown;
}

START_TEST(first_member_gets_everything_and_keeps_it)
{
	ck_assert_uint_eq(beat("a", 0), 0xff);
	ck_assert_uint_eq(beat("a", 0xff), 0xff);
	ck_assert_str_eq(view(3).owner, "a");
	ck_assert(view(3).listed);
}
END_TEST

START_TEST(shard_moves_only_when_its_holder_stops_listing_it)
{
	beat("a", 0);
	beat("a", 0xff);
	ck_assert_uint_eq(beat("b", 0), 0);
	ck_assert_uint_eq(beat("a", 0xff), 0x0f);
	ck_assert_uint_eq(beat("b", 0), 0); /* a still lists them all */
	ck_assert_uint_eq(beat("a", 0xff), 0x0f);
	ck_assert_uint_eq(beat("b", 0), 0);
	ck_assert_uint_eq(beat("a", 0x7f), 0x0f); /* one is drained */
	ck_assert_uint_eq(beat("b", 0), 0x80);
	ck_assert_uint_eq(beat("a", 0x0f), 0x0f);
	ck_assert_uint_eq(beat("b", 0x80), 0xf0);
}
END_TEST

START_TEST(grant_not_listed_by_the_next_heartbeat_is_released)
{
	beat("a", 0);
	beat("a", 0xff);
	beat("b", 0);
	ck_assert_uint_eq(beat("a", 0x0f), 0x0f);
	ck_assert_uint_eq(beat("b", 0), 0xf0);
	ck_assert_ptr_nonnull(view(7).owner); /* held from the grant on... */
	ck_assert_int_eq(write_one("b", 7, 1), LTS_OK);
	ck_assert_uint_eq(beat("a", 0x0f), 0x0f); /* ...and not up for the taking */
	ck_assert_uint_eq(beat("b", 0x70), 0xf0); /* let go, and granted anew */
	ck_assert(!view(7).listed);
}
END_TEST

START_TEST(quotas_differ_by_at_most_one_and_few_shards_move)
{
	unsigned held[5] = { 0 };
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	for (int members = 1; members <= 5; members++) {
		for (int round = 0; round < 4; round++)
			for (int m = 0; m < members; m++)
				held[m] = beat(names[m], held[m]);
		unsigned all = 0;
		for (int m = 0; m < members; m++) {
			int count = __builtin_popcount(held[m]);
			ck_assert_int_ge(count, SHARDS / members);
			ck_assert_int_le(count, (SHARDS + members - 1) / members);
			ck_assert_uint_eq(all & held[m], 0);
			all |= held[m];
		}
		ck_assert_uint_eq(all, 0xff);
	}
	unsigned before = held[0];
	held[0] = beat("a", held[0]);
	ck_assert_uint_eq(held[0], before); /* settled: nothing moves any more */
}
END_TEST

START_TEST(unheard_member_loses_all_at_the_timeout)
{
	unsigned a = beat("a", 0);
	beat("b", 0);
	a = beat("a", a);
	beat("a", a);
	unsigned b = beat("b", 0);
	now_ms += TIMEOUT_MS - 1;
	beat("b", b);
	ck_assert_str_eq(view(0).owner, "a");
	now_ms += 1;
	b = beat("b", b);
	ck_assert_uint_eq(b, 0xff);
	ck_assert_uint_eq(sim_group_members(group), 1);
	ck_assert_int_eq(write_one("a", 0, 5), LTS_GONE);
}
END_TEST

START_TEST(restarted_member_keeps_what_it_lists)
{
	unsigned a = beat("a", 0);
	now_ms += TIMEOUT_MS;
	sim_group_expire(group, now_ms);
	ck_assert_ptr_null(view(2).owner);
	ck_assert_uint_eq(beat("a", 0x0f), 0xff);
	ck_assert(view(2).listed);
	ck_assert_uint_eq(a, 0xff);
	/* What it lists is its own before anybody else is considered. */
	now_ms += TIMEOUT_MS;
	sim_group_expire(group, now_ms);
	ck_assert_uint_eq(beat("b", 0x03), 0xff);
}
END_TEST

START_TEST(listing_a_shard_of_somebody_else_is_ignored)
{
	beat("a", 0);
	beat("a", 0xff);
	ck_assert_uint_eq(beat("b", 0xff), 0);
	ck_assert_str_eq(view(0).owner, "a");
	ck_assert_int_eq(write_one("b", 0, 5), LTS_GONE);
}
END_TEST

START_TEST(returning_over_quota_claim_is_drained_not_torn_away)
{
	beat("a", 0);
	now_ms += TIMEOUT_MS;
	beat("b", 0x01); /* takes all: it is alone */
	ck_assert_uint_eq(beat("b", 0xff), 0xff);
	beat("a", 0xff);
	unsigned b = beat("b", 0xff);
	ck_assert_int_eq(__builtin_popcount(b), 4);
	ck_assert_int_eq(write_one("b", 7, 3), LTS_OK); /* draining owners still own */
}
END_TEST

START_TEST(draining_owner_may_write_and_a_refused_write_writes_nothing)
{
	struct consumer_name a = { "" };
	ck_assert(consumer_name_set(&a, "a"));
	beat("a", 0);
	beat("a", 0xff);
	beat("b", 0);
	unsigned kept = beat("a", 0xff);
	unsigned leaving = (unsigned)__builtin_ctz(0xff & ~kept);
	ck_assert(view(leaving).leaving);
	ck_assert_int_eq(write_one("a", leaving, 9), LTS_OK);
	ck_assert_uint_eq(view(leaving).checkpoint, 9);
	ck_assert_str_eq(view(leaving).writer, "a");
	ck_assert_int_eq(view(leaving).updated_ms, 77);
	beat("a", kept);
	unsigned own = (unsigned)__builtin_ctz(kept);
	const struct sim_checkpoint both[] = { { own, 4 }, { leaving, 12 } };
	ck_assert_int_eq(sim_group_write(group, &a, both, 2, now_ms, 78), LTS_GONE);
	ck_assert(!view(own).has_checkpoint);
	ck_assert_uint_eq(view(leaving).checkpoint, 9);
	ck_assert_uint_eq(sim_group_regressions(group), 0);
}
END_TEST

START_TEST(checkpoint_moved_back_is_counted)
{
	beat("a", 0);
	ck_assert_int_eq(write_one("a", 0, 10), LTS_OK);
	ck_assert_int_eq(write_one("a", 0, 10), LTS_OK);
	ck_assert_uint_eq(sim_group_regressions(group), 0);
	ck_assert_int_eq(write_one("a", 0, 9), LTS_OK);
	ck_assert_uint_eq(sim_group_regressions(group), 1);
}
END_TEST

START_TEST(held_write_is_done_when_its_time_has_come_by_who_owns_it_then)
{
	struct consumer_name a = { "" };
	ck_assert(consumer_name_set(&a, "a"));
	beat("a", 0);
	sim_group_hold(group, &a, &(struct sim_checkpoint){ 0, 7 }, 1, now_ms + 3000, 77);
	sim_group_hold(group, &a, &(struct sim_checkpoint){ 0, 5 }, 1, now_ms + 1000, 77);
	ck_assert_int_eq(write_one("a", 0, 9), LTS_OK);
	sim_group_expire(group, now_ms + 999);
	ck_assert_uint_eq(view(0).checkpoint, 9);
	sim_group_expire(group, now_ms + 3000);
	ck_assert_uint_eq(view(0).checkpoint, 7);
	ck_assert_uint_eq(sim_group_regressions(group), 0);
	ck_assert_uint_eq(sim_group_late_regressions(group), 1);
	struct consumer_name b = { "b" };
	sim_group_hold(group, &b, &(struct sim_checkpoint){ 0, 1 }, 1, now_ms + 3001, 77);
	sim_group_expire(group, now_ms + 3001);
	ck_assert_uint_eq(view(0).checkpoint, 7);
}
END_TEST

static void
replace(unsigned parent, uint64_t end, const unsigned *with, uint64_t with_end, size_t n_children)
{
	const struct sim_checkpoint ends[] = { { parent, end }, { with ? *with : 0, with_end } };
	sim_group_replace(group, ends, with ? 2 : 1, n_children);
}

START_TEST(children_are_granted_once_their_parent_is_consumed_and_then_it_is_taken_back)
{
	const unsigned all = 0xff, parent = 1u << 5, children = 3u << 8;
	beat("a", 0);
	replace(5, 100, NULL, 0, 2);
	ck_assert_uint_eq(beat("a", all), all);
	ck_assert_int_eq(write_one("a", 5, 99), LTS_OK);
	ck_assert_uint_eq(beat("a", all), all);
	ck_assert_int_eq(write_one("a", 5, 100), LTS_OK);
	ck_assert_uint_eq(beat("a", all), (all & ~parent) | children);
	ck_assert_str_eq(view(5).owner, "a");
	ck_assert_uint_eq(beat("a", (all & ~parent) | children), (all & ~parent) | children);
	ck_assert_ptr_null(view(5).owner);
	ck_assert_uint_eq(beat("b", 0) & parent, 0);
}
END_TEST

START_TEST(child_of_a_merge_waits_for_both_parents)
{
	const unsigned other = 3, all = 0xff, child = 1u << 8;
	beat("a", 0);
	ck_assert_int_eq(write_one("a", 2, 50), LTS_OK);
	replace(2, 50, &other, 0, 1);
	ck_assert_uint_eq(beat("a", all), all);
	ck_assert_int_eq(write_one("a", 3, 0), LTS_OK); /* empty, but that must be said */
	ck_assert_uint_eq(beat("a", all), (all & ~0xcu) | child);
}
END_TEST

START_TEST(grandchildren_wait_for_children_that_were_never_granted)
{
	beat("a", 0);
	replace(0, 10, NULL, 0, 2);
	replace(8, 0, NULL, 0, 2);
	ck_assert_int_eq(write_one("a", 0, 10), LTS_OK);
	ck_assert_uint_eq(beat("a", 0xff), 0x3fe);
	ck_assert_int_eq(write_one("a", 8, 0), LTS_OK);
	ck_assert_uint_eq(beat("a", 0x3fe), 0xefe);
}
END_TEST

static unsigned lost_bits;
static uint64_t lost_from;

static void
on_lost(void *arg, unsigned shard, uint64_t from)
{
	lost_bits |= 1u << shard;
	lost_from += from;
}

START_TEST(only_moves_that_nobody_asked_for_are_unplanned)
{
	lost_bits = 0;
	lost_from = 0;
	sim_group_on_lost(group, on_lost, NULL);
	beat("a", 0);
	beat("a", 0xff);
	beat("b", 0);
	ck_assert_uint_eq(beat("a", 0xff), 0x0f);
	ck_assert_uint_eq(beat("a", 0x0f), 0x0f); /* given back as asked */
	ck_assert_uint_eq(lost_bits, 0);
	ck_assert_int_eq(write_one("a", 1, 7), LTS_OK);
	beat("a", 0x0d); /* drops the second of its own accord */
	ck_assert_uint_eq(lost_bits, 0x02);
	ck_assert_uint_eq(lost_from, 7);
	beat("b", 0);
	now_ms += TIMEOUT_MS;
	sim_group_expire(group, now_ms);
	ck_assert_uint_eq(lost_bits, 0xff);
}
END_TEST

START_TEST(more_members_than_shards_leaves_some_with_none)
{
	unsigned total = 0;
	unsigned held[12] = { 0 };
	for (int round = 0; round < 5; round++) {
		for (int m = 0; m < 12; m++) {
			const char name[] = { (char)('a' + m), '\0' };
			held[m] = beat(name, held[m]);
			ck_assert(round < 4 || __builtin_popcount(held[m]) <= 1);
		}
	}
	for (int m = 0; m < 12; m++)
		total |= held[m];
	ck_assert_uint_eq(total, 0xff);
}
END_TEST

Suite *
suite_sim_group(void)
{
	Suite *suite = suite_create("sim_group");
	TCase *tcase = tcase_create("sim_group");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, first_member_gets_everything_and_keeps_it);
	tcase_add_test(tcase, shard_moves_only_when_its_holder_stops_listing_it);
	tcase_add_test(tcase, grant_not_listed_by_the_next_heartbeat_is_released);
	tcase_add_test(tcase, quotas_differ_by_at_most_one_and_few_shards_move);
	tcase_add_test(tcase, unheard_member_loses_all_at_the_timeout);
	tcase_add_test(tcase, restarted_member_keeps_what_it_lists);
	tcase_add_test(tcase, listing_a_shard_of_somebody_else_is_ignored);
	tcase_add_test(tcase, returning_over_quota_claim_is_drained_not_torn_away);
	tcase_add_test(tcase, draining_owner_may_write_and_a_refused_write_writes_nothing);
	tcase_add_test(tcase, checkpoint_moved_back_is_counted);
	tcase_add_test(tcase, held_write_is_done_when_its_time_has_come_by_who_owns_it_then);
	tcase_add_test(
		tcase,
		children_are_granted_once_their_parent_is_consumed_and_then_it_is_taken_back);
	tcase_add_test(tcase, child_of_a_merge_waits_for_both_parents);
	tcase_add_test(tcase, grandchildren_wait_for_children_that_were_never_granted);
	tcase_add_test(tcase, only_moves_that_nobody_asked_for_are_unplanned);
	tcase_add_test(tcase, more_members_than_shards_leaves_some_with_none);
	suite_add_tcase(suite, tcase);
	return suite;
}
