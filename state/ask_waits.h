/*
 * ask_waits.h - what the running agent says it waits for.
 */
#ifndef STATE_ASK_WAITS_H
#define STATE_ASK_WAITS_H

#include <stddef.h>
#include <stdint.h>

struct agent_waits {
	struct agent_wait {
		int64_t for_ms;
		char text[256]; /* without what a terminal would obey */
	} *rows;
	size_t n; /* up to ASK_WAITS_MAX */
	char unready[512]; /* why the agent is not ready, clean as well; "": it is, or none runs */
};

enum { ASK_WAITS_MAX = 1024 };

/* No agent, or none that answers within half a second: none. ask_waits_fini follows. */
void ask_waits(const char *state_dir, struct agent_waits *out);
void ask_waits_fini(struct agent_waits *waits);

#endif
