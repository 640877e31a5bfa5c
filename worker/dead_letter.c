/*
 * dead_letter.c - a record that was put aside, as a line of JSON.
 *
 * In a worker. Owns nothing. Must never print a record otherwise than it came, nor take for a
 * letter what lacks a part of one. Held by tests/worker/test_dead_letter.c.
 */
#include "worker/dead_letter.h"

#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/xalloc.h"
#include "state/human.h"
#include "worker/json_skip.h"
#include "worker/json_text.h"

static char *
base64(const struct record *record)
{
	char *text = xmalloc((record->len + 2) / 3 * 4 + 1);
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)record->text,
			(int)record->len);
	return text;
}

char *
dead_letter_print(const struct dead_letter *letter)
{
	char *text = letter->raw ? base64(&letter->record)
				 : xstrndup(letter->record.text, letter->record.len);
	cJSON *tree = cJSON_CreateObject();
	cJSON_AddStringToObject(tree, "shard", letter->shard.text);
	cJSON_AddStringToObject(tree, "cursor", letter->cursor.text);
	cJSON_AddNumberToObject(tree, "index", (double)letter->index);
	cJSON_AddNumberToObject(tree, "attempts", (double)letter->attempts);
	cJSON_AddStringToObject(tree, "error", letter->error);
	cJSON_AddStringToObject(tree, "time", human_time(clock_wall_ns()).text);
	if (letter->raw)
		cJSON_AddStringToObject(tree, "record_base64", text);
	else
		cJSON_AddRawToObject(tree, "record", text);
	char *line = cJSON_PrintUnformatted(tree);
	cJSON_Delete(tree);
	free(text);
	if (!line)
		abort();
	return line;
}

/* ---- reading ---- */

struct reading {
	struct json_skip skip;
	struct record record; /* text NULL: not met yet */
	bool raw;             /* it is bytes that are no record */
};

static const char *
on_member(void *arg, const char *key, size_t key_len, const char *value)
{
	struct reading *r = arg;
	size_t breaks = r->skip.line_breaks;
	const char *end = json_skip_value(&r->skip, value, 1);
	bool raw = json_text_is(key, key_len, "record_base64");
	if (!end || (!raw && !json_text_is(key, key_len, "record")))
		return end;
	r->raw = raw;
	if (r->record.text || *value != (raw ? '"' : '{') || r->skip.line_breaks != breaks)
		return json_skip_fail(&r->skip, value, "one record, an object on one line");
	r->record = (struct record){ value, (size_t)(end - value) };
	return end;
}

/* The whole line is JSON, and the record is found. */
static bool
find_record(const char *line, size_t len, struct record *out, bool *raw_out)
{
	struct reading r = { .record = { NULL, 0 } };
	json_skip_init(&r.skip, JSON_SKIP_BEST, line, len);
	const char *p = json_skip_space(&r.skip, line);
	p = p ? json_skip_object(&r.skip, p, 0, on_member, &r) : NULL;
	p = p ? json_skip_space(&r.skip, p) : NULL;
	*out = r.record;
	*raw_out = r.raw;
	return p == line + len && r.record.text;
}

/* The rest of it is small: a tree without the record. */
static cJSON *
parse_rest(const char *line, size_t len, const struct record *record)
{
	struct buf text;
	buf_init(&text, 0);
	const char *behind = record->text + record->len;
	enum lts_err err = buf_put(&text, line, (size_t)(record->text - line));
	err = err ? err : buf_put_text(&text, "null");
	err = err ? err : buf_put(&text, behind, (size_t)(line + len - behind));
	cJSON *tree = err ? NULL : json_parse_exact(text.data, text.len);
	buf_fini(&text);
	return tree;
}

static bool
get_number(const cJSON *tree, const char *key, uint64_t *out)
{
	const char *text = json_text(tree, key);
	char *end;
	if (!text || *text < '0' || *text > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return *end == '\0';
}

enum lts_err
dead_letter_read(const char *line, size_t len, struct dead_letter *out)
{
	struct dead_letter letter = { .error = NULL };
	if (!find_record(line, len, &letter.record, &letter.raw))
		return LTS_BADDATA;
	cJSON *tree = parse_rest(line, len, &letter.record);
	const char *shard = json_text(tree, "shard"), *cursor = json_text(tree, "cursor");
	bool whole = shard && *shard && shard_id_set(&letter.shard, shard) && cursor &&
		     cursor_set(&letter.cursor, cursor) &&
		     get_number(tree, "index", &letter.index) &&
		     get_number(tree, "attempts", &letter.attempts);
	cJSON_Delete(tree);
	if (!whole || letter.raw)
		return whole ? LTS_INVALID : LTS_BADDATA;
	*out = letter;
	return LTS_OK;
}
