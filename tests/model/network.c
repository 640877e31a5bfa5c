/*
 * network.c - the way to the service: requests that take time, get lost there or back, are
 * refused, or die with their process.
 *
 * In lts-model, in place of common/lts_api.c. A request reaches the service while its client
 * waits for the answer or never: one that lands later than its own retry cannot be told from
 * a new one, by anybody. Checks what a client may ask: one heartbeat of a consumer at a time,
 * one write of a shard, none while it is in doubt what the last one did, two batches of a shard.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/options.h"
#include "common/xalloc.h"
#include "tests/model/inside.h"
#include "tests/model/service.h"

static struct {
	int64_t timeout_us;
	struct lts_request *requests, *finishing;
	int64_t cut_off_us[HOSTS_MAX], control_us[HOSTS_MAX], slow_us[HOSTS_MAX],
		trouble_us[HOSTS_MAX];
	int64_t doubtful_us[HOSTS_MAX][SHARDS_MAX]; /* a write's answer was lost then; 0: no */
	struct assigned assigned[HOSTS_MAX][SHARDS_MAX];
} network;

void
network_begin(int64_t timeout_ms)
{
	memset(&network, 0, sizeof(network));
	network.timeout_us = timeout_ms * MS;
}

void
network_end(void)
{
	for (struct lts_request *r; (r = network.requests); world_free(r))
		network.requests = r->next;
}

void
network_note_assign(int host, int shard, struct epoch epoch, bool seal_only)
{
	bool ours = service_owner(shard) == host;
	network.assigned[host][shard] =
		(struct assigned){ epoch, ours ? service_period(shard) : 0, seal_only };
}

struct assigned
network_assigned(int host, int shard)
{
	return network.assigned[host][shard];
}

void
network_cut_off(int host, int64_t until_us)
{
	network.cut_off_us[host] = until_us;
}

void
network_cut_control(int host, int64_t until_us)
{
	network.control_us[host] = until_us;
}

void
network_slow_down(int host, int64_t until_us)
{
	network.slow_us[host] = until_us;
}

void
host_has_trouble(int host)
{
	network.trouble_us[host] = the_world->now_us + 2 * network.timeout_us;
}

bool
host_is_troubled(int host)
{
	return the_world->now_us < network.trouble_us[host];
}

/* ---- there and back ---- */

static void
forget(struct lts_request *r)
{
	struct lts_request **at = &network.requests;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	world_free(r);
}

static void
on_reply(void *arg)
{
	struct lts_request *r = arg;
	if (!r->process) {
		forget(r);
		return;
	}
	r->answered = true;
	if (!r->shows)
		loop_answer(r->process, r);
	r->shows = false;
}

static void
on_first_bytes(void *arg)
{
	struct lts_request *r = arg;
	if (!r->process)
		return;
	r->shows = true;
	loop_answer(r->process, r);
}

static void
reply_at(struct lts_request *r, int64_t due_us)
{
	world_after(due_us - the_world->now_us, on_reply, r);
}

static int64_t
travel_time(int host)
{
	bool slow = the_world->now_us < network.slow_us[host] ? draw(2) : false;
	if (slow || (the_world->churn && once_in(6)))
		return MS * (1 + draw((uint32_t)(network.timeout_us / 7 / MS)));
	return some_time(MS / 2, once_in(50) ? network.timeout_us / 7 : 30 * MS);
}

/* No answer, from then on: a refused connection, a reset one, or silence. */
static void
fail_after(struct lts_request *r, int64_t due_us, bool arrived)
{
	bool refused = !arrived && draw(2);
	host_has_trouble(r->host);
	r->answer.n_shards = r->answer.n_checkpoints = 0;
	r->answer.err = r->kind == REQUEST_WRITE && !refused ? LTS_UNKNOWN : LTS_AGAIN;
	bool noticed = refused || draw(3) == 0;
	reply_at(r,
		 noticed || due_us >= r->give_up_us ? due_us + 1 + draw(50000) : r->give_up_us);
}

static void
fail(struct lts_request *r, bool arrived)
{
	fail_after(r, the_world->now_us, arrived);
}

/* The first bytes, and later the rest of them, or never, or something else. */
static void
reply_in_parts(struct lts_request *r, int64_t due_us)
{
	int64_t end_us = due_us + 1 + travel_time(r->host);
	world_after(due_us - the_world->now_us, on_first_bytes, r);
	r->torn = once_in(20);
	if (r->torn)
		host_has_trouble(r->host);
	if (once_in(20) || end_us > r->give_up_us)
		fail_after(r, due_us, true);
	else
		reply_at(r, end_us);
}

