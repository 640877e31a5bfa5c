/*
 * fuzz.h - what the targets have in common: libFuzzer's entry, and how a claim fails.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void
require(bool claim)
{
	if (!claim)
		abort();
}

/* A text of at most room - 1 bytes, printable ASCII alone. */
static inline void
require_printable(const char *text, size_t room)
{
	size_t len = 0;
	while (len < room && text[len])
		require(text[len] >= ' ' && text[len++] <= '~');
	require(len < room);
}

#endif
