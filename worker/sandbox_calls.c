/*
 * sandbox_calls.c - the system calls that a worker may still make, by seccomp.
 *
 * In a worker, once, for all its threads. Owns nothing: the filter stays for the process's life.
 * Must never end the process: a worker that is killed is started again and killed again, and its
 * shards stand still, while one whose call fails says so and goes on as after any other failure.
 * What is not known here fails with ENOSYS, as on an old kernel: a newer libc or libcurl then
 * takes its older way. What only an intruder would try fails with EPERM. The kernel logs both.
 * Held by tests/worker/test_sandbox.c and tests/scenario/confined.c.
 */
#include "worker/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* clang-format off */
#define CALL(name) SCMP_SYS(name)
static const int allowed[] = {
	/* files and pipes */
	CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(pread64), CALL(pwrite64),
	CALL(preadv), CALL(pwritev), CALL(preadv2), CALL(pwritev2), CALL(lseek), CALL(_llseek),
	CALL(open), CALL(openat), CALL(close), CALL(close_range), CALL(dup), CALL(dup2), CALL(dup3),
	CALL(fcntl), CALL(fcntl64), CALL(flock), CALL(fsync), CALL(fdatasync),
	CALL(sync_file_range), CALL(sync_file_range2), CALL(ftruncate), CALL(ftruncate64),
	CALL(fallocate), CALL(fadvise64), CALL(stat), CALL(fstat), CALL(lstat), CALL(stat64),
	CALL(fstat64), CALL(lstat64), CALL(fstatat64), CALL(newfstatat), CALL(statx), CALL(statfs),
	CALL(fstatfs), CALL(statfs64), CALL(fstatfs64), CALL(access), CALL(faccessat),
	CALL(faccessat2), CALL(readlink), CALL(readlinkat), CALL(getcwd), CALL(getdents),
	CALL(getdents64), CALL(mkdir), CALL(mkdirat), CALL(unlink), CALL(unlinkat), CALL(rename),
	CALL(renameat), CALL(renameat2), CALL(pipe), CALL(pipe2), CALL(umask),
	/* waiting */
	CALL(poll), CALL(ppoll), CALL(ppoll_time64), CALL(select), CALL(_newselect), CALL(pselect6),
	CALL(epoll_create), CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait),
	CALL(epoll_pwait), CALL(epoll_pwait2), CALL(eventfd), CALL(eventfd2), CALL(timerfd_create),
	CALL(timerfd_settime), CALL(timerfd_gettime), CALL(nanosleep), CALL(clock_nanosleep),
	CALL(clock_nanosleep_time64), CALL(futex), CALL(futex_time64), CALL(sched_yield),
	CALL(restart_syscall),
	/* the network */
	CALL(connect), CALL(bind), CALL(getsockname), CALL(getpeername), CALL(getsockopt),
	CALL(setsockopt), CALL(send), CALL(sendto), CALL(sendmsg), CALL(sendmmsg), CALL(recv),
	CALL(recvfrom), CALL(recvmsg), CALL(recvmmsg), CALL(recvmmsg_time64), CALL(shutdown),
	CALL(socketpair),
	/* memory; mmap and mprotect have rules of their own */
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(msync), CALL(mlock),
	CALL(mlock2), CALL(munlock), CALL(mincore), CALL(membarrier), CALL(get_mempolicy),
	/* time and chance */
	CALL(clock_gettime), CALL(clock_gettime64), CALL(clock_getres), CALL(clock_getres_time64),
	CALL(gettimeofday), CALL(time), CALL(getrandom), CALL(times),
	/* itself */
	CALL(exit), CALL(exit_group), CALL(getpid), CALL(gettid), CALL(getppid), CALL(getuid),
	CALL(geteuid), CALL(getgid), CALL(getegid), CALL(getuid32), CALL(geteuid32),
	CALL(getgid32), CALL(getegid32), CALL(getpgrp), CALL(getrusage), CALL(getrlimit),
	CALL(ugetrlimit), CALL(uname), CALL(sysinfo), CALL(getcpu), CALL(sched_getaffinity),
	CALL(set_robust_list), CALL(get_robust_list), CALL(rseq), CALL(set_tid_address),
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigreturn),
	CALL(rt_sigpending), CALL(sigaltstack), CALL(arch_prctl),
};

