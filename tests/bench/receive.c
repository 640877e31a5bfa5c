/*
 * receive.c - what it costs to receive a stream and do as little as possible with it.
 *
 * In lts-bench: one process that reads every shard with the agent's own client (its loop,
 * sockets, buffers and signatures), one request under way for each. A body is copied once into
 * memory and dropped; or each record is parsed to a tree and printed; or the same number of bytes
 * as its records have goes to a file by write(2), synced every 200 ms. Must never look into a
 * body but for its `count` and `next`, in the first bytes.
 */
#include <cjson/cJSON.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/lts_api.h"
#include "common/xalloc.h"
#include "tests/bench/bench.h"

enum { SHARDS_MAX = 256, LIMIT = 1000, SYNC_MS = 200, BODY_MAX = 256 << 20 };

/* `{"labels":` and `},` around each record, less the line break behind it. */
enum { AROUND_RECORD = 11 };

enum work { WORK_DROP, WORK_TREE, WORK_WRITE };

struct receiver;

struct source {
	struct receiver *receiver;
	struct shard_id shard;
	struct cursor next;
	int fd;
	bool dirty;
};

struct receiver {
	struct ev_loop *loop;
	struct lts_api *api;
	enum work work;
	struct source sources[SHARDS_MAX];
	unsigned n, open;
	uint64_t bytes, bytes_most, records, batches;
	struct ev_timer sync;
};

static void
must(int failed, const char *what)
{
	if (!failed)
		return;
	fprintf(stderr, "lts-bench: %s\n", what);
	exit(1);
}

/* The text of a number behind `key` in the first bytes of the body. */
static const char *
number_behind(const char *body, const char *key)
{
	const char *at = strstr(body, key);
	must(!at || at - body > 64, "an answer without count and next in front");
	return at + strlen(key);
}

static void
print_records(const struct buf *body)
{
	cJSON *tree = cJSON_ParseWithLength(body->data, body->len);
	const cJSON *log;
	cJSON_ArrayForEach(log, cJSON_GetObjectItemCaseSensitive(tree, "logs"))
		free(cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(log, "labels")));
	cJSON_Delete(tree);
}

static void
write_records(struct source *source, const struct buf *body, size_t count)
{
	const char *logs = strchr(body->data, '[');
	size_t len = body->len - (size_t)(logs - body->data) - count * AROUND_RECORD;
	for (size_t done = 0; done < len;) {
		ssize_t got = write(source->fd, logs + done, len - done);
		must(got < 0, "write failed");
		done += (size_t)got;
	}
	source->dirty = true;
}

static void
on_sync(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct receiver *r = timer->data;
	for (unsigned i = 0; i < r->n; i++) {
		if (r->sources[i].dirty)
			must(fdatasync(r->sources[i].fd) < 0, "fdatasync failed");
		r->sources[i].dirty = false;
	}
}

static void ask(struct source *source);

static void
on_batch(void *arg, struct lts_answer *answer)
{
	struct source *source = arg;
	struct receiver *r = source->receiver;
	must(answer->err, answer->message);
	const struct buf *body = answer->body;
	size_t count = strtoul(number_behind(body->data, "\"count\":"), NULL, 10);
	snprintf(source->next.text, sizeof(source->next.text), "%.*s",
		 (int)strspn(number_behind(body->data, "\"next\":"), "0123456789"),
		 number_behind(body->data, "\"next\":"));
	if (count && r->work == WORK_TREE)
		print_records(body);
	else if (count && r->work == WORK_WRITE)
		write_records(source, body, count);
	r->bytes += body->len;
	r->records += count;
	r->batches++;
	if (count && r->bytes < r->bytes_most)
		ask(source);
	else if (--r->open == 0)
		ev_break(r->loop, EVBREAK_ALL);
}

static void
ask(struct source *source)
{
	lts_api_batch(source->receiver->api, &source->shard, LIMIT, 0, &source->next, NULL,
		      on_batch, source);
}

static void
on_cursor(void *arg, struct lts_answer *answer)
{
	struct source *source = arg;
	must(answer->err, answer->message);
	source->next = answer->cursor;
	ask(source);
}

static void
create_api(struct receiver *r, const char *url, const char *ca_file)
{
	const struct lts_api_config config = {
		.url = url,
		.region = "cn-north-4",
		.project_id = "0123456789abcdef0123456789abcdef",
		.group_id = "11111111-2222-3333-4444-555555555555",
		.stream_id = "66666666-7777-8888-9999-aaaaaaaaaaaa",
		.consumer_group = "my-group",
		.ca_file = strcmp(ca_file, "-") == 0 ? NULL : ca_file,
		.max_body_bytes = BODY_MAX,
		.heartbeat_timeout_ms = 60000,
	};
	const struct credentials credentials = { .ak = "AKIDEXAMPLE",
						 .sk = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY" };
	r->api = lts_api_create(r->loop, &config);
	must(lts_api_set_credentials(r->api, &credentials), "credentials refused");
}

static void
open_files(struct receiver *r, const char *dir)
{
	for (unsigned i = 0; i < r->n; i++) {
		char *path = xasprintf("%s/%u", dir, i);
		r->sources[i].fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		must(r->sources[i].fd < 0, "a file cannot be made");
		free(path);
	}
	ev_timer_init(&r->sync, on_sync, SYNC_MS / 1e3, SYNC_MS / 1e3);
	r->sync.data = r;
	ev_timer_start(r->loop, &r->sync);
}

static void
report(const struct receiver *r, int64_t start_ns)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"bytes\":%llu,\"records\":%llu,\"batches\":%llu,\"cpu_s\":%.6f,\"wall_s\":%.6f,"
	       "\"rss_kb\":%ld}\n",
	       (unsigned long long)r->bytes, (unsigned long long)r->records,
	       (unsigned long long)r->batches, (double)bench_cpu_ns() / 1e9,
	       (double)(clock_mono_ns() - start_ns) / 1e9, usage.ru_maxrss);
}

int
bench_receive(int argc, char **argv)
{
	static const char *const works[] = { "drop", "tree", "write" };
	static struct receiver r;
	int64_t start_ns = clock_mono_ns();
	if (argc < 6)
		return 2;
	while (r.work <= WORK_WRITE && strcmp(argv[1], works[r.work]) != 0)
		r.work++;
	r.n = r.open = (unsigned)strtoul(argv[4], NULL, 10);
	r.bytes_most = strtoull(argv[5], NULL, 10);
	if (r.work > WORK_WRITE || (r.work == WORK_WRITE) != (argc == 7) || !r.n ||
	    r.n > SHARDS_MAX)
		return 2;
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	r.loop = ev_default_loop(0);
	create_api(&r, argv[2], argv[3]);
	if (r.work == WORK_WRITE)
		open_files(&r, argv[6]);
	for (unsigned i = 0; i < r.n; i++) {
		struct source *source = &r.sources[i];
		source->receiver = &r;
		snprintf(source->shard.text, sizeof(source->shard.text), "%u", i);
		lts_api_cursor(r.api, &source->shard, "begin", on_cursor, source);
	}
	ev_run(r.loop, 0);
	if (r.work == WORK_WRITE)
		on_sync(r.loop, &r.sync, 0);
	report(&r, start_ns);
	lts_api_destroy(&r.api);
	return 0;
}
