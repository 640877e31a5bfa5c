/*
 * faults.c - what goes wrong: processes and hosts that die, stop, hang, are told to end or
 * come back with more workers; networks that are cut; a lease taken behind one's back.
 *
 * In lts-model. Owns the plan of the next fault and which hosts are wanted. In a gentle
 * world only what an administrator does on purpose happens.
 */
#include <signal.h>
#include <string.h>

#include "tests/model/inside.h"
#include "tests/model/service.h"

static struct {
	int64_t timeout_us;
	bool wanted[HOSTS_MAX];
	int workers[HOSTS_MAX];
	int64_t down_until_us[HOSTS_MAX]; /* not started again before */
	int64_t cut_until_us[HOSTS_MAX];
	int64_t pace_us; /* the longest time between faults */
} plan;

static int64_t
until_us(int64_t least_us, int64_t most_us)
{
	return the_world->now_us + some_time(least_us, most_us);
}

/* Evenly spread: what takes longer than a lease matters as much as what does not. */
static int64_t
any_time(int64_t most_us)
{
	return draw((uint32_t)(most_us / MS)) * MS;
}

static struct process *
some_worker(int host)
{
	return process_of(host, (int)draw(WORKERS_MAX));
}

static void
resume(void *arg)
{
	int pid = (int)(intptr_t)arg;
	for (struct process *p = the_world->processes; p; p = p->next)
		if (p->pid == pid && !p->dead)
			process_resume(p);
}

static void
stop_for(struct process *p, int64_t time_us)
{
	process_stop(p);
	world_after(time_us, resume, (void *)(intptr_t)p->pid);
}

static void
worker_killed(int host)
{
	struct process *p = some_worker(host);
	if (!p)
		return;
	trace("FAULT worker %d of host %d is killed", p->slot, host);
	process_kill(p, 0);
}

static void
worker_stopped(int host)
{
	struct process *p = some_worker(host);
	if (!p)
		return;
	trace("FAULT worker %d of host %d is stopped", p->slot, host);
	stop_for(p, any_time(90 * SECOND));
}

static void
worker_hangs(int host)
{
	struct process *p = some_worker(host);
	if (!p)
		return;
	bool thread = p->thread && draw(2);
	trace("FAULT the %s of worker %d of host %d hangs", thread ? "thread" : "loop", p->slot,
	      host);
	task_hang(thread ? p->thread : p->main,
		  the_world->now_us + any_time(draw(2) ? 10 * SECOND : 2 * plan.timeout_us));
}

static void
supervisor_killed(int host)
{
	struct process *p = process_of(host, -1);
	if (!p)
		return;
	trace("FAULT the supervisor of host %d is killed", host);
	plan.down_until_us[host] = until_us(0, draw(6) ? 3 * SECOND : 2 * plan.timeout_us);
	process_kill(p, 0);
}

static void
supervisor_stopped(int host)
{
	struct process *p = process_of(host, -1);
	if (!p)
		return;
	trace("FAULT the supervisor of host %d is stopped", host);
	stop_for(p, any_time(3 * plan.timeout_us / 2));
}

static void
host_stopped(int host)
{
	trace("FAULT host %d stands still", host);
	int64_t time_us = any_time(3 * plan.timeout_us / 2);
	for (struct process *p = the_world->processes; p; p = p->next)
		if (!p->dead && p->host == host)
			stop_for(p, time_us);
}

static void
host_dies(int host)
{
	trace("FAULT host %d loses its power", host);
	plan.down_until_us[host] = until_us(0, draw(2) ? 5 * SECOND : 2 * plan.timeout_us);
	for (int slot = -1; slot < WORKERS_MAX; slot++) {
		struct process *p = process_of(host, slot);
		if (!p)
			continue;
		p->status = SIGKILL;
		p->parent = NULL;
		process_bury(p);
	}
	sink_power_loss(host);
}

static void
network_cut(int host)
{
	trace("FAULT host %d is cut off", host);
	int64_t end_us = the_world->now_us + any_time(3 * plan.timeout_us / 2);
	if (end_us < plan.cut_until_us[host])
		return;
	plan.cut_until_us[host] = end_us;
	(draw(2) ? network_cut_off : network_cut_control)(host, end_us);
}

static void
network_slow(int host)
{
	trace("FAULT host %d has a slow network", host);
	network_slow_down(host, until_us(SECOND, plan.timeout_us));
}

/* Not a fault: the service moves a shard. */
static void
taken_back(int host)
{
	int shard = (int)draw((uint32_t)the_world->shards);
	trace("the service takes shard %d back", shard);
	service_withdraw(shard, some_time(0, the_world->churn ? 2 * SECOND : 8 * SECOND));
}

