/*
 * users.c - whom the agent runs as, and who can read what it writes.
 *
 * Real programs against lts-sim. Holds the drop from root to being whole and for good, files and
 * directories to their modes under any umask, and children to what handoff.h gives them. Where
 * the tests do not run as root, what needs it is skipped.
 */
#include "tests/suites.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

#define SIM "--tls off --shards 2 --records 500 --consumer_timeout 3"

static bool
is_root(void)
{
	if (geteuid() != 0)
		scenario_skip("not root");
	return geteuid() == 0;
}

static void
run(const struct one_host *h, const char *command)
{
	struct words words = { .n = 0 };
	struct process process;
	words_add(&words, "%s", command);
	process_start(&process, &words,
		      &(struct process_files){ .dir = h->scenario.dir, .out_fd = -1 });
	ck_assert_int_eq(process_wait(&process, command), 0);
	words_fini(&words);
}

/* With programs and a directory that another user can get to. */
static void
begin(struct one_host *h, const char *agent_options)
{
	setenv("TMPDIR", "/tmp", 1); /* another one may be root's alone */
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, SIM);
	char *copy = xasprintf("/bin/cp %s/lts-supervisor %s/lts-worker .", h->scenario.bin,
			       h->scenario.bin);
	run(h, copy);
	free(copy);
	ck_assert_int_eq(chmod(h->scenario.dir, 0755), 0);
	agent_init(&h->agent, &h->sim, "host", agent_options);
	free(h->agent.words.list[0]);
	h->agent.words.list[0] = xasprintf("%s/lts-supervisor", h->scenario.dir);
}

/* The rest of the line in /proc/PID/status; the caller frees. */
static char *
status_of(pid_t pid, const char *field)
{
	char path[40], line[1024];
	char *found = NULL;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		size_t len = strlen(field);
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, field, len) == 0 && line[len] == ':')
			found = xstrdup(line + len + 1 + strspn(line + len + 1, "\t "));
	}
	if (file)
		fclose(file);
	return found;
}

static void
expect_status(pid_t pid, const char *field, const char *expected)
{
	char *found = status_of(pid, field);
	ck_assert_ptr_nonnull(found);
	ck_assert_msg(strcmp(found, expected) == 0, "%s of %d: '%s', not '%s'", field, pid, found,
		      expected);
	free(found);
}

static void
expect_to_be(pid_t pid, const struct passwd *user)
{
	char ids[64], groups[16];
	snprintf(ids, sizeof(ids), "%1$u\t%1$u\t%1$u\t%1$u", user->pw_uid);
	expect_status(pid, "Uid", ids);
	snprintf(ids, sizeof(ids), "%1$u\t%1$u\t%1$u\t%1$u", user->pw_gid);
	expect_status(pid, "Gid", ids);
	snprintf(groups, sizeof(groups), "%u ", user->pw_gid);
	expect_status(pid, "Groups", groups);
	expect_status(pid, "CapPrm", "0000000000000000");
	expect_status(pid, "CapEff", "0000000000000000");
	expect_status(pid, "NoNewPrivs", "1");
}

START_TEST(agent_started_as_root_becomes_its_user_and_drains)
{
	struct one_host h;
	struct stat st;
	pid_t pids[AGENT_WORKERS_MAX];
	if (!is_root())
		return;
	const struct passwd *nobody = getpwnam("nobody");
	ck_assert_ptr_nonnull(nobody);
	begin(&h, "--user nobody --consumer_count 2 --log_file agent.d "
		  "--state_dir a/b/host.st --sink file:a/c/host.out");
	umask(077);
	agent_start(&h.agent);
	until("both workers live", agent_workers(&h.agent, pids) == 2);
	until("all is committed", agent_committed(&h.agent) == 1000);
	expect_to_be(h.agent.process.pid, nobody);
	expect_to_be(pids[0], nobody);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, 2, 500, "a/c/host.out");
	char *log = tmpdir_path(h.scenario.dir, "agent.d");
	ck_assert(stat(log, &st) == 0 && st.st_uid == nobody->pw_uid);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	free(log);
	one_host_end(&h);
}
END_TEST

START_TEST(user_that_is_not_there_is_refused_before_anything_is_made)
{
	struct one_host h;
	struct stat st;
	if (!is_root())
		return;
	begin(&h, "--user no-such-user-here");
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 2);
	ck_assert_uint_eq(agent_said(&h.agent, "option 'user': 'no-such-user-here': "
					       "there is no such user"),
			  1);
	char *state = tmpdir_path(h.scenario.dir, "host.st");
	ck_assert(stat(state, &st) < 0 && errno == ENOENT);
	free(state);
	one_host_end(&h);
}
END_TEST

START_TEST(directory_of_root_is_not_given_away)
{
	struct one_host h;
	struct stat st;
	if (!is_root())
		return;
	begin(&h, "--user nobody");
	char *state = tmpdir_path(h.scenario.dir, "host.st");
	ck_assert_int_eq(mkdir(state, 0700), 0);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "Permission denied"), 1);
	ck_assert(stat(state, &st) == 0 && st.st_uid == 0);
	free(state);
	one_host_end(&h);
}
END_TEST

