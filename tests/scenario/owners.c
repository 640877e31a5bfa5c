/*
 * owners.c - a state that finds itself on another machine, under another name, or copied.
 *
 * Real programs against lts-sim. Holds the option `identity`, lts-state adopt, restore and rebuild
 * to going on there, and every copy to being another member of the group: nothing is lost, and
 * nothing comes twice.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "state/identity.h"
#include "tests/support/another_machine.h"
#include "tests/support/json_path.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

enum { SHARDS = 4, STEP = 500 };

#define AGENT                                                             \
	"--consumer_count 2 --consume_batch_size 100 --rotate_bytes 100KiB " \
	"--checkpoint_interval 50ms --publish_interval 200ms "

struct bed {
	struct one_host host;
	unsigned made; /* records of each shard so far */
	char *instance;
};

static char *
instance_of(const struct agent *agent)
{
	cJSON *state = agent_state(agent);
	char *instance = xstrdup(json_path_text(state, "meta/identity/instance"));
	cJSON_Delete(state);
	return instance;
}

static void
produce(struct bed *b)
{
	sim_post(&b->host.sim, "/sim/produce?records=500");
	b->made += STEP;
}

/* Some is delivered by the first owner, who then has ended. */
static void
begin(struct bed *b, const char *identity)
{
	char *options = xasprintf("%s%s", AGENT, identity);
	*b = (struct bed){ .made = 0 };
	one_host_begin(&b->host, "--tls off --shards 4 --records 0 --consumer_timeout 3", options);
	free(options);
	until("the group is settled", sim_is_settled(&b->host.sim, 2));
	produce(b);
	until("all is committed", agent_committed(&b->host.agent) == SHARDS * b->made);
	b->instance = instance_of(&b->host.agent);
	agent_stop(&b->host.agent);
}

static void
end(struct bed *b)
{
	free(b->instance);
	one_host_end(&b->host);
}

static bool
become_another(const struct bed *b)
{
	const char *dir = b->host.scenario.dir;
	if (become_another_machine(dir, MACHINE_NAME) && become_another_machine(dir, MACHINE_ID))
		return true;
	scenario_skip("another machine may not be played");
	return false;
}

static void
state_command(const struct bed *b, int code, const char *words)
{
	struct words argv = { .n = 0 };
	words_add(&argv, "lts-state --state_dir host.st %s", words);
	ck_assert_int_eq(scenario_run(&b->host.scenario, &argv, NULL), code);
	words_fini(&argv);
}

/* More, in those directories: each record once. */
static void
expect_exact(struct bed *b, const char *dirs)
{
	scenario_expect_exact(&b->host.scenario, SHARDS, b->made, dirs);
}

static void
goes_on(struct bed *b, bool as_the_same)
{
	produce(b);
	agent_start(&b->host.agent);
	until("the rest is delivered",
	      scenario_lines(&b->host.scenario, "host.out") >= (size_t)SHARDS * b->made);
	char *instance = instance_of(&b->host.agent);
	ck_assert_int_eq(strcmp(instance, b->instance) == 0, as_the_same);
	free(instance);
	agent_stop(&b->host.agent);
	expect_exact(b, "host.out");
	agent_expect_sound(&b->host.agent, &b->host.sim);
}

static void
expect_refused(struct bed *b)
{
	agent_start(&b->host.agent);
	ck_assert_int_eq(agent_wait(&b->host.agent), 2);
	ck_assert_uint_eq(agent_said(&b->host.agent, "\n"), 1);
	ck_assert_uint_eq(agent_said(&b->host.agent, "`lts-state adopt`"), 1);
}

START_TEST(state_of_another_owner_is_refused_and_goes_on_once_it_is_adopted)
{
	struct bed b;
	begin(&b, "");
	if (become_another(&b)) {
		expect_refused(&b);
		state_command(&b, 0, "adopt");
		goes_on(&b, false);
	}
	end(&b);
}
END_TEST

START_TEST(adopting_needs_a_stopped_agent)
{
	struct bed b;
	begin(&b, "");
	agent_start(&b.host.agent);
	until("it is at work", agent_said(&b.host.agent, "state=LIVE") >= 2);
	state_command(&b, 3, "adopt");
	agent_stop(&b.host.agent);
	goes_on(&b, true);
	end(&b);
}
END_TEST

START_TEST(named_state_goes_on_wherever_it_runs_as_the_same_member)
{
	struct bed b;
	begin(&b, "--identity pod-0");
	if (become_another(&b))
		goes_on(&b, true);
	end(&b);
}
END_TEST

static void
run_beside_a_copy(struct bed *b)
{
	struct agent copy;
	agent_init(&copy, &b->host.sim, "copy", AGENT "--identity pod-0");
	agent_start(&copy);
	until("they share the shards", sim_is_settled(&b->host.sim, 4));
	char *instance = instance_of(&copy);
	ck_assert_str_ne(instance, b->instance);
	free(instance);
	produce(b);
	until("all is delivered", scenario_lines(&b->host.scenario, "host.out") +
						  scenario_lines(&b->host.scenario, "copy.out") >=
					  (size_t)SHARDS * b->made);
	agent_stop(&copy);
	agent_fini(&copy);
}

