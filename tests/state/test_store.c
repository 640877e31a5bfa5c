/*
 * test_store.c - holds state/store.c to what its header says, on real files. With other
 * processes: test_store_processes.c.
 *
 * Includes <lmdb.h> to make an environment that is not ours.
 */
#include <check.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "state/store.h"
#include "tests/support/state_env.h"
#include "tests/support/tmpdir.h"
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

static enum lts_err
try_open(const char *dir, enum store_mode mode)
{
	struct store *store = NULL;
	enum lts_err err = store_open(dir, mode, &store);
	ck_assert_int_eq(store != NULL, err == LTS_OK);
	store_close(&store);
	ck_assert_ptr_null(store);
	return err;
}

START_TEST(committed_value_survives_closing)
{
	put_committed(env.store, "0", "first");
	put_committed(env.store, "0", "second");
	store_close(&env.store);
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	expect_value(env.store, "0", "second");
	store_close(&env.store);
	ck_assert_int_eq(store_open(env.dir, STORE_CREATE, &env.store),
			 LTS_OK); /* keeps what is there */
	expect_value(env.store, "0", "second");
}
END_TEST

START_TEST(aborted_write_changes_nothing)
{
	struct store_txn txn = { 0 };
	struct schema_value value = value_of("new");
	put_committed(env.store, "0", "old");
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, STORE_LEASES, key_of("0"), &value), LTS_OK);
	store_abort(&txn);
	store_abort(&txn);
	expect_value(env.store, "0", "old");
}
END_TEST

START_TEST(tables_are_apart)
{
	struct store_txn txn = { 0 };
	const void *data;
	size_t len;
	put_committed(env.store, "0", "lease");
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	for (int t = 0; t < STORE_TABLES; t++)
		ck_assert_int_eq(store_get(&txn, (enum store_table)t, key_of("0"), &data, &len),
				 t == STORE_LEASES ? LTS_OK : LTS_NOTFOUND);
	store_abort(&txn);
}
END_TEST

START_TEST(files_are_for_their_owner_only)
{
	static const char *const names[] = { "data.mdb", "lock.mdb" };
	for (int i = 0; i < 2; i++) {
		struct stat st;
		char *path = tmpdir_path(env.dir, names[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_eq(st.st_mode & 077, 0);
		free(path);
	}
}
END_TEST

START_TEST(missing_environment_is_not_found_and_not_made)
{
	char *missing = tmpdir_path(env.dir, "missing");
	static const enum store_mode modes[] = { STORE_READ, STORE_WRITE };
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(try_open(missing, modes[i]), LTS_NOTFOUND);
		ck_assert_int_eq(mkdir(missing, 0700), 0);
		ck_assert_int_eq(try_open(missing, modes[i]), LTS_NOTFOUND);
		ck_assert_int_eq(rmdir(missing), 0); /* so nothing was made in it */
	}
	ck_assert_int_eq(try_open(missing, STORE_CREATE), LTS_NOTFOUND);
	free(missing);
}
END_TEST

START_TEST(garbage_is_bad_data)
{
	static const char garbage[20000] = "this is not an LMDB environment at all";
	static const size_t lengths[] = { 0, 1, 100, 4096, 8192, sizeof(garbage) };
	char *dir = tmpdir_make();
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		tmpdir_write(dir, "data.mdb", garbage, lengths[i]);
		ck_assert_int_eq(try_open(dir, STORE_READ), LTS_BADDATA);
		ck_assert_int_eq(try_open(dir, STORE_WRITE), LTS_BADDATA);
		size_t len;
		char *after = tmpdir_read(dir, "data.mdb", &len);
		ck_assert_uint_eq(len, lengths[i]); /* and is left as it was */
		ck_assert_mem_eq(after, garbage, len);
		free(after);
	}
	tmpdir_remove(&dir);
}
END_TEST

