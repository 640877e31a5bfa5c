/*
 * credentials.h - access key, secret key and temporary token, and where they come from.
 *
 * Order: options and environment (common/options), then the profile file. Values are
 * wiped when let go.
 */
#ifndef COMMON_CREDENTIALS_H
#define COMMON_CREDENTIALS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

struct options;

struct credentials {
	char ak[128];
	char sk[128];
	char token[8192]; /* "" for permanent keys */
};

/* The profile file: credentials_file of the options; else `credentials` in the directory that the
 * service manager has made for them ($CREDENTIALS_DIRECTORY), if it has more than comments; else
 * ~/.huaweicloud/credentials. NULL: none; the caller frees. */
char *credentials_path(const struct options *options, const char *directory, const char *home);
/* Fills from the options, else from the profile file, if not NULL ([basic] ak, sk,
 * security_token). LTS_INVALID: none or half of a pair, `error_out` names the ways to
 * give them. */
enum lts_err credentials_load_from(const struct options *options, const char *path,
				   struct credentials *out, struct buf *error_out) LTS_MUST_USE;
/* The same from where this process' environment says. */
enum lts_err credentials_load(const struct options *options, struct credentials *out,
			      struct buf *error_out) LTS_MUST_USE;
/* By options, or by a profile file that is there, good or not. */
bool credentials_are_given(const struct options *options);
void credentials_wipe(struct credentials *credentials);

#endif
