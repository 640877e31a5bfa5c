/*
 * pack.c - fields to bytes and back.
 *
 * In every process. Owns nothing. Must never read or write outside the bytes it was
 * given, whatever they say. Held by tests/common/test_pack.c.
 */
#include "common/pack.h"

#include <string.h>

static uint32_t
crc32_of(const uint8_t *data, size_t len)
{
	/* The reflected polynomial 0xEDB88320, four bits at a time. */
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = ~0u;
	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		crc = table[crc & 15] ^ (crc >> 4);
		crc = table[crc & 15] ^ (crc >> 4);
	}
	return ~crc;
}

static void
put(struct packer *p, const void *bytes, size_t len)
{
	if (p->overflow || p->cap - p->len < len) {
		p->overflow = true;
		return;
	}
	memcpy(p->data + p->len, bytes, len);
	p->len += len;
}

static void
put_uint(struct packer *p, uint64_t value, size_t width)
{
	uint8_t bytes[8];
	for (size_t i = 0; i < width; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	put(p, bytes, width);
}

void
pack_u8(struct packer *p, uint8_t value)
{
	put_uint(p, value, 1);
}

void
pack_u32(struct packer *p, uint32_t value)
{
	put_uint(p, value, 4);
}

void
pack_u64(struct packer *p, uint64_t value)
{
	put_uint(p, value, 8);
}

void
pack_i64(struct packer *p, int64_t value)
{
	put_uint(p, (uint64_t)value, 8);
}

void
pack_text(struct packer *p, const char *text)
{
	size_t len = strlen(text);
	if (len > UINT16_MAX) {
		p->overflow = true;
		return;
	}
	put_uint(p, len, 2);
	put(p, text, len);
}

void
pack_crc(struct packer *p)
{
	pack_u32(p, crc32_of(p->data, p->len));
}

static uint64_t
get_uint(struct unpacker *u, size_t width)
{
	if (u->bad || u->len - u->at < width) {
		u->bad = true;
		return 0;
	}
	uint64_t value = 0;
	for (size_t i = 0; i < width; i++)
		value |= (uint64_t)u->data[u->at + i] << (8 * i);
	u->at += width;
	return value;
}

uint8_t
unpack_u8(struct unpacker *u)
{
	return (uint8_t)get_uint(u, 1);
}

uint32_t
unpack_u32(struct unpacker *u)
{
	return (uint32_t)get_uint(u, 4);
}

uint64_t
unpack_u64(struct unpacker *u)
{
	return get_uint(u, 8);
}

int64_t
unpack_i64(struct unpacker *u)
{
	return (int64_t)get_uint(u, 8);
}

const char *
unpack_view(struct unpacker *u, size_t *len_out)
{
	size_t len = (size_t)get_uint(u, 2);
	if (u->bad || u->len - u->at < len) {
		u->bad = true;
		*len_out = 0;
		return "";
	}
	const char *text = (const char *)u->data + u->at;
	u->at += len;
	*len_out = len;
	return text;
}

void
unpack_text(struct unpacker *u, char *to, size_t room)
{
	size_t len;
	const char *text = unpack_view(u, &len);
	memset(to, 0, room);
	if (len >= room || memchr(text, '\0', len)) {
		u->bad = true;
		return;
	}
	memcpy(to, text, len);
}

bool
unpack_done(const struct unpacker *u)
{
	return !u->bad && u->at == u->len;
}

bool
unpack_crc(struct unpacker *u)
{
	if (u->len < 4)
		return false;
	struct unpacker tail = { .data = u->data + u->len - 4, .len = 4 };
	if (unpack_u32(&tail) != crc32_of(u->data, u->len - 4))
		return false;
	u->len -= 4;
	return true;
}
