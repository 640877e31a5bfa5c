/*
 * test_sim_stream.c - holds sim_stream.c, sim_chunk.c and sim_record.c: same records
 * every time, cursors that point where they should.
 */
#include <check.h>
#include <string.h>

#include "tests/sim/sim_line.h"
#include "tests/sim/sim_stream.h"
#include "tests/suites.h"

#define NS_PER_S INT64_C(1000000000)
#define START (INT64_C(1767322800) * NS_PER_S + 300000000)

static struct sim_stream *
make(uint64_t records, uint64_t rate, size_t cache_bytes)
{
	const struct sim_stream_config config = {
		.shards = 3,
		.records = records,
		.record_bytes = 500,
		.rate = rate,
		.seed = 7,
		.start_ns = START,
		.cache_bytes = cache_bytes,
	};
	return sim_stream_create(&config);
}

/* Checks that `text` is records first..first+count of the shard, each whole. */
static void
check_records(const struct buf *text, const char *shard, uint64_t first, unsigned count)
{
	const char *at = text->data;
	for (unsigned i = 0; i < count; i++) {
		struct sim_line line;
		const char *end = strstr(at, "}},{\"labels\":");
		size_t len = end ? (size_t)(end - at) + 2 : strlen(at);
		const size_t skip = strlen("{\"labels\":");
		ck_assert_int_eq(strncmp(at, "{\"labels\":", skip), 0);
		ck_assert(sim_line_parse(at + skip, len - skip - 1, &line));
		ck_assert_uint_eq(line.seq, first + i);
		ck_assert_int_eq(strncmp(line.shard, shard, line.shard_len), 0);
		at += len + 1;
	}
	ck_assert_ptr_eq(at, text->data + text->len + 1);
}

START_TEST(records_are_whole_numbered_and_repeatable)
{
	struct sim_stream *one = make(1000, 0, 1 << 20), *two = make(1000, 0, 0);
	struct buf a, b;
	buf_init(&a, 0);
	buf_init(&b, 0);
	sim_stream_copy(one, 2, 0, 1000, &a);
	check_records(&a, "2", 0, 1000);
	for (unsigned at = 0; at < 1000;
	     at += 10) { /* another cut, and a cache that keeps nothing */
		sim_stream_copy(two, 2, at, 10, &b);
		ck_assert(at == 990 || !buf_put(&b, ",", 1));
	}
	ck_assert_uint_eq(a.len, b.len);
	ck_assert_int_eq(memcmp(a.data, b.data, a.len), 0);
	ck_assert_uint_gt(a.len, 1000 * 450);
	ck_assert_uint_lt(a.len, 1000 * 560);
	buf_fini(&a);
	buf_fini(&b);
	sim_stream_destroy(&one);
	sim_stream_destroy(&two);
}
END_TEST

START_TEST(text_is_mixed)
{
	struct sim_stream *stream = make(200, 0, 1 << 20);
	struct buf text;
	buf_init(&text, 0);
	sim_stream_copy(stream, 0, 0, 200, &text);
	size_t high = 0, escapes = 0;
	for (size_t i = 0; i < text.len; i++) {
		high += (unsigned char)text.data[i] >= 0x80;
		escapes += text.data[i] == '\\';
		i += text.data[i] == '\\';
	}
	ck_assert_uint_gt(high, text.len / 40);
	ck_assert_uint_lt(high, text.len / 8);
	ck_assert_uint_gt(escapes, text.len / 200);
	static const char *const must_have[] = {
		"\\\"", "\\\\", "\\n", "\\t", "\\u4e2d", "日志"
	};
	for (size_t i = 0; i < sizeof(must_have) / sizeof(must_have[0]); i++)
		ck_assert_msg(strstr(text.data, must_have[i]) != NULL, "%s", must_have[i]);
	buf_fini(&text);
	sim_stream_destroy(&stream);
}
END_TEST

START_TEST(cursors_belong_to_one_shard_and_end_at_its_end)
{
	struct sim_stream *stream = make(10, 0, 0);
	uint64_t index = 99;
	struct cursor end = sim_stream_cursor(stream, 1, 10),
		      past = sim_stream_cursor(stream, 1, 11);
	ck_assert_int_eq(sim_stream_index(stream, 1, end.text, &index), LTS_OK);
	ck_assert_uint_eq(index, 10);
	ck_assert_int_eq(sim_stream_index(stream, 1, past.text, &index), LTS_INVALID);
	ck_assert_int_eq(sim_stream_index(stream, 0, end.text, &index), LTS_INVALID);
	ck_assert_int_eq(sim_stream_index(stream, 2, end.text, &index), LTS_INVALID);
	ck_assert_int_eq(sim_stream_index(stream, 1, "", &index), LTS_INVALID);
	ck_assert_int_eq(sim_stream_index(stream, 1, "-1", &index), LTS_INVALID);
	ck_assert_int_eq(sim_stream_index(stream, 1, "1767332800000000001x", &index),
			 LTS_INVALID);
	ck_assert_uint_eq(index, 10);
	sim_stream_destroy(&stream);
}
END_TEST

