/*
 * request.h - the command line of lts-state: one command, what follows it, and options.
 *
 * A command is one row of the table in state/main.c, a file state/command_NAME.c, and its
 * declaration in state/commands.h; an option is one enumerator here and one row in
 * state/request.c.
 */
#ifndef STATE_REQUEST_H
#define STATE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/handoff.h"
#include "common/err.h"
#include "state/place.h"

enum { REQUEST_SHARDS_MAX = 256 };

enum request_option {
	REQUEST_STATE_DIR,
	REQUEST_JSON,
	REQUEST_LAST,
	REQUEST_SINCE,
	REQUEST_SHARD,
	REQUEST_ALL,
	REQUEST_TO,
	REQUEST_DRY_RUN,
	REQUEST_FORCE,
	REQUEST_REPEAT,
	REQUEST_YES,
	REQUEST_TIMEOUT,
	REQUEST_INTERVAL,
	REQUEST_HELP,
	REQUEST_VERSION,
	REQUEST_OPTIONS,
};

struct request;

struct command {
	const char *name;
	const char *operand; /* what must follow, as FILE; NULL: nothing may */
	unsigned options;    /* a bit for each enum request_option that it takes beside those
				that all take: state_dir, help, version */
	unsigned tables;     /* a bit for each enum store_table to be shown */
	/* What it writes to `out` goes to standard output when it returns. */
	enum exit_code (*run)(const struct request *request, FILE *out);
	const char *help;
};

/* Values are borrowed from argv and the environment. */
struct request {
	const struct command *commands, *command; /* all, ended by one without a name; the one */
	const char *operand;
	const char *state_dir;
	bool json, force, repeat, yes, dry_run, help, version;
	size_t last;      /* so many events; 0: all */
	int64_t since_ns; /* and of those only later ones, by this host's clock */
	struct shard_id shards[REQUEST_SHARDS_MAX];
	size_t n_shards;
	struct place to;
	int timeout_ms;      /* for a running agent's answer */
	int64_t interval_ms; /* between looks */
	bool given[REQUEST_OPTIONS];
};

/* EXIT_USAGE: said on stderr what is wrong and what is allowed. */
enum exit_code request_parse(const struct command *commands, char **argv,
			     struct request *out) LTS_MUST_USE;
void request_help(const struct command *commands, FILE *out);

#endif
