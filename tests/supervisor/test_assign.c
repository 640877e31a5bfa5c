/*
 * test_assign.c - holds supervisor/assign.c to its promise: balanced to within one,
 * sticky, with the fewest moves, home where there is a choice. Properties over random
 * worlds from a fixed seed.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/assign.h"
#include "tests/suites.h"

enum { SHARDS_MAX = 40, WORKERS_MAX = 9, WORLDS = 4000 };

struct world {
	struct assign_shard shards[SHARDS_MAX];
	size_t n;
	bool live[ASSIGN_WORKERS_MAX];
	uint32_t workers, n_live;
};

static uint32_t
draw(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % below;
}

static struct world
random_world(uint64_t *seed, bool with_fixed)
{
	struct world world = { 0 };
	world.workers = 1 + draw(seed, WORKERS_MAX);
	world.n = draw(seed, SHARDS_MAX + 1);
	for (uint32_t w = 0; w < world.workers; w++) {
		world.live[w] = draw(seed, 4) != 0;
		world.n_live += world.live[w];
	}
	for (size_t i = 0; i < world.n; i++) {
		struct assign_shard *shard = &world.shards[i];
		shard->home = draw(seed, world.workers);
		shard->holder =
			draw(seed, 3) ? (int32_t)draw(seed, world.workers) : ASSIGN_NOBODY;
		shard->fixed = with_fixed && draw(seed, 4) == 0;
		shard->target = 77; /* to be set in any case */
	}
	return world;
}

static void
plan(struct world *world)
{
	assign_plan(world->shards, world->n, world->live, world->workers);
}

static void
count_loads(const struct world *world, size_t *loads)
{
	memset(loads, 0, WORKERS_MAX * sizeof(*loads));
	for (size_t i = 0; i < world->n; i++)
		if (world->shards[i].target != ASSIGN_NOBODY)
			loads[world->shards[i].target]++;
}

static bool
is_held(const struct world *world, const struct assign_shard *shard)
{
	return shard->holder != ASSIGN_NOBODY && world->live[shard->holder];
}

static size_t
count_moves(const struct world *world)
{
	size_t moves = 0;
	for (size_t i = 0; i < world->n; i++)
		moves += is_held(world, &world->shards[i]) &&
			 world->shards[i].target != world->shards[i].holder;
	return moves;
}

/* Of all balanced plans the one with the fewest moves: `n % live` workers may have one
 * more than the others, and those are the ones that have the most already. What each has
 * above that must go. */
static size_t
fewest_moves(const struct world *world)
{
	size_t held[WORKERS_MAX] = { 0 }, moves = 0;
	size_t base = world->n_live ? world->n / world->n_live : 0;
	size_t extra = world->n_live ? world->n % world->n_live : 0;
	for (size_t i = 0; i < world->n; i++)
		if (is_held(world, &world->shards[i]))
			held[world->shards[i].holder]++;
	for (uint32_t w = 0; w < world->workers; w++) {
		size_t may = base;
		if (held[w] > base && extra) {
			extra--;
			may++;
		}
		moves += held[w] > may ? held[w] - may : 0;
	}
	return moves;
}

START_TEST(every_shard_goes_to_a_live_worker_if_there_is_one)
{
	uint64_t seed = 1;
	for (int i = 0; i < WORLDS; i++) {
		struct world world = random_world(&seed, true);
		plan(&world);
		for (size_t s = 0; s < world.n; s++) {
			int32_t target = world.shards[s].target;
			if (world.n_live == 0)
				ck_assert_int_eq(target, ASSIGN_NOBODY);
			else
				ck_assert(target >= 0 && target < (int32_t)world.workers &&
					  world.live[target]);
		}
	}
}
END_TEST

START_TEST(live_workers_are_balanced_to_within_one)
{
	uint64_t seed = 2;
	for (int i = 0; i < WORLDS; i++) {
		struct world world = random_world(&seed, false);
		size_t loads[WORKERS_MAX], least = SIZE_MAX, most = 0;
		plan(&world);
		count_loads(&world, loads);
		for (uint32_t w = 0; w < world.workers; w++) {
			if (!world.live[w])
				continue;
			least = loads[w] < least ? loads[w] : least;
			most = loads[w] > most ? loads[w] : most;
		}
		if (world.n_live)
			ck_assert_uint_le(most - least, 1);
	}
}
END_TEST

START_TEST(no_balanced_plan_has_fewer_moves)
{
	uint64_t seed = 3;
	for (int i = 0; i < WORLDS; i++) {
		struct world world = random_world(&seed, false);
		plan(&world);
		ck_assert_uint_eq(count_moves(&world), fewest_moves(&world));
	}
}
END_TEST

