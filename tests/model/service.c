/*
 * service.c - the service: a consumer group, its checkpoints, and a stream that grows.
 *
 * In lts-model. The group's rules are lts-sim's (sim_group.c). Remembers more than a service
 * does, for truth.c: how often a shard has changed hands, and where it stood then. Checks
 * that no checkpoint moves back and that a shard is given back at what is committed.
 */
#include "tests/model/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/model/inside.h"
#include "tests/sim/sim_group.h"

enum { NAMES_MAX = HOSTS_MAX * WORKERS_MAX };

struct shard_state {
	char owner[128]; /* when last looked */
	uint64_t period, granted_at;
	double base, rate; /* records at the start, and in each burst */
	int64_t leaving_us, read_us; /* it was wanted back then; its owner last read of it */
	int64_t odd_us;              /* the service last said something odd of it */
	int64_t refused_us;          /* until then its checkpoints are refused */
};

struct name {
	char text[128];
	int host;
};

struct held { /* a write that is on its way still, though it was answered */
	struct held *next;
	int pid; /* of who sent it */
	struct consumer_name name;
	size_t n;
	struct sim_checkpoint list[SHARDS_MAX];
};

static struct {
	struct sim_group *group;
	int64_t began_us;
	struct shard_state shards[SHARDS_MAX];
	struct name names[NAMES_MAX];
	int n_names;
	struct held *held; /* all that ever were */
	int64_t stopping_us[HOSTS_MAX]; /* it was told to end then; 0: no */
} service;

static int64_t
now_ms(void)
{
	return the_world->now_us / 1000;
}

void
service_begin(int shards, int64_t timeout_ms)
{
	memset(&service, 0, sizeof(service));
	service.group = sim_group_create((unsigned)shards, timeout_ms);
	service.began_us = the_world->now_us;
	for (int i = 0; i < shards; i++) {
		service.shards[i].base = draw(3) ? draw(200) : 0;
		service.shards[i].rate = 0.5 + draw(12);
	}
}

void
service_end(void)
{
	sim_group_destroy(&service.group);
	for (struct held *held; (held = service.held); world_free(held))
		service.held = held->next;
}

/* ---- who is who ---- */

static int
host_of_name(const char *name)
{
	for (int i = 0; i < service.n_names; i++)
		if (strcmp(service.names[i].text, name) == 0)
			return service.names[i].host;
	return -1;
}

void
service_note_name(const struct consumer_name *name, int host)
{
	if (host_of_name(name->text) >= 0)
		return;
	if (service.n_names == NAMES_MAX)
		violated("a host has come back under other names");
	struct name *at = &service.names[service.n_names++];
	snprintf(at->text, sizeof(at->text), "%s", name->text);
	at->host = host;
}

/* Sees which shards have changed hands. */
static void
look(void)
{
	struct sim_shard_view view;
	sim_group_expire(service.group, now_ms());
	for (int i = 0; i < the_world->shards; i++) {
		struct shard_state *shard = &service.shards[i];
		sim_group_shard(service.group, (unsigned)i, &view);
		const char *owner = view.owner ? view.owner : "";
		if (!view.leaving)
			shard->leaving_us = 0;
		else if (!shard->leaving_us)
			shard->leaving_us = the_world->now_us;
		if (strcmp(owner, shard->owner) == 0)
			continue;
		trace("service: shard %d is %s's now", i, owner[0] ? owner : "nobody");
		snprintf(shard->owner, sizeof(shard->owner), "%s", owner);
		shard->period++;
		shard->granted_at = view.has_checkpoint ? view.checkpoint : 0;
	}
}

static void
offer_again(void *arg)
{
	sim_group_offer(service.group, (unsigned)(intptr_t)arg, true);
	look();
}

void
service_withdraw(int shard, int64_t time_us)
{
	sim_group_offer(service.group, (unsigned)shard, false);
	world_after(time_us, offer_again, (void *)(intptr_t)shard);
}

int
service_owner(int shard)
{
	look();
	return host_of_name(service.shards[shard].owner);
}

uint64_t
service_period(int shard)
{
	look();
	return service.shards[shard].period;
}

uint64_t
service_granted_at(int shard)
{
	return service.shards[shard].granted_at;
}

uint64_t
service_checkpoint(int shard)
{
	struct sim_shard_view view;
	sim_group_shard(service.group, (unsigned)shard, &view);
	return view.has_checkpoint ? view.checkpoint : 0;
}

/* Records come in bursts, as an agent sends them: else most steps would be fetches. */
static uint64_t
produced_at(int shard, int64_t at_us)
{
	const struct shard_state *s = &service.shards[shard];
	int64_t bursts = (at_us - service.began_us) / (3 * SECOND);
	return FIRST_RECORD + (uint64_t)(bursts < 0 ? 0 : s->base + s->rate * (double)bursts);
}

