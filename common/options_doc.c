/*
 * options_doc.c - the options for those who read: README's table, the man page's list, the
 * commented example of a configuration file.
 *
 * In lts-options, which only a build runs. Owns nothing. Must never say of an option what the
 * table does not. Held by tests/common/test_options_check.c.
 */
#include "common/options_table.h"

#include <string.h>

static const char *
fallback_of(const struct option_spec *option)
{
	return option->initial ? option->initial : option->absent;
}

/* When a changed value comes into force. */
static const char *
reload_of(const struct option_spec *option)
{
	return option->group == GROUP_PROGRAM ? "-" : option_reload_name(option);
}

/* | option | default | HUP | what it is | */
void
options_print_table(FILE *out)
{
	struct buf range;

	(void)fputs("| option | default | HUP | what it is |\n|---|---|---|---|\n", out);
	for (unsigned i = 0; i < options_table_count; i++) {
		const struct option_spec *option = &options_table[i];
		const char *fallback = option->initial ? option->initial : option->absent;

		buf_init(&range, 0);
		option_render_range(option, &range);
		(void)fprintf(out, "| %s | %s | %s | %s%s%s |\n", option->name,
			      fallback           ? fallback
			      : option->required ? "required"
						 : "-",
			      reload_of(option), option->help, range.len ? "; " : "",
			      range.len ? range.data : "");
		buf_fini(&range);
	}
}

/* A list of mdoc(7): what stands in it needs no escape but the backslash and the leading dot, and
 * the table has neither. */
/* To roff a backslash begins an escape. */
static void
print_roff(FILE *out, const char *text)
{
	for (const char *c = text; *c; c++)
		(void)fputs(*c == '\\' ? "\\e" : (const char[]){ *c, '\0' }, out);
}

void
options_print_man(FILE *out)
{
	struct buf range;

	for (unsigned i = 0; i < options_table_count; i++) {
		const struct option_spec *option = &options_table[i];

		if (option->group == GROUP_PROGRAM)
			continue;
		buf_init(&range, 0);
		option_render_range(option, &range);
		(void)fprintf(out, ".It Cm %s Ns = Ns Ar %s\n", option->name, option->argument);
		print_roff(out, option->help);
		if (range.len)
			(void)fprintf(out, "; %s", range.data);
		(void)fprintf(out, ".\n");
		if (option->reload == RELOAD_LIVE)
			(void)fputs("May change on HUP.\n", out);
		if (option->reload == RELOAD_WORKERS)
			(void)fputs("May change on HUP: workers are started anew.\n", out);
		if (option->required)
			(void)fputs("Required.\n", out);
		if (fallback_of(option))
			(void)fprintf(out, "Default:\n.Li %s .\n", fallback_of(option));
		buf_fini(&range);
	}
}

static void
print_comment(FILE *out, const char *text)
{
	enum { COLUMNS = 98 };
	int column = fprintf(out, "#");

	while (*text) {
		int word = (int)strcspn(text, " ");

		if (column + 1 + word > COLUMNS)
			column = fprintf(out, "\n#") - 1;
		column += fprintf(out, " %.*s", word, text);
		text += word;
		text += strspn(text, " ");
	}
	(void)fputc('\n', out);
}

void
options_print_example(FILE *out)
{
	struct buf text, range;

	(void)fputs("# A stream to drain: lts-consumer.conf(5). After a change try, as root,\n"
		    "#   LTS_STATE_DIR=/var/lib/lts-consumer/NAME lts-supervisor \\\n"
		    "#     --config /etc/lts-consumer/NAME.conf \\\n"
		    "#     --credentials_file /etc/lts-consumer/NAME.credentials \\\n"
		    "#     --check_config=online\n"
		    "# The service sets LTS_STATE_DIR, which ranks above state_dir here.\n",
		    out);
	for (unsigned i = 0; i < options_table_count; i++) {
		const struct option_spec *option = &options_table[i];

		if (option->group == GROUP_PROGRAM)
			continue;
		buf_init(&text, 0);
		buf_init(&range, 0);
		option_render_range(option, &range);
		(void)!buf_printf(&text, "%s%s%s%s", option->required ? "Required: " : "",
				  option->help, range.len ? "; " : "",
				  range.len ? range.data : "");
		(void)fputc('\n', out);
		print_comment(out, text.data);
		(void)fprintf(out, "#%s = %s\n", option->name,
			      option->initial ? option->initial : option->argument);
		buf_fini(&text);
		buf_fini(&range);
	}
}
