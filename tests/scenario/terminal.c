/*
 * terminal.c - an agent that somebody runs by hand, and a log that nobody reads.
 *
 * Real programs against lts-sim, in a session of their own on a pseudo-terminal. Holds the
 * agent to what Ctrl-C, Ctrl-Z, fg and a closed window mean to people.
 */
#include "tests/suites.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/support/one_host.h"
#include "tests/support/terminal.h"
#include "tests/support/tmpdir.h"

#define SIM_OPTIONS "--tls off --shards 4 --records 10000 --consumer_timeout 3"
#define AGENT_OPTIONS "--consumer_count 2 --end_time end --consume_batch_size 50"

/* Like a shell: a session on the terminal, with the agent as its one foreground job. Its
 * stderr is a file, its stdin and stdout the terminal. */
static int
start_on_terminal(struct one_host *h, const char *agent_options, bool tostop)
{
	int terminal;
	struct termios how;
	scenario_begin(&h->scenario);
	char *log = tmpdir_path(h->scenario.dir, "host.log");
	sim_start(&h->sim, &h->scenario, SIM_OPTIONS);
	sim_faults(&h->sim, "batch latency=20");
	agent_init(&h->agent, &h->sim, "host", agent_options);
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int err = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		tcgetattr(0, &how);
		how.c_lflag |= ISIG | (tostop ? TOSTOP : 0);
		tcsetattr(0, TCSANOW, &how);
		if (err < 0 || dup2(err, 2) < 0 || chdir(h->scenario.dir) < 0 ||
		    setenv(PROCESS_MARK, h->scenario.dir, 1) < 0)
			_exit(99);
		execv(h->agent.words.list[0], h->agent.words.list);
		_exit(98);
	}
	h->agent.process = (struct process){ .pid = pid };
	free(log);
	return terminal;
}

static void
type(int terminal, char key)
{
	ck_assert_int_eq(write(terminal, &key, 1), 1);
}

START_TEST(ctrl_c_drains)
{
	struct one_host h;
	int terminal = start_on_terminal(&h, AGENT_OPTIONS, false);
	until("it is at work", agent_committed(&h.agent) > 1000);
	type(terminal, 3);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=stopping"), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "signal="), 0); /* no worker was hit */
	struct verdict v = scenario_verify(&h.scenario, "--shards 4 host.out");
	ck_assert_uint_eq(v.duplicated + v.reordered + v.torn + v.unsealed, 0);
	ck_assert_double_eq(agent_committed(&h.agent), (double)v.records);
	ck_assert_double_eq(sim_published(&h.sim), (double)v.records);
	close(terminal);
	one_host_end(&h);
}
END_TEST

/* Only the supervisor stops; the workers let go when their leases end. */
START_TEST(ctrl_z_stops_and_fg_resumes)
{
	struct one_host h;
	int status, terminal = start_on_terminal(&h, AGENT_OPTIONS, false);
	until("it is at work", agent_committed(&h.agent) > 1000);
	/* The kernel stops no orphaned group by the keyboard; a shell's job is none. */
	process_signal(&h.agent.process, _i ? SIGSTOP : SIGTSTP);
	if (_i) {
		ck_assert_int_eq(waitpid(h.agent.process.pid, &status, WUNTRACED),
				 h.agent.process.pid);
		ck_assert(WIFSTOPPED(status));
		double stands = -1;
		until("its workers stand still", stands == agent_committed(&h.agent))
		{
			stands = agent_committed(&h.agent);
			usleep(500000);
		}
		process_signal(&h.agent.process, SIGCONT);
	}
	one_host_expect_drained(&h, 4, 10000);
	close(terminal);
	one_host_end(&h);
}
END_TEST

