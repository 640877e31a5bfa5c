/*
 * test_sink.h - one simulator and one agent whose sink misbehaves as it is told: see
 * tests/sink/sink.c.
 */
#ifndef TESTS_SUPPORT_TEST_SINK_H
#define TESTS_SUPPORT_TEST_SINK_H

#include "tests/support/one_host.h"

/* As one_host_begin, with these rules from the start. */
void test_sink_begin(struct one_host *host, const char *sim_options, const char *agent_options,
		     const char *rules);
/* Other rules from now on; "": it behaves. */
void test_sink_rules(const struct one_host *host, const char *rules);
/* Every record of every shard but `shard` once; of that one the first ones, once, up to
 * `from` at least and below `to`. */
void test_sink_expect_stopped(struct one_host *host, unsigned shards, unsigned records,
			      unsigned from, unsigned to);

#endif
