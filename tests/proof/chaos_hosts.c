/*
 * chaos_hosts.c - the hosts' lives: up, stopped, ending, down, up again.
 *
 * In the proof's process. Owns the agents. Must never take an end that nobody asked for as a
 * matter of course, nor a host that does not end in time: both are violations. Held by
 * itself: an episode ends only when every host has.
 */
#include "tests/proof/chaos.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/handoff.h"
#include "common/xalloc.h"

enum {
	START_AGAIN_MS = 300,                         /* that ended because its disk was full */
	SHUTDOWN_SLACK_MS = 2000 * PATIENCE_SLOWNESS, /* of a busy machine */
	ORPHANS_LINGER_MS = 3000,
};

static char *
draw_options(struct chaos *c, const struct host *h)
{
	static const char *const batch[] = { "50", "100", "200", "500" };
	static const char *const commit[] = { "20ms", "50ms", "200ms" };
	static const char *const publish[] = { "100ms", "300ms", "1s" };
	static const char *const rotate[] = { "64KiB", "1MiB", "256MiB" };
	return xasprintf("--consumer_count %u --consume_batch_size %s --checkpoint_interval %s "
			 "--publish_interval %s --rotate_bytes %s --shutdown_timeout %dms "
			 "--security_token %s %s",
			 h->workers, batch[scenario_draw(&c->seed, 4)],
			 commit[scenario_draw(&c->seed, 3)], publish[scenario_draw(&c->seed, 3)],
			 rotate[scenario_draw(&c->seed, 3)], CHAOS_SHUTDOWN_MS, CHAOS_TOKEN,
			 c->to_the_end ? "--end_time end" : "");
}

void
hosts_begin(struct chaos *c)
{
	static const char *const names[CHAOS_HOSTS] = { "a", "b", "c" };
	for (int i = 0; i < CHAOS_HOSTS; i++) {
		struct host *h = &c->hosts[i];
		*h = (struct host){ .name = names[i], .workers = 2 + scenario_draw(&c->seed, 3) };
		char *options = draw_options(c, h);
		agent_init(&h->agent, &c->sim, h->name, options);
		if (c->code != CODE_NONE)
			code_add_sink(c, h);
		chaos_note(c, "host %s: %s", h->name, options);
		free(options);
		for (enum disk disk = 0; disk < DISKS && c->can_mount; disk++)
			disk_mount(c, h, disk);
		agent_start(&h->agent);
	}
}

static void
start(struct chaos *c, struct host *h)
{
	agent_start(&h->agent);
	h->state = HOST_UP;
	chaos_note(c, "host %s: starts, pid %d", h->name, h->agent.process.pid);
}

static void
stay_down(struct host *h, int64_t down_ms)
{
	h->state = down_ms < 0 ? HOST_ENDED : HOST_DOWN;
	h->when_ms = clock_mono_ms() + down_ms;
}

void
host_tell_to_stop(struct chaos *c, struct host *h, int sig, int64_t down_ms)
{
	process_signal(&h->agent.process, sig);
	h->state = HOST_ENDING;
	h->when_ms = clock_mono_ms() + CHAOS_SHUTDOWN_MS + SHUTDOWN_SLACK_MS;
	h->down_ms = down_ms;
}

void
host_kill(struct chaos *c, struct host *h, int64_t down_ms)
{
	process_kill(&h->agent.process);
	h->unread_ms = clock_mono_ms() + down_ms + ORPHANS_LINGER_MS;
	stay_down(h, down_ms);
}

bool
host_has_begun(const struct host *h)
{
	return agent_said(&h->agent, "state=STARTING") > 0;
}