/* tostop: a background job that writes to the terminal is stopped, if it lets itself. */
START_TEST(workers_may_write_to_the_terminal)
{
	struct one_host h;
	char text[4096];
	size_t lines = 0;
	ssize_t n;
	int terminal =
		start_on_terminal(&h, "--consumer_count 2 --end_time end --sink stdout", true);
	fcntl(terminal, F_SETFL, O_NONBLOCK);
	until("it ends", process_has_ended(&h.agent.process))
	{
		while ((n = read(terminal, text, sizeof(text))) > 0)
			for (ssize_t i = 0; i < n; i++)
				lines += text[i] == '\n';
	}
	while ((n = read(terminal, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(lines, 40000);
	ck_assert_uint_eq(agent_said(&h.agent, "signal="), 0);
	close(terminal);
	one_host_end(&h);
}
END_TEST

START_TEST(closed_window_does_not_end_an_agent_with_a_file_sink)
{
	struct one_host h;
	int terminal = start_on_terminal(&h, AGENT_OPTIONS, false);
	until("it is at work", agent_committed(&h.agent) > 1000);
	close(terminal); /* HUP */
	until("it takes that for a reload", agent_said(&h.agent, "msg=reloaded") == 1);
	one_host_expect_drained(&h, 4, 10000);
	one_host_end(&h);
}
END_TEST

START_TEST(closed_window_ends_an_agent_that_writes_to_it)
{
	struct one_host h;
	char text[4096];
	int terminal = start_on_terminal(&h, "--consumer_count 2 --sink stdout", false);
	ck_assert_int_gt(read(terminal, text, sizeof(text)), 0);
	close(terminal);
	until("it ends", process_has_ended(&h.agent.process));
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "nobody reads the sink"), 1);
	one_host_end(&h);
}
END_TEST

/* The log's reader stands still: what is delivered does not. */
START_TEST(log_that_nobody_reads_holds_nothing_up_and_is_counted)
{
	struct one_host h;
	int fds[2];
	char text[65536];
	ssize_t n;
	bool counted = false;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM_OPTIONS);
	agent_init(&h.agent, &h.sim, "host",
		   "--consumer_count 2 --log_level debug --consume_batch_size 50");
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	fcntl(fds[1], F_SETPIPE_SZ, 4096);
	int saved = dup(2);
	dup2(fds[1], 2);
	process_start(&h.agent.process, &h.agent.words,
		      &(struct process_files){ .dir = h.scenario.dir, .out_fd = -1 });
	dup2(saved, 2);
	close(saved);
	close(fds[1]);
	until("all is delivered", agent_committed(&h.agent) == 40000);
	for (int i = 0; i < 1000; i++) /* more to say than the pipe holds */
		process_signal(&h.agent.process, SIGUSR2);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	until("it says how much was dropped", counted)
	{
		process_signal(&h.agent.process, SIGUSR2);
		while ((n = read(fds[0], text, sizeof(text) - 1)) > 0) {
			text[n] = '\0';
			counted = counted || strstr(text, "dropped");
		}
	}
	process_signal(&h.agent.process, SIGTERM);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	scenario_expect_exact(&h.scenario, 4, 10000, "host.out");
	close(fds[0]);
	one_host_end(&h);
}
END_TEST

START_TEST(storm_of_terms_ends_it_once)
{
	struct one_host h;
	one_host_begin(&h, SIM_OPTIONS, AGENT_OPTIONS);
	sim_faults(&h.sim, "batch latency=20");
	until("it is at work", agent_committed(&h.agent) > 1000);
	for (int i = 0; i < 10000 && !process_has_ended(&h.agent.process); i++)
		process_signal(&h.agent.process, SIGTERM);
	until("it ends", process_has_ended(&h.agent.process));
	ck_assert(WIFEXITED(h.agent.process.status)); /* 0, or 1: told twice */
	ck_assert_int_le(WEXITSTATUS(h.agent.process.status), 1);
	agent_start(&h.agent);
	one_host_expect_drained(&h, 4, 10000);
	one_host_end(&h);
}
END_TEST

Suite *
suite_terminal(void)
{
	Suite *suite = suite_create("terminal");
	TCase *tc = scenario_case(suite, "terminal");
	if (terminals_exist()) {
		tcase_add_test(tc, ctrl_c_drains);
		tcase_add_loop_test(tc, ctrl_z_stops_and_fg_resumes, 0, 2);
		tcase_add_test(tc, workers_may_write_to_the_terminal);
		tcase_add_test(tc, closed_window_does_not_end_an_agent_with_a_file_sink);
		tcase_add_test(tc, closed_window_ends_an_agent_that_writes_to_it);
	} else {
		scenario_skip("no terminal may be opened: is /dev/pts mounted?");
	}
	tcase_add_test(tc, log_that_nobody_reads_holds_nothing_up_and_is_counted);
	tcase_add_test(tc, storm_of_terms_ends_it_once);
	return suite;
}
