/*
 * start.c - the supervisor's start-up.
 *
 * Runs before the first worker exists, which is when the supervisor may write LMDB. Owns
 * the locks and the store. Must never leave the state unclaimed, nor its reader slot
 * untaken: later there would be a lock to wait for. Held by the scenarios of restart and
 * of two supervisors.
 */
#include "supervisor/start.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/used_up.h"
#include "common/xalloc.h"
#include "state/lease.h"
#include "state/renew.h"
#include "state/this_host.h"
#include "supervisor/assign.h"

#define DAMAGED                                                                        \
	"is damaged or not ours: lts-state --state_dir %s verify says where, rebuild " \
	"sets it aside and lets the agent go on from the checkpoints at the service"

enum { START_READ_S = 60, START_LOOK_MS = 500, START_REMOVE = 1000 };

static void
copy(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from ? from : "");
}

static void
describe_ourselves(const struct options *o, int64_t used_ns, struct identity_record *mine)
{
	*mine = (struct identity_record){ .schema = SCHEMA_VERSION,
					  .created_ns = clock_wall_ns() };
	copy(mine->project_id, sizeof(mine->project_id), o->project_id);
	copy(mine->group_id, sizeof(mine->group_id), o->group_id);
	copy(mine->stream_id, sizeof(mine->stream_id), o->stream_id);
	copy(mine->consumer_group, sizeof(mine->consumer_group), o->consumer_group_name);
	if (o->identity)
		copy(mine->host, sizeof(mine->host), o->identity);
	else
		this_host_name(mine->host, sizeof(mine->host));
	this_host_machine_id(mine->machine_id, sizeof(mine->machine_id));
	this_host_run_place(mine);
	renew_identity(mine);
	/* Of a state of before; it costs no rebalance once the service has missed them anyway. */
	mine->plain_names = used_ns + o->heartbeat_timeout_ms * 1000000 >= mine->created_ns;
}

static enum exit_code
explain_state(enum lts_err err, const char *dir, struct buf *why)
{
	int saved = errno;
	enum lts_err ignored;
	if (err == LTS_INVALID) {
		struct buf text = *why;
		buf_init(why, 0);
		ignored = buf_printf(why, "state_dir '%s' belongs to %s", dir, text.data);
		buf_fini(&text);
		return EXIT_USAGE;
	}
	if (err == LTS_BADDATA) {
		ignored = buf_printf(why, "the state in '%s' " DAMAGED, dir, dir);
		return EXIT_DAMAGED;
	}
	ignored = buf_printf(why, "the state in '%s' cannot be opened: ", dir);
	(void)ignored;
	if (err == LTS_NOSPACE)
		(void)!buf_put_text(why, "no space");
	else
		used_up_explain(saved, why);
	errno = err == LTS_NOSPACE ? ENOSPC : saved;
	return EXIT_FAILED;
}

static enum lts_err
pass_by(void *arg, struct store_key key, const void *data, size_t len)
{
	return LTS_OK;
}

/* Takes the one reader slot now; every later read takes no lock. Walks through everything once:
 * what LMDB cannot read is to be known before the first worker exists. */
static enum lts_err
take_reader_slot(struct store *store)
{
	struct store_txn txn = { 0 };
	store_check_readers(store);
	enum lts_err err = store_read_begin(store, &txn);
	for (int t = 0; t < STORE_TABLES && !err; t++)
		err = store_each(&txn, (enum store_table)t, pass_by, NULL);
	store_abort(&txn);
	return err;
}

/* What the handler says; set before it is installed. */
static char damaged_text[4096 + 512];

static void
on_signal_damaged(int signo)
{
	ssize_t ignored = write(STDERR_FILENO, damaged_text, strlen(damaged_text));
	(void)ignored;
	_exit(EXIT_DAMAGED);
}

/*
 * LMDB neither notices nor survives all damage. What it does then means damage while the state is
 * read, and what reading a file that was cut does means it for ever.
 */
