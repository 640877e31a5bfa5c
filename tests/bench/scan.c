/*
 * scan.c - batch_scan against cJSON on the same bodies.
 *
 * In lts-bench. Owns the bodies. Must never time bodies that are fewer than the caches hold, nor
 * let either side see text that the other does not. One JSON line a size on stdout.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/xalloc.h"
#include "tests/bench/bench.h"
#include "tests/sim/sim_record.h"
#include "worker/batch_scan.h"

enum { DISTINCT_BYTES = 32 << 20, RUNS_MOST = 25, BODIES_MOST = 1024, ROUNDS_OURS = 4 };

struct size {
	const char *name;
	size_t record_bytes, records;
};

static const struct size sizes[] = {
	{ "100", 100, 1000 },
	{ "500", 500, 1000 },
	{ "4096", 4096, 1000 },
	{ "65536", 65536, 100 },
};

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), FRAME_MOST = 240 };

struct bodies {
	struct buf list[BODIES_MOST];
	size_t n, bytes;
};

static void
must(int failed)
{
	if (failed)
		abort(); /* buffers without a ceiling, and texts of our own */
}

/* lts-sim's records hold 240 bytes beside their text: shorter ones are cut from a long one's
 * text, behind a blank, so that neither a character nor an escape is cut. */
static void
put_short_record(struct buf *out, size_t bytes, uint64_t seq)
{
	static const char head[] = "{\"labels\":{\"log_content\":\"";
	struct buf text;
	buf_init(&text, 0);
	sim_record_render(&text, 1, 4096, 0, seq, 0);
	const char *from = text.data + sizeof(head) - 1;
	size_t len = bytes > 40 ? bytes - 40 : 1;
	from += strcspn(from + seq % 1000, " ") + seq % 1000 + 1;
	len += strcspn(from + len, " ") + 1;
	must(buf_put_text(out, head));
	must(buf_put(out, from, len));
	must(buf_printf(out, "\",\"__time__\":%llu}},",
			1767322800000000000ULL + (unsigned long long)seq));
	buf_fini(&text);
}

static void
make_body(struct buf *body, const struct size *size, uint64_t first)
{
	buf_init(body, 0);
	must(buf_printf(body, "{\"count\":%zu,\"next\":1767322800000001001,\"logs\":[",
			size->records));
	for (size_t i = 0; i < size->records; i++) {
		if (size->record_bytes < FRAME_MOST)
			put_short_record(body, size->record_bytes, first + i);
		else
			sim_record_render(body, 1, size->record_bytes, 0, first + i,
					  1767322800000000000);
	}
	body->len--; /* the last comma */
	must(buf_put_text(body, "]}"));
}

static void
make_bodies(struct bodies *bodies, const struct size *size)
{
	*bodies = (struct bodies){ .n = 0 };
	while (bodies->bytes < DISTINCT_BYTES && bodies->n < BODIES_MOST) {
		make_body(&bodies->list[bodies->n], size, bodies->n * size->records);
		bodies->bytes += bodies->list[bodies->n++].len;
	}
}

/* MB a CPU second. */
static double
time_ours(const struct bodies *bodies, enum json_skip_way way, size_t records)
{
	struct batch_scan scan;
	batch_scan_init(&scan);
	scan.way = way;
	int64_t start_ns = bench_cpu_ns();
	for (int round = 0; round < ROUNDS_OURS; round++) {
		for (size_t i = 0; i < bodies->n; i++) {
			struct batch_fault fault;
			struct batch_view view;
			const struct buf *body = &bodies->list[i];
			must(batch_scan_run(&scan, body->data, body->len, &fault, &view));
			must(view.n_records != records);
		}
	}
	int64_t spent_ns = bench_cpu_ns() - start_ns;
	batch_scan_fini(&scan);
	return (double)bodies->bytes * ROUNDS_OURS * 1e3 / (double)spent_ns;
}

static double
time_cjson(const struct bodies *bodies)
{
	int64_t start_ns = bench_cpu_ns();
	for (size_t i = 0; i < bodies->n; i++) {
		cJSON *tree = cJSON_ParseWithLength(bodies->list[i].data, bodies->list[i].len);
		must(tree == NULL);
		cJSON_Delete(tree);
	}
	return (double)bodies->bytes * 1e3 / (double)(bench_cpu_ns() - start_ns);
}

static int
by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;
	return (left > right) - (left < right);
}

static double
median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

static void
compare(const struct size *size, size_t runs)
{
	static struct bodies bodies;
	static const enum json_skip_way ways[] = { JSON_SKIP_BEST, JSON_SKIP_SSE2,
						   JSON_SKIP_PORTABLE };
	double ours[3][RUNS_MOST], cjson[RUNS_MOST];
	make_bodies(&bodies, size);
	for (size_t run = 0; run < runs; run++) {
		for (size_t way = 0; way < 3; way++)
			ours[way][run] = time_ours(&bodies, ways[way], size->records);
		cjson[run] = time_cjson(&bodies);
	}
	double theirs = median(cjson, runs), best = median(ours[0], runs);
	printf("{\"bench\":\"scan\",\"record_bytes\":%s,\"scan_mb_s\":%.0f,\"sse2_mb_s\":%.0f,"
	       "\"portable_mb_s\":%.0f,\"cjson_mb_s\":%.0f,\"ratio\":%.3f}\n",
	       size->name, best, median(ours[1], runs), median(ours[2], runs), theirs,
	       best / theirs);
	fflush(stdout);
	for (size_t i = 0; i < bodies.n; i++)
		buf_fini(&bodies.list[i]);
}

int
bench_scan(int argc, char **argv)
{
	size_t runs = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 5;
	if (runs < 1 || runs > RUNS_MOST)
		return 2;
	for (size_t i = 0; i < SIZES; i++)
		compare(&sizes[i], runs);
	return 0;
}
