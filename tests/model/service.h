/*
 * service.h - the service as the model sees it, and the requests that go to it.
 */
#ifndef TESTS_MODEL_SERVICE_H
#define TESTS_MODEL_SERVICE_H

#include "common/lts_api.h"
#include "tests/model/world.h"

enum { FIRST_RECORD = 1000 }; /* of every shard; a cursor is the next record's number */

enum request_kind {
	REQUEST_HEARTBEAT,
	REQUEST_READ,
	REQUEST_WRITE,
	REQUEST_CURSOR,
	REQUEST_BATCH,
};

struct lts_request {
	struct lts_request *next;
	struct process *process; /* NULL: nobody waits for it any more */
	int host;
	enum request_kind kind;
	int64_t sent_us, give_up_us;
	int64_t dead_us; /* when its connection died with its process; 0: it lives */
	bool answered;   /* in the process' loop */
	bool reply_lost;
	bool shows; /* in the process' loop: the first bytes of the answer */
	bool torn;  /* the answer comes whole, and is no JSON */
	lts_api_done *done;
	lts_api_part *part; /* NULL: nobody wants to see the first bytes */
	void *arg;
	struct consumer_name name;
	size_t n;
	struct lts_checkpoint list[SHARDS_MAX]; /* what is asked */
	struct cursor start, end;
	unsigned limit;
	struct lts_answer answer;
	struct shard_id shards[SHARDS_MAX]; /* what is answered */
	struct lts_checkpoint checkpoints[SHARDS_MAX];
	uint64_t from, to;
};

/* ---- service.c ---- */
void service_begin(int shards, int64_t timeout_ms);
void service_end(void);
/* Does what the request asks, and fills in the answer. */
void service_handle(struct lts_request *request);
/* Of the world's consumers: which host's it is. */
void service_note_name(const struct consumer_name *name, int host);
/* Which host's consumer the service takes for the shard's owner; -1: nobody's. */
int service_owner(int shard);
/* How often the shard has changed hands; and where its checkpoint stood when it last did
 * (0: none), and stands now. */
uint64_t service_period(int shard);
uint64_t service_granted_at(int shard);
uint64_t service_checkpoint(int shard);
/* The number of the next record to be written. */
uint64_t service_produced(int shard);
/* Its consumers differ by at most one shard, and every shard is somebody's. */
bool service_is_balanced(void);
/* A host is told to end: what lands behind its last look nobody can know of. */
void service_note_stop(int host);
void service_note_start(int host);
bool service_knows_of_a_stop(void); /* a host was told to end, and was not started again */
/* It wants the shard back, and gives it to somebody after that time. */
void service_withdraw(int shard, int64_t time_us);

/* ---- network.c ---- */
void network_begin(int64_t timeout_ms);
void network_end(void);
struct assigned {
	struct epoch epoch;
	uint64_t period; /* of the host's ownership at the service then; 0: it had none */
	bool seal_only;  /* to be closed: nobody asked where to go on */
};
/* A host's supervisor assigns a shard. */
void network_note_assign(int host, int shard, struct epoch epoch, bool seal_only);
/* The last assignment of the shard there. */
struct assigned network_assigned(int host, int shard);
/* No request of the host gets through until then; or each takes long, below. */
void network_cut_off(int host, int64_t until_us);
/* Only the supervisor's. */
void network_cut_control(int host, int64_t until_us);
void network_slow_down(int host, int64_t until_us);
/* Something went wrong there lately: what is promised of undisturbed hosts is not. */
void host_has_trouble(int host);
bool host_is_troubled(int host);
/* In its process: calls back with the answer, and frees the request. */
void request_finish(struct lts_request *request);
void requests_abandon(struct process *process);

#endif
