/*
 * place.h - where in a shard people want it to go on: a place in time, or a cursor.
 */
#ifndef STATE_PLACE_H
#define STATE_PLACE_H

#include "common/ids.h"

enum {
	PLACE_TEXT = 80,
	/* In a forced checkpoint (state/schema.h), before "begin", "end" or nanoseconds: the next
	 * take asks the service for the cursor. */
	PLACE_MARK = '@',
};

struct place {
	char from[24]; /* "begin", "end" or nanoseconds, as the service takes them; or "" */
	struct cursor cursor; /* then this */
};

/* begin, end, an RFC 3339 time, an integer epoch as for start_time, time:EITHER, or cursor:TEXT.
 * NULL, or a static text that says what is wrong and nothing is stored. */
const char *place_parse(const char *text, struct place *out);
/* As place_parse takes it. */
void place_render(const struct place *place, char out[PLACE_TEXT]);

#endif
