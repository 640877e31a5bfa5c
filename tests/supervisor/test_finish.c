/*
 * test_finish.c - holds supervisor/finish.c to two looks: another host's shard is at its end when
 * answers that do not share a cause say so twice, some time apart.
 */
#include "supervisor/finish.h"

#include <check.h>
#include <ev.h>

#include "common/clock.h"
#include "tests/suites.h"
#include "tests/support/api_bed.h"

#define OK(length, body) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n" body
#define REFUSED(code) \
	"HTTP/1.1 400 No\r\nContent-Length: 25\r\n\r\n{\"error_code\":\"" code "\"}"

static const char list[] = OK("35", "[{\"shard_id\":\"0\",\"checkpoint\":\"5\"}]");
static const char end_behind[] = OK("14", "{\"cursor\":\"9\"}");
static const char end_here[] = OK("14", "{\"cursor\":\"5\"}");
static const char nothing[] = OK("32", "{\"count\":0,\"next\":\"5\",\"logs\":[]}");
static const char records[] = OK("32", "{\"count\":2,\"next\":\"9\",\"logs\":[]}");
static const char refused[] = REFUSED("LTS.0009");
static const char ill[] = REFUSED("LTS.0010");
static const char down[] = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";

struct bed {
	struct api_bed api;
	struct finish *finish;
	size_t n;
	bool reached;
	int64_t began_ms, took_ms;
};

static void
on_reached(void *arg)
{
	struct bed *bed = arg;
	bed->reached = true;
	bed->took_ms = clock_boot_ms() - bed->began_ms;
	ev_break(bed->api.loop, EVBREAK_ALL);
}

static void
on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct bed *bed = timer->data;
	finish_check(bed->finish, 7000, clock_boot_ms());
	if (raw_server_requests(bed->api.server) > bed->n)
		ev_break(loop, EVBREAK_ALL);
}

/* Looks until the end is reached, or none of these answers is left. */
static struct bed
look(const char *const *answers, size_t n)
{
	static const struct book_ops no_ops;
	struct raw_reply replies[24] = { 0 };
	struct bed bed = { .n = n };
	struct ev_timer tick;
	struct lease_book *book = lease_book_create(
		&(struct book_config){ .workers = 1, .timeout_ms = 60000 }, &no_ops, NULL);
	for (size_t i = 0; i < n; i++)
		replies[i].bytes = answers[i];
	replies[n].bytes = down;
	api_bed_init(&bed.api);
	api_bed_serve(&bed.api, replies, n + 1);
	bed.finish = finish_create(bed.api.api, book, on_reached, &bed);
	bed.began_ms = clock_boot_ms();
	ev_timer_init(&tick, on_tick, 0, 0.02);
	tick.data = &bed;
	ev_timer_start(bed.api.loop, &tick);
	ev_run(bed.api.loop, 0);
	ev_timer_stop(bed.api.loop, &tick);
	lts_api_destroy(&bed.api.api);
	finish_destroy(&bed.finish);
	lease_book_destroy(&book);
	api_bed_fini(&bed.api);
	return bed;
}

#define LOOK(...)                                                  \
	look((const char *const[]){ __VA_ARGS__ },                 \
	     sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

START_TEST(two_looks_a_second_apart_reach_the_end)
{
	struct bed bed = _i ? LOOK(list, end_here, list, end_here)
			    : LOOK(list, end_behind, nothing, list, end_behind, nothing);
	ck_assert(bed.reached);
	ck_assert_int_ge(bed.took_ms, 1000);
}
END_TEST

START_TEST(one_wrong_look_reaches_nothing)
{
	ck_assert(!LOOK(list, end_here, list, end_behind, records).reached);
	ck_assert(!LOOK(list, end_behind, nothing, list, end_behind, records).reached);
	ck_assert(!LOOK(list, end_behind, refused, nothing, list, end_behind, records).reached);
	ck_assert(!LOOK(list, end_here, down, list, end_behind, records).reached);
}
END_TEST

START_TEST(refusal_counts_where_the_place_itself_is_not_refused)
{
	ck_assert(LOOK(list, end_behind, refused, records, list, end_behind, refused, records)
			  .reached);
	ck_assert(!LOOK(list, end_behind, refused, refused, list, end_behind, refused, refused)
			   .reached);
	ck_assert(!LOOK(list, end_behind, ill, list, end_behind, ill).reached);
}
END_TEST

/* One that was listed before, and not at its end: the short lists come twice, as a second look. */
START_TEST(shard_that_lists_leave_out_by_now_is_asked_for_alone)
{
	static const char both[] = OK("69", "[{\"shard_id\":\"0\",\"checkpoint\":\"5\"},"
					    "{\"shard_id\":\"1\",\"checkpoint\":\"3\"}]");
	static const char other[] = OK("35", "[{\"shard_id\":\"1\",\"checkpoint\":\"3\"}]");
	static const char at_end[] = OK("35", "[{\"shard_id\":\"1\",\"checkpoint\":\"9\"}]");
	static const char none[] = OK("2", "[]");
	/* No word of it. */
	ck_assert(!LOOK(both, end_here, end_behind, records, list, end_here, list).reached);
	/* Behind its end it still is. */
	ck_assert(!LOOK(both, end_here, end_behind, records, list, other, end_here, end_behind,
			records, list, other, end_behind, records)
			   .reached);
	/* It is there, by what is said of it alone. */
	ck_assert(LOOK(both, end_here, end_behind, records, list, at_end, end_here, end_behind,
		       list, at_end, end_behind)
			  .reached);
	/* It is gone, as is said twice, a second apart; not by the first word. */
	struct bed gone = LOOK(both, end_here, end_behind, records, list, none, end_here, list,
			       none);
	ck_assert(gone.reached);
	ck_assert_int_ge(gone.took_ms, 2000);
	ck_assert(!LOOK(both, end_here, end_behind, records, list, none, end_here, list, other,
			end_behind, records)
			   .reached);
}
END_TEST

START_TEST(empty_list_reaches_nothing)
{
	ck_assert(!LOOK(OK("2", "[]"), OK("2", "[]")).reached);
}
END_TEST

Suite *
suite_finish(void)
{
	Suite *suite = suite_create("finish");
	TCase *tc = tcase_create("finish");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, two_looks_a_second_apart_reach_the_end, 0, 2);
	tcase_add_test(tc, one_wrong_look_reaches_nothing);
	tcase_add_test(tc, refusal_counts_where_the_place_itself_is_not_refused);
	tcase_add_test(tc, shard_that_lists_leave_out_by_now_is_asked_for_alone);
	tcase_add_test(tc, empty_list_reaches_nothing);
	suite_add_tcase(suite, tc);
	return suite;
}
