/*
 * dead_letter.c - a record that was put aside, as a line of JSON.
 *
 * In a worker's delivery thread. Owns nothing. The record is in it byte for byte: must never
 * be parsed and printed again. Held by tests/worker/test_process.c and tests/scenario/plugins.c.
 */
#include "worker/dead_letter.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/human.h"

char *
dead_letter_line(const struct dead_letter *letter)
{
	char *text = xstrndup(letter->record->text, letter->record->len);
	cJSON *line = cJSON_CreateObject();
	cJSON_AddStringToObject(line, "shard", letter->shard->text);
	cJSON_AddStringToObject(line, "cursor", letter->cursor->text);
	cJSON_AddNumberToObject(line, "index", (double)letter->index);
	cJSON_AddNumberToObject(line, "attempts", letter->attempts);
	cJSON_AddStringToObject(line, "error", letter->error);
	cJSON_AddStringToObject(line, "time", human_time(clock_wall_ns()).text);
	cJSON_AddRawToObject(line, "record", text);
	char *printed = cJSON_PrintUnformatted(line);
	cJSON_Delete(line);
	free(text);
	if (!printed)
		abort();
	return printed;
}

void
dead_letter_log(struct log *log, const struct dead_letter *letter, const char *next)
{
	log_error(log, "poison record", LOG_TEXT("shard", letter->shard->text),
		  LOG_TEXT("cursor", letter->cursor->text), LOG_UINT("index", letter->index),
		  LOG_UINT("attempts", letter->attempts), LOG_TEXT("next", next),
		  LOG_TEXT("text", letter->error));
}
