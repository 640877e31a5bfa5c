/*
 * other_reader.c - somebody else's LMDB program, as mdb_stat or mdb_copy, that stands still.
 *
 * In a child of the test. Owns its transactions. Must never write.
 */
#include "tests/support/other_reader.h"

#include <check.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READERS_MAX = 1024 };

static int
read_for_ever(const char *state_dir, unsigned transactions, int said)
{
	MDB_env *env;
	MDB_txn *txn;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int rc = mdb_env_create(&env);
	if (!rc)
		rc = mdb_env_set_maxreaders(env, READERS_MAX);
	if (!rc)
		rc = mdb_env_open(env, state_dir, MDB_RDONLY | MDB_NOTLS, 0600);
	for (unsigned i = 0; i < transactions && !rc; i++)
		rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
	if (!rc && write(said, "x", 1) == 1)
		for (;;)
			pause();
	return 1;
}

pid_t
other_reader_start(const char *state_dir, unsigned transactions)
{
	int said[2];
	char byte;
	ck_assert_int_eq(pipe2(said, O_CLOEXEC), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(read_for_ever(state_dir, transactions, said[1]));
	close(said[1]);
	ck_assert_msg(read(said[0], &byte, 1) == 1, "%s: no reader", state_dir);
	close(said[0]);
	return pid;
}

void
other_reader_end(pid_t pid)
{
	int status;
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
