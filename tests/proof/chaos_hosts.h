/*
 * chaos_hosts.h - the hosts of the chaos proof: their lives (chaos_hosts.c), their disks
 * (chaos_disks.c) and the readers of their stdout (chaos_stdout.c).
 */
#ifndef TESTS_PROOF_CHAOS_HOSTS_H
#define TESTS_PROOF_CHAOS_HOSTS_H

#include "tests/support/agent.h"

struct chaos;

enum { CHAOS_SHARDS_MAX = 48, CHAOS_SHUTDOWN_MS = 5000 };

enum host_state {
	HOST_UP,
	HOST_STOPPED, /* its supervisor; until when_ms */
	HOST_ENDING,  /* told to; has until when_ms */
	HOST_DOWN,    /* started at when_ms */
	HOST_ENDED,   /* by itself, at end_time */
};

enum disk { DISK_STATE, DISK_SINK, DISKS };

/* What may grow, and must not. */
struct footprint {
	size_t workers, fds, threads, worker_fds, worker_threads;
	long rss_kib;
};

enum stdout_mood { STDOUT_QUICK, STDOUT_SLOW, STDOUT_ASLEEP, STDOUT_MOODS };

/* Of stdout, where that is the sink: what was read of the line that comes. */
struct stdout_reader {
	int fd;
	char *text;
	size_t len, room, bytes_a_turn;
};

struct host {
	struct agent agent;
	const char *name;
	unsigned workers;
	enum host_state state;
	int64_t when_ms;
	int64_t down_ms;     /* ENDING: how long it stays away then */
	int64_t unread_ms;   /* until then a stopped worker may hold a lock that a look needs */
	bool mounted[DISKS]; /* a small file system of its own */
	int64_t full_ms[DISKS]; /* until then it is full; 0: it is not */
	bool was_full;          /* in this episode, its state: it may have ended for that */
	int64_t limit_ms;       /* until then a process of it has no descriptor left; 0: none */
	struct stdout_reader reader;
	struct footprint calm;
	uint64_t committed[CHAOS_SHARDS_MAX]; /* as last seen */
	uint64_t epoch[CHAOS_SHARDS_MAX];
};

/* ---- hosts ---- */
void hosts_begin(struct chaos *chaos);
/* Continues, starts and buries what is due. */
void hosts_step(struct chaos *chaos, int64_t now_ms);
/* Everything that was done to them is taken back: each is up, or has ended by itself. */
void hosts_recover(struct chaos *chaos);
bool hosts_are_recovered(const struct chaos *chaos);
/* Told to stop; hosts_step buries it, and starts it again after down_ms; below 0: never. */
void host_tell_to_stop(struct chaos *chaos, struct host *host, int sig, int64_t down_ms);
void host_kill(struct chaos *chaos, struct host *host, int64_t down_ms);
void hosts_fini(struct chaos *chaos);
/* It has the state directory, and listens to signals. */
bool host_has_begun(const struct host *host);
/* Reaps orphans of killed supervisors. */
void hosts_reap_orphans(void);

/* ---- stdout, read by the proof ---- */
/* Before the agent starts; the pipe lasts as long as the episode. */
void stdout_open(struct host *host);
void stdout_close(struct host *host);
void stdout_set_mood(struct host *host, enum stdout_mood mood);
void stdout_step(struct chaos *chaos, struct host *host);

/* ---- disks ---- */
/* Whether file systems can be mounted here. */
bool disks_can_mount(void);
void disk_mount(struct chaos *chaos, struct host *host, enum disk disk);
void disk_unmount(struct chaos *chaos, struct host *host, enum disk disk);
/* Not a byte more; false: it did not work out. */
bool disk_fill(struct chaos *chaos, struct host *host, enum disk disk);
void disk_free(struct chaos *chaos, struct host *host, enum disk disk);

#endif
