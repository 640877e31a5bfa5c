/*
 * watch_rows.c - what two samples say about workers, shards and events, as cells.
 *
 * In lts-state. Owns the cells. Must never ask the system: it shows what the samples hold, and a
 * rate only where both have the same thing's count. Held by tests/state/test_watch_rows.c.
 */
#include "state/watch_rows.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "state/human.h"

static const struct watch_column worker_columns[] = {
	{ "SLOT", 4, true, false, 0 },    { "PID", 7, true, false, 3 },
	{ "ALIVE", 7, false, false, 1 },  { "UPTIME", 6, true, true, 4 },
	{ "SHARDS", 6, true, true, 5 },   { "REC/S", 8, true, true, 1 },
	{ "BYTES/S", 9, true, true, 2 },  { "COMMITS", 8, true, true, 6 },
	{ "RECORDS", 10, true, true, 8 }, { "UPDATED", 7, true, true, 7 },
	{ "NAME", 16, false, false, 9 },
};

static const struct watch_column shard_columns[] = {
	{ "SHARD", 5, true, false, 0 },  { "OWNER", 5, true, false, 3 },
	{ "EPOCH", 6, true, true, 9 },   { "STATE", 8, false, false, 1 },
	{ "CURSOR", 19, true, true, 7 }, { "RECORDS", 10, true, true, 8 },
	{ "REC/S", 7, true, true, 1 },   { "BYTES/S", 9, true, true, 5 },
	{ "BEHIND", 7, true, true, 6 },  { "AGE", 6, true, true, 2 },
	{ "NOTE", 24, false, true, 4 },
};

static const struct watch_column event_columns[] = {
	{ "AGE", 6, true, false, 0 },    { "EVENT", 9, false, false, 1 },
	{ "SHARD", 5, true, false, 2 },  { "SLOT", 4, true, false, 4 },
	{ "EPOCH", 6, true, false, 5 },  { "CURSOR", 19, true, false, 6 },
	{ "TEXT", 30, false, false, 3 },
};

static void
begin_row(struct watch_rows *rows, bool alarm)
{
	if (rows->n == rows->room) {
		rows->room = rows->room ? 2 * rows->room : 64;
		rows->alarms = xreallocarray(rows->alarms, rows->room, sizeof(*rows->alarms));
		rows->keys = xreallocarray(rows->keys, rows->room * rows->n_columns,
					   sizeof(*rows->keys));
	}
	rows->alarms[rows->n++] = alarm;
}

/* The next cell of the row, and what it is sorted by. */
#define ADD(rows, key, ...)                                          \
	do {                                                         \
		(rows)->keys[(rows)->table.n_cells] = (double)(key); \
		table_add(&(rows)->table, __VA_ARGS__);              \
	} while (0)

static void
add_number(struct watch_rows *rows, uint64_t n)
{
	ADD(rows, n, "%" PRIu64, n);
}

static void
add_age(struct watch_rows *rows, int64_t ns)
{
	ADD(rows, ns, "%s", human_age(ns).text);
}

static void
add_rate(struct watch_rows *rows, struct watch_rate rate)
{
	ADD(rows, rate.records, "%s", watch_rate_records(rate).text);
	ADD(rows, rate.bytes, "%s", watch_rate_bytes(rate).text);
}

struct human_text
watch_rate_records(struct watch_rate rate)
{
	struct human_text out = { "-" };
	if (rate.records >= 0)
		snprintf(out.text, sizeof(out.text), "%.*f",
			 rate.records > 0 && rate.records < 99.5 ? 1 : 0, rate.records);
	return out;
}

struct human_text
watch_rate_bytes(struct watch_rate rate)
{
	struct human_text out = { "-" };
	if (rate.bytes >= 0)
		out = human_bytes((uint64_t)rate.bytes);
	return out;
}

static const struct watch_rate unknown = { -1, -1 };

struct counts {
	uint64_t records, bytes;
};

