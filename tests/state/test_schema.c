/*
 * test_schema.c - holds state/schema.c to what its header says: LMDB does not notice
 * damage, this does.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/pack.h"
#include "common/xalloc.h"
#include "state/schema_codec.h"
#include "tests/suites.h"

static const struct identity_record identity = {
	.schema = 1,
	.project_id = "p",
	.group_id = "g",
	.stream_id = "s",
	.consumer_group = "cg",
	.host = "h",
	.machine_id = "0123456789abcdef0123456789abcdef",
	.instance = "a1b2c3",
	.boot_count = 41,
	.created_ns = 1767322800000000001,
};
static const struct start_record start = { 1767322800000000002 };
static const struct lease_record lease = {
	.shard = { "12" },
	.epoch = { 41ull << 32 | 7 },
	.state = LEASE_FINISHED,
	.slot = 2,
	.home = 3,
	.pid = 4194303,
	.since_ns = -1,
};
static const struct checkpoint_record checkpoint = {
	.shard = { "12" },
	.epoch = { 41ull << 32 | 7 },
	.cursor = { "1767322800000000003" },
	.service = { "1767322800000000004" },
	.position = { 9, UINT64_MAX },
	.records = 1ull << 60,
	.bytes = 1ull << 61,
	.committed_ns = 5,
	.finished_end_ns = 6,
	.forced = true,
	.done = 11,
	.dead_letters = 12,
	.attempts = 13,
	.asides = { 2, { { 14, 15 }, { 1ull << 40, UINT64_MAX } } },
	.has_letters = true,
	.letters = { 16, UINT64_MAX - 1 },
};
enum { ASIDES_BYTES = 4 + 2 * 16, LETTERS_BYTES = 1 + 2 * 8 }; /* of these */
static const struct worker_record worker = {
	.slot = 255,
	.name = { "h-a1b2c3-255" },
	.pid = 77,
	.pid_start = 1ull << 40,
	.started_ns = 1,
	.updated_ns = 2,
	.records = 3,
	.bytes = 4,
	.commits = 5,
	.exited = true,
};
static const struct event_record event = {
	.number = 1ull << 33,
	.time_ns = 8,
	.kind = EVENT_EXPIRED,
	.shard = { "12" },
	.epoch = { 9 },
	.slot = 10,
	.cursor = { "11" },
	.text = "why",
};

/* Each kind of value by number, so that a loop test sees them all. */
enum { KIND_IDENTITY = 0, KIND_CHECKPOINT = 3, KINDS = 6 };

static void
encode_kind(int kind, struct schema_value *out)
{
	switch (kind) {
	case 0:
		identity_encode(&identity, out);
		break;
	case 1:
		start_encode(&start, out);
		break;
	case 2:
		lease_encode(&lease, out);
		break;
	case 3:
		checkpoint_encode(&checkpoint, out);
		break;
	case 4:
		worker_encode(&worker, out);
		break;
	default:
		event_encode(&event, out);
		break;
	}
}

/* Decodes from an allocation of the exact size, and sees to it that a failure leaves
 * `out` alone. */
static enum lts_err
decode_kind(int kind, const uint8_t *data, size_t len)
{
	union {
		struct identity_record identity;
		struct start_record start;
		struct lease_record lease;
		struct checkpoint_record checkpoint;
		struct worker_record worker;
		struct event_record event;
		uint8_t bytes[sizeof(struct identity_record)];
	} out;
	uint8_t *copy = xmalloc(len);
	memcpy(copy, data, len);
	memset(&out, 0x5a, sizeof(out));
	enum lts_err err = kind == 0   ? identity_decode(copy, len, &out.identity)
			   : kind == 1 ? start_decode(copy, len, &out.start)
			   : kind == 2 ? lease_decode(copy, len, &out.lease)
			   : kind == KIND_CHECKPOINT
				   ? checkpoint_decode(copy, len, &out.checkpoint)
			   : kind == 4 ? worker_decode(copy, len, &out.worker)
				       : event_decode(copy, len, &out.event);
	free(copy);
	/* One assertion a call: each is a message to the parent, and calls are many. */
	bool touched = false;
	for (size_t i = 0; err && i < sizeof(out.bytes); i++)
		touched |= out.bytes[i] != 0x5a;
	ck_assert(!touched);
	return err;
}

/* Puts a right CRC at the end of changed bytes. */
static void
sign(struct schema_value *value)
{
	struct packer p = { .data = value->data, .cap = value->len, .len = value->len - 4 };
	pack_crc(&p);
}

