/*
 * request.c - the command line of lts-state, from tables.
 *
 * In lts-state. Owns nothing. Must never guess: what is not a command or an option, or does not
 * go together, is refused with what is allowed. Held by tests/state/test_lts_state.c.
 */
#include "state/request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/options_value.h"
#include "common/xalloc.h"

enum {
	LAST_DEFAULT = 50,
	TIMEOUT_DEFAULT_MS = 30 * 1000,
	TIMEOUT_MAX_MS = 24 * 60 * 60 * 1000,
	INTERVAL_DEFAULT_MS = 1000,
	INTERVAL_MIN_MS = 100,
	INTERVAL_MAX_MS = 3600 * 1000
};

/* So much fits into nanoseconds. */
#define MS_MAX (INT64_MAX / 1000000)

struct option {
	const char *name;
	const char *value; /* what it is called in the help; NULL: a flag */
	const char *needs; /* what must follow */
	/* Keeps the value; says what is allowed when it is wrong. */
	enum exit_code (*take)(struct request *request, const char *value);
	const char *help;
};

static const unsigned for_all =
	1u << REQUEST_STATE_DIR | 1u << REQUEST_HELP | 1u << REQUEST_VERSION;

__attribute__((format(printf, 1, 2))) static enum exit_code
usage(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("lts-state: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return EXIT_USAGE;
}

static enum exit_code
take_state_dir(struct request *request, const char *value)
{
	request->state_dir = value;
	return EXIT_DONE;
}

static enum exit_code
take_json(struct request *request, const char *value)
{
	request->json = true;
	return EXIT_DONE;
}

static enum exit_code
take_last(struct request *request, const char *value)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(value, &end, 10);
	if (errno || *end || value[0] < '0' || value[0] > '9')
		return usage("--last '%s': a number is allowed, 0 for all", value);
	request->last = (size_t)n;
	return EXIT_DONE;
}

/* A time, or an age: its unit tells it from an integer time. */
static enum exit_code
take_since(struct request *request, const char *value)
{
	struct time_spec at;
	int64_t ms;
	if (!value_parse_time(value, &at) && at.kind == TIME_AT)
		request->since_ns = at.ns;
	else if (!value_parse_ms(value, &ms))
		request->since_ns = clock_wall_ns() - (ms < MS_MAX ? ms : MS_MAX) * 1000000;
	else
		return usage("--since '%s': allowed are an RFC 3339 time as "
			     "2026-01-02T03:04:05Z, an integer epoch in s, ms, us or ns, or an "
			     "age as 90s, 10m, 2h, 1d",
			     value);
	return EXIT_DONE;
}

static bool
has_shard(const struct request *request, const struct shard_id *shard)
{
	for (size_t i = 0; i < request->n_shards; i++)
		if (shard_id_equal(&request->shards[i], shard))
			return true;
	return false;
}

/* Names with commas between; as often as one likes, each counts once. */
static enum exit_code
take_shard(struct request *request, const char *value)
{
	char *names = xstrdup(value), *rest = names, *name;
	enum exit_code code = EXIT_DONE;
	struct shard_id shard;
	while (!code && (name = strsep(&rest, ","))) {
		if (!name[0] || !shard_id_set(&shard, name))
			code = usage("--shard '%s': a shard's name, or some with commas between",
				     value);
		else if (has_shard(request, &shard))
			continue;
		else if (request->n_shards == REQUEST_SHARDS_MAX)
			code = usage("--shard: at most %d of them, or --all", REQUEST_SHARDS_MAX);
		else
			request->shards[request->n_shards++] = shard;
	}
	free(names);
	return code;
}

static enum exit_code
take_all(struct request *request, const char *value)
{
	return EXIT_DONE;
}

static enum exit_code
take_to(struct request *request, const char *value)
{
	const char *why = place_parse(value, &request->to);
	return why ? usage("--to '%s': %s; or cursor:TEXT", value, why) : EXIT_DONE;
}

static enum exit_code
take_dry_run(struct request *request, const char *value)
{
	request->dry_run = true;
	return EXIT_DONE;
}

static enum exit_code
take_force(struct request *request, const char *value)
{
	request->force = true;
	return EXIT_DONE;
}

static enum exit_code
take_repeat(struct request *request, const char *value)
{
	request->repeat = true;
	return EXIT_DONE;
}

