/*
 * main.c - lts-worker: started by lts-supervisor, never by hand.
 *
 * Sets up what must hold before anything else runs: signals, and that the inherited
 * descriptors are there.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/descriptors.h"
#include "common/protect.h"
#include "worker/replayer.h"
#include "worker/worker.h"

static int
usage(FILE *out, int code)
{
	fputs("lts-worker: one consumer of lts-supervisor, which starts it; it cannot be "
	      "started by hand.\n"
	      "See lts-supervisor --help.\n",
	      out);
	return code;
}

int
main(int argc, char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts("lts-worker " LTS_VERSION);
		return EXIT_DONE;
	}
	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, EXIT_DONE);
	if (argc > 2 && strcmp(argv[1], "--check_sink") == 0)
		return (int)worker_check_sink(argv[2]);
	for (int fd = HANDOFF_CHANNEL; fd < HANDOFF_END; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return usage(stderr, EXIT_USAGE);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL); /* EFBIG says it */
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	sigaction(SIGTTOU, &ignore,
		  NULL); /* we are no terminal's foreground, and may write to one */
	/* What its code leaves behind comes to the supervisor with its end, not before: that is how
	 * the supervisor knows whose it is. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	descriptors_raise();
	bool keys_locked = protect_process();
	if (argc < 2 || strcmp(argv[1], HANDOFF_REPLAY) != 0)
		return (int)worker_run(keys_locked);
	sigaction(SIGTERM, &ignore, NULL); /* DRAIN says it */
	return (int)replayer_run();
}
