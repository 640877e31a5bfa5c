/*
 * json_path.h - looking into a JSON tree by a path of members and array indexes:
 * "shards/0/owner".
 */
#ifndef TESTS_SUPPORT_JSON_PATH_H
#define TESTS_SUPPORT_JSON_PATH_H

#include <cjson/cJSON.h>

/* Borrowed; NULL: not there. */
const cJSON *json_path_at(const cJSON *root, const char *path);
/* 0 when it is not there or no number. */
double json_path_number(const cJSON *root, const char *path);
/* "" when it is not there or no text. */
const char *json_path_text(const cJSON *root, const char *path);
/* Adds up one number of every element of an array. */
double json_path_sum(const cJSON *root, const char *array, const char *member);

#endif
