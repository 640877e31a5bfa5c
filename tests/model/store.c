/*
 * store.c - each host's LMDB as a small table: one writer at a time, all of a transaction or
 * nothing, and what is committed survives every process.
 *
 * In lts-model, in place of state/store.c and events.c; state/lease.c and checkpoint.c run
 * on it as they are. A commit takes time, in which its process may die: before or after it
 * counts. Must never show a reader what is not committed.
 */
#include "state/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "state/checkpoint.h"
#include "state/events.h"
#include "state/lease.h"
#include "tests/model/inside.h"

enum { RECORDS_MAX = 64, PENDING_MAX = 32 };

struct row {
	enum store_table table;
	struct store_key key;
	char key_bytes[64];
	struct schema_value value;
};

struct base { /* one host's */
	struct row rows[RECORDS_MAX], pending[PENDING_MAX];
	int n_rows, n_pending;
	struct process *writer;
	int64_t began_us; /* the writer's transaction: when it had the lock */
};

struct store { /* in the process' memory */
	struct base *base;
};

static struct base *bases;
static int n_bases;

void
store_begin(int hosts)
{
	n_bases = hosts;
	bases = world_new((size_t)hosts * sizeof(*bases));
}

void
store_end(void)
{
	world_free(bases);
	bases = NULL;
}

void
store_owner_died(struct process *p)
{
	struct base *base = &bases[p->host];
	if (base->writer != p)
		return;
	base->writer = NULL;
	base->n_pending = 0;
}

/* ---- opening ---- */

enum lts_err
store_open(const char *state_dir, enum store_mode mode, struct store **out)
{
	*out = xcalloc(1, sizeof(**out));
	(*out)->base = &bases[the_world->running->host];
	return LTS_OK;
}

void
store_close(struct store **store)
{
	free(*store);
	*store = NULL;
}

uint64_t
store_inode(const struct store *store)
{
	return 1;
}

bool
store_is_intact(struct store *store)
{
	return true;
}

/* No map, and no reader but the model's own. */
bool
store_explain_short(struct store *store, char *out, size_t size)
{
	return false;
}

void
store_check_readers(struct store *store)
{
}

bool
store_is_short(struct store_txn *txn)
{
	return false;
}

enum lts_err
lease_remove_unused(struct store_txn *txn, int64_t before_ns, size_t most, size_t *n_out)
{
	*n_out = 0;
	return LTS_OK;
}

void
store_explain_full(struct store *store, char *out, size_t size)
{
	snprintf(out, size, "full");
}

/* ---- transactions ---- */

enum lts_err
store_read_begin(struct store *store, struct store_txn *out)
{
	*out = (struct store_txn){ .store = store, .txn = store->base };
	return LTS_OK;
}

enum lts_err
store_write_begin(struct store *store, struct store_txn *out)
{
	struct base *base = store->base;
	while (base->writer)
		task_sleep(some_time(MS / 10, 2 * MS));
	base->writer = the_world->running;
	base->n_pending = 0;
	task_sleep(some_time(0, once_in(200) ? SECOND : MS));
	base->began_us = the_world->now_us;
	*out = (struct store_txn){ .store = store, .txn = base, .write = true };
	return LTS_OK;
}

static struct row *
find(struct row *rows, int n, enum store_table table, struct store_key key)
{
	for (int i = 0; i < n; i++)
		if (rows[i].table == table && rows[i].key.len == key.len &&
		    memcmp(rows[i].key_bytes, key.data, key.len) == 0)
			return &rows[i];
	return NULL;
}

static void
put_row(struct row *rows, int *n, int most, const struct row *row)
{
	struct store_key key = { row->key_bytes, row->key.len };
	struct row *at = find(rows, *n, row->table, key);
	if (!at && *n == most)
		abort();
	if (!at)
		at = &rows[(*n)++];
	*at = *row;
}

static void
apply(struct base *base, int host)
{
	for (int i = 0; i < base->n_pending; i++) {
		const struct row *row = &base->pending[i];
		struct store_key key = { row->key_bytes, row->key.len };
		struct row *at = find(base->rows, base->n_rows, row->table, key);
		struct checkpoint_record was = { 0 }, is;
		if (at && row->table == STORE_CHECKPOINTS &&
		    checkpoint_decode(at->value.data, at->value.len, &was))
			abort();
		put_row(base->rows, &base->n_rows, RECORDS_MAX, row);
		if (row->table != STORE_CHECKPOINTS)
			continue;
		if (checkpoint_decode(row->value.data, row->value.len, &is))
			abort();
		truth_on_commit(host, shard_number(&is.shard), &was, &is, base->began_us);
	}
	base->n_pending = 0;
}

