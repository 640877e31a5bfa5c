/*
 * one_host.c - one simulator, one agent.
 *
 * In the test process. Owns both and their scenario.
 */
#include "tests/support/one_host.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/tmpdir.h"

void
one_host_begin(struct one_host *h, const char *sim_options, const char *agent_options)
{
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, sim_options);
	agent_init(&h->agent, &h->sim, "host", agent_options);
	agent_start(&h->agent);
}

void
one_host_end(struct one_host *h)
{
	agent_fini(&h->agent);
	sim_stop(&h->sim);
	scenario_end(&h->scenario);
}

void
one_host_expect_drained(struct one_host *h, unsigned shards, unsigned records)
{
	ck_assert_int_eq(agent_wait(&h->agent), 0);
	scenario_expect_exact(&h->scenario, shards, records, "host.out");
	agent_expect_sound(&h->agent, &h->sim);
	ck_assert_double_eq(agent_committed(&h->agent), (double)shards * records);
}

void
one_host_await_served(struct one_host *h, double more, double *mark)
{
	until("the simulator has served more",
	      sim_number(&h->sim, "served_records") >= *mark + more);
	*mark = sim_number(&h->sim, "served_records");
}

void
one_host_command(const struct one_host *h, const char *fmt, const char *name)
{
	char *path = tmpdir_path(h->scenario.dir, name), *command = xasprintf(fmt, path);
	struct words words = { .n = 0 };
	struct process process;
	words_add(&words, "%s", command);
	process_start(&process, &words,
		      &(struct process_files){ .dir = h->scenario.dir, .out_fd = -1 });
	ck_assert_int_eq(process_wait(&process, command), 0);
	words_fini(&words);
	free(command);
	free(path);
}

void
one_host_expect_kept(const struct one_host *h, const char *before, const char *now)
{
	struct dirent *entry;
	size_t files = 0;
	char *path = tmpdir_path(h->scenario.dir, before);
	DIR *dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_REG)
			continue;
		char *was = xasprintf("%s/%s", before, entry->d_name),
		     *is = xasprintf("%s/%s", now, entry->d_name);
		char *old = scenario_read(&h->scenario, was),
		     *new = scenario_read(&h->scenario, is);
		ck_assert_msg(strcmp(old, new) == 0, "%s is not what it was", is);
		free(old);
		free(new);
		free(was);
		free(is);
		files++;
	}
	closedir(dir);
	free(path);
	ck_assert_uint_gt(files, 0);
}

char *
one_host_state(const struct one_host *host, const char *state_words)
{
	char *output;
	struct words words = { .n = 0 };
	words_add(&words, "lts-state --state_dir %s %s", host->agent.state_dir, state_words);
	ck_assert_int_eq(scenario_run(&host->scenario, &words, &output), 0);
	words_fini(&words);
	return output;
}