static void
on_arrival(void *arg)
{
	struct lts_request *r = arg;
	if (r->dead_us && the_world->now_us > r->dead_us + 5 * MS) {
		forget(r);
		return;
	}
	int64_t back_us = travel_time(r->host);
	r->answer.service_time_ns = clock_wall_ns() / 1000000000 * 1000000000;
	if (once_in(80)) {
		host_has_trouble(r->host);
		r->answer.err = LTS_AGAIN;
		r->answer.status = 429;
		r->answer.retry_after_ms = draw(3000);
	} else {
		service_handle(r);
	}
	if (r->reply_lost || the_world->now_us + back_us > r->give_up_us)
		fail(r, true);
	else if (r->part && !r->answer.err && draw(2))
		reply_in_parts(r, the_world->now_us + back_us);
	else
		reply_at(r, the_world->now_us + back_us);
}

static struct lts_request *
send(enum request_kind kind, lts_api_done *done, void *arg)
{
	struct process *self = the_world->running;
	struct lts_request *r = world_new(sizeof(*r));
	int64_t way_us = travel_time(self->host);
	bool lost = the_world->now_us < network.cut_off_us[self->host] ||
		    once_in(the_world->churn ? 15 : 60) ||
		    (self->slot < 0 && the_world->now_us < network.control_us[self->host]);
	*r = (struct lts_request){ .next = network.requests,
				   .process = self,
				   .host = self->host,
				   .kind = kind,
				   .done = done,
				   .arg = arg,
				   .sent_us = the_world->now_us,
				   .give_up_us = the_world->now_us + network.timeout_us / 6,
				   .answer = { .retry_after_ms = -1 } };
	network.requests = r;
	r->reply_lost = lost && draw(2);
	if (lost && !r->reply_lost)
		fail(r, false);
	else
		world_after(way_us, on_arrival, r);
	return r;
}

void
requests_abandon(struct process *p)
{
	struct lts_request *next;
	for (struct lts_request *r = network.requests; r; r = next) {
		next = r->next;
		if (r->process != p)
			continue;
		r->process = NULL;
		r->dead_us = the_world->now_us;
		if (r->answered)
			forget(r);
	}
	if (p->slot < 0)
		memset(network.doubtful_us[p->host], 0, sizeof(network.doubtful_us[p->host]));
}

/* What a lost answer leaves in doubt, and a reading that was asked since clears up. */
static void
note_doubt(const struct lts_request *r)
{
	int64_t *doubtful_us = network.doubtful_us[r->host];
	for (size_t i = 0; i < r->n && r->kind == REQUEST_WRITE; i++)
		if (r->answer.err == LTS_UNKNOWN)
			doubtful_us[shard_number(&r->list[i].shard)] = the_world->now_us;
	if (r->kind != REQUEST_READ || r->answer.err)
		return;
	for (int i = 0; i < the_world->shards; i++)
		if ((!r->n || shard_number(&r->list[0].shard) == i) &&
		    r->sent_us >= doubtful_us[i])
			doubtful_us[i] = 0;
}

static void
write_body(const struct lts_request *r, struct buf *body)
{
	enum lts_err err =
		buf_printf(body, "{\"count\":%llu,\"next\":%llu,\"logs\":[",
			   (unsigned long long)(r->to - r->from), (unsigned long long)r->to);
	for (uint64_t i = r->from; i < r->to && !err; i++)
		err = buf_printf(body, "%s{\"labels\":{\"i\":%llu}}", i == r->from ? "" : ",",
				 (unsigned long long)i);
	if (err || buf_put_text(body, r->torn ? "]" : "]}"))
		abort();
}

static void
show(struct lts_request *r)
{
	struct buf body;
	buf_init(&body, 0);
	write_body(r, &body);
	r->shows = false;
	if (r->part(r->arg, body.data, draw(4) ? body.len : draw((uint32_t)body.len)))
		r->part = NULL;
	buf_fini(&body);
}

void
request_finish(struct lts_request *r)
{
	struct buf body;
	if (r->shows) {
		show(r);
		return;
	}
	buf_init(&body, 0);
	note_doubt(r);
	if (r->kind == REQUEST_BATCH && !r->answer.err) {
		write_body(r, &body);
		r->answer.body = &body;
	}
	if (r->answer.err)
		trace("has no luck with a request to the service: %s",
		      lts_err_name(r->answer.err));
	network.finishing = r;
	r->done(r->arg, &r->answer);
	network.finishing = NULL;
	buf_fini(&body);
	forget(r);
}

/* ---- common/lts_api.h ---- */

struct lts_api { /* in the process' memory; it has nothing to remember */
	char nothing;
};

struct lts_api *
lts_api_from_options(struct ev_loop *loop, const struct options *options)
{
	return xcalloc(1, sizeof(struct lts_api));
}

void
lts_api_trust(struct lts_api *api, const char *ca_file)
{
}

