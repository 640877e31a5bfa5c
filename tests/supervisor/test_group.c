/*
 * test_group.c - holds supervisor/group.c to what one heartbeat may list, however much the state
 * remembers, and to when it may list nothing. What else it does the scenarios hold.
 */
#include <check.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
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

static const char *const refusals[] = {
	"HTTP/1.1 400 No\r\nContent-Length: 25\r\n\r\n{\"error_code\":\"LTS.0009\"}",
	"HTTP/1.1 400 No\r\nContent-Length: 25\r\n\r\n{\"error_code\":\"LTS.0201\"}",
	"HTTP/1.1 400 No\r\nContent-Length: 25\r\n\r\n{\"error_code\":\"LTS.0208\"}",
	"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
};

/* The n-th heartbeat, before which one refusal is all that was answered. */
static char *
heartbeat_after(const char *refusal, size_t n, bool plain, bool held)
{
	static const struct group_events events = { .denied = on_denied };
	const struct identity_record identity = { .host = "host",
						  .instance = "instance",
						  .plain_names = plain };
	static const struct book_ops no_ops;
	struct lease_book *book = lease_book_create(
		&(struct book_config){ .workers = 1, .timeout_ms = 600 }, &no_ops, NULL);
	struct raw_reply replies[8];
	struct log *log = log_create("test");
	struct api_bed bed;
	for (size_t i = 0; i < n; i++)
		replies[i] = (struct raw_reply){ .bytes = refusal };
	replies[n] = (struct raw_reply){ .bytes =
						 "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" };
	api_bed_init(&bed);
	api_bed_serve(&bed, replies, n + 1);
	struct group *group = group_create(&(struct group_config){
		.loop = bed.loop,
		.log = log,
		.api = bed.api,
		.identity = &identity,
		.consumers = 1,
		.book = book,
		.interval_ms = 10,
		.timeout_ms = 600,
		.events = &events,
		.arg = bed.loop,
	});
	if (held)
		group_remember(group, 0, &(struct shard_id){ "7" });
	group_start(group);
	ev_run(bed.loop, 0);
	char *sent = raw_server_request(bed.server, n);
	lts_api_destroy(&bed.api);
	group_destroy(&group);
	lease_book_destroy(&book);
	log_destroy(&log);
	api_bed_fini(&bed);
	return sent;
}

/* What it lists. */
static char *
list_after(const char *refusal, size_t n)
{
	char *sent = heartbeat_after(refusal, n, false, true);
	char *list = xstrdup(strstr(sent, "\r\n\r\n") + 4);
	free(sent);
	return list;
}

START_TEST(list_that_is_refused_twice_is_sent_empty_for_nothing_is_held)
{
	char *once = list_after(refusals[0], 1), *twice = list_after(refusals[0], 2);
	ck_assert_str_eq(once, "[\"7\"]");
	ck_assert_str_eq(twice, "[]");
	free(once);
	free(twice);
}
END_TEST

START_TEST(list_is_kept_where_the_group_is_missing_or_the_service_ill)
{
	for (size_t i = 1; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		char *list = list_after(refusals[i], 5);
		ck_assert_str_eq(list, "[\"7\"]");
		free(list);
	}
}
END_TEST

static const struct {
	size_t refusal;
	bool held;
	size_t n;
	const char *name, *list;
} names[] = {
	{ 0, false, 0, "host-instance-0", "[]" },
	{ 0, false, 1, "host-instance-0", "[]" },
	{ 0, false, 2, "eff7fa1b-8b21-5298-86a7-ee9dd1ed7cfe", "[]" },
	{ 0, true, 1, "host-instance-0", "[\"7\"]" },
	{ 0, true, 3, "host-instance-0", "[]" }, /* its list may be what is refused */
	{ 0, true, 4, "eff7fa1b-8b21-5298-86a7-ee9dd1ed7cfe", "[\"7\"]" },
	{ 3, false, 5, "host-instance-0", "[]" },
};

