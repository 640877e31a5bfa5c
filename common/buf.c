/*
 * buf.c - a growing run of bytes with a ceiling.
 *
 * In every process. Owns the memory behind data. Must never grow above max: that ceiling
 * is what bounds a hostile answer. Held by tests/common/test_basics.c.
 */
#include "common/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

enum { BUF_FIRST = 256 };

void
buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){ .max = max };
}

void
buf_fini(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

void
buf_clear(struct buf *buf)
{
	buf->len = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

enum lts_err
buf_reserve(struct buf *buf, size_t extra)
{
	if (extra >= SIZE_MAX / 2 - buf->len)
		return LTS_TOOBIG;
	size_t need = buf->len + extra;
	if (buf->max && need > buf->max)
		return LTS_TOOBIG;
	if (need + 1 <= buf->cap)
		return LTS_OK;
	size_t cap = buf->cap ? 2 * buf->cap : BUF_FIRST;
	if (cap < need + 1)
		cap = need + 1; /* whoever asks for much at once knows how much it will be */
	if (buf->max && cap > buf->max + 1)
		cap = buf->max + 1;
	buf->data = xreallocarray(buf->data, cap, 1);
	buf->cap = cap;
	buf->data[buf->len] = '\0';
	return LTS_OK;
}

enum lts_err
buf_put(struct buf *buf, const void *data, size_t len)
{
	enum lts_err err = buf_reserve(buf, len);
	if (err)
		return err;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return LTS_OK;
}

enum lts_err
buf_put_text(struct buf *buf, const char *text)
{
	return buf_put(buf, text, strlen(text));
}

enum lts_err
buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int need = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (need < 0)
		return LTS_SYS;
	enum lts_err err = buf_reserve(buf, (size_t)need);
	if (err)
		return err;
	va_start(ap, fmt);
	vsnprintf(buf->data + buf->len, (size_t)need + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)need;
	return LTS_OK;
}
