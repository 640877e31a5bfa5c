/*
 * bad_records.c - records that cannot be read: each is a dead letter, whatever the sink, and the
 * rest is delivered once, in order; where nothing is certain the shard waits, and says so.
 *
 * Real programs against lts-sim.
 */
#include "tests/suites.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/sim/sim_spoil.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

enum { SHARDS = 2, RECORDS = 2000, EVERY = 97 };

#define SIM "--tls off --shards 2 --records 2000 --consumer_timeout 3"

static struct one_host h;
static unsigned letters[SHARDS][RECORDS];

/* word: the last option's value; NULL: it has one. */
static void
begin_with(const char *faults, const char *options, const char *word)
{
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM);
	sim_faults(&h.sim, faults);
	agent_init(&h.agent, &h.sim, "host", options);
	if (word)
		agent_add_word(&h.agent, word);
	agent_start(&h.agent);
}

static void
begin(const char *faults, const char *options)
{
	begin_with(faults, options, NULL);
}

static void
count_letter(const char *line)
{
	unsigned char record[8192];
	unsigned long shard, seq;
	const char *text = strstr(line, "\"record_base64\":\"");
	ck_assert_msg(text != NULL, "%s", line);
	text += strlen("\"record_base64\":\"");
	int len = EVP_DecodeBlock(record, (const unsigned char *)text, (int)strcspn(text, "\""));
	ck_assert_int_gt(len, 0);
	char *at = memmem(record, (size_t)len, "\"shard\":\"", 9);
	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(sscanf(at, "\"shard\":\"%lu\",\"seq\":%lu", &shard, &seq), 2);
	ck_assert(shard < SHARDS && seq < RECORDS);
	letters[shard][seq]++;
}

static void
read_letters(const char *dir)
{
	struct dirent **list;
	size_t len;
	char *path = tmpdir_path(h.scenario.dir, dir), *rest, *line;
	memset(letters, 0, sizeof(letters));
	int n = scandir(path, &list, NULL, alphasort);
	for (int i = 0; i < n; free(list[i++])) {
		if (list[i]->d_name[0] == '.')
			continue;
		ck_assert_ptr_null(strstr(list[i]->d_name, ".part"));
		char *text = tmpdir_read(path, list[i]->d_name, &len);
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			count_letter(line);
		free(text);
	}
	if (n >= 0)
		free(list);
	free(path);
}

/* Each that the simulator has spoilt is a letter, once, and no host. */
static unsigned
expect_letters(const char *dir)
{
	unsigned n = 0;
	read_letters(dir);
	for (unsigned shard = 0; shard < SHARDS; shard++)
		for (unsigned seq = 0; seq < RECORDS; seq++) {
			bool bad = sim_spoil_means(shard, seq, EVERY);
			ck_assert_uint_eq(letters[shard][seq], bad);
			n += bad;
		}
	return n;
}

static const char *const ways[] = { "utf8",   "overlong", "control", "nul",
				    "escape", "number",	  "deep" };

START_TEST(bad_records_are_dead_letters_and_the_rest_is_delivered_once)
{
	char faults[100];
	snprintf(faults, sizeof(faults), "batch spoil=%s every=%d", ways[_i], EVERY);
	begin(faults, "--end_time end --consume_batch_size 300 --deadletter_dir aside");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	unsigned bad = expect_letters("aside");
	struct verdict v = scenario_verify(&h.scenario, "--shards 2 --records 2000 host.out");
	ck_assert_uint_eq(v.lost, bad);
	ck_assert_uint_eq(v.records, SHARDS * RECORDS - bad);
	ck_assert_uint_eq(v.duplicated + v.reordered + v.torn + v.unsealed, 0);
	one_host_end(&h);
}
END_TEST

