/*
 * sandbox.c - whether a worker is confined, and what it says of it.
 *
 * In a worker, on the loop. Owns nothing. Must never confine code of the user's, nor end a worker
 * that cannot be confined: it is no worse than it was. Held by tests/scenario/confined.c.
 */
#include "worker/sandbox.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "common/options.h"
#include "worker/processor.h"

struct sandbox
sandbox_of(const struct options *options)
{
	static const char file[] = "file:";
	bool has_dir = strncmp(options->sink, file, sizeof(file) - 1) == 0;
	return (struct sandbox){
		.wanted = options->sandbox && !processor_is_named(options->sink),
		.state_dir = options->state_dir,
		.sink_dir = has_dir ? options->sink + sizeof(file) - 1 : NULL,
		.letters_dir = options->deadletter_dir,
		.log_file = options->log_file,
	};
}

static const char *
describe(enum lts_err err)
{
	return !err ? "yes" : err == LTS_NOTFOUND ? "not here" : "no";
}

static void
complain(enum lts_err err, const char *what, struct log *log)
{
	if (err == LTS_SYS)
		log_warn(log, "not confined", LOG_TEXT("what", what),
			 LOG_TEXT("text", strerror(errno)));
}

void
sandbox_enter(const struct sandbox *sandbox, enum lts_err delivery_files, struct log *log)
{
	enum lts_err files = sandbox_files(sandbox);
	complain(files, "files", log);
	enum lts_err calls = sandbox_calls();
	complain(calls, "calls", log);
	if (!files)
		files = delivery_files;
	log_debug(log, "sandbox", LOG_TEXT("files", describe(files)),
		  LOG_TEXT("calls", describe(calls)));
}
