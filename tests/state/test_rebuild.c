/*
 * test_rebuild.c - holds lts-state rebuild to its promises: only what is damaged, only on
 * request, nothing carried over that decides a position, and nothing thrown away.
 */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/pack.h"
#include "state/snapshot.h"
#include "tests/support/state_env.h"
#include "tests/support/state_program.h"
#include "tests/support/tmpdir.h"
#include "tests/suites.h"

enum { SHARDS = 20 };

static struct state_env env;
static struct state_program program;

static void
publish(const char *shard, uint32_t sequence, const char *to, const char *published)
{
	struct checkpoint_move move = move_of(shard, epoch_of(1, sequence), "100", to);
	move.published = cursor_of(published);
	ck_assert_int_eq(state_env_move(&env, &move, 1), LTS_OK);
	ck_assert_int_eq(move.result, LTS_OK);
}

static void
keep_start(void)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(identity_put_start(&txn, 1767322800000000000), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
}

/* Shard 7 is behind with publishing, 8 is not, the others never published. */
static void
setup(void)
{
	state_env_init(&env);
	state_program_init(&program, env.dir);
	state_env_hold(&env, SHARDS);
	keep_start();
	publish("7", 8, "300", "200");
	publish("8", 9, "300", "300");
	store_close(&env.store);
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
spoil_a_lease(void)
{
	struct schema_value value = { .len = 3, .data = "bad" };
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, STORE_LEASES, (struct store_key){ "7", 1 }, &value),
			 LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	store_close(&env.store);
}

/* The name of what was set aside; the caller frees. NULL: nothing was. */
static char *
set_aside(void)
{
	char *found = NULL;
	struct dirent *entry;
	DIR *dir = opendir(env.dir);
	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, "data.mdb.damaged-", 17) == 0)
			found = strdup(entry->d_name);
	closedir(dir);
	return found;
}

static struct snapshot
look(void)
{
	struct snapshot s;
	ck_assert_int_eq(snapshot_read(env.dir, &s), LTS_OK);
	snapshot_verify(&s);
	ck_assert_uint_eq(s.n_problems, 0);
	return s;
}

