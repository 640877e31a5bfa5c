/*
 * dump_json.c - a snapshot as one JSON object on one line.
 *
 * In lts-state. Owns the tree while it is printed. Must never pass a 64-bit number
 * through a double: they are written as raw digits. Held by tests/state/test_dump.c.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "state/dump.h"
#include "state/names.h"

static void
add_text(cJSON *to, const char *key, const char *text)
{
	char *clean = xstrdup(text);
	human_clean(clean);
	cJSON_AddStringToObject(to, key, clean);
	free(clean);
}

static void
add_uint(cJSON *to, const char *key, uint64_t value)
{
	char digits[24];
	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	cJSON_AddRawToObject(to, key, digits);
}

static void
add_ms(cJSON *to, const char *key, int64_t ns)
{
	char digits[24];
	snprintf(digits, sizeof(digits), "%" PRId64, ns / 1000000);
	cJSON_AddRawToObject(to, key, digits);
}

/* A time under `key` and how long ago that was under `age_key`. */
static void
add_time(cJSON *to, const struct dump *dump, const char *key, const char *age_key, int64_t ns)
{
	add_text(to, key, human_time(ns).text);
	add_ms(to, age_key, dump->snapshot->read_ns - ns);
}

static void
add_epoch(cJSON *to, struct epoch epoch)
{
	add_text(to, "epoch", human_epoch(epoch).text);
}

static cJSON *
new_row(cJSON *array)
{
	cJSON *row = cJSON_CreateObject();
	cJSON_AddItemToArray(array, row);
	return row;
}

static void
put_identity(cJSON *to, const struct dump *dump)
{
	const struct identity_record *id = &dump->snapshot->identity;
	cJSON *o = cJSON_AddObjectToObject(to, "identity");
	add_text(o, "project_id", id->project_id);
	add_text(o, "group_id", id->group_id);
	add_text(o, "stream_id", id->stream_id);
	add_text(o, "consumer_group_name", id->consumer_group);
	add_text(o, "host", id->host);
	add_text(o, "machine_id", id->machine_id);
	add_text(o, "instance", id->instance);
	add_uint(o, "starts", id->boot_count);
	add_time(o, dump, "created", "created_age_ms", id->created_ns);
}

static void
put_meta(cJSON *root, const struct dump *dump)
{
	const struct snapshot *s = dump->snapshot;
	cJSON *o = cJSON_AddObjectToObject(root, "meta");
	cJSON *supervisor = cJSON_AddObjectToObject(o, "supervisor");
	if (dump->supervisor_err == LTS_SYS)
		cJSON_AddNullToObject(supervisor, "running");
	else
		cJSON_AddBoolToObject(supervisor, "running", dump->supervisor_err == LTS_OK);
	if (dump->supervisor_err == LTS_OK)
		add_uint(supervisor, "pid", dump->supervisor_pid);
	if (s->has_identity)
		put_identity(o, dump);
	else
		cJSON_AddNullToObject(o, "identity");
	if (s->has_start)
		add_text(o, "start", human_time(s->start.start_ns).text);
	else
		cJSON_AddNullToObject(o, "start");
	add_uint(o, "map_bytes", s->usage.map_bytes);
	add_uint(o, "used_bytes", s->usage.used_bytes);
	add_uint(o, "readers", s->usage.readers);
	add_uint(o, "readers_max", s->usage.readers_max);
	add_uint(o, "transactions", s->usage.transactions);
}

static void
put_leases(cJSON *root, const struct dump *dump)
{
	cJSON *array = cJSON_AddArrayToObject(root, "leases");
	const struct snapshot *s = dump->snapshot;
	for (size_t i = 0; i < s->n_leases; i++) {
		const struct lease_record *r = &s->leases[i];
		cJSON *o = new_row(array);
		add_text(o, "shard", r->shard.text);
		add_epoch(o, r->epoch);
		add_text(o, "state", lease_state_name(r->state));
		add_uint(o, "slot", r->slot);
		add_uint(o, "home", r->home);
		add_uint(o, "pid", r->pid);
		add_text(o, "alive", dump_holder_alive(s, r));
		add_time(o, dump, "since", "age_ms", r->since_ns);
		const char *why = snapshot_why_stuck(s, r);
		if (why)
			add_text(o, "why", why);
	}
}

static void
put_waits(cJSON *root, const struct dump *dump)
{
	cJSON *array = cJSON_AddArrayToObject(root, "waits");
	for (size_t i = 0; dump->waits && i < dump->waits->n; i++) {
		cJSON *o = new_row(array);
		add_text(o, "text", dump->waits->rows[i].text);
		add_uint(o, "ms", (uint64_t)dump->waits->rows[i].for_ms);
	}
	if (dump->waits && dump->waits->unready[0])
		add_text(root, "unready", dump->waits->unready);
}

