/*
 * test_message.c - holds common/message.c to what its header says: the bytes of every
 * message.
 *
 * Bytes under test are copied into allocations of exactly their size, so that ASan sees a
 * step outside.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/message.h"
#include "common/xalloc.h"
#include "tests/suites.h"

static const struct epoch epochs[] = { { 1ull << 32 | 1 }, { 3ull << 32 | 17 }, { UINT64_MAX } };

/* One of each type, with every field set to something that is not zero. */
static const struct message samples[] = {
	{ MSG_CONFIG, .config = { .slot = 7,
				  .thrift = 2,
				  .instance = "a1b2c3",
				  .name = { "host-a1b2c3-7" },
				  .options = "sink=null\nregion=r\n",
				  .options_len = 19,
				  .ak = "AK",
				  .sk = "SECRET",
				  .token = "" } },
	{ MSG_ASSIGN, .assign = { .shard = { "12" },
				  .epoch = { 3ull << 32 | 17 },
				  .deadline_ms = 123456789,
				  .home = 4,
				  .service = { "1767322800000000001" },
				  .service_is_ours = true,
				  .unbroken = true,
				  .reset = { "1767322800000000051" },
				  .reset_first = { 77 },
				  .start = "begin",
				  .end_ns = -5,
				  .fate = FATE_KILLED,
				  .fate_slot = 2,
				  .suspect = { { "1767322800000000101" }, 3, 100, 2 } } },
	{ MSG_RENEW,
	  .renew = { .deadline_ms = 99, .certain_ahead_ns = -7, .count = 3, .epochs = epochs } },
	{ MSG_REVOKE, .lease = { .shard = { "0" }, .epoch = { 1 } } },
	{ MSG_PUBLISHED, .lease = { .shard = { "0" }, .epoch = { 1 }, .cursor = { "555" } } },
	{ MSG_HELD, .lease = { .shard = { "0" }, .epoch = { 1 } } },
	{ MSG_RELEASED, .lease = { .shard = { "0" }, .epoch = { 1 }, .err = LTS_GONE } },
	{ MSG_FINISHED, .lease = { .shard = { "0" }, .epoch = { 1 } } },
	{ MSG_STUCK,
	  .lease = { .shard = { "0" }, .epoch = { 1 }, .err = LTS_EXPIRED, .text = "gone by" } },
	{ MSG_REPLAY, .replay = { .count = 5, .attempts = 2, .path = "dead/0-a1-00000000.log" } },
	{ .type = MSG_FLUSH },
	{ .type = MSG_DRAIN },
	{ .type = MSG_READY },
	{ .type = MSG_FLUSHED },
};

enum { SAMPLES = sizeof(samples) / sizeof(samples[0]) };

/* Encoded into an allocation of its exact size. */
static uint8_t *
encoded(const struct message *message, size_t *len_out)
{
	uint8_t *data = xmalloc(HANDOFF_MESSAGE_MAX);
	ck_assert_int_eq(message_encode(message, data, len_out), LTS_OK);
	return xreallocarray(data, *len_out, 1);
}

static enum lts_err
decode_copy(const uint8_t *data, size_t len)
{
	struct message out;
	uint8_t *copy = xmalloc(len);
	memcpy(copy, data, len);
	enum lts_err err = message_decode(copy, len, &out);
	free(copy);
	return err;
}

START_TEST(config_comes_back)
{
	size_t len;
	struct message out;
	uint8_t *data = encoded(&samples[0], &len);
	ck_assert_int_eq(message_decode(data, len, &out), LTS_OK);
	const struct message_config *in = &samples[0].config, *m = &out.config;
	ck_assert_int_eq(out.type, MSG_CONFIG);
	ck_assert_uint_eq(m->slot, 7);
	ck_assert_str_eq(m->instance, in->instance);
	ck_assert_str_eq(m->name.text, in->name.text);
	ck_assert_uint_eq(m->options_len, strlen(in->options));
	ck_assert_mem_eq(m->options, in->options, m->options_len);
	ck_assert_str_eq(m->ak, "AK");
	ck_assert_str_eq(m->sk, "SECRET");
	ck_assert_str_eq(m->token, "");
	free(data);
}
END_TEST

START_TEST(assign_comes_back)
{
	size_t len;
	struct message out;
	uint8_t *data = encoded(&samples[1], &len);
	ck_assert_int_eq(message_decode(data, len, &out), LTS_OK);
	const struct message_assign *in = &samples[1].assign, *m = &out.assign;
	ck_assert_int_eq(out.type, MSG_ASSIGN);
	ck_assert(shard_id_equal(&m->shard, &in->shard));
	ck_assert(epoch_equal(m->epoch, in->epoch));
	ck_assert_int_eq(m->deadline_ms, in->deadline_ms);
	ck_assert_uint_eq(m->home, in->home);
	ck_assert(cursor_equal(&m->service, &in->service));
	ck_assert(m->service_is_ours);
	ck_assert(m->unbroken);
	ck_assert(cursor_equal(&m->reset, &in->reset));
	ck_assert(epoch_equal(m->reset_first, in->reset_first));
	ck_assert_str_eq(m->start, "begin");
	ck_assert_int_eq(m->end_ns, -5);
	ck_assert_int_eq(m->fate, FATE_KILLED);
	ck_assert_uint_eq(m->fate_slot, 2);
	ck_assert(cursor_equal(&m->suspect.cursor, &in->suspect.cursor));
	ck_assert_uint_eq(m->suspect.first, 3);
	ck_assert_uint_eq(m->suspect.count, 100);
	ck_assert_uint_eq(m->suspect.attempts, 2);
	free(data);
}
END_TEST