static enum exit_code
take_yes(struct request *request, const char *value)
{
	request->yes = true;
	return EXIT_DONE;
}

static enum exit_code
take_timeout(struct request *request, const char *value)
{
	int64_t ms;
	if (value_parse_ms(value, &ms) || ms < 1 || ms > TIMEOUT_MAX_MS)
		return usage("--timeout '%s': allowed are 1ms to 1d, as 500ms, 30s, 2m", value);
	request->timeout_ms = (int)ms;
	return EXIT_DONE;
}

static enum exit_code
take_interval(struct request *request, const char *value)
{
	int64_t ms;
	if (value_parse_ms(value, &ms) || ms < INTERVAL_MIN_MS || ms > INTERVAL_MAX_MS)
		return usage("--interval '%s': 100ms to 1h is allowed, as 500ms, 2s", value);
	request->interval_ms = ms;
	return EXIT_DONE;
}

static enum exit_code
take_help(struct request *request, const char *value)
{
	request->help = true;
	return EXIT_DONE;
}

static enum exit_code
take_version(struct request *request, const char *value)
{
	request->version = true;
	return EXIT_DONE;
}

static const struct option options[REQUEST_OPTIONS] = {
	[REQUEST_STATE_DIR] = { "state_dir", "DIR", "directory", take_state_dir,
				"also LTS_STATE_DIR; default ./lts-state.d" },
	[REQUEST_JSON] = { "json", NULL, NULL, take_json, "one JSON object instead of tables" },
	[REQUEST_LAST] = { "last", "N", "number", take_last,
			   "so many events, 0 for all; default 50" },
	[REQUEST_SINCE] = { "since", "WHEN", "time or an age", take_since,
			    "only events since a time, as start_time, or of an age, as 10m" },
	[REQUEST_SHARD] = { "shard", "S", "shard's name", take_shard,
			    "this one; or some, with commas between" },
	[REQUEST_ALL] = { "all", NULL, NULL, take_all, "all that this host has" },
	[REQUEST_TO] = { "to", "PLACE", "place", take_to,
			 "begin, end, a time as start_time, or cursor:TEXT" },
	[REQUEST_DRY_RUN] = { "dry_run", NULL, NULL, take_dry_run,
			      "only say what would be done" },
	[REQUEST_FORCE] = { "force", NULL, NULL, take_force,
			    "backup: replaces FILE; restore: of another stream, too; rebuild: "
			    "though sound, slow to read, or of a newer version; reset of a "
			    "stopped agent: what it gave back, too" },
	[REQUEST_REPEAT] = { "repeat", NULL, NULL, take_repeat,
			     "restore: delivers all since FILE again" },
	[REQUEST_YES] = { "yes", NULL, NULL, take_yes,
			  "reset: to a time in the future, too, which is the end" },
	[REQUEST_TIMEOUT] = { "timeout", "TIME", "duration", take_timeout,
			      "so long for a running agent's answer; default 30s" },
	[REQUEST_INTERVAL] = { "interval", "TIME", "time", take_interval,
			       "between looks; default 1s" },
	[REQUEST_HELP] = { "help", NULL, NULL, take_help, "this text" },
	[REQUEST_VERSION] = { "version", NULL, NULL, take_version, "the version" },
};

/* "dump, leases, ...": the commands that `wanted` admits; by option, or all with
 * REQUEST_OPTIONS. */
static const char *
list_commands(const struct command *commands, enum request_option wanted, char *text, size_t size)
{
	size_t len = 0;
	text[0] = '\0';
	for (const struct command *c = commands; c->name && len < size; c++)
		if (wanted == REQUEST_OPTIONS || c->options & 1u << wanted)
			len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "",
						c->name);
	return text;
}

static const char *
list_options(char *text, size_t size)
{
	size_t len = 0;
	for (int o = 0; o < REQUEST_OPTIONS && len < size; o++)
		len += (size_t)snprintf(text + len, size - len, "%s--%s%s%s", len ? ", " : "",
					options[o].name, options[o].value ? " " : "",
					options[o].value ? options[o].value : "");
	return text;
}

