/*
 * snapshot.c - copies the environment's records out.
 *
 * In lts-state. Owns the copies; the environment is open only inside snapshot_read. Must
 * never write, and never keep the read transaction open while something is printed: the
 * pages it sees cannot be used again. Held by tests/state/test_dump.c.
 */
#include "state/snapshot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/human.h"
#include "state/identity.h"
#include "state/store_look.h"

enum { READ_TRIES = 3 };

struct reading {
	struct snapshot *snapshot;
	enum store_table table;
	size_t visited;
};

void
snapshot_problem(struct snapshot *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	if (s->n_problems == SNAPSHOT_PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	human_clean(text);
	s->problems = xreallocarray(s->problems, s->n_problems + 1, sizeof(*s->problems));
	s->problems[s->n_problems++] = text;
}

/* Room for one more; `have` grows by doubling from 64. */
static void *
grow(void *list, size_t have, size_t size)
{
	if (have && (have < 64 || (have & (have - 1)) != 0))
		return list;
	return xreallocarray(list, have < 64 ? 64 : have * 2, size);
}

static bool
key_is(struct store_key key, const char *text)
{
	return key.len == strlen(text) && memcmp(key.data, text, key.len) == 0;
}

static uint64_t
key_number(struct store_key key)
{
	uint64_t number = 0;
	for (size_t i = 0; i < key.len && i < 8; i++)
		number = number << 8 | ((const uint8_t *)key.data)[i];
	return number;
}

static void
bad_record(struct snapshot *s, enum store_table table, struct store_key key, const char *what)
{
	const char *name = store_table_name(table);
	if (table == STORE_WORKERS || table == STORE_EVENTS)
		snapshot_problem(s, "%s: record %llu %s", name,
				 (unsigned long long)key_number(key), what);
	else
		snapshot_problem(s, "%s: record '%.*s' %s", name,
				 (int)(key.len < 64 ? key.len : 64), (const char *)key.data,
				 what);
}

static const char damaged[] = "is damaged: its checksum, version or length is wrong";
static const char misplaced[] = "stands under another record's key";

static const char *
read_meta(struct snapshot *s, struct store_key key, const void *data, size_t len)
{
	if (key_is(key, "identity")) {
		s->has_identity = identity_decode(data, len, &s->identity) == LTS_OK;
		return s->has_identity ? NULL : damaged;
	}
	if (key_is(key, "start")) {
		s->has_start = start_decode(data, len, &s->start) == LTS_OK;
		return s->has_start ? NULL : damaged;
	}
	return "is not one that this version knows";
}

static const char *
read_lease(struct snapshot *s, struct store_key key, const void *data, size_t len)
{
	struct lease_record record;
	if (lease_decode(data, len, &record))
		return damaged;
	if (!key_is(key, record.shard.text))
		return misplaced;
	s->leases = grow(s->leases, s->n_leases, sizeof(record));
	s->leases[s->n_leases++] = record;
	return NULL;
}

static const char *
read_checkpoint(struct snapshot *s, struct store_key key, const void *data, size_t len)
{
	struct checkpoint_record record;
	if (checkpoint_decode(data, len, &record))
		return damaged;
	if (!key_is(key, record.shard.text))
		return misplaced;
	s->checkpoints = grow(s->checkpoints, s->n_checkpoints, sizeof(record));
	s->checkpoints[s->n_checkpoints++] = record;
	return NULL;
}

static const char *
read_worker(struct snapshot *s, struct store_key key, const void *data, size_t len)
{
	struct worker_record record;
	if (worker_decode(data, len, &record))
		return damaged;
	if (key.len != 4 || key_number(key) != record.slot)
		return misplaced;
	s->workers = grow(s->workers, s->n_workers, sizeof(record));
	s->workers[s->n_workers++] = record;
	return NULL;
}

static const char *
read_event(struct snapshot *s, struct store_key key, const void *data, size_t len)
{
	struct event_record record;
	if (event_decode(data, len, &record))
		return damaged;
	if (key.len != 8 || key_number(key) != record.number)
		return misplaced;
	s->events = grow(s->events, s->n_events, sizeof(record));
	s->events[s->n_events++] = record;
	return NULL;
}

static enum lts_err
on_record(void *arg, struct store_key key, const void *data, size_t len)
{
	static const char *(*const readers[STORE_TABLES])(struct snapshot *, struct store_key,
							  const void *, size_t) = {
		[STORE_META] = read_meta,
		[STORE_LEASES] = read_lease,
		[STORE_CHECKPOINTS] = read_checkpoint,
		[STORE_WORKERS] = read_worker,
		[STORE_EVENTS] = read_event,
	};
	struct reading *reading = arg;
	reading->visited++;
	reading->snapshot->n_records++;
	const char *wrong = readers[reading->table](reading->snapshot, key, data, len);
	if (wrong)
		bad_record(reading->snapshot, reading->table, key, wrong);
	return LTS_OK;
}

static int
by_shard(const struct shard_id *a, const struct shard_id *b)
{
	return strverscmp(a->text, b->text);
}

static int
by_lease_shard(const void *a, const void *b)
{
	return by_shard(&((const struct lease_record *)a)->shard,
			&((const struct lease_record *)b)->shard);
}

static int
by_checkpoint_shard(const void *a, const void *b)
{
	return by_shard(&((const struct checkpoint_record *)a)->shard,
			&((const struct checkpoint_record *)b)->shard);
}

static enum lts_err
read_tables(struct store *store, struct snapshot *s)
{
	struct store_txn txn = { 0 };
	enum lts_err err = store_read_begin(store, &txn);
	if (!err)
		s->newer_schema = identity_newer(&txn);
	for (int t = 0; t < STORE_TABLES && !err && !s->newer_schema; t++) {
		uint64_t count;
		struct reading reading = { .snapshot = s, .table = (enum store_table)t };
		err = store_each(&txn, reading.table, on_record, &reading);
		if (!err)
			err = store_count(&txn, reading.table, &count);
		if (!err && count != reading.visited)
			snapshot_problem(s, "%s: %zu records found where there should be %llu",
					 store_table_name(reading.table), reading.visited,
					 (unsigned long long)count);
	}
	if (!err)
		store_usage(store, &s->usage);
	store_abort(&txn);
	return err;
}

static enum lts_err
read_all(const char *path, enum store_mode mode, struct snapshot *out)
{
	struct store *store = NULL;
	struct snapshot s = { 0 };
	enum lts_err err = store_open(path, mode, &store);
	if (err)
		return err;
	err = read_tables(store, &s);
	store_close(&store);
	if (mode == STORE_READ)
		store_look_readers(path, &s.usage);
	if (err) {
		snapshot_fini(&s);
		return err;
	}
	s.read_ns = clock_wall_ns();
	if (s.n_leases)
		qsort(s.leases, s.n_leases, sizeof(*s.leases), by_lease_shard);
	if (s.n_checkpoints)
		qsort(s.checkpoints, s.n_checkpoints, sizeof(*s.checkpoints),
		      by_checkpoint_shard);
	*out = s;
	return LTS_OK;
}

enum lts_err
snapshot_read(const char *state_dir, struct snapshot *out)
{
	enum lts_err err = LTS_BADDATA;
	/* What is damaged is so when it is read again; a disk of another host's may show a page
	 * that is half new. */
	for (int tries = 0; tries < READ_TRIES && err == LTS_BADDATA; tries++) {
		err = read_all(state_dir, STORE_READ, out);
		if (!err && out->n_problems && tries + 1 < READ_TRIES) {
			snapshot_fini(out);
			err = LTS_BADDATA;
		}
	}
	return err;
}

enum lts_err
snapshot_read_file(const char *file, struct snapshot *out)
{
	return read_all(file, STORE_FILE, out);
}

void
snapshot_fini(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_problems; i++)
		free(s->problems[i]);
	free(s->problems);
	free(s->leases);
	free(s->checkpoints);
	free(s->workers);
	free(s->events);
	*s = (struct snapshot){ 0 };
}

