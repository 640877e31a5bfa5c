/*
 * sim_rule.c - parses a rule for faults.
 *
 * In lts-sim. Owns the rule's texts. Must never take half of what it does not understand:
 * a misspelt fault that does nothing would make a test of nothing. Held by
 * tests/support/test_sim_fault.c.
 */
#include "tests/sim/sim_rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/sim/sim_spoil.h"

enum action_kind { ACTION_FLAG, ACTION_NUMBER, ACTION_SIGNED, ACTION_TEXT, ACTION_REST };

struct action {
	const char *name;
	enum action_kind kind;
	size_t offset;       /* in struct sim_effect */
	const char *without; /* text that stands for a missing value */
};

#define AT(field) offsetof(struct sim_effect, field)

static const struct action actions[] = {
	{ "latency", ACTION_NUMBER, AT(latency_ms), NULL },
	{ "status", ACTION_NUMBER, AT(status), NULL },
	{ "code", ACTION_TEXT, AT(code), NULL },
	{ "retry_after", ACTION_TEXT, AT(retry_after), NULL },
	{ "redirect", ACTION_TEXT, AT(redirect), "https://127.0.0.1:9/" },
	{ "garbage", ACTION_REST, AT(garbage), NULL },
	{ "say", ACTION_REST, AT(say), NULL },
	{ "odd", ACTION_REST, AT(odd), NULL },
	{ "null", ACTION_FLAG, AT(null_list), NULL },
	{ "unknown_member", ACTION_FLAG, AT(unknown_member), NULL },
	{ "gzip", ACTION_FLAG, AT(gzip), NULL },
	{ "html", ACTION_FLAG, AT(html), NULL },
	{ "nest", ACTION_NUMBER, AT(nest), NULL },
	{ "huge", ACTION_NUMBER, AT(huge), NULL },
	{ "gzip_bomb", ACTION_NUMBER, AT(gzip_bomb), NULL },
	{ "many", ACTION_NUMBER, AT(many), NULL },
	{ "fresh", ACTION_NUMBER, AT(fresh), NULL },
	{ "reset", ACTION_FLAG, AT(reset), NULL },
	{ "lose_reply", ACTION_FLAG, AT(lose_reply), NULL },
	{ "empty", ACTION_FLAG, AT(empty), NULL },
	{ "spoil", ACTION_TEXT, AT(spoil), NULL },
	{ "every", ACTION_NUMBER, AT(every), NULL },
	{ "fickle", ACTION_FLAG, AT(fickle), NULL },
	{ "miscount", ACTION_NUMBER, AT(miscount), NULL },
	{ "same_next", ACTION_FLAG, AT(same_next), NULL },
	{ "back", ACTION_NUMBER, AT(back), NULL },
	{ "skip", ACTION_NUMBER, AT(skip), NULL },
	{ "sparse", ACTION_NUMBER, AT(sparse), NULL },
	{ "placed", ACTION_NUMBER, AT(placed), NULL },
	{ "hold", ACTION_NUMBER, AT(hold_ms), NULL },
	{ "part", ACTION_NUMBER, AT(part), NULL },
	{ "truncate", ACTION_NUMBER, AT(truncate), NULL },
	{ "bandwidth", ACTION_NUMBER, AT(bandwidth), NULL },
	{ "stall", ACTION_FLAG, AT(stall), NULL },
	{ "date", ACTION_SIGNED, AT(date_s), NULL },
	{ "no_date", ACTION_FLAG, AT(no_date), NULL },
	{ "tail", ACTION_FLAG, AT(tail), NULL },
};

enum { ACTIONS = sizeof(actions) / sizeof(actions[0]) };

