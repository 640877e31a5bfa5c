/*
 * test_listen_at.c - holds common/listen_at.c to what its header says.
 */
#include "common/listen_at.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "tests/suites.h"

static const char *
render(const struct listen_at *at)
{
	static char text[160];
	char host[64];
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&at->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&at->address;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&at->address;
	if (un->sun_family == AF_UNIX)
		snprintf(text, sizeof(text), "unix %s", un->sun_path);
	else if (un->sun_family == AF_INET)
		snprintf(text, sizeof(text), "v4 %s %u",
			 inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)),
			 ntohs(v4->sin_port));
	else
		snprintf(text, sizeof(text), "v6 %s %u",
			 inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)),
			 ntohs(v6->sin6_port));
	return text;
}

START_TEST(address_and_port_or_a_path_is_taken)
{
	static const struct {
		const char *text, *is;
	} cases[] = {
		{ "127.0.0.1:9100", "v4 127.0.0.1 9100" },
		{ "127.1.2.3:0", "v4 127.1.2.3 0" },
		{ "localhost:65535", "v4 127.0.0.1 65535" },
		{ "[::1]:9100", "v6 ::1 9100" },
		{ "0.0.0.0:9100", "v4 0.0.0.0 9100" },
		{ "10.0.0.1:80", "v4 10.0.0.1 80" },
		{ "[::]:9100", "v6 :: 9100" },
		{ "[2001:db8::1]:80", "v6 2001:db8::1 80" },
		{ "unix:/run/lts/metrics.sock", "unix /run/lts/metrics.sock" },
		{ "unix:a:1", "unix a:1" },
	};
	struct listen_at at;
	const char *why;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(listen_at_parse(cases[i].text, &at, &why), "%s", cases[i].text);
		ck_assert_str_eq(render(&at), cases[i].is);
	}
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
	static const char *const texts[] = {
		"",
		"9100",
		":9100",
		"*:9100",
		"300.0.0.1:80",
		"10.0.0.1/8:80",
		"::1:9100",
		"[::1]",
		"[::1]9100",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:+1",
		"127.0.0.1: 1",
		"example.com:80",
		"localhost.:9100",
		"unix:",
		"[]:1",
		"[127.0.0.1]:1",
		"127.0.0.1:999999",
	};
	struct listen_at at = { .len = 77 };
	char path[200] = "unix:";
	const char *why;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		why = NULL;
		ck_assert_msg(!listen_at_parse(texts[i], &at, &why), "%s", texts[i]);
		ck_assert_ptr_nonnull(why);
	}
	memset(path + 5, 'x', 107);
	ck_assert(listen_at_parse(path, &at, &why));
	at.len = 77;
	memset(path + 5, 'x', 108);
	ck_assert(!listen_at_parse(path, &at, &why));
	ck_assert_uint_eq(at.len, 77);
}
END_TEST

Suite *
suite_listen_at(void)
{
	Suite *suite = suite_create("listen_at");
	TCase *tc = tcase_create("listen_at");
	tcase_add_test(tc, address_and_port_or_a_path_is_taken);
	tcase_add_test(tc, what_is_no_address_is_refused);
	suite_add_tcase(suite, tc);
	return suite;
}
