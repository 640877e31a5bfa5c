/*
 * test_backup.c - holds lts-state backup and restore to their promises: a file that is whole or
 * not there, and never an instance that has gone on since.
 */
#include <check.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "state/snapshot.h"
#include "tests/support/state_env.h"
#include "tests/support/state_program.h"
#include "tests/support/tmpdir.h"
#include "tests/suites.h"

enum { SHARDS = 20 };

static struct state_env env;
static struct state_program program;

static void
setup(void)
{
	state_env_init(&env);
	state_program_init(&program, env.dir);
	state_env_hold(&env, SHARDS);
	unsetenv("LTS_STATE_DIR");
}

static void
teardown(void)
{
	state_program_fini(&program);
	state_env_fini(&env);
}

static int
run(const char *words)
{
	return state_program_run(&program, words);
}

static void
move(const char *shard, uint32_t sequence, const char *from, const char *to, uint64_t records)
{
	struct checkpoint_move moved = move_of(shard, epoch_of(1, sequence), from, to);
	moved.records = records;
	moved.position = (struct sink_position){ 2, 77 };
	ck_assert_int_eq(state_env_move(&env, &moved, 1), LTS_OK);
	ck_assert_int_eq(moved.result, LTS_OK);
}

/* `name` is a file or a directory in the environment's directory. */
static struct snapshot
look(const char *name, bool file)
{
	struct snapshot s;
	char *path = tmpdir_path(env.dir, name);
	ck_assert_int_eq((file ? snapshot_read_file : snapshot_read)(path, &s), LTS_OK);
	free(path);
	snapshot_verify(&s);
	ck_assert_uint_eq(s.n_problems, 0);
	return s;
}

static size_t
count_files(const char *prefix)
{
	size_t n = 0;
	struct dirent *entry;
	DIR *dir = opendir(env.dir);
	while ((entry = readdir(dir)))
		n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	closedir(dir);
	return n;
}

static void
flip(const char *name, size_t at)
{
	size_t len;
	char *data = tmpdir_read(env.dir, name, &len);
	ck_assert_uint_gt(len, at);
	data[at] = (char)(data[at] ^ 0x55);
	tmpdir_write(env.dir, name, data, len);
	free(data);
}

/* Where a record's text first stands in the file. */
static size_t
find(const char *name, const char *text)
{
	size_t len;
	char *data = tmpdir_read(env.dir, name, &len),
	     *at = memmem(data, len, text, strlen(text));
	ck_assert_ptr_nonnull(at);
	size_t found = (size_t)(at - data);
	free(data);
	return found;
}

static void
cut(const char *name, size_t len)
{
	char *path = tmpdir_path(env.dir, name);
	ck_assert_int_eq(truncate(path, (off_t)len), 0);
	free(path);
}

START_TEST(backup_has_every_record_of_a_state_that_is_in_use)
{
	struct stat st;
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK); /* a commit under way */
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	store_abort(&txn);
	ck_assert_str_eq(program.output, "backup: b, 61 records of 20 shards, verified\n");
	ck_assert_str_eq(program.errors, "");
	move("7", 8, "100", "200", 10); /* what comes later is not in it */
	struct snapshot s = look("b", true);
	ck_assert_uint_eq(s.n_records, 1 + 3 * SHARDS);
	ck_assert_str_eq(s.identity.instance, "a1b2c3");
	ck_assert_str_eq(s.checkpoints[7].cursor.text, "100");
	snapshot_fini(&s);
	char *path = tmpdir_path(env.dir, "b");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	free(path);
	ck_assert_uint_eq(count_files("b"), 1);
}
END_TEST

START_TEST(backup_leaves_no_trace_in_the_state)
{
	struct store_usage before, after;
	size_t len_before, len_after;
	char *data_before = tmpdir_read(env.dir, "data.mdb", &len_before);
	store_usage(env.store, &before);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(run("backup b --force --state_dir ."), 0);
	char *data_after = tmpdir_read(env.dir, "data.mdb", &len_after);
	store_usage(env.store, &after);
	ck_assert_uint_eq(len_before, len_after);
	ck_assert_mem_eq(data_before, data_after, len_after);
	ck_assert_uint_eq(before.transactions, after.transactions);
	ck_assert_uint_le(after.readers, before.readers + 2);
	free(data_before);
	free(data_after);
}
END_TEST

