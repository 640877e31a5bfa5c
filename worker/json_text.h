/*
 * json_text.h - what a JSON string says, once its escapes are undone.
 *
 * Takes what stands between the quotes of a string that json_skip has passed; nothing is
 * checked again.
 */
#ifndef WORKER_JSON_TEXT_H
#define WORKER_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether it says `name`, which is ASCII. */
bool json_text_is(const char *raw, size_t len, const char *name);
/* Writes its UTF-8 to `to`, which has room for `len` bytes (no escape grows), and returns
 * how many were written; no NUL is added. A lone surrogate becomes U+FFFD, \u0000 a zero
 * byte. */
size_t json_text_decode(const char *raw, size_t len, char *to);

#endif
