/*
 * test_lts_state.c - holds the program lts-state to its promises: the command line, exit
 * codes, damage, and that it disturbs nobody.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/pack.h"
#include "common/xalloc.h"
#include "state/events.h"
#include "tests/support/state_env.h"
#include "tests/support/state_program.h"
#include "tests/support/tmpdir.h"
#include "tests/suites.h"

static struct state_env env;
static struct state_program program;

static void
setup(void)
{
	struct identity_record mine = identity_of_test(), identity;
	struct buf why;
	buf_init(&why, 0);
	state_env_init(&env);
	ck_assert_int_eq(identity_claim(env.store, &mine, false, &identity, &why), LTS_OK);
	for (uint32_t i = 0; i < 20; i++) {
		char shard[8];
		snprintf(shard, sizeof(shard), "%u", i);
		struct lease_take take = take_of(shard, epoch_of(1, i + 1));
		ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	}
	store_close(&env.store);
	unsetenv("LTS_STATE_DIR");
	state_program_init(&program, env.dir);
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

START_TEST(every_command_answers_as_table_and_as_json)
{
	static const char *const names[] = { "dump",   "leases", "checkpoints", "workers",
					     "events", "meta",   "verify" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char words[64];
		snprintf(words, sizeof(words), "--state_dir . %s", names[i]);
		ck_assert_int_eq(run(words), 0);
		ck_assert_str_eq(program.errors, "");
		ck_assert_uint_gt(strlen(program.output), 10);
		snprintf(words, sizeof(words), "%s --json --state-dir=.", names[i]);
		ck_assert_int_eq(run(words), 0);
		ck_assert_str_eq(program.errors, "");
		ck_assert_int_eq(program.output[0], '{');
		ck_assert_ptr_eq(strchr(program.output, '\n'),
				 program.output + strlen(program.output) - 1);
	}
}
END_TEST

START_TEST(empty_table_is_its_header_alone)
{
	ck_assert_int_eq(run("workers --state_dir ."), 0);
	ck_assert_ptr_eq(strchr(program.output, '\n'),
			 program.output + strlen(program.output) - 1);
	ck_assert_ptr_nonnull(strstr(program.output, "SLOT  NAME"));
}
END_TEST

START_TEST(last_limits_the_events)
{
	ck_assert_int_eq(run("events --last 3 --state_dir ."), 0);
	ck_assert_ptr_null(strstr(program.output, "\n    17  "));
	ck_assert_ptr_nonnull(strstr(program.output, "\n    18  "));
	ck_assert_int_eq(run("events --last=0 --state_dir ."), 0);
	ck_assert_ptr_nonnull(strstr(program.output, "\n     1  "));
}
END_TEST

/* One of a chosen time beside the twenty of `now`. */
static void
add_event(int64_t time_ns, const char *text)
{
	struct store_txn txn = { 0 };
	struct event_record event = { .time_ns = time_ns,
				      .kind = EVENT_STUCK,
				      .shard = shard_of("3"),
				      .epoch = epoch_of(1, 4) };
	snprintf(event.text, sizeof(event.text), "%s", text);
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(events_append(&txn, &event), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	store_close(&env.store);
}

START_TEST(since_leaves_older_events_out_by_time_or_age)
{
	static const struct {
		const char *since;
		bool y2020, recent;
	} rows[] = {
		{ "2020-01-01T00:00:00Z", true, true },
		{ "2020-01-01T00:00:00.000000001Z", false, true },
		{ "1577836800", true, true },
		{ "1577836801", false, true },
		{ "1577836800000", true, true },
		{ "10m", false, true },
		{ "1m", false, false },
		{ "36500d", true, true },
		{ "9223372036854775807ms", true, true },
	};
	add_event(clock_wall_ns() - 300 * INT64_C(1000000000), "five minutes old");
	add_event(1577836800 * INT64_C(1000000000), "of 2020"); /* the clock was set back */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char words[100];
		snprintf(words, sizeof(words), "events --state_dir . --since %s --last 0",
			 rows[i].since);
		ck_assert_msg(run(words) == 0, "%s: %s", words, program.errors);
		ck_assert_msg((strstr(program.output, "of 2020") != NULL) == rows[i].y2020, "%s",
			      words);
		ck_assert_msg((strstr(program.output, "five minutes") != NULL) == rows[i].recent,
			      "%s", words);
	}
	/* --last counts among those that are left. */
	ck_assert_int_eq(run("events --state_dir . --since 10m --last 1 --json"), 0);
	ck_assert_ptr_nonnull(strstr(program.output, "five minutes old"));
	ck_assert_ptr_null(strstr(program.output, "of 2020"));
}
END_TEST

START_TEST(environment_variable_names_the_directory)
{
	setenv("LTS_STATE_DIR", ".", 1);
	ck_assert_int_eq(run("verify"), 0);
	ck_assert_str_eq(program.output, "verify: 61 records, 0 problems\n");
	ck_assert_int_eq(run("verify --state_dir nowhere"), 1); /* the option wins */
}
END_TEST