/* A count that went back is another one. */
static struct watch_rate
rate_of(struct counts now, struct counts before, int64_t ms)
{
	if (ms <= 0 || now.records < before.records || now.bytes < before.bytes)
		return unknown;
	return (struct watch_rate){ (double)(now.records - before.records) * 1000 / (double)ms,
				    (double)(now.bytes - before.bytes) * 1000 / (double)ms };
}

static bool
same_instance(const struct snapshot *a, const struct snapshot *b)
{
	return strcmp(a->identity.instance, b->identity.instance) == 0;
}

static struct watch_rate
shard_rate(const struct checkpoint_record *c, const struct watch_sample *now,
	   const struct watch_sample *before)
{
	const struct checkpoint_record *old =
		before && same_instance(&now->snapshot, &before->snapshot)
			? snapshot_checkpoint(&before->snapshot, &c->shard)
			: NULL;
	if (!old)
		return unknown;
	return rate_of((struct counts){ c->records, c->bytes },
		       (struct counts){ old->records, old->bytes },
		       now->taken_ms - before->taken_ms);
}

static struct watch_rate
worker_rate(const struct worker_record *w, const struct watch_sample *now,
	    const struct watch_sample *before)
{
	const struct worker_record *old =
		before ? snapshot_worker(&before->snapshot, w->slot) : NULL;
	if (!old || old->pid != w->pid || old->pid_start != w->pid_start)
		return unknown;
	return rate_of((struct counts){ w->records, w->bytes },
		       (struct counts){ old->records, old->bytes },
		       now->taken_ms - before->taken_ms);
}

struct watch_rate
watch_rows_total(const struct watch_sample *now, const struct watch_sample *before)
{
	const struct snapshot *s = &now->snapshot;
	struct watch_rate total = unknown;
	for (size_t i = 0; i < s->n_checkpoints; i++) {
		struct watch_rate one = shard_rate(&s->checkpoints[i], now, before);
		if (one.records < 0)
			continue;
		total.records = (total.records < 0 ? 0 : total.records) + one.records;
		total.bytes = (total.bytes < 0 ? 0 : total.bytes) + one.bytes;
	}
	return total;
}

static size_t
shards_held(const struct snapshot *s, const struct worker_record *w)
{
	size_t held = 0;
	for (size_t i = 0; i < s->n_leases; i++)
		held += s->leases[i].slot == w->slot && s->leases[i].pid == w->pid &&
			(s->leases[i].state == LEASE_HELD || s->leases[i].state == LEASE_STUCK);
	return held;
}

static void
fill_workers(struct watch_rows *rows, const struct watch_sample *now,
	     const struct watch_sample *before)
{
	const struct snapshot *s = &now->snapshot;
	for (size_t i = 0; i < s->n_workers; i++) {
		const struct worker_record *w = &s->workers[i];
		bool over = w->exited || now->workers[i] == PROC_GONE;
		begin_row(rows, !w->exited && now->workers[i] != PROC_LIVE);
		add_number(rows, w->slot);
		add_number(rows, w->pid);
		ADD(rows, 0, "%s", w->exited ? "exited" : proc_state_name(now->workers[i]));
		add_age(rows, (over ? w->updated_ns : s->read_ns) - w->started_ns);
		add_number(rows, shards_held(s, w));
		add_rate(rows, worker_rate(w, now, before));
		add_number(rows, w->commits);
		add_number(rows, w->records);
		add_age(rows, s->read_ns - w->updated_ns);
		ADD(rows, 0, "%s", w->name.text);
	}
}

/* Of a lease and a checkpoint of one shard one may be missing: damaged. */
struct shard_row {
	const struct shard_id *shard;
	const struct lease_record *lease;
	const struct checkpoint_record *checkpoint;
};

static bool
is_owned(const struct lease_record *lease)
{
	return lease && (lease->state == LEASE_HELD || lease->state == LEASE_STUCK);
}