START_TEST(assign_keeps_its_flags_apart)
{
	for (int i = 0; i < 8; i++) {
		size_t len;
		struct message in = samples[1], out;
		in.assign.service_is_ours = i & 1;
		in.assign.unbroken = i & 2;
		in.assign.seal_only = i & 4;
		uint8_t *data = encoded(&in, &len);
		ck_assert_int_eq(message_decode(data, len, &out), LTS_OK);
		ck_assert_int_eq(out.assign.service_is_ours, i & 1);
		ck_assert_int_eq(out.assign.unbroken, (i & 2) != 0);
		ck_assert_int_eq(out.assign.seal_only, (i & 4) != 0);
		free(data);
	}
}
END_TEST

START_TEST(renew_comes_back)
{
	size_t len;
	struct message out;
	uint8_t *data = encoded(&samples[2], &len);
	ck_assert_int_eq(message_decode(data, len, &out), LTS_OK);
	ck_assert_int_eq(out.type, MSG_RENEW);
	ck_assert_int_eq(out.renew.deadline_ms, 99);
	ck_assert_int_eq(out.renew.certain_ahead_ns, -7);
	ck_assert_uint_eq(out.renew.count, 3);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert(epoch_equal(message_renew_epoch(&out.renew, i), epochs[i]));
	free(data);
}
END_TEST

START_TEST(lease_messages_come_back)
{
	static const enum message_type types[] = { MSG_REVOKE,   MSG_PUBLISHED, MSG_HELD,
						   MSG_RELEASED, MSG_FINISHED,  MSG_STUCK };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t len;
		struct message out, in = { types[i], .lease = { .shard = { "s-1" },
								.epoch = { 9ull << 32 },
								.err = LTS_NOSPACE,
								.cursor = { "77" },
								.text = "why" } };
		uint8_t *data = encoded(&in, &len);
		ck_assert_int_eq(message_decode(data, len, &out), LTS_OK);
		ck_assert_int_eq(out.type, types[i]);
		ck_assert_str_eq(out.lease.shard.text, "s-1");
		ck_assert(epoch_equal(out.lease.epoch, in.lease.epoch));
		ck_assert_int_eq(out.lease.err, LTS_NOSPACE);
		ck_assert_str_eq(out.lease.cursor.text, "77");
		ck_assert_str_eq(out.lease.text, "why");
		free(data);
	}
}
END_TEST

START_TEST(messages_without_a_body_come_back)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		size_t len;
		struct message out;
		uint8_t *data = encoded(&samples[i], &len);
		ck_assert_int_eq(message_decode(data, len, &out), LTS_OK);
		ck_assert_int_eq(out.type, samples[i].type);
		free(data);
	}
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	const struct message *sample = &samples[_i];
	size_t len;
	uint8_t *data = encoded(sample, &len);
	for (size_t n = 0; n < len; n++)
		ck_assert_msg(decode_copy(data, n) == LTS_BADDATA, "%s of %zu bytes",
			      message_name(sample->type), n);
	free(data);
}
END_TEST

START_TEST(byte_left_over_is_refused)
{
	size_t len;
	uint8_t *data = encoded(&samples[_i], &len);
	data = xreallocarray(data, len + 1, 1);
	for (int byte = 0; byte < 256; byte++) {
		data[len] = (uint8_t)byte;
		ck_assert_int_eq(decode_copy(data, len + 1), LTS_BADDATA);
	}
	free(data);
}
END_TEST

START_TEST(other_version_is_refused)
{
	size_t len;
	uint8_t *data = encoded(&samples[_i], &len);
	for (int version = 0; version < 256; version++) {
		data[0] = (uint8_t)version;
		ck_assert_int_eq(decode_copy(data, len),
				 version == HANDOFF_VERSION ? LTS_OK : LTS_BADDATA);
	}
	free(data);
}
END_TEST

START_TEST(unknown_type_is_refused)
{
	for (int type = 0; type < 256; type++) {
		const uint8_t data[] = { HANDOFF_VERSION, (uint8_t)type };
		bool empty = type == MSG_FLUSH || type == MSG_DRAIN || type == MSG_READY ||
			     type == MSG_FLUSHED;
		ck_assert_int_eq(decode_copy(data, 2), empty ? LTS_OK : LTS_BADDATA);
		bool known = strcmp(message_name((enum message_type)type), "?") != 0;
		ck_assert_msg(known == ((type >= MSG_CONFIG && type <= MSG_REPLAY) ||
					(type >= MSG_READY && type <= MSG_FLUSHED)),
			      "type %d", type);
	}
}
END_TEST

