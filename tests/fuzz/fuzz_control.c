/*
 * fuzz_control.c - libFuzzer's way into what the service answers beside batches.
 *
 * The first byte chooses the request, the rest is the body. An answer is refused, or its lists
 * are within their ceilings, without doubles, of ids that ids.h lets through; and what a request
 * of ours would say of them reads back as the same. Words of errors are printable and cut to fit.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "common/lts_wire.h"

static const struct lts_place place = { "p", "g", "s", "c" };
static const struct consumer_name me = { .text = "host-1234abcd-0" };

static void
check_shards(const struct buf *body)
{
	struct shard_id *list, *again;
	size_t n, n_again;
	struct lts_odd odd;
	struct lts_wire_request request;
	if (lts_wire_parse_shards(body, &list, &n, &odd))
		return;
	require(n <= LTS_WIRE_SHARDS_MAX);
	require_printable(odd.first, sizeof(odd.first));
	for (size_t i = 0; i < n; i++) {
		struct shard_id same;
		require(shard_id_set(&same, list[i].text) && shard_id_equal(&same, &list[i]));
	}
	lts_wire_heartbeat(&request, &place, &me, list, n);
	require(lts_wire_parse_shards(&request.body, &again, &n_again, &odd) == LTS_OK);
	require(n == n_again && (n == 0 || memcmp(list, again, n * sizeof(*list)) == 0));
	lts_wire_fini(&request);
	free(again);
	free(list);
}

static void
check_checkpoints(const struct buf *body)
{
	struct lts_checkpoint *list, *again;
	size_t n, n_again;
	struct lts_odd odd;
	struct lts_wire_request request;
	if (lts_wire_parse_checkpoints(body, &list, &n, &odd))
		return;
	require(n <= LTS_WIRE_CHECKPOINTS_MAX);
	for (size_t i = 0; i < n; i++)
		require_printable(list[i].writer.text, sizeof(list[i].writer.text));
	lts_wire_write_checkpoints(&request, &place, &me, list, n);
	require(lts_wire_parse_checkpoints(&request.body, &again, &n_again, &odd) == LTS_OK);
	require(n == n_again);
	for (size_t i = 0; i < n; i++)
		require(shard_id_equal(&list[i].shard, &again[i].shard) &&
			cursor_equal(&list[i].cursor, &again[i].cursor));
	lts_wire_fini(&request);
	free(again);
	free(list);
}

static void
check_cursor(const struct buf *body)
{
	struct cursor cursor, same;
	memset(&cursor, 'x', sizeof(cursor));
	if (lts_wire_parse_cursor(body, &cursor))
		require(cursor.text[0] == 'x' && cursor.text[sizeof(cursor.text) - 1] == 'x');
	else
		require(cursor_set(&same, cursor.text) && cursor_equal(&same, &cursor));
}

static void
check_error(const struct buf *body)
{
	char code[32], message[256];
	lts_wire_parse_error(body, code, sizeof(code), message, sizeof(message));
	require_printable(code, sizeof(code));
	require_printable(message, sizeof(message));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf body;
	if (size == 0)
		return 0;
	buf_init(&body, 0);
	require(buf_put(&body, data + 1, size - 1) == LTS_OK);
	switch (data[0] % 5) {
	case 0:
		check_shards(&body);
		break;
	case 1:
		check_checkpoints(&body);
		break;
	case 2:
		check_cursor(&body);
		break;
	case 3:
		check_error(&body);
		break;
	default:
		(void)!lts_wire_parse_written(&body);
	}
	buf_fini(&body);
	return 0;
}
