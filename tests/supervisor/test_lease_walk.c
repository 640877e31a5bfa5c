/*
 * test_lease_walk.c - a lease book in a world that does what it likes: workers die and
 * return, heartbeats get lost, the service moves shards between our consumers and another
 * host, writes fail or vanish. A model beside the book holds it to rules 4, 5, 6 and 9 of
 * the architecture at every step, and in the end, when the world has calmed down, to
 * being balanced and published. Seeds are fixed.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/supervisor/lease_world.h"

enum { STEPS = 10000 };

static uint32_t
draw(struct lease_world *world, uint32_t below)
{
	world->random = world->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world->random >> 33) % below;
}

static bool
lists(const struct beat *beat, int i)
{
	for (size_t k = 0; k < beat->n; k++)
		if (lease_world_index(&beat->listed[k]) == i)
			return true;
	return false;
}

static void
send_beat(struct lease_world *world, int home)
{
	struct beat *beat = &world->beats[home];
	if (beat->sent)
		return;
	free(beat->listed);
	beat->listed = lease_book_list(world->book, (uint32_t)home, &beat->n, world->now_ms);
	beat->sent = true;
	beat->sent_ms = world->now_ms;
	for (size_t k = 0; k < beat->n; k++) {
		const struct grant *grant = &world->grants[lease_world_index(&beat->listed[k])];
		ck_assert_msg(grant->now && grant->deadline_ms > world->now_ms,
			      "listed past its deadline");
		ck_assert_int_eq(grant->home, home);
	}
}

/* What the answer makes of the model's grants, as rule 6 says. */
static void
learn(struct lease_world *world, int home, const struct beat *beat, const bool *owned)
{
	int64_t deadline_ms = beat->sent_ms + LEASE_MS;
	for (int i = 0; i < SHARDS; i++) {
		struct grant *grant = &world->grants[i];
		if (grant->now && grant->home == home && lists(beat, i))
			grant->deadline_ms = deadline_ms;
		else if (owned[i] && !grant->now)
			*grant = (struct grant){ .now = true,
						 .home = home,
						 .deadline_ms = deadline_ms };
	}
}

static void
answer_beat(struct lease_world *world, int home)
{
	struct beat *beat = &world->beats[home];
	struct shard_id owned[SHARDS];
	bool is_owned[SHARDS] = { false };
	size_t n = 0;
	if (!beat->sent)
		return;
	beat->sent = false;
	if (world->now_ms - beat->sent_ms > TIMEOUT_MS / 6)
		return;                           /* the client gave it up */
	book_on_tick(world->book, world->now_ms); /* ends what is past its deadline first */
	for (int i = 0; i < SHARDS; i++) {
		if (world->owner[i] == home)
			world->listed[i] = lists(beat, i);
		/* A shard moves only when its holder stops listing it. */
		if (world->owner[i] == home && world->wanted_by[i] != home && !world->listed[i])
			world->owner[i] = world->wanted_by[i];
		if (world->owner[i] == OTHER && world->wanted_by[i] == home)
			world->owner[i] = home;
		is_owned[i] = world->owner[i] == home && world->wanted_by[i] == home;
		if (is_owned[i])
			owned[n++] = lease_world_shard(i);
	}
	learn(world, home, beat, is_owned);
	book_on_answer(world->book, (uint32_t)home, beat->listed, beat->n, owned, n,
		       beat->sent_ms, world->now_ms);
}

static void
answer_write(struct lease_world *world, int i, enum lts_err err)
{
	struct shard_id shard = lease_world_shard(i);
	if (!world->writing[i])
		return;
	world->writing[i] = false;
	if (err == LTS_OK || (err == LTS_UNKNOWN && draw(world, 2))) {
		world->at_service[i] = world->written[i];
		world->at_service_ours[i] = true;
	}
	world->doubtful[i] = err == LTS_UNKNOWN && world->grants[i].now;
	book_on_written(world->book, &shard, &world->written[i], err, world->now_ms);
}

