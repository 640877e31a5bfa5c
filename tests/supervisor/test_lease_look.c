/*
 * test_lease_look.c - holds supervisor/lease_look.c and lease_publish.c to the rule that one answer
 * proves nothing: what was published is looked at again, and "no checkpoint" is asked for twice.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/supervisor/book_bed.h"

static struct book_bed bed;

enum { LATEST = 32 }; /* so many are known */

static void
setup(void)
{
	book_bed_init(&bed, 0);
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
}

static void
teardown(void)
{
	book_bed_fini(&bed);
}

static void
publish_a(const char *cursor)
{
	book_bed_commit(&bed, "A", 1, cursor);
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", cursor, LTS_OK);
	buf_clear(&bed.said);
	bed.said.data[0] = '\0';
}

static void
look_at_a(void)
{
	book_bed_tick(&bed, BED_TIMEOUT_MS / 2);
	book_bed_expect(&bed, "ask A\n");
}

/* ---- no checkpoint ---- */

START_TEST(no_checkpoint_is_believed_when_it_is_said_twice_a_second_apart)
{
	book_bed_heartbeat(&bed, 1, "C");
	book_bed_expect(&bed, "ask C\n");
	book_bed_service_once(&bed, "C", "", false);
	book_bed_service_once(&bed, "C", "", false); /* the same question, answered again */
	book_bed_tick(&bed, 999);
	book_bed_expect(&bed, "");
	book_bed_tick(&bed, 1);
	book_bed_expect(&bed, "ask C\n");
	book_bed_service_once(&bed, "C", "", false);
	book_bed_expect(&bed, "assign C w0 e3\n");
}
END_TEST

START_TEST(checkpoint_that_only_the_second_answer_names_is_gone_on_from)
{
	book_bed_heartbeat(&bed, 1, "C");
	book_bed_service_once(&bed, "C", "", false);
	book_bed_tick(&bed, 1000);
	book_bed_service_once(&bed, "C", "c7", false);
	book_bed_expect(&bed, "ask C\nask C\nassign C w0 e3 service=c7\n");
}
END_TEST

START_TEST(no_checkpoint_is_asked_for_twice_also_of_what_we_have_a_position_of)
{
	book_bed_commit(&bed, "C", 1, "c5");
	bed.committed[bed.n_committed - 1].epoch.value = 1;
	book_bed_heartbeat(&bed, 1, "C");
	book_bed_service_once(&bed, "C", "", false);
	book_bed_expect(&bed, "ask C\n");
	book_bed_tick(&bed, 1000);
	book_bed_service_once(&bed, "C", "c9", false);
	book_bed_expect(&bed, "ask C\nassign C w0 e3 service=c9\n");
}
END_TEST

/* ---- looks ---- */

START_TEST(what_is_published_is_looked_at_from_time_to_time)
{
	publish_a("c3");
	bed.now_ms += 20000;
	book_bed_heartbeat(&bed, 0, "A B");
	book_bed_tick(&bed, 0);
	book_bed_expect(&bed, "renew w0 e1 e2 until 71000\n");
	book_bed_tick(&bed, 10000);
	book_bed_expect(&bed, "ask A\n");
	book_bed_service(&bed, "A", "c3", true);
	book_bed_tick(&bed, 20000);
	book_bed_expect(&bed, "");
	book_bed_tick(&bed, 10000);
	ck_assert_int_eq(book_bed_shard(&bed, "A").published_ms, 31000);
}
END_TEST

START_TEST(older_checkpoint_of_ours_is_written_over_and_the_holder_is_told)
{
	publish_a("c3");
	publish_a("c4");
	look_at_a();
	book_bed_service(&bed, "A", "c3", true);
	book_bed_expect(&bed, "told A w0 e1 c3\npublish h0 A=c4\n");
	book_bed_expect_note(&bed, "A checkpoint at the service had moved back");
	book_bed_written(&bed, "A", "c4", LTS_OK);
	book_bed_expect(&bed, "told A w0 e1 c4\n");
}
END_TEST

START_TEST(checkpoint_of_another_name_is_left_though_it_was_once_ours)
{
	publish_a("c3");
	publish_a("c4");
	look_at_a();
	book_bed_service(&bed, "A", "c3", false);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
	book_bed_expect_note(&bed, "A checkpoint at the service is not ours");
}
END_TEST