START_TEST(copy_of_a_named_state_is_another_member_beside_its_owner)
{
	struct bed b;
	begin(&b, "--identity pod-0");
	one_host_command(&b.host, "/bin/cp -a %s copy.st", "host.st");
	agent_start(&b.host.agent);
	/* The service may still count what it was before it ended. */
	until("the owner is there again", agent_said(&b.host.agent, "state=LIVE") >= 2);
	until("the group is settled", sim_is_settled(&b.host.sim, 2));
	bool played = become_another(&b);
	if (played)
		run_beside_a_copy(&b);
	agent_stop(&b.host.agent);
	if (played)
		expect_exact(&b, "host.out copy.out");
	end(&b);
}
END_TEST

START_TEST(backup_goes_on_on_another_host)
{
	struct bed b;
	begin(&b, "");
	state_command(&b, 0, "backup bak");
	if (become_another(&b)) {
		one_host_command(&b.host, "/bin/rm -r %s", "host.st");
		state_command(&b, 0, "restore bak");
		goes_on(&b, false);
	}
	end(&b);
}
END_TEST

START_TEST(state_rebuilt_on_another_host_goes_on_there)
{
	struct bed b;
	begin(&b, "");
	if (become_another(&b)) {
		state_command(&b, 0, "rebuild --force");
		goes_on(&b, false);
	}
	end(&b);
}
END_TEST

/* As an agent of before has left it. */
static void
give_names_of_before(const struct bed *b)
{
	struct store *store;
	struct store_txn txn = { 0 };
	struct identity_record identity;
	char *dir = tmpdir_path(b->host.scenario.dir, "host.st");
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &store), LTS_OK);
	ck_assert_int_eq(store_write_begin(store, &txn), LTS_OK);
	ck_assert_int_eq(identity_read(&txn, &identity), LTS_OK);
	identity.plain_names = true;
	ck_assert_int_eq(identity_put(&txn, &identity), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	store_close(&store);
	free(dir);
}

/* Of the first worker. */
static void
expect_name(const struct bed *b, bool plain)
{
	cJSON *state = agent_state(&b->host.agent);
	const char *consumer = json_path_text(state, "workers/0/consumer");
	char *name = xasprintf("-%s-0", b->instance);
	ck_assert_str_eq(json_path_text(state, "meta/identity/instance"), b->instance);
	ck_assert_msg((strstr(consumer, name) != NULL) == plain, "%s", consumer);
	ck_assert(plain || strlen(consumer) == 36);
	free(name);
	cJSON_Delete(state);
}

START_TEST(state_of_before_is_the_same_member_at_once_and_has_uuids_once_it_was_missed)
{
	struct bed b;
	begin(&b, "");
	give_names_of_before(&b);
	goes_on(&b, true); /* has joined under its names of before */
	expect_name(&b, true);
	agent_start(&b.host.agent);
	until("it is at work", agent_said(&b.host.agent, "msg=\"shard held\"") >= SHARDS);
	ck_assert_msg(sim_is_settled(&b.host.sim, 2), "somebody had to be missed");
	expect_name(&b, true);
	agent_stop(&b.host.agent);
	for (size_t i = 0; i < 3; i++)
		one_host_command(&b.host, "/usr/bin/touch -d yesterday %s",
				 ((const char *const[]){ "host.st/data.mdb",
							 "host.st/generation.lock",
							 "host.st/supervisor.lock" })[i]);
	goes_on(&b, true);
	expect_name(&b, false);
	end(&b);
}
END_TEST

START_TEST(service_that_takes_uuids_only_is_joined_and_from_before_too)
{
	struct bed b;
	begin(&b, "");
	if (_i)
		give_names_of_before(&b);
	sim_faults(&b.host.sim, "heartbeat consumer=!uuid status=400\n"
				"checkpoint_write consumer=!uuid status=400");
	goes_on(&b, true);
	ck_assert_uint_eq(agent_said(&b.host.agent, "joins under another"), _i ? 2 : 0);
	end(&b);
}
END_TEST

Suite *
suite_owners(void)
{
	Suite *suite = suite_create("owners");
	TCase *tc = scenario_case(suite, "owners");
	tcase_add_test(tc, state_of_another_owner_is_refused_and_goes_on_once_it_is_adopted);
	tcase_add_test(tc, adopting_needs_a_stopped_agent);
	tcase_add_test(tc, named_state_goes_on_wherever_it_runs_as_the_same_member);
	tcase_add_test(tc, copy_of_a_named_state_is_another_member_beside_its_owner);
	tcase_add_test(tc, backup_goes_on_on_another_host);
	tcase_add_test(tc, state_rebuilt_on_another_host_goes_on_there);
	tcase_add_test(
		tc, state_of_before_is_the_same_member_at_once_and_has_uuids_once_it_was_missed);
	tcase_add_loop_test(tc, service_that_takes_uuids_only_is_joined_and_from_before_too, 0,
			    2);
	suite_add_tcase(suite, tc);
	return suite;
}
