/*
 * credentials.c - access key, secret key and temporary token, and where they come from.
 *
 * In the supervisor (loading) and wherever keys are held (wiping). Owns nothing. Must
 * never mix the halves of two sources, print a key, or leave a copy of one behind. Held
 * by tests/common/test_credentials.c.
 */
#include "common/credentials.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ini_file.h"
#include "common/options.h"
#include "common/xalloc.h"

static const char ways[] =
	"give ak and sk by HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, by LTS_AK and "
	"LTS_SK, "
	"by the configuration file, or in [basic] of credentials_file; on a Huawei ECS host with "
	"an agency: agency=ecs";

void
credentials_wipe(struct credentials *credentials)
{
	OPENSSL_cleanse(credentials, sizeof(*credentials));
}

/* False when it does not fit or is not printable without blanks. */
static bool
put_key(char *field, size_t size, const char *value)
{
	size_t len = strlen(value);

	if (len >= size)
		return false;
	for (const char *c = value; *c; c++) {
		if (*c <= ' ' || *c >= 0x7f)
			return false;
	}
	memcpy(field, value, len + 1);
	return true;
}

struct profile {
	const char *path;
	struct credentials *found;
};

/* Other sections and names belong to other tools. */
static bool
on_profile_entry(void *arg, const char *section, const char *name, const char *value,
		 unsigned line, struct buf *error_out)
{
	const struct profile *profile = arg;
	struct credentials *found = profile->found;
	const char *why = ini_value_refused(value);
	char *field = NULL;
	size_t room = 0;

	if (strcmp(section, "basic") != 0)
		return true;
	if (strcmp(name, "ak") == 0)
		field = found->ak, room = sizeof(found->ak);
	else if (strcmp(name, "sk") == 0)
		field = found->sk, room = sizeof(found->sk);
	else if (strcmp(name, "security_token") == 0)
		field = found->token, room = sizeof(found->token);
	if (!field)
		return true;
	if (field[0])
		why = "is given twice";
	else if (!why && !put_key(field, room, value))
		why = "is too long or not printable";
	if (why)
		(void)!buf_printf(error_out, "%s:%u: '%s': %s", profile->path, line, name, why);
	return !why;
}

static enum lts_err
from_profile(const char *path, struct credentials *found, struct buf *error_out)
{
	struct profile profile = { path, found };
	enum lts_err err = ini_file_read(path, on_profile_entry, &profile, error_out);

	if (err == LTS_SYS)
		(void)!buf_printf(error_out, "no credentials (%s: %s): %s", path, strerror(errno),
				  ways);
	else if (!err && (!found->ak[0] || !found->sk[0]))
		(void)!buf_printf(error_out, "%s credentials in %s: %s",
				  found->ak[0] || found->sk[0] ? "half of the" : "no", path,
				  ways);
	return err || !found->ak[0] || !found->sk[0] ? LTS_INVALID : LTS_OK;
}

static enum lts_err
from_options(const struct options *options, struct credentials *found, struct buf *error_out)
{
	if (!options->ak || !options->sk) {
		(void)!buf_printf(error_out, "half of the credentials: %s is missing: %s",
				  options->ak ? "sk" : "ak", ways);
		return LTS_INVALID;
	}
	if (!put_key(found->ak, sizeof(found->ak), options->ak) ||
	    !put_key(found->sk, sizeof(found->sk), options->sk) ||
	    (options->security_token &&
	     !put_key(found->token, sizeof(found->token), options->security_token))) {
		(void)!buf_put_text(error_out,
				    "ak, sk or security_token is too long or not printable");
		return LTS_INVALID;
	}
	return LTS_OK;
}

static bool
on_any_entry(void *arg, const char *section, const char *name, const char *value, unsigned line,
	     struct buf *error_out)
{
	*(bool *)arg = true;
	return true;
}

/* The manager gives a file of comments alone where its own source is not there. */
static bool
says_nothing(const char *path)
{
	bool any = false;
	struct buf ignored;
	buf_init(&ignored, 0);
	enum lts_err err = ini_file_read(path, on_any_entry, &any, &ignored);
	bool missing = err == LTS_SYS && errno == ENOENT;
	buf_fini(&ignored);
	return missing || (!err && !any);
}

char *
credentials_path(const struct options *options, const char *directory, const char *home)
{
	if (options->credentials_file)
		return xstrdup(options->credentials_file);
	if (directory && *directory) {
		char *path = xasprintf("%s/credentials", directory);
		if (!says_nothing(path))
			return path;
		free(path);
	}
	return home && *home ? xasprintf("%s/.huaweicloud/credentials", home) : NULL;
}

enum lts_err
credentials_load_from(const struct options *options, const char *path, struct credentials *out,
		      struct buf *error_out)
{
	struct credentials found = { .ak = "" };
	enum lts_err err = LTS_INVALID;

	buf_clear(error_out);
	if (options->ak || options->sk)
		err = from_options(options, &found, error_out);
	else if (path)
		err = from_profile(path, &found, error_out);
	else
		(void)!buf_printf(error_out, "no credentials: %s", ways);
	if (!err)
		*out = found;
	credentials_wipe(&found);
	return err;
}

enum lts_err
credentials_load(const struct options *options, struct credentials *out, struct buf *error_out)
{
	char *path = credentials_path(options, getenv("CREDENTIALS_DIRECTORY"), getenv("HOME"));
	enum lts_err err = credentials_load_from(options, path, out, error_out);

	free(path);
	return err;
}

bool
credentials_are_given(const struct options *options)
{
	char *path = credentials_path(options, getenv("CREDENTIALS_DIRECTORY"), getenv("HOME"));
	bool given = options->ak || options->sk || options->credentials_file ||
		     (path && access(path, F_OK) == 0);
	free(path);
	return given;
}
