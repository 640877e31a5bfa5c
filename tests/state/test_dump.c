/*
 * test_dump.c - holds what lts-state shows to its headers: proc, snapshot, verify, dump.
 * Texts and tables: test_human.c.
 */
#include <cjson/cJSON.h>
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/this_host.h"
#include "state/dump.h"
#include "state/events.h"
#include "state/proc.h"
#include "state/worker_record.h"
#include "tests/support/state_env.h"
#include "tests/support/tmpdir.h"
#include "tests/suites.h"

static struct state_env env;

/* Identity, and shards 10, 9 and 2, of which 2 is finished. */
static void
setup(void)
{
	static const char *const shards[] = { "10", "9", "2" };
	struct identity_record mine = identity_of_test(), identity;
	struct buf why;
	buf_init(&why, 0);
	state_env_init(&env);
	ck_assert_int_eq(identity_claim(env.store, &mine, false, &identity, &why), LTS_OK);
	for (uint32_t i = 0; i < 3; i++) {
		struct lease_take take = take_of(shards[i], epoch_of(1, i + 1));
		ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	}
	struct checkpoint_move move = move_of("2", epoch_of(1, 3), "100", "9007199254740993");
	move.records = (1ull << 53) + 1; /* not a double */
	move.close = LEASE_FINISHED;
	move.end_ns = 1767322800000000000;
	ck_assert_int_eq(state_env_move(&env, &move, 1), LTS_OK);
}

static void
teardown(void)
{
	state_env_fini(&env);
}

static struct snapshot
taken(void)
{
	struct snapshot snapshot;
	store_close(&env.store); /* one environment once in a process */
	ck_assert_int_eq(snapshot_read(env.dir, &snapshot), LTS_OK);
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	return snapshot;
}

typedef void shower(const struct dump *dump, FILE *out);

/* What is shown; the caller frees. */
static char *
shown(const struct snapshot *snapshot, unsigned tables, shower *show)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct dump dump = { .snapshot = snapshot,
			     .state_dir = "DIR",
			     .tables = tables,
			     .supervisor_err = LTS_NOTFOUND };
	show(&dump, out);
	fclose(out);
	return text;
}

START_TEST(process_is_live_stopped_or_gone)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	uint64_t start = worker_pid_start((uint32_t)pid);
	ck_assert_int_eq(proc_state_of((uint32_t)pid, start), PROC_LIVE);
	ck_assert_int_eq(proc_state_of((uint32_t)pid, start + 1),
			 PROC_GONE); /* another one's pid now */
	ck_assert_int_eq(proc_state_of((uint32_t)pid, 0), PROC_UNKNOWN);
	kill(pid, SIGSTOP);
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert_int_eq(proc_state_of((uint32_t)pid, start), PROC_STOPPED);
	kill(pid, SIGKILL);
	siginfo_t info;
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(proc_state_of((uint32_t)pid, start), PROC_GONE); /* a zombie */
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(proc_state_of((uint32_t)pid, start), PROC_GONE);
	ck_assert_int_eq(proc_state_of(0, 0), PROC_GONE);
}
END_TEST

START_TEST(lock_holder_is_named_without_touching_the_lock)
{
	uint32_t pid = 99;
	char *path = tmpdir_path(env.dir, "supervisor.lock");
	ck_assert_int_eq(proc_lock_holder(path, &pid), LTS_NOTFOUND); /* and does not make it */
	ck_assert_int_lt(access(path, F_OK), 0);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(proc_lock_holder(path, &pid), LTS_NOTFOUND);
	ck_assert_int_eq(flock(fd, LOCK_SH), 0); /* not what a supervisor does */
	ck_assert_int_eq(proc_lock_holder(path, &pid), LTS_NOTFOUND);
	ck_assert_uint_eq(pid, 99);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(proc_lock_holder(path, &pid), LTS_OK);
	ck_assert_uint_eq(pid, (uint32_t)getpid());
	close(fd);
	ck_assert_int_eq(proc_lock_holder(path, &pid), LTS_NOTFOUND);
	free(path);
}
END_TEST

START_TEST(snapshot_sorts_shards_as_numbers)
{
	struct snapshot s = taken();
	ck_assert_uint_eq(s.n_leases, 3);
	ck_assert_str_eq(s.leases[0].shard.text, "2");
	ck_assert_str_eq(s.leases[1].shard.text, "9");
	ck_assert_str_eq(s.leases[2].shard.text, "10");
	ck_assert_str_eq(s.checkpoints[2].shard.text, "10");
	ck_assert_uint_eq(s.n_events, 4);
	ck_assert_uint_eq(s.n_records, 1 + 3 + 3 + 4);
	ck_assert(s.has_identity);
	ck_assert(!s.has_start);
	snapshot_fini(&s);
}
END_TEST

START_TEST(healthy_environment_has_no_findings)
{
	struct snapshot s = taken();
	snapshot_verify(&s);
	char *text = shown(&s, 0, dump_findings);
	ck_assert_str_eq(text, "verify: 11 records, 0 problems\n");
	free(text);
	snapshot_fini(&s);
}
END_TEST