START_TEST(backup_replaces_a_file_only_when_forced)
{
	size_t len;
	tmpdir_write(env.dir, "b", "precious", 8);
	ck_assert_int_eq(run("backup b --state_dir ."), 1);
	ck_assert_str_eq(program.errors,
			 "lts-state: b: is there already: give another name, or --force\n");
	char *data = tmpdir_read(env.dir, "b", &len);
	ck_assert_mem_eq(data, "precious", 8);
	free(data);
	ck_assert_int_eq(run("backup b --force --state_dir ."), 0);
	struct snapshot s = look("b", true);
	snapshot_fini(&s);
}
END_TEST

START_TEST(state_that_is_not_sound_gives_no_backup_and_the_former_one_stays)
{
	struct schema_value value = { .len = 3, .data = "bad" };
	struct store_txn txn = { 0 };
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, STORE_LEASES, (struct store_key){ "7", 1 }, &value),
			 LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	ck_assert_int_eq(run("backup b --force --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "leases: record '7' is damaged"));
	ck_assert_ptr_nonnull(strstr(program.errors, "no backup was made"));
	struct snapshot s = look("b", true);
	snapshot_fini(&s);
	ck_assert_uint_eq(count_files("b"), 1);
}
END_TEST

START_TEST(backup_that_cannot_be_written_is_one_line_and_no_file)
{
	ck_assert_int_eq(run("backup nowhere/b --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "nowhere/b: cannot be made: No such file"));
	ck_assert_int_eq(run("backup b --state_dir nowhere"), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "nowhere: no such directory"));
	ck_assert_int_eq(run("backup --state_dir ."), 2);
	ck_assert_str_eq(program.errors, "lts-state: backup: FILE must follow\n");
	ck_assert_uint_eq(count_files("b"), 0);
}
END_TEST

START_TEST(restored_state_is_a_new_instance_that_holds_nothing_and_owns_no_file)
{
	move("7", 8, "100", "200", 10);
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	move("7", 8, "200", "300", 5);
	store_close(&env.store);
	ck_assert_int_eq(run("restore b --state_dir ."), 0);
	ck_assert_str_eq(program.errors, "");
	struct snapshot s = look(".", false);
	ck_assert_str_ne(s.identity.instance, "a1b2c3");
	ck_assert_uint_eq(strlen(s.identity.instance), 8);
	ck_assert_uint_eq(s.identity.boot_count, 1); /* epochs go on above it */
	ck_assert_uint_eq(s.n_checkpoints, SHARDS);
	ck_assert_str_eq(s.checkpoints[7].cursor.text, "200");
	ck_assert_uint_eq(s.checkpoints[7].position.segment, 0);
	ck_assert_uint_eq(s.checkpoints[7].position.offset, 0);
	ck_assert(!s.checkpoints[7].forced);
	for (size_t i = 0; i < SHARDS; i++)
		ck_assert_int_eq(s.leases[i].state, LEASE_RELEASED);
	ck_assert_uint_eq(s.n_events, SHARDS + 1);
	ck_assert_int_eq(s.events[SHARDS].kind, EVENT_RESTORED);
	ck_assert_str_eq(s.events[SHARDS].text, "from the backup 'b' of instance a1b2c3");
	snapshot_fini(&s);
	ck_assert_ptr_nonnull(
		strstr(program.output, "    7     200        300          -      5\n"));
	ck_assert_ptr_nonnull(strstr(program.output, "kept as data.mdb.before-restore-"));
	ck_assert_uint_eq(count_files("data.mdb.before-restore-"), 1);
	ck_assert_uint_eq(count_files("new"), 0);
	/* And it can be used, by a reset already: the next start counts on. */
	ck_assert_int_eq(run("reset --all --to begin --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "no shard is this host's: nothing was reset"));
	ck_assert_str_eq(program.output, "");
	ck_assert_int_eq(run("reset --shard 7 --to begin --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.output, "given back, or restored: --force"));
	ck_assert_int_eq(run("reset --shard 7,8,7 --to begin --force --state_dir ."), 0);
	ck_assert_ptr_nonnull(strstr(program.output, "it goes on there when it is started\n"));
	s = look(".", false);
	ck_assert(s.checkpoints[7].forced && s.checkpoints[8].forced && !s.checkpoints[9].forced);
	ck_assert_uint_eq(s.n_events, SHARDS + 3);
	snapshot_fini(&s);
	ck_assert_int_eq(run("reset --shard 77 --to begin --state_dir ."), 1);
	ck_assert_ptr_null(strstr(program.output, "it goes on there"));
	ck_assert_int_eq(store_open(env.dir, STORE_CREATE, &env.store), LTS_OK);
	struct lease_take take = take_of("7", epoch_of(2, 1));
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
}
END_TEST

START_TEST(restored_to_be_repeated_wins_once_against_the_service)
{
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	store_close(&env.store);
	ck_assert_int_eq(run("restore b --repeat --state_dir ."), 0);
	ck_assert_ptr_nonnull(strstr(program.output, "comes again"));
	struct snapshot s = look(".", false);
	for (size_t i = 0; i < SHARDS; i++)
		ck_assert(s.checkpoints[i].forced);
	snapshot_fini(&s);
}
END_TEST

START_TEST(reset_that_was_to_come_outlasts_a_restore)
{
	move("7", 8, "100", "200", 10);
	store_close(&env.store);
	ck_assert_int_eq(run("reset --shard 7 --to begin --state_dir ."), 0);
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	ck_assert_int_eq(run("restore b --state_dir ."), 0);
	struct snapshot s = look(".", false);
	ck_assert_str_eq(s.checkpoints[7].cursor.text, "@begin");
	for (size_t i = 0; i < SHARDS; i++)
		ck_assert(s.checkpoints[i].forced == (i == 7));
	s.checkpoints[7].forced = false;
	snapshot_verify(&s);
	ck_assert_uint_eq(s.n_problems, 1);
	snapshot_fini(&s);
}
END_TEST

START_TEST(what_was_given_back_is_not_to_be_repeated)
{
	struct checkpoint_move given = move_of("8", epoch_of(1, 9), "100", "200");
	given.close = LEASE_RELEASED;
	ck_assert_int_eq(state_env_move(&env, &given, 1), LTS_OK);
	ck_assert_int_eq(given.result, LTS_OK);
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	store_close(&env.store);
	ck_assert_int_eq(run("restore b --repeat --state_dir ."), 0);
	struct snapshot s = look(".", false);
	for (size_t i = 0; i < SHARDS; i++)
		ck_assert(s.checkpoints[i].forced == (i != 8));
	snapshot_fini(&s);
}
END_TEST

START_TEST(restore_makes_a_state_that_was_lost)
{
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	ck_assert_int_eq(run("restore b --state_dir lost/state"), 0);
	ck_assert_ptr_null(strstr(program.output, "kept as"));
	struct snapshot s = look("lost/state", false);
	ck_assert_uint_eq(s.n_checkpoints, SHARDS);
	snapshot_fini(&s);
}
END_TEST

/* Held as a supervisor and its workers hold them. */
START_TEST(restore_changes_nothing_while_an_agent_or_its_workers_live)
{
	static const char *const names[] = { "supervisor.lock", "generation.lock" };
	size_t len_before, len_after;
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	store_close(&env.store);
	char *path = tmpdir_path(env.dir, names[_i]), expected[100];
	char *before = tmpdir_read(env.dir, "data.mdb", &len_before);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	ck_assert_int_eq(run("restore b --force --state_dir ."), 3);
	snprintf(expected, sizeof(expected),
		 "lts-state: .: in use by the process with pid %d: stop it first\n", getpid());
	ck_assert_str_eq(program.errors, expected);
	char *after = tmpdir_read(env.dir, "data.mdb", &len_after);
	ck_assert_uint_eq(len_before, len_after);
	ck_assert_mem_eq(before, after, len_after);
	ck_assert_uint_eq(count_files("data.mdb."), 0);
	close(fd);
	ck_assert_int_eq(run("restore b --state_dir ."), 0);
	free(before);
	free(after);
	free(path);
}
END_TEST

START_TEST(backup_with_a_flipped_bit_is_refused_and_nothing_is_changed)
{
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	store_close(&env.store);
	flip("b", find("b", "project") + 2);
	ck_assert_int_eq(run("restore b --state_dir ."), 1);
	ck_assert_ptr_nonnull(
		strstr(program.errors, "b: meta: record 'identity' is damaged: its checksum"));
	ck_assert_ptr_nonnull(strstr(program.errors, "not sound, nothing was changed"));
	ck_assert_uint_eq(count_files("data.mdb."), 0);
}
END_TEST

START_TEST(cut_backup_is_refused)
{
	size_t len;
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	store_close(&env.store);
	free(tmpdir_read(env.dir, "b", &len));
	for (size_t at = 0; at < len; at += len / 8) {
		cut("b", at);
		ck_assert_int_eq(run("restore b --state_dir ."), 1);
		ck_assert_uint_gt(strlen(program.errors), 0);
		ck_assert_int_eq(run("backup b --force --state_dir ."), 0);
	}
	ck_assert_uint_eq(count_files("data.mdb."), 0);
}
END_TEST

START_TEST(what_is_no_backup_is_refused)
{
	ck_assert_int_eq(run("restore b --state_dir ."), 1);
	ck_assert_str_eq(program.errors, "lts-state: b: no such file\n");
	tmpdir_write(env.dir, "b", "garbage", 7);
	ck_assert_int_eq(run("restore b --state_dir ."), 1);
	ck_assert_str_eq(program.errors, "lts-state: b: damaged, or not a state environment of "
					 "lts-consumer\n");
}
END_TEST

START_TEST(backup_of_another_stream_is_refused_unless_forced)
{
	struct identity_record other = identity_of_test(), out;
	struct buf why;
	char *dir = tmpdir_path(env.dir, "other");
	buf_init(&why, 0);
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	store_close(&env.store);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	snprintf(other.stream_id, sizeof(other.stream_id), "another");
	ck_assert_int_eq(store_open(dir, STORE_CREATE, &env.store), LTS_OK);
	ck_assert_int_eq(identity_claim(env.store, &other, false, &out, &why), LTS_OK);
	store_close(&env.store);
	ck_assert_int_eq(run("restore b --state_dir other"), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "b is of stream stream, group readers; "
						     "other of stream another"));
	ck_assert_int_eq(run("restore b --state_dir other --force"), 0);
	free(dir);
}
END_TEST

/* Killed at the worst moment it leaves its directory; the next one does not mind. */
START_TEST(remains_of_a_restore_that_was_killed_are_in_nobodys_way)
{
	char *dir = tmpdir_path(env.dir, "new");
	ck_assert_int_eq(run("backup b --state_dir ."), 0);
	store_close(&env.store);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	tmpdir_write(dir, "data.mdb", "half", 4);
	tmpdir_write(dir, "lock.mdb", "half", 4);
	ck_assert_int_eq(run("restore b --state_dir ."), 0);
	ck_assert_uint_eq(count_files("new"), 0);
	struct snapshot s = look(".", false);
	snapshot_fini(&s);
	free(dir);
}
END_TEST

Suite *
suite_backup(void)
{
	Suite *suite = suite_create("backup");
	TCase *tc = tcase_create("backup");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, backup_has_every_record_of_a_state_that_is_in_use);
	tcase_add_test(tc, backup_leaves_no_trace_in_the_state);
	tcase_add_test(tc, backup_replaces_a_file_only_when_forced);
	tcase_add_test(tc, state_that_is_not_sound_gives_no_backup_and_the_former_one_stays);
	tcase_add_test(tc, backup_that_cannot_be_written_is_one_line_and_no_file);
	tcase_add_test(tc, restored_state_is_a_new_instance_that_holds_nothing_and_owns_no_file);
	tcase_add_test(tc, restored_to_be_repeated_wins_once_against_the_service);
	tcase_add_test(tc, reset_that_was_to_come_outlasts_a_restore);
	tcase_add_test(tc, what_was_given_back_is_not_to_be_repeated);
	tcase_add_test(tc, restore_makes_a_state_that_was_lost);
	tcase_add_loop_test(tc, restore_changes_nothing_while_an_agent_or_its_workers_live, 0, 2);
	tcase_add_test(tc, backup_with_a_flipped_bit_is_refused_and_nothing_is_changed);
	tcase_add_test(tc, cut_backup_is_refused);
	tcase_add_test(tc, what_is_no_backup_is_refused);
	tcase_add_test(tc, backup_of_another_stream_is_refused_unless_forced);
	tcase_add_test(tc, remains_of_a_restore_that_was_killed_are_in_nobodys_way);
	suite_add_tcase(suite, tc);
	return suite;
}