static void
put_checkpoints(cJSON *root, const struct dump *dump)
{
	cJSON *array = cJSON_AddArrayToObject(root, "checkpoints");
	const struct snapshot *s = dump->snapshot;
	for (size_t i = 0; i < s->n_checkpoints; i++) {
		const struct checkpoint_record *r = &s->checkpoints[i];
		cJSON *o = new_row(array);
		add_text(o, "shard", r->shard.text);
		add_text(o, "cursor", r->cursor.text);
		add_uint(o, "records", r->records);
		add_uint(o, "bytes", r->bytes);
		cJSON *sink = cJSON_AddObjectToObject(o, "sink");
		add_uint(sink, "segment", r->position.segment);
		add_uint(sink, "offset", r->position.offset);
		add_epoch(o, r->epoch);
		add_time(o, dump, "committed", "age_ms", r->committed_ns);
		add_text(o, "published", r->service.text);
		add_uint(o, "done", r->done);
		add_uint(o, "dead_letters", r->dead_letters);
		add_uint(o, "attempts", r->attempts);
		add_uint(o, "asides", r->asides.n);
		cJSON_AddBoolToObject(o, "forced", r->forced);
		if (r->finished_end_ns)
			add_text(o, "finished_end", human_time(r->finished_end_ns).text);
		else
			cJSON_AddNullToObject(o, "finished_end");
	}
}

static void
put_workers(cJSON *root, const struct dump *dump)
{
	cJSON *array = cJSON_AddArrayToObject(root, "workers");
	const struct snapshot *s = dump->snapshot;
	for (size_t i = 0; i < s->n_workers; i++) {
		const struct worker_record *r = &s->workers[i];
		cJSON *o = new_row(array);
		add_uint(o, "slot", r->slot);
		add_text(o, "name", r->name.text);
		if (s->has_identity)
			add_text(o, "consumer", names_at_service(&s->identity, r->slot).text);
		add_uint(o, "pid", r->pid);
		add_text(o, "alive", dump_worker_alive(s, r));
		add_text(o, "started", human_time(r->started_ns).text);
		add_ms(o, "uptime_ms", dump_worker_uptime_ns(s, r));
		add_uint(o, "records", r->records);
		add_uint(o, "bytes", r->bytes);
		add_uint(o, "commits", r->commits);
		add_time(o, dump, "updated", "age_ms", r->updated_ns);
	}
}

static void
put_events(cJSON *root, const struct dump *dump)
{
	cJSON *array = cJSON_AddArrayToObject(root, "events");
	const struct snapshot *s = dump->snapshot;
	for (size_t i = dump_first_event(dump); i < s->n_events; i++) {
		const struct event_record *r = &s->events[i];
		cJSON *o = new_row(array);
		add_uint(o, "number", r->number);
		add_time(o, dump, "time", "age_ms", r->time_ns);
		add_text(o, "event", event_kind_name(r->kind));
		add_text(o, "shard", r->shard.text);
		add_epoch(o, r->epoch);
		add_uint(o, "slot", r->slot);
		add_text(o, "cursor", r->cursor.text);
		add_text(o, "text", r->text);
	}
}

static cJSON *
new_object(const struct dump *dump)
{
	cJSON *root = cJSON_CreateObject();
	add_text(root, "state_dir", dump->state_dir);
	add_text(root, "read_at", human_time(dump->snapshot->read_ns).text);
	return root;
}

/* Ends with the problems, prints, frees. */
static void
finish(cJSON *root, const struct dump *dump, FILE *out)
{
	cJSON *problems = cJSON_AddArrayToObject(root, "problems");
	for (size_t i = 0; i < dump->snapshot->n_problems; i++)
		cJSON_AddItemToArray(problems, cJSON_CreateString(dump->snapshot->problems[i]));
	char *text = cJSON_PrintUnformatted(root);
	fprintf(out, "%s\n", text);
	cJSON_free(text);
	cJSON_Delete(root);
}

void
dump_json(const struct dump *dump, FILE *out)
{
	static void (*const put[STORE_TABLES])(cJSON *, const struct dump *) = {
		[STORE_META] = put_meta,
		[STORE_LEASES] = put_leases,
		[STORE_CHECKPOINTS] = put_checkpoints,
		[STORE_WORKERS] = put_workers,
		[STORE_EVENTS] = put_events,
	};
	cJSON *root = new_object(dump);
	for (int t = 0; t < STORE_TABLES; t++)
		if (dump->tables & 1u << t)
			put[t](root, dump);
	if (dump->tables & 1u << STORE_LEASES)
		put_waits(root, dump);
	finish(root, dump, out);
}

void
dump_findings_json(const struct dump *dump, FILE *out)
{
	cJSON *root = new_object(dump);
	add_uint(root, "records", dump->snapshot->n_records);
	finish(root, dump, out);
}