const char *
http_system_ca_file(void)
{
	return NULL;
}

void
lts_api_destroy(struct lts_api **api)
{
	if (*api)
		requests_abandon(the_world->running);
	free(*api);
	*api = NULL;
}

void
lts_api_recycle(struct lts_api *api, struct buf *body)
{
	buf_fini(body);
}

enum lts_err
lts_api_set_credentials(struct lts_api *api, const struct credentials *credentials)
{
	return LTS_OK;
}

struct lts_request *
lts_api_heartbeat(struct lts_api *api, const struct consumer_name *consumer,
		  const struct shard_id *held, size_t n, lts_api_done *done, void *arg)
{
	service_note_name(consumer, the_world->running->host);
	for (const struct lts_request *r = network.requests; r; r = r->next)
		if (r->process == the_world->running && r->kind == REQUEST_HEARTBEAT &&
		    r != network.finishing && strcmp(r->name.text, consumer->text) == 0)
			violated("two heartbeats of %s are in flight", consumer->text);
	struct lts_request *r = send(REQUEST_HEARTBEAT, done, arg);
	r->name = *consumer;
	r->n = n;
	for (size_t i = 0; i < n; i++)
		r->list[i].shard = held[i];
	return r;
}

struct lts_request *
lts_api_read_checkpoints(struct lts_api *api, const struct shard_id *shard, lts_api_done *done,
			 void *arg)
{
	struct lts_request *r = send(REQUEST_READ, done, arg);
	r->n = shard != NULL;
	if (shard)
		r->list[0].shard = *shard;
	return r;
}

/* One write of a shard at a time, and none while it is not known what the last one did. */
static void
expect_writable(const struct lts_checkpoint *at)
{
	int shard = shard_number(&at->shard), host = the_world->running->host;
	/* Of what its last life left behind a host says how far it came: whether it may is for
	 * the service to know. */
	if (service_owner(shard) != host && !network.assigned[host][shard].seal_only)
		violated("shard %d: written by who does not own it any more", shard);
	if (network.doubtful_us[host][shard])
		violated("shard %d: written again before a lost answer was read back", shard);
	for (const struct lts_request *r = network.requests; r; r = r->next)
		for (size_t i = 0; i < r->n && r->kind == REQUEST_WRITE; i++)
			if (r->process == the_world->running && r != network.finishing &&
			    shard_id_equal(&r->list[i].shard, &at->shard))
				violated("shard %d: two writes are in flight", shard);
}

struct lts_request *
lts_api_write_checkpoints(struct lts_api *api, const struct consumer_name *consumer,
			  const struct lts_checkpoint *list, size_t n, lts_api_done *done,
			  void *arg)
{
	for (size_t i = 0; i < n; i++) {
		expect_writable(&list[i]);
		truth_on_publish(the_world->running->host, shard_number(&list[i].shard),
				 cursor_number(&list[i].cursor));
	}
	struct lts_request *r = send(REQUEST_WRITE, done, arg);
	r->name = *consumer;
	r->n = n;
	memcpy(r->list, list, n * sizeof(*list));
	return r;
}

struct lts_request *
lts_api_cursor(struct lts_api *api, const struct shard_id *shard, const char *from,
	       lts_api_done *done, void *arg)
{
	struct lts_request *r = send(REQUEST_CURSOR, done, arg);
	r->n = 1;
	r->list[0].shard = *shard;
	snprintf(r->start.text, sizeof(r->start.text), "%s", from);
	return r;
}

struct lts_request *
lts_api_batch(struct lts_api *api, const struct shard_id *shard, unsigned limit, size_t max_bytes,
	      const struct cursor *start, const struct cursor *end, lts_api_done *done, void *arg)
{
	int in_flight = 0;
	for (const struct lts_request *r = network.requests; r; r = r->next)
		in_flight += r->process == the_world->running && r->kind == REQUEST_BATCH &&
			     r != network.finishing && shard_id_equal(&r->list[0].shard, shard);
	if (in_flight == 2)
		violated("shard %s: a third batch is asked for", shard->text);
	struct lts_request *r = send(REQUEST_BATCH, done, arg);
	r->n = 1;
	r->list[0].shard = *shard;
	r->limit = limit;
	r->start = *start;
	if (end)
		r->end = *end;
	return r;
}

void
lts_api_watch(struct lts_request *r, lts_api_part *part)
{
	r->part = part;
}

void
lts_api_cancel(struct lts_api *api, struct lts_request *r)
{
	if (!r || r == network.finishing)
		return;
	if (r->shows)
		loop_forget(r->process, r);
	r->shows = false;
	if (r->answered) {
		loop_forget(r->process, r);
		forget(r);
	} else {
		r->process = NULL;
	}
}
