/*
 * service_clock.h - what time it is at the service, as several answers' Date say, with our
 * own monotonic clock between them.
 *
 * Pure. One answer proves nothing: a Date may come from a gateway whose clock is off, or from
 * no clock at all. So each answer of the last minute is a witness, and so is the host's own
 * clock where it is asked for. Times are offsets ("ahead") of CLOCK_BOOTTIME. A value; copied
 * by assignment.
 */
#ifndef COMMON_SERVICE_CLOCK_H
#define COMMON_SERVICE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* How far the service's clock may be ahead of a Date: a whole second of Date, and one for the
 * way. */
#define SERVICE_CLOCK_SLACK_NS 2000000000LL
/* Clocks that differ by more disagree. */
#define SERVICE_CLOCK_AGREE_NS 60000000000LL
/* Not known. */
#define SERVICE_CLOCK_UNKNOWN INT64_MIN

enum {
	SERVICE_CLOCK_ENOUGH = 8,   /* witnesses, */
	SERVICE_CLOCK_APART_MS = 150, /* so far apart at least: what is closer counts as one */
	SERVICE_CLOCK_KEPT = 64,
};

/* The answers of a short time: what the first of them said, and the least and the most of all. */
struct service_witness {
	int64_t boot_ms; /* when the first came */
	int64_t first_ns, least_ns, most_ns;
};

struct service_clock {
	struct service_witness kept[SERVICE_CLOCK_KEPT]; /* a ring */
	unsigned heard;   /* witnesses so far */
	unsigned silent;  /* answers without a Date, as far apart, while nothing else was heard */
	int64_t since_ms; /* when the first answer came */
	int64_t silent_ms;
	int64_t told_ns; /* of another process: its service_clock_certain; or unknown */
};

struct service_time {
	int64_t least_ns, most_ns; /* ahead of CLOCK_BOOTTIME; unknown */
};

/* What is unknown is not 0. */
void service_clock_init(struct service_clock *clock);
/* The Date (nanoseconds since 1970; 0: there was none) of an answer received at boot_ms. */
void service_clock_learn(struct service_clock *clock, int64_t date_ns, int64_t boot_ms);
/* What the answers of the last minute say at the least and at the most. */
struct service_time service_clock_look(const struct service_clock *clock);
/* The service's clock shows about this, by whoever says the most; 0 while nothing is known. */
int64_t service_clock_most_ns(const struct service_clock *clock, int64_t boot_ms);

/*
 * What is certain: eight answers came, the clock was watched for as long as its witnesses differ
 * (1.4 s at the least, 20 s at the most), and this is what the one says that says the least.
 * After that those do not count that the host's clock and a third of them contradict.
 * host_too: the host's own clock is a witness, too. Without any Date it is the only one, and half a
 * minute is taken off. Unknown: not yet.
 */
int64_t service_clock_certain(const struct service_clock *clock, int64_t host_ahead_ns,
			      bool host_too, int64_t boot_ms);
/*
 * What `end` means: what all answers agree on, however wrong the host's clock is; or, where they do
 * not, those of them that agree with it, when a third does. Where neither is so for 20 s, all but
 * those that are alone with what they say: who wants to lose nothing takes the least for a start,
 * and the most for an end. False: not yet.
 */
bool service_clock_agreed(const struct service_clock *clock, int64_t host_ahead_ns, int64_t boot_ms,
			  struct service_time *out);
/* With the host's clock, where that is a witness: what is said at the least and at the most. */
struct service_time service_clock_all(const struct service_clock *clock, int64_t host_ahead_ns,
				      bool host_too);
/* Two answers of ours, some time apart, have passed `at_ns` by boot_ms, and so has what we were
 * told. Answers without a Date neither pass nor fail. */
bool service_clock_has_passed(const struct service_clock *clock, int64_t at_ns, int64_t boot_ms);

#endif
