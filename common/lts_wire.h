/*
 * lts_wire.h - the service's five requests as text, and its answers as values.
 *
 * Pure: no clock, no network. Facts: Huawei's SDK and documentation as collected in the
 * protocol section of README; where they leave things open the reading is liberal, but a
 * wrong shape is refused.
 */
#ifndef COMMON_LTS_WIRE_H
#define COMMON_LTS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/lts_sign.h"

enum lts_op {
	LTS_OP_HEARTBEAT,
	LTS_OP_READ_CHECKPOINTS,
	LTS_OP_WRITE_CHECKPOINTS,
	LTS_OP_CURSOR,
	LTS_OP_BATCH,
};

enum {
	LTS_WIRE_SHARDS_MAX = 4096,
	LTS_WIRE_CHECKPOINTS_MAX = 4096,
	LTS_WIRE_CONTROL_BYTES =
		2 * 1024 * 1024,          /* an answer other than a batch; a request's body */
	LTS_WIRE_ERROR_BYTES = 64 * 1024, /* an error body that is looked into */
	LTS_WIRE_VALUE_SIZE = 128,
};

struct lts_checkpoint {
	struct shard_id shard;
	struct cursor cursor;        /* "" when the service has the shard but no position */
	struct consumer_name writer; /* "" when the service did not say, or not readably */
	bool unreadable; /* the service has a position, of a form that cannot be read */
};

/* What a list holds and cannot be read: it spoils only itself. */
struct lts_odd {
	size_t count;   /* of entries left out, and of positions */
	bool nameless;  /* one of them may be of any shard: nobody is known to be missing */
	char first[96]; /* of them, printable, cut to fit */
};

struct lts_place { /* of whom all requests speak; outlives them */
	const char *project_id, *group_id, *stream_id, *consumer_group;
};

/* Path and query decoded, as lts_sign takes them. Points into itself: not to be copied.
 */
struct lts_wire_request {
	enum lts_op op;
	const char *method;
	const char *segments[10];
	size_t n_segments;
	struct lts_sign_pair query[4];
	size_t n_query;
	struct buf body;
	char values[4][LTS_WIRE_VALUE_SIZE];
	size_t n_values;
};

/* Each fills the whole of `out`; lts_wire_fini frees it. Lists above the ceilings abort.
 */
void lts_wire_heartbeat(struct lts_wire_request *out, const struct lts_place *place,
			const struct consumer_name *consumer, const struct shard_id *held,
			size_t n);
/* shard NULL: all. */
void lts_wire_read_checkpoints(struct lts_wire_request *out, const struct lts_place *place,
			       const struct shard_id *shard);
void lts_wire_write_checkpoints(struct lts_wire_request *out, const struct lts_place *place,
				const struct consumer_name *consumer,
				const struct lts_checkpoint *list, size_t n);
void lts_wire_cursor(struct lts_wire_request *out, const struct lts_place *place,
		     const struct shard_id *shard, const char *from);
/* end NULL: none. */
void lts_wire_batch(struct lts_wire_request *out, const struct lts_place *place,
		    const struct shard_id *shard, unsigned limit, const struct cursor *start,
		    const struct cursor *end);
void lts_wire_fini(struct lts_wire_request *request);

/* What a status means to the caller; LTS_OK for 200..299. */
enum lts_err lts_wire_status_err(enum lts_op op, int status);
/* The same with the error's code, which says more than a 4xx: some come with several. "": none. */
enum lts_err lts_wire_code_err(enum lts_op op, int status, const char *code);

/* Bodies of a 2xx. LTS_BADDATA: not JSON, not of the expected shape, above the ceilings, or nothing
 * of it can be read. `null` is an empty list. An entry that cannot be read is left out. Lists are
 * freed by the caller; a shard named twice stands once, with what was said last (as in the SDK). */
enum lts_err lts_wire_parse_shards(const struct buf *body, struct shard_id **list_out,
				   size_t *n_out, struct lts_odd *odd_out) LTS_MUST_USE;
enum lts_err lts_wire_parse_checkpoints(const struct buf *body, struct lts_checkpoint **list_out,
					size_t *n_out, struct lts_odd *odd_out) LTS_MUST_USE;
enum lts_err lts_wire_parse_cursor(const struct buf *body,
				   struct cursor *cursor_out) LTS_MUST_USE;
/* The SDK does not read this answer: any JSON that names no error, or nothing, will do. */
enum lts_err lts_wire_parse_written(const struct buf *body) LTS_MUST_USE;

/* Code and words of an error body, in any of the shapes seen; "" where there are none. */
void lts_wire_parse_error(const struct buf *body, char *code_out, size_t code_size,
			  char *message_out, size_t message_size);
/* Copies as printable ASCII, cut to fit. NULL is "". */
void lts_wire_put_printable(char *to, size_t size, const char *text);

#endif
