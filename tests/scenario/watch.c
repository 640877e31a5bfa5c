/*
 * watch.c - `lts-state watch` on a terminal, while the agent lives, dies, is damaged or stuck.
 *
 * Real programs against lts-sim. Holds the screen to leaving the terminal as it was however it
 * ends, to going on whatever happens to the state, and to disturbing nobody.
 */
#include "tests/suites.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/state_env.h"
#include "tests/support/terminal.h"
#include "tests/support/tmpdir.h"

#define SIM_OPTIONS "--tls off --shards 4 --records 2000 --consumer_timeout 3"
#define AGENT_OPTIONS "--consumer_count 2 --consume_batch_size 100"
#define WATCH "lts-state watch --state_dir host.st --interval 100ms"
/* What xterm is told at the end: back to the screen before. */
#define LEAVES_SCREEN "\x1b[?1049l"

static void
begin(struct one_host *h, struct terminal *t)
{
	one_host_begin(h, SIM_OPTIONS, AGENT_OPTIONS);
	until("all is delivered", agent_committed(&h->agent) == 8000);
	terminal_start(t, &h->scenario, "xterm", WATCH);
	until("the screen is there", terminal_shows(t, "shards 1-4 of 4 by SHARD"));
}

static void
quit(struct terminal *t)
{
	terminal_type(t, "q");
	ck_assert_int_eq(terminal_wait_end(t), 0);
	ck_assert_ptr_nonnull(strstr(t->shown, LEAVES_SCREEN));
	terminal_end(t);
}

static void
end(struct one_host *h, struct terminal *t)
{
	quit(t);
	if (h->agent.process.pid)
		agent_stop(&h->agent);
	one_host_end(h);
}

START_TEST(it_shows_the_agent_and_heeds_keys)
{
	struct one_host h;
	struct terminal t;
	begin(&h, &t);
	char *supervisor = xasprintf("supervisor %d up ", h.agent.process.pid);
	ck_assert(!terminal_is_as_before(&t));
	until("the supervisor is named", terminal_shows(&t, supervisor));
	until("it is shown", terminal_shows(&t, "workers 2/2 alive; shards 4"));
	until("it is shown", terminal_shows(&t, "position: start"));
	terminal_type(&t, "ssssss");
	until("it is shown", terminal_shows(&t, "by REC/S"));
	terminal_type(&t, "\t");
	until("it is shown", terminal_shows(&t, "events 1-"));
	terminal_type(&t, "?");
	until("it is shown", terminal_shows(&t, "q, Ctrl-C"));
	terminal_type(&t, "x");
	terminal_resize(&t, 40, 10);
	until("it follows the size", terminal_shows(&t, "40x10 is too small"));
	terminal_resize(&t, 120, 30);
	until("it follows again", terminal_shows(&t, "RECORDS"));
	free(supervisor);
	end(&h, &t);
}
END_TEST

/* One that has no screen before. */
static void
leave_old(struct one_host *h, struct terminal *t)
{
	terminal_type(t, "q");
	ck_assert_int_eq(terminal_wait_end(t), 0);
	terminal_end(t);
	agent_stop(&h->agent);
	one_host_end(h);
}

START_TEST(old_terminal_will_do)
{
	struct one_host h;
	struct terminal t;
	one_host_begin(&h, SIM_OPTIONS, AGENT_OPTIONS);
	terminal_start(&t, &h.scenario, "vt100", WATCH);
	until("the screen is there", terminal_shows(&t, "workers 2/2 alive"));
	terminal_type(&t, "\x1bOB"); /* an arrow */
	until("it is shown", terminal_shows(&t, "shards "));
	leave_old(&h, &t);
}
END_TEST

static const struct {
	int signal, code;
	const char *key;
} ends[] = {
	{ SIGTERM, 0, NULL }, { SIGINT, 0, NULL },   { SIGHUP, 0, NULL },
	{ SIGQUIT, 1, NULL }, { SIGINT, 0, "\x03" }, { SIGQUIT, 1, "\x1c" },
};

START_TEST(signal_leaves_the_terminal_as_it_was)
{
	struct one_host h;
	struct terminal t;
	begin(&h, &t);
	if (ends[_i].key)
		terminal_type(&t, ends[_i].key);
	else
		kill(t.pid, ends[_i].signal);
	ck_assert_int_eq(terminal_wait_end(&t), ends[_i].code);
	ck_assert_ptr_nonnull(strstr(t.shown, LEAVES_SCREEN));
	terminal_end(&t);
	agent_stop(&h.agent);
	one_host_end(&h);
}
END_TEST

