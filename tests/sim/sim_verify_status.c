/*
 * sim_verify_status.c - reads a kept answer to GET /sim/status.
 *
 * In `lts-sim verify`. Owns nothing that lasts. Must never take a status that is cut short or
 * lacks a count for one with less in it. Held by tests/support/test_sim_verify.c.
 */
#include "tests/sim/sim_verify_status.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/xalloc.h"
#include "tests/sim/sim_stream.h"

static bool
read_number(const cJSON *object, const char *key, uint64_t most, uint64_t *out)
{
	const char *text = json_text(object, key);
	char *end;
	errno = 0;
	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return *end == '\0' && !errno && *out <= most;
}

static bool
read_shards(struct sim_ledger *ledger, const cJSON *shards)
{
	const cJSON *shard;
	unsigned expected = 0;
	cJSON_ArrayForEach(shard, shards)
	{
		uint64_t number, produced;
		if (!read_number(shard, "shard", SIM_SHARDS_MAX, &number) ||
		    number != expected++ ||
		    !read_number(shard, "produced", UINT32_MAX, &produced))
			return false;
		sim_ledger_expect(ledger, (unsigned)number, produced);
	}
	return true;
}

static bool
read_moves(struct sim_ledger *ledger, const cJSON *moves, unsigned shards)
{
	const cJSON *move;
	if (!cJSON_IsArray(moves))
		return false;
	cJSON_ArrayForEach(move, moves)
	{
		uint64_t shard, from, to;
		if (!read_number(move, "shard", shards - 1, &shard) ||
		    !read_number(move, "from", UINT64_MAX, &from) ||
		    !read_number(move, "to", UINT64_MAX, &to))
			return false;
		sim_ledger_allow(ledger, (unsigned)shard, from, to);
	}
	return true;
}

static struct cJSON *
read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return NULL;
	char *text = xmalloc(JSON_BYTES_MAX);
	size_t len = fread(text, 1, JSON_BYTES_MAX, file);
	struct cJSON *json = json_parse_exact(text, len);
	fclose(file);
	free(text);
	return json;
}

struct sim_ledger *
sim_verify_status(const char *path)
{
	struct cJSON *status = read_file(path);
	const cJSON *shards = status ? json_member(status, "shards") : NULL;
	int n = cJSON_IsArray(shards) ? cJSON_GetArraySize(shards) : 0;
	struct sim_ledger *ledger = NULL;
	if (n > 0 && n <= SIM_SHARDS_MAX) {
		ledger = sim_ledger_create((unsigned)n, false, 0);
		if (!read_shards(ledger, shards) ||
		    !read_moves(ledger, json_member(status, "unplanned_moves"), (unsigned)n))
			sim_ledger_destroy(&ledger);
	}
	cJSON_Delete(status);
	return ledger;
}
