/*
 * test_append.c - the bad records of a batch for a plain sink are dead letters, once, behind the
 * very commit that passes them; the others are delivered.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/state_env.h"
#include "tests/support/sys_spy.h"
#include "tests/worker/commit_bed.h"
#include "worker/dead_letter.h"

static struct commit_bed bed;

static void
setup(void)
{
	commit_bed_init(&bed);
	commit_bed_open(&bed);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
}

static void
teardown(void)
{
	commit_bed_fini(&bed);
}

/* Records first to last, of which that at `bad` is. */
static struct batch *
batch_of(const char *from, const char *to, unsigned first, unsigned last, unsigned bad)
{
	struct batch *batch = commit_bed_batch(&bed.a, from, to, first, last);
	batch->bad = xcalloc(1, sizeof(*batch->bad));
	batch->bad[0] = (struct bad_record){ bad - first, 5, "UTF-8" };
	batch->n_bad = 1;
	return batch;
}

static enum lts_err
submit(struct batch *batch)
{
	int64_t due_ms;
	buf_clear(&bed.why);
	return committer_submit(bed.committer, batch, &due_ms, &bed.why);
}

static unsigned
letters(void)
{
	char *text = commit_bed_letters(&bed, "A");
	unsigned n = 0;
	for (const char *at = text; (at = strstr(at, "\"record_base64\":")); at++)
		n++;
	free(text);
	return n;
}

/* Behind a death: what is not committed is not there. */
static void
die_and_take(void)
{
	commit_bed_drop(&bed);
	bed.a = commit_bed_lease("A", (uint32_t)bed.a.epoch.value + 10);
	commit_bed_open(&bed);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
}

START_TEST(bad_record_is_a_dead_letter_and_the_rest_is_delivered_in_order)
{
	struct batch *batch = batch_of("10", "20", 100, 104, 102);
	ck_assert_int_eq(submit(batch), LTS_OK);
	batch_destroy(&batch);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "20", "30", 105, 106), LTS_OK);
	commit_bed_commit(&bed);
	char *content = commit_bed_content(&bed, "A"), *letter = commit_bed_letters(&bed, "A");
	ck_assert_str_eq(content, "{\"n\":100}\n{\"n\":101}\n{\"n\":103}\n{\"n\":104}\n"
				  "{\"n\":105}\n{\"n\":106}\n");
	ck_assert_ptr_nonnull(strstr(letter, "\"shard\":\"A\",\"cursor\":\"10\",\"index\":2,"
					     "\"attempts\":0,\"error\":\"cannot be read: at byte 5 "
					     "of it: expected UTF-8\""));
	ck_assert_ptr_nonnull(strstr(letter, "\"record_base64\":\"eyJuIjoxMDJ9\"}\n"));
	struct checkpoint_record record;
	commit_bed_drop(&bed);
	ck_assert_int_eq(state_env_checkpoint(commit_bed_state(&bed), "A", &record), LTS_OK);
	ck_assert_uint_eq(record.records, 6);
	ck_assert_uint_eq(record.dead_letters, 1);
	ck_assert_uint_eq(record.letters.offset, strlen(letter));
	free(content);
	free(letter);
}
END_TEST

START_TEST(batch_of_bad_records_alone_moves_on)
{
	struct batch *batch = batch_of("10", "20", 100, 100, 100);
	ck_assert_int_eq(submit(batch), LTS_OK);
	batch_destroy(&batch);
	commit_bed_commit(&bed);
	ck_assert_uint_eq(letters(), 1);
	commit_bed_expect_checkpoint(&bed, "A", "20", 0, 0);
}
END_TEST

/* The same place is where it goes on: so the letter must go. */
START_TEST(letter_that_is_not_committed_is_undone_by_a_death)
{
	struct batch *batch = batch_of("10", "20", 100, 104, 102);
	ck_assert_int_eq(submit(batch), LTS_OK);
	batch_destroy(&batch);
	commit_bed_commit(&bed);
	batch = batch_of("20", "30", 105, 109, 106);
	ck_assert_int_eq(submit(batch), LTS_OK);
	batch_destroy(&batch);
	ck_assert_uint_eq(letters(), 2);
	die_and_take();
	ck_assert_uint_eq(letters(), 1);
	batch = batch_of("20", "30", 105, 109, 106);
	ck_assert_int_eq(submit(batch), LTS_OK);
	batch_destroy(&batch);
	commit_bed_commit(&bed);
	ck_assert_uint_eq(letters(), 2);
}
END_TEST