START_TEST(ctrl_z_gives_the_terminal_back_and_fg_takes_it_again)
{
	struct one_host h;
	struct terminal t;
	begin(&h, &t);
	terminal_type(&t, "\x1a");
	ck_assert(WIFSTOPPED(terminal_wait(&t)));
	ck_assert(terminal_is_as_before(&t));
	ck_assert_ptr_nonnull(strstr(t.shown, LEAVES_SCREEN));
	terminal_resize(&t, 100, 30); /* nobody tells a stopped process */
	kill(t.pid, SIGCONT);
	until("it is drawn again", terminal_shows(&t, "shards 1-4 of 4 by SHARD"));
	end(&h, &t);
}
END_TEST

/* Died, and started anew. */
START_TEST(dead_agent_is_said_and_a_new_one_too)
{
	struct one_host h;
	struct terminal t;
	begin(&h, &t);
	agent_kill_whole(&h.agent);
	until("its death is shown", terminal_shows(&t, "no supervisor; workers 0/2 alive"));
	until("it is shown", terminal_shows(&t, "owner dead"));
	until("it is shown", terminal_shows(&t, "shards 1-4 of 4"));
	agent_start(&h.agent);
	until("the new one is shown",
	      terminal_shows(&t, "workers 2/2 alive") && terminal_shows(&t, ", start 2"));
	end(&h, &t);
}
END_TEST

START_TEST(state_that_is_not_there_yet_is_waited_for)
{
	struct one_host h;
	struct terminal t;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM_OPTIONS);
	agent_init(&h.agent, &h.sim, "host", AGENT_OPTIONS);
	terminal_start(&t, &h.scenario, "xterm", WATCH);
	until("it says so", terminal_shows(&t, "host.st: no such directory"));
	char *dir = tmpdir_path(h.scenario.dir, "host.st");
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	free(dir);
	until("it says so", terminal_shows(&t, "host.st: no state environment in it"));
	agent_start(&h.agent);
	until("it shows the agent", terminal_shows(&t, "shards 1-4 of 4"));
	end(&h, &t);
}
END_TEST

START_TEST(silent_disk_is_said_and_holds_no_key_up)
{
	struct one_host h;
	struct terminal t;
	begin(&h, &t);
	agent_stop(&h.agent); /* it has the file open */
	char *path = tmpdir_path(h.scenario.dir, "host.st");
	int fd = state_env_silence(path);
	terminal_type(&t, "s");
	until("it is shown", terminal_shows(&t, "by OWNER")); /* at once, while a look hangs */
	until("it is said", terminal_shows(&t, "its disk does not answer"));
	close(fd);
	until("it goes on", terminal_shows(&t, "state_dir host.st, instance"));
	free(path);
	end(&h, &t);
}
END_TEST

START_TEST(leaving_while_a_look_hangs_gives_the_terminal_back_first)
{
	struct one_host h;
	struct terminal t;
	begin(&h, &t);
	agent_stop(&h.agent);
	char *path = tmpdir_path(h.scenario.dir, "host.st");
	int fd = state_env_silence(path);
	until("looks hang", terminal_shows(&t, "its disk does not answer"));
	terminal_type(&t, "q");
	until_within(2000 * PATIENCE_SLOWNESS, "the terminal is as it was",
		     terminal_is_as_before(&t))
	{
		terminal_read(&t);
	}
	close(fd);
	ck_assert_int_eq(terminal_wait_end(&t), 0);
	terminal_end(&t);
	free(path);
	one_host_end(&h);
}
END_TEST

/* The whole file, or from its second page on, where LMDB trusts it. */
START_TEST(damage_is_said_and_does_not_end_it)
{
	struct one_host h;
	struct terminal t;
	size_t len;
	begin(&h, &t);
	agent_stop(&h.agent);
	char *good = tmpdir_read(h.scenario.dir, "host.st/data.mdb", &len), *bad = xmalloc(len);
	size_t from = _i ? 8192 : 0;
	memcpy(bad, good, len);
	memset(bad + from, 0xa5, len - from);
	tmpdir_write(h.scenario.dir, "host.st/data.mdb", bad, len);
	until("it is said", terminal_shows(&t, "damaged"));
	until("it is shown", terminal_shows(&t, "below"));
	tmpdir_write(h.scenario.dir, "host.st/data.mdb", good, len);
	until("it goes on", terminal_shows(&t, "state_dir host.st, instance"));
	until("it is shown", terminal_shows(&t, "shards 1-4 of 4"));
	free(good);
	free(bad);
	end(&h, &t);
}
END_TEST

