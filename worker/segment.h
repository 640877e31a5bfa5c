/*
 * segment.h - the file sink's files: names, and what a directory holds of one shard's
 * stream.
 *
 * DIR/<shard>-<instance>-<number>.log is complete, immutable and never repeated; with
 * ".part" behind it, it is being written. The shard's id is percent-encoded outside A-Z
 * a-z 0-9 _.
 */
#ifndef WORKER_SEGMENT_H
#define WORKER_SEGMENT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/ids.h"

enum { SEGMENT_NAME_MAX = 256, SEGMENT_PREFIX_MAX = 224 };

struct segment_dir {
	int fd;                          /* of DIR, borrowed */
	char prefix[SEGMENT_PREFIX_MAX]; /* "<shard>-<instance>-" */
};

void segment_dir_init(struct segment_dir *dir, int fd, const struct shard_id *shard,
		      const char *instance);

/* A new, empty, locked .part that survives a power cut. LTS_BUSY: there is one. */
enum lts_err segment_create(const struct segment_dir *dir, uint64_t number,
			    int *fd_out) LTS_MUST_USE;
/* The .part, locked and cut to `len`, durably. LTS_NOTFOUND; LTS_BUSY: another process
 * writes it; LTS_BADDATA: shorter than len. */
enum lts_err segment_open(const struct segment_dir *dir, uint64_t number, uint64_t len,
			  int *fd_out) LTS_MUST_USE;
/* Removes a .part, if it is there; then it stays away. */
enum lts_err segment_remove(const struct segment_dir *dir, uint64_t number) LTS_MUST_USE;
/* Gives [from, to) their final names, those that are still .part, durably. LTS_BADDATA: a
 * name was taken already, or there is neither; the others were given theirs. */
enum lts_err segment_seal(const struct segment_dir *dir, uint64_t from, uint64_t to) LTS_MUST_USE;
/* Makes the directory agree with a committed position in segment `number`: older parts
 * get their final names, newer ones go. LTS_BADDATA: `number` or a newer one is final, so
 * the state is older than the files. */
enum lts_err segment_tidy(const struct segment_dir *dir, uint64_t number) LTS_MUST_USE;
/* For a position that cannot be gone on from: the .part of `number` is called .part.damaged from
 * now on, and so are later ones, unless a newer state has been here, which may have committed them.
 * *next_out is a number above all that are there. */
enum lts_err segment_abandon(const struct segment_dir *dir, uint64_t number,
			     uint64_t *next_out) LTS_MUST_USE;
/* Whether the .part is still the file behind fd, and `len` long. */
bool segment_is_intact(const struct segment_dir *dir, uint64_t number, int fd, uint64_t len);

#endif
