/*
 * schema.c - LMDB's records to bytes and back.
 *
 * In the supervisor, workers and lts-state. Owns nothing. Must never hand out a record
 * whose CRC, version or length is wrong: LMDB itself does not notice damage. Held by
 * tests/state/test_schema.c.
 */
#include "state/schema_codec.h"

#include <stdlib.h>

#include "common/pack.h"

static struct packer
begin(struct schema_value *out)
{
	struct packer p = { .data = out->data, .cap = sizeof(out->data) };
	pack_u8(&p, SCHEMA_VERSION);
	return p;
}

static void
end(struct packer *p, struct schema_value *out)
{
	pack_crc(p);
	if (p->overflow)
		abort(); /* SCHEMA_VALUE_MAX is above the sum of all fields */
	out->len = p->len;
}

static struct unpacker
open_version(const void *data, size_t len, uint8_t *version_out)
{
	struct unpacker u = { .data = data, .len = len };
	if (!unpack_crc(&u))
		u.bad = true;
	*version_out = unpack_u8(&u);
	if (*version_out < 1 || *version_out > SCHEMA_VERSION)
		u.bad = true;
	return u;
}

/* Of a value that is the same in all versions. */
static struct unpacker
open_value(const void *data, size_t len)
{
	uint8_t version;
	return open_version(data, len, &version);
}

uint8_t
schema_newer(const void *data, size_t len)
{
	struct unpacker u = { .data = data, .len = len };
	bool sound = unpack_crc(&u);
	uint8_t version = unpack_u8(&u);
	return sound && !u.bad && version > SCHEMA_VERSION ? version : 0;
}

const char *
lease_state_name(enum lease_state state)
{
	static const char *const names[] = {
		[LEASE_HELD] = "held",         [LEASE_RELEASED] = "released",
		[LEASE_FINISHED] = "finished", [LEASE_PAUSED] = "paused",
		[LEASE_STUCK] = "stuck",
	};
	if (state < LEASE_HELD || state > LEASE_STUCK)
		return "?";
	return names[state];
}

const char *
event_kind_name(enum event_kind kind)
{
	static const char *const names[] = {
		[EVENT_TAKEN] = "taken",       [EVENT_RELEASED] = "released",
		[EVENT_FINISHED] = "finished", [EVENT_INHERITED] = "inherited",
		[EVENT_STUCK] = "stuck",       [EVENT_EXPIRED] = "expired",
		[EVENT_RESET] = "reset",       [EVENT_RESTORED] = "restored",
		[EVENT_REBUILT] = "rebuilt",   [EVENT_ADOPTED] = "adopted",
	};
	if (kind < EVENT_TAKEN || kind > EVENT_ADOPTED)
		return "?";
	return names[kind];
}

void
identity_encode(const struct identity_record *r, struct schema_value *out)
{
	struct packer p = begin(out);
	pack_u32(&p, r->schema);
	pack_text(&p, r->project_id);
	pack_text(&p, r->group_id);
	pack_text(&p, r->stream_id);
	pack_text(&p, r->consumer_group);
	pack_text(&p, r->host);
	pack_text(&p, r->machine_id);
	pack_text(&p, r->instance);
	pack_u32(&p, r->boot_count);
	pack_i64(&p, r->created_ns);
	pack_u64(&p, r->data_inode);
	pack_text(&p, r->boot_id);
	pack_u64(&p, r->pid_namespace);
	pack_u8(&p, r->plain_names);
	end(&p, out);
}

