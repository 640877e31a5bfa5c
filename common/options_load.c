/*
 * options_load.c - the three sources of options: command line, environment, file.
 *
 * In the supervisor, at start and on HUP. Owns copies of what was given until it is
 * parsed. Must never leave a secret in argv or in the environment, also when something
 * else is wrong, nor put one into a message. Unknown LTS_ variables are named and left alone: the
 * environment is shared. So are empty ones. Held by tests/common/test_options.c.
 */
#include "common/options_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/ini_file.h"
#include "common/options_value.h"
#include "common/xalloc.h"

enum source { FROM_NOWHERE, FROM_COMMAND_LINE, FROM_OWN_VARIABLE, FROM_SDK_VARIABLE, FROM_FILE };

enum { SHOWN_BYTES = 120, ODD_BYTES = 1000 };

struct given {
	enum source source;
	char *value;
	unsigned line; /* in the file */
};

struct loader {
	struct options *options;
	struct given *given; /* one for each row of the table */
	unsigned *file_lines; /* the same: where the file has it; 0: nowhere */
	struct buf *error_out;
	const char *path; /* of the file */
	bool failed;
};

static const char own_prefix[] = "LTS_";
static const char sdk_prefix[] = "HUAWEICLOUD_SDK_";

static bool
is_set(const struct loader *loader, const char *name)
{
	return loader->given[option_find(name, strlen(name)) - options_table].source !=
	       FROM_NOWHERE;
}

static void
put_clean(struct buf *out, const char *text)
{
	for (size_t i = 0; i < SHOWN_BYTES && text[i]; i++) {
		char c = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
		(void)!buf_put(out, &c, 1);
	}
}

/* "from the command line", "from LTS_SINK", "from lts.conf:3"; nothing for a default. */
static void
put_source(struct buf *out, const struct loader *loader, const struct option_spec *option,
	   const struct given *given)
{
	const char *prefix = given->source == FROM_OWN_VARIABLE ? own_prefix : sdk_prefix;

	if (given->source == FROM_COMMAND_LINE) {
		(void)!buf_put_text(out, " from the command line");
	} else if (given->source == FROM_FILE) {
		(void)!buf_put_text(out, " from ");
		put_clean(out, loader->path);
		(void)!buf_printf(out, ":%u", given->line);
	} else {
		(void)!buf_printf(out, " from %s", prefix);
		for (const char *c = option->name; *c; c++)
			(void)!buf_printf(out, "%c", toupper((unsigned char)*c));
	}
}

/* "option 'sink': 'x' from the command line: why". Only the first complaint stays. */
static void
refuse(struct loader *loader, const struct option_spec *option, const struct given *given,
       const char *why)
{
	struct buf *out = loader->error_out;

	if (loader->failed)
		return;
	loader->failed = true;
	buf_clear(out);
	(void)!buf_printf(out, "option '%s':", option->name);
	if (option->type != OPTION_SECRET && given->value) {
		(void)!buf_put_text(out, " '");
		put_clean(out, given->value);
		(void)!buf_put_text(out, "'");
	}
	put_source(out, loader, option, given);
	(void)!buf_printf(out, ": %s", why);
}

static void
refuse_name(struct loader *loader, const char *name, const struct given *given)
{
	const struct option_spec *near = option_nearest(name);
	struct buf *out = loader->error_out;

	if (loader->failed)
		return;
	loader->failed = true;
	buf_clear(out);
	(void)!buf_put_text(out, "option '");
	put_clean(out, name);
	(void)!buf_put_text(out, "'");
	put_source(out, loader, near, given);
	(void)!buf_put_text(out, ": there is no such option");
	if (near)
		(void)!buf_printf(out, "; did you mean '%s'?", near->name);
}

static void
forget(struct given *given)
{
	if (given->value)
		explicit_bzero(given->value, strlen(given->value));
	free(given->value);
	*given = (struct given){ .source = FROM_NOWHERE };
}

/* Keeps a copy, wipes the original when it is a secret. */
static void
take(struct loader *loader, const struct option_spec *option, enum source source, char *value)
{
	struct given *given = &loader->given[option - options_table];

	forget(given);
	if (option->type == OPTION_SECRET && !*value)
		return;
	given->source = source;
	given->value = xstrdup(value);
	if (option->type == OPTION_SECRET)
		explicit_bzero(value, strlen(value));
}

/* The same of a value that is nobody's secret. */
static void
take_word(struct loader *loader, const struct option_spec *option, const char *word)
{
	char *value = xstrdup(word);

	take(loader, option, FROM_COMMAND_LINE, value);
	free(value);
}

/* What the option is without a value; NULL: it needs one. */
static const char *
alone(const struct option_spec *option)
{
	return option->type == OPTION_BOOL ? "true" : option->alone;
}

