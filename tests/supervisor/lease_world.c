/*
 * lease_world.c - what a lease book does to its world, held against a model.
 *
 * In the test runner. Owns nothing. A rule that is broken (rules 4, 5, 6 and 9 of the
 * architecture) fails the test where it is broken.
 */
#include "tests/supervisor/lease_world.h"

#include <check.h>
#include <string.h>

int
lease_world_index(const struct shard_id *shard)
{
	ck_assert(shard->text[0] >= 'A' && shard->text[0] < 'A' + SHARDS);
	return shard->text[0] - 'A';
}

struct shard_id
lease_world_shard(int i)
{
	struct shard_id shard = { { (char)('A' + i) } };
	return shard;
}

static void
op_assign(void *arg, uint32_t worker, const struct message_assign *m)
{
	struct lease_world *world = arg;
	int i = lease_world_index(&m->shard);
	struct grant *grant = &world->grants[i];
	ck_assert(world->live[worker]);
	ck_assert_msg(m->epoch.value > world->last_epoch, "epoch does not rise");
	for (int w = 0; w < WORKERS; w++)
		ck_assert_msg(!world->holders[w][i].active, "%s has two holders", m->shard.text);
	ck_assert(grant->now && m->deadline_ms == grant->deadline_ms);
	ck_assert_int_eq((int)m->home, grant->home);
	world->last_epoch = grant->epoch = m->epoch.value;
	grant->assigned = true;
	world->holders[worker][i] = (struct holder){ .active = true, .epoch = m->epoch.value };
	world->assigns++;
}

static void
op_revoke(void *arg, uint32_t worker, const struct shard_id *shard, struct epoch epoch)
{
	struct lease_world *world = arg;
	struct holder *holder = &world->holders[worker][lease_world_index(shard)];
	ck_assert(holder->active && holder->epoch == epoch.value);
	ck_assert_msg(!holder->revoked, "revoked twice");
	holder->revoked = true;
	world->revokes++;
}

static void
op_renew(void *arg, uint32_t worker, const struct epoch *epochs, uint32_t n, int64_t deadline_ms)
{
	struct lease_world *world = arg;
	for (uint32_t k = 0; k < n; k++) {
		bool found = false;
		for (int i = 0; i < SHARDS; i++) {
			const struct grant *grant = &world->grants[i];
			if (world->holders[worker][i].epoch != epochs[k].value)
				continue;
			found = true;
			ck_assert_msg(grant->now && grant->assigned &&
					      grant->epoch == epochs[k].value,
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
	struct lease_world *world = arg;
	ck_assert(world->holders[worker][lease_world_index(shard)].epoch == epoch.value);
}

static void
op_ask_service(void *arg, const struct shard_id *shard, uint64_t question)
{
	struct lease_world *world = arg;
	world->asked[lease_world_index(shard)] = question;
}

static bool
is_unheld(const struct lease_world *world, int i)
{
	for (int w = 0; w < WORKERS; w++)
		if (world->holders[w][i].active)
			return false;
	return true;
}

static void
op_publish(void *arg, uint32_t home, const struct shard_id *shards, const struct cursor *cursors,
	   size_t n)
{
	struct lease_world *world = arg;
	for (size_t k = 0; k < n; k++) {
		int i = lease_world_index(&shards[k]);
		const struct grant *grant = &world->grants[i];
		ck_assert_msg(!world->writing[i], "two writes in flight");
		ck_assert_msg(!world->doubtful[i], "written before a lost answer was read back");
		ck_assert_msg(grant->now && grant->deadline_ms > world->now_ms,
			      "published past the deadline");
		ck_assert_msg(
			(grant->assigned && world->records[i].epoch.value == grant->epoch) ||
				(world->read_ours[i] && is_unheld(world, i)),
			"published another grant's cursor");
		ck_assert_str_eq(cursors[k].text, world->records[i].cursor.text);
		ck_assert_int_eq((int)home, grant->home);
		world->writing[i] = true;
		world->written[i] = cursors[k];
		world->publishes++;
	}
}

static enum lts_err
op_committed(void *arg, const struct shard_id *shard, struct checkpoint_record *out)
{
	struct lease_world *world = arg;
	const struct checkpoint_record *record = &world->records[lease_world_index(shard)];
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
	struct lease_world *world = arg;
	struct grant *grant = &world->grants[lease_world_index(shard)];
	if (strcmp(what, "granted") == 0) {
		grant->assigned = false;
		world->doubtful[lease_world_index(shard)] = false;
		world->read_ours[lease_world_index(shard)] = false;
	} else {
		grant->now = false;
		world->ends++;
	}
}

const struct book_ops lease_world_ops = {
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
