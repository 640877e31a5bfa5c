/*
 * shard_bed.c - a shard machine with a fake worker around it.
 *
 * In the test runner. Owns the machine, its lease and the batch that was submitted. Must
 * never answer from inside an operation: neither does the worker.
 */
#include "tests/worker/shard_bed.h"

#include <check.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/state_env.h"

#define SAY(bed, ...) ck_assert_int_eq(buf_printf(&(bed)->said, __VA_ARGS__), LTS_OK)

static const char *
or_dash(const char *text)
{
	return text[0] ? text : "-";
}

static void
op_take(void *arg, struct shard *shard, const struct cursor *start, enum lease_origin ahead)
{
	SAY((struct shard_bed *)arg, "take %s%s%s\n", or_dash(start->text), ahead ? " " : "",
	    ahead ? lease_origin_name(ahead) : "");
}

static void
op_fetch_cursor(void *arg, struct shard *shard, const char *from)
{
	SAY((struct shard_bed *)arg, "cursor %s\n", from);
}

static void
op_fetch_batch(void *arg, struct shard *shard, const struct cursor *from,
	       const struct cursor *end, unsigned limit, size_t bytes)
{
	struct shard_bed *bed = arg;
	bed->from = *from;
	bed->room_bytes = bytes;
	SAY(bed, "batch %s %s %u\n", from->text, or_dash(end->text), limit);
}

static void
op_cancel_fetch(void *arg, struct shard *shard)
{
	SAY((struct shard_bed *)arg, "cancel\n");
}

static bool
op_fetch_early(void *arg, struct shard *shard, const struct cursor *from,
	       const struct cursor *end, unsigned limit, size_t bytes)
{
	struct shard_bed *bed = arg;
	ck_assert(cursor_is_none(&bed->early));
	if (bed->full)
		return false;
	bed->used_bytes += (int64_t)bytes;
	bed->early = *from;
	bed->room_bytes = bytes;
	SAY(bed, "early %s %s %u\n", from->text, or_dash(end->text), limit);
	return true;
}

static void
op_take_early(void *arg, struct shard *shard)
{
	struct shard_bed *bed = arg;
	ck_assert(!cursor_is_none(&bed->early));
	bed->from = bed->early;
	bed->early = (struct cursor){ 0 };
	SAY(bed, "early taken\n");
}

static void
op_cancel_early(void *arg, struct shard *shard)
{
	struct shard_bed *bed = arg;
	ck_assert(!cursor_is_none(&bed->early));
	bed->early = (struct cursor){ 0 };
	SAY(bed, "early cancelled\n");
}

static void
op_submit(void *arg, struct shard *shard, struct batch *batch)
{
	struct shard_bed *bed = arg;
	ck_assert_msg(!bed->submitted, "two batches in delivery");
	bed->submitted = batch;
	SAY(bed, "submit %s>%s %zu%s\n", batch->from.text, batch->to.text, batch->n_records,
	    batch->gap ? " gap" : "");
}

static void
op_close(void *arg, struct shard *shard, enum lease_state state, int64_t end_ns)
{
	struct shard_bed *bed = arg;
	ck_assert_msg(!bed->submitted, "closed before the last batch came back");
	SAY(bed, "close %s %lld\n", lease_state_name(state), (long long)end_ns);
}

static void
op_forget(void *arg, struct shard *shard)
{
	struct shard_bed *bed = arg;
	bed->forgotten++;
	SAY(bed, "forget\n");
}

static void
op_wait(void *arg, struct shard *shard, int64_t delay_ms)
{
	SAY((struct shard_bed *)arg, "wait %lld\n", (long long)delay_ms);
}

static void
op_linger(void *arg, struct shard *shard, int64_t delay_ms)
{
	SAY((struct shard_bed *)arg, "linger %lld\n", (long long)delay_ms);
}

static bool
op_reserve(void *arg, struct shard *shard, size_t bytes)
{
	struct shard_bed *bed = arg;
	if (!bed->full)
		bed->used_bytes += (int64_t)bytes;
	return !bed->full;
}

static void
op_release(void *arg, struct shard *shard, size_t bytes)
{
	struct shard_bed *bed = arg;
	bed->used_bytes -= (int64_t)bytes;
	ck_assert_int_ge(bed->used_bytes, 0);
}

static void
op_charge(void *arg, struct shard *shard, size_t bytes)
{
	struct shard_bed *bed = arg;
	bed->used_bytes += (int64_t)bytes;
}

static void
op_drop(void *arg, struct shard *shard, struct batch *batch)
{
	struct shard_bed *bed = arg;
	bed->dropped += batch->n_records;
	op_release(arg, shard, batch->bytes);
	batch_destroy(&batch);
}

static void
op_report(void *arg, struct shard *shard, enum message_type type, enum lts_err err,
	  const char *text)
{
	struct shard_bed *bed = arg;
	bed->released += type == MSG_RELEASED;
	SAY(bed, "%s", message_name(type));
	if (type == MSG_RELEASED || type == MSG_STUCK)
		SAY(bed, " %s", lts_err_name(err));
	if (text[0])
		SAY(bed, " %s", text);
	SAY(bed, "\n");
}

