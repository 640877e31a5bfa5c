/*
 * test_group.c - holds supervisor/group.c to what one heartbeat may list, however much the state
 * remembers. What else it does the scenarios hold.
 */
#include <check.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/group.h"
#include "tests/suites.h"
#include "tests/support/api_bed.h"

static void
on_denied(void *arg)
{
	ev_break(arg, EVBREAK_ALL);
}

START_TEST(first_heartbeat_lists_no_more_than_it_may)
{
	static const struct raw_reply reply = {
		.bytes = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
	};
	static const struct group_events events = { .denied = on_denied };
	const struct identity_record identity = { .host = "host", .instance = "instance" };
	struct log *log = log_create("test");
	struct api_bed bed;
	api_bed_init(&bed);
	api_bed_serve(&bed, &reply, 1);
	struct group *group = group_create(&(struct group_config){
		.loop = bed.loop,
		.log = log,
		.api = bed.api,
		.identity = &identity,
		.consumers = 1,
		.interval_ms = 1000,
		.timeout_ms = 60000,
		.events = &events,
		.arg = bed.loop,
	});
	for (unsigned i = 0; i < LTS_WIRE_SHARDS_MAX + 10; i++) {
		struct shard_id shard;
		snprintf(shard.text, sizeof(shard.text), "%u", i);
		group_remember(group, 0, &shard);
	}
	group_start(group);
	ev_run(bed.loop, 0);
	char *sent = raw_server_request(bed.server, 0);
	ck_assert_ptr_nonnull(strstr(sent, ",\"4095\"]"));
	free(sent);
	lts_api_destroy(&bed.api);
	group_destroy(&group);
	log_destroy(&log);
	api_bed_fini(&bed);
}
END_TEST

Suite *
suite_group(void)
{
	Suite *suite = suite_create("group");
	TCase *tc = tcase_create("group");
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, first_heartbeat_lists_no_more_than_it_may);
	suite_add_tcase(suite, tc);
	return suite;
}