const char *
sim_fault_help(void)
{
	return "Faults (--fault RULE, repeatable; POST /sim/faults: one rule a line, "
	       "replaces all;\n"
	       "with ?keep those that stay go on with their counts):\n"
	       "  KIND [shard=S] [list] [consumer=NAME] [at=ADDRESS] [p=0..1] [after=N] [count=N] "
	       "ACTION...\n"
	       "  at: of those where it listens, the one that the request came to\n"
	       "  consumer=!uuid: whose name is no UUID\n"
	       "  KIND: heartbeat checkpoint_read checkpoint_write cursor batch ingest "
	       "any\n"
	       "  shard=S               also a write that has S among others; list: no one "
	       "shard is asked for\n"
	       "  latency=MS            answer that much later (what was asked is done "
	       "at once)\n"
	       "  status=CODE           that error instead; code=LTS.NNNN and "
	       "retry_after=S|\"DATE\"|date:S go with it\n"
	       "  redirect[=URL]        302\n"
	       "  reset | lose_reply    RST before | after doing what was asked\n"
	       "  truncate=BYTES        so much of the body, then the connection ends\n"
	       "  bandwidth=BYTES       a second\n"
	       "  stall                 headers, then silence\n"
	       "  date=SECONDS | no_date   a Date that is so much ahead (-N: behind) | none\n"
	       "  html | garbage=REST   200 with an HTML body | with the rest of the "
	       "line as body\n"
	       "  say=REST              do what was asked, then 200 with the rest of the line\n"
	       "  gzip                  compress the body\n"
	       "  null | odd=REST       heartbeat, checkpoint_read: null for an empty list | one "
	       "entry more in the list,\n"
	       "                        the rest of the line; not where one shard was asked for\n"
	       "  unknown_member        heartbeat: 400 to a list that is not empty, of a member "
	       "that is not known\n"
	       "  nest=N | huge=BYTES | gzip_bomb=BYTES   200 with such a body\n"
	       "  many=N | fresh=N      heartbeat, checkpoint_read: shards 0 to N-1 | N that "
	       "nobody has heard of\n"
	       "  empty | same_next | back=N | skip=N   batch: no records | next = start | next N "
	       "records\n"
	       "                        back | next N records further on than they are\n"
	       "  spoil=HOW [every=N] [fickle]   batch: of N records one, always the same, is bad: "
	       "utf8 overlong\n"
	       "                        control nul escape number deep, null (its labels), open "
	       "(a string without\n"
	       "                        end); fickle: other bytes each time\n"
	       "  miscount=N            batch: the count says N more than there are\n"
	       "  empty | sparse=N | placed=C   checkpoint_read: none | only every N-th shard | "
	       "C for the one\n"
	       "                        that is asked for, whether it is there or not\n"
	       "  hold=MS | part=N      checkpoint_write: done that much later | only N of its "
	       "shards;\n"
	       "                        the answer is 200 at once, or what status or lose_reply "
	       "say\n"
	       "  tail                  cursor: of the next record to come, whatever was "
	       "asked for\n";
}

static bool
parse_signed(const char *text, int64_t *out)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (end == text || *end || errno)
		return false;
	*out = value;
	return true;
}

static bool
parse_number(const char *text, int64_t *out)
{
	int64_t value;
	if (!parse_signed(text, &value) || value < 0)
		return false;
	*out = value;
	return true;
}

