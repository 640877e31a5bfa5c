/*
 * metrics_shards.h - how far every shard of this host is, for people to see: of the lease book,
 * the workers' boards and the stored checkpoints, a row each.
 *
 * Pure; times are CLOCK_BOOTTIME milliseconds. At most so many rows as the book has entries
 * (4,096); what is only known of a worker's board (lag) there is for its first 1,024 shards.
 */
#ifndef SUPERVISOR_METRICS_SHARDS_H
#define SUPERVISOR_METRICS_SHARDS_H

#include "common/board.h"
#include "state/schema.h"
#include "supervisor/lease_book.h"

struct shard_row {
	struct shard_id shard;
	/* The book's. */
	const char *state;
	int32_t holder; /* -1: nobody */
	struct epoch epoch;
	bool finished, stuck, stalled;
	struct cursor published;
	int64_t published_ms;
	char why[200];
	/* Of the holder's board, or of its last holder's. */
	int64_t since_ms;     /* when the row was made */
	int64_t caught_up_ms; /* 0: never */
	int64_t progress_ms;  /* 0: never */
	int64_t record_ns;    /* 0: not known */
	uint32_t in_hand;
	bool at_tail, has_cell;
	/* The state's. */
	bool has_checkpoint;
	struct cursor committed;
	uint64_t records, bytes, dead_letters;
};

struct metrics_shards {
	struct shard_row *rows; /* by shard */
	size_t n;
};

void metrics_shards_fini(struct metrics_shards *shards);
/* The book's shards, those that are new and without those that have gone. */
void metrics_shards_take_book(struct metrics_shards *shards, const struct lease_book *book,
			      int64_t now_ms);
/* What this board says of shards under their present epochs. Before it is cleared, too. */
void metrics_shards_take_board(struct metrics_shards *shards, const struct board *board);
void metrics_shards_take_checkpoint(struct metrics_shards *shards,
				    const struct checkpoint_record *record);

/* How long ago the oldest record that is not delivered came in, as far as can be told, and never
 * too little by more than look_ms: the longest that an idle shard is not asked after. Records
 * that carry no time, and a shard that never was at its tail: since the row was made. */
int64_t shard_row_behind_ms(const struct shard_row *row, int64_t look_ms, int64_t now_ms,
			    int64_t wall_ns);
/* How long the service's checkpoint has been behind ours; -1: not known. */
int64_t shard_row_publish_age_ms(const struct shard_row *row, int64_t now_ms);

#endif
