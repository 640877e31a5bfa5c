/*
 * test_identity.c - holds state/identity.c to what its header says.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/checkpoint.h"
#include "state/lease.h"
#include "state/renew.h"
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
	return identity_claim(env.store, mine, false, out, &why);
}

/* With the option `identity`. */
static enum lts_err
claim_named(const struct identity_record *mine, struct identity_record *out)
{
	buf_clear(&why);
	return identity_claim(env.store, mine, true, out, &why);
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
	{ "identity", offsetof(struct identity_record, host), "option identity=host " },
	{ "identity", offsetof(struct identity_record, host), "`lts-state adopt`" },
	{ "machine-id", offsetof(struct identity_record, machine_id), "option identity=host " },
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

static const char other_machine[] = "00112233445566778899aabbccddeeff";

static void
put_shard(void)
{
	struct lease_take take = take_of("7", epoch_of(1, 1));
	struct checkpoint_record record;
	struct store_txn txn = { 0 };
	take.start = cursor_of("500");
	ck_assert_int_eq(state_env_take(&env, &take, NULL), LTS_OK);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(checkpoint_read(&txn, &take.shard, &record), LTS_OK);
	record.position = (struct sink_position){ 3, 4096 };
	ck_assert_int_eq(checkpoint_put(&txn, &record), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
}

static void
get_shard(struct lease_record *lease, struct checkpoint_record *checkpoint)
{
	const struct shard_id shard = { "7" };
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(lease_read(&txn, &shard, lease), LTS_OK);
	ck_assert_int_eq(checkpoint_read(&txn, &shard, checkpoint), LTS_OK);
	store_abort(&txn);
}

static bool
has_events(uint64_t wanted)
{
	struct store_txn txn = { 0 };
	uint64_t n = 0;
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_count(&txn, STORE_EVENTS, &n), LTS_OK);
	store_abort(&txn);
	return n == wanted;
}

/* Which of the two a start finds changed, and what an earlier start knew. */
static const struct {
	bool named, knew_machine, knew_file, same_machine, same_file, is_new;
} copies[] = {
	{ true, true, true, true, true, false },
	{ true, true, true, false, true, false },  /* a pod with its volume */
	{ true, true, true, true, false, false },  /* put back on the same machine */
	{ true, true, true, false, false, true },  /* a copy */
	{ true, true, false, false, false, true }, /* what cannot be told is one */
	{ true, false, true, true, true, false },  /* an image without machine-id */
	{ true, false, true, true, false, true },
	{ true, false, false, true, false, false }, /* of before version 4: goes on */
	{ false, true, true, true, false, false },
	{ false, false, true, true, true, false },
	{ false, false, true, true, false, true }, /* a clone of an image without machine-id */
	{ false, false, false, true, false, false },
};

START_TEST(copy_goes_on_as_a_new_instance_and_what_moved_with_its_owner_as_the_same)
{
	struct identity_record mine = identity_of_test(), out;
	struct lease_record lease;
	struct checkpoint_record checkpoint;
	if (!copies[_i].knew_machine)
		mine.machine_id[0] = '\0';
	mine.data_inode = copies[_i].knew_file ? 11 : 0;
	ck_assert_int_eq(claim(&mine, &out), LTS_OK);
	put_shard();
	if (!copies[_i].same_machine)
		memcpy(mine.machine_id, other_machine, sizeof(other_machine));
	mine.data_inode = copies[_i].same_file ? 11 : 12;
	snprintf(mine.instance, sizeof(mine.instance), "unused");
	ck_assert_int_eq(copies[_i].named ? claim_named(&mine, &out) : claim(&mine, &out), LTS_OK);
	ck_assert_int_eq(strcmp(out.instance, "a1b2c3") != 0, copies[_i].is_new);
	ck_assert_str_ne(out.instance, "unused");
	ck_assert_str_eq(out.machine_id, mine.machine_id);
	ck_assert_uint_eq(out.data_inode, mine.data_inode);
	ck_assert_uint_eq(out.boot_count, 2);
	get_shard(&lease, &checkpoint);
	ck_assert_str_eq(checkpoint.cursor.text, "500");
	ck_assert_uint_eq(checkpoint.position.segment, copies[_i].is_new ? 0 : 3);
	ck_assert_int_eq(lease.state, copies[_i].is_new ? LEASE_RELEASED : LEASE_HELD);
	ck_assert(has_events(copies[_i].is_new ? 2 : 1));
	char instance[16];
	memcpy(instance, out.instance, sizeof(instance));
	ck_assert_int_eq(copies[_i].named ? claim_named(&mine, &out) : claim(&mine, &out), LTS_OK);
	ck_assert_str_eq(out.instance, instance); /* and that one stays */
}
END_TEST

START_TEST(names_of_before_are_kept_until_the_service_has_missed_them)
{
	struct identity_record mine = identity_of_test(), out;
	struct store_txn txn = { 0 };
	mine.plain_names = true;
	ck_assert_int_eq(claim(&mine, &out), LTS_OK);
	ck_assert(!out.plain_names); /* a state that is new has none */
	out.plain_names = true;
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(identity_put(&txn, &out), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	ck_assert_int_eq(claim(&mine, &out), LTS_OK);
	ck_assert(out.plain_names);
	mine.plain_names = false; /* missed */
	ck_assert_int_eq(claim(&mine, &out), LTS_OK);
	ck_assert(!out.plain_names);
	mine.plain_names = true;
	ck_assert_int_eq(claim(&mine, &out), LTS_OK);
	ck_assert(!out.plain_names); /* for good */
}
END_TEST

START_TEST(another_name_is_another_owner_whatever_the_machine)
{
	struct identity_record mine = identity_of_test(), out;
	ck_assert_int_eq(claim_named(&mine, &out), LTS_OK);
	snprintf(mine.host, sizeof(mine.host), "another");
	ck_assert_int_eq(claim_named(&mine, &out), LTS_INVALID);
	ck_assert_ptr_nonnull(strstr(why.data, "identity 'host' (not 'another')"));
	ck_assert_int_eq(claim(&mine, &out), LTS_INVALID);
}
END_TEST

START_TEST(renamed_host_goes_on_as_the_same_member_under_its_old_name)
{
	struct identity_record mine = identity_of_test(), out;
	ck_assert_int_eq(claim(&mine, &out), LTS_OK);
	snprintf(mine.host, sizeof(mine.host), "renamed");
	ck_assert_int_eq(claim(&mine, &out), LTS_INVALID);
	snprintf(mine.host, sizeof(mine.host), "host"); /* as the refusal says */
	ck_assert_int_eq(claim_named(&mine, &out), LTS_OK);
	ck_assert_str_eq(out.instance, "a1b2c3");
}
END_TEST

START_TEST(state_that_is_nobodys_is_the_next_starts_whoever_that_is)
{
	struct identity_record mine = identity_of_test(), out;
	struct store_txn txn = { 0 };
	ck_assert_int_eq(claim(&mine, &out), LTS_OK);
	renew_unowned(&out);
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(identity_put(&txn, &out), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	struct identity_record next = mine, taken;
	snprintf(next.host, sizeof(next.host), "next");
	memcpy(next.machine_id, other_machine, sizeof(other_machine));
	ck_assert_int_eq(claim(&next, &taken), LTS_OK);
	ck_assert_str_eq(taken.host, "next");
	ck_assert_str_eq(taken.instance, out.instance);
	ck_assert_str_ne(taken.instance, "a1b2c3");
	ck_assert_int_eq(claim(&mine, &taken), LTS_INVALID);
	next.stream_id[0] = 'X';
	ck_assert_int_eq(claim(&next, &taken), LTS_INVALID);
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
	tcase_add_loop_test(
		tc, copy_goes_on_as_a_new_instance_and_what_moved_with_its_owner_as_the_same, 0,
		sizeof(copies) / sizeof(copies[0]));
	tcase_add_test(tc, names_of_before_are_kept_until_the_service_has_missed_them);
	tcase_add_test(tc, another_name_is_another_owner_whatever_the_machine);
	tcase_add_test(tc, renamed_host_goes_on_as_the_same_member_under_its_old_name);
	tcase_add_test(tc, state_that_is_nobodys_is_the_next_starts_whoever_that_is);
	tcase_add_test(tc, damaged_identity_is_bad_data_and_not_replaced);
	tcase_add_test(tc, start_is_kept_from_the_first_take_that_needs_it);
	suite_add_tcase(suite, tc);
	return suite;
}
