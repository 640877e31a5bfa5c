/*
 * http_head.h - the few response headers that matter, read line by line.
 *
 * Pure. Lives in the caller's storage. A status line starts over, so after a 100 the last
 * answer counts.
 */
#ifndef COMMON_HTTP_HEAD_H
#define COMMON_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_RETRY_AFTER_MAX_MS = 300 * 1000 };

struct http_head {
	int64_t date_ns;      /* Date; 0 when there was none, or an unreadable one */
	char retry_after[64]; /* as sent; "" when there was none */
	char request_id[64];  /* X-Request-Id, printable ASCII, cut to fit */
	bool encoded;         /* Content-Encoding other than identity */
};

void http_head_init(struct http_head *head);
/* One header line as it came, with or without its line end. */
void http_head_line(struct http_head *head, const char *line, size_t len);
/* Retry-After in milliseconds, clamped to 0..HTTP_RETRY_AFTER_MAX_MS; -1 when not said or
 * not readable. A date counts from the answer's own Date, or else from `now_ns` (wall
 * clock). */
int64_t http_head_retry_after_ms(const struct http_head *head, int64_t now_ns);

#endif
