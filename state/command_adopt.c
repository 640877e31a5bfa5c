/*
 * command_adopt.c - lets whoever is started next take the state, as a new instance.
 *
 * In lts-state, with both locks of state_dir held. Owns nothing. Must never leave the former
 * owner's instance in it: that owner may be running, with a copy. Held by the scenarios of owners.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/commands.h"
#include "state/look.h"
#include "state/remake.h"
#include "state/renew.h"
#include "state/state_lock.h"

static enum exit_code
refuse(const struct request *request, const char *why)
{
	fprintf(stderr, "lts-state: %s: %s; nothing was changed\n", request->state_dir, why);
	return EXIT_FAILED;
}

static void
report(const struct snapshot *s, const char *owner, const char *kept, FILE *out)
{
	fprintf(out, "adopted: %zu shards of %s; what was there is kept as data.mdb.%s\n",
		s->n_checkpoints, owner, kept);
	fputs("The agent that is started here next takes the state, whatever its identity, as a "
	      "new instance. Each\nshard goes on from its place in the state, or from the "
	      "service's checkpoint where anybody has moved\nthat since. Shards that the former "
	      "owner had come when the service has missed it for\nheartbeat_timeout. Should it "
	      "still run, elsewhere with a copy, both are members of the group: each\nshard is at "
	      "one of them, and what the former owner delivers and has not published comes\n"
	      "again where its shard moves. Its files stay as they are: one that is .part gets "
	      "no other name.\n",
	      out);
}

static enum exit_code
adopt(const struct request *request, struct snapshot *s, FILE *out)
{
	int64_t now_ns = clock_wall_ns();
	char *owner = xasprintf("'%s', instance %s",
				s->identity.host[0] ? s->identity.host : "nobody",
				s->identity.instance);
	char *kept = remake_kept_name("before-adopt", now_ns);
	remake_renew(s, now_ns);
	remake_add_event(s, EVENT_ADOPTED, now_ns, owner);
	enum lts_err err = remake(request->state_dir, s, kept);
	enum exit_code code = EXIT_DONE;
	if (err)
		code = refuse(request, err == LTS_SYS ? strerror(errno) : lts_err_name(err));
	else
		report(s, owner, kept, out);
	free(kept);
	free(owner);
	return code;
}

enum exit_code
command_adopt(const struct request *request, FILE *out)
{
	struct snapshot snapshot;
	struct state_lock lock;
	enum exit_code code = state_lock_take(request->state_dir, &lock);
	if (code)
		return code;
	code = look_read(request->state_dir, &snapshot);
	if (!code) {
		snapshot_verify(&snapshot);
		if (snapshot.n_problems)
			code = refuse(request, "it is damaged: verify says how, rebuild mends it");
		else if (!snapshot.has_identity)
			code = refuse(request, "it is nobody's: the agent takes it as it is");
		else
			code = adopt(request, &snapshot, out);
		snapshot_fini(&snapshot);
	}
	state_lock_release(&lock);
	return code;
}
