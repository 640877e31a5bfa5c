/*
 * test_lease_walk.c - a lease book in a world that does what it likes: workers die and return, heartbeats
 * get lost, the service moves shards between our consumers and another host, writes fail or vanish. A model
 * beside the book holds it to rules 4, 5, 6 and 9 of the architecture at every step, and in the end, when
 * the world has calmed down, to being balanced and published. Seeds are fixed.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/lease_book.h"
#include "tests/suites.h"

enum { SHARDS = 6, WORKERS = 3, TIMEOUT_MS = 60000, LEASE_MS = 50000, STEPS = 20000, OTHER = -1 };

/* What a worker has been told about one shard and has not answered. */
struct holder {
	bool active, revoked, held;
	uint64_t epoch;
};

struct grant {
	bool now; /* granted, by the answers so far */
	int home;
	int64_t deadline_ms;
	bool assigned; /* under this grant */
	uint64_t epoch;
};

struct beat {
	bool sent;
	int64_t sent_ms;
	struct shard_id *listed;
	size_t n;
};

static struct {
	struct lease_book *book;
	uint64_t random;
	int64_t now_ms;
	bool live[WORKERS];
	uint64_t last_epoch;
	struct grant grants[SHARDS];
	struct holder holders[WORKERS][SHARDS];
	/* LMDB */
	struct checkpoint_record records[SHARDS];
	unsigned cursor;
	/* the service */
	int owner[SHARDS];    /* the consumer that it gave the shard to, or OTHER */
	int wanted_by[SHARDS]; /* where it wants it to be */
	bool listed[SHARDS];  /* by its owner, in its last heartbeat */
	struct cursor at_service[SHARDS];
	bool at_service_ours[SHARDS];
	/* in flight */
	bool asked[SHARDS], writing[SHARDS], doubtful[SHARDS];
	struct cursor written[SHARDS];
	struct beat beats[WORKERS];
	unsigned assigns, publishes, revokes, ends;
} world;

static uint32_t
draw(uint32_t below)
{
	world.random = world.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world.random >> 33) % below;
}

static int
index_of(const struct shard_id *shard)
{
	ck_assert(shard->text[0] >= 'A' && shard->text[0] < 'A' + SHARDS);
	return shard->text[0] - 'A';
}

static struct shard_id
shard_at(int i)
{
	struct shard_id shard = { { (char)('A' + i) } };
	return shard;
}

/* ---- what the book does ---- */

static void
op_assign(void *arg, uint32_t worker, const struct message_assign *m)
{
	int i = index_of(&m->shard);
	struct grant *grant = &world.grants[i];
	ck_assert(world.live[worker]);
	ck_assert_msg(m->epoch.value > world.last_epoch, "epoch does not rise");
	for (int w = 0; w < WORKERS; w++)
		ck_assert_msg(!world.holders[w][i].active, "%s has two holders", m->shard.text);
	ck_assert(grant->now && m->deadline_ms == grant->deadline_ms);
	ck_assert_int_eq((int)m->home, grant->home);
	world.last_epoch = grant->epoch = m->epoch.value;
	grant->assigned = true;
	world.holders[worker][i] = (struct holder){ .active = true, .epoch = m->epoch.value };
	world.assigns++;
}

static void
op_revoke(void *arg, uint32_t worker, const struct shard_id *shard, struct epoch epoch)
{
	struct holder *holder = &world.holders[worker][index_of(shard)];
	ck_assert(holder->active && holder->epoch == epoch.value);
	ck_assert_msg(!holder->revoked, "revoked twice");
	holder->revoked = true;
	world.revokes++;
}

static void
op_renew(void *arg, uint32_t worker, const struct epoch *epochs, uint32_t n, int64_t deadline_ms)
{
	for (uint32_t k = 0; k < n; k++) {
		bool found = false;
		for (int i = 0; i < SHARDS; i++) {
			const struct grant *grant = &world.grants[i];
			if (world.holders[worker][i].epoch != epochs[k].value)
				continue;
			found = true;
			ck_assert_msg(grant->now && grant->assigned && grant->epoch == epochs[k].value,
				      "renewed what is not of the present grant");
			ck_assert_int_eq(grant->deadline_ms, deadline_ms);
		}
		ck_assert(found);
	}
}

