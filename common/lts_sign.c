/*
 * lts_sign.c - the V11-HMAC-SHA256 signature of a request.
 *
 * In the supervisor, the workers and lts-sim. Owns a copy of the keys, the key derived
 * for the day in use and an HMAC context keyed with it, so that a request costs two
 * hashes and no derivation. Must never sign what differs from the wire: paths and queries
 * are rendered here only. Must never leave a key behind in freed memory. Held by
 * tests/common/test_lts_sign.c.
 */
#include "common/lts_sign.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/protect.h"
#include "common/xalloc.h"

#define ALGORITHM "V11-HMAC-SHA256"
#define SIGNED_HEADERS "content-type;x-sdk-date"

enum {
	SHA_BYTES = 32,
	DAY_CHARS = 8,
	INFO_SIZE = DAY_CHARS + 1 + LTS_SIGN_REGION_MAX + 5,
	CANONICAL_MAX = 64 * 1024, /* a request of ours is about 500 bytes */
};

struct pair {
	char ak[LTS_SIGN_AK_MAX + 1], sk[LTS_SIGN_SK_MAX + 1];
};

/* What points elsewhere does not lie with the keys: nobody could see from there what leaks. */
struct lts_sign {
	struct pair *keys;
	char region[LTS_SIGN_REGION_MAX + 1];
	bool full_date;
	char info[INFO_SIZE]; /* of the day that `mac` is keyed for; "" for none yet */
	EVP_MD *sha256;
	EVP_MD_CTX *digest;
	EVP_MAC_CTX *mac;
	struct buf canonical; /* scratch */
};

static void
put_hex(const unsigned char bytes[SHA_BYTES], char hex_out[LTS_SIGN_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < SHA_BYTES; i++) {
		hex_out[2 * i] = digits[bytes[i] >> 4];
		hex_out[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex_out[2 * SHA_BYTES] = '\0';
}

static enum lts_err
sha256_hex(struct lts_sign *sign, const void *data, size_t len, char hex_out[LTS_SIGN_HEX_SIZE])
{
	unsigned char bytes[SHA_BYTES];
	if (!EVP_DigestInit_ex2(sign->digest, sign->sha256, NULL) ||
	    !EVP_DigestUpdate(sign->digest, data ? data : "", len) ||
	    !EVP_DigestFinal_ex(sign->digest, bytes, NULL))
		return LTS_SYS;
	put_hex(bytes, hex_out);
	return LTS_OK;
}

enum lts_err
lts_sign_derive_key(const char *ak, const char *sk, const char *info,
		    char key_out[LTS_SIGN_HEX_SIZE])
{
	unsigned char key[SHA_BYTES];
	char digest[] = "SHA256";
	/* Parameters are not const in OpenSSL's API, but only read. */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)sk, strlen(sk)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)ak, strlen(ak)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info,
						  strlen(info)),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok = ctx && EVP_KDF_derive(ctx, key, sizeof(key), params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	if (!ok)
		return LTS_SYS;
	put_hex(key, key_out);
	OPENSSL_cleanse(key, sizeof(key));
	return LTS_OK;
}

static bool
set_text(char *target, size_t max, const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x21 || text[i] > 0x7e)
			return false;
	memcpy(target, text, len + 1);
	return true;
}

enum lts_err
lts_sign_create(const char *ak, const char *sk, const char *region, bool full_date,
		struct lts_sign **sign_out)
{
	struct lts_sign *sign = xcalloc(1, sizeof(*sign));
	sign->keys = protect_alloc(sizeof(*sign->keys));
	buf_init(&sign->canonical, CANONICAL_MAX);
	sign->full_date = full_date;
	enum lts_err err = LTS_INVALID;
	if (!set_text(sign->keys->ak, LTS_SIGN_AK_MAX, ak) ||
	    !set_text(sign->keys->sk, LTS_SIGN_SK_MAX, sk) ||
	    !set_text(sign->region, LTS_SIGN_REGION_MAX, region))
		goto out;
	err = LTS_SYS;
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	sign->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	EVP_MAC_free(hmac);
	sign->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	sign->digest = EVP_MD_CTX_new();
	if (!sign->mac || !sign->sha256 || !sign->digest)
		goto out;
	*sign_out = sign;
	return LTS_OK;
out:
	lts_sign_destroy(&sign);
	return err;
}

