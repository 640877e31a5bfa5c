/*
 * scan_file.c - what batch_scan says of files, for whoever wants to try a collection of JSON on
 * it.
 *
 * In lts-bench. A file is valid when it is taken as one value by itself, and as a value within a
 * record of an answer, which puts four containers around it. All ways, with vector instructions
 * or without, are asked. Must never call a file valid, or invalid, about which they differ.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "tests/bench/bench.h"
#include "worker/batch_scan.h"

enum { WAYS = 3, READ_BYTES = 64 << 10 };

static const char before[] = "{\"count\":1,\"next\":\"1\",\"logs\":[{\"labels\":{\"value\":";
static const char behind[] = "}}]}";

static bool
read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "r");
	size_t got;
	bool failed = !file;
	while (!failed) {
		failed = buf_reserve(out, READ_BYTES);
		got = failed ? 0 : fread(out->data + out->len, 1, READ_BYTES, file);
		out->len += got;
		failed = failed || ferror(file);
		if (got == 0)
			break;
	}
	if (failed)
		fprintf(stderr, "lts-bench: %s: %s\n", path, strerror(errno));
	if (file)
		fclose(file);
	return !failed;
}

static bool
is_value(enum json_skip_way way, const struct buf *text)
{
	struct json_skip skip;
	json_skip_init(&skip, way, text->data, text->len);
	const char *p = json_skip_value(&skip, json_skip_space(&skip, text->data), 0);
	return p && json_skip_space(&skip, p) == text->data + text->len;
}

static bool
is_taken_in_a_record(enum json_skip_way way, const struct buf *text)
{
	struct batch_scan scan;
	struct batch_fault fault;
	struct batch_view view;
	struct buf body;
	batch_scan_init(&scan);
	scan.way = way;
	buf_init(&body, 0);
	bool taken = !buf_put_text(&body, before) && !buf_put(&body, text->data, text->len) &&
		     !buf_put_text(&body, behind) &&
		     !batch_scan_run(&scan, body.data, body.len, &fault, &view);
	buf_fini(&body);
	batch_scan_fini(&scan);
	return taken;
}

int
bench_scan_file(int argc, char **argv)
{
	int code = argc > 1 ? 0 : 2;
	for (int i = 1; i < argc; i++) {
		struct buf text;
		int yes = 0;
		buf_init(&text, 0);
		if (!read_file(argv[i], &text))
			return 1;
		for (int way = 0; way < WAYS; way++)
			yes += is_value((enum json_skip_way)way, &text) &&
			       is_taken_in_a_record((enum json_skip_way)way, &text);
		printf("%-8s %s\n", yes == WAYS ? "valid" : yes ? "differs" : "invalid", argv[i]);
		if (yes && yes != WAYS)
			code = 1;
		buf_fini(&text);
	}
	return code;
}