static void
op_published(void *arg, uint32_t worker, const struct shard_id *shard, struct epoch epoch,
	     const struct cursor *cursor)
{
	ck_assert(world.holders[worker][index_of(shard)].epoch == epoch.value);
}

static void
op_ask_service(void *arg, const struct shard_id *shard)
{
	world.asked[index_of(shard)] = true;
}

static void
op_publish(void *arg, uint32_t home, const struct shard_id *shards, const struct cursor *cursors,
	   size_t n)
{
	for (size_t k = 0; k < n; k++) {
		int i = index_of(&shards[k]);
		const struct grant *grant = &world.grants[i];
		ck_assert_msg(!world.writing[i], "two writes in flight");
		ck_assert_msg(!world.doubtful[i], "written before a lost answer was read back");
		ck_assert_msg(grant->now && grant->deadline_ms > world.now_ms,
			      "published past the deadline");
		ck_assert_msg(grant->assigned && world.records[i].epoch.value == grant->epoch,
			      "published another grant's cursor");
		ck_assert_str_eq(cursors[k].text, world.records[i].cursor.text);
		ck_assert_int_eq((int)home, grant->home);
		world.writing[i] = true;
		world.written[i] = cursors[k];
		world.publishes++;
	}
}

static enum lts_err
op_committed(void *arg, const struct shard_id *shard, struct checkpoint_record *out)
{
	const struct checkpoint_record *record = &world.records[index_of(shard)];
	if (!record->epoch.value)
		return LTS_NOTFOUND;
	*out = *record;
	return LTS_OK;
}

static void
op_left(void *arg, uint32_t home)
{
}

/* The book's word for it: a lease is over, or a new one begins. */
static void
op_note(void *arg, const struct shard_id *shard, const char *what, const char *why)
{
	struct grant *grant = &world.grants[index_of(shard)];
	if (strcmp(what, "granted") == 0) {
		grant->assigned = false;
		world.doubtful[index_of(shard)] = false;
	} else {
		grant->now = false;
		world.ends++;
	}
}

static const struct book_ops ops = {
	.assign = op_assign,
	.revoke = op_revoke,
	.renew = op_renew,
	.published = op_published,
	.ask_service = op_ask_service,
	.publish = op_publish,
	.committed = op_committed,
	.left = op_left,
	.note = op_note,
};

/* ---- what the world does ---- */

static bool
lists(const struct beat *beat, int i)
{
	for (size_t k = 0; k < beat->n; k++)
		if (index_of(&beat->listed[k]) == i)
			return true;
	return false;
}

static void
send_beat(int home)
{
	struct beat *beat = &world.beats[home];
	if (beat->sent)
		return;
	free(beat->listed);
	beat->listed = lease_book_list(world.book, (uint32_t)home, &beat->n, world.now_ms);
	beat->sent = true;
	beat->sent_ms = world.now_ms;
	for (size_t k = 0; k < beat->n; k++) {
		const struct grant *grant = &world.grants[index_of(&beat->listed[k])];
		ck_assert_msg(grant->now && grant->deadline_ms > world.now_ms,
			      "listed past its deadline");
		ck_assert_int_eq(grant->home, home);
	}
}

/* What the answer makes of the model's grants, as rule 6 says. */
static void
learn(int home, const struct beat *beat, const bool *owned)
{
	int64_t deadline_ms = beat->sent_ms + LEASE_MS;
	for (int i = 0; i < SHARDS; i++) {
		struct grant *grant = &world.grants[i];
		bool alive = grant->now && grant->deadline_ms > world.now_ms;
		if (grant->now && grant->home == home && lists(beat, i))
			grant->deadline_ms = deadline_ms;
		else if (owned[i] && !grant->now)
			*grant = (struct grant){ .now = true,
						 .home = home,
						 .deadline_ms = deadline_ms };
		(void)alive;
	}
}

