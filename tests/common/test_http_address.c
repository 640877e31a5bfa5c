/*
 * test_http_address.c - the HTTP client and a service whose name points elsewhere by now, or whose
 * machine is gone.
 */
#include <check.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/support/hosts_file.h"
#include "tests/support/http_bed.h"
#include "tests/support/patience.h"
#include "tests/support/tmpdir.h"
#include "tests/support/until.h"

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static const struct raw_reply hello = { .bytes = HELLO };
static struct http_bed bed;
static struct raw_server *other;
static char *dir;

static void
setup(void)
{
	const struct http_config config = { .max_connections = 4, .life_ms = 1000 };
	http_bed_init(&bed);
	http_destroy(&bed.http);
	bed.http = http_create(bed.loop, &config);
	dir = tmpdir_make();
}

static void
teardown(void)
{
	raw_server_stop(&other);
	http_bed_fini(&bed);
	tmpdir_remove(&dir);
}

static struct http_outcome
get_by_name(int64_t timeout_ms)
{
	char url[96];
	snprintf(url, sizeof(url), "http://" HOSTS_FILE_NAME ":%u/",
		 raw_server_port(bed.server ? bed.server : other));
	struct http_outcome out = { .done = 0 };
	struct http_request request = http_bed_request(url);
	request.timeout_ms = timeout_ms;
	http_bed_wait(&bed, request, &out);
	return out;
}

START_TEST(name_is_looked_up_again_when_a_connection_has_lived)
{
	if (!hosts_file_begin(dir))
		return;
	bed.server = raw_server_start(&hello, 1);
	other = raw_server_start_at("127.0.0.2", raw_server_port(bed.server), &hello, 1);
	ck_assert_int_eq(get_by_name(5000).err, LTS_OK);
	ck_assert_int_eq(get_by_name(5000).err, LTS_OK);
	ck_assert_uint_eq(raw_server_connections(bed.server), 1);
	hosts_file_point("127.0.0.2");
	until("the new address is asked", get_by_name(5000).err == LTS_OK &&
						  raw_server_requests(other) > 0);
	size_t before = raw_server_requests(bed.server);
	ck_assert_int_eq(get_by_name(5000).err, LTS_OK);
	ck_assert_uint_eq(raw_server_requests(bed.server), before);
}
END_TEST

START_TEST(dead_address_is_looked_up_at_once)
{
	if (!hosts_file_begin(dir))
		return;
	bed.server = raw_server_start(&hello, 1);
	other = raw_server_start_at("127.0.0.2", raw_server_port(bed.server), &hello, 1);
	ck_assert_int_eq(get_by_name(5000).err, LTS_OK);
	raw_server_stop(&bed.server);
	hosts_file_point("127.0.0.2");
	until("the new address is asked", get_by_name(5000).err == LTS_OK);
	ck_assert_uint_ge(raw_server_requests(other), 1);
}
END_TEST

/* Three connections; then the machine falls silent. One call notices, the next is made anew. */
START_TEST(connection_that_proves_dead_condemns_its_elders)
{
	static const struct raw_reply replies[] = { { .bytes = HELLO },
						    { .bytes = HELLO },
						    { .bytes = HELLO },
						    { .then = RAW_HOLD },
						    { .bytes = HELLO } };
	struct http_outcome out = { .done = 0 };
	char url[64];
	bed.server = raw_server_start(replies, 5);
	for (int i = 0; i < 3; i++)
		http_bed_start(&bed, http_bed_done, &out);
	until_count(bed.loop, &out.done, 3);
	ck_assert_uint_eq(raw_server_connections(bed.server), 3);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", raw_server_port(bed.server));
	struct http_request request = http_bed_request(url);
	request.timeout_ms = 100;
	http_bed_wait(&bed, request, &out);
	ck_assert_int_eq(out.err, LTS_AGAIN);
	request.timeout_ms = 5000;
	http_bed_wait(&bed, request, &out);
	ck_assert_int_eq(out.err, LTS_OK);
	ck_assert_uint_eq(raw_server_connections(bed.server), 4);
}
END_TEST

START_TEST(failure_names_host_and_port)
{
	char url[64], wanted[64];
	unsigned port = raw_server_closed_port();
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/x?y", port);
	snprintf(wanted, sizeof(wanted), "127.0.0.1:%u: ", port);
	struct http_outcome out = http_bed_get(&bed, url);
	ck_assert_msg(strncmp(out.error, wanted, strlen(wanted)) == 0, "%s", out.error);
}
END_TEST

Suite *
suite_http_address(void)
{
	Suite *suite = suite_create("http_address");
	TCase *tc = tcase_create("http_address");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, name_is_looked_up_again_when_a_connection_has_lived);
	tcase_add_test(tc, dead_address_is_looked_up_at_once);
	tcase_add_test(tc, connection_that_proves_dead_condemns_its_elders);
	tcase_add_test(tc, failure_names_host_and_port);
	suite_add_tcase(suite, tc);
	return suite;
}
