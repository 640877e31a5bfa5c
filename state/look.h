/*
 * look.h - reading an environment without disturbing the agent that uses it.
 */
#ifndef STATE_LOOK_H
#define STATE_LOOK_H

#include "state/request.h"
#include "state/snapshot.h"

/* Reads all of it; frees with snapshot_fini. Else says on stderr why it cannot be read and what
 * to do. Ends the process when the disk does not answer, or LMDB falls over damage. */
enum exit_code look_read(const char *state_dir, struct snapshot *out) LTS_MUST_USE;
/* The same of a backup's file. */
enum exit_code look_read_file(const char *file, struct snapshot *out) LTS_MUST_USE;

/* Any other reading, under the same guard. */
typedef enum lts_err look_reader(const char *state_dir, void *out);
enum exit_code look_guarded(look_reader *read, const char *state_dir, void *out) LTS_MUST_USE;

#endif
