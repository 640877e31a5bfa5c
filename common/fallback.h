/*
 * fallback.h - system calls that an older kernel, a container's profile or an odd file system
 * refuses, and what does as well.
 */
#ifndef COMMON_FALLBACK_H
#define COMMON_FALLBACK_H

/* close_range from `first` on; where that is refused, each descriptor by itself. Calls nothing that
 * allocates: fit for a child between fork or vfork and exec. -1: errno. */
int fallback_close_from(unsigned first);
/* Renames, and never replaces: EEXIST. Where renameat2 cannot do that: a second name and then the
 * first one's end, or, where there are no second names, a look and a rename; the caller sees to it
 * that nobody else makes `to`. A former call that was cut short in between is completed. */
int fallback_rename_new(int from_dir, const char *from, int to_dir, const char *to);
/* fsync of a directory; 0 also where the file system has none (EINVAL: CIFS, some of FUSE): names
 * may then be lost in a power failure, what stands in files is not. */
int fallback_sync_dir(int fd);
/* What kind of file system a descriptor's file is on, for people: "nfs", "type 0x1234". */
const char *fallback_fs_name(int fd, char text[32]);

#endif
