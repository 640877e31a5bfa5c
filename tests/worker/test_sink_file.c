/*
 * test_sink_file.c - holds worker/sink_file.c and sink.c to what a stream of segments is:
 * opening at a committed position, rotation, full disks, and noticing what others do to
 * its files.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/sys_spy.h"
#include "tests/support/tmpdir.h"
#include "tests/worker/sink_bed.h"

enum { RECORD_BYTES = 10 };

static struct sink_bed bed;

static void
setup(void)
{
	sink_bed_init(&bed, 0);
}

static void
teardown(void)
{
	sys_spy_set(NULL);
	sink_bed_fini(&bed);
}

static char *
part(unsigned number)
{
	char name[64];
	snprintf(name, sizeof(name), "7-abc-%08u.log.part", number);
	return tmpdir_path(bed.dir, name);
}

START_TEST(unknown_sink_is_refused)
{
	struct sink *sink = NULL;
	struct sink_config config = { .spec = _i ? "file" : "printer", .instance = "abc" };
	ck_assert_int_eq(sink_create(&config, &sink, &bed.why), LTS_INVALID);
	ck_assert_ptr_null(sink);
}
END_TEST

START_TEST(directory_is_made_with_all_above_it)
{
	char spec[512];
	struct sink *sink;
	snprintf(spec, sizeof(spec), "file:%s/a/b//c/", bed.dir);
	struct sink_config config = { .spec = spec, .instance = "abc" };
	ck_assert_int_eq(sink_create(&config, &sink, &bed.why), LTS_OK);
	sink->ops->destroy(&sink);
	ck_assert_int_eq(access(spec + strlen("file:"), W_OK), 0);
}
END_TEST

START_TEST(directory_that_cannot_be_made_says_why)
{
	char spec[512];
	struct sink *sink = NULL;
	tmpdir_write(bed.dir, "file", "", 0);
	snprintf(spec, sizeof(spec), "file:%s/file/b", bed.dir);
	struct sink_config config = { .spec = spec, .instance = "abc" };
	ck_assert_int_eq(sink_create(&config, &sink, &bed.why), LTS_SYS);
	ck_assert(strstr(bed.why.data, "file/b") && strstr(bed.why.data, strerror(ENOTDIR)));
}
END_TEST

START_TEST(nothing_is_created_before_the_first_record)
{
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	sink_bed_commit(&bed, true);
	sink_bed_expect_files(&bed, "");
}
END_TEST

START_TEST(position_says_what_is_in_the_segment)
{
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 104), LTS_OK);
	struct sink_position position = sink_bed_flush(&bed, false);
	ck_assert_uint_eq(position.segment, 0);
	ck_assert_uint_eq(position.offset, 5 * RECORD_BYTES);
	sink_bed_expect_files(&bed, "7-abc-00000000.log.part");
	sink_bed_expect_records(&bed, 100, 104);
}
END_TEST

START_TEST(sealed_segment_gets_its_name_after_the_commit)
{
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 104), LTS_OK);
	struct sink_position position = sink_bed_flush(&bed, true);
	ck_assert_uint_eq(position.segment, 1);
	ck_assert_uint_eq(position.offset, 0);
	sink_bed_expect_files(&bed, "7-abc-00000000.log.part");
	ck_assert_int_eq(bed.sink->ops->committed(bed.stream), LTS_OK);
	sink_bed_expect_files(&bed, "7-abc-00000000.log");
	sink_bed_expect_records(&bed, 100, 104);
}
END_TEST

START_TEST(stream_goes_on_at_its_committed_position)
{
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 104), LTS_OK);
	sink_bed_commit(&bed, false);
	ck_assert_int_eq(sink_bed_submit(&bed, 105, 109), LTS_OK); /* never committed */
	sink_bed_close(&bed);
	ck_assert_int_eq(sink_bed_open(&bed, 0, 5 * RECORD_BYTES), LTS_OK);
	sink_bed_expect_records(&bed, 100, 104);
	ck_assert_int_eq(sink_bed_submit(&bed, 105, 106), LTS_OK);
	sink_bed_commit(&bed, true);
	sink_bed_expect_records(&bed, 100, 106);
}
END_TEST