START_TEST(name_of_before_is_given_up_once_it_is_refused_and_nothing_is_held)
{
	char *sent = heartbeat_after(refusals[names[_i].refusal], names[_i].n, true,
				     names[_i].held);
	char *name = xasprintf("consumer_name=%s ", names[_i].name);
	ck_assert_msg(strstr(sent, name) != NULL, "not %s: %s", name, sent);
	ck_assert_str_eq(strstr(sent, "\r\n\r\n") + 4, names[_i].list);
	free(name);
	free(sent);
}
END_TEST

/* ---- a list that is short ---- */

struct short_list {
	struct ev_loop *loop;
	struct group *group;
	char assigned[200];
};

static void
op_ask(void *arg, const struct shard_id *shard, uint64_t question, bool again)
{
	group_ask_service(((struct short_list *)arg)->group, shard, question, again);
}

static void
op_assign(void *arg, uint32_t worker, const struct message_assign *m)
{
	struct short_list *t = arg;
	snprintf(t->assigned, sizeof(t->assigned), "%s at %s", m->shard.text, m->service.text);
	ev_break(t->loop, EVBREAK_ALL);
}

static enum lts_err
op_committed(void *arg, const struct shard_id *shard, struct checkpoint_record *out)
{
	return LTS_NOTFOUND;
}

static void
op_note(void *arg, const struct shard_id *shard, const char *what, const char *why)
{
}

static bool
on_joined(void *arg, const struct service_clock *clock)
{
	return true;
}

static void
on_patience_over(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	ev_break(loop, EVBREAK_ALL);
}

#define OK_BODY(length, body) \
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " length "\r\n\r\n" body

/* Three at once are asked for in one request; the list has none of them, and each is there. */
START_TEST(shard_that_a_list_leaves_out_is_asked_for_alone)
{
	static const struct raw_reply replies[] = {
		{ .bytes = OK_BODY("13", "[\"A\",\"B\",\"C\"]") },
		{ .bytes = OK_BODY("2", "[]") },
		{ .bytes = OK_BODY("35", "[{\"shard_id\":\"A\",\"checkpoint\":\"5\"}]") },
	};
	static const struct group_events events = { .joined = on_joined, .denied = on_denied };
	static const struct book_ops ops = { .ask_service = op_ask,
					     .assign = op_assign,
					     .committed = op_committed,
					     .note = op_note };
	const struct identity_record identity = { .host = "host", .instance = "instance" };
	struct short_list t = { .assigned = "" };
	struct lease_book *book = lease_book_create(
		&(struct book_config){ .workers = 1, .timeout_ms = 60000, .start = "begin" }, &ops,
		&t);
	struct log *log = log_create("test");
	struct api_bed bed;
	struct ev_timer patience;
	api_bed_init(&bed);
	api_bed_serve(&bed, replies, 3);
	t.loop = bed.loop;
	t.group = group_create(&(struct group_config){ .loop = bed.loop,
						       .log = log,
						       .api = bed.api,
						       .identity = &identity,
						       .consumers = 1,
						       .book = book,
						       .interval_ms = 9000,
						       .timeout_ms = 60000,
						       .events = &events,
						       .arg = bed.loop });
	book_on_live(book, 0, 0);
	group_start(t.group);
	ev_timer_init(&patience, on_patience_over, 10, 0);
	ev_timer_start(bed.loop, &patience);
	ev_run(bed.loop, 0);
	ck_assert_str_eq(t.assigned, "A at 5");
	lts_api_destroy(&bed.api);
	group_destroy(&t.group);
	lease_book_destroy(&book);
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
	tcase_add_test(tc, shard_that_a_list_leaves_out_is_asked_for_alone);
	tcase_add_test(tc, list_that_is_refused_twice_is_sent_empty_for_nothing_is_held);
	tcase_add_test(tc, list_is_kept_where_the_group_is_missing_or_the_service_ill);
	tcase_add_loop_test(tc,
			    name_of_before_is_given_up_once_it_is_refused_and_nothing_is_held, 0,
			    sizeof(names) / sizeof(names[0]));
	suite_add_tcase(suite, tc);
	return suite;
}
