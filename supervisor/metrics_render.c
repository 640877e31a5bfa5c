/*
 * metrics_render.c - the families of metrics, from the supervisor's books, the boards and the
 * state.
 *
 * Runs in the supervisor. Owns nothing. Must never take a lock nor wait: what it reads is in
 * memory, in /proc, or in LMDB by the one reader slot. Labels are bounded: workers and consumers
 * (256), and words. Held by tests/scenario/metrics.c.
 */
#include "supervisor/metrics_inside.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "supervisor/metrics_text.h"

/* A family with one sample. */
static void
counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	metrics_family(out, name, METRICS_COUNTER, help);
	metrics_count(out, name, NULL, value);
}

static void
gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
	metrics_family(out, name, METRICS_GAUGE, help);
	metrics_count(out, name, NULL, value);
}

static void
render_agent(const struct metrics_view *v, struct buf *out)
{
	const struct metrics_label version[] = { { "version", LTS_VERSION },
						 { "instance_id",
						   v->supervisor->start.identity.instance },
						 { NULL, NULL } };
	struct buf why;
	buf_init(&why, 0);
	metrics_family(out, "lts_build_info", METRICS_GAUGE, "The agent's version; always 1.");
	metrics_count(out, "lts_build_info", version, 1);
	gauge(out, "lts_boots", "Starts of the agent on this state.",
	      v->supervisor->start.identity.boot_count);
	gauge(out, "lts_ready", "1 if /readyz says so: joined, and every shard goes on.",
	      metrics_is_ready(v, &why));
	buf_fini(&why);
}

static void
render_records(const struct metrics_view *v, const struct board_totals *t, struct buf *out)
{
	counter(out, "lts_fetched_records_total", "Records in good answers of the service.",
		t->fetched_records);
	counter(out, "lts_fetched_bytes_total", "Bytes of those answers' bodies.",
		t->fetched_bytes);
	counter(out, "lts_delivered_records_total", "Records that the sink has taken.",
		t->delivered_records);
	counter(out, "lts_delivered_bytes_total", "Bytes of the bodies of delivered batches.",
		t->delivered_bytes);
	counter(out, "lts_dropped_records_total",
		"Records that were fetched and given back; they come again.", t->dropped_records);
	counter(out, "lts_dead_letters_total", "Records that were put aside.", t->dead_letters);
	counter(out, "lts_failed_attempts_total", "Calls of the user's code that failed.",
		t->attempts);
	counter(out, "lts_batches_total", "Batches with records, handed to the sink.",
		t->batches);
	counter(out, "lts_commits_total", "Transactions that moved checkpoints.", t->commits);
	counter(out, "lts_refused_answers_total", "Answers that were not what they should be.",
		t->refused);
	counter(out, "lts_throttled_answers_total", "Answers with status 429.", t->throttled);
	gauge(out, "lts_in_flight_records", "Records fetched and not done with.",
	      worker_pool_in_flight(v->supervisor->pool));
}

static void
render_reasons(struct buf *out, const char *name, const char *request, const uint64_t *counts)
{
	for (int err = LTS_OK + 1; err <= LTS_SYS; err++) {
		const struct metrics_label labels[] = { { "reason",
							  lts_err_name((enum lts_err)err) },
							{ request ? "request" : NULL, request },
							{ NULL, NULL } };
		if (counts[err])
			metrics_count(out, name, labels, counts[err]);
	}
}

static void
render_failures(const struct metrics_view *v, const struct board_totals *t, struct buf *out)
{
	static const char *const requests[GROUP_REQUESTS] = {
		[GROUP_HEARTBEAT] = "heartbeat",
		[GROUP_READ] = "read_checkpoints",
		[GROUP_WRITE] = "write_checkpoints",
	};
	static const char retries[] = "lts_fetch_retries_total";
	static const char failures[] = "lts_request_failures_total";
	const struct group_stats *stats = group_stats(v->supervisor->group);
	metrics_family(out, retries, METRICS_COUNTER,
		       "Requests for cursors and batches that are repeated, by reason.");
	render_reasons(out, retries, NULL, t->retried);
	metrics_family(out, failures, METRICS_COUNTER,
		       "Requests of the consumer group's protocol that failed.");
	for (int i = 0; i < GROUP_REQUESTS; i++)
		render_reasons(out, failures, requests[i], stats->failures[i]);
}

static void
render_latencies(const struct board_totals *t, struct buf *out)
{
	metrics_histogram(out, "lts_fetch_duration_seconds",
			  "A batch: from the request to the whole answer.",
			  &t->latencies[BOARD_LATENCY_FETCH]);
	metrics_histogram(out, "lts_sink_duration_seconds",
			  "A batch: from its first try until the sink has taken it.",
			  &t->latencies[BOARD_LATENCY_SINK]);
	metrics_histogram(out, "lts_commit_duration_seconds",
			  "A commit: flush, lock and transaction, of all shards that moved.",
			  &t->latencies[BOARD_LATENCY_COMMIT]);
}

