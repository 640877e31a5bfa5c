/*
 * test_command.c - an agent with a command per batch that misbehaves.
 *
 * In the test process. Owns nothing that lasts.
 */
#include "tests/support/test_command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/xalloc.h"
#include "tests/support/tmpdir.h"

static const char script[] =
	"#!/bin/sh\n"
	"seqs=$(sed 's/.*\"seq\":\\([0-9]*\\),.*/\\1/')\n"
	"echo \"$LTS_SHARD $LTS_CURSOR $LTS_FIRST $LTS_RECORDS $LTS_ATTEMPTS\" >> calls\n"
	"[ \"$(echo \"$seqs\" | wc -l)\" = \"$LTS_RECORDS\" ] || exit 99\n"
	"after=\n"
	"while read -r what shard seq times; do\n"
	"	[ \"$shard\" = \"$LTS_SHARD\" ] && echo \"$seqs\" | grep -qx \"$seq\" || "
	"continue\n"
	"	case $what in\n"
	"	fail) echo \"record $seq is bad\" >&2; exit 3 ;;\n"
	"	crash) kill -SEGV $$ ;;\n"
	"	hang) sleep 1000 ;;\n"
	"	late) sleep 2 ;;\n"
	"	later) [ -e \"$what.$shard\" ] || { touch \"$what.$shard\"; exit 75; } ;;\n"
	"	once) [ -e \"$what.$shard\" ] || { touch \"$what.$shard\"; exit 3; } ;;\n"
	"	*) after=$what ;;\n"
	"	esac\n"
	"done < plugin.rules\n"
	"echo \"$seqs\" >> \"done.$LTS_SHARD\"\n"
	"case $after in\n"
	"garbage) head -c 100000 /dev/urandom ;;\n"
	"child) setsid sleep 30 & ;;\n"
	"esac\n"
	"exit 0\n";

void
test_command_install(const struct scenario *scenario)
{
	tmpdir_write(scenario->dir, "command", script, sizeof(script) - 1);
	char *path = tmpdir_path(scenario->dir, "command");
	ck_assert_int_eq(chmod(path, 0700), 0);
	free(path);
}

void
test_command_begin(struct one_host *h, const char *sim_options, const char *agent_options,
		   const char *rules)
{
	scenario_begin(&h->scenario);
	test_plugin_rules(h, rules);
	test_command_install(&h->scenario);
	sim_start(&h->sim, &h->scenario, sim_options);
	char *options = xasprintf("--sink batch:./command %s", agent_options);
	agent_init(&h->agent, &h->sim, "host", options);
	agent_start(&h->agent);
	free(options);
}