START_TEST(usage_error_is_one_line_and_exit_2)
{
	static const char *const wrong[][2] = {
		{ "", "dump, leases" },
		{ "bogus", "dump, leases" },
		{ "leases meta", "one command" },
		{ "--bogus leases", "--state_dir DIR, --json" },
		{ "--jsonx leases", "--state_dir DIR, --json" },
		{ "leases --json=yes", "no value is allowed" },
		{ "leases --state_dir", "a directory must follow" },
		{ "leases --state_dir=", "a directory must follow" },
		{ "events --last", "a number must follow" },
		{ "events --last -1", "a number is allowed" },
		{ "events --last 1x", "a number is allowed" },
		{ "events --last 99999999999999999999", "a number is allowed" },
		{ "events --since", "a time or an age must follow" },
		{ "events --since 10x", "--since '10x': allowed are an RFC 3339 time" },
		{ "events --since begin", "--since 'begin': allowed are" },
		{ "events --since 2026-01-02", "or an age as 90s" },
		{ "leases --since 1h", "--since goes with dump, events, not with leases" },
		{ "leases --last 1", "--last goes with dump, events, not with leases" },
		{ "watch --interval", "a time must follow" },
		{ "watch --interval 99ms", "100ms to 1h is allowed" },
		{ "watch --interval 2", "100ms to 1h is allowed" },
		{ "dump --interval 1s", "--interval goes with watch, not with dump" },
		{ "watch --json", "not with watch" },
		{ "watch --interval 1s", "are not a terminal: use lts-state dump" },
		{ "verify --last 1", "--last goes with dump, events, not with verify" },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_msg(run(wrong[i][0]) == 2, "%s", wrong[i][0]);
		ck_assert_str_eq(program.output, "");
		ck_assert_msg(strstr(program.errors, wrong[i][1]) != NULL, "%s: %s", wrong[i][0],
			      program.errors);
		ck_assert_ptr_eq(strchr(program.errors, '\n'),
				 program.errors + strlen(program.errors) - 1);
	}
}
END_TEST

START_TEST(help_and_version_need_no_environment)
{
	ck_assert_int_eq(run("--help --state_dir nowhere"), 0);
	ck_assert_ptr_nonnull(strstr(program.output, "checkpoints"));
	ck_assert_int_eq(run("--version"), 0);
	ck_assert_ptr_eq(strstr(program.output, "lts-state "), program.output);
}
END_TEST

START_TEST(missing_environment_names_the_way_out)
{
	ck_assert_int_eq(run("dump"), 1); /* ./lts-state.d */
	ck_assert_ptr_nonnull(strstr(program.errors, "./lts-state.d: no such directory"));
	ck_assert_ptr_nonnull(strstr(program.errors, "--state_dir"));
	char *empty = tmpdir_path(env.dir, "lts-state.d");
	ck_assert_int_eq(mkdir(empty, 0700), 0);
	ck_assert_int_eq(run("dump"), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "no state environment in it"));
	ck_assert_int_eq(rmdir(empty), 0); /* nothing was made in it */
	free(empty);
}
END_TEST

START_TEST(garbage_is_a_clear_error)
{
	tmpdir_write(env.dir, "data.mdb", "garbage", 7);
	ck_assert_int_eq(run("dump --state_dir ."), 1);
	ck_assert_str_eq(program.output, "");
	ck_assert_ptr_nonnull(
		strstr(program.errors, "./data.mdb: damaged, or not a state environment"));
	ck_assert_ptr_eq(strchr(program.errors, '\n'),
			 program.errors + strlen(program.errors) - 1);
}
END_TEST

START_TEST(cut_file_is_a_clear_error_never_a_crash)
{
	size_t len;
	char *data = tmpdir_read(env.dir, "data.mdb", &len);
	for (size_t cut = 2 * 4096; cut < len; cut += 4096) {
		tmpdir_write(env.dir, "data.mdb", data, cut);
		int code = run("verify --state_dir ."); /* the last pages may be unused ones */
		ck_assert(code == 0 || code == 1);
		ck_assert_msg(code == 0 || strlen(program.errors) + strlen(program.output) > 0,
			      "said nothing");
		if (cut < 4 * 4096)
			ck_assert_int_eq(code, 1);
	}
	free(data);
}
END_TEST

START_TEST(flipped_bytes_never_crash_it)
{
	size_t len;
	char *data = tmpdir_read(env.dir, "data.mdb", &len);
	unsigned seed = 12345 + (unsigned)_i;
	for (int i = 0; i < 10; i++) {
		size_t at = (size_t)rand_r(&seed) % len;
		data[at] = (char)(data[at] ^ (1 + rand_r(&seed) % 255));
	}
	tmpdir_write(env.dir, "data.mdb", data, len);
	free(data);
	int code = run("verify --state_dir .");
	ck_assert(code == 0 || code == 1); /* 0: they hit unused space */
	ck_assert_int_eq(run("dump --json --state_dir ."), run("dump --state_dir ."));
}
END_TEST

