/*
 * sim_record.c - makes the text of records.
 *
 * In lts-sim and its verifier. Owns nothing. Must never depend on anything but its
 * arguments: the same seed gives the same log_content on every machine. About a tenth of
 * the bytes are Chinese and an escape comes every 60 bytes, because parsers that only
 * meet ASCII prove nothing. Held by tests/support/test_sim_stream.c.
 */
#include "tests/sim/sim_record.h"

#include <stdlib.h>
#include <string.h>

enum {
	FRAME_BYTES = 240, /* what the labels hold beside log_content */
	CONTENT_LEAST = 16,
	GROUP_ASCII_BYTES =
		46,      /* of a group of about 60: then one Chinese word, then one escape */
	GROUP_MOST = 96, /* no group is longer */
};

static const char *const words[] = {
	"GET /v1/orders/4711 ", "status=200 ",          "elapsed_ms=17 ",
	"user=li.wei ",         "connection reset by ", "peer 10.3.7.41 ",
	"retrying in 250 ms ",  "cache miss for key ",  "session 8f3a91c0 ",
	"POST /v1/payments ",   "level=info ",          "trace=5b8c2e17f0 ",
	"queue depth 128, ",    "disk sda1 at 71% ",    "gc pause 12.5ms ",
	"{code: 0, ok: true} ",
};

static const char *const chinese[] = {
	"日志 ", "请求 ", "超时 ", "成功 ", "失败 ", "用户 ", "订单 ", "支付 ",
};

static const char *const escapes[] = {
	"\\\"quoted\\\" ", "C:\\\\log\\\\app ", "\\n", "\\t", "\\u4e2d", "\\r\\n", "\\/",
	"\\ud83d\\ude00",
};

static const char filler[] =
	"the tank is drained record by record, nothing is lost and nothing is "
	"delivered twice; ";

uint64_t
sim_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t
sum_bytes(uint64_t sum, const char *data, size_t len)
{
	const uint64_t factor = 0x9e3779b97f4a7c15u;
	uint64_t word;
	for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		sum = (sum ^ word) * factor;
		sum ^= sum >> 29;
	}
	word = (uint64_t)len << 56;
	memcpy(&word, data, len);
	sum = (sum ^ word) * factor;
	return sum ^ (sum >> 32);
}

uint64_t
sim_record_sum(const char *shard, size_t shard_len, uint64_t seq, const char *content,
	       size_t content_len)
{
	return sum_bytes(sum_bytes(sim_mix(seq), shard, shard_len), content, content_len);
}

static char *
put_text(char *out, const char *text, size_t len)
{
	memcpy(out, text, len);
	return out + len;
}

static char *
put_word(char *out, const char *word)
{
	return put_text(out, word, strlen(word));
}

static char *
put_number(char *out, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);
	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	return put_text(out, digits + at, sizeof(digits) - at);
}

static char *
put_hex(char *out, uint64_t value)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		*out++ = "0123456789abcdef"[(value >> shift) & 15];
	return out;
}

static char *
put_group(char *out, uint64_t dice)
{
	const char *start = out;
	for (; out - start < GROUP_ASCII_BYTES; dice >>= 4)
		out = put_word(out, words[dice % 16]);
	out = put_word(out, chinese[dice % 8]);
	return put_word(out, escapes[(dice >> 3) % 8]);
}

/* Exactly `target` bytes: whole groups, then plain text, so that nothing is cut in its
 * middle. */
static char *
put_content(char *out, uint64_t dice, size_t target)
{
	const char *end = out + target;
	while (end - out >= GROUP_MOST) {
		dice = sim_mix(dice);
		out = put_group(out, dice);
	}
	while (out < end) {
		size_t room = (size_t)(end - out);
		out = put_text(out, filler,
			       room < sizeof(filler) - 1 ? room : sizeof(filler) - 1);
	}
	return out;
}

/* A fifth more or less than asked for: equal sizes would hide mistakes. */
static size_t
content_bytes(uint64_t dice, size_t record_bytes)
{
	size_t spread = record_bytes * 2 / 5;
	size_t total = record_bytes - spread / 2 + (spread ? (size_t)(dice % (spread + 1)) : 0);
	return total > FRAME_BYTES + CONTENT_LEAST ? total - FRAME_BYTES : CONTENT_LEAST;
}

#define PUT(out, literal) put_text((out), literal, sizeof(literal) - 1)

static char *
put_tail(char *out, const char *content, size_t content_len, unsigned shard, uint64_t seq)
{
	out = PUT(out, ",\"shard\":\"");
	const char *shard_text = out;
	out = put_number(out, shard);
	uint64_t sum =
		sim_record_sum(shard_text, (size_t)(out - shard_text), seq, content, content_len);
	out = PUT(out, "\",\"seq\":");
	out = put_number(out, seq);
	out = PUT(out, ",\"sum\":\"");
	out = put_hex(out, sum);
	return PUT(out, "\"}},");
}

static char *
put_fields(char *out, unsigned shard, uint64_t seq, int64_t time_ns)
{
	out = PUT(out, "\",\"hostName\":\"host-");
	out = put_number(out, seq % 7);
	out = PUT(out, "\",\"hostIP\":\"10.0.");
	out = put_number(out, shard % 256);
	*out++ = '.';
	out = put_number(out, seq % 7 + 1);
	out = PUT(out, "\",\"pathFile\":\"/var/log/shop/app.log\",\"collectTime\":");
	out = put_number(out, (uint64_t)time_ns / 1000000);
	out = PUT(out, ",\"lineNum\":\"");
	out = put_number(out, seq + 1);
	out = PUT(out, "\",\"category\":\"LTS\",\"__time__\":");
	return put_number(out, (uint64_t)time_ns);
}

static char *
reserve(struct buf *out, size_t room)
{
	if (buf_reserve(out, room))
		abort(); /* the caller's buffers have no ceiling */
	return out->data + out->len;
}

static void
finish(struct buf *out, char *end)
{
	*end = '\0';
	out->len = (size_t)(end - out->data);
}

void
sim_record_render(struct buf *out, uint64_t seed, size_t record_bytes, unsigned shard,
		  uint64_t seq, int64_t time_ns)
{
	uint64_t dice = sim_mix(seed ^ sim_mix(((uint64_t)shard << 48) ^ seq));
	size_t target = content_bytes(dice, record_bytes);
	char *at = reserve(out, target + 2 * (size_t)FRAME_BYTES);
	at = PUT(at, "{\"labels\":{\"log_content\":\"");
	const char *content = at;
	at = put_content(at, dice, target);
	size_t len = (size_t)(at - content);
	at = put_fields(at, shard, seq, time_ns);
	finish(out, put_tail(at, content, len, shard, seq));
}

void
sim_record_wrap(struct buf *out, const char *fields, const char *content, unsigned shard,
		uint64_t seq)
{
	char *at = reserve(out, strlen(fields) + FRAME_BYTES);
	at = PUT(at, "{\"labels\":{");
	at = put_word(at, fields);
	finish(out, put_tail(at, content, strlen(content), shard, seq));
}
