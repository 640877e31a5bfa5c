/*
 * sim_rule.h - one rule for faults: its text, taken apart, and what became of it so far.
 */
#ifndef TESTS_SIM_SIM_RULE_H
#define TESTS_SIM_SIM_RULE_H

#include "tests/sim/sim_fault.h"

struct sim_rule {
	char *text;    /* as given, for describe */
	char *tokens;  /* the effect's texts live here */
	int kind;      /* SIM_KINDS: any */
	int64_t shard; /* -1: any; a write of several has it when one of them is it */
	bool list;     /* only requests that do not speak of one shard */
	const char *consumer, *at;
	double p;
	int64_t after, count; /* count < 0: no end */
	uint64_t matched, struck;
	uint64_t *seen; /* of each shard, and of none at the end: how often it was asked */
	struct sim_effect effect;
};

/* Takes one line; `shards` is for `seen`. LTS_INVALID: error_out says what is wrong. In
 * both cases sim_rule_fini undoes it. */
enum lts_err sim_rule_parse(struct sim_rule *rule, const char *line, unsigned shards,
			    struct buf *error_out) LTS_MUST_USE;
void sim_rule_fini(struct sim_rule *rule);
/* Refuses a line: appends what is wrong with which of its words (NULL: all of it). */
enum lts_err sim_rule_refuse(struct buf *error_out, const char *line, const char *word,
			     const char *wrong) LTS_MUST_USE;
/* What `from` asks for goes into `into`, the rest stays. */
void sim_effect_merge(struct sim_effect *into, const struct sim_effect *from);

#endif
