/*
 * test_sim_verify.c - holds the verifier: sim_line.c, sim_ledger.c, sim_segment.c,
 * sim_verify.c. A fault that it does not see would make every scenario worthless, so each
 * kind is made here on purpose.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/sim_ledger.h"
#include "tests/sim/sim_line.h"
#include "tests/sim/sim_record.h"
#include "tests/sim/sim_segment.h"
#include "tests/sim/sim_verify.h"
#include "tests/sim/sim_verify_status.h"
#include "tests/suites.h"

/* The line that a file sink writes for a generated record, without its newline; to be
 * freed. */
static char *
make_line(unsigned shard, uint64_t seq)
{
	struct buf text;
	buf_init(&text, 0);
	sim_record_render(&text, 1, 400, shard, seq, 1767322800000000000);
	const size_t head = strlen("{\"labels\":"), tail = strlen("},");
	char *line = strndup(text.data + head, text.len - head - tail);
	buf_fini(&text);
	return line;
}

START_TEST(whole_line_is_read_back)
{
	struct sim_line line;
	char *text = make_line(12, 345);
	ck_assert(sim_line_parse(text, strlen(text), &line));
	ck_assert_uint_eq(line.seq, 345);
	ck_assert_uint_eq(line.shard_len, 2);
	ck_assert_int_eq(strncmp(line.shard, "12", 2), 0);
	free(text);
}
END_TEST

START_TEST(every_cut_of_a_line_is_torn)
{
	struct sim_line line;
	char *text = make_line(0, 1);
	size_t len = strlen(text);
	for (size_t cut = 0; cut < len; cut++) {
		char *exact = malloc(cut ? cut : 1); /* so that ASan sees a read past the cut */
		memcpy(exact, text, cut);
		ck_assert_msg(!sim_line_parse(exact, cut, &line), "%zu", cut);
		ck_assert_msg(!sim_line_parse(text + len - cut, cut, &line), "tail %zu", cut);
		free(exact);
	}
	free(text);
}
END_TEST

START_TEST(every_changed_byte_of_the_content_is_torn)
{
	struct sim_line line;
	char *text = make_line(0, 1);
	char *end = strstr(text, "\",\"hostName\"");
	for (char *at = text + strlen("{\"log_content\":\""); at < end; at++) {
		char was = *at;
		*at = was == 'x' ? 'y' : 'x';
		ck_assert_msg(!sim_line_parse(text, strlen(text), &line), "%zd", at - text);
		*at = was;
	}
	ck_assert(sim_line_parse(text, strlen(text), &line));
	free(text);
}
END_TEST

START_TEST(joined_swapped_and_forged_lines_are_torn)
{
	struct sim_line line;
	char *one = make_line(0, 1), *two = make_line(0, 2);
	char joined[2048];
	snprintf(joined, sizeof(joined), "%s%s", one, two);
	ck_assert(!sim_line_parse(joined, strlen(joined), &line));
	snprintf(joined, sizeof(joined), "%s ", one);
	ck_assert(!sim_line_parse(joined, strlen(joined), &line));
	char *seq = strstr(two, "\"seq\":2");
	seq[6] = '3';
	ck_assert(!sim_line_parse(two, strlen(two), &line));
	static const char *const wrong[] = {
		"{}",
		"[]",
		"",
		"null",
		"{\"seq\":1}",
		"{\"log_content\":\"\",\"shard\":\"0\",\"seq\":1}",
		"{\"log_content\":\"\",\"shard\":\"0\",\"seq\":1,\"sum\":"
		"\"0000000000000000\"}",
		"{\"log_content\":\"a\\q\",\"shard\":\"0\",\"seq\":1,\"sum\":\"0\"}",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!sim_line_parse(wrong[i], strlen(wrong[i]), &line), "%s", wrong[i]);
	free(one);
	free(two);
}
END_TEST

START_TEST(other_labels_may_be_any_json)
{
	struct buf text;
	struct sim_line line;
	buf_init(&text, 0);
	sim_record_wrap(&text,
			"\"log_content\":\"x\",\"a\":{\"b\":[1,-2.5e+3,true,null,{}]},\"c\":[]",
			"x", 3, 9);
	const size_t head = strlen("{\"labels\":");
	ck_assert(sim_line_parse(text.data + head, text.len - head - 2, &line));
	ck_assert_uint_eq(line.seq, 9);
	buf_fini(&text);
}
END_TEST

static struct sim_totals
close_ledger(struct sim_ledger *ledger)
{
	struct sim_totals totals;
	sim_ledger_close(ledger, NULL, NULL, &totals);
	sim_ledger_destroy(&ledger);
	return totals;
}

