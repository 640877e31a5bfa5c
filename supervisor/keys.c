/*
 * keys.c - the credentials while the agent runs: a file that is watched, or the agency of an ECS
 * host, asked again before its keys expire.
 *
 * On the supervisor's loop. Owns the watchers and the agency's client. Must never put keys that
 * are half written or cannot be used in the place of those in force. Held by
 * tests/scenario/keys.c.
 */
#include "supervisor/keys.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/xalloc.h"
#include "supervisor/agency.h"

enum {
	KEYS_DENIED_MS = 60 * 1000,
	KEYS_AHEAD_S = 10 * 60, /* new ones are asked for so long before the old ones expire... */
	KEYS_LEAST_S = 60,      /* ...but not more often than that */
	KEYS_RETRY_FIRST_MS = 5 * 1000,
	KEYS_RETRY_MAX_MS = 60 * 1000,
	KEYS_FIRST_TRIES = 5,
	KEYS_FIRST_WAIT_MS = 1000,
};

#define KEYS_LOOK_S 1.0 /* where the kernel does not tell of changes */

struct keys {
	struct keys_config config;
	char *path; /* of the file watched; NULL: none */
	struct ev_stat file;
	struct agency *agency; /* NULL: not ours to ask */
	struct ev_timer again;
	struct backoff backoff;
	int64_t denied_ms;
	unsigned tries; /* of the first keys, which are waited for; 0: no more */
	char why[400];
};

/* ---- in force ---- */

static void
take(struct keys *k, const struct credentials *fresh, const char *from)
{
	struct credentials *now = k->config.credentials;
	struct credentials former = *now;
	if (memcmp(fresh, now, sizeof(*now)) == 0)
		return;
	*now = *fresh;
	if (k->config.changed(k->config.arg)) {
		*now = former;
		log_error(k->config.log, "new credentials cannot be used; the old ones stay",
			  LOG_TEXT("from", from));
	} else {
		log_info(k->config.log, "credentials renewed", LOG_TEXT("from", from));
	}
	credentials_wipe(&former);
}

/* ---- a file ---- */

static void
look(struct keys *k)
{
	struct credentials fresh = { .ak = "" };
	struct buf why;
	buf_init(&why, 0);
	if (credentials_load_from(k->config.options, k->path, &fresh, &why))
		log_warn(k->config.log, "credentials stay as they are",
			 LOG_TEXT("text", why.data));
	else
		take(k, &fresh, k->path);
	credentials_wipe(&fresh);
	buf_fini(&why);
}

static void
on_file(struct ev_loop *loop, struct ev_stat *watcher, int events)
{
	struct keys *k = watcher->data;
	if (watcher->attr.st_nlink) /* else it is being replaced */
		look(k);
}

bool
keys_can_be_read(const struct keys *k)
{
	return !k->agency && !k->config.options->keys_wiped;
}

void
keys_watch_again(struct keys *k)
{
	const struct options *o = k->config.options;
	ev_stat_stop(k->config.loop, &k->file);
	free(k->path);
	k->path = NULL;
	if (o->ak || k->agency)
		return;
	k->path = credentials_path(o, getenv("CREDENTIALS_DIRECTORY"), getenv("HOME"));
	if (!k->path)
		return;
	ev_stat_set(&k->file, k->path, KEYS_LOOK_S);
	ev_stat_start(k->config.loop, &k->file);
}

/* ---- the agency ---- */

static void
ask_in(struct keys *k, int64_t delay_ms)
{
	ev_timer_stop(k->config.loop, &k->again);
	ev_timer_set(&k->again, (double)delay_ms / 1e3, 0);
	ev_timer_start(k->config.loop, &k->again);
}

static void
on_again(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct keys *k = timer->data;
	agency_ask(k->agency);
}

static void
on_first(struct keys *k, const struct agency_answer *answer)
{
	if (answer->err && --k->tries) {
		ask_in(k, KEYS_FIRST_WAIT_MS);
		return;
	}
	if (answer->err)
		snprintf(k->why, sizeof(k->why), "%s", answer->why);
	else
		*k->config.credentials = *answer->keys;
	k->tries = 0;
	ev_break(k->config.loop, EVBREAK_ALL);
}

static void
on_agency(void *arg, const struct agency_answer *answer)
{
	struct keys *k = arg;
	bool first = k->tries > 0;
	if (first)
		on_first(k, answer);
	if (answer->err) {
		int64_t delay_ms = backoff_next_ms(&k->backoff, -1);
		if (first)
			return;
		log_warn(k->config.log, "no new keys of the agency; the old ones stay",
			 LOG_TEXT("reason", lts_err_name(answer->err)),
			 LOG_TEXT("text", answer->why), LOG_INT("retry_ms", delay_ms));
		ask_in(k, delay_ms);
		return;
	}
	int64_t left_s = (answer->expires_ns - clock_wall_ns()) / 1000000000 - KEYS_AHEAD_S;
	backoff_reset(&k->backoff);
	if (!first)
		take(k, answer->keys, "the agency");
	ask_in(k, 1000 * (left_s > KEYS_LEAST_S ? left_s : KEYS_LEAST_S));
}

enum lts_err
keys_await_first(struct keys *k, struct buf *why_out)
{
	if (!k->agency)
		return LTS_OK;
	k->tries = KEYS_FIRST_TRIES;
	agency_ask(k->agency);
	ev_run(k->config.loop, 0);
	if (k->config.credentials->ak[0])
		return LTS_OK;
	(void)!buf_printf(why_out, "no keys of the agency: %s", k->why);
	return LTS_AGAIN;
}

void
keys_on_denied(struct keys *k, int64_t now_ms)
{
	if (k->denied_ms && now_ms - k->denied_ms < KEYS_DENIED_MS)
		return;
	k->denied_ms = now_ms;
	if (k->agency)
		agency_ask(k->agency);
	else if (k->path)
		look(k);
}

/* ---- its life ---- */

struct keys *
keys_create(const struct keys_config *config)
{
	struct keys *k = xcalloc(1, sizeof(*k));
	k->config = *config;
	ev_stat_init(&k->file, on_file, "", KEYS_LOOK_S);
	ev_init(&k->again, on_again);
	k->file.data = k->again.data = k;
	backoff_init(&k->backoff, KEYS_RETRY_FIRST_MS, KEYS_RETRY_MAX_MS,
		     (uint64_t)clock_wall_ns());
	if (config->credentials->ak[0])
		keys_watch_again(k);
	else
		k->agency =
			agency_create(config->loop, config->options->agency_url, on_agency, k);
	return k;
}

void
keys_destroy(struct keys **keys)
{
	struct keys *k = *keys;
	if (!k)
		return;
	ev_stat_stop(k->config.loop, &k->file);
	ev_timer_stop(k->config.loop, &k->again);
	agency_destroy(&k->agency);
	free(k->path);
	free(k);
	*keys = NULL;
}
