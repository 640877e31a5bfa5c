/*
 * test_identity.c - holds state/identity.c to what its header says.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/state_env.h"
#include "tests/support/tmpdir.h"
#include "tests/suites.h"

static struct state_env env;
static struct buf why;

static void
setup(void)
{
	state_env_init(&env);
	buf_init(&why, 0);
}

static void
teardown(void)
{
	buf_fini(&why);
	state_env_fini(&env);
}

static enum lts_err
claim(const struct identity_record *mine, struct identity_record *out)
{
	buf_clear(&why);
	return identity_claim(env.store, mine, out, &why);
}

static enum lts_err
read_back(struct identity_record *out)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	enum lts_err err = identity_read(&txn, out);
	store_abort(&txn);
	return err;
}

START_TEST(new_environment_has_no_identity)
{
	struct identity_record identity;
	ck_assert_int_eq(read_back(&identity), LTS_NOTFOUND);
}
END_TEST

START_TEST(first_claim_writes_the_identity)
{
	struct identity_record mine = identity_of_test(), out, stored;
	ck_assert_int_eq(claim(&mine, &out), LTS_OK);
	ck_assert_uint_eq(out.boot_count, 1);
	ck_assert_int_eq(read_back(&stored), LTS_OK);
	ck_assert_str_eq(stored.project_id, "project");
	ck_assert_str_eq(stored.group_id, "group");
	ck_assert_str_eq(stored.stream_id, "stream");
	ck_assert_str_eq(stored.consumer_group, "readers");
	ck_assert_str_eq(stored.host, "host");
	ck_assert_str_eq(stored.machine_id, mine.machine_id);
	ck_assert_str_eq(stored.instance, "a1b2c3");
	ck_assert_uint_eq(stored.boot_count, 1);
	ck_assert_int_eq(stored.created_ns, mine.created_ns);
}
END_TEST

START_TEST(every_claim_counts_and_keeps_the_first_instance)
{
	struct identity_record mine = identity_of_test(), out;
	for (uint32_t start = 1; start <= 5; start++) {
		snprintf(mine.instance, sizeof(mine.instance), "fresh%u", start);
		mine.created_ns++;
		ck_assert_int_eq(claim(&mine, &out), LTS_OK);
		ck_assert_uint_eq(out.boot_count, start);
		ck_assert_str_eq(out.instance, "fresh1");
		ck_assert_int_eq(out.created_ns, identity_of_test().created_ns + 1);
		store_close(&env.store);
		ck_assert_int_eq(store_open(env.dir, STORE_CREATE, &env.store), LTS_OK);
	}
}
END_TEST

/* Which field differs, and a word of the way out that must be named. */
static const struct {
	const char *name;
	size_t offset;
	const char *way_out;
} fields[] = {
	{ "project_id", offsetof(struct identity_record, project_id), "state_dir of its own" },
	{ "group_id", offsetof(struct identity_record, group_id), "state_dir of its own" },
	{ "stream_id", offsetof(struct identity_record, stream_id), "state_dir of its own" },
	{ "consumer_group_name", offsetof(struct identity_record, consumer_group),
	  "state_dir of its own" },
	{ "host", offsetof(struct identity_record, host), "empty state_dir here" },
	{ "machine-id", offsetof(struct identity_record, machine_id), "empty state_dir here" },
};

START_TEST(claim_for_another_stream_or_machine_is_refused_and_says_why)
{
	struct identity_record mine = identity_of_test(), out = { .boot_count = 99 }, stored;
	ck_assert_int_eq(claim(&mine, &out), LTS_OK);
	((char *)&mine)[fields[_i].offset] = 'X';
	out.boot_count = 99;
	ck_assert_int_eq(claim(&mine, &out), LTS_INVALID);
	ck_assert_uint_eq(out.boot_count, 99); /* untouched */
	ck_assert_ptr_nonnull(strstr(why.data, fields[_i].name));
	ck_assert_ptr_nonnull(strstr(why.data, fields[_i].way_out));
	ck_assert_ptr_null(strchr(why.data, '\n'));
	ck_assert_int_eq(read_back(&stored), LTS_OK);
	ck_assert_uint_eq(stored.boot_count, 1); /* not counted */
}
END_TEST

START_TEST(refusal_names_both_values_of_all_that_differs)
{
	struct identity_record mine = identity_of_test(), out;
	ck_assert_int_eq(claim(&mine, &out), LTS_OK);
	snprintf(mine.stream_id, sizeof(mine.stream_id), "other-stream");
	snprintf(mine.host, sizeof(mine.host), "other-host");
	ck_assert_int_eq(claim(&mine, &out), LTS_INVALID);
	ck_assert_ptr_nonnull(strstr(why.data, "'stream' (not 'other-stream')"));
	ck_assert_ptr_nonnull(strstr(why.data, "'host' (not 'other-host')"));
}
END_TEST

