/*
 * group.h - the consumer-group protocol: heartbeats for every consumer, checkpoints read
 * and written.
 *
 * Runs on the supervisor's loop. Carries the lease book's wishes to the service and the
 * answers back; what to do about a shard is the book's.
 */
#ifndef SUPERVISOR_GROUP_H
#define SUPERVISOR_GROUP_H

#include "common/log.h"
#include "common/lts_api.h"
#include "common/service_clock.h"
#include "state/names.h"
#include "supervisor/lease_book.h"

struct ev_loop;
struct group;

/* What a refusal of the keys may come from, for people. */
#define GROUP_DENIED_CAUSES                                                                 \
	"ak or sk is wrong, of another account or no longer valid, a temporary key is without " \
	"its security_token, the user lacks the permission, option 'region' is not the "        \
	"stream's, or this host's clock is off by more than 15 minutes"

enum group_request { GROUP_HEARTBEAT, GROUP_READ, GROUP_WRITE, GROUP_REQUESTS };

struct group_stats {
	uint64_t failures[GROUP_REQUESTS][LTS_SYS + 1]; /* by enum lts_err */
	/* Of the last heartbeat that failed; for people. */
	enum lts_err err;
	int status;
	char text[256];
};

struct group_events {
	/* An answer came, and is about to be looked at. False: what time it is at the service is
	 * not clear yet; asked again at the next answer. */
	bool (*joined)(void *arg, const struct service_clock *clock);
	/* 401 or 403: the credentials may have changed. */
	void (*denied)(void *arg);
};

struct group_config { /* pointers are borrowed for the group's life */
	struct ev_loop *loop;
	struct log *log;
	struct lts_api *api;
	struct lease_book *book;
	const struct identity_record *identity;
	uint32_t consumers;
	int64_t interval_ms, timeout_ms;
	bool asks_the_time; /* the first heartbeats come sooner: eight answers tell it */
	const struct group_events *events;
	void *arg;
};

struct group *group_create(const struct group_config *config);
void group_destroy(struct group **group);

/* A shard that consumer `home` held when the state was last written: its first heartbeat
 * lists it. Above what a heartbeat may list: forgotten. */
void group_remember(struct group *group, uint32_t home, const struct shard_id *shard);
void group_start(struct group *group);
/* More consumers, from now on. There is no way to have fewer: the protocol knows no leave. */
void group_grow(struct group *group, uint32_t consumers);
/* Consumers that wait after a failure beat now: there are other credentials. */
void group_try_again(struct group *group);
void group_set_interval(struct group *group, int64_t interval_ms);
/* Falls silent, or goes on: a host must not hold what it cannot serve. */
void group_pause(struct group *group, bool pause);

/* Every consumer has had an answered heartbeat. */
bool group_all_answered(const struct group *group);
/* Every consumer heartbeats now... */
void group_begin_round(struct group *group);
/* ...and each was answered to one that it sent after `since_ms`. */
bool group_all_heard_since(const struct group *group, int64_t since_ms);
/* When the last heartbeat of that consumer that was answered had been sent; 0: none was. */
int64_t group_heard_ms(const struct group *group, uint32_t consumer);
/* NULL; or, while the service refuses a heartbeat for what only people can mend, a line that names
 * every cause. Static text. */
const char *group_refusal(const struct group *group);
const struct group_stats *group_stats(const struct group *group);
const struct service_clock *group_clock(const struct group *group);

/* The book's operations that need the service. */
/* Consumer `home` has given a shard back: it says so at once, and then all of ours ask.
 */
void group_hurry(struct group *group, uint32_t home);
void group_ask_service(struct group *group, const struct shard_id *shard, uint64_t question,
		       bool again);
void group_publish(struct group *group, uint32_t home, const struct shard_id *shards,
		   const struct cursor *cursors, size_t n);

#endif
