/*
 * sim_fault.c - says which rules strike a request.
 *
 * In lts-sim. Owns the rules. Must never act by itself (sim_serve.c and sim_reply.c do),
 * nor roll dice that a seed does not repeat. Held by tests/support/test_sim_fault.c.
 */
#include "tests/sim/sim_fault.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/sim/sim_record.h"
#include "tests/sim/sim_rule.h"

enum { RULES_MAX = 64 };

struct sim_faults {
	uint64_t seed;
	unsigned shards;
	size_t n;
	struct sim_rule rules[RULES_MAX];
};

static const char *const kind_names[SIM_KINDS] = {
	[SIM_HEARTBEAT] = "heartbeat",
	[SIM_CHECKPOINT_READ] = "checkpoint_read",
	[SIM_CHECKPOINT_WRITE] = "checkpoint_write",
	[SIM_CURSOR] = "cursor",
	[SIM_BATCH] = "batch",
	[SIM_INGEST] = "ingest",
	[SIM_OTHER] = "other",
};

const char *
sim_kind_name(enum sim_kind kind)
{
	return kind_names[kind];
}

struct sim_faults *
sim_faults_create(uint64_t seed, unsigned shards)
{
	struct sim_faults *faults = xcalloc(1, sizeof(*faults));
	faults->seed = seed;
	faults->shards = shards;
	return faults;
}

static void
clear_rules(struct sim_faults *faults)
{
	for (size_t i = 0; i < faults->n; i++)
		sim_rule_fini(&faults->rules[i]);
	faults->n = 0;
}

void
sim_faults_destroy(struct sim_faults **faultsp)
{
	if (*faultsp)
		clear_rules(*faultsp);
	free(*faultsp);
	*faultsp = NULL;
}

/* The first of the same text; a text that stands there twice is two rules. */
static void
keep_counts(struct sim_faults *fresh, struct sim_faults *former)
{
	bool taken[RULES_MAX] = { false };
	for (size_t i = 0; i < fresh->n; i++) {
		struct sim_rule *rule = &fresh->rules[i], *was = former->rules;
		while (was < former->rules + former->n &&
		       (taken[was - former->rules] || strcmp(was->text, rule->text) != 0))
			was++;
		if (was == former->rules + former->n)
			continue;
		taken[was - former->rules] = true;
		rule->matched = was->matched;
		rule->struck = was->struck;
		memcpy(rule->seen, was->seen, (fresh->shards + 1) * sizeof(*rule->seen));
	}
}

enum lts_err
sim_faults_set(struct sim_faults *faults, const char *text, bool keep, struct buf *error_out)
{
	enum lts_err err = LTS_OK;
	struct sim_faults *fresh = sim_faults_create(faults->seed, faults->shards);
	while (*text && !err) {
		size_t len = strcspn(text, "\r\n");
		char *line = xstrndup(text, len);
		if (line[strspn(line, " \t")] && fresh->n == RULES_MAX)
			err = sim_rule_refuse(error_out, line, NULL, "is one too many");
		else if (line[strspn(line, " \t")])
			err = sim_rule_parse(&fresh->rules[fresh->n++], line, faults->shards,
					     error_out);
		free(line);
		text += len + (text[len] != '\0');
	}
	if (!err && keep)
		keep_counts(fresh, faults);
	if (!err) {
		clear_rules(faults);
		*faults = *fresh;
		fresh->n = 0; /* its rules are the other's now */
	}
	sim_faults_destroy(&fresh);
	return err;
}

static bool
is_uuid(const char *name)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i = 0;
	for (; form[i]; i++)
		if (form[i] == '-' ? name[i] != '-' : !isxdigit((unsigned char)name[i]))
			return false;
	return !name[i];
}

static bool
is_meant(const char *wanted, const char *consumer)
{
	if (!wanted)
		return true;
	if (!consumer)
		return false;
	return strcmp(wanted, "!uuid") == 0 ? !is_uuid(consumer) : strcmp(wanted, consumer) == 0;
}

static bool
speaks_of(const struct sim_subject *subject, int64_t shard)
{
	for (size_t i = 0; i < subject->n_among; i++)
		if (subject->among[i] == shard)
			return true;
	return subject->shard == shard;
}

static bool
matches(const struct sim_rule *rule, const struct sim_subject *subject)
{
	if (rule->kind == SIM_KINDS ? subject->kind == SIM_OTHER
				    : rule->kind != (int)subject->kind)
		return false;
	if ((rule->shard >= 0 && !speaks_of(subject, rule->shard)) ||
	    (rule->list && subject->shard >= 0))
		return false;
	if (rule->at && (!subject->address || strcmp(rule->at, subject->address) != 0))
		return false;
	return is_meant(rule->consumer, subject->consumer);
}

static bool
strikes(struct sim_faults *faults, size_t i, const struct sim_subject *subject)
{
	struct sim_rule *rule = &faults->rules[i];
	int shard = subject->shard;
	if (!matches(rule, subject))
		return false;
	if (rule->matched++ < (uint64_t)rule->after ||
	    (rule->count >= 0 && rule->struck >= (uint64_t)rule->count))
		return false;
	unsigned place =
		shard >= 0 && (unsigned)shard < faults->shards ? (unsigned)shard : faults->shards;
	uint64_t dice =
		sim_mix(faults->seed ^ sim_mix(i << 32 | place) ^ sim_mix(rule->seen[place]++));
	if ((double)(dice >> 11) / (double)(UINT64_C(1) << 53) >= rule->p)
		return false;
	rule->struck++;
	return true;
}

void
sim_faults_apply(struct sim_faults *faults, const struct sim_subject *subject,
		 struct sim_effect *effect_out)
{
	*effect_out = (struct sim_effect){ 0 };
	for (size_t i = 0; i < faults->n; i++)
		if (strikes(faults, i, subject)) {
			sim_effect_merge(effect_out, &faults->rules[i].effect);
			effect_out->struck = faults->rules[i].struck;
		}
}

void
sim_faults_describe(const struct sim_faults *faults, struct buf *out)
{
	for (size_t i = 0; i < faults->n; i++)
		if (buf_printf(out, "%llu %s\n", (unsigned long long)faults->rules[i].struck,
			       faults->rules[i].text))
			abort(); /* the caller's buffer has no ceiling */
}
