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

/* LTS_SYS with errno: cannot be read. LTS_INVALID: `error_out` holds "path:line: what". A
 * value may be up to 16 KiB long; it ends at the line's end or at a `;` after a blank.
 * Own copies are wiped. */
enum lts_err ini_file_read(const char *path, ini_file_entry *entry, void *arg,
			   struct buf *error_out) LTS_MUST_USE;

#endif
