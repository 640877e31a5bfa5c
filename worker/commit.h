/*
 * commit.h - what the delivery thread does with the sink and with LMDB, in the order that
 * loses nothing: append, make durable, commit; only then does anybody hear of it.
 *
 * Everything here may wait. What cannot go on ends the process with the exit code that
 * says why.
 */
#ifndef WORKER_COMMIT_H
#define WORKER_COMMIT_H

#include "common/board.h"
#include "common/log.h"
#include "state/lease.h"
#include "worker/batch.h"
#include "worker/sandbox.h"
#include "worker/sink.h"

struct committer;

struct committer_config { /* pointers are borrowed for the committer's life */
	const char *state_dir;
	struct sink_config sink;
	struct board *board;
	struct log *log;
	struct worker_record self;  /* who we are; counters zero */
	int64_t interval_ms;        /* checkpoint_interval */
	struct sandbox sandbox;     /* that the thread enters once everything is open */
	struct {                    /* with a processor as the sink */
		int64_t timeout_ms; /* process_timeout */
		size_t max_body_bytes;
		int64_t let_go_ms; /* that a command has to come to its end */
		unsigned max_attempts;
		size_t most_records; /* in one piece; 0: no bound */
		bool batch_parallel;
		bool manual; /* checkpoint_mode */
		enum poison_policy on_poison;
		const char *deadletter_dir;
	} process;
};

/* A shard that turned out not to be ours any more, or whose closing is committed. */
typedef void committer_report(void *arg, struct lease *lease, enum lts_err result, bool closed);

/* Opens state and sink. LTS_NOSPACE, LTS_AGAIN: something is used up; once more later. Otherwise
 * the process's end is near. `why_out` says why. */
enum lts_err committer_create(const struct committer_config *config, struct committer **out,
			      struct buf *why_out) LTS_MUST_USE;
void committer_destroy(struct committer **committer);

/* Stores the lease under its epoch and opens the sink at the position. LTS_GONE,
 * LTS_NOTFOUND and LTS_AGAIN (no position yet, or two: see lease_take), LTS_BADDATA and LTS_BUSY
 * (the sink; `why_out`). LTS_NOSPACE: once more later, with the same `out`, which holds what was
 * taken already if the sink is what has no room. */
enum lts_err committer_take(struct committer *c, struct lease *lease,
			    const struct lease_take *take, struct lease_taken *out,
			    struct buf *why_out) LTS_MUST_USE;
/* Appends to the sink. LTS_GONE: not ours, or past its deadline. LTS_NOSPACE: try again.
 * LTS_AGAIN, with a processor: see process_batch; 0 in due_ms_out: it is to go back. Of a plain
 * sink: it waits for a reader, or another worker; INT64_MAX in due_ms_out: after a turn. `why_out`
 * for all of them. */
enum lts_err committer_submit(struct committer *c, struct batch *batch, int64_t *due_ms_out,
			      struct buf *why_out) LTS_MUST_USE;
/* How long a batch that is worked on may still take once its shard is let go. */
int64_t committer_let_go_ms(const struct committer *c);
/* Whether a batch that is not done with waits for others, rather than for user code. */
bool committer_only_waits(const struct committer *c);
/* When something of such a batch last moved, CLOCK_MONOTONIC milliseconds; 0: not known. */
int64_t committer_moved_ms(const struct committer *c);
/* The batch in hand goes back as it is. */
void committer_give_up(struct committer *c, struct lease *lease);
void committer_published(struct committer *c, struct lease *lease, const struct cursor *cursor);
/* An event, for people: the shard stopped, and why. */
void committer_stuck(struct committer *c, struct lease *lease, const char *why);
/* The last for this shard: sealed and committed with the next commit, which reports it. No
 * report will come after LTS_GONE: there is nothing to commit, nor after LTS_AGAIN: it cannot be
 * LEASE_FINISHED, as it is not saved up to its end: it goes on at *back_out, or, when that is
 * none, `why_out` says so. */
enum lts_err committer_close(struct committer *c, struct lease *lease, enum lease_state state,
			     int64_t end_ns, struct cursor *back_out,
			     struct buf *why_out) LTS_MUST_USE;
/* After LTS_NOSPACE, what is full: see store_explain_full. */
void committer_explain_full(struct committer *c, char *out, size_t size);
/* Forgets the shard. What was not committed was never there. */
void committer_forget(struct committer *c, struct lease *lease);

/* USR1: a processor's code is told to make durable what it holds back. */
void committer_flush(struct committer *c);
/* Whether a descriptor may have to be waited for at all. */
bool committer_has_turns(const struct committer_config *config);
/* What a processor or a sink waits for: its descriptor (-1: none) and for what of it, when it
 * wants its turn in any case (CLOCK_MONOTONIC milliseconds; INT64_MAX: not), and that turn. */
int committer_fd(const struct committer *c, short *events_out);
int64_t committer_turn_ms(const struct committer *c);
void committer_turn(struct committer *c, int64_t now_ms);
/* After a turn: a shard without a batch in hand that goes on there, for what it acknowledged
 * behind has ended, unsaved, with the user's code. False: no more. */
bool committer_next_back(struct committer *c, struct lease **lease_out, struct cursor *to_out);

/* When the next commit is due, CLOCK_MONOTONIC milliseconds; INT64_MAX: nothing to
 * commit. */
int64_t committer_due_ms(const struct committer *c);
/* One transaction for every shard that moved. LTS_NOSPACE: nothing changed; it is due
 * again in a second. */
enum lts_err committer_commit(struct committer *c, committer_report *report,
			      void *arg) LTS_MUST_USE;
/* The worker's own record, at the end of an orderly life. */
void committer_sign_off(struct committer *c);

#endif
