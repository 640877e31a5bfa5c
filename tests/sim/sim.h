/*
 * sim.h - lts-sim's world, and one request in it: what was read, what shall be answered.
 *
 * sim_serve is the service without its network: it takes a request and the time, and says
 * what to send and how badly. sim_server.c reads and sends.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdint.h>

#include "common/buf.h"
#include "common/lts_sign.h"
#include "tests/sim/sim_fault.h"
#include "tests/sim/sim_group.h"
#include "tests/sim/sim_moves.h"
#include "tests/sim/sim_options.h"
#include "tests/sim/sim_stream.h"
#include "tests/sim/sim_target.h"

enum { SIM_STATUS_MAX = 600, SIM_RESET = 0 /* counted where its status would be */ };

struct sim {
	const struct sim_options *options;
	struct sim_stream *stream;
	struct sim_group *group;
	struct sim_faults *faults;
	struct lts_sign *sign;
	uint64_t counts[SIM_KINDS][SIM_STATUS_MAX]; /* requests */
	uint64_t served_records, served_bytes, request_number;
	unsigned next_ingest_shard;
	uint64_t served_to[SIM_SHARDS_MAX]; /* one past the latest record served */
	struct sim_moves moves;             /* unplanned ones */
};

enum { SIM_LIST_MAX = 4 * SIM_SHARDS_MAX };

struct sim_time {
	int64_t mono_ms, wall_ns;
};

/* Headers are NULL when not sent. */
struct sim_request {
	const char *method;
	const char *target; /* as on the wire */
	const char *address; /* of ours, that it came to */
	const char *date, *authorization, *content_type, *content_encoding, *security_token;
	const char *body;
	size_t body_len;
};

struct sim_answer {
	enum sim_kind kind;
	int status;
	struct buf body;
	const char *content_type, *content_encoding; /* literals; the second may be NULL */
	char request_id[33];
	char retry_after[64]; /* "": none */
	char *location;       /* NULL: none */
	/* How to send it. */
	bool reset; /* not at all, but an RST */
	bool stall, has_truncate;
	int64_t latency_ms, truncate, bandwidth;
	bool no_date;
	int64_t date_s; /* so far ahead of the clock */
};

void sim_answer_init(struct sim_answer *answer);
void sim_answer_fini(struct sim_answer *answer);
/* Replaces the body. The gateway's shape for 401 and 429, the service's for all else. */
void sim_answer_error(struct sim_answer *answer, int status, const char *code,
		      const char *message);
void sim_answer_printf(struct sim_answer *answer, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The group's sim_group_lost; arg is the sim. */
void sim_on_lost(void *arg, unsigned shard, uint64_t from);

/* Fills an answer that was initialised. */
void sim_serve(struct sim *sim, const struct sim_request *request, struct sim_time now,
	       struct sim_answer *answer);

/* The parts of it, by file. Each answers the request whole. */
void sim_serve_group(struct sim *sim, const struct sim_request *request,
		     const struct sim_target *target, const struct sim_effect *effect,
		     struct sim_time now, struct sim_answer *answer);
/* Of whom a read or a write of checkpoints speaks; `among` has room for SIM_LIST_MAX. */
void sim_subject_of(const struct sim *sim, const struct sim_request *request,
		    const struct sim_target *target, struct sim_subject *subject,
		    unsigned *among);
void sim_serve_records(struct sim *sim, const struct sim_target *target,
		       const struct sim_effect *effect, struct sim_time now,
		       struct sim_answer *answer);
void sim_serve_ingest(struct sim *sim, const struct sim_request *request,
		      const struct sim_target *target, struct sim_time now,
		      struct sim_answer *answer);
void sim_serve_status(const struct sim *sim, struct sim_time now, struct sim_answer *answer);
void sim_serve_control(struct sim *sim, const struct sim_request *request,
		       const struct sim_target *target, struct sim_time now,
		       struct sim_answer *answer);

#endif
