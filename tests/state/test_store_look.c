/*
 * test_store_look.c - holds state/store_look.c to what it says: a look is of one commit, and no
 * reader of LMDB's.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state/snapshot.h"
#include "state/store_look.h"
#include "tests/suites.h"
#include "tests/support/other_reader.h"
#include "tests/support/state_env.h"
#include "tests/support/sys_spy.h"
#include "tests/support/tmpdir.h"

enum { KEYS = 200, READERS = 1024 };

static struct state_env env;

static void
setup(void)
{
	state_env_init(&env);
}

static void
teardown(void)
{
	sys_spy_set(NULL);
	state_env_fini(&env);
}

/* Every key gets the same value, in one transaction. */
static void
put_all(unsigned number)
{
	struct store_txn txn = { 0 };
	struct schema_value value = { .len = SCHEMA_VALUE_MAX };
	char key[16];
	memset(value.data, (int)number, sizeof(value.data));
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	for (int i = 0; i < KEYS; i++) {
		int len = snprintf(key, sizeof(key), "%d", i);
		ck_assert_int_eq(store_put(&txn, STORE_LEASES,
					   (struct store_key){ key, (size_t)len }, &value),
				 LTS_OK);
	}
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
}

struct seen {
	size_t n;
	uint8_t number;
	bool mixed;
};

static enum lts_err
on_value(void *arg, struct store_key key, const void *data, size_t len)
{
	struct seen *seen = arg;
	const uint8_t *bytes = data;
	if (!seen->n++)
		seen->number = bytes[0];
	for (size_t i = 0; i < len; i++)
		seen->mixed |= bytes[i] != seen->number;
	return LTS_OK;
}

static struct seen
look(void)
{
	struct store *copy;
	struct store_txn txn = { 0 };
	struct seen seen = { 0 };
	ck_assert_int_eq(store_open(env.dir, STORE_READ, &copy), LTS_OK);
	ck_assert_int_eq(store_read_begin(copy, &txn), LTS_OK);
	ck_assert_int_eq(store_each(&txn, STORE_LEASES, on_value, &seen), LTS_OK);
	store_abort(&txn);
	store_close(&copy);
	return seen;
}

static int commits, copies;

/* Commits come between the first pages' copy and that of the rest. */
static int
commit_meanwhile(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	if (call != SPY_WRITE || !strstr(path, "memfd:state"))
		return 0;
	for (copies++; commits; commits--)
		put_all(0x40 + (unsigned)commits);
	return 0;
}

START_TEST(copy_is_of_one_commit_whatever_comes_meanwhile)
{
	static const struct sys_spy spy = { .before = commit_meanwhile };
	for (unsigned i = 0; i < 8; i++) /* so that there are pages to be used again */
		put_all(1 + i);
	commits = _i;
	copies = 0;
	sys_spy_set(&spy);
	struct seen seen = look();
	ck_assert_uint_eq(seen.n, KEYS);
	ck_assert(!seen.mixed);
	/* One commit does no harm; from two on the copy is made anew. */
	ck_assert_int_eq(copies, _i > 1 ? 2 : 1);
	ck_assert_uint_eq(seen.number, _i > 1 ? 0x41 : 8);
}
END_TEST

START_TEST(look_is_no_reader_and_needs_no_slot)
{
	struct snapshot s;
	put_all(7);
	store_close(&env.store);
	pid_t pid = other_reader_start(env.dir, READERS);
	ck_assert_uint_eq(look().number, 7);
	ck_assert_int_eq(snapshot_read(env.dir, &s), LTS_OK);
	ck_assert_uint_eq(s.usage.readers, READERS);
	ck_assert_uint_eq(s.usage.oldest_pid, (uint32_t)pid);
	snapshot_fini(&s);
	other_reader_end(pid);
}
END_TEST

/* In another pid namespace it may have our number, for which LMDB's lock has one byte. */
START_TEST(reader_with_our_own_pid_is_not_in_the_way)
{
	struct flock ours = { .l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = getpid(),
			      .l_len = 1 };
	char byte, *path = tmpdir_path(env.dir, "lock.mdb");
	int ready[2];
	put_all(7);
	store_close(&env.store);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);
		_exit(fcntl(fd, F_SETLK, &ours) < 0 || write(ready[1], "x", 1) != 1 || pause());
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_uint_eq(look().number, 7);
	other_reader_end(pid);
	close(ready[0]);
	close(ready[1]);
	free(path);
}
END_TEST

/* Neither a worker's start nor its commits need a slot; a reader of its own has them cleared. */
START_TEST(slots_of_the_dead_are_in_nobodys_way)
{
	store_close(&env.store);
	pid_t keeper = other_reader_start(env.dir, 0); /* else the table would begin anew */
	other_reader_end(other_reader_start(env.dir, READERS));
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	put_all(7);
	ck_assert_uint_eq(look().number, 7);
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	store_abort(&txn);
	other_reader_end(keeper);
}
END_TEST

Suite *
suite_store_look(void)
{
	Suite *suite = suite_create("store_look");
	TCase *tc = tcase_create("store_look");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, copy_is_of_one_commit_whatever_comes_meanwhile, 0, 6);
	tcase_add_test(tc, look_is_no_reader_and_needs_no_slot);
	tcase_add_test(tc, reader_with_our_own_pid_is_not_in_the_way);
	tcase_add_test(tc, slots_of_the_dead_are_in_nobodys_way);
	suite_add_tcase(suite, tc);
	return suite;
}
