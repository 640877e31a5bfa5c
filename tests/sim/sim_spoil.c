/*
 * sim_spoil.c - records that are not what they should be.
 *
 * In lts-sim. Owns nothing. Must never spoil another record the next time it is asked for the
 * same ones, nor the same one otherwise, unless it is told to be fickle. Held by
 * tests/scenario/bad_records.c.
 */
#include "tests/sim/sim_spoil.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_record.h"

enum { DEEP = 300 };

/* A member that is put in front of the others; NULL: it is made elsewhere. */
static const struct way {
	const char *name, *text;
	size_t len;
} ways[] = {
#define WAY(name, text) { name, text, sizeof(text) - 1 }
	WAY("utf8", "\"bad\":\"\xff\xe4\xb8\","),
	WAY("overlong", "\"bad\":\"\xc0\xa2\","),
	WAY("control", "\"bad\":\"a\x01\nb\","),
	WAY("nul", "\"bad\":\"\0\","),
	WAY("escape", "\"bad\":\"\\x41\","),
	WAY("number", "\"bad\":01,"),
	WAY("open", "\"bad\":\"x,"), /* its ends are not certain */
	{ "deep", NULL, 0 },
	{ "null", NULL, 0 },
#undef WAY
};

static const struct way *
find(const char *name)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, name) == 0)
			return &ways[i];
	return NULL;
}

bool
sim_spoil_is_known(const char *how)
{
	return find(how) != NULL;
}

static void
must(enum lts_err err)
{
	if (err)
		abort(); /* the answer's buffer has no ceiling */
}

static void
put_member(struct buf *out, const struct way *way, const struct sim_effect *effect)
{
	static unsigned long long times; /* rules may be given anew, with all their counts */
	if (effect->fickle)
		must(buf_printf(out, "\"fickle\":%llu,", ++times));
	if (way->text) {
		must(buf_put(out, way->text, way->len));
		return;
	}
	must(buf_put_text(out, "\"bad\":"));
	for (int i = 0; i < DEEP; i++)
		must(buf_put_text(out, "["));
	for (int i = 0; i < DEEP; i++)
		must(buf_put_text(out, "]"));
	must(buf_put_text(out, ","));
}

bool
sim_spoil_means(unsigned shard, uint64_t seq, int64_t every)
{
	return every <= 1 || sim_mix(((uint64_t)shard << 48 ^ seq) + 1) % (uint64_t)every == 0;
}

void
sim_spoil(struct buf *body, size_t begin, unsigned shard, uint64_t seq,
	  const struct sim_effect *effect)
{
	static const char opening[] = "{\"labels\":{";
	const struct way *way = find(effect->spoil);
	struct buf spoilt;
	if (!sim_spoil_means(shard, seq, effect->every))
		return;
	buf_init(&spoilt, 0);
	if (strcmp(way->name, "null") == 0) {
		must(buf_put_text(&spoilt, "{\"labels\":null}"));
	} else {
		must(buf_put_text(&spoilt, opening));
		put_member(&spoilt, way, effect);
		must(buf_put_text(&spoilt, body->data + begin + sizeof(opening) - 1));
	}
	body->len = begin;
	must(buf_put(body, spoilt.data, spoilt.len));
	buf_fini(&spoilt);
}
