/*
 * err.h - one set of result codes; each names the caller's next move.
 *
 * A function that can fail returns one and must be looked at. Its `_out` parameters
 * come last and are untouched unless it returned LTS_OK.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#define LTS_MUST_USE __attribute__((warn_unused_result))

enum lts_err {
	LTS_OK = 0,
	LTS_AGAIN,    /* nothing wrong here; try later, with backoff */
	LTS_UNKNOWN,  /* sent, answer lost: read back before doing it again */
	LTS_GONE,     /* the shard is no longer ours: let go of it */
	LTS_DENIED,   /* credentials refused: reload them, say so, retry slowly */
	LTS_NOTFOUND, /* the thing named does not exist */
	LTS_EXPIRED,  /* the cursor points before the oldest record kept */
	LTS_BADDATA,  /* what was read is not what it should be: refuse it, move nothing */
	LTS_TOOBIG,   /* above a stated ceiling: ask for less */
	LTS_NOSPACE,  /* disk or map full: pause, and go on when there is room */
	LTS_BUSY,     /* held by another process */
	LTS_INVALID,  /* the user's input is wrong: say which, exit 2 */
	LTS_CLOSED,   /* the peer is gone */
	LTS_SYNC,     /* fsync failed: end the process, never retry it */
	LTS_SYS,      /* a system call failed; errno says how */
};

/* "GONE", "AGAIN", ...: a word for logs. Never NULL. */
const char *lts_err_name(enum lts_err err);

#endif
