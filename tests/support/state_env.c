/*
 * state_env.c - a state environment in a fresh directory.
 *
 * In the test runner. Owns the directory and the store. Must never be open across a fork.
 */
#include "tests/support/state_env.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "tests/support/patience.h"
#include "tests/support/tmpdir.h"

void
state_env_init(struct state_env *env)
{
	env->dir = tmpdir_make();
	ck_assert_int_eq(store_open(env->dir, STORE_CREATE, &env->store), LTS_OK);
}

void
state_env_fini(struct state_env *env)
{
	store_close(&env->store);
	tmpdir_remove(&env->dir);
}

int
state_env_silence(const char *dir)
{
	char *path = tmpdir_path(dir, "data.mdb");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	sigaction(SIGIO, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	until("nobody else has it open", fcntl(fd, F_SETLEASE, F_WRLCK) == 0);
	free(path);
	return fd;
}

struct shard_id
shard_of(const char *text)
{
	struct shard_id shard = { 0 };
	ck_assert(shard_id_set(&shard, text));
	return shard;
}

struct cursor
cursor_of(const char *text)
{
	struct cursor cursor = { 0 };
	ck_assert(!*text || cursor_set(&cursor, text));
	return cursor;
}

struct epoch
epoch_of(uint32_t boot, uint32_t sequence)
{
	return (struct epoch){ (uint64_t)boot << 32 | sequence };
}

struct identity_record
identity_of_test(void)
{
	return (struct identity_record){
		.schema = 1,
		.project_id = "project",
		.group_id = "group",
		.stream_id = "stream",
		.consumer_group = "readers",
		.host = "host",
		.machine_id = "0123456789abcdef0123456789abcdef",
		.instance = "a1b2c3",
		.created_ns = 1767322800000000000,
	};
}

enum lts_err
state_env_take(struct state_env *env, const struct lease_take *take, struct lease_taken *out)
{
	struct store_txn txn = { 0 };
	struct lease_taken taken;
	ck_assert_int_eq(store_write_begin(env->store, &txn), LTS_OK);
	enum lts_err err = lease_take(&txn, take, out ? out : &taken);
	/* Also after an error, so that a test sees what it should not have changed. */
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	return err;
}

enum lts_err
state_env_move(struct state_env *env, struct checkpoint_move *moves, size_t n)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_write_begin(env->store, &txn), LTS_OK);
	enum lts_err err = checkpoint_apply(&txn, moves, n, 7, STATE_ENV_NOW_MS, 5000);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	return err;
}

enum lts_err
state_env_lease(struct state_env *env, const char *shard, struct lease_record *out)
{
	struct store_txn txn = { 0 };
	struct shard_id id = shard_of(shard);
	ck_assert_int_eq(store_read_begin(env->store, &txn), LTS_OK);
	enum lts_err err = lease_read(&txn, &id, out);
	store_abort(&txn);
	return err;
}

enum lts_err
state_env_checkpoint(struct state_env *env, const char *shard, struct checkpoint_record *out)
{
	struct store_txn txn = { 0 };
	struct shard_id id = shard_of(shard);
	ck_assert_int_eq(store_read_begin(env->store, &txn), LTS_OK);
	enum lts_err err = checkpoint_read(&txn, &id, out);
	store_abort(&txn);
	return err;
}

struct events {
	struct event_record *list;
	size_t n, room;
};

static enum lts_err
on_event(void *arg, struct store_key key, const void *data, size_t len)
{
	struct events *events = arg;
	if (events->n == events->room) {
		events->room = events->room ? 2 * events->room : 64;
		events->list = xreallocarray(events->list, events->room, sizeof(*events->list));
	}
	return event_decode(data, len, &events->list[events->n++]);
}

struct event_record *
state_env_events(struct state_env *env, size_t *n_out)
{
	struct store_txn txn = { 0 };
	struct events events = { 0 };
	ck_assert_int_eq(store_read_begin(env->store, &txn), LTS_OK);
	ck_assert_int_eq(store_each(&txn, STORE_EVENTS, on_event, &events), LTS_OK);
	store_abort(&txn);
	*n_out = events.n;
	return events.list;
}

struct lease_take
take_of(const char *shard, struct epoch epoch)
{
	return (struct lease_take){
		.shard = shard_of(shard),
		.epoch = epoch,
		.slot = 3,
		.home = 4,
		.pid = 555,
		.start = cursor_of("100"),
		.now_ns = 1000,
	};
}

struct checkpoint_move
move_of(const char *shard, struct epoch epoch, const char *from, const char *to)
{
	return (struct checkpoint_move){
		.shard = shard_of(shard),
		.epoch = epoch,
		.deadline_ms = STATE_ENV_DEADLINE_MS,
		.from = cursor_of(from),
		.to = cursor_of(to),
		.position = { 2, 4096 },
		.records = 10,
		.bytes = 1000,
		.result = LTS_SYS, /* so that a test sees that it was set */
	};
}

void
state_env_hold(struct state_env *env, uint32_t n)
{
	struct identity_record mine = identity_of_test(), identity;
	struct buf why;
	buf_init(&why, 0);
	ck_assert_int_eq(identity_claim(env->store, &mine, false, &identity, &why), LTS_OK);
	for (uint32_t i = 0; i < n; i++) {
		char shard[12];
		snprintf(shard, sizeof(shard), "%u", i);
		struct lease_take take = take_of(shard, epoch_of(1, i + 1));
		ck_assert_int_eq(state_env_take(env, &take, NULL), LTS_OK);
	}
}

void
state_env_put_checkpoint(struct state_env *env, const struct checkpoint_record *record)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_write_begin(env->store, &txn), LTS_OK);
	ck_assert_int_eq(checkpoint_put(&txn, record), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
}

struct checkpoint_record
left_behind_of_test(void)
{
	return (struct checkpoint_record){
		.shard = shard_of("0"),
		.epoch = epoch_of(1, 1),
		.cursor = cursor_of("500"),
		.service = cursor_of("400"),
		.position = { 3, 4096 },
		.records = 10,
		.bytes = 1000,
		.committed_ns = 77,
	};
}
