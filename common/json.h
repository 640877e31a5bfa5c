/*
 * json.h - the service's small answers as JSON, without loss.
 *
 * Cursors are integers of 19 digits in some answers and strings in others, and a double
 * holds 15. So every number arrives as the string it was written as.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <stddef.h>

struct cJSON;

enum { JSON_BYTES_MAX = 8 * 1024 * 1024, JSON_DEPTH_MAX = 32 };

/* The tree, freed with cJSON_Delete; NULL when `text` is not exactly one JSON value,
 * holds a NUL (also as \u0000), or is above a ceiling. A number is a string node with its
 * own digits. */
struct cJSON *json_parse_exact(const char *text, size_t len);

/* The same for an answer of which one odd text shall not spoil the rest: what is refused above in
 * a string (a control character, \u0000), and each half of a pair of \u escapes, becomes U+0001,
 * which no identifier of common/ids.h may hold. */
struct cJSON *json_parse_forgiving(const char *text, size_t len);

/* The text of a string or number, borrowed from the tree; NULL when it is anything else.
 */
const char *json_value_text(const struct cJSON *value);
/* The member `key` of an object; NULL when `object` is not one, or has it not exactly
 * once. */
const struct cJSON *json_member(const struct cJSON *object, const char *key);
/* The text of that member, or NULL. */
const char *json_text(const struct cJSON *object, const char *key);

#endif