static void
answer_question(struct lease_world *world, int i, enum lts_err err)
{
	struct shard_id shard = lease_world_shard(i);
	uint64_t question = world->asked[i];
	if (!question)
		return;
	if (!err) {
		world->asked[i] = 0;
		world->doubtful[i] = false;
		world->read_ours[i] = cursor_is_none(&world->at_service[i]) ||
				      world->at_service_ours[i];
	}
	book_on_service(world->book, &shard, question, err, &world->at_service[i],
			world->at_service_ours[i], world->now_ms);
}

static void
tell(struct lease_world *world, int worker, int i, enum message_type type)
{
	struct holder *holder = &world->holders[worker][i];
	struct message message = { .type = type };
	message.lease.shard = lease_world_shard(i);
	message.lease.epoch.value = holder->epoch;
	if (type == MSG_RELEASED)
		holder->active = false;
	book_on_message(world->book, (uint32_t)worker, &message, world->now_ms);
}

/* A worker goes on with a shard: takes it, moves it, or lets go of it. */
static void
work(struct lease_world *world, int worker, int i)
{
	struct holder *holder = &world->holders[worker][i];
	struct checkpoint_record *record = &world->records[i];
	if (!holder->active)
		return;
	if (!holder->held || draw(world, 3) == 0) {
		/* Its commit: LMDB's fence lets only the newest epoch through. */
		if (record->epoch.value <= holder->epoch) {
			record->shard = lease_world_shard(i);
			record->epoch.value = holder->epoch;
			snprintf(record->cursor.text, sizeof(record->cursor.text), "%u",
				 ++world->cursor);
		}
		if (!holder->held) {
			holder->held = true;
			tell(world, worker, i, MSG_HELD);
		}
	} else if (holder->revoked || draw(world, 20) == 0) {
		tell(world, worker, i,
		     MSG_RELEASED); /* also of its own accord, as past its deadline */
	}
}

static void
kill_worker(struct lease_world *world, int worker)
{
	if (!world->live[worker])
		return;
	world->live[worker] = false;
	for (int i = 0; i < SHARDS; i++)
		world->holders[worker][i] = (struct holder){ 0 };
	book_on_gone(world->book, (uint32_t)worker, FATE_DIED, world->now_ms);
}

static void
start_worker(struct lease_world *world, int worker)
{
	if (world->live[worker])
		return;
	world->live[worker] = true;
	book_on_live(world->book, (uint32_t)worker, world->now_ms);
}

/* The other host moves a shard that the service gave it. */
static void
other_host(struct lease_world *world, int i)
{
	if (world->owner[i] != OTHER)
		return;
	snprintf(world->at_service[i].text, sizeof(world->at_service[i].text), "%u",
		 ++world->cursor);
	world->at_service_ours[i] = false;
}

static void
lose_shards(struct lease_world *world)
{
	for (int i = 0; i < SHARDS; i++)
		if (world->owner[i] != OTHER && draw(world, 2))
			world->owner[i] =
				OTHER; /* as if it had not heard of us for its timeout */
}

static void
random_event(struct lease_world *world)
{
	static const enum lts_err writes[] = { LTS_OK,    LTS_OK,      LTS_OK,   LTS_OK,
					       LTS_AGAIN, LTS_UNKNOWN, LTS_GONE, LTS_INVALID };
	int i = (int)draw(world, SHARDS), w = (int)draw(world, WORKERS);
	switch (draw(world, 16)) {
	case 0:
	case 1:
		send_beat(world, w);
		break;
	case 2:
	case 3:
		answer_beat(world, w);
		break;
	case 4:
		if (draw(world, 10) == 0)
			world->beats[w].sent = false; /* lost */
		break;
	case 5:
		if (draw(world, 5) == 0)
			world->wanted_by[i] = (int)draw(world, WORKERS + 1) - 1;
		break;
	case 6:
		answer_write(world, i, writes[draw(world, 8)]);
		break;
	case 7:
		answer_question(world, i, draw(world, 5) ? LTS_OK : LTS_AGAIN);
		break;
	case 8:
		if (draw(world, 8) == 0)
			kill_worker(world, w);
		else
			start_worker(world, w);
		break;
	case 9:
		book_publish(world->book, world->now_ms);
		break;
	case 10:
		other_host(world, i);
		break;
	case 11:
		if (draw(world, 200) == 0) {
			world->now_ms += TIMEOUT_MS; /* the machine slept, or we were stopped */
			lose_shards(world);
		}
		world->now_ms += 50 * draw(world, 40);
		book_on_tick(world->book, world->now_ms);
		break;
	default:
		work(world, w, i);
	}
	for (int h = 0; h < WORKERS; h++) {
		size_t n;
		struct shard_id *list =
			lease_book_list(world->book, (uint32_t)h, &n, world->now_ms);
		for (size_t k = 0; k < n; k++)
			ck_assert(world->grants[lease_world_index(&list[k])].deadline_ms >
				  world->now_ms);
		free(list);
	}
}

