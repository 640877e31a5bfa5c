/*
 * board_wait.h - "this worker waits for that, since then": said on its board, within a beat.
 */
#ifndef COMMON_BOARD_WAIT_H
#define COMMON_BOARD_WAIT_H

#include "common/board.h"

/* It waits, or still does: since_ms is the first call's. `text`, for people, names the cause and
 * whose it is; it is cut to its room. */
void board_wait(struct board *board, enum board_want want, const char *text, int64_t now_ms);
void board_go_on(struct board *board, enum board_want want);

struct board_waits {
	int64_t since_ms;
	char text[200];
};

/* True: it waits. Also for the state's write lock, without a word of its own. */
bool board_waits_for(const struct board *board, enum board_want want, struct board_waits *out);

#endif
