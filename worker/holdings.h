/*
 * holdings.h - the shards that this worker holds: each machine with its watchers, and the
 * budget they share.
 *
 * Runs on the worker's loop. Translates: commands and completions into the machines'
 * events, the machines' wishes into requests, orders and messages.
 */
#ifndef WORKER_HOLDINGS_H
#define WORKER_HOLDINGS_H

#include "common/log.h"
#include "common/stage_clock.h"
#include "worker/delivery.h"
#include "worker/fetch.h"

struct ev_loop;
struct holdings;

struct holdings_config { /* pointers are borrowed for the holdings' life */
	struct ev_loop *loop;
	struct log *log;
	struct lts_api *api;
	struct board *board;
	struct delivery *delivery;
	struct shard_config shard; /* its clock and pace are filled in */
	size_t budget_bytes;
	uint32_t slot;
	struct stage_limits limits;
	/* A message to the supervisor; no shard is left; this worker must start again. */
	void (*send)(void *arg, const struct message *message);
	void (*empty)(void *arg);
	void (*restart)(void *arg);
	void *arg;
};

struct holdings *holdings_create(const struct holdings_config *config);
/* Less at a time: a quarter of the budget and of the records for each step. */
void holdings_set_thrift(struct holdings *holdings, unsigned thrift);
void holdings_destroy(struct holdings **holdings);

void holdings_assign(struct holdings *h, const struct message_assign *assign);
void holdings_revoke(struct holdings *h, struct epoch epoch);
void holdings_renew(struct holdings *h, const struct message_renew *renew);
void holdings_published(struct holdings *h, const struct message_lease *published);
/* What waits after an error asks again now: there are other credentials. */
void holdings_try_again(struct holdings *h);
/* Lets go of every shard; `empty` is called when the last is gone, at once if there is
 * none. */
void holdings_drain(struct holdings *h);
/* A completion that names a lease. */
void holdings_on_done(struct holdings *h, struct delivery_done *done);
/* Lets go of what is past its deadline. False: the delivery thread is still inside a
 * submit of such a shard, so the process must end. */
bool holdings_check_deadlines(struct holdings *h, int64_t now_ms);
/* Names every shard that has waited for the same thing for too long, and does something
 * about it. */
void holdings_watch(struct holdings *h, int64_t now_ms);
size_t holdings_count(const struct holdings *h);

#endif
