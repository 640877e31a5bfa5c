/*
 * store.c - the LMDB environment behind everything that must survive.
 *
 * In the supervisor (writes only at start-up), in each worker's delivery thread, in
 * lts-state. Owns the environment and one reader slot. Must never be open across a fork,
 * and never keep a transaction open over I/O other than its own. Held by
 * tests/state/test_store.c.
 */
#include "state/store_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/used_up.h"
#include "common/xalloc.h"
#include "state/store_look.h"

enum {
	/* A record is under 1 KiB; 10,000 events, 4,096 shards and LMDB's copies stay
	   under 32 MiB. */
	STORE_MAP_BYTES = 64 << 20,
	STORE_MAP_MOST = 1 << 30, /* see raise_map */
	STORE_LOCK_BYTES = STORE_READERS_MAX * 64 + 128, /* as LMDB lays it out */
	STORE_FULL_BYTES = 64 << 10,
};

const char *
store_table_name(enum store_table table)
{
	static const char *const names[STORE_TABLES] = {
		"meta", "leases", "checkpoints", "workers", "events",
	};
	return names[table];
}

enum lts_err
store_from_mdb(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return LTS_OK;
	case MDB_NOTFOUND:
		return LTS_NOTFOUND;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return LTS_NOSPACE;
	case MDB_READERS_FULL:
	case EAGAIN: /* another pid namespace's process has our number */
		return LTS_AGAIN;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_PANIC:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_TXN:
	case MDB_BAD_RSLOT:
		return LTS_BADDATA;
	case ENOENT:
		errno = rc;
		return LTS_NOTFOUND;
	default:
		if (rc < 0) /* LMDB's own: what a healthy environment never says */
			return LTS_BADDATA;
		errno = rc;
		return LTS_SYS;
	}
}

static bool
file_id(const char *path, struct file_id *out)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return false;
	*out = (struct file_id){ st.st_dev, st.st_ino, st.st_size };
	return true;
}

/* The file that was opened, and LMDB never makes one smaller. */
static bool
same_file(const char *path, struct file_id *id)
{
	struct file_id now;
	if (!file_id(path, &now) || now.dev != id->dev || now.ino != id->ino ||
	    now.bytes < id->bytes)
		return false;
	id->bytes = now.bytes;
	return true;
}

static int
open_tables(struct store *store, enum store_mode mode)
{
	MDB_txn *txn;
	bool create = mode == STORE_CREATE;
	/* A worker's takes no reader slot: the dead may have them all. */
	int rc = mdb_txn_begin(store->env, NULL, store->read_only ? MDB_RDONLY : 0, &txn);
	if (rc)
		return rc;
	for (int t = 0; t < STORE_TABLES && !rc; t++)
		rc = mdb_dbi_open(txn, store_table_name((enum store_table)t),
				  create ? MDB_CREATE : 0, &store->dbi[t]);
	if (!rc)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	/* An LMDB environment without our tables is somebody else's. */
	return rc == MDB_NOTFOUND ? MDB_INVALID : rc;
}

/* At a start, when no worker has it open: a map of which more than three quarters were ever in
 * use is doubled, so that a full one is no end. The first transaction writes the size down. */
static int
raise_map(MDB_env *env)
{
	MDB_envinfo info;
	MDB_stat st;
	mdb_env_info(env, &info);
	mdb_env_stat(env, &st);
	size_t used = (info.me_last_pgno + 1) * st.ms_psize;
	size_t bytes = info.me_mapsize > STORE_MAP_BYTES ? info.me_mapsize : STORE_MAP_BYTES;
	while (used > bytes / 4 * 3 && bytes < STORE_MAP_MOST)
		bytes *= 2;
	return bytes == info.me_mapsize ? 0 : mdb_env_set_mapsize(env, bytes);
}

static int
open_env(struct store *store, const char *path, enum store_mode mode)
{
	struct file_id ignored;
	unsigned flags = MDB_NOTLS | (store->read_only ? MDB_RDONLY : 0);
	/* LMDB would make a missing lock.mdb, whose owner might then be another user. */
	if (mode == STORE_READ && !file_id(store->lock_path, &ignored) && errno == ENOENT)
		flags |= MDB_NOLOCK;
	if (mode == STORE_FILE)
		flags |= MDB_NOSUBDIR | MDB_NOLOCK;
	int rc = mdb_env_create(&store->env);
	if (!rc)
		rc = mdb_env_set_maxdbs(store->env, STORE_TABLES);
	if (!rc)
		rc = mdb_env_set_maxreaders(store->env, STORE_READERS_MAX);
	/* The map is as large as the file says: the last start has said it there. */
	if (!rc)
		rc = mdb_env_open(store->env, path, flags, 0600);
	if (!rc && mode == STORE_CREATE)
		rc = raise_map(store->env);
	if (!rc)
		rc = open_tables(store, mode);
	return rc;
}

