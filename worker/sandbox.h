/*
 * sandbox.h - what a worker whose code is ours alone gives up once it runs: files that are not
 * its own (Landlock), and system calls that it has no use for (seccomp).
 *
 * For sink=null, stdout and file. Code of the user's, a plugin or a command, may do what it
 * likes. Builds with a sanitiser have none, for that writes its reports where it likes.
 */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include <stdbool.h>

#include "common/err.h"

struct log;
struct options;

/* The directories that it goes on writing to, and what else it reads; borrowed, NULL: none. */
struct sandbox {
	bool wanted;
	const char *state_dir, *sink_dir, *letters_dir;
	const char *log_file; /* its directory, for it may be replaced */
};

/* What these options ask for. Borrows their texts. */
struct sandbox sandbox_of(const struct options *options);
/* The loop's part, once the delivery thread has done its own, files alone, and says how it went.
 * Logs what is in force, and what should be and is not. */
void sandbox_enter(const struct sandbox *sandbox, enum lts_err delivery_files, struct log *log);

/* Of the calling thread and those that it starts. LTS_NOTFOUND: this kernel, or this build, has
 * none. LTS_SYS with errno: nothing is in force. */
enum lts_err sandbox_files(const struct sandbox *sandbox) LTS_MUST_USE;
/* Of all threads. A call that is not allowed fails, and the kernel logs it. */
enum lts_err sandbox_calls(void) LTS_MUST_USE;

#endif
