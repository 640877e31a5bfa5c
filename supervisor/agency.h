/*
 * agency.h - temporary keys from the metadata service of a Huawei ECS host.
 *
 * On the supervisor's loop. Facts: Huawei's documentation of agencies, as protocol.md of the
 * design has them: PUT /meta-data/latest/api/token gives a token (404, 405: go on without),
 * GET /openstack/latest/securitykey the keys and when they expire.
 */
#ifndef SUPERVISOR_AGENCY_H
#define SUPERVISOR_AGENCY_H

#include <stdint.h>

#include "common/credentials.h"

struct ev_loop;
struct agency;

#define AGENCY_URL "http://169.254.169.254"

struct agency_answer {
	enum lts_err err;               /* AGAIN: it does not answer; BADDATA: not as it should */
	const struct credentials *keys; /* borrowed until the callback returns */
	int64_t expires_ns;             /* since 1970 */
	const char *why;                /* when err: for people, never a key */
};

typedef void agency_done(void *arg, const struct agency_answer *answer);

/* url NULL: AGENCY_URL. `done` comes after each agency_ask, never inside it. */
struct agency *agency_create(struct ev_loop *loop, const char *url, agency_done *done, void *arg);
void agency_destroy(struct agency **agency);
/* Without effect while it is being asked. */
void agency_ask(struct agency *agency);

/* An answer of securitykey, for agency.c and its test. LTS_BADDATA: not of the expected shape. */
enum lts_err agency_parse(const char *text, size_t len, struct credentials *keys_out,
			  int64_t *expires_ns_out) LTS_MUST_USE;

#endif
