/*
 * ini_file.h - reads a file of `name = value` lines with [sections], through libinih.
 */
#ifndef COMMON_INI_FILE_H
#define COMMON_INI_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

/* One entry; section "" before the first header; all borrowed until the return. False
 * stops the reading: `error_out` then holds what is wrong with this entry. */
typedef bool ini_file_entry(void *arg, const char *section, const char *name, const char *value,
			    unsigned line, struct buf *error_out);

/* The grammar: a line is empty, a comment (its first character is # or ;), [section], or
 * name = value (: for =). A value is the rest of its line, without the blanks around it, up to
 * 16 KiB: there are no comments behind a value, no quotes and no continuation lines.
 * LTS_SYS with errno: cannot be read. LTS_INVALID: `error_out` holds "path:line: what". Own
 * copies are wiped. */
enum lts_err ini_file_read(const char *path, ini_file_entry *entry, void *arg,
			   struct buf *error_out) LTS_MUST_USE;

/* NULL, or why a value looks as if its writer had another grammar in mind: it begins with a
 * quote, or a # or ; stands behind a blank. A static text. */
const char *ini_value_refused(const char *value);

#endif
