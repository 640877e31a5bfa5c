/*
 * sim_tls.h - a certificate authority of one morning: makes the CA and the server's
 * certificate.
 */
#ifndef TESTS_SIM_SIM_TLS_H
#define TESTS_SIM_SIM_TLS_H

#include "common/buf.h"
#include "common/err.h"
#include "tests/sim/sim_options.h"

struct sim_tls {
	char *dir; /* holds ca.pem, server.pem and server.key */
	char *ca_file;
	bool is_temporary;           /* the directory goes when the server ends */
	struct buf certificate, key; /* PEM, for the server */
	const char *priorities;      /* GnuTLS's */
};

/* Writes the files into `dir` (made when missing; "": a fresh temporary one), the key as
 * 0600. On failure error_out holds one line. Undone by sim_tls_fini, also after a
 * failure. */
enum lts_err sim_tls_make(struct sim_tls *tls, const char *dir, enum sim_tls_mode mode,
			  struct buf *error_out) LTS_MUST_USE;
void sim_tls_fini(struct sim_tls *tls);

#endif
