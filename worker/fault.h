/*
 * fault.h - notes on the board which thread's fault, or whose exit(), ended the process.
 *
 * The supervisor reads it when the worker is dead: only what ended the delivery thread
 * counts against the batch that was inside the sink.
 */
#ifndef WORKER_FAULT_H
#define WORKER_FAULT_H

#include "common/board.h"

/* Once, by the loop's thread, before there is another. The board is borrowed until
 * fault_watch(NULL). */
void fault_watch(struct board *board);
/* By the delivery thread, first of all: its faults are handled, on a stack of their own. */
void fault_watch_delivery(void);

#endif