START_TEST(damaged_identity_is_bad_data_and_not_replaced)
{
	struct identity_record mine = identity_of_test(), out;
	struct schema_value value;
	struct store_txn txn = { 0 };
	identity_encode(&mine, &value);
	value.data[20] ^= 1;
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, STORE_META, (struct store_key){ "identity", 8 }, &value),
			 LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	ck_assert_int_eq(claim(&mine, &out), LTS_BADDATA);
	ck_assert_int_eq(read_back(&out), LTS_BADDATA);
}
END_TEST

START_TEST(consumer_names_are_host_instance_index)
{
	struct identity_record identity = identity_of_test();
	ck_assert_str_eq(identity_consumer_name(&identity, 0).text, "host-a1b2c3-0");
	ck_assert_str_eq(identity_consumer_name(&identity, 255).text, "host-a1b2c3-255");
}
END_TEST

START_TEST(longest_consumer_name_is_not_cut)
{
	struct identity_record identity = identity_of_test();
	memset(identity.host, 'h', sizeof(identity.host) - 1);
	memset(identity.instance, 'i', sizeof(identity.instance) - 1);
	struct consumer_name name = identity_consumer_name(&identity, UINT32_MAX);
	ck_assert_ptr_nonnull(strstr(name.text, "i-4294967295"));
	ck_assert(identity_owns_name(&identity, &name));
}
END_TEST

START_TEST(own_names_are_owned)
{
	struct identity_record identity = identity_of_test();
	for (uint32_t index = 0; index < 300; index++) {
		struct consumer_name name = identity_consumer_name(&identity, index);
		ck_assert(identity_owns_name(&identity, &name));
	}
}
END_TEST

START_TEST(names_that_only_begin_alike_are_not_owned)
{
	static const char *const names[] = {
		"",
		"host",
		"host-a1b2c3",
		"host-a1b2c3-",
		"host-a1b2c3-x",
		"host-a1b2c3-0x",
		"host-a1b2c3--1",
		"host-a1b2c3-0-d4e5f6-0", /* of a host that is called host-a1b2c3-0 */
		"host-a1b2c34-0",
		"host-a1b2c-0",
		"host2-a1b2c3-0",
		"hos-a1b2c3-0",
		"HOST-a1b2c3-0",
		"xhost-a1b2c3-0",
	};
	struct identity_record identity = identity_of_test();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct consumer_name name = { 0 };
		snprintf(name.text, sizeof(name.text), "%s", names[i]);
		ck_assert_msg(!identity_owns_name(&identity, &name), "%s", names[i]);
	}
}
END_TEST

START_TEST(start_is_kept_from_the_first_take_that_needs_it)
{
	struct store_txn txn = { 0 };
	int64_t start_ns = 7;
	struct lease_take take = take_of("0", epoch_of(1, 1));
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK); /* start_ns 0: none */
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(identity_read_start(&txn, &start_ns), LTS_NOTFOUND);
	ck_assert_int_eq(start_ns, 7);
	store_abort(&txn);
	for (uint32_t i = 0; i < 2; i++) {
		take = take_of(i ? "2" : "1", epoch_of(1, 2 + i));
		take.start_ns = 1000 + i; /* the second comes too late */
		ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	}
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(identity_read_start(&txn, &start_ns), LTS_OK);
	ck_assert_int_eq(start_ns, 1000);
	store_abort(&txn);
}
END_TEST

Suite *
suite_identity(void)
{
	Suite *suite = suite_create("identity");
	TCase *tc = tcase_create("identity");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, new_environment_has_no_identity);
	tcase_add_test(tc, first_claim_writes_the_identity);
	tcase_add_test(tc, every_claim_counts_and_keeps_the_first_instance);
	tcase_add_loop_test(tc, claim_for_another_stream_or_machine_is_refused_and_says_why, 0,
			    sizeof(fields) / sizeof(fields[0]));
	tcase_add_test(tc, refusal_names_both_values_of_all_that_differs);
	tcase_add_test(tc, damaged_identity_is_bad_data_and_not_replaced);
	tcase_add_test(tc, consumer_names_are_host_instance_index);
	tcase_add_test(tc, longest_consumer_name_is_not_cut);
	tcase_add_test(tc, own_names_are_owned);
	tcase_add_test(tc, names_that_only_begin_alike_are_not_owned);
	tcase_add_test(tc, start_is_kept_from_the_first_take_that_needs_it);
	suite_add_tcase(suite, tc);
	return suite;
}
