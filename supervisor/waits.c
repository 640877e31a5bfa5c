/*
 * waits.c - what workers wait for, as their boards say.
 *
 * Runs on the supervisor's loop. Owns nothing. Must never kill for a wait, nor say one that a
 * worker which is gone had. Held by tests/scenario/exhausted.c.
 */
#include "supervisor/waits.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/board_wait.h"
#include "supervisor/control.h"
#include "supervisor/worker_pool.h"

enum { WAITS_SAY_MS = 1000 };

void
waits_each(const struct worker_pool *pool, int64_t now_ms, waits_call *call, void *arg)
{
	struct board_waits wait;
	for (uint32_t i = 0; i < worker_pool_count(pool); i++) {
		const struct board *board = worker_pool_board(pool, i);
		if (worker_pool_why(pool, i, &wait) && now_ms - wait.since_ms >= WAITS_SAY_MS)
			call(arg, i, wait.text, now_ms - wait.since_ms);
		for (int want = 0; worker_pool_pid(pool, i) && want < BOARD_WANTS; want++)
			if (board_waits_for(board, (enum board_want)want, &wait) &&
			    now_ms - wait.since_ms >= WAITS_SAY_MS)
				call(arg, i, wait.text, now_ms - wait.since_ms);
	}
}

struct longest {
	uint32_t worker;
	int64_t for_ms;
	char text[200];
};

static void
keep_longest(void *arg, uint32_t worker, const char *text, int64_t for_ms)
{
	struct longest *longest = arg;
	if (for_ms <= longest->for_ms)
		return;
	longest->worker = worker;
	longest->for_ms = for_ms;
	snprintf(longest->text, sizeof(longest->text), "%s", text);
}

bool
waits_are_none(const struct worker_pool *pool, int64_t now_ms, struct buf *why_out)
{
	struct longest longest = { 0 };
	waits_each(pool, now_ms, keep_longest, &longest);
	if (!longest.for_ms)
		return true;
	(void)!buf_printf(why_out, "worker %u waits for %" PRId64 " s: %s", longest.worker,
			  longest.for_ms / 1000, longest.text);
	return false;
}

static void
say(void *arg, uint32_t worker, const char *text, int64_t for_ms)
{
	struct control_peer *peer = arg;
	char who[240];
	cJSON *line = cJSON_CreateObject();
	snprintf(who, sizeof(who), "worker %u: %s", worker, text);
	cJSON_AddStringToObject(line, "waits", who);
	cJSON_AddNumberToObject(line, "ms", (double)for_ms);
	char *json = cJSON_PrintUnformatted(line);
	control_say(peer, json);
	cJSON_free(json);
	cJSON_Delete(line);
}

static void
say_unready(struct control_peer *peer, const char *why)
{
	cJSON *line = cJSON_CreateObject();
	cJSON_AddStringToObject(line, "unready", why);
	char *json = cJSON_PrintUnformatted(line);
	control_say(peer, json);
	cJSON_free(json);
	cJSON_Delete(line);
}

void
waits_tell(const struct worker_pool *pool, int64_t now_ms, const char *unready,
	   struct control_peer *peer)
{
	waits_each(pool, now_ms, say, peer);
	if (unready)
		say_unready(peer, unready);
	control_say(peer, "{\"done\":true}");
	control_end(peer);
}
