/*
 * sim_options.h - lts-sim's options, one table: name, default, range, help.
 */
#ifndef TESTS_SIM_SIM_OPTIONS_H
#define TESTS_SIM_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"

enum sim_tls_mode {
	SIM_TLS_ON,
	SIM_TLS_OFF,
	SIM_TLS_EXPIRED,
	SIM_TLS_WRONG_HOST,
	SIM_TLS_UNKNOWN_CA,
	SIM_TLS_OLD,
	SIM_TLS_MODES
};

struct sim_options {
	int64_t shards, records, record_bytes, rate, port, seed, cache_bytes;
	int64_t consumer_timeout_ms; /* given in seconds, fractions allowed */
	int64_t tls;                 /* enum sim_tls_mode */
	int64_t sign_date;           /* 0 short, 1 full */
	int64_t address;             /* 0: 127.0.0.1 alone, 1: all of 127.0.0.0/8 */
	const char *tls_dir, *project_id, *group_id, *stream_id, *consumer_group_name;
	const char *region, *ak, *sk, *security_token;
	bool exit_with_parent, help;
	struct buf faults; /* the rules, one a line */
};

/* Texts point into argv. LTS_INVALID: error_out holds one line. Undone by
 * sim_options_fini. */
enum lts_err sim_options_load(struct sim_options *options, int argc, char **argv,
			      struct buf *error_out) LTS_MUST_USE;
void sim_options_fini(struct sim_options *options);
void sim_options_print_help(FILE *out);

#endif