void
lts_sign_destroy(struct lts_sign **signp)
{
	struct lts_sign *sign = *signp;
	*signp = NULL;
	if (!sign)
		return;
	EVP_MAC_CTX_free(sign->mac);
	EVP_MD_CTX_free(sign->digest);
	EVP_MD_free(sign->sha256);
	buf_fini(&sign->canonical);
	protect_free(sign->keys, sizeof(*sign->keys));
	free(sign);
}

/* Keys the HMAC context for the day of `date`, unless it already is. */
static enum lts_err
use_day(struct lts_sign *sign, const char *date)
{
	char info[INFO_SIZE];
	snprintf(info, sizeof(info), "%.8s/%s/lts", date, sign->region);
	if (strcmp(info, sign->info) == 0)
		return LTS_OK;
	char key[LTS_SIGN_HEX_SIZE];
	char sha[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha, 0),
		OSSL_PARAM_construct_end(),
	};
	enum lts_err err = lts_sign_derive_key(sign->keys->ak, sign->keys->sk, info, key);
	if (err)
		return err;
	sign->info[0] = '\0';
	if (EVP_MAC_init(sign->mac, (const unsigned char *)key, strlen(key), params) != 1)
		err = LTS_SYS;
	else
		memcpy(sign->info, info, sizeof(info));
	OPENSSL_cleanse(key, sizeof(key));
	return err;
}

static enum lts_err
put_canonical(struct lts_sign *sign, const struct lts_sign_request *request)
{
	char body_sha256[LTS_SIGN_HEX_SIZE];
	struct buf *text = &sign->canonical;
	buf_clear(text);
	enum lts_err err = sha256_hex(sign, request->body, request->body_len, body_sha256);
	if (!err)
		err = buf_printf(text, "%s\n", request->method);
	if (!err)
		err = lts_sign_put_path(text, request->segments, request->n_segments);
	if (!err)
		err = buf_put_text(text, "/\n");
	if (!err)
		err = lts_sign_put_query(text, request->query, request->n_query);
	if (!err)
		err = buf_printf(text,
				 "\ncontent-type:" LTS_SIGN_CONTENT_TYPE "\nx-sdk-date:%s\n"
				 "\n" SIGNED_HEADERS "\n%s",
				 request->date, body_sha256);
	return err;
}

/* A context is keyed once a day; initialising it without a key takes the kept one again.
 */
static enum lts_err
hmac_hex(struct lts_sign *sign, const char *text, size_t len, char hex_out[LTS_SIGN_HEX_SIZE])
{
	unsigned char bytes[SHA_BYTES];
	size_t got = 0;
	if (EVP_MAC_init(sign->mac, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(sign->mac, (const unsigned char *)text, len) != 1 ||
	    EVP_MAC_final(sign->mac, bytes, &got, sizeof(bytes)) != 1 || got != sizeof(bytes))
		return LTS_SYS;
	put_hex(bytes, hex_out);
	return LTS_OK;
}

enum lts_err
lts_sign_request(struct lts_sign *sign, const struct lts_sign_request *request,
		 struct lts_signature *signature_out)
{
	struct lts_signature made;
	int64_t time_s;
	enum lts_err err = lts_sign_date_parse(request->date, &time_s);
	if (!err)
		err = use_day(sign, request->date);
	if (!err)
		err = put_canonical(sign, request);
	if (!err)
		err = sha256_hex(sign, sign->canonical.data, sign->canonical.len,
				 made.canonical_sha256);
	if (err)
		return err;
	char text[sizeof(ALGORITHM) + LTS_SIGN_DATE_SIZE + INFO_SIZE + LTS_SIGN_HEX_SIZE];
	int date_len = sign->full_date ? LTS_SIGN_DATE_SIZE - 1 : DAY_CHARS;
	int len = snprintf(text, sizeof(text), ALGORITHM "\n%.*s\n%s\n%s", date_len,
			   request->date, sign->info, made.canonical_sha256);
	err = hmac_hex(sign, text, (size_t)len, made.signature);
	if (err)
		return err;
	snprintf(made.authorization, sizeof(made.authorization),
		 ALGORITHM " Credential=%s/%s, SignedHeaders=" SIGNED_HEADERS ", Signature=%s",
		 sign->keys->ak, sign->info, made.signature);
	*signature_out = made;
	return LTS_OK;
}