static void
put(enum store_table table, const void *key, size_t len, const struct schema_value *value)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, table, (struct store_key){ key, len }, value), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
}

static void
drop(enum store_table table, const void *key, size_t len)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_delete(&txn, table, (struct store_key){ key, len }), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
}

static void
put_lease(const char *key, const char *shard, struct epoch epoch)
{
	struct schema_value value;
	struct lease_record r = { .shard = shard_of(shard), .epoch = epoch, .state = LEASE_HELD };
	lease_encode(&r, &value);
	put(STORE_LEASES, key, strlen(key), &value);
}

/* One way to spoil the environment, and the line that verify must say about it. */
static void
spoil(int way)
{
	static const uint8_t second[8] = { 0, 0, 0, 0, 0, 0, 0, 2 },
			     first[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };
	static const uint8_t slot[4] = { 0, 0, 0, 5 };
	struct schema_value value;
	struct worker_record worker = { .slot = 6 };
	worker_encode(&worker, &value);
	switch (way) {
	case 0:
		put(STORE_LEASES, "9", 1, &value);
		break;
	case 1:
		put_lease("9", "8", epoch_of(1, 2));
		break;
	case 2:
		drop(STORE_META, "identity", 8);
		break;
	case 3:
		drop(STORE_LEASES, "9", 1);
		break;
	case 4:
		drop(STORE_CHECKPOINTS, "9", 1);
		break;
	case 5:
		put_lease("9", "9", epoch_of(1, 1));
		break;
	case 6:
		put_lease("9", "9", epoch_of(2, 1));
		break;
	case 7:
		drop(STORE_EVENTS, second, 8);
		break;
	case 8:
		drop(STORE_EVENTS, first, 8);
		break;
	case 9:
		put(STORE_WORKERS, slot, 4, &value);
		break;
	default:
		put(STORE_META, "strange", 7, &value);
		break;
	}
}

static const char *const findings[] = {
	"leases: record '9' is damaged: its checksum, version or length is wrong\n",
	"leases: record '9' stands under another record's key\n",
	"meta: there is no identity\n",
	"checkpoints: 9: there is no lease of this shard\n",
	"leases: 9: there is no checkpoint of this shard\n",
	"checkpoints: 9: epoch 1.2 is after the lease's 1.1\n",
	"leases: 9: epoch 2.1 is of no start so far (1 in all)\n",
	"events: numbers between 1 and 3 are missing\n",
	"events: the first is 2 though only 3 of 10000 are there\n",
	"workers: record 5 stands under another record's key\n",
	"meta: record 'strange' is not one that this version knows\n",
};

START_TEST(verify_finds_it)
{
	spoil(_i);
	struct snapshot s = taken();
	snapshot_verify(&s);
	ck_assert_uint_ge(s.n_problems, 1);
	char *text = shown(&s, 0, dump_findings);
	ck_assert_msg(strstr(text, findings[_i]) != NULL, "way %d: %s", _i, text);
	free(text);
	snapshot_fini(&s);
}
END_TEST

START_TEST(same_epoch_twice_is_found)
{
	put_lease("9", "9", epoch_of(1, 3)); /* that of shard 2 */
	struct snapshot s = taken();
	snapshot_verify(&s);
	ck_assert_uint_eq(s.n_problems, 1);
	ck_assert_ptr_nonnull(strstr(s.problems[0], "have the same epoch 1.3"));
	snapshot_fini(&s);
}
END_TEST

START_TEST(good_records_are_shown_beside_a_damaged_one)
{
	spoil(0);
	struct snapshot s = taken();
	char *text = shown(&s, 1u << STORE_LEASES, dump_tables);
	ck_assert_uint_eq(s.n_leases, 2);
	ck_assert_uint_eq(s.n_problems, 1);
	ck_assert_ptr_nonnull(strstr(text, "\n   10  "));
	ck_assert_ptr_null(strstr(text, "\n    9  "));
	free(text);
	snapshot_fini(&s);
}
END_TEST

START_TEST(checkpoint_table_shows_all_that_people_need)
{
	struct snapshot s = taken();
	s.read_ns = 5000 + 200000000; /* 0.2 s after the move */
	char *text = shown(&s, 1u << STORE_CHECKPOINTS, dump_tables);
	ck_assert_str_eq(text, "SHARD            CURSOR           RECORDS  BYTES    SINK "
			       " EPOCH   AGE  PUBLISHED  DONE  DEAD  ATTEMPTS  NOTE\n"
			       "    2  9007199254740993  9007199254740993  1000B  2:4096 "
			       "   1.3  0.2s          -     0     0         0  finished\n"
			       "    9               100                 0     0B     0:0 "
			       "   1.2  0.2s          -     0     0         0  -\n"
			       "   10               100                 0     0B     0:0 "
			       "   1.1  0.2s          -     0     0         0  -\n");
	free(text);
	snapshot_fini(&s);
}
END_TEST

