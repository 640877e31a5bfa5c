/*
 * sim_options.c - reads lts-sim's command line.
 *
 * In lts-sim, once. Owns the list of fault rules, borrows all other text from argv. Must
 * never guess: what is not understood is an error that names it. Held by
 * tests/support/test_sim_options.c.
 */
#include "tests/sim/sim_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_stream.h"

enum option_kind { KIND_NUMBER, KIND_SECONDS, KIND_WORD, KIND_TEXT, KIND_FLAG, KIND_RULE };

struct option {
	const char *name;
	enum option_kind kind;
	size_t offset;
	int64_t least, most;
	const char *const *words; /* of KIND_WORD, NULL at the end */
	const char *preset, *help;
};

#define AT(field) offsetof(struct sim_options, field)

static const char *const tls_words[] = { "on",         "off", "expired", "wrong_host",
					 "unknown_ca", "old", NULL };
static const char *const date_words[] = { "short", "full", NULL };
static const char *const address_words[] = { "127.0.0.1", "127.0.0.0/8", NULL };

static const struct option table[] = {
	{ "shards", KIND_NUMBER, AT(shards), 1, SIM_SHARDS_MAX, NULL, "4",
	  "shards of the stream" },
	{ "records", KIND_NUMBER, AT(records), 0, 100000000, NULL, "10000",
	  "records in each shard at the start, as history" },
	{ "record_bytes", KIND_NUMBER, AT(record_bytes), 64, 1048576, NULL, "500",
	  "size of a record's labels, about" },
	{ "rate", KIND_NUMBER, AT(rate), 0, 10000000, NULL, "0",
	  "records a second from the start on, over all shards" },
	{ "port", KIND_NUMBER, AT(port), 0, 65535, NULL, "0",
	  "port on 127.0.0.1; 0: a free one" },
	{ "address", KIND_WORD, AT(address), 0, 0, address_words, "127.0.0.1",
	  "where it listens: 127.0.0.1, or 127.0.0.0/8 (see at= below)" },
	{ "tls", KIND_WORD, AT(tls), 0, 0, tls_words, "on",
	  "on, off (plain http), expired, wrong_host, unknown_ca, old (TLS 1.1)" },
	{ "tls_dir", KIND_TEXT, AT(tls_dir), 0, 0, NULL, "",
	  "where ca.pem, server.pem and server.key are written; none: a temporary one" },
	{ "consumer_timeout", KIND_SECONDS, AT(consumer_timeout_ms), 1, 86400000, NULL, "60",
	  "seconds until an unheard consumer loses its shards" },
	{ "seed", KIND_NUMBER, AT(seed), 0, INT64_MAX, NULL, "1", "of records and faults" },
	{ "project_id", KIND_TEXT, AT(project_id), 0, 0, NULL, "0123456789abcdef0123456789abcdef",
	  "" },
	{ "group_id", KIND_TEXT, AT(group_id), 0, 0, NULL, "11111111-2222-3333-4444-555555555555",
	  "" },
	{ "stream_id", KIND_TEXT, AT(stream_id), 0, 0, NULL,
	  "66666666-7777-8888-9999-aaaaaaaaaaaa", "" },
	{ "consumer_group_name", KIND_TEXT, AT(consumer_group_name), 0, 0, NULL, "my-group", "" },
	{ "region", KIND_TEXT, AT(region), 0, 0, NULL, "cn-north-4", "" },
	{ "ak", KIND_TEXT, AT(ak), 0, 0, NULL, "AKIDEXAMPLE", "access key that is accepted" },
	{ "sk", KIND_TEXT, AT(sk), 0, 0, NULL, "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
	  "its secret" },
	{ "security_token", KIND_TEXT, AT(security_token), 0, 0, NULL, "",
	  "when given, requests must carry it" },
	{ "sign_date", KIND_WORD, AT(sign_date), 0, 0, date_words, "short",
	  "what the signature covers: short, full" },
	{ "cache_bytes", KIND_NUMBER, AT(cache_bytes), 0, INT64_MAX, NULL, "402653184",
	  "rendered records kept in memory" },
	{ "fault", KIND_RULE, AT(faults), 0, 0, NULL, NULL, "a rule as below; may be repeated" },
	{ "exit_with_parent", KIND_FLAG, AT(exit_with_parent), 0, 0, NULL, NULL,
	  "stop when the process that started it ends" },
	{ "help", KIND_FLAG, AT(help), 0, 0, NULL, NULL, "" },
};

enum { OPTIONS = sizeof(table) / sizeof(table[0]) };

static bool
parse_number(const char *text, int64_t least, int64_t most, int64_t *out)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (end == text || *end || errno || value < least || value > most)
		return false;
	*out = value;
	return true;
}

