/*
 * test_worker_record.c - holds state/worker_record.c to what its header says.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/worker_record.h"
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

static void
put(const struct worker_record *record)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(worker_record_put(&txn, record), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
}

static enum lts_err
get(uint32_t slot, struct worker_record *out)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	enum lts_err err = worker_record_read(&txn, slot, out);
	store_abort(&txn);
	return err;
}

START_TEST(record_comes_back_under_its_slot)
{
	struct worker_record in = { .slot = 3, .name = { "h-i-3" }, .pid = 7, .commits = 9 }, out;
	put(&in);
	ck_assert_int_eq(get(3, &out), LTS_OK);
	ck_assert_uint_eq(out.slot, 3);
	ck_assert_str_eq(out.name.text, "h-i-3");
	ck_assert_uint_eq(out.pid, 7);
	ck_assert_uint_eq(out.commits, 9);
	ck_assert_int_eq(get(2, &out), LTS_NOTFOUND);
	ck_assert_int_eq(get(0, &out), LTS_NOTFOUND);
}
END_TEST

START_TEST(next_process_in_a_slot_replaces_the_record)
{
	struct worker_record record = { .slot = 3, .pid = 7 }, out;
	uint64_t count;
	struct store_txn txn = { 0 };
	put(&record);
	record.pid = 8;
	put(&record);
	ck_assert_int_eq(get(3, &out), LTS_OK);
	ck_assert_uint_eq(out.pid, 8);
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_count(&txn, STORE_WORKERS, &count), LTS_OK);
	ck_assert_uint_eq(count, 1);
	store_abort(&txn);
}
END_TEST

static enum lts_err
on_worker(void *arg, struct store_key key, const void *data, size_t len)
{
	uint32_t *next = arg;
	struct worker_record record;
	ck_assert_int_eq(worker_decode(data, len, &record), LTS_OK);
	ck_assert_uint_eq(record.slot, *next);
	++*next;
	return LTS_OK;
}

START_TEST(slots_are_in_the_order_of_their_numbers)
{
	struct store_txn txn = { 0 };
	uint32_t next = 0;
	for (uint32_t slot = 300; slot-- > 0;)
		put(&(struct worker_record){ .slot = slot });
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_each(&txn, STORE_WORKERS, on_worker, &next), LTS_OK);
	ck_assert_uint_eq(next, 300);
	store_abort(&txn);
}
END_TEST

START_TEST(record_of_another_slot_is_bad_data)
{
	static const uint8_t key[4] = { 0, 0, 0, 5 };
	struct worker_record record = { .slot = 6 };
	struct schema_value value;
	struct store_txn txn = { 0 };
	worker_encode(&record, &value);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, STORE_WORKERS, (struct store_key){ key, 4 }, &value),
			 LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	record.pid = 99;
	ck_assert_int_eq(get(5, &record), LTS_BADDATA);
	ck_assert_uint_eq(record.pid, 99); /* untouched */
}
END_TEST

START_TEST(start_time_names_a_process)
{
	uint64_t mine = worker_pid_start((uint32_t)getpid());
	ck_assert_uint_gt(mine, 0);
	ck_assert_uint_eq(worker_pid_start((uint32_t)getpid()), mine);
	ck_assert_uint_le(worker_pid_start(1), mine);
	ck_assert_uint_eq(worker_pid_start(0), 0);
	ck_assert_uint_eq(worker_pid_start(UINT32_MAX), 0);
}
END_TEST

START_TEST(reaped_process_has_no_start_time)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	ck_assert_uint_ge(worker_pid_start((uint32_t)pid), worker_pid_start((uint32_t)getpid()));
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_uint_eq(worker_pid_start((uint32_t)pid), 0);
}
END_TEST

START_TEST(process_named_to_confuse_has_its_own_start_time)
{
	uint64_t before = worker_pid_start((uint32_t)getpid());
	ck_assert_int_eq(prctl(PR_SET_NAME, ") R 1 2) 3 4 5"), 0);
	ck_assert_uint_eq(worker_pid_start((uint32_t)getpid()), before);
}
END_TEST

Suite *
suite_worker_record(void)
{
	Suite *suite = suite_create("worker_record");
	TCase *tc = tcase_create("worker_record");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, record_comes_back_under_its_slot);
	tcase_add_test(tc, next_process_in_a_slot_replaces_the_record);
	tcase_add_test(tc, slots_are_in_the_order_of_their_numbers);
	tcase_add_test(tc, record_of_another_slot_is_bad_data);
	tcase_add_test(tc, start_time_names_a_process);
	tcase_add_test(tc, reaped_process_has_no_start_time);
	tcase_add_test(tc, process_named_to_confuse_has_its_own_start_time);
	suite_add_tcase(suite, tc);
	return suite;
}
