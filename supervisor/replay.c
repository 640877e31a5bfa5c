/*
 * replay.c - starts a worker that replays a dead-letter file, watches it, and starts it again.
 *
 * In the supervisor's process, instead of all else: no state, no service, no keys. Owns the
 * file's lock, the worker and its board. Must never take a worker's exit for the end of the file
 * while it was inside the user's code, nor start another while something of the last one is left.
 * Held by tests/scenario/replay.c and replay_stops.c.
 */
#include "supervisor/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/backoff.h"
#include "common/channel.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "supervisor/blame.h"
#include "supervisor/spawn.h"
#include "supervisor/strays.h"

enum {
	REPLAY_LOOK_MS = 100,
	REPLAY_LOCK_MS = 2000, /* for what an earlier replay, just killed, has left */
	REPLAY_DEATHS = 10,    /* in a row that nothing is to blame for, and without progress */
};

struct replay {
	const struct options *options;
	struct log *log;
	const char *path;
	char *program, *progress, *failed;
	int file_fd, stdout_fd, signal_fd, board_fd;
	struct board *board;
	struct channel *channel;
	pid_t pid;
	struct strays *strays;
	struct slot_exit exit; /* of the last life */
	bool hung, stopping;
	int64_t stop_ms;           /* when to wait no longer */
	uint64_t delivered, again; /* lines, when the last life ended */
	uint32_t count, attempts;  /* over so many letters workers died so often */
	unsigned openings, deaths; /* over the opening; over nothing known */
	struct backoff backoff;
};

/* ---- what must hold before ---- */

static enum exit_code
refuse(const struct replay *r, const char *why)
{
	fprintf(stderr, "lts-supervisor: option 'replay_deadletter': '%s': %s\n", r->path, why);
	return EXIT_USAGE;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);
	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool
lock(int fd)
{
	int64_t until_ms = clock_mono_ms() + REPLAY_LOCK_MS;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (clock_mono_ms() >= until_ms)
			return false;
		poll(NULL, 0, REPLAY_LOOK_MS / 5);
	}
	return true;
}