START_TEST(reset_by_a_user_without_rights_is_refused)
{
	struct one_host h;
	if (!is_root())
		return;
	begin(&h, "");
	agent_start(&h.agent);
	until("all is committed", agent_committed(&h.agent) == 1000);
	struct words words = { .n = 0 };
	struct process process;
	char *script = xasprintf("cp %s/lts-state . && exec setpriv --reuid 65534 --regid 65534 "
				 "--clear-groups ./lts-state --state_dir host.st "
				 "reset --all --to begin",
				 h.scenario.bin);
	char *errors = tmpdir_path(h.scenario.dir, "denied.err");
	words_add(&words, "/bin/sh -c");
	words.list[words.n++] = script;
	process_start(
		&process, &words,
		&(struct process_files){ .dir = h.scenario.dir, .err = errors, .out_fd = -1 });
	ck_assert_int_eq(process_wait(&process, "it is refused"), 1);
	char *text = scenario_read(&h.scenario, "denied.err");
	ck_assert_str_eq(text, "lts-state: host.st: Permission denied\n");
	free(text);
	free(errors);
	words_fini(&words);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, 2, 500, "host.out");
	one_host_end(&h);
}
END_TEST

/* Whoever may write to a directory on the way could have root make things anywhere. */
START_TEST(root_follows_no_link_to_what_it_makes)
{
	static const char *const options[] = { "--state_dir way/st", "--sink file:way/in/out",
					       "--log_file way/log" };
	struct one_host h;
	struct stat st;
	if (!is_root())
		return;
	char *words = xasprintf("--user nobody %s", options[_i]);
	begin(&h, words);
	char *way = tmpdir_path(h.scenario.dir, "way"),
	     *there = tmpdir_path(h.scenario.dir, "there");
	ck_assert_int_eq(mkdir(there, 0755), 0);
	ck_assert_int_eq(symlink("there", way), 0);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 2);
	ck_assert_uint_eq(agent_said(&h.agent, "root follows no symbolic link to it"), 1);
	ck_assert_int_eq(stat(there, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 2);
	ck_assert_int_eq(rmdir(there), 0); /* nothing is in it */
	free(way);
	free(there);
	free(words);
	one_host_end(&h);
}
END_TEST

START_TEST(check_config_judges_as_a_start_would_go)
{
	static const struct {
		const char *options, *says;
		int code;
	} cases[] = {
		{ "--sink file:of_root/out", NULL, 0 },
		{ "--log_file of_root/log", NULL, 0 },
		{ "--metrics_file of_root/metrics.prom", "this user may not write there", 1 },
		{ "--state_dir of_root", "option 'state_dir': 'of_root': this user may not", 1 },
	};
	struct one_host h;
	if (!is_root())
		return;
	char *options = xasprintf("--user nobody --check_config %s", cases[_i].options);
	begin(&h, options);
	char *dir = tmpdir_path(h.scenario.dir, "of_root");
	ck_assert_int_eq(mkdir(dir, 0755), 0);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), cases[_i].code);
	ck_assert(!cases[_i].says || agent_said(&h.agent, cases[_i].says) == 1);
	free(dir);
	free(options);
	one_host_end(&h);
}
END_TEST

static void
set_words(struct words *words, size_t at, const char *first, const char *second)
{
	free(words->list[at]);
	free(words->list[at + 1]);
	words->list[at] = xstrdup(first);
	words->list[at + 1] = xstrdup(second);
}

START_TEST(agent_that_stays_root_says_so_once)
{
	struct one_host h;
	if (!is_root())
		return;
	begin(&h, "--end_time end");
	for (size_t i = 1; i + 1 < h.agent.words.n; i++) /* as tests have it */
		if (strcmp(h.agent.words.list[i], "--user") == 0)
			set_words(&h.agent.words, i, "--log_level", "info");
	agent_start(&h.agent);
	one_host_expect_drained(&h, 2, 500);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"running as root\""), 1);
	one_host_end(&h);
}
END_TEST

/* None of the bits that `most` lacks, below a directory of the scenario's. */
static void
expect_modes(const struct one_host *h, const char *name, mode_t most_dir, mode_t most_file)
{
	struct stat st;
	char *dir = tmpdir_path(h->scenario.dir, name);
	ck_assert_int_eq(stat(dir, &st), 0);
	ck_assert_msg((st.st_mode & 07777 & ~most_dir) == 0, "%s: %o", name, st.st_mode);
	DIR *stream = opendir(dir);
	ck_assert_ptr_nonnull(stream);
	const struct dirent *entry;
	unsigned files = 0;
	while ((entry = readdir(stream))) {
		ck_assert_int_eq(fstatat(dirfd(stream), entry->d_name, &st, 0), 0);
		if (!S_ISREG(st.st_mode))
			continue;
		files++;
		ck_assert_msg((st.st_mode & 07777 & ~most_file) == 0, "%s/%s: %o", name,
			      entry->d_name, st.st_mode);
		ck_assert_uint_eq(st.st_mode & 0600, 0600);
	}
	ck_assert_uint_gt(files, 0);
	closedir(stream);
	free(dir);
}

