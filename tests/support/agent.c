/*
 * agent.c - the real programs, as a host runs them.
 *
 * In the test process. Owns the supervisor's process. Must never reach into the programs:
 * what a test sees is what an operator sees, logs, lts-state and /proc.
 */
#include "tests/support/agent.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/json_path.h"
#include "tests/support/tmpdir.h"

/* Adds --name value unless `options` has --name. */
static void
add_default(struct agent *agent, const char *options, const char *name, const char *value)
{
	char *word = xasprintf("--%s ", name);
	if (!strstr(options, word))
		words_add(&agent->words, "%s%s", word, value);
	free(word);
}

void
agent_init(struct agent *agent, const struct sim_process *sim, const char *name,
	   const char *options)
{
	static const char *const defaults[][2] = {
		{ "region", "cn-north-4" },
		{ "project_id", "0123456789abcdef0123456789abcdef" },
		{ "group_id", "11111111-2222-3333-4444-555555555555" },
		{ "stream_id", "66666666-7777-8888-9999-aaaaaaaaaaaa" },
		{ "consumer_group_name", "my-group" },
		{ "start_time", "begin" },
		{ "heartbeat_interval", "100ms" },
		{ "heartbeat_timeout", "3s" },
	};
	*agent = (struct agent){ .scenario = sim->scenario, .name = name, .out_fd = -1 };
	words_add(&agent->words, "%s/lts-supervisor", agent->scenario->bin);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		add_default(agent, options, defaults[i][0], defaults[i][1]);
	if (!strstr(options, "--credentials_file ") && !strstr(options, "--agency ")) {
		add_default(agent, options, "ak", "AKIDEXAMPLE");
		add_default(agent, options, "sk", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY");
	}
	add_default(agent, options, "endpoint", sim->url);
	if (geteuid() == 0) /* as asked for: else it warns */
		add_default(agent, options, "user", "root");
	if (sim->ca_file[0])
		add_default(agent, options, "ca_file", sim->ca_file);
	char *state = xasprintf("%s.st", name), *sink = xasprintf("file:%s.out", name);
	add_default(agent, options, "state_dir", state);
	add_default(agent, options, "sink", sink);
	words_add(&agent->words, "%s", options);
	free(state);
	free(sink);
	for (size_t i = 1; i < agent->words.n; i++)
		if (strcmp(agent->words.list[i - 1], "--state_dir") == 0)
			agent->state_dir = xstrdup(agent->words.list[i]);
}

void
agent_add_word(struct agent *agent, const char *word)
{
	ck_assert_uint_lt(agent->words.n, PROCESS_WORDS_MAX);
	agent->words.list[agent->words.n++] = xstrdup(word);
}

void
agent_fini(struct agent *agent)
{
	process_kill(&agent->process);
	words_fini(&agent->words);
	free(agent->state_dir);
}

static char *
log_path(const struct agent *agent)
{
	return xasprintf("%s/%s.log", agent->scenario->dir, agent->name);
}

void
agent_start(struct agent *agent)
{
	struct stat st;
	char *log = log_path(agent),
	     *out = xasprintf("%s/%s.stdout", agent->scenario->dir, agent->name);
	agent->log_from = stat(log, &st) == 0 ? st.st_size : 0;
	process_start(&agent->process, &agent->words,
		      &(struct process_files){ .dir = agent->scenario->dir,
					       .out = out,
					       .err = log,
					       .out_fd = agent->out_fd });
	free(log);
	free(out);
}

int
agent_wait(struct agent *agent)
{
	return process_wait(&agent->process, "the supervisor ends");
}

void
agent_stop(struct agent *agent)
{
	process_signal(&agent->process, SIGTERM);
	ck_assert_int_eq(agent_wait(agent), 0);
}

size_t
agent_workers(const struct agent *agent, pid_t pids_out[AGENT_WORKERS_MAX])
{
	return process_children(agent->process.pid, "lts-worker", pids_out, AGENT_WORKERS_MAX);
}

void
agent_kill_whole(struct agent *agent)
{
	pid_t pids[AGENT_WORKERS_MAX];
	process_signal(&agent->process, SIGSTOP); /* lest it starts others meanwhile */
	size_t n = agent_workers(agent, pids);
	for (size_t i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	until("its workers are dead, and what they had started", !agent_workers(agent, pids));
	process_kill(&agent->process);
}

/* The log of the present life; the caller frees. */
static char *
read_log(const struct agent *agent)
{
	char *name = xasprintf("%s.log", agent->name);
	char *log = scenario_read(agent->scenario, name);
	size_t len = strlen(log), from = (size_t)agent->log_from;
	if (from > len)
		from = len;
	memmove(log, log + from, len - from + 1);
	free(name);
	return log;
}

size_t
agent_said(const struct agent *agent, const char *text)
{
	char *log = read_log(agent);
	size_t n = 0;
	for (const char *at = log; (at = strstr(at, text)); at++)
		n++;
	free(log);
	return n;
}

unsigned long long
agent_sum(const struct agent *agent, const char *key)
{
	char *log = read_log(agent);
	unsigned long long sum = 0;
	for (const char *at = log; (at = strstr(at, key));)
		sum += strtoull(at += strlen(key), NULL, 10);
	free(log);
	return sum;
}

cJSON *
agent_state_if_any(const struct agent *agent)
{
	struct words words = { .n = 0 };
	char *output;
	words_add(&words, "lts-state --state_dir %s --json --last 0 dump", agent->state_dir);
	int code = scenario_run(agent->scenario, &words, &output);
	cJSON *state = code == 0 ? cJSON_Parse(output) : NULL;
	words_fini(&words);
	free(output);
	return state;
}

cJSON *
agent_state(const struct agent *agent)
{
	cJSON *state = agent_state_if_any(agent);
	ck_assert_msg(state != NULL, "lts-state dump: no state, or it is damaged");
	return state;
}

double
agent_committed(const struct agent *agent)
{
	cJSON *state = agent_state_if_any(agent);
	double records = json_path_sum(state, "checkpoints", "records");
	cJSON_Delete(state);
	return records;
}

void
agent_expect_sound(const struct agent *agent, const struct sim_process *sim)
{
	struct words words = { .n = 0 };
	char *output;
	words_add(&words, "lts-state --state_dir %s verify", agent->state_dir);
	int code = scenario_run(agent->scenario, &words, &output);
	ck_assert_msg(code == 0, "lts-state verify: exit %d: %s", code, output);
	words_fini(&words);
	free(output);
	if (sim->process.pid)
		ck_assert_double_eq(sim_number(sim, "checkpoint_regressions"), 0);
}
