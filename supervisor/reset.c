/*
 * reset.c - from a line on the control socket to shards that go on elsewhere.
 *
 * Runs on the supervisor's loop. Owns the wishes under way. Must never hand the book a cursor
 * that the service has not given or taken, nor call the book from within it. Held by
 * tests/scenario/resets.c.
 */
#include "supervisor/reset.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/xalloc.h"
#include "state/place.h"

enum {
	ASK_AT_ONCE = 16,
	PROBE_LIMIT = 10, /* the least that the service takes */
	PROBE_BYTES = 64 * 1024,
};

enum stage { STAGE_WAITING, STAGE_ASKED, STAGE_MOVING, STAGE_SAID };

struct item {
	struct wish *wish;
	struct shard_id shard;
	enum stage stage;
	struct cursor from, to;
	struct lts_request *request;
};

/* One request of a peer. */
struct wish {
	LIST_ENTRY(wish) link;
	struct reset *reset;
	struct control_peer *peer; /* NULL: it went away; the shards move all the same */
	struct place place;
	bool dry_run;
	struct item *items;
	size_t n, next, asked, said;
};

struct reset {
	struct reset_config config;
	LIST_HEAD(, wish) wishes;
};

/* ---- what is said ---- */

/* NULL: to nobody. */
static void
say(struct control_peer *peer, cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object);
	if (peer)
		control_say(peer, text);
	cJSON_free(text);
	cJSON_Delete(object);
}

static void
refuse(struct control_peer *peer, const char *why)
{
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "error", why);
	say(peer, object);
	control_end(peer);
}

/* The item is over: `error` NULL, it is done. */
static void
say_item(struct item *item, const char *error)
{
	struct wish *w = item->wish;
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "shard", item->shard.text);
	if (error) {
		cJSON_AddStringToObject(object, "error", error);
	} else {
		cJSON_AddStringToObject(object, "from", item->from.text);
		cJSON_AddStringToObject(object, "to", item->to.text);
	}
	say(w->peer, object);
	item->stage = STAGE_SAID;
	w->said++;
}

/* Once all is said of it. */
static void
end_if_over(struct wish *w)
{
	if (w->said < w->n)
		return;
	cJSON *object = cJSON_CreateObject();
	cJSON_AddTrueToObject(object, "done");
	say(w->peer, object);
	if (w->peer)
		control_end(w->peer);
	LIST_REMOVE(w, link);
	free(w->items);
	free(w);
}

/* The wish may be gone afterwards. */
static void
finish_item(struct item *item, const char *error)
{
	say_item(item, error);
	end_if_over(item->wish);
}

static const char *
why_not(enum lts_err err)
{
	switch (err) {
	case LTS_NOTFOUND:
		return "no shard of this agent: another host has it, or there is none of that "
		       "name";
	case LTS_BUSY:
		return "another reset of it is under way";
	case LTS_AGAIN:
		return "the agent stops: try again when it has ended";
	case LTS_BADDATA:
		return "it stopped there: lts-state events says why";
	default:
		return "it is being given back to the service; ask again when it is here again";
	}
}

/* ---- what is done ---- */

static void
move_item(struct item *item)
{
	struct reset *r = item->wish->reset;
	struct checkpoint_record record;
	if (!r->config.committed(r->config.arg, &item->shard, &record))
		item->from = record.cursor;
	if (item->wish->dry_run) {
		finish_item(item, NULL);
		return;
	}
	log_info(r->config.log, "reset", LOG_TEXT("shard", item->shard.text),
		 LOG_TEXT("from", item->from.text), LOG_TEXT("cursor", item->to.text));
	item->stage = STAGE_MOVING;
	enum lts_err err = book_reset(r->config.book, &item->shard, &item->to, clock_boot_ms());
	if (err)
		finish_item(item, why_not(err));
}

static void ask_more(struct wish *w);

static void
on_answer(void *arg, struct lts_answer *answer)
{
	struct item *item = arg;
	struct wish *w = item->wish;
	char text[400];
	item->request = NULL;
	w->asked--;
	ask_more(w); /* while the wish is there for certain */
	/* A body of any size has been found at that cursor. */
	if (answer->err && !(answer->err == LTS_TOOBIG && !w->place.from[0])) {
		snprintf(text, sizeof(text), "the service refuses the place: %s (status %d): %s",
			 lts_err_name(answer->err), answer->status, answer->message);
		finish_item(item, text);
		return;
	}
	item->to = w->place.from[0] ? answer->cursor : w->place.cursor;
	move_item(item);
}

