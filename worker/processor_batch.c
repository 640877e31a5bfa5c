/*
 * processor_batch.c - a command per piece: sink=batch:COMMAND.
 *
 * In a worker's delivery thread. Owns the commands that run: one, when it is this process's turn
 * (worker/turns.h), or RUN_MAX at a time; the others wait. Exit code 0 is done with, 75, 126
 * and 127 are later, anything else has failed; whether it read all of its stdin is its own
 * affair. Must never wait for a command, but for a killed one's end; nor for the turn; nor keep
 * the turn without a command; nor call records refused because nobody reads our standard output,
 * or because a command cannot be run. Held by tests/worker/test_processor_batch.c and
 * test_batch_turns.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/options.h"
#include "common/used_up.h"
#include "common/xalloc.h"
#include "worker/child.h"
#include "worker/child_log.h"
#include "worker/processor.h"
#include "worker/record_text.h"
#include "worker/turns.h"

enum {
	RUN_MAX = 8,
	EXIT_LATER = 75,        /* EX_TEMPFAIL */
	EXIT_NOT_RUN = 126,     /* a shell's for a command that cannot be run, and... */
	EXIT_NOT_THERE = 127,   /* ...for one that is not there */
	SHELL_SIGNAL = 128,     /* a shell's exit code for a command that a signal ended */
	FEED_IOV = 1024,        /* as many as child_write takes */
	FEED_BYTES = 256 << 10, /* of texts made at a time */
	ENV_TEXT = 96,
	ENV_ENTRIES = 6,
};

struct processor_shard {
	TAILQ_ENTRY(processor_shard) entry; /* of `running` or `waiting`, while under way */
	struct batch_processor *owner;
	struct shard_id id;
	struct piece piece;
	struct child *child; /* NULL: none runs */
	int64_t deadline_ms;
	bool under_way, timed_out;
	size_t fed;      /* records that went, or stand in `text` */
	size_t offset;   /* bytes of the next one, or of `text`, that went */
	struct buf text; /* not RECORD_LABELS */
	struct verdict verdict;
};

TAILQ_HEAD(shards, processor_shard);

struct batch_processor {
	struct processor base;
	char *command;
	struct log *log;
	struct child_log_rate rate; /* of all commands together */
	enum record_format format;
	int64_t timeout_ms;
	int epoll;           /* over the commands' */
	struct turns *turns; /* NULL: they need not take turns */
	int64_t say_ms;      /* when to say that it is not our turn; 0: nobody waits for it */
	unsigned n_running;
	bool not_run; /* the last command that ended could not be run */
	struct shards running, waiting;
};

static struct batch_processor *
from_base(const struct processor *processor)
{
	return (struct batch_processor *)(uintptr_t)processor;
}

/* ---- what it reads ---- */

/* Labels, as they stand in the batch. */
static enum lts_err
feed_labels(struct processor_shard *s)
{
	struct iovec iov[FEED_IOV];
	enum lts_err err = LTS_OK;
	while (!err && s->fed < s->piece.n) {
		const struct record *next = s->piece.records + s->fed;
		size_t n = record_text_iov(next, s->piece.n - s->fed, iov, FEED_IOV);
		size_t skip = s->offset < next->len ? s->offset : next->len;
		iov[0].iov_base = (char *)iov[0].iov_base + skip;
		iov[0].iov_len -= skip;
		err = child_write(s->child, iov, n * RECORD_TEXT_IOV, &s->offset);
		for (; s->fed < s->piece.n && s->offset > s->piece.records[s->fed].len; s->fed++)
			s->offset -= s->piece.records[s->fed].len + 1;
	}
	return err;
}

/* The next texts; what cannot be one goes as it is. */
static void
make_text(struct processor_shard *s)
{
	buf_clear(&s->text);
	s->offset = 0;
	for (; s->fed < s->piece.n && s->text.len < FEED_BYTES; s->fed++) {
		const struct record *record = &s->piece.records[s->fed];
		if (record_text_put(record, s->owner->format, &s->text) &&
		    record_text_put(record, RECORD_LABELS, &s->text))
			abort(); /* the buffer has no ceiling */
	}
}

