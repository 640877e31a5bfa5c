/*
 * ids.c - lets only harmless text become an identifier.
 *
 * In every process. Owns nothing. Must never truncate: a cursor cut short is another
 * cursor. Held by tests/common/test_basics.c.
 */
#include "common/ids.h"

static bool
set(char *to, size_t room, const char *text)
{
	size_t len = 0;
	for (; text[len]; len++) {
		char c = text[len];
		if (c <= ' ' || c > '~' || c == '"' || c == '\\')
			return false;
	}
	if (len == 0 || len >= room || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	memset(to, 0, room);
	memcpy(to, text, len);
	return true;
}

bool
shard_id_set(struct shard_id *id, const char *text)
{
	return set(id->text, sizeof(id->text), text);
}

bool
cursor_set(struct cursor *cursor, const char *text)
{
	return set(cursor->text, sizeof(cursor->text), text);
}

bool
consumer_name_set(struct consumer_name *name, const char *text)
{
	return set(name->text, sizeof(name->text), text);
}

uint64_t
ids_hash(const char *text, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
	return hash;
}