START_TEST(a_duplicate_does_not_make_up_for_a_loss)
{
	struct sim_ledger *ledger = sim_ledger_create(2, true, 200);
	for (unsigned shard = 0; shard < 2; shard++) {
		sim_ledger_begin(ledger);
		for (uint64_t seq = 0; seq < 200; seq++)
			sim_ledger_note(ledger, shard, shard == 1 && seq == 64 ? 63 : seq);
	}
	struct sim_totals totals = close_ledger(ledger);
	ck_assert_uint_eq(totals.records, 400);
	ck_assert_uint_eq(totals.lost, 1);
	ck_assert_uint_eq(totals.duplicated, 1);
	ck_assert_uint_eq(totals.reordered, 0);
}
END_TEST

START_TEST(order_counts_within_one_stream_of_delivery)
{
	struct sim_ledger *ledger = sim_ledger_create(1, false, 0);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 5), SIM_FINE);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 7), SIM_FINE);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 6), SIM_REORDERED);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 8), SIM_FINE);
	sim_ledger_begin(ledger);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 0), SIM_FINE);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 8), SIM_DUPLICATED);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 1), SIM_FINE);
	ck_assert_int_eq(sim_ledger_note(ledger, 1, 1), SIM_UNEXPECTED);
	struct sim_totals totals = close_ledger(ledger);
	ck_assert_uint_eq(totals.lost, 3); /* 2, 3, 4 */
	ck_assert_uint_eq(totals.reordered, 1);
	ck_assert_uint_eq(totals.duplicated, 1);
	ck_assert_uint_eq(totals.unexpected, 1);
}
END_TEST

START_TEST(repeat_is_allowed_between_hosts_where_a_move_was_unplanned_and_never_within_one)
{
	struct sim_ledger *ledger = sim_ledger_create(1, true, 10);
	sim_ledger_allow(ledger, 0, 3, 5);
	for (uint64_t seq = 0; seq < 6; seq++)
		ck_assert_int_eq(sim_ledger_note(ledger, 0, seq), SIM_FINE);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 4), SIM_DUPLICATED);
	sim_ledger_begin_host(ledger, 0);
	sim_ledger_begin(ledger);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 2), SIM_DUPLICATED);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 4), SIM_REPEATED);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 3), SIM_REORDERED);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 4), SIM_DUPLICATED);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 5), SIM_DUPLICATED);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 6), SIM_FINE);
	struct sim_totals totals = close_ledger(ledger);
	ck_assert_uint_eq(totals.duplicated, 4);
	ck_assert_uint_eq(totals.repeated, 2);
	ck_assert_uint_eq(totals.reordered, 1);
	ck_assert_uint_eq(totals.lost, 3);
}
END_TEST

static struct sim_ledger *
read_status(const char *text)
{
	char path[] = "/tmp/lts-status-XXXXXX";
	int fd = mkstemp(path);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	struct sim_ledger *ledger = sim_verify_status(path);
	unlink(path);
	return ledger;
}

START_TEST(status_says_what_each_shard_holds_and_what_may_be_repeated)
{
	struct sim_ledger *ledger =
		read_status("{\"shards\":[{\"shard\":\"0\",\"produced\":2},"
			    "{\"shard\":\"1\",\"produced\":0}],"
			    "\"unplanned_moves\":[{\"shard\":\"0\",\"from\":1,\"to\":2}]}");
	ck_assert_ptr_nonnull(ledger);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 1), SIM_FINE);
	ck_assert_int_eq(sim_ledger_note(ledger, 1, 0), SIM_UNEXPECTED);
	sim_ledger_begin_host(ledger, 0);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 1), SIM_REPEATED);
	ck_assert_uint_eq(close_ledger(ledger).lost, 1);
	static const char *const wrong[] = {
		"",
		"{}",
		"{\"shards\":[],\"unplanned_moves\":[]}",
		"{\"shards\":[{\"shard\":\"0\",\"produced\":2}]}",
		"{\"shards\":[{\"shard\":\"1\",\"produced\":2}],\"unplanned_moves\":[]}",
		"{\"shards\":[{\"shard\":\"0\"}],\"unplanned_moves\":[]}",
		"{\"shards\":[{\"shard\":\"0\",\"produced\":2}],"
		"\"unplanned_moves\":[{\"shard\":\"1\",\"from\":1,\"to\":2}]}",
		"{\"shards\":[{\"shard\":\"0\",\"produced\":2}],\"unplanned_moves\":[",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!read_status(wrong[i]), "%s", wrong[i]);
}
END_TEST

START_TEST(records_past_the_end_are_unexpected_and_nothing_at_all_is_lost)
{
	struct sim_ledger *ledger = sim_ledger_create(3, true, 10);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, 10), SIM_UNEXPECTED);
	ck_assert_int_eq(sim_ledger_note(ledger, 0, UINT64_MAX), SIM_UNEXPECTED);
	ck_assert_uint_eq(close_ledger(ledger).lost, 30);
}
END_TEST