/* Of the process that holds the lease; PROC_GONE as well when another runs in its slot. */
static enum proc_state
owner_state(const struct watch_sample *now, const struct lease_record *lease)
{
	const struct snapshot *s = &now->snapshot;
	const struct worker_record *w = snapshot_worker(s, lease->slot);
	return w && w->pid == lease->pid && !w->exited ? now->workers[w - s->workers] : PROC_GONE;
}

struct notes {
	char text[WATCH_TEXT_MAX];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void
note(struct notes *notes, const char *fmt, ...)
{
	va_list ap;
	if (notes->len) {
		strncat(notes->text, ", ", sizeof(notes->text) - 1 - notes->len);
		notes->len = strlen(notes->text);
	}
	va_start(ap, fmt);
	vsnprintf(notes->text + notes->len, sizeof(notes->text) - notes->len, fmt, ap);
	va_end(ap);
	notes->len = strlen(notes->text);
}

static void
add_notes(struct watch_rows *rows, const struct watch_sample *now, const struct shard_row *row)
{
	struct notes notes = { 0 };
	const struct checkpoint_record *c = row->checkpoint;
	if (is_owned(row->lease) && owner_state(now, row->lease) == PROC_GONE)
		note(&notes, "owner dead");
	else if (is_owned(row->lease) && owner_state(now, row->lease) == PROC_STOPPED)
		note(&notes, "owner stopped");
	const char *why = row->lease ? snapshot_why_stuck(&now->snapshot, row->lease) : NULL;
	if (why)
		note(&notes, "%s%s", row->lease->state == LEASE_STUCK ? "" : "was stuck: ", why);
	if (c && c->attempts)
		note(&notes, "failed %u times", c->attempts);
	if (c && c->dead_letters)
		note(&notes, "%" PRIu64 " dead letters", c->dead_letters);
	if (c && c->forced)
		note(&notes, "forced");
	if (c && c->finished_end_ns && !(row->lease && row->lease->state == LEASE_FINISHED))
		note(&notes, "finished");
	ADD(rows, notes.len > 0, "%s", notes.text);
}

static void
add_checkpoint(struct watch_rows *rows, const struct watch_sample *now,
	       const struct watch_sample *before, const struct checkpoint_record *c)
{
	if (!c) {
		for (int i = 0; i < 4; i++)
			ADD(rows, -1, "-");
		return;
	}
	ADD(rows, 0, "%s", c->cursor.text);
	add_number(rows, c->records);
	add_rate(rows, shard_rate(c, now, before));
}

static void
add_behind(struct watch_rows *rows, const struct watch_sample *now,
	   const struct lease_record *lease)
{
	int64_t ms = lease ? now->behind_ms[lease - now->snapshot.leases] : -1;
	if (ms >= 0)
		add_age(rows, ms * 1000000);
	else
		ADD(rows, -1, "-");
}

static void
add_shard(struct watch_rows *rows, const struct watch_sample *now,
	  const struct watch_sample *before, const struct shard_row *row)
{
	const struct lease_record *lease = row->lease;
	struct epoch epoch = lease ? lease->epoch : row->checkpoint->epoch;
	begin_row(rows, !lease || lease->state == LEASE_STUCK ||
				(is_owned(lease) && owner_state(now, lease) != PROC_LIVE));
	ADD(rows, 0, "%s", row->shard->text);
	if (is_owned(lease))
		add_number(rows, lease->slot);
	else
		ADD(rows, -1, "-");
	ADD(rows, epoch.value, "%s", human_epoch(epoch).text);
	ADD(rows, 0, "%s", lease ? lease_state_name(lease->state) : "");
	add_checkpoint(rows, now, before, row->checkpoint);
	add_behind(rows, now, lease);
	if (row->checkpoint)
		add_age(rows, now->snapshot.read_ns - row->checkpoint->committed_ns);
	else
		ADD(rows, -1, "-");
	add_notes(rows, now, row);
}

static void
fill_shards(struct watch_rows *rows, const struct watch_sample *now,
	    const struct watch_sample *before)
{
	const struct snapshot *s = &now->snapshot;
	for (size_t i = 0; i < s->n_leases; i++)
		add_shard(rows, now, before,
			  &(struct shard_row){ &s->leases[i].shard, &s->leases[i],
					       snapshot_checkpoint(s, &s->leases[i].shard) });
	for (size_t i = 0; i < s->n_checkpoints; i++)
		if (!snapshot_lease(s, &s->checkpoints[i].shard))
			add_shard(rows, now, before,
				  &(struct shard_row){ &s->checkpoints[i].shard, NULL,
						       &s->checkpoints[i] });
}

/* The latest first. */
static void
fill_events(struct watch_rows *rows, const struct watch_sample *now,
	    const struct watch_sample *before)
{
	const struct snapshot *s = &now->snapshot;
	for (size_t i = s->n_events; i-- > 0;) {
		const struct event_record *e = &s->events[i];
		begin_row(rows, e->kind == EVENT_STUCK || e->kind == EVENT_EXPIRED);
		add_age(rows, s->read_ns - e->time_ns);
		ADD(rows, 0, "%s", event_kind_name(e->kind));
		ADD(rows, 0, "%s", e->shard.text);
		add_number(rows, e->slot);
		ADD(rows, e->epoch.value, "%s", human_epoch(e->epoch).text);
		ADD(rows, 0, "%s", e->cursor.text);
		ADD(rows, 0, "%s", e->text);
	}
}

#define COLUMNS(columns) (columns), sizeof(columns) / sizeof((columns)[0])

static const struct {
	const char *name;
	const struct watch_column *columns;
	unsigned n_columns;
	void (*fill)(struct watch_rows *, const struct watch_sample *,
		     const struct watch_sample *);
} panes[WATCH_PANES] = {
	[WATCH_WORKERS] = { "workers", COLUMNS(worker_columns), fill_workers },
	[WATCH_SHARDS] = { "shards", COLUMNS(shard_columns), fill_shards },
	[WATCH_EVENTS] = { "events", COLUMNS(event_columns), fill_events },
};

unsigned
watch_rows_columns(enum watch_pane pane)
{
	return panes[pane].n_columns;
}

void
watch_rows_init(struct watch_rows *rows, enum watch_pane pane, const struct watch_sample *now,
		const struct watch_sample *before)
{
	*rows = (struct watch_rows){ .name = panes[pane].name,
				     .columns = panes[pane].columns,
				     .n_columns = panes[pane].n_columns };
	table_init(&rows->table, NULL, rows->n_columns);
	panes[pane].fill(rows, now, before);
}

void
watch_rows_fini(struct watch_rows *rows)
{
	table_fini(&rows->table);
	free(rows->keys);
	free(rows->alarms);
	*rows = (struct watch_rows){ 0 };
}

const char *
watch_rows_text(const struct watch_rows *rows, size_t row, unsigned column)
{
	return rows->table.cells[row * rows->n_columns + column];
}

struct order {
	const struct watch_rows *rows;
	unsigned column;
	bool falling;
};

static int
compare(const void *a, const void *b, void *arg)
{
	const struct order *order = arg;
	const struct watch_rows *rows = order->rows;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	double p = rows->keys[x * rows->n_columns + order->column];
	double q = rows->keys[y * rows->n_columns + order->column];
	int sign = order->falling ? -1 : 1, by_text;
	if (p != q)
		return p < q ? -sign : sign;
	by_text = strverscmp(watch_rows_text(rows, x, order->column),
			     watch_rows_text(rows, y, order->column));
	return by_text ? sign * by_text : x < y ? -1 : x > y;
}

size_t *
watch_rows_sort(const struct watch_rows *rows, unsigned column, bool reverse)
{
	struct order order = { rows, column, rows->columns[column].falling != reverse };
	size_t *rank = xcalloc(rows->n, sizeof(*rank));
	for (size_t i = 0; i < rows->n; i++)
		rank[i] = i;
	qsort_r(rank, rows->n, sizeof(*rank), compare, &order);
	return rank;
}
