/*
 * cautions.c - settings that work, but may not do what whoever made them means.
 *
 * In lts-supervisor: as the agent starts, and in --check_config. Owns nothing.
 * Must never refuse or change a setting, nor show a value that may be a secret. Held by
 * tests/scenario/cautions.c.
 */
#include "supervisor/cautions.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"

/* Further ahead than clocks are apart. */
#define FUTURE_NS 60000000000LL

bool
cautions_is_open_to_all(const char *path)
{
	struct stat st;
	return path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & S_IROTH;
}

static void
check_times(const struct options *o, int64_t now_ns, caution *say, void *arg)
{
	if (o->start_time.kind == TIME_AT && o->start_time.ns > now_ns + FUTURE_NS)
		say(arg, "option 'start_time'",
		    "it is in the future, which the service takes as its end: a shard without a "
		    "checkpoint skips all records that are there now");
}

static void
check_stdout(const struct options *o, caution *say, void *arg)
{
	if (strcmp(o->sink, "stdout") == 0 && log_fd_is_journal(STDOUT_FILENO))
		say(arg, "option 'sink'",
		    "standard output is the journal, which drops records that count as delivered "
		    "(by default above 10,000 lines in 30 s: LogRateLimitBurst=) and cuts lines "
		    "above 48 KiB: file:DIR keeps all");
}

void
cautions_each(const struct options *o, int64_t now_ns, caution *say, void *arg)
{
	if (o->odd_variables) {
		char *text = xasprintf("no option is called so: %s", o->odd_variables);
		say(arg, "environment", text);
		free(text);
	}
	check_times(o, now_ns, say, arg);
	check_stdout(o, say, arg);
}

void
cautions_each_key_file(const struct options *o, caution *say, void *arg)
{
	static const char text[] = "everybody on this host may read the keys in it: chmod o-r";
	if (o->ak && !o->keys_wiped && cautions_is_open_to_all(o->config))
		say(arg, "option 'config'", text);
	else if (!o->ak && cautions_is_open_to_all(o->credentials_file))
		say(arg, "option 'credentials_file'", text);
}