/* A number as a label's value. */
struct number {
	char text[16];
	struct metrics_label labels[2];
};

static const struct metrics_label *
number(struct number *n, const char *name, uint32_t value)
{
	snprintf(n->text, sizeof(n->text), "%u", value);
	n->labels[0] = (struct metrics_label){ name, n->text };
	n->labels[1] = (struct metrics_label){ NULL, NULL };
	return n->labels;
}

/* 0: there is no such process. */
static uint64_t
resident_bytes(pid_t pid)
{
	char path[32], text[128];
	unsigned long long size, resident;
	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t len = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	if (sscanf(text, "%llu %llu", &size, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
render_memory(const struct metrics_view *v, struct buf *out)
{
	static const char name[] = "lts_resident_memory_bytes";
	const struct worker_pool *pool = v->supervisor->pool;
	char who[32];
	struct metrics_label labels[] = { { "process", "supervisor" }, { NULL, NULL } };
	metrics_family(out, name, METRICS_GAUGE, "Resident memory of the agent's processes.");
	metrics_count(out, name, labels, resident_bytes(getpid()));
	labels[0].value = who;
	for (uint32_t i = 0; i < worker_pool_count(pool); i++) {
		uint64_t bytes = resident_bytes(worker_pool_pid(pool, i));
		snprintf(who, sizeof(who), "worker-%u", i);
		if (bytes)
			metrics_count(out, name, labels, bytes);
	}
}

static void
render_worker_states(const struct worker_pool *pool, struct buf *out)
{
	uint64_t counts[SLOT_STATES] = { 0 };
	for (uint32_t i = 0; i < worker_pool_count(pool); i++)
		counts[worker_pool_slot(pool, i)->state]++;
	metrics_family(out, "lts_workers", METRICS_GAUGE, "Worker processes, by state.");
	for (int i = 0; i < SLOT_STATES; i++) {
		const struct metrics_label labels[] = {
			{ "state", slot_state_name((enum slot_state)i) }, { NULL, NULL }
		};
		metrics_count(out, "lts_workers", labels, counts[i]);
	}
}

static void
render_workers(const struct metrics_view *v, struct buf *out)
{
	const struct worker_pool *pool = v->supervisor->pool;
	struct number n;
	render_worker_states(pool, out);
	metrics_family(out, "lts_worker_restarts_total", METRICS_COUNTER,
		       "Workers started again, by how their last life ended.");
	for (int i = 0; i < WORKER_ENDS; i++) {
		const struct metrics_label labels[] = {
			{ "reason", worker_end_name((enum worker_end)i) }, { NULL, NULL }
		};
		metrics_count(out, "lts_worker_restarts_total", labels,
			      worker_pool_restarts(pool, (enum worker_end)i));
	}
	metrics_family(out, "lts_worker_beat_age_seconds", METRICS_GAUGE,
		       "Since the worker's loop last turned.");
	for (uint32_t i = 0; i < worker_pool_count(pool); i++)
		if (worker_pool_pid(pool, i))
			metrics_ms(out, "lts_worker_beat_age_seconds", number(&n, "worker", i),
				   v->now_ms - worker_pool_board(pool, i)->beat_ms);
	render_memory(v, out);
}

static void
render_group(const struct metrics_view *v, struct buf *out)
{
	const struct supervisor *s = v->supervisor;
	struct number n;
	metrics_family(out, "lts_heartbeat_age_seconds", METRICS_GAUGE,
		       "Since the last heartbeat that was answered had been sent.");
	for (uint32_t i = 0; i < (uint32_t)s->options->consumer_count; i++)
		if (group_heard_ms(s->group, i))
			metrics_ms(out, "lts_heartbeat_age_seconds", number(&n, "consumer", i),
				   v->now_ms - group_heard_ms(s->group, i));
}

static void
render_lmdb(const struct metrics_view *v, struct buf *out)
{
	struct store_usage usage;
	store_usage(v->supervisor->start.store, &usage);
	gauge(out, "lts_lmdb_map_bytes", "Most that the state may grow to.", usage.map_bytes);
	gauge(out, "lts_lmdb_used_bytes", "Bytes of the pages that the state has ever used.",
	      usage.used_bytes);
	gauge(out, "lts_lmdb_pages", "Those pages.", usage.used_pages);
	gauge(out, "lts_lmdb_readers", "Reader slots in use.", usage.readers);
	counter(out, "lts_lmdb_transactions_total",
		"Transactions on the state since it was made.", usage.transactions);
}

void
metrics_render(const struct metrics_view *v, struct buf *out)
{
	struct board_totals totals;
	worker_pool_totals(v->supervisor->pool, &totals);
	render_agent(v, out);
	render_records(v, &totals, out);
	render_failures(v, &totals, out);
	render_latencies(&totals, out);
	render_workers(v, out);
	render_group(v, out);
	metrics_render_shards(v, out);
	render_lmdb(v, out);
}
