/*
 * check_online.h - --check_config=online: one question to the service that changes nothing.
 *
 * In the child that check_config.c has made. Asks for the checkpoints of the group, as the agent
 * would: same address, keys, signature and certificates. No heartbeat: that would join the group.
 */
#ifndef SUPERVISOR_CHECK_ONLINE_H
#define SUPERVISOR_CHECK_ONLINE_H

#include "common/buf.h"
#include "common/credentials.h"
#include "common/handoff.h"
#include "common/lts_api.h"
#include "common/options.h"

/* Takes ten seconds at most. `credentials` without keys: those of the agency. Appends lines, each
 * with its end, to `lines_out`: one for each finding, or with EXIT_DONE one that says what was
 * found. EXIT_USAGE: the service refuses the keys or does not know what is named; EXIT_FAILED: all
 * else. */
enum exit_code check_online(const struct options *options, const struct credentials *credentials,
			    struct buf *lines_out) LTS_MUST_USE;

/* What to say of an answer that came at now_ns, wall clock; for check_online.c and its test. */
enum exit_code check_online_judge(const struct options *options, const char *ak,
				  const struct lts_answer *answer, int64_t now_ns,
				  struct buf *lines_out) LTS_MUST_USE;

#endif