static bool
parse_seconds(const char *text, int64_t least_ms, int64_t most_ms, int64_t *ms_out)
{
	char *end;
	double ms = strtod(text, &end) * 1000 + 0.5; /* rounded by the cast */
	if (end == text || *end || !(ms >= (double)least_ms && ms <= (double)most_ms))
		return false;
	*ms_out = (int64_t)ms;
	return true;
}

static bool
parse_word(const char *text, const char *const *words, int64_t *out)
{
	for (int64_t i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool
set_value(struct sim_options *options, const struct option *option, const char *value)
{
	void *field = (char *)options + option->offset;
	switch (option->kind) {
	case KIND_NUMBER:
		return parse_number(value, option->least, option->most, field);
	case KIND_SECONDS:
		return parse_seconds(value, option->least, option->most, field);
	case KIND_WORD:
		return parse_word(value, option->words, field);
	case KIND_TEXT:
		*(const char **)field = value;
		return true;
	case KIND_FLAG:
		*(bool *)field = true;
		return true;
	case KIND_RULE:
		return !buf_printf(field, "%s\n", value);
	}
	return false;
}

/* `name` up to `len`, - and _ the same. */
static const struct option *
find_option(const char *name, size_t len)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		size_t at = 0;
		while (at < len && (table[i].name[at] == name[at] ||
				    (table[i].name[at] == '_' && name[at] == '-')))
			at++;
		if (at == len && table[i].name[at] == '\0')
			return &table[i];
	}
	return NULL;
}

static enum lts_err
refuse(struct buf *error_out, const char *what, const char *wrong)
{
	if (buf_printf(error_out, "%s: %s", what, wrong))
		abort(); /* the caller's buffer has no ceiling */
	return LTS_INVALID;
}

static enum lts_err
refuse_value(struct buf *error_out, const struct option *option, const char *value)
{
	enum lts_err err = LTS_OK;
	if (option->kind == KIND_WORD)
		err = buf_printf(error_out, "--%s '%s': must be one of %s", option->name, value,
				 option->help);
	else if (option->kind == KIND_SECONDS)
		err = buf_printf(error_out, "--%s '%s': must be seconds from %g to %g",
				 option->name, value, (double)option->least / 1000,
				 (double)option->most / 1000);
	else
		err = buf_printf(error_out, "--%s '%s': must be a number from %lld to %lld",
				 option->name, value, (long long)option->least,
				 (long long)option->most);
	if (err)
		abort(); /* the caller's buffer has no ceiling */
	return LTS_INVALID;
}

static enum lts_err
load_one(struct sim_options *options, char **argv, int *at, struct buf *error_out)
{
	const char *arg = argv[*at];
	if (strncmp(arg, "--", 2) != 0 || !arg[2])
		return refuse(error_out, arg, "not an option (see --help)");
	size_t len = strcspn(arg + 2, "=");
	const char *value = arg[2 + len] ? arg + 2 + len + 1 : NULL;
	const struct option *option = find_option(arg + 2, len);
	if (!option)
		return refuse(error_out, arg, "no such option (see --help)");
	if (option->kind == KIND_FLAG && value)
		return refuse(error_out, arg, "takes no value");
	if (option->kind != KIND_FLAG && !value)
		value = argv[*at + 1] ? argv[++*at] : NULL;
	if (option->kind != KIND_FLAG && !value)
		return refuse(error_out, arg, "needs a value");
	if (!set_value(options, option, value))
		return refuse_value(error_out, option, value);
	return LTS_OK;
}

enum lts_err
sim_options_load(struct sim_options *options, int argc, char **argv, struct buf *error_out)
{
	*options = (struct sim_options){ 0 };
	buf_init(&options->faults, 0);
	for (size_t i = 0; i < OPTIONS; i++)
		if (table[i].preset && !set_value(options, &table[i], table[i].preset))
			abort(); /* a preset must be in its own range */
	for (int at = 1; at < argc; at++) {
		enum lts_err err = load_one(options, argv, &at, error_out);
		if (err)
			return err;
	}
	return LTS_OK;
}

void
sim_options_fini(struct sim_options *options)
{
	buf_fini(&options->faults);
}

void
sim_options_print_help(FILE *out)
{
	fputs("lts-sim: a local server that speaks the LTS wire protocol.\n"
	      "  lts-sim [options]                     serve until TERM\n"
	      "  lts-sim verify --shards N DIR...      check a file sink's directories "
	      "(see verify --help)\n"
	      "Options (--name value or --name=value; - and _ are the same):\n",
	      out);
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *option = &table[i];
		int width = fprintf(out, "  --%s", option->name);
		fprintf(out, "%*s %s", width < 24 ? 24 - width : 0, "", option->help);
		if (option->preset && option->preset[0])
			fprintf(out, "%s[%s]", option->help[0] ? " " : "", option->preset);
		fputc('\n', out);
	}
}
