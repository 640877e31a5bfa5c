/*
 * test_plugin.h - one simulator and one agent with a plugin that misbehaves as it is told: see
 * tests/plugin/misbehave.c.
 */
#ifndef TESTS_SUPPORT_TEST_PLUGIN_H
#define TESTS_SUPPORT_TEST_PLUGIN_H

#include "tests/support/one_host.h"

enum { TEST_PLUGIN_SHARDS = 8, TEST_PLUGIN_RECORDS = 20000 };

/* As one_host_begin, with these rules from the start. */
void test_plugin_begin(struct one_host *host, const char *sim_options, const char *agent_options,
		       const char *rules);
/* Other rules from now on; "": it behaves. */
void test_plugin_rules(const struct one_host *host, const char *rules);

/* What became of every record. */
struct test_plugin_account {
	unsigned long done, repeated; /* different ones; and how many more times */
	unsigned long dead;           /* lines of dead letters */
	unsigned long lost;           /* neither done nor dead */
	unsigned long both;           /* done and dead */
	unsigned long dead_twice;
	bool is_dead[TEST_PLUGIN_SHARDS][TEST_PLUGIN_RECORDS];
	unsigned times[TEST_PLUGIN_SHARDS][TEST_PLUGIN_RECORDS];
};
/* Of shards 0 to shards - 1 with records 0 to records - 1; the caller frees. */
struct test_plugin_account *test_plugin_account(const struct one_host *host, unsigned shards,
						unsigned records);
/* Lines that the plugin has written down so far. */
unsigned long test_plugin_done(const struct one_host *host, unsigned shards);
/* The dead letters' lines, all of them; the caller frees. */
char *test_plugin_dead_letters(const struct one_host *host);

#endif
