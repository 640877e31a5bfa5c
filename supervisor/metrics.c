/*
 * metrics.c - who asks for metrics, when they are gathered, and where they go.
 *
 * Runs on the supervisor's loop. Owns the server, the file's writer and the rows of shards. Must
 * never wait, nor gather more often than METRICS_FRESH_MS however often it is asked. Held by
 * tests/scenario/metrics.c.
 */
#include "supervisor/metrics_inside.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/checkpoint.h"
#include "supervisor/metrics_file.h"
#include "supervisor/metrics_http.h"
#include "supervisor/waits.h"

enum {
	METRICS_EVERY_S = 15,
	METRICS_FRESH_MS = 500,
	METRICS_SHARDS_FRESH_MS = 50,
	METRICS_MAX_BYTES = 16 << 20,
};

struct metrics {
	struct supervisor *supervisor;
	struct metrics_shards shards;
	int64_t shards_ms; /* when they were last taken; 0: never */
	struct buf text;
	int64_t text_ms; /* when it was rendered; 0: never */
	uint64_t gathers;
	int64_t gather_ns;
	struct metrics_http *http;
	struct metrics_file *file;
	struct ev_timer every;
	bool not_listening; /* and that was said */
};

/* ---- gathering ---- */

static void
take_shards(struct metrics *m, int64_t now_ms)
{
	const struct supervisor *s = m->supervisor;
	metrics_shards_take_book(&m->shards, s->book, now_ms);
	for (uint32_t i = 0; i < worker_pool_count(s->pool); i++)
		metrics_shards_take_board(&m->shards, worker_pool_board(s->pool, i));
	m->shards_ms = now_ms;
}

static enum lts_err
take_checkpoint(void *arg, struct store_key key, const void *data, size_t len)
{
	struct checkpoint_record record;
	if (!checkpoint_decode(data, len, &record))
		metrics_shards_take_checkpoint(arg, &record);
	return LTS_OK; /* a damaged one is left to the worker that takes the shard */
}

static void
take_checkpoints(struct metrics *m)
{
	struct start *start = &m->supervisor->start;
	struct store_txn txn = { 0 };
	start_guard(start, true);
	enum lts_err err = store_read_begin(start->store, &txn);
	if (!err)
		err = store_each(&txn, STORE_CHECKPOINTS, take_checkpoint, &m->shards);
	store_abort(&txn);
	start_guard(start, false);
	(void)err; /* what is not there is left out */
}

static struct metrics_view
look(struct metrics *m)
{
	return (struct metrics_view){ .supervisor = m->supervisor,
				      .shards = &m->shards,
				      .now_ms = clock_boot_ms(),
				      .wall_ns = clock_wall_ns(),
				      .gathers = m->gathers,
				      .gather_ns = m->gather_ns };
}

static void
gather(struct metrics *m)
{
	struct metrics_view view = look(m);
	if (m->text_ms && view.now_ms - m->text_ms < METRICS_FRESH_MS)
		return;
	int64_t began_ns = clock_mono_ns();
	take_shards(m, view.now_ms);
	take_checkpoints(m);
	buf_clear(&m->text);
	metrics_render(&view, &m->text);
	m->text_ms = view.now_ms;
	m->gathers++;
	m->gather_ns += clock_mono_ns() - began_ns;
}

static void
freshen_shards(struct metrics *m, int64_t now_ms)
{
	if (!m->shards_ms || now_ms - m->shards_ms >= METRICS_SHARDS_FRESH_MS)
		take_shards(m, now_ms);
}

void
metrics_each_behind(struct metrics *m,
		    void (*call)(void *arg, const struct shard_id *shard, int64_t behind_ms),
		    void *arg)
{
	struct metrics_view view = look(m);
	int64_t look_ms = metrics_look_ms(m->supervisor->options);
	freshen_shards(m, view.now_ms);
	for (size_t i = 0; i < m->shards.n; i++) {
		const struct shard_row *row = &m->shards.rows[i];
		call(arg, &row->shard,
		     shard_row_behind_ms(row, look_ms, view.now_ms, view.wall_ns));
	}
}

static void
keep_most(void *arg, const struct shard_id *shard, int64_t behind_ms)
{
	int64_t *most_ms = arg;
	if (behind_ms > *most_ms)
		*most_ms = behind_ms;
}

