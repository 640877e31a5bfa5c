/*
 * lts_wire_parse.c - reads what the service answers.
 *
 * In the supervisor and the workers. Owns nothing. Everything here comes from the
 * network: must never trust a length, a type or a count, never let a number pass through
 * a double, never take a wrong shape for an empty list, nor let one entry spoil the
 * others. Held by tests/common/test_lts_wire_parse.c.
 */
#include "common/lts_wire.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "common/json.h"
#include "common/xalloc.h"

/* 4,096 checkpoints of up to eight members each; a tree of that many nodes takes about 6
 * MiB. */
enum { NODES_MAX = 64 * 1024 };

enum lts_err
lts_wire_status_err(enum lts_op op, int status)
{
	if (status >= 200 && status <= 299)
		return LTS_OK;
	if (status >= 500 && status <= 599) /* it may have been stored before it failed */
		return op == LTS_OP_WRITE_CHECKPOINTS ? LTS_UNKNOWN : LTS_AGAIN;
	switch (status) {
	case 400:
		return LTS_INVALID;
	case 401:
	case 403:
		return LTS_DENIED;
	case 404:
		return LTS_NOTFOUND;
	case 408:
	case 425:
	case 429:
		return LTS_AGAIN;
	case 409:
		return LTS_GONE;
	case 410:
		return LTS_EXPIRED;
	default:
		return LTS_BADDATA;
	}
}

