/*
 * scenario.c - the ground a scenario stands on.
 *
 * In the test process; the watch is a process of its own that outlives it. Owns the
 * directory. Must never leave a process behind, however the test ends, nor remove the
 * directory of a test that failed.
 */
#include "tests/support/scenario.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/sim/sim_record.h"
#include "tests/support/tmpdir.h"

enum { TAIL_BYTES = 6000 };

/* ---- the watch ---- */

static void
print_tail(const char *dir, const char *name)
{
	char *path = tmpdir_path(dir, name), text[TAIL_BYTES + 1];
	FILE *file = fopen(path, "re");
	struct stat st;
	if (file && fstat(fileno(file), &st) == 0 && st.st_size > 0) {
		fseek(file, st.st_size > TAIL_BYTES ? -TAIL_BYTES : 0, SEEK_END);
		if (st.st_size <= TAIL_BYTES)
			rewind(file);
		size_t n = fread(text, 1, TAIL_BYTES, file);
		text[n] = '\0';
		fprintf(stderr, "---- %s (%lld bytes), its end:\n%s\n", name,
			(long long)st.st_size, text);
	}
	if (file)
		fclose(file);
	free(path);
}

static void
print_logs(const char *dir)
{
	struct dirent *entry;
	DIR *stream = opendir(dir);
	fprintf(stderr, "==== the scenario failed; what it left is in %s\n", dir);
	while (stream && (entry = readdir(stream))) {
		size_t len = strlen(entry->d_name);
		if (len > 4 && strcmp(entry->d_name + len - 4, ".log") == 0)
			print_tail(dir, entry->d_name);
	}
	if (stream)
		closedir(stream);
	fprintf(stderr, "====\n");
	fflush(stderr);
}

/* Ends with the test: in peace when it said so, else with a report. */
static void
watch(const char *dir, int fd)
{
	char word = 0;
	setsid(); /* Check kills the test's process group */
	while (read(fd, &word, 1) < 0 && errno == EINTR)
		;
	if (word)
		_exit(0);
	print_logs(dir);
	for (int i = 0; i < 200 && process_sweep(dir, SIGKILL); i++)
		usleep(10000);
	_exit(0);
}

static void
start_watch(struct scenario *s)
{
	int fds[2];
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	s->watch = fork();
	ck_assert_int_ge(s->watch, 0);
	if (s->watch == 0) {
		close(fds[1]);
		watch(s->dir, fds[0]);
	}
	close(fds[0]);
	s->watch_fd = fds[1];
}

/* ---- the scenario ---- */

void
scenario_begin(struct scenario *s)
{
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	ck_assert_int_gt(len, 0);
	self[len] = '\0';
	*strrchr(self, '/') = '\0';
	*s = (struct scenario){ .dir = tmpdir_make(), .bin = xstrdup(self) };
	start_watch(s);
}

/* What a sanitizer has to say is said in a log, also where nobody asks for the exit code.
 */
static void
expect_no_report(const struct scenario *s)
{
	static const char *const reports[] = { "Sanitizer: ", "runtime error: " };
	struct dirent *entry;
	DIR *stream = opendir(s->dir);
	ck_assert_ptr_nonnull(stream);
	while ((entry = readdir(stream))) {
		if (entry->d_type != DT_REG || !strstr(entry->d_name, ".log"))
			continue;
		char *log = scenario_read(s, entry->d_name);
		for (int i = 0; i < 2; i++)
			ck_assert_msg(!strstr(log, reports[i]), "%s has a report", entry->d_name);
		free(log);
	}
	closedir(stream);
}

void
scenario_end(struct scenario *s)
{
	until("every process of the scenario is gone", process_sweep(s->dir, 0) == 0);
	expect_no_report(s);
	ck_assert_int_eq(write(s->watch_fd, "k", 1), 1);
	close(s->watch_fd);
	waitpid(s->watch, NULL, 0);
	tmpdir_remove(&s->dir);
	free(s->bin);
	s->bin = NULL;
}

