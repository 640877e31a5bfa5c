/*
 * command_rebuild.c - sets a damaged environment aside and makes an empty one in its place.
 *
 * In lts-state, with both locks of state_dir held. Owns nothing. Must never carry over a
 * position: damage may bring back a former page, whole and wrong; the agent goes on from the
 * checkpoints at the service. Held by tests/state/test_rebuild.c and the scenarios of backups.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "state/commands.h"
#include "state/remake.h"
#include "state/renew.h"
#include "state/rescue.h"
#include "state/state_lock.h"
#include "state/table.h"

static enum exit_code
fail(const char *state_dir, enum lts_err err)
{
	fprintf(stderr, "lts-state: %s: cannot be rebuilt: %s\n", state_dir,
		err == LTS_SYS ? strerror(errno) : lts_err_name(err));
	return EXIT_FAILED;
}

static enum exit_code
refuse(const struct request *request, const struct rescue *was)
{
	const char *why = NULL;
	if (was->missing)
		why = "no state environment in it; the agent makes one and goes on from the "
		      "checkpoints at the service";
	else if (was->newer && !request->force)
		why = "of a newer version, and not damaged: use the lts-state of that version, "
		      "or "
		      "--force";
	else if (was->slow && !request->force)
		why = RESCUE_SLOW ", or take it for damaged with --force";
	else if (was->sound && !request->force)
		why = "sound: there is nothing to rebuild; --force does it all the same";
	if (!why)
		return EXIT_DONE;
	fprintf(stderr, "lts-state: %s: %s\n", request->state_dir, why);
	return EXIT_FAILED;
}

/* What decides no position: whom it belongs to, and what start_time=end meant. */
static void
begin_anew(struct snapshot *fresh, const struct rescue *was, int64_t now_ns)
{
	*fresh = (struct snapshot){ .has_identity = was->has_identity,
				    .has_start = was->has_start,
				    .identity = was->identity,
				    .start = was->start };
	if (fresh->has_identity)
		renew_unowned(&fresh->identity);
	remake_add_event(fresh, EVENT_REBUILT, now_ns, was->sound ? "though sound" : was->why);
}

static const char *
what_comes_again(const struct checkpoint_record *c)
{
	if (cursor_is_none(&c->service))
		return "from start_time, or from what was published since";
	return cursor_equal(&c->cursor, &c->service) ? "nothing" : "at most from PUBLISHED on";
}

static void
print_shards(const struct rescue *was, FILE *out)
{
	static const struct table_column columns[] = { { "SHARD", true },
						       { "COMMITTED", true },
						       { "PUBLISHED", true },
						       { "AGAIN", false } };
	struct table table;
	table_init(&table, columns, 4);
	for (size_t i = 0; i < was->n_checkpoints; i++) {
		const struct checkpoint_record *c = &was->checkpoints[i];
		table_add(&table, "%s", c->shard.text);
		table_add(&table, "%s", c->cursor.text);
		table_add(&table, "%s", c->service.text);
		table_add(&table, "%s", what_comes_again(c));
	}
	table_print(&table, out);
	table_fini(&table);
}

static void
report(const struct rescue *was, const char *kept, FILE *out)
{
	print_shards(was, out);
	fprintf(out,
		"\nrebuilt: empty; what was there is kept as data.mdb.%s, of which %zu shards "
		"were legible%s%s\n",
		kept, was->n_checkpoints, was->sound ? "" : ": ", was->why);
	fputs("The agent starts as a new instance, and gets shards that the former one had when "
	      "the service has\nmissed that one for heartbeat_timeout. Each goes on from the "
	      "service's checkpoint: what was delivered\nbehind it comes again. Files of the "
	      "former instance stay as they are: one that is .part still gets no\nother name; "
	      "its "
	      "whole lines were delivered.\n",
	      out);
	if (!was->has_start)
		fputs("With start_time=end give the time of the first start in its place: a "
		      "shard "
		      "that the service has\nno checkpoint of would begin at the end of now.\n",
		      out);
}

static enum exit_code
rebuild_locked(const struct request *request, FILE *out)
{
	struct rescue *was = NULL;
	struct snapshot fresh;
	int64_t now_ns = clock_wall_ns();
	enum lts_err err = rescue_read(request->state_dir, &was);
	if (err)
		return fail(request->state_dir, err);
	enum exit_code code = refuse(request, was);
	if (!code) {
		char *kept = remake_kept_name("damaged", now_ns);
		begin_anew(&fresh, was, now_ns);
		err = remake(request->state_dir, &fresh, kept);
		if (err)
			code = fail(request->state_dir, err);
		else
			report(was, kept, out);
		snapshot_fini(&fresh);
		free(kept);
	}
	rescue_destroy(&was);
	return code;
}

enum exit_code
command_rebuild(const struct request *request, FILE *out)
{
	struct state_lock lock;
	enum exit_code code = state_lock_take(request->state_dir, &lock);
	if (code)
		return code;
	code = rebuild_locked(request, out);
	state_lock_release(&lock);
	return code;
}