START_TEST(balanced_world_is_left_alone)
{
	uint64_t seed = 4;
	for (int i = 0; i < WORLDS; i++) {
		struct world world = random_world(&seed, false);
		plan(&world);
		for (size_t s = 0; s < world.n; s++)
			world.shards[s].holder = world.shards[s].target;
		plan(&world);
		ck_assert_uint_eq(count_moves(&world), 0);
	}
}
END_TEST

START_TEST(fixed_shard_never_moves_and_counts)
{
	uint64_t seed = 5;
	for (int i = 0; i < WORLDS; i++) {
		struct world world = random_world(&seed, true);
		size_t loads[WORKERS_MAX];
		plan(&world);
		count_loads(&world, loads);
		for (size_t s = 0; s < world.n; s++) {
			const struct assign_shard *shard = &world.shards[s];
			if (!is_held(&world, shard))
				continue;
			if (shard->fixed)
				ck_assert_int_eq(shard->target, shard->holder);
			if (shard->fixed || shard->target != shard->holder)
				continue;
			/* One that could have moved and stayed: nobody is two below its
			 * worker. */
			for (uint32_t w = 0; w < world.workers; w++)
				if (world.live[w])
					ck_assert_uint_le(loads[shard->target], loads[w] + 1);
		}
	}
}
END_TEST

START_TEST(same_world_gives_the_same_plan)
{
	uint64_t seed = 6;
	for (int i = 0; i < WORLDS; i++) {
		struct world world = random_world(&seed, true), again = world;
		plan(&world);
		for (size_t s = 0; s < again.n; s++)
			again.shards[s].target = -1;
		plan(&again);
		for (size_t s = 0; s < world.n; s++)
			ck_assert_int_eq(world.shards[s].target, again.shards[s].target);
	}
}
END_TEST

START_TEST(unheld_shard_goes_home_where_balance_allows)
{
	struct world world = { .n = 4, .workers = 4, .live = { true, true, true, true } };
	for (size_t i = 0; i < 4; i++)
		world.shards[i] =
			(struct assign_shard){ .home = (uint32_t)(3 - i), .holder = -1 };
	plan(&world);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(world.shards[i].target, (int32_t)(3 - i));
	/* Two at home with the same worker: one has to go elsewhere. */
	world.shards[1].home = 3;
	plan(&world);
	ck_assert_int_eq(world.shards[0].target, 3);
	ck_assert_int_ne(world.shards[1].target, 3);
}
END_TEST

START_TEST(what_moves_back_is_what_is_at_home_there)
{
	struct world world = { .n = 4, .workers = 2, .live = { true, true } };
	for (size_t i = 0; i < 4; i++)
		world.shards[i] = (struct assign_shard){ .home = (uint32_t)i % 2, .holder = 0 };
	plan(&world);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(world.shards[i].target, (int32_t)(i % 2));
}
END_TEST

START_TEST(what_a_dead_worker_held_is_spread)
{
	struct world world = { .n = 6, .workers = 3, .live = { true, false, true } };
	size_t loads[WORKERS_MAX];
	for (size_t i = 0; i < 6; i++)
		world.shards[i] = (struct assign_shard){ .home = (uint32_t)i % 3,
							 .holder = (int32_t)(i % 3),
							 .fixed = i == 1 };
	plan(&world);
	count_loads(&world, loads);
	ck_assert_uint_eq(loads[0], 3);
	ck_assert_uint_eq(loads[1], 0);
	ck_assert_uint_eq(loads[2], 3);
	world.n_live = 2;
	ck_assert_uint_eq(count_moves(&world), 0);
}
END_TEST

Suite *
suite_assign(void)
{
	Suite *suite = suite_create("assign");
	TCase *tc = tcase_create("plan");
	tcase_add_test(tc, every_shard_goes_to_a_live_worker_if_there_is_one);
	tcase_add_test(tc, live_workers_are_balanced_to_within_one);
	tcase_add_test(tc, no_balanced_plan_has_fewer_moves);
	tcase_add_test(tc, balanced_world_is_left_alone);
	tcase_add_test(tc, fixed_shard_never_moves_and_counts);
	tcase_add_test(tc, same_world_gives_the_same_plan);
	tcase_add_test(tc, unheld_shard_goes_home_where_balance_allows);
	tcase_add_test(tc, what_moves_back_is_what_is_at_home_there);
	tcase_add_test(tc, what_a_dead_worker_held_is_spread);
	suite_add_tcase(suite, tc);
	return suite;
}