/* Everybody lives, the service wants nothing moved and answers everything. */
static void
calm_down(struct lease_world *world)
{
	for (int w = 0; w < WORKERS; w++)
		start_worker(world, w);
	for (int i = 0; i < SHARDS; i++)
		world->wanted_by[i] = world->wanted_by[i] == OTHER ? 0 : world->wanted_by[i];
	for (int round = 0; round < 400; round++) {
		world->now_ms += 500;
		book_on_tick(world->book, world->now_ms);
		for (int w = 0; w < WORKERS; w++) {
			send_beat(world, w);
			answer_beat(world, w);
			for (int i = 0; i < SHARDS; i++)
				if (world->holders[w][i].active && !world->holders[w][i].held)
					work(world, w, i);
				else if (world->holders[w][i].active &&
					 world->holders[w][i].revoked)
					tell(world, w, i, MSG_RELEASED);
		}
		for (int i = 0; i < SHARDS; i++) {
			answer_question(world, i, LTS_OK);
			answer_write(world, i, LTS_OK);
		}
		book_publish(world->book, world->now_ms);
	}
}

static void
expect_calm(struct lease_world *world)
{
	unsigned load[WORKERS] = { 0 };
	ck_assert_uint_eq(lease_book_count(world->book), SHARDS);
	for (size_t i = 0; i < SHARDS; i++) {
		struct book_shard at;
		lease_book_get(world->book, i, &at);
		ck_assert_str_eq(at.state, "held");
		load[at.holder]++;
		ck_assert_str_eq(at.published.text,
				 world->records[lease_world_index(&at.shard)].cursor.text);
		ck_assert_str_eq(at.published.text,
				 world->at_service[lease_world_index(&at.shard)].text);
	}
	for (int w = 0; w < WORKERS; w++)
		ck_assert_uint_eq(load[w], SHARDS / WORKERS);
	ck_assert(lease_book_all_published(world->book, world->now_ms));
}

START_TEST(no_event_breaks_a_rule_and_calm_ends_in_balance)
{
	static struct lease_world the_world;
	struct lease_world *world = &the_world;
	struct book_config config = { .workers = WORKERS,
				      .boot_count = 1,
				      .timeout_ms = TIMEOUT_MS };
	memset(world, 0, sizeof(*world));
	world->random = (uint64_t)_i * 7919 + 1;
	world->now_ms = 1000;
	world->book = lease_book_create(&config, &lease_world_ops, world);
	lease_book_set_times(world->book, "begin", 0, 0);
	for (int i = 0; i < SHARDS; i++)
		world->owner[i] = world->wanted_by[i] = i % WORKERS;
	for (int step = 0; step < STEPS; step++)
		random_event(world);
	/* That the walk went everywhere. */
	ck_assert_uint_gt(world->assigns, 80);
	ck_assert_uint_gt(world->publishes, 100);
	ck_assert_uint_gt(world->revokes, 50);
	ck_assert_uint_gt(world->ends, 20);
	calm_down(world);
	expect_calm(world);
	for (int w = 0; w < WORKERS; w++)
		free(world->beats[w].listed);
	lease_book_destroy(&world->book);
}
END_TEST

Suite *
suite_lease_walk(void)
{
	Suite *suite = suite_create("lease_walk");
	TCase *tc = tcase_create("random walks");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, no_event_breaks_a_rule_and_calm_ends_in_balance, 0, 12);
	suite_add_tcase(suite, tc);
	return suite;
}