enum lts_err
lts_wire_code_err(enum lts_op op, int status, const char *code)
{
	static const struct {
		const char *code;
		int status; /* that it stands for */
	} known[] = {
		{ "LTS.0010", 500 },   { "LTS.0201", 404 },   { "LTS.0208", 404 },
		{ "APIGW.0301", 401 }, { "APIGW.0303", 401 }, { "APIGW.0308", 429 },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (status >= 400 && status <= 499 && strcmp(code, known[i].code) == 0)
			status = known[i].status;
	return lts_wire_status_err(op, status);
}

/* An upper bound of the nodes of a JSON text: each but the first follows one of these.
 * Keeps
 * "[0,0,0,..." of the largest size from becoming a tree a hundred times that. */
static bool
has_too_many_nodes(const struct buf *body)
{
	size_t n = 1;
	for (size_t i = 0; i < body->len; i++) {
		char c = body->data[i];
		n += c == ',' || c == '[' || c == '{';
	}
	return n > NODES_MAX;
}

/* NULL: not JSON, or too much of it. */
static cJSON *
parse(const struct buf *body)
{
	if (body->len == 0 || body->len > LTS_WIRE_CONTROL_BYTES || has_too_many_nodes(body))
		return NULL;
	return json_parse_forgiving(body->data, body->len);
}

/* The array, or NULL with *empty_out for a `null` in its place. */
static cJSON *
parse_list(const struct buf *body, int most, bool *empty_out)
{
	cJSON *root = parse(body);
	*empty_out = cJSON_IsNull(root);
	if (cJSON_IsArray(root) && cJSON_GetArraySize(root) <= most)
		return root;
	cJSON_Delete(root);
	return NULL;
}

static void
leave_out(struct lts_odd *odd, const cJSON *item)
{
	char *text = odd->count++ ? NULL : cJSON_PrintUnformatted(item);
	if (text)
		lts_wire_put_printable(odd->first, sizeof(odd->first), text);
	cJSON_free(text);
}

/* The place where this shard belongs: an earlier one of the same name, or a new one. */
static size_t
shard_place(const struct shard_id *list, size_t n, const struct shard_id *shard)
{
	size_t i = 0;
	while (i < n && !shard_id_equal(&list[i], shard))
		i++;
	return i;
}

/* Of a list that says something, and nothing that can be read, it is not known what it says: it
 * is no empty list. */
static bool
says_nothing(size_t n_read, const struct lts_odd *odd)
{
	return n_read == 0 && odd->count > 0;
}

enum lts_err
lts_wire_parse_shards(const struct buf *body, struct shard_id **list_out, size_t *n_out,
		      struct lts_odd *odd_out)
{
	bool empty;
	size_t n = 0;
	struct lts_odd odd = { 0 };
	cJSON *root = parse_list(body, LTS_WIRE_SHARDS_MAX, &empty);
	if (!empty && !root)
		return LTS_BADDATA;
	struct shard_id *list = xcalloc((size_t)cJSON_GetArraySize(root), sizeof(*list));
	const cJSON *item;
	cJSON_ArrayForEach(item, root)
	{
		struct shard_id shard;
		const char *text = json_value_text(item);
		if (!text || !shard_id_set(&shard, text)) {
			leave_out(&odd, item);
			continue;
		}
		size_t at = shard_place(list, n, &shard);
		list[at] = shard;
		n += at == n;
	}
	cJSON_Delete(root);
	if (says_nothing(n, &odd)) {
		free(list);
		return LTS_BADDATA;
	}
	*list_out = list;
	*n_out = n;
	*odd_out = odd;
	return LTS_OK;
}

/* null and "" are no position; another type, one too long, or none at all is not readable. */
static bool
read_position(const cJSON *object, struct cursor *cursor)
{
	const cJSON *item = json_member(object, "checkpoint");
	*cursor = (struct cursor){ .text = "" };
	if (cJSON_IsNull(item))
		return true;
	const char *text = json_value_text(item);
	return text && (text[0] == '\0' || cursor_set(cursor, text));
}

/* False: it is of no shard that could be ours. */
static bool
read_checkpoint(const cJSON *object, struct lts_checkpoint *checkpoint, struct lts_odd *odd)
{
	*checkpoint = (struct lts_checkpoint){ .writer = { .text = "" } };
	const char *shard = json_text(object, "shard_id");
	if (!shard || !shard_id_set(&checkpoint->shard, shard)) {
		odd->nameless |= !shard;
		leave_out(odd, object);
		return false;
	}
	checkpoint->unreadable = !read_position(object, &checkpoint->cursor);
	if (checkpoint->unreadable)
		leave_out(odd, object);
	/* Another program's name may be of any form; it only must not look like one of
	 * ours. */
	const char *writer = json_text(object, "consumer_name");
	if (writer && !consumer_name_set(&checkpoint->writer, writer))
		checkpoint->writer.text[0] = '\0';
	return true;
}

static size_t
checkpoint_place(const struct lts_checkpoint *list, size_t n, const struct shard_id *shard)
{
	size_t i = 0;
	while (i < n && !shard_id_equal(&list[i].shard, shard))
		i++;
	return i;
}

enum lts_err
lts_wire_parse_checkpoints(const struct buf *body, struct lts_checkpoint **list_out,
			   size_t *n_out, struct lts_odd *odd_out)
{
	bool empty;
	size_t n = 0, n_read = 0;
	struct lts_odd odd = { 0 };
	cJSON *root = parse_list(body, LTS_WIRE_CHECKPOINTS_MAX, &empty);
	if (!empty && !root)
		return LTS_BADDATA;
	struct lts_checkpoint *list = xcalloc((size_t)cJSON_GetArraySize(root), sizeof(*list));
	const cJSON *item;
	cJSON_ArrayForEach(item, root)
	{
		struct lts_checkpoint checkpoint;
		if (!read_checkpoint(item, &checkpoint, &odd))
			continue;
		size_t at = checkpoint_place(list, n, &checkpoint.shard);
		list[at] = checkpoint;
		n += at == n;
		n_read += !checkpoint.unreadable;
	}
	cJSON_Delete(root);
	if (says_nothing(n_read, &odd)) {
		free(list);
		return LTS_BADDATA;
	}
	*list_out = list;
	*n_out = n;
	*odd_out = odd;
	return LTS_OK;
}

enum lts_err
lts_wire_parse_cursor(const struct buf *body, struct cursor *cursor_out)
{
	cJSON *root = parse(body);
	const char *text = json_text(root, "cursor");
	enum lts_err err = text && cursor_set(cursor_out, text) ? LTS_OK : LTS_BADDATA;
	cJSON_Delete(root);
	return err;
}

enum lts_err
lts_wire_parse_written(const struct buf *body)
{
	if (body->len == 0)
		return LTS_OK;
	cJSON *root = parse(body);
	char code[2], message[2];
	lts_wire_parse_error(body, code, sizeof(code), message, sizeof(message));
	enum lts_err err = root && !code[0] ? LTS_OK : LTS_BADDATA;
	cJSON_Delete(root);
	return err;
}

void
lts_wire_put_printable(char *to, size_t size, const char *text)
{
	size_t n = 0;
	for (; text && text[n] && n < size - 1; n++)
		to[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	to[n] = '\0';
}

static const char *
first_text(const cJSON *object, const char *name, const char *other_name)
{
	const char *text = json_text(object, name);
	return text ? text : json_text(object, other_name);
}

void
lts_wire_parse_error(const struct buf *body, char *code_out, size_t code_size, char *message_out,
		     size_t message_size)
{
	cJSON *root = body->len <= LTS_WIRE_ERROR_BYTES ? parse(body) : NULL;
	const cJSON *inner = json_member(root, "message");
	const char *code = first_text(root, "error_code", "errorCode");
	const char *message = first_text(root, "error_msg", "errorMessage");

	if (!code)
		code = json_text(inner, "code");
	if (!message)
		message = json_text(inner, "details");
	if (!message)
		message = json_value_text(inner);
	lts_wire_put_printable(code_out, code_size, code);
	lts_wire_put_printable(message_out, message_size, message);
	cJSON_Delete(root);
}