START_TEST(json_keeps_every_digit)
{
	struct snapshot s = taken();
	char *text = shown(&s, (1u << STORE_TABLES) - 1, dump_json);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
	ck_assert_ptr_nonnull(strstr(text, "\"records\":9007199254740993,"));
	ck_assert_ptr_nonnull(strstr(text, "\"cursor\":\"9007199254740993\""));
	cJSON *root = cJSON_Parse(text);
	ck_assert_ptr_nonnull(root);
	const cJSON *finished = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "checkpoints"), 0);
	ck_assert_str_eq(cJSON_GetObjectItem(finished, "epoch")->valuestring, "1.3");
	ck_assert_str_eq(cJSON_GetObjectItem(finished, "finished_end")->valuestring,
			 "2026-01-02T03:00:00.000000000Z");
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(root, "leases")), 3);
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(root, "workers")), 0);
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(root, "events")), 4);
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(root, "problems")), 0);
	const cJSON *meta = cJSON_GetObjectItem(root, "meta");
	ck_assert_str_eq(cJSON_GetObjectItem(cJSON_GetObjectItem(meta, "identity"), "instance")
				 ->valuestring,
			 "a1b2c3");
	cJSON_Delete(root);
	free(text);
	snapshot_fini(&s);
}
END_TEST

START_TEST(last_events_are_shown_last)
{
	struct snapshot s = taken();
	struct dump dump = { .snapshot = &s, .last = 3 };
	ck_assert_uint_eq(dump_first_event(&dump), 1);
	dump.last = 4;
	ck_assert_uint_eq(dump_first_event(&dump), 0);
	dump.last = 50;
	ck_assert_uint_eq(dump_first_event(&dump), 0);
	dump.last = 0;
	ck_assert_uint_eq(dump_first_event(&dump), 0);
	snapshot_fini(&s);
}
END_TEST

START_TEST(holder_is_known_by_its_worker_record)
{
	struct snapshot s = { 0 };
	uint32_t mine = (uint32_t)getpid();
	struct worker_record worker = { .slot = 3,
					.pid = mine,
					.pid_start = worker_pid_start(mine) };
	struct lease_record lease = { .slot = 3, .pid = mine, .state = LEASE_HELD };
	ck_assert_str_eq(dump_holder_alive(&s, &lease), "unknown");
	s.workers = &worker;
	s.n_workers = 1;
	ck_assert_str_eq(dump_holder_alive(&s, &lease), "yes");
	worker.pid_start++;
	ck_assert_str_eq(dump_holder_alive(&s, &lease), "no");
	lease.state = LEASE_PAUSED;
	ck_assert_str_eq(dump_holder_alive(&s, &lease), "-");
	ck_assert_str_eq(dump_worker_alive(&s, &worker), "no");
	worker.exited = true;
	ck_assert_str_eq(dump_worker_alive(&s, &worker), "exited");
}
END_TEST

START_TEST(pid_of_another_namespace_or_machine_is_unknown_and_of_an_earlier_boot_gone)
{
	struct snapshot s = { 0 };
	uint32_t mine = (uint32_t)getpid();
	struct worker_record worker = { .pid = mine, .pid_start = worker_pid_start(mine) };
	this_host_run_place(&s.identity);
	this_host_machine_id(s.identity.machine_id, sizeof(s.identity.machine_id));
	ck_assert_str_eq(dump_worker_alive(&s, &worker), "yes");
	s.identity.pid_namespace++;
	ck_assert_str_eq(dump_worker_alive(&s, &worker), "unknown");
	s.identity.pid_namespace--;
	s.identity.boot_id[0] ^= 1;
	ck_assert_str_eq(dump_worker_alive(&s, &worker),
			 s.identity.machine_id[0] ? "no" : "unknown");
	s.identity.machine_id[0] = 'x';
	ck_assert_str_eq(dump_worker_alive(&s, &worker), "unknown");
	worker.exited = true;
	ck_assert_str_eq(dump_worker_alive(&s, &worker), "exited");
}
END_TEST

Suite *
suite_dump(void)
{
	Suite *suite = suite_create("dump");
	TCase *proc = tcase_create("proc"), *state = tcase_create("state");
	tcase_add_test(proc, process_is_live_stopped_or_gone);
	tcase_add_checked_fixture(state, setup, teardown);
	tcase_set_timeout(state, 30);
	tcase_add_test(state, lock_holder_is_named_without_touching_the_lock);
	tcase_add_test(state, snapshot_sorts_shards_as_numbers);
	tcase_add_test(state, healthy_environment_has_no_findings);
	tcase_add_loop_test(state, verify_finds_it, 0, sizeof(findings) / sizeof(findings[0]));
	tcase_add_test(state, same_epoch_twice_is_found);
	tcase_add_test(state, good_records_are_shown_beside_a_damaged_one);
	tcase_add_test(state, checkpoint_table_shows_all_that_people_need);
	tcase_add_test(state, json_keeps_every_digit);
	tcase_add_test(state, last_events_are_shown_last);
	tcase_add_test(state, holder_is_known_by_its_worker_record);
	tcase_add_test(
		state, pid_of_another_namespace_or_machine_is_unknown_and_of_an_earlier_boot_gone);
	suite_add_tcase(suite, proc);
	suite_add_tcase(suite, state);
	return suite;
}
