/*
 * tmpdir.c - makes and removes a test's directory.
 *
 * In the test runner. Owns nothing. Must never follow a symbolic link out of the
 * directory while removing. A test that fails leaves its directory for people to look at.
 */
#include "tests/support/tmpdir.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/xalloc.h"

char *
tmpdir_make(void)
{
	const char *base = getenv("TMPDIR");
	char *dir = xasprintf("%s/lts-test-XXXXXX", base && *base ? base : "/tmp");
	ck_assert_msg(mkdtemp(dir) != NULL, "cannot make %s", dir);
	return dir;
}

static int
on_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

void
tmpdir_remove(char **dir)
{
	ck_assert_int_eq(nftw(*dir, on_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(*dir);
	*dir = NULL;
}

char *
tmpdir_path(const char *dir, const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

void
tmpdir_write(const char *dir, const char *name, const void *data, size_t len)
{
	char *path = tmpdir_path(dir, name);
	FILE *file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(data, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
	free(path);
}

char *
tmpdir_read(const char *dir, const char *name, size_t *len_out)
{
	struct stat st;
	char *path = tmpdir_path(dir, name);
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fstat(fileno(file), &st), 0);
	size_t len = (size_t)st.st_size;
	char *data = xmalloc(len + 1);
	ck_assert_uint_eq(fread(data, 1, len, file), len);
	data[len] = '\0';
	fclose(file);
	free(path);
	*len_out = len;
	return data;
}
