/*
 * dump.c - a snapshot as aligned tables.
 *
 * In lts-state. Owns nothing. Must never hide a record that was read, nor show one that
 * did not decode. Held by tests/state/test_dump.c.
 */
#include "state/dump.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "state/names.h"
#include "state/proc.h"
#include "state/table.h"

#define COLUMNS(table, columns) \
	table_init((table), (columns), (unsigned)(sizeof(columns) / sizeof((columns)[0])))

const char *
dump_worker_alive(const struct snapshot *snapshot, const struct worker_record *worker)
{
	if (worker->exited)
		return "exited";
	return proc_state_name(
		proc_state_noted(&snapshot->identity, worker->pid, worker->pid_start));
}

const char *
dump_holder_alive(const struct snapshot *snapshot, const struct lease_record *lease)
{
	if (lease->state != LEASE_HELD && lease->state != LEASE_STUCK)
		return "-";
	const struct worker_record *worker = snapshot_worker(snapshot, lease->slot);
	/* Another process may run in that slot by now; then only its absence can be told
	 * for sure. */
	uint64_t pid_start = worker && worker->pid == lease->pid ? worker->pid_start : 0;
	return proc_state_name(proc_state_noted(&snapshot->identity, lease->pid, pid_start));
}

int64_t
dump_worker_uptime_ns(const struct snapshot *snapshot, const struct worker_record *worker)
{
	enum proc_state state =
		proc_state_noted(&snapshot->identity, worker->pid, worker->pid_start);
	bool gone = worker->exited || state == PROC_GONE;
	return (gone ? worker->updated_ns : snapshot->read_ns) - worker->started_ns;
}

struct human_text
dump_supervisor(const struct dump *dump)
{
	struct human_text out;
	if (dump->supervisor_err == LTS_OK)
		snprintf(out.text, sizeof(out.text), "running (pid %u)", dump->supervisor_pid);
	else
		snprintf(out.text, sizeof(out.text), "%s",
			 dump->supervisor_err == LTS_NOTFOUND ? "not running" : "unknown");
	return out;
}

size_t
dump_first_event(const struct dump *dump)
{
	size_t n = dump->snapshot->n_events;
	return dump->last && dump->last < n ? n - dump->last : 0;
}

static struct human_text
age_of(const struct dump *dump, int64_t since_ns)
{
	return human_age(dump->snapshot->read_ns - since_ns);
}

static void
add_pair(struct table *table, const char *name, const char *value)
{
	table_add(table, "%s", name);
	table_add(table, "%s", value);
}

static void
fill_identity(struct table *table, const struct identity_record *id)
{
	add_pair(table, "project_id", id->project_id);
	add_pair(table, "group_id", id->group_id);
	add_pair(table, "stream_id", id->stream_id);
	add_pair(table, "consumer_group_name", id->consumer_group);
	add_pair(table, "identity", id->host[0] ? id->host : "whoever starts next");
	add_pair(table, "machine_id", id->machine_id);
	add_pair(table, "instance", id->instance);
	table_add(table, "starts");
	table_add(table, "%u", id->boot_count);
	add_pair(table, "created", human_time(id->created_ns).text);
}

static void
fill_meta(struct table *table, const struct dump *dump)
{
	static const struct table_column columns[] = { { "NAME", false }, { "VALUE", false } };
	const struct snapshot *s = dump->snapshot;
	const struct store_usage *usage = &s->usage;
	COLUMNS(table, columns);
	add_pair(table, "state_dir", dump->state_dir);
	add_pair(table, "supervisor", dump_supervisor(dump).text);
	if (s->has_identity)
		fill_identity(table, &s->identity);
	if (s->has_start)
		add_pair(table, "start", human_time(s->start.start_ns).text);
	table_add(table, "map");
	table_add(table, "%s of %s", human_bytes(usage->used_bytes).text,
		  human_bytes(usage->map_bytes).text);
	table_add(table, "readers");
	table_add(table, "%u of %u", usage->readers, usage->readers_max);
	table_add(table, "transactions");
	table_add(table, "%" PRIu64, usage->transactions);
}