START_TEST(identity_comes_back)
{
	struct schema_value value;
	struct identity_record r;
	identity_encode(&identity, &value);
	ck_assert_int_eq(identity_decode(value.data, value.len, &r), LTS_OK);
	ck_assert_uint_eq(r.schema, 1);
	ck_assert_str_eq(r.project_id, "p");
	ck_assert_str_eq(r.group_id, "g");
	ck_assert_str_eq(r.stream_id, "s");
	ck_assert_str_eq(r.consumer_group, "cg");
	ck_assert_str_eq(r.host, "h");
	ck_assert_str_eq(r.machine_id, identity.machine_id);
	ck_assert_str_eq(r.instance, "a1b2c3");
	ck_assert_uint_eq(r.boot_count, 41);
	ck_assert_int_eq(r.created_ns, identity.created_ns);
}
END_TEST

START_TEST(start_comes_back)
{
	struct schema_value value;
	struct start_record r;
	start_encode(&start, &value);
	ck_assert_int_eq(start_decode(value.data, value.len, &r), LTS_OK);
	ck_assert_int_eq(r.start_ns, start.start_ns);
}
END_TEST

START_TEST(lease_comes_back)
{
	struct schema_value value;
	struct lease_record r;
	lease_encode(&lease, &value);
	ck_assert_int_eq(lease_decode(value.data, value.len, &r), LTS_OK);
	ck_assert_str_eq(r.shard.text, "12");
	ck_assert(epoch_equal(r.epoch, lease.epoch));
	ck_assert_int_eq(r.state, LEASE_FINISHED);
	ck_assert_uint_eq(r.slot, 2);
	ck_assert_uint_eq(r.home, 3);
	ck_assert_uint_eq(r.pid, 4194303);
	ck_assert_int_eq(r.since_ns, -1);
}
END_TEST

START_TEST(checkpoint_comes_back)
{
	struct schema_value value;
	struct checkpoint_record r;
	checkpoint_encode(&checkpoint, &value);
	ck_assert_int_eq(checkpoint_decode(value.data, value.len, &r), LTS_OK);
	ck_assert_str_eq(r.shard.text, "12");
	ck_assert(epoch_equal(r.epoch, checkpoint.epoch));
	ck_assert_str_eq(r.cursor.text, "1767322800000000003");
	ck_assert_str_eq(r.service.text, "1767322800000000004");
	ck_assert_uint_eq(r.position.segment, 9);
	ck_assert_uint_eq(r.position.offset, UINT64_MAX);
	ck_assert_uint_eq(r.records, 1ull << 60);
	ck_assert_uint_eq(r.bytes, 1ull << 61);
	ck_assert_int_eq(r.committed_ns, 5);
	ck_assert_int_eq(r.finished_end_ns, 6);
	ck_assert(r.forced);
	ck_assert_uint_eq(r.done, 11);
	ck_assert_uint_eq(r.dead_letters, 12);
	ck_assert_uint_eq(r.attempts, 13);
	ck_assert(r.has_letters);
	ck_assert_uint_eq(r.letters.segment, 16);
	ck_assert_uint_eq(r.letters.offset, UINT64_MAX - 1);
	ck_assert_uint_eq(r.asides.n, 2);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(r.asides.list[i].place, checkpoint.asides.list[i].place);
		ck_assert_uint_eq(r.asides.list[i].sum, checkpoint.asides.list[i].sum);
	}
}
END_TEST

START_TEST(worker_comes_back)
{
	struct schema_value value;
	struct worker_record r;
	worker_encode(&worker, &value);
	ck_assert_int_eq(worker_decode(value.data, value.len, &r), LTS_OK);
	ck_assert_uint_eq(r.slot, 255);
	ck_assert_str_eq(r.name.text, "h-a1b2c3-255");
	ck_assert_uint_eq(r.pid, 77);
	ck_assert_uint_eq(r.pid_start, 1ull << 40);
	ck_assert_int_eq(r.started_ns, 1);
	ck_assert_int_eq(r.updated_ns, 2);
	ck_assert_uint_eq(r.records, 3);
	ck_assert_uint_eq(r.bytes, 4);
	ck_assert_uint_eq(r.commits, 5);
	ck_assert(r.exited);
}
END_TEST

START_TEST(event_comes_back)
{
	struct schema_value value;
	struct event_record r;
	event_encode(&event, &value);
	ck_assert_int_eq(event_decode(value.data, value.len, &r), LTS_OK);
	ck_assert_uint_eq(r.number, 1ull << 33);
	ck_assert_int_eq(r.time_ns, 8);
	ck_assert_int_eq(r.kind, EVENT_EXPIRED);
	ck_assert_str_eq(r.shard.text, "12");
	ck_assert_uint_eq(r.epoch.value, 9);
	ck_assert_uint_eq(r.slot, 10);
	ck_assert_str_eq(r.cursor.text, "11");
	ck_assert_str_eq(r.text, "why");
}
END_TEST

