/*
 * test_metrics_shards.c - what is said of a shard's lag, whoever holds it.
 */
#include "supervisor/metrics_shards.h"

#include <check.h>
#include <unistd.h>

#include "tests/suites.h"
#include "tests/supervisor/book_bed.h"

enum { LOOK_MS = 10000 };
static const int64_t WALL_NS = 1767322800000000000;

static struct book_bed bed;
static struct metrics_shards shards;
static int fd;
static struct board *board;

static void
setup(void)
{
	book_bed_init(&bed, 0);
	ck_assert_int_eq(board_create(&fd, &board), LTS_OK);
	book_bed_live(&bed, 0);
	book_bed_live(&bed, 1);
}

static void
teardown(void)
{
	metrics_shards_fini(&shards);
	board_unmap(&board);
	close(fd);
	book_bed_fini(&bed);
}

static void
take_book(void)
{
	metrics_shards_take_book(&shards, bed.book, bed.now_ms);
}

static struct shard_row *
row(const char *shard)
{
	for (size_t i = 0; i < shards.n; i++)
		if (strcmp(shards.rows[i].shard.text, shard) == 0)
			return &shards.rows[i];
	return NULL;
}

/* What the worker's cell says of the shard's present assignment. */
static struct board_shard *
cell_of(const char *shard)
{
	struct shard_id id = { 0 };
	memcpy(id.text, shard, strlen(shard));
	return board_shard_take(board, &id, row(shard)->epoch);
}

static int64_t
behind(const struct shard_row *r, int64_t later_ms)
{
	return shard_row_behind_ms(r, LOOK_MS, bed.now_ms + later_ms,
				   WALL_NS + later_ms * 1000000);
}

START_TEST(rows_are_those_of_the_book)
{
	book_bed_hold(&bed, 0, "B A");
	take_book();
	ck_assert_uint_eq(shards.n, 2);
	ck_assert_str_eq(shards.rows[0].shard.text, "A");
	ck_assert_str_eq(shards.rows[1].shard.text, "B");
	ck_assert_str_eq(row("A")->state, "held");
	ck_assert_int_ge(row("A")->holder, 0);
	ck_assert_ptr_null(row("C"));
}
END_TEST

START_TEST(shard_whose_last_answer_was_empty_at_its_tail_is_not_behind)
{
	book_bed_hold(&bed, 0, "A");
	take_book();
	struct board_shard *cell = cell_of("A");
	cell->at_tail = 1;
	cell->caught_up_ms = bed.now_ms;
	metrics_shards_take_board(&shards, board);
	ck_assert_int_eq(behind(row("A"), 0), 0);
	ck_assert_int_eq(behind(row("A"), LOOK_MS), 0);
	/* Nobody has asked for too long: it is as far behind as that. */
	ck_assert_int_eq(behind(row("A"), LOOK_MS + 1), LOOK_MS + 1);
	cell->in_hand = 3; /* something came, and is not delivered */
	metrics_shards_take_board(&shards, board);
	ck_assert_int_eq(behind(row("A"), 700), 700);
	cell->in_hand = 0;
	cell->at_tail = 0; /* a full answer was delivered: there is more */
	metrics_shards_take_board(&shards, board);
	ck_assert_int_eq(behind(row("A"), 800), 800);
}
END_TEST

START_TEST(shard_that_never_was_at_its_tail_is_as_far_behind_as_its_records)
{
	book_bed_hold(&bed, 0, "A");
	take_book();
	struct board_shard *cell = cell_of("A");
	metrics_shards_take_board(&shards, board);
	ck_assert_int_eq(behind(row("A"), 5000), 5000); /* they carry no time: since it is ours */
	cell->record_ns = WALL_NS - 3600 * INT64_C(1000000000);
	metrics_shards_take_board(&shards, board);
	ck_assert_int_eq(behind(row("A"), 0), 3600 * 1000);
	cell->caught_up_ms = bed.now_ms; /* old records, but all of them */
	metrics_shards_take_board(&shards, board);
	ck_assert_int_eq(behind(row("A"), 40), 40);
	cell->record_ns = WALL_NS + INT64_C(5000000000); /* their clock is ahead */
	metrics_shards_take_board(&shards, board);
	ck_assert_int_eq(behind(row("A"), 40), 0);
}
END_TEST

START_TEST(what_a_dead_worker_knew_is_kept_and_what_is_not_its_own_is_not_believed)
{
	book_bed_hold(&bed, 0, "A");
	take_book();
	struct board_shard *cell = cell_of("A");
	cell->caught_up_ms = bed.now_ms;
	cell->at_tail = 1;
	metrics_shards_take_board(&shards, board);
	int32_t holder = row("A")->holder;
	board_clear(board);
	book_bed_gone(&bed, (uint32_t)holder, FATE_KILLED);
	take_book();
	metrics_shards_take_board(&shards, board);
	ck_assert(!row("A")->has_cell);
	ck_assert_int_eq(behind(row("A"), 900), 900);
	struct shard_id id = { "A" };
	cell = board_shard_take(board, &id, (struct epoch){ row("A")->epoch.value - 1 });
	cell->caught_up_ms = bed.now_ms + 900; /* an assignment that is over */
	metrics_shards_take_board(&shards, board);
	ck_assert_int_eq(behind(row("A"), 900), 900);
}
END_TEST

START_TEST(publish_age_is_that_of_what_the_service_does_not_know)
{
	struct checkpoint_record record = { .shard = { "A" }, .cursor = { "5" }, .records = 9 };
	book_bed_hold(&bed, 0, "A");
	take_book();
	ck_assert_int_eq(shard_row_publish_age_ms(row("A"), bed.now_ms), -1);
	metrics_shards_take_checkpoint(&shards, &record);
	ck_assert_uint_eq(row("A")->records, 9);
	row("A")->published_ms = bed.now_ms;
	ck_assert_int_eq(shard_row_publish_age_ms(row("A"), bed.now_ms + 60), 60);
	row("A")->published = record.cursor;
	ck_assert_int_eq(shard_row_publish_age_ms(row("A"), bed.now_ms + 60), 0);
	record.shard.text[0] = 'Z'; /* nobody's here */
	metrics_shards_take_checkpoint(&shards, &record);
}
END_TEST

Suite *
suite_metrics_shards(void)
{
	Suite *suite = suite_create("metrics_shards");
	TCase *tc = tcase_create("metrics_shards");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rows_are_those_of_the_book);
	tcase_add_test(tc, shard_whose_last_answer_was_empty_at_its_tail_is_not_behind);
	tcase_add_test(tc, shard_that_never_was_at_its_tail_is_as_far_behind_as_its_records);
	tcase_add_test(tc,
		       what_a_dead_worker_knew_is_kept_and_what_is_not_its_own_is_not_believed);
	tcase_add_test(tc, publish_age_is_that_of_what_the_service_does_not_know);
	suite_add_tcase(suite, tc);
	return suite;
}