START_TEST(segment_names_are_taken_apart)
{
	struct sim_segment segment;
	ck_assert(sim_segment_parse("a%2Db-host-1-ab12-00000042.log", &segment));
	ck_assert_str_eq(segment.shard, "a-b");
	ck_assert_str_eq(segment.instance, "host-1-ab12");
	ck_assert_uint_eq(segment.number, 42);
	ck_assert(!segment.is_part);
	sim_segment_fini(&segment);
	ck_assert(sim_segment_parse("0-x-00000000.log.part", &segment));
	ck_assert(segment.is_part);
	sim_segment_fini(&segment);
	static const char *const wrong[] = { "0-x-0000000.log",
					     "0-00000000.log",
					     "-x-00000000.log",
					     "0-x-00000000.txt",
					     "0--00000000.log",
					     "%zz-x-00000000.log",
					     "0-x-0000000a.log",
					     "00000000.log",
					     ".log",
					     "" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!sim_segment_parse(wrong[i], &segment), "%s", wrong[i]);
}
END_TEST

/* A directory with one segment of shard 0 holding the given text; runs the verifier on
 * it. */
static int
verify_text(const char *name, const char *text, const char *records, const char *parts)
{
	char dir[] = "/tmp/lts-verify-XXXXXX", path[128];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	char *argv[] = { (char[]){ "verify" },
			 (char[]){ "--shards=1" },
			 (char[]){ "--records" },
			 (char *)(uintptr_t)records,
			 dir,
			 (char *)(uintptr_t)parts,
			 NULL };
	int quiet = open("/dev/null", O_WRONLY), was = dup(STDOUT_FILENO);
	fflush(stdout);
	dup2(quiet, STDOUT_FILENO);
	int code = sim_verify_main(parts ? 6 : 5, argv);
	fflush(stdout);
	dup2(was, STDOUT_FILENO);
	close(quiet);
	close(was);
	unlink(path);
	rmdir(dir);
	return code;
}

START_TEST(verdict_is_the_exit_code)
{
	char *zero = make_line(0, 0), *one = make_line(0, 1);
	char fine[2048], open_ended[2048], repeated[4096];
	snprintf(fine, sizeof(fine), "%s\n%s\n", zero, one);
	snprintf(open_ended, sizeof(open_ended), "%s\n%s", zero, one);
	snprintf(repeated, sizeof(repeated), "%s%s\n", fine, one);
	ck_assert_int_eq(verify_text("0-i-00000000.log", fine, "2", NULL), 0);
	ck_assert_int_eq(verify_text("0-i-00000000.log", fine, "3", NULL), 1);
	ck_assert_int_eq(verify_text("0-i-00000000.log", fine, "1", NULL), 1);
	ck_assert_int_eq(verify_text("0-i-00000000.log", open_ended, "2", NULL), 1);
	ck_assert_int_eq(verify_text("0-i-00000000.log", repeated, "2", NULL), 1);
	ck_assert_int_eq(verify_text("1-i-00000000.log", fine, "2", NULL),
			 1); /* in the wrong file */
	ck_assert_int_eq(verify_text("0-i-00000000.log.part", fine, "2", NULL), 1);
	ck_assert_int_eq(verify_text("0-i-00000000.log.part", fine, "2", "--parts"), 0);
	ck_assert_int_eq(verify_text("0-i-00000000.log.part", open_ended, "1", "--parts"), 0);
	ck_assert_int_eq(verify_text("0-i-00000000.log", "", "0", NULL), 0);
	ck_assert_int_eq(verify_text("0-i-00000000.log", "", "x", NULL), 2);
	free(zero);
	free(one);
}
END_TEST

Suite *
suite_sim_verify(void)
{
	Suite *suite = suite_create("sim_verify");
	TCase *tcase = tcase_create("sim_verify");
	tcase_add_test(tcase, whole_line_is_read_back);
	tcase_add_test(tcase, every_cut_of_a_line_is_torn);
	tcase_add_test(tcase, every_changed_byte_of_the_content_is_torn);
	tcase_add_test(tcase, joined_swapped_and_forged_lines_are_torn);
	tcase_add_test(tcase, other_labels_may_be_any_json);
	tcase_add_test(tcase, a_duplicate_does_not_make_up_for_a_loss);
	tcase_add_test(tcase, order_counts_within_one_stream_of_delivery);
	tcase_add_test(tcase, records_past_the_end_are_unexpected_and_nothing_at_all_is_lost);
	tcase_add_test(
		tcase,
		repeat_is_allowed_between_hosts_where_a_move_was_unplanned_and_never_within_one);
	tcase_add_test(tcase, status_says_what_each_shard_holds_and_what_may_be_repeated);
	tcase_add_test(tcase, segment_names_are_taken_apart);
	tcase_add_test(tcase, verdict_is_the_exit_code);
	suite_add_tcase(suite, tcase);
	return suite;
}
