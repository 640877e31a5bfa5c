/*
 * agent.h - a running lts-supervisor with its workers, in a scenario.
 *
 * The agent NAME has the state directory NAME.st and the sink directory NAME.out unless
 * options say otherwise, and appends to the log NAME.log, all in the scenario's
 * directory.
 */
#ifndef TESTS_SUPPORT_AGENT_H
#define TESTS_SUPPORT_AGENT_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "tests/support/sim_process.h"

enum { AGENT_WORKERS_MAX = 16 };

struct agent {
	const struct scenario *scenario;
	struct process process;
	struct words words;
	const char *name;
	char *state_dir;  /* as in its options: under the scenario's directory */
	int64_t log_from; /* bytes of the log that earlier lives wrote */
	int out_fd;       /* its stdout; -1: a file, NAME.stdout */
};

/* What is not in `options` is set for a test: every shard from its begin, short
 * heartbeats, the simulator's credentials. `name` is borrowed. Does not start it. */
void agent_init(struct agent *agent, const struct sim_process *sim, const char *name,
		const char *options);
/* One more word of its command line, blanks and all; before it starts. */
void agent_add_word(struct agent *agent, const char *word);
void agent_fini(struct agent *agent);
/* Starts it, again if it has run before, with the same words. */
void agent_start(struct agent *agent);
/* Waits until it ends by itself; its exit code. */
int agent_wait(struct agent *agent);
/* TERM, and that it ends with exit code 0. */
void agent_stop(struct agent *agent);

/* SIGKILL to all of it, as when the host dies. */
void agent_kill_whole(struct agent *agent);

/* Pids of its workers that live; at most AGENT_WORKERS_MAX. */
size_t agent_workers(const struct agent *agent, pid_t pids_out[AGENT_WORKERS_MAX]);
/* How often `text` stands in the log of its present (or last) life. */
size_t agent_said(const struct agent *agent, const char *text);
/* Adds up the numbers that stand behind `key` in that log. */
unsigned long long agent_sum(const struct agent *agent, const char *key);
/* `lts-state --json dump`, with every event; the caller deletes it. */
cJSON *agent_state(const struct agent *agent);
/* The same, NULL: there is none yet. */
cJSON *agent_state_if_any(const struct agent *agent);
/* Records that it has committed, over all shards and lives. */
double agent_committed(const struct agent *agent);
/* lts-state finds nothing wrong, and no checkpoint of the service ever went back. */
void agent_expect_sound(const struct agent *agent, const struct sim_process *sim);

#endif