uint64_t
service_produced(int shard)
{
	return produced_at(shard, the_world->now_us);
}

bool
service_is_balanced(void)
{
	struct sim_shard_view view;
	unsigned most = 0, least = SHARDS_MAX;
	look();
	for (size_t m = 0; m < sim_group_members(service.group); m++) {
		struct sim_member_view member;
		unsigned owned = 0;
		sim_group_member(service.group, m, &member);
		for (int i = 0; i < the_world->shards; i++) {
			sim_group_shard(service.group, (unsigned)i, &view);
			if (!view.owner || view.leaving)
				return false;
			owned += strcmp(view.owner, member.name) == 0;
		}
		most = owned > most ? owned : most;
		least = owned < least ? owned : least;
	}
	return most <= least + 1;
}

/* ---- what the service does with each request ---- */

/* A shard that the service wants back leaves the list after its last checkpoint. */
static void
expect_published(const struct lts_request *r, const unsigned *listed)
{
	struct sim_shard_view view;
	struct checkpoint_record record;
	for (int i = 0; i < the_world->shards; i++) {
		bool stays = false;
		for (size_t k = 0; k < r->n; k++)
			stays |= listed[k] == (unsigned)i;
		sim_group_shard(service.group, (unsigned)i, &view);
		if (stays || !view.owner || !view.leaving ||
		    strcmp(view.owner, r->name.text) != 0 || host_is_troubled(r->host) ||
		    !store_committed(r->host, i, &record))
			continue;
		if (cursor_number(&record.cursor) > service_checkpoint(i))
			violated("shard %d: given back at %llu, but %s is committed", i,
				 (unsigned long long)service_checkpoint(i), record.cursor.text);
	}
}

static void
heartbeat(struct lts_request *r)
{
	unsigned listed[SHARDS_MAX];
	bool granted[SHARDS_MAX];
	for (size_t i = 0; i < r->n; i++)
		listed[i] = (unsigned)shard_number(&r->list[i].shard);
	sim_group_expire(service.group, now_ms());
	expect_published(r, listed);
	r->answer.err =
		sim_group_heartbeat(service.group, &r->name, listed, r->n, now_ms(), granted);
	look();
	for (int i = 0; i < the_world->shards; i++)
		if (granted[i])
			snprintf(r->shards[r->answer.n_shards++].text, 64, "%d", i);
	r->answer.shards = r->shards;
}

/* One answer in so many is odd; of one shard not twice within a while, which is what a client may
 * count on. */
static bool
is_odd(uint32_t n, int shard)
{
	struct shard_state *s = &service.shards[shard];
	if (the_world->calm || draw(n) || the_world->now_us - s->odd_us < 20 * SECOND)
		return false;
	s->odd_us = the_world->now_us;
	return true;
}

static void
read_checkpoints(struct lts_request *r)
{
	struct sim_shard_view view;
	bool is_short = !r->n && !the_world->calm && !draw(6);
	uint32_t one_in = 1 + draw(3);
	for (int i = 0; i < the_world->shards; i++) {
		struct lts_checkpoint *at = &r->checkpoints[r->answer.n_checkpoints];
		sim_group_shard(service.group, (unsigned)i, &view);
		if (!view.has_checkpoint || (r->n && shard_number(&r->list[0].shard) != i) ||
		    (is_short && !draw(one_in)) || (r->n && is_odd(30, i)))
			continue;
		if (view.owner && host_of_name(view.owner) == r->host)
			service.shards[i].read_us = the_world->now_us;
		r->answer.n_checkpoints++;
		snprintf(at->shard.text, sizeof(at->shard.text), "%d", i);
		snprintf(at->cursor.text, sizeof(at->cursor.text), "%llu",
			 (unsigned long long)view.checkpoint);
		snprintf(at->writer.text, sizeof(at->writer.text), "%s", view.writer);
	}
	r->answer.checkpoints = r->checkpoints;
}

void
service_note_stop(int host)
{
	if (!service.stopping_us[host])
		service.stopping_us[host] = the_world->now_us;
}

void
service_note_start(int host)
{
	service.stopping_us[host] = 0;
}

bool
service_knows_of_a_stop(void)
{
	for (int host = 0; host < the_world->hosts; host++)
		if (service.stopping_us[host])
			return true;
	return false;
}

/* An owner that has looked since it was asked to let go, or to end, cannot know of what lands
 * behind that. */
static bool
comes_too_late(const struct held *held)
{
	int host = host_of_name(held->name.text);
	int64_t stopping_us = service.stopping_us[host];
	const struct process *p = process_of(host, -1);
	if (the_world->gentle && (!p || p->pid != held->pid))
		return true; /* a new life knows of its own writes only */
	for (size_t i = 0; i < held->n; i++) {
		const struct shard_state *s = &service.shards[held->list[i].shard];
		if ((s->leaving_us && s->read_us >= s->leaving_us) ||
		    (stopping_us && s->read_us >= stopping_us))
			return true;
	}
	return false;
}