static void
op_trouble(void *arg, struct shard *shard, enum lts_err err, const char *text, int64_t retry_ms)
{
	SAY((struct shard_bed *)arg, "trouble %s\n", lts_err_name(err));
}

static const struct shard_ops ops = {
	.take = op_take,
	.fetch_cursor = op_fetch_cursor,
	.fetch_batch = op_fetch_batch,
	.cancel_fetch = op_cancel_fetch,
	.fetch_early = op_fetch_early,
	.take_early = op_take_early,
	.cancel_early = op_cancel_early,
	.submit = op_submit,
	.close = op_close,
	.forget = op_forget,
	.wait = op_wait,
	.linger = op_linger,
	.reserve = op_reserve,
	.release = op_release,
	.charge = op_charge,
	.drop = op_drop,
	.report = op_report,
	.trouble = op_trouble,
};

static void
make(struct shard_bed *bed, int64_t end_ns, const struct suspect *suspect)
{
	struct message_assign assign = { .shard = shard_of("7"),
					 .service = cursor_of("30"),
					 .suspect = *suspect,
					 .epoch = epoch_of(1, 1),
					 .seal_only = bed->seal_only,
					 .start = "begin",
					 .end_ns = end_ns };
	bed->lease = (struct lease){ .shard = assign.shard, .epoch = assign.epoch };
	bed->shard = shard_create(&bed->config, &ops, bed, &bed->lease, &assign, 42);
}

void
shard_bed_init(struct shard_bed *bed, int64_t end_ns)
{
	memset(bed, 0, sizeof(*bed));
	bed->now_ms = 1000;
	bed->config = (struct shard_config){
		.batch_size = BED_BATCH,
		.fetch_interval_ms = BED_FETCH_INTERVAL_MS,
		.clock = &bed->clock,
		.pace = &bed->pace,
		.first_bytes = BED_FIRST_BYTES,
		.max_bytes = BED_MAX_BYTES,
	};
	buf_init(&bed->said, 0);
	make(bed, end_ns, &(struct suspect){ 0 });
}

void
shard_bed_fini(struct shard_bed *bed)
{
	ck_assert_ptr_null(bed->submitted);
	ck_assert(cursor_is_none(&bed->early));
	ck_assert_int_eq(bed->used_bytes, 0);
	ck_assert_uint_eq(bed->fetched, bed->delivered + bed->dropped);
	shard_destroy(&bed->shard);
	buf_fini(&bed->said);
}

void
shard_bed_ignore(struct shard_bed *bed)
{
	buf_clear(&bed->said);
	if (bed->said.data)
		bed->said.data[0] = '\0';
}

void
shard_bed_again(struct shard_bed *bed, int64_t end_ns)
{
	shard_destroy(&bed->shard);
	shard_bed_ignore(bed);
	make(bed, end_ns, &(struct suspect){ 0 });
}

void
shard_bed_suspect(struct shard_bed *bed, const char *cursor, uint32_t count, uint32_t attempts)
{
	shard_destroy(&bed->shard);
	shard_bed_ignore(bed);
	make(bed, 0, &(struct suspect){ cursor_of(cursor), 0, count, attempts });
}

void
shard_bed_expect(struct shard_bed *bed, const char *lines)
{
	ck_assert_str_eq(bed->said.data ? bed->said.data : "", lines);
	shard_bed_ignore(bed);
}

int64_t
shard_bed_expect_wait(struct shard_bed *bed)
{
	long long ms = -1;
	int used = 0;
	ck_assert_int_eq(sscanf(bed->said.data, "wait %lld\n%n", &ms, &used), 1);
	ck_assert_uint_eq((size_t)used, bed->said.len);
	shard_bed_ignore(bed);
	return ms;
}

void
shard_bed_taken(struct shard_bed *bed, enum lts_err err, const char *cursor)
{
	struct lease_taken taken = { .origin = LEASE_FROM_LOCAL };
	taken.checkpoint.cursor = cursor_of(cursor);
	shard_on_taken(bed->shard, err, &taken, "the reason", bed->now_ms);
}

void
shard_bed_fetching(struct shard_bed *bed)
{
	shard_start(bed->shard);
	shard_bed_taken(bed, LTS_OK, "10");
	shard_bed_ignore(bed);
}

static struct shard_answer
make_answer(struct shard_bed *bed, const struct cursor *from, const char *to, size_t n,
	    size_t bytes)
{
	static char zeros[1 << 20];
	struct batch *batch = batch_create(&bed->lease, from);
	batch->to = cursor_of(to);
	ck_assert_uint_lt(bed->fetched + n, sizeof(zeros));
	batch->n_records = n;
	batch->records = n ? xcalloc(n, sizeof(*batch->records)) : NULL;
	for (size_t i = 0; i < n; i++) {
		batch->records[i].text = zeros;
		batch->records[i].len = bed->fetched + i; /* its number */
	}
	batch->bytes = bytes;
	bed->fetched += n;
	return (struct shard_answer){
		.retry_after_ms = -1,
		.batch = batch,
		.service_ns = service_clock_most_ns(&bed->clock, bed->now_ms),
	};
}

