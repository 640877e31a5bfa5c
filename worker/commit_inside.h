/*
 * commit_inside.h - the committer's inside, for its own files: commit.c (takes, appends and
 * commits), process.c (the user's code between the records and their commit) and letters.c.
 */
#ifndef WORKER_COMMIT_INSIDE_H
#define WORKER_COMMIT_INSIDE_H

#include "common/handoff.h"
#include "state/checkpoint.h"
#include "state/worker_record.h"
#include "worker/commit.h"

/* What the delivery thread knows of a shard. */
struct track {
	struct track *next_dirty;
	struct lease *lease;
	struct sink_stream *stream; /* of a plain sink; NULL once closed */
	struct process *process;    /* with a processor only */
	bool dirty;                 /* in the committer's list */
	bool gone; /* no longer ours: it does not move; what is committed is sealed */
	struct cursor committed, reached;      /* reached: what the next commit may name... */
	uint64_t committed_done, reached_done; /* ...and so many records behind it */
	struct sink_position position;         /* of the last flush */
	struct sink_position safe;             /* of the last commit */
	struct asides asides;                  /* dead letters ahead of `reached` */
	struct sink_stream *letters; /* NULL: none yet, or closed */
	struct sink_position letters_position, letters_safe;
	bool held; /* dead letters that are not behind `reached`: no flush of them */
	uint64_t records, bytes; /* between committed and reached */
	uint64_t dead_letters;   /* between them */
	uint32_t attempts;       /* that failed behind them */
	struct cursor published; /* not yet stored; none: nothing new */
	bool gap;
	enum lease_state close;
	int64_t end_ns;
	int64_t close_ms; /* when its closing was asked for */
};

struct committer {
	struct committer_config config;
	struct store *store;
	struct sink *sink;           /* a plain one; NULL: a processor */
	struct processor *processor;
	struct sink *letters; /* NULL: not needed yet */
	struct track *processed; /* the shards that it has, by process->next */
	size_t n_put_off;        /* of them wait for the user's code, and say so */
	struct worker_record self;
	struct track *dirty;
	size_t n_dirty;
	int64_t due_ms;
	struct checkpoint_move *moves; /* room for n_dirty */
	size_t moves_cap;
};

/* The next commit holds this shard, at due_ms at the latest. */
void committer_mark_dirty(struct committer *c, struct track *track, int64_t due_ms);
/* The stage that its calls are. */
enum board_stage committer_inside(const struct committer *c);
/* For a lease that is taken; once more after LTS_NOSPACE. */
enum lts_err committer_open_sink(struct committer *c, struct track *track,
				 const struct lease_taken *taken,
				 struct buf *why_out) LTS_MUST_USE;
void committer_undirty(struct committer *c, struct track *track);
/* Of worker/commit_full.c. */
void committer_stop_without_room(struct committer *c, committer_report *report, void *arg);
void committer_die(struct committer *c, enum exit_code code, const char *what)
	__attribute__((noreturn));

#endif
