/*
 * protect.h - what every program with keys in it does first.
 */
#ifndef COMMON_PROTECT_H
#define COMMON_PROTECT_H

#include <stdbool.h>
#include <stddef.h>

/* Of this process and those it starts: no core dumps, and no exec gains a privilege. Makes the
 * place for keys: locked, and left out of dumps. Once, before there are threads. False: the place
 * is not locked, as a rule for RLIMIT_MEMLOCK is too small, and keys may be swapped out. */
bool protect_process(void);

/* Zeroed memory for keys there, or where there is no such place, as in a test, on the heap; full
 * is out of memory. */
void *protect_alloc(size_t size) __attribute__((malloc, returns_nonnull));
/* Wipes it first. NULL-safe. */
void protect_free(void *memory, size_t size);

#endif
