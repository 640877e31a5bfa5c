/*
 * test_sandbox.c - what a worker in its sandbox can still do, and what it cannot.
 *
 * Each case runs in a process of its own, which stays confined. Where there is no Landlock or no
 * seccomp, and in builds with a sanitiser, it says that it was not made.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suites.h"
#include "tests/support/tmpdir.h"
#include "worker/sandbox.h"

enum { NOT_HERE = 77 };

/* In the confined process: ends it with the line that does not hold. */
#define expect(claim)                                             \
	do {                                                      \
		if (!(claim))                                     \
			_exit(__LINE__ & 63 ? __LINE__ & 63 : 1); \
	} while (0)
#define expect_errno(call, number)                         \
	do {                                               \
		errno = 0;                                 \
		expect((call) == -1 && errno == (number)); \
	} while (0)

static char *dir;

static void
setup(void)
{
	dir = tmpdir_make();
}

static void
teardown(void)
{
	tmpdir_remove(&dir);
}

static void
in_a_process(void (*body)(void))
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		body();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == NOT_HERE)
		fprintf(stderr, "SKIPPED: no sandbox in this kernel, or in this build\n");
	else
		ck_assert_msg(WEXITSTATUS(status) == 0,
			      "a claim in a line whose number is %d "
			      "modulo 64 does not hold",
			      WEXITSTATUS(status));
}

static char *
make_dir(const char *name)
{
	char *path = tmpdir_path(dir, name);
	expect(mkdir(path, 0700) == 0);
	return path;
}

static void
enter_files(void)
{
	char *state = make_dir("state"), *sink = make_dir("sink"), *log = make_dir("log"),
	     *other = make_dir("other"), *letters = make_dir("letters");
	char *log_file = tmpdir_path(log, "log");
	tmpdir_write(log, "log", "", 0);
	tmpdir_write(other, "file", "x", 1);
	struct sandbox sandbox = {
		.wanted = true, .state_dir = state, .sink_dir = sink, .letters_dir = letters,
		.log_file = log_file
	};
	enum lts_err err = sandbox_files(&sandbox);
	if (err == LTS_NOTFOUND)
		_exit(NOT_HERE);
	expect(!err && chdir(dir) == 0);
}

static bool
can_make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd >= 0 && write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0 && close(fd) == 0;
}

static void
its_own_files(void)
{
	enter_files();
	expect(can_make("state/a") && can_make("sink/a") && can_make("log/a"));
	expect(rename("sink/a", "sink/b") == 0 && unlink("sink/b") == 0);
	expect(mkdir("state/d", 0700) == 0);
	expect(open("/etc/passwd", O_RDONLY) >= 0 && open("/proc/self/stat", O_RDONLY) >= 0);
}

START_TEST(own_directories_and_the_system_s_files_stay_open)
{
	in_a_process(its_own_files);
}
END_TEST

static void
files_of_others(void)
{
	enter_files();
	expect_errno(open("other/file", O_RDONLY), EACCES);
	expect_errno(open("other/file", O_WRONLY), EACCES);
	expect_errno(open("other/new", O_WRONLY | O_CREAT, 0600), EACCES);
	expect_errno(unlink("other/file"), EACCES);
	expect_errno(open("/etc/lts-was-here", O_WRONLY | O_CREAT, 0600), EACCES);
	expect_errno(rename("other/file", "sink/file"), EACCES);
	expect_errno(symlink("/", "sink/link"), EACCES);
	expect_errno(open(".", O_RDONLY | O_DIRECTORY), EACCES);
}

START_TEST(files_of_others_are_out_of_reach)
{
	in_a_process(files_of_others);
}
END_TEST

static void
enter_calls(void)
{
	enum lts_err err = sandbox_calls();
	if (err == LTS_NOTFOUND)
		_exit(NOT_HERE);
	expect(!err);
}

static void
forbidden_calls(void)
{
	char name[] = "/bin/true", *argv[] = { name, NULL };
	enter_calls();
	expect_errno(execv(name, argv), EPERM);
	expect_errno(fork(), ENOSYS); /* clone without CLONE_THREAD */
	expect_errno(syscall(SYS_ptrace, 0, 0, 0, 0), EPERM);
	expect_errno(kill(getppid(), 0), ENOSYS);
	expect_errno(socket(AF_PACKET, SOCK_RAW, 0), ENOSYS);
	expect_errno(listen(0, 1), EPERM);
	expect_errno(chmod("/tmp", 0777), EPERM);
	expect(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0) == MAP_FAILED);
	expect_errno(syscall(100000), ENOSYS);
}

START_TEST(forbidden_call_fails_and_the_process_lives)
{
	in_a_process(forbidden_calls);
}
END_TEST

static sem_t begin;

static void *
try_to_exec(void *arg)
{
	char name[] = "/bin/false", *argv[] = { name, NULL };
	sem_wait(&begin);
	execv(name, argv);
	return (void *)(intptr_t)errno;
}

static void
other_thread(void)
{
	pthread_t thread;
	void *number;
	sem_init(&begin, 0, 0);
	expect(pthread_create(&thread, NULL, try_to_exec, NULL) == 0);
	enter_calls();
	sem_post(&begin);
	expect(pthread_join(thread, &number) == 0 && (intptr_t)number == EPERM);
}

START_TEST(thread_that_ran_before_is_confined_too)
{
	in_a_process(other_thread);
}
END_TEST

static void *
resolve(void *arg)
{
	struct addrinfo *found = NULL;
	int rc = getaddrinfo("localhost", "80", NULL, &found);
	if (rc == 0)
		freeaddrinfo(found);
	return (void *)(intptr_t)rc;
}

static void
names(void)
{
	pthread_t thread;
	void *rc;
	enter_files();
	enter_calls();
	expect(pthread_create(&thread, NULL, resolve, NULL) == 0);
	expect(pthread_join(thread, &rc) == 0 && rc == NULL);
	expect(raise(SIGURG) == 0);
}

START_TEST(thread_starts_and_resolves_names)
{
	in_a_process(names);
}
END_TEST

Suite *
suite_sandbox(void)
{
	Suite *suite = suite_create("sandbox");
	TCase *tc = tcase_create("sandbox");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, own_directories_and_the_system_s_files_stay_open);
	tcase_add_test(tc, files_of_others_are_out_of_reach);
	tcase_add_test(tc, forbidden_call_fails_and_the_process_lives);
	tcase_add_test(tc, thread_that_ran_before_is_confined_too);
	tcase_add_test(tc, thread_starts_and_resolves_names);
	suite_add_tcase(suite, tc);
	return suite;
}