static void
land(void *arg)
{
	struct held *held = arg;
	look();
	enum lts_err err = LTS_GONE;
	if (!comes_too_late(held))
		err = sim_group_write(service.group, &held->name, held->list, held->n, now_ms(),
				      now_ms());
	trace("service: a held write lands, shard %u at %llu: %s", held->list[0].shard,
	      (unsigned long long)held->list[0].index, lts_err_name(err));
}

static void
hold(const struct lts_request *r, const struct sim_checkpoint *list)
{
	struct held *held = world_new(sizeof(*held));
	held->next = service.held;
	service.held = held;
	held->pid = r->process ? r->process->pid : 0;
	held->name = r->name;
	held->n = r->n;
	memcpy(held->list, list, r->n * sizeof(*list));
	trace("service: holds a write of host %d, shard %u at %llu", r->host, list[0].shard,
	      (unsigned long long)list[0].index);
	world_after(some_time(MS, 5 * SECOND), land, held);
}

/* LTS_OK: none of them is. */
static enum lts_err
refusal(struct lts_request *r, const struct sim_checkpoint *list)
{
	for (size_t i = 0; i < r->n; i++) {
		struct shard_state *s = &service.shards[list[i].shard];
		bool odd = is_odd(100, (int)list[i].shard);
		if (once_in(400))
			s->refused_us = the_world->now_us + some_time(SECOND, 60 * SECOND);
		if (the_world->calm || (!odd && the_world->now_us >= s->refused_us))
			continue;
		if (!odd) /* its last checkpoint may be given up */
			host_has_trouble(r->host);
		if (!draw(3)) { /* as if another owned it */
			r->answer.status = 409;
			return LTS_GONE;
		}
		r->answer.status = 400;
		snprintf(r->answer.code, sizeof(r->answer.code), "%s",
			 draw(3) ? "LTS.0009" : "LTS.0208");
		return draw(2) ? LTS_INVALID : LTS_NOTFOUND;
	}
	return LTS_OK;
}

static void
write_checkpoints(struct lts_request *r)
{
	struct sim_checkpoint list[SHARDS_MAX];
	uint64_t back = sim_group_regressions(service.group);
	size_t n = r->n;
	for (size_t i = 0; i < r->n; i++) {
		list[i].shard = (unsigned)shard_number(&r->list[i].shard);
		list[i].index = cursor_number(&r->list[i].cursor);
		truth_on_publish(r->host, (int)list[i].shard, list[i].index);
	}
	r->answer.err = refusal(r, list);
	if (r->answer.err)
		return;
	if (!the_world->calm && !draw(40)) {
		hold(r, list);
		r->reply_lost |= once_in(2);
		return;
	}
	if (n > 1 && !the_world->calm && !draw(20))
		n = 1 + draw((uint32_t)n); /* the rest is left out */
	r->answer.err = sim_group_write(service.group, &r->name, list, n, now_ms(), now_ms());
	trace("service: host %d writes shard %s at %s%s: %s", r->host, r->list[0].shard.text,
	      r->list[0].cursor.text, r->n > 1 ? " and more" : "", lts_err_name(r->answer.err));
	if (sim_group_regressions(service.group) != back)
		violated("a checkpoint at the service moved back (I9)");
}

static void
read_cursor(struct lts_request *r)
{
	int shard = shard_number(&r->list[0].shard);
	uint64_t at = FIRST_RECORD;
	if (strcmp(r->start.text, "begin") != 0)
		at = produced_at(shard,
				 (strtoll(r->start.text, NULL, 10) - clock_wall_ns()) / 1000 +
					 the_world->now_us);
	snprintf(r->answer.cursor.text, sizeof(r->answer.cursor.text), "%llu",
		 (unsigned long long)at);
}

static void
read_batch(struct lts_request *r)
{
	uint64_t end = service_produced(shard_number(&r->list[0].shard));
	r->from = cursor_number(&r->start);
	if (!cursor_is_none(&r->end) && cursor_number(&r->end) < end)
		end = cursor_number(&r->end);
	r->to = end < r->from ? r->from : end;
	if (r->to > r->from + r->limit)
		r->to = r->from + r->limit;
}

void
service_handle(struct lts_request *r)
{
	static void (*const all[])(struct lts_request *) = {
		[REQUEST_HEARTBEAT] = heartbeat,     [REQUEST_READ] = read_checkpoints,
		[REQUEST_WRITE] = write_checkpoints, [REQUEST_CURSOR] = read_cursor,
		[REQUEST_BATCH] = read_batch,
	};
	all[r->kind](r);
}