START_TEST(refused_message_leaves_out_untouched)
{
	static const uint8_t data[] = { HANDOFF_VERSION, MSG_HELD, 1 };
	struct message out = { .type = MSG_DRAIN };
	ck_assert_int_eq(message_decode(data, sizeof(data), &out), LTS_BADDATA);
	ck_assert_int_eq(out.type, MSG_DRAIN);
}
END_TEST

START_TEST(fate_that_is_none_is_refused)
{
	size_t len;
	uint8_t *data = encoded(&samples[1], &len);
	data[len - 5] = FATE_DIED;
	ck_assert_int_eq(decode_copy(data, len), LTS_OK);
	data[len - 5] = FATE_DIED + 1;
	ck_assert_int_eq(decode_copy(data, len), LTS_BADDATA);
	free(data);
}
END_TEST

START_TEST(secret_without_its_nul_is_refused)
{
	size_t len;
	uint8_t *data = encoded(&samples[0], &len);
	data[len - 1] = 'x'; /* behind the token */
	ck_assert_int_eq(decode_copy(data, len), LTS_BADDATA);
	free(data);
}
END_TEST

START_TEST(renew_with_a_lying_count_is_refused)
{
	size_t len;
	uint8_t *data = encoded(&samples[2], &len);
	static const uint32_t counts[] = {
		0, 2, 4, MESSAGE_MAX_RENEW + 1, 0x20000003, UINT32_MAX
	};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (int b = 0; b < 4; b++)
			data[18 + b] = (uint8_t)(counts[i] >> 8 * b);
		ck_assert_msg(decode_copy(data, len) == LTS_BADDATA, "count %u", counts[i]);
	}
	free(data);
}
END_TEST

START_TEST(renew_up_to_its_ceiling_and_no_more)
{
	struct epoch *many = xcalloc(MESSAGE_MAX_RENEW + 1, sizeof(*many));
	uint8_t *data = xmalloc(HANDOFF_MESSAGE_MAX);
	size_t len = 0;
	struct message out,
		in = { MSG_RENEW, .renew = { .count = MESSAGE_MAX_RENEW, .epochs = many } };
	many[MESSAGE_MAX_RENEW - 1].value = 42;
	ck_assert_int_eq(message_encode(&in, data, &len), LTS_OK);
	ck_assert_int_eq(message_decode(data, len, &out), LTS_OK);
	ck_assert_uint_eq(message_renew_epoch(&out.renew, MESSAGE_MAX_RENEW - 1).value, 42);
	in.renew.count++;
	ck_assert_int_eq(message_encode(&in, data, &len), LTS_TOOBIG);
	free(data);
	free(many);
}
END_TEST

START_TEST(message_that_does_not_fit_is_too_big)
{
	char *options = xcalloc(1, 65536);
	uint8_t *data = xmalloc(HANDOFF_MESSAGE_MAX);
	size_t len = 4711;
	struct message in = samples[0];
	memset(options, 'x', 65535);
	in.config.options = options;
	ck_assert_int_eq(message_encode(&in, data, &len), LTS_TOOBIG);
	ck_assert_uint_eq(len, 4711);
	options[65000] = '\0';
	ck_assert_int_eq(message_encode(&in, data, &len), LTS_OK);
	free(data);
	free(options);
}
END_TEST

Suite *
suite_message(void)
{
	Suite *suite = suite_create("message");
	TCase *tc = tcase_create("message");
	tcase_add_test(tc, config_comes_back);
	tcase_add_test(tc, assign_comes_back);
	tcase_add_test(tc, assign_keeps_its_flags_apart);
	tcase_add_test(tc, renew_comes_back);
	tcase_add_test(tc, lease_messages_come_back);
	tcase_add_test(tc, messages_without_a_body_come_back);
	tcase_add_loop_test(tc, every_truncation_is_refused, 0, SAMPLES);
	tcase_add_loop_test(tc, byte_left_over_is_refused, 0, SAMPLES);
	tcase_add_loop_test(tc, other_version_is_refused, 0, SAMPLES);
	tcase_add_test(tc, unknown_type_is_refused);
	tcase_add_test(tc, refused_message_leaves_out_untouched);
	tcase_add_test(tc, fate_that_is_none_is_refused);
	tcase_add_test(tc, secret_without_its_nul_is_refused);
	tcase_add_test(tc, renew_with_a_lying_count_is_refused);
	tcase_add_test(tc, renew_up_to_its_ceiling_and_no_more);
	tcase_add_test(tc, message_that_does_not_fit_is_too_big);
	suite_add_tcase(suite, tc);
	return suite;
}
