/*
 * store_inside.h - the store's inside, for its own files: store.c (transactions), store_look.c (as
 * lts-state sees it) and store_room.c (what is used of it, and who keeps that).
 */
#ifndef STATE_STORE_INSIDE_H
#define STATE_STORE_INSIDE_H

#include <lmdb.h>
#include <sys/types.h>

#include "state/store.h"

enum { STORE_READERS_MAX = 1024 };

struct file_id {
	dev_t dev;
	ino_t ino;
	off_t bytes;
};

struct store {
	MDB_env *env;
	MDB_dbi dbi[STORE_TABLES];
	MDB_txn *reader; /* kept between reads, reset */
	char *data_path, *lock_path;
	struct file_id data_id, lock_id;
	bool read_only;
	bool map_full; /* that was the last LTS_NOSPACE: the map, and not the disk */
};

enum lts_err store_from_mdb(int rc);
/* The reader that keeps the oldest transaction; 0 in pid_out: there is none. Takes no lock. */
void store_oldest_reader(MDB_env *env, uint32_t *pid_out, uint64_t *transaction_out);

#endif