START_TEST(segment_without_a_commit_is_begun_anew)
{
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 104), LTS_OK);
	sink_bed_flush(&bed, true); /* not committed */
	ck_assert_int_eq(sink_bed_submit(&bed, 105, 109), LTS_OK);
	sink_bed_close(&bed);
	sink_bed_expect_files(&bed, "7-abc-00000000.log.part 7-abc-00000001.log.part");
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	sink_bed_expect_files(&bed, "");
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 100), LTS_OK);
	sink_bed_commit(&bed, true);
	sink_bed_expect_records(&bed, 100, 100);
}
END_TEST

START_TEST(rotation_by_bytes)
{
	sink_bed_fini(&bed);
	sink_bed_init(&bed, 25);
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	for (unsigned i = 100; i < 107; i++) {
		ck_assert_int_eq(sink_bed_submit(&bed, i, i), LTS_OK);
		sink_bed_commit(&bed, false);
	}
	sink_bed_expect_files(&bed, "7-abc-00000000.log 7-abc-00000001.log "
				    "7-abc-00000002.log.part");
	sink_bed_expect_records(&bed, 100, 106);
}
END_TEST

START_TEST(rotation_by_time)
{
	sink_bed_fini(&bed);
	sink_bed_init(&bed, 0);
	bed.sink->ops->destroy(&bed.sink);
	bed.config.rotate_interval_ms = 1;
	ck_assert_int_eq(sink_create(&bed.config, &bed.sink, &bed.why), LTS_OK);
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 100), LTS_OK);
	struct sink_position position;
	do /* until a millisecond is over */
		position = sink_bed_flush(&bed, false);
	while (position.segment == 0);
	ck_assert_uint_eq(position.offset, 0);
}
END_TEST

START_TEST(second_opener_is_refused)
{
	struct sink_stream *first;
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 104), LTS_OK);
	sink_bed_commit(&bed, false);
	first = bed.stream;
	bed.stream = NULL;
	ck_assert_int_eq(sink_bed_open(&bed, 0, 5 * RECORD_BYTES), LTS_BUSY);
	ck_assert(strstr(bed.why.data, "another process writes it"));
	ck_assert_ptr_null(bed.stream);
	bed.stream = first;
	ck_assert_int_eq(sink_bed_submit(&bed, 105, 105), LTS_OK);
	sink_bed_expect_records(&bed, 100, 105);
}
END_TEST

START_TEST(missing_or_short_segment_is_refused)
{
	if (_i)
		tmpdir_write(bed.dir, "7-abc-00000002.log.part", "{\"n\":100}\n", 10);
	ck_assert_int_eq(sink_bed_open(&bed, 2, 11), LTS_BADDATA);
	ck_assert(strstr(bed.why.data, _i ? "shorter" : "missing"));
	ck_assert_ptr_null(bed.stream);
	if (_i)
		sink_bed_expect_records(&bed, 100, 100); /* and nothing of it changed */
}
END_TEST

START_TEST(checkpoint_older_than_a_sealed_file_is_refused)
{
	tmpdir_write(bed.dir, "7-abc-00000002.log", "{\"n\":100}\n", 10);
	ck_assert_int_eq(sink_bed_open(&bed, _i ? 2 : 1, 0), LTS_BADDATA);
	ck_assert(strstr(bed.why.data, "newer than the checkpoint"));
	sink_bed_expect_records(&bed, 100, 100);
}
END_TEST