static void
usurped(int host)
{
	int shard = (int)draw((uint32_t)the_world->shards);
	trace("FAULT shard %d is taken on host %d by a stranger", shard, host);
	store_usurp(host, shard);
}

/* Not a fault: TERM, and back some time later, maybe with more or fewer workers. */
static void
told_to_stop(int host)
{
	struct process *p = process_of(host, -1);
	if (!p || !p->loop)
		return;
	trace("host %d is told to stop", host);
	plan.down_until_us[host] = until_us(0, draw(3) ? 4 * SECOND : 2 * plan.timeout_us);
	if (draw(2))
		plan.workers[host] = 1 + (int)draw(WORKERS_MAX);
	service_note_stop(host);
	process_signal(p, SIGTERM);
	if (!the_world->gentle && draw(8) == 0)
		process_signal(p, SIGQUIT);
}

/* Not a fault: HUP, with other values for the workers, or with more or fewer of them. */
static void
reloaded(int host)
{
	struct process *p = process_of(host, -1);
	if (!p || !p->loop)
		return;
	if (draw(2))
		plan.workers[host] = 1 + (int)draw(WORKERS_MAX);
	trace("host %d reads its configuration again", host);
	process_signal(p, SIGHUP);
}

int
host_workers(int host)
{
	return plan.workers[host];
}

static void
flushed(int host)
{
	struct process *p = process_of(host, -1);
	if (p && p->loop)
		process_signal(p, SIGUSR1);
}

typedef void fault(int host);

#define ONE_OF(list) (list[draw(sizeof(list) / sizeof(list[0]))])

static fault *
choose(void)
{
	static fault *const gentle[] = { flushed,    taken_back, taken_back,   taken_back,
					 taken_back, reloaded,   told_to_stop, reloaded };
	static fault *const churn[] = {
		taken_back, taken_back, taken_back,  taken_back,   taken_back,   taken_back,
		taken_back, taken_back, network_cut, network_slow, network_slow, worker_killed,
		flushed,    flushed,    usurped,     worker_hangs, reloaded,
	};
	static fault *const storm[] = {
		worker_killed, worker_killed, worker_stopped,     worker_hangs, worker_hangs,
		network_cut,   network_slow,  supervisor_stopped, host_stopped, supervisor_killed,
		host_dies,     usurped,       told_to_stop,       flushed,      taken_back,
		taken_back,    reloaded,      reloaded,
	};
	if (the_world->gentle)
		return ONE_OF(gentle);
	return the_world->churn ? ONE_OF(churn) : ONE_OF(storm);
}

static void
next_fault(void *arg)
{
	int host = (int)draw((uint32_t)the_world->hosts);
	if (the_world->calm)
		return;
	if (!the_world->gentle)
		host_has_trouble(host);
	choose()(host);
	if (!the_world->gentle && draw(4) == 0)
		choose()(host); /* and at the same time */
	world_after(the_world->gentle  ? some_time(SECOND, plan.timeout_us / 2)
		    : the_world->churn ? some_time(MS, 2 * SECOND)
				       : some_time(MS, plan.pace_us),
		    next_fault, NULL);
}

static void
keep_running(void *arg)
{
	for (int host = 0; host < the_world->hosts; host++) {
		if (process_of(host, -1) || the_world->now_us < plan.down_until_us[host])
			continue;
		host_start(host, plan.workers[host], plan.timeout_us / MS);
	}
	world_after(200 * MS, keep_running, NULL);
}

void
faults_begin(int64_t timeout_ms)
{
	memset(&plan, 0, sizeof(plan));
	plan.timeout_us = timeout_ms * MS;
	plan.pace_us = (draw(2) ? 6 : 10 + draw(60)) * SECOND;
	for (int host = 0; host < the_world->hosts; host++) {
		plan.workers[host] = 1 + (int)draw(WORKERS_MAX);
		if (host)
			plan.down_until_us[host] = until_us(0, plan.timeout_us);
	}
	keep_running(NULL);
	world_after(5 * SECOND, next_fault, NULL);
}

void
faults_stop(void)
{
	trace("the world calms down");
	the_world->calm = true;
	for (int host = 0; host < the_world->hosts; host++) {
		network_cut_off(host, 0);
		network_cut_control(host, 0);
		network_slow_down(host, 0);
		plan.down_until_us[host] = 0;
	}
	for (struct process *p = the_world->processes; p; p = p->next) {
		if (p->dead)
			continue;
		if (p->slot < 0)
			process_resume(p);
		else if (task_is_hung(p->main))
			task_hang(p->main, NEVER - SECOND); /* its supervisor has to see to it */
		if (!p->thread)
			continue;
		task_hang(p->thread, 0);
		task_wake(p->thread); /* its next turn may be due far away still */
	}
}
