/*
 * hostile.c - a service whose answers are made to harm: each row of a table is a fault of
 * lts-sim, what the log must say of it, and whether the cursor may move.
 *
 * Real programs against lts-sim. Holds that nothing moves on such an answer, that memory stays
 * bounded (measured in the release build only), that a name from the service never becomes
 * another place, and that afterwards everything is delivered exactly.
 *
 * The rows of faults.md about answers, and what holds them:
 *   refused, reset, blackholed, slow-loris   network: one_sick_shard..., refused_connections...,
 *       black_hole..., service_that_stands_still...; bad_service: silent_service...; unit: http
 *   truncated, wrong length, not JSON, wrong types, deep, huge, bomb, HTML   here: batches, grants,
 *       positions, writes; bad_service: broken_answers..., hostile_bodies..., answer_above...,
 *       ten_records...; unit: http, batch_scan, json, lts_wire_parse; scripts/fuzz
 *   401 403 404 408 409 410 429 5xx redirect, Retry-After   here: batches; network:
 *       every_refusal..., absurd_retry_after...; bad_service: wrong_signature...,
 *       throttled_shard...; gaps (410); refusals: unknown_stream...; slow; unit: http_head, lts_api
 *   reply lost after it was applied   bad_service: lost_reply...; unit: lease_publish
 *   reassigned mid-batch, split, merged, empty, read-only   shards, hosts, early, rescale
 *   same batch twice, a cursor seen before, next = start, empty for ever   here: batches; network:
 *       service_that_leads_in_a_circle..., one_sick_shard...; unit: shard
 *   names of shards, 10^6 shards, duplicates, huge numbers   here: grants, names; unit: basics
 */
#include "tests/suites.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/json_path.h"
#include "tests/support/memory_peak.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

#define N_OF(list) (sizeof(list) / sizeof((list)[0]))
#define AGENT                                                                       \
	"--consumer_count 2 --consume_batch_size 100 --max_body_bytes 1MiB "        \
	"--memory_budget 4MiB --heartbeat_timeout 18s "
/* More than an answer may have, and than GROWTH_KIB; a sanitized simulator is slow to make it. */
#ifdef __SANITIZE_ADDRESS__
#define BYTES "4000000"
#define CROWD "300000"
#else
#define BYTES "30000000"
#define CROWD "1000000"
#endif

enum {
	RECORDS = 1000,
	STRIKES = 4,
	LONG_NAME = 4096,
	GROWTH_KIB = 16 << 10,
	FLOOD_KIB = 64 << 10,
	FLOOD_TAKEN = 300,
};

/* An idle agent, whose memory is looked at from here on. */
static void
begin(struct one_host *h, unsigned shards, const char *agent_options, struct memory_peak *memory)
{
	char sim[128];
	snprintf(sim, sizeof(sim), "--tls off --shards %u --records %u --consumer_timeout 18",
		 shards, RECORDS);
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, sim);
	sim_faults(&h->sim, "batch empty");
	agent_init(&h->agent, &h->sim, "host", agent_options);
	agent_start(&h->agent);
	until("the shards are shared out",
	      agent_said(&h->agent, "msg=\"shard held\"") >= shards && sim_is_settled(&h->sim, 2));
	memory_peak_begin(memory, &h->agent);
}

/* It recovers by itself; nothing was lost, repeated, or said that must not be. */
static void
end(struct one_host *h, unsigned shards, const struct memory_peak *memory)
{
	sim_faults(&h->sim, "");
	until("all is delivered", agent_committed(&h->agent) == (double)shards * RECORDS);
	memory_peak_expect(memory, GROWTH_KIB);
	ck_assert_uint_eq(agent_said(&h->agent, "wJalrXUtnFEMI"), 0);
	ck_assert_uint_eq(agent_said(&h->agent, "worker killed"), 0);
	ck_assert_uint_eq(agent_said(&h->agent, "signal="), 0);
	agent_stop(&h->agent);
	sim_expect_exact(&h->sim, "host.out");
	agent_expect_sound(&h->agent, &h->sim);
	one_host_end(h);
}

/* ---- batches ---- */

#define RECORD(labels) "{\"labels\":" labels "}"
#define BATCH(count, next, logs) \
	"garbage={\"count\":" count ",\"next\":" next ",\"logs\":" logs "}"
#define NEXT "1767322800000000777"

