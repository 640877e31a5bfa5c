/*
 * descriptors.c - the limit of descriptors, raised for us and not for the children.
 *
 * In every process. Owns one number: the limit that was found, written once, before there is a
 * second thread. Must never lower what this process has. Held by tests/common/test_used_up.c.
 */
#include "common/descriptors.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/used_up.h"

static rlim_t found; /* 0: nothing was raised */

void
descriptors_raise(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	rlim_t before = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		found = before;
}

void
descriptors_give_back(void)
{
	struct rlimit limit;
	if (!found || getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = found;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t
descriptors_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

int
descriptors_lack(unsigned n)
{
	int fds[64], error = 0;
	unsigned have = 0;
	for (; have < n && have < sizeof(fds) / sizeof(fds[0]) && !error; have++) {
		fds[have] = eventfd(0, EFD_CLOEXEC);
		error = fds[have] < 0 ? errno : 0;
	}
	for (unsigned i = 0; i < have; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return used_up(error) ? error : 0;
}
