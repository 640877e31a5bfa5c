/*
 * test_pack.c - holds common/pack.c to what its header says.
 *
 * Bytes under test are copied into allocations of exactly their size, so that ASan sees a
 * step outside.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/pack.h"
#include "common/xalloc.h"
#include "tests/suites.h"

struct sample {
	uint8_t u8;
	uint32_t u32;
	uint64_t u64;
	int64_t i64;
	char text[8], empty[8];
};

static const struct sample sample = { 0xa5,      0xdeadbeef, 0x0123456789abcdef,
				      INT64_MIN, "shard-7",  "" };

static void
pack_sample(struct packer *p)
{
	pack_u8(p, sample.u8);
	pack_u32(p, sample.u32);
	pack_u64(p, sample.u64);
	pack_i64(p, sample.i64);
	pack_text(p, sample.text);
	pack_text(p, sample.empty);
}

static bool
unpack_sample(struct unpacker *u, struct sample *out)
{
	memset(out, 0x5a, sizeof(*out));
	out->u8 = unpack_u8(u);
	out->u32 = unpack_u32(u);
	out->u64 = unpack_u64(u);
	out->i64 = unpack_i64(u);
	unpack_text(u, out->text, sizeof(out->text));
	unpack_text(u, out->empty, sizeof(out->empty));
	return unpack_done(u);
}

static bool
unpack_copy(const uint8_t *data, size_t len, struct sample *out)
{
	uint8_t *copy = xmalloc(len);
	memcpy(copy, data, len);
	struct unpacker u = { .data = copy, .len = len };
	bool good = unpack_sample(&u, out);
	free(copy);
	return good;
}

START_TEST(what_was_packed_comes_back)
{
	uint8_t data[64];
	struct packer p = { .data = data, .cap = sizeof(data) };
	struct sample back;
	pack_sample(&p);
	ck_assert(!p.overflow);
	ck_assert_uint_eq(p.len, 1 + 4 + 8 + 8 + 2 + 7 + 2);
	ck_assert(unpack_copy(data, p.len, &back));
	ck_assert_uint_eq(back.u8, sample.u8);
	ck_assert_uint_eq(back.u32, sample.u32);
	ck_assert_uint_eq(back.u64, sample.u64);
	ck_assert_int_eq(back.i64, sample.i64);
	ck_assert_mem_eq(back.text, sample.text, sizeof(back.text));
	ck_assert_mem_eq(back.empty, sample.empty, sizeof(back.empty)); /* the rest zeroed */
}
END_TEST

START_TEST(bytes_are_little_endian_without_padding)
{
	static const uint8_t wanted[] = { 0x01, 0x04, 0x03, 0x02, 0x01, 0x01, 0x00, 'x' };
	uint8_t data[sizeof(wanted)];
	struct packer p = { .data = data, .cap = sizeof(data) };
	pack_u8(&p, 1);
	pack_u32(&p, 0x01020304);
	pack_text(&p, "x");
	ck_assert_mem_eq(data, wanted, sizeof(wanted));
}
END_TEST

START_TEST(extreme_numbers_come_back)
{
	static const int64_t numbers[] = {
		0, 1, -1, INT64_MAX, INT64_MIN, 1ll << 53, -(1ll << 53)
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint8_t data[16];
		struct packer p = { .data = data, .cap = sizeof(data) };
		pack_i64(&p, numbers[i]);
		pack_u64(&p, (uint64_t)numbers[i]);
		struct unpacker u = { .data = data, .len = p.len };
		ck_assert_int_eq(unpack_i64(&u), numbers[i]);
		ck_assert_uint_eq(unpack_u64(&u), (uint64_t)numbers[i]);
		ck_assert(unpack_done(&u));
	}
}
END_TEST

START_TEST(truncated_anywhere_is_bad)
{
	uint8_t data[64];
	struct packer p = { .data = data, .cap = sizeof(data) };
	struct sample back;
	pack_sample(&p);
	for (size_t len = 0; len < p.len; len++)
		ck_assert_msg(!unpack_copy(data, len, &back), "%zu bytes", len);
}
END_TEST

START_TEST(byte_left_over_is_not_done)
{
	uint8_t data[64] = { 0 };
	struct packer p = { .data = data, .cap = sizeof(data) };
	struct sample back;
	pack_sample(&p);
	ck_assert(!unpack_copy(data, p.len + 1, &back));
}
END_TEST

START_TEST(bad_unpacker_stays_bad_and_gives_nothing)
{
	static const uint8_t data[] = { 9, 9 };
	struct unpacker u = { .data = data, .len = sizeof(data) };
	size_t len;
	char text[4] = "abc";
	ck_assert_uint_eq(unpack_u32(&u), 0);
	ck_assert_uint_eq(unpack_u8(&u), 0); /* though there would be bytes */
	unpack_text(&u, text, sizeof(text));
	ck_assert_str_eq(text, "");
	ck_assert_str_eq(unpack_view(&u, &len), "");
	ck_assert_uint_eq(len, 0);
	ck_assert(!unpack_done(&u));
}
END_TEST

