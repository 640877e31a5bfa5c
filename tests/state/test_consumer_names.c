/*
 * test_consumer_names.c - holds state/names.c to what its header says.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "state/names.h"
#include "tests/support/state_env.h"
#include "tests/suites.h"

static struct identity_record identity;
static struct own_names *own;

static void
setup(void)
{
	identity = identity_of_test();
	own = own_names_create(&identity);
}

static void
teardown(void)
{
	own_names_destroy(&own);
}

static bool
owns(const char *text)
{
	struct consumer_name name = { 0 };
	snprintf(name.text, sizeof(name.text), "%s", text);
	return own_names_has(own, &name);
}

START_TEST(plain_names_are_host_instance_index)
{
	ck_assert_str_eq(names_plain(&identity, 0).text, "host-a1b2c3-0");
	ck_assert_str_eq(names_plain(&identity, 255).text, "host-a1b2c3-255");
}
END_TEST

/* By another implementation: `uuidgen --sha1 -n 6f3c1d52-8a0e-4c57-9b41-2de07a55c8f6 -N NAME`. */
START_TEST(uuids_are_version_5_of_the_plain_name)
{
	ck_assert_str_eq(names_uuid(&identity, 0).text, "56926846-5b98-5245-8d91-40b518b12931");
	ck_assert_str_eq(names_uuid(&identity, 255).text, "5e0e2186-5574-5170-a5b8-9363b53de414");
}
END_TEST

START_TEST(state_of_before_goes_on_under_its_plain_names)
{
	identity.plain_names = true;
	ck_assert_str_eq(names_at_service(&identity, 3).text, "host-a1b2c3-3");
	identity.plain_names = false;
	ck_assert_str_eq(names_at_service(&identity, 3).text, names_uuid(&identity, 3).text);
}
END_TEST

START_TEST(longest_plain_name_is_not_cut)
{
	memset(identity.host, 'h', sizeof(identity.host) - 1);
	memset(identity.instance, 'i', sizeof(identity.instance) - 1);
	own_names_destroy(&own);
	own = own_names_create(&identity);
	struct consumer_name name = names_plain(&identity, UINT32_MAX);
	ck_assert_ptr_nonnull(strstr(name.text, "i-4294967295"));
	ck_assert(own_names_has(own, &name));
	ck_assert_uint_eq(strlen(names_uuid(&identity, 7).text), 36);
}
END_TEST

START_TEST(own_names_are_owned_in_both_forms_whichever_is_used)
{
	identity.plain_names = _i != 0;
	for (uint32_t index = 0; index < NAMES_MAX; index++) {
		ck_assert(owns(names_plain(&identity, index).text));
		ck_assert(owns(names_uuid(&identity, index).text));
	}
}
END_TEST

START_TEST(uuids_of_others_are_not_owned)
{
	struct identity_record other = identity;
	snprintf(other.host, sizeof(other.host), "other");
	for (uint32_t index = 0; index < NAMES_MAX; index++)
		ck_assert(!owns(names_uuid(&other, index).text));
	other = identity;
	snprintf(other.instance, sizeof(other.instance), "a1b2c4");
	ck_assert(!owns(names_uuid(&other, 0).text));
	ck_assert(!owns("9f1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5d"));
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
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_msg(!owns(names[i]), "%s", names[i]);
}
END_TEST

Suite *
suite_consumer_names(void)
{
	Suite *suite = suite_create("consumer_names");
	TCase *tc = tcase_create("consumer_names");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, plain_names_are_host_instance_index);
	tcase_add_test(tc, uuids_are_version_5_of_the_plain_name);
	tcase_add_test(tc, state_of_before_goes_on_under_its_plain_names);
	tcase_add_test(tc, longest_plain_name_is_not_cut);
	tcase_add_loop_test(tc, own_names_are_owned_in_both_forms_whichever_is_used, 0, 2);
	tcase_add_test(tc, uuids_of_others_are_not_owned);
	tcase_add_test(tc, names_that_only_begin_alike_are_not_owned);
	suite_add_tcase(suite, tc);
	return suite;
}
