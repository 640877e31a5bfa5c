/*
 * exec_frame.c - the frames between a worker and the child of sink=exec:COMMAND.
 *
 * In a worker's delivery thread. Pure. Owns nothing. Must never take for a frame what is none:
 * an acknowledgement that was not meant is a record lost. So a member that is unknown, twice,
 * missing or of another type is refused, like any line that is not one JSON object. Held by
 * tests/worker/test_exec_frame.c.
 */
#include "worker/exec_frame.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

enum { MEMBERS_MAX = 5, DIGITS_MAX = 15 }; /* so that a double holds any number */

enum member_type { MEMBER_NUMBER, MEMBER_BOOL, MEMBER_TEXT };

struct member {
	const char *name;
	enum member_type type;
	bool required;
};

struct shape {
	const char *type;
	struct member members[MEMBERS_MAX]; /* name NULL: no more; beside `type` */
};

static const struct shape shapes[] = {
	[EXEC_HELLO] = { "hello",
			 { { "version", MEMBER_NUMBER, true },
			   { "credits", MEMBER_NUMBER, false },
			   { "max_bytes", MEMBER_NUMBER, false } } },
	[EXEC_ACK] = { "ack",
		       { { "id", MEMBER_NUMBER, true },
			 { "save", MEMBER_BOOL, false },
			 { "persistent", MEMBER_BOOL, false } } },
	[EXEC_NACK] = { "nack",
			{ { "id", MEMBER_NUMBER, true },
			  { "error", MEMBER_TEXT, true },
			  { "index", MEMBER_NUMBER, false },
			  { "later", MEMBER_BOOL, false } } },
	[EXEC_ROLLBACK] = { "rollback",
			    { { "id", MEMBER_NUMBER, true }, { "cursor", MEMBER_TEXT, true } } },
	[EXEC_PROGRESS] = { "progress", { { "id", MEMBER_NUMBER, true } } },
};

enum { SHAPES = sizeof(shapes) / sizeof(*shapes) };

const char *
exec_answer_name(enum exec_answer_kind kind)
{
	return shapes[kind].type;
}

/* ---- from the child ---- */

/* Digits alone, small enough for everybody. */
static bool
read_number(const cJSON *value, uint64_t *out)
{
	const char *text = json_value_text(value);
	size_t len = text ? strlen(text) : 0;
	if (len == 0 || len > DIGITS_MAX || strspn(text, "0123456789") != len)
		return false;
	*out = strtoull(text, NULL, 10);
	return true;
}

static bool
is_of_type(const cJSON *value, enum member_type type)
{
	uint64_t number;
	if (type == MEMBER_NUMBER)
		return read_number(value, &number);
	return type == MEMBER_BOOL ? cJSON_IsBool(value) : json_value_text(value) != NULL;
}

static bool
is_known(const struct shape *shape, const char *name)
{
	for (size_t i = 0; i < MEMBERS_MAX && shape->members[i].name; i++) {
		if (strcmp(shape->members[i].name, name) == 0)
			return true;
	}
	return strcmp(name, "type") == 0;
}

/* Every member known, once and of its type, the required ones there. */
static bool
has_shape(const cJSON *root, const struct shape *shape, char why[EXEC_ERROR])
{
	const cJSON *child;
	cJSON_ArrayForEach(child, root)
	{
		if (!is_known(shape, child->string) || !json_member(root, child->string)) {
			snprintf(why, EXEC_ERROR, "%s: unknown or repeated member '%.60s'",
				 shape->type, child->string);
			return false;
		}
	}
	for (size_t i = 0; i < MEMBERS_MAX && shape->members[i].name; i++) {
		const struct member *member = &shape->members[i];
		const cJSON *value = json_member(root, member->name);
		if (value ? !is_of_type(value, member->type) : member->required) {
			snprintf(why, EXEC_ERROR, "%s: %s '%s'", shape->type,
				 value ? "wrong value of" : "no", member->name);
			return false;
		}
	}
	return true;
}

static uint64_t
number_of(const cJSON *root, const char *name, uint64_t absent)
{
	uint64_t number = absent;
	(void)read_number(json_member(root, name), &number);
	return number;
}

static bool
is_true(const cJSON *root, const char *name)
{
	return cJSON_IsTrue(json_member(root, name));
}

