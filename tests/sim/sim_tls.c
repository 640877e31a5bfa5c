/*
 * sim_tls.c - makes the certificates that lts-sim serves with, right or wrong on purpose.
 *
 * In lts-sim, once at start. Owns the files in its directory. Must never keep the CA's
 * key: nothing else can be signed with it afterwards. Held by tests/scenario (each --tls
 * variant).
 */
#include "tests/sim/sim_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"

enum { DAY_S = 24 * 60 * 60 };

struct pair {
	EVP_PKEY *key;
	X509 *certificate;
};

static void
free_pair(struct pair *pair)
{
	EVP_PKEY_free(pair->key);
	X509_free(pair->certificate);
}

static bool
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = extension && X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	return ok;
}

static bool
set_serial(X509 *certificate)
{
	unsigned char bytes[8];
	uint64_t serial;
	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	memcpy(&serial, bytes, sizeof(serial));
	return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
}

/* A key and an unsigned certificate, good for `days` days from `first_day` (0 is now) on.
 */
static bool
make_pair(struct pair *pair, const char *name, long first_day, long days)
{
	pair->key = EVP_EC_gen("P-256");
	pair->certificate = X509_new();
	X509 *c = pair->certificate;
	return pair->key && c && X509_set_version(c, 2) && set_serial(c) &&
	       X509_gmtime_adj(X509_getm_notBefore(c), first_day * DAY_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(c), (first_day + days) * DAY_S) &&
	       X509_set_pubkey(c, pair->key) &&
	       X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
					  (const unsigned char *)name, -1, -1, 0);
}

static bool
make_ca(struct pair *ca, const char *name)
{
	return make_pair(ca, name, -2, 3652) &&
	       X509_set_issuer_name(ca->certificate, X509_get_subject_name(ca->certificate)) &&
	       add_extension(ca->certificate, ca->certificate, NID_basic_constraints,
			     "critical,CA:TRUE") &&
	       add_extension(ca->certificate, ca->certificate, NID_key_usage,
			     "critical,keyCertSign,cRLSign") &&
	       add_extension(ca->certificate, ca->certificate, NID_subject_key_identifier,
			     "hash") &&
	       X509_sign(ca->certificate, ca->key, EVP_sha256());
}

static bool
make_server(struct pair *server, const struct pair *ca, enum sim_tls_mode mode)
{
	const char *names = mode == SIM_TLS_WRONG_HOST ? "DNS:elsewhere.invalid"
						       : "IP:127.0.0.1,DNS:localhost,"
						       "DNS:service.lts-sim.test";
	return make_pair(server, "lts-sim", -2, mode == SIM_TLS_EXPIRED ? 1 : 366) &&
	       X509_set_issuer_name(server->certificate,
				    X509_get_subject_name(ca->certificate)) &&
	       add_extension(server->certificate, ca->certificate, NID_subject_alt_name, names) &&
	       add_extension(server->certificate, ca->certificate, NID_basic_constraints,
			     "critical,CA:FALSE") &&
	       add_extension(server->certificate, ca->certificate, NID_key_usage,
			     "critical,digitalSignature") &&
	       add_extension(server->certificate, ca->certificate, NID_authority_key_identifier,
			     "keyid") &&
	       add_extension(server->certificate, ca->certificate, NID_ext_key_usage,
			     "serverAuth") &&
	       X509_sign(server->certificate, ca->key, EVP_sha256());
}

/* What the writer put into the BIO, as PEM. */
static bool
take_pem(BIO *bio, bool written, struct buf *out)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	return written && len > 0 && !buf_put(out, data, (size_t)len) && BIO_reset(bio) == 1;
}

static enum lts_err
write_file(const char *path, mode_t mode, const struct buf *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return LTS_SYS;
	enum lts_err err = LTS_OK;
	if (fchmod(fd, mode) < 0 || write(fd, text->data, text->len) != (ssize_t)text->len)
		err = LTS_SYS;
	if (close(fd) < 0)
		err = LTS_SYS;
	return err;
}

