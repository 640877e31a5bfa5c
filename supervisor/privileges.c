/*
 * privileges.c - from root to the user that is named.
 *
 * In the supervisor, once, before anything of the agent is opened. Owns nothing. Must never go on
 * as half of another user: ids, groups and capabilities are all looked at afterwards, and that
 * there is no way back. Must never give away a file or directory that it did not make itself.
 * Held by tests/scenario/users.c.
 */
#include "supervisor/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/xalloc.h"

static enum lts_err __attribute__((format(printf, 2, 3)))
explain(struct buf *why, const char *fmt, ...)
{
	char *text;
	va_list args;
	va_start(args, fmt);
	int len = vasprintf(&text, fmt, args);
	va_end(args);
	enum lts_err ignored = buf_put_text(why, len < 0 ? "out of memory" : text);
	(void)ignored;
	if (len >= 0)
		free(text);
	return LTS_INVALID;
}

/* Opens what is called `name` in that directory, which is closed; -1: neither it nor any other is
 * open. Whoever may write to the directory could point a link anywhere: none is followed. */
static int
step_into(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int saved = errno;
	close(dir);
	errno = saved == ENOTDIR ? ELOOP : saved;
	return fd;
}

/* The directory above `path`, walked to from the root or from here; *name_out is the rest of
 * `copy`, the last part. What is missing on the way is made with mode 0755 if `make`. */
static int
open_above(char *copy, bool make, const char **name_out)
{
	int fd = open(*copy == '/' ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *rest = copy, *name = copy;
	size_t len = strlen(copy);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	while (fd >= 0 && (name = strsep(&rest, "/")) && rest) {
		if (!*name)
			continue;
		if (make && mkdirat(fd, name, 0755) == 0)
			(void)fsync(fd);
		fd = step_into(fd, name);
	}
	*name_out = name;
	return fd;
}

static enum lts_err
say_why(const char *path, const struct passwd *to, struct buf *why)
{
	return explain(why, "cannot make '%s' for user '%s': %s", path, to->pw_name,
		       errno == ELOOP ? "root follows no symbolic link to it: name where it points"
				      : strerror(errno));
}

static enum lts_err
make_dir(const char *path, mode_t mode, const struct passwd *to, struct buf *why)
{
	struct stat st;
	const char *name;
	if (!path || stat(path, &st) == 0)
		return LTS_OK;
	char *copy = xstrdup(path);
	int dir = open_above(copy, true, &name);
	if (dir >= 0 && mkdirat(dir, name, mode) == 0) {
		(void)fsync(dir);
		dir = step_into(dir, name);
		if (dir >= 0 && fchown(dir, to->pw_uid, to->pw_gid) == 0)
			why = NULL;
	}
	enum lts_err err = why ? say_why(path, to, why) : LTS_OK;
	if (dir >= 0)
		close(dir);
	free(copy);
	return err;
}

static enum lts_err
make_file(const char *path, const struct passwd *to, struct buf *why)
{
	const char *name;
	char *copy = xstrdup(path);
	int dir = open_above(copy, false, &name);
	int fd = dir < 0 ? -1
			 : openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				  0600);
	enum lts_err err = LTS_OK;
	if (fd < 0 || fchown(fd, to->pw_uid, to->pw_gid) < 0)
		err = say_why(path, to, why);
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	free(copy);
	return err;
}

/* Where the user could not make it alone. What is there already is left as it is: if it does not
 * suit, whoever opens it says so. */
static enum lts_err
make_ready(const struct options *o, const struct passwd *to, struct buf *why)
{
	static const char file[] = "file:";
	bool has_dir = strncmp(o->sink, file, sizeof(file) - 1) == 0;
	struct stat st;
	mode_t before = umask(022); /* the user must get to what is below */
	enum lts_err err = make_dir(o->state_dir, 0700, to, why);
	if (!err && has_dir)
		err = make_dir(o->sink + sizeof(file) - 1, 0750, to, why);
	if (!err)
		err = make_dir(o->deadletter_dir, 0750, to, why);
	if (!err && o->log_file && stat(o->log_file, &st) < 0)
		err = make_file(o->log_file, to, why);
	umask(before);
	return err;
}

static bool
has_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	if (syscall(SYS_capget, &header, data) < 0)
		return true;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (data[i].effective || data[i].permitted)
			return true;
	return false;
}

/* That we are who we should be, and cannot be root again. */
static bool
has_held(const struct passwd *to)
{
	uid_t uid[3];
	gid_t gid[3];
	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return false;
	for (size_t i = 0; i < 3; i++)
		if (uid[i] != to->pw_uid || gid[i] != to->pw_gid)
			return false;
	return !has_capabilities() && setuid(0) < 0 && setresuid((uid_t)-1, 0, (uid_t)-1) < 0 &&
	       (to->pw_gid == 0 || setgid(0) < 0);
}

static enum lts_err
become(const struct passwd *to, struct buf *why)
{
	if (initgroups(to->pw_name, to->pw_gid) < 0 ||
	    setresgid(to->pw_gid, to->pw_gid, to->pw_gid) < 0 ||
	    setresuid(to->pw_uid, to->pw_uid, to->pw_uid) < 0)
		return explain(why, "cannot become user '%s': %s", to->pw_name, strerror(errno));
	if (!has_held(to))
		return explain(why, "cannot become user '%s' for good: capabilities are left",
			       to->pw_name);
	return LTS_OK;
}

enum lts_err
privileges_drop(const struct options *options, struct buf *why_out)
{
	if (!options->user)
		return LTS_OK;
	errno = 0;
	const struct passwd *to = getpwnam(options->user);
	if (!to)
		return explain(why_out, "option 'user': '%s': %s", options->user,
			       errno ? strerror(errno) : "there is no such user");
	if (to->pw_uid == geteuid() && to->pw_uid == getuid())
		return LTS_OK;
	if (geteuid() != 0)
		return explain(why_out, "option 'user': only root can become '%s'",
			       options->user);
	enum lts_err err = make_ready(options, to, why_out);
	return err ? err : become(to, why_out);
}
