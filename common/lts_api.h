/*
 * lts_api.h - the five requests of the service, signed, sent, checked and parsed.
 *
 * Runs on the loop of the supervisor (heartbeat, checkpoints, cursor) and of the workers
 * (cursor, batch). Does one try, except that it learns the clock skew from `Date` and
 * sends once more; every other retry is the caller's policy, told by answer->err. On
 * DENIED the caller loads credentials anew and sets them: the next request uses them. The
 * process must ignore SIGPIPE. Facts: Huawei's SDK and documentation as collected in the
 * protocol section of README.
 */
#ifndef COMMON_LTS_API_H
#define COMMON_LTS_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/credentials.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/lts_wire.h"

/* The longest that one try takes. */
enum { LTS_API_BATCH_TIMEOUT_MS = 60 * 1000 };

struct ev_loop;
struct options;
struct lts_api;
struct lts_request;

struct lts_api_config {  /* borrowed only during lts_api_create */
	const char *url; /* scheme://host:port */
	const char *region, *project_id, *group_id, *stream_id, *consumer_group;
	const char *ca_file, *proxy, *tls_name, *tls_pin; /* as in common/http.h */
	size_t max_body_bytes;        /* decoded size of one answer */
	int64_t heartbeat_timeout_ms; /* the service's; a sixth of it is what one control
					 request may take */
	bool sign_full_date;
};

struct lts_answer {
	/* LTS_OK; AGAIN (408, 425, 429, 5xx, network); UNKNOWN (a checkpoint write that
	 * may have arrived and whose answer was lost or garbled, 5xx included); DENIED
	 * (401, 403); NOTFOUND; GONE (409); EXPIRED (410); INVALID (400); TOOBIG (body
	 * above the cap); BADDATA (anything else). A code counts more: lts_wire_code_err. */
	enum lts_err err;
	int status;              /* HTTP; 0 when no answer came */
	int64_t retry_after_ms;  /* 0..300000; -1 when not said */
	int64_t service_time_ns; /* from Date; 0 when there was none */
	char code[32];           /* "LTS.0409", "APIGW.0301"; "" when none */
	char message[256];       /* the service's or the network's words, printable, never
				    secret */
	char request_id[64];
	size_t body_size; /* as the answer says, TOOBIG too; 0: it does not say */
	const struct shard_id *shards; /* the payload asked for; borrowed in the callback */
	size_t n_shards;
	const struct lts_checkpoint *checkpoints;
	size_t n_checkpoints;
	struct lts_odd odd; /* left out of the list */
	struct cursor cursor;
	struct buf *body; /* batch: the decoded body, never empty; the callback may take
			   * it by copying the struct and calling buf_init on the
			   * original. Else NULL. */
};

typedef void lts_api_done(void *arg, struct lts_answer *answer);

/* The first bytes of a good answer's body, decoded, while more are to come; nothing says that
 * they will. False: it must see more. May make requests; must not cancel its own. */
typedef bool lts_api_part(void *arg, const char *data, size_t len);

struct lts_api *lts_api_create(struct ev_loop *loop, const struct lts_api_config *config);
struct lts_api *lts_api_from_options(struct ev_loop *loop, const struct options *options);
void lts_api_trust(struct lts_api *api, const char *ca_file); /* http_trust */
/* Cancels what is in flight; no callback comes after. NULL-safe. */
void lts_api_destroy(struct lts_api **api);
/* Copies; used from the next request on, and needed before the first. LTS_INVALID: they
 * cannot be used (empty, not printable), and the former ones stay. */
enum lts_err lts_api_set_credentials(struct lts_api *api,
				     const struct credentials *credentials) LTS_MUST_USE;

/* Each returns a handle, good until the callback was called or the request was cancelled.
 * The callback never runs inside the call itself. */
struct lts_request *lts_api_heartbeat(struct lts_api *api, const struct consumer_name *consumer,
				      const struct shard_id *held, size_t n, lts_api_done *done,
				      void *arg);
/* shard NULL: all of the group. */
struct lts_request *lts_api_read_checkpoints(struct lts_api *api, const struct shard_id *shard,
					     lts_api_done *done, void *arg);
struct lts_request *lts_api_write_checkpoints(struct lts_api *api,
					      const struct consumer_name *consumer,
					      const struct lts_checkpoint *list, size_t n,
					      lts_api_done *done, void *arg);
/* `from` as the service takes it: nanoseconds, "begin" or "end". */
struct lts_request *lts_api_cursor(struct lts_api *api, const struct shard_id *shard,
				   const char *from, lts_api_done *done, void *arg);
/* end NULL: no end. max_bytes: of the body, decoded; above it, or above max_body_bytes:
 * LTS_TOOBIG. 0: the latter. */
struct lts_request *lts_api_batch(struct lts_api *api, const struct shard_id *shard,
				  unsigned limit, size_t max_bytes, const struct cursor *start,
				  const struct cursor *end, lts_api_done *done, void *arg);
/* From now on `part` is told, with the request's arg, until it returns true. */
void lts_api_watch(struct lts_request *request, lts_api_part *part);
/* Takes the memory of a batch's body that the callback has kept, once it is done with. */
void lts_api_recycle(struct lts_api *api, struct buf *body);
/* No callback comes after. Without effect on the request whose callback is running. */
void lts_api_cancel(struct lts_api *api, struct lts_request *request);

#endif
