/*
 * chaos.c - several hosts, one consumer group, and whatever can go wrong.
 *
 * The body of `lts-proof chaos`, and one episode after the other. Each has a simulator, three
 * agents and a directory of its own; faults strike while the load lasts; then all is taken
 * back, everybody comes to the end, and every record and every invariant is looked at. Owns
 * the episode's directory, whose faults.log says what was done when. Must never go on after
 * a violation, nor remove what shows it.
 */
#include "tests/proof/chaos.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/proof/chaos_guests.h"
#include "tests/support/json_path.h"
#include "tests/support/tmpdir.h"

enum {
	BLOWS_LEAST = 40, /* in an episode */
	BLOWS_MOST = 60,
	WAIT_MOST_MS = 400 * PATIENCE_SLOWNESS, /* between two faults */
	LOOK_EVERY_MS = 200 * PATIENCE_SLOWNESS,
	TURN_MS = 10,
	LATENCY_LEAST_MS = 5,
	LATENCY_MOST_MS = 400,
};

void
chaos_note(struct chaos *c, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fprintf(c->log, "%7.3f   ", (double)(clock_mono_ms() - c->start_ms) / 1e3);
	vfprintf(c->log, fmt, args);
	fprintf(c->log, "\n");
	fflush(c->log);
	va_end(args);
}

void
chaos_conclude(struct chaos *c, bool clean)
{
	unsigned kinds;
	faults_count_kinds(c, &kinds);
	char sink[40] = "";
	if (c->code != CODE_NONE)
		snprintf(sink, sizeof(sink), "\"sink\":\"%s\",", code_name(c->code));
	proof_conclude(c->proof, clean,
		       "{%s\"faults\":%u,\"kinds\":%u,\"records\":%llu,\"lost\":%llu,"
		       "\"duplicated\":%llu,\"reordered\":%llu,\"torn\":%llu,\"seed\":%llu}",
		       sink, c->faults, kinds, c->records, c->lost, c->duplicated, c->reordered,
		       c->torn, (unsigned long long)c->proof->seed);
}

void
chaos_violated(struct chaos *c, const char *invariant, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	chaos_note(c, "VIOLATED: %s: %s", invariant, text);
	chaos_conclude(c, false);
	proof_say(c->proof, "seed %llu, episode %u, fault %u: %s does not hold: %s",
		  (unsigned long long)c->proof->seed, c->episodes, c->faults, invariant, text);
	proof_say(c->proof, "what led to it: %s/faults.log%s", c->scenario.dir,
		  c->can_mount ? "; *.st and *.out there are mounts: umount them when done" : "");
	ck_abort_msg("%s: %s", invariant, text);
	abort();
}

const cJSON *
chaos_status(struct chaos *c)
{
	if (!c->sim_ms) {
		cJSON_Delete(c->status);
		c->status = sim_status(&c->sim);
	}
	return c->status;
}

/* The share of the records that were served follows the share of the faults that were done. */
static void
pace_load(struct chaos *c, unsigned done, unsigned all)
{
	if (c->sim_ms)
		return;
	double served = json_path_number(c->status, "served_records") /
			json_path_number(c->status, "produced"),
	       struck = (double)done / (double)all * 0.7;
	unsigned latency_ms = c->latency_ms;
	if (served > struck && latency_ms < LATENCY_MOST_MS)
		latency_ms += latency_ms / 4 + 1;
	else if (served < struck * 0.8 && latency_ms > LATENCY_LEAST_MS)
		latency_ms -= latency_ms / 4;
	c->rules_changed |= latency_ms != c->latency_ms;
	c->latency_ms = latency_ms;
}

static void
turn(struct chaos *c)
{
	int64_t now_ms = clock_mono_ms();
	faults_step(c, now_ms);
	code_step(c, now_ms, !c->blows);
	hosts_step(c, now_ms);
	poll(NULL, 0, TURN_MS);
}

static bool
is_out_of_time(const struct chaos *c, int64_t begin_ms)
{
	return c->proof->seconds &&
	       clock_mono_ms() - begin_ms >= (int64_t)c->proof->seconds * 1000;
}

/* One in five comes with the next one at once, so that two to four strike together. */
static void
strike_until_all_are_done(struct chaos *c, int64_t begin_ms)
{
	unsigned all = c->blows;
	int64_t next_ms = 0, look_ms = 0;
	while (c->blows && !is_out_of_time(c, begin_ms)) {
		int64_t now_ms = clock_mono_ms();
		if (now_ms >= next_ms) {
			faults_strike(c, now_ms);
			unsigned wait_ms = scenario_draw(&c->seed, WAIT_MOST_MS);
			next_ms = now_ms + (scenario_draw(&c->seed, 5) ? wait_ms : 0);
		}
		turn(c);
		if (clock_mono_ms() >= look_ms) {
			invariants_look(c);
			pace_load(c, all - c->blows, all);
			look_ms = clock_mono_ms() + LOOK_EVERY_MS;
		}
	}
}

static void
recover(struct chaos *c)
{
	chaos_note(c, "everything is taken back");
	faults_lift(c);
	hosts_recover(c);
	until("everybody is up again", hosts_are_recovered(c)) turn(c);
	invariants_expect_calm(c);
}

static bool
all_have_ended(struct chaos *c)
{
	for (int i = 0; i < CHAOS_HOSTS; i++)
		if (c->hosts[i].state != HOST_ENDED)
			return false;
	return true;
}

