/*
 * small_disk.c - tmpfs mounts for tests of full disks.
 *
 * In the test process, as root. Owns the mount namespace. Must never mount where other
 * processes than the test's see it.
 */
#include "tests/support/small_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/tmpdir.h"

static const char filler[] = "filler";

bool
small_disk_mount(const struct scenario *s, const char *name, const char *options)
{
	static bool is_apart; /* the test process is forked for one test */
	char *path = tmpdir_path(s->dir, name);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	is_apart = is_apart || (unshare(CLONE_NEWNS) == 0 &&
				mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	bool mounted = is_apart && mount("small", path, "tmpfs", 0, options) == 0;
	if (!mounted)
		scenario_skip("a tmpfs may not be mounted");
	free(path);
	return mounted;
}

void
small_disk_remount(const struct scenario *s, const char *name, const char *options)
{
	char *path = tmpdir_path(s->dir, name);
	bool ro = strcmp(options, "ro") == 0;
	int result =
		mount(NULL, path, NULL, MS_REMOUNT | (ro ? MS_RDONLY : 0), ro ? NULL : options);
	ck_assert_msg(result == 0, "remount %s: %s", options, strerror(errno));
	free(path);
}

void
small_disk_fill(const struct scenario *s, const char *name, unsigned spare_pages)
{
	static const char zeroes[4096];
	struct stat st;
	char *path = xasprintf("%s/%s/%s", s->dir, name, filler);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	while (write(fd, zeroes, sizeof(zeroes)) > 0)
		;
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(ftruncate(fd, st.st_size - (off_t)(spare_pages * sizeof(zeroes))), 0);
	close(fd);
	free(path);
}

void
small_disk_drain(const struct scenario *s, const char *name)
{
	char *path = xasprintf("%s/%s/%s", s->dir, name, filler);
	ck_assert_int_eq(unlink(path), 0);
	free(path);
}

void
small_disk_unmount(const struct scenario *s, const char *name)
{
	char *path = tmpdir_path(s->dir, name);
	ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
	free(path);
}
