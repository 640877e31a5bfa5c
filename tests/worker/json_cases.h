/*
 * json_cases.h - whole JSON documents, and what is none: the corners of RFC 8259.
 */
#ifndef TESTS_WORKER_JSON_CASES_H
#define TESTS_WORKER_JSON_CASES_H

/* Each list ends with NULL. */
extern const char *const json_cases_good[];
extern const char *const json_cases_bad[];

#endif
