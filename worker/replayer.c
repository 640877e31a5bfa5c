/*
 * replayer.c - the records of a dead-letter file through the sink again, in their order.
 *
 * The one thread of a worker that replays. Owns the file, the target and the channel. Must never
 * move the progress past a line that was neither taken by the target nor made durable in
 * FILE.failed, nor skip one that it cannot read. What is tried next is worker/attempt.c's. Held
 * by tests/scenario/replay.c and replay_stops.c.
 */
#include "worker/replayer.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/board.h"
#include "common/channel.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "worker/attempt.h"
#include "worker/dead_letter.h"
#include "worker/fault.h"
#include "worker/replay_file.h"
#include "worker/replay_target.h"

enum {
	REPLAY_RECORDS = 1000,  /* at most in a piece, and */
	REPLAY_BYTES = 1 << 20, /* no line more once there are so many bytes */
	REPLAY_SAVE_MS = 1000,  /* without user code that may end us */
	REPLAY_NO_SPACE_MS = 1000,
};

struct replayer {
	struct log *log;
	struct board *board;
	struct channel *channel;
	struct options options;
	bool configured, ordered, stopping;
	struct suspect suspect; /* from former lives, of the first piece */
	struct replay_file file;
	struct replay_target *target;
	struct attempt attempt;
	/* the batch in hand: lines of one shard that follow one another */
	struct dead_letter letters[REPLAY_RECORDS];
	struct record records[REPLAY_RECORDS];
	uint64_t ends[REPLAY_RECORDS]; /* where the next line begins */
	size_t n;
	bool dirty; /* done with, and not saved */
	int64_t saved_ms;
	char error[200]; /* of the last attempt that failed */
	struct buf why;
};

/* ---- what the supervisor says ---- */

static void
open_log(struct replayer *r)
{
	enum log_format format = (enum log_format)r->options.log_format;
	enum log_level level = (enum log_level)r->options.log_level;
	log_destroy(&r->log);
	r->log = log_create(HANDOFF_REPLAY);
	if (!r->options.log_file || log_add_file(r->log, r->options.log_file, level, format))
		log_add_fd(r->log, STDERR_FILENO, level, format);
}

static enum lts_err
configure(struct replayer *r, const struct message_config *m)
{
	char *text = xstrndup(m->options, m->options_len);
	enum lts_err err = options_import(&r->options, text, &r->why);
	free(text);
	if (!err)
		open_log(r);
	r->configured = true;
	return err;
}

static enum lts_err
begin(struct replayer *r, const struct message_replay *m)
{
	r->ordered = true;
	r->suspect = (struct suspect){ .count = m->count, .attempts = m->attempts };
	return replay_file_open(&r->file, m->path, HANDOFF_GENERATION, &r->why);
}

static enum lts_err
obey(struct replayer *r, const struct message *m)
{
	if (m->type == MSG_CONFIG && !r->configured)
		return configure(r, &m->config);
	if (m->type == MSG_REPLAY && r->configured && !r->ordered)
		return begin(r, &m->replay);
	r->stopping = true; /* DRAIN, or it is broken */
	return LTS_OK;
}

/* Waits until then, or until the supervisor says something; and does what it says. */
static enum lts_err
listen_until(struct replayer *r, int64_t until_ms)
{
	struct pollfd fd = { .fd = channel_fd(r->channel), .events = POLLIN };
	struct message m;
	int64_t wait_ms = until_ms - clock_mono_ms();
	(void)poll(&fd, 1, wait_ms < 0 ? 0 : wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms);
	enum lts_err err = channel_receive(r->channel, &m);
	if (!err)
		return obey(r, &m);
	r->stopping |= err != LTS_AGAIN; /* there is nobody any more */
	return LTS_OK;
}

static bool
is_stopped(struct replayer *r)
{
	return listen_until(r, 0) || r->stopping;
}

/* ---- how far we are ---- */

static void
show_progress(struct replayer *r)
{
	atomic_store(&r->board->counters.delivered_records, r->file.delivered);
	atomic_store(&r->board->counters.dead_letters, r->file.again);
}

/* First the target, then the file: what the progress names is safe. */
static enum lts_err
save(struct replayer *r)
{
	enum lts_err err = replay_target_settle(r->target, &r->why);
	if (err)
		return err;
	while ((err = replay_file_save(&r->file)) == LTS_NOSPACE) {
		log_warn(r->log, "no space for the progress; trying again",
			 LOG_TEXT("path", r->file.progress));
		if (listen_until(r, clock_mono_ms() + REPLAY_NO_SPACE_MS) || r->stopping)
			return LTS_OK; /* what it does not name comes again */
	}
	r->dirty = err != LTS_OK;
	r->saved_ms = clock_mono_ms();
	if (!err)
		show_progress(r);
	return err;
}

