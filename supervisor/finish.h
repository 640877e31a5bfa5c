/*
 * finish.h - with an end_time: has the whole group reached it?
 */
#ifndef SUPERVISOR_FINISH_H
#define SUPERVISOR_FINISH_H

#include "common/lts_api.h"
#include "supervisor/lease_book.h"

struct finish;

struct finish *finish_create(struct lts_api *api, const struct lease_book *book,
			     void (*reached)(void *arg), void *arg);
/* After the client was destroyed. */
void finish_destroy(struct finish **finish);
/* Looks at every shard of the group that is not in our book: does its checkpoint stand at
 * its end cursor, or beyond (another host's end_time may be later)? Calls `reached` when
 * all do and the group has any shard at all. Does nothing while a look is under way, or
 * shortly after one. */
void finish_check(struct finish *finish, int64_t end_ns, int64_t now_ms);

#endif
