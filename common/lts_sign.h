/*
 * lts_sign.h - the V11-HMAC-SHA256 signature of a request, and the encodings that it
 * fixes.
 *
 * The client signs with it, lts-sim checks with it. Paths come as decoded segments and
 * queries as decoded pairs; what goes on the wire must be made by lts_sign_put_path and
 * lts_sign_put_query, so that both sides hash the same text. Facts: Huawei's Go SDK
 * (protocol section of README).
 */
#ifndef COMMON_LTS_SIGN_H
#define COMMON_LTS_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum {
	LTS_SIGN_AK_MAX = 128,
	LTS_SIGN_SK_MAX = 256,
	LTS_SIGN_REGION_MAX = 64,
	LTS_SIGN_PAIRS_MAX = 8,
	LTS_SIGN_DATE_SIZE = 17, /* "20260102T030405Z" and its NUL */
	LTS_SIGN_HEX_SIZE = 65,  /* a SHA-256 in hex and its NUL */
};

/* The value of content-type that every request carries; it is signed. */
#define LTS_SIGN_CONTENT_TYPE "application/json"

struct lts_sign;

struct lts_sign_pair {
	const char *key, *value;
};

/* Everything borrowed during lts_sign_request. */
struct lts_sign_request {
	const char *method;
	const char *const *segments; /* "v2", project id, ...; not encoded */
	size_t n_segments;
	const struct lts_sign_pair *query; /* not encoded, in any order */
	size_t n_query;                    /* at most LTS_SIGN_PAIRS_MAX */
	const void *body;
	size_t body_len;
	const char *date; /* of X-Sdk-Date: "20260102T030405Z" */
};

struct lts_signature {
	char canonical_sha256[LTS_SIGN_HEX_SIZE];
	char signature[LTS_SIGN_HEX_SIZE];
	char authorization[512]; /* the whole value of the header Authorization */
};

/* One signer for one (ak, sk, region); keeps the day's key and a keyed HMAC context.
 * full_date puts the whole X-Sdk-Date into the string to sign instead of its day.
 * LTS_INVALID: a text is empty, too long, or not printable ASCII. LTS_SYS: OpenSSL lacks
 * an algorithm. */
enum lts_err lts_sign_create(const char *ak, const char *sk, const char *region, bool full_date,
			     struct lts_sign **sign_out) LTS_MUST_USE;
/* Wipes what it holds. NULL-safe. */
void lts_sign_destroy(struct lts_sign **sign);

/* LTS_INVALID: not a date, or too many pairs. */
enum lts_err lts_sign_request(struct lts_sign *sign, const struct lts_sign_request *request,
			      struct lts_signature *signature_out) LTS_MUST_USE;

/* The key of a day: hex(HKDF-SHA256(sk, salt ak, info "YYYYMMDD/region/lts")). */
enum lts_err lts_sign_derive_key(const char *ak, const char *sk, const char *info,
				 char key_out[LTS_SIGN_HEX_SIZE]) LTS_MUST_USE;

/* Seconds since 1970 (years 1970..9999, else clamped) as X-Sdk-Date, and back. */
void lts_sign_date_render(int64_t time_s, char date_out[LTS_SIGN_DATE_SIZE]);
enum lts_err lts_sign_date_parse(const char *date, int64_t *time_s_out) LTS_MUST_USE;

/* "/v2/...": each segment percent-encoded outside A-Za-z0-9-_.~; no final slash. */
enum lts_err lts_sign_put_path(struct buf *buf, const char *const *segments,
			       size_t n) LTS_MUST_USE;
/* "a=b&c=d" sorted by key, form-encoded: space is "+", "*" is %2A, "~" stays. */
enum lts_err lts_sign_put_query(struct buf *buf, const struct lts_sign_pair *pairs,
				size_t n) LTS_MUST_USE;

#endif
