/*
 * old_kernels.c - system calls that an older kernel or a container's profile refuses.
 *
 * Real programs against lts-sim, under a filter of system calls. Holds the agent to doing
 * without: it drains, starts killed workers again, seals its files and goes on after a restart.
 */
#include "tests/suites.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>

#include "tests/support/one_host.h"

enum { SHARDS = 4, RECORDS = 4000 };

/* For the test and what it starts from now on. */
static void
refuse(const char *call, int why)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int number = seccomp_syscall_resolve_name(call);
	ck_assert_int_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)why), number, 0), 0);
	ck_assert_int_eq(seccomp_load(filter), 0);
	seccomp_release(filter);
}

static const struct {
	const char *calls[3];
	int why;
} refused[] = {
	{ { "close_range" }, EPERM },
	{ { "close_range" }, ENOSYS },
	{ { "renameat2" }, EINVAL },
	{ { "renameat2", "linkat" }, EPERM },
	{ { "pidfd_open", "pidfd_send_signal" }, ENOSYS },
	{ { "pidfd_open", "close_range", "renameat2" }, EPERM },
};

START_TEST(agent_does_without_what_is_refused)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	double served = 0;
	for (int i = 0; i < 3 && refused[_i].calls[i]; i++)
		refuse(refused[_i].calls[i], refused[_i].why);
	one_host_begin(&h, "--tls off --shards 4 --records 4000 --consumer_timeout 3",
		       "--consumer_count 2 --end_time end --consume_batch_size 100 "
		       "--rotate_bytes 100KiB --checkpoint_interval 50ms");
	sim_faults(&h.sim, "batch latency=10");
	one_host_await_served(&h, 3000, &served);
	until("a worker lives", agent_workers(&h.agent, pids) > 0);
	kill(pids[0], SIGKILL);
	one_host_await_served(&h, 2000, &served);
	process_kill(&h.agent.process);
	agent_start(&h.agent);
	one_host_expect_drained(&h, SHARDS, RECORDS);
	one_host_end(&h);
}
END_TEST

START_TEST(file_system_without_locks_is_named)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 1 --records 100", "--end_time end");
	one_host_expect_drained(&h, 1, 100);
	refuse("flock", ENOLCK);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "gives no locks (flock: "), 1);
	one_host_end(&h);
}
END_TEST

Suite *
suite_old_kernels(void)
{
	Suite *suite = suite_create("old_kernels");
	TCase *tc = scenario_case(suite, "old_kernels");
	tcase_add_loop_test(tc, agent_does_without_what_is_refused, 0,
			    sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tc, file_system_without_locks_is_named);
	suite_add_tcase(suite, tc);
	return suite;
}
