/*
 * fetch.c - from an HTTP answer to a batch.
 *
 * Runs on the worker's loop. Owns the request under way. Must never hand on a body that
 * the scanner did not take whole, but as a doubtful batch, and as that only what has certain ends:
 * a malformed answer is an error and moves nothing. Held by tests/worker/test_batch_scan.c,
 * test_batch_sift.c and the scenarios of bad answers.
 */
#include "worker/fetch.h"

#include <stdio.h>

#include "common/clock.h"
#include "worker/batch_sift.h"

static struct shard_answer
begin_answer(struct fetch *fetch, const struct lts_answer *from)
{
	fetch->request = NULL;
	service_clock_learn(fetch->env->clock, from->service_time_ns, clock_boot_ms());
	if (from->status == 429)
		board_add(&fetch->env->board->counters.throttled, 1);
	return (struct shard_answer){
		.err = from->err,
		.retry_after_ms = from->retry_after_ms,
		.service_ns = from->service_time_ns,
		.size = from->body_size,
	};
}

static void
describe(const struct lts_answer *from, char *text, size_t room)
{
	snprintf(text, room, "%d %s %s%s%s", from->status, from->code, from->message,
		 from->request_id[0] ? " request_id " : "", from->request_id);
}

static void
on_api_cursor(void *arg, struct lts_answer *from)
{
	struct fetch *fetch = arg;
	char text[400];
	struct shard_answer answer = begin_answer(fetch, from);
	describe(from, text, sizeof(text));
	answer.text = text;
	answer.cursor = from->cursor;
	fetch->done(fetch, &answer);
}

static struct batch *
make_batch(struct fetch *fetch, struct buf *body, size_t n_records, const struct cursor *next)
{
	struct batch *batch = batch_create(fetch->lease, &fetch->from);
	batch->body = *body;
	buf_init(body, 0);
	batch->api = fetch->env->api;
	batch->n_records = n_records;
	batch->bytes = batch->body.cap + n_records * sizeof(*batch->records);
	batch->to = *next;
	board_add(&fetch->env->board->counters.fetched_records, batch->n_records);
	board_add(&fetch->env->board->counters.fetched_bytes, batch->body.len);
	return batch;
}

/* Whatever can be read of a body that is not all it should be. */
static struct batch *
sift_batch(struct fetch *fetch, struct buf *body)
{
	struct batch_sift sift;
	if (batch_sift_run(body->data, body->len, &sift))
		return NULL;
	struct batch *batch = make_batch(fetch, body, sift.n_records, &sift.next);
	batch->records = sift.records;
	batch->bad = sift.bad;
	batch->n_bad = sift.n_bad;
	batch->bytes += sift.n_bad * sizeof(*sift.bad);
	batch->doubtful = true;
	batch->whole = sift.whole;
	return batch;
}

static enum lts_err
read_batch(struct fetch *fetch, struct buf *body, struct shard_answer *answer, char *text,
	   size_t room)
{
	struct batch_fault fault = { 0 };
	struct batch_view view;
	struct batch_scan *scan = &fetch->env->scan;
	enum lts_err err = batch_scan_run(scan, body->data, body->len, &fault, &view);
	if (!err) {
		answer->batch = make_batch(fetch, body, view.n_records, &view.next);
		answer->batch->records = view.n_records ? batch_scan_take_records(scan) : NULL;
		return LTS_OK;
	}
	snprintf(text, room, "malformed batch: at byte %zu of %zu: expected %s", fault.offset,
		 body->len, fault.expected);
	answer->batch = err == LTS_BADDATA ? sift_batch(fetch, body) : NULL;
	return answer->batch ? LTS_OK : err;
}

static void
on_api_batch(void *arg, struct lts_answer *from)
{
	struct fetch *fetch = arg;
	char text[400] = "";
	struct shard_answer answer = begin_answer(fetch, from);
	if (!from->err)
		board_observe(fetch->env->board, BOARD_LATENCY_FETCH,
			      clock_mono_ns() - fetch->sent_ns);
	if (from->err)
		describe(from, text, sizeof(text));
	else
		answer.err = read_batch(fetch, from->body, &answer, text, sizeof(text));
	answer.text = text;
	fetch->done(fetch, &answer);
}

static bool
on_api_part(void *arg, const char *data, size_t len)
{
	struct fetch *fetch = arg;
	struct batch_head head;
	enum batch_head_found found = batch_head_read(data, len, &head);
	if (found == BATCH_HEAD_WHOLE)
		fetch->head(fetch, &head);
	return found != BATCH_HEAD_MORE;
}

void
fetch_cursor(struct fetch *fetch, const char *from)
{
	fetch->request =
		lts_api_cursor(fetch->env->api, &fetch->lease->shard, from, on_api_cursor, fetch);
}

void
fetch_batch(struct fetch *fetch, const struct cursor *from, const struct cursor *end,
	    unsigned limit, size_t max_bytes)
{
	fetch->from = *from;
	fetch->limit = limit;
	fetch->bounded = !cursor_is_none(end);
	fetch->sent_ms = clock_boot_ms();
	fetch->sent_ns = clock_mono_ns();
	fetch->request =
		lts_api_batch(fetch->env->api, &fetch->lease->shard, limit, max_bytes, from,
			      cursor_is_none(end) ? NULL : end, on_api_batch, fetch);
	lts_api_watch(fetch->request, on_api_part);
}

void
fetch_cancel(struct fetch *fetch)
{
	if (fetch->request)
		lts_api_cancel(fetch->env->api, fetch->request);
	fetch->request = NULL;
}
