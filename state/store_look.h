/*
 * store_look.h - how lts-state sees a live environment: as a copy in memory, for which it is no
 * reader of LMDB's and takes none of its locks.
 */
#ifndef STATE_STORE_LOOK_H
#define STATE_STORE_LOOK_H

#include "state/store.h"

/* The file data.mdb in state_dir as some commit left it, in a memfd, to be closed. LTS_AGAIN:
 * commits came too fast for two seconds. Else as store_open. */
enum lts_err store_look_copy(const char *state_dir, int *fd_out) LTS_MUST_USE;

/* Fills in what only the live environment knows: its readers. Nothing, when it has no lock.mdb, may
 * not be asked or would have to be waited for. */
void store_look_readers(const char *state_dir, struct store_usage *usage);

#endif