START_TEST(state_that_cannot_be_read_in_time_is_not_taken_for_damaged)
{
	int fd = state_env_silence(env.dir);
	ck_assert_int_eq(run("rebuild --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "not read within 5 s"));
	ck_assert_ptr_null(set_aside());
	close(fd);
	struct snapshot s = look();
	ck_assert_uint_eq(s.n_checkpoints, SHARDS);
	snapshot_fini(&s);
}
END_TEST

START_TEST(sound_state_is_rebuilt_only_when_forced)
{
	ck_assert_int_eq(run("rebuild --state_dir ."), 1);
	ck_assert_str_eq(program.errors, "lts-state: .: sound: there is nothing to rebuild; "
					 "--force does it all the same\n");
	ck_assert_ptr_null(set_aside());
	ck_assert_int_eq(run("rebuild --force --state_dir ."), 0);
	char *aside = set_aside();
	ck_assert_ptr_nonnull(aside);
	free(aside);
}
END_TEST

START_TEST(damaged_state_is_set_aside_whole_and_says_what_comes_again)
{
	size_t len_before, len_after;
	spoil_a_lease();
	char *before = tmpdir_read(env.dir, "data.mdb", &len_before);
	ck_assert_int_eq(run("rebuild --state_dir ."), 0);
	ck_assert_str_eq(program.errors, "");
	char *aside = set_aside(), *after = tmpdir_read(env.dir, aside, &len_after);
	ck_assert_uint_eq(len_before, len_after);
	ck_assert_mem_eq(before, after, len_after);
	ck_assert_ptr_nonnull(strstr(program.output, aside));
	ck_assert_ptr_nonnull(strstr(program.output, "leases: record '7' is damaged"));
	ck_assert_ptr_nonnull(strstr(program.output, "  7        300        200  at most from "
						     "PUBLISHED on\n"));
	ck_assert_ptr_nonnull(strstr(program.output, "  8        300        300  nothing\n"));
	ck_assert_ptr_nonnull(
		strstr(program.output, "  9        100          -  from start_time, or"));
	free(before);
	free(after);
	free(aside);
}
END_TEST

START_TEST(rebuilt_state_knows_whom_it_belongs_to_and_no_position)
{
	spoil_a_lease();
	ck_assert_int_eq(run("rebuild --state_dir ."), 0);
	struct snapshot s = look();
	ck_assert_uint_eq(s.n_leases + s.n_checkpoints + s.n_workers, 0);
	ck_assert_str_eq(s.identity.stream_id, "stream");
	ck_assert_str_ne(s.identity.instance, "a1b2c3");
	ck_assert_uint_eq(s.identity.boot_count, 1);
	ck_assert(s.has_start);
	ck_assert_int_eq(s.start.start_ns, 1767322800000000000); /* `end` means what it meant */
	ck_assert_uint_eq(s.n_events, 1);
	ck_assert_int_eq(s.events[0].kind, EVENT_REBUILT);
	ck_assert_ptr_nonnull(strstr(s.events[0].text, "leases: record '7' is damaged"));
	snapshot_fini(&s);
	ck_assert_int_eq(run("verify --state_dir ."), 0);
}
END_TEST

START_TEST(garbage_and_what_was_cut_are_rebuilt_and_the_start_is_asked_for)
{
	char *path = tmpdir_path(env.dir, "data.mdb");
	if (_i == 0)
		tmpdir_write(env.dir, "data.mdb", "garbage", 7);
	else
		ck_assert_int_eq(truncate(path, _i == 1 ? 0 : 9000), 0);
	free(path);
	ck_assert_int_eq(run("rebuild --state_dir ."), 0);
	ck_assert_ptr_nonnull(strstr(program.output, "With start_time=end give the time"));
	struct snapshot s = look();
	ck_assert(!s.has_identity);
	ck_assert_uint_eq(s.n_events, 1);
	snapshot_fini(&s);
	/* The next start makes it its own. */
	struct identity_record mine = identity_of_test(), identity;
	struct buf why;
	buf_init(&why, 0);
	ck_assert_int_eq(store_open(env.dir, STORE_CREATE, &env.store), LTS_OK);
	ck_assert_int_eq(identity_claim(env.store, &mine, false, &identity, &why), LTS_OK);
	store_close(&env.store);
	ck_assert_int_eq(run("verify --state_dir ."), 0);
}
END_TEST

START_TEST(flipped_bytes_never_crash_it)
{
	size_t len;
	char *data = tmpdir_read(env.dir, "data.mdb", &len);
	unsigned seed = 4711 + (unsigned)_i;
	for (int i = 0; i < 30; i++) {
		size_t at = (size_t)rand_r(&seed) % len;
		data[at] = (char)(data[at] ^ (1 + rand_r(&seed) % 255));
	}
	tmpdir_write(env.dir, "data.mdb", data, len);
	free(data);
	int code = run("rebuild --state_dir .");
	if (code) /* they hit unused space */
		ck_assert_ptr_nonnull(strstr(program.errors, "sound: there is nothing"));
	struct snapshot s = look();
	ck_assert(code || s.n_checkpoints == 0);
	snapshot_fini(&s);
}
END_TEST

START_TEST(missing_state_and_one_in_use_are_refused)
{
	ck_assert_int_eq(run("rebuild --state_dir nowhere"), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "No such file"));
	char *path = tmpdir_path(env.dir, "supervisor.lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	ck_assert_int_eq(run("rebuild --force --state_dir ."), 3);
	ck_assert_ptr_null(set_aside());
	close(fd);
	free(path);
	path = tmpdir_path(env.dir, "data.mdb");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(run("rebuild --force --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "the agent makes one"));
	free(path);
}
END_TEST

START_TEST(newer_schema_is_not_damage)
{
	struct schema_value value;
	struct identity_record mine = identity_of_test();
	struct store_txn txn = { 0 };
	identity_encode(&mine, &value);
	value.data[0] = SCHEMA_VERSION + 1;
	struct packer p = { .data = value.data, .cap = value.len, .len = value.len - 4 };
	pack_crc(&p);
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, STORE_META, (struct store_key){ "identity", 8 }, &value),
			 LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	store_close(&env.store);
	ck_assert_int_eq(run("rebuild --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "of a newer version, and not damaged"));
	ck_assert_ptr_null(set_aside());
}
END_TEST

Suite *
suite_rebuild(void)
{
	Suite *suite = suite_create("rebuild");
	TCase *tc = tcase_create("rebuild");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, state_that_cannot_be_read_in_time_is_not_taken_for_damaged);
	tcase_add_test(tc, sound_state_is_rebuilt_only_when_forced);
	tcase_add_test(tc, damaged_state_is_set_aside_whole_and_says_what_comes_again);
	tcase_add_test(tc, rebuilt_state_knows_whom_it_belongs_to_and_no_position);
	tcase_add_loop_test(tc, garbage_and_what_was_cut_are_rebuilt_and_the_start_is_asked_for,
			    0, 3);
	tcase_add_loop_test(tc, flipped_bytes_never_crash_it, 0, 20);
	tcase_add_test(tc, missing_state_and_one_in_use_are_refused);
	tcase_add_test(tc, newer_schema_is_not_damage);
	suite_add_tcase(suite, tc);
	return suite;
}