static void
fill_leases(struct table *table, const struct dump *dump)
{
	static const struct table_column columns[] = {
		{ "SHARD", true }, { "EPOCH", true }, { "STATE", false }, { "SLOT", true },
		{ "HOME", true },  { "PID", true },   { "ALIVE", false }, { "SINCE", true },
	};
	const struct snapshot *s = dump->snapshot;
	COLUMNS(table, columns);
	for (size_t i = 0; i < s->n_leases; i++) {
		const struct lease_record *r = &s->leases[i];
		table_add(table, "%s", r->shard.text);
		table_add(table, "%s", human_epoch(r->epoch).text);
		table_add(table, "%s", lease_state_name(r->state));
		table_add(table, "%u", r->slot);
		table_add(table, "%u", r->home);
		table_add(table, "%u", r->pid);
		table_add(table, "%s", dump_holder_alive(s, r));
		table_add(table, "%s", age_of(dump, r->since_ns).text);
	}
}

static void
fill_checkpoints(struct table *table, const struct dump *dump)
{
	static const struct table_column columns[] = {
		{ "SHARD", true }, { "CURSOR", true },    { "RECORDS", true },
		{ "BYTES", true }, { "SINK", true },      { "EPOCH", true },
		{ "AGE", true },   { "PUBLISHED", true }, { "DONE", true },
		{ "DEAD", true },  { "ATTEMPTS", true },  { "NOTE", false },
	};
	const struct snapshot *s = dump->snapshot;
	COLUMNS(table, columns);
	for (size_t i = 0; i < s->n_checkpoints; i++) {
		const struct checkpoint_record *r = &s->checkpoints[i];
		table_add(table, "%s", r->shard.text);
		table_add(table, "%s", r->cursor.text);
		table_add(table, "%" PRIu64, r->records);
		table_add(table, "%s", human_bytes(r->bytes).text);
		table_add(table, "%" PRIu64 ":%" PRIu64, r->position.segment, r->position.offset);
		table_add(table, "%s", human_epoch(r->epoch).text);
		table_add(table, "%s", age_of(dump, r->committed_ns).text);
		table_add(table, "%s", r->service.text);
		table_add(table, "%" PRIu64, r->done);
		table_add(table, "%" PRIu64, r->dead_letters);
		table_add(table, "%u", r->attempts);
		table_add(table, "%s%s%s", r->forced ? "forced" : "",
			  r->forced && r->finished_end_ns ? ", " : "",
			  r->finished_end_ns ? "finished" : "");
	}
}

static void
fill_workers(struct table *table, const struct dump *dump)
{
	static const struct table_column columns[] = {
		{ "SLOT", true },   { "NAME", false },   { "PID", true },
		{ "ALIVE", false }, { "UPTIME", true },  { "RECORDS", true },
		{ "BYTES", true },  { "COMMITS", true }, { "UPDATED", true },
		{ "CONSUMER", false },
	};
	const struct snapshot *s = dump->snapshot;
	COLUMNS(table, columns);
	for (size_t i = 0; i < s->n_workers; i++) {
		const struct worker_record *r = &s->workers[i];
		table_add(table, "%u", r->slot);
		table_add(table, "%s", r->name.text);
		table_add(table, "%u", r->pid);
		table_add(table, "%s", dump_worker_alive(s, r));
		table_add(table, "%s", human_age(dump_worker_uptime_ns(s, r)).text);
		table_add(table, "%" PRIu64, r->records);
		table_add(table, "%s", human_bytes(r->bytes).text);
		table_add(table, "%" PRIu64, r->commits);
		table_add(table, "%s", age_of(dump, r->updated_ns).text);
		table_add(table, "%s",
			  s->has_identity ? names_at_service(&s->identity, r->slot).text : "");
	}
}

