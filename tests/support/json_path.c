/*
 * json_path.c - one word after the other, down the tree.
 *
 * In the test process. Owns nothing. Must never fail a test by itself: what is not there
 * reads as none.
 */
#include "tests/support/json_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cJSON *
step(const cJSON *at, const char *word, size_t len)
{
	char name[128];
	snprintf(name, sizeof(name), "%.*s", (int)len, word);
	if (cJSON_IsArray(at))
		return cJSON_GetArrayItem(at, (int)strtol(name, NULL, 10));
	return cJSON_GetObjectItemCaseSensitive(at, name);
}

const cJSON *
json_path_at(const cJSON *root, const char *path)
{
	while (root && *path) {
		size_t len = strcspn(path, "/");
		root = step(root, path, len);
		path += len;
		path += *path == '/';
	}
	return root;
}

double
json_path_number(const cJSON *root, const char *path)
{
	const cJSON *at = json_path_at(root, path);
	return cJSON_IsNumber(at) ? at->valuedouble : 0;
}

const char *
json_path_text(const cJSON *root, const char *path)
{
	const cJSON *at = json_path_at(root, path);
	return cJSON_IsString(at) ? at->valuestring : "";
}

double
json_path_sum(const cJSON *root, const char *array, const char *member)
{
	const cJSON *element;
	double sum = 0;
	cJSON_ArrayForEach(element, json_path_at(root, array)) sum +=
		json_path_number(element, member);
	return sum;
}
