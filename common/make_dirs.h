/*
 * make_dirs.h - mkdir -p.
 */
#ifndef COMMON_MAKE_DIRS_H
#define COMMON_MAKE_DIRS_H

#include <sys/types.h>

#include "common/err.h"

/* Makes the directory and those above it that are missing (these with 0755); the name of each
 * new one survives a power cut. One that is there stays as it is. LTS_SYS with errno. */
enum lts_err make_dirs(const char *path, mode_t mode) LTS_MUST_USE;

#endif
