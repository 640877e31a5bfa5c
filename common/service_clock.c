/*
 * service_clock.c - makes one time of what many answers say.
 *
 * In the supervisor (the answers of the control plane) and the workers (those of the data
 * plane). Pure. Must never let a single answer move what is certain forward: a wrong one may
 * only make it later. Held by tests/common/test_service_clock.c.
 */
#include "common/service_clock.h"

#include <stdlib.h>

enum {
	KEPT_APART_MS = 1000, /* once there are enough */
	RECENT_MS = 60000,
	WATCH_LEAST_MS = 1400,
	WATCH_MOST_MS = 20000,
};

static const int64_t NS_PER_MS = 1000000;
/* A service without Date still refuses signatures that are a quarter of an hour off. */
static const int64_t SILENT_NS = 30000000000;

void
service_clock_init(struct service_clock *clock)
{
	*clock = (struct service_clock){ .told_ns = SERVICE_CLOCK_UNKNOWN };
}

static const struct service_witness *
witness(const struct service_clock *clock, unsigned age)
{
	return &clock->kept[(clock->heard - 1 - age) % SERVICE_CLOCK_KEPT];
}

/* The recent ones, and eight in any case: an answer may be rare. */
static unsigned
count_recent(const struct service_clock *clock)
{
	unsigned n = clock->heard < SERVICE_CLOCK_KEPT ? clock->heard : SERVICE_CLOCK_KEPT;
	unsigned recent = 0;
	while (recent < n &&
	       (recent < SERVICE_CLOCK_ENOUGH ||
		witness(clock, 0)->boot_ms - witness(clock, recent)->boot_ms <= RECENT_MS))
		recent++;
	return recent;
}

static void
begin_anew(struct service_clock *clock, int64_t boot_ms)
{
	clock->heard = clock->silent = 0;
	clock->since_ms = boot_ms;
}

static void
learn_silence(struct service_clock *clock, int64_t boot_ms)
{
	if (clock->heard || (clock->silent && boot_ms - clock->silent_ms < SERVICE_CLOCK_APART_MS))
		return;
	if (!clock->silent)
		clock->since_ms = boot_ms;
	clock->silent++;
	clock->silent_ms = boot_ms;
}

void
service_clock_learn(struct service_clock *clock, int64_t date_ns, int64_t boot_ms)
{
	if (date_ns <= 0) {
		learn_silence(clock, boot_ms);
		return;
	}
	if (!clock->heard)
		begin_anew(clock, boot_ms);
	int64_t ahead_ns = date_ns - boot_ms * NS_PER_MS;
	int64_t apart_ms =
		clock->heard < SERVICE_CLOCK_ENOUGH ? SERVICE_CLOCK_APART_MS : KEPT_APART_MS;
	if (!clock->heard || boot_ms - witness(clock, 0)->boot_ms >= apart_ms)
		clock->kept[clock->heard++ % SERVICE_CLOCK_KEPT] =
			(struct service_witness){ boot_ms, ahead_ns, ahead_ns, ahead_ns };
	struct service_witness *last = &clock->kept[(clock->heard - 1) % SERVICE_CLOCK_KEPT];
	last->least_ns = ahead_ns < last->least_ns ? ahead_ns : last->least_ns;
	last->most_ns = ahead_ns > last->most_ns ? ahead_ns : last->most_ns;
}

struct service_time
service_clock_look(const struct service_clock *clock)
{
	struct service_time out = { SERVICE_CLOCK_UNKNOWN, SERVICE_CLOCK_UNKNOWN };
	unsigned n = count_recent(clock);
	for (unsigned i = 0; i < n; i++) {
		const struct service_witness *w = witness(clock, i);
		out.least_ns = !i || w->least_ns < out.least_ns ? w->least_ns : out.least_ns;
		out.most_ns = w->most_ns > out.most_ns ? w->most_ns : out.most_ns;
	}
	return out;
}

int64_t
service_clock_most_ns(const struct service_clock *clock, int64_t boot_ms)
{
	int64_t most_ns = service_clock_look(clock).most_ns;
	int64_t told_ns = clock->told_ns;
	if (told_ns != SERVICE_CLOCK_UNKNOWN && clock->silent)
		told_ns += SILENT_NS;
	most_ns = told_ns > most_ns ? told_ns : most_ns;
	return most_ns == SERVICE_CLOCK_UNKNOWN ? 0 : boot_ms * NS_PER_MS + most_ns;
}

struct service_time
service_clock_all(const struct service_clock *clock, int64_t host_ahead_ns, bool host_too)
{
	struct service_time at = service_clock_look(clock);
	if (!clock->heard)
		return (struct service_time){ host_ahead_ns, host_ahead_ns };
	if (host_too && host_ahead_ns > at.most_ns)
		at.most_ns = host_ahead_ns;
	if (host_too && host_ahead_ns < at.least_ns)
		at.least_ns = host_ahead_ns;
	return at;
}

