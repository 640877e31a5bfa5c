/*
 * check_online.c - --check_config=online: one question to the service that changes nothing.
 *
 * In the child that check_config.c has made. Owns its loop, its client and a copy of the keys
 * (wiped). Must never ask for anything but the group's checkpoints, ask again (but for lts_api's
 * one repetition with the service's clock), take longer than ONLINE_MS, or print more of a key
 * than its id. Held by tests/supervisor/test_check_online.c and tests/scenario/online.c.
 */
#include "supervisor/check_online.h"

#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/protect.h"
#include "common/xalloc.h"
#include "supervisor/agency.h"
#include "supervisor/group.h"

/* The try ends a little sooner: then it is known what it waited for. */
enum { ONLINE_MS = 10 * 1000, TRY_MS = 9 * 1000, SKEW_S = 60, KEY_ID_MAX = 32 };

struct online {
	struct ev_loop *loop;
	struct ev_timer guard;
	struct options options; /* borrows its texts */
	struct credentials *keys;
	struct agency *agency; /* NULL: the keys are given */
	struct lts_api *api;
	struct buf *lines;
	enum exit_code code;
	bool ended;
};

/* ---- what to say ---- */

#define SAY(lines, ...) ((void)!buf_printf((lines), __VA_ARGS__))

static void
say_option(struct buf *lines, const char *option, const char *value)
{
	SAY(lines, "option '%s': '%s': ", option, value);
}

/* "the service's words (HTTP status 404, LTS.0208)". */
static void
say_words(struct buf *lines, const struct lts_answer *answer)
{
	SAY(lines, "%s", answer->message);
	if (answer->status)
		SAY(lines, " (HTTP status %d%s%s)", answer->status, answer->code[0] ? ", " : "",
		    answer->code);
	SAY(lines, "\n");
}

static void
say_endpoint(struct buf *lines, const struct options *o, const struct lts_answer *answer)
{
	char *url = options_endpoint_url(o);
	say_option(lines, o->endpoint ? "endpoint" : "region", url);
	if (answer->status >= 300 && answer->status < 400)
		SAY(lines, "it sends us elsewhere, and that is not followed: ");
	say_words(lines, answer);
	free(url);
}

