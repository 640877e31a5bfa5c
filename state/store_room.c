/*
 * store_room.c - what is used of the environment's map, and who keeps the rest of it.
 *
 * In workers' delivery threads and in lts-state. Owns nothing. Must never end a reader: its pid may
 * be another namespace's. It is named. Held by tests/state/test_store_room.c.
 */
#include "state/store_inside.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { SHORT_LEAST = 32 }; /* pages: what two or three commits free is no lag */
enum { FREE_DBI, MAIN_DBI }; /* LMDB's own: free pages by who freed them, and the tables */

struct oldest {
	uint32_t pid;
	uint64_t transaction;
};

/* A line of mdb_reader_list: the pid, the thread, the transaction or "-". */
static int
on_reader(const char *line, void *arg)
{
	struct oldest *oldest = arg;
	uint32_t pid;
	uint64_t transaction;
	if (sscanf(line, "%" SCNu32 " %*s %" SCNu64, &pid, &transaction) == 2 &&
	    (!oldest->pid || transaction < oldest->transaction))
		*oldest = (struct oldest){ pid, transaction };
	return 0;
}

void
store_oldest_reader(MDB_env *env, uint32_t *pid_out, uint64_t *transaction_out)
{
	struct oldest oldest = { 0, 0 };
	mdb_reader_list(env, on_reader, &oldest);
	*pid_out = oldest.pid;
	*transaction_out = oldest.transaction;
}

bool
store_is_short(struct store_txn *txn)
{
	MDB_envinfo info;
	MDB_stat st;
	size_t pages = 0, psize = 0;
	for (MDB_dbi dbi = FREE_DBI; dbi <= MAIN_DBI + STORE_TABLES; dbi++) {
		if (mdb_stat(txn->txn, dbi, &st))
			continue;
		pages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
		psize = st.ms_psize;
	}
	mdb_env_info(txn->store->env, &info);
	bool is_short = pages * psize > info.me_mapsize / 4 * 3;
	txn->store->map_full |= is_short;
	return is_short;
}

/* Pages that transactions from `first` on have freed; 0 also when it cannot be told. */
static uint64_t
pages_freed_since(struct store *store, uint64_t first)
{
	struct store_txn txn = { 0 };
	MDB_cursor *cursor = NULL;
	MDB_val k, v;
	uint64_t pages = 0, transaction, n;
	if (store_read_begin(store, &txn))
		return 0;
	if (!mdb_cursor_open(txn.txn, FREE_DBI, &cursor))
		while (!mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
			memcpy(&transaction, k.mv_data, sizeof(transaction));
			memcpy(&n, v.mv_data, sizeof(n));
			pages += transaction >= first ? n : 0;
		}
	if (cursor)
		mdb_cursor_close(cursor);
	store_abort(&txn);
	return pages;
}

/* A dead one's goes with the first commit that has no room; so would, as far as we see, another pid
 * namespace's, which is named then. */
static bool
is_gone(uint32_t pid)
{
	return !pid || (kill((pid_t)pid, 0) < 0 && errno == ESRCH);
}

bool
store_explain_short(struct store *store, char *out, size_t size)
{
	uint32_t pid;
	uint64_t transaction;
	struct store_usage usage;
	store_oldest_reader(store->env, &pid, &transaction);
	if (is_gone(pid))
		return false;
	store_usage(store, &usage);
	uint64_t pages = usage.map_bytes / (usage.used_bytes / usage.used_pages);
	uint64_t kept = pages_freed_since(store, transaction);
	uint64_t left = pages - usage.used_pages + pages_freed_since(store, 0) - kept;
	if (kept < SHORT_LEAST || kept < left)
		return false;
	snprintf(out, size,
		 "the reader with pid %" PRIu32 " keeps %" PRIu64
		 " pages of the state, and %" PRIu64
		 " are left: then deliveries pause: continue or end it",
		 pid, kept, left);
	return true;
}

void
store_explain_full(struct store *store, char *out, size_t size)
{
	uint32_t pid;
	uint64_t transaction;
	struct store_usage usage;
	if (!store->map_full) {
		snprintf(out, size, "no space on the disk of the state");
		return;
	}
	store_usage(store, &usage);
	store_oldest_reader(store->env, &pid, &transaction);
	if (pid)
		snprintf(out, size,
			 "no space in the state, %" PRIu64 " MiB: the reader with pid %" PRIu32
			 " keeps %" PRIu64 " pages, those freed in %" PRIu64
			 " transactions: continue or end it",
			 usage.map_bytes >> 20, pid, pages_freed_since(store, transaction),
			 usage.transactions - transaction);
	else
		snprintf(out, size, "no space in the state: all of %" PRIu64 " MiB is in use",
			 usage.map_bytes >> 20);
}
