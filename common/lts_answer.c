/*
 * lts_answer.c - one HTTP result becomes one answer: the verdict, the words, the payload.
 *
 * In the supervisor and the workers. Owns the parsed lists until lts_payload_fini. Must
 * never call a checkpoint write failed that may have been stored (that is UNKNOWN), and
 * never pass on words in which the far end repeats our credentials. Held by
 * tests/common/test_lts_api.c.
 */
#include "common/lts_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So much of a secret in a row is no coincidence. */
enum { TELLTALE = 16 };

static enum lts_err
verdict(enum lts_op op, const struct http_result *result, const char *code)
{
	enum lts_err by_status = lts_wire_code_err(op, result->status, code);
	if (!result->err)
		return by_status;
	/* The status has said it all, however long the page that came with it. */
	if (result->err == LTS_TOOBIG && by_status)
		return by_status;
	if (op == LTS_OP_WRITE_CHECKPOINTS && result->reached)
		return LTS_UNKNOWN;
	return result->err;
}

static enum lts_err
read_payload(enum lts_op op, struct buf *body, struct lts_answer *answer,
	     struct lts_payload *payload)
{
	enum lts_err err = LTS_BADDATA;
	switch (op) {
	case LTS_OP_HEARTBEAT:
		err = lts_wire_parse_shards(body, &payload->shards, &answer->n_shards,
					    &answer->odd);
		answer->shards = payload->shards;
		break;
	case LTS_OP_READ_CHECKPOINTS:
		err = lts_wire_parse_checkpoints(body, &payload->checkpoints,
						 &answer->n_checkpoints, &answer->odd);
		answer->checkpoints = payload->checkpoints;
		break;
	case LTS_OP_WRITE_CHECKPOINTS:
		/* It may have been stored: only what is read back counts. */
		err = lts_wire_parse_written(body) ? LTS_UNKNOWN : LTS_OK;
		break;
	case LTS_OP_CURSOR:
		err = lts_wire_parse_cursor(body, &answer->cursor);
		break;
	case LTS_OP_BATCH:
		err = body->len ? LTS_OK : LTS_BADDATA;
		answer->body = err ? NULL : body;
		break;
	}
	return err;
}

static bool
repeats(const char *text, const char *secret)
{
	char start[TELLTALE + 1];
	if (!secret[0])
		return false;
	lts_wire_put_printable(start, sizeof(start), secret);
	return strstr(text, start) != NULL;
}

static void
withhold_secrets(struct lts_answer *answer, const struct credentials *sent_with)
{
	if (repeats(answer->message, sent_with->token) || repeats(answer->message, sent_with->sk))
		snprintf(answer->message, sizeof(answer->message),
			 "(withheld: it repeats our credentials)");
	if (repeats(answer->code, sent_with->token) || repeats(answer->code, sent_with->sk))
		answer->code[0] = '\0';
	if (repeats(answer->request_id, sent_with->token) ||
	    repeats(answer->request_id, sent_with->sk))
		answer->request_id[0] = '\0';
	if (repeats(answer->odd.first, sent_with->token) ||
	    repeats(answer->odd.first, sent_with->sk))
		answer->odd.first[0] = '\0';
}

/* Of a failure; the service's words come before the network's. */
static void
read_words(const struct http_result *result, struct lts_answer *answer)
{
	if (!result->err && result->body->len)
		lts_wire_parse_error(result->body, answer->code, sizeof(answer->code),
				     answer->message, sizeof(answer->message));
	if (result->err)
		lts_wire_put_printable(answer->message, sizeof(answer->message), result->error);
	else if (!answer->message[0] && !lts_wire_status_err(LTS_OP_BATCH, result->status))
		snprintf(answer->message, sizeof(answer->message),
			 "the answer's body is not of the expected shape");
	if (!answer->message[0])
		snprintf(answer->message, sizeof(answer->message), "HTTP status %d",
			 result->status);
}

void
lts_answer_read(enum lts_op op, const struct http_result *result,
		const struct credentials *sent_with, struct lts_answer *answer_out,
		struct lts_payload *payload_out)
{
	*payload_out = (struct lts_payload){ .shards = NULL };
	*answer_out = (struct lts_answer){
		.status = result->status,
		.retry_after_ms = result->retry_after_ms,
		.service_time_ns = result->date_ns,
		.body_size = result->body_size,
	};
	lts_wire_put_printable(answer_out->request_id, sizeof(answer_out->request_id),
			       result->request_id);
	if (result->err || lts_wire_status_err(op, result->status)) {
		read_words(result, answer_out);
		answer_out->err = verdict(op, result, answer_out->code);
	} else {
		answer_out->err = read_payload(op, result->body, answer_out, payload_out);
		if (answer_out->err)
			read_words(result, answer_out);
	}
	withhold_secrets(answer_out, sent_with);
}

void
lts_payload_fini(struct lts_payload *payload)
{
	free(payload->shards);
	free(payload->checkpoints);
	*payload = (struct lts_payload){ .shards = NULL };
}
