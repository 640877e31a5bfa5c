/*
 * remake.c - makes an environment anew and puts it in the place of the old one.
 *
 * In lts-state, with both locks of state_dir held. Owns the directory `new` in it meanwhile. Must
 * never leave state_dir without an environment that it had, nor remove one: the old file gets a
 * second name before the new one takes its first. Held by tests/state/test_backup.c.
 */
#include "state/remake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/fallback.h"
#include "common/xalloc.h"
#include "state/checkpoint.h"
#include "state/events.h"
#include "state/identity.h"
#include "state/lease.h"
#include "state/renew.h"
#include "state/worker_record.h"

struct paths {
	char *data, *lock, *kept;        /* in state_dir */
	char *dir, *new_data, *new_lock; /* state_dir/new and what is in it */
};

static void
paths_init(struct paths *p, const char *state_dir, const char *kept)
{
	p->data = xasprintf("%s/data.mdb", state_dir);
	p->lock = xasprintf("%s/lock.mdb", state_dir);
	p->kept = xasprintf("%s/data.mdb.%s", state_dir, kept);
	p->dir = xasprintf("%s/new", state_dir);
	p->new_data = xasprintf("%s/new/data.mdb", state_dir);
	p->new_lock = xasprintf("%s/new/lock.mdb", state_dir);
}

static void
paths_fini(struct paths *p)
{
	free(p->data);
	free(p->lock);
	free(p->kept);
	free(p->dir);
	free(p->new_data);
	free(p->new_lock);
}

static enum lts_err
put_all(struct store_txn *txn, const struct snapshot *s)
{
	enum lts_err err = LTS_OK;
	if (s->has_identity)
		err = identity_put(txn, &s->identity);
	if (s->has_start && !err)
		err = identity_put_start(txn, s->start.start_ns);
	for (size_t i = 0; i < s->n_leases && !err; i++)
		err = lease_put(txn, &s->leases[i]);
	for (size_t i = 0; i < s->n_checkpoints && !err; i++)
		err = checkpoint_put(txn, &s->checkpoints[i]);
	for (size_t i = 0; i < s->n_workers && !err; i++)
		err = worker_record_put(txn, &s->workers[i]);
	for (size_t i = 0; i < s->n_events && !err; i++)
		err = events_put(txn, &s->events[i]);
	return err;
}

static void
tidy(const struct paths *p)
{
	unlink(p->new_data);
	unlink(p->new_lock);
	rmdir(p->dir);
}

static enum lts_err
make(const struct paths *p, const struct snapshot *records)
{
	struct store *store = NULL;
	struct store_txn txn = { 0 };
	tidy(p); /* of one that was killed */
	if (mkdir(p->dir, 0700) < 0)
		return LTS_SYS;
	enum lts_err err = store_open(p->dir, STORE_CREATE, &store);
	if (!err)
		err = store_write_begin(store, &txn);
	if (!err)
		err = put_all(&txn, records);
	if (!err)
		err = store_commit(&txn);
	store_abort(&txn);
	store_close(&store);
	return err;
}

static enum lts_err
sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && fallback_sync_dir(fd) == 0;
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return done ? LTS_OK : LTS_SYS;
}

/* The agent's user owns the directory, and may be another than who runs this. */
static enum lts_err
give_to_owner(const char *state_dir, const char *path)
{
	struct stat st;
	if (stat(state_dir, &st) < 0)
		return LTS_SYS;
	if (geteuid() == 0 && chown(path, st.st_uid, st.st_gid) < 0)
		return LTS_SYS;
	return LTS_OK;
}

/* The old lock.mdb counts the old file's transactions: it goes before that does. */
static enum lts_err
replace(const char *state_dir, const struct paths *p)
{
	enum lts_err err = give_to_owner(state_dir, p->new_data);
	if (!err)
		err = give_to_owner(state_dir, p->new_lock);
	if (err)
		return err;
	if (link(p->data, p->kept) < 0 && errno != ENOENT)
		return errno == EEXIST ? LTS_BUSY : LTS_SYS;
	if (unlink(p->lock) < 0 && errno != ENOENT)
		return LTS_SYS;
	if (rename(p->new_data, p->data) < 0 || rename(p->new_lock, p->lock) < 0)
		return LTS_SYS;
	return sync_dir(state_dir);
}

enum lts_err
remake(const char *state_dir, const struct snapshot *records, const char *kept)
{
	struct paths paths;
	paths_init(&paths, state_dir, kept);
	enum lts_err err = make(&paths, records);
	if (!err)
		err = replace(state_dir, &paths);
	int saved = errno;
	tidy(&paths);
	errno = saved;
	paths_fini(&paths);
	return err;
}

void
remake_renew(struct snapshot *s, int64_t now_ns)
{
	renew_unowned(&s->identity);
	for (size_t i = 0; i < s->n_checkpoints; i++)
		renew_checkpoint(&s->checkpoints[i]);
	for (size_t i = 0; i < s->n_leases; i++)
		renew_lease(&s->leases[i], now_ns);
	s->n_workers = 0;
}

char *
remake_kept_name(const char *why, int64_t now_ns)
{
	char date[32];
	struct tm tm;
	int ms = (int)(now_ns / 1000000 % 1000);
	time_t now = (time_t)(now_ns / 1000000000);
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%Y%m%dT%H%M%S", &tm);
	return xasprintf("%s-%s.%03dZ", why, date, ms);
}

void
remake_add_event(struct snapshot *s, enum event_kind kind, int64_t now_ns, const char *text)
{
	struct event_record event = { .time_ns = now_ns, .kind = kind };
	event.number = s->n_events ? s->events[s->n_events - 1].number + 1 : 1;
	/* Of the last start, or of the first there will be. */
	event.epoch.value = (uint64_t)(s->has_identity ? s->identity.boot_count : 1) << 32;
	snprintf(event.text, sizeof(event.text), "%s", text);
	if (s->n_events == EVENTS_KEPT) {
		memmove(s->events, s->events + 1, (EVENTS_KEPT - 1) * sizeof(event));
		s->n_events--;
	}
	s->events = xreallocarray(s->events, s->n_events + 1, sizeof(event));
	s->events[s->n_events++] = event;
}
