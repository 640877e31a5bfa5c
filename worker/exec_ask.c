/*
 * exec_ask.c - what the child of sink=exec:COMMAND is asked, when, and what its answers mean.
 *
 * In a worker's delivery thread. Owns nothing: shards are processor_exec.c's. Must never take
 * for an answer what does not fit what was asked, nor let anything be under way beside a piece
 * over which a child has died. Held by tests/worker/test_processor_exec.c.
 */
#include "worker/exec_inside.h"

#include <stdio.h>

#include "common/log.h"

/* ---- questions ---- */

unsigned
exec_count_asked(const struct processor_exec *exec, enum asked asked)
{
	unsigned n = 0;
	for (const struct processor_shard *s = exec->shards; s; s = s->next)
		n += asked ? s->asked == asked : s->asked != ASKED_NOTHING;
	return n;
}

/* The shard with the oldest question; NULL: none. Its time runs, nobody else's: what a child
 * does one after the other waits for its turn. */
static struct processor_shard *
head(const struct processor_exec *exec)
{
	struct processor_shard *oldest = NULL;
	for (struct processor_shard *s = exec->shards; s; s = s->next) {
		if (s->asked && (!oldest || s->ask_id < oldest->ask_id))
			oldest = s;
	}
	return oldest;
}

int64_t
exec_answer_due_ms(const struct processor_exec *exec)
{
	return head(exec) ? exec->head_ms + exec->child_config.timeout_ms : INT64_MAX;
}

static uint64_t
ask(struct processor_shard *shard, enum asked asked, int64_t now_ms)
{
	if (!head(shard->exec))
		shard->exec->head_ms = now_ms;
	shard->asked = asked;
	return shard->ask_id = ++shard->exec->ids;
}

static void
end_question(struct processor_shard *shard, int64_t now_ms)
{
	if (head(shard->exec) == shard)
		shard->exec->head_ms = now_ms;
	shard->asked = ASKED_NOTHING;
}

static bool
is_dangerous(const struct processor_shard *shard)
{
	return !cursor_is_none(&shard->danger) &&
	       cursor_equal(&shard->danger, &shard->piece.cursor);
}

void
exec_judge(struct processor_shard *shard, enum verdict_kind kind, const char *error)
{
	shard->exec->news = true;
	shard->verdict.kind = kind;
	snprintf(shard->verdict.error, sizeof(shard->verdict.error), "%s", error);
	shard->verdict.done = shard->at;
	/* A batch that went through at once killed nobody. */
	if (kind == VERDICT_ACK && shard->piece.last && !shard->piece.attempts &&
	    is_dangerous(shard))
		shard->danger = (struct cursor){ 0 };
}

void
exec_forget(struct processor_shard *shard)
{
	shard->exec->news = true; /* the caller is to ask about it */
	shard->forgot |= shard->ready;
	shard->ready = false;
	shard->asked = ASKED_NOTHING;
	/* What the gone one acknowledged of a piece is no part of what the next one does. */
	if (shard->verdict.kind == VERDICT_PENDING && shard->at)
		exec_judge(shard, VERDICT_LATER, "the child ended over the rest of it");
}

/* ---- sending ---- */

static bool
is_waiting(const struct processor_shard *shard)
{
	return shard->verdict.kind == VERDICT_PENDING && shard->asked == ASKED_NOTHING &&
	       !shard->forgot;
}

static bool
is_danger_under_way(const struct processor_exec *exec)
{
	for (const struct processor_shard *s = exec->shards; s; s = s->next) {
		if (s->asked == ASKED_BATCH && is_dangerous(s))
			return true;
	}
	return false;
}

static void
initialize(struct processor_shard *shard, int64_t now_ms)
{
	uint64_t id = ask(shard, ASKED_INITIALIZE, now_ms);
	exec_frame_initialize(exec_child_out(shard->exec->child), id, &shard->id,
			      &shard->checkpoint);
}

/* Of those that wait, and are initialized, the one that came first. */
static struct processor_shard *
first_waiting(const struct processor_exec *exec)
{
	struct processor_shard *first = NULL;
	for (struct processor_shard *s = exec->shards; s; s = s->next) {
		if (is_waiting(s) && s->ready && (!first || s->place < first->place))
			first = s;
	}
	return first;
}

/* Whether its piece may go now, beside what is under way. */
static bool
may_send(const struct processor_exec *exec, const struct processor_shard *shard)
{
	unsigned batches = exec_count_asked(exec, ASKED_BATCH);
	if (batches >= exec_child_hello(exec->child)->credits)
		return false;
	if (is_dangerous(shard))
		return head(exec) == NULL;
	return !is_danger_under_way(exec);
}

/* As many records as the child takes at once, or all that are left. */
static void
send_batch(struct processor_shard *shard, int64_t now_ms)
{
	struct processor_exec *exec = shard->exec;
	const struct piece *piece = &shard->piece;
	uint64_t most = exec_child_hello(exec->child)->max_bytes, bytes = 0;
	size_t n = 0;
	for (; shard->at + n < piece->n; n++) {
		uint64_t more = piece->records[shard->at + n].len + 1;
		if (bytes + more > most)
			break;
		bytes += more;
	}
	if (n == 0) {
		shard->verdict.has_bad = true;
		shard->verdict.bad = shard->at;
		exec_judge(shard, VERDICT_REFUSED,
			   "larger than the max_bytes of the child's hello");
		return;
	}
	shard->sent = n;
	uint64_t id = ask(shard, ASKED_BATCH, now_ms);
	exec_frame_batch(exec_child_out(exec->child), id, &shard->id, piece, shard->at, n, bytes);
	exec->writing = shard;
	exec_child_send(exec->child, piece->records + shard->at, n, now_ms);
}

