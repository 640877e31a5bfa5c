/*
 * http_head.c - reads Date, Retry-After, X-Request-Id and Content-Encoding out of header
 * lines.
 *
 * In every process that talks to the service. Owns nothing. What it reads comes from the
 * network: must never trust a length, a number or a date. Held by
 * tests/common/test_http_head.c.
 */
#include "common/http_head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

static const int64_t NS_PER_S = 1000000000;
/* The year 2255; later ones do not fit into 63 bits of nanoseconds with room to
 * calculate. */
static const int64_t LAST_S = 9000000000;

void
http_head_init(struct http_head *head)
{
	*head = (struct http_head){ 0 };
}

/* 0 when the text is no date. */
static int64_t
date_ns(const char *text)
{
	/* curl_getdate takes bare numbers for dates; every form of HTTP's begins with a
	 * weekday. */
	if (!isalpha((unsigned char)text[0]))
		return 0;
	int64_t at = curl_getdate(text, NULL);
	return at > 0 && at < LAST_S ? at * NS_PER_S : 0;
}

/* The value without surrounding blanks, unprintable bytes as '?', cut to fit. */
static void
copy_value(char *to, size_t room, const char *value, size_t len)
{
	while (len && (*value == ' ' || *value == '\t')) {
		value++;
		len--;
	}
	while (len && isspace((unsigned char)value[len - 1]))
		len--;
	size_t n = 0;
	for (; n < len && n < room - 1; n++)
		to[n] = value[n] >= ' ' && value[n] <= '~' ? value[n] : '?';
	to[n] = '\0';
}

static bool
is_name(const char *line, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(line, name, len) == 0;
}

void
http_head_line(struct http_head *head, const char *line, size_t len)
{
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		http_head_init(head);
		return;
	}
	const char *colon = memchr(line, ':', len);
	if (!colon)
		return;
	size_t name_len = (size_t)(colon - line);
	const char *value = colon + 1;
	size_t value_len = len - name_len - 1;
	char text[64];

	if (is_name(line, name_len, "Date")) {
		copy_value(text, sizeof(text), value, value_len);
		head->date_ns = date_ns(text);
	} else if (is_name(line, name_len, "Retry-After")) {
		copy_value(head->retry_after, sizeof(head->retry_after), value, value_len);
	} else if (is_name(line, name_len, "X-Request-Id")) {
		copy_value(head->request_id, sizeof(head->request_id), value, value_len);
	} else if (is_name(line, name_len, "Content-Encoding")) {
		copy_value(text, sizeof(text), value, value_len);
		head->encoded = strcasecmp(text, "identity") != 0;
	}
}

static int64_t
clamp_ms(int64_t ms)
{
	if (ms < 0)
		return 0;
	return ms < HTTP_RETRY_AFTER_MAX_MS ? ms : HTTP_RETRY_AFTER_MAX_MS;
}

/* Digits only; -1 for anything else. Stops counting above the clamp, so it cannot
 * overflow. */
static int64_t
seconds_as_ms(const char *text)
{
	int64_t ms = 0;
	for (; isdigit((unsigned char)*text); text++)
		ms = clamp_ms(ms * 10 + (*text - '0') * 1000);
	return *text ? -1 : ms;
}

int64_t
http_head_retry_after_ms(const struct http_head *head, int64_t now_ns)
{
	if (!head->retry_after[0])
		return -1;
	int64_t ms = seconds_as_ms(head->retry_after);
	if (ms >= 0)
		return ms;
	int64_t at_ns = date_ns(head->retry_after);
	if (!at_ns)
		return -1;
	int64_t from_ns = head->date_ns ? head->date_ns : now_ns;
	return clamp_ms(at_ns / 1000000 - from_ns / 1000000);
}
