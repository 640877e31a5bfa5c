/*
 * test_schema_versions.c - holds the state to reading what earlier versions wrote, and to leaving
 * alone what later ones did.
 *
 * The bytes below were written by the encoders of the versions themselves (in the history: before
 * 5bd0188, before 96b962b, before the first with `letters`, and since), not by today's.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pack.h"
#include "state/snapshot.h"
#include "tests/support/state_env.h"
#include "tests/support/tmpdir.h"
#include "tests/suites.h"

enum { VERSIONS = 4, VALUES = 6, IDENTITY = 0 };

/* clang-format off */
static const struct written {
	enum store_table table;
	struct store_key key;
	const char *hex;
} written[VERSIONS][VALUES] = {
	{
		{ STORE_META, { "identity", 8 },
		  "0101000000070070726f6a656374050067726f7570060073747265616d07007265616465"
		  "72730400686f737420003031323334353637383961626364656630313233343536373839"
		  "616263646566080061316232633364340100000000e07211b9ca8618fdbf717e" },
		{ STORE_META, { "start", 5 },
		  "0100e07211b9ca86181f014f6b" },
		{ STORE_LEASES, { "7", 1 },
		  "0101003702000000010000000401000000010000009210000000aa0d4db9ca861893a0f3"
		  "70" },
		{ STORE_CHECKPOINTS, { "7", 1 },
		  "010100370200000001000000130031373637333232383030303030303030353030130031"
		  "37363733323238303030303030303034303003000000000000000010000000000000f401"
		  "000000000000000004000000000000aa0d4db9ca86180000000000000000002aa82019" },
		{ STORE_WORKERS, { "\0\0\0\1", 4 },
		  "01010000000f00686f73742d61316232633364342d3192100000630000000000000000e0"
		  "7211b9ca861800aa0d4db9ca8618f4010000000000000000040000000000090000000000"
		  "00000185af441d" },
		{ STORE_EVENTS, { "\0\0\0\0\0\0\0\1", 8 },
		  "01010000000000000000aa0d4db9ca861801010037020000000100000001000000130031"
		  "3736373332323830303030303030303030300f00706f736974696f6e3a207374617274fd"
		  "e1c93a" },
	},
	{
		{ STORE_META, { "identity", 8 },
		  "0202000000070070726f6a656374050067726f7570060073747265616d07007265616465"
		  "72730400686f737420003031323334353637383961626364656630313233343536373839"
		  "616263646566080061316232633364340100000000e07211b9ca86185df00f24" },
		{ STORE_META, { "start", 5 },
		  "0200e07211b9ca8618da3dc252" },
		{ STORE_LEASES, { "7", 1 },
		  "0201003702000000010000000401000000010000009210000000aa0d4db9ca86188611e4"
		  "2b" },
		{ STORE_CHECKPOINTS, { "7", 1 },
		  "020100370200000001000000130031373637333232383030303030303030353030130031"
		  "37363733323238303030303030303034303003000000000000000010000000000000f401"
		  "000000000000000004000000000000aa0d4db9ca86180000000000000000000500000000"
		  "00000006000000000000000200000059d61eb0" },
		{ STORE_WORKERS, { "\0\0\0\1", 4 },
		  "02010000000f00686f73742d61316232633364342d3192100000630000000000000000e0"
		  "7211b9ca861800aa0d4db9ca8618f4010000000000000000040000000000090000000000"
		  "00000163e1d6c2" },
		{ STORE_EVENTS, { "\0\0\0\0\0\0\0\1", 8 },
		  "02010000000000000000aa0d4db9ca861801010037020000000100000001000000130031"
		  "3736373332323830303030303030303030300f00706f736974696f6e3a20737461727484"
		  "84f28f" },
	},
	{
		{ STORE_META, { "identity", 8 },
		  "0303000000070070726f6a656374050067726f7570060073747265616d07007265616465"
		  "72730400686f737420003031323334353637383961626364656630313233343536373839"
		  "616263646566080061316232633364340100000000e07211b9ca86180237f5a4" },
		{ STORE_META, { "start", 5 },
		  "0300e07211b9ca86189929b945" },
		{ STORE_LEASES, { "7", 1 },
		  "0301003702000000010000000401000000010000009210000000aa0d4db9ca8618758116"
		  "1d" },
		{ STORE_CHECKPOINTS, { "7", 1 },
		  "030100370200000001000000130031373637333232383030303030303030353030130031"
		  "37363733323238303030303030303034303003000000000000000010000000000000f401"
		  "000000000000000004000000000000aa0d4db9ca86180000000000000000000500000000"
		  "000000060000000000000002000000010000000700000000000000080000000000000063"
		  "1e67ea" },
		{ STORE_WORKERS, { "\0\0\0\1", 4 },
		  "03010000000f00686f73742d61316232633364342d3192100000630000000000000000e0"
		  "7211b9ca861800aa0d4db9ca8618f4010000000000000000040000000000090000000000"
		  "000001fe26883e" },
		{ STORE_EVENTS, { "\0\0\0\0\0\0\0\1", 8 },
		  "03010000000000000000aa0d4db9ca861801010037020000000100000001000000130031"
		  "3736373332323830303030303030303030300f00706f736974696f6e3a2073746172746c"
		  "5acb55" },
	},
	{
		{ STORE_META, { "identity", 8 },
		  "0404000000070070726f6a656374050067726f7570060073747265616d07007265616465"
		  "72730400686f737420003031323334353637383961626364656630313233343536373839"
		  "616263646566080061316232633364340100000000e07211b9ca861887d6120000000000"
		  "240037613163326630652d356236642d346533662d396138622d30633164326533663461"
		  "3562fcffffef0000000000ab822adb" },
		{ STORE_META, { "start", 5 },
		  "0400e07211b9ca86185044d821" },
		{ STORE_LEASES, { "7", 1 },
		  "0401003702000000010000000401000000010000009210000000aa0d4db9ca8618ac73cb"
		  "9d" },
		{ STORE_CHECKPOINTS, { "7", 1 },
		  "040100370200000001000000130031373637333232383030303030303030353030130031"
		  "37363733323238303030303030303034303003000000000000000010000000000000f401"
		  "000000000000000004000000000000aa0d4db9ca86180000000000000000000500000000"
		  "000000060000000000000002000000010000000700000000000000080000000000000001"
		  "09000000000000000a000000000000009db5b125" },
		{ STORE_WORKERS, { "\0\0\0\1", 4 },
		  "04010000000f00686f73742d61316232633364342d3192100000630000000000000000e0"
		  "7211b9ca861800aa0d4db9ca8618f4010000000000000000040000000000090000000000"
		  "000001ee7a83a6" },
		{ STORE_EVENTS, { "\0\0\0\0\0\0\0\1", 8 },
		  "04010000000000000000aa0d4db9ca861801010037020000000100000001000000130031"
		  "3736373332323830303030303030303030300f00706f736974696f6e3a20737461727437"
		  "48f53e" },
	},
};
/* clang-format on */

