/*
 * record_write.h - records to a descriptor, all of them or an error that says why not.
 */
#ifndef WORKER_RECORD_WRITE_H
#define WORKER_RECORD_WRITE_H

#include <stdint.h>

#include "common/options.h"
#include "worker/batch_scan.h"

/* Writes each record and a newline in the format, from `offset` on (-1: where the
 * descriptor stands), and adds what was written, also on failure, to *written. Waits when
 * the descriptor is non-blocking. LTS_NOSPACE, LTS_CLOSED (EPIPE), LTS_SYS (errno).
 * `scratch` is working memory. */
enum lts_err record_write(int fd, int64_t offset, enum record_format format,
			  const struct record *records, size_t n, struct buf *scratch,
			  uint64_t *written) LTS_MUST_USE;

#endif