START_TEST(packer_without_room_remembers_it_and_writes_nothing_outside)
{
	uint8_t whole[64];
	struct packer full = { .data = whole, .cap = sizeof(whole) };
	pack_sample(&full);
	for (size_t cap = 0; cap < full.len; cap++) {
		uint8_t *data = xmalloc(cap);
		struct packer p = { .data = data, .cap = cap };
		pack_sample(&p);
		ck_assert(p.overflow);
		ck_assert_uint_le(p.len, cap);
		pack_u8(&p, 1);
		ck_assert(p.overflow);
		free(data);
	}
}
END_TEST

START_TEST(text_of_65536_bytes_is_an_overflow)
{
	size_t room = 70000;
	char *text = xcalloc(room, 1);
	uint8_t *data = xmalloc(room);
	memset(text, 'x', 65536);
	struct packer p = { .data = data, .cap = room };
	pack_text(&p, text);
	ck_assert(p.overflow);
	text[65535] = '\0';
	p = (struct packer){ .data = data, .cap = room };
	pack_text(&p, text);
	ck_assert(!p.overflow);
	ck_assert_uint_eq(p.len, 65537);
	free(text);
	free(data);
}
END_TEST

START_TEST(text_longer_than_its_room_is_bad_not_cut)
{
	uint8_t data[16];
	char to[4] = "zzz";
	struct packer p = { .data = data, .cap = sizeof(data) };
	pack_text(&p, "abcd");
	struct unpacker u = { .data = data, .len = p.len };
	unpack_text(&u, to, sizeof(to));
	ck_assert(u.bad);
	ck_assert_mem_eq(to, "\0\0\0\0", 4);
}
END_TEST

START_TEST(text_with_a_nul_inside_is_bad)
{
	static const uint8_t data[] = { 3, 0, 'a', 0, 'b' };
	struct unpacker u = { .data = data, .len = sizeof(data) };
	char to[8];
	unpack_text(&u, to, sizeof(to));
	ck_assert(u.bad);
	ck_assert_str_eq(to, "");
}
END_TEST

START_TEST(view_borrows_the_bytes)
{
	static const uint8_t data[] = { 2, 0, 'a', 'b' };
	struct unpacker u = { .data = data, .len = sizeof(data) };
	size_t len;
	ck_assert_ptr_eq(unpack_view(&u, &len), data + 2);
	ck_assert_uint_eq(len, 2);
	ck_assert(unpack_done(&u));
}
END_TEST

START_TEST(crc_is_the_well_known_one)
{
	uint8_t data[13];
	struct packer p = { .data = data, .cap = sizeof(data) };
	for (uint8_t c = '1'; c <= '9'; c++)
		pack_u8(&p, c);
	pack_crc(&p);
	struct unpacker u = { .data = data + 9, .len = 4 };
	ck_assert_uint_eq(unpack_u32(&u), 0xcbf43926);
}
END_TEST

START_TEST(good_crc_is_taken_off)
{
	uint8_t data[64];
	struct packer p = { .data = data, .cap = sizeof(data) };
	struct sample back;
	pack_sample(&p);
	pack_crc(&p);
	struct unpacker u = { .data = data, .len = p.len };
	ck_assert(unpack_crc(&u));
	ck_assert_uint_eq(u.len, p.len - 4);
	ck_assert(unpack_sample(&u, &back));
}
END_TEST

START_TEST(every_flipped_bit_fails_the_crc)
{
	uint8_t data[64];
	struct packer p = { .data = data, .cap = sizeof(data) };
	pack_sample(&p);
	pack_crc(&p);
	for (size_t bit = 0; bit < p.len * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		struct unpacker u = { .data = data, .len = p.len };
		ck_assert_msg(!unpack_crc(&u), "bit %zu", bit);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

START_TEST(crc_of_truncated_bytes_fails)
{
	uint8_t data[64];
	struct packer p = { .data = data, .cap = sizeof(data) };
	pack_sample(&p);
	pack_crc(&p);
	for (size_t len = 0; len < p.len; len++) {
		struct unpacker u = { .data = data, .len = len };
		ck_assert_msg(!unpack_crc(&u), "%zu bytes", len);
	}
}
END_TEST

Suite *
suite_pack(void)
{
	Suite *suite = suite_create("pack");
	TCase *tc = tcase_create("pack");
	tcase_add_test(tc, what_was_packed_comes_back);
	tcase_add_test(tc, bytes_are_little_endian_without_padding);
	tcase_add_test(tc, extreme_numbers_come_back);
	tcase_add_test(tc, truncated_anywhere_is_bad);
	tcase_add_test(tc, byte_left_over_is_not_done);
	tcase_add_test(tc, bad_unpacker_stays_bad_and_gives_nothing);
	tcase_add_test(tc, packer_without_room_remembers_it_and_writes_nothing_outside);
	tcase_add_test(tc, text_of_65536_bytes_is_an_overflow);
	tcase_add_test(tc, text_longer_than_its_room_is_bad_not_cut);
	tcase_add_test(tc, text_with_a_nul_inside_is_bad);
	tcase_add_test(tc, view_borrows_the_bytes);
	tcase_add_test(tc, crc_is_the_well_known_one);
	tcase_add_test(tc, good_crc_is_taken_off);
	tcase_add_test(tc, every_flipped_bit_fails_the_crc);
	tcase_add_test(tc, crc_of_truncated_bytes_fails);
	suite_add_tcase(suite, tc);
	return suite;
}
