/*
 * protect.c - no core dumps, no new privileges, and memory for keys.
 *
 * In the supervisor and the workers. Owns OpenSSL's secure heap, where OpenSSL itself keeps the
 * keys of MACs and of handshakes: a full one would fail a handshake, so there is room for those
 * of all connections at once. Must never end a process over a limit: unlocked keys are as they
 * were before. Held by tests/common/test_protect.c and tests/scenario/confined.c.
 */
#include "common/protect.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/handoff.h"

/* Credentials take 16 KiB a time, in powers of two, and are there at most three times; a
 * handshake less than 2 KiB, and there are at most 64. */
enum { KEYS_BYTES = 256 * 1024, KEYS_LEAST_BYTES = 64 };

/* Of 1 byte and not of 0: no core fits, and the kernel starts no crash handler either, to which a
 * limit of 0 means nothing. The hard limit stays: who needs a core raises the soft one with
 * prlimit(1). */
static void
forbid_cores(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_CORE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max < 1 ? limit.rlim_max : 1;
		setrlimit(RLIMIT_CORE, &limit);
	}
}

bool
protect_process(void)
{
	forbid_cores();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return CRYPTO_secure_malloc_init(KEYS_BYTES, KEYS_LEAST_BYTES) == 1;
}

void *
protect_alloc(size_t size)
{
	void *memory = OPENSSL_secure_zalloc(size);
	if (!memory)
		_exit(EXIT_NO_MEMORY);
	return memory;
}

void
protect_free(void *memory, size_t size)
{
	OPENSSL_secure_clear_free(memory, size);
}