static void
answer_beat(int home)
{
	struct beat *beat = &world.beats[home];
	struct shard_id owned[SHARDS];
	bool is_owned[SHARDS] = { false };
	size_t n = 0;
	if (!beat->sent)
		return;
	beat->sent = false;
	if (world.now_ms - beat->sent_ms > TIMEOUT_MS / 6)
		return; /* the client gave it up */
	book_on_tick(world.book, world.now_ms); /* ends what is past its deadline first */
	for (int i = 0; i < SHARDS; i++) {
		if (world.owner[i] == home)
			world.listed[i] = lists(beat, i);
		/* A shard moves only when its holder stops listing it. */
		if (world.owner[i] == home && world.wanted_by[i] != home && !world.listed[i])
			world.owner[i] = world.wanted_by[i];
		if (world.owner[i] == OTHER && world.wanted_by[i] == home)
			world.owner[i] = home;
		is_owned[i] = world.owner[i] == home && world.wanted_by[i] == home;
		if (is_owned[i])
			owned[n++] = shard_at(i);
	}
	learn(home, beat, is_owned);
	book_on_answer(world.book, (uint32_t)home, beat->listed, beat->n, owned, n, beat->sent_ms,
		       world.now_ms);
}

static void
answer_write(int i, enum lts_err err)
{
	struct shard_id shard = shard_at(i);
	if (!world.writing[i])
		return;
	world.writing[i] = false;
	if (err == LTS_OK || (err == LTS_UNKNOWN && draw(2))) {
		world.at_service[i] = world.written[i];
		world.at_service_ours[i] = true;
	}
	world.doubtful[i] = err == LTS_UNKNOWN && world.grants[i].now;
	book_on_written(world.book, &shard, &world.written[i], err, world.now_ms);
}

static void
answer_question(int i, enum lts_err err)
{
	struct shard_id shard = shard_at(i);
	if (!world.asked[i])
		return;
	if (!err)
		world.asked[i] = world.doubtful[i] = false;
	book_on_service(world.book, &shard, err, &world.at_service[i], world.at_service_ours[i],
			world.now_ms);
}

static void
tell(int worker, int i, enum message_type type)
{
	struct holder *holder = &world.holders[worker][i];
	struct message message = { .type = type };
	message.lease.shard = shard_at(i);
	message.lease.epoch.value = holder->epoch;
	if (type == MSG_RELEASED)
		holder->active = false;
	book_on_message(world.book, (uint32_t)worker, &message, world.now_ms);
}

/* A worker goes on with a shard: takes it, moves it, or lets go of it. */
static void
work(int worker, int i)
{
	struct holder *holder = &world.holders[worker][i];
	struct checkpoint_record *record = &world.records[i];
	if (!holder->active)
		return;
	if (!holder->held || draw(3) == 0) {
		/* Its commit: LMDB's fence lets only the newest epoch through. */
		if (record->epoch.value <= holder->epoch) {
			record->shard = shard_at(i);
			record->epoch.value = holder->epoch;
			snprintf(record->cursor.text, sizeof(record->cursor.text), "%u", ++world.cursor);
		}
		if (!holder->held) {
			holder->held = true;
			tell(worker, i, MSG_HELD);
		}
	} else if (holder->revoked || draw(20) == 0) {
		tell(worker, i, MSG_RELEASED); /* also of its own accord, as past its deadline */
	}
}

static void
kill_worker(int worker)
{
	if (!world.live[worker])
		return;
	world.live[worker] = false;
	for (int i = 0; i < SHARDS; i++)
		world.holders[worker][i] = (struct holder){ 0 };
	book_on_gone(world.book, (uint32_t)worker, FATE_DIED, world.now_ms);
}

static void
start_worker(int worker)
{
	if (world.live[worker])
		return;
	world.live[worker] = true;
	book_on_live(world.book, (uint32_t)worker, world.now_ms);
}

/* The other host moves a shard that the service gave it. */
static void
other_host(int i)
{
	if (world.owner[i] != OTHER)
		return;
	snprintf(world.at_service[i].text, sizeof(world.at_service[i].text), "%u", ++world.cursor);
	world.at_service_ours[i] = false;
}

static void
lose_shards(void)
{
	for (int i = 0; i < SHARDS; i++)
		if (world.owner[i] != OTHER && draw(2))
			world.owner[i] = OTHER; /* as if it had not heard of us for its timeout */
}

