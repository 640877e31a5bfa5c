/*
 * store_look.c - copies a live environment's file out in one go.
 *
 * In lts-state. Owns nothing once it returns. Must never be a reader of LMDB's: one that is stopped
 * would keep every page from being used again, one that is killed its slot, and one whose number is
 * another's in another pid namespace is refused. Must never take for whole what writers changed
 * meanwhile. Held by tests/state/test_store_look.c.
 *
 * Why a copy without any lock is sound: a writer may reuse the pages that a transaction T has freed
 * once a later one than T has been committed, and no reader is older. So what commit N shows stays
 * as it is until the writer of N+3 begins, which is after N+2 is committed. A copy that began when
 * N was the last, and ended when N or N+1 was, has all of N, or of N+1.
 */
#include "state/store_look.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/store_inside.h"

enum {
	LOOK_MS = 2000,
	LOOK_PAUSE_MS = 5,
	LOOK_HEAD = 64 << 10, /* LMDB's two first pages, of 32 KiB at the most */
	LOOK_HEADS = 100,
};

static uint64_t
last_transaction(MDB_env *env)
{
	MDB_envinfo info;
	mdb_env_info(env, &info);
	return info.me_last_txnid;
}

/* The pages that say which commit is the last, not in the middle of being written. */
static bool
read_head(int fd, char *head, ssize_t *len_out)
{
	static char again[LOOK_HEAD];
	for (int tries = 0; tries < LOOK_HEADS; tries++) {
		ssize_t len = pread(fd, head, LOOK_HEAD, 0);
		if (len > 0 && pread(fd, again, LOOK_HEAD, 0) == len &&
		    memcmp(head, again, (size_t)len) == 0) {
			*len_out = len;
			return true;
		}
	}
	return false;
}

static enum lts_err
copy_once(MDB_env *env, int from, int to)
{
	static char head[LOOK_HEAD];
	struct stat st;
	ssize_t len;
	uint64_t before = last_transaction(env);
	if (!read_head(from, head, &len))
		return LTS_AGAIN;
	if (ftruncate(to, 0) < 0 || pwrite(to, head, (size_t)len, 0) != len ||
	    lseek(to, len, SEEK_SET) < 0 || fstat(from, &st) < 0)
		return LTS_SYS;
	for (off_t at = len; at < st.st_size;) {
		ssize_t n = sendfile(to, from, &at, (size_t)(st.st_size - at));
		if (n <= 0)
			return n == 0 ? LTS_BADDATA : LTS_SYS; /* 0: it was cut */
	}
	return last_transaction(env) <= before + 1 ? LTS_OK : LTS_AGAIN;
}

static enum lts_err
copy_until(MDB_env *env, int from, int to)
{
	int64_t until_ms = clock_mono_ms() + LOOK_MS;
	enum lts_err err;
	while ((err = copy_once(env, from, to)) == LTS_AGAIN && clock_mono_ms() < until_ms)
		poll(NULL, 0, LOOK_PAUSE_MS);
	return err;
}

enum lts_err
store_look_copy(const char *state_dir, int *fd_out)
{
	MDB_env *env = NULL;
	char *path = xasprintf("%s/data.mdb", state_dir);
	int from = open(path, O_RDONLY | O_CLOEXEC), to = -1;
	enum lts_err err = from < 0 ? LTS_SYS : LTS_OK;
	if (!err)
		err = store_from_mdb(mdb_env_create(&env));
	if (!err)
		err = store_from_mdb(mdb_env_open(env, state_dir, MDB_RDONLY | MDB_NOLOCK, 0600));
	if (!err)
		to = memfd_create("state", MFD_CLOEXEC);
	if (!err)
		err = to < 0 ? LTS_SYS : copy_until(env, from, to);
	int saved = errno;
	if (env)
		mdb_env_close(env);
	if (from >= 0)
		close(from);
	if (err && to >= 0)
		close(to);
	free(path);
	errno = saved;
	if (!err)
		*fd_out = to;
	return err;
}

/* Opening LMDB's lock file waits for who has all of it; not to be done for a look. */
static bool
is_free(const char *path)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool freely = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
	if (fd >= 0)
		close(fd);
	return freely;
}

void
store_look_readers(const char *state_dir, struct store_usage *usage)
{
	MDB_env *env = NULL;
	MDB_envinfo info;
	char *lock = xasprintf("%s/lock.mdb", state_dir);
	if (is_free(lock) && !mdb_env_create(&env) &&
	    !mdb_env_set_maxreaders(env, STORE_READERS_MAX) &&
	    !mdb_env_open(env, state_dir, MDB_RDONLY | MDB_NOTLS, 0600) &&
	    !mdb_env_info(env, &info)) {
		usage->readers = info.me_numreaders;
		usage->readers_max = info.me_maxreaders;
		store_oldest_reader(env, &usage->oldest_pid, &usage->oldest_transaction);
	}
	if (env)
		mdb_env_close(env);
	free(lock);
}