enum lts_err
identity_decode(const void *data, size_t len, struct identity_record *out)
{
	uint8_t version;
	struct unpacker u = open_version(data, len, &version);
	struct identity_record r = { .plain_names = true };
	r.schema = unpack_u32(&u);
	unpack_text(&u, r.project_id, sizeof(r.project_id));
	unpack_text(&u, r.group_id, sizeof(r.group_id));
	unpack_text(&u, r.stream_id, sizeof(r.stream_id));
	unpack_text(&u, r.consumer_group, sizeof(r.consumer_group));
	unpack_text(&u, r.host, sizeof(r.host));
	unpack_text(&u, r.machine_id, sizeof(r.machine_id));
	unpack_text(&u, r.instance, sizeof(r.instance));
	r.boot_count = unpack_u32(&u);
	r.created_ns = unpack_i64(&u);
	if (version >= 4) {
		r.data_inode = unpack_u64(&u);
		unpack_text(&u, r.boot_id, sizeof(r.boot_id));
		r.pid_namespace = unpack_u64(&u);
		r.plain_names = unpack_u8(&u) != 0;
	}
	if (!unpack_done(&u))
		return LTS_BADDATA;
	*out = r;
	return LTS_OK;
}

void
start_encode(const struct start_record *r, struct schema_value *out)
{
	struct packer p = begin(out);
	pack_i64(&p, r->start_ns);
	end(&p, out);
}

enum lts_err
start_decode(const void *data, size_t len, struct start_record *out)
{
	struct unpacker u = open_value(data, len);
	struct start_record r = { .start_ns = unpack_i64(&u) };
	if (!unpack_done(&u))
		return LTS_BADDATA;
	*out = r;
	return LTS_OK;
}

void
lease_encode(const struct lease_record *r, struct schema_value *out)
{
	struct packer p = begin(out);
	pack_text(&p, r->shard.text);
	pack_u64(&p, r->epoch.value);
	pack_u8(&p, (uint8_t)r->state);
	pack_u32(&p, r->slot);
	pack_u32(&p, r->home);
	pack_u32(&p, r->pid);
	pack_i64(&p, r->since_ns);
	end(&p, out);
}

enum lts_err
lease_decode(const void *data, size_t len, struct lease_record *out)
{
	struct unpacker u = open_value(data, len);
	struct lease_record r = { 0 };
	unpack_text(&u, r.shard.text, sizeof(r.shard.text));
	r.epoch.value = unpack_u64(&u);
	r.state = (enum lease_state)unpack_u8(&u);
	r.slot = unpack_u32(&u);
	r.home = unpack_u32(&u);
	r.pid = unpack_u32(&u);
	r.since_ns = unpack_i64(&u);
	if (!unpack_done(&u) || r.state < LEASE_HELD || r.state > LEASE_STUCK)
		return LTS_BADDATA;
	*out = r;
	return LTS_OK;
}

static void
pack_asides(struct packer *p, const struct asides *asides)
{
	pack_u32(p, asides->n);
	for (uint32_t i = 0; i < asides->n; i++) {
		pack_u64(p, asides->list[i].place);
		pack_u64(p, asides->list[i].sum);
	}
}

static void
unpack_asides(struct unpacker *u, struct asides *asides)
{
	asides->n = unpack_u32(u);
	if (asides->n > ASIDES_MAX) {
		u->bad = true;
		return;
	}
	for (uint32_t i = 0; i < asides->n; i++) {
		asides->list[i].place = unpack_u64(u);
		asides->list[i].sum = unpack_u64(u);
	}
}

void
checkpoint_encode(const struct checkpoint_record *r, struct schema_value *out)
{
	struct packer p = begin(out);
	pack_text(&p, r->shard.text);
	pack_u64(&p, r->epoch.value);
	pack_text(&p, r->cursor.text);
	pack_text(&p, r->service.text);
	pack_u64(&p, r->position.segment);
	pack_u64(&p, r->position.offset);
	pack_u64(&p, r->records);
	pack_u64(&p, r->bytes);
	pack_i64(&p, r->committed_ns);
	pack_i64(&p, r->finished_end_ns);
	pack_u8(&p, r->forced);
	pack_u64(&p, r->done);
	pack_u64(&p, r->dead_letters);
	pack_u32(&p, r->attempts);
	pack_asides(&p, &r->asides);
	pack_u8(&p, r->has_letters);
	pack_u64(&p, r->letters.segment);
	pack_u64(&p, r->letters.offset);
	end(&p, out);
}

