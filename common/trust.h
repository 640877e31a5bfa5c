/*
 * trust.h - the certificates to trust: read by the supervisor, handed to the workers as bytes.
 *
 * A name may lead anywhere, and elsewhere tomorrow (a symbolic link, a directory that is swapped),
 * and a worker may not look there (worker/sandbox.h). So what a name leads to is in a memory file,
 * which libcurl reads by the name that its descriptor has. In the caller's storage.
 */
#ifndef COMMON_TRUST_H
#define COMMON_TRUST_H

#include <sys/stat.h>

#include "common/buf.h"
#include "common/err.h"

struct trust {
	char *file;       /* that is read; NULL: handed over, or libcurl's own ways */
	struct stat seen; /* when it was */
	int fd;           /* 0: nothing is */
	unsigned turn;
	char path[128];
};

/* NULL: the system's. */
void trust_init(struct trust *trust, const char *ca_file);
void trust_fini(struct trust *trust);
/* LTS_OK: read, for it is not what it was. LTS_AGAIN: as before. LTS_SYS, LTS_INVALID: `why_out`
 * says which file and why, and what was read before stays. */
enum lts_err trust_look(struct trust *trust, struct buf *why_out) LTS_MUST_USE;
/* A copy of a descriptor that was handed over. */
enum lts_err trust_take(struct trust *trust, int fd) LTS_MUST_USE;
/* What libcurl is told; another name each time; NULL: nothing. */
const char *trust_path(const struct trust *trust);

#endif
