/*
 * chaos_invariants.c - what must hold when all is over: I1, I2, I3, I6, I7, I10.
 *
 * In the proof's process. Only reads, but for the uncommitted ends of files that a lost host
 * left: they are cut off, for they were never delivered. Must never call clean what it could
 * not look at.
 */
#include "tests/proof/chaos.h"

#include <dirent.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/snapshot.h"
#include "tests/support/json_path.h"
#include "tests/support/tmpdir.h"

enum {
	FDS_SLACK = 6, /* connections to the service that are kept */
	WORKER_CONNECTIONS = 64, /* at most; a worker without shards closes none until it asks */
	WORKER_THREADS = 2,
	RSS_SLACK_KIB = 6 * 1024,
	STATE_BYTES_MAX = 4 << 20,
	CALM_MS = 20000 * PATIENCE_SLOWNESS,
	LOOK_AGAIN_MS = 10,
};

/* ---- I6: nothing grows ---- */

static size_t
count_entries(pid_t pid, const char *what)
{
	char path[64];
	size_t n = 0;
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static long
resident_kib(pid_t pid)
{
	char path[64];
	long pages = 0;
	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	FILE *file = fopen(path, "re");
	if (file && fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* False: a worker is missing, or a zombie is there. */
static bool
read_footprint(const struct host *h, struct footprint *out)
{
	pid_t pids[AGENT_WORKERS_MAX], self = h->agent.process.pid;
	size_t n = agent_workers(&h->agent, pids);
	*out = (struct footprint){ .workers = n,
				   .fds = count_entries(self, "fd"),
				   .threads = count_entries(self, "task"),
				   .rss_kib = resident_kib(self) };
	for (size_t i = 0; i < n; i++) {
		size_t fds = count_entries(pids[i], "fd"),
		       threads = count_entries(pids[i], "task");
		out->worker_fds = fds > out->worker_fds ? fds : out->worker_fds;
		out->worker_threads =
			threads > out->worker_threads ? threads : out->worker_threads;
	}
	return n == h->workers &&
	       process_zombies(self, "lts-worker", pids, AGENT_WORKERS_MAX) == 0;
}

static bool
is_grown(const struct chaos *c, const struct host *h, const struct footprint *now)
{
	return now->fds > h->calm.fds + FDS_SLACK || now->threads > h->calm.threads ||
	       now->worker_fds > h->calm.worker_fds + WORKER_CONNECTIONS + c->shards ||
	       now->worker_threads > WORKER_THREADS ||
	       (PATIENCE_SLOWNESS == 1 && now->rss_kib > h->calm.rss_kib + RSS_SLACK_KIB);
}

void
invariants_note_calm(struct chaos *c)
{
	unsigned members = 0;
	for (int i = 0; i < CHAOS_HOSTS; i++)
		members += c->hosts[i].workers;
	until("the group is settled", sim_is_settled(&c->sim, members));
	for (int i = 0; i < CHAOS_HOSTS; i++)
		until("every worker lives", read_footprint(&c->hosts[i], &c->hosts[i].calm));
}

static void
expect_calm(struct chaos *c, struct host *h)
{
	struct footprint now = { .fds = 0 }, *calm = &h->calm;
	char text[256];
	int64_t give_up_ms = clock_mono_ms() + CALM_MS;
	while (!read_footprint(h, &now) || is_grown(c, h, &now)) {
		if (process_has_ended(&h->agent.process))
			return; /* it has come to end_time */
		snprintf(text, sizeof(text),
			 "host %s: %zu of %u workers; descriptors %zu, were %zu; threads %zu, "
			 "%zu; "
			 "KiB %ld, %ld; workers' descriptors %zu, %zu; threads %zu",
			 h->name, now.workers, h->workers, now.fds, calm->fds, now.threads,
			 calm->threads, now.rss_kib, calm->rss_kib, now.worker_fds,
			 calm->worker_fds, now.worker_threads);
		if (clock_mono_ms() > give_up_ms)
			chaos_violated(c, "I6", "%s", text);
		poll(NULL, 0, LOOK_AGAIN_MS);
	}
	invariants_expect_discreet(c, h);
}

void
invariants_expect_calm(struct chaos *c)
{
	for (int i = 0; i < CHAOS_HOSTS; i++)
		if (c->hosts[i].state == HOST_UP)
			expect_calm(c, &c->hosts[i]);
	chaos_note(c, "every host is calm");
}

/* A process that runs in the scenario's directory: which, and what it does. */
static bool
describe_left(const struct chaos *c, char *text, size_t room)
{
	struct dirent *entry;
	bool found = false;
	DIR *proc = opendir("/proc");
	while (!found && proc && (entry = readdir(proc))) {
		char path[64], cwd[256] = "", stat[128] = "";
		snprintf(path, sizeof(path), "/proc/%.16s/cwd", entry->d_name);
		if (readlink(path, cwd, sizeof(cwd) - 1) < 0 || strcmp(cwd, c->scenario.dir) != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/stat", entry->d_name);
		FILE *file = fopen(path, "re");
		found = file && fgets(stat, sizeof(stat), file);
		snprintf(text, room, "%s", stat);
		if (file)
			fclose(file);
	}
	if (proc)
		closedir(proc);
	return found;
}

void
invariants_expect_nobody(struct chaos *c)
{
	char text[128];
	int64_t give_up_ms = clock_mono_ms() + CALM_MS;
	while (describe_left(c, text, sizeof(text))) {
		hosts_reap_orphans();
		if (clock_mono_ms() > give_up_ms)
			chaos_violated(c, "I6", "a process is left: %s", text);
		poll(NULL, 0, LOOK_AGAIN_MS);
	}
}

static void
expect_state_is_small(struct chaos *c, const struct host *h, const struct snapshot *snapshot)
{
	if (snapshot->usage.used_bytes > STATE_BYTES_MAX)
		chaos_violated(c, "I6", "the state of host %s has %" PRIu64 " bytes in use",
			       h->name, (uint64_t)snapshot->usage.used_bytes);
}

/* ---- I7: no secret ---- */

static void
expect_no_secret(struct chaos *c, const char *dir, const char *name)
{
	static const char *const secrets[] = { CHAOS_SK, CHAOS_TOKEN };
	char *path = tmpdir_path(dir, name), *text = NULL;
	size_t len = 0, room = 0, got;
	FILE *file = fopen(path, "re"); /* of /proc, too: they have no size */
	while (file) {
		text = xreallocarray(text, room += 65536, 1);
		got = fread(text + len, 1, room - len, file);
		len += got;
		if (!got)
			break;
	}
	for (int i = 0; i < 2; i++)
		if (len && memmem(text, len, secrets[i], strlen(secrets[i])))
			chaos_violated(c, "I7", "%s has a secret in it", path);
	if (file)
		fclose(file);
	free(text);
	free(path);
}

void
invariants_expect_discreet(struct chaos *c, const struct host *h)
{
	pid_t pids[AGENT_WORKERS_MAX + 1];
	size_t n = agent_workers(&h->agent, pids);
	pids[n++] = h->agent.process.pid;
	for (size_t i = 0; i < n; i++) {
		char *dir = xasprintf("/proc/%d", pids[i]);
		expect_no_secret(c, dir, "cmdline");
		expect_no_secret(c, dir, "environ");
		free(dir);
	}
}

static void
expect_no_secret_in(struct chaos *c, const char *name)
{
	char *dir = tmpdir_path(c->scenario.dir, name);
	struct dirent *entry;
	DIR *stream = opendir(dir);
	while (stream && (entry = readdir(stream)))
		if (entry->d_type == DT_REG && strcmp(entry->d_name, "faults.log") != 0)
			expect_no_secret(c, dir, entry->d_name);
	if (stream)
		closedir(stream);
	free(dir);
}

/* ---- I10: fetched = delivered + dropped + in flight ---- */

static unsigned long long
field(const char *line, const char *key, bool *found)
{
	const char *at = strstr(line, key);
	*found = *found && at;
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* A worker that ended in order has nothing in flight; another has what was in its hands: for a
 * command, answers are joined up to all that a shard has. */
static void
expect_balance(struct chaos *c, const struct host *h, const char *line)
{
	bool found = true;
	unsigned long long fetched = field(line, " fetched=", &found),
			   delivered = field(line, " delivered=", &found),
			   dropped = field(line, " dropped=", &found) +
				     field(line, " dead_letters=", &found);
	if (!found)
		chaos_violated(c, "I10", "host %s does not say it: %s", h->name, line);
	unsigned long long in_flight = fetched - delivered - dropped;
	unsigned long long most = 2ull * c->shards * 1000;
	if (c->code == CODE_BATCH)
		most = 2 * (unsigned long long)json_path_number(c->status, "produced");
	if (delivered + dropped > fetched || in_flight > most ||
	    (in_flight && strstr(line, " state=DRAINING exit=0 ")))
		chaos_violated(c, "I10", "host %s: %s", h->name, line);
}

static void
expect_balances(struct chaos *c, const struct host *h)
{
	char *name = xasprintf("%s.log", h->name), *log = scenario_read(&c->scenario, name);
	char *rest = log, *line;
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, "msg=\"worker ended\""))
			expect_balance(c, h, line);
	free(log);
	free(name);
}

/* ---- I1, I2, I3: every record once, in order, whole ---- */

/* A host that lost a shard, and never got it back, leaves a file of it, whole up to where its
 * state says. */
static void
cut_uncommitted_end(struct chaos *c, const struct host *h, const struct snapshot *snapshot,
		    const struct checkpoint_record *record)
{
	char *path = xasprintf("%s/%s.out/%s-%s-%08" PRIu64 ".log.part", c->scenario.dir, h->name,
			       record->shard.text, snapshot->identity.instance,
			       record->position.segment);
	struct stat st;
	if (stat(path, &st) == 0 && (uint64_t)st.st_size > record->position.offset) {
		chaos_note(c, "%s: %lld bytes, of which %" PRIu64 " are committed", path,
			   (long long)st.st_size, record->position.offset);
		ck_assert_int_eq(truncate(path, (off_t)record->position.offset), 0);
	}
	free(path);
}

static void
settle_state(struct chaos *c, const struct host *h)
{
	struct snapshot snapshot;
	char *dir = xasprintf("%s/%s.st", c->scenario.dir, h->name);
	ck_assert_int_eq(snapshot_read(dir, &snapshot), LTS_OK);
	snapshot_verify(&snapshot);
	if (snapshot.n_problems)
		chaos_violated(c, "state", "host %s: %s", h->name, snapshot.problems[0]);
	expect_state_is_small(c, h, &snapshot);
	for (size_t i = 0; i < snapshot.n_checkpoints; i++)
		cut_uncommitted_end(c, h, &snapshot, &snapshot.checkpoints[i]);
	snapshot_fini(&snapshot);
	free(dir);
}

/* ---- what may be repeated: between hosts delivery is at least once ---- */

static void
allow(cJSON *status, int shard)
{
	cJSON *move = cJSON_CreateObject();
	cJSON_AddNumberToObject(move, "shard", shard);
	cJSON_AddNumberToObject(move, "from", 0);
	cJSON_AddNumberToObject(move, "to", json_path_number(status, "produced"));
	cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(status, "unplanned_moves"), move);
}

/* The host's log says what may repeat though the service has asked for the shard: it took no
 * checkpoint of it for half the timeout, or answered nothing at all for as long as a lease lasts.
 */
static void
allow_what_was_said(struct chaos *c, const struct host *h)
{
	static const char *const said[] = {
		"msg=\"given back without its last checkpoint\" shard=",
		"msg=\"lease ended\" shard="
	};
	char *name = xasprintf("%s.log", h->name), *log = scenario_read(&c->scenario, name);
	for (int i = 0; i < 2; i++) {
		for (const char *at = log; (at = strstr(at, said[i]));) {
			at += strlen(said[i]);
			allow(c->status, (int)strtol(at, NULL, 10));
			chaos_note(c, "host %s: %s%.3s", h->name, said[i], at);
		}
	}
	free(log);
	free(name);
}

static void
keep_status(struct chaos *c)
{
	for (int i = 0; i < CHAOS_HOSTS; i++)
		allow_what_was_said(c, &c->hosts[i]);
	char *text = cJSON_PrintUnformatted(c->status);
	tmpdir_write(c->scenario.dir, "status.json", text, strlen(text));
	free(text);
}

static void
expect_exact(struct chaos *c)
{
	struct verdict v = scenario_verify(&c->scenario, "--status status.json --parts "
							 "a.out b.out c.out");
	c->records += v.records;
	c->lost += v.lost;
	c->duplicated += v.duplicated;
	c->reordered += v.reordered;
	c->torn += v.torn;
	c->repeated += v.repeated;
	chaos_note(c, "%llu records, %llu repeated after unplanned moves", v.records, v.repeated);
	if (v.lost || v.duplicated)
		chaos_violated(c, "I1", "%llu lost, %llu duplicated: see verify.log", v.lost,
			       v.duplicated);
	if (v.reordered)
		chaos_violated(c, "I2", "%llu reordered: see verify.log", v.reordered);
	if (v.torn)
		chaos_violated(c, "I3", "%llu torn: see verify.log", v.torn);
	if (v.exit)
		chaos_violated(c, "I1", "lts-sim verify: exit %d: see verify.log", v.exit);
}

void
invariants_expect_exact(struct chaos *c)
{
	for (int i = 0; i < CHAOS_HOSTS; i++) {
		settle_state(c, &c->hosts[i]);
		expect_balances(c, &c->hosts[i]);
	}
	keep_status(c);
	if (c->code == CODE_NONE)
		expect_exact(c);
	else
		code_expect_all(c);
	expect_no_secret_in(c, ".");
	expect_no_secret_in(c, "a.st");
	expect_no_secret_in(c, "b.st");
	expect_no_secret_in(c, "c.st");
}