START_TEST(count_stops_at_limit_end_and_tail)
{
	struct sim_stream *stream = make(100, 0, 0);
	unsigned count = 99;
	ck_assert_int_eq(sim_stream_count(stream, 0, 0, 30, UINT64_MAX, &count), LTS_OK);
	ck_assert_uint_eq(count, 30);
	ck_assert_int_eq(sim_stream_count(stream, 0, 90, 30, UINT64_MAX, &count), LTS_OK);
	ck_assert_uint_eq(count, 10);
	ck_assert_int_eq(sim_stream_count(stream, 0, 10, 30, 15, &count), LTS_OK);
	ck_assert_uint_eq(count, 5);
	ck_assert_int_eq(sim_stream_count(stream, 0, 20, 30, 15, &count), LTS_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(sim_stream_count(stream, 0, 100, 30, UINT64_MAX, &count), LTS_OK);
	ck_assert_uint_eq(count, 0);
	sim_stream_destroy(&stream);
}
END_TEST

START_TEST(history_is_older_than_the_second_of_the_start)
{
	struct sim_stream *stream = make(5000, 0, 0);
	const int64_t second = START / NS_PER_S * NS_PER_S;
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, second), 5000);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, second - 1), 5000);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, second - 1000000), 4999);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, second - 1000001), 4999);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, second - 2 * NS_PER_S), 3000);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, 1), 0);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, INT64_MAX), 5000);
	sim_stream_destroy(&stream);
}
END_TEST

START_TEST(rate_produces_over_all_shards_and_time_never_goes_back)
{
	struct sim_stream *stream = make(0, 10, 0);
	sim_stream_settle(stream, START + NS_PER_S);
	ck_assert_uint_eq(sim_stream_produced(stream, 0), 4);
	ck_assert_uint_eq(sim_stream_produced(stream, 1), 3);
	ck_assert_uint_eq(sim_stream_produced(stream, 2), 3);
	sim_stream_settle(stream, START);
	ck_assert_uint_eq(sim_stream_produced(stream, 0), 4);
	/* Shard 0 has the stream's records 0, 3, 6, 9: at 0.1, 0.4, 0.7 and 1.0 s. */
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, START + NS_PER_S / 10), 0);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, START + NS_PER_S / 2), 2);
	sim_stream_settle(stream, START + 100 * NS_PER_S);
	ck_assert_uint_eq(sim_stream_produced(stream, 0), 334);
	ck_assert_uint_eq(sim_stream_produced(stream, 1), 333);
	sim_stream_destroy(&stream);
}
END_TEST

START_TEST(ingested_and_generated_records_share_one_numbering)
{
	struct sim_stream *stream = make(600, 0, 0);
	struct buf text;
	buf_init(&text, 0);
	sim_stream_ingest(stream, 1, "\"log_content\":\"x\\\"y\"", "x\\\"y", START + NS_PER_S);
	sim_stream_ingest(stream, 1, "\"log_content\":\"z\"", "z", START + NS_PER_S);
	sim_stream_produce(stream, 1, 500, START + 2 * NS_PER_S);
	sim_stream_ingest(stream, 1, "\"log_content\":\"w\"", "w", START + 3 * NS_PER_S);
	ck_assert_uint_eq(sim_stream_produced(stream, 1), 1103);
	sim_stream_copy(stream, 1, 590, 513, &text);
	check_records(&text, "1", 590, 513);
	ck_assert_ptr_nonnull(
		strstr(text.data, "{\"log_content\":\"x\\\"y\",\"shard\":\"1\",\"seq\":600,"));
	ck_assert_uint_eq(sim_stream_at_time(stream, 1, START + NS_PER_S), 600);
	ck_assert_uint_eq(sim_stream_at_time(stream, 1, START + NS_PER_S + 1), 602);
	ck_assert_uint_eq(sim_stream_at_time(stream, 1, START + 3 * NS_PER_S), 1102);
	buf_fini(&text);
	sim_stream_destroy(&stream);
}
END_TEST

START_TEST(rate_goes_on_after_other_records)
{
	struct sim_stream *stream = make(0, 3, 1 << 20);
	struct buf text;
	buf_init(&text, 0);
	sim_stream_settle(stream, START + 10 * NS_PER_S);
	sim_stream_produce(stream, 0, 5, START + 10 * NS_PER_S);
	sim_stream_settle(stream, START + 20 * NS_PER_S);
	ck_assert_uint_eq(sim_stream_produced(stream, 0), 25);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, START + 10 * NS_PER_S + 1), 15);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, START + 15 * NS_PER_S), 20);
	sim_stream_copy(stream, 0, 0, 25, &text);
	check_records(&text, "0", 0, 25);
	buf_fini(&text);
	sim_stream_destroy(&stream);
}
END_TEST

