/*
 * fuzz_metrics_text.c - libFuzzer's way into what names from the service become in the metrics.
 *
 * The input is a label's value, and what kind of sample it is of. What is written is nothing, or
 * one line with one label, whose value reads back as the input with '?' for what is no printable
 * ASCII. And when a record says that it was made is never before 1970.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "supervisor/metrics_text.h"
#include "worker/record_time.h"

static char
unescaped(const char **at)
{
	char c = *(*at)++;
	if (c != '\\')
		return c;
	c = *(*at)++;
	require(c == '\\' || c == '"' || c == 'n');
	return c == 'n' ? '\n' : c;
}

static void
check_line(const char *line, const char *value)
{
	static const char begin[] = "m{shard=\"";
	require(strncmp(line, begin, sizeof(begin) - 1) == 0);
	line += sizeof(begin) - 1;
	for (; *value; value++) {
		bool plain = *value == '\n' || (*value >= ' ' && *value <= '~');
		require(*line != '"' && *line != '\n');
		require(unescaped(&line) == (plain ? *value : '?'));
	}
	require(strcmp(line, "\"} 7\n") == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *value = malloc(size + 1);
	struct buf out;
	memcpy(value, data, size);
	value[size] = '\0';
	const struct metrics_label labels[] = { { "shard", value }, { NULL, NULL } };
	buf_init(&out, 0);
	metrics_count(&out, "m", labels, 7);
	require(out.len || strlen(value) > 450); /* left out only if it is long */
	if (out.len)
		check_line(out.data, value);
	require(record_time_ns(&(struct record){ value, size }) >= 0);
	buf_fini(&out);
	free(value);
	return 0;
}
