/*
 * supervisor_reload.c - HUP: what has changed in the configuration comes into force.
 *
 * Runs on the supervisor's loop. Owns nothing. What concerns workers reaches them by being
 * started anew, one after the other, so that shards only move. Must never take a part of a
 * configuration that is not whole, nor have two workers at it at once. Held by
 * tests/scenario/reload.c.
 */
#include "supervisor/supervisor_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* ---- workers, one by one ---- */

static void
look_at_renewing(struct supervisor *s, int64_t now_ms)
{
	uint32_t i = (uint32_t)s->renewing;
	const struct worker_slot *slot = worker_pool_slot(s->pool, i);
	if (slot->state == SLOT_ENDED || slot->state == SLOT_REFUSED)
		s->renewing = ASSIGN_NOBODY;
	else if (slot->state == SLOT_DRAINING &&
		 now_ms - slot->since_ms > s->options->shutdown_timeout_ms)
		worker_pool_kill_one(s->pool, i, "it does not end within shutdown_timeout");
}

/* One without a process starts with what is in force then. */
static bool
renew(struct supervisor *s, uint32_t i, int64_t now_ms)
{
	s->renew[i] = false;
	if (i >= (uint32_t)s->options->consumer_count)
		return false;
	if (worker_pool_is_live(s->pool, i))
		book_on_leaving(s->book, i, now_ms);
	if (!worker_pool_renew(s->pool, i))
		return false;
	s->renewing = (int32_t)i;
	return true;
}

void
supervisor_renew_workers(struct supervisor *s, int64_t now_ms)
{
	if (s->renewing != ASSIGN_NOBODY)
		look_at_renewing(s, now_ms);
	if (s->renewing != ASSIGN_NOBODY)
		return;
	for (uint32_t i = 0; i < ASSIGN_WORKERS_MAX; i++)
		if (s->renew[i] && renew(s, i, now_ms))
			return;
	worker_pool_set_timeouts(s->pool, s->options->worker_beat_timeout_ms,
				 s->options->process_timeout_ms);
}

/* ---- certificates ---- */

enum { TRUST_LOOK_MS = 1000 };

void
supervisor_look_at_trust(struct supervisor *s, bool now)
{
	struct buf why;
	int64_t now_ms = clock_boot_ms();
	if (!now && now_ms - s->trust_ms < TRUST_LOOK_MS)
		return;
	s->trust_ms = now_ms;
	buf_init(&why, 0);
	bool first = !s->trust.fd;
	enum lts_err err = trust_look(&s->trust, &why);
	if (!err) {
		lts_api_trust(s->api, trust_path(&s->trust));
		s->trust_is_said = false;
		if (!first)
			log_info(s->log, "certificates read again",
				 LOG_TEXT("path", s->trust.file));
		if (s->pool)
			worker_pool_configure(s->pool);
	} else if (err != LTS_AGAIN && !s->trust_is_said) {
		log_warn(s->log, "certificates cannot be read; the former ones stay in use",
			 LOG_TEXT("text", why.data));
		s->trust_is_said = true;
	}
	buf_fini(&why);
}

void
supervisor_start_trust(struct supervisor *s)
{
	char *url = options_endpoint_url(s->options);
	if (strncmp(url, "https:", 6) == 0)
		trust_init(&s->trust, s->options->ca_file);
	free(url);
	supervisor_look_at_trust(s, true);
}

/* ---- what changed ---- */

/* The consumers behind `count` stay members of the group until we end: it knows no leave, and a
 * silent one's shards would rest for heartbeat_timeout. Workers that are left serve them. */
static void
set_count(struct supervisor *s, uint32_t count, int64_t now_ms)
{
	for (uint32_t i = count; i < ASSIGN_WORKERS_MAX; i++)
		book_on_leaving(s->book, i, now_ms);
	lease_book_grow(s->book, count);
	worker_pool_set_count(s->pool, count);
	group_grow(s->group, count);
}

/* `former` has the values that were in force. */
static void
apply(struct supervisor *s, const struct options *former, const struct options_news *news)
{
	struct options *o = s->options;
	struct buf text;
	buf_init(&text, 0);
	if (s->phase != PHASE_RUNNING) {
		o->consumer_count = former->consumer_count; /* no more of them now */
	} else if (worker_pool_reserve(s->pool, (uint32_t)o->consumer_count)) {
		log_error(s->log, "consumer_count stays as it was: no room for more workers",
			  LOG_INT("consumer_count", former->consumer_count),
			  LOG_TEXT("text", strerror(errno)));
		o->consumer_count = former->consumer_count;
	}
	if (options_export(o, &text))
		abort(); /* no ceiling */
	free(s->options_text);
	s->options_text = text.data;
	log_set_level(s->log, (enum log_level)o->log_level);
	group_set_interval(s->group, o->heartbeat_interval_ms);
	if (o->publish_interval_ms != former->publish_interval_ms) {
		s->publish.repeat = (double)o->publish_interval_ms / 1e3;
		ev_timer_again(s->loop, &s->publish);
	}
	if (s->phase != PHASE_RUNNING)
		return;
	if (o->consumer_count != former->consumer_count)
		set_count(s, (uint32_t)o->consumer_count, clock_boot_ms());
	if (!news->workers)
		return;
	worker_pool_raise_timeouts(s->pool, o->worker_beat_timeout_ms, o->process_timeout_ms);
	for (uint32_t i = 0; i < (uint32_t)o->consumer_count; i++)
		s->renew[i] = true;
}

static void
take_keys(struct supervisor *s, const struct credentials *keys)
{
	struct credentials former = *s->config.credentials;
	*s->config.credentials = *keys;
	if (supervisor_use_credentials(s)) {
		*s->config.credentials = former;
		log_error(s->log, "credentials that cannot be used; the old ones stay in use");
	}
	credentials_wipe(&former);
}

static void
take(struct supervisor *s, struct options *fresh)
{
	struct credentials keys = *s->config.credentials;
	struct options_news news = { 0 };
	struct buf why;
	buf_init(&why, 0);
	buf_init(&news.changed, 0);
	buf_init(&news.restart, 0);
	if (keys_can_be_read(s->keys) && credentials_load(fresh, &keys, &why))
		log_warn(s->log, "credentials stay as they are", LOG_TEXT("text", why.data));
	buf_clear(&why);
	if (options_reload(s->options, fresh, &news, &why)) {
		log_error(s->log, "not reloaded; everything stays as it was",
			  LOG_TEXT("text", why.data));
		goto out;
	}
	apply(s, fresh, &news);
	take_keys(s, &keys);
	keys_watch_again(s->keys);
	log_info(s->log, "reloaded",
		 LOG_TEXT("changed", news.changed.len ? news.changed.data : "nothing"),
		 LOG_TEXT("workers", news.workers ? "are started anew, one by one" : NULL));
	if (news.restart.len)
		log_warn(s->log, "not in force before the agent is restarted",
			 LOG_TEXT("options", news.restart.data));
out:
	credentials_wipe(&keys);
	buf_fini(&news.changed);
	buf_fini(&news.restart);
	buf_fini(&why);
}

void
supervisor_reload(struct supervisor *s)
{
	struct options fresh;
	struct buf why;
	buf_init(&why, 0);
	options_init(&fresh);
	if (s->config.load_again(s->config.arg, &fresh, &why))
		log_error(s->log, "not reloaded; everything stays as it was",
			  LOG_TEXT("text", why.data));
	else
		take(s, &fresh);
	options_fini(&fresh);
	buf_fini(&why);
}
