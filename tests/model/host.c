/*
 * host.c - one host's agent: supervisor_run with options as a user would give them, and its
 * log, which becomes the model's words.
 *
 * In lts-model, in place of supervisor/main.c and common/log.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "supervisor/control.h"
#include "supervisor/keys.h"
#include "supervisor/metrics.h"
#include "supervisor/supervisor.h"
#include "tests/model/inside.h"
#include "tests/model/service.h"

enum { WORDS = 26 };

struct agent { /* what process_start hands over */
	int host, workers;
	unsigned batch;
	int64_t timeout_ms;
};

_Noreturn void __wrap__exit(int code);

static void
load(struct options *options, const struct agent *agent)
{
	char text[WORDS][96] = {
		"lts-supervisor",
		"--endpoint=http://127.0.0.1:1",
		"--region=here",
		"--project_id=p",
		"--group_id=g",
		"--stream_id=s",
		"--consumer_group_name=c",
		"--start_time=begin",
		"--sink=null",
		"--ak=a",
		"--sk=s",
		"--state_dir=state",
		"--fetch_interval=2s",
		"--checkpoint_interval=500ms",
		"--process_timeout=20s",
		"--shutdown_timeout=20s",
		"--heartbeat_interval=1s",
	};
	char *argv[WORDS + 1] = { 0 }, *envp[] = { NULL };
	struct buf why;
	int n = 17;
	buf_init(&why, 0);
	snprintf(text[n++], sizeof(text[0]), "--consume_batch_size=%u", agent->batch);
	snprintf(text[n++], sizeof(text[0]), "--consumer_count=%d", agent->workers);
	snprintf(text[n++], sizeof(text[0]), "--heartbeat_timeout=%" PRId64 "ms",
		 agent->timeout_ms);
	snprintf(text[n++], sizeof(text[0]), "--publish_interval=%s",
		 the_world->seed % 2 ? "1s" : "5s");
	for (int i = 0; i < n; i++)
		argv[i] = text[i];
	if (options_load(options, n, argv, envp, &why))
		violated("options refused: %s", why.data);
}

/* As if its file had been written anew. */
static enum lts_err
load_again(void *arg, struct options *fresh, struct buf *why)
{
	struct agent *agent = arg;
	agent->workers = host_workers(agent->host);
	agent->batch = draw(3) ? agent->batch : 10 + draw(20);
	load(fresh, agent);
	return LTS_OK;
}

static void
run_agent(void *arg)
{
	struct agent agent = *(struct agent *)arg;
	struct options options;
	struct credentials credentials = { 0 };
	world_free(arg);
	options_init(&options);
	load(&options, &agent);
	int code = (int)supervisor_run(&(struct supervisor_config){
		.options = &options,
		.credentials = &credentials,
		.log = log_create("supervisor"),
		.load_again = load_again,
		.arg = &agent,
	});
	__wrap__exit(code);
}

void
host_start(int host, int workers, int64_t timeout_ms)
{
	struct agent *agent = world_new(sizeof(*agent));
	*agent = (struct agent){ host, workers, 20, timeout_ms };
	service_note_start(host);
	trace("host %d starts with %d workers", host, workers);
	process_start(host, -1, NULL, run_agent, agent);
}

/* ---- supervisor/keys.h: the model's are good for ever ---- */

struct keys *
keys_create(const struct keys_config *config)
{
	return NULL;
}

void
keys_destroy(struct keys **keys)
{
}

enum lts_err
keys_await_first(struct keys *keys, struct buf *why_out)
{
	return LTS_OK;
}

void
keys_on_denied(struct keys *keys, int64_t now_ms)
{
}

bool
keys_can_be_read(const struct keys *keys)
{
	return true;
}

void
keys_watch_again(struct keys *keys)
{
}

/* ---- nobody looks at the model from outside: supervisor/control.h, metrics.h ---- */

enum lts_err
control_create(const struct control_config *config, struct control **out)
{
	return LTS_SYS;
}

void
control_destroy(struct control **control)
{
}

void
control_say(struct control_peer *peer, const char *text)
{
}

void
control_end(struct control_peer *peer)
{
}

uid_t
control_uid(const struct control_peer *peer)
{
	return 0;
}

struct metrics *
metrics_create(struct supervisor *supervisor)
{
	return NULL;
}

void
metrics_destroy(struct metrics **metrics)
{
}

bool
metrics_ready(struct metrics *metrics, struct buf *why_out)
{
	return true;
}

int64_t
metrics_behind_ms(struct metrics *metrics)
{
	return 0;
}

void
metrics_each_behind(struct metrics *metrics,
		    void (*call)(void *arg, const struct shard_id *shard, int64_t behind_ms),
		    void *arg)
{
}

void
metrics_on_gone(struct metrics *metrics, uint32_t worker)
{
}

/* ---- common/log.h ---- */

struct log {
	char nothing;
};

struct log *
log_create(const char *who)
{
	return xcalloc(1, sizeof(struct log));
}

void
log_destroy(struct log **log)
{
	free(*log);
	*log = NULL;
}

void
log_add_fd(struct log *log, int fd, enum log_level least, enum log_format format)
{
}

enum lts_err
log_add_file(struct log *log, const char *path, enum log_level least, enum log_format format)
{
	return LTS_OK;
}

bool
log_fd_is_journal(int fd)
{
	return false;
}

enum lts_err
log_add_handed(struct log *log, int fd, enum log_level least, enum log_format format)
{
	return LTS_OK;
}

enum lts_err
log_hand_again(struct log *log, int fd)
{
	return LTS_NOTFOUND;
}

int
log_file_fd(const struct log *log)
{
	return 0;
}

void
log_reopen(struct log *log)
{
}

void
log_set_level(struct log *log, enum log_level least)
{
}

void
log_write(struct log *log, enum log_level level, const char *event,
	  const struct log_field *fields, unsigned count)
{
	char line[300];
	size_t n = 0;
	line[0] = '\0';
	for (unsigned i = 0; i < count && n < sizeof(line); i++) {
		const struct log_field *f = &fields[i];
		size_t room = sizeof(line) - n;
		if (!f->key || (f->kind == LOG_KIND_TEXT && !f->text))
			continue;
		if (f->kind == LOG_KIND_TEXT)
			n += (size_t)snprintf(line + n, room, " %s=%s", f->key, f->text);
		else
			n += (size_t)snprintf(line + n, room, " %s=%" PRId64, f->key, f->i);
	}
	trace("%s%s", event, line);
}