void
exec_send_all(struct processor_exec *exec, int64_t now_ms)
{
	struct processor_shard *s;
	if (!exec->child || !exec_child_hello(exec->child))
		return;
	for (s = exec->shards; s; s = s->next) {
		if (exec_child_waiting(exec->child) > EXEC_OUT_MAX)
			break;
		if (is_waiting(s) && !s->ready && !is_danger_under_way(exec))
			initialize(s, now_ms);
		if (s->ready && s->tell_checkpoint) {
			exec_frame_checkpoint(exec_child_out(exec->child), &s->id,
					      &s->checkpoint);
			s->tell_checkpoint = false;
		}
	}
	while (!exec_child_is_writing(exec->child) && (s = first_waiting(exec)) &&
	       may_send(exec, s))
		send_batch(s, now_ms);
	exec_child_write(exec->child, now_ms);
}

void
exec_ask_shutdown(struct processor_shard *shard, enum processor_reason reason, int64_t now_ms)
{
	uint64_t id = ask(shard, ASKED_SHUTDOWN, now_ms);
	exec_frame_shutdown(exec_child_out(shard->exec->child), id, &shard->id, reason);
	exec_send_all(shard->exec, now_ms);
}

/* ---- answers ---- */

static void
on_batch_answer(struct processor_shard *shard, const struct exec_answer *answer)
{
	struct verdict *verdict = &shard->verdict;
	switch (answer->kind) {
	case EXEC_ACK:
		verdict->saved = verdict->saved || answer->save;
		verdict->persistent = verdict->persistent || answer->persistent;
		verdict->unsaved = answer->save ? 0 : verdict->unsaved + shard->sent;
		shard->at += shard->sent;
		if (shard->at == shard->piece.n)
			exec_judge(shard, VERDICT_ACK, "");
		break;
	case EXEC_NACK:
		verdict->has_bad = answer->has_index && !answer->later;
		verdict->bad = shard->at + answer->index;
		exec_judge(shard, answer->later ? VERDICT_LATER : VERDICT_REFUSED, answer->error);
		break;
	default:
		verdict->rollback = answer->cursor;
		exec_judge(shard, VERDICT_ROLLBACK, "");
	}
}

static void
on_initialize_answer(struct processor_shard *shard, const struct exec_answer *answer)
{
	char error[sizeof(shard->verdict.error)];
	shard->ready = answer->kind == EXEC_ACK;
	if (shard->ready || shard->verdict.kind != VERDICT_PENDING)
		return;
	snprintf(error, sizeof(error), "initialize: %.180s", answer->error);
	exec_judge(shard, VERDICT_LATER, error);
}

static void
on_shutdown_answer(struct processor_shard *shard, const struct exec_answer *answer)
{
	shard->verdict.saved = answer->kind == EXEC_ACK && answer->save;
	shard->verdict.persistent = answer->kind == EXEC_ACK && answer->persistent;
	if (answer->kind == EXEC_NACK)
		log_warn(shard->exec->log, "the processor did not shut a shard down",
			 LOG_TEXT("shard", shard->id.text), LOG_TEXT("error", answer->error));
}

/* What is wrong with an answer; NULL: nothing. */
static const char *
find_fault(const struct processor_exec *exec, const struct processor_shard *shard,
	   const struct exec_answer *answer)
{
	if (!shard)
		return "nothing was asked under its id";
	if (answer->kind == EXEC_ROLLBACK && shard->asked != ASKED_BATCH)
		return "only a batch can be rolled back";
	if (exec->writing == shard && exec_child_is_writing(exec->child))
		return "it has not read its records";
	if (shard->asked == ASKED_BATCH && answer->has_index && answer->index >= shard->sent)
		return "its index is not in the batch";
	return NULL;
}

static void
on_answer(struct processor_exec *exec, const struct exec_answer *answer, int64_t now_ms)
{
	struct processor_shard *shard = exec->shards;
	while (shard && (!shard->asked || shard->ask_id != answer->id))
		shard = shard->next;
	if (answer->kind == EXEC_PROGRESS && answer->id && answer->id <= exec->ids) {
		if (shard && shard == head(exec))
			exec->head_ms = now_ms;
		return;
	}
	const char *fault = find_fault(exec, shard, answer);
	if (fault) {
		exec_child_fail(exec->child, "said %s %llu: %s", exec_answer_name(answer->kind),
				(unsigned long long)answer->id, fault);
		return;
	}
	enum asked asked = shard->asked;
	end_question(shard, now_ms);
	if (asked == ASKED_BATCH) {
		exec->proved = true;
		on_batch_answer(shard, answer);
	} else if (asked == ASKED_INITIALIZE) {
		on_initialize_answer(shard, answer);
	} else {
		on_shutdown_answer(shard, answer);
	}
}

void
exec_take_answers(struct processor_exec *exec, int64_t now_ms)
{
	struct exec_answer answer;
	while (exec_child_next(exec->child, &answer))
		on_answer(exec, &answer, now_ms);
}
