/*
 * options_attempt.c - one try at options_load, for the tests of options.
 *
 * In lts-tests only. Owns the one attempt, its argv and its configuration file, which it
 * removes.
 */
#include "tests/support/options_attempt.h"

#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"

struct attempt attempt;

void
options_attempt_begin(void)
{
	memset(&attempt, 0, sizeof(attempt));
	options_init(&attempt.options);
	buf_init(&attempt.error, 4096);
	attempt.argv[attempt.argc++] = xstrdup("lts-supervisor");
}

void
attempt_end(void)
{
	options_fini(&attempt.options);
	buf_fini(&attempt.error);
	for (int i = 0; i < attempt.argc; i++)
		free(attempt.argv[i]);
	if (attempt.path[0])
		unlink(attempt.path);
}

void
attempt_arg(const char *text)
{
	ck_assert_int_lt(attempt.argc, ARGS_MAX - 1);
	attempt.argv[attempt.argc++] = xstrdup(text);
}

void
attempt_env(char *text)
{
	attempt.envp[attempt.envc++] = text;
}

void
attempt_config(const char *text)
{
	strncpy(attempt.path, "/tmp/lts-options-XXXXXX", sizeof(attempt.path) - 1);
	int fd = mkstemp(attempt.path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
	attempt_arg("--config");
	attempt_arg(attempt.path);
}

void
attempt_args(const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	for (const char *text = first; text; text = va_arg(ap, const char *))
		attempt_arg(text);
	va_end(ap);
}

void
attempt_required(void)
{
	attempt_args("--region", "cn-north-4", "--project_id", "p", "--group_id", "g",
		     "--stream_id", "s", NULL);
	attempt_args("--consumer_group_name", "my-group", "--start_time", "begin", NULL);
}

enum lts_err
attempt_load(void)
{
	attempt.err = options_load(&attempt.options, attempt.argc, attempt.argv, attempt.envp,
				   &attempt.error);
	if (attempt.err) {
		ck_assert_ptr_nonnull(attempt.error.data);
		ck_assert_ptr_null(strpbrk(attempt.error.data, "\n\r\x1b"));
	}
	return attempt.err;
}

void
attempt_succeeds(void)
{
	ck_assert_msg(attempt_load() == LTS_OK, "%s",
		      attempt.error.data ? attempt.error.data : "?");
}

void
options_attempt_refused(const char *why)
{
	ck_assert_int_eq(attempt_load(), LTS_INVALID);
	ck_assert_str_eq(attempt.error.data, why);
}

/* The whole of a set that differs from a good one in `name` alone. */
enum lts_err
attempt_with(const char *name, const char *value)
{
	char *text = xasprintf("--%s=%s", name, value);

	options_attempt_begin();
	attempt_required();
	attempt_arg(text);
	free(text);
	return attempt_load();
}