static enum lts_err
feed_content(struct processor_shard *s)
{
	enum lts_err err = LTS_OK;
	while (!err && (s->offset < s->text.len || s->fed < s->piece.n)) {
		if (s->offset == s->text.len)
			make_text(s);
		struct iovec iov = { s->text.data + s->offset, s->text.len - s->offset };
		err = child_write(s->child, &iov, 1, &s->offset);
	}
	return err;
}

static void
feed(struct processor_shard *s)
{
	bool content = s->owner->format != RECORD_LABELS;
	enum lts_err err = content ? feed_content(s) : feed_labels(s);
	if (err != LTS_AGAIN) /* all went, or it wants no more */
		child_close_stdin(s->child);
}

/* ---- the turn ---- */

static void
give_turn(struct batch_processor *p)
{
	turns_put(p->turns);
	p->say_ms = 0;
}

static bool
take_turn(struct batch_processor *p, int64_t now_ms)
{
	if (turns_take(p->turns, now_ms))
		return true;
	if (turns_error(p->turns) && now_ms >= p->say_ms)
		log_error(p->log, "batch.lock cannot be locked: no command is run",
			  LOG_TEXT("text", strerror(turns_error(p->turns))));
	else if (p->say_ms && now_ms >= p->say_ms)
		log_warn(p->log, "commands still wait for others of this agent to end",
			 LOG_INT("ms", p->timeout_ms));
	if (now_ms >= p->say_ms)
		p->say_ms = now_ms + p->timeout_ms;
	return false;
}

static bool
may_start(struct batch_processor *p)
{
	if (!p->turns)
		return p->n_running < RUN_MAX;
	return !p->n_running && take_turn(p, clock_mono_ms());
}

/* ---- a command's life ---- */

static void
leave(struct processor_shard *s)
{
	struct batch_processor *p = s->owner;
	bool ran = s->child != NULL;
	if (ran)
		p->n_running--;
	if (s->under_way)
		TAILQ_REMOVE(s->child ? &p->running : &p->waiting, s, entry);
	child_destroy(&s->child);
	s->under_way = false;
	buf_clear(&s->text);
	if (p->turns && !p->n_running && (ran || TAILQ_EMPTY(&p->waiting)))
		give_turn(p);
}

static void __attribute__((format(printf, 3, 4)))
decide(struct processor_shard *s, enum verdict_kind kind, const char *fmt, ...)
{
	va_list args;
	leave(s);
	s->verdict = (struct verdict){ .kind = kind, .saved = kind == VERDICT_ACK };
	va_start(args, fmt);
	vsnprintf(s->verdict.error, sizeof(s->verdict.error), fmt, args);
	va_end(args);
	for (char *at = s->verdict.error; *at; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
}

/* By errno: no record is to blame. */
static void
decide_used_up(struct processor_shard *s, const char *what)
{
	struct buf why;
	buf_init(&why, 0);
	used_up_explain(errno, &why);
	decide(s, VERDICT_LATER, "%s: %s", what, why.data);
	buf_fini(&why);
}

static void
start(struct processor_shard *s)
{
	static const char *const names[ENV_ENTRIES] = { "SHARD", "CURSOR",  "NEXT_CURSOR",
							"FIRST", "RECORDS", "ATTEMPTS" };
	struct batch_processor *p = s->owner;
	char texts[ENV_ENTRIES][ENV_TEXT], numbers[3][24];
	const char *env[ENV_ENTRIES + 1] = { NULL };
	snprintf(numbers[0], sizeof(numbers[0]), "%zu", s->piece.first);
	snprintf(numbers[1], sizeof(numbers[1]), "%zu", s->piece.n);
	snprintf(numbers[2], sizeof(numbers[2]), "%u", s->piece.attempts);
	const char *values[ENV_ENTRIES] = { s->id.text, s->piece.cursor.text, s->piece.next.text,
					    numbers[0], numbers[1],           numbers[2] };
	for (int i = 0; i < ENV_ENTRIES; i++) {
		snprintf(texts[i], ENV_TEXT, "LTS_%s=%s", names[i], values[i]);
		env[i] = texts[i];
	}
	struct child_config config = { .command = p->command,
				       .env = env,
				       .out = CHILD_STDOUT_OURS,
				       .log = p->log,
				       .rate = &p->rate,
				       .shard = s->id.text,
				       .keep = p->turns ? turns_fd(p->turns) : 0 };
	struct child *child;
	if (child_start(&config, &child)) {
		decide_used_up(s, "cannot be started");
		return;
	}
	TAILQ_REMOVE(&p->waiting, s, entry);
	TAILQ_INSERT_TAIL(&p->running, s, entry);
	s->child = child;
	p->n_running++;
	s->deadline_ms = clock_mono_ms() + p->timeout_ms;
	struct epoll_event event = { .events = EPOLLIN };
	if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, child_fd(child), &event))
		decide_used_up(s, "cannot be watched");
	else
		feed(s);
}

