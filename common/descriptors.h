/*
 * descriptors.h - how many descriptors this process may have: as many as it is allowed to take.
 */
#ifndef COMMON_DESCRIPTORS_H
#define COMMON_DESCRIPTORS_H

#include <stdint.h>

/* The soft limit is the hard one from now on. Before any thread and any child is. */
void descriptors_raise(void);
/* In a child, before it becomes another program: the limit is what it was, as programs that use
 * select() need it. Async-signal-safe. */
void descriptors_give_back(void);
/* UINT64_MAX: not limited. */
uint64_t descriptors_limit(void);
/* The errno with which the host or a limit refuses so many more now, at most 64; 0: there are. */
int descriptors_lack(unsigned n);

#endif
