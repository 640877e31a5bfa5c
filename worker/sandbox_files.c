/*
 * sandbox_files.c - the files that a worker may still touch, by Landlock.
 *
 * In a worker, once in each of its threads. Owns nothing: what is in force stays so for the
 * thread's life. Must never take away what a worker needs on a bad day: names, certificates and
 * libraries may be looked up anew, so whole directories are readable, and a rule for what is not
 * there is left out. Held by tests/worker/test_sandbox.c and tests/scenario/confined.c.
 */
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/xalloc.h"

/* From <linux/landlock.h>, which may be older than the kernel. */
enum {
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_ABI_1 = (1 << 13) - 1, /* those, to execute, and to make what we never make */
	FS_REFER = 1 << 13,       /* since ABI 2 */
	FS_TRUNCATE = 1 << 14,    /* 3 */
	FS_IOCTL_DEV = 1 << 15,   /* 5 */
	NET_BIND_TCP = 1 << 0,    /* 4 */
	RULE_PATH_BENEATH = 1,
	WANT_ABI = 1,
};

struct ruleset {
	uint64_t fs, net; /* what is refused unless a rule allows it */
};

struct path_beneath {
	uint64_t allowed;
	int32_t dir_fd;
} __attribute__((packed));

static const uint64_t reads = FS_READ_FILE | FS_READ_DIR;
static const uint64_t writes = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_REMOVE_FILE |
			       FS_MAKE_DIR | FS_MAKE_REG | FS_TRUNCATE;

/* Resolver, certificates, libraries that are loaded late (of names, of characters), time zones.
 */
static const char *const readable[] = {
	"/etc",
	"/usr",
	"/lib",
	"/lib64",
	"/proc",
	"/dev",
	"/run/systemd/resolve",
	"/run/resolvconf",
	"/run/NetworkManager",
	"/var/lib/ca-certificates",
	"/sys/devices/system/cpu",
};

static uint64_t
known_rights(long abi)
{
	uint64_t rights = FS_ABI_1;
	if (abi >= 2)
		rights |= FS_REFER;
	if (abi >= 3)
		rights |= FS_TRUNCATE;
	if (abi >= 5)
		rights |= FS_IOCTL_DEV;
	return rights;
}

static enum lts_err
allow(int ruleset, const char *path, uint64_t rights)
{
	struct path_beneath rule = { .allowed = rights };
	rule.dir_fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (rule.dir_fd < 0)
		return LTS_OK;
	long rc = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
	int saved = errno;
	close(rule.dir_fd);
	errno = saved;
	return rc < 0 ? LTS_SYS : LTS_OK;
}

static enum lts_err
allow_around(int ruleset, const char *file, uint64_t rights)
{
	struct stat st;
	if (!file || stat(file, &st) < 0 || !S_ISREG(st.st_mode))
		return LTS_OK; /* a device or a pipe is opened once, and was */
	const char *slash = strrchr(file, '/');
	char *dir = slash ? xstrndup(file, (size_t)(slash - file) + 1) : xstrdup(".");
	enum lts_err err = allow(ruleset, dir, rights);
	free(dir);
	return err;
}

/* Where the resolver's file really is: on some hosts nowhere near /etc. */
static enum lts_err
allow_resolver(int ruleset)
{
	char *file = realpath("/etc/resolv.conf", NULL);
	enum lts_err err = allow_around(ruleset, file, reads);
	free(file);
	return err;
}

static enum lts_err
add_rules(int ruleset, const struct sandbox *sandbox, uint64_t known)
{
	enum lts_err err = LTS_OK;
	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]) && !err; i++)
		err = allow(ruleset, readable[i], reads);
	if (!err)
		err = allow_resolver(ruleset);
	if (!err)
		err = allow_around(ruleset, sandbox->log_file, writes & known);
	if (!err)
		err = allow(ruleset, sandbox->state_dir, writes & known);
	if (!err)
		err = allow(ruleset, sandbox->letters_dir, writes & known);
	return err ? err : allow(ruleset, sandbox->sink_dir, writes & known);
}

static enum lts_err
restrict_files(const struct sandbox *sandbox)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, WANT_ABI);
	if (abi < 1)
		return LTS_NOTFOUND;
	struct ruleset rules = { .fs = known_rights(abi), .net = NET_BIND_TCP };
	size_t size = abi >= 4 ? sizeof(rules) : offsetof(struct ruleset, net);
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return LTS_SYS;
	enum lts_err err = add_rules(fd, sandbox, rules.fs);
	if (!err && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		     syscall(SYS_landlock_restrict_self, fd, 0) < 0))
		err = LTS_SYS;
	int saved = errno;
	close(fd);
	errno = saved;
	return err;
}

enum lts_err
sandbox_files(const struct sandbox *sandbox)
{
#ifdef __SANITIZE_ADDRESS__
	(void)restrict_files;
	return LTS_NOTFOUND;
#else
	return restrict_files(sandbox);
#endif
}
