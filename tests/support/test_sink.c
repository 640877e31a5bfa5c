/*
 * test_sink.c - one host with the sink of tests/sink.
 *
 * In the test process. Owns nothing but the rules' file.
 */
#include "tests/support/test_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/tmpdir.h"

void
test_sink_rules(const struct one_host *h, const char *rules)
{
	char *path = tmpdir_path(h->scenario.dir, "sink.rules");
	char *fresh = tmpdir_path(h->scenario.dir, "sink.rules.new");
	tmpdir_write(h->scenario.dir, "sink.rules.new", rules, strlen(rules));
	ck_assert_int_eq(rename(fresh, path), 0);
	free(fresh);
	free(path);
}

void
test_sink_begin(struct one_host *h, const char *sim_options, const char *agent_options,
		const char *rules)
{
	scenario_begin(&h->scenario);
	test_sink_rules(h, rules);
	sim_start(&h->sim, &h->scenario, sim_options);
	agent_init(&h->agent, &h->sim, "host", agent_options);
	free(h->agent.words.list[0]);
	h->agent.words.list[0] = xasprintf("%s/test-sink/lts-supervisor", h->scenario.bin);
	/* It reads its rules, forks and stops itself: code that a sandbox is not for. */
	words_add(&h->agent.words, "--sandbox off");
	agent_start(&h->agent);
}

void
test_sink_expect_stopped(struct one_host *h, unsigned shards, unsigned records, unsigned from,
			 unsigned to)
{
	char *options = xasprintf("--shards %u host.out", shards);
	struct verdict v = scenario_verify(&h->scenario, options);
	free(options);
	ck_assert_uint_eq(v.lost + v.duplicated + v.reordered + v.torn, 0);
	ck_assert_uint_ge(v.records, (shards - 1) * (unsigned long long)records + from);
	ck_assert_uint_lt(v.records, (shards - 1) * (unsigned long long)records + to);
}
