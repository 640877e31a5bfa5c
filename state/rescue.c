/*
 * rescue.c - reads what can be read, in a process that may die of it.
 *
 * In lts-state; no environment is open when it forks. Owns the memory that both share. Must never
 * hand out a record whose CRC is wrong. Held by tests/state/test_rebuild.c.
 */
#include "state/rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/identity.h"

static enum lts_err
keep_checkpoint(void *arg, struct store_key key, const void *data, size_t len)
{
	struct rescue *r = arg;
	struct checkpoint_record *next = &r->checkpoints[r->n_checkpoints];
	if (r->n_checkpoints < RESCUE_SHARDS_MAX && !checkpoint_decode(data, len, next) &&
	    key.len == strlen(next->shard.text) && !memcmp(key.data, next->shard.text, key.len))
		r->n_checkpoints++;
	return LTS_OK;
}

/* What was found stays found, whatever the next step runs into. */
static void
read_pieces(const char *state_dir, struct rescue *r)
{
	struct store *store = NULL;
	struct store_txn txn = { 0 };
	enum lts_err err = store_open(state_dir, STORE_READ, &store);
	if (!err)
		err = store_read_begin(store, &txn);
	if (!err) {
		r->has_identity = identity_read(&txn, &r->identity) == LTS_OK;
		r->has_start = identity_read_start(&txn, &r->start.start_ns) == LTS_OK;
		err = store_each(&txn, STORE_CHECKPOINTS, keep_checkpoint, r);
	}
	store_abort(&txn);
	store_close(&store);
	(void)err; /* the next step says what is wrong */
}

static void
read_whole(const char *state_dir, struct rescue *r)
{
	struct snapshot s;
	enum lts_err err = snapshot_read(state_dir, &s);
	r->missing = err == LTS_NOTFOUND;
	if (err) {
		snprintf(r->why, sizeof(r->why), "%s",
			 err == LTS_BADDATA ? "LMDB cannot read it" : lts_err_name(err));
		return;
	}
	snapshot_verify(&s);
	r->newer = s.newer_schema > 0;
	r->sound = !s.n_problems && !s.newer_schema;
	if (s.newer_schema)
		snprintf(r->why, sizeof(r->why), "its schema is of a newer version, %u",
			 s.newer_schema);
	else if (s.n_problems)
		snprintf(r->why, sizeof(r->why), "%zu problems, the first: %s", s.n_problems,
			 s.problems[0]);
	snapshot_fini(&s);
}

static void
read_in_child(const char *state_dir, struct rescue *r)
{
	static const int fatal[] = { SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGFPE };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null, STDERR_FILENO);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	alarm(RESCUE_READ_S);
	read_pieces(state_dir, r);
	read_whole(state_dir, r);
	_exit(0);
}

enum lts_err
rescue_read(const char *state_dir, struct rescue **out)
{
	int status = 0;
	struct rescue *r =
		mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r == MAP_FAILED)
		return LTS_SYS;
	pid_t pid = fork();
	if (pid == 0)
		read_in_child(state_dir, r);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			pid = -1;
	if (pid < 0) {
		rescue_destroy(&r);
		return LTS_SYS;
	}
	r->slow = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
	if (status) {
		r->sound = false;
		snprintf(r->why, sizeof(r->why), "reading it ends the process that reads");
	}
	*out = r;
	return LTS_OK;
}

void
rescue_destroy(struct rescue **rescue)
{
	int saved = errno;
	if (*rescue)
		munmap(*rescue, sizeof(**rescue));
	*rescue = NULL;
	errno = saved;
}

const struct checkpoint_record *
rescue_checkpoint(const struct rescue *r, const struct shard_id *shard)
{
	for (size_t i = 0; i < r->n_checkpoints; i++)
		if (shard_id_equal(&r->checkpoints[i].shard, shard))
			return &r->checkpoints[i];
	return NULL;
}
