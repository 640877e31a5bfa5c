/*
 * letters.c - the file of a shard's dead letters.
 *
 * In a worker's delivery thread, part of the committer. Owns the sink of the letters and each
 * shard's stream of it. Must never let a commit name letters that are not durable, nor those of a
 * batch that is not taken. Held by tests/worker/test_commit_letters.c, test_process.c and the
 * kill scenarios.
 */
#include "worker/letters.h"

#include <stdlib.h>

#include "common/xalloc.h"

enum lts_err
letters_create(struct committer *c, struct buf *why_out)
{
	if (c->letters)
		return LTS_OK;
	char *spec = xasprintf("file:%s", c->config.process.deadletter_dir);
	struct sink_config config = { .spec = spec,
				      .instance = c->config.sink.instance,
				      .format = RECORD_LABELS };
	enum lts_err err = sink_create(&config, &c->letters, why_out);
	free(spec);
	return err;
}

static enum lts_err
check(struct committer *c, enum lts_err err)
{
	if (err == LTS_SYNC)
		committer_die(c, EXIT_SYNC_FAILED, "dead letters could not be synced");
	return err;
}

static enum lts_err
open_stream(struct committer *c, struct track *t, struct buf *why_out)
{
	enum lts_err err = letters_create(c, why_out);
	return err ? err
		   : check(c, c->letters->ops->open(c->letters, &t->lease->shard,
						    t->letters_position, &t->letters, why_out));
}

/* Before version 4 `position` was that of whatever file the sink had. */
static void
resume(const struct committer *c, struct track *t, const struct checkpoint_record *taken)
{
	struct sink_position next = { taken->position.segment + 1, 0 };
	if (taken->has_letters) {
		t->letters_position = taken->letters;
	} else if (c->processor) {
		t->letters_position = taken->position;
		t->position = t->safe = next;
	} else {
		t->letters_position = next;
	}
	t->letters_safe = t->letters_position;
}

enum lts_err
letters_take(struct committer *c, struct track *t, const struct checkpoint_record *taken,
	     struct buf *why_out)
{
	if (t->letters)
		return LTS_OK; /* once more, after LTS_NOSPACE */
	resume(c, t, taken);
	return c->processor || t->letters_position.offset ? open_stream(c, t, why_out) : LTS_OK;
}

enum lts_err
letters_put(struct committer *c, struct track *t, const struct record *lines, size_t n,
	    struct buf *why_out)
{
	enum lts_err err = t->letters ? LTS_OK : open_stream(c, t, why_out);
	return err ? err : check(c, c->letters->ops->submit(t->letters, lines, n, why_out));
}

void
letters_flush(struct committer *c, struct track *t, bool seal)
{
	if (t->letters && !t->held)
		(void)!check(c, c->letters->ops->flush(t->letters, seal, &t->letters_position));
}

enum lts_err
letters_committed(struct committer *c, struct track *t)
{
	return t->letters ? check(c, c->letters->ops->committed(t->letters)) : LTS_OK;
}

enum lts_err
letters_undo(struct committer *c, struct track *t, struct buf *why_out)
{
	letters_close(c, t);
	t->held = false;
	return open_stream(c, t, why_out);
}

enum lts_err
letters_fall_back(struct committer *c, struct track *t, struct buf *why_out)
{
	bool was_open = t->letters != NULL;
	letters_close(c, t);
	t->held = false;
	t->letters_position = t->letters_safe;
	return was_open ? open_stream(c, t, why_out) : LTS_OK;
}

void
letters_close(struct committer *c, struct track *t)
{
	if (t->letters)
		c->letters->ops->close(&t->letters);
}
