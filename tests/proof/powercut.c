/*
 * powercut.c - the file system under the agent is cut off, again and again, until the
 * stream is drained through it.
 *
 * In the proof's process. Owns a stream, an agent and a disk at a time. Must never let a
 * process of one life see the disk of the next. What a cut leaves behind is checked after
 * each; what came of the stream, by lts-sim verify at its end.
 */
#include "tests/proof/powercut.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/proof/proof.h"
#include "tests/sim/sim_record.h"

enum { RECORDS = 5000, CUTS_LEAST = 10, CUTS_MOST = 25 };

/* When it is cut. */
enum moment {
	IN_START,   /* so and so long after the fork */
	UNDER_LOAD, /* so many records on */
	AT_CREATE,  /* a segment has just appeared */
	AT_SEAL,    /* a segment has just got its final name */
	AT_COMMIT,  /* the state's file has just been written to */
	IN_STOP,    /* so and so long after TERM, or when it has ended */
	MOMENTS
};

static const char *const moment_names[MOMENTS] = { "in a start", "under load",  "at a create",
						   "at a seal",  "at a commit", "in a stop" };

struct tally {
	unsigned cuts, moments[MOMENTS];
	unsigned long long records, lost, duplicated, reordered, torn;
};

/* In order; a TERM that it was not yet ready for may also kill it. */
static bool
has_ended(struct cut_bed *bed)
{
	if (!process_has_ended(&bed->agent.process))
		return false;
	int status = bed->agent.process.status;
	bool termed = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
	ck_assert_msg(termed || (WIFEXITED(status) && WEXITSTATUS(status) == 0),
		      "the supervisor ended with status %#x", status);
	return true;
}

static void
pass_us(struct cut_bed *bed, unsigned most)
{
	usleep(scenario_draw(&bed->seed, most));
}

static bool
reads_event(int fd)
{
	char event[sizeof(struct inotify_event) + 256] __attribute__((aligned(8)));
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 20) == 1 &&
	       read(fd, event, sizeof(event)) > 0;
}

/* The n-th time that `mask` happens in a directory of the scenario's. */
static void
await_event(struct cut_bed *bed, const char *dir, uint32_t mask, unsigned n)
{
	char *path = xasprintf("%s/%s", bed->scenario.dir, dir);
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	until("the directory is there", inotify_add_watch(fd, path, mask) >= 0 || has_ended(bed));
	while (n-- && bed->agent.process.pid)
		until("something happens in it", reads_event(fd) || has_ended(bed));
	close(fd);
	free(path);
}

static void
await(struct cut_bed *bed, enum moment moment)
{
	unsigned some = 1 + scenario_draw(&bed->seed, 8);
	double served;
	switch (moment) {
	case IN_START:
		pass_us(bed, 120000);
		break;
	case UNDER_LOAD:
		served =
			sim_number(&bed->sim, "served_records") + scenario_draw(&bed->seed, 1200);
		until("the simulator has served more",
		      sim_number(&bed->sim, "served_records") >= served || has_ended(bed));
		pass_us(bed, 5000);
		break;
	case AT_CREATE:
		await_event(bed, bed->sink, IN_CREATE, some);
		pass_us(bed, 2000);
		break;
	case AT_SEAL:
		await_event(bed, bed->sink, IN_MOVED_TO, some);
		pass_us(bed, 2000);
		break;
	case AT_COMMIT:
		await_event(bed, bed->agent.state_dir, IN_MODIFY, 5 * some);
		pass_us(bed, 500);
		break;
	default:
		await_event(bed, bed->agent.state_dir, IN_MODIFY, 5 * some);
		if (!has_ended(bed))
			process_signal(&bed->agent.process, SIGTERM);
		if (scenario_draw(&bed->seed, 2))
			pass_us(bed, 60000);
		else
			until("it ends", has_ended(bed));
	}
}

/* SIGKILL to `parent`'s workers, all at one time; how many there were. */
static size_t
kill_children(pid_t parent)
{
	pid_t pids[2 * AGENT_WORKERS_MAX];
	size_t n = process_children(parent, "lts-worker", pids, AGENT_WORKERS_MAX);
	/* And what is between fork and exec. */
	n += process_children(parent, "lts-supervisor", pids + n, AGENT_WORKERS_MAX);
	for (size_t i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	return n;
}

/* What a killed supervisor leaves comes to us: true when there is none of it any more. */
static bool
orphans_are_gone(const struct cut_bed *bed)
{
	siginfo_t info = { .si_pid = 0 };
	size_t n = kill_children(getpid());
	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid) {
		ck_assert_msg(info.si_pid != bed->sim.process.pid, "lts-sim ended: see sim.log");
		waitpid(info.si_pid, NULL, 0);
		info.si_pid = 0;
	}
	return !n;
}

/*
 * The power goes, and comes back. No process may see anything behind the cut, as none would
 * without power: an fdatasync that is under way just then returns 0 from ext4 and has
 * synced nothing. So they are killed an instant before it; what they have in the kernel is
 * cut in the middle. The supervisor is stopped first lest it starts another one.
 */
static void
cut(struct cut_bed *bed)
{
	pid_t supervisor = bed->agent.process.pid;
	if (supervisor > 0) {
		kill(supervisor, SIGSTOP);
		kill_children(supervisor);
		kill(supervisor, SIGKILL);
	}
	cut_disk_cut(&bed->disk);
	process_kill(&bed->agent.process);
	until("no worker is left", orphans_are_gone(bed));
	until("the disk is there again", cut_disk_restore(&bed->disk));
}