/* Nobody told it to. */
static void
on_end_by_itself(struct chaos *c, struct host *h)
{
	int status = h->agent.process.status;
	chaos_note(c, "host %s: ended by itself, status 0x%x", h->name, (unsigned)status);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE && c->to_the_end)
		h->state = HOST_ENDED;
	else if (WIFEXITED(status) ? h->was_full && WEXITSTATUS(status) == EXIT_FAILED
				   : !host_has_begun(h))
		stay_down(h, START_AGAIN_MS); /* a start needs room in state_dir */
	else
		chaos_violated(c, "up", "the supervisor of host %s ended by itself, %s %d",
			       h->name, WIFEXITED(status) ? "exit" : "signal",
			       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* I8: TERM ends within shutdown_timeout. 1: it could not drain, which it says. */
static void
on_end_as_told(struct chaos *c, struct host *h)
{
	int status = h->agent.process.status;
	chaos_note(c, "host %s: ended as told, status 0x%x", h->name, (unsigned)status);
	/* By the signal itself, when it has not begun to listen. */
	bool early = !WIFEXITED(status) && !host_has_begun(h);
	if (!early && (!WIFEXITED(status) || WEXITSTATUS(status) > EXIT_FAILED))
		chaos_violated(c, "I8", "host %s was told to stop and ended with status 0x%x",
			       h->name, (unsigned)status);
	stay_down(h, h->down_ms);
}

static void
step(struct chaos *c, struct host *h, int64_t now_ms)
{
	bool ended = h->state != HOST_DOWN && h->state != HOST_ENDED &&
		     process_has_ended(&h->agent.process);
	for (enum disk disk = 0; disk < DISKS; disk++)
		if (h->full_ms[disk] && h->full_ms[disk] <= now_ms)
			disk_free(c, h, disk);
	switch (h->state) {
	case HOST_STOPPED:
		if (ended)
			on_end_by_itself(c, h);
		else if (h->when_ms <= now_ms) {
			process_signal(&h->agent.process, SIGCONT);
			h->state = HOST_UP;
			h->unread_ms = now_ms + ORPHANS_LINGER_MS;
			chaos_note(c, "host %s: its supervisor goes on", h->name);
		}
		break;
	case HOST_ENDING:
		if (ended)
			on_end_as_told(c, h);
		else if (h->when_ms <= now_ms)
			chaos_violated(c, "I8", "host %s was told to stop %d ms ago", h->name,
				       CHAOS_SHUTDOWN_MS + SHUTDOWN_SLACK_MS);
		break;
	case HOST_DOWN:
		if (h->when_ms <= now_ms)
			start(c, h);
		break;
	case HOST_UP:
		if (ended)
			on_end_by_itself(c, h);
		break;
	case HOST_ENDED:
		break;
	}
}

void
hosts_step(struct chaos *c, int64_t now_ms)
{
	for (int i = 0; i < CHAOS_HOSTS; i++)
		step(c, &c->hosts[i], now_ms);
	hosts_reap_orphans();
}

void
hosts_recover(struct chaos *c)
{
	for (int i = 0; i < CHAOS_HOSTS; i++) {
		struct host *h = &c->hosts[i];
		for (enum disk disk = 0; disk < DISKS; disk++)
			if (h->full_ms[disk])
				disk_free(c, h, disk);
		if (h->state == HOST_STOPPED || h->state == HOST_DOWN)
			h->when_ms = 0;
		else if (h->state == HOST_ENDING)
			h->down_ms = 0;
	}
}

bool
hosts_are_recovered(const struct chaos *c)
{
	for (int i = 0; i < CHAOS_HOSTS; i++)
		if (c->hosts[i].state != HOST_UP && c->hosts[i].state != HOST_ENDED)
			return false;
	return true;
}

void
hosts_fini(struct chaos *c)
{
	for (int i = 0; i < CHAOS_HOSTS; i++) {
		if (c->code == CODE_STDOUT)
			stdout_close(&c->hosts[i]);
		agent_fini(&c->hosts[i].agent);
		for (enum disk disk = 0; disk < DISKS; disk++)
			disk_unmount(c, &c->hosts[i], disk);
	}
}

/* The workers of a killed supervisor come to us, when they end as zombies. */
void
hosts_reap_orphans(void)
{
	pid_t pids[AGENT_WORKERS_MAX * CHAOS_HOSTS];
	size_t n = process_zombies(getpid(), "lts-worker", pids, sizeof(pids) / sizeof(pids[0]));
	for (size_t i = 0; i < n; i++)
		waitpid(pids[i], NULL, WNOHANG);
}
