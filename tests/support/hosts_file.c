/*
 * hosts_file.c - an /etc/hosts for one test.
 *
 * In the test process, as root. Owns the mount namespace and the file. Must never change the
 * machine's own file, nor be read half written.
 */
#include "tests/support/hosts_file.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/support/scenario.h"
#include "tests/support/tmpdir.h"

static int file = -1; /* the test process is forked for one test */

bool
hosts_file_begin(const char *dir)
{
	char *path = tmpdir_path(dir, "hosts");
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_ge(file, 0);
	hosts_file_point("127.0.0.1");
	bool mounted = unshare(CLONE_NEWNS) == 0 &&
		       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		       mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
	if (!mounted)
		scenario_skip("a file may not be mounted over /etc/hosts");
	free(path);
	return mounted;
}

/* In one write of always the same length. */
void
hosts_file_point(const char *address)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "127.0.0.1 localhost\n%-15s %s\n", address,
			   HOSTS_FILE_NAME);
	ck_assert_int_eq(pwrite(file, line, (size_t)len, 0), len);
}
