/*
 * commit_turns.c - sinks that are not ready, and batches that are not done with at once: what
 * they wait for, whose turn it is, and when they are given up.
 *
 * In a worker's delivery thread, part of the committer. Owns nothing. Must never wait: that is
 * worker/delivery.c's, in one place for all. Held by tests/worker/test_delivery.c and
 * tests/scenario/pipes.c.
 */
#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "worker/letters.h"
#include "worker/process.h"

enum { TURNS_LET_GO_MS = 500 };

/* A plain sink waits for a disk at the most. */
enum board_stage
committer_inside(const struct committer *c)
{
	return c->sink && c->sink->ops->user_code ? BOARD_SUBMIT : BOARD_WRITE;
}

static enum lts_err
open_stream(struct committer *c, struct track *track, struct buf *why_out)
{
	return c->sink->ops->open(c->sink, &track->lease->shard, track->position, &track->stream,
				  why_out);
}

/* An operator has sent the shard elsewhere: what the sink cannot go on from must not hold it. */
static enum lts_err
start_over(struct committer *c, struct track *track, struct buf *why_out)
{
	enum lts_err err = c->sink->ops->start_over(c->sink, &track->lease->shard,
						     &track->position);
	if (err)
		return err == LTS_SYNC ? err : LTS_BADDATA;
	log_warn(c->config.log, "the sink begins anew, as the shard was reset",
		 LOG_TEXT("shard", track->lease->shard.text), LOG_TEXT("text", why_out->data));
	buf_clear(why_out);
	track->safe = track->position;
	committer_mark_dirty(c, track, 0);
	return open_stream(c, track, why_out);
}

enum lts_err
committer_open_sink(struct committer *c, struct track *track, const struct lease_taken *taken,
		    struct buf *why_out)
{
	enum lts_err err = LTS_OK;
	board_enter(c->config.board, committer_inside(c), &track->lease->shard, &track->committed,
		    clock_boot_ms());
	if (c->sink && !track->stream)
		err = open_stream(c, track, why_out);
	if (err == LTS_BADDATA && taken->origin == LEASE_FROM_RESET && c->sink->ops->start_over)
		err = start_over(c, track, why_out);
	if (err == LTS_SYNC)
		committer_die(c, EXIT_SYNC_FAILED, "sink could not be synced");
	if (!err)
		err = letters_take(c, track, &taken->checkpoint, why_out);
	board_enter(c->config.board, BOARD_IDLE, NULL, NULL, clock_boot_ms());
	if (!err && c->processor)
		err = process_open(c, track, &taken->checkpoint, why_out);
	if (err == LTS_NOSPACE)
		process_free(c, track); /* opened again, in a while */
	return err;
}

bool
committer_has_turns(const struct committer_config *config)
{
	return processor_is_named(config->sink.spec) || strcmp(config->sink.spec, "stdout") == 0;
}

/* What the shards' batches go to; NULL: a processor. */
static struct sink *
plain_sink(const struct committer *c)
{
	return c->processor ? NULL : c->sink;
}

int
committer_fd(const struct committer *c, short *events_out)
{
	const struct sink *sink = plain_sink(c);
	*events_out = sink ? POLLOUT : POLLIN;
	if (sink)
		return sink->ops->fd ? sink->ops->fd(sink) : -1;
	return c->processor->ops->fd ? c->processor->ops->fd(c->processor) : -1;
}

int64_t
committer_turn_ms(const struct committer *c)
{
	const struct sink *sink = plain_sink(c);
	if (sink)
		return sink->ops->turn_ms ? sink->ops->turn_ms(sink) : INT64_MAX;
	return c->processor->ops->due_ms ? c->processor->ops->due_ms(c->processor) : INT64_MAX;
}

void
committer_turn(struct committer *c, int64_t now_ms)
{
	struct sink *sink = plain_sink(c);
	if (sink && sink->ops->turn)
		sink->ops->turn(sink);
	else if (!sink && c->processor->ops->turn)
		c->processor->ops->turn(c->processor, now_ms);
}

void
committer_flush(struct committer *c)
{
	if (c->processor && c->processor->ops->flush)
		c->processor->ops->flush(c->processor);
}

bool
committer_only_waits(const struct committer *c)
{
	return !c->processor;
}

int64_t
committer_moved_ms(const struct committer *c)
{
	const struct sink *sink = plain_sink(c);
	return sink && sink->ops->moved_ms ? sink->ops->moved_ms(sink) : 0;
}

int64_t
committer_let_go_ms(const struct committer *c)
{
	bool is_told = !c->processor || c->processor->ops->has_begun;
	return is_told ? c->config.process.let_go_ms : TURNS_LET_GO_MS;
}

void
committer_give_up(struct committer *c, struct lease *lease)
{
	const struct track *track = lease->delivery_side;
	const struct sink *sink = plain_sink(c);
	if (!track)
		return;
	if (sink && track->stream && sink->ops->give_up)
		sink->ops->give_up(track->stream);
	else if (!sink && track->process)
		process_give_up(c, lease->delivery_side);
}