/* Each of a shard of its own, from its second batch on. A wrong count and a bad record are taken at
 * the second time; those say "0" as next, which goes nowhere. */
static const struct {
	const char *fault, *says; /* of that shard, in the log; NULL: nothing is wrong with it */
} batches[] = {
	{ "nest=100000", "malformed batch" },
	{ "count=3 huge=" BYTES, NULL },
	{ "count=3 gzip_bomb=" BYTES, NULL },
	{ "html", "malformed batch" },
	{ "garbage=", "reason=BADDATA" },
	{ "garbage=null", "malformed batch" },
	{ "garbage=[]", "malformed batch" },
	{ "garbage={}", "malformed batch" },
	{ "garbage=\"" NEXT "\"", "malformed batch" },
	{ "truncate=9", "reason=AGAIN" },
	{ "truncate=0", "reason=AGAIN" },
	{ "reset", "reason=AGAIN" },
	{ BATCH("1", NEXT, "{}"), "malformed batch" },
	{ BATCH("1", NEXT, "null"), "malformed batch" },
	{ BATCH("1", "0", "[1]"), "no new position" },
	{ BATCH("1", "0", "[" RECORD("[]") "]"), "no new position" },
	{ BATCH("1", "0", "[" RECORD("{\"a\":\"\xff\"}") "]"), "no new position" },
	{ BATCH("1", NEXT, "[" RECORD("{}") "]} {\"x\":1"), "malformed batch" },
	{ BATCH("-1", "0", "[" RECORD("{}") "]"), "no new position" },
	{ BATCH("1e999", "0", "[" RECORD("{}") "]"), "no new position" },
	{ BATCH("99999999999999999999999", "0", "[" RECORD("{}") "]"), "no new position" },
	{ BATCH("2", "0", "[" RECORD("{}") "]"), "no new position" },
	{ BATCH("1", NEXT ",\"next\":1", "[" RECORD("{}") "]"), "malformed batch" },
	{ BATCH("1", "0", "[" RECORD("{}") "]"), "no new position" },
	{ BATCH("1", "{}", "[" RECORD("{}") "]"), "malformed batch" },
	{ BATCH("1", "\"LONG\"", "[" RECORD("{}") "]"), "malformed batch" },
	{ BATCH("1", "\"a\\u0000b\"", "[" RECORD("{}") "]"), "malformed batch" },
	{ "same_next", "no new position" },
	{ "empty", NULL },
	{ "status=400", "reason=INVALID" },
	{ "status=401", "reason=DENIED" },
	{ "status=403", "reason=DENIED" },
	{ "status=404", "reason=NOTFOUND" },
	{ "status=408", "reason=AGAIN" },
	{ "status=409", "reason=GONE" },
	{ "status=425", "reason=AGAIN" },
	{ "status=429 retry_after=-99999999999999999999", "reason=AGAIN" },
	{ "status=500", "reason=AGAIN" },
	{ "status=299 html", "reason=BADDATA" },
	{ "redirect=http://127.0.0.1:9/", "reason=BADDATA" },
	{ "redirect=file:///etc/passwd", "reason=BADDATA" },
};

/* With LONG as what it stands for; the caller frees. */
static char *
rule(const char *prefix, const char *fault)
{
	char name[LONG_NAME + 1];
	const char *at = strstr(fault, "LONG");
	memset(name, 'x', LONG_NAME);
	name[LONG_NAME] = '\0';
	if (!at)
		return xasprintf("%s %s", prefix, fault);
	return xasprintf("%s %.*s%s%s", prefix, (int)(at - fault), fault, name, at + 4);
}

static char *
rules_of_batches(void)
{
	char *all = xstrdup("");
	for (size_t i = 0; i < N_OF(batches); i++) {
		char prefix[64];
		snprintf(prefix, sizeof(prefix), "batch shard=%zu after=1", i + 1);
		char *one = rule(prefix, batches[i].fault), *more = xasprintf("%s%s\n", all, one);
		free(one);
		free(all);
		all = more;
	}
	return all;
}

static bool
all_have_struck(const struct one_host *h, unsigned long long times)
{
	for (size_t i = 0; i < N_OF(batches); i++)
		if (!strstr(batches[i].fault, "count=3 ") && sim_struck(&h->sim, i) < times)
			return false;
	return true;
}