static enum lts_err
done_with(struct replayer *r, uint64_t offset, uint64_t delivered, uint64_t again)
{
	r->file.offset = offset;
	r->file.delivered += delivered;
	r->file.again += again;
	r->dirty = true;
	if (again || replay_target_is_risky(r->target) ||
	    clock_mono_ms() - r->saved_ms >= REPLAY_SAVE_MS)
		return save(r);
	return LTS_OK;
}

/* LTS_AGAIN: there is no space now. */
static enum lts_err
put_failed(struct replayer *r, const char *text, size_t len)
{
	enum lts_err err = replay_file_fail(&r->file, text, len);
	if (err == LTS_NOSPACE)
		log_warn(r->log, "no space for what failed again; trying again",
			 LOG_TEXT("path", r->file.failed));
	return err == LTS_NOSPACE ? LTS_AGAIN : err;
}

static uint64_t
line_number(const struct replayer *r)
{
	return r->file.delivered + r->file.again + 1;
}

/* ---- a batch ---- */

static size_t
most_records(const struct replayer *r)
{
	if (r->options.checkpoint_mode == CHECKPOINT_MANUAL)
		return 1; /* each is saved, or has failed, before the next */
	int64_t most = r->options.batch_max_records;
	return most < REPLAY_RECORDS ? (size_t)most : REPLAY_RECORDS;
}

/* n 0: the first line is no dead letter, or there is none. */
static void
collect(struct replayer *r)
{
	const char *line;
	size_t len, most = most_records(r);
	uint64_t at = r->file.offset;
	bool whole;
	for (r->n = 0; r->n < most && at - r->file.offset < REPLAY_BYTES; r->n++) {
		struct dead_letter *letter = &r->letters[r->n];
		if (!replay_file_line(&r->file, at, &line, &len, &whole) || !whole ||
		    dead_letter_read(line, len, letter))
			return;
		if (r->n && !shard_id_equal(&letter->shard, &r->letters[0].shard))
			return;
		at += len + 1;
		r->records[r->n] = letter->record;
		r->ends[r->n] = at;
	}
}

static void
say_malformed(struct replayer *r, const char *line, size_t len, bool whole)
{
	struct dead_letter letter;
	bool raw = whole && dead_letter_read(line, len, &letter) == LTS_INVALID;
	log_error(r->log, raw ? "record failed again" : "not a dead letter",
		  LOG_UINT("line", line_number(r)),
		  LOG_TEXT("text", raw	 ? "its bytes are no record: see record_base64"
				   : whole ? NULL
					   : "its end is missing"),
		  LOG_TEXT("next", r->file.failed));
}

/* What cannot be sent is copied as it is. */
static enum lts_err
put_malformed(struct replayer *r)
{
	const char *line;
	size_t len;
	bool whole;
	if (!replay_file_line(&r->file, r->file.offset, &line, &len, &whole))
		return LTS_OK;
	len += whole;
	enum lts_err err = put_failed(r, line, len);
	if (err == LTS_AGAIN)
		return listen_until(r, clock_mono_ms() + REPLAY_NO_SPACE_MS);
	if (err)
		return err;
	say_malformed(r, line, len - whole, whole);
	return done_with(r, r->file.offset + len, 0, 1);
}

static enum lts_err
bury(struct replayer *r)
{
	const struct attempt *a = &r->attempt;
	struct dead_letter letter = r->letters[a->done];
	if (!r->error[0])
		snprintf(r->error, sizeof(r->error), "%u workers died or hung over it",
			 a->failed);
	letter.attempts += a->failed;
	letter.error = r->error;
	char *text = dead_letter_print(&letter);
	char *line = xasprintf("%s\n", text);
	enum lts_err err = put_failed(r, line, strlen(line));
	free(line);
	free(text);
	if (err == LTS_AGAIN)
		attempt_later(&r->attempt, clock_mono_ms());
	if (err)
		return err == LTS_AGAIN ? LTS_OK : err;
	log_error(r->log, "record failed again", LOG_UINT("line", line_number(r)),
		  LOG_TEXT("shard", letter.shard.text), LOG_TEXT("cursor", letter.cursor.text),
		  LOG_UINT("index", letter.index), LOG_UINT("attempts", letter.attempts),
		  LOG_TEXT("next", r->file.failed), LOG_TEXT("text", r->error));
	r->error[0] = '\0';
	err = done_with(r, r->ends[a->done], 0, 1);
	attempt_bury(&r->attempt);
	return err;
}

static void
refused(struct replayer *r, const struct verdict *v)
{
	struct attempt *a = &r->attempt;
	size_t n = a->to - a->done;
	snprintf(r->error, sizeof(r->error), "%s", v->error[0] ? v->error : "refused");
	attempt_refused(a, v->has_bad ? v->bad : SIZE_MAX, clock_mono_ms());
	log_warn(r->log, "records refused", LOG_TEXT("shard", r->letters[0].shard.text),
		 LOG_UINT("line", line_number(r)), LOG_UINT("records", n),
		 LOG_UINT("attempts", a->failed), LOG_TEXT("text", r->error));
}