START_TEST(somebody_elses_lmdb_is_bad_data)
{
	MDB_env *other;
	char *dir = tmpdir_make();
	ck_assert_int_eq(mdb_env_create(&other), 0);
	ck_assert_int_eq(mdb_env_open(other, dir, 0, 0600), 0);
	mdb_env_close(other);
	ck_assert_int_eq(try_open(dir, STORE_READ), LTS_BADDATA);
	ck_assert_int_eq(try_open(dir, STORE_WRITE), LTS_BADDATA);
	tmpdir_remove(&dir);
}
END_TEST

START_TEST(file_cut_within_its_head_is_bad_data)
{
	size_t len;
	char *data = tmpdir_read(env.dir, "data.mdb", &len);
	char *dir = tmpdir_make();
	for (size_t cut = 1; cut < 152; cut += 50) {
		tmpdir_write(dir, "data.mdb", data, cut);
		ck_assert_int_eq(try_open(dir, STORE_READ), LTS_BADDATA);
		ck_assert_int_eq(try_open(dir, STORE_WRITE), LTS_BADDATA);
	}
	tmpdir_remove(&dir);
	free(data);
}
END_TEST

START_TEST(reading_makes_no_lock_file)
{
	char *lock = tmpdir_path(env.dir, "lock.mdb");
	struct store *copy;
	put_committed(env.store, "0", "kept");
	store_close(&env.store);
	ck_assert_int_eq(unlink(lock), 0);
	ck_assert_int_eq(store_open(env.dir, STORE_READ, &copy), LTS_OK);
	expect_value(copy, "0", "kept");
	expect_value(copy, "0", "kept");
	store_close(&copy);
	ck_assert_int_lt(access(lock, F_OK), 0);
	free(lock);
}
END_TEST

/* Puts an equal file into another's place. */
static void
replace(const char *dir, const char *name)
{
	size_t len;
	char *data = tmpdir_read(dir, name, &len), *from = tmpdir_path(dir, "copy");
	char *to = tmpdir_path(dir, name);
	tmpdir_write(dir, "copy", data, len);
	ck_assert_int_eq(rename(from, to), 0);
	free(from);
	free(to);
	free(data);
}

START_TEST(write_into_a_replaced_file_is_refused)
{
	static const char *const names[] = { "data.mdb", "lock.mdb" };
	struct store_txn txn = { 0 };
	put_committed(env.store, "0", "before");
	replace(env.dir, names[_i]);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_BADDATA);
	ck_assert_ptr_null(txn.txn);
}
END_TEST

START_TEST(write_beside_a_removed_file_is_refused)
{
	static const char *const names[] = { "data.mdb", "lock.mdb" };
	struct store_txn txn = { 0 };
	char *path = tmpdir_path(env.dir, names[_i]);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_BADDATA);
	free(path);
}
END_TEST

START_TEST(one_reader_slot_serves_a_thousand_reads)
{
	struct store_usage usage;
	put_committed(env.store, "0", "x");
	for (int i = 0; i < 1000; i++) {
		expect_value(env.store, "0", "x");
		store_usage(env.store, &usage);
		ck_assert_uint_eq(usage.readers, 1);
	}
	ck_assert_uint_eq(usage.readers_max, 1024);
}
END_TEST

START_TEST(kept_reader_sees_each_new_commit)
{
	char text[16];
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		put_committed(env.store, "0", text);
		expect_value(env.store, "0", text);
	}
}
END_TEST

START_TEST(full_map_is_no_space_and_leaves_the_old_values)
{
	struct store_txn txn = { 0 };
	struct schema_value value = { .len = SCHEMA_VALUE_MAX };
	char key[16];
	enum lts_err err = LTS_OK;
	put_committed(env.store, "0", "old");
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	for (int i = 0; i < 200000 && !err; i++) {
		snprintf(key, sizeof(key), "%d", i);
		err = store_put(&txn, STORE_LEASES, key_of(key), &value);
	}
	ck_assert_int_eq(err, LTS_NOSPACE);
	store_abort(&txn);
	expect_value(env.store, "0", "old");
	expect_value(env.store, "1", "");
	put_committed(env.store, "0", "new"); /* and goes on */
	expect_value(env.store, "0", "new");
}
END_TEST

