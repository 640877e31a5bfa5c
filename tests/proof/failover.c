/*
 * failover.c - how long a shard stands still when what served it is lost.
 *
 * In the proof's process. Owns one stream that never ends, one agent, and the figures. Must
 * never take the lost worker's own records for its successor's: it looks only once the
 * lost one is reaped, and then for growth above the smallest that it has seen.
 */
#include "tests/proof/proof.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/xalloc.h"
#include "tests/sim/sim_record.h"
#include "tests/support/one_host.h"

enum {
	SHARDS = 64,
	WORKERS = 4,
	BEAT_TIMEOUT_MS = 3000, /* the default of worker_beat_timeout */
	ROUND_MS = 20000,
	LOOK_NS = 500000,
};

enum kind { WORKER_KILL, WORKER_STOP, WORKER_HANG, SUPERVISOR_KILL, RESTART, KINDS };

static const struct {
	const char *name;
	double bound_ms;
} kinds[KINDS] = {
	{ "worker_kill", 100 },
	{ "worker_stop", 200 },
	{ "worker_hang", BEAT_TIMEOUT_MS + 250 },
	{ "supervisor_kill", 1500 },
	{ "restart", 2000 }, /* as a service manager does it: TERM, and started again once it
				ended */
};

/* Of one kind, in the order of the rounds. */
struct figures {
	double *ms;
	size_t n;
};

/* The end of a shard's newest segment that is not empty. */
struct place {
	unsigned segment;
	long long size;
};

struct round {
	struct one_host *host;
	pid_t lost[WORKERS]; /* 0: reaped */
	size_t n_lost;
	bool affected[SHARDS];
	struct place least[SHARDS]; /* since they were reaped */
};

static double
now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static char *
sink_dir(const struct one_host *host)
{
	return xasprintf("%s/host.out", host->scenario.dir);
}

/* ---- who serves what ---- */

/* Adds the shards whose segments the process has open; how many. */
static size_t
add_open(pid_t pid, bool shards[SHARDS])
{
	char path[64], target[4096];
	size_t n = 0;
	struct dirent *entry;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *fds = opendir(path);
	while (fds && (entry = readdir(fds))) {
		ssize_t len = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1);
		if (len <= 0)
			continue;
		target[len] = '\0';
		const char *name = strrchr(target, '/');
		unsigned shard;
		if (!name || !strstr(name, ".log.part") || sscanf(name, "/%u-", &shard) != 1 ||
		    shard >= SHARDS)
			continue;
		n += !shards[shard];
		shards[shard] = true;
	}
	if (fds)
		closedir(fds);
	return n;
}

/* Every worker serves as many shards as the others. */
static bool
is_even(const struct one_host *host, pid_t pids[WORKERS])
{
	bool shards[SHARDS] = { false };
	pid_t all[AGENT_WORKERS_MAX];
	size_t n = agent_workers(&host->agent, all);
	if (n != WORKERS)
		return false;
	memcpy(pids, all, WORKERS * sizeof(*pids));
	for (size_t i = 0; i < n; i++)
		if (add_open(pids[i], shards) != SHARDS / WORKERS)
			return false;
	return true;
}

/* ---- what is in the files ---- */

/* 0: not there, or empty. */
static long long
size_of(const char *dir, const char *instance, unsigned shard, unsigned segment)
{
	char path[4096];
	struct stat st;
	int len = snprintf(path, sizeof(path), "%s/%u-%s-%08u.log.part", dir, shard, instance,
			   segment);
	if (stat(path, &st) == 0)
		return st.st_size;
	path[len - 5] = '\0';
	return stat(path, &st) == 0 ? st.st_size : 0;
}

/* Looks at the segments from `from` on. */
static struct place
place_of(const struct one_host *host, const char *instance, unsigned shard, unsigned from)
{
	char *dir = sink_dir(host);
	struct place place = { from, size_of(dir, instance, shard, from) };
	for (long long size; (size = size_of(dir, instance, shard, place.segment + 1));)
		place = (struct place){ place.segment + 1, size };
	free(dir);
	return place;
}

static bool
is_beyond(struct place a, struct place b)
{
	return a.segment != b.segment ? a.segment > b.segment : a.size > b.size;
}

/* Each shard's newest segment's number, and the instance in all their names. */
static void
find_newest(const struct one_host *host, unsigned newest[SHARDS], char instance[16])
{
	char *dir = sink_dir(host);
	struct dirent *entry;
	unsigned shard, segment;
	DIR *stream = opendir(dir);
	ck_assert_ptr_nonnull(stream);
	memset(newest, 0, SHARDS * sizeof(*newest));
	while ((entry = readdir(stream)))
		if (sscanf(entry->d_name, "%u-%15[^-]-%u.log", &shard, instance, &segment) == 3 &&
		    shard < SHARDS && segment > newest[shard])
			newest[shard] = segment;
	closedir(stream);
	free(dir);
}

/* ---- a round ---- */

/* Its loop stands still, and nobody is told: a thread in a trace-stop is not "stopped" to
 * its parent. */
static void
hang(pid_t pid)
{
	ck_assert_int_eq(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, __WALL), pid);
}

/* Reaped by whoever its parent is: a hung one we trace, an orphan has come to us. */
static bool
are_gone(struct round *round)
{
	bool gone = true;
	for (size_t i = 0; i < round->n_lost; i++) {
		pid_t pid = round->lost[i];
		if (!pid)
			continue;
		waitpid(pid, NULL, WNOHANG | __WALL);
		if (kill(pid, 0) < 0 && errno == ESRCH)
			round->lost[i] = 0;
		gone = gone && !round->lost[i];
	}
	return gone;
}

