/*
 * worker_record.c - a worker's own record in LMDB.
 *
 * Written in that worker's delivery thread with each of its commits; read anywhere. Owns
 * nothing. Must never decide anything: it is for people. Held by
 * tests/state/test_worker_record.c.
 */
#include "state/worker_record.h"

#include "common/proc_stat.h"

static void
key_bytes(uint32_t slot, uint8_t bytes[4])
{
	for (int i = 3; i >= 0; i--, slot >>= 8)
		bytes[i] = (uint8_t)slot;
}

enum lts_err
worker_record_put(struct store_txn *txn, const struct worker_record *record)
{
	struct schema_value value;
	uint8_t key[4];
	key_bytes(record->slot, key);
	worker_encode(record, &value);
	return store_put(txn, STORE_WORKERS, (struct store_key){ key, sizeof(key) }, &value);
}

enum lts_err
worker_record_read(struct store_txn *txn, uint32_t slot, struct worker_record *out)
{
	const void *data;
	size_t len;
	struct worker_record record;
	uint8_t key[4];
	key_bytes(slot, key);
	enum lts_err err = store_get(txn, STORE_WORKERS, (struct store_key){ key, sizeof(key) },
				     &data, &len);
	if (!err)
		err = worker_decode(data, len, &record);
	if (!err && record.slot != slot)
		err = LTS_BADDATA;
	if (!err)
		*out = record;
	return err;
}

uint64_t
worker_pid_start(uint32_t pid)
{
	struct proc_stat stat;
	return proc_stat_read((pid_t)pid, &stat) ? stat.start : 0;
}
