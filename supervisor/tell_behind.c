/*
 * tell_behind.c - a line on the control socket for each shard's lag.
 *
 * Runs on the supervisor's loop. Owns nothing. Must never touch a shard: it only tells. Held by
 * tests/scenario/watch.c.
 */
#include "supervisor/tell_behind.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/ids.h"
#include "supervisor/control.h"
#include "supervisor/metrics.h"

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
