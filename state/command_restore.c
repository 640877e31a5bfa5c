/*
 * command_restore.c - puts a backup in the place of the environment, as a new instance.
 *
 * In lts-state, with both locks of state_dir held. Owns nothing. Must never give the agent back
 * an instance id that has gone on since: its files would be cut to where they stood then, and its
 * names may be a living member's. Held by tests/state/test_backup.c and the scenarios of
 * restore.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/make_dirs.h"
#include "common/xalloc.h"
#include "state/commands.h"
#include "state/human.h"
#include "state/identity.h"
#include "state/look.h"
#include "state/remake.h"
#include "state/rescue.h"
#include "state/state_lock.h"
#include "state/table.h"

static enum exit_code
read_backup(const char *file, struct snapshot *out)
{
	enum exit_code code = look_read_file(file, out);
	if (code)
		return code;
	snapshot_verify(out);
	for (size_t i = 0; i < out->n_problems; i++)
		fprintf(stderr, "lts-state: %s: %s\n", file, out->problems[i]);
	if (!out->n_problems)
		return EXIT_DONE;
	fprintf(stderr, "lts-state: %s: not sound, nothing was changed\n", file);
	snapshot_fini(out);
	return EXIT_FAILED;
}

/* As a new instance knows it, on whatever host. */
static void
renew(struct snapshot *s, const struct request *request)
{
	int64_t now_ns = clock_wall_ns();
	char *text = xasprintf("from the backup '%s' of instance %s", request->operand,
			       s->identity.instance);
	for (size_t i = 0; i < s->n_checkpoints; i++) {
		struct checkpoint_record *c = &s->checkpoints[i];
		/* A reset that was to come still is. What was given back is another host's. */
		c->forced |= request->repeat && snapshot_is_ours(s, &c->shard);
	}
	remake_renew(s, now_ns);
	remake_add_event(s, EVENT_RESTORED, now_ns, text);
	free(text);
}

static void
print_shards(const struct snapshot *backup, const struct rescue *was, FILE *out)
{
	static const struct table_column columns[] = { { "SHARD", true },
						       { "BACKUP", true },
						       { "COMMITTED", true },
						       { "PUBLISHED", true },
						       { "SINCE", true } };
	struct table table;
	table_init(&table, columns, 5);
	for (size_t i = 0; i < backup->n_checkpoints; i++) {
		const struct checkpoint_record *c = &backup->checkpoints[i],
					       *last = rescue_checkpoint(was, &c->shard);
		table_add(&table, "%s", c->shard.text);
		table_add(&table, "%s", c->cursor.text);
		table_add(&table, "%s", last ? last->cursor.text : "");
		table_add(&table, "%s", last ? last->service.text : "");
		if (last && last->records >= c->records)
			table_add(&table, "%" PRIu64, last->records - c->records);
		else
			table_add(&table, "%s", "");
	}
	table_print(&table, out);
	table_fini(&table);
}

static void
report(const struct request *request, const struct snapshot *backup, const struct rescue *was,
       const char *kept, FILE *out)
{
	print_shards(backup, was, out);
	fprintf(out, "\nrestored: %zu shards from %s", backup->n_checkpoints, request->operand);
	if (!was->missing)
		fprintf(out, "; what was there is kept as data.mdb.%s", kept);
	fprintf(out,
		"\nThe agent starts as a new instance, %s, and gets shards that the former one "
		"had "
		"when the\nservice has missed that one for heartbeat_timeout. Files of the "
		"former one "
		"stay as they are: one that\nis .part still gets no other name; its whole lines "
		"were "
		"delivered.\n",
		backup->identity.instance);
	fputs(request->repeat
		      ? "Each shard that this host had then goes on from BACKUP, whatever the "
			"service has: all that was\ndelivered since comes again (SINCE: records of "
			"it that are known).\n"
		      : "Each shard goes on from BACKUP, or from the service's checkpoint where "
			"that is further: what\nwas delivered behind it comes again, so at most "
			"what lies between PUBLISHED and COMMITTED.\nWas the output put back, "
			"too? "
			"Restore once more with --repeat before the agent starts.\n",
	      out);
}

static enum exit_code
refuse(const struct request *request, const struct snapshot *backup, const struct rescue *was)
{
	const struct identity_record *a = &backup->identity, *b = &was->identity;
	if (request->force)
		return EXIT_DONE;
	if (was->slow) {
		fprintf(stderr, "lts-state: %s: " RESCUE_SLOW ", or --force\n",
			request->state_dir);
		return EXIT_FAILED;
	}
	if (!was->has_identity || identity_same_group(a, b))
		return EXIT_DONE;
	fprintf(stderr,
		"lts-state: %s is of stream %s, group %s; %s of stream %s, group %s: give the "
		"right --state_dir, or --force\n",
		request->operand, a->stream_id, a->consumer_group, request->state_dir,
		b->stream_id, b->consumer_group);
	return EXIT_FAILED;
}

static enum exit_code
fail(const char *state_dir, enum lts_err err)
{
	fprintf(stderr, "lts-state: %s: cannot be restored: %s\n", state_dir,
		err == LTS_SYS ? strerror(errno) : lts_err_name(err));
	return EXIT_FAILED;
}

static enum exit_code
restore_locked(const struct request *request, struct snapshot *backup, FILE *out)
{
	struct rescue *was = NULL;
	enum lts_err err = rescue_read(request->state_dir, &was);
	if (err)
		return fail(request->state_dir, err);
	enum exit_code code = refuse(request, backup, was);
	if (code) {
		rescue_destroy(&was);
		return code;
	}
	char *kept = remake_kept_name("before-restore", clock_wall_ns());
	renew(backup, request);
	err = remake(request->state_dir, backup, kept);
	if (err)
		code = fail(request->state_dir, err);
	else
		report(request, backup, was, kept, out);
	rescue_destroy(&was);
	free(kept);
	return code;
}

enum exit_code
command_restore(const struct request *request, FILE *out)
{
	struct snapshot backup;
	struct state_lock lock;
	enum exit_code code = read_backup(request->operand, &backup);
	if (code)
		return code;
	if (make_dirs(request->state_dir, 0700))
		code = fail(request->state_dir, LTS_SYS);
	else
		code = state_lock_take(request->state_dir, &lock);
	if (!code) {
		code = restore_locked(request, &backup, out);
		state_lock_release(&lock);
	}
	snapshot_fini(&backup);
	return code;
}
