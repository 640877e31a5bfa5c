/*
 * test_shard_doubt.c - holds the shard machine to acting on an answer that is not all it should
 * be only when a second one says the same, and to asking for less where nothing is said twice.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/state_env.h"
#include "tests/worker/shard_bed.h"

static struct shard_bed bed;

static void
setup(void)
{
	shard_bed_init(&bed, 0);
	shard_bed_fetching(&bed);
}

static void
teardown(void)
{
	if (bed.submitted)
		shard_bed_delivered(&bed, LTS_OK);
	shard_on_gone(bed.shard, bed.now_ms);
	shard_bed_closed(&bed, LTS_OK);
	shard_bed_fini(&bed);
}

/* A record for each letter, bad where it is a capital. */
static struct batch *
batch_of(const struct cursor *from, const char *to, const char *letters)
{
	struct batch *batch = batch_create(&bed.lease, from);
	size_t n = strlen(letters);
	batch->to = cursor_of(to);
	batch->n_records = n;
	batch->records = xcalloc(n + 1, sizeof(*batch->records));
	batch->bad = xcalloc(n + 1, sizeof(*batch->bad));
	for (size_t i = 0; i < n; i++) {
		batch->records[i] = (struct record){ &letters[i], 1 };
		if (letters[i] < 'a')
			batch->bad[batch->n_bad++] = (struct bad_record){ i, 0, "a letter" };
	}
	batch->doubtful = true;
	batch->whole = batch->n_bad > 0;
	batch->bytes = 500;
	bed.fetched += n;
	return batch;
}

static void
answer(struct batch *batch)
{
	struct shard_answer a = { .retry_after_ms = -1, .text = "the doubt", .batch = batch };
	shard_on_answer(bed.shard, &a, bed.now_ms);
}

static void
doubtful(const char *to, const char *letters)
{
	answer(batch_of(&bed.from, to, letters));
}

/* It waits, and then asks again. */
static void
expect_asked_again(const char *asked)
{
	int64_t wait_ms = 0;
	char said[200];
	ck_assert_int_eq(sscanf(bed.said.data, "trouble BADDATA\nwait %ld\n", &wait_ms), 1);
	snprintf(said, sizeof(said), "trouble BADDATA\nwait %ld\n", wait_ms);
	shard_bed_expect(&bed, said);
	shard_bed_timer(&bed, wait_ms);
	shard_bed_expect(&bed, asked);
}

START_TEST(bad_record_is_taken_when_it_comes_again_as_it_was)
{
	doubtful("20", "abCd");
	expect_asked_again("batch 10 - 10\n");
	doubtful("20", "abCd");
	shard_bed_expect(&bed, "submit 10>20 4\nbatch 20 - 12\n");
	ck_assert_uint_eq(bed.submitted->n_bad, 1);
	doubtful("30", "abCd"); /* elsewhere it is another */
	expect_asked_again("batch 20 - 10\n");
}
END_TEST

/* In turn: what the first said, and the second. */
static const char *const others[][2] = {
	{ "abCd", "abDd" }, /* the bad one */
	{ "abCd", "xbCd" }, /* one before it */
	{ "abCd", "abCx" }, /* one behind it */
	{ "abCd", "abCde" }, /* one more, that was not seen */
	{ "abc", "ab" }, /* not only records are odd */
};

START_TEST(what_the_second_answer_says_otherwise_is_asked_for_a_third_time)
{
	doubtful("20", others[_i][0]);
	expect_asked_again("batch 10 - 10\n");
	doubtful("20", others[_i][1]);
	expect_asked_again("batch 10 - 10\n");
	doubtful("20", others[_i][1]);
	ck_assert_ptr_nonnull(bed.submitted);
	ck_assert_uint_eq(bed.submitted->n_records, strlen(others[_i][1]));
	shard_bed_ignore(&bed);
}
END_TEST

START_TEST(another_next_is_another_answer)
{
	doubtful("20", "abCd");
	expect_asked_again("batch 10 - 10\n");
	doubtful("21", "abCd");
	expect_asked_again("batch 10 - 10\n");
}
END_TEST

START_TEST(second_answer_may_be_cut_shorter)
{
	doubtful("20", "abCdE");
	expect_asked_again("batch 10 - 10\n");
	doubtful("18", "abC");
	shard_bed_expect(&bed, "submit 10>18 3\nbatch 18 - 12\n");
}
END_TEST

START_TEST(good_answer_settles_it)
{
	doubtful("20", "abCd");
	expect_asked_again("batch 10 - 10\n");
	shard_bed_batch(&bed, "20", 4, 500);
	shard_bed_expect(&bed, "submit 10>20 4\nbatch 20 - 12\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_ignore(&bed);
	doubtful("30", "abCd"); /* and nothing of it is left */
	expect_asked_again("batch 20 - 10\n");
}
END_TEST

START_TEST(fewer_are_asked_for_while_nothing_can_be_read)
{
	static const char *const asked[] = { "batch 10 - 100\n", "batch 10 - 50\n",
					     "batch 10 - 25\n",	 "batch 10 - 12\n",
					     "batch 10 - 10\n",	 "batch 10 - 10\n" };
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		shard_bed_error(&bed, LTS_BADDATA, -1);
		expect_asked_again(asked[i]);
	}
	shard_bed_batch(&bed, "20", 10, 500);
	shard_bed_expect(&bed, "submit 10>20 10\nbatch 20 - 12\n");
}
END_TEST

/* Early means before the first has said anything: it is no second answer. */
START_TEST(doubtful_early_answer_is_asked_for_in_its_turn)
{
	shard_bed_head(&bed, "20", BED_BATCH);
	shard_bed_expect(&bed, "early 20 - 100\n");
	struct shard_answer a = { .retry_after_ms = -1,
				  .batch = batch_of(&bed.early, "30", "abCd") };
	bed.early = (struct cursor){ 0 };
	shard_on_early_answer(bed.shard, &a);
	shard_bed_expect(&bed, "");
	shard_bed_batch(&bed, "20", BED_BATCH, 500);
	shard_bed_expect(&bed, "submit 10>20 100\nbatch 20 - 100\n");
	doubtful("30", "abCd");
	expect_asked_again("batch 20 - 10\n");
}
END_TEST

START_TEST(what_was_asked_for_early_behind_a_doubtful_answer_is_dropped)
{
	shard_bed_head(&bed, "20", BED_BATCH);
	shard_bed_ignore(&bed);
	doubtful("20", "abCd");
	ck_assert(strstr(bed.said.data, "early cancelled\n") != NULL);
	shard_bed_ignore(&bed);
}
END_TEST

Suite *
suite_shard_doubt(void)
{
	Suite *suite = suite_create("shard_doubt");
	TCase *tc = tcase_create("answers");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bad_record_is_taken_when_it_comes_again_as_it_was);
	tcase_add_loop_test(tc, what_the_second_answer_says_otherwise_is_asked_for_a_third_time, 0,
			    sizeof(others) / sizeof(*others));
	tcase_add_test(tc, another_next_is_another_answer);
	tcase_add_test(tc, second_answer_may_be_cut_shorter);
	tcase_add_test(tc, good_answer_settles_it);
	tcase_add_test(tc, fewer_are_asked_for_while_nothing_can_be_read);
	tcase_add_test(tc, doubtful_early_answer_is_asked_for_in_its_turn);
	tcase_add_test(tc, what_was_asked_for_early_behind_a_doubtful_answer_is_dropped);
	suite_add_tcase(suite, tc);
	return suite;
}