static struct state_env env;

static void
from_hex(const char *hex, struct schema_value *out)
{
	unsigned byte;
	for (out->len = 0; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		out->data[out->len++] = (uint8_t)byte;
}

static void
put(const struct written *w, const struct schema_value *value)
{
	struct store_txn txn = { 0 };
	ck_assert_int_eq(store_write_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_put(&txn, w->table, w->key, value), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
}

static void
fill(int version)
{
	struct schema_value value;
	for (int i = 0; i < VALUES; i++) {
		from_hex(written[version - 1][i].hex, &value);
		ck_assert_int_eq(value.data[0], version);
		put(&written[version - 1][i], &value);
	}
}

static void
get(const struct written *w, struct schema_value *out)
{
	struct store_txn txn = { 0 };
	const void *data;
	ck_assert_int_eq(store_read_begin(env.store, &txn), LTS_OK);
	ck_assert_int_eq(store_get(&txn, w->table, w->key, &data, &out->len), LTS_OK);
	memcpy(out->data, data, out->len);
	store_abort(&txn);
}

static void
setup(void)
{
	state_env_init(&env);
}

static void
teardown(void)
{
	state_env_fini(&env);
}

static struct snapshot
look(void)
{
	struct snapshot s;
	store_close(&env.store); /* one environment once in a process */
	ck_assert_int_eq(snapshot_read(env.dir, &s), LTS_OK);
	ck_assert_int_eq(store_open(env.dir, STORE_WRITE, &env.store), LTS_OK);
	return s;
}

static struct identity_record
same_agent(void)
{
	struct identity_record mine = identity_of_test();
	snprintf(mine.machine_id, sizeof(mine.machine_id), "0123456789abcdef0123456789abcdef");
	mine.plain_names = true; /* heard lately */
	return mine;
}

static void
expect_identity(const struct snapshot *s, int version)
{
	ck_assert(s->has_identity && s->has_start);
	ck_assert_str_eq(s->identity.consumer_group, "readers");
	ck_assert_str_eq(s->identity.instance, "a1b2c3d4");
	ck_assert_uint_eq(s->identity.boot_count, 1);
	ck_assert_int_eq(s->start.start_ns, 1767322800000000000);
	bool is_known = version >= 4;
	ck_assert_int_eq(s->identity.plain_names, !is_known);
	ck_assert_uint_eq(s->identity.data_inode, is_known ? 1234567 : 0);
	ck_assert_uint_eq(s->identity.pid_namespace, is_known ? 4026531836 : 0);
}

/* What the first version had; the others have it, too. */
static void
expect_first(const struct snapshot *s)
{
	ck_assert_int_eq(s->leases[0].state, LEASE_PAUSED);
	ck_assert_uint_eq(s->leases[0].pid, 4242);
	ck_assert_str_eq(s->checkpoints[0].cursor.text, "1767322800000000500");
	ck_assert_str_eq(s->checkpoints[0].service.text, "1767322800000000400");
	ck_assert_uint_eq(s->checkpoints[0].position.segment, 3);
	ck_assert_uint_eq(s->checkpoints[0].position.offset, 4096);
	ck_assert_uint_eq(s->checkpoints[0].records, 500);
	ck_assert_str_eq(s->workers[0].name.text, "host-a1b2c3d4-1");
	ck_assert(s->workers[0].exited);
	ck_assert_int_eq(s->events[0].kind, EVENT_TAKEN);
	ck_assert_str_eq(s->events[0].text, "position: start");
}

START_TEST(state_of_every_earlier_version_is_read_in_full)
{
	fill(_i);
	struct snapshot s = look();
	snapshot_verify(&s);
	ck_assert_uint_eq(s.newer_schema, 0);
	ck_assert_uint_eq(s.n_problems, 0);
	expect_identity(&s, _i);
	expect_first(&s);
	ck_assert_uint_eq(s.checkpoints[0].done, _i >= 2 ? 5 : 0);
	ck_assert_uint_eq(s.checkpoints[0].dead_letters, _i >= 2 ? 6 : 0);
	ck_assert_uint_eq(s.checkpoints[0].attempts, _i >= 2 ? 2 : 0);
	ck_assert_uint_eq(s.checkpoints[0].asides.n, _i >= 3 ? 1 : 0);
	ck_assert(s.checkpoints[0].has_letters == (_i >= 4));
	ck_assert_uint_eq(s.checkpoints[0].letters.segment, _i >= 4 ? 9 : 0);
	ck_assert_uint_eq(s.checkpoints[0].letters.offset, _i >= 4 ? 10 : 0);
	snapshot_fini(&s);
}
END_TEST

/* As the agent of today does it: claim, take, move. */
START_TEST(state_of_every_earlier_version_goes_on_as_the_same_member_in_todays)
{
	struct identity_record mine = same_agent(), identity;
	struct lease_take take = take_of("7", epoch_of(2, 1));
	struct lease_taken taken;
	struct schema_value value;
	struct buf why;
	fill(_i);
	buf_init(&why, 0);
	ck_assert_int_eq(identity_claim(env.store, &mine, false, &identity, &why), LTS_OK);
	ck_assert_str_eq(identity.instance, "a1b2c3d4");
	ck_assert_uint_eq(identity.boot_count, 2);
	ck_assert_uint_eq(identity.schema, SCHEMA_VERSION);
	ck_assert_int_eq(identity.plain_names, _i < 4);
	take.service = cursor_of("1767322800000000400");
	ck_assert_int_eq(state_env_take(&env, &take, &taken), LTS_OK);
	ck_assert_int_eq(taken.origin, LEASE_FROM_LOCAL);
	struct checkpoint_move move =
		move_of("7", epoch_of(2, 1), "1767322800000000500", "1767322800000000600");
	move.from_done = taken.checkpoint.done;
	ck_assert_int_eq(state_env_move(&env, &move, 1), LTS_OK);
	ck_assert_int_eq(move.result, LTS_OK);
	for (int i = 0; i < 4; i++) {
		get(&written[0][i], &value);
		if (written[0][i].table != STORE_META || i == IDENTITY)
			ck_assert_int_eq(value.data[0], SCHEMA_VERSION);
	}
	struct snapshot s = look();
	snapshot_verify(&s);
	ck_assert_uint_eq(s.n_problems, 0);
	ck_assert_str_eq(s.checkpoints[0].cursor.text, "1767322800000000600");
	ck_assert_uint_eq(s.checkpoints[0].dead_letters, _i >= 2 ? 6 : 0);
	ck_assert_uint_eq(s.checkpoints[0].letters.offset, _i >= 4 ? 10 : 0);
	snapshot_fini(&s);
	buf_fini(&why);
}
END_TEST

static void
make_newer(int version)
{
	struct schema_value value, now;
	fill(SCHEMA_VERSION);
	from_hex(written[SCHEMA_VERSION - 1][IDENTITY].hex, &value);
	value.data[0] = (uint8_t)version;
	value.len += 3; /* and has fields that we cannot know */
	memset(value.data + value.len - 7, 0x77, 3);
	struct packer p = { .data = value.data, .cap = value.len, .len = value.len - 4 };
	pack_crc(&p);
	put(&written[0][IDENTITY], &value);
	get(&written[0][IDENTITY], &now);
	ck_assert_int_eq(now.data[0], version);
}

START_TEST(state_of_a_later_version_is_refused_and_left_as_it_is)
{
	struct identity_record mine = same_agent(), identity;
	struct schema_value before, after;
	struct buf why;
	buf_init(&why, 0);
	make_newer(_i);
	get(&written[0][IDENTITY], &before);
	ck_assert_int_eq(identity_claim(env.store, &mine, false, &identity, &why), LTS_INVALID);
	char versions[100];
	snprintf(versions, sizeof(versions), "version %d, this one knows up to %d", _i,
		 (int)SCHEMA_VERSION);
	ck_assert_msg(strstr(why.data, versions) != NULL, "%s", why.data);
	ck_assert_ptr_nonnull(strstr(why.data, "lts-state of the newer version"));
	get(&written[0][IDENTITY], &after);
	ck_assert_uint_eq(before.len, after.len);
	ck_assert_mem_eq(before.data, after.data, after.len);
	struct snapshot s = look();
	ck_assert_uint_eq(s.newer_schema, (unsigned)_i);
	ck_assert_uint_eq(s.n_records + s.n_problems, 0);
	snapshot_fini(&s);
	buf_fini(&why);
}
END_TEST

START_TEST(damaged_identity_is_damaged_whatever_version_it_says)
{
	struct identity_record mine = same_agent(), identity;
	struct schema_value value;
	struct buf why;
	buf_init(&why, 0);
	make_newer(SCHEMA_VERSION + 1);
	get(&written[0][IDENTITY], &value);
	value.data[5] ^= 1;
	put(&written[0][IDENTITY], &value);
	ck_assert_int_eq(identity_claim(env.store, &mine, false, &identity, &why), LTS_BADDATA);
	struct snapshot s = look();
	ck_assert_uint_eq(s.newer_schema, 0);
	ck_assert_uint_eq(s.n_problems, 1);
	snapshot_fini(&s);
	buf_fini(&why);
}
END_TEST

Suite *
suite_schema_versions(void)
{
	Suite *suite = suite_create("schema_versions");
	TCase *tc = tcase_create("schema_versions");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, state_of_every_earlier_version_is_read_in_full, 1, VERSIONS + 1);
	tcase_add_loop_test(tc,
			    state_of_every_earlier_version_goes_on_as_the_same_member_in_todays,
			    1, VERSIONS + 1);
	tcase_add_loop_test(tc, state_of_a_later_version_is_refused_and_left_as_it_is,
			    SCHEMA_VERSION + 1, SCHEMA_VERSION + 3);
	tcase_add_test(tc, damaged_identity_is_damaged_whatever_version_it_says);
	suite_add_tcase(suite, tc);
	return suite;
}
