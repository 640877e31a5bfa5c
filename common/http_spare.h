/*
 * http_spare.h - the memory of answers' bodies, kept for the next ones.
 *
 * Used by http.c only. New pages cost more than what is copied there; few and small enough not to
 * matter beside a budget. In the caller's storage, zero to begin with.
 */
#ifndef COMMON_HTTP_SPARE_H
#define COMMON_HTTP_SPARE_H

#include "common/buf.h"

enum { HTTP_SPARE_BODIES = 16 };

struct http_spare {
	struct buf bodies[HTTP_SPARE_BODIES];
	unsigned n;
	size_t bytes;
};

/* Takes a body's memory; `body` is empty then. */
void http_spare_put(struct http_spare *spare, struct buf *body);
/* Memory for `len` bytes and not many more, since it counts as the body's. */
enum lts_err http_spare_reserve(struct http_spare *spare, struct buf *body,
				size_t len) LTS_MUST_USE;
void http_spare_fini(struct http_spare *spare);

#endif