/* An id is all capitals and digits; what is not may be the secret, in its place by mistake. */
static void
say_keys(struct buf *lines, const char *ak, const struct lts_answer *answer)
{
	size_t len = strspn(ak, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	bool is_id = !ak[len] && len <= KEY_ID_MAX;
	say_option(lines, "ak", is_id ? ak : "(not printed: it does not look like a key's id)");
	SAY(lines, "the service refuses these keys: " GROUP_DENIED_CAUSES ": ");
	say_words(lines, answer);
}

/* The option whose value the service does not know, as far as code or words tell. */
static const char *
unknown_option(const struct options *o, const struct lts_answer *answer, const char **value_out)
{
	const struct {
		const char *code, *words, *option, *value;
	} all[] = {
		{ NULL, "consumer group", "consumer_group_name", o->consumer_group_name },
		{ "LTS.0011", "project", "project_id", o->project_id },
		{ "LTS.0208", "log stream", "stream_id", o->stream_id },
		{ "LTS.0201", "log group", "group_id", o->group_id },
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if ((!all[i].code || strcmp(answer->code, all[i].code) != 0) &&
		    !strcasestr(answer->message, all[i].words))
			continue;
		*value_out = all[i].value;
		return all[i].option;
	}
	return NULL;
}

static void
say_unknown(struct buf *lines, const struct options *o, const struct lts_answer *answer)
{
	const char *value = NULL, *option = unknown_option(o, answer, &value);
	if (option)
		say_option(lines, option, value);
	else
		SAY(lines, "one of project_id, group_id, stream_id, consumer_group_name: ");
	SAY(lines, "the service does not know it: ");
	say_words(lines, answer);
}

static enum exit_code
judge_clock(const struct lts_answer *answer, int64_t now_ns, struct buf *lines)
{
	int64_t off_s = (now_ns - answer->service_time_ns) / 1000000000;
	if (!answer->service_time_ns || llabs(off_s) < SKEW_S)
		return EXIT_DONE;
	SAY(lines, "this host's clock is %lld s %s the service's\n", llabs(off_s),
	    off_s > 0 ? "ahead of" : "behind");
	return EXIT_FAILED;
}

static enum exit_code
judge_error(const struct options *o, const char *ak, const struct lts_answer *answer,
	    struct buf *lines)
{
	if (answer->err == LTS_NOTFOUND || strcmp(answer->code, "LTS.0011") == 0) {
		say_unknown(lines, o, answer);
		return EXIT_USAGE;
	}
	if (answer->err == LTS_DENIED) {
		say_keys(lines, ak, answer);
		return EXIT_USAGE;
	}
	say_endpoint(lines, o, answer);
	return EXIT_FAILED;
}

enum exit_code
check_online_judge(const struct options *options, const char *ak, const struct lts_answer *answer,
		   int64_t now_ns, struct buf *lines_out)
{
	enum exit_code code = judge_clock(answer, now_ns, lines_out);
	if (strcmp(answer->code, "APIGW.0303") == 0) { /* refused for the clock alone */
		if (!code)
			SAY(lines_out, "this host's clock is too far from the service's\n");
		return EXIT_FAILED;
	}
	if (answer->err)
		return judge_error(options, ak, answer, lines_out);
	if (!code)
		SAY(lines_out, "online: ok, %zu shard%s with a checkpoint\n",
		    answer->n_checkpoints, answer->n_checkpoints == 1 ? "" : "s");
	return code;
}

/* ---- asking ---- */

static void
end(struct online *online, enum exit_code code)
{
	online->code = code;
	online->ended = true;
	ev_break(online->loop, EVBREAK_ALL);
}

static void
on_answer(void *arg, struct lts_answer *answer)
{
	struct online *online = arg;
	end(online, check_online_judge(&online->options, online->keys->ak, answer,
				       clock_wall_ns(), online->lines));
}

static void
ask_service(struct online *online)
{
	online->api = lts_api_from_options(online->loop, &online->options);
	if (lts_api_set_credentials(online->api, online->keys)) {
		SAY(online->lines, "ak or sk is not printable\n");
		end(online, EXIT_USAGE);
		return;
	}
	(void)lts_api_read_checkpoints(online->api, NULL, on_answer, online);
}

static void
on_agency(void *arg, const struct agency_answer *answer)
{
	struct online *online = arg;
	if (answer->err) {
		say_option(online->lines, "agency", "ecs");
		SAY(online->lines, "no keys: %s\n", answer->why);
		end(online, EXIT_FAILED);
		return;
	}
	*online->keys = *answer->keys;
	ask_service(online);
}

static void
on_guard(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct online *online = timer->data;
	SAY(online->lines, "%s: no answer within %d s\n",
	    online->api ? "the service" : "the agency", ONLINE_MS / 1000);
	end(online, EXIT_FAILED);
}

static void
run(struct online *online)
{
	ev_timer_init(&online->guard, on_guard, ONLINE_MS / 1e3, 0);
	online->guard.data = online;
	ev_timer_start(online->loop, &online->guard);
	if (online->keys->ak[0]) {
		ask_service(online);
	} else {
		online->agency = agency_create(online->loop, online->options.agency_url,
					       on_agency, online);
		agency_ask(online->agency);
	}
	if (!online->ended)
		ev_run(online->loop, 0);
	ev_timer_stop(online->loop, &online->guard);
}

enum exit_code
check_online(const struct options *options, const struct credentials *credentials,
	     struct buf *lines_out)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct online online = { .loop = ev_loop_new(0), .options = *options, .lines = lines_out };
	if (!online.loop)
		return EXIT_FAILED;
	sigaction(SIGPIPE, &ignore, NULL);
	online.options.heartbeat_timeout_ms = 6 * TRY_MS; /* a sixth of it is for one try */
	online.keys = protect_alloc(sizeof(*online.keys));
	*online.keys = *credentials;
	run(&online);
	lts_api_destroy(&online.api);
	agency_destroy(&online.agency);
	protect_free(online.keys, sizeof(*online.keys));
	ev_loop_destroy(online.loop);
	return online.code;
}