/* As a copy; where that cannot be, because commits come too fast, as a reader of LMDB's. */
static enum lts_err
open_look(struct store *store, const char *state_dir)
{
	int fd;
	enum lts_err err = store_look_copy(state_dir, &fd);
	if (err == LTS_AGAIN)
		return store_from_mdb(open_env(store, state_dir, STORE_READ));
	if (err)
		return err;
	char *path = xasprintf("/proc/self/fd/%d", fd);
	int rc = open_env(store, path, STORE_FILE);
	if (rc == ENOENT) { /* no /proc */
		mdb_env_close(store->env);
		rc = open_env(store, state_dir, STORE_READ);
	}
	close(fd);
	free(path);
	return store_from_mdb(rc);
}

/* LMDB writes into a mapping of the lock file: on a full disk a hole in it would be SIGBUS. */
static int
reserve_lock(const struct store *store)
{
	int fd = open(store->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int rc = fd < 0 ? errno : posix_fallocate(fd, 0, STORE_LOCK_BYTES);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* What a full disk leaves of an environment that was about to be made is nobody's state. */
static int
create_env(struct store *store, const char *state_dir, bool fresh)
{
	int rc = reserve_lock(store);
	if (!rc)
		rc = open_env(store, state_dir, STORE_CREATE);
	if (rc && fresh)
		unlink(store->data_path);
	return rc;
}

enum lts_err
store_open(const char *state_dir, enum store_mode mode, struct store **out)
{
	enum lts_err err;
	struct store *store = xcalloc(1, sizeof(*store));
	store->read_only = mode == STORE_READ || mode == STORE_FILE;
	store->data_path =
		mode == STORE_FILE ? xstrdup(state_dir) : xasprintf("%s/data.mdb", state_dir);
	store->lock_path = xasprintf("%s/lock.mdb", state_dir);
	struct stat st = { 0 };
	if (stat(store->data_path, &st) < 0 && (mode != STORE_CREATE || errno != ENOENT)) {
		err = errno == ENOENT || errno == ENOTDIR ? LTS_NOTFOUND : LTS_SYS;
		goto out;
	}
	/* LMDB would begin a new environment in an empty file, and make a lock.mdb that only we
	 * know. */
	err = LTS_BADDATA;
	struct file_id ignored;
	if (mode != STORE_CREATE && st.st_size == 0)
		goto out;
	if (mode == STORE_WRITE && !file_id(store->lock_path, &ignored))
		goto out;
	if (mode == STORE_READ)
		err = open_look(store, state_dir);
	else
		err = store_from_mdb(mode == STORE_CREATE
					     ? create_env(store, state_dir, st.st_size == 0)
					     : open_env(store, state_dir, mode));
	if (err)
		goto out;
	err = LTS_SYS;
	if (!file_id(store->data_path, &store->data_id) ||
	    (!file_id(store->lock_path, &store->lock_id) && !store->read_only))
		goto out;
	*out = store;
	store = NULL;
	err = LTS_OK;
out:
	if (store) {
		int saved = errno;
		store_close(&store);
		errno = saved;
	}
	return err;
}

void
store_close(struct store **store)
{
	struct store *s = *store;
	if (!s)
		return;
	if (s->reader)
		mdb_txn_abort(s->reader);
	mdb_env_close(s->env);
	free(s->data_path);
	free(s->lock_path);
	free(s);
	*store = NULL;
}

uint64_t
store_inode(const struct store *store)
{
	return store->data_id.ino;
}

bool
store_is_intact(struct store *store)
{
	return same_file(store->data_path, &store->data_id) &&
	       same_file(store->lock_path, &store->lock_id);
}

void
store_check_readers(struct store *store)
{
	int dead;
	mdb_reader_check(store->env, &dead);
}

enum lts_err
store_read_begin(struct store *store, struct store_txn *out)
{
	int rc;
	if (store->reader)
		rc = mdb_txn_renew(store->reader);
	else
		rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader);
	if (rc == MDB_READERS_FULL) { /* the dead keep theirs until somebody asks */
		store_check_readers(store);
		rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader);
	}
	if (!rc)
		*out = (struct store_txn){ .store = store, .txn = store->reader };
	return store_from_mdb(rc);
}

enum lts_err
store_write_begin(struct store *store, struct store_txn *out)
{
	MDB_txn *txn;
	errno = 0;
	if (!store_is_intact(store))
		return used_up(errno) ? LTS_SYS : LTS_BADDATA;
	int rc = mdb_txn_begin(store->env, NULL, 0, &txn);
	if (!rc)
		*out = (struct store_txn){ .store = store, .txn = txn, .write = true };
	return store_from_mdb(rc);
}

