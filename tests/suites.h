/*
 * suites.h - the list of unit suites: one line here for each tests/<folder>/test_<module>.c,
 * which defines `Suite *suite_<module>(void)`.
 */
#ifndef TESTS_SUITES_H
#define TESTS_SUITES_H

#include <check.h>

#define SUITES(X)     \
	X(lts_sign) \
	X(backoff) \
	X(http_head) \
	X(http) \
	X(http_calls) \
	X(http_tls) \
	X(lts_wire) \
	X(lts_wire_parse) \
	X(lts_api) \
	X(lts_api_life) \
	X(options_value) \
	X(options_check) \
	X(json) \
	X(credentials) \
	X(options) \
	X(log) \
	X(json_skip) \
	X(batch_scan) \
	X(batch_scan_cjson) \
	X(record_text) \
	X(basics)

#define DECLARE(name) Suite *suite_##name(void);
SUITES(DECLARE)
#undef DECLARE

#endif