/* What somebody does to the open segment behind our back. */
static void
tamper(int how)
{
	char *path = part(0);
	int fd;
	switch (how) {
	case 0:
		ck_assert_int_eq(unlink(path), 0);
		break;
	case 1:
		ck_assert_int_eq(truncate(path, 10), 0);
		break;
	case 2:
		fd = open(path, O_WRONLY | O_APPEND);
		ck_assert_int_eq(write(fd, "x", 1), 1);
		close(fd);
		break;
	default:
		ck_assert_int_eq(unlink(path), 0);
		tmpdir_write(bed.dir, "7-abc-00000000.log.part",
			     "{\"n\":100}\n{\"n\":101}\n{\"n\":102}\n", 30);
	}
	free(path);
}

START_TEST(touched_segment_is_noticed_before_the_next_append)
{
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 102), LTS_OK);
	sink_bed_commit(&bed, false);
	tamper(_i);
	ck_assert_int_eq(sink_bed_submit(&bed, 103, 103), LTS_BADDATA);
	ck_assert(strstr(bed.why.data, "removed, replaced, cut or written by another"));
}
END_TEST

START_TEST(directory_moved_away_or_made_anew_is_noticed_and_waited_for)
{
	char *away = xasprintf("%s.away", bed.dir);
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 104), LTS_OK);
	ck_assert_int_eq(rename(bed.dir, away), 0);
	ck_assert_int_eq(sink_bed_submit(&bed, 105, 105), LTS_NOSPACE);
	ck_assert_int_eq(mkdir(bed.dir, 0700), 0);
	ck_assert_int_eq(sink_bed_submit(&bed, 105, 105), LTS_NOSPACE);
	ck_assert_ptr_nonnull(strstr(bed.why.data, bed.dir));
	ck_assert_int_eq(rmdir(bed.dir), 0);
	ck_assert_int_eq(rename(away, bed.dir), 0);
	ck_assert_int_eq(sink_bed_submit(&bed, 105, 109), LTS_OK);
	sink_bed_commit(&bed, true);
	sink_bed_expect_records(&bed, 100, 109);
	free(away);
}
END_TEST

START_TEST(segment_removed_before_it_was_sealed_is_noticed)
{
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 102), LTS_OK);
	sink_bed_flush(&bed, true);
	tamper(0);
	ck_assert_int_eq(bed.sink->ops->committed(bed.stream), LTS_BADDATA);
}
END_TEST

/* A disk with so much room for segments. */
static size_t disk_room;

static int
before_on_full_disk(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	if (call != SPY_WRITE || !strstr(path, ".log"))
		return 0;
	if (disk_room == 0)
		return ENOSPC;
	if (*bytes > disk_room)
		*bytes = disk_room;
	disk_room -= *bytes;
	return 0;
}

static const struct sys_spy full_disk = { .before = before_on_full_disk };

START_TEST(full_disk_leaves_no_part_of_a_batch)
{
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 102), LTS_OK);
	sys_spy_set(&full_disk);
	for (disk_room = 0; disk_room < 5 * RECORD_BYTES;) {
		size_t room = disk_room;
		ck_assert_int_eq(sink_bed_submit(&bed, 103, 107), LTS_NOSPACE);
		sink_bed_expect_records(&bed, 100, 102);
		disk_room = room + 1;
	}
	/* It resumes by itself. */
	ck_assert_int_eq(sink_bed_submit(&bed, 103, 107), LTS_OK);
	sys_spy_set(NULL);
	sink_bed_commit(&bed, true);
	sink_bed_expect_records(&bed, 100, 107);
}
END_TEST

/* The kernel says it once: who tries again is told that all is well. */
static int
before_with_bad_disk(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	static bool said;
	if (said || call != *(const enum sys_spy_call *)arg)
		return 0;
	said = true;
	return EIO;
}

START_TEST(sync_that_fails_is_told_as_such)
{
	enum sys_spy_call what = SPY_FDATASYNC;
	struct sys_spy bad_disk = { .before = before_with_bad_disk, .arg = &what };
	struct sink_position position = { 77, 77 };
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 102), LTS_OK);
	sys_spy_set(&bad_disk);
	ck_assert_int_eq(bed.sink->ops->flush(bed.stream, false, &position), LTS_SYNC);
	ck_assert_uint_eq(position.segment, 77);
}
END_TEST

