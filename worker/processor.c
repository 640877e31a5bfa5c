/*
 * processor.c - which code of the user's a specification names.
 *
 * In a worker's delivery thread. Owns nothing. Must never guess: what it does not know is a
 * sink's. Held by tests/scenario/plugins.c.
 */
#include "worker/processor.h"

#include <string.h>

typedef enum lts_err create_fn(const char *what, const struct processor_config *config,
			       struct processor **out, struct buf *why_out);

static const struct {
	const char *prefix;
	create_fn *create;
} kinds[] = {
	{ "plugin:", processor_plugin_create },
	{ "exec:", processor_exec_create },
	{ "batch:", processor_batch_create },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* KINDS: none. */
static unsigned
find(const char *spec)
{
	unsigned i = 0;
	while (i < KINDS && strncmp(spec, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
		i++;
	return i;
}

bool
processor_is_named(const char *spec)
{
	return find(spec) < KINDS;
}

enum lts_err
processor_create(const struct processor_config *config, struct processor **out,
		 struct buf *why_out)
{
	unsigned i = find(config->spec);
	if (i == KINDS)
		return LTS_INVALID;
	return kinds[i].create(config->spec + strlen(kinds[i].prefix), config, out, why_out);
}