static bool
agrees(const struct service_witness *w, int64_t ahead_ns)
{
	return llabs(w->first_ns - ahead_ns) <= SERVICE_CLOCK_AGREE_NS;
}

/* How many of the last n agree with that, and what those say. */
static unsigned
ask_who_agrees(const struct service_clock *clock, unsigned n, int64_t ahead_ns,
	       struct service_time *out)
{
	unsigned count = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct service_witness *w = witness(clock, i);
		if (!agrees(w, ahead_ns))
			continue;
		out->least_ns = !count || w->first_ns < out->least_ns ? w->first_ns : out->least_ns;
		out->most_ns = !count || w->first_ns > out->most_ns ? w->first_ns : out->most_ns;
		count++;
	}
	return count;
}

/* By themselves they say `least_ns`; once they were watched for a while, and a third of them
 * agree with a clock that is not theirs, the others are wrong: two gateways may take turns. */
static int64_t
without_outliers(const struct service_clock *clock, int64_t least_ns, int64_t other_ns,
		 int64_t boot_ms)
{
	struct service_time said;
	unsigned n = count_recent(clock);
	if (boot_ms - clock->since_ms < WATCH_MOST_MS || clock->heard < SERVICE_CLOCK_ENOUGH ||
	    3 * ask_who_agrees(clock, n, other_ns, &said) < n)
		return least_ns;
	return said.least_ns < other_ns ? said.least_ns : other_ns;
}

int64_t
service_clock_certain(const struct service_clock *clock, int64_t host_ahead_ns, bool host_too,
		      int64_t boot_ms)
{
	int64_t watched_ms = boot_ms - clock->since_ms;
	struct service_time at = service_clock_all(clock, host_ahead_ns, host_too);
	if (clock->heard + clock->silent < SERVICE_CLOCK_ENOUGH || watched_ms < WATCH_LEAST_MS)
		return SERVICE_CLOCK_UNKNOWN;
	if (!clock->heard)
		return at.least_ns - SILENT_NS;
	if (at.most_ns - at.least_ns > SERVICE_CLOCK_AGREE_NS)
		at.least_ns = without_outliers(clock, at.least_ns, host_ahead_ns, boot_ms);
	else if (watched_ms * NS_PER_MS >= at.most_ns - at.least_ns)
		return at.least_ns;
	return watched_ms < WATCH_MOST_MS ? SERVICE_CLOCK_UNKNOWN : at.least_ns;
}

/* All but those that are alone with what they say: neither the host's clock nor another one
 * agrees. */
static struct service_time
without_loners(const struct service_clock *clock, unsigned n, int64_t host_ahead_ns)
{
	struct service_time out = service_clock_look(clock), said;
	bool any = false;
	for (unsigned i = 0; i < n; i++) {
		const struct service_witness *w = witness(clock, i);
		if (!agrees(w, host_ahead_ns) && ask_who_agrees(clock, n, w->first_ns, &said) < 2)
			continue;
		out.least_ns = !any || w->first_ns < out.least_ns ? w->first_ns : out.least_ns;
		out.most_ns = !any || w->first_ns > out.most_ns ? w->first_ns : out.most_ns;
		any = true;
	}
	return out;
}

bool
service_clock_agreed(const struct service_clock *clock, int64_t host_ahead_ns, int64_t boot_ms,
		     struct service_time *out)
{
	int64_t watched_ms = boot_ms - clock->since_ms;
	unsigned n = count_recent(clock);
	struct service_time said = service_clock_all(clock, host_ahead_ns, false);
	if (clock->heard + clock->silent < SERVICE_CLOCK_ENOUGH || watched_ms < WATCH_LEAST_MS)
		return false;
	if (said.most_ns - said.least_ns > SERVICE_CLOCK_AGREE_NS &&
	    3 * ask_who_agrees(clock, n, host_ahead_ns, &said) < n) {
		if (watched_ms < WATCH_MOST_MS)
			return false;
		said = without_loners(clock, n, host_ahead_ns);
	}
	*out = said;
	return true;
}

bool
service_clock_has_passed(const struct service_clock *clock, int64_t at_ns, int64_t boot_ms)
{
	int64_t ahead_ns = at_ns - boot_ms * NS_PER_MS;
	if (clock->told_ns == SERVICE_CLOCK_UNKNOWN || clock->told_ns < ahead_ns)
		return false;
	if (clock->heard + clock->silent < 2)
		return false;
	struct service_time said = service_clock_look(clock);
	return !clock->heard || said.least_ns >= ahead_ns ||
	       without_outliers(clock, said.least_ns, clock->told_ns, boot_ms) >= ahead_ns;
}
