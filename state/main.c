/*
 * main.c - lts-state: looks into a state environment, live or dead.
 *
 * A process of its own, started by people and scripts. Owns the table of commands and standard
 * output. Must never do a command's work itself: that is in state/command_*.c. Held by
 * tests/state/test_lts_state.c.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "state/commands.h"
#include "state/store.h"

#define JSON (1u << REQUEST_JSON)
#define EVENTS (1u << REQUEST_LAST | 1u << REQUEST_SINCE)
#define FORCE (1u << REQUEST_FORCE)
#define REPEAT (1u << REQUEST_REPEAT)

/* Name, operand, options, tables, what runs it, help. */
static const struct command commands[] = {
	{ "dump", NULL, JSON | EVENTS, (1u << STORE_TABLES) - 1, command_show,
	  "all of the tables below" },
	{ "leases", NULL, JSON, 1u << STORE_LEASES, command_show, "who holds which shard" },
	{ "checkpoints", NULL, JSON, 1u << STORE_CHECKPOINTS, command_show,
	  "where each shard stands" },
	{ "workers", NULL, JSON, 1u << STORE_WORKERS, command_show,
	  "the worker processes and what they did" },
	{ "events", NULL, JSON | EVENTS, 1u << STORE_EVENTS, command_show,
	  "what happened to shards, the latest last" },
	{ "meta", NULL, JSON, 1u << STORE_META, command_show,
	  "which stream, group and host this state belongs to" },
	{ "verify", NULL, JSON, 0, command_verify,
	  "reads and checks every record; exit 1 if one is wrong" },
	{ "diff", NULL, JSON, 0, command_diff,
	  "what is committed beside what is published; exit 1 if they differ" },
	{ "reset", NULL,
	  JSON | 1u << REQUEST_SHARD | 1u << REQUEST_ALL | 1u << REQUEST_TO |
		  1u << REQUEST_DRY_RUN | 1u << REQUEST_TIMEOUT | 1u << REQUEST_YES | FORCE,
	  0, command_reset, "sends shards to another place in their stream" },
	{ "backup", "FILE", FORCE, 0, command_backup,
	  "a copy in one file, verified; the agent may run" },
	{ "restore", "FILE", FORCE | REPEAT, 0, command_restore,
	  "goes on from a backup, as a new instance; the agent is stopped" },
	{ "rebuild", NULL, FORCE, 0, command_rebuild,
	  "sets a damaged state aside, to go on from the service; the agent is stopped" },
	{ "adopt", NULL, 0, 0, command_adopt,
	  "lets an agent of another identity take the state, as a new instance; the agent is "
	  "stopped" },
	{ "watch", NULL, 1u << REQUEST_INTERVAL, 0, command_watch,
	  "all of it on a screen, as it changes; ? there for the keys" },
	{ 0 },
};

/* A reader that has seen enough, as in `| head`, is no error. */
static enum exit_code
write_output(const char *text, size_t len, enum exit_code code)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EPIPE)
			return code;
		if (n < 0) {
			fprintf(stderr, "lts-state: output: %s\n", strerror(errno));
			return EXIT_FAILED;
		}
		text += n;
		len -= (size_t)n;
	}
	return code;
}

int
main(int argc, char **argv)
{
	struct request request;
	char *text = NULL;
	size_t len = 0;
	enum exit_code code = request_parse(commands, argv, &request);
	if (code)
		return code;
	/* Out of memory ends the process there: nothing of it returns NULL. */
	cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = xmalloc, .free_fn = free });
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	sigaction(SIGXFSZ, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL); /* EFBIG */
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return EXIT_NO_MEMORY;
	if (request.help)
		request_help(commands, out);
	else if (request.version)
		fputs("lts-state " LTS_VERSION "\n", out);
	else
		code = request.command->run(&request, out);
	if (fclose(out) != 0)
		return EXIT_NO_MEMORY;
	code = write_output(text, len, code);
	free(text);
	return code;
}
