/*
 * tmpdir.h - a directory of a test's own, under $TMPDIR or /tmp.
 */
#ifndef TESTS_SUPPORT_TMPDIR_H
#define TESTS_SUPPORT_TMPDIR_H

#include <stddef.h>

/* Fails the test when it cannot be made. The text is the caller's, to be given to
 * tmpdir_remove. */
char *tmpdir_make(void);
/* Removes it with all it holds, frees the text, sets it to NULL. */
void tmpdir_remove(char **dir);

/* dir/name; the caller frees. */
char *tmpdir_path(const char *dir, const char *name);
void tmpdir_write(const char *dir, const char *name, const void *data, size_t len);
/* The whole file; the caller frees. */
char *tmpdir_read(const char *dir, const char *name, size_t *len_out);

#endif
