/*
 * ids.h - the things that must not be mixed up, each a type of its own.
 *
 * All are values: copied by assignment, compared by the functions below. Text is
 * NUL-terminated;
 * "" stands for "none". Lengths: cursors and shard ids at most 63 characters (decided;
 * the service's are about 20), names at most 127.
 */
#ifndef COMMON_IDS_H
#define COMMON_IDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct shard_id {
	char text[64];
};

/* A position in a shard: opaque, compared only for equality. */
struct cursor {
	char text[64];
};

/* A member of the consumer group: see state/names.h. */
struct consumer_name {
	char text[128];
};

/* One grant of one shard to one worker: boot_count << 32 | sequence; never used twice. */
struct epoch {
	uint64_t value;
};

static inline bool
shard_id_equal(const struct shard_id *a, const struct shard_id *b)
{
	return strcmp(a->text, b->text) == 0;
}

static inline bool
cursor_equal(const struct cursor *a, const struct cursor *b)
{
	return strcmp(a->text, b->text) == 0;
}

static inline bool
cursor_is_none(const struct cursor *cursor)
{
	return cursor->text[0] == '\0';
}

static inline bool
epoch_equal(struct epoch a, struct epoch b)
{
	return a.value == b.value;
}

/* Sets the text if it fits and holds only printable ASCII without quote or backslash, and is
 * neither
 * "." nor ".." (which in a path are another place); else false, nothing changed. What comes from
 * the service goes through these. */
bool shard_id_set(struct shard_id *id, const char *text);
bool cursor_set(struct cursor *cursor, const char *text);
bool consumer_name_set(struct consumer_name *name, const char *text);
/* FNV-1a, the same in every version: the state has some. To tell texts apart, not to guard them. */
uint64_t ids_hash(const char *text, size_t len);

#endif
