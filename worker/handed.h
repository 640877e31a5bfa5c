/*
 * handed.h - what the supervisor hands a worker as open descriptors: log file, certificates.
 *
 * A worker may not open them (worker/sandbox.h), nor need their names lead there any more. 0: none
 * was handed; the message they came with is borrowed.
 */
#ifndef WORKER_HANDED_H
#define WORKER_HANDED_H

#include "common/log.h"
#include "common/lts_api.h"
#include "common/options.h"
#include "common/trust.h"

/* The log that the options describe, `who` in each line; stderr where a file cannot be had. */
struct log *handed_logs(const struct options *options, const char *who, int log_fd);
/* After HUP: the file in the place of the former one. */
void handed_logs_again(struct log *log, int log_fd);
/* The client trusts these from its next connection on. */
void handed_trust(struct trust *trust, int trust_fd, struct lts_api *api);

#endif
