/*
 * chaos_faults.c - the table of what goes wrong, and the drawing from it.
 *
 * In the proof's process. Owns what is to be taken back: rules of the simulator, its
 * stop. Every strike draws the same number of times, whatever it meets, so that a seed's
 * row of kinds stays the same. Must never draw what cannot be done here (without root, without
 * strace), nor count what it did not do.
 */
#include "tests/proof/chaos_guests.h"

#include <signal.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/handoff.h"
#include "common/xalloc.h"
#include "tests/support/json_path.h"

/* ---- processes ---- */

static bool
is_alive(const struct host *h)
{
	return h->state == HOST_UP || h->state == HOST_ENDING;
}

static bool
hit_worker(struct chaos *c, struct host *h, const struct strike *strike)
{
	pid_t pids[AGENT_WORKERS_MAX];
	size_t n = is_alive(h) ? agent_workers(&h->agent, pids) : 0;
	if (!n)
		return false;
	chaos_note(c, "host %s: signal %d to worker %d", h->name, strike->kind->arg,
		   pids[strike->worker % n]);
	return kill(pids[strike->worker % n], strike->kind->arg) == 0;
}

static bool
hit_workers(struct chaos *c, struct host *h, const struct strike *strike)
{
	pid_t pids[AGENT_WORKERS_MAX];
	size_t n = is_alive(h) ? agent_workers(&h->agent, pids) : 0;
	chaos_note(c, "host %s: signal %d to all %zu workers", h->name, strike->kind->arg, n);
	for (size_t i = 0; i < n; i++)
		kill(pids[i], strike->kind->arg);
	return n > 0;
}

/* Killed; down for ms. */
static bool
kill_supervisor(struct chaos *c, struct host *h, const struct strike *strike)
{
	if (h->state != HOST_UP)
		return false;
	chaos_note(c, "host %s: its supervisor is killed, down for %lld ms", h->name,
		   (long long)strike->ms);
	host_kill(c, h, strike->ms);
	return true;
}

static bool
kill_beside_stopped_worker(struct chaos *c, struct host *h, const struct strike *strike)
{
	pid_t pids[AGENT_WORKERS_MAX];
	size_t n = h->state == HOST_UP ? agent_workers(&h->agent, pids) : 0;
	if (!n)
		return false;
	process_signal(&h->agent.process, SIGSTOP); /* lest it sees the worker stop */
	kill(pids[strike->worker % n], SIGSTOP);
	return kill_supervisor(c, h, strike);
}

static bool
stop_supervisor(struct chaos *c, struct host *h, const struct strike *strike)
{
	if (h->state != HOST_UP)
		return false;
	chaos_note(c, "host %s: its supervisor is stopped for %lld ms", h->name,
		   (long long)strike->ms);
	process_signal(&h->agent.process, SIGSTOP);
	h->state = HOST_STOPPED;
	h->when_ms = clock_mono_ms() + strike->ms;
	return true;
}

static bool
tell_to_stop(struct chaos *c, struct host *h, const struct strike *strike)
{
	if (h->state != HOST_UP)
		return false;
	chaos_note(c, "host %s: signal %d to its supervisor, then down for %lld ms", h->name,
		   strike->kind->arg, (long long)strike->ms);
	host_tell_to_stop(c, h, strike->kind->arg, strike->ms);
	return true;
}

static bool
storm(struct chaos *c, struct host *h, const struct strike *strike)
{
	static const int signals[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGCONT };
	if (h->state != HOST_UP)
		return false;
	chaos_note(c, "host %s: a storm of %d signals", h->name, strike->kind->arg);
	for (int i = 0; i < strike->kind->arg; i++)
		process_signal(&h->agent.process, signals[i % 5]);
	return true;
}

