/*
 * test_segment.c - holds worker/segment.c to its names, its locks, and to never touching
 * a file that has its final name.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/state_env.h"
#include "tests/support/sys_spy.h"
#include "tests/support/tmpdir.h"
#include "worker/segment.h"

static char *path;
static struct segment_dir dir;

static void
setup(void)
{
	struct shard_id shard = shard_of("7");
	path = tmpdir_make();
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(fd, 0);
	segment_dir_init(&dir, fd, &shard, "abc");
}

static void
teardown(void)
{
	close(dir.fd);
	tmpdir_remove(&path);
}

static bool
is_there(const char *name)
{
	return faccessat(dir.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
put(const char *name, const char *text)
{
	tmpdir_write(path, name, text, strlen(text));
}

static void
expect_content(const char *name, const char *wanted)
{
	size_t len;
	char *text = tmpdir_read(path, name, &len);
	ck_assert_str_eq(text, wanted);
	free(text);
}

START_TEST(shard_is_encoded_so_that_no_two_share_a_name)
{
	static const struct {
		const char *shard, *prefix;
	} cases[] = {
		{ "0", "0-abc-" },           { "a_B9", "a_B9-abc-" },
		{ "a-b", "a%2Db-abc-" },     { "../x", "%2E%2E%2Fx-abc-" },
		{ "a%2Db", "a%252Db-abc-" }, { ".a", "%2Ea-abc-" },
	};
	struct segment_dir other;
	struct shard_id shard = shard_of(cases[_i].shard);
	segment_dir_init(&other, -1, &shard, "abc");
	ck_assert_str_eq(other.prefix, cases[_i].prefix);
}
END_TEST

/* What comes from the service names one file in the directory, or none. */
START_TEST(hostile_shard_id_is_refused_or_stays_in_the_directory)
{
	static const char *const ids[] = {
		"..",
		".",
		"../../etc/passwd",
		"/etc/passwd",
		"a/../b",
		".part",
		"7.log.part",
		".hidden",
		"%2F",
		"-rf",
		"7-abc-00000001",
		"C:\\x",
		"a\nb",
		"\x7f",
		"caf\xc3\xa9",
		"\xff\xfe",
		"$(reboot)",
		"a b",
		"*",
		"\"",
	};
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct segment_dir hostile;
		struct shard_id shard;
		int part = -1;
		if (!shard_id_set(&shard, ids[i]))
			continue;
		segment_dir_init(&hostile, dir.fd, &shard, "abc");
		ck_assert_msg(strspn(hostile.prefix,
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
				     "qrstuvwxyz0123456789_%-") == strlen(hostile.prefix),
			      "%s: %s", ids[i], hostile.prefix);
		ck_assert(!segment_create(&hostile, 1, &part));
		close(part);
		ck_assert(!segment_seal(&hostile, 1, 2));
		char *name = xasprintf("%s00000001.log", hostile.prefix);
		ck_assert_msg(is_there(name), "%s", name);
		free(name);
	}
}
END_TEST

START_TEST(longest_shard_id_fits)
{
	char text[64];
	struct segment_dir other;
	memset(text, '/', 63);
	text[63] = '\0';
	struct shard_id shard = shard_of(text);
	segment_dir_init(&other, dir.fd, &shard, "0123456789abcde");
	ck_assert_uint_eq(strlen(other.prefix), 3 * 63 + 2 + 15);
	int fd;
	ck_assert_int_eq(segment_create(&other, 99999999, &fd), LTS_OK);
	close(fd);
	ck_assert_int_eq(segment_seal(&other, 99999999, 100000000), LTS_OK);
}
END_TEST

START_TEST(created_segment_is_a_part_and_locked)
{
	int fd, second;
	ck_assert_int_eq(segment_create(&dir, 3, &fd), LTS_OK);
	ck_assert(is_there("7-abc-00000003.log.part"));
	ck_assert_int_eq(segment_create(&dir, 3, &second), LTS_BUSY);
	ck_assert_int_eq(segment_open(&dir, 3, 0, &second), LTS_BUSY);
	close(fd);
	ck_assert_int_eq(segment_open(&dir, 3, 0, &second), LTS_OK);
	close(second);
}
END_TEST