START_TEST(expired_records_are_refused)
{
	struct sim_stream *stream = make(100, 0, 0);
	unsigned count;
	sim_stream_expire(stream, 0, 40);
	sim_stream_expire(stream, 0, 20);
	ck_assert_uint_eq(sim_stream_oldest(stream, 0), 40);
	ck_assert_int_eq(sim_stream_count(stream, 0, 39, 10, UINT64_MAX, &count), LTS_EXPIRED);
	ck_assert_int_eq(sim_stream_count(stream, 0, 40, 10, UINT64_MAX, &count), LTS_OK);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, 1), 40);
	sim_stream_expire(stream, 0, 1000);
	ck_assert_uint_eq(sim_stream_oldest(stream, 0), 100);
	sim_stream_destroy(&stream);
}
END_TEST

START_TEST(shards_are_found_by_exact_name_only)
{
	struct sim_stream *stream = make(1, 0, 0);
	unsigned shard = 9;
	ck_assert_int_eq(sim_stream_find(stream, "2", &shard), LTS_OK);
	ck_assert_uint_eq(shard, 2);
	ck_assert_int_eq(sim_stream_find(stream, "3", &shard), LTS_NOTFOUND);
	ck_assert_int_eq(sim_stream_find(stream, "02", &shard), LTS_NOTFOUND);
	ck_assert_int_eq(sim_stream_find(stream, "", &shard), LTS_NOTFOUND);
	sim_stream_destroy(&stream);
}
END_TEST

START_TEST(parents_keep_their_records_and_children_get_what_comes)
{
	const unsigned parent = 1, both[] = { 0, 2 }, twice[] = { 0, 0 };
	struct sim_stream *stream = make(100, 30, 0);
	unsigned first = 9, count = 9;
	uint64_t index = 9;
	ck_assert_int_eq(sim_stream_replace(stream, &parent, 1, 2, START + NS_PER_S, &first),
			 LTS_OK);
	ck_assert_uint_eq(first, 3);
	ck_assert_uint_eq(sim_stream_shards(stream), 5);
	ck_assert(!sim_stream_is_open(stream, 1));
	ck_assert_uint_eq(sim_stream_produced(stream, 1), 110);
	sim_stream_settle(stream, START + 3 * NS_PER_S);
	ck_assert_uint_eq(sim_stream_produced(stream, 1), 110);
	ck_assert_uint_eq(sim_stream_produced(stream, 0), 125);
	ck_assert_uint_eq(sim_stream_produced(stream, 3), 15);
	ck_assert_uint_eq(sim_stream_produced(stream, 4), 15);
	ck_assert_uint_eq(sim_stream_at_time(stream, 1, INT64_MAX), 110);
	ck_assert_uint_eq(sim_stream_at_time(stream, 3, START), 0);
	ck_assert_int_eq(sim_stream_count(stream, 1, 110, 10, UINT64_MAX, &count), LTS_OK);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(
		sim_stream_index(stream, 4, sim_stream_cursor(stream, 4, 15).text, &index),
		LTS_OK);
	ck_assert_int_eq(sim_stream_replace(stream, both, 2, 1, START + 3 * NS_PER_S, &first),
			 LTS_OK);
	ck_assert_uint_eq(first, 5);
	ck_assert_int_eq(sim_stream_replace(stream, both, 2, 1, START, &first), LTS_INVALID);
	ck_assert_int_eq(sim_stream_replace(stream, twice, 2, 1, START, &first), LTS_INVALID);
	sim_stream_destroy(&stream);
}
END_TEST

START_TEST(rate_may_be_changed_and_ended)
{
	struct sim_stream *stream = make(0, 30, 0);
	sim_stream_set_rate(stream, 3, START + NS_PER_S);
	sim_stream_settle(stream, START + 2 * NS_PER_S);
	ck_assert_uint_eq(sim_stream_produced(stream, 0), 11);
	ck_assert_uint_eq(sim_stream_at_time(stream, 0, START + NS_PER_S + 1), 10);
	sim_stream_set_rate(stream, 0, START + 2 * NS_PER_S);
	sim_stream_settle(stream, START + 9 * NS_PER_S);
	ck_assert_uint_eq(sim_stream_produced(stream, 0), 11);
	sim_stream_destroy(&stream);
}
END_TEST

Suite *
suite_sim_stream(void)
{
	Suite *suite = suite_create("sim_stream");
	TCase *tcase = tcase_create("sim_stream");
	tcase_add_test(tcase, records_are_whole_numbered_and_repeatable);
	tcase_add_test(tcase, text_is_mixed);
	tcase_add_test(tcase, cursors_belong_to_one_shard_and_end_at_its_end);
	tcase_add_test(tcase, count_stops_at_limit_end_and_tail);
	tcase_add_test(tcase, history_is_older_than_the_second_of_the_start);
	tcase_add_test(tcase, rate_produces_over_all_shards_and_time_never_goes_back);
	tcase_add_test(tcase, ingested_and_generated_records_share_one_numbering);
	tcase_add_test(tcase, rate_goes_on_after_other_records);
	tcase_add_test(tcase, parents_keep_their_records_and_children_get_what_comes);
	tcase_add_test(tcase, rate_may_be_changed_and_ended);
	tcase_add_test(tcase, expired_records_are_refused);
	tcase_add_test(tcase, shards_are_found_by_exact_name_only);
	suite_add_tcase(suite, tcase);
	return suite;
}