int64_t
metrics_behind_ms(struct metrics *m)
{
	int64_t most_ms = 0;
	metrics_each_behind(m, keep_most, &most_ms);
	return most_ms;
}

void
metrics_on_gone(struct metrics *m, uint32_t worker)
{
	if (m)
		metrics_shards_take_board(&m->shards,
					  worker_pool_board(m->supervisor->pool, worker));
}

bool
metrics_ready(struct metrics *m, struct buf *why_out)
{
	struct metrics_view view = look(m);
	freshen_shards(m, view.now_ms);
	return metrics_is_ready(&view, why_out);
}

/* ---- answers ---- */

static void
answer_metrics(struct metrics *m, struct metrics_reply *out)
{
	gather(m);
	out->type = "text/plain; version=0.0.4; charset=utf-8";
	(void)!buf_put(&out->body, m->text.data, m->text.len);
}

static void
answer_health(struct metrics *m, bool (*is_well)(const struct metrics_view *, struct buf *),
	      struct metrics_reply *out)
{
	struct metrics_view view = look(m);
	freshen_shards(m, view.now_ms);
	out->status = is_well(&view, &out->body) ? 200 : 503;
	/* Alive it is: to start it anew would not help. But all is not well. */
	bool waits = out->status == 200 &&
		     !metrics_waits_for_nothing(&view, &out->body);
	(void)!buf_put_text(&out->body, out->status == 200 && !waits ? "ok\n" : "\n");
}

static bool
on_answer(void *arg, const char *path, struct metrics_reply *out)
{
	struct metrics *m = arg;
	if (strcmp(path, "/metrics") == 0)
		answer_metrics(m, out);
	else if (strcmp(path, "/healthz") == 0)
		answer_health(m, metrics_is_alive, out);
	else if (strcmp(path, "/readyz") == 0)
		answer_health(m, metrics_is_ready, out);
	else
		return false;
	return true;
}

/* ---- now and then ---- */

static void
try_to_listen(struct metrics *m)
{
	struct supervisor *s = m->supervisor;
	struct metrics_http_config config = { .loop = s->loop,
					      .listen = s->options->metrics_listen,
					      .answer = on_answer,
					      .life_ms = METRICS_HTTP_LIFE_MS,
					      .arg = m };
	struct buf why;
	if (!config.listen || m->http)
		return;
	buf_init(&why, 0);
	enum lts_err err = metrics_http_create(&config, &m->http, &why);
	if (err && !m->not_listening)
		log_error(s->log, "metrics not served; tried again", LOG_TEXT("text", why.data));
	else if (!err)
		log_info(s->log, "metrics served", LOG_TEXT("at", config.listen));
	m->not_listening = err != LTS_OK;
	buf_fini(&why);
}

static void
on_every(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct metrics *m = timer->data;
	try_to_listen(m);
	if (!m->file)
		return;
	gather(m);
	metrics_file_write(m->file, &m->text);
}

static void
on_forked(void *arg, pid_t pid)
{
	struct metrics *m = arg;
	worker_pool_spare(m->supervisor->pool, pid);
}

struct metrics *
metrics_create(struct supervisor *s)
{
	struct metrics *m = xcalloc(1, sizeof(*m));
	m->supervisor = s;
	buf_init(&m->text, METRICS_MAX_BYTES);
	if (s->options->metrics_file)
		m->file = metrics_file_create(
			&(struct metrics_file_config){ .loop = s->loop,
						       .log = s->log,
						       .path = s->options->metrics_file,
						       .forked = on_forked,
						       .arg = m });
	ev_timer_init(&m->every, on_every, 0, METRICS_EVERY_S);
	m->every.data = m;
	if (s->options->metrics_listen || s->options->metrics_file)
		ev_timer_start(s->loop, &m->every);
	return m;
}

void
metrics_destroy(struct metrics **mp)
{
	struct metrics *m = *mp;
	if (!m)
		return;
	ev_timer_stop(m->supervisor->loop, &m->every);
	metrics_http_destroy(&m->http);
	metrics_file_destroy(&m->file);
	metrics_shards_fini(&m->shards);
	buf_fini(&m->text);
	free(m);
	*mp = NULL;
}
