/*
 * pack.h - fields to bytes and back: little-endian, no padding, text as a 16-bit length
 * and bytes.
 *
 * Used for the channel's messages and LMDB's records. A packer that runs out of room, or
 * an unpacker that runs out of bytes, remembers it; look once, at the end. Both live in
 * the caller's storage and borrow their bytes.
 */
#ifndef COMMON_PACK_H
#define COMMON_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packer {
	uint8_t *data;
	size_t cap;
	size_t len;
	bool overflow;
};

struct unpacker {
	const uint8_t *data;
	size_t len;
	size_t at;
	bool bad;
};

void pack_u8(struct packer *p, uint8_t value);
void pack_u32(struct packer *p, uint32_t value);
void pack_u64(struct packer *p, uint64_t value);
void pack_i64(struct packer *p, int64_t value);
/* At most 65,535 bytes; more is an overflow. */
void pack_text(struct packer *p, const char *text);
/* CRC-32 (IEEE 802.3) of everything packed so far. */
void pack_crc(struct packer *p);

uint8_t unpack_u8(struct unpacker *u);
uint32_t unpack_u32(struct unpacker *u);
uint64_t unpack_u64(struct unpacker *u);
int64_t unpack_i64(struct unpacker *u);
/* Copies into to[room], NUL-terminated, the rest zeroed; text that does not fit or holds
 * a NUL is bad. */
void unpack_text(struct unpacker *u, char *to, size_t room);
/* Borrows the bytes of a text; not NUL-terminated. */
const char *unpack_view(struct unpacker *u, size_t *len_out);
/* True when all was read and nothing is left over. */
bool unpack_done(const struct unpacker *u);
/* Checks the CRC at the end and takes it off; to be called first. */
bool unpack_crc(struct unpacker *u);

#endif