START_TEST(segment_that_is_there_is_not_created_again)
{
	int fd;
	put("7-abc-00000003.log.part", "somebody's");
	ck_assert_int_eq(segment_create(&dir, 3, &fd), LTS_BUSY);
	expect_content("7-abc-00000003.log.part", "somebody's");
}
END_TEST

START_TEST(opened_segment_is_cut_to_the_committed_length)
{
	int fd;
	put("7-abc-00000003.log.part", "committed, torn");
	ck_assert_int_eq(segment_open(&dir, 3, 9, &fd), LTS_OK);
	expect_content("7-abc-00000003.log.part", "committed");
	close(fd);
	ck_assert_int_eq(segment_open(&dir, 3, 10, &fd), LTS_BADDATA);
	ck_assert_int_eq(segment_open(&dir, 4, 0, &fd), LTS_NOTFOUND);
}
END_TEST

START_TEST(locked_segment_is_not_cut)
{
	int fd, second;
	put("7-abc-00000003.log.part", "somebody's");
	ck_assert_int_eq(segment_open(&dir, 3, 10, &fd), LTS_OK);
	ck_assert_int_eq(segment_open(&dir, 3, 1, &second), LTS_BUSY);
	expect_content("7-abc-00000003.log.part", "somebody's");
	close(fd);
}
END_TEST

START_TEST(sealing_never_replaces_a_file)
{
	put("7-abc-00000003.log.part", "new");
	put("7-abc-00000003.log", "old");
	ck_assert_int_eq(segment_seal(&dir, 3, 4), LTS_BADDATA);
	expect_content("7-abc-00000003.log", "old");
	expect_content("7-abc-00000003.log.part", "new");
}
END_TEST

START_TEST(sealing_twice_is_sealing_once)
{
	put("7-abc-00000003.log.part", "3");
	put("7-abc-00000004.log.part", "4");
	ck_assert_int_eq(segment_seal(&dir, 3, 4), LTS_OK);
	ck_assert_int_eq(segment_seal(&dir, 3, 5), LTS_OK);
	ck_assert_int_eq(segment_seal(&dir, 5, 5), LTS_OK);
	expect_content("7-abc-00000003.log", "3");
	expect_content("7-abc-00000004.log", "4");
	ck_assert(!is_there("7-abc-00000003.log.part"));
}
END_TEST

START_TEST(sealing_what_is_not_there_is_noticed)
{
	ck_assert_int_eq(segment_seal(&dir, 3, 4), LTS_BADDATA);
}
END_TEST

START_TEST(tidying_seals_the_older_and_removes_the_newer)
{
	put("7-abc-00000001.log", "1");
	put("7-abc-00000002.log.part", "2");
	put("7-abc-00000003.log.part", "3");
	put("7-abc-00000004.log.part", "4");
	put("7-abc-00000017.log.part", "17");
	ck_assert_int_eq(segment_tidy(&dir, 3), LTS_OK);
	ck_assert(is_there("7-abc-00000001.log") && is_there("7-abc-00000002.log"));
	ck_assert(!is_there("7-abc-00000002.log.part"));
	expect_content("7-abc-00000003.log.part", "3");
	ck_assert(!is_there("7-abc-00000004.log.part") && !is_there("7-abc-00000017.log.part"));
}
END_TEST

START_TEST(tidying_leaves_others_files_alone)
{
	static const char *const others[] = {
		"8-abc-00000009.log.part",  "7-abd-00000009.log.part",
		"77-abc-00000009.log.part", "7-abc-00000009.log.parts",
		"7-abc-x.log.part",         "7-abc-.log.part",
		"7-abc-00000009.txt",       "README",
	};
	for (size_t i = 0; i < 8; i++)
		put(others[i], "not ours");
	ck_assert_int_eq(segment_tidy(&dir, 3), LTS_OK);
	for (size_t i = 0; i < 8; i++)
		expect_content(others[i], "not ours");
}
END_TEST

