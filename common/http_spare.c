/*
 * http_spare.c - the memory of answers' bodies, kept for the next ones.
 *
 * In every process that talks to the service. Owns what was put into it. Must never keep more than
 * SPARE_BYTES, nor give a body more than its ceiling. Held by tests/common/test_http_calls.c.
 */
#include "common/http_spare.h"

enum {
	SPARE_BYTES = 8 << 20, /* all of them */
	SPARE_STEP = 64 << 10, /* bodies below it are not worth it; sizes are rounded to it */
};

void
http_spare_put(struct http_spare *spare, struct buf *body)
{
	if (body->cap < SPARE_STEP || spare->n == HTTP_SPARE_BODIES ||
	    spare->bytes + body->cap > SPARE_BYTES) {
		buf_fini(body);
		return;
	}
	spare->bodies[spare->n++] = *body;
	spare->bytes += body->cap;
	buf_init(body, body->max);
}

/* The last that came back first, which the processor's caches may still hold. */
enum lts_err
http_spare_reserve(struct http_spare *spare, struct buf *body, size_t len)
{
	if (len < SPARE_STEP || (body->max && len > body->max))
		return buf_reserve(body, len);
	size_t least = len - len % SPARE_STEP + SPARE_STEP, max = body->max;
	for (unsigned i = spare->n; i-- > 0;) {
		struct buf *kept = &spare->bodies[i];
		if (kept->cap <= len || kept->cap > least + least / 4 ||
		    (max && kept->cap > max + 1))
			continue;
		*body = *kept;
		body->max = max;
		buf_clear(body);
		spare->bytes -= body->cap;
		*kept = spare->bodies[--spare->n];
		return LTS_OK;
	}
	return buf_reserve(body, max && least > max ? max : least);
}

void
http_spare_fini(struct http_spare *spare)
{
	while (spare->n)
		buf_fini(&spare->bodies[--spare->n]);
}
