/*
 * test_sim_options.c - holds tests/sim/sim_options.c and sim_target.c: what users and
 * clients write.
 */
#include <check.h>
#include <string.h>

#include "tests/sim/sim_options.h"
#include "tests/sim/sim_target.h"
#include "tests/suites.h"

static enum lts_err
load(struct sim_options *options, struct buf *error, const char *const *args)
{
	char *argv[16] = { NULL };
	int argc = 0;
	for (; args[argc]; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc];
	buf_init(error, 0);
	return sim_options_load(options, argc, argv, error);
}

START_TEST(options_have_defaults_and_both_spellings)
{
	struct sim_options options;
	struct buf error;
	static const char *const args[] = { "lts-sim",     "--shards",
					    "8",           "--record-bytes=300",
					    "--tls=off",   "--consumer_timeout",
					    "2.5",         "--fault",
					    "batch reset", "--fault=cursor stall",
					    "--sign-date", "full",
					    NULL };
	ck_assert_int_eq(load(&options, &error, args), LTS_OK);
	ck_assert_int_eq(options.shards, 8);
	ck_assert_int_eq(options.record_bytes, 300);
	ck_assert_int_eq(options.records, 10000);
	ck_assert_int_eq(options.tls, SIM_TLS_OFF);
	ck_assert_int_eq(options.consumer_timeout_ms, 2500);
	ck_assert_int_eq(options.sign_date, 1);
	ck_assert_str_eq(options.faults.data, "batch reset\ncursor stall\n");
	ck_assert_str_eq(options.consumer_group_name, "my-group");
	sim_options_fini(&options);
	buf_fini(&error);
}
END_TEST

START_TEST(wrong_options_are_named)
{
	static const char *const wrong[][4] = {
		{ "lts-sim", "--shards", "0" },
		{ "lts-sim", "--shards=x" },
		{ "lts-sim", "--shards" },
		{ "lts-sim", "--tls=maybe" },
		{ "lts-sim", "--shard", "1" },
		{ "lts-sim", "serve" },
		{ "lts-sim", "--port=65536" },
		{ "lts-sim", "--consumer_timeout=0" },
		{ "lts-sim", "--consumer_timeout=nan" },
		{ "lts-sim", "--help=1" },
		{ "lts-sim", "--" },
		{ "lts-sim", "--records", "1x" },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sim_options options;
		struct buf error;
		ck_assert_msg(load(&options, &error, wrong[i]) == LTS_INVALID, "%zu", i);
		const char *name = wrong[i][1];
		size_t len = strcspn(name, "=");
		ck_assert_msg(memmem(error.data, error.len, name, len) != NULL, "%s", error.data);
		sim_options_fini(&options);
		buf_fini(&error);
	}
}
END_TEST

#define BASE "/v2/p/groups/g/streams/s"

START_TEST(targets_are_routed_and_decoded)
{
	static const struct {
		const char *raw;
		enum sim_route route;
	} cases[] = {
		{ BASE "/consumer-groups/c/heartbeat?consumer_name=n", SIM_ROUTE_HEARTBEAT },
		{ BASE "/consumer-groups/c?shard_id=", SIM_ROUTE_CHECKPOINTS },
		{ BASE "/shards/0/cursor?from=1", SIM_ROUTE_CURSOR },
		{ BASE "/shards/0?limit=10&start=1", SIM_ROUTE_BATCH },
		{ "/v3/p/lts/groups/g/streams/s/logs", SIM_ROUTE_INGEST_V3 },
		{ "/v2/internal/p/lts/groups/g/streams/s/tenant/batch-contents",
		  SIM_ROUTE_INGEST_RAW },
		{ "/sim/status", SIM_ROUTE_CONTROL },
		{ BASE "/shards/0/", SIM_ROUTE_NONE },
		{ BASE "/shards", SIM_ROUTE_NONE },
		{ "/", SIM_ROUTE_NONE },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sim_target target;
		ck_assert_msg(sim_target_parse(&target, cases[i].raw) == LTS_OK, "%s",
			      cases[i].raw);
		ck_assert_msg(target.route == cases[i].route, "%s", cases[i].raw);
		sim_target_fini(&target);
	}
	struct sim_target target;
	ck_assert_int_eq(sim_target_parse(&target, BASE "/shards/a%2Fb?x=1%2B+2&y&=z&x=3"),
			 LTS_OK);
	ck_assert_str_eq(target.shard, "a/b");
	ck_assert_str_eq(target.group, "g");
	ck_assert_str_eq(sim_target_query(&target, "x"), "1+ 2");
	ck_assert_str_eq(sim_target_query(&target, "y"), "");
	ck_assert_ptr_null(sim_target_query(&target, "z"));
	sim_target_fini(&target);
}
END_TEST

START_TEST(malformed_targets_are_refused)
{
	static const char *const wrong[] = { "",
					     "x",
					     "*",
					     "/a%",
					     "/a%2",
					     "/a%zz",
					     "/%00",
					     "/a?b=%",
					     "/a?1&2&3&4&5&6&7&8&9",
					     "/1/2/3/4/5/6/7/8/9/10/11/12/13" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sim_target target;
		ck_assert_msg(sim_target_parse(&target, wrong[i]) == LTS_INVALID, "%s", wrong[i]);
		sim_target_fini(&target);
	}
}
END_TEST

Suite *
suite_sim_options(void)
{
	Suite *suite = suite_create("sim_options");
	TCase *tcase = tcase_create("sim_options");
	tcase_add_test(tcase, options_have_defaults_and_both_spellings);
	tcase_add_test(tcase, wrong_options_are_named);
	tcase_add_test(tcase, targets_are_routed_and_decoded);
	tcase_add_test(tcase, malformed_targets_are_refused);
	suite_add_tcase(suite, tcase);
	return suite;
}