START_TEST(what_is_committed_lasts_though_its_file_has_no_final_name)
{
	struct batch *batch = batch_of("10", "20", 100, 104, 102);
	ck_assert_int_eq(submit(batch), LTS_OK);
	batch_destroy(&batch);
	commit_bed_commit(&bed);
	die_and_take();
	ck_assert_uint_eq(letters(), 1);
	commit_bed_expect_checkpoint(&bed, "A", "20", 0, 40);
}
END_TEST

static int
no_room_in_the_sink(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	bool here = path && strncmp(path, bed.sink_dir, strlen(bed.sink_dir)) == 0;
	return call == SPY_WRITE && here ? ENOSPC : 0;
}

START_TEST(without_space_in_the_sink_no_letter_is_committed_nor_put_twice)
{
	struct sys_spy full = { .before = no_room_in_the_sink };
	struct batch *batch = batch_of("10", "20", 100, 104, 102);
	sys_spy_set(&full);
	ck_assert_int_eq(submit(batch), LTS_NOSPACE);
	ck_assert_int_eq(submit(batch), LTS_NOSPACE);
	committer_published(bed.committer, &bed.a, &(struct cursor){ "10" });
	commit_bed_commit(&bed);
	sys_spy_set(NULL);
	struct checkpoint_record record;
	commit_bed_drop(&bed);
	ck_assert_int_eq(state_env_checkpoint(commit_bed_state(&bed), "A", &record), LTS_OK);
	ck_assert_uint_eq(record.letters.offset + record.dead_letters, 0);
	batch_destroy(&batch);
	die_and_take();
	batch = batch_of("10", "20", 100, 104, 102);
	sys_spy_set(&full);
	ck_assert_int_eq(submit(batch), LTS_NOSPACE);
	sys_spy_set(NULL);
	ck_assert_int_eq(submit(batch), LTS_OK);
	ck_assert_uint_eq(letters(), 1);
	commit_bed_commit(&bed);
	batch_destroy(&batch);
	ck_assert_uint_eq(letters(), 1);
}
END_TEST

START_TEST(on_poison_stop_the_shard_stops_in_front_of_it)
{
	bed.config.process.on_poison = POISON_STOP;
	die_and_take();
	struct batch *batch = batch_of("10", "20", 100, 104, 102);
	ck_assert_int_eq(submit(batch), LTS_BADDATA);
	ck_assert_str_eq(bed.why.data, "record 2 behind cursor 10 cannot be read: at byte 5 of it: "
				       "expected UTF-8");
	batch_destroy(&batch);
	commit_bed_commit(&bed);
	ck_assert_uint_eq(letters(), 0);
	char *content = commit_bed_content(&bed, "A");
	ck_assert_str_eq(content, "");
	free(content);
}
END_TEST

START_TEST(shard_of_before_begins_its_letters_behind_whatever_is_there)
{
	struct batch *batch = batch_of("10", "20", 100, 104, 102);
	struct checkpoint_record record;
	struct store_txn txn = { 0 };
	commit_bed_drop(&bed);
	struct state_env *env = commit_bed_state(&bed);
	ck_assert_int_eq(state_env_checkpoint(env, "A", &record), LTS_OK);
	record.has_letters = false;
	record.position = (struct sink_position){ 7, 0 };
	ck_assert_int_eq(store_write_begin(env->store, &txn), LTS_OK);
	ck_assert_int_eq(checkpoint_put(&txn, &record), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	store_close(&env->store);
	die_and_take();
	ck_assert_int_eq(submit(batch), LTS_OK);
	commit_bed_commit(&bed);
	batch_destroy(&batch);
	commit_bed_drop(&bed);
	ck_assert_int_eq(state_env_checkpoint(commit_bed_state(&bed), "A", &record), LTS_OK);
	ck_assert(record.has_letters);
	ck_assert_uint_eq(record.letters.segment, 8);
	ck_assert_uint_eq(record.position.segment, 7);
}
END_TEST

Suite *
suite_append(void)
{
	Suite *suite = suite_create("append");
	TCase *tc = tcase_create("batches");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bad_record_is_a_dead_letter_and_the_rest_is_delivered_in_order);
	tcase_add_test(tc, batch_of_bad_records_alone_moves_on);
	tcase_add_test(tc, letter_that_is_not_committed_is_undone_by_a_death);
	tcase_add_test(tc, what_is_committed_lasts_though_its_file_has_no_final_name);
	tcase_add_test(tc, without_space_in_the_sink_no_letter_is_committed_nor_put_twice);
	tcase_add_test(tc, on_poison_stop_the_shard_stops_in_front_of_it);
	tcase_add_test(tc, shard_of_before_begins_its_letters_behind_whatever_is_there);
	suite_add_tcase(suite, tc);
	return suite;
}
