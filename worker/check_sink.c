/*
 * check_sink.c - whether the code that a sink names can be used: loads it, or looks for it.
 *
 * In a process of its own, started by lts-supervisor --check_config. Owns nothing. Must never
 * start what it names, nor open a state. Held by tests/scenario/refusals.c.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "worker/processor.h"
#include "worker/worker.h"

/* By the shell that would run it: a file, a builtin, a keyword. */
static bool
is_known(char *word)
{
	char *const words[] = { "sh", "-c", "command -v -- \"$1\" >/dev/null", "sh", word, NULL };
	pid_t pid;
	int status = 0;
	if (posix_spawn(&pid, "/bin/sh", NULL, NULL, words, environ))
		return true; /* another finding's */
	return waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 0;
}

/* Of a command whose first word is a plain one, whether there is such a command. */
static bool
check_command(const char *spec)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._+-/";
	const char *command = strchr(spec, ':') + 1;
	size_t len = strspn(command, plain);
	if (strncmp(spec, "plugin:", 7) == 0 || !len || !strchr(" \t", command[len]))
		return true;
	char *word = xstrndup(command, len);
	bool known = is_known(word);
	if (!known)
		fprintf(stderr, "lts-supervisor: option 'sink': '%s': no command '%s'\n", spec,
			word);
	free(word);
	return known;
}

enum exit_code
worker_check_sink(const char *spec)
{
	struct processor *processor = NULL;
	struct log *log = log_create("check");
	struct processor_config config = { .spec = spec, .log = log, .format = RECORD_LABELS };
	struct buf why;
	buf_init(&why, 0);
	enum lts_err err = processor_create(&config, &processor, &why);
	if (err)
		fprintf(stderr, "lts-supervisor: option 'sink': %s\n",
			why.data ? why.data : lts_err_name(err));
	else
		processor->ops->destroy(&processor);
	buf_fini(&why);
	log_destroy(&log);
	return err || !check_command(spec) ? EXIT_USAGE : EXIT_DONE;
}
