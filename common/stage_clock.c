/*
 * stage_clock.c - the deadlines of all stages, and the steps behind them.
 *
 * In the supervisor and the workers. Pure. Must never call idle what waits, nor let a step
 * that loses or repeats records follow: a restarted worker goes on from what is committed.
 * Held by tests/common/test_stage_clock.c.
 */
#include "common/stage_clock.h"

enum {
	STAGE_UNSEEN_MS = 5000, /* nobody looked for longer than that: it does not count */
	STAGE_QUIET_MAX_MS = 3600 * 1000,
};

enum limit { LIMIT_PROCESS, LIMIT_HEARTBEAT, LIMIT_REQUEST };

static const struct {
	const char *name;
	enum limit limit;
	enum stage_step first, then;
} rules[STAGES] = {
	[STAGE_IDLE] = { "idle", LIMIT_PROCESS, STEP_SAY, STEP_SAY },
	[STAGE_CURSOR] = { "cursor", LIMIT_REQUEST, STEP_REFETCH, STEP_RESTART },
	[STAGE_BATCH] = { "batch", LIMIT_REQUEST, STEP_REFETCH, STEP_RESTART },
	[STAGE_ERRORS] = { "errors", LIMIT_HEARTBEAT, STEP_SAY, STEP_SAY },
	[STAGE_ROOM] = { "room", LIMIT_PROCESS, STEP_SAY, STEP_RESTART },
	[STAGE_QUEUE] = { "queue", LIMIT_PROCESS, STEP_SAY, STEP_RESTART },
	[STAGE_LOCK] = { "lock", LIMIT_HEARTBEAT, STEP_SAY, STEP_SAY },
	[STAGE_PARKED] = { "parked", LIMIT_HEARTBEAT, STEP_SAY, STEP_SAY },
	[STAGE_COMMIT] = { "commit", LIMIT_HEARTBEAT, STEP_SAY, STEP_SAY },
	[STAGE_CLOSE] = { "close", LIMIT_PROCESS, STEP_SAY, STEP_SAY },
	[STAGE_ASK] = { "ask", LIMIT_HEARTBEAT, STEP_SAY, STEP_SAY },
	[STAGE_UNHELD] = { "unheld", LIMIT_HEARTBEAT, STEP_SAY, STEP_SAY },
	[STAGE_ASSIGN] = { "assign", LIMIT_PROCESS, STEP_SAY, STEP_SAY },
	[STAGE_REVOKE] = { "revoke", LIMIT_PROCESS, STEP_SAY, STEP_RESTART },
	[STAGE_PUBLISH] = { "publish", LIMIT_HEARTBEAT, STEP_SAY, STEP_SAY },
};

const char *
stage_name(enum stage stage)
{
	return rules[stage].name;
}

const char *
stage_step_name(enum stage_step step)
{
	static const char *const names[] = {
		[STEP_SAY] = "waiting on",
		[STEP_REFETCH] = "asking again",
		[STEP_RESTART] = "restarting the worker",
	};
	return names[step];
}

static int64_t
deadline_ms(enum stage stage, const struct stage_limits *limits)
{
	switch (rules[stage].limit) {
	case LIMIT_PROCESS:
		return limits->process_ms;
	case LIMIT_HEARTBEAT:
		return limits->heartbeat_ms;
	default:
		return limits->request_ms;
	}
}

static void
enter(struct stage_clock *c, enum stage stage, uint64_t token, const struct stage_limits *limits,
      int64_t now_ms)
{
	*c = (struct stage_clock){ .stage = stage,
				   .token = token,
				   .since_ms = now_ms,
				   .looked_ms = now_ms,
				   .next_ms = now_ms + deadline_ms(stage, limits) };
}

/* After the n-th time it is quiet for 2^n deadlines. */
static int64_t
quiet_ms(const struct stage_clock *c, const struct stage_limits *limits)
{
	int64_t ms = deadline_ms(c->stage, limits), most = ms;
	if (most < STAGE_QUIET_MAX_MS)
		most = STAGE_QUIET_MAX_MS;
	for (unsigned n = 0; n < c->said && ms < most; n++)
		ms *= 2;
	return ms < most ? ms : most;
}

bool
stage_clock_look(struct stage_clock *c, enum stage stage, uint64_t token,
		 const struct stage_limits *limits, int64_t now_ms, struct stage_news *news_out)
{
	int64_t unseen_ms = now_ms - c->looked_ms;
	c->looked_ms = now_ms;
	if (stage != c->stage || token != c->token) {
		bool said = c->said > 0;
		if (said)
			*news_out = (struct stage_news){ .goes_on = true,
							 .stage = c->stage,
							 .for_ms = now_ms - c->since_ms };
		enter(c, stage, token, limits, now_ms);
		return said;
	}
	if (unseen_ms > STAGE_UNSEEN_MS) {
		c->since_ms += unseen_ms;
		c->next_ms += unseen_ms;
	}
	if (stage == STAGE_IDLE || now_ms < c->next_ms)
		return false;
	*news_out = (struct stage_news){ .stage = stage,
					 .step = c->said ? rules[stage].then : rules[stage].first,
					 .for_ms = now_ms - c->since_ms };
	c->said++;
	c->next_ms = now_ms + quiet_ms(c, limits);
	return true;
}
