/*
 * one_host.h - the usual scenario: one simulator, one agent.
 */
#ifndef TESTS_SUPPORT_ONE_HOST_H
#define TESTS_SUPPORT_ONE_HOST_H

#include "tests/support/agent.h"

struct one_host {
	struct scenario scenario;
	struct sim_process sim;
	struct agent agent;
};

/* Starts both, the agent as "host". */
void one_host_begin(struct one_host *host, const char *sim_options, const char *agent_options);
/* The agent has ended: everything is stopped and removed. */
void one_host_end(struct one_host *host);
/* The agent reaches its end_time: exit code 0, every record in its sink exactly once,
 * state and checkpoints sound. */
void one_host_expect_drained(struct one_host *host, unsigned shards, unsigned records);
/* The simulator has handed out so many more records than `*mark`, which then is where it
 * stands. */
void one_host_await_served(struct one_host *host, double more, double *mark);
/* A command, in whose words %s is the path of `name` in the scenario's directory. */
void one_host_command(const struct one_host *host, const char *fmt, const char *name);
/* What `lts-state WORDS` prints of the agent's state, with exit code 0; the caller frees. */
char *one_host_state(const struct one_host *host, const char *state_words);
/* Every file of the directory `before` is in the directory `now`, as it was. */
void one_host_expect_kept(const struct one_host *host, const char *before, const char *now);

#endif
