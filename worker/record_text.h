/*
 * record_text.h - a record as the bytes that a sink writes: one record, then a newline (a NUL
 * with RECORD_CONTENT_NUL).
 *
 * labels: the labels object as the service sent it, on one line. content: what its
 * `log_content` says (the last one, as the official SDKs' parsers do), as UTF-8; the JSON text
 * of log_content if that is no string; the whole object if there is none. In each of these a
 * newline is then written as \n, a carriage return as \r (some readers end a line there) and a
 * backslash as two, so that a line is a record, and any line is undone alike. RECORD_CONTENT_KEEP
 * writes them as they are; so does RECORD_CONTENT_NUL, where U+FFFD stands for a NUL of the text.
 */
#ifndef WORKER_RECORD_TEXT_H
#define WORKER_RECORD_TEXT_H

#include <stddef.h>
#include <sys/uio.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/options.h"
#include "worker/batch_scan.h"

/* Two for each record: its text, its newline. */
enum { RECORD_TEXT_IOV = 2 };

/* Appends the record and what ends it. LTS_TOOBIG: it might not fit below the buffer's
 * ceiling (escapes are counted at their full length). LTS_BADDATA: content of what is no
 * JSON object. Then nothing is appended. */
enum lts_err record_text_put(const struct record *record, enum record_format format,
			     struct buf *out) LTS_MUST_USE;

/* RECORD_LABELS without a copy: fills iov[0 .. 2 * result) for writev with the first
 * records that `room` entries hold and returns how many those are. Good as long as the
 * body is; nothing may be written through it. The bytes of n records are the sum of their
 * len, and n. */
size_t record_text_iov(const struct record *records, size_t n, struct iovec *iov, size_t room);

#endif