static enum exit_code
take_word(struct request *request, const char *word)
{
	char list[512];
	if (request->command && request->command->operand && !request->operand) {
		request->operand = word;
		return EXIT_DONE;
	}
	if (request->command)
		return usage("one command at a time, '%s' is another", word);
	for (const struct command *c = request->commands; c->name; c++)
		if (strcmp(word, c->name) == 0)
			request->command = c;
	if (!request->command)
		return usage(
			"no command '%s'; allowed: %s", word,
			list_commands(request->commands, REQUEST_OPTIONS, list, sizeof(list)));
	return EXIT_DONE;
}

/* Whether `arg` is the option `name`; - and _ are the same. `value_out` is behind its
 * '=', or NULL. */
static bool
is_option(const char *arg, const char *name, const char **value_out)
{
	size_t i = 0;
	for (arg += 2; name[i]; i++)
		if (arg[i] != name[i] && !(arg[i] == '-' && name[i] == '_'))
			return false;
	if (arg[i] != '\0' && arg[i] != '=')
		return false;
	*value_out = arg[i] ? arg + i + 1 : NULL;
	return true;
}

/* Takes argv[*i], and its value from the next argument if need be. */
static enum exit_code
take_option(struct request *request, char **argv, int *i)
{
	const char *arg = argv[*i], *value = NULL;
	char list[512];
	int o = 0;
	while (o < REQUEST_OPTIONS && !is_option(arg, options[o].name, &value))
		o++;
	if (o == REQUEST_OPTIONS)
		return usage("no option '%s'; allowed: %s", arg,
			     list_options(list, sizeof(list)));
	request->given[o] = true;
	if (!options[o].value && value)
		return usage("%s: no value is allowed with this option", arg);
	if (options[o].value && !value)
		value = argv[*i + 1] ? argv[++*i] : "";
	if (options[o].value && !*value)
		return usage("%s: a %s must follow", arg, options[o].needs);
	return options[o].take(request, value);
}

static enum exit_code
check(const struct request *request)
{
	const struct command *command = request->command;
	char list[512];
	if (!command)
		return usage(
			"a command must be given; allowed: %s",
			list_commands(request->commands, REQUEST_OPTIONS, list, sizeof(list)));
	if (command->operand && !request->operand)
		return usage("%s: %s must follow", command->name, command->operand);
	for (int o = 0; o < REQUEST_OPTIONS; o++)
		if (request->given[o] && !((for_all | command->options) & 1u << o))
			return usage("--%s goes with %s, not with %s", options[o].name,
				     list_commands(request->commands, (enum request_option)o,
						   list, sizeof(list)),
				     command->name);
	return EXIT_DONE;
}

enum exit_code
request_parse(const struct command *commands, char **argv, struct request *out)
{
	const char *env = getenv("LTS_STATE_DIR");
	enum exit_code code = EXIT_DONE;
	*out = (struct request){ .commands = commands,
				 .state_dir = env && *env ? env : "./lts-state.d",
				 .last = LAST_DEFAULT,
				 .timeout_ms = TIMEOUT_DEFAULT_MS,
				 .interval_ms = INTERVAL_DEFAULT_MS };
	for (int i = 1; argv[i] && !code; i++)
		code = argv[i][0] == '-' && argv[i][1] == '-' ? take_option(out, argv, &i)
							      : take_word(out, argv[i]);
	return code || out->help || out->version ? code : check(out);
}

static void
print_row(FILE *out, const char *prefix, const char *name, const char *value, const char *help)
{
	char left[64];
	snprintf(left, sizeof(left), "%s%s%s%s", prefix, name, value ? " " : "",
		 value ? value : "");
	fprintf(out, "  %-16s %s\n", left, help);
}

void
request_help(const struct command *commands, FILE *out)
{
	fputs("lts-state [--state_dir DIR] [OPTIONS] COMMAND\n\n"
	      "Looks into the state of an lts-consumer agent, running or not, and mends "
	      "it.\n\nCommands:\n",
	      out);
	for (const struct command *c = commands; c->name; c++)
		print_row(out, "", c->name, c->operand, c->help);
	fputs("\nOptions, before or after the command:\n", out);
	for (int o = 0; o < REQUEST_OPTIONS; o++)
		print_row(out, "--", options[o].name, options[o].value, options[o].help);
	fputs("\nExit: 0 done; 1 no such environment, damaged, verify or diff found something, "
	      "or "
	      "not all was reset;\n2 usage; 3 an agent uses it.\n",
	      out);
}