START_TEST(every_flipped_bit_is_refused)
{
	struct schema_value value;
	encode_kind(_i, &value);
	ck_assert_int_eq(decode_kind(_i, value.data, value.len), LTS_OK);
	for (size_t bit = 0; bit < value.len * 8; bit++) {
		value.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_msg(decode_kind(_i, value.data, value.len) == LTS_BADDATA, "bit %zu",
			      bit);
		value.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

START_TEST(every_other_length_is_refused)
{
	struct schema_value value;
	encode_kind(_i, &value);
	memset(value.data + value.len, 0, sizeof(value.data) - value.len);
	for (size_t len = 0; len < value.len + 16; len++)
		ck_assert_int_eq(decode_kind(_i, value.data, len),
				 len == value.len ? LTS_OK : LTS_BADDATA);
}
END_TEST

START_TEST(wrong_version_is_refused_though_its_crc_is_right)
{
	struct schema_value value;
	bool has_grown = _i == KIND_IDENTITY || _i == KIND_CHECKPOINT; /* with the last */
	int first = has_grown ? SCHEMA_VERSION : 1;
	encode_kind(_i, &value);
	for (int version = 0; version < 256; version++) {
		value.data[0] = (uint8_t)version;
		sign(&value);
		ck_assert_int_eq(decode_kind(_i, value.data, value.len),
				 version >= first && version <= SCHEMA_VERSION ? LTS_OK
									       : LTS_BADDATA);
	}
}
END_TEST

START_TEST(checkpoint_of_version_1_comes_back_with_nothing_done)
{
	struct schema_value value;
	struct checkpoint_record r;
	checkpoint_encode(&checkpoint, &value);
	value.len -= 8 + 8 + 4 + ASIDES_BYTES + LETTERS_BYTES;
	value.data[0] = 1;
	sign(&value);
	ck_assert_int_eq(checkpoint_decode(value.data, value.len, &r), LTS_OK);
	ck_assert_str_eq(r.cursor.text, "1767322800000000003");
	ck_assert(r.forced);
	ck_assert_uint_eq(r.done, 0);
	ck_assert_uint_eq(r.dead_letters, 0);
	ck_assert_uint_eq(r.attempts, 0);
	ck_assert_uint_eq(r.asides.n, 0);
	value.data[0] = 2;
	sign(&value);
	ck_assert_int_eq(checkpoint_decode(value.data, value.len, &r), LTS_BADDATA);
}
END_TEST

START_TEST(checkpoint_of_version_2_comes_back_with_nothing_aside)
{
	struct schema_value value;
	struct checkpoint_record r;
	checkpoint_encode(&checkpoint, &value);
	value.len -= ASIDES_BYTES + LETTERS_BYTES;
	value.data[0] = 2;
	sign(&value);
	ck_assert_int_eq(checkpoint_decode(value.data, value.len, &r), LTS_OK);
	ck_assert_uint_eq(r.done, 11);
	ck_assert_uint_eq(r.attempts, 13);
	ck_assert_uint_eq(r.asides.n, 0);
	value.data[0] = 3;
	sign(&value);
	ck_assert_int_eq(checkpoint_decode(value.data, value.len, &r), LTS_BADDATA);
}
END_TEST

START_TEST(checkpoint_of_version_3_comes_back_with_no_place_in_the_dead_letters)
{
	struct schema_value value;
	struct checkpoint_record r;
	checkpoint_encode(&checkpoint, &value);
	value.len -= LETTERS_BYTES;
	value.data[0] = 3;
	sign(&value);
	ck_assert_int_eq(checkpoint_decode(value.data, value.len, &r), LTS_OK);
	ck_assert_uint_eq(r.asides.n, 2);
	ck_assert(!r.has_letters && !r.letters.segment && !r.letters.offset);
	value.data[0] = 4;
	sign(&value);
	ck_assert_int_eq(checkpoint_decode(value.data, value.len, &r), LTS_BADDATA);
}
END_TEST

START_TEST(checkpoint_with_more_aside_than_there_can_be_is_refused)
{
	struct schema_value value;
	struct checkpoint_record full = checkpoint, r;
	full.asides.n = ASIDES_MAX;
	checkpoint_encode(&full, &value);
	ck_assert_int_eq(checkpoint_decode(value.data, value.len, &r), LTS_OK);
	value.data[value.len - 4 - LETTERS_BYTES - ASIDES_MAX * 16 - 4]++;
	sign(&value);
	ck_assert_int_eq(checkpoint_decode(value.data, value.len, &r), LTS_BADDATA);
}
END_TEST

START_TEST(byte_more_or_less_is_refused_though_its_crc_is_right)
{
	struct schema_value value;
	encode_kind(_i, &value);
	value.len--;
	sign(&value);
	ck_assert_int_eq(decode_kind(_i, value.data, value.len), LTS_BADDATA);
	encode_kind(_i, &value);
	value.data[value.len - 4] = 0;
	value.len++;
	sign(&value);
	ck_assert_int_eq(decode_kind(_i, value.data, value.len), LTS_BADDATA);
}
END_TEST

START_TEST(value_of_another_kind_is_refused)
{
	struct schema_value value;
	encode_kind(_i, &value);
	for (int other = 0; other < KINDS; other++)
		if (other != _i)
			ck_assert_int_eq(decode_kind(other, value.data, value.len), LTS_BADDATA);
}
END_TEST

START_TEST(zeroes_are_refused)
{
	static const uint8_t zeroes[SCHEMA_VALUE_MAX];
	for (size_t len = 0; len <= sizeof(zeroes); len++)
		ck_assert_int_eq(decode_kind(_i, zeroes, len), LTS_BADDATA);
}
END_TEST

START_TEST(lease_in_no_state_is_refused)
{
	struct schema_value value;
	struct lease_record r = lease;
	for (int state = 0; state < 256; state++) {
		r.state = (enum lease_state)state;
		lease_encode(&r, &value);
		bool good = state >= LEASE_HELD && state <= LEASE_STUCK;
		ck_assert_int_eq(decode_kind(2, value.data, value.len),
				 good ? LTS_OK : LTS_BADDATA);
		ck_assert_int_eq(strcmp(lease_state_name(r.state), "?") != 0, good);
	}
}
END_TEST

START_TEST(checkpoint_without_a_cursor_is_refused)
{
	struct schema_value value;
	struct checkpoint_record r = checkpoint;
	memset(&r.cursor, 0, sizeof(r.cursor));
	checkpoint_encode(&r, &value);
	ck_assert_int_eq(decode_kind(3, value.data, value.len), LTS_BADDATA);
}
END_TEST

START_TEST(longest_texts_fit)
{
	struct identity_record longest = identity, back;
	struct schema_value value;
	memset(longest.project_id, 'p', sizeof(longest.project_id) - 1);
	memset(longest.group_id, 'g', sizeof(longest.group_id) - 1);
	memset(longest.stream_id, 's', sizeof(longest.stream_id) - 1);
	memset(longest.consumer_group, 'c', sizeof(longest.consumer_group) - 1);
	memset(longest.host, 'h', sizeof(longest.host) - 1);
	identity_encode(&longest, &value);
	ck_assert_int_eq(identity_decode(value.data, value.len, &back), LTS_OK);
	ck_assert_str_eq(back.consumer_group, longest.consumer_group);
	ck_assert_str_eq(back.host, longest.host);
}
END_TEST

START_TEST(event_kinds_have_names)
{
	for (int kind = EVENT_TAKEN; kind <= EVENT_ADOPTED; kind++)
		ck_assert_str_ne(event_kind_name((enum event_kind)kind), "?");
	ck_assert_str_eq(event_kind_name((enum event_kind)0), "?");
	ck_assert_str_eq(event_kind_name((enum event_kind)(EVENT_ADOPTED + 1)), "?");
}
END_TEST

Suite *
suite_schema(void)
{
	Suite *suite = suite_create("schema");
	TCase *tc = tcase_create("schema");
	tcase_add_test(tc, identity_comes_back);
	tcase_add_test(tc, start_comes_back);
	tcase_add_test(tc, lease_comes_back);
	tcase_add_test(tc, checkpoint_comes_back);
	tcase_add_test(tc, worker_comes_back);
	tcase_add_test(tc, event_comes_back);
	tcase_add_loop_test(tc, every_flipped_bit_is_refused, 0, KINDS);
	tcase_add_loop_test(tc, every_other_length_is_refused, 0, KINDS);
	tcase_add_loop_test(tc, wrong_version_is_refused_though_its_crc_is_right, 0, KINDS);
	tcase_add_loop_test(tc, byte_more_or_less_is_refused_though_its_crc_is_right, 0, KINDS);
	tcase_add_loop_test(tc, value_of_another_kind_is_refused, 0, KINDS);
	tcase_add_loop_test(tc, zeroes_are_refused, 0, KINDS);
	tcase_add_test(tc, lease_in_no_state_is_refused);
	tcase_add_test(tc, checkpoint_without_a_cursor_is_refused);
	tcase_add_test(tc, checkpoint_of_version_1_comes_back_with_nothing_done);
	tcase_add_test(tc, checkpoint_of_version_2_comes_back_with_nothing_aside);
	tcase_add_test(tc, checkpoint_of_version_3_comes_back_with_no_place_in_the_dead_letters);
	tcase_add_test(tc, checkpoint_with_more_aside_than_there_can_be_is_refused);
	tcase_add_test(tc, longest_texts_fit);
	tcase_add_test(tc, event_kinds_have_names);
	suite_add_tcase(suite, tc);
	return suite;
}