static bool
is_said(const struct one_host *h, size_t i)
{
	char line[64];
	bool said = false;
	snprintf(line, sizeof(line), "msg=\"fetch failed\" shard=%zu ", i + 1);
	char *log = scenario_read(&h->scenario, "host.log");
	for (char *rest = log, *one; !said && (one = strsep(&rest, "\n"));)
		said = strstr(one, line) && strstr(one, batches[i].says);
	free(log);
	return said;
}

/* What went well before its rule began is the first 100 records, or nothing where that request was
 * cut short. */
static void
look(const struct one_host *h, bool *others_done_out, bool *moved_out)
{
	cJSON *state = agent_state(&h->agent);
	const cJSON *one;
	*moved_out = false;
	*others_done_out = true;
	cJSON_ArrayForEach(one, json_path_at(state, "checkpoints"))
	{
		unsigned long i = strtoul(json_path_text(one, "shard"), NULL, 10);
		double records = json_path_number(one, "records");
		if (!i || strstr(batches[i - 1].fault, "count=3 "))
			*others_done_out = *others_done_out && records == RECORDS;
		else
			*moved_out = *moved_out || records > 100;
	}
	cJSON_Delete(state);
}

START_TEST(answer_that_is_no_batch_moves_nothing_and_harms_no_other_shard)
{
	struct one_host h;
	struct memory_peak memory;
	unsigned shards = N_OF(batches) + 1;
	begin(&h, shards, AGENT, &memory);
	char *rules = rules_of_batches();
	sim_faults(&h.sim, rules);
	free(rules);
	until("each was sent a few times", all_have_struck(&h, STRIKES));
	for (size_t i = 0; i < N_OF(batches); i++)
		until(batches[i].fault, !batches[i].says || is_said(&h, i));
	bool others_done = false, moved;
	until("the first, and those that recover, are at their ends", others_done)
		look(&h, &others_done, &moved);
	ck_assert(!moved);
	end(&h, shards, &memory);
}
END_TEST

/* ---- what the supervisor asks ---- */

struct answer_row {
	const char *fault, *says;
};

static const struct answer_row grants[] = {
	{ "nest=100000", "reason=BADDATA" },
	{ "huge=" BYTES, "reason=TOOBIG" },
	{ "gzip_bomb=" BYTES, "reason=TOOBIG" },
	{ "many=" CROWD, "reason=TOOBIG" },
	{ "many=4097", "reason=BADDATA" },
	{ "html", "reason=BADDATA" },
	{ "garbage=", "reason=BADDATA" },
	{ "garbage={\"0\":\"0\"}", "reason=BADDATA" },
	{ "garbage=[[\"0\"]]", "reason=BADDATA" },
	{ "garbage=[null,true]", "reason=BADDATA" },
	{ "garbage=[\"0\"", "reason=BADDATA" },
	{ "garbage=[\"0\"][\"1\"]", "reason=BADDATA" },
	{ "garbage=[\"\"]", "reason=BADDATA" },
	{ "garbage=[\".\"]", "reason=BADDATA" },
	{ "garbage=[\"..\"]", "reason=BADDATA" },
	{ "garbage=[\"0 1\"]", "reason=BADDATA" },
	{ "garbage=[\"0\\n\"]", "reason=BADDATA" },
	{ "garbage=[\"0\\u0000/../x\"]", "reason=BADDATA" },
	{ "garbage=[\"a\\\"b\"]", "reason=BADDATA" },
	{ "garbage=[\"a\\\\b\"]", "reason=BADDATA" },
	{ "garbage=[\"LONG\"]", "reason=BADDATA" },
	{ "garbage=[\"\xc3\xa9\"]", "reason=BADDATA" },
	{ "garbage=[\"\\u202e0\"]", "reason=BADDATA" },
	{ "garbage=[1" /* of 64 digits, one too many */
	  "000000000000000000000000000000000000000000000000000000000000000]",
	  "reason=BADDATA" },
	{ "truncate=1", "reason=AGAIN" },
	{ "redirect", "reason=BADDATA" },
};

