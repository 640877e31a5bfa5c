/*
 * record_text.c - a record as the bytes that a sink writes.
 *
 * In the worker. Owns nothing. Must never leave half a record in the buffer, change a
 * byte of the labels format, write anything but UTF-8, nor let a byte inside a record end it
 * (but with content_newline=keep, which asks for that). Held by
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

/* What c is inside a record that what ends a record must not end; NULL: itself. */
static inline const char *
spelling(char c, enum record_format format)
{
	if (format == RECORD_CONTENT_NUL)
		return c == '\0' ? "\xef\xbf\xbd" : NULL;
	return c == '\n'   ? "\\n"
	       : c == '\r' ? "\\r"
	       : c == '\\' ? "\\\\"
			  : NULL;
}

/* How much longer the text gets. */
static size_t
growth(const char *text, size_t len, enum record_format format)
{
	size_t n = 0;
	if (format == RECORD_CONTENT_NUL)
		for (size_t i = 0; i < len; i++)
			n += text[i] == '\0' ? 2 : 0;
	else
		for (size_t i = 0; i < len; i++)
			n += text[i] == '\n' || text[i] == '\r' || text[i] == '\\';
	return n;
}

/* The last `len` bytes of `out` are a record's text: they become one that nothing ends early. */
static enum lts_err
seal_text(struct buf *out, size_t len, enum record_format format)
{
	if (format == RECORD_CONTENT_KEEP)
		return LTS_OK;
	size_t more = growth(out->data + out->len - len, len, format);
	enum lts_err err = more ? buf_reserve(out, more + 1) : LTS_OK;
	if (err || !more)
		return err;
	char *from = out->data + out->len, *to = from + more;
	out->len += more;
	while (from < to) {
		const char *as = spelling(*--from, format);
		size_t n = as ? strlen(as) : 1;
		memcpy(to -= n, as ? as : from, n);
	}
	return LTS_OK;
}

/* Ends the record whose text is the last `len` bytes; on failure it is taken away. */
static enum lts_err
end_text(struct buf *out, size_t len, enum record_format format)
{
	size_t begin = out->len - len;
	enum lts_err err = seal_text(out, len, format);
	err = err ? err : buf_put(out, format == RECORD_CONTENT_NUL ? "" : "\n", 1);
	if (err)
		out->len = begin;
	return err;
}

static enum lts_err
put_text(struct buf *out, const char *text, size_t len, enum record_format format)
{
	enum lts_err err = buf_reserve(out, len + 1);
	if (err)
		return err;
	memcpy(out->data + out->len, text, len);
	out->len += len;
	return end_text(out, len, format);
}

static enum lts_err
put_decoded(struct buf *out, const char *raw, size_t len, enum record_format format)
{
	enum lts_err err = buf_reserve(out, len + 1);
	if (err)
		return err;
	size_t decoded = json_text_decode(raw, len, out->data + out->len);
	out->len += decoded;
	return end_text(out, decoded, format);
}

static enum lts_err
put_content(const struct record *record, enum record_format format, struct buf *out)
{
	struct search search = { 0 };
	json_skip_init(&search.skip, JSON_SKIP_BEST, record->text, record->len);
	const char *end =
		json_skip_object(&search.skip, record->text, DEPTH_RECORD, on_member, &search);
	if (end != record->text + record->len)
		return LTS_BADDATA;
	if (!search.value)
		return put_text(out, record->text, record->len, format);
	size_t len = (size_t)(search.value_end - search.value);
	if (*search.value == '"')
		return put_decoded(out, search.value + 1, len - 2, format);
	return put_text(out, search.value, len, format);
}

enum lts_err
record_text_put(const struct record *record, enum record_format format, struct buf *out)
{
	if (format == RECORD_LABELS)
		return put_line(out, record->text, record->len);
	return put_content(record, format, out);
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