/* Our writes were answered and are not there (yet): what stands there is no news. */
START_TEST(checkpoint_of_another_that_we_went_on_from_is_written_over)
{
	book_bed_heartbeat(&bed, 1, "C");
	book_bed_service(&bed, "C", "c5", false);
	book_bed_message(&bed, 0, MSG_HELD, "C", 3);
	book_bed_commit(&bed, "C", 3, "c6");
	book_bed_publish(&bed);
	book_bed_written(&bed, "C", "c6", LTS_OK);
	book_bed_commit(&bed, "C", 3, "c7");
	book_bed_publish(&bed);
	book_bed_written(&bed, "C", "c7", LTS_OK);
	book_bed_tick(&bed, BED_TIMEOUT_MS / 2);
	buf_clear(&bed.said);
	bed.said.data[0] = '\0';
	book_bed_service(&bed, "C", "c5", false);
	book_bed_expect(&bed, "told C w0 e3 c5\npublish h1 C=c7\n");
}
END_TEST

static void
publish_many(unsigned n)
{
	char cursor[8];
	for (unsigned i = 1; i <= n; i++) {
		snprintf(cursor, sizeof(cursor), "c%u", i);
		publish_a(cursor);
	}
}

START_TEST(checkpoint_of_our_name_that_we_did_not_publish_of_late_is_left)
{
	publish_many(LATEST + 1);
	look_at_a();
	book_bed_service(&bed, "A", "c1", true);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
	book_bed_expect_note(&bed, "A checkpoint at the service is not ours");
}
END_TEST

START_TEST(last_of_those_we_published_of_late_is_written_over)
{
	publish_many(LATEST + 1);
	look_at_a();
	book_bed_service(&bed, "A", "c2", true);
	book_bed_expect(&bed, "told A w0 e1 c2\npublish h0 A=c33\n");
}
END_TEST

START_TEST(look_that_was_asked_for_before_the_last_write_says_nothing)
{
	publish_a("c3");
	look_at_a();
	publish_a("c4");
	book_bed_service(&bed, "A", "c3", true);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
}
END_TEST

START_TEST(checkpoint_that_is_gone_is_written_anew_when_it_is_gone_twice)
{
	publish_a("c3");
	look_at_a();
	book_bed_service_once(&bed, "A", "", false);
	book_bed_expect(&bed, "");
	book_bed_tick(&bed, 1000);
	book_bed_expect(&bed, "ask A\n");
	book_bed_service_once(&bed, "A", "", false);
	book_bed_expect(&bed, "told A w0 e1 \npublish h0 A=c3\n");
}
END_TEST

/* ---- and before a shard is let go ---- */

START_TEST(write_that_lands_late_is_found_before_the_shard_is_let_go)
{
	publish_a("c3");
	publish_a("c4");
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "renew w0 e1 e2 until 51000\nrevoke A w0 e1\nask A\n");
	book_bed_service(&bed, "A", "c3", true);
	book_bed_expect(&bed, "publish h0 A=c4\n");
	book_bed_written(&bed, "A", "c4", LTS_OK);
	book_bed_expect(&bed, "ask A\n");
	book_bed_expect_list(&bed, 0, "A B");
	book_bed_service(&bed, "A", "c4", true);
	book_bed_expect(&bed, "left h0\n");
}
END_TEST

START_TEST(write_of_an_earlier_grant_that_lands_late_is_known_for_ours)
{
	publish_a("c3");
	publish_a("c4");
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_service(&bed, "A", "c4", true);
	book_bed_heartbeat(&bed, 0, "A B");
	book_bed_service(&bed, "A", "c4", true);
	book_bed_message(&bed, 0, MSG_HELD, "A", 3);
	book_bed_commit(&bed, "A", 3, "c5");
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "c5", LTS_OK);
	book_bed_tick(&bed, BED_TIMEOUT_MS / 2);
	buf_clear(&bed.said);
	bed.said.data[0] = '\0';
	book_bed_service(&bed, "A", "c3", true);
	book_bed_expect(&bed, "told A w0 e3 c3\npublish h0 A=c5\n");
}
END_TEST

/* It may still be on its way. */
START_TEST(lost_answer_keeps_the_shard_until_it_was_looked_at_later)
{
	publish_a("c3");
	book_bed_commit(&bed, "A", 1, "c4");
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "c4", LTS_UNKNOWN);
	book_bed_service(&bed, "A", "c3", true);
	book_bed_tick(&bed, 1000);
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "c4", LTS_OK);
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	buf_clear(&bed.said);
	book_bed_tick(&bed, 24000);
	book_bed_expect_list(&bed, 0, "A B");
	ck_assert_ptr_null(strstr(bed.said.data, "ask"));
	bed.said.data[0] = '\0';
	book_bed_tick(&bed, 1000);
	book_bed_expect(&bed, "ask A\n");
	book_bed_service(&bed, "A", "c3", true); /* it had not, and has landed by now */
	book_bed_expect(&bed, "publish h0 A=c4\n");
	book_bed_written(&bed, "A", "c4", LTS_OK);
	book_bed_service(&bed, "A", "c4", true);
	book_bed_expect(&bed, "ask A\nleft h0\n");
}
END_TEST