START_TEST(watched_agent_drains_as_any)
{
	struct one_host h;
	struct terminal t;
	one_host_begin(&h, "--tls off --shards 4 --records 20000 --consumer_timeout 3",
		       "--consumer_count 4 --end_time end --consume_batch_size 200 "
		       "--checkpoint_interval 50ms");
	sim_faults(&h.sim, "batch latency=10");
	terminal_start(&t, &h.scenario, "xterm", WATCH);
	until("it is at work", terminal_shows(&t, "shards 1-4 of 4"));
	until("records flow", !terminal_shows(&t, " -/s -/s") && !terminal_shows(&t, " 0/s"));
	until("it is done", process_has_ended(&h.agent.process))
	{
		terminal_shows(&t, "");
	}
	one_host_expect_drained(&h, 4, 20000);
	until("its end is shown", terminal_shows(&t, "no supervisor"));
	quit(&t);
	one_host_end(&h);
}
END_TEST

/* In seconds, what is BEHIND in the first row of a shard; -1: "-"; NAN: no such row, minutes. */
static double
shown_behind(struct terminal *t)
{
	char *row, *after, behind[32] = "";
	terminal_shows(t, "");
	for (char *at = t->shown; (at = strchr(at, 0x1b));) /* moves and styles: blanks */
		for (bool is_last = false; *at && !is_last; *at++ = ' ')
			is_last = isalpha((unsigned char)*at);
	row = strstr(t->shown, " held ");
	if (!row || sscanf(row, " held %*s %*s %*s %31s", behind) != 1)
		return NAN;
	if (strcmp(behind, "-") == 0)
		return -1;
	double seconds = strtod(behind, &after);
	return after > behind && strcmp(after, "s") == 0 ? seconds : NAN;
}

/* Of a shard that has seen nothing of its stream yet it is the time since then. */
START_TEST(lag_is_the_agents_own)
{
	struct one_host h;
	struct terminal t;
	double first;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM_OPTIONS);
	sim_faults(&h.sim, "batch status=503");
	agent_init(&h.agent, &h.sim, "host", AGENT_OPTIONS);
	agent_start(&h.agent);
	terminal_start(&t, &h.scenario, "vt100", WATCH);
	until("it is behind", (first = shown_behind(&t)) > 0);
	until("that grows", shown_behind(&t) >= first + 1);
	sim_faults(&h.sim, "");
	until("all is delivered", agent_committed(&h.agent) == 8000);
	until("it keeps up", shown_behind(&t) == 0);
	kill(h.agent.process.pid, SIGSTOP);
	until("who does not answer is not waited for",
	      terminal_shows(&t, " stopped, up ") && shown_behind(&t) == -1);
	kill(h.agent.process.pid, SIGCONT);
	until("it answers again", shown_behind(&t) == 0);
	leave_old(&h, &t);
}
END_TEST

START_TEST(terminal_that_shows_no_screen_is_refused)
{
	static const struct {
		const char *term, *said;
	} rows[] = {
		{ "dumb", "TERM=dumb cannot show a screen: use lts-state dump" },
		{ NULL, "TERM is not set: use lts-state dump" },
		{ "", "TERM is not set: use lts-state dump" },
		{ "no-such", "no-such is a TERM that this host does not know" },
	};
	struct scenario scenario;
	struct terminal t;
	scenario_begin(&scenario);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		terminal_start(&t, &scenario, rows[i].term, WATCH);
		int code = terminal_wait_end(&t);
		ck_assert_msg(code == 2 && strstr(t.shown, rows[i].said), "%d: %s", code,
			      t.shown);
		terminal_end(&t);
	}
	scenario_end(&scenario);
}
END_TEST

Suite *
suite_watch(void)
{
	Suite *suite = suite_create("watch");
	TCase *tc = scenario_case(suite, "watch");
	if (!terminals_exist()) {
		scenario_skip("no terminal may be opened: is /dev/pts mounted?");
		return suite;
	}
	tcase_add_test(tc, it_shows_the_agent_and_heeds_keys);
	tcase_add_test(tc, old_terminal_will_do);
	tcase_add_loop_test(tc, signal_leaves_the_terminal_as_it_was, 0,
			    sizeof(ends) / sizeof(ends[0]));
	tcase_add_test(tc, ctrl_z_gives_the_terminal_back_and_fg_takes_it_again);
	tcase_add_test(tc, dead_agent_is_said_and_a_new_one_too);
	tcase_add_test(tc, state_that_is_not_there_yet_is_waited_for);
	tcase_add_test(tc, silent_disk_is_said_and_holds_no_key_up);
	tcase_add_test(tc, leaving_while_a_look_hangs_gives_the_terminal_back_first);
	tcase_add_loop_test(tc, damage_is_said_and_does_not_end_it, 0, 2);
	tcase_add_test(tc, watched_agent_drains_as_any);
	tcase_add_test(tc, lag_is_the_agents_own);
	tcase_add_test(tc, terminal_that_shows_no_screen_is_refused);
	return suite;
}