static void
fill_events(struct table *table, const struct dump *dump)
{
	static const struct table_column columns[] = {
		{ "NUMBER", true }, { "TIME", false },  { "AGE", true },
		{ "EVENT", false }, { "SHARD", true },  { "EPOCH", true },
		{ "SLOT", true },   { "CURSOR", true }, { "TEXT", false },
	};
	const struct snapshot *s = dump->snapshot;
	COLUMNS(table, columns);
	for (size_t i = dump_first_event(dump); i < s->n_events; i++) {
		const struct event_record *r = &s->events[i];
		table_add(table, "%" PRIu64, r->number);
		table_add(table, "%s", human_time(r->time_ns).text);
		table_add(table, "%s", age_of(dump, r->time_ns).text);
		table_add(table, "%s", event_kind_name(r->kind));
		table_add(table, "%s", r->shard.text);
		table_add(table, "%s", human_epoch(r->epoch).text);
		table_add(table, "%u", r->slot);
		table_add(table, "%s", r->cursor.text);
		table_add(table, "%s", r->text);
	}
}

static void
say_stuck(const struct dump *dump, FILE *out)
{
	const struct snapshot *s = dump->snapshot;
	bool any = false;
	for (size_t i = 0; i < s->n_leases; i++) {
		const struct lease_record *lease = &s->leases[i];
		const char *why = snapshot_why_stuck(s, lease);
		if (!why)
			continue;
		any = true;
		char *clean = xstrdup(why);
		human_clean(clean);
		fprintf(out, "shard %s %s: %s\n", lease->shard.text,
			lease->state == LEASE_STUCK ? "is stuck"
						    : "was stuck when the agent stopped",
			clean);
		free(clean);
	}
	if (any)
		fprintf(out, "a stuck shard goes on when the cause is mended and the agent started "
			     "again, or past it by lts-state reset\n");
}

/* Below the leases, which do not tell it: a shard that waits is held. */
static void
say_waits(const struct dump *dump, FILE *out)
{
	if (dump->waits && dump->waits->unready[0])
		fprintf(out, "not ready: %s\n", dump->waits->unready);
	for (size_t i = 0; dump->waits && i < dump->waits->n; i++)
		fprintf(out, "waits for %s: %s\n",
			human_age(dump->waits->rows[i].for_ms * 1000000).text,
			dump->waits->rows[i].text);
}

void
dump_tables(const struct dump *dump, FILE *out)
{
	static void (*const fill[STORE_TABLES])(struct table *, const struct dump *) = {
		[STORE_META] = fill_meta,
		[STORE_LEASES] = fill_leases,
		[STORE_CHECKPOINTS] = fill_checkpoints,
		[STORE_WORKERS] = fill_workers,
		[STORE_EVENTS] = fill_events,
	};
	bool several = (dump->tables & (dump->tables - 1)) != 0, first = true;
	for (int t = 0; t < STORE_TABLES; t++) {
		struct table table;
		if (!(dump->tables & 1u << t))
			continue;
		if (several)
			fprintf(out, "%s== %s ==\n", first ? "" : "\n",
				store_table_name((enum store_table)t));
		first = false;
		fill[t](&table, dump);
		table_print(&table, out);
		table_fini(&table);
		if (t == STORE_LEASES) {
			say_stuck(dump, out);
			say_waits(dump, out);
		}
	}
}

void
dump_findings(const struct dump *dump, FILE *out)
{
	const struct snapshot *s = dump->snapshot;
	for (size_t i = 0; i < s->n_problems; i++)
		fprintf(out, "%s\n", s->problems[i]);
	fprintf(out, "verify: %zu records, %zu problems%s\n", s->n_records, s->n_problems,
		s->n_problems == SNAPSHOT_PROBLEMS_MAX ? " (there may be more)" : "");
}
