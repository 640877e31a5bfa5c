/*
 * tell_behind.c - a line on the control socket for each shard: its lag, or where the service
 * stands with it, as we last heard; or what is waited for.
 *
 * Runs on the supervisor's loop. Owns nothing. Must never touch a shard: it only tells. Held by
 * tests/scenario/watch.c and doubts.c.
 */
#include "supervisor/tell_behind.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/ids.h"
#include "supervisor/control.h"
#include "supervisor/lease_book.h"
#include "supervisor/metrics.h"
#include "supervisor/waits.h"

static void
say(void *arg, const struct shard_id *shard, int64_t behind_ms)
{
	char text[sizeof(shard->text) + 64]; /* an id has nothing that JSON would escape */
	snprintf(text, sizeof(text), "{\"shard\":\"%s\",\"behind_ms\":%" PRId64 "}", shard->text,
		 behind_ms);
	control_say(arg, text);
}

void
tell_behind(struct metrics *metrics, struct control_peer *peer)
{
	metrics_each_behind(metrics, say, peer);
	control_say(peer, "{\"done\":true}");
	control_end(peer);
}

void
tell_heard(const struct lease_book *book, int64_t now_ms, struct control_peer *peer)
{
	struct book_shard at;
	char text[sizeof(at.shard.text) + sizeof(at.published.text) + 64];
	for (size_t i = 0; i < lease_book_count(book); i++) {
		lease_book_get(book, i, &at);
		if (!at.published_ms)
			continue;
		snprintf(text, sizeof(text),
			 "{\"shard\":\"%s\",\"published\":\"%s\",\"ms_ago\":%" PRId64 "}",
			 at.shard.text, at.published.text, now_ms - at.published_ms);
		control_say(peer, text);
	}
	control_say(peer, "{\"done\":true}");
	control_end(peer);
}

void
tell_waits(struct metrics *metrics, const struct worker_pool *pool, int64_t now_ms,
	   struct control_peer *peer)
{
	struct buf why;
	buf_init(&why, 0);
	bool ready = metrics_ready(metrics, &why);
	waits_tell(pool, now_ms, ready ? NULL : why.data, peer);
	buf_fini(&why);
}