static bool
parse_kind(const char *word, int *out)
{
	if (strcmp(word, "any") == 0) {
		*out = SIM_KINDS;
		return true;
	}
	for (int i = 0; i < SIM_OTHER; i++) {
		if (strcmp(word, sim_kind_name((enum sim_kind)i)) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

/* NULL, or what is wrong with it. */
static const char *
set_action(struct sim_effect *effect, const struct action *action, const char *value)
{
	char *field = (char *)effect + action->offset;
	switch (action->kind) {
	case ACTION_FLAG:
		if (value)
			return "takes no value";
		*(int64_t *)(void *)field = 1;
		return NULL;
	case ACTION_NUMBER:
		if (!value || !parse_number(value, (int64_t *)(void *)field))
			return "needs a number";
		if (action->offset == AT(truncate))
			effect->has_truncate = true;
		return NULL;
	case ACTION_SIGNED:
		if (!value || !parse_signed(value, (int64_t *)(void *)field) ||
		    llabs(*(int64_t *)(void *)field) > SIM_DATE_MOST_S)
			return "needs a number";
		return NULL;
	default:
		if (!value)
			value = action->without;
		if (!value)
			return "needs a value";
		*(const char **)(void *)field = value;
		return NULL;
	}
}

static const char *
set_condition(struct sim_rule *rule, const char *name, const char *value, bool *known_out)
{
	*known_out = true;
	if (strcmp(name, "shard") == 0)
		return value && parse_number(value, &rule->shard) ? NULL : "needs a number";
	if (strcmp(name, "list") == 0) {
		rule->list = true;
		return value ? "takes no value" : NULL;
	}
	if (strcmp(name, "after") == 0)
		return value && parse_number(value, &rule->after) ? NULL : "needs a number";
	if (strcmp(name, "count") == 0)
		return value && parse_number(value, &rule->count) ? NULL : "needs a number";
	if (strcmp(name, "consumer") == 0) {
		rule->consumer = value;
		return value ? NULL : "needs a name";
	}
	if (strcmp(name, "at") == 0) {
		rule->at = value;
		return value ? NULL : "needs an address";
	}
	if (strcmp(name, "p") == 0) {
		char *end = NULL;
		rule->p = value ? strtod(value, &end) : -1;
		return value && end != value && !*end && rule->p >= 0 && rule->p <= 1
			       ? NULL
			       : "needs a number from 0 to 1";
	}
	*known_out = false;
	return NULL;
}

static bool
takes_the_rest(const char *word)
{
	for (size_t i = 0; i < ACTIONS; i++)
		if (strcmp(word, actions[i].name) == 0)
			return actions[i].kind == ACTION_REST;
	return false;
}

/* Cuts the next word off; a value in double quotes may hold spaces. Some actions take all the
 * rest. */
static char *
next_word(char **at, char **value_out)
{
	char *word = *at + strspn(*at, " \t");
	if (!*word)
		return NULL;
	char *end = word + strcspn(word, " \t=");
	*value_out = NULL;
	if (*end == '=') {
		*end++ = '\0';
		*value_out = end;
		if (takes_the_rest(word)) {
			*at = end + strlen(end);
			return word;
		}
		if (*end == '"') {
			*value_out = end + 1;
			end = *value_out + strcspn(*value_out, "\"");
		} else {
			end += strcspn(end, " \t");
		}
	}
	*at = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static const char *
set_word(struct sim_rule *rule, const char *word, const char *value, bool *has_action)
{
	bool known;
	const char *wrong = set_condition(rule, word, value, &known);
	if (known)
		return wrong;
	for (size_t i = 0; i < ACTIONS; i++) {
		if (strcmp(word, actions[i].name) == 0) {
			*has_action = true;
			return set_action(&rule->effect, &actions[i], value);
		}
	}
	return "is not known";
}

enum lts_err
sim_rule_refuse(struct buf *error_out, const char *line, const char *word, const char *wrong)
{
	if (buf_printf(error_out, "fault '%s': %s%s%s", line, word ? word : "", word ? " " : "",
		       wrong))
		abort(); /* the caller's buffer has no ceiling */
	return LTS_INVALID;
}

enum lts_err
sim_rule_parse(struct sim_rule *rule, const char *line, unsigned shards, struct buf *error_out)
{
	*rule = (struct sim_rule){ .shard = -1, .p = 1, .count = -1 };
	rule->text = xstrdup(line);
	rule->tokens = xstrdup(line);
	rule->seen = xcalloc(shards + 1, sizeof(rule->seen[0]));
	char *at = rule->tokens, *value;
	const char *word = next_word(&at, &value);
	if (!word || value || !parse_kind(word, &rule->kind))
		return sim_rule_refuse(error_out, line, word, "is not a kind of request");
	bool has_action = false;
	while ((word = next_word(&at, &value))) {
		const char *wrong = set_word(rule, word, value, &has_action);
		if (wrong)
			return sim_rule_refuse(error_out, line, word, wrong);
	}
	if (!has_action)
		return sim_rule_refuse(error_out, line, NULL, "says nothing to do");
	if (rule->effect.status && (rule->effect.status < 200 || rule->effect.status > 599))
		return sim_rule_refuse(error_out, line, "status", "must be 200 to 599");
	if (rule->effect.spoil && !sim_spoil_is_known(rule->effect.spoil))
		return sim_rule_refuse(error_out, line, "spoil", "is not a way to spoil a record");
	return LTS_OK;
}

void
sim_rule_fini(struct sim_rule *rule)
{
	free(rule->text);
	free(rule->tokens);
	free(rule->seen);
}

/* A field that is not zero was asked for. */
void
sim_effect_merge(struct sim_effect *into, const struct sim_effect *from)
{
	for (size_t i = 0; i < ACTIONS; i++) {
		size_t offset = actions[i].offset;
		size_t size = actions[i].kind <= ACTION_SIGNED ? sizeof(int64_t) : sizeof(char *);
		static const char zero[sizeof(int64_t)];
		if (memcmp((const char *)from + offset, zero, size) != 0)
			memcpy((char *)into + offset, (const char *)from + offset, size);
	}
	if (from->has_truncate) {
		into->has_truncate = true;
		into->truncate = from->truncate;
	}
}