/* Remembers which of the two had no room. */
static enum lts_err
from_write(struct store *store, int rc)
{
	enum lts_err err = store_from_mdb(rc);
	if (err == LTS_NOSPACE)
		store->map_full = rc == MDB_MAP_FULL || rc == MDB_TXN_FULL;
	return err;
}

static bool
disk_is_full(const struct store *store)
{
	struct statvfs fs;
	return statvfs(store->data_path, &fs) == 0 &&
	       fs.f_bavail * fs.f_frsize < STORE_FULL_BYTES;
}

enum lts_err
store_commit(struct store_txn *txn)
{
	int rc = mdb_txn_commit(txn->txn);
	txn->txn = NULL;
	/* So LMDB calls a write that a full disk cut short. Should it have been the disk after
	 * all: what the next commit needs, it writes anew. */
	if (rc == EIO && disk_is_full(txn->store))
		rc = ENOSPC;
	enum lts_err err = from_write(txn->store, rc);
	/* Inside a commit the only system calls are its writes and its fdatasync; and it takes
	 * memory, before them. */
	return (err == LTS_SYS && rc != ENOMEM) || err == LTS_NOTFOUND ? LTS_SYNC : err;
}

void
store_abort(struct store_txn *txn)
{
	if (!txn->txn)
		return;
	if (txn->write)
		mdb_txn_abort(txn->txn);
	else
		mdb_txn_reset(txn->txn);
	txn->txn = NULL;
}

static MDB_val
as_val(struct store_key key)
{
	return (MDB_val){ .mv_size = key.len, .mv_data = (void *)(uintptr_t)key.data };
}

enum lts_err
store_get(struct store_txn *txn, enum store_table table, struct store_key key,
	  const void **data_out, size_t *len_out)
{
	MDB_val k = as_val(key), v;
	int rc = mdb_get(txn->txn, txn->store->dbi[table], &k, &v);
	if (!rc) {
		*data_out = v.mv_data;
		*len_out = v.mv_size;
	}
	return store_from_mdb(rc);
}

enum lts_err
store_put(struct store_txn *txn, enum store_table table, struct store_key key,
	  const struct schema_value *value)
{
	MDB_val k = as_val(key);
	MDB_val v = { .mv_size = value->len, .mv_data = (void *)(uintptr_t)value->data };
	return from_write(txn->store, mdb_put(txn->txn, txn->store->dbi[table], &k, &v, 0));
}

enum lts_err
store_delete(struct store_txn *txn, enum store_table table, struct store_key key)
{
	MDB_val k = as_val(key);
	return from_write(txn->store, mdb_del(txn->txn, txn->store->dbi[table], &k, NULL));
}

enum lts_err
store_edge(struct store_txn *txn, enum store_table table, bool last, struct store_key *key_out)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	int rc = mdb_cursor_open(txn->txn, txn->store->dbi[table], &cursor);
	if (rc)
		return store_from_mdb(rc);
	rc = mdb_cursor_get(cursor, &k, &v, last ? MDB_LAST : MDB_FIRST);
	mdb_cursor_close(cursor);
	if (!rc)
		*key_out = (struct store_key){ k.mv_data, k.mv_size };
	return store_from_mdb(rc);
}

enum lts_err
store_each(struct store_txn *txn, enum store_table table, store_visit *visit, void *arg)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	int rc = mdb_cursor_open(txn->txn, txn->store->dbi[table], &cursor);
	if (rc)
		return store_from_mdb(rc);
	enum lts_err err = LTS_OK;
	while (!err && !(rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)))
		err = visit(arg, (struct store_key){ k.mv_data, k.mv_size }, v.mv_data,
			    v.mv_size);
	mdb_cursor_close(cursor);
	if (!err && rc != MDB_NOTFOUND)
		err = store_from_mdb(rc);
	return err;
}

enum lts_err
store_count(struct store_txn *txn, enum store_table table, uint64_t *count_out)
{
	MDB_stat st;
	int rc = mdb_stat(txn->txn, txn->store->dbi[table], &st);
	if (!rc)
		*count_out = st.ms_entries;
	return store_from_mdb(rc);
}

void
store_usage(struct store *store, struct store_usage *out)
{
	MDB_envinfo info;
	MDB_stat st;
	mdb_env_info(store->env, &info);
	mdb_env_stat(store->env, &st);
	*out = (struct store_usage){
		.map_bytes = info.me_mapsize,
		.used_pages = info.me_last_pgno + 1,
		.used_bytes = (info.me_last_pgno + 1) * st.ms_psize,
		.readers = info.me_numreaders,
		.readers_max = info.me_maxreaders,
		.transactions = info.me_last_txnid,
	};
}

enum lts_err
store_copy(struct store *store, int fd)
{
	return store_from_mdb(mdb_env_copyfd2(store->env, fd, MDB_CP_COMPACT));
}
