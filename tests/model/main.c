/*
 * main.c - lts-model: the real programs in a simulated room of hosts, world after world,
 * until so many steps are done; what must hold is checked at every one.
 *
 * One process, one thread, no time but its own: a seed gives the same run every time. Must
 * never call a run clean that broke a rule or did not settle.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/model/inside.h"
#include "tests/model/service.h"

enum {
	STORM_STEPS = 12000,
	SETTLE_S = 400, /* twice what restarts' longest backoff and the service's timeout need */
	PROGRESS_S = 2,
};

static struct {
	uint64_t steps, seed; /* as asked */
	bool aloud;
	uint64_t done, worlds, shards, deaths, moves;
} run;

static void
print_result(unsigned violations)
{
	printf("{\"steps\":%" PRIu64 ",\"seed\":%" PRIu64 ",\"shards\":%" PRIu64
	       ",\"deaths\":%" PRIu64 ",\"moves\":%" PRIu64 ",\"violations\":%u}\n",
	       run.done, run.seed, run.shards, run.deaths, run.moves, violations);
	fflush(stdout);
}

static void
add_up(void)
{
	run.done = the_world->step;
	run.shards += (uint64_t)the_world->shards;
	run.deaths += the_world->deaths;
	run.moves += the_world->moves;
}

_Noreturn void
model_failed(void)
{
	fprintf(stderr,
		"lts-model: seed %" PRIu64 " broke in world %" PRIu64
		"; alone: lts-model --steps 1 --seed %" PRIu64 " --aloud\n",
		run.seed, run.worlds, the_world->seed);
	add_up();
	print_result(1);
	exit(1);
}

/* Every shard is some host's, held there by a worker, and what was there when the world
 * calmed down is committed and published. NULL: all is well. */
static const char *
unsettled(const uint64_t *wanted)
{
	if (service_knows_of_a_stop())
		return "a host that was told to end has not come back";
	if (!service_is_balanced())
		return "the service's consumers do not share the shards evenly";
	for (int i = 0; i < the_world->shards; i++) {
		int owner = service_owner(i);
		if (owner < 0)
			return "a shard has no owner";
		if (!sink_holder(owner, i))
			return "a shard is held by no worker of its owner";
		if (truth_covered(i) < wanted[i])
			return "a shard does not move";
		if (service_checkpoint(i) < wanted[i])
			return "what a shard reached is not published";
	}
	return NULL;
}

static void
settle(void)
{
	uint64_t wanted[SHARDS_MAX];
	int64_t end_us = the_world->now_us + SETTLE_S * SECOND, look_us = 0;
	const char *what = "";
	for (int i = 0; i < the_world->shards; i++)
		wanted[i] = service_produced(i);
	while (the_world->now_us < end_us) {
		world_turn();
		if (the_world->now_us < look_us)
			continue;
		look_us = the_world->now_us + SECOND / 2;
		what = unsettled(wanted);
		if (!what)
			return;
	}
	violated("not settled %d s after the world calmed down: %s", SETTLE_S, what);
}

/* What is settled stays so, once the last heartbeat that was lost before is forgotten: nobody
 * lets go of a shard without a reason. */
static void
rest(int64_t time_us)
{
	int64_t begin_us = the_world->now_us + time_us, end_us = begin_us + time_us;
	while (the_world->now_us < begin_us)
		world_turn();
	uint64_t moves = the_world->moves;
	while (the_world->now_us < end_us)
		world_turn();
	if (the_world->moves != moves)
		violated("a shard changes hands though nothing happens");
}

static void
run_world(uint64_t seed)
{
	static const int64_t timeouts_ms[] = { 30000, 60000 };
	world_begin(seed, run.done);
	the_world->aloud = run.aloud;
	the_world->hosts = 1 + (int)draw(HOSTS_MAX);
	the_world->shards = 1 + (int)draw(SHARDS_MAX);
	the_world->gentle = draw(4) == 0;
	the_world->churn = !the_world->gentle && draw(2);
	if (the_world->churn && the_world->hosts == 1)
		the_world->hosts = 2;
	int64_t timeout_ms = timeouts_ms[the_world->churn ? 1 : draw(2)];
	/* Some are long enough for leases to end in them more than once. */
	uint64_t storm_end =
		the_world->step + (draw(3) ? 1 : 5) * (STORM_STEPS / 2 + draw(STORM_STEPS));
	service_begin(the_world->shards, timeout_ms);
	network_begin(timeout_ms);
	store_begin(the_world->hosts);
	sink_begin();
	truth_begin();
	faults_begin(timeout_ms);
	while (the_world->step < storm_end)
		world_turn();
	faults_stop();
	settle();
	if (draw(4) == 0)
		rest(timeout_ms * MS);
	add_up();
	world_end();
	network_end();
	service_end();
	store_end();
	boards_end();
}

static void
show_progress(void)
{
	static time_t shown;
	time_t now = time(NULL);
	if (!shown)
		shown = now;
	if (now - shown < PROGRESS_S)
		return;
	shown = now;
	fprintf(stderr,
		"lts-model: %" PRIu64 " of %" PRIu64 " steps, %" PRIu64 " worlds, %" PRIu64
		" deaths\n",
		run.done, run.steps, run.worlds, run.deaths);
}

static int
usage(FILE *out, int code)
{
	fputs("usage: lts-model --steps N --seed S [--aloud]\n"
	      "Runs supervisors and workers in simulated worlds for at least N steps; the\n"
	      "first world has seed S, each next one more by 1000003. The last line is the\n"
	      "result; exit 0 when every rule held, 1 when one was broken: seed, step and\n"
	      "the last of what happened are on stderr, with --aloud all of it.\n",
	      out);
	return code;
}

static bool
parse(int argc, char **argv)
{
	bool steps = false, seed = false;
	if (argc == 6 && strcmp(argv[5], "--aloud") == 0) {
		run.aloud = true;
		argc--;
	}
	for (int i = 1; i + 1 < argc; i += 2) {
		char *end;
		unsigned long long value = strtoull(argv[i + 1], &end, 10);
		if (argv[i + 1][0] < '0' || argv[i + 1][0] > '9' || *end)
			return false;
		if (strcmp(argv[i], "--steps") == 0 && value)
			run.steps = value, steps = true;
		else if (strcmp(argv[i], "--seed") == 0)
			run.seed = value, seed = true;
		else
			return false;
	}
	return argc == 5 && steps && seed;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, 0);
	if (!parse(argc, argv))
		return usage(stderr, 2);
	for (; run.done < run.steps; run.worlds++) {
		run_world(run.seed + run.worlds * 1000003);
		show_progress();
	}
	print_result(0);
	return 0;
}
