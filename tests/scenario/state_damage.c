/*
 * state_damage.c - a state_dir that is damaged, cut, removed, replaced, copied or put back.
 *
 * Real programs against lts-sim. Holds the agent to never going on from a wrong cursor,
 * never being two writers or one member twice, never cutting what was delivered, and to
 * naming the ways out.
 */
#include "tests/suites.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/pack.h"
#include "common/xalloc.h"
#include "state/identity.h"
#include "tests/support/another_machine.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

enum { SHARDS = 4, RECORDS = 4000 };

#define SIM_OPTIONS "--tls off --shards 4 --records 4000 --consumer_timeout 3"
#define AGENT_OPTIONS                                                 \
	"--consumer_count 2 --end_time end --consume_batch_size 100 " \
	"--checkpoint_interval 50ms --publish_interval 200ms "

/* Some of it is delivered and committed. */
static void
begin_halfway(struct one_host *h, const char *more)
{
	char *options = xasprintf("%s%s", AGENT_OPTIONS, more);
	one_host_begin(h, SIM_OPTIONS, options);
	sim_faults(&h->sim, "batch latency=20");
	until("some of every shard is committed",
	      agent_committed(&h->agent) > 2000 &&
		      agent_said(&h->agent, "msg=\"shard held\"") >= SHARDS);
	free(options);
}

/* All at once, lest the workers drain. */
static void
kill_everything(struct one_host *h)
{
	pid_t pids[AGENT_WORKERS_MAX];
	process_signal(&h->agent.process, SIGSTOP);
	size_t n = agent_workers(&h->agent, pids);
	for (size_t i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	process_kill(&h->agent.process);
	until("its workers are gone", process_sweep(h->scenario.dir, 0) == 1);
}

/* Nothing twice, torn or out of order, whatever else. */
static struct verdict
expect_nothing_wrong(const struct one_host *h)
{
	struct verdict v = scenario_verify(&h->scenario, "--shards 4 --records 4000 host.out");
	ck_assert_uint_eq(v.duplicated, 0);
	ck_assert_uint_eq(v.reordered, 0);
	ck_assert_uint_eq(v.torn, 0);
	return v;
}

static void
flip_bytes(const struct one_host *h, uint64_t seed, unsigned n)
{
	struct stat st;
	unsigned char byte;
	char *path = tmpdir_path(h->scenario.dir, "host.st/data.mdb");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fstat(fd, &st), 0);
	for (unsigned i = 0; i < n; i++) {
		off_t at = scenario_draw(&seed, (unsigned)st.st_size);
		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte = (unsigned char)(byte ^ (1 + scenario_draw(&seed, 255)));
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
	free(path);
}

static bool
is_loud(const struct one_host *h)
{
	return agent_said(&h->agent, "damaged") + agent_said(&h->agent, "shard stopped") +
		       agent_said(&h->agent, "state_dir was changed") +
		       agent_said(&h->agent, "signal=") >
	       0;
}

static void
end_damaged(struct one_host *h)
{
	until("it is done, or says that something is wrong and goes on",
	      process_has_ended(&h->agent.process) ||
		      (is_loud(h) && !agent_said(&h->agent, "cannot start") &&
		       !agent_said(&h->agent, "out at once")));
	if (!process_has_ended(&h->agent.process)) {
		process_signal(&h->agent.process, SIGTERM);
		until("it ends", process_has_ended(&h->agent.process));
	}
	ck_assert(WIFEXITED(h->agent.process.status));
	int code = WEXITSTATUS(h->agent.process.status);
	struct verdict v = expect_nothing_wrong(h);
	if (code == 0 && !is_loud(h))
		ck_assert_uint_eq(v.lost, 0);
	if (code == 6)
		ck_assert_uint_ge(agent_said(&h->agent, "the checkpoints at the service"), 1);
	one_host_end(h);
}

START_TEST(flipped_bytes_in_a_stopped_state_never_make_a_wrong_cursor)
{
	struct one_host h;
	begin_halfway(&h, "");
	kill_everything(&h);
	flip_bytes(&h, scenario_seed(800 + (unsigned)_i), _i % 2 ? 400 : 4);
	agent_start(&h.agent);
	sim_faults(&h.sim, "");
	end_damaged(&h);
}
END_TEST

START_TEST(flipped_bytes_under_a_running_agent_never_make_a_wrong_cursor)
{
	struct one_host h;
	begin_halfway(&h, "");
	flip_bytes(&h, scenario_seed(900 + (unsigned)_i), _i % 2 ? 400 : 4);
	end_damaged(&h);
}
END_TEST

START_TEST(state_cut_while_stopped_is_refused_with_the_ways_out)
{
	struct one_host h;
	begin_halfway(&h, "");
	agent_stop(&h.agent);
	one_host_command(&h, "/usr/bin/truncate -s 9000 %s", "host.st/data.mdb");
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 6);
	ck_assert_uint_eq(agent_said(&h.agent, "\n"), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "lts-state --state_dir"), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "the checkpoints at the service"), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "rebuild sets it aside"), 1);
	one_host_command(&h, "/bin/mv %s away", "host.st");
	sim_faults(&h.sim, "");
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	scenario_expect_exact(&h.scenario, SHARDS, RECORDS, "host.out");
	one_host_end(&h);
}
END_TEST

