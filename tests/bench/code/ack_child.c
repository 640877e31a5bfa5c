/*
 * ack_child.c - a child of sink=exec: that only acknowledges: what a child costs the agent. Of
 * the shard that its argument names it refuses everything.
 *
 * Started by a worker of scripts/bench. Says on stderr, as its last word, what it has cost
 * itself. Trusts its worker.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROOM = 1 << 20 };

static char data[ROOM + 1];
static size_t len, at;
static char refused[80]; /* as it stands in a frame */

/* False: there is no more. */
static int
fill(void)
{
	memmove(data, data + at, len - at);
	len -= at;
	at = 0;
	ssize_t n = read(STDIN_FILENO, data + len, ROOM - len);
	if (n <= 0)
		return 0;
	len += (size_t)n;
	data[len] = '\0';
	return 1;
}

static int
skip(unsigned long long bytes)
{
	while (bytes > len - at) {
		bytes -= len - at;
		at = len;
		if (!fill())
			return 0;
	}
	at += bytes;
	return 1;
}

/* The number behind `key`; 0: it is not there. */
static unsigned long long
number(const char *line, const char *key)
{
	const char *found = strstr(line, key);
	return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

static int
answer(const char *line)
{
	char text[64];
	unsigned long long id = number(line, "\"id\":"), bytes = number(line, "\"bytes\":");
	int n = snprintf(text, sizeof(text), "{\"type\":\"ack\",\"id\":%llu}\n", id);
	if (strstr(line, "\"type\":\"hello\""))
		n = snprintf(text, sizeof(text),
			     "{\"type\":\"hello\",\"version\":1,\"credits\":8}\n");
	else if (!id)
		return 1;
	else if (refused[0] && bytes && strstr(line, refused))
		n = snprintf(text, sizeof(text),
			     "{\"type\":\"nack\",\"id\":%llu,\"error\":\"no\"}\n", id);
	return skip(bytes) && write(STDOUT_FILENO, text, (size_t)n) == n;
}

static double
seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int
main(int argc, char **argv)
{
	struct rusage used;
	if (argc > 1)
		snprintf(refused, sizeof(refused), "\"shard\":\"%s\"", argv[1]);
	for (int more = 1; more;) {
		char *end = memchr(data + at, '\n', len - at);
		if (!end) {
			more = fill();
			continue;
		}
		char line[4096];
		size_t n = (size_t)(end - (data + at));
		n = n < sizeof(line) ? n : sizeof(line) - 1;
		memcpy(line, data + at, n);
		line[n] = '\0';
		at = (size_t)(end + 1 - data);
		more = answer(line);
	}
	getrusage(RUSAGE_SELF, &used);
	fprintf(stderr, "child_cpu_s=%.6f\n", seconds(used.ru_utime) + seconds(used.ru_stime));
	return 0;
}