static void
ask(struct item *item)
{
	struct wish *w = item->wish;
	struct lts_api *api = w->reset->config.api;
	item->stage = STAGE_ASKED;
	w->asked++;
	item->request =
		w->place.from[0]
			? lts_api_cursor(api, &item->shard, w->place.from, on_answer, item)
			: lts_api_batch(api, &item->shard, PROBE_LIMIT, PROBE_BYTES,
					&w->place.cursor, NULL, on_answer, item);
}

static void
ask_more(struct wish *w)
{
	for (; w->asked < ASK_AT_ONCE && w->next < w->n; w->next++) {
		struct item *item = &w->items[w->next];
		if (lease_book_has(w->reset->config.book, &item->shard))
			ask(item);
		else
			say_item(item, why_not(LTS_NOTFOUND));
	}
}

/* ---- what is wanted ---- */

static void
add(struct wish *w, const struct shard_id *shard)
{
	w->items = xreallocarray(w->items, w->n + 1, sizeof(*w->items));
	w->items[w->n++] = (struct item){ .wish = w, .shard = *shard };
}

static bool
has(const struct wish *w, const struct shard_id *shard)
{
	for (size_t i = 0; i < w->n; i++)
		if (shard_id_equal(&w->items[i].shard, shard))
			return true;
	return false;
}

static void
add_all(struct wish *w)
{
	struct book_shard shard;
	for (size_t i = 0; i < lease_book_count(w->reset->config.book); i++) {
		lease_book_get(w->reset->config.book, i, &shard);
		add(w, &shard.shard);
	}
}

/* NULL, or why it cannot be read. */
static const char *
read_wish(struct wish *w, const cJSON *tree)
{
	struct shard_id shard;
	const char *to = json_text(tree, "reset"), *name;
	const cJSON *list = json_member(tree, "shards"), *one;
	const cJSON *dry_run = json_member(tree, "dry_run");
	if (!to || (list && !cJSON_IsArray(list)) || (dry_run && !cJSON_IsBool(dry_run)))
		return "not understood: not a request of this version";
	const char *why = place_parse(to, &w->place);
	if (why)
		return why;
	w->dry_run = cJSON_IsTrue(dry_run);
	if (!list)
		add_all(w);
	if (cJSON_GetArraySize(list) > LTS_WIRE_SHARDS_MAX)
		return "more shards than a stream can have";
	cJSON_ArrayForEach(one, list)
	{
		name = json_value_text(one);
		if (!name || !shard_id_set(&shard, name))
			return "the name of a shard is no such name";
		if (!has(w, &shard))
			add(w, &shard);
	}
	return w->n ? NULL : "this agent has no shard now";
}

void
reset_on_request(struct reset *r, struct control_peer *peer, const struct cJSON *tree)
{
	struct wish *w = xcalloc(1, sizeof(*w));
	w->reset = r;
	w->peer = peer;
	const char *why = read_wish(w, tree);
	log_info(r->config.log, "reset asked for", LOG_UINT("uid", control_uid(peer)),
		 LOG_UINT("shards", w->n), LOG_TEXT("dry_run", w->dry_run ? "true" : NULL),
		 LOG_TEXT("reason", why));
	if (why) {
		refuse(peer, why);
		free(w->items);
		free(w);
		return;
	}
	LIST_INSERT_HEAD(&r->wishes, w, link);
	ask_more(w);
	end_if_over(w);
}

void
reset_on_gone(struct reset *r, struct control_peer *peer)
{
	struct wish *w;
	LIST_FOREACH(w, &r->wishes, link)
	if (w->peer == peer)
		w->peer = NULL;
}

void
reset_on_done(struct reset *r, const struct shard_id *shard, enum lts_err err)
{
	struct wish *w;
	LIST_FOREACH(w, &r->wishes, link)
	{
		for (size_t i = 0; i < w->n; i++) {
			struct item *item = &w->items[i];
			if (item->stage != STAGE_MOVING || !shard_id_equal(&item->shard, shard))
				continue;
			finish_item(item, err ? why_not(err) : NULL);
			return; /* of a shard one at a time is under way */
		}
	}
}

struct reset *
reset_create(const struct reset_config *config)
{
	struct reset *r = xcalloc(1, sizeof(*r));
	r->config = *config;
	LIST_INIT(&r->wishes);
	return r;
}

void
reset_destroy(struct reset **reset)
{
	struct reset *r = *reset;
	struct wish *w;
	if (!r)
		return;
	while ((w = LIST_FIRST(&r->wishes))) {
		for (size_t i = 0; i < w->n; i++)
			if (w->items[i].request)
				lts_api_cancel(r->config.api, w->items[i].request);
		LIST_REMOVE(w, link);
		free(w->items);
		free(w);
	}
	free(r);
	*reset = NULL;
}
