/*
 * test_sink_crash.c - stops a worker's sink before every single file system call, and in
 * the middle of every write, opens it again at what was committed, and finds exactly
 * that; goes on, and in the end every record is there once. What power loss does beyond
 * that is a scenario's.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suites.h"
#include "tests/support/sys_spy.h"
#include "tests/worker/sink_bed.h"

enum { FIRST = 100, LAST = 129, BATCH = 3, ROTATE_BYTES = 65, CRASHED = 9 };

/* Shared with the process that dies: stands for LMDB. */
struct committed {
	struct sink_position position;
	unsigned next; /* record */
};

static struct sink_bed bed;
static struct committed *committed;
static int countdown; /* calls until the end */
static bool torn;     /* a write that is the end happens in half */

static int
before_call(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	if (countdown-- > 0)
		return 0;
	if (!torn || call != SPY_WRITE)
		_exit(CRASHED);
	if (countdown < -1)
		_exit(CRASHED);
	*bytes /= 2;
	return 0;
}

static const struct sys_spy crash = { .before = before_call };

static void
setup(void)
{
	committed = mmap(NULL, sizeof(*committed), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(committed != MAP_FAILED);
}

static void
teardown(void)
{
	munmap(committed, sizeof(*committed));
}

/* A worker's life from the committed position to the last record; every other commit is
 * of two batches. */
static void
run(void)
{
	if (sink_bed_open(&bed, committed->position.segment, committed->position.offset))
		_exit(1);
	for (unsigned n = committed->next; n <= LAST;) {
		unsigned to = n;
		for (unsigned batches = 0; to <= LAST && batches < 1 + (n / BATCH) % 2;
		     batches++) {
			if (sink_bed_submit(&bed, to, to + BATCH - 1))
				_exit(2);
			to += BATCH;
		}
		struct sink_position position;
		if (bed.sink->ops->flush(bed.stream, to > LAST, &position))
			_exit(3);
		*committed = (struct committed){ position, to };
		n = to;
		if (bed.sink->ops->committed(bed.stream))
			_exit(4);
	}
	sink_bed_close(&bed);
}

static int
run_until(int calls)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		countdown = calls;
		sys_spy_set(&crash);
		run();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Opened at what was committed, the directory holds that and nothing else. */
static void
expect_committed(void)
{
	ck_assert_msg(sink_bed_open(&bed, committed->position.segment,
				    committed->position.offset) == LTS_OK,
		      "%s", bed.why.data);
	sink_bed_close(&bed);
	sink_bed_expect_records(&bed, FIRST, committed->next - 1);
}

START_TEST(stopped_anywhere_the_sink_holds_what_is_committed)
{
	int calls = 0, code;
	torn = _i;
	do {
		sink_bed_init(&bed, ROTATE_BYTES);
		*committed = (struct committed){ .next = FIRST };
		code = run_until(calls++);
		ck_assert_msg(code == CRASHED || code == 0, "exit code %d", code);
		expect_committed();
		ck_assert_int_eq(run_until(1 << 20), 0);
		sink_bed_expect_records(&bed, FIRST, LAST);
		sink_bed_expect_files(&bed, "7-abc-00000000.log 7-abc-00000001.log "
					    "7-abc-00000002.log");
		sink_bed_fini(&bed);
	} while (code == CRASHED);
	ck_assert_int_gt(calls, 20);
}
END_TEST

START_TEST(stopped_again_and_again_the_sink_still_comes_to_its_end)
{
	int code, lives = 0;
	torn = _i;
	sink_bed_init(&bed, ROTATE_BYTES);
	*committed = (struct committed){ .next = FIRST };
	do {
		code = run_until(8 + lives++ % 7);
		ck_assert_msg(code == CRASHED || code == 0, "exit code %d", code);
		expect_committed();
	} while (code == CRASHED && lives < 200);
	ck_assert_int_eq(code, 0);
	sink_bed_expect_records(&bed, FIRST, LAST);
	sink_bed_fini(&bed);
}
END_TEST

Suite *
suite_sink_crash(void)
{
	Suite *suite = suite_create("sink_crash");
	TCase *tc = tcase_create("crashes");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, stopped_anywhere_the_sink_holds_what_is_committed, 0, 2);
	tcase_add_loop_test(tc, stopped_again_and_again_the_sink_still_comes_to_its_end, 0, 2);
	suite_add_tcase(suite, tc);
	return suite;
}
