/*
 * reset.h - people send shards to another place, on a running agent.
 *
 * On the supervisor's loop. Finds out from the service which cursor the place is, has the book
 * carry it out, and says line by line how it went: common/handoff.h.
 */
#ifndef SUPERVISOR_RESET_H
#define SUPERVISOR_RESET_H

#include "common/log.h"
#include "common/lts_api.h"
#include "supervisor/control.h"
#include "supervisor/lease_book.h"

struct cJSON;
struct reset;

struct reset_config { /* pointers are borrowed for its life */
	struct log *log;
	struct lts_api *api;
	struct lease_book *book;
	/* What is committed of a shard; LTS_NOTFOUND. */
	enum lts_err (*committed)(void *arg, const struct shard_id *shard,
				  struct checkpoint_record *out);
	void *arg;
};

struct reset *reset_create(const struct reset_config *config);
/* Before the client and the control socket. NULL-safe. */
void reset_destroy(struct reset **reset);

/* The control socket's events; what is not understood, NULL too, is refused. */
void reset_on_request(struct reset *reset, struct control_peer *peer, const struct cJSON *line);
void reset_on_gone(struct reset *reset, struct control_peer *peer);
/* The book's was_reset; must not call the book. */
void reset_on_done(struct reset *reset, const struct shard_id *shard, enum lts_err err);

#endif
