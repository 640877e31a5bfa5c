/*
 * options_help.c - the text of --help.
 *
 * In the supervisor. Owns nothing. Must never say of an option what the table does not:
 * names, defaults and ranges come from there. Held by tests/common/test_options_check.c.
 */
#include "common/options_table.h"

#include <string.h>

#include "common/handoff.h"

enum { COLUMNS = 80, HELP_COLUMN = 31 };

static const char *const group_titles[OPTION_GROUPS] = {
	[GROUP_SERVICE] = "The service",
	[GROUP_CREDENTIALS] = "Credentials, all from one source",
	[GROUP_CONSUMING] = "What is consumed",
	[GROUP_OUTPUT] = "Where it goes",
	[GROUP_PROCESSING] = "Code of yours as the sink",
	[GROUP_TIMING] = "Times",
	[GROUP_LOG] = "The log",
	[GROUP_WATCH] = "Metrics",
	[GROUP_SAFETY] = "Whom it runs as, and what it may do",
	[GROUP_PROGRAM] = "This start",
};

static const char usage[] =
	"Usage: lts-supervisor --region NAME --project_id ID --group_id ID --stream_id "
	"ID\n"
	"                      --consumer_group_name NAME --start_time TIME [OPTION]...\n"
	"\n"
	"Drains a Huawei Cloud LTS log stream through a consumer group, with durable\n"
	"checkpoints. Every option may be given as --name value or --name=value ('-' "
	"and\n"
	"'_' are the same), as the variable LTS_NAME, or in the file named by --config "
	"as\n"
	"name = value. The first of these that has it wins. SIZE is as 1048576, 64MiB "
	"or\n"
	"1GB; a SPAN as 200ms, 1s, 5m or 1h.\n";

static const char examples[] =
	"\nExamples:\n"
	"  Everything from the begin, to standard output, keys in the environment:\n"
	"    HUAWEICLOUD_SDK_AK=... HUAWEICLOUD_SDK_SK=... lts-supervisor \\\n"
	"      --region cn-north-4 --project_id P --group_id G --stream_id S \\\n"
	"      --consumer_group_name audit --start_time begin\n"
	"  One day, into files, with four workers, all else from a file:\n"
	"    lts-supervisor --config /etc/lts.conf --consumer_count 4 --sink file:/data "
	"\\\n"
	"      --start_time 2026-01-01T00:00:00Z --end_time 2026-01-02T00:00:00Z\n";

static const struct {
	enum exit_code code;
	const char *meaning;
} exit_codes[] = {
	{ EXIT_DONE, "done as asked" },
	{ EXIT_FAILED, "failed, or ended by QUIT, a second TERM or shutdown_timeout" },
	{ EXIT_USAGE, "usage or configuration: starting again cannot help" },
	{ EXIT_IN_USE, "state_dir belongs to another running supervisor" },
	{ EXIT_NO_MEMORY, "out of memory" },
	{ EXIT_SYNC_FAILED, "an fsync failed" },
	{ EXIT_DAMAGED, "the state is damaged" },
};

static const char signals[] =
	"\nSignals:\n"
	"  TERM, INT  drain, commit, publish, exit; a second one: exit at once\n"
	"  QUIT       exit at once\n"
	"  HUP        read configuration and credentials again, open log files again;\n"
	"             workers are started anew one by one where they are concerned\n"
	"  USR1       make all sinks durable, commit and publish, and log the count\n"
	"  USR2       log a summary of the state\n";

/* "(required)", "(default 1000; 10 to 1000)", "(default off)", or nothing. */
static void
render_notes(const struct option_spec *option, struct buf *out)
{
	const char *fallback = option->initial ? option->initial : option->absent;
	struct buf range;

	buf_init(&range, 0);
	option_render_range(option, &range);
	if (option->required)
		(void)!buf_put_text(out, "required");
	if (fallback)
		(void)!buf_printf(out, "default %s", fallback);
	if (range.len)
		(void)!buf_printf(out, "%s%s", out->len ? "; " : "", range.data);
	buf_fini(&range);
}

/* Words of `text` from `column` on, none beyond COLUMNS; returns where it ended. */
static int
print_wrapped(FILE *out, const char *text, int column)
{
	while (*text) {
		int word = (int)strcspn(text, " ");

		if (column + 1 + word > COLUMNS) {
			(void)fprintf(out, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			(void)fputc(' ', out);
			column++;
		}
		(void)fprintf(out, "%.*s", word, text);
		column += word;
		text += word;
		text += strspn(text, " ");
	}
	return column;
}

static void
print_option(FILE *out, const struct option_spec *option)
{
	struct buf notes;
	const char *argument = option->argument ? option->argument : "";
	int column;

	buf_init(&notes, 0);
	render_notes(option, &notes);
	column = fprintf(out, "  --%s%s%s", option->name, *argument ? " " : "", argument);
	if (column + 2 > HELP_COLUMN) {
		(void)fputc('\n', out);
		column = 0;
	}
	(void)fprintf(out, "%*s", HELP_COLUMN - column, "");
	column = print_wrapped(out, option->help, HELP_COLUMN);
	if (notes.len) {
		struct buf bracketed;

		buf_init(&bracketed, 0);
		(void)!buf_printf(&bracketed, "(%s)", notes.data);
		(void)print_wrapped(out, bracketed.data, column);
		buf_fini(&bracketed);
	}
	(void)fputc('\n', out);
	buf_fini(&notes);
}

void
options_print_help(FILE *out)
{
	(void)fputs(usage, out);
	for (unsigned group = 0; group < OPTION_GROUPS; group++) {
		(void)fprintf(out, "\n%s:\n", group_titles[group]);
		for (unsigned i = 0; i < options_table_count; i++) {
			if (options_table[i].group == group)
				print_option(out, &options_table[i]);
		}
	}
	(void)fputs(examples, out);
	(void)fputs("\nExit codes:\n", out);
	for (unsigned i = 0; i < sizeof(exit_codes) / sizeof(exit_codes[0]); i++)
		(void)fprintf(out, "  %d  %s\n", (int)exit_codes[i].code, exit_codes[i].meaning);
	(void)fputs(signals, out);
}
