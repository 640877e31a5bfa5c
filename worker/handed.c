/*
 * handed.c - what the supervisor hands a worker as open descriptors.
 *
 * In a worker, on the loop. Owns nothing but the log until it is returned. Must never end a worker
 * for a log that cannot be had. Held by tests/scenario/confined.c and reload.c.
 */
#include "worker/handed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"

static enum lts_err
add_file(struct log *log, const struct options *o, int log_fd)
{
	enum log_level level = (enum log_level)o->log_level;
	enum log_format format = (enum log_format)o->log_format;
	if (!o->log_file)
		return LTS_NOTFOUND;
	if (log_fd)
		return log_add_handed(log, log_fd, level, format);
	return log_add_file(log, o->log_file, level, format);
}

struct log *
handed_logs(const struct options *o, const char *who, int log_fd)
{
	enum log_format format = (enum log_format)o->log_format;
	struct log *log = log_create(who);
	if (add_file(log, o, log_fd))
		log_add_fd(log, STDERR_FILENO, (enum log_level)o->log_level, format);
	if (!o->is_test)
		return log;
	char *path = xasprintf("%s/debug.log", o->state_dir);
	if (log_add_file(log, path, LOG_LEVEL_DEBUG, format))
		log_warn(log, "no debug log", LOG_TEXT("path", path),
			 LOG_TEXT("text", strerror(errno)));
	free(path);
	return log;
}

void
handed_logs_again(struct log *log, int log_fd)
{
	log_reopen(log);
	if (log_fd && log_hand_again(log, log_fd) == LTS_SYS)
		log_warn(log, "the former log file stays in use",
			 LOG_TEXT("text", strerror(errno)));
}

void
handed_trust(struct trust *trust, int trust_fd, struct lts_api *api)
{
	if (trust_fd && !trust_take(trust, trust_fd))
		lts_api_trust(api, trust_path(trust));
}
