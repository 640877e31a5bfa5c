/*
 * sink.c - which sink a specification names.
 *
 * In a worker's delivery thread. Owns nothing. Must never guess: what it does not know is
 * refused by name. Held by tests/worker/test_sink_file.c.
 */
#include "worker/sink.h"

#include <string.h>

enum lts_err
sink_create(const struct sink_config *config, struct sink **out, struct buf *why_out)
{
	static const char file[] = "file:";
	if (strncmp(config->spec, file, sizeof(file) - 1) == 0)
		return sink_file_create(config->spec + sizeof(file) - 1, config, out, why_out);
	if (strcmp(config->spec, "stdout") == 0)
		return sink_stdout_create(config, out, why_out);
	if (strcmp(config->spec, "null") != 0)
		return LTS_INVALID;
	*out = sink_null_create();
	return LTS_OK;
}
