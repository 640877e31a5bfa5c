/*
 * buf.h - a growing run of bytes with a ceiling.
 *
 * Lives in the caller's storage. `data` is NULL while nothing was added, else `data[len]`
 * is NUL, so text may be used as a C string. A put past the ceiling adds nothing and
 * returns LTS_TOOBIG.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stddef.h>

#include "common/err.h"

struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max; /* bytes that `len` may reach; 0 is no ceiling */
};

void buf_init(struct buf *buf, size_t max);
void buf_fini(struct buf *buf);
/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *buf);
/* Makes room for `extra` more bytes, so that many may be written at data + len. */
enum lts_err buf_reserve(struct buf *buf, size_t extra) LTS_MUST_USE;
enum lts_err buf_put(struct buf *buf, const void *data, size_t len) LTS_MUST_USE;
enum lts_err buf_put_text(struct buf *buf, const char *text) LTS_MUST_USE;
enum lts_err buf_printf(struct buf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3))) LTS_MUST_USE;

#endif