/* `... | head` in front of which the agent stands: that is no reason to refuse a record. */
static bool
stdout_is_read(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	return poll(&out, 1, 0) <= 0 || !(out.revents & POLLERR);
}

static void
describe(const struct processor_shard *s, int status, char *to, size_t room)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	const char *said = child_said(s->child);
	int len;
	if (s->timed_out)
		len = snprintf(to, room, "timed out");
	else if (!WIFEXITED(status))
		len = snprintf(to, room, "signal %d", WTERMSIG(status));
	else if (code > SHELL_SIGNAL && code < SHELL_SIGNAL + 65)
		len = snprintf(to, room, "exit %d (signal %d)", code, code - SHELL_SIGNAL);
	else
		len = snprintf(to, room, "exit %d", code);
	if (said[0])
		snprintf(to + len, room - (size_t)len, ": %s", said);
}

/* No record is to blame for a command that cannot be run: they wait until it can. */
static bool
is_run(struct processor_shard *s, int status, const char *text)
{
	struct batch_processor *p = s->owner;
	int code = WIFEXITED(status) && !s->timed_out ? WEXITSTATUS(status) : 0;
	bool is = code != EXIT_NOT_RUN && code != EXIT_NOT_THERE;
	if (!is && !p->not_run)
		log_error(p->log, "the command cannot be run: the records wait until it can",
			  LOG_TEXT("command", p->command), LOG_TEXT("shard", s->id.text),
			  LOG_TEXT("text", text));
	else if (is && p->not_run)
		log_info(p->log, "the command can be run again");
	p->not_run = !is;
	return is;
}

static void
judge(struct processor_shard *s, int status)
{
	char text[sizeof(s->verdict.error)];
	describe(s, status, text, sizeof(text));
	bool runs = is_run(s, status, text);
	bool exited = WIFEXITED(status) && !s->timed_out;
	if (exited && WEXITSTATUS(status) == 0)
		decide(s, VERDICT_ACK, "%s", "");
	else if (!runs || (exited && WEXITSTATUS(status) == EXIT_LATER))
		decide(s, VERDICT_LATER, "%s", text);
	else if (!stdout_is_read())
		decide(s, VERDICT_LATER, "nobody reads standard output; %s", text);
	else
		decide(s, VERDICT_REFUSED, "%s", text);
}

static void
step(struct processor_shard *s, int64_t now_ms)
{
	int status;
	child_turn(s->child, now_ms);
	if (child_has_ended(s->child, &status)) {
		judge(s, status);
		return;
	}
	feed(s);
	if (now_ms >= s->deadline_ms && !s->timed_out) {
		s->timed_out = true;
		child_kill(s->child);
	}
}

static void
start_waiting(struct batch_processor *p)
{
	while (!TAILQ_EMPTY(&p->waiting) && may_start(p))
		start(TAILQ_FIRST(&p->waiting));
}

/* ---- the processor ---- */

static enum lts_err
batch_open(struct processor *processor, const struct shard_id *id,
	   const struct cursor *checkpoint, struct processor_shard **out, struct buf *why_out)
{
	struct processor_shard *s = xcalloc(1, sizeof(*s));
	s->owner = from_base(processor);
	s->id = *id;
	buf_init(&s->text, 0);
	*out = s;
	return LTS_OK;
}

