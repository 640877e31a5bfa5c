/*
 * test_store_processes.c - holds state/store.c to what it says about several processes: a
 * killed writer blocks nobody, a reader sees one moment, slots of the dead are freed.
 *
 * The environment is never open here across a fork.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/store.h"
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

static struct store_key
key_of(const char *text)
{
	return (struct store_key){ text, strlen(text) };
}

static struct schema_value
value_of(const char *text)
{
	struct schema_value value = { .len = strlen(text) };
	memcpy(value.data, text, value.len);
	return value;
}

static void
put_committed(struct store *store, const char *key, const char *text)
{
	struct store_txn txn = { 0 };
	struct schema_value value = value_of(text);
	ck_assert_int_eq(store_write_begin(store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, STORE_LEASES, key_of(key), &value), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	store_abort(&txn); /* no-op once committed */
}

/* The value of a key in a read of its own; "" when there is none. The caller frees. */
static char *
value_read(struct store *store, const char *key)
{
	struct store_txn txn = { 0 };
	const void *data = "";
	size_t len = 0;
	ck_assert_int_eq(store_read_begin(store, &txn), LTS_OK);
	enum lts_err err = store_get(&txn, STORE_LEASES, key_of(key), &data, &len);
	ck_assert(err == LTS_OK || err == LTS_NOTFOUND);
	char *text = xstrndup(data, len);
	store_abort(&txn);
	return text;
}

static void
expect_value(struct store *store, const char *key, const char *wanted)
{
	char *text = value_read(store, key);
	ck_assert_str_eq(text, wanted);
	free(text);
}

/* A child with the environment open, made while nobody here has it open. It says so,
 * waits for a byte, puts "new" under "0" if `writes`, and exits. Give the byte with
 * go_on. */
static pid_t
start_other(bool writes, int *to_child_out)
{
	int ready[2], go[2];
	char byte;
	ck_assert_ptr_null(env.store);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct store *store;
		close(go[1]);
		if (store_open(env.dir, STORE_CREATE, &store) || write(ready[1], "x", 1) != 1 ||
		    read(go[0], &byte, 1) != 1)
			_exit(1);
		if (writes)
			put_committed(store, "0", "new");
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*to_child_out = go[1];
	return pid;
}

static void
go_on(pid_t pid, int to_child)
{
	int status;
	ck_assert_int_eq(write(to_child, "x", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(to_child);
}

START_TEST(read_sees_one_moment)
{
	struct store_txn txn = { 0 };
	const void *data;
	size_t len;
	int to_child;
	put_committed(env.store, "0", "old");
	store_close(&env.store);
	pid_t pid = start_other(true, &to_child);
	ck_assert_int_eq(store_open(env.dir, STORE_READ, &env.store), LTS_OK);
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	go_on(pid, to_child);
	ck_assert_int_eq(store_get(&txn, STORE_LEASES, key_of("0"), &data, &len), LTS_OK);
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(data, "old", 3);
	store_abort(&txn);
	expect_value(env.store, "0", "old"); /* that of its opening */
	store_close(&env.store);
	ck_assert_int_eq(store_open(env.dir, STORE_READ, &env.store), LTS_OK);
	expect_value(env.store, "0", "new");
}
END_TEST

/* A child that sits inside a write transaction, with a value put and not committed. */
static pid_t
start_writer_that_stays_inside(void)
{
	int ready[2];
	char byte;
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct store *store;
		struct store_txn txn = { 0 };
		struct schema_value value = value_of("half");
		if (store_open(env.dir, STORE_WRITE, &store) || store_write_begin(store, &txn) ||
		    store_put(&txn, STORE_LEASES, key_of("0"), &value) ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

START_TEST(writer_killed_inside_a_transaction_blocks_nobody)
{
	int status;
	put_committed(env.store, "0", "old");
	store_close(&env.store); /* never open across a fork */
	pid_t pid = start_writer_that_stays_inside();
	ck_assert_int_eq(store_open(env.dir, STORE_READ, &env.store), LTS_OK);
	expect_value(env.store, "0", "old"); /* looking waits for no writer */
	store_close(&env.store);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	int64_t before_ms = clock_mono_ms();
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	put_committed(env.store, "1", "next");
	ck_assert_int_lt(clock_mono_ms() - before_ms, 1000);
	expect_value(env.store, "0", "old");
	expect_value(env.store, "1", "next");
}
END_TEST

START_TEST(slots_of_dead_readers_are_freed_on_request)
{
	struct store_usage usage;
	int to_child;
	store_close(&env.store);
	pid_t keeper = start_other(false, &to_child); /* else the table would begin anew */
	for (int i = 0; i < 5; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			struct store *store;
			struct store_txn txn;
			_exit(store_open(env.dir, STORE_WRITE, &store) ||
			      store_read_begin(store, &txn));
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(store_open(env.dir, STORE_CREATE, &env.store), LTS_OK);
	store_usage(env.store, &usage);
	ck_assert_uint_eq(usage.readers, 5);
	store_check_readers(env.store);
	expect_value(env.store, "0", ""); /* takes one of the five */
	store_usage(env.store, &usage);
	ck_assert_uint_eq(usage.readers, 5);
	go_on(keeper, to_child);
}
END_TEST

enum { MANY_READERS = 200 };

/* Each dies inside its read. */
static void
leave_dead_readers(void)
{
	for (int i = 0; i < MANY_READERS; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			struct store *store;
			struct store_txn txn;
			_exit(store_open(env.dir, STORE_WRITE, &store) ||
			      store_read_begin(store, &txn));
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
}

static enum lts_err
put_page(const char *key)
{
	struct store_txn txn = { 0 };
	struct schema_value value = { .len = SCHEMA_VALUE_MAX };
	enum lts_err err = store_write_begin(env.store, &txn);
	if (!err)
		err = store_put(&txn, STORE_LEASES, key_of(key), &value);
	if (!err)
		err = store_commit(&txn);
	store_abort(&txn);
	return err;
}

/* The pages that a dead reader saw are not used again, until the map is full. */
START_TEST(hundreds_of_dead_readers_cost_space_only_until_they_are_checked)
{
	struct store_usage usage;
	enum lts_err err = LTS_OK;
	int to_child;
	put_committed(env.store, "0", "old");
	store_close(&env.store);
	pid_t keeper = start_other(false, &to_child);
	leave_dead_readers();
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	store_usage(env.store, &usage);
	ck_assert_uint_ge(usage.readers, MANY_READERS);
	for (int i = 0; i < 20000 && !err; i++)
		err = put_page("0");
	ck_assert_int_eq(err, LTS_NOSPACE);
	ck_assert_int_eq(put_page("0"), LTS_NOSPACE);
	store_check_readers(env.store);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(put_page("0"), LTS_OK);
	go_on(keeper, to_child);
}
END_TEST

Suite *
suite_store_processes(void)
{
	Suite *suite = suite_create("store_processes");
	TCase *tc = tcase_create("store_processes");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120); /* twenty thousand syncs */
	tcase_add_test(tc, read_sees_one_moment);
	tcase_add_test(tc, writer_killed_inside_a_transaction_blocks_nobody);
	tcase_add_test(tc, slots_of_dead_readers_are_freed_on_request);
	tcase_add_test(tc, hundreds_of_dead_readers_cost_space_only_until_they_are_checked);
	suite_add_tcase(suite, tc);
	return suite;
}
