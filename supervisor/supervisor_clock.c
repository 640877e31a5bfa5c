/*
 * supervisor_clock.c - what time it is, where the end of a run depends on it.
 *
 * Runs on the supervisor's loop. Owns nothing. The answers of the control plane and the host's own
 * clock are the witnesses; the workers add those of the data plane. Must never let one of them
 * alone end a run. Held by tests/scenario/end_times.c.
 */
#include "supervisor/supervisor_inside.h"

#include <stdio.h>

#include "common/clock.h"

static const char disagree[] =
	"the clocks disagree: nothing ends before each of them, and this host's, has passed "
	"end_time";
static const char silent[] =
	"the service's answers have no Date: nothing ends before this host's clock is half a "
	"minute past end_time";
static const char unclear[] =
	"what `end` means is not clear: the service's answers disagree about the time";

/* An `end` that was resolved by the service's clock ends by it, however wrong the host's is. */
static bool
host_counts(const struct supervisor *s)
{
	return s->options->end_time.kind == TIME_AT;
}

int64_t
supervisor_certain_ahead_ns(const struct supervisor *s, int64_t now_ms)
{
	if (s->options->end_time.kind == TIME_NONE)
		return SERVICE_CLOCK_UNKNOWN;
	return service_clock_certain(group_clock(s->group), clock_host_ahead_ns(now_ms),
				     host_counts(s), now_ms);
}

static bool
has_passed(const struct supervisor *s, int64_t ahead_ns, int64_t now_ms)
{
	return s->end_ns && ahead_ns != SERVICE_CLOCK_UNKNOWN &&
	       ahead_ns >= s->end_ns - now_ms * 1000000;
}

bool
supervisor_has_passed_end(const struct supervisor *s, int64_t now_ms)
{
	return has_passed(s, supervisor_certain_ahead_ns(s, now_ms), now_ms);
}

static const char *
why_it_waits(const struct supervisor *s, const struct service_time *all, int64_t now_ms)
{
	const struct service_clock *clock = group_clock(s->group);
	bool apart = all->most_ns - all->least_ns > SERVICE_CLOCK_AGREE_NS;
	if (!clock->heard && !clock->silent)
		return NULL; /* no answer at all yet */
	if (!s->joined)
		return apart && clock->heard >= SERVICE_CLOCK_ENOUGH ? unclear : NULL;
	if (!has_passed(s, all->most_ns, now_ms) || supervisor_has_passed_end(s, now_ms))
		return NULL;
	if (!clock->heard)
		return silent;
	return apart ? disagree : NULL;
}

/* Who is off by how much, against the only clock that an operator can look at. */
static void
describe(struct supervisor *s, const char *why, int64_t host_ns)
{
	struct service_time said = service_clock_look(group_clock(s->group));
	if (said.least_ns == SERVICE_CLOCK_UNKNOWN) {
		snprintf(s->clock_text, sizeof(s->clock_text), "%s", why);
		return;
	}
	long long least = (long long)((said.least_ns - host_ns) / 1000000000),
		  most = (long long)((said.most_ns - host_ns) / 1000000000);
	if (least == most)
		snprintf(s->clock_text, sizeof(s->clock_text),
			 "%s; the answers are %+lld s from this host's clock", why, least);
	else
		snprintf(s->clock_text, sizeof(s->clock_text),
			 "%s; the answers are %+lld s to %+lld s from this host's clock", why,
			 least, most);
}

void
supervisor_watch_clock(struct supervisor *s, int64_t now_ms)
{
	int64_t base_ns = now_ms * 1000000, host_ns = clock_host_ahead_ns(now_ms);
	struct service_time all =
		service_clock_all(group_clock(s->group), host_ns, host_counts(s));
	const char *why = why_it_waits(s, &all, now_ms);
	bool certain = supervisor_certain_ahead_ns(s, now_ms) != SERVICE_CLOCK_UNKNOWN;
	if (certain && !s->clock_is_certain && s->end_ns)
		group_begin_round(s->group); /* each worker hears it with its renewal */
	s->clock_is_certain = certain;
	if (why && why != s->clock_said)
		log_warn(s->log, "waiting for the clocks", LOG_TEXT("reason", why),
			 LOG_INT("least_ns", all.least_ns + base_ns),
			 LOG_INT("most_ns", all.most_ns + base_ns),
			 LOG_INT("host_ns", host_ns + base_ns), LOG_INT("end_ns", s->end_ns));
	if (why)
		describe(s, why, host_ns);
	s->clock_why = why ? s->clock_text : NULL;
	s->clock_said = why ? why : s->clock_said;
}