const struct lease_record *
snapshot_lease(const struct snapshot *s, const struct shard_id *shard)
{
	struct lease_record wanted = { .shard = *shard };
	if (!s->n_leases)
		return NULL;
	return bsearch(&wanted, s->leases, s->n_leases, sizeof(wanted), by_lease_shard);
}

bool
snapshot_is_ours(const struct snapshot *s, const struct shard_id *shard)
{
	const struct lease_record *lease = snapshot_lease(s, shard);
	return lease && lease->state != LEASE_RELEASED;
}

const struct checkpoint_record *
snapshot_checkpoint(const struct snapshot *s, const struct shard_id *shard)
{
	struct checkpoint_record wanted = { .shard = *shard };
	if (!s->n_checkpoints)
		return NULL;
	return bsearch(&wanted, s->checkpoints, s->n_checkpoints, sizeof(wanted),
		       by_checkpoint_shard);
}

const char *
snapshot_why_stuck(const struct snapshot *s, const struct lease_record *lease)
{
	bool stopped = lease->state == LEASE_PAUSED;
	if (!stopped && lease->state != LEASE_STUCK)
		return NULL;
	for (size_t i = s->n_events; i-- > 0;) {
		const struct event_record *event = &s->events[i];
		if (!shard_id_equal(&event->shard, &lease->shard))
			continue;
		if (event->kind == EVENT_STUCK)
			return event->text;
		if (stopped && event->kind != EVENT_RELEASED)
			return NULL;
	}
	return stopped ? NULL : "why is in events that are not kept any more";
}

const struct worker_record *
snapshot_worker(const struct snapshot *s, uint32_t slot)
{
	for (size_t i = 0; i < s->n_workers; i++)
		if (s->workers[i].slot == slot)
			return &s->workers[i];
	return NULL;
}