static enum lts_err
put_file(const struct sim_tls *tls, const char *name, mode_t mode, const struct buf *text,
	 struct buf *error_out)
{
	char *path = xasprintf("%s/%s", tls->dir, name);
	enum lts_err err = write_file(path, mode, text);
	if (err && buf_printf(error_out, "%s: %s", path, strerror(errno)))
		abort(); /* the caller's buffer has no ceiling */
	free(path);
	return err;
}

static enum lts_err
make_dir(struct sim_tls *tls, const char *dir)
{
	if (!dir[0]) {
		tls->dir = xstrdup("/tmp/lts-sim-XXXXXX");
		tls->is_temporary = mkdtemp(tls->dir) != NULL;
		return tls->is_temporary ? LTS_OK : LTS_SYS;
	}
	tls->dir = xstrdup(dir);
	for (char *slash = strchr(tls->dir + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		int made = mkdir(tls->dir, 0700);
		if (made < 0 && errno != EEXIST)
			return LTS_SYS;
		if (!slash)
			return LTS_OK;
		*slash = '/';
	}
}

/* unknown_ca: the file ca.pem is of an authority that never signed anything. */
static enum lts_err
make_certificates(struct sim_tls *tls, enum sim_tls_mode mode, struct buf *ca_pem)
{
	struct pair ca = { 0 }, stranger = { 0 }, server = { 0 };
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = bio && make_ca(&ca, "lts-sim CA") && make_server(&server, &ca, mode) &&
		  (mode != SIM_TLS_UNKNOWN_CA || make_ca(&stranger, "A stranger CA"));
	X509 *shown = stranger.certificate ? stranger.certificate : ca.certificate;
	ok = ok && take_pem(bio, PEM_write_bio_X509(bio, shown), ca_pem) &&
	     take_pem(bio, PEM_write_bio_X509(bio, server.certificate), &tls->certificate) &&
	     take_pem(bio, PEM_write_bio_PrivateKey(bio, server.key, NULL, NULL, 0, NULL, NULL),
		      &tls->key);
	BIO_free(bio);
	free_pair(&ca);
	free_pair(&stranger);
	free_pair(&server);
	return ok ? LTS_OK : LTS_BADDATA;
}

enum lts_err
sim_tls_make(struct sim_tls *tls, const char *dir, enum sim_tls_mode mode, struct buf *error_out)
{
	struct buf ca_pem;
	*tls = (struct sim_tls){ .priorities =
					 mode == SIM_TLS_OLD
						 ? "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0"
						 : "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" };
	buf_init(&tls->certificate, 0);
	buf_init(&tls->key, 0);
	buf_init(&ca_pem, 0);
	enum lts_err err = make_dir(tls, dir);
	if (err && buf_printf(error_out, "%s: %s", tls->dir, strerror(errno)))
		abort(); /* the caller's buffer has no ceiling */
	if (err)
		return err;
	tls->ca_file = xasprintf("%s/ca.pem", tls->dir);
	err = make_certificates(tls, mode, &ca_pem);
	if (err && buf_put_text(error_out, "OpenSSL made no certificate"))
		abort(); /* the caller's buffer has no ceiling */
	if (!err)
		err = put_file(tls, "ca.pem", 0644, &ca_pem, error_out);
	if (!err)
		err = put_file(tls, "server.pem", 0644, &tls->certificate, error_out);
	if (!err)
		err = put_file(tls, "server.key", 0600, &tls->key, error_out);
	buf_fini(&ca_pem);
	return err;
}

void
sim_tls_fini(struct sim_tls *tls)
{
	static const char *const names[] = { "ca.pem", "server.pem", "server.key" };
	for (size_t i = 0; tls->is_temporary && i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = xasprintf("%s/%s", tls->dir, names[i]);
		unlink(path);
		free(path);
	}
	if (tls->is_temporary)
		rmdir(tls->dir);
	free(tls->dir);
	free(tls->ca_file);
	buf_fini(&tls->certificate);
	buf_fini(&tls->key);
	*tls = (struct sim_tls){ 0 };
}