/* Whether the next argument is the option's value, and not something else. */
static bool
is_value(const struct option_spec *option, const char *next)
{
	const struct option_word *word = option->words;
	bool truth;

	if (option->type == OPTION_BOOL)
		return !value_parse_bool(next, &truth);
	if (!option->alone)
		return strncmp(next, "--", 2) != 0;
	while (word->word && strcasecmp(word->word, next) != 0)
		word++;
	return word->word;
}

/* The value of `--name value`; NULL when there is none. Moves *i on to what was used. */
static char *
value_after(const struct option_spec *option, int argc, char **argv, int *i)
{
	if (*i + 1 >= argc || !argv[*i + 1] || !is_value(option, argv[*i + 1]))
		return NULL;
	return argv[++*i];
}

/* Also after a complaint, for the secrets. */
static void
read_command_line(struct loader *loader, int argc, char **argv)
{
	const struct given here = { .source = FROM_COMMAND_LINE };

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-h") == 0) {
			take_word(loader, option_find("help", 4), "true");
			continue;
		}
		if (strncmp(argv[i], "--", 2) != 0 || !argv[i][2]) {
			if (!loader->failed) {
				(void)!buf_put_text(loader->error_out, "argument '");
				put_clean(loader->error_out, argv[i]);
				(void)!buf_put_text(
					loader->error_out,
					"': only options are expected, as --name value");
			}
			loader->failed = true;
			continue;
		}
		char *name = argv[i] + 2;
		char *equals = strchr(name, '=');
		size_t len = equals ? (size_t)(equals - name) : strlen(name);
		const struct option_spec *option = option_find(name, len);
		if (!option) {
			char *copy = xstrndup(name, len);
			refuse_name(loader, copy, &here);
			free(copy);
			continue;
		}
		char *value = equals ? equals + 1 : value_after(option, argc, argv, &i);
		if (value)
			take(loader, option, FROM_COMMAND_LINE, value);
		else if (alone(option))
			take_word(loader, option, alone(option));
		else
			refuse(loader, option, &here, "needs a value");
	}
}

/* The row that a variable is for. `len` of its name. */
static const struct option_spec *
option_of_variable(const char *variable, size_t len, enum source *source_out)
{
	const struct option_spec *option;
	char name[64];
	size_t prefix = sizeof(own_prefix) - 1;

	*source_out = FROM_OWN_VARIABLE;
	if (strncmp(variable, own_prefix, prefix) != 0) {
		prefix = sizeof(sdk_prefix) - 1;
		*source_out = FROM_SDK_VARIABLE;
		if (strncmp(variable, sdk_prefix, prefix) != 0)
			return NULL;
	}
	if (len <= prefix || len - prefix >= sizeof(name))
		return NULL;
	for (size_t i = prefix; i < len; i++) {
		if (islower((unsigned char)variable[i]) || variable[i] == '-')
			return NULL;
		name[i - prefix] = (char)tolower((unsigned char)variable[i]);
	}
	option = option_find(name, len - prefix);
	if (!option || option->program ||
	    (*source_out == FROM_SDK_VARIABLE && option->type != OPTION_SECRET))
		return NULL;
	return option;
}

/* Adds the name of a variable that begins as ours do; with what may be meant. */
static void
note_odd(struct buf *odd, const char *variable, size_t len)
{
	const struct option_spec *near;
	char name[64];

	if (len >= sizeof(name) || strncmp(variable, own_prefix, sizeof(own_prefix) - 1) != 0)
		return;
	memcpy(name, variable, len);
	name[len] = '\0';
	(void)!buf_put_text(odd, odd->len ? ", " : "");
	put_clean(odd, name);
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	near = option_nearest(name + sizeof(own_prefix) - 1);
	if (near)
		(void)!buf_printf(odd, " (is '%s' meant?)", near->name);
}

/* Variables of secrets leave the environment: wiped where they stand, and taken out of
 * the list. */
static void
read_environment(struct loader *loader, char **envp)
{
	char **keep = envp;
	struct buf odd;

	buf_init(&odd, ODD_BYTES);
	for (char **at = envp; *at; at++) {
		char *equals = strchr(*at, '=');
		enum source source;
		const struct option_spec *option =
			equals ? option_of_variable(*at, (size_t)(equals - *at), &source) : NULL;

		if (!option || option->type != OPTION_SECRET)
			*keep++ = *at;
		if (!option && equals)
			note_odd(&odd, *at, (size_t)(equals - *at));
		if (!option || !equals[1])
			continue;
		struct given *given = &loader->given[option - options_table];
		if (given->source == FROM_NOWHERE || given->source > source)
			take(loader, option, source, equals + 1);
		else if (option->type == OPTION_SECRET)
			explicit_bzero(equals + 1, strlen(equals + 1));
	}
	*keep = NULL;
	if (odd.len)
		loader->options->odd_variables = xstrdup(odd.data);
	buf_fini(&odd);
}