static void
lose(struct round *round, enum kind kind)
{
	switch (kind) {
	case WORKER_KILL:
		kill(round->lost[0], SIGKILL);
		break;
	case WORKER_STOP:
		kill(round->lost[0], SIGSTOP);
		break;
	case WORKER_HANG:
		hang(round->lost[0]);
		break;
	case RESTART:
		agent_stop(&round->host->agent);
		agent_start(&round->host->agent);
		break;
	default:
		process_kill(&round->host->agent.process);
		agent_start(&round->host->agent);
	}
}

static void
look_again(double start_ms, const char *what)
{
	ck_assert_msg(now_ms() - start_ms < ROUND_MS, "in vain: %s", what);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = LOOK_NS }, NULL);
}

/* Until each affected shard has grown by others' hands. */
static void
await_successors(struct round *round, double start_ms)
{
	unsigned newest[SHARDS];
	char instance[16] = "";
	while (!are_gone(round))
		look_again(start_ms, "the lost are reaped");
	find_newest(round->host, newest, instance);
	for (unsigned i = 0; i < SHARDS; i++)
		round->least[i] = place_of(round->host, instance, i, newest[i]);
	for (unsigned left = 1; left; look_again(start_ms, "every affected shard goes on")) {
		left = 0;
		for (unsigned i = 0; i < SHARDS; i++) {
			if (!round->affected[i])
				continue;
			struct place at =
				place_of(round->host, instance, i, newest[i] ? newest[i] - 1 : 0);
			round->affected[i] = !is_beyond(at, round->least[i]);
			if (is_beyond(round->least[i], at))
				round->least[i] = at;
			left += round->affected[i];
		}
	}
}

static double
run_round(struct one_host *host, enum kind kind, uint64_t *seed)
{
	struct round round = { .host = host };
	pid_t pids[WORKERS];
	until("every worker serves its share", is_even(host, pids));
	usleep(scenario_draw(seed, 400000)); /* a moment that nothing has chosen */
	until("every worker serves its share", is_even(host, pids));
	bool all = kind == SUPERVISOR_KILL || kind == RESTART;
	round.n_lost = all ? WORKERS : 1;
	unsigned first = all ? 0 : scenario_draw(seed, WORKERS);
	for (size_t i = 0; i < round.n_lost; i++) {
		round.lost[i] = pids[first + i];
		add_open(round.lost[i], round.affected);
	}
	double start_ms = now_ms();
	lose(&round, kind);
	await_successors(&round, start_ms);
	return now_ms() - start_ms;
}

/* ---- the figures ---- */

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Nearest rank; they are sorted. */
static double
percentile(const struct figures *f, unsigned percent)
{
	size_t rank = (f->n * percent + 99) / 100;
	return f->n ? f->ms[rank ? rank - 1 : 0] : 0;
}

/* `"worker_kill":{"p50_ms":1.0,"p99_ms":2.0}`; true: within its bound, a hang every time. */
static bool
put_figures(struct buf *line, enum kind kind, const struct figures *f)
{
	qsort(f->ms, f->n, sizeof(*f->ms), by_value);
	double p99 = percentile(f, 99), worst = percentile(f, kind == WORKER_HANG ? 100 : 99);
	ck_assert(!buf_printf(line, "\"%s\":{\"p50_ms\":%.1f,\"p99_ms\":%.1f", kinds[kind].name,
			      percentile(f, 50), p99));
	if (kind == WORKER_HANG)
		ck_assert(!buf_printf(line, ",\"worker_beat_timeout_ms\":%d", BEAT_TIMEOUT_MS));
	ck_assert(!buf_put_text(line, "},"));
	return f->n && worst < kinds[kind].bound_ms;
}

static void
conclude(struct proof *proof, struct figures figures[KINDS], unsigned rounds)
{
	struct buf line;
	bool clean = true;
	buf_init(&line, 0);
	for (int k = 0; k < KINDS; k++) {
		clean = put_figures(&line, (enum kind)k, &figures[k]) && clean;
		free(figures[k].ms);
	}
	proof_conclude(proof, clean, "{%s\"rounds\":%u}", line.data, rounds);
	buf_fini(&line);
}

/* A figure is worth nothing when records were lost for it. */
static void
end(struct one_host *host)
{
	agent_stop(&host->agent);
	struct verdict v = scenario_verify(&host->scenario, "--shards 64 --parts host.out");
	ck_assert_msg(v.exit == 0, "lost %llu, duplicated %llu, reordered %llu, torn %llu",
		      v.lost, v.duplicated, v.reordered, v.torn);
	one_host_end(host);
}

void
proof_failover(struct proof *proof)
{
	struct one_host host;
	struct figures figures[KINDS] = { { .n = 0 } };
	uint64_t seed = sim_mix(proof->seed);
	double start_ms = now_ms();
	unsigned n = 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	one_host_begin(&host,
		       "--tls off --shards 64 --records 100 --rate 16000 --record_bytes 100",
		       "--consumer_count 4 --rotate_bytes off --worker_beat_timeout 3s "
		       "--heartbeat_interval 1s --heartbeat_timeout 60s");
	sim_faults(&host.sim, "any latency=3");
	while (n < proof->count) {
		enum kind kind = n++ % KINDS;
		struct figures *f = &figures[kind];
		double ms = run_round(&host, kind, &seed);
		f->ms = xreallocarray(f->ms, f->n + 1, sizeof(*f->ms));
		f->ms[f->n++] = ms;
		proof_say(proof, "round %u: %s %.1f ms", n, kinds[kind].name, ms);
		if (proof->seconds && now_ms() - start_ms >= 1e3 * proof->seconds)
			break;
	}
	end(&host);
	conclude(proof, figures, n);
}
