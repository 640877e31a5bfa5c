/*
 * processor_absent.c - the kinds of user's code that this build has not.
 *
 * In a worker's delivery thread. Owns nothing. Must never start anything.
 */
#include "worker/processor.h"

static enum lts_err
refuse(const char *kind, struct buf *why_out)
{
	enum lts_err ignored = buf_printf(why_out, "sink %s: not in this build", kind);
	(void)ignored;
	return LTS_INVALID;
}

enum lts_err
processor_batch_create(const char *what, const struct processor_config *config,
		       struct processor **out, struct buf *why_out)
{
	return refuse("batch", why_out);
}