static void
clear_environment(void)
{
	static const char *const secrets[] = {
		"LTS_AK",
		"LTS_SK",
		"LTS_SECURITY_TOKEN",
		"HUAWEICLOUD_SDK_AK",
		"HUAWEICLOUD_SDK_SK",
		"HUAWEICLOUD_SDK_SECURITY_TOKEN",
	};

	for (unsigned i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		(void)unsetenv(secrets[i]);
}

/* A command of the user's may have quotes and comments of its own. */
static bool
is_command(const struct option_spec *option, const char *value)
{
	return option->type == OPTION_SINK &&
	       (strncmp(value, "exec:", 5) == 0 || strncmp(value, "batch:", 6) == 0);
}

static void
take_from_file(struct loader *loader, const struct option_spec *option, const char *value,
	       unsigned line)
{
	struct given *given = &loader->given[option - options_table];
	struct given here = { .source = FROM_FILE, .line = line };
	unsigned *before = &loader->file_lines[option - options_table];
	const char *why = is_command(option, value) ? NULL : ini_value_refused(value);

	if (*before) {
		char *twice = xasprintf("is in line %u already", *before);
		refuse(loader, option, &here, twice);
		free(twice);
		return;
	}
	*before = line;
	here.value = xstrdup(value);
	if (why)
		refuse(loader, option, &here, why);
	if (given->source == FROM_NOWHERE)
		*given = here;
	else
		forget(&here);
}

static bool
on_file_entry(void *arg, const char *section, const char *name, const char *value, unsigned line,
	      struct buf *error_out)
{
	struct loader *loader = arg;
	const struct option_spec *option = option_find(name, strlen(name));
	struct given here = { .source = FROM_FILE, .line = line };

	if (*section && strcmp(section, "lts") != 0) {
		loader->failed = true;
		put_clean(error_out, loader->path);
		(void)!buf_printf(error_out, ":%u: section [", line);
		put_clean(error_out, section);
		(void)!buf_put_text(error_out, "]: only [lts], or none, is read");
	} else if (!option) {
		refuse_name(loader, name, &here);
	} else if (option->program || strcmp(option->name, "config") == 0) {
		refuse(loader, option, &here, "belongs on the command line");
	} else {
		take_from_file(loader, option, value, line);
	}
	return !loader->failed;
}

static void
read_file(struct loader *loader)
{
	const struct option_spec *config = option_find("config", 6);
	const struct given *given = &loader->given[config - options_table];

	if (given->source == FROM_NOWHERE)
		return;
	loader->path = given->value;
	enum lts_err err = ini_file_read(loader->path, on_file_entry, loader, loader->error_out);
	if (err == LTS_SYS) {
		char *why = xasprintf("cannot be read: %s", strerror(errno));
		refuse(loader, config, given, why);
		free(why);
	} else if (err) {
		loader->failed = true;
	}
}

/* A token left over in the SDK's variable does not belong to keys from elsewhere. */
static void
drop_stray_token(struct loader *loader)
{
	static const char *const keys[] = { "ak", "sk" };
	struct given *token = &loader->given[option_find("security_token", 14) - options_table];
	bool belongs = !is_set(loader, "ak") && !is_set(loader, "sk");

	for (unsigned i = 0; i < 2; i++)
		belongs |= loader->given[option_find(keys[i], 2) - options_table].source ==
			   FROM_SDK_VARIABLE;
	if (token->source == FROM_SDK_VARIABLE && !belongs)
		forget(token);
}

static bool
keys_are_wiped(const struct loader *loader)
{
	enum source source = loader->given[option_find("ak", 2) - options_table].source;
	return source != FROM_NOWHERE && source != FROM_FILE;
}

static void
parse_given(struct loader *loader)
{
	struct buf why;

	buf_init(&why, 1024);
	for (unsigned i = 0; i < options_table_count && !loader->failed; i++) {
		const struct given *given = &loader->given[i];

		if (given->source == FROM_NOWHERE)
			continue;
		buf_clear(&why);
		if (!option_set(loader->options, &options_table[i], given->value, &why))
			refuse(loader, &options_table[i], given, why.data ? why.data : "refused");
	}
	buf_fini(&why);
}

enum lts_err
options_load(struct options *options, int argc, char **argv, char **envp, struct buf *error_out)
{
	struct loader loader = { .options = options, .error_out = error_out, .path = "" };

	loader.given = xcalloc(options_table_count, sizeof(*loader.given));
	loader.file_lines = xcalloc(options_table_count, sizeof(*loader.file_lines));
	buf_clear(error_out);
	read_command_line(&loader, argc, argv);
	bool asked = is_set(&loader, "help") || is_set(&loader, "version");
	read_environment(&loader, envp);
	clear_environment();
	if (!loader.failed && !asked)
		read_file(&loader);
	drop_stray_token(&loader);
	options->keys_wiped = keys_are_wiped(&loader);
	if (!loader.failed)
		parse_given(&loader);
	for (unsigned i = 0; i < options_table_count; i++)
		forget(&loader.given[i]);
	free(loader.given);
	free(loader.file_lines);
	if (loader.failed)
		return LTS_INVALID;
	if (options->help || options->version)
		return LTS_OK;
	return options_check(options, error_out);
}