START_TEST(state_cut_under_a_running_agent_ends_it_loudly)
{
	struct one_host h;
	begin_halfway(&h, "");
	one_host_command(&h, "/usr/bin/truncate -s 9000 %s", "host.st/data.mdb");
	until("it ends", process_has_ended(&h.agent.process));
	ck_assert_int_eq(agent_wait(&h.agent), 6);
	ck_assert_uint_ge(agent_said(&h.agent, "the checkpoints at the service"), 1);
	expect_nothing_wrong(&h);
	one_host_end(&h);
}
END_TEST

static const char *const lock_files[] = { "lock.mdb", "supervisor.lock", "generation.lock" };

START_TEST(removed_lock_file_ends_the_agent_and_the_next_start_goes_on)
{
	struct one_host h;
	char *name = xasprintf("host.st/%s", lock_files[_i]);
	begin_halfway(&h, "");
	one_host_command(&h, "/bin/rm %s", name);
	ck_assert_int_eq(agent_wait(&h.agent), 6);
	ck_assert_uint_eq(agent_said(&h.agent, "state_dir was changed under us"), 1);
	agent_start(&h.agent);
	one_host_expect_drained(&h, SHARDS, RECORDS);
	one_host_end(&h);
	free(name);
}
END_TEST

START_TEST(replaced_state_ends_the_agent_and_the_next_start_goes_on_from_what_is_there)
{
	struct one_host h;
	begin_halfway(&h, "");
	one_host_command(&h, "/bin/cp %s copy", "host.st/data.mdb");
	one_host_command(&h, "/bin/mv copy %s", "host.st/data.mdb");
	ck_assert_int_eq(agent_wait(&h.agent), 6);
	ck_assert_uint_eq(agent_said(&h.agent, "state_dir was changed under us"), 1);
	agent_start(&h.agent);
	/* The copy was made while it was written. */
	end_damaged(&h);
}
END_TEST

START_TEST(state_put_back_from_a_backup_cuts_no_file_that_was_delivered)
{
	struct one_host h;
	begin_halfway(&h, "--rotate_bytes 100KiB");
	agent_stop(&h.agent);
	one_host_command(&h, "/bin/cp -a %s backup", "host.st");
	agent_start(&h.agent);
	double stood = agent_committed(&h.agent);
	until("more is delivered", agent_committed(&h.agent) > stood + 4000);
	agent_stop(&h.agent);
	one_host_command(&h, "/bin/cp -a %s before", "host.out");
	one_host_command(&h, "/bin/mv %s newest", "host.st");
	one_host_command(&h, "/bin/mv backup %s", "host.st");
	sim_faults(&h.sim, "");
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "a sealed file is newer than the checkpoint"), 1);
	one_host_expect_kept(&h, "before",
			     "host.out"); /* a shard that stood still goes on in new files */
	expect_nothing_wrong(&h);
	one_host_end(&h);
}
END_TEST

START_TEST(backup_of_a_state_whose_files_are_still_open_goes_on_from_there)
{
	struct one_host h;
	begin_halfway(&h, "--consumer_count 1"); /* a shard that moves is sealed */
	kill_everything(&h);
	one_host_command(&h, "/bin/cp -a %s backup", "host.st");
	agent_start(&h.agent);
	double stood = agent_committed(&h.agent);
	until("more is delivered", agent_committed(&h.agent) > stood + 4000);
	kill_everything(&h);
	one_host_command(&h, "/bin/mv %s newest", "host.st");
	one_host_command(&h, "/bin/mv backup %s", "host.st");
	sim_faults(&h.sim, "");
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	scenario_expect_exact(&h.scenario, SHARDS, RECORDS, "host.out");
	one_host_end(&h);
}
END_TEST