START_TEST(directory_that_cannot_be_synced_is_told_as_such)
{
	enum sys_spy_call what = SPY_FSYNC;
	struct sys_spy bad_disk = { .before = before_with_bad_disk, .arg = &what };
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	if (_i) {
		sys_spy_set(&bad_disk); /* on creating */
		ck_assert_int_eq(sink_bed_submit(&bed, 100, 102), LTS_SYNC);
		return;
	}
	ck_assert_int_eq(sink_bed_submit(&bed, 100, 102), LTS_OK);
	sink_bed_flush(&bed, true);
	sys_spy_set(&bad_disk); /* on sealing */
	ck_assert_int_eq(bed.sink->ops->committed(bed.stream), LTS_SYNC);
}
END_TEST

START_TEST(partial_batch_that_cannot_be_cut_back_ends_the_process)
{
	enum sys_spy_call what = SPY_TRUNCATE;
	struct sys_spy bad_disk = { .before = before_with_bad_disk, .arg = &what };
	struct record records[] = { { "{\"log_content\":\"a\"}", 19 }, { "not json", 8 } };
	sink_bed_fini(&bed);
	sink_bed_init(&bed, 0);
	bed.sink->ops->destroy(&bed.sink);
	bed.config.format = RECORD_CONTENT;
	ck_assert_int_eq(sink_create(&bed.config, &bed.sink, &bed.why), LTS_OK);
	ck_assert_int_eq(sink_bed_open(&bed, 0, 0), LTS_OK);
	ck_assert_int_eq(bed.sink->ops->submit(bed.stream, records, 2, &bed.why), LTS_BADDATA);
	sink_bed_expect_records(&bed, 1, 0);
	sys_spy_set(&bad_disk);
	ck_assert_int_eq(bed.sink->ops->submit(bed.stream, records, 2, &bed.why), LTS_BADDATA);
}
END_TEST

Suite *
suite_sink_file(void)
{
	Suite *suite = suite_create("sink_file");
	TCase *tc = tcase_create("streams");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, unknown_sink_is_refused, 0, 2);
	tcase_add_test(tc, directory_is_made_with_all_above_it);
	tcase_add_test(tc, directory_that_cannot_be_made_says_why);
	tcase_add_test(tc, nothing_is_created_before_the_first_record);
	tcase_add_test(tc, position_says_what_is_in_the_segment);
	tcase_add_test(tc, sealed_segment_gets_its_name_after_the_commit);
	tcase_add_test(tc, stream_goes_on_at_its_committed_position);
	tcase_add_test(tc, segment_without_a_commit_is_begun_anew);
	tcase_add_test(tc, rotation_by_bytes);
	tcase_add_test(tc, rotation_by_time);
	suite_add_tcase(suite, tc);
	tc = tcase_create("troubles");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, second_opener_is_refused);
	tcase_add_loop_test(tc, missing_or_short_segment_is_refused, 0, 2);
	tcase_add_loop_test(tc, checkpoint_older_than_a_sealed_file_is_refused, 0, 2);
	tcase_add_loop_test(tc, touched_segment_is_noticed_before_the_next_append, 0, 4);
	tcase_add_test(tc, directory_moved_away_or_made_anew_is_noticed_and_waited_for);
	tcase_add_test(tc, segment_removed_before_it_was_sealed_is_noticed);
	tcase_add_test(tc, full_disk_leaves_no_part_of_a_batch);
	tcase_add_test(tc, sync_that_fails_is_told_as_such);
	tcase_add_loop_test(tc, directory_that_cannot_be_synced_is_told_as_such, 0, 2);
	tcase_add_test(tc, partial_batch_that_cannot_be_cut_back_ends_the_process);
	suite_add_tcase(suite, tc);
	return suite;
}
