/*
 * cut_disk.h - an ext4 file system whose power can be cut.
 *
 * An image in the scenario's directory behind a loop device, mounted in a mount namespace
 * of the test's own: with the test's last process both are gone, however it ended. Only
 * what reached the image before the cut is there afterwards; what a drive keeps in a
 * volatile cache is not part of it.
 */
#ifndef TESTS_SUPPORT_CUT_DISK_H
#define TESTS_SUPPORT_CUT_DISK_H

#include <stdbool.h>

struct cut_disk {
	char *image, *mount, *canary;
};

/* Once in a test, before the first disk and before processes are started: gives it a mount
 * namespace of its own. NULL, or what this machine lacks. */
const char *cut_disk_prepare(void);

/* DIR/NAME.img, mounted empty at DIR/NAME. */
void cut_disk_begin(struct cut_disk *disk, const char *dir, const char *name);
/* Nothing must use it any more. */
void cut_disk_end(struct cut_disk *disk);

/* From here on nothing reaches the image, not even the journal; all I/O fails. */
void cut_disk_cut(struct cut_disk *disk);
/* Mounts it again as it was at the cut; false: some process still uses it. Fails the test
 * when what was not synced survived. */
bool cut_disk_restore(struct cut_disk *disk);

#endif
