/*
 * api_bed.h - an lts_api with its loop and a scripted far end, for the tests of it.
 */
#ifndef TESTS_SUPPORT_API_BED_H
#define TESTS_SUPPORT_API_BED_H

#include "common/lts_api.h"
#include "tests/support/raw_server.h"

#define API_BED_TOKEN "TOKEN-0123456789-abcdefghij"

enum { API_BED_CAP = 64 * 1024, N_OPS = LTS_OP_BATCH + 1 };

struct api_bed {
	struct ev_loop *loop;
	struct lts_api *api;
	struct raw_server *server;
};

struct api_outcome {
	size_t done;
	struct lts_answer answer; /* its pointers are over */
	struct buf body;          /* taken from the answer of a batch */
	char first_shard[64], first_cursor[64];
};

void api_bed_init(struct api_bed *bed);
void api_bed_fini(struct api_bed *bed);
/* An api towards that port of 127.0.0.1. */
void api_bed_create(struct api_bed *bed, unsigned port, int64_t heartbeat_timeout_ms);
/* A server with these replies and an api towards it. */
void api_bed_serve(struct api_bed *bed, const struct raw_reply *replies, size_t n);
/* One request of that kind, about shard 0, from cursor 5 to 9. */
struct lts_request *api_bed_begin(struct api_bed *bed, enum lts_op op, lts_api_done *done,
				  void *arg);
/* Fills an api_outcome. */
void api_bed_done(void *arg, struct lts_answer *answer);
/* Begins, and waits for the answer. */
void api_bed_ask(struct api_bed *bed, enum lts_op op, struct api_outcome *out);
enum lts_err api_bed_err(struct api_bed *bed, enum lts_op op);
struct api_outcome api_bed_asked(struct api_bed *bed, enum lts_op op,
				 const struct raw_reply *replies, size_t n);

#endif