void
start_guard(const struct start *start, bool reading)
{
	const char *state_dir = start->dir.path;
	static const int fatal[] = { SIGALRM, SIGSEGV, SIGABRT, SIGFPE };
	static struct sigaction before[sizeof(fatal) / sizeof(fatal[0])];
	struct sigaction end = { .sa_handler = on_signal_damaged };
	snprintf(damaged_text, sizeof(damaged_text),
		 "lts-supervisor: the state in '%s' " DAMAGED "\n", state_dir, state_dir);
	sigaction(SIGBUS, &end, NULL);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], reading ? &end : &before[i], reading ? &before[i] : NULL);
	alarm(reading ? START_READ_S : 0);
}

static uint32_t
read_schema(struct store *store)
{
	struct store_txn txn = { 0 };
	struct identity_record former;
	enum lts_err err = store_read_begin(store, &txn);
	if (!err)
		err = identity_read(&txn, &former);
	store_abort(&txn);
	return err ? 0 : former.schema;
}

/* The last commit, or the last start or end of one of ours. */
static int64_t
last_used_ns(const struct start *start)
{
	struct stat st;
	int64_t committed_ns = 0;
	char *path = xasprintf("%s/data.mdb", start->dir.path);
	if (stat(path, &st) == 0)
		committed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	free(path);
	return committed_ns > start->dir.used_ns ? committed_ns : start->dir.used_ns;
}

/* A service that invents shards leaves a lease of each: they would fill the map. What the service
 * may not know to be let go stays: start_remember_leases. */
static enum lts_err
remove_unused(struct store *store, int64_t before_ns)
{
	size_t n = START_REMOVE;
	enum lts_err err = LTS_OK;
	while (!err && n == START_REMOVE) {
		struct store_txn txn = { 0 };
		err = store_write_begin(store, &txn);
		if (!err)
			err = lease_remove_unused(&txn, before_ns, START_REMOVE, &n);
		if (!err && n)
			err = store_commit(&txn);
		store_abort(&txn);
	}
	return err;
}

/* One record that is damaged is one shard that will stop; the rest goes on. */
static enum lts_err
open_and_claim(struct start *start, const struct options *options, struct buf *why_out)
{
	struct identity_record mine;
	describe_ourselves(options, last_used_ns(start), &mine);
	enum lts_err err = store_open(options->state_dir, STORE_CREATE, &start->store);
	if (!err) {
		start->former_schema = read_schema(start->store);
		mine.data_inode = store_inode(start->store);
		err = identity_claim(start->store, &mine, options->identity != NULL,
				     &start->identity, why_out);
	}
	if (!err)
		err = remove_unused(start->store, clock_wall_ns() -
							  options->heartbeat_timeout_ms * 1000000);
	if (!err)
		err = take_reader_slot(start->store);
	return err;
}

/* Live readers have every slot, or one in another pid namespace has our pid: not for ever. */
static enum lts_err
await_reader_slot(struct start *start, const char *state_dir)
{
	enum lts_err err = LTS_AGAIN;
	fprintf(stderr,
		"lts-supervisor: the state in '%s': no reader slot is free: waiting until other "
		"programs have read it\n",
		state_dir);
	while (err == LTS_AGAIN) {
		poll(NULL, 0, START_LOOK_MS);
		start_guard(start, true);
		err = take_reader_slot(start->store);
		start_guard(start, false);
	}
	return err;
}

static enum exit_code
open_all(struct start *start, const struct options *options, struct buf *why_out)
{
	*start = (struct start){
		.dir = { .supervisor_fd = -1, .generation_fd = -1, .stdout_fd = -1 }
	};
	enum lts_err err = state_dir_open(&start->dir, options->state_dir, why_out);
	if (err)
		return err == LTS_BUSY ? EXIT_IN_USE : EXIT_FAILED;
	start_guard(start, true);
	err = open_and_claim(start, options, why_out);
	start_guard(start, false);
	if (err == LTS_AGAIN)
		err = await_reader_slot(start, options->state_dir);
	return err ? explain_state(err, options->state_dir, why_out) : EXIT_DONE;
}

