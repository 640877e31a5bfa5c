/*
 * chaos_disks.c - each host's state and sink on small file systems of their own, which are
 * full for a while.
 *
 * In the proof's process, as root. Owns the mounts. A disk becomes full by being made as
 * small as what is on it, which costs no memory. Must never touch a mount that it has not
 * made. A violation leaves them, for their contents.
 */
#include "tests/proof/chaos.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/xalloc.h"

enum { DISK_MIB = 512, SHRINK_TRIES = 20 };

static char *
disk_path(const struct chaos *chaos, const struct host *host, enum disk disk)
{
	return xasprintf("%s/%s.%s", chaos->scenario.dir, host->name,
			 disk == DISK_STATE ? "st" : "out");
}

bool
disks_can_mount(void)
{
	char dir[] = "/tmp/lts-chaos-XXXXXX";
	if (geteuid() != 0 || !mkdtemp(dir))
		return false;
	bool can = mount("none", dir, "tmpfs", 0, "size=1m") == 0;
	if (can)
		umount(dir);
	rmdir(dir);
	return can;
}

void
disk_mount(struct chaos *chaos, struct host *host, enum disk disk)
{
	char *path = disk_path(chaos, host, disk);
	char *options = xasprintf("size=%dm,mode=0700", DISK_MIB);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_msg(mount("none", path, "tmpfs", 0, options) == 0, "mount %s: %s", path,
		      strerror(errno));
	host->mounted[disk] = true;
	free(options);
	free(path);
}

void
disk_unmount(struct chaos *chaos, struct host *host, enum disk disk)
{
	char *path = disk_path(chaos, host, disk);
	if (host->mounted[disk])
		ck_assert_msg(umount(path) == 0, "umount %s: %s", path, strerror(errno));
	host->mounted[disk] = false;
	free(path);
}

static bool
resize(const char *path, unsigned long long bytes)
{
	char *options = xasprintf("size=%llu,mode=0700", bytes);
	bool done = mount("none", path, "tmpfs", MS_REMOUNT, options) == 0;
	free(options);
	return done;
}

bool
disk_fill(struct chaos *chaos, struct host *host, enum disk disk)
{
	char *path = disk_path(chaos, host, disk);
	struct statfs fs;
	bool done = false;
	/* It may grow between the two. */
	for (int i = 0; i < SHRINK_TRIES && !done; i++) {
		ck_assert_int_eq(statfs(path, &fs), 0);
		/* One at least: none at all would be no bound. */
		unsigned long long used = fs.f_blocks - fs.f_bfree;
		done = resize(path, (used ? used : 1) * (unsigned long long)fs.f_bsize);
	}
	free(path);
	return done;
}

void
disk_free(struct chaos *chaos, struct host *host, enum disk disk)
{
	char *path = disk_path(chaos, host, disk);
	ck_assert_msg(resize(path, (unsigned long long)DISK_MIB << 20), "resize %s: %s", path,
		      strerror(errno));
	host->full_ms[disk] = 0;
	chaos_note(chaos, "%s has room again", path);
	free(path);
}
