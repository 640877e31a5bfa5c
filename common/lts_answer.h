/*
 * lts_answer.h - from what HTTP brought to what the caller of lts_api is told.
 *
 * Pure. The payload lives in the caller's storage and backs the answer's pointers until
 * lts_payload_fini.
 */
#ifndef COMMON_LTS_ANSWER_H
#define COMMON_LTS_ANSWER_H

#include "common/credentials.h"
#include "common/http.h"
#include "common/lts_api.h"

struct lts_payload {
	struct shard_id *shards;
	struct lts_checkpoint *checkpoints;
};

/* `sent_with`: what must not show up in the answer's words. */
void lts_answer_read(enum lts_op op, const struct http_result *result,
		     const struct credentials *sent_with, struct lts_answer *answer_out,
		     struct lts_payload *payload_out);
void lts_payload_fini(struct lts_payload *payload);

#endif
