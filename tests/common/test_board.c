/*
 * test_board.c - holds common/board.c to what its header says, with a writer in another
 * thread.
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/board_wait.h"
#include "tests/suites.h"

enum { READS = 100000 };

static int fd;
static struct board *board;

static void
setup(void)
{
	ck_assert_int_eq(board_create(&fd, &board), LTS_OK);
}

static void
teardown(void)
{
	board_unmap(&board);
	close(fd);
}

START_TEST(new_board_is_idle_and_all_zero)
{
	struct board_place place = board_place(board);
	ck_assert_int_eq(place.stage, BOARD_IDLE);
	ck_assert(!place.torn);
	ck_assert_str_eq(place.shard.text, "");
	ck_assert_str_eq(place.cursor.text, "");
	ck_assert_int_eq(board->beat_ms, 0);
	ck_assert_uint_eq(board->counters.commits, 0);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}
END_TEST

START_TEST(place_entered_is_read_through_another_mapping)
{
	struct board *other;
	struct shard_id shard = { "12" };
	struct cursor cursor = { "1767322800000000001" };
	ck_assert_int_eq(board_map(fd, &other), LTS_OK);
	board_enter(board, BOARD_SUBMIT, &shard, &cursor, 77);
	struct board_place place = board_place(other);
	ck_assert(!place.torn);
	ck_assert_int_eq(place.stage, BOARD_SUBMIT);
	ck_assert_int_eq(place.since_ms, 77);
	ck_assert(shard_id_equal(&place.shard, &shard));
	ck_assert(cursor_equal(&place.cursor, &cursor));
	board_add(&board->counters.commits, 3);
	ck_assert_uint_eq(other->counters.commits, 3);
	board_unmap(&other);
	board_unmap(&other); /* NULL-safe */
}
END_TEST

START_TEST(stage_without_shard_keeps_the_last_one)
{
	struct shard_id shard = { "12" };
	struct cursor cursor = { "100" };
	board_enter(board, BOARD_SUBMIT, &shard, &cursor, 1);
	board_enter(board, BOARD_IDLE, NULL, NULL, 2);
	struct board_place place = board_place(board);
	ck_assert_int_eq(place.stage, BOARD_IDLE);
	ck_assert_int_eq(place.since_ms, 2);
	ck_assert_str_eq(place.shard.text, "12");
	ck_assert_str_eq(place.cursor.text, "100");
}
END_TEST

START_TEST(time_inside_commits_is_added_up)
{
	board_enter(board, BOARD_SUBMIT, NULL, NULL, 1000);
	board_enter(board, BOARD_IDLE, NULL, NULL, 1050);
	ck_assert_uint_eq(board->counters.commit_ms, 0);
	board_enter(board, BOARD_FLUSH, NULL, NULL, 1060);
	board_enter(board, BOARD_WAIT_LOCK, NULL, NULL, 1061);
	board_enter(board, BOARD_IN_TXN, NULL, NULL, 1063);
	board_enter(board, BOARD_IDLE, NULL, NULL, 1067);
	board_enter(board, BOARD_SUBMIT, NULL, NULL, 2000);
	ck_assert_uint_eq(board->counters.commit_ms, 1 + 2 + 4);
}
END_TEST

START_TEST(wait_lasts_since_it_was_first_said_until_it_goes_on)
{
	struct board_waits wait;
	ck_assert(!board_waits_for(board, BOARD_WANT_STATE, &wait));
	board_wait(board, BOARD_WANT_STATE, "no space", 1000);
	board_wait(board, BOARD_WANT_STATE, "no space: 12 MiB short", 1500);
	ck_assert(board_waits_for(board, BOARD_WANT_STATE, &wait));
	ck_assert_int_eq(wait.since_ms, 1000);
	ck_assert_str_eq(wait.text, "no space: 12 MiB short");
	ck_assert(!board_waits_for(board, BOARD_WANT_SINK, &wait));
	board_go_on(board, BOARD_WANT_STATE);
	ck_assert(!board_waits_for(board, BOARD_WANT_STATE, &wait));
	board_wait(board, BOARD_WANT_STATE, "no space", 3000);
	ck_assert(board_waits_for(board, BOARD_WANT_STATE, &wait));
	ck_assert_int_eq(wait.since_ms, 3000);
}
END_TEST

START_TEST(waiting_for_the_lock_of_the_state_needs_no_word)
{
	struct board_waits wait;
	board_enter(board, BOARD_WAIT_LOCK, NULL, NULL, 700);
	ck_assert(board_waits_for(board, BOARD_WANT_STATE, &wait));
	ck_assert_int_eq(wait.since_ms, 700);
	board_enter(board, BOARD_IN_TXN, NULL, NULL, 800);
	ck_assert(!board_waits_for(board, BOARD_WANT_STATE, &wait));
}
END_TEST

