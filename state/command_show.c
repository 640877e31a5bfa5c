/*
 * command_show.c - tables of an environment's records, and whether they fit together.
 *
 * In lts-state. Owns nothing. Must never write to the environment. Held by
 * tests/state/test_lts_state.c.
 */
#include <stdlib.h>

#include "common/xalloc.h"
#include "state/ask_waits.h"
#include "state/commands.h"
#include "state/dump.h"
#include "state/look.h"
#include "state/proc.h"

static struct dump
dump_of(const struct request *request, const struct snapshot *snapshot)
{
	char *lock = xasprintf("%s/supervisor.lock", request->state_dir);
	struct dump dump = { .snapshot = snapshot,
			     .state_dir = request->state_dir,
			     .tables = request->command->tables,
			     .last = request->last };
	dump.supervisor_err = proc_supervisor(&snapshot->identity, lock, &dump.supervisor_pid);
	free(lock);
	return dump;
}

/* The clock may have been set back: each is looked at. */
static void
keep_since(struct snapshot *s, int64_t since_ns)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->n_events; i++)
		if (s->events[i].time_ns >= since_ns)
			s->events[kept++] = s->events[i];
	s->n_events = kept;
}

static enum exit_code
finish(struct snapshot *snapshot)
{
	enum exit_code code = snapshot->n_problems ? EXIT_FAILED : EXIT_DONE;
	snapshot_fini(snapshot);
	return code;
}

enum exit_code
command_show(const struct request *request, FILE *out)
{
	struct snapshot snapshot;
	enum exit_code code = look_read(request->state_dir, &snapshot);
	if (code)
		return code;
	if (request->given[REQUEST_SINCE])
		keep_since(&snapshot, request->since_ns);
	struct agent_waits waits = { 0 };
	struct dump dump = dump_of(request, &snapshot);
	if (dump.tables & 1u << STORE_LEASES)
		ask_waits(request->state_dir, &waits);
	dump.waits = &waits;
	(request->json ? dump_json : dump_tables)(&dump, out);
	ask_waits_fini(&waits);
	/* JSON has them inside. */
	for (size_t i = 0; i < snapshot.n_problems && !request->json; i++)
		fprintf(stderr, "lts-state: %s\n", snapshot.problems[i]);
	return finish(&snapshot);
}

enum exit_code
command_verify(const struct request *request, FILE *out)
{
	struct snapshot snapshot;
	enum exit_code code = look_read(request->state_dir, &snapshot);
	if (code)
		return code;
	snapshot_verify(&snapshot);
	struct dump dump = dump_of(request, &snapshot);
	(request->json ? dump_findings_json : dump_findings)(&dump, out);
	return finish(&snapshot);
}
