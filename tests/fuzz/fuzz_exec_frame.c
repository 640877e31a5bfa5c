/*
 * fuzz_exec_frame.c - libFuzzer's way into the frames of sink=exec:COMMAND.
 *
 * A line of the child is refused with words, and nothing is touched; or its values are in bounds,
 * and its cursor, in a frame to the child, makes one line of JSON.
 */
#include "tests/fuzz/fuzz.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "worker/exec_frame.h"

static void
check_answer(const struct exec_answer *answer)
{
	struct cursor same;
	require(exec_answer_name(answer->kind) != NULL);
	require(answer->id < UINT64_C(1000000000000000));
	require(strnlen(answer->error, sizeof(answer->error)) < sizeof(answer->error));
	for (const char *c = answer->error; *c; c++)
		require((unsigned char)*c >= 0x20 && *c != 0x7f);
	require(!answer->persistent || answer->save);
	if (answer->kind == EXEC_HELLO)
		require(answer->credits >= 1 && answer->credits <= EXEC_CREDITS_MAX);
	if (answer->kind == EXEC_ROLLBACK)
		require(cursor_set(&same, answer->cursor.text));
}

static void
check_frame(const struct exec_answer *answer)
{
	struct shard_id shard;
	struct buf frame;
	if (answer->kind != EXEC_ROLLBACK)
		return;
	require(shard_id_set(&shard, "0"));
	buf_init(&frame, 0);
	exec_frame_initialize(&frame, answer->id, &shard, &answer->cursor);
	require(memchr(frame.data, '\n', frame.len) == frame.data + frame.len - 1);
	cJSON *tree = cJSON_ParseWithLength(frame.data, frame.len);
	const cJSON *cursor = cJSON_GetObjectItemCaseSensitive(tree, "checkpoint");
	require(cJSON_IsString(cursor) && strcmp(cursor->valuestring, answer->cursor.text) == 0);
	cJSON_Delete(tree);
	buf_fini(&frame);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exec_answer answer;
	char why[EXEC_ERROR] = "";
	memset(&answer, 0x5a, sizeof(answer));
	if (exec_frame_parse((const char *)data, size, &answer, why)) {
		require(why[0] && strnlen(why, sizeof(why)) < sizeof(why));
		for (size_t i = 0; i < sizeof(answer); i++)
			require(((const uint8_t *)&answer)[i] == 0x5a);
		return 0;
	}
	require(size < EXEC_LINE_MAX);
	check_answer(&answer);
	check_frame(&answer);
	return 0;
}