START_TEST(mapping_what_is_no_memory_is_an_error)
{
	struct board *other = NULL;
	ck_assert_int_eq(board_map(-1, &other), LTS_SYS);
	ck_assert_ptr_null(other);
}
END_TEST

struct writer {
	pthread_t thread;
	_Atomic bool stop;
};

/* The stage, the time, the shard and the cursor all say the same number. */
static void *
write_numbers(void *arg)
{
	struct writer *writer = arg;
	for (unsigned i = 1; !writer->stop; i = i % 1000000 + 1) {
		struct shard_id shard = { 0 };
		struct cursor cursor = { 0 };
		snprintf(shard.text, sizeof(shard.text), "%063u", i);
		snprintf(cursor.text, sizeof(cursor.text), "%063u", i);
		board_enter(board, (enum board_stage)(i % 5), &shard, &cursor, i);
	}
	return NULL;
}

START_TEST(concurrent_reader_never_takes_a_torn_place_for_a_whole_one)
{
	struct writer writer = { .stop = false };
	unsigned whole = 0, changes = 0;
	int64_t before = 0;
	ck_assert_int_eq(pthread_create(&writer.thread, NULL, write_numbers, &writer), 0);
	while (board_place(board).since_ms == 0) /* until it runs */
		;
	for (unsigned i = 0; i < READS; i++) {
		struct board_place place = board_place(board);
		if (place.torn) /* the writer was put aside in the middle, for all the
				   tries */
			continue;
		whole++;
		changes += place.since_ms != before;
		before = place.since_ms;
		ck_assert_int_eq(strtol(place.shard.text, NULL, 10), place.since_ms);
		ck_assert_int_eq(strtol(place.cursor.text, NULL, 10), place.since_ms);
		ck_assert_int_eq(place.stage, place.since_ms % 5);
	}
	writer.stop = true;
	pthread_join(writer.thread, NULL);
	ck_assert_uint_gt(whole, 0);
	ck_assert_uint_gt(changes, 1); /* else nothing was tested */
}
END_TEST

START_TEST(writer_that_died_inside_does_not_hang_the_reader)
{
	struct shard_id shard = { "12" };
	board_enter(board, BOARD_SUBMIT, &shard, NULL, 5);
	board->version++; /* as it is in the middle of board_enter */
	struct board_place place = board_place(board);
	ck_assert(place.torn);
	ck_assert_int_eq(place.stage, BOARD_SUBMIT);
	ck_assert_str_eq(place.shard.text, "12");
}
END_TEST

START_TEST(next_writer_makes_the_board_of_a_dead_one_whole_again)
{
	struct shard_id shard = { "13" };
	board->version = 7;
	board_enter(board, BOARD_FLUSH, &shard, NULL, 9);
	ck_assert_uint_eq(board->version % 2, 0);
	struct board_place place = board_place(board);
	ck_assert(!place.torn);
	ck_assert_str_eq(place.shard.text, "13");
}
END_TEST

START_TEST(unterminated_text_of_a_broken_writer_is_cut)
{
	memset(board->shard.text, 'x', sizeof(board->shard.text));
	memset(board->cursor.text, 'y', sizeof(board->cursor.text));
	struct board_place place = board_place(board);
	ck_assert_uint_eq(strlen(place.shard.text), sizeof(place.shard.text) - 1);
	ck_assert_uint_eq(strlen(place.cursor.text), sizeof(place.cursor.text) - 1);
}
END_TEST

START_TEST(every_stage_has_a_name)
{
	for (int stage = BOARD_IDLE; stage <= BOARD_IN_TXN; stage++)
		ck_assert_str_ne(board_stage_name((enum board_stage)stage), "?");
	ck_assert_str_eq(board_stage_name((enum board_stage)99), "?");
}
END_TEST

Suite *
suite_board(void)
{
	Suite *suite = suite_create("board");
	TCase *tc = tcase_create("board");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, new_board_is_idle_and_all_zero);
	tcase_add_test(tc, place_entered_is_read_through_another_mapping);
	tcase_add_test(tc, stage_without_shard_keeps_the_last_one);
	tcase_add_test(tc, time_inside_commits_is_added_up);
	tcase_add_test(tc, wait_lasts_since_it_was_first_said_until_it_goes_on);
	tcase_add_test(tc, waiting_for_the_lock_of_the_state_needs_no_word);
	tcase_add_test(tc, mapping_what_is_no_memory_is_an_error);
	tcase_add_test(tc, concurrent_reader_never_takes_a_torn_place_for_a_whole_one);
	tcase_add_test(tc, writer_that_died_inside_does_not_hang_the_reader);
	tcase_add_test(tc, next_writer_makes_the_board_of_a_dead_one_whole_again);
	tcase_add_test(tc, unterminated_text_of_a_broken_writer_is_cut);
	tcase_add_test(tc, every_stage_has_a_name);
	suite_add_tcase(suite, tc);
	return suite;
}