/* What the supervisor of a later version leaves in the identity. */
static void
make_newer(const struct one_host *h)
{
	struct store *store;
	struct store_txn txn = { 0 };
	struct identity_record identity;
	struct schema_value value;
	char *dir = tmpdir_path(h->scenario.dir, "host.st");
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &store), LTS_OK);
	free(dir);
	ck_assert_int_eq(store_write_begin(store, &txn), LTS_OK);
	ck_assert_int_eq(identity_read(&txn, &identity), LTS_OK);
	identity_encode(&identity, &value);
	value.data[0] = SCHEMA_VERSION + 1;
	struct packer p = { .data = value.data, .cap = value.len, .len = value.len - 4 };
	pack_crc(&p);
	ck_assert_int_eq(store_put(&txn, STORE_META, (struct store_key){ "identity", 8 }, &value),
			 LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	store_close(&store);
}

START_TEST(state_of_a_newer_version_is_refused_and_left_as_it_is)
{
	struct one_host h;
	begin_halfway(&h, "");
	agent_stop(&h.agent);
	make_newer(&h);
	one_host_command(&h, "/bin/cp %s before", "host.st/data.mdb");
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 2);
	ck_assert_uint_eq(agent_said(&h.agent, "\n"), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "belongs to a newer version of lts-consumer"), 1);
	one_host_command(&h, "/usr/bin/cmp %s before", "host.st/data.mdb");
	one_host_end(&h);
}
END_TEST

START_TEST(state_copied_to_another_machine_is_refused_and_with_none_it_goes_on)
{
	struct one_host h;
	begin_halfway(&h, "");
	agent_stop(&h.agent);
	if (become_another_machine(h.scenario.dir, (enum machine_sign)_i)) {
		agent_start(&h.agent);
		ck_assert_int_eq(agent_wait(&h.agent), 2);
		ck_assert_uint_eq(agent_said(&h.agent, "\n"), 1);
		ck_assert_uint_eq(agent_said(&h.agent, "the same consumer twice"), 1);
		one_host_command(&h, "/bin/mv %s away", "host.st");
		sim_faults(&h.sim, "");
		agent_start(&h.agent);
		ck_assert_int_eq(agent_wait(&h.agent), 0);
		scenario_expect_exact(&h.scenario, SHARDS, RECORDS, "host.out");
	} else {
		scenario_skip("another machine may not be played");
	}
	one_host_end(&h);
}
END_TEST

Suite *
suite_state_damage(void)
{
	Suite *suite = suite_create("state_damage");
	TCase *tc = scenario_case(suite, "state_damage");
	/* What LMDB does to memory on its way is found by what guards the reading, and would be
	 * reported by a sanitizer: these are for the programs as they are shipped. */
	if (PATIENCE_SLOWNESS == 1) {
		tcase_add_loop_test(
			tc, flipped_bytes_in_a_stopped_state_never_make_a_wrong_cursor, 0, 6);
		tcase_add_loop_test(
			tc, flipped_bytes_under_a_running_agent_never_make_a_wrong_cursor, 0, 6);
	}
	tcase_add_test(tc, state_cut_while_stopped_is_refused_with_the_ways_out);
	tcase_add_test(tc, state_cut_under_a_running_agent_ends_it_loudly);
	tcase_add_loop_test(tc, removed_lock_file_ends_the_agent_and_the_next_start_goes_on, 0,
			    3);
	tcase_add_test(
		tc, replaced_state_ends_the_agent_and_the_next_start_goes_on_from_what_is_there);
	tcase_add_test(tc, state_put_back_from_a_backup_cuts_no_file_that_was_delivered);
	tcase_add_test(tc, backup_of_a_state_whose_files_are_still_open_goes_on_from_there);
	tcase_add_test(tc, state_of_a_newer_version_is_refused_and_left_as_it_is);
	tcase_add_loop_test(
		tc, state_copied_to_another_machine_is_refused_and_with_none_it_goes_on, 0, 2);
	return suite;
}