START_TEST(damaged_record_is_exit_1_with_the_good_ones_shown)
{
	struct schema_value value = { .len = 3, .data = "bad" };
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, STORE_LEASES, (struct store_key){ "7", 1 }, &value),
			 LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	store_close(&env.store);
	ck_assert_int_eq(run("leases --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.output, "\n    8  "));
	ck_assert_ptr_null(strstr(program.output, "\n    7  "));
	ck_assert_ptr_nonnull(strstr(program.errors, "leases: record '7' is damaged"));
	ck_assert_int_eq(run("verify --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(
		program.output, "verify: 61 records, 2 problems\n")); /* and no lease for it */
}
END_TEST

START_TEST(newer_schema_is_refused_with_both_versions_and_the_remedy)
{
	struct schema_value value;
	struct identity_record mine = identity_of_test();
	struct store_txn txn = { 0 };
	char expected[200];
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
	snprintf(expected, sizeof(expected),
		 "lts-state: .: its schema is version %d, this lts-state knows up to %d: use the "
		 "lts-state of the newer version\n",
		 SCHEMA_VERSION + 1, (int)SCHEMA_VERSION);
	ck_assert_int_eq(run("dump --state_dir ."), 1);
	ck_assert_str_eq(program.errors, expected);
	ck_assert_str_eq(program.output, "");
	ck_assert_int_eq(run("verify --state_dir ."), 1);
	ck_assert_str_eq(program.errors, expected);
}
END_TEST

START_TEST(closed_pipe_is_no_error)
{
	int ends[2];
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	ck_assert_int_eq(state_program_run_to(&program, ends[1], "dump --state_dir ."), 0);
	ck_assert_str_eq(program.errors, "");
	close(ends[1]);
}
END_TEST

START_TEST(full_disk_under_the_output_is_an_error)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(state_program_run_to(&program, fd, "dump --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "No space left"));
	close(fd);
}
END_TEST

START_TEST(no_trace_is_left_in_a_live_environment)
{
	struct store_usage before, after;
	size_t len_before, len_after;
	ck_assert_int_eq(store_open(env.dir, STORE_CREATE, &env.store), LTS_OK);
	char *data_before = tmpdir_read(env.dir, "data.mdb", &len_before);
	store_usage(env.store, &before);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(run("dump --state_dir ."), 0);
	char *data_after = tmpdir_read(env.dir, "data.mdb", &len_after);
	store_usage(env.store, &after);
	ck_assert_uint_eq(len_before, len_after);
	ck_assert_mem_eq(data_before, data_after, len_after);
	ck_assert_uint_eq(before.transactions, after.transactions);
	/* One slot was used and given back each time: the five did not take five. */
	ck_assert_uint_le(after.readers, before.readers + 1);
	free(data_before);
	free(data_after);
}
END_TEST

START_TEST(writer_inside_a_transaction_does_not_delay_it)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(run("verify --state_dir ."), 0);
	store_abort(&txn);
}
END_TEST

START_TEST(lock_held_by_a_stopped_process_does_not_delay_it)
{
	/* What LMDB's first reader or opener waits for, held here as a stopped process
	 * would. */
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char *path = tmpdir_path(env.dir, "lock.mdb");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_SETLK, &all), 0);
	ck_assert_int_eq(run("dump --state_dir ."), 0);
	close(fd);
	free(path);
}
END_TEST

START_TEST(disk_that_does_not_answer_ends_with_a_clear_error)
{
	int fd = state_env_silence(env.dir);
	ck_assert_int_eq(run("dump --state_dir ."), 1);
	ck_assert_ptr_nonnull(strstr(program.errors, "its disk does not answer"));
	close(fd);
}
END_TEST

Suite *
suite_lts_state(void)
{
	Suite *suite = suite_create("lts_state");
	TCase *tc = tcase_create("lts_state");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_command_answers_as_table_and_as_json);
	tcase_add_test(tc, empty_table_is_its_header_alone);
	tcase_add_test(tc, last_limits_the_events);
	tcase_add_test(tc, since_leaves_older_events_out_by_time_or_age);
	tcase_add_test(tc, environment_variable_names_the_directory);
	tcase_add_test(tc, usage_error_is_one_line_and_exit_2);
	tcase_add_test(tc, help_and_version_need_no_environment);
	tcase_add_test(tc, missing_environment_names_the_way_out);
	tcase_add_test(tc, garbage_is_a_clear_error);
	tcase_add_test(tc, cut_file_is_a_clear_error_never_a_crash);
	tcase_add_loop_test(tc, flipped_bytes_never_crash_it, 0, 20);
	tcase_add_test(tc, damaged_record_is_exit_1_with_the_good_ones_shown);
	tcase_add_test(tc, newer_schema_is_refused_with_both_versions_and_the_remedy);
	tcase_add_test(tc, closed_pipe_is_no_error);
	tcase_add_test(tc, full_disk_under_the_output_is_an_error);
	tcase_add_test(tc, no_trace_is_left_in_a_live_environment);
	tcase_add_test(tc, writer_inside_a_transaction_does_not_delay_it);
	tcase_add_test(tc, lock_held_by_a_stopped_process_does_not_delay_it);
	tcase_add_test(tc, disk_that_does_not_answer_ends_with_a_clear_error);
	suite_add_tcase(suite, tc);
	return suite;
}