/* Which of the two directories are on the disk, and how fast everything turns. */
static void
begin(struct cut_bed *bed)
{
	static const char *const rotations[] = { "off", "20KiB", "60KiB" };
	unsigned where = scenario_draw(&bed->seed, 6),
		 rotation = scenario_draw(&bed->seed, 4) % 3;
	const char *state = where == 0 ? "host.st" : "cut/st";
	bed->rotates = rotation > 0;
	bed->sink = where == 1 ? "host.out" : "cut/out";
	scenario_begin(&bed->scenario);
	cut_disk_begin(&bed->disk, bed->scenario.dir, "cut");
	char *words =
		xasprintf("--tls off --shards %d --records %d --consumer_timeout 3 --seed %u",
			  CUT_SHARDS, RECORDS, scenario_draw(&bed->seed, 1000));
	sim_start(&bed->sim, &bed->scenario, words);
	free(words);
	words = xasprintf("--state_dir %s --sink file:%s --rotate_bytes %s --end_time %lld "
			  "--consumer_count %u --consume_batch_size %u "
			  "--checkpoint_interval %ums --publish_interval %ums",
			  state, bed->sink, rotations[rotation],
			  (long long)time(NULL) + 1, /* after the last record, and soon over */
			  1 + scenario_draw(&bed->seed, CUT_WORKERS_MOST),
			  10 + scenario_draw(&bed->seed, 60), 1 + scenario_draw(&bed->seed, 100),
			  20 + scenario_draw(&bed->seed, 200));
	agent_init(&bed->agent, &bed->sim, "host", words);
	free(words);
	sim_faults(&bed->sim, "batch latency=15");
}

static void
end(struct cut_bed *bed)
{
	agent_fini(&bed->agent);
	sim_stop(&bed->sim);
	cut_disk_end(&bed->disk);
	scenario_end(&bed->scenario);
}

/* Cuts it so many times; true: it was drained before. */
static bool
run_cuts(struct cut_bed *bed, struct tally *tally, unsigned cuts)
{
	while (cuts--) {
		enum moment moment = scenario_draw(&bed->seed, MOMENTS);
		if (!bed->rotates && (moment == AT_CREATE || moment == AT_SEAL))
			moment = UNDER_LOAD;
		agent_start(&bed->agent);
		await(bed, moment);
		bool ended = has_ended(bed);
		bool settled = ended && WIFEXITED(bed->agent.process.status);
		cut(bed);
		powercut_expect_order(bed, settled);
		tally->cuts++;
		tally->moments[moment]++;
		if (ended && moment != IN_STOP)
			return true;
	}
	return false;
}

static void
conclude(struct proof *proof, const struct tally *t)
{
	bool clean = !(t->lost + t->duplicated + t->reordered + t->torn) &&
		     (t->cuts >= proof->count || proof->seconds);
	proof_conclude(proof, clean,
		       "{\"cuts\":%u,\"records\":%llu,\"lost\":%llu,\"duplicated\":%llu,"
		       "\"reordered\":%llu,\"torn\":%llu,\"seed\":%llu}",
		       t->cuts, t->records, t->lost, t->duplicated, t->reordered, t->torn,
		       (unsigned long long)proof->seed);
}

static void
run_stream(struct proof *proof, struct tally *t, unsigned number)
{
	struct cut_bed bed = { .seed = sim_mix(proof->seed * 100000 + number) };
	unsigned cuts = CUTS_LEAST + scenario_draw(&bed.seed, CUTS_MOST - CUTS_LEAST + 1);
	begin(&bed);
	if (cuts > proof->count - t->cuts)
		cuts = proof->count - t->cuts;
	if (!run_cuts(&bed, t, cuts)) {
		sim_faults(&bed.sim, "");
		agent_start(&bed.agent);
		ck_assert_int_eq(agent_wait(&bed.agent), 0);
	}
	powercut_expect_order(&bed, true);
	agent_expect_sound(&bed.agent, &bed.sim);
	char *options = xasprintf("--shards %d --records %d %s", CUT_SHARDS, RECORDS, bed.sink);
	struct verdict v = scenario_verify(&bed.scenario, options);
	free(options);
	t->records += v.records;
	t->lost += v.lost;
	t->duplicated += v.duplicated;
	t->reordered += v.reordered;
	t->torn += v.torn;
	if (v.exit)
		conclude(proof, t);
	ck_assert_msg(v.exit == 0, "lts-sim verify: exit %d", v.exit);
	end(&bed);
}

void
proof_powercut(struct proof *proof)
{
	struct tally t = { .cuts = 0 };
	int64_t start_ms = clock_mono_ms();
	const char *missing = cut_disk_prepare();
	if (missing) {
		proof_skip(proof, missing);
		return;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (unsigned number = 0; t.cuts < proof->count; number++) {
		run_stream(proof, &t, number);
		proof_say(proof, "%u of %u cuts, %u streams drained", t.cuts, proof->count,
			  number + 1);
		if (proof->seconds && clock_mono_ms() - start_ms >= 1000LL * proof->seconds)
			break;
	}
	for (int i = 0; i < MOMENTS; i++)
		proof_say(proof, "cut %s: %u", moment_names[i], t.moments[i]);
	conclude(proof, &t);
}