static const struct answer_row positions[] = {
	{ "nest=100000", "reason=BADDATA" },
	{ "huge=" BYTES, "reason=TOOBIG" },
	{ "gzip_bomb=" BYTES, "reason=TOOBIG" },
	{ "many=" CROWD, "reason=TOOBIG" },
	{ "many=4097", "reason=BADDATA" },
	{ "html", "reason=BADDATA" },
	{ "garbage={}", "reason=BADDATA" },
	{ "garbage=[1]", "reason=BADDATA" },
	{ "garbage=[{\"shard_id\":\"0\"}]", "reason=BADDATA" },
	{ "garbage=[{\"shard_id\":\"..\",\"checkpoint\":1}]", "reason=BADDATA" },
	{ "garbage=[{\"shard_id\":\"0\",\"checkpoint\":{}}]", "reason=BADDATA" },
	{ "garbage=[{\"shard_id\":\"0\",\"checkpoint\":\"a\\\"b\"}]", "reason=BADDATA" },
	{ "garbage=[{\"shard_id\":\"0\",\"checkpoint\":\"LONG\"}]", "reason=BADDATA" },
	{ "garbage=[{\"shard_id\":\"0\",\"checkpoint\":1,\"checkpoint\":2}]",
	  "reason=BADDATA" },
	{ "redirect", "reason=BADDATA" },
};

static const struct answer_row writes[] = {
	{ "nest=100000", "reason=UNKNOWN" },
	{ "huge=" BYTES, "reason=UNKNOWN" },
	{ "gzip_bomb=" BYTES, "reason=UNKNOWN" },
	{ "html", "reason=UNKNOWN" },
	{ "redirect", "reason=BADDATA" },
};

/* One row after the other, until each is said. between: rules for a while after each, which must
 * strike too; NULL: none. */
static void
walk(struct one_host *h, const char *kind, const struct answer_row *rows, size_t n,
     const char *message, const char *between)
{
	for (size_t i = 0; i < n; i++) {
		char *one = rule(kind, rows[i].fault);
		char *log = scenario_read(&h->scenario, "host.log");
		size_t from = strlen(log);
		bool said = false;
		free(log);
		sim_faults(&h->sim, one);
		until(rows[i].fault, said)
		{
			char *rest = log = scenario_read(&h->scenario, "host.log"), *line;
			for (rest += from; !said && (line = strsep(&rest, "\n"));)
				said = strstr(line, message) && strstr(line, rows[i].says);
			free(log);
		}
		free(one);
		if (!between)
			continue;
		sim_faults(&h->sim, between);
		until("it goes on", sim_struck(&h->sim, 0) >= 2);
	}
}

START_TEST(answer_that_is_no_grant_grants_nothing_and_takes_nothing)
{
	struct one_host h;
	struct memory_peak memory;
	begin(&h, 4, AGENT, &memory);
	walk(&h, "heartbeat", grants, N_OF(grants), "msg=\"heartbeat failed\"",
	     "heartbeat latency=1");
	end(&h, 4, &memory);
}
END_TEST

/* Without them no shard is begun. */
START_TEST(answer_that_is_no_list_of_positions_begins_no_shard)
{
	struct one_host h;
	struct memory_peak memory;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario,
		  "--tls off --shards 4 --records 1000 --consumer_timeout 18");
	sim_faults(&h.sim, "checkpoint_read html");
	agent_init(&h.agent, &h.sim, "host", AGENT);
	agent_start(&h.agent);
	until("both live", agent_said(&h.agent, "state=LIVE") == 2);
	memory_peak_begin(&memory, &h.agent);
	walk(&h, "checkpoint_read", positions, N_OF(positions), "msg=\"checkpoints not read\"",
	     NULL);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"shard held\""), 0);
	ck_assert_double_eq(sim_number(&h.sim, "requests/batch/200"), 0);
	end(&h, 4, &memory);
}
END_TEST

START_TEST(answer_to_a_write_that_says_nothing_is_not_believed)
{
	struct one_host h;
	struct memory_peak memory;
	begin(&h, 4, AGENT "--publish_interval 100ms", &memory);
	walk(&h, "checkpoint_write", writes, N_OF(writes), "msg=\"checkpoints not published",
	     NULL);
	ck_assert_double_eq(sim_published(&h.sim), 0);
	sim_faults(&h.sim, "");
	until("all is published", sim_published(&h.sim) == 4. * RECORDS);
	end(&h, 4, &memory);
}
END_TEST

/* ---- names ---- */

#define PLACES                   \
	"\"../../etc/x\",\"a/b\",\"/\",\"%2E%2E\",\"-\",\"~\",\"0/../../1\",\"..x\""
enum { N_PLACES = 8 };