enum lts_err
checkpoint_decode(const void *data, size_t len, struct checkpoint_record *out)
{
	uint8_t version;
	struct unpacker u = open_version(data, len, &version);
	struct checkpoint_record r = { 0 };
	unpack_text(&u, r.shard.text, sizeof(r.shard.text));
	r.epoch.value = unpack_u64(&u);
	unpack_text(&u, r.cursor.text, sizeof(r.cursor.text));
	unpack_text(&u, r.service.text, sizeof(r.service.text));
	r.position.segment = unpack_u64(&u);
	r.position.offset = unpack_u64(&u);
	r.records = unpack_u64(&u);
	r.bytes = unpack_u64(&u);
	r.committed_ns = unpack_i64(&u);
	r.finished_end_ns = unpack_i64(&u);
	r.forced = unpack_u8(&u) != 0;
	if (version >= 2) {
		r.done = unpack_u64(&u);
		r.dead_letters = unpack_u64(&u);
		r.attempts = unpack_u32(&u);
	}
	if (version >= 3)
		unpack_asides(&u, &r.asides);
	if (version >= 4) {
		r.has_letters = unpack_u8(&u) != 0;
		r.letters.segment = unpack_u64(&u);
		r.letters.offset = unpack_u64(&u);
	}
	if (!unpack_done(&u) || cursor_is_none(&r.cursor))
		return LTS_BADDATA;
	*out = r;
	return LTS_OK;
}

void
worker_encode(const struct worker_record *r, struct schema_value *out)
{
	struct packer p = begin(out);
	pack_u32(&p, r->slot);
	pack_text(&p, r->name.text);
	pack_u32(&p, r->pid);
	pack_u64(&p, r->pid_start);
	pack_i64(&p, r->started_ns);
	pack_i64(&p, r->updated_ns);
	pack_u64(&p, r->records);
	pack_u64(&p, r->bytes);
	pack_u64(&p, r->commits);
	pack_u8(&p, r->exited);
	end(&p, out);
}

enum lts_err
worker_decode(const void *data, size_t len, struct worker_record *out)
{
	struct unpacker u = open_value(data, len);
	struct worker_record r = { 0 };
	r.slot = unpack_u32(&u);
	unpack_text(&u, r.name.text, sizeof(r.name.text));
	r.pid = unpack_u32(&u);
	r.pid_start = unpack_u64(&u);
	r.started_ns = unpack_i64(&u);
	r.updated_ns = unpack_i64(&u);
	r.records = unpack_u64(&u);
	r.bytes = unpack_u64(&u);
	r.commits = unpack_u64(&u);
	r.exited = unpack_u8(&u) != 0;
	if (!unpack_done(&u))
		return LTS_BADDATA;
	*out = r;
	return LTS_OK;
}

void
event_encode(const struct event_record *r, struct schema_value *out)
{
	struct packer p = begin(out);
	pack_u64(&p, r->number);
	pack_i64(&p, r->time_ns);
	pack_u8(&p, (uint8_t)r->kind);
	pack_text(&p, r->shard.text);
	pack_u64(&p, r->epoch.value);
	pack_u32(&p, r->slot);
	pack_text(&p, r->cursor.text);
	pack_text(&p, r->text);
	end(&p, out);
}

enum lts_err
event_decode(const void *data, size_t len, struct event_record *out)
{
	struct unpacker u = open_value(data, len);
	struct event_record r = { 0 };
	r.number = unpack_u64(&u);
	r.time_ns = unpack_i64(&u);
	r.kind = (enum event_kind)unpack_u8(&u);
	unpack_text(&u, r.shard.text, sizeof(r.shard.text));
	r.epoch.value = unpack_u64(&u);
	r.slot = unpack_u32(&u);
	unpack_text(&u, r.cursor.text, sizeof(r.cursor.text));
	unpack_text(&u, r.text, sizeof(r.text));
	if (!unpack_done(&u))
		return LTS_BADDATA;
	*out = r;
	return LTS_OK;
}
