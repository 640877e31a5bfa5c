/*
 * options.c - the set of options: its life, and its way from the supervisor to the
 * workers.
 *
 * In every process. Owns the texts in struct options. Must never export a secret, nor
 * leave one in memory behind it. Held by tests/common/test_options_check.c.
 */
#include "common/options_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/endpoint.h"
#include "common/xalloc.h"

static bool
is_text(const struct option_spec *option)
{
	return option->type == OPTION_TEXT || option->type == OPTION_ID ||
	       option->type == OPTION_SECRET || option->type == OPTION_ENDPOINT ||
	       option->type == OPTION_SINK || option->type == OPTION_LISTEN;
}

void
options_init(struct options *options)
{
	struct buf why;

	memset(options, 0, sizeof(*options));
	buf_init(&why, 1024);
	for (unsigned i = 0; i < options_table_count; i++) {
		const struct option_spec *option = &options_table[i];

		if (option->initial && !option_set(options, option, option->initial, &why))
			abort();
	}
	buf_fini(&why);
}

void
options_fini(struct options *options)
{
	for (unsigned i = 0; i < options_table_count; i++) {
		const struct option_spec *option = &options_table[i];

		if (!is_text(option))
			continue;
		char **text = (char **)(void *)((char *)options + option->offset);
		option_free_text(option, *text);
		*text = NULL;
	}
	free(options->odd_variables);
	options->odd_variables = NULL;
}

enum lts_err
options_export(const struct options *options, struct buf *text_out)
{
	struct buf value;
	enum lts_err err = LTS_OK;

	buf_init(&value, 0);
	for (unsigned i = 0; i < options_table_count && !err; i++) {
		const struct option_spec *option = &options_table[i];

		buf_clear(&value);
		if (option->type == OPTION_SECRET || option->program ||
		    !option_render(options, option, &value))
			continue;
		err = buf_printf(text_out, "%s=%s\n", option->name, value.data);
	}
	buf_fini(&value);
	return err;
}

/* One line "name=value"; cuts it in place. */
static enum lts_err
import_line(struct options *options, char *line, struct buf *error_out)
{
	char *equals = strchr(line, '=');
	const struct option_spec *option =
		equals ? option_find(line, (size_t)(equals - line)) : NULL;
	struct buf why;
	enum lts_err err = LTS_OK;

	if (!option || option->type == OPTION_SECRET || option->program) {
		(void)!buf_put_text(error_out, "handed on: not an option");
		return LTS_INVALID;
	}
	buf_init(&why, 1024);
	if (!option_set(options, option, equals + 1, &why)) {
		(void)!buf_printf(error_out, "option '%s': '%s' handed on: %s", option->name,
				  equals + 1, why.data ? why.data : "refused");
		err = LTS_INVALID;
	}
	buf_fini(&why);
	return err;
}

enum lts_err
options_import(struct options *options, const char *text, struct buf *error_out)
{
	enum lts_err err = LTS_OK;

	buf_clear(error_out);
	while (*text && !err) {
		size_t len = strcspn(text, "\n");
		char *line = xstrndup(text, len);

		err = import_line(options, line, error_out);
		free(line);
		text += len + (text[len] == '\n');
	}
	return err;
}

enum record_format
options_record_format(const struct options *options)
{
	bool content = options->format == RECORD_CONTENT;
	return content ? (enum record_format)options->content_newline : RECORD_LABELS;
}

char *
options_endpoint_url(const struct options *options)
{
	struct endpoint endpoint;
	const char *why;

	if (!options->endpoint)
		return xasprintf("https://lts-access.%s.myhuaweicloud.com:8102", options->region);
	if (!endpoint_parse(options->endpoint, &endpoint, &why))
		abort(); /* was checked when it was set */
	return endpoint_url(&endpoint);
}