struct seen {
	char keys[64];
	int left; /* visits until it has enough */
};

static enum lts_err
on_visit(void *arg, struct store_key key, const void *data, size_t len)
{
	struct seen *seen = arg;
	strncat(seen->keys, key.data, key.len);
	return --seen->left == 0 ? LTS_TOOBIG : LTS_OK;
}

START_TEST(each_visits_in_key_order_until_told_to_stop)
{
	struct store_txn txn = { 0 };
	struct seen all = { .left = 100 }, two = { .left = 2 }, none = { .left = 100 };
	uint64_t count;
	put_committed(env.store, "c", "3");
	put_committed(env.store, "a", "1");
	put_committed(env.store, "b", "2");
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_each(&txn, STORE_LEASES, on_visit, &all), LTS_OK);
	ck_assert_str_eq(all.keys, "abc");
	ck_assert_int_eq(store_each(&txn, STORE_LEASES, on_visit, &two), LTS_TOOBIG);
	ck_assert_str_eq(two.keys, "ab");
	ck_assert_int_eq(store_each(&txn, STORE_EVENTS, on_visit, &none), LTS_OK);
	ck_assert_str_eq(none.keys, "");
	ck_assert_int_eq(store_count(&txn, STORE_LEASES, &count), LTS_OK);
	ck_assert_uint_eq(count, 3);
	store_abort(&txn);
}
END_TEST

START_TEST(edges_are_the_first_and_the_last_key)
{
	struct store_txn txn = { 0 };
	struct store_key key;
	put_committed(env.store, "b", "2");
	put_committed(env.store, "a", "1");
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_edge(&txn, STORE_LEASES, false, &key), LTS_OK);
	ck_assert_mem_eq(key.data, "a", 1);
	ck_assert_int_eq(store_edge(&txn, STORE_LEASES, true, &key), LTS_OK);
	ck_assert_mem_eq(key.data, "b", 1);
	ck_assert_int_eq(store_delete(&txn, STORE_LEASES, key_of("b")), LTS_OK);
	ck_assert_int_eq(store_delete(&txn, STORE_LEASES, key_of("b")), LTS_NOTFOUND);
	ck_assert_int_eq(store_delete(&txn, STORE_LEASES, key_of("a")), LTS_OK);
	ck_assert_int_eq(store_edge(&txn, STORE_LEASES, true, &key), LTS_NOTFOUND);
	store_abort(&txn);
}
END_TEST

START_TEST(closing_nothing_is_nothing)
{
	struct store *none = NULL;
	store_close(&none);
}
END_TEST

Suite *
suite_store(void)
{
	Suite *suite = suite_create("store");
	TCase *tc = tcase_create("store");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, committed_value_survives_closing);
	tcase_add_test(tc, aborted_write_changes_nothing);
	tcase_add_test(tc, tables_are_apart);
	tcase_add_test(tc, files_are_for_their_owner_only);
	tcase_add_test(tc, missing_environment_is_not_found_and_not_made);
	tcase_add_test(tc, garbage_is_bad_data);
	tcase_add_test(tc, somebody_elses_lmdb_is_bad_data);
	tcase_add_test(tc, file_cut_within_its_head_is_bad_data);
	tcase_add_test(tc, reading_makes_no_lock_file);
	tcase_add_loop_test(tc, write_into_a_replaced_file_is_refused, 0, 2);
	tcase_add_loop_test(tc, write_beside_a_removed_file_is_refused, 0, 2);
	tcase_add_test(tc, one_reader_slot_serves_a_thousand_reads);
	tcase_add_test(tc, kept_reader_sees_each_new_commit);
	tcase_add_test(tc, full_map_is_no_space_and_leaves_the_old_values);
	tcase_add_test(tc, each_visits_in_key_order_until_told_to_stop);
	tcase_add_test(tc, edges_are_the_first_and_the_last_key);
	tcase_add_test(tc, closing_nothing_is_nothing);
	suite_add_tcase(suite, tc);
	return suite;
}