START_TEST(shard_is_not_kept_for_ever_by_a_look_that_fails)
{
	publish_a("c3");
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_tick(&bed, BED_TIMEOUT_MS / 2 - 1);
	book_bed_expect_list(&bed, 0, "A B");
	book_bed_tick(&bed, 1);
	book_bed_expect_list(&bed, 0, "B");
	book_bed_expect_note(&bed, "A given back without a last look");
}
END_TEST

START_TEST(agent_that_stops_looks_at_what_it_leaves)
{
	publish_a("c3");
	book_stop(bed.book);
	ck_assert(!lease_book_all_seen(bed.book, bed.now_ms));
	book_bed_expect(&bed, "ask A\n");
	book_bed_service(&bed, "A", "c3", true);
	ck_assert(lease_book_all_seen(bed.book, bed.now_ms));
}
END_TEST

/* ---- one bad shard ---- */

START_TEST(refused_shard_is_written_alone_and_seldom_and_the_others_as_ever)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_commit(&bed, "B", 2, "c4");
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "c3", LTS_NOTFOUND);
	book_bed_written(&bed, "B", "c4", LTS_OK);
	book_bed_expect(&bed, "publish h0 A=c3 B=c4\ntold B w0 e2 c4\n");
	book_bed_expect_note(&bed, "A the service refuses its checkpoint");
	book_bed_commit(&bed, "B", 2, "c5");
	book_bed_tick(&bed, 1000);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=c3\npublish h0 B=c5\n");
	book_bed_written(&bed, "A", "c3", LTS_NOTFOUND);
	book_bed_written(&bed, "B", "c5", LTS_OK);
	book_bed_commit(&bed, "B", 2, "c6");
	book_bed_tick(&bed, 1000);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "told B w0 e2 c5\npublish h0 B=c6\n");
}
END_TEST

/* Of several in one write the service took B's and not A's. */
START_TEST(shard_that_a_write_of_several_left_out_is_written_alone)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_commit(&bed, "B", 2, "c4");
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "c3", LTS_OK);
	book_bed_written(&bed, "B", "c4", LTS_OK);
	book_bed_tick(&bed, BED_TIMEOUT_MS / 2);
	book_bed_service(&bed, "B", "c4", true);
	book_bed_service_once(&bed, "A", "", false);
	book_bed_tick(&bed, 1000);
	buf_clear(&bed.said);
	bed.said.data[0] = '\0';
	book_bed_service_once(&bed, "A", "", false);
	book_bed_expect(&bed, "told A w0 e1 \npublish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", LTS_OK);
	book_bed_commit(&bed, "A", 1, "c5");
	book_bed_commit(&bed, "B", 2, "c6");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "told A w0 e1 c3\npublish h0 A=c5\npublish h0 B=c6\n");
}
END_TEST

Suite *
suite_lease_look(void)
{
	Suite *suite = suite_create("lease_look");
	TCase *tc = tcase_create("looking again");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, no_checkpoint_is_believed_when_it_is_said_twice_a_second_apart);
	tcase_add_test(tc, checkpoint_that_only_the_second_answer_names_is_gone_on_from);
	tcase_add_test(tc, no_checkpoint_is_asked_for_twice_also_of_what_we_have_a_position_of);
	tcase_add_test(tc, what_is_published_is_looked_at_from_time_to_time);
	tcase_add_test(tc, older_checkpoint_of_ours_is_written_over_and_the_holder_is_told);
	tcase_add_test(tc, checkpoint_of_another_name_is_left_though_it_was_once_ours);
	tcase_add_test(tc, checkpoint_of_another_that_we_went_on_from_is_written_over);
	tcase_add_test(tc, checkpoint_of_our_name_that_we_did_not_publish_of_late_is_left);
	tcase_add_test(tc, last_of_those_we_published_of_late_is_written_over);
	tcase_add_test(tc, look_that_was_asked_for_before_the_last_write_says_nothing);
	tcase_add_test(tc, checkpoint_that_is_gone_is_written_anew_when_it_is_gone_twice);
	tcase_add_test(tc, write_that_lands_late_is_found_before_the_shard_is_let_go);
	tcase_add_test(tc, write_of_an_earlier_grant_that_lands_late_is_known_for_ours);
	tcase_add_test(tc, lost_answer_keeps_the_shard_until_it_was_looked_at_later);
	tcase_add_test(tc, shard_is_not_kept_for_ever_by_a_look_that_fails);
	tcase_add_test(tc, agent_that_stops_looks_at_what_it_leaves);
	tcase_add_test(tc, refused_shard_is_written_alone_and_seldom_and_the_others_as_ever);
	tcase_add_test(tc, shard_that_a_write_of_several_left_out_is_written_alone);
	suite_add_tcase(suite, tc);
	return suite;
}