void
scenario_skip(const char *why)
{
	fprintf(stderr, "SKIPPED: %s\n", why);
}

TCase *
scenario_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);
	tcase_set_timeout(tc, SCENARIO_TIMEOUT_S);
	suite_add_tcase(suite, tc);
	return tc;
}

uint64_t
scenario_seed(unsigned n)
{
	const char *base = getenv("TEST_SEED");
	return sim_mix((base ? strtoull(base, NULL, 10) : 0) * 1000 + n);
}

unsigned
scenario_draw(uint64_t *seed, unsigned most)
{
	*seed = sim_mix(*seed + 1);
	return (unsigned)(*seed % most);
}

static size_t
lines_in(int dir_fd, const char *name)
{
	char text[65536];
	size_t n = 0, len;
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file)
		return 0;
	while ((len = fread(text, 1, sizeof(text), file)))
		for (const char *at = text; (at = memchr(at, '\n', (size_t)(text + len - at)));
		     at++)
			n++;
	fclose(file);
	return n;
}

size_t
scenario_lines(const struct scenario *s, const char *name)
{
	char *path = tmpdir_path(s->dir, name);
	struct dirent *entry;
	size_t n = 0;
	DIR *stream = opendir(path);
	while (stream && (entry = readdir(stream)))
		if (entry->d_type == DT_REG)
			n += lines_in(dirfd(stream), entry->d_name);
	if (stream)
		closedir(stream);
	free(path);
	return n;
}

char *
scenario_read(const struct scenario *s, const char *name)
{
	size_t len;
	char *path = tmpdir_path(s->dir, name);
	bool there = access(path, F_OK) == 0;
	free(path);
	return there ? tmpdir_read(s->dir, name, &len) : xstrdup("");
}

int
scenario_run(const struct scenario *s, struct words *words, char **output_out)
{
	struct process process;
	char *name = words->list[0];
	char *out = tmpdir_path(s->dir, "run.out"),
	     *err = xasprintf("%s/%s.err.log", s->dir, name);
	words->list[0] = tmpdir_path(s->bin, name);
	unlink(out);
	process_start(
		&process, words,
		&(struct process_files){ .dir = s->dir, .out = out, .err = err, .out_fd = -1 });
	int code = process_wait(&process, name);
	if (output_out)
		*output_out = scenario_read(s, "run.out");
	free(name);
	free(out);
	free(err);
	return code;
}

struct verdict
scenario_verify(const struct scenario *s, const char *options)
{
	struct verdict v = { .records = 0 };
	struct words words = { .n = 0 };
	char *output;
	words_add(&words, "lts-sim verify %s", options);
	v.exit = scenario_run(s, &words, &output);
	words_fini(&words);
	const char *last = output;
	for (const char *at = output; (at = strstr(at, "verify: ")); at++)
		last = at;
	int n = sscanf(last,
		       "verify: %llu records, %llu lost, %llu duplicated, %llu "
		       "reordered, %llu torn, "
		       "%llu unsealed, %llu repeated",
		       &v.records, &v.lost, &v.duplicated, &v.reordered, &v.torn, &v.unsealed,
		       &v.repeated);
	ck_assert_msg(n >= 6, "lts-sim verify %s: exit %d: %s", options, v.exit, output);
	tmpdir_write(s->dir, "verify.log", output, strlen(output)); /* for the watch to show */
	free(output);
	return v;
}

void
scenario_expect_exact(const struct scenario *s, unsigned shards, unsigned records,
		      const char *dirs)
{
	char *options = xasprintf("--shards %u --records %u %s", shards, records, dirs);
	struct verdict v = scenario_verify(s, options);
	free(options);
	ck_assert_uint_eq(v.lost, 0);
	ck_assert_uint_eq(v.duplicated, 0);
	ck_assert_uint_eq(v.reordered, 0);
	ck_assert_uint_eq(v.torn, 0);
	ck_assert_uint_eq(v.unsealed, 0);
	ck_assert_uint_eq(v.records, (unsigned long long)shards * records);
	ck_assert_int_eq(v.exit, 0);
}