/* Files of shards that the service has not. The caller compares how many. */
static size_t
remove_strange_files(const struct one_host *h)
{
	char *path = tmpdir_path(h->scenario.dir, "host.out");
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t n = 0;
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_REG)
			continue;
		ck_assert_uint_eq(strspn(entry->d_name, "0123456789abcdefABCDEFlogprtx%-._"),
				  strlen(entry->d_name));
		if (!strchr(entry->d_name, '%'))
			continue;
		ck_assert_int_eq(unlinkat(dirfd(dir), entry->d_name, 0), 0);
		n++;
	}
	closedir(dir);
	free(path);
	return n;
}

/* Such names are odd, but names: their records are delivered, each shard's into files of its
 * own, nowhere else. */
START_TEST(name_from_the_service_never_leads_to_another_place)
{
	static const char *const elsewhere[] = {
		"etc", "../etc", "../../etc/x", "a", "1", "host.out/a", "host.out/etc",
	};
	struct one_host h;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario,
		  "--tls off --shards 2 --records 1000 --consumer_timeout 18");
	sim_faults(&h.sim, "heartbeat garbage=[" PLACES "]\n"
			   "cursor garbage={\"cursor\":\"5\"}\n"
			   "batch garbage={\"count\":1,\"next\":\"6\",\"logs\":[{\"labels\":{}}]}");
	agent_init(&h.agent, &h.sim, "host", AGENT);
	agent_start(&h.agent);
	until("they are delivered", agent_committed(&h.agent) == N_PLACES);
	sim_faults(&h.sim, "");
	until("the others are too", agent_committed(&h.agent) == N_PLACES + 2 * RECORDS);
	agent_stop(&h.agent);
	agent_expect_sound(&h.agent, &h.sim);
	ck_assert_uint_eq(remove_strange_files(&h), N_PLACES);
	for (size_t i = 0; i < N_OF(elsewhere); i++) {
		char *path = tmpdir_path(h.scenario.dir, elsewhere[i]);
		ck_assert_int_lt(access(path, F_OK), 0);
		free(path);
	}
	sim_expect_exact(&h.sim, "host.out");
	one_host_end(&h);
}
END_TEST

/* ---- more than there can be ---- */

static bool
is_held(const struct one_host *h, const char *shard)
{
	char line[2][64];
	for (int i = 0; i < 2; i++)
		snprintf(line[i], sizeof(line[i]), "msg=\"shard held\" worker=%d shard=%s ", i,
			 shard);
	return agent_said(&h->agent, line[0]) + agent_said(&h->agent, line[1]) > 0;
}

/* Each heartbeat grants as many as one may, always others; each of them has a position. */
START_TEST(shards_without_end_are_held_within_bounds_and_got_over)
{
	struct one_host h;
	struct memory_peak memory;
	/* Seldom heartbeats: each takes away what the one before granted. */
	begin(&h, 2, AGENT "--heartbeat_interval 2s ", &memory);
	sim_faults(&h.sim, "heartbeat fresh=4096\ncheckpoint_read placed=5\nbatch empty");
	until_within(
		3 * PATIENCE_MS, "some are taken",
		sim_struck(&h.sim, 0) >= 10 && sim_struck(&h.sim, 2) >= FLOOD_TAKEN);
	memory_peak_expect(&memory, FLOOD_KIB);
	ck_assert_uint_eq(agent_said(&h.agent, "signal="), 0);
	agent_kill_whole(&h.agent);
	agent_start(&h.agent);
	until_within(3 * PATIENCE_MS, "it goes on", sim_struck(&h.sim, 2) >= FLOOD_TAKEN + 100);
	memory.n = 0; /* those are gone */
	sim_faults(&h.sim, "");
	until("the real ones are held again, to be sealed", is_held(&h, "0") && is_held(&h, "1"));
	end(&h, 2, &memory);
}
END_TEST

Suite *
suite_hostile(void)
{
	Suite *suite = suite_create("hostile");
	TCase *tc = scenario_case(suite, "hostile");
	tcase_add_test(tc, answer_that_is_no_batch_moves_nothing_and_harms_no_other_shard);
	tcase_add_test(tc, answer_that_is_no_grant_grants_nothing_and_takes_nothing);
	tcase_add_test(tc, answer_that_is_no_list_of_positions_begins_no_shard);
	tcase_add_test(tc, answer_to_a_write_that_says_nothing_is_not_believed);
	tcase_add_test(tc, name_from_the_service_never_leads_to_another_place);
	tcase_add_test(tc, shards_without_end_are_held_within_bounds_and_got_over);
	return suite;
}
