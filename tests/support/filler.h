/*
 * filler.h - takes the room in an environment's map.
 */
#ifndef TESTS_SUPPORT_FILLER_H
#define TESTS_SUPPORT_FILLER_H

/* Leaves so many pages behind the last one in use. In a child, so that the environment is not open
 * here. */
void filler_put(const char *state_dir, unsigned spare_pages);

#endif