START_TEST(files_have_their_modes_under_any_umask)
{
	static const mode_t masks[] = { 0, 077, 022, 027 };
	struct one_host h;
	struct stat st;
	umask(masks[_i]);
	one_host_begin(&h, SIM,
		       "--consumer_count 2 --end_time end --log_file agent.d --is_test true");
	one_host_expect_drained(&h, 2, 500);
	expect_modes(&h, "host.st", 0700, 0600);
	expect_modes(&h, "host.out", 0750, 0640);
	char *log = tmpdir_path(h.scenario.dir, "agent.d");
	ck_assert(stat(log, &st) == 0 && (st.st_mode & 07777) == 0600);
	free(log);
	one_host_end(&h);
}
END_TEST

START_TEST(worker_inherits_no_descriptor_but_those_of_the_handoff)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	int stray = memfd_create("lts-stray", 0);
	ck_assert_int_ge(stray, 0);
	one_host_begin(&h, SIM, "--consumer_count 2");
	until("both workers live", agent_workers(&h.agent, pids) == 2);
	until("they are at work", agent_said(&h.agent, "msg=\"shard held\"") >= 2);
	ck_assert_uint_eq(process_descriptors_of(h.agent.process.pid, "lts-stray"), 1);
	ck_assert_uint_eq(process_descriptors_of(pids[0], "lts-stray"), 0);
	ck_assert_uint_eq(process_descriptors_of(pids[0], "lts-board"), 1);
	ck_assert_uint_eq(process_descriptors_of(pids[0], "supervisor.lock"), 0);
	agent_stop(&h.agent);
	close(stray);
	one_host_end(&h);
}
END_TEST

/* The agent from a shell that closes its stdout. */
static void
start_without_stdout(struct one_host *h, struct process *process)
{
	struct words words = { .n = 0 };
	char *command = xstrdup("exec");
	for (size_t i = 0; i < h->agent.words.n; i++) {
		char *longer = xasprintf("%s '%s'", command, h->agent.words.list[i]);
		free(command);
		command = longer;
	}
	words_add(&words, "/bin/sh -c");
	words.list[words.n++] = xasprintf("%s >&-", command);
	process_start(process, &words,
		      &(struct process_files){ .dir = h->scenario.dir, .out_fd = -1 });
	words_fini(&words);
	free(command);
}

START_TEST(closed_stdout_is_no_sink)
{
	struct one_host h;
	struct process process;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM);
	agent_init(&h.agent, &h.sim, "host", "--sink stdout --end_time end");
	start_without_stdout(&h, &process);
	ck_assert_int_ne(process_wait(&process, "it ends"), 0);
	one_host_end(&h);
}
END_TEST

/* Else a lock or a log might have it, and what is printed with it. */
START_TEST(number_of_closed_stdout_is_not_used)
{
	struct one_host h;
	struct process process;
	char path[64], target[64] = "";
	pid_t pids[2];
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM);
	agent_init(&h.agent, &h.sim, "host", "--sink null --consumer_count 1");
	start_without_stdout(&h, &process);
	until("its worker lives", process_children(process.pid, "lts-worker", pids, 2) == 1);
	snprintf(path, sizeof(path), "/proc/%d/fd/1", process.pid);
	ck_assert_int_gt(readlink(path, target, sizeof(target) - 1), 0);
	ck_assert_str_eq(target, "/dev/null");
	process_signal(&process, SIGTERM);
	ck_assert_int_eq(process_wait(&process, "it ends"), 0);
	one_host_end(&h);
}
END_TEST

Suite *
suite_users(void)
{
	Suite *suite = suite_create("users");
	TCase *tc = scenario_case(suite, "users");
	tcase_add_test(tc, agent_started_as_root_becomes_its_user_and_drains);
	tcase_add_test(tc, user_that_is_not_there_is_refused_before_anything_is_made);
	tcase_add_test(tc, directory_of_root_is_not_given_away);
	tcase_add_test(tc, reset_by_a_user_without_rights_is_refused);
	tcase_add_loop_test(tc, root_follows_no_link_to_what_it_makes, 0, 3);
	tcase_add_loop_test(tc, check_config_judges_as_a_start_would_go, 0, 4);
	tcase_add_test(tc, agent_that_stays_root_says_so_once);
	tcase_add_loop_test(tc, files_have_their_modes_under_any_umask, 0, 4);
	tcase_add_test(tc, worker_inherits_no_descriptor_but_those_of_the_handoff);
	tcase_add_test(tc, closed_stdout_is_no_sink);
	tcase_add_test(tc, number_of_closed_stdout_is_not_used);
	return suite;
}
