/*
 * small_disk.h - a tmpfs on a directory of the scenario's, in a mount namespace of the
 * test's own: it is gone with the test, however that ends.
 */
#ifndef TESTS_SUPPORT_SMALL_DISK_H
#define TESTS_SUPPORT_SMALL_DISK_H

#include <stdbool.h>

#include "tests/support/scenario.h"

/* Makes dir/NAME and mounts it; before the programs are started that shall see it. False:
 * not permitted; the test is to be skipped, and that was said. */
bool small_disk_mount(const struct scenario *scenario, const char *name, const char *options);
/* Other options from now on: "size=64m", "ro". */
void small_disk_remount(const struct scenario *scenario, const char *name, const char *options);
/* Takes all the space that is left on it but so many pages, with one file. */
void small_disk_fill(const struct scenario *scenario, const char *name, unsigned spare_pages);
/* And gives it back. */
void small_disk_drain(const struct scenario *scenario, const char *name);
void small_disk_unmount(const struct scenario *scenario, const char *name);

#endif