static enum exit_code
open_file(struct replay *r)
{
	struct stat st;
	if (ends_with(r->path, ".part"))
		return refuse(r,
			      "an agent may still be writing it; once that agent has stopped, "
			      "or its shard has moved on, the file has its final name, without "
			      ".part: replay that one");
	r->file_fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (r->file_fd < 0 || fstat(r->file_fd, &st) < 0)
		return refuse(r, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(r, "not a regular file");
	if (!lock(r->file_fd))
		return refuse(r, "another replay of it is running");
	if (access(r->failed, F_OK) == 0 && access(r->progress, F_OK) < 0)
		return refuse(r,
			      "there is a FILE.failed beside it, of an earlier replay that was "
			      "completed: replay that one, or move it away first");
	return EXIT_DONE;
}

static enum exit_code
prepare(struct replay *r)
{
	sigset_t set;
	enum exit_code code = open_file(r);
	if (code)
		return code;
	r->program = spawn_find_worker();
	if (!r->program) {
		fputs("lts-supervisor: there is no lts-worker beside it\n", stderr);
		return EXIT_USAGE;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	strays_look(r->strays, NULL, 0);
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r->stdout_fd = memfd_create("lts-stdout", MFD_CLOEXEC);
	if (r->signal_fd < 0 || r->stdout_fd < 0 || board_create(&r->board_fd, &r->board)) {
		log_error(r->log, "no replay", LOG_TEXT("text", strerror(errno)));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

/* ---- one life of the worker ---- */

static enum lts_err
give_orders(struct replay *r)
{
	struct buf text;
	buf_init(&text, 0);
	struct message config = { MSG_CONFIG, .config = { .ak = "", .sk = "", .token = "" } };
	struct message replay = { MSG_REPLAY, .replay = { .count = r->count,
							  .attempts = r->attempts,
							  .path = r->path } };
	enum lts_err err = options_export(r->options, &text);
	config.config.options = text.data;
	config.config.options_len = text.len;
	err = err ? err : channel_send(r->channel, &config);
	err = err ? err : channel_send(r->channel, &replay);
	buf_fini(&text);
	return err;
}

static enum lts_err
start(struct replay *r)
{
	int ours, theirs;
	if (channel_pair(&ours, &theirs))
		return LTS_SYS;
	memset(r->board, 0, sizeof(*r->board));
	struct spawn_fds fds = { theirs, r->board_fd, r->file_fd, r->stdout_fd };
	enum lts_err err = spawn_worker(r->program, HANDOFF_REPLAY, &fds, &r->pid);
	close(theirs);
	if (err) {
		close(ours);
		return err;
	}
	r->channel = channel_create(ours);
	r->hung = false;
	/* One that has died already is met by wait_for_end. */
	return give_orders(r) == LTS_TOOBIG ? LTS_TOOBIG : LTS_OK;
}

static void
take_signals(struct replay *r)
{
	struct signalfd_siginfo info;
	while (read(r->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		r->stop_ms = r->stopping ? 0 /* the second one */
					 : clock_mono_ms() + r->options->shutdown_timeout_ms;
		if (!r->stopping)
			log_info(r->log, "stopping behind the records in hand");
		r->stopping = true;
		if (r->channel)
			(void)!channel_send(r->channel, &(struct message){ .type = MSG_DRAIN });
	}
}

static void
wait_a_moment(struct replay *r, int64_t ms)
{
	struct pollfd fd = { .fd = r->signal_fd, .events = POLLIN };
	(void)poll(&fd, 1, (int)ms);
	take_signals(r);
}

static void
kill_if_hung(struct replay *r)
{
	struct board_place place = board_place(r->board);
	bool late = r->stopping && clock_mono_ms() >= r->stop_ms;
	bool hung = place.stage == BOARD_SUBMIT &&
		    clock_boot_ms() - place.since_ms > r->options->process_timeout_ms;
	if (r->exit.ours || (!late && !hung))
		return;
	r->exit.ours = true;
	r->hung = hung;
	log_warn(r->log, "worker killed",
		 LOG_TEXT("reason", hung ? "process_timeout: it does not come back from the sink"
					 : "it does not stop"));
	kill(r->pid, SIGKILL);
}

/* Reaped, with all its descendants. */
static void
wait_for_end(struct replay *r)
{
	int status = 0;
	r->exit = (struct slot_exit){ .code = -1 };
	while (waitpid(r->pid, &status, WNOHANG) == 0) {
		strays_look(r->strays, &r->pid, 1);
		wait_a_moment(r, REPLAY_LOOK_MS);
		kill_if_hung(r);
	}
	while (strays_kill(r->strays, NULL, 0)) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid > 0)
			strays_forget(r->strays, pid);
		else
			wait_a_moment(r, REPLAY_LOOK_MS);
	}
	channel_destroy(&r->channel);
	if (WIFEXITED(status))
		r->exit.code = WEXITSTATUS(status);
	else
		r->exit.signal = WTERMSIG(status);
}

/* ---- what its end means ---- */

/* An exit inside of the user's code is the user's. */
static bool
ended_by_itself(const struct replay *r, const struct board_place *place)
{
	return r->exit.code >= 0 && !place->torn && place->stage == BOARD_IDLE;
}

/* Another death over the same letters, or over the first of them: those are known more closely.
 */
static void
count_death(struct replay *r, const struct board_place *place, bool moved)
{
	if (moved)
		r->attempts = r->count = r->openings = r->deaths = 0;
	bool blamed = blame_batch(&r->exit, r->hung, atomic_load(&r->board->fault_thread), place);
	if (!blamed) {
		r->deaths++;
	} else if (!place->records) {
		r->openings++;
	} else {
		r->count = place->records;
		r->attempts++;
		r->deaths = 0;
	}
	log_warn(r->log, "the worker died: it is started again", LOG_INT("code", r->exit.code),
		 LOG_INT("signal", r->exit.signal), LOG_UINT("line", r->delivered + r->again + 1),
		 LOG_TEXT("stage", board_stage_name(place->stage)),
		 LOG_UINT("records", place->records), LOG_UINT("attempts", r->attempts));
}

/* One that did not get as far as to look knows nothing. */
static bool
note_progress(struct replay *r)
{
	uint64_t before = r->delivered + r->again;
	uint64_t delivered = r->board->counters.delivered_records;
	uint64_t again = r->board->counters.dead_letters;
	if (delivered + again <= before)
		return false;
	r->delivered = delivered;
	r->again = again;
	return true;
}

static bool
is_hopeless(const struct replay *r)
{
	const char *why = r->openings >= (unsigned)r->options->max_attempts
				  ? "workers died or hung as its processor was made or closed"
			  : r->deaths >= REPLAY_DEATHS ? "workers die and nothing is to blame"
						       : NULL;
	if (why)
		log_error(r->log, "the replay cannot go on", LOG_TEXT("text", why));
	return why != NULL;
}

/* Its lives until one ends by itself; EXIT_DONE: the file is done with. */
static enum exit_code
live(struct replay *r)
{
	for (;;) {
		if (start(r)) {
			log_error(r->log, "cannot start a worker",
				  LOG_TEXT("text", strerror(errno)));
			return EXIT_FAILED;
		}
		wait_for_end(r);
		struct board_place place = board_place(r->board);
		bool moved = note_progress(r);
		if (ended_by_itself(r, &place))
			return (enum exit_code)r->exit.code;
		if (!r->stopping)
			count_death(r, &place, moved);
		if (r->stopping || is_hopeless(r))
			return EXIT_FAILED;
		if (moved)
			backoff_reset(&r->backoff);
		int64_t until_ms = clock_mono_ms() + backoff_next_ms(&r->backoff, -1);
		for (int64_t now_ms; (now_ms = clock_mono_ms()) < until_ms && !r->stopping;)
			wait_a_moment(r, until_ms - now_ms);
		if (r->stopping)
			return EXIT_FAILED;
	}
}

/* Standard output may be the records'. */
static void
print_summary(const struct replay *r, bool complete)
{
	FILE *out = strcmp(r->options->sink, "stdout") == 0 ? stderr : stdout;
	fprintf(out,
		"replay: %" PRIu64 " records, %" PRIu64 " delivered, %" PRIu64 " failed again",
		r->delivered + r->again, r->delivered, r->again);
	if (r->again)
		fprintf(out, " (%s)", r->failed);
	if (!complete)
		fprintf(out, "; not complete: the same command goes on there");
	fputc('\n', out);
	(void)fflush(out);
}

static void
fini(struct replay *r)
{
	const int fds[] = { r->file_fd, r->stdout_fd, r->signal_fd, r->board_fd };
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	board_unmap(&r->board);
	strays_destroy(&r->strays);
	free(r->program);
	free(r->progress);
	free(r->failed);
}

enum exit_code
replay_run(const struct options *options, struct log *log)
{
	struct replay r = { .options = options,
			    .log = log,
			    .path = options->replay_deadletter,
			    .strays = strays_create(),
			    .file_fd = -1,
			    .stdout_fd = -1,
			    .signal_fd = -1,
			    .board_fd = -1 };
	r.progress = xasprintf("%s.progress", r.path);
	r.failed = xasprintf("%s.failed", r.path);
	backoff_init(&r.backoff, 100, 5000, (uint64_t)clock_mono_ns());
	enum exit_code code = prepare(&r);
	if (!code) {
		code = live(&r);
		bool complete = code == EXIT_DONE && access(r.progress, F_OK) < 0;
		if (code != EXIT_USAGE)
			print_summary(&r, complete);
		if (code != EXIT_USAGE)
			code = complete && !r.again ? EXIT_DONE : EXIT_FAILED;
	}
	fini(&r);
	return code;
}
