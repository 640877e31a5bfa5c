/*
 * delay.c - how old records are when they come out of the agent.
 *
 * In lts-bench: reads delivered lines on stdin until they end. A record's `__time__` is when it
 * came in at lts-sim, on the same machine's clock. Those of the first second are left out: they
 * waited for the agent's start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/bench/bench.h"

#define NS_PER_S 1000000000

enum { READ_BYTES = 1 << 20 };

struct delays {
	int64_t *list, first_ns;
	size_t n, cap;
};

static void
add_line(struct delays *delays, const char *line, size_t len, int64_t now_ns)
{
	static const char key[] = "\"__time__\":";
	const char *at = memmem(line, len, key, sizeof(key) - 1);
	if (!at)
		return;
	if (!delays->first_ns)
		delays->first_ns = now_ns;
	if (now_ns - delays->first_ns < NS_PER_S)
		return;
	if (delays->n == delays->cap) {
		delays->cap = delays->cap ? 2 * delays->cap : 1024;
		delays->list = xreallocarray(delays->list, delays->cap, sizeof(*delays->list));
	}
	delays->list[delays->n++] = now_ns - strtoll(at + sizeof(key) - 1, NULL, 10);
}

static int
by_age(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

int
bench_delay(int argc, char **argv)
{
	static char data[READ_BYTES + 1];
	struct delays delays = { 0 };
	size_t len = 0;
	ssize_t got;
	while ((got = read(STDIN_FILENO, data + len, READ_BYTES - len)) > 0) {
		int64_t now_ns = clock_wall_ns();
		const char *line = data, *end = data + len + got, *stop;
		while ((stop = memchr(line, '\n', (size_t)(end - line)))) {
			add_line(&delays, line, (size_t)(stop - line), now_ns);
			line = stop + 1;
		}
		len = (size_t)(end - line);
		memmove(data, line, len);
	}
	if (delays.n == 0)
		return 1;
	qsort(delays.list, delays.n, sizeof(*delays.list), by_age);
	printf("{\"records\":%zu,\"p50_ms\":%.1f,\"p99_ms\":%.1f}\n", delays.n,
	       (double)delays.list[delays.n / 2] / 1e6,
	       (double)delays.list[delays.n - 1 - delays.n / 100] / 1e6);
	free(delays.list);
	return 0;
}