START_TEST(killed_again_and_again_each_is_a_letter_once)
{
	char faults[100];
	double served = 0;
	snprintf(faults, sizeof(faults), "batch spoil=utf8 every=%d latency=20", EVERY);
	begin(faults, "--end_time end --consume_batch_size 50 --checkpoint_interval 20ms");
	for (int i = 0; i < 4; i++) {
		one_host_await_served(&h, 500, &served);
		process_kill(&h.agent.process);
		agent_start(&h.agent);
	}
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	unsigned bad = expect_letters("host.st/deadletter");
	struct verdict v = scenario_verify(&h.scenario, "--shards 2 --records 2000 host.out");
	ck_assert_uint_eq(v.lost, bad);
	ck_assert_uint_eq(v.duplicated + v.reordered + v.torn, 0);
	one_host_end(&h);
}
END_TEST

START_TEST(user_code_is_not_asked_about_them)
{
	char faults[100];
	snprintf(faults, sizeof(faults), "batch spoil=control every=%d", EVERY);
	begin_with(faults, "--end_time end --sink", "batch:cat >> got");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	unsigned bad = expect_letters("host.st/deadletter");
	char *got = scenario_read(&h.scenario, "got");
	size_t lines = 0;
	for (const char *at = got; (at = strchr(at, '\n')); at++)
		lines++;
	ck_assert_uint_eq(lines, SHARDS * RECORDS - bad);
	ck_assert_ptr_null(strstr(got, "\"bad\":"));
	free(got);
	one_host_end(&h);
}
END_TEST

/* Where nothing is certain, or nothing is said twice. */
static const char *const waits[] = { "batch shard=1 spoil=open every=700",
				     "batch shard=1 spoil=utf8 fickle every=700" };

START_TEST(what_is_not_certain_waits_named_and_loses_nothing)
{
	begin(waits[_i], "--end_time end --consume_batch_size 300");
	until("shard 1 waits, and says why",
	      agent_said(&h.agent, "msg=\"fetch failed\" shard=1 ") >= 4);
	until("shard 0 goes on", agent_said(&h.agent, "\"shard finished\" worker=0 shard=0") == 1);
	ck_assert_uint_ge(agent_said(&h.agent, "reason=BADDATA text=\"malformed batch: "), 4);
	ck_assert_uint_eq(agent_said(&h.agent, "bad record"), 0);
	sim_faults(&h.sim, "");
	one_host_expect_drained(&h, SHARDS, RECORDS);
	one_host_end(&h);
}
END_TEST

START_TEST(count_that_is_wrong_each_time_is_taken)
{
	begin("batch miscount=3", "--end_time end --consume_batch_size 300");
	until("its answers with records are taken", agent_committed(&h.agent) == SHARDS * RECORDS);
	sim_faults(&h.sim, ""); /* for a count without records is none */
	one_host_expect_drained(&h, SHARDS, RECORDS);
	one_host_end(&h);
}
END_TEST

START_TEST(null_labels_are_an_empty_record)
{
	begin("batch spoil=null every=97", "--end_time end");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(scenario_lines(&h.scenario, "host.out"), SHARDS * RECORDS);
	ck_assert_uint_eq(agent_said(&h.agent, "fetch failed"), 0);
	one_host_end(&h);
}
END_TEST

START_TEST(on_poison_stop_stops_in_front_of_it)
{
	begin("batch shard=1 spoil=utf8 every=97",
	      "--end_time end --on_poison stop --consume_batch_size 300");
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "shard stopped"), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "cannot be read"), 1);
	one_host_end(&h);
}
END_TEST

Suite *
suite_bad_records(void)
{
	Suite *suite = suite_create("bad_records");
	TCase *tc = scenario_case(suite, "scenarios");
	tcase_add_loop_test(tc, bad_records_are_dead_letters_and_the_rest_is_delivered_once, 0,
			    sizeof(ways) / sizeof(*ways));
	tcase_add_test(tc, killed_again_and_again_each_is_a_letter_once);
	tcase_add_test(tc, user_code_is_not_asked_about_them);
	tcase_add_loop_test(tc, what_is_not_certain_waits_named_and_loses_nothing, 0,
			    sizeof(waits) / sizeof(*waits));
	tcase_add_test(tc, count_that_is_wrong_each_time_is_taken);
	tcase_add_test(tc, null_labels_are_an_empty_record);
	tcase_add_test(tc, on_poison_stop_stops_in_front_of_it);
	suite_add_tcase(suite, tc);
	return suite;
}
