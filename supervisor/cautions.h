/*
 * cautions.h - settings that work, but may not do what whoever made them means.
 */
#ifndef SUPERVISOR_CAUTIONS_H
#define SUPERVISOR_CAUTIONS_H

#include "common/options.h"

/* One caution: the setting, as "option 'start_time'", and a sentence. Both are borrowed. */
typedef void caution(void *arg, const char *setting, const char *text);

/* now_ns: this host's clock. */
void cautions_each(const struct options *options, int64_t now_ns, caution *say, void *arg);
/* What a start goes on with, and --check_config calls a failure: keys that everybody may read. */
void cautions_each_key_file(const struct options *options, caution *say, void *arg);
/* A regular file that everybody on this host may read. */
bool cautions_is_open_to_all(const char *path);

#endif