/* NULL: every record's position is published; else a shard of which not. */
static const cJSON *
unpublished_shard(struct chaos *c)
{
	const cJSON *shard;
	cJSON_ArrayForEach(shard, json_path_at(chaos_status(c), "shards"))
	{
		if (json_path_number(shard, "checkpoint") != json_path_number(shard, "produced"))
			return shard;
	}
	return NULL;
}

static void
await_all_published(struct chaos *c)
{
	const cJSON *shard;
	int64_t give_up_ms = clock_mono_ms() + PATIENCE_MS;
	while ((shard = unpublished_shard(c))) {
		if (clock_mono_ms() > give_up_ms)
			chaos_violated(c, "progress", "shard %s stands at %.0f of %.0f",
				       json_path_text(shard, "shard"),
				       json_path_number(shard, "checkpoint"),
				       json_path_number(shard, "produced"));
		turn(c);
		invariants_look(c);
	}
}

static void
come_to_the_end(struct chaos *c)
{
	chaos_note(c, "full speed, to the end");
	sim_faults(&c->sim, "");
	if (!c->to_the_end)
		await_all_published(c);
	for (int i = 0; i < CHAOS_HOSTS && !c->to_the_end; i++)
		host_tell_to_stop(c, &c->hosts[i], SIGTERM, -1);
	until("every host has ended", all_have_ended(c)) turn(c);
	invariants_look(c);
	chaos_note(c, "every host has ended");
}

static void
begin_episode(struct chaos *c)
{
	c->episodes++;
	c->start_ms = clock_mono_ms();
	c->shards = 6 + scenario_draw(&c->seed, 7);
	unsigned records = (6000 + scenario_draw(&c->seed, 8000)) / PATIENCE_SLOWNESS;
	c->blows = BLOWS_LEAST + scenario_draw(&c->seed, BLOWS_MOST - BLOWS_LEAST + 1);
	if (c->blows > c->proof->count - c->faults)
		c->blows = c->proof->count - c->faults;
	c->to_the_end = scenario_draw(&c->seed, 3) == 0;
	bool tls = scenario_draw(&c->seed, 4) == 0;
	memset(c->rules, 0, sizeof(c->rules));
	c->latency_ms = 40;
	scenario_begin(&c->scenario);
	char *path = tmpdir_path(c->scenario.dir, "faults.log");
	c->log = fopen(path, "we");
	ck_assert_ptr_nonnull(c->log);
	free(path);
	char *options = xasprintf("--tls %s --shards %u --records %u --consumer_timeout %d "
				  "--seed %u --security_token %s",
				  tls ? "on" : "off", c->shards, records, CHAOS_TIMEOUT_MS / 1000,
				  scenario_draw(&c->seed, 1000000), CHAOS_TOKEN);
	chaos_note(c, "seed %llu, episode %u, %u faults: lts-sim %s",
		   (unsigned long long)c->proof->seed, c->episodes, c->blows, options);
	sim_start(&c->sim, &c->scenario, options);
	free(options);
	c->rules_changed = true;
	faults_step(c, clock_mono_ms());
	if (c->code != CODE_NONE)
		code_begin(c, records);
	hosts_begin(c);
}

static void
end_episode(struct chaos *c)
{
	chaos_status(c);
	sim_stop(&c->sim);
	guests_end(c);
	invariants_expect_nobody(c);
	invariants_expect_exact(c);
	fclose(c->log);
	cJSON_Delete(c->status);
	c->status = NULL;
	hosts_fini(c);
	scenario_end(&c->scenario);
}

/* A worker that is sent SIGSEGV shall die of it, without a report. */
static void
let_crash(void)
{
	const char *options = getenv("ASAN_OPTIONS");
	char *longer = xasprintf("%s:handle_segv=0", options ? options : "");
	ck_assert_int_eq(setenv("ASAN_OPTIONS", longer, 1), 0);
	free(longer);
}

void
proof_chaos(struct proof *proof)
{
	static struct chaos chaos;
	struct chaos *c = &chaos;
	int64_t begin_ms = clock_mono_ms();
	c->proof = proof;
	c->seed = proof->seed;
	if (!code_find(proof->sink, &c->code))
		ck_abort_msg("--sink %s: file, plugin, exec, batch, stdout", proof->sink);
	c->can_mount = disks_can_mount();
	c->can_trace =
		PATIENCE_SLOWNESS == 1 && geteuid() == 0 && access("/usr/bin/strace", X_OK) == 0;
	if (!c->can_mount)
		proof_say(proof, "NOT ROOT, or no mounts here: no disk becomes full");
	if (!c->can_trace)
		proof_say(proof, "NO strace, or no root, or sanitized: no fdatasync fails");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	let_crash();
	while (c->faults < proof->count && !is_out_of_time(c, begin_ms)) {
		begin_episode(c);
		chaos_conclude(c, false);
		invariants_note_calm(c);
		strike_until_all_are_done(c, begin_ms);
		recover(c);
		come_to_the_end(c);
		end_episode(c);
		proof_say(proof,
			  "episode %u: %u of %u faults, %llu records, %llu repeated after "
			  "unplanned moves",
			  c->episodes, c->faults, proof->count, c->records, c->repeated);
	}
	chaos_conclude(c, true);
}