void
shard_bed_batch(struct shard_bed *bed, const char *to, size_t n, size_t bytes)
{
	struct shard_answer answer = make_answer(bed, &bed->from, to, n, bytes);
	shard_on_answer(bed->shard, &answer, bed->now_ms);
}

void
shard_bed_early_batch(struct shard_bed *bed, const char *to, size_t n, size_t bytes)
{
	struct shard_answer answer = make_answer(bed, &bed->early, to, n, bytes);
	bed->early = (struct cursor){ 0 };
	shard_on_early_answer(bed->shard, &answer);
}

void
shard_bed_early_error(struct shard_bed *bed, enum lts_err err)
{
	struct shard_answer answer = { .err = err, .retry_after_ms = -1, .text = "the reason" };
	bed->early = (struct cursor){ 0 };
	shard_on_early_answer(bed->shard, &answer);
}

void
shard_bed_head(struct shard_bed *bed, const char *next, unsigned count)
{
	struct batch_head head = { count, cursor_of(next) };
	shard_on_head(bed->shard, &head, bed->now_ms);
}

void
shard_bed_early_head(struct shard_bed *bed, const char *next, unsigned count)
{
	struct batch_head head = { count, cursor_of(next) };
	shard_on_early_head(bed->shard, &head);
}

void
shard_bed_cursor(struct shard_bed *bed, const char *cursor)
{
	struct shard_answer answer = { .retry_after_ms = -1, .cursor = cursor_of(cursor) };
	shard_on_answer(bed->shard, &answer, bed->now_ms);
}

static void
wait_for_more(struct shard_bed *bed, const char *asked)
{
	ck_assert_msg(strstr(bed->said.data, "wait 250\n"), "%s", bed->said.data);
	shard_bed_ignore(bed);
	shard_bed_timer(bed, 250);
	ck_assert_msg(strstr(bed->said.data, asked), "%s", bed->said.data);
	shard_bed_ignore(bed);
}

void
shard_bed_cursor_twice(struct shard_bed *bed, const char *cursor)
{
	shard_bed_cursor(bed, cursor);
	wait_for_more(bed, "cursor ");
	shard_bed_cursor(bed, cursor);
}

void
shard_bed_empty_twice(struct shard_bed *bed, const char *to)
{
	shard_bed_batch(bed, to, 0, 100);
	wait_for_more(bed, "batch ");
	shard_bed_batch(bed, to, 0, 100);
}

void
shard_bed_error(struct shard_bed *bed, enum lts_err err, int64_t retry_after_ms)
{
	struct shard_answer answer = { .err = err,
				       .retry_after_ms = retry_after_ms,
				       .text = "the reason" };
	shard_on_answer(bed->shard, &answer, bed->now_ms);
}

void
shard_bed_expired(struct shard_bed *bed)
{
	shard_bed_error(bed, LTS_EXPIRED, -1);
	shard_bed_expect(bed, "trouble EXPIRED\nwait 1000\n");
	shard_bed_timer(bed, 1000);
	shard_bed_ignore(bed);
	shard_bed_error(bed, LTS_EXPIRED, -1);
}

void
shard_bed_confirm_end(struct shard_bed *bed, const char *cursor)
{
	ck_assert(strstr(bed->said.data, "wait 250\n"));
	shard_bed_ignore(bed);
	shard_bed_timer(bed, 250);
	ck_assert(strncmp(bed->said.data, "cursor ", 7) == 0);
	shard_bed_ignore(bed);
	shard_bed_cursor(bed, cursor);
}

void
shard_bed_too_big(struct shard_bed *bed, size_t size)
{
	struct shard_answer answer = { .err = LTS_TOOBIG, .retry_after_ms = -1, .size = size };
	shard_on_answer(bed->shard, &answer, bed->now_ms);
}

void
shard_bed_delivered(struct shard_bed *bed, enum lts_err err)
{
	struct batch *batch = bed->submitted;
	bed->submitted = NULL;
	ck_assert_ptr_nonnull(batch);
	if (!err && cursor_is_none(&batch->rollback))
		bed->delivered += batch->n_records;
	shard_on_delivered(bed->shard, batch, err, "the reason", bed->now_ms);
}

void
shard_bed_closed(struct shard_bed *bed, enum lts_err err)
{
	shard_on_closed(bed->shard, err, &bed->back, err ? "told so" : "", bed->now_ms);
}

void
shard_bed_timer(struct shard_bed *bed, int64_t later_ms)
{
	bed->now_ms += later_ms;
	shard_on_timer(bed->shard, bed->now_ms);
}

void
shard_bed_set_service_clock(struct shard_bed *bed, int64_t ns)
{
	int64_t ahead_ns = ns - bed->now_ms * 1000000;
	service_clock_init(&bed->clock);
	bed->clock.heard = 2;
	bed->clock.told_ns = ahead_ns;
	for (int i = 0; i < 2; i++)
		bed->clock.kept[i] =
			(struct service_witness){ bed->now_ms, ahead_ns, ahead_ns, ahead_ns };
}