/* Of a full disk people hear at once: that may last. */
static bool
is_used_up(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

enum exit_code
start_open(struct start *start, const struct options *options, struct buf *why_out)
{
	enum exit_code code;
	bool waits = false;
	errno = 0;
	while ((code = open_all(start, options, why_out)) == EXIT_FAILED && is_used_up(errno)) {
		if (!waits)
			fprintf(stderr, "lts-supervisor: %s: waiting until there is\n",
				why_out->data);
		waits = true;
		start_close(start);
		buf_clear(why_out);
		poll(NULL, 0, START_LOOK_MS);
		errno = 0;
	}
	return code;
}

void
start_close(struct start *start)
{
	store_close(&start->store);
	state_dir_close(&start->dir);
}

bool
start_is_intact(const struct start *start)
{
	return state_dir_is_ours(&start->dir) && store_is_intact(start->store);
}

struct memory {
	struct group *group;
	struct lease_book *book;
	int64_t since_ns; /* of a release that the service may not know of */
};

static enum lts_err
remember(void *arg, struct store_key key, const void *data, size_t len)
{
	const struct memory *memory = arg;
	struct lease_record lease;
	enum lts_err err = lease_decode(data, len, &lease);
	/* We crashed with more consumers than we are to have: theirs are served on, as before. */
	if (!err && lease.state == LEASE_HELD && lease.home < ASSIGN_WORKERS_MAX) {
		group_grow(memory->group, lease.home + 1);
		lease_book_grow(memory->book, lease.home + 1);
	}
	if (!err && (lease.state != LEASE_RELEASED || lease.since_ns > memory->since_ns))
		group_remember(memory->group, lease.home, &lease.shard);
	return LTS_OK; /* a damaged record is left to the worker that takes the shard */
}

void
start_remember_leases(struct start *start, struct group *group, struct lease_book *book,
		      int64_t timeout_ms)
{
	struct memory memory = { group, book, clock_wall_ns() - timeout_ms * 1000000 };
	struct store_txn txn = { 0 };
	enum lts_err err = store_read_begin(start->store, &txn);
	if (!err)
		err = store_each(&txn, STORE_LEASES, remember, &memory);
	store_abort(&txn);
	(void)err; /* what is not listed is granted anew */
}

/* What `end` meant when this instance first started; `unknown`: it has not. */
static int64_t
read_start(struct start *start, int64_t unknown_ns)
{
	struct store_txn txn = { 0 };
	int64_t start_ns = unknown_ns;
	enum lts_err err = store_read_begin(start->store, &txn);
	if (!err)
		err = identity_read_start(&txn, &start_ns);
	store_abort(&txn);
	return err ? unknown_ns : start_ns;
}

bool
start_asks_the_time(struct start *start, const struct options *o)
{
	return o->end_time.kind == TIME_END ||
	       (o->start_time.kind == TIME_END && !read_start(start, 0));
}

void
start_resolve_times(struct start *start, const struct options *o, const struct service_time *now,
		    struct times *out)
{
	*out = (struct times){ .start = "begin" };
	if (o->start_time.kind == TIME_END)
		out->start_ns = read_start(start, now->least_ns); /* rather some more records */
	if (o->start_time.kind != TIME_BEGIN)
		snprintf(out->start, sizeof(out->start), "%lld",
			 (long long)(out->start_ns ? out->start_ns : o->start_time.ns));
	if (o->end_time.kind == TIME_AT)
		out->end_ns = o->end_time.ns;
	else if (o->end_time.kind == TIME_END)
		/* Date counts whole seconds: the next one is after everything that is
		 * there now. */
		out->end_ns = now->most_ns + 1000000000;
}
