/*
 * check_config.c - --check_config: what the agent would trip over.
 *
 * In lts-supervisor, instead of the agent, in a child that has become `user`. Owns nothing. Must
 * never make or change anything that the agent would, nor wait for it; the service is asked in
 * check_online.c. Held by tests/scenario/refusals.c.
 */
#include "supervisor/check_config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/http.h"
#include "common/trust.h"
#include "common/xalloc.h"
#include "supervisor/cautions.h"
#include "supervisor/check_online.h"
#include "supervisor/spawn.h"

static enum exit_code
worse(enum exit_code a, enum exit_code b)
{
	return a > b ? a : b;
}

static enum exit_code
find(enum exit_code code, const char *option, const char *value, const char *what)
{
	fprintf(stderr, "lts-supervisor: option '%s': '%s': %s\n", option, value, what);
	return code;
}

/* Its length without the last part; 0: there is nothing above it in the text. */
static size_t
above(const char *path, size_t len)
{
	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	return len;
}

/* A directory that the agent writes to, or makes: then that above it must take one. */
static enum exit_code
check_dir(const char *option, const char *path)
{
	char *dir = xstrdup(path);
	struct stat st;
	size_t len = strlen(dir);
	enum exit_code code = EXIT_DONE;
	while (stat(dir, &st) < 0 && errno == ENOENT && strcmp(dir, "/") != 0) {
		len = above(dir, len);
		if (!len)
			dir[len++] = '.';
		dir[len] = '\0';
	}
	if (stat(dir, &st) < 0)
		code = find(EXIT_FAILED, option, path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		code = find(EXIT_FAILED, option, path, "it is, or lies under, no directory");
	else if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) < 0)
		code = find(EXIT_FAILED, option, path,
			    strcmp(dir, path) == 0 ? "this user may not write there"
						   : "this user may not make it");
	free(dir);
	return code;
}

/* The same, where a start as root makes what is missing and gives it to `user`. */
static enum exit_code
check_own_dir(const char *option, const char *path, bool was_root)
{
	struct stat st;
	if (!path || (was_root && stat(path, &st) < 0 && errno == ENOENT))
		return EXIT_DONE;
	return check_dir(option, path);
}

/* A file to be made, where its directory must be there already. */
static enum exit_code
check_place(const char *option, const char *path, bool was_root)
{
	struct stat st;
	size_t len = above(path, strlen(path));
	char *dir = len ? xstrndup(path, len) : xstrdup(".");
	enum exit_code code = EXIT_DONE;
	if (stat(dir, &st) < 0)
		code = find(EXIT_FAILED, option, path, strerror(errno));
	else if (!was_root)
		code = check_dir(option, dir);
	free(dir);
	return code;
}

static enum exit_code
check_readable(const char *option, const char *path)
{
	if (!path || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0)
		return EXIT_DONE;
	return find(EXIT_FAILED, option, path, strerror(errno));
}

/* The same reads as the agent's. */
static enum exit_code
check_trust(const char *ca_file)
{
	struct trust trust;
	struct buf why;
	trust_init(&trust, ca_file);
	buf_init(&why, 0);
	enum exit_code code = EXIT_DONE;
	enum lts_err err = trust_look(&trust, &why);
	if (err)
		code = find(EXIT_FAILED, "ca_file", ca_file,
			    err == LTS_SYS ? strerror(errno) : why.data + strlen(ca_file) + 2);
	buf_fini(&why);
	trust_fini(&trust);
	return code;
}

static enum exit_code
check_certificates(const struct options *o)
{
	char *url = options_endpoint_url(o);
	const char *of_system = http_system_ca_file();
	enum exit_code code = EXIT_DONE;
	if (o->ca_file)
		code = check_trust(o->ca_file);
	else if (strncmp(url, "https:", 6) == 0 && of_system && access(of_system, R_OK) < 0)
		code = find(EXIT_FAILED, "ca_file", of_system,
			    "the system's certificates cannot be read: install ca-certificates, "
			    "or name a file");
	free(url);
	return code;
}

/* Read as it starts, and again when it changes. */
static enum exit_code
check_secret(const char *option, const char *path)
{
	enum exit_code code = check_readable(option, path);
	if (!code && cautions_is_open_to_all(path))
		code = find(EXIT_FAILED, option, path,
			    "there are keys in it that everybody may read: chmod o-r");
	return code;
}

