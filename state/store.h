/*
 * store.h - the LMDB environment in state_dir: opening it, transactions, five tables of
 * records.
 *
 * Only state/store*.c include <lmdb.h>. A store belongs to one thread. Everything read
 * is copied out before the transaction ends. Who may write what: state/schema.h.
 */
#ifndef STATE_STORE_H
#define STATE_STORE_H

#include "state/schema_codec.h"

enum store_table {
	STORE_META,
	STORE_LEASES,
	STORE_CHECKPOINTS,
	STORE_WORKERS,
	STORE_EVENTS,
	STORE_TABLES,
};

enum store_mode {
	STORE_CREATE, /* the supervisor at start-up: makes what is missing */
	STORE_WRITE,  /* a worker: must exist */
	STORE_READ,   /* lts-state: must exist; all of it as it was when it was opened */
	STORE_FILE,   /* lts-state: a backup, one file in place of a directory; as STORE_READ */
};

struct store;

struct store_txn {
	struct store *store;
	void *txn; /* NULL: none open */
	bool write;
};

struct store_key {
	const void *data;
	size_t len;
};

/* LTS_NOTFOUND: no environment there. LTS_BADDATA: not ours, or damaged. LTS_SYS: errno.
 */
enum lts_err store_open(const char *state_dir, enum store_mode mode,
			struct store **out) LTS_MUST_USE;
void store_close(struct store **store);

/* Reading takes the reader slot on first use and keeps it: later reads take no lock.
 * LTS_AGAIN: no slot is left, and none of the dead's; or, with another pid namespace's processes
 * about, somebody has our pid. */
enum lts_err store_read_begin(struct store *store, struct store_txn *out) LTS_MUST_USE;
/* Waits for the write lock. LTS_BADDATA: not intact, see store_is_intact. */
enum lts_err store_write_begin(struct store *store, struct store_txn *out) LTS_MUST_USE;
/* Durable when it returns LTS_OK. LTS_NOSPACE: nothing was written. LTS_SYNC: end the
 * process. */
enum lts_err store_commit(struct store_txn *txn) LTS_MUST_USE;
/* Ends a read, or drops a write. No-op when nothing is open. */
void store_abort(struct store_txn *txn);
/* Of data.mdb: a copy of it has another. */
uint64_t store_inode(const struct store *store);
/* False: data.mdb or lock.mdb is not the file that was opened, or data.mdb has been cut. Takes no
 * lock. */
bool store_is_intact(struct store *store);
/* Frees the slots of readers that died. Waits for the reader table's lock. */
void store_check_readers(struct store *store);

/* The value is borrowed until the transaction ends or writes. LTS_NOTFOUND: no such key.
 */
enum lts_err store_get(struct store_txn *txn, enum store_table table, struct store_key key,
		       const void **data_out, size_t *len_out) LTS_MUST_USE;
enum lts_err store_put(struct store_txn *txn, enum store_table table, struct store_key key,
		       const struct schema_value *value) LTS_MUST_USE;
enum lts_err store_delete(struct store_txn *txn, enum store_table table,
			  struct store_key key) LTS_MUST_USE;
/* The first and the last key's bytes; LTS_NOTFOUND when the table is empty. */
enum lts_err store_edge(struct store_txn *txn, enum store_table table, bool last,
			struct store_key *key_out) LTS_MUST_USE;

/* Calls for each record in key order until it returns an error, which is handed on. */
typedef enum lts_err store_visit(void *arg, struct store_key key, const void *data, size_t len);
enum lts_err store_each(struct store_txn *txn, enum store_table table, store_visit *visit,
			void *arg) LTS_MUST_USE;

/* How many records the table says it has. */
enum lts_err store_count(struct store_txn *txn, enum store_table table,
			 uint64_t *count_out) LTS_MUST_USE;

struct store_usage {
	uint64_t map_bytes, used_bytes, used_pages;
	uint32_t readers, readers_max;
	uint32_t oldest_pid; /* the reader that keeps the oldest transaction; 0: none does */
	uint64_t oldest_transaction;
	uint64_t transactions;
};
void store_usage(struct store *store, struct store_usage *out);
/* More than three quarters of the map hold records: the rest is for those that are there. */
bool store_is_short(struct store_txn *txn);
/* Before that: a reader keeps more pages than are left, and who it is. As below. */
bool store_explain_short(struct store *store, char *out, size_t size);
/* After LTS_NOSPACE: what is full, and who keeps it so. For people; NUL-terminated in out[size].
 * Takes a reader slot if there is one. */
void store_explain_full(struct store *store, char *out, size_t size);
/* Writes all of it as of now to an empty file, without the pages that are free. Takes a reader
 * slot and no other lock; writers go on. */
enum lts_err store_copy(struct store *store, int fd) LTS_MUST_USE;
const char *store_table_name(enum store_table table);

#endif
