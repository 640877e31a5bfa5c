/*
 * lts_sign_text.c - the texts that a signature is made of: dates, paths, queries.
 *
 * In the supervisor, the workers and lts-sim. Owns nothing. Must never depend on the
 * locale or the time zone, nor encode otherwise than Go's url.QueryEscape (queries) and
 * RFC 3986 (paths), which is what the service's own client does. Held by
 * tests/common/test_lts_sign.c.
 */
#include "common/lts_sign.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static bool
is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.' || c == '~';
}

static enum lts_err
put_encoded(struct buf *buf, const char *text, bool space_is_plus)
{
	static const char digits[] = "0123456789ABCDEF";
	enum lts_err err = buf_reserve(buf, 3 * strlen(text));
	if (err)
		return err;
	char *out = buf->data + buf->len;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (is_unreserved(c)) {
			*out++ = *text;
		} else if (c == ' ' && space_is_plus) {
			*out++ = '+';
		} else {
			*out++ = '%';
			*out++ = digits[c >> 4];
			*out++ = digits[c & 15];
		}
	}
	*out = '\0';
	buf->len = (size_t)(out - buf->data);
	return LTS_OK;
}

enum lts_err
lts_sign_put_path(struct buf *buf, const char *const *segments, size_t n)
{
	enum lts_err err = LTS_OK;
	for (size_t i = 0; i < n && !err; i++) {
		err = buf_put(buf, "/", 1);
		if (!err)
			err = put_encoded(buf, segments[i], false);
	}
	return err;
}

/* By insertion: there are at most LTS_SIGN_PAIRS_MAX, and equal keys keep their order. */
static void
sort_pairs(const struct lts_sign_pair **sorted, const struct lts_sign_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = i;
		for (; at > 0 && strcmp(sorted[at - 1]->key, pairs[i].key) > 0; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = &pairs[i];
	}
}

enum lts_err
lts_sign_put_query(struct buf *buf, const struct lts_sign_pair *pairs, size_t n)
{
	const struct lts_sign_pair *sorted[LTS_SIGN_PAIRS_MAX];
	if (n > LTS_SIGN_PAIRS_MAX)
		return LTS_INVALID;
	sort_pairs(sorted, pairs, n);
	enum lts_err err = LTS_OK;
	for (size_t i = 0; i < n && !err; i++) {
		if (i)
			err = buf_put(buf, "&", 1);
		if (!err)
			err = put_encoded(buf, sorted[i]->key, true);
		if (!err)
			err = buf_put(buf, "=", 1);
		if (!err)
			err = put_encoded(buf, sorted[i]->value, true);
	}
	return err;
}

void
lts_sign_date_render(int64_t time_s, char date_out[LTS_SIGN_DATE_SIZE])
{
	const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
	time_t t = (time_t)(time_s < 0 ? 0 : time_s > last ? last : time_s);
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(date_out, LTS_SIGN_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

/* Strict: only a text that renders to itself is a date. */
enum lts_err
lts_sign_date_parse(const char *date, int64_t *time_s_out)
{
	struct tm tm = { 0 };
	if (strlen(date) != LTS_SIGN_DATE_SIZE - 1 ||
	    sscanf(date, "%4d%2d%2dT%2d%2d%2dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return LTS_INVALID;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	int64_t time_s = (int64_t)timegm(&tm);
	char again[LTS_SIGN_DATE_SIZE];
	lts_sign_date_render(time_s, again);
	if (strcmp(again, date) != 0)
		return LTS_INVALID;
	*time_s_out = time_s;
	return LTS_OK;
}