static enum exit_code
check_log(const char *path, bool was_root)
{
	struct stat st;
	if (!path)
		return EXIT_DONE;
	if (stat(path, &st) < 0 && errno == ENOENT)
		return check_place("log_file", path, was_root);
	if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
		return find(EXIT_FAILED, "log_file", path, strerror(errno));
	return S_ISDIR(st.st_mode) ? find(EXIT_FAILED, "log_file", path, "it is a directory")
				   : EXIT_DONE;
}

/* The worker's program knows what it is; what it finds it says itself. */
static enum exit_code
check_code(const char *sink)
{
	char *worker = spawn_find_worker();
	int status = 0;
	if (!worker)
		return find(EXIT_USAGE, "sink", sink, "no lts-worker beside lts-supervisor");
	pid_t pid = fork();
	if (pid == 0) {
		execl(worker, worker, "--check_sink", sink, (char *)NULL);
		_exit(EXIT_FAILED);
	}
	free(worker);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return find(EXIT_FAILED, "sink", sink, strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE)
		return EXIT_DONE;
	if (!WIFEXITED(status))
		return find(EXIT_USAGE, "sink", sink, "its code dies when it is loaded");
	return EXIT_USAGE;
}

static enum exit_code
check_sink(const struct options *o, bool was_root)
{
	static const char file[] = "file:";
	enum exit_code sink = EXIT_DONE; /* null, stdout */
	if (strncmp(o->sink, file, strlen(file)) == 0)
		sink = check_own_dir("sink", o->sink + strlen(file), was_root);
	else if (strchr(o->sink, ':'))
		sink = check_code(o->sink);
	return worse(sink, check_own_dir("deadletter_dir", o->deadletter_dir, was_root));
}

static enum exit_code
become_user(const char *user)
{
	if (!user || geteuid() != 0)
		return EXIT_DONE;
	const struct passwd *to = getpwnam(user);
	if (!to)
		return find(EXIT_USAGE, "user", user, "there is no such user");
	if (initgroups(user, to->pw_gid) < 0 || setgid(to->pw_gid) < 0 || setuid(to->pw_uid) < 0)
		return find(EXIT_FAILED, "user", user, strerror(errno));
	return EXIT_DONE;
}

static enum exit_code
check_metrics(const struct options *o)
{
	static const char unix_socket[] = "unix:";
	enum exit_code code = EXIT_DONE;
	if (o->metrics_file)
		code = check_place("metrics_file", o->metrics_file, false);
	if (o->metrics_listen &&
	    strncmp(o->metrics_listen, unix_socket, strlen(unix_socket)) == 0)
		code = worse(code, check_place("metrics_listen",
					       o->metrics_listen + strlen(unix_socket), false));
	return code;
}

static enum exit_code
check_keys(const struct options *o)
{
	if (o->keys_wiped)
		return EXIT_DONE;
	if (o->ak)
		return check_secret("config", o->config);
	return check_secret("credentials_file", o->credentials_file);
}

static enum exit_code
check_files(const struct options *o, bool was_root)
{
	enum exit_code code = check_sink(o, was_root);
	code = worse(code, check_own_dir("state_dir", o->state_dir, was_root));
	code = worse(code, check_log(o->log_file, was_root));
	code = worse(code, check_metrics(o));
	return worse(code, check_keys(o));
}

static enum exit_code
check_service(const struct options *o, const struct credentials *credentials)
{
	struct buf lines;
	buf_init(&lines, 0);
	enum exit_code code = check_online(o, credentials, &lines);
	for (char *rest = lines.data, *line; rest && (line = strsep(&rest, "\n")) && *line;)
		fprintf(code ? stderr : stdout, "lts-supervisor: %s\n", line);
	(void)fflush(stdout); /* the child ends without */
	buf_fini(&lines);
	return code;
}

static void
on_caution(void *arg, const char *setting, const char *text)
{
	fprintf(stderr, "lts-supervisor: caution: %s: %s\n", setting, text);
}

static enum exit_code
check_all(const struct options *o, const struct credentials *credentials)
{
	uid_t before = geteuid();
	enum exit_code code = become_user(o->user);
	if (code)
		return code;
	cautions_each(o, clock_wall_ns(), on_caution, NULL);
	enum exit_code certificates = check_certificates(o);
	code = worse(certificates, check_files(o, geteuid() != before));
	if (o->check_config == CHECK_ONLINE && !certificates)
		code = worse(code, check_service(o, credentials));
	return code;
}

enum exit_code
check_config(const struct options *options, const struct credentials *credentials)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit((int)check_all(options, credentials));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return EXIT_FAILED;
	return (enum exit_code)WEXITSTATUS(status);
}
