/*
 * used_up.c - which errors mean that there is none left, and whose limit that is.
 *
 * In every process. Pure, but for asking the kernel for this process's limits. Must never call
 * used up what no waiting mends. Held by tests/common/test_used_up.c.
 */
#include "common/used_up.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/memory_limit.h"

bool
used_up(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EAGAIN:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case ENOLCK:
		return true;
	default:
		return false;
	}
}

enum lts_err
used_up_or_sys(int error)
{
	return used_up(error) ? LTS_NOSPACE : LTS_SYS;
}

static unsigned long long
limit_of(int resource)
{
	struct rlimit limit = { 0 };
	(void)getrlimit((__rlimit_resource_t)resource, &limit);
	return (unsigned long long)limit.rlim_cur;
}

static bool
is_limited(int resource)
{
	return limit_of(resource) != (unsigned long long)RLIM_INFINITY;
}

void
used_up_explain(int error, struct buf *out)
{
	(void)!buf_put_text(out, strerror(error));
	switch (error) {
	case EMFILE:
		(void)!buf_printf(out, ": process %d may have %llu descriptors (RLIMIT_NOFILE)",
				  (int)getpid(), limit_of(RLIMIT_NOFILE));
		break;
	case ENFILE:
		(void)!buf_put_text(out, ": this host has no more descriptors (fs.file-max)");
		break;
	case EFBIG:
		if (is_limited(RLIMIT_FSIZE))
			(void)!buf_printf(out, ": a file may have %llu bytes (RLIMIT_FSIZE)",
					  limit_of(RLIMIT_FSIZE));
		break;
	case ENOMEM:
		(void)!buf_put_text(out, ": ");
		memory_limit_explain(out);
		break;
	case ENOLCK:
		(void)!buf_put_text(out, ": this file system gives no locks");
		break;
	default:
		break;
	}
}
