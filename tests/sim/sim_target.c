/*
 * sim_target.c - takes a request's target apart.
 *
 * In lts-sim. Owns the decoded text. Must never lose the difference between a slash and
 * an encoded one: the signature covers segments. Held by
 * tests/support/test_sim_options.c.
 */
#include "tests/sim/sim_target.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; a NUL or half an escape is refused. */
static bool
decode(char *text, bool plus_is_space)
{
	char *out = text;
	for (; *text; text++) {
		if (*text == '%') {
			int high = hex_digit(text[1]);
			int low = high < 0 ? -1 : hex_digit(text[2]);
			if (low < 0 || high + low == 0)
				return false;
			*out++ = (char)(high * 16 + low);
			text += 2;
		} else {
			*out++ = *text == '+' && plus_is_space ? ' ' : *text;
		}
	}
	*out = '\0';
	return true;
}

/* Cuts the text at the first `separator`, which it returns the rest after; NULL: it was
 * the last. */
static char *
cut(char *text, char separator)
{
	char *at = strchr(text, separator);
	if (!at)
		return NULL;
	*at = '\0';
	return at + 1;
}

static bool
parse_path(struct sim_target *target, char *path)
{
	while (path) {
		char *rest = cut(path, '/');
		if (target->n_segments == SIM_SEGMENTS_MAX || !decode(path, false))
			return false;
		target->segments[target->n_segments++] = path;
		path = rest;
	}
	return true;
}

static bool
parse_query(struct sim_target *target, char *query)
{
	while (query) {
		char *rest = cut(query, '&');
		char *value = cut(query, '=');
		if (*query || value) {
			if (target->n_query == LTS_SIGN_PAIRS_MAX || !decode(query, true) ||
			    (value && !decode(value, true)))
				return false;
			target->query[target->n_query++] =
				(struct lts_sign_pair){ query, value ? value : "" };
		}
		query = rest;
	}
	return true;
}

/* A pattern's word stands for itself; of the capitals P is the project, G the group, S
 * the stream, C the consumer group and N the shard. */
static const struct {
	enum sim_route route;
	const char *pattern[SIM_SEGMENTS_MAX];
} routes[] = {
	{ SIM_ROUTE_HEARTBEAT,
	  { "v2", "P", "groups", "G", "streams", "S", "consumer-groups", "C", "heartbeat" } },
	{ SIM_ROUTE_CHECKPOINTS,
	  { "v2", "P", "groups", "G", "streams", "S", "consumer-groups", "C" } },
	{ SIM_ROUTE_CURSOR,
	  { "v2", "P", "groups", "G", "streams", "S", "shards", "N", "cursor" } },
	{ SIM_ROUTE_BATCH, { "v2", "P", "groups", "G", "streams", "S", "shards", "N" } },
	{ SIM_ROUTE_INGEST_V3, { "v3", "P", "lts", "groups", "G", "streams", "S", "logs" } },
	{ SIM_ROUTE_INGEST_RAW,
	  { "v2", "internal", "P", "lts", "groups", "G", "streams", "S", "tenant",
	    "batch-contents" } },
};

static const char **
variable(struct sim_target *target, const char *word)
{
	if (word[0] == '\0' || word[1] != '\0')
		return NULL;
	switch (word[0]) {
	case 'P':
		return &target->project;
	case 'G':
		return &target->group;
	case 'S':
		return &target->stream;
	case 'C':
		return &target->consumer_group;
	case 'N':
		return &target->shard;
	default:
		return NULL;
	}
}

static bool
matches(struct sim_target *target, const char *const *pattern)
{
	size_t n = 0;
	while (n < SIM_SEGMENTS_MAX && pattern[n])
		n++;
	if (n != target->n_segments)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!variable(target, pattern[i]) && strcmp(pattern[i], target->segments[i]) != 0)
			return false;
	for (size_t i = 0; i < n; i++) {
		const char **place = variable(target, pattern[i]);
		if (place)
			*place = target->segments[i];
	}
	return true;
}

static void
find_route(struct sim_target *target)
{
	if (strcmp(target->segments[0], "sim") == 0) {
		target->route = SIM_ROUTE_CONTROL;
		return;
	}
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (matches(target, routes[i].pattern)) {
			target->route = routes[i].route;
			return;
		}
	}
}

enum lts_err
sim_target_parse(struct sim_target *target, const char *raw)
{
	*target = (struct sim_target){
		.project = "", .group = "", .stream = "", .consumer_group = "", .shard = ""
	};
	if (raw[0] != '/')
		return LTS_INVALID;
	target->text = xstrdup(raw + 1);
	char *query = cut(target->text, '?');
	if (!parse_path(target, target->text) || !parse_query(target, query))
		return LTS_INVALID;
	find_route(target);
	return LTS_OK;
}

void
sim_target_fini(struct sim_target *target)
{
	free(target->text);
	*target = (struct sim_target){ 0 };
}

const char *
sim_target_query(const struct sim_target *target, const char *key)
{
	for (size_t i = 0; i < target->n_query; i++)
		if (strcmp(target->query[i].key, key) == 0)
			return target->query[i].value;
	return NULL;
}