START_TEST(tidying_refuses_a_state_older_than_the_files)
{
	put(_i ? "7-abc-00000004.log" : "7-abc-00000003.log", "sealed");
	ck_assert_int_eq(segment_tidy(&dir, 3), LTS_BADDATA);
	expect_content(_i ? "7-abc-00000004.log" : "7-abc-00000003.log", "sealed");
}
END_TEST

/* A crash may have left gaps; the directory may have a hundred thousand finished files. */
START_TEST(tidying_finds_what_is_its_own_beyond_a_gap_and_reads_no_directory)
{
	char name[64];
	for (unsigned n = 0; n < 200; n++) {
		snprintf(name, sizeof(name), "7-abc-%08u.log", n);
		put(n == 150 || n == 170 ? "7-other-00000001.log" : name, "x");
	}
	put("7-abc-00000150.log.part", "c");
	put("7-abc-00000170.log.part", "d");
	put("7-abc-00000200.log.part", "here");
	put("7-abc-00000205.log.part", "e");
	put("7-abc-00000210.log.part", "f");
	int fd = dir.fd;
	dir.fd = open(path, O_PATH | O_DIRECTORY); /* cannot be read, nor synced */
	ck_assert_int_eq(segment_tidy(&dir, 200), LTS_SYNC);
	close(dir.fd);
	dir.fd = fd;
	ck_assert_int_eq(segment_tidy(&dir, 200), LTS_OK);
	expect_content("7-abc-00000150.log", "c");
	expect_content("7-abc-00000170.log", "d");
	expect_content("7-abc-00000200.log.part", "here");
	ck_assert(!is_there("7-abc-00000205.log.part") && !is_there("7-abc-00000210.log.part"));
	put("7-abc-00000207.log", "newer");
	ck_assert_int_eq(segment_tidy(&dir, 200), LTS_BADDATA);
}
END_TEST

/* 4 is damaged; 5 and 7 were begun and not committed, and a death left no 6. */
START_TEST(what_no_commit_knows_gets_no_final_name_after_a_reset)
{
	uint64_t next = 0;
	put("7-abc-00000004.log.part", "cut");
	put("7-abc-00000005.log.part", "uncommitted");
	put("7-abc-00000007.log.part", "torn");
	ck_assert_int_eq(segment_abandon(&dir, 4, &next), LTS_OK);
	ck_assert_uint_eq(next, 8);
	ck_assert_int_eq(segment_tidy(&dir, next), LTS_OK);
	expect_content("7-abc-00000004.log.part.damaged", "cut");
	expect_content("7-abc-00000005.log.part.damaged", "uncommitted");
	expect_content("7-abc-00000007.log.part.damaged", "torn");
	ck_assert(!is_there("7-abc-00000005.log") && !is_there("7-abc-00000007.log"));
	/* Once more, for the death came before the commit: no name is given twice. */
	ck_assert_int_eq(segment_abandon(&dir, 4, &next), LTS_OK);
	ck_assert_uint_eq(next, 8);
}
END_TEST

/* 5 has its final name: the state that says 4 is older than the files, and 6 and 9 may be committed
 * by the newer one. */
START_TEST(what_a_newer_state_delivered_stays_after_a_reset)
{
	uint64_t next = 0;
	put("7-abc-00000004.log.part", "cut");
	put("7-abc-00000005.log", "whole");
	put("7-abc-00000006.log.part", "delivered");
	put("7-abc-00000009.log.part", "delivered, too");
	ck_assert_int_eq(segment_abandon(&dir, 4, &next), LTS_OK);
	ck_assert_uint_eq(next, 10);
	ck_assert_int_eq(segment_tidy(&dir, next), LTS_OK);
	expect_content("7-abc-00000004.log.part.damaged", "cut");
	expect_content("7-abc-00000005.log", "whole");
	expect_content("7-abc-00000006.log", "delivered");
	expect_content("7-abc-00000009.log", "delivered, too");
}
END_TEST

