/*
 * remake.h - a new environment in the place of the one that is there.
 */
#ifndef STATE_REMAKE_H
#define STATE_REMAKE_H

#include "state/snapshot.h"

/* With both locks held: makes an environment of these records, and puts it in the place of
 * data.mdb at once; what was there, if anything, is kept beside it as data.mdb.`kept`. On failure
 * data.mdb is whole: the old one, or, where only the directory could not be brought to the disk,
 * the new one. LTS_BUSY: there is something of that name. LTS_SYS: errno. */
enum lts_err remake(const char *state_dir, const struct snapshot *records,
		    const char *kept) LTS_MUST_USE;

/* A snapshot as a new instance has it, and as yet nobody. */
void remake_renew(struct snapshot *snapshot, int64_t now_ns);

/* For `kept`: "<why>-20260102T030405.678Z"; the caller frees. */
char *remake_kept_name(const char *why, int64_t now_ns);

/* A snapshot's next event, of no shard. */
void remake_add_event(struct snapshot *snapshot, enum event_kind kind, int64_t now_ns,
		      const char *text);

#endif