/* The first steps of whoever has got in. */
static const int refused[] = {
	CALL(execve), CALL(execveat), CALL(fork), CALL(vfork), CALL(ptrace), CALL(listen),
	CALL(accept), CALL(accept4), CALL(setuid), CALL(setresuid), CALL(process_vm_readv),
	CALL(process_vm_writev), CALL(mount), CALL(umount2), CALL(chroot), CALL(pivot_root),
	CALL(unshare), CALL(setns), CALL(bpf), CALL(perf_event_open), CALL(init_module),
	CALL(finit_module), CALL(kexec_load), CALL(userfaultfd), CALL(io_uring_setup),
	CALL(chmod), CALL(fchmod), CALL(fchmodat), CALL(chown), CALL(fchown), CALL(lchown),
	CALL(fchownat),
};
/* clang-format on */

static int
allow_one(scmp_filter_ctx filter, int call, struct scmp_arg_cmp when)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, when);
}

/* Of these, some ways alone: the first error, or 0. */
static int
allow_some(scmp_filter_ctx filter)
{
	static const unsigned families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
	static const unsigned long requests[] = { FIONREAD, FIONBIO, FIOCLEX,
						  0x5401 /* TCGETS */ };
	static const int calls[] = { CALL(mmap), CALL(mmap2), CALL(mprotect) };
	int rc = 0;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !rc; i++)
		rc = allow_one(filter, CALL(socket), SCMP_A0_32(SCMP_CMP_EQ, families[i]));
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]) && !rc; i++)
		rc = allow_one(filter, CALL(ioctl), SCMP_A1_32(SCMP_CMP_EQ, requests[i]));
	/* Memory is written or executed, never both. */
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !rc; i++) {
		rc = allow_one(filter, calls[i], SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		if (!rc)
			rc = allow_one(filter, calls[i],
				       SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0));
	}
	return rc;
}

/* Threads, the resolver's: clone3's flags cannot be read here, so it is as if there were none,
 * and libc takes clone. */
static int
allow_threads(scmp_filter_ctx filter)
{
#ifdef __s390x__
	return allow_one(filter, CALL(clone),
			 SCMP_A1(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
#else
	return allow_one(filter, CALL(clone),
			 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
#endif
}

/* abort, raise, and pthread_kill; never another process. */
static int
allow_own_signals(scmp_filter_ctx filter)
{
	scmp_datum_t self = (scmp_datum_t)getpid();
	int rc = allow_one(filter, CALL(tgkill), SCMP_A0_32(SCMP_CMP_EQ, self));
	return rc ? rc : allow_one(filter, CALL(kill), SCMP_A0_32(SCMP_CMP_EQ, self));
}

/* libc asks for limits by it; it must not set those of others. */
static int
allow_limits(scmp_filter_ctx filter)
{
	return allow_one(filter, CALL(prlimit64), SCMP_A0_32(SCMP_CMP_EQ, 0));
}

static int
add_rules(scmp_filter_ctx filter)
{
	int rc = 0;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !rc; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]) && !rc; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	if (!rc)
		rc = allow_some(filter);
	if (!rc)
		rc = allow_threads(filter);
	if (!rc)
		rc = allow_own_signals(filter);
	return rc ? rc : allow_limits(filter);
}

static enum lts_err
restrict_calls(void)
{
	if (seccomp_api_get() < 2) /* no filters for all threads */
		return LTS_NOTFOUND;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (!filter)
		return LTS_SYS;
	int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc && seccomp_api_get() >= 3)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	if (!rc)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!rc)
		rc = add_rules(filter);
	if (!rc)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	errno = -rc;
	return rc ? LTS_SYS : LTS_OK;
}

enum lts_err
sandbox_calls(void)
{
#ifdef __SANITIZE_ADDRESS__
	(void)restrict_calls;
	return LTS_NOTFOUND;
#else
	return restrict_calls();
#endif
}
