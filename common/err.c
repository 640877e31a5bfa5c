/*
 * err.c - names of the result codes, for logs.
 *
 * In every process. Owns nothing. Must never allocate. Held by
 * tests/common/test_basics.c.
 */
#include "common/err.h"

const char *
lts_err_name(enum lts_err err)
{
	static const char *const names[] = {
		[LTS_OK] = "OK",           [LTS_AGAIN] = "AGAIN",     [LTS_UNKNOWN] = "UNKNOWN",
		[LTS_GONE] = "GONE",       [LTS_DENIED] = "DENIED",   [LTS_NOTFOUND] = "NOTFOUND",
		[LTS_EXPIRED] = "EXPIRED", [LTS_BADDATA] = "BADDATA", [LTS_TOOBIG] = "TOOBIG",
		[LTS_NOSPACE] = "NOSPACE", [LTS_BUSY] = "BUSY",       [LTS_INVALID] = "INVALID",
		[LTS_CLOSED] = "CLOSED",   [LTS_SYNC] = "SYNC",       [LTS_SYS] = "SYS",
	};
	if ((unsigned)err >= sizeof(names) / sizeof(names[0]))
		return "?";
	return names[err];
}