static void
batch_look(struct processor_shard *s, struct verdict *out)
{
	*out = s->under_way ? (struct verdict){ .kind = VERDICT_PENDING } : s->verdict;
}

static void
batch_process(struct processor_shard *s, const struct piece *piece, struct verdict *out)
{
	s->piece = *piece;
	s->fed = s->offset = 0;
	s->timed_out = false;
	s->under_way = true;
	TAILQ_INSERT_TAIL(&s->owner->waiting, s, entry);
	if (piece->n)
		start_waiting(s->owner);
	else
		decide(s, VERDICT_ACK, "%s", "");
	batch_look(s, out);
}

static void
batch_close(struct processor_shard **shard, enum processor_reason reason, struct verdict *out)
{
	struct processor_shard *s = *shard;
	*out = (struct verdict){ .kind = VERDICT_ACK };
	leave(s);
	buf_fini(&s->text);
	free(s);
	*shard = NULL;
}

static bool
batch_has_begun(const struct processor_shard *s)
{
	return s->child || !s->under_way;
}

static int
batch_fd(const struct processor *processor)
{
	return from_base(processor)->epoll;
}

static int64_t
batch_due_ms(const struct processor *processor)
{
	const struct batch_processor *p = from_base(processor);
	const struct processor_shard *s;
	bool looks = p->turns && !p->n_running && !TAILQ_EMPTY(&p->waiting);
	int64_t due_ms = looks ? turns_due_ms(p->turns) : INT64_MAX;
	TAILQ_FOREACH(s, &p->running, entry)
	{
		int64_t said_ms = child_due_ms(s->child);
		if (!s->timed_out && s->deadline_ms < due_ms)
			due_ms = s->deadline_ms;
		if (said_ms < due_ms)
			due_ms = said_ms;
	}
	return due_ms;
}

static void
batch_turn(struct processor *processor, int64_t now_ms)
{
	struct batch_processor *p = from_base(processor);
	struct processor_shard *s, *next;
	for (s = TAILQ_FIRST(&p->running); s; s = next) {
		next = TAILQ_NEXT(s, entry);
		step(s, now_ms);
	}
	start_waiting(p);
}

static void
batch_destroy(struct processor **processor)
{
	struct batch_processor *p = from_base(*processor);
	if (!p)
		return;
	if (p->rate.held_back)
		log_warn(p->log, "the commands said more than is logged",
			 LOG_UINT("lines_held_back", p->rate.held_back));
	close(p->epoll);
	turns_close(&p->turns);
	free(p->command);
	free(p);
	*processor = NULL;
}

static enum lts_err
explain(struct buf *why_out, const char *what)
{
	int error = errno;
	(void)!buf_printf(why_out, "%s: ", what);
	used_up_explain(error, why_out);
	return used_up_or_sys(error);
}

enum lts_err
processor_batch_create(const char *what, const struct processor_config *config,
		       struct processor **out, struct buf *why_out)
{
	static const struct processor_ops ops = {
		.open = batch_open,
		.process = batch_process,
		.look = batch_look,
		.has_begun = batch_has_begun,
		.close = batch_close,
		.fd = batch_fd,
		.due_ms = batch_due_ms,
		.turn = batch_turn,
		.destroy = batch_destroy,
	};
	struct turns *turns = NULL;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		return explain(why_out, "batch");
	if (config->turns_dir && turns_open(config->turns_dir, &turns)) {
		enum lts_err err = explain(why_out, "batch.lock in state_dir");
		close(epoll);
		return err;
	}
	struct batch_processor *p = xcalloc(1, sizeof(*p));
	p->base.ops = &ops;
	p->command = xstrdup(what);
	p->log = config->log;
	p->format = config->format;
	p->timeout_ms = config->timeout_ms;
	p->epoll = epoll;
	p->turns = turns;
	child_log_rate_init(&p->rate, clock_mono_ms());
	TAILQ_INIT(&p->running);
	TAILQ_INIT(&p->waiting);
	*out = &p->base;
	return LTS_OK;
}
