/*
 * fuzz_schema.c - libFuzzer's way into the records of the state.
 *
 * The first byte chooses the record, the rest is its value but for the CRC, which is made here:
 * no fuzzer guesses it. A value is refused and nothing is touched, or what it says can be
 * written, and reads back as the same.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "common/pack.h"
#include "state/schema_codec.h"

enum { FILL = 0x5a };

/* One record: decode, encode, decode, encode; both times the same bytes. */
#define CHECK(kind, data, len)                                                 \
	do {                                                                   \
		struct kind##_record one, two;                                 \
		struct schema_value first, second;                             \
		memset(&one, FILL, sizeof(one));                               \
		if (kind##_decode((data), (len), &one)) {                      \
			require_untouched(&one, sizeof(one));                  \
			break;                                                 \
		}                                                              \
		kind##_encode(&one, &first);                                   \
		require(kind##_decode(first.data, first.len, &two) == LTS_OK); \
		kind##_encode(&two, &second);                                  \
		require(first.len == second.len);                              \
		require(memcmp(first.data, second.data, first.len) == 0);      \
	} while (0)

static void
require_untouched(const void *record, size_t len)
{
	const uint8_t *bytes = record;
	for (size_t i = 0; i < len; i++)
		require(bytes[i] == FILL);
}

static void
check(unsigned kind, const uint8_t *data, size_t len)
{
	switch (kind) {
	case 0:
		CHECK(identity, data, len);
		break;
	case 1:
		CHECK(start, data, len);
		break;
	case 2:
		CHECK(lease, data, len);
		break;
	case 3:
		CHECK(checkpoint, data, len);
		break;
	case 4:
		CHECK(worker, data, len);
		break;
	default:
		CHECK(event, data, len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	check(data[0] % 6, data + 1, size - 1);
	struct packer p = { .data = malloc(size + 3), .cap = size + 3 };
	require(p.data != NULL);
	for (size_t i = 1; i < size; i++)
		pack_u8(&p, data[i]);
	pack_crc(&p);
	check(data[0] % 6, p.data, p.len);
	free(p.data);
	return 0;
}