static bool
start_twice(struct chaos *c, struct host *h, const struct strike *strike)
{
	struct process second;
	if (h->state != HOST_UP || !host_has_begun(h))
		return false;
	chaos_note(c, "host %s: a second supervisor", h->name);
	char *out = xasprintf("%s/second.stdout", c->scenario.dir),
	     *err = xasprintf("%s/second.log", c->scenario.dir);
	process_start(&second, &h->agent.words,
		      &(struct process_files){
			      .dir = c->scenario.dir, .out = out, .err = err, .out_fd = -1 });
	until("the second supervisor ends", process_has_ended(&second));
	if (second.status != EXIT_IN_USE << 8)
		chaos_violated(c, "two supervisors", "the second one of host %s ended with 0x%x",
			       h->name, (unsigned)second.status);
	free(out);
	free(err);
	return true;
}

/* ---- the service, and the way to it ---- */

static bool
stop_sim(struct chaos *c, struct host *h, const struct strike *strike)
{
	if (c->sim_ms)
		return false;
	chaos_note(c, "the service stands still for %lld ms", (long long)strike->ms);
	chaos_status(c);
	process_signal(&c->sim.process, SIGSTOP);
	c->sim_ms = clock_mono_ms() + strike->ms;
	return true;
}

static bool
add_rule(struct chaos *c, struct host *h, const struct strike *strike)
{
	for (size_t i = 0; i < CHAOS_RULES_MAX; i++) {
		if (c->rules[i].text)
			continue;
		chaos_note(c, "rule '%s' for %lld ms", strike->kind->text, (long long)strike->ms);
		c->rules[i].text = strike->kind->text;
		c->rules[i].until_ms = clock_mono_ms() + strike->ms;
		c->rules_changed = true;
		return true;
	}
	return false;
}

/* A shard that can be split or merged; -1: the n-th is not there. */
static int
open_shard(const cJSON *status, unsigned n)
{
	const cJSON *shards = json_path_at(status, "shards");
	for (int i = 0; i < cJSON_GetArraySize(shards); i++)
		if (!cJSON_IsTrue(json_path_at(cJSON_GetArrayItem(shards, i), "read_only")) &&
		    n-- == 0)
			return i;
	return -1;
}

/* arg: how many become one, or two of one. */
static bool
replace_shards(struct chaos *c, struct host *h, const struct strike *strike)
{
	char path[64];
	if (c->sim_ms || c->shards + 2 > CHAOS_SHARDS_MAX)
		return false;
	int one = open_shard(chaos_status(c), strike->worker % 6),
	    two = open_shard(c->status, strike->worker % 6 + 1);
	if (one < 0 || two < 0)
		return false;
	if (strike->kind->arg == 1)
		snprintf(path, sizeof(path), "/sim/split?shard=%d", one);
	else
		snprintf(path, sizeof(path), "/sim/merge?shard=%d&with=%d", one, two);
	chaos_note(c, "POST %s", path);
	sim_post(&c->sim, path);
	if (!c->to_the_end) /* what comes now is behind `end` */
		sim_post(&c->sim, "/sim/produce?records=100");
	c->shards = (unsigned)cJSON_GetArraySize(json_path_at(chaos_status(c), "shards"));
	return true;
}

/* ---- disks ---- */

static bool
fill_disk(struct chaos *c, struct host *h, const struct strike *strike)
{
	enum disk disk = (enum disk)strike->kind->arg;
	if (h->full_ms[disk] || h->state == HOST_ENDED || !disk_fill(c, h, disk))
		return false;
	chaos_note(c, "host %s: its %s's disk is full for %lld ms", h->name,
		   disk == DISK_STATE ? "state" : "sink", (long long)strike->ms);
	h->full_ms[disk] = clock_mono_ms() + strike->ms;
	h->was_full |= disk == DISK_STATE;
	return true;
}

/* ---- the table ---- */

#define BLOW(name, weight, act, arg)                              \
	{                                                         \
		name, weight, act, arg, 0, 0, NULL, NEEDS_NOTHING \
	}
#define SPELL(name, weight, act, arg, least_ms, most_ms)                       \
	{                                                                      \
		name, weight, act, arg, least_ms, most_ms, NULL, NEEDS_NOTHING \
	}
#define FULL(name, weight, disk)                                            \
	{                                                                   \
		name, weight, fill_disk, disk, 200, 1500, NULL, NEEDS_MOUNT \
	}
