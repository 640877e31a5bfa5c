/*
 * fuzz_http_head.c - libFuzzer's way into Date, Retry-After and their kin.
 *
 * The first eight bytes are the time of day, the rest is header lines. Whatever they say, a wait
 * is within its clamp, a date is a date that can be calculated with, and texts are printable.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "common/http_head.h"

static void
check(const struct http_head *head, int64_t now_ns)
{
	int64_t ms = http_head_retry_after_ms(head, now_ns);
	require(ms >= -1 && ms <= HTTP_RETRY_AFTER_MAX_MS);
	require(ms >= 0 || !head->retry_after[0] || head->retry_after[0] < '0' ||
		head->retry_after[0] > '9' ||
		strspn(head->retry_after, "0123456789") < strlen(head->retry_after));
	require(head->date_ns >= 0 && head->date_ns < INT64_C(9000000000000000000));
	require_printable(head->retry_after, sizeof(head->retry_after));
	require_printable(head->request_id, sizeof(head->request_id));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head head;
	int64_t now_ns;
	if (size < sizeof(now_ns))
		return 0;
	memcpy(&now_ns, data, sizeof(now_ns));
	http_head_init(&head);
	const char *at = (const char *)data + sizeof(now_ns), *end = (const char *)data + size;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = newline ? (size_t)(newline - at) + 1 : (size_t)(end - at);
		http_head_line(&head, at, len);
		check(&head, now_ns);
		at += len;
	}
	return 0;
}
