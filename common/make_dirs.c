/*
 * make_dirs.c - mkdir -p, durably.
 *
 * In the supervisor (state_dir) and in workers (the file sink). Owns nothing. Must never change
 * a directory that is there. Held by tests/common/test_make_dirs.c.
 */
#include "common/make_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fallback.h"
#include "common/xalloc.h"

static int
sync_parent(const char *path)
{
	char *up = xasprintf("%s/..", path);
	int fd = open(up, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fallback_sync_dir(fd);
	if (fd >= 0)
		close(fd);
	free(up);
	return rc;
}

static int
make_one(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0)
		return sync_parent(path);
	return errno == EEXIST ? 0 : -1;
}

enum lts_err
make_dirs(const char *path, mode_t mode)
{
	char *copy = xstrdup(path);
	int rc = 0;
	for (char *p = copy; rc == 0 && *p; p++) {
		if (p == copy || *p != '/')
			continue;
		*p = '\0';
		rc = make_one(copy, 0755);
		*p = '/';
	}
	if (rc == 0)
		rc = make_one(copy, mode);
	free(copy);
	return rc ? LTS_SYS : LTS_OK;
}
