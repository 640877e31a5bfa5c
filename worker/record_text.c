/*
 * record_text.c - a record as the bytes that a sink writes.
 *
 * In the worker. Owns nothing. Must never leave half a record in the buffer, change a
 * byte of the labels format, or write anything but UTF-8. Held by
 * tests/worker/test_record_text.c.
 */
#include "worker/record_text.h"

#include <string.h>

#include "worker/json_skip.h"
#include "worker/json_text.h"

enum { DEPTH_RECORD = 0, DEPTH_MEMBER = 1 };

static const char content_key[] = "log_content";

struct search {
	struct json_skip skip;
	const char *value, *value_end; /* NULL: not found */
};

static const char *
on_member(void *arg, const char *key, size_t key_len, const char *value)
{
	struct search *search = arg;
	const char *end = json_skip_value(&search->skip, value, DEPTH_MEMBER);
	if (end && json_text_is(key, key_len, content_key)) {
		search->value = value;
		search->value_end = end;
	}
	return end;
}

static enum lts_err
put_line(struct buf *out, const char *text, size_t len)
{
	enum lts_err err = buf_reserve(out, len + 1);
	if (err)
		return err;
	memcpy(out->data + out->len, text, len);
	out->len += len;
	return buf_put(out, "\n", 1);
}

static enum lts_err
put_decoded_line(struct buf *out, const char *raw, size_t len)
{
	enum lts_err err = buf_reserve(out, len + 1);
	if (err)
		return err;
	out->len += json_text_decode(raw, len, out->data + out->len);
	return buf_put(out, "\n", 1);
}

static enum lts_err
put_content(const struct record *record, struct buf *out)
{
	struct search search = { 0 };
	json_skip_init(&search.skip, JSON_SKIP_BEST, record->text, record->len);
	const char *end =
		json_skip_object(&search.skip, record->text, DEPTH_RECORD, on_member, &search);
	if (end != record->text + record->len)
		return LTS_BADDATA;
	if (!search.value)
		return put_line(out, record->text, record->len);
	size_t len = (size_t)(search.value_end - search.value);
	if (*search.value == '"')
		return put_decoded_line(out, search.value + 1, len - 2);
	return put_line(out, search.value, len);
}

enum lts_err
record_text_put(const struct record *record, enum record_format format, struct buf *out)
{
	if (format == RECORD_CONTENT)
		return put_content(record, out);
	return put_line(out, record->text, record->len);
}

size_t
record_text_iov(const struct record *records, size_t n, struct iovec *iov, size_t room)
{
	size_t taken = n < room / RECORD_TEXT_IOV ? n : room / RECORD_TEXT_IOV;
	for (size_t i = 0; i < taken; i++) {
		iov[2 * i] = (struct iovec){ (void *)records[i].text, records[i].len };
		iov[2 * i + 1] = (struct iovec){ (void *)"\n", 1 };
	}
	return taken;
}
