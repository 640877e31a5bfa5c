/*
 * filler.c - one large value beside the agent's tables.
 *
 * In a child of the test. Owns nothing. Must never touch the tables.
 */
#include "tests/support/filler.h"

#include <check.h>
#include <lmdb.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TABLES = 8 };

/* Its pages end where the spare ones begin; LMDB's own of this transaction are a few. */
static int
put(MDB_env *env, MDB_txn *txn, MDB_dbi dbi, unsigned spare_pages)
{
	MDB_envinfo info;
	MDB_stat st;
	MDB_val key = { 6, "filler" }, value = { 0, NULL };
	mdb_env_info(env, &info);
	mdb_env_stat(env, &st);
	size_t pages = info.me_mapsize / st.ms_psize - info.me_last_pgno - 1;
	if (pages < spare_pages + 8)
		return 0;
	value.mv_size = (pages - spare_pages - 8) * st.ms_psize;
	return mdb_put(txn, dbi, &key, &value, MDB_RESERVE);
}

static int
fill(const char *state_dir, unsigned spare_pages)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	int rc = mdb_env_create(&env);
	if (!rc)
		rc = mdb_env_set_maxdbs(env, TABLES);
	if (!rc)
		rc = mdb_env_open(env, state_dir, 0, 0600);
	if (!rc)
		rc = mdb_txn_begin(env, NULL, 0, &txn);
	if (!rc)
		rc = mdb_dbi_open(txn, NULL, 0, &dbi);
	if (!rc)
		rc = put(env, txn, dbi, spare_pages);
	return rc ? rc : mdb_txn_commit(txn);
}

void
filler_put(const char *state_dir, unsigned spare_pages)
{
	int status;
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(fill(state_dir, spare_pages) != 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "%s: not filled", state_dir);
}