START_TEST(what_happens_to_an_open_segment_is_seen)
{
	int fd;
	ck_assert_int_eq(segment_create(&dir, 3, &fd), LTS_OK);
	ck_assert_int_eq(write(fd, "12345", 5), 5);
	ck_assert(segment_is_intact(&dir, 3, fd, 5));
	ck_assert(!segment_is_intact(&dir, 3, fd, 4)); /* appended to by another */
	ck_assert(!segment_is_intact(&dir, 3, fd, 6)); /* cut */
	ck_assert_int_eq(renameat(dir.fd, "7-abc-00000003.log.part", dir.fd, "elsewhere"), 0);
	ck_assert(!segment_is_intact(&dir, 3, fd, 5));
	put("7-abc-00000003.log.part", "12345"); /* replaced by one that looks the same */
	ck_assert(!segment_is_intact(&dir, 3, fd, 5));
	close(fd);
}
END_TEST

START_TEST(removing_what_is_not_there_is_fine)
{
	put("7-abc-00000003.log.part", "3");
	ck_assert_int_eq(segment_remove(&dir, 3), LTS_OK);
	ck_assert_int_eq(segment_remove(&dir, 3), LTS_OK);
	ck_assert(!is_there("7-abc-00000003.log.part"));
}
END_TEST

/* Whether the directory was synced behind the last unlink. */
static int
note_unlink_and_sync(void *arg, enum sys_spy_call call, const char *name, size_t *bytes)
{
	bool *away = arg;
	if (call == SPY_UNLINK)
		*away = false;
	else if (call == SPY_FSYNC && strcmp(name, path) == 0)
		*away = true;
	return 0;
}

START_TEST(removed_segment_does_not_come_back_with_the_power)
{
	bool away = false;
	struct sys_spy spy = { note_unlink_and_sync, &away };
	put("7-abc-00000003.log.part", "3");
	sys_spy_set(&spy);
	ck_assert_int_eq(segment_remove(&dir, 3), LTS_OK);
	sys_spy_set(NULL);
	ck_assert(away);
}
END_TEST

Suite *
suite_segment(void)
{
	Suite *suite = suite_create("segment");
	TCase *tc = tcase_create("segments");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, shard_is_encoded_so_that_no_two_share_a_name, 0, 6);
	tcase_add_test(tc, longest_shard_id_fits);
	tcase_add_test(tc, hostile_shard_id_is_refused_or_stays_in_the_directory);
	tcase_add_test(tc, created_segment_is_a_part_and_locked);
	tcase_add_test(tc, segment_that_is_there_is_not_created_again);
	tcase_add_test(tc, opened_segment_is_cut_to_the_committed_length);
	tcase_add_test(tc, locked_segment_is_not_cut);
	tcase_add_test(tc, sealing_never_replaces_a_file);
	tcase_add_test(tc, sealing_twice_is_sealing_once);
	tcase_add_test(tc, sealing_what_is_not_there_is_noticed);
	tcase_add_test(tc, tidying_seals_the_older_and_removes_the_newer);
	tcase_add_test(tc, tidying_leaves_others_files_alone);
	tcase_add_loop_test(tc, tidying_refuses_a_state_older_than_the_files, 0, 2);
	tcase_add_test(tc,
		       tidying_finds_what_is_its_own_beyond_a_gap_and_reads_no_directory);
	tcase_add_test(tc, what_no_commit_knows_gets_no_final_name_after_a_reset);
	tcase_add_test(tc, what_a_newer_state_delivered_stays_after_a_reset);
	tcase_add_test(tc, what_happens_to_an_open_segment_is_seen);
	tcase_add_test(tc, removing_what_is_not_there_is_fine);
	tcase_add_test(tc, removed_segment_does_not_come_back_with_the_power);
	suite_add_tcase(suite, tc);
	return suite;
}