/* Cut between characters; nothing in it that a terminal would act upon. */
static void
copy_error(const char *text, char to[EXEC_ERROR])
{
	size_t len = strnlen(text, EXEC_ERROR - 1);
	while (text[len] && len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	for (size_t i = 0; i < len; i++)
		to[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
	to[len] = '\0';
}

/* What is wrong with a value, of those that have a shape; NULL: nothing. */
static const char *
read_values(const cJSON *root, struct exec_answer *out)
{
	out->id = number_of(root, "id", 0);
	out->save = is_true(root, "save") || is_true(root, "persistent");
	out->persistent = is_true(root, "persistent");
	out->later = is_true(root, "later");
	out->has_index = json_member(root, "index") != NULL;
	out->index = number_of(root, "index", 0);
	if (out->kind == EXEC_NACK)
		copy_error(json_text(root, "error"), out->error);
	if (out->kind == EXEC_ROLLBACK && (!cursor_set(&out->cursor, json_text(root, "cursor")) ||
					   cursor_is_none(&out->cursor)))
		return "rollback: wrong value of 'cursor'";
	if (out->kind != EXEC_HELLO)
		return NULL;
	uint64_t credits = number_of(root, "credits", 1);
	out->credits = (unsigned)credits;
	out->max_bytes = number_of(root, "max_bytes", UINT64_MAX);
	if (number_of(root, "version", 0) != EXEC_VERSION)
		return "hello: of another version than 1";
	if (credits < 1 || credits > EXEC_CREDITS_MAX)
		return "hello: 'credits' is not from 1 to 64";
	return out->max_bytes ? NULL : "hello: 'max_bytes' is 0";
}

static enum lts_err
parse_tree(const cJSON *root, struct exec_answer *out, char why[EXEC_ERROR])
{
	struct exec_answer answer = { 0 };
	const cJSON *type = json_member(root, "type");
	unsigned kind = 0;
	while (cJSON_IsString(type) && kind < SHAPES &&
	       strcmp(shapes[kind].type, type->valuestring) != 0)
		kind++;
	if (!cJSON_IsString(type) || kind == SHAPES) {
		snprintf(why, EXEC_ERROR, "no known 'type'");
		return LTS_BADDATA;
	}
	answer.kind = kind;
	if (!has_shape(root, &shapes[kind], why))
		return LTS_BADDATA;
	const char *wrong = read_values(root, &answer);
	if (wrong) {
		snprintf(why, EXEC_ERROR, "%s", wrong);
		return LTS_BADDATA;
	}
	*out = answer;
	return LTS_OK;
}

enum lts_err
exec_frame_parse(const char *line, size_t len, struct exec_answer *out, char why[EXEC_ERROR])
{
	char shown[64];
	cJSON *root = len < EXEC_LINE_MAX ? json_parse_exact(line, len) : NULL;
	enum lts_err err = LTS_BADDATA;
	if (cJSON_IsObject(root)) {
		err = parse_tree(root, out, why);
	} else {
		size_t n = len < sizeof(shown) - 1 ? len : sizeof(shown) - 1;
		for (size_t i = 0; i < n; i++)
			shown[i] = line[i] < 0x20 || line[i] == 0x7f ? '?' : line[i];
		shown[n] = '\0';
		snprintf(why, EXEC_ERROR, "not a JSON object: '%s'", shown);
	}
	cJSON_Delete(root);
	return err;
}

/* ---- to the child ---- */

/* Ids and cursors hold no character that JSON would escape: common/ids.h. */
#define put(to, ...)                               \
	do {                                       \
		if (buf_printf((to), __VA_ARGS__)) \
			abort(); /* no ceiling */  \
	} while (0)

void
exec_frame_hello(struct buf *to, size_t max_bytes, int64_t timeout_ms)
{
	put(to,
	    "{\"type\":\"hello\",\"version\":%d,\"max_line\":%d,\"max_bytes\":%zu,"
	    "\"timeout_ms\":%lld}\n",
	    EXEC_VERSION, EXEC_LINE_MAX, max_bytes, (long long)timeout_ms);
}

void
exec_frame_initialize(struct buf *to, uint64_t id, const struct shard_id *shard,
		      const struct cursor *checkpoint)
{
	put(to, "{\"type\":\"initialize\",\"id\":%llu,\"shard\":\"%s\",\"checkpoint\":\"%s\"}\n",
	    (unsigned long long)id, shard->text, checkpoint->text);
}

void
exec_frame_batch(struct buf *to, uint64_t id, const struct shard_id *shard,
		 const struct piece *piece, size_t at, size_t n, size_t bytes)
{
	put(to,
	    "{\"type\":\"batch\",\"id\":%llu,\"shard\":\"%s\",\"cursor\":\"%s\",\"next\":\"%s\","
	    "\"first\":%zu,\"count\":%zu,\"bytes\":%zu,\"attempts\":%u}\n",
	    (unsigned long long)id, shard->text, piece->cursor.text, piece->next.text,
	    piece->first + at, n, bytes, piece->attempts);
}

void
exec_frame_shutdown(struct buf *to, uint64_t id, const struct shard_id *shard,
		    enum processor_reason reason)
{
	static const char *const reasons[] = {
		[PROCESSOR_STOPPING] = "stopping",
		[PROCESSOR_LEASE_LOST] = "lease_lost",
		[PROCESSOR_FINISHED] = "finished",
	};
	put(to, "{\"type\":\"shutdown\",\"id\":%llu,\"shard\":\"%s\",\"reason\":\"%s\"}\n",
	    (unsigned long long)id, shard->text, reasons[reason]);
}

static void
put_plain(struct buf *to, const char *type, const struct shard_id *shard)
{
	put(to, "{\"type\":\"%s\",\"shard\":\"%s\"}\n", type, shard->text);
}

void
exec_frame_checkpoint(struct buf *to, const struct shard_id *shard, const struct cursor *cursor)
{
	put(to, "{\"type\":\"checkpoint\",\"shard\":\"%s\",\"cursor\":\"%s\"}\n", shard->text,
	    cursor->text);
}

void
exec_frame_flush(struct buf *to, const struct shard_id *shard)
{
	put_plain(to, "flush", shard);
}

void
exec_frame_lease_lost(struct buf *to, const struct shard_id *shard)
{
	put_plain(to, "lease_lost", shard);
}