static void
random_event(void)
{
	static const enum lts_err writes[] = { LTS_OK, LTS_OK, LTS_OK, LTS_OK, LTS_AGAIN,
					       LTS_UNKNOWN, LTS_GONE, LTS_INVALID };
	int i = (int)draw(SHARDS), w = (int)draw(WORKERS);
	switch (draw(16)) {
	case 0:
	case 1:
		send_beat(w);
		break;
	case 2:
	case 3:
		answer_beat(w);
		break;
	case 4:
		if (draw(10) == 0)
			world.beats[w].sent = false; /* lost */
		break;
	case 5:
		if (draw(5) == 0)
			world.wanted_by[i] = (int)draw(WORKERS + 1) - 1;
		break;
	case 6:
		answer_write(i, writes[draw(8)]);
		break;
	case 7:
		answer_question(i, draw(5) ? LTS_OK : LTS_AGAIN);
		break;
	case 8:
		if (draw(8) == 0)
			kill_worker(w);
		else
			start_worker(w);
		break;
	case 9:
		book_publish(world.book, world.now_ms);
		break;
	case 10:
		other_host(i);
		break;
	case 11:
		if (draw(200) == 0) {
			world.now_ms += TIMEOUT_MS; /* the machine slept, or we were stopped */
			lose_shards();
		}
		world.now_ms += 50 * draw(40);
		book_on_tick(world.book, world.now_ms);
		break;
	default:
		work(w, i);
	}
	for (int h = 0; h < WORKERS; h++) {
		size_t n;
		struct shard_id *list =
			lease_book_list(world.book, (uint32_t)h, &n, world.now_ms);
		for (size_t k = 0; k < n; k++)
			ck_assert(world.grants[index_of(&list[k])].deadline_ms > world.now_ms);
		free(list);
	}
}

/* Everybody lives, the service wants nothing moved and answers everything. */
static void
calm_down(void)
{
	for (int w = 0; w < WORKERS; w++)
		start_worker(w);
	for (int i = 0; i < SHARDS; i++)
		world.wanted_by[i] = world.wanted_by[i] == OTHER ? 0 : world.wanted_by[i];
	for (int round = 0; round < 400; round++) {
		world.now_ms += 500;
		book_on_tick(world.book, world.now_ms);
		for (int w = 0; w < WORKERS; w++) {
			send_beat(w);
			answer_beat(w);
			for (int i = 0; i < SHARDS; i++)
				if (world.holders[w][i].active && !world.holders[w][i].held)
					work(w, i);
				else if (world.holders[w][i].active && world.holders[w][i].revoked)
					tell(w, i, MSG_RELEASED);
		}
		for (int i = 0; i < SHARDS; i++) {
			answer_question(i, LTS_OK);
			answer_write(i, LTS_OK);
		}
		book_publish(world.book, world.now_ms);
	}
}

static void
expect_calm(void)
{
	unsigned load[WORKERS] = { 0 };
	ck_assert_uint_eq(lease_book_count(world.book), SHARDS);
	for (size_t i = 0; i < SHARDS; i++) {
		struct book_shard at;
		lease_book_get(world.book, i, &at);
		ck_assert_str_eq(at.state, "held");
		load[at.holder]++;
		ck_assert_str_eq(at.published.text, world.records[index_of(&at.shard)].cursor.text);
		ck_assert_str_eq(at.published.text, world.at_service[index_of(&at.shard)].text);
	}
	for (int w = 0; w < WORKERS; w++)
		ck_assert_uint_eq(load[w], SHARDS / WORKERS);
	ck_assert(lease_book_all_published(world.book, world.now_ms));
}

START_TEST(no_event_breaks_a_rule_and_calm_ends_in_balance)
{
	struct book_config config = { .workers = WORKERS, .boot_count = 1, .timeout_ms = TIMEOUT_MS };
	memset(&world, 0, sizeof(world));
	world.random = (uint64_t)_i * 7919 + 1;
	world.now_ms = 1000;
	world.book = lease_book_create(&config, &ops, NULL);
	lease_book_set_times(world.book, "begin", 0, 0);
	for (int i = 0; i < SHARDS; i++)
		world.owner[i] = world.wanted_by[i] = i % WORKERS;
	for (int step = 0; step < STEPS; step++)
		random_event();
	/* That the walk went everywhere. */
	ck_assert_uint_gt(world.assigns, 100);
	ck_assert_uint_gt(world.publishes, 100);
	ck_assert_uint_gt(world.revokes, 50);
	ck_assert_uint_gt(world.ends, 20);
	calm_down();
	expect_calm();
	for (int w = 0; w < WORKERS; w++)
		free(world.beats[w].listed);
	lease_book_destroy(&world.book);
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
