/*
 * test_http_tls.c - whom the HTTP client trusts, and that it resumes its TLS sessions: `openssl
 * s_server` with a certificate of its own, whose page says how the connection began.
 */
#include <check.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/http.h"
#include "tests/suites.h"
#include "tests/support/until.h"

static char dir[] = "/tmp/lts-test-tls-XXXXXX";
static char key[64], cert[64];
static pid_t server;
static unsigned port;
static struct ev_loop *loop;

struct outcome {
	size_t done;
	enum lts_err err;
	bool reached;
	int status;
	bool resumed;
	char error[256];
};

/* Starts it with stdin and stderr closed off, and `out` as stdout; -1: /dev/null too. */
static pid_t
run(char *const argv[], int out)
{
	pid_t pid;
	posix_spawn_file_actions_t actions;
	ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&actions, out, 1);
	ck_assert_int_eq(posix_spawnp(&pid, "openssl", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static void
make_certificate(const char *names)
{
	int status;
	char *const argv[] = { "openssl",
			       "req",
			       "-x509",
			       "-newkey",
			       "ec",
			       "-pkeyopt",
			       "ec_paramgen_curve:P-256",
			       "-nodes",
			       "-subj",
			       "/CN=lts-test",
			       "-addext",
			       (char *)names,
			       "-keyout",
			       key,
			       "-out",
			       cert,
			       NULL };
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	pid_t pid = run(argv, -1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void
start_server(const char *names, const char *version)
{
	char *const argv[] = { "openssl",
			       "s_server",
			       "-accept",
			       "127.0.0.1:0",
			       "-key",
			       key,
			       "-cert",
			       cert,
			       "-www",
			       "-cipher",
			       "DEFAULT:@SECLEVEL=0",
			       (char *)version,
			       NULL };
	int ends[2];
	char line[256];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	make_certificate(names);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	server = run(argv, ends[1]);
	close(ends[1]);
	FILE *said = fdopen(ends[0], "r");
	while (fgets(line, sizeof(line), said) && sscanf(line, "ACCEPT 127.0.0.1:%u", &port) != 1)
		;
	fclose(said);
	ck_assert_uint_ne(port, 0);
}

static void
setup(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	loop = ev_loop_new(EVFLAG_AUTO);
}

static void
teardown(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	unlink(key);
	unlink(cert);
	rmdir(dir);
	ev_loop_destroy(loop);
}

static void
on_done(void *arg, struct http_result *result)
{
	struct outcome *out = arg;
	out->done++;
	out->err = result->err;
	out->reached = result->reached;
	out->status = result->status;
	snprintf(out->error, sizeof(out->error), "%s", result->error);
	out->resumed = result->body->len && strstr(result->body->data, "\nReused, TLSv1.");
}

static void
start_get(struct http *http, struct outcome *out)
{
	*out = (struct outcome){ .done = 0 };
	char url[64];
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
	struct http_request request = {
		.method = "GET", .url = url, .max_body_bytes = 1 << 20, .timeout_ms = 15000
	};
	http_start(http, &request, on_done, out);
}

static struct outcome
get(struct http *http)
{
	struct outcome out;
	start_get(http, &out);
	until_count(loop, &out.done, 1);
	return out;
}

static struct http *
trust(const char *ca_file)
{
	struct http_config config = { .ca_file = ca_file, .max_connections = 2 };
	return http_create(loop, &config);
}

static struct outcome
get_with(const struct http_config *config)
{
	struct http *http = http_create(loop, config);
	struct outcome out = get(http);
	http_destroy(&http);
	return out;
}

static struct outcome
get_trusting(const char *ca_file)
{
	return get_with(&(struct http_config){ .ca_file = ca_file, .max_connections = 2 });
}

static void
assert_refused(struct outcome out)
{
	ck_assert_int_eq(out.err, LTS_AGAIN);
	ck_assert_int_eq(out.status, 0);
	ck_assert(!out.reached);
}

START_TEST(named_ca_is_trusted)
{
	start_server("subjectAltName=IP:127.0.0.1", NULL);
	struct outcome out = get_trusting(cert);
	ck_assert_int_eq(out.err, LTS_OK);
	ck_assert_int_eq(out.status, 200);
}
END_TEST

START_TEST(unknown_ca_is_refused_before_a_request)
{
	start_server("subjectAltName=IP:127.0.0.1", NULL);
	assert_refused(get_trusting(NULL));
}
END_TEST

START_TEST(wrong_host_is_refused_before_a_request)
{
	start_server("subjectAltName=DNS:elsewhere.example", NULL);
	assert_refused(get_trusting(cert));
}
END_TEST

START_TEST(old_tls_is_refused_before_a_request)
{
	start_server("subjectAltName=IP:127.0.0.1", "-tls1_1");
	assert_refused(get_trusting(cert));
}
END_TEST

START_TEST(missing_ca_file_is_refused_before_a_request)
{
	start_server("subjectAltName=IP:127.0.0.1", NULL);
	assert_refused(get_trusting("/nonexistent/ca.pem"));
}
END_TEST

/* As the manual of curl says. */
static void
read_pin(char pin[128])
{
	char line[512];
	snprintf(line, sizeof(line),
		 "openssl x509 -in %s -noout -pubkey | openssl pkey -pubin -outform der | "
		 "openssl dgst -sha256 -binary | openssl base64 -A",
		 cert);
	FILE *said = popen(line, "re");
	ck_assert_ptr_nonnull(said);
	snprintf(pin, 128, "sha256//");
	ck_assert_ptr_nonnull(fgets(pin + 8, 100, said));
	ck_assert_int_eq(pclose(said), 0);
}

START_TEST(pinned_key_is_trusted_whoever_vouches_for_it)
{
	char pin[128];
	start_server("subjectAltName=DNS:elsewhere.example", NULL);
	read_pin(pin);
	struct http_config config = { .tls_pin = pin, .max_connections = 2 };
	ck_assert_int_eq(get_with(&config).err, LTS_OK);
	pin[10] = pin[10] == 'A' ? 'B' : 'A';
	config.ca_file = cert;
	struct outcome out = get_with(&config);
	assert_refused(out);
	ck_assert_ptr_nonnull(strstr(out.error, "tls_pin"));
}
END_TEST

START_TEST(certificate_of_the_name_that_is_told_is_trusted)
{
	start_server("subjectAltName=DNS:elsewhere.example", NULL);
	struct http_config config = { .ca_file = cert,
				      .tls_name = "elsewhere.example",
				      .max_connections = 2 };
	ck_assert_int_eq(get_with(&config).err, LTS_OK);
	config.tls_name = "another.example";
	struct outcome out = get_with(&config);
	assert_refused(out);
	ck_assert_ptr_nonnull(strstr(out.error, "127.0.0.1:"));
	ck_assert_ptr_nonnull(strstr(out.error, "tls_name"));
	config.tls_name = NULL;
	assert_refused(get_with(&config));
}
END_TEST

START_TEST(proxy_is_asked_only_where_it_is_named)
{
	start_server("subjectAltName=IP:127.0.0.1", NULL);
	struct http_config config = { .ca_file = cert, .max_connections = 2 };
	ck_assert_int_eq(setenv("https_proxy", "http://127.0.0.1:9", 1), 0);
	ck_assert_int_eq(get_with(&config).err, LTS_OK);
	config.proxy = HTTP_PROXY_ENV;
	assert_refused(get_with(&config));
	config.proxy = "http://127.0.0.1:9";
	ck_assert_int_eq(unsetenv("https_proxy"), 0);
	assert_refused(get_with(&config));
}
END_TEST

/* The server ends each connection with its answer. Two calls at a time: curl by itself would keep
 * a session for each of its handles alone. */
START_TEST(session_is_resumed_once_its_connection_is_lost)
{
	static const char *const versions[] = { "-tls1_3", "-tls1_2" };
	start_server("subjectAltName=IP:127.0.0.1", versions[_i]);
	struct http *http = trust(cert);
	ck_assert(!get(http).resumed);
	for (int i = 0; i < 3; i++) {
		struct outcome out, other;
		start_get(http, &out);
		start_get(http, &other);
		until_count(loop, &out.done, 1);
		until_count(loop, &other.done, 1);
		ck_assert(!out.err && out.resumed);
		ck_assert(!other.err && other.resumed);
	}
	http_destroy(&http);
}
END_TEST

Suite *
suite_http_tls(void)
{
	Suite *suite = suite_create("http_tls");
	TCase *tc = tcase_create("http_tls");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, named_ca_is_trusted);
	tcase_add_test(tc, unknown_ca_is_refused_before_a_request);
	tcase_add_test(tc, wrong_host_is_refused_before_a_request);
	tcase_add_test(tc, old_tls_is_refused_before_a_request);
	tcase_add_test(tc, missing_ca_file_is_refused_before_a_request);
	tcase_add_test(tc, pinned_key_is_trusted_whoever_vouches_for_it);
	tcase_add_test(tc, certificate_of_the_name_that_is_told_is_trusted);
	tcase_add_test(tc, proxy_is_asked_only_where_it_is_named);
	tcase_add_loop_test(tc, session_is_resumed_once_its_connection_is_lost, 0, 2);
	suite_add_tcase(suite, tc);
	return suite;
}