static enum lts_err
try_piece(struct replayer *r)
{
	struct attempt *a = &r->attempt;
	struct piece piece = { .records = r->records + a->done,
			       .n = a->to - a->done,
			       .cursor = r->letters[a->done].cursor,
			       .next = r->letters[a->to - 1].cursor,
			       .first = (size_t)r->letters[a->done].index,
			       .last = attempt_is_last(a),
			       .attempts = a->failed };
	struct verdict verdict = { .kind = VERDICT_REFUSED };
	enum lts_err err = replay_target_take(r->target, &piece, &verdict, &r->why);
	if (err)
		return err;
	switch (verdict.kind) {
	case VERDICT_ACK:
		r->error[0] = '\0';
		err = done_with(r, r->ends[a->to - 1], piece.n, 0);
		attempt_ack(a, a->to - a->done);
		return err;
	case VERDICT_LATER:
		attempt_later(a, clock_mono_ms());
		log_warn(r->log, "records wait", LOG_TEXT("shard", r->letters[0].shard.text),
			 LOG_UINT("line", line_number(r)), LOG_TEXT("text", verdict.error));
		return LTS_OK;
	default:
		refused(r, &verdict);
		return LTS_OK;
	}
}

static enum lts_err
deliver(struct replayer *r)
{
	struct attempt *a = &r->attempt;
	enum lts_err err = replay_target_open(r->target, &r->letters[0].shard,
					      &r->letters[0].cursor, &r->why);
	attempt_begin(a, r->n, 0, &r->suspect, NULL, 0);
	r->suspect.attempts = 0;
	r->error[0] = '\0';
	while (!err && !attempt_is_over(a) && !is_stopped(r)) {
		if (a->due_ms > clock_mono_ms())
			err = listen_until(r, a->due_ms);
		else if (a->poison)
			err = bury(r);
		else
			err = try_piece(r);
	}
	return err;
}

/* ---- the whole ---- */

static enum lts_err
replay(struct replayer *r)
{
	enum lts_err err = LTS_OK;
	while (!err && r->file.offset < r->file.len && !is_stopped(r)) {
		collect(r);
		err = r->n ? deliver(r) : put_malformed(r);
	}
	if (!err && r->dirty)
		err = save(r);
	replay_target_destroy(&r->target);
	if (!err && r->file.offset == r->file.len && !r->dirty)
		err = replay_file_finish(&r->file);
	return err;
}

static enum lts_err
prepare(struct replayer *r)
{
	enum lts_err err = LTS_OK;
	while (!err && !r->ordered && !r->stopping)
		err = listen_until(r, INT64_MAX);
	if (err || r->stopping)
		return err;
	if (r->file.offset)
		log_info(r->log, "the replay goes on where it was interrupted",
			 LOG_UINT("line", line_number(r)), LOG_UINT("offset", r->file.offset));
	show_progress(r);
	attempt_init(&r->attempt, (unsigned)r->options.max_attempts, (uint64_t)clock_mono_ns());
	struct replay_target_config config = { .options = &r->options,
					       .instance = r->file.instance,
					       .log = r->log,
					       .board = r->board,
					       .stdout_lock_fd = HANDOFF_STDOUT };
	return replay_target_create(&config, &r->target, &r->why);
}

static enum exit_code
end(struct replayer *r, enum lts_err err, bool prepared)
{
	if (err)
		log_error(r->log, "the replay cannot go on", LOG_UINT("line", line_number(r)),
			  LOG_TEXT("reason", lts_err_name(err)),
			  LOG_TEXT("text", r->why.data ? r->why.data : strerror(errno)));
	if (err == LTS_SYNC)
		return EXIT_SYNC_FAILED;
	if (err)
		return prepared ? EXIT_FAILED : EXIT_USAGE;
	return prepared && r->file.offset == r->file.len && !r->dirty ? EXIT_DONE : EXIT_FAILED;
}

enum exit_code
replayer_run(void)
{
	struct replayer *r = xcalloc(1, sizeof(*r));
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* another supervisor may go on at once */
	r->file.failed_fd = -1;
	r->log = log_create(HANDOFF_REPLAY);
	log_add_fd(r->log, STDERR_FILENO, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	r->channel = channel_create(HANDOFF_CHANNEL);
	options_init(&r->options);
	buf_init(&r->why, 0);
	enum exit_code code = EXIT_FAILED;
	if (board_map(HANDOFF_BOARD, &r->board) == LTS_OK) {
		fault_watch(r->board);
		fault_watch_delivery(); /* there is no other thread */
		enum lts_err err = prepare(r);
		bool prepared = r->target != NULL;
		code = end(r, err || !prepared ? err : replay(r), prepared);
		replay_target_destroy(&r->target);
		fault_watch(NULL);
	}
	replay_file_close(&r->file);
	board_unmap(&r->board);
	options_fini(&r->options);
	channel_destroy(&r->channel);
	buf_fini(&r->why);
	log_destroy(&r->log);
	free(r);
	return code;
}
