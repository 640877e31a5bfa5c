/*
 * sim_json.h - JSON as lts-sim reads it: cJSON, but long integers keep their digits.
 */
#ifndef TESTS_SIM_SIM_JSON_H
#define TESTS_SIM_SIM_JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* Integers of 16 digits or more, which no double holds, come as strings. NULL: not JSON.
 * The caller deletes it. */
cJSON *sim_json_parse(const char *text, size_t len);
/* A member that is a string (or was a long integer); NULL: it is not, or absent. */
const char *sim_json_text(const cJSON *object, const char *key);

#endif
