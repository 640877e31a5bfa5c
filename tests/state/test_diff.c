/*
 * test_diff.c - holds lts-state diff to telling what is published as committed from what is not.
 */
#include <cjson/cJSON.h>
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/support/state_env.h"
#include "tests/support/state_program.h"
#include "tests/support/tmpdir.h"
#include "tests/suites.h"

static struct state_env env;
static struct state_program program;

static void
setup(void)
{
	state_env_init(&env);
	state_program_init(&program, env.dir);
	state_env_hold(&env, 3);
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
move(const char *shard, uint32_t sequence, const char *from, const char *to,
     const char *published)
{
	struct checkpoint_move moved = move_of(shard, epoch_of(1, sequence), from, to);
	moved.published = cursor_of(published);
	ck_assert_int_eq(state_env_move(&env, &moved, 1), LTS_OK);
	ck_assert_int_eq(moved.result, LTS_OK);
}

START_TEST(shards_are_same_different_or_never_published_and_exit_1_says_so)
{
	move("0", 1, "100", "200", "200");
	move("1", 2, "100", "200", "150");
	ck_assert_int_eq(run("diff --state_dir ."), 1);
	ck_assert_str_eq(program.errors, "");
	ck_assert_ptr_nonnull(strstr(program.output, "    0        200        200  same  "));
	ck_assert_ptr_nonnull(strstr(program.output, "    1        200        150  differs  "));
	ck_assert_ptr_nonnull(strstr(program.output, "    2        100          -  never  "));
	ck_assert_ptr_nonnull(strstr(program.output,
				     "diff: 3 shards, 2 not published as committed; "
				     "the agent does not run"));
}
END_TEST

START_TEST(all_published_is_exit_0)
{
	move("0", 1, "100", "200", "200");
	move("1", 2, "100", "200", "200");
	move("2", 3, "100", "200", "200");
	char *path = tmpdir_path(env.dir, "supervisor.lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	ck_assert_int_eq(run("diff --state_dir ."), 0);
	ck_assert_ptr_nonnull(
		strstr(program.output, "diff: 3 shards, 0 not published as committed\n"));
	close(fd);
	free(path);
}
END_TEST

START_TEST(json_has_the_same)
{
	move("1", 2, "100", "200", "150");
	ck_assert_int_eq(run("diff --json --state_dir ."), 1);
	cJSON *root = cJSON_Parse(program.output);
	ck_assert_ptr_nonnull(root);
	ck_assert(cJSON_IsFalse(cJSON_GetObjectItem(root, "same")));
	ck_assert(cJSON_IsFalse(cJSON_GetObjectItem(root, "running")));
	cJSON *row = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "shards"), 1);
	ck_assert_str_eq(cJSON_GetObjectItem(row, "committed")->valuestring, "200");
	ck_assert_str_eq(cJSON_GetObjectItem(row, "published")->valuestring, "150");
	ck_assert_str_eq(cJSON_GetObjectItem(row, "state")->valuestring, "differs");
	cJSON_Delete(root);
}
END_TEST

START_TEST(damaged_checkpoint_is_said_and_exit_1)
{
	struct schema_value value = { .len = 3, .data = "bad" };
	struct store_txn txn = { 0 };
	move("0", 1, "100", "200", "200");
	move("1", 2, "100", "200", "200");
	move("2", 3, "100", "200", "200");
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, STORE_CHECKPOINTS, (struct store_key){ "1", 1 }, &value),
			 LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	ck_assert_int_eq(run("diff --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "checkpoints: record '1' is damaged"));
	ck_assert_ptr_nonnull(strstr(program.output, "diff: 2 shards, 0 not published"));
}
END_TEST

Suite *
suite_diff(void)
{
	Suite *suite = suite_create("diff");
	TCase *tc = tcase_create("diff");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, shards_are_same_different_or_never_published_and_exit_1_says_so);
	tcase_add_test(tc, all_published_is_exit_0);
	tcase_add_test(tc, json_has_the_same);
	tcase_add_test(tc, damaged_checkpoint_is_said_and_exit_1);
	suite_add_tcase(suite, tc);
	return suite;
}