#define TRACE(name, weight, least_ms, most_ms, text)                                \
	{                                                                           \
		name, weight, trace_worker, 0, least_ms, most_ms, text, NEEDS_TRACE \
	}
#define RULE(name, weight, most_ms, text)                                    \
	{                                                                    \
		name, weight, add_rule, 0, 200, most_ms, text, NEEDS_NOTHING \
	}

/* A sanitizer's leak check cannot do its work beside strace. Not here: answers that nobody could
 * tell from good ones (fewer records than there are, another shard's, JSON with 200 for a write
 * that was not done), what an agent rightly stops a shard for, and what it waits for longer than
 * an episode lasts. */
static const struct kind kinds[] = {
	BLOW("worker_kill", 14, hit_worker, SIGKILL),
	BLOW("worker_stop", 8, hit_worker, SIGSTOP),
	BLOW("worker_crash", 6, hit_worker, SIGSEGV),
	BLOW("worker_term", 5, hit_worker, SIGTERM),
	BLOW("workers_kill", 3, hit_workers, SIGKILL),
	BLOW("workers_stop", 2, hit_workers, SIGSTOP),
	BLOW("supervisor_kill", 8, kill_supervisor, 0),
	SPELL("supervisor_kill_late", 3, kill_supervisor, 0, 200, 1500),
	BLOW("supervisor_kill_beside_stopped_worker", 4, kill_beside_stopped_worker, 0),
	SPELL("supervisor_stop_short", 5, stop_supervisor, 0, 100, 1500),
	SPELL("supervisor_stop_long", 1, stop_supervisor, 0, 3000, 4500),
	BLOW("supervisor_term", 5, tell_to_stop, SIGTERM),
	BLOW("supervisor_quit", 2, tell_to_stop, SIGQUIT),
	SPELL("host_leaves", 2, tell_to_stop, SIGTERM, 3200, 4500),
	SPELL("host_lost", 1, kill_supervisor, 0, 3200, 4500),
	BLOW("signal_storm", 4, storm, 500),
	BLOW("second_supervisor", 2, start_twice, 0),
	FULL("sink_full", 4, DISK_SINK),
	FULL("state_full", 4, DISK_STATE),
	TRACE("sync_fails", 3, 300, 800, "inject=fdatasync:error=EIO:when=1"),
	TRACE("sync_slow", 3, 500, 1500, "inject=fdatasync:delay_enter=200000"),
	TRACE("sync_kills", 3, 300, 800, "inject=fdatasync:signal=SIGKILL"),
	TRACE("descriptors_refused", 3, 300, 1000, "inject=socket,openat:error=EMFILE:when=2+3"),
	SPELL("worker_descriptors_out", 4, limit_worker, 0, 300, 1500),
	SPELL("supervisor_descriptors_out", 3, limit_supervisor, 0, 300, 1500),
	SPELL("reader_stopped", 3, stop_reader, 0, 300, 3000),
	SPELL("reader_killed", 2, kill_reader, 0, 1, 20),
	SPELL("service_stands_short", 4, stop_sim, 0, 100, 1000),
	SPELL("service_stands_long", 1, stop_sim, 0, 2500, 4000),
	BLOW("shard_split", 2, replace_shards, 1),
	BLOW("shards_merged", 2, replace_shards, 2),
	RULE("batch_late", 4, 1500, "batch p=0.3 latency=700"),
	RULE("heartbeat_late", 3, 1500, "heartbeat p=0.5 latency=400"),
	RULE("write_late", 3, 1500, "checkpoint_write p=0.5 latency=600"),
	RULE("reset", 4, 1500, "any p=0.2 reset"),
	RULE("truncated", 4, 1500, "any p=0.2 truncate=30"),
	RULE("batch_truncated", 3, 1500, "batch p=0.3 truncate=3000"),
	RULE("heartbeat_stalled", 2, 1000, "heartbeat p=0.3 stall"),
	RULE("write_stalled", 2, 1000, "checkpoint_write p=0.3 stall"),
	RULE("write_held", 3, 1500, "checkpoint_write p=0.3 hold=700"),
	RULE("write_in_part_reply_lost", 2, 1500, "checkpoint_write p=0.3 part=1 lose_reply"),
	RULE("names_must_be_uuids", 2, 900,
	     "heartbeat consumer=!uuid status=400\n"
	     "checkpoint_write consumer=!uuid status=400"),
	RULE("reply_lost", 5, 1500, "checkpoint_write p=0.5 lose_reply"),
	RULE("heartbeat_reply_lost", 3, 1500, "heartbeat p=0.5 lose_reply"),
	RULE("throttled", 4, 1500, "any p=0.3 status=429 retry_after=1"),
	RULE("throttled_by_date", 2, 1500, "batch p=0.05 status=429 retry_after=date:2"),
	RULE("error_500", 4, 1500, "any p=0.3 status=500"),
	RULE("error_503", 3, 1500, "any p=0.3 status=503"),
	RULE("timeout_408", 2, 1500, "any p=0.3 status=408"),
	RULE("denied_401", 2, 1000, "any p=0.2 status=401"),
	RULE("denied_403", 2, 1000, "any p=0.2 status=403"),
	RULE("group_not_found", 2, 1000, "heartbeat p=0.3 status=404"),
	RULE("conflict", 2, 1000, "checkpoint_write p=0.3 status=409"),
	RULE("group_not_found_400", 2, 1000, "heartbeat p=0.3 status=400 code=LTS.0208"),
	RULE("member_unknown", 2, 1500, "heartbeat unknown_member"),
	RULE("null_lists", 2, 1500, "any null"),
	RULE("odd_shards", 2, 1500, "heartbeat odd=\"a b\""),
	RULE("odd_checkpoints", 2, 1500,
	     "checkpoint_read odd={\"shard_id\":[7],\"checkpoint\":1}"),
	RULE("list_empty", 3, 1500, "checkpoint_read list empty"),
	RULE("list_short", 3, 1500, "checkpoint_read list sparse=2"),
	RULE("write_in_part", 3, 1500, "checkpoint_write p=0.5 part=1"),
	/* Shorter than what two refusals in a row take: a last checkpoint is not given up. */
	RULE("shard_refused", 2, 900, "checkpoint_write shard=1 status=400"),
	RULE("write_refused_400", 2, 900, "checkpoint_write p=0.5 status=400 code=LTS.0208"),
	RULE("write_answers_text", 3, 1500, "checkpoint_write p=0.5 say=success"),
	RULE("compressed", 2, 1500, "any gzip"),
	RULE("redirected", 2, 1500, "any p=0.2 redirect"),
	RULE("html", 4, 1500, "any p=0.2 html"),
	RULE("wrong_batch", 3, 1500, "batch p=0.3 garbage={\"count\":[],\"next\":{}}"),
	RULE("wrong_heartbeat", 2, 1000, "heartbeat p=0.3 garbage={\"0\":[]}"),
	RULE("wrong_checkpoints", 2, 1500, "checkpoint_read p=0.5 garbage=[[\"0\"]]"),
	RULE("not_json", 3, 1500, "any p=0.2 garbage=[{\"shard_id\":\"0\","),
	RULE("nested", 2, 1000, "any p=0.1 nest=100000"),
	RULE("huge", 1, 800, "batch p=0.05 huge=20000000"),
	RULE("gzip_bomb", 1, 800, "batch p=0.05 gzip_bomb=100000000"),
	RULE("wrong_count", 2, 1500, "batch p=0.3 miscount=3"),
	RULE("record_without_end", 2, 1500, "batch p=0.3 spoil=open every=50"),
	RULE("bad_record_once", 2, 1500, "batch p=0.3 spoil=utf8 every=50 fickle"),
	RULE("same_batch_twice", 3, 1500, "batch p=0.2 same_next"),
	RULE("empty", 3, 1500, "batch p=0.5 empty"),
	RULE("batch_leads_away", 3, 900, "batch count=1 empty skip=50"),
	RULE("start_is_tail", 2, 900, "cursor count=1 tail"),
	RULE("slow", 2, 1000, "any p=0.1 bandwidth=100000"),
	RULE("date_ahead", 2, 1500, "any p=0.3 date=3600"),
	RULE("date_behind", 2, 1500, "heartbeat p=0.3 date=-3600"),
	RULE("no_date", 2, 1500, "any p=0.5 no_date"),
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

_Static_assert((int)KINDS <= (int)CHAOS_KINDS_MAX, "of_kind has room for every kind");

static bool
can(const struct chaos *c, const struct kind *kind)
{
	if (kind->needs == NEEDS_MOUNT)
		return c->can_mount;
	return kind->needs == NEEDS_NOTHING || c->can_trace;
}

static const struct kind *
draw_kind(struct chaos *c)
{
	unsigned sum = 0, at;
	for (size_t i = 0; i < KINDS; i++)
		sum += can(c, &kinds[i]) ? kinds[i].weight : 0;
	at = scenario_draw(&c->seed, sum);
	const struct kind *kind = kinds;
	for (;; kind++) {
		unsigned weight = can(c, kind) ? kind->weight : 0;
		if (at < weight)
			return kind;
		at -= weight;
	}
}

/* On the host that was drawn, or the next one that it can strike. */
static bool
strike_some(struct chaos *c, const struct strike *strike)
{
	for (unsigned i = 0; i < CHAOS_HOSTS; i++)
		if (strike->kind->act(c, &c->hosts[(strike->host + i) % CHAOS_HOSTS], strike))
			return true;
	return false;
}

void
faults_strike(struct chaos *c, int64_t now_ms)
{
	struct strike strike = { .kind = draw_kind(c) };
	strike.host = scenario_draw(&c->seed, CHAOS_HOSTS);
	strike.worker = scenario_draw(&c->seed, 60);
	unsigned share = scenario_draw(&c->seed, 1000);
	strike.ms = strike.kind->least_ms +
		    (strike.kind->most_ms - strike.kind->least_ms) * share / 1000;
	fprintf(c->log, "%7.3f #%u %s\n", (double)(now_ms - c->start_ms) / 1e3, c->faults + 1,
		strike.kind->name);
	if (!strike_some(c, &strike)) {
		chaos_note(c, "not now: nothing to strike");
		return;
	}
	c->faults++;
	c->blows--;
	c->of_kind[strike.kind - kinds]++;
}

void
faults_count_kinds(const struct chaos *c, unsigned *kinds_out)
{
	*kinds_out = 0;
	for (size_t i = 0; i < KINDS; i++)
		*kinds_out += c->of_kind[i] > 0;
}

/* ---- taking back ---- */

static void
send_rules(struct chaos *c)
{
	char *text = xasprintf("batch latency=%u\n", c->latency_ms), *longer;
	for (size_t i = 0; i < CHAOS_RULES_MAX; i++) {
		if (!c->rules[i].text)
			continue;
		longer = xasprintf("%s%s\n", text, c->rules[i].text);
		free(text);
		text = longer;
	}
	sim_faults_changed(&c->sim, text);
	free(text);
	c->rules_changed = false;
}

void
faults_step(struct chaos *c, int64_t now_ms)
{
	guests_step(c, now_ms);
	for (size_t i = 0; i < CHAOS_RULES_MAX; i++) {
		if (c->rules[i].text && c->rules[i].until_ms <= now_ms) {
			c->rules[i].text = NULL;
			c->rules_changed = true;
		}
	}
	if (c->sim_ms && c->sim_ms <= now_ms) {
		process_signal(&c->sim.process, SIGCONT);
		c->sim_ms = 0;
		chaos_note(c, "the service goes on");
	}
	if (c->rules_changed && !c->sim_ms)
		send_rules(c);
}

void
faults_lift(struct chaos *c)
{
	for (size_t i = 0; i < CHAOS_RULES_MAX; i++)
		c->rules[i].until_ms = 0;
	guests_lift(c);
	c->sim_ms = c->sim_ms ? 1 : 0;
	c->rules_changed = true;
	faults_step(c, INT64_MAX / 2);
}