enum lts_err
store_commit(struct store_txn *txn)
{
	struct base *base = txn->txn;
	struct process *self = the_world->running;
	task_sleep(some_time(0, once_in(300) ? 2 * SECOND : 2 * MS)); /* before it counts */
	apply(base, self->host);
	task_sleep(some_time(0, MS)); /* after */
	base->writer = NULL;
	txn->txn = NULL;
	return LTS_OK;
}

void
store_abort(struct store_txn *txn)
{
	struct base *base = txn->txn;
	if (base && txn->write) {
		base->writer = NULL;
		base->n_pending = 0;
	}
	txn->txn = NULL;
}

enum lts_err
store_get(struct store_txn *txn, enum store_table table, struct store_key key,
	  const void **data_out, size_t *len_out)
{
	struct base *base = txn->txn;
	struct row *row = txn->write ? find(base->pending, base->n_pending, table, key) : NULL;
	if (!row)
		row = find(base->rows, base->n_rows, table, key);
	if (!row)
		return LTS_NOTFOUND;
	*data_out = row->value.data;
	*len_out = row->value.len;
	return LTS_OK;
}

enum lts_err
store_put(struct store_txn *txn, enum store_table table, struct store_key key,
	  const struct schema_value *value)
{
	struct base *base = txn->txn;
	struct row row = { .table = table, .key = key, .value = *value };
	memcpy(row.key_bytes, key.data, key.len);
	put_row(base->pending, &base->n_pending, PENDING_MAX, &row);
	return LTS_OK;
}

/* Only a copied state's workers are dropped, and no state is copied here. */
enum lts_err
store_edge(struct store_txn *txn, enum store_table table, bool last, struct store_key *key_out)
{
	return LTS_NOTFOUND;
}

enum lts_err
store_delete(struct store_txn *txn, enum store_table table, struct store_key key)
{
	return LTS_NOTFOUND;
}

enum lts_err
store_each(struct store_txn *txn, enum store_table table, store_visit *visit, void *arg)
{
	struct base *base = txn->txn;
	enum lts_err err = LTS_OK;
	for (int i = 0; i < base->n_rows && !err; i++) {
		const struct row *row = &base->rows[i];
		if (row->table == table)
			err = visit(arg, (struct store_key){ row->key_bytes, row->key.len },
				    row->value.data, row->value.len);
	}
	return err;
}

enum lts_err
events_append(struct store_txn *txn, const struct event_record *event)
{
	trace("notes: shard %s %s at %s %s", event->shard.text, event_kind_name(event->kind),
	      event->cursor.text, event->text);
	return LTS_OK;
}

/* ---- for the model ---- */

static bool
read_checkpoint(struct base *base, int shard, struct checkpoint_record *out)
{
	char text[8];
	snprintf(text, sizeof(text), "%d", shard);
	struct store_key key = { text, strlen(text) };
	struct row *row = find(base->rows, base->n_rows, STORE_CHECKPOINTS, key);
	return row && !checkpoint_decode(row->value.data, row->value.len, out);
}

bool
store_committed(int host, int shard, struct checkpoint_record *out)
{
	return read_checkpoint(&bases[host], shard, out);
}

void
store_usurp(int host, int shard)
{
	struct base *base = &bases[host];
	struct store store = { .base = base };
	struct store_txn txn = { .store = &store, .txn = base, .write = true };
	struct lease_record lease;
	struct lease_taken taken;
	struct shard_id id;
	if (base->writer)
		return;
	base->n_pending = 0;
	base->began_us = the_world->now_us;
	snprintf(id.text, sizeof(id.text), "%d", shard);
	enum lts_err err = lease_read(&txn, &id, &lease);
	if (!err && lease.state == LEASE_HELD)
		err = lease_take(&txn,
				 &(struct lease_take){ .shard = id,
						       .epoch = { lease.epoch.value + 1 },
						       .slot = lease.slot,
						       .home = lease.home,
						       .unbroken = true },
				 &taken);
	if (!err) {
		/* Its epoch may be one that the supervisor hands out, too, as those of a second one
		 * never are: the lease alone is its. */
		int n = 0;
		for (int i = 0; i < base->n_pending; i++)
			if (base->pending[i].table != STORE_CHECKPOINTS)
				base->pending[n++] = base->pending[i];
		base->n_pending = n;
		apply(base, host);
		truth_on_usurp(host, shard);
	}
	base->n_pending = 0;
}
