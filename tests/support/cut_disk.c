/*
 * cut_disk.c - image, loop device, mount; and the cut.
 *
 * In the test process, as root. Owns the image and the mount, which is gone with the
 * namespace, and the loop device with it. Must never take away a loop device or mount of
 * others. Held by the canary, written before every cut.
 */
#include "tests/support/cut_disk.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/patience.h"
#include "tests/support/process.h"

#define MKFS "/sbin/mkfs.ext4"
/* As the kernel has them since 6.11 in linux/fs.h; ext4 knows them for much longer. */
#define CUT_IOC _IOR('X', 125, uint32_t)
#define CUT_WITHOUT_LOG UINT32_C(2)

enum { DISK_BYTES = 256 * 1024 * 1024, CANARY_BYTES = 4096 };

const char *
cut_disk_prepare(void)
{
	if (geteuid() != 0)
		return "root";
	if (access(MKFS, X_OK) < 0)
		return MKFS " (package e2fsprogs)";
	if (access("/dev/loop-control", R_OK | W_OK) < 0)
		return "loop devices (/dev/loop-control)";
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return "leave to make a mount namespace";
	return NULL;
}

static void
make_image(const struct cut_disk *disk, const char *dir)
{
	struct process mkfs;
	struct words words = { .n = 0 };
	int fd = open(disk->image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, DISK_BYTES), 0);
	close(fd);
	words_add(&words, MKFS " -q -F %s", disk->image);
	process_start(&mkfs, &words, &(struct process_files){ .dir = dir, .out_fd = -1 });
	ck_assert_int_eq(process_wait(&mkfs, MKFS), 0);
	words_fini(&words);
}

/* A free device may be somebody else's an instant later: -1. */
static int
take_loop(int control, int image, char device[32])
{
	struct loop_config config = { .fd = (uint32_t)image,
				      .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	ck_assert_int_ge(number, 0);
	snprintf(device, 32, "/dev/loop%d", number);
	int fd = open(device, O_RDWR | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", device, strerror(errno));
	if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
		return fd;
	ck_assert_msg(errno == EBUSY, "%s: %s", device, strerror(errno));
	close(fd);
	return -1;
}

/*
 * The device is the mount's alone and goes with it: were it kept open, what the kernel
 * remembers of its blocks would outlive the cut, and the file system would be damaged by
 * what never happened.
 */
static void
mount_it(const struct cut_disk *disk)
{
	char device[32];
	int image = open(disk->image, O_RDWR | O_CLOEXEC), loop;
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	ck_assert(image >= 0 && control >= 0);
	until("a loop device is ours", (loop = take_loop(control, image, device)) >= 0);
	int result = mount(device, disk->mount, "ext4", 0, NULL);
	ck_assert_msg(result == 0, "mount %s: %s", device, strerror(errno));
	close(loop);
	close(control);
	close(image);
}

void
cut_disk_begin(struct cut_disk *disk, const char *dir, const char *name)
{
	*disk = (struct cut_disk){ .image = xasprintf("%s/%s.img", dir, name),
				   .mount = xasprintf("%s/%s", dir, name),
				   .canary = xasprintf("%s/%s/canary", dir, name) };
	make_image(disk, dir);
	ck_assert_int_eq(mkdir(disk->mount, 0700), 0);
	mount_it(disk);
}

void
cut_disk_end(struct cut_disk *disk)
{
	until("nobody uses the disk", umount2(disk->mount, 0) == 0);
	ck_assert_int_eq(rmdir(disk->mount), 0);
	ck_assert_int_eq(unlink(disk->image), 0);
	free(disk->image);
	free(disk->mount);
	free(disk->canary);
}

void
cut_disk_cut(struct cut_disk *disk)
{
	static const char text[CANARY_BYTES] = "nobody synced this";
	uint32_t how = CUT_WITHOUT_LOG;
	int fd = open(disk->canary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, sizeof(text)), (ssize_t)sizeof(text));
	int result = ioctl(fd, CUT_IOC, &how);
	ck_assert_msg(result == 0, "FS_IOC_SHUTDOWN: %s", strerror(errno));
	close(fd);
}

bool
cut_disk_restore(struct cut_disk *disk)
{
	char text[CANARY_BYTES];
	if (umount2(disk->mount, 0) < 0) {
		ck_assert_msg(errno == EBUSY, "umount %s: %s", disk->mount, strerror(errno));
		return false;
	}
	mount_it(disk);
	/* Its name may have gone to the journal with somebody else's. */
	int fd = open(disk->canary, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ck_assert_msg(read(fd, text, sizeof(text)) == 0,
			      "the cut spared what was not synced");
		close(fd);
		ck_assert_int_eq(unlink(disk->canary), 0);
	}
	return true;
}
