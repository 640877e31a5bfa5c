/*
 * watch_sample.c - asks /proc about the processes that a snapshot names.
 *
 * In lts-state. Owns nothing. Must never take a lock or wait. Held by
 * tests/scenario/watch.c.
 */
#include "state/watch_sample.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/worker_record.h"

static void
ask_supervisor(struct watch_sample *sample, const char *state_dir)
{
	char *lock = xasprintf("%s/supervisor.lock", state_dir);
	sample->supervisor_err = proc_supervisor(&sample->snapshot.identity, lock,
						 &sample->supervisor_pid);
	free(lock);
	if (sample->supervisor_err)
		return;
	uint64_t ticks = worker_pid_start(sample->supervisor_pid);
	sample->supervisor = proc_state_of(sample->supervisor_pid, ticks);
	int64_t start_ms = (int64_t)(ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
	sample->supervisor_up_ms = ticks ? clock_boot_ms() - start_ms : 0;
}

void
watch_sample_ask(struct watch_sample *sample, const char *state_dir)
{
	const struct snapshot *s = &sample->snapshot;
	ask_supervisor(sample, state_dir);
	sample->workers = xcalloc(s->n_workers, sizeof(*sample->workers));
	for (size_t i = 0; i < s->n_workers; i++)
		sample->workers[i] = proc_state_noted(&s->identity, s->workers[i].pid,
						      s->workers[i].pid_start);
}

void
watch_sample_fini(struct watch_sample *sample)
{
	snapshot_fini(&sample->snapshot);
	free(sample->workers);
	free(sample->behind_ms);
	*sample = (struct watch_sample){ 0 };
}
