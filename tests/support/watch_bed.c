/*
 * watch_bed.c - two looks at an agent, made up, and the screen that shows them.
 *
 * In the test process. Owns the samples between setup and teardown.
 */
#include "tests/support/watch_bed.h"

#include <check.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "state/watch_line.h"
#include "tests/support/state_env.h"

#define SECOND WATCH_BED_SECOND
#define NOW WATCH_BED_NOW

enum { SHARDS_MAX = 400, WORKERS_MAX = 100, EVENTS_MAX = 50 };

struct watch_bed watch_bed;

struct watch_sample *
watch_bed_now(void)
{
	return &watch_bed.samples[1];
}

static void
fill_worker(struct watch_sample *sample, uint32_t slot, uint64_t records)
{
	struct worker_record *w = &sample->snapshot.workers[slot];
	*w = (struct worker_record){ .slot = slot,
				     .pid = 700 + slot,
				     .pid_start = 1,
				     .started_ns = NOW - 65 * SECOND,
				     .updated_ns = sample->snapshot.read_ns - SECOND / 5,
				     .records = records,
				     .bytes = records * 1024,
				     .commits = 17 };
	snprintf(w->name.text, sizeof(w->name.text), "vm-aabbccdd-%u", slot);
	sample->workers[slot] = PROC_LIVE;
}

static void
fill_shard(struct watch_sample *sample, uint32_t i, uint32_t slot, uint64_t records)
{
	struct lease_record *l = &sample->snapshot.leases[i];
	struct checkpoint_record *c = &sample->snapshot.checkpoints[i];
	char name[12];
	snprintf(name, sizeof(name), "%u", i);
	*l = (struct lease_record){ .shard = shard_of(name),
				    .epoch = epoch_of(2, i + 1),
				    .state = LEASE_HELD,
				    .slot = slot,
				    .pid = 700 + slot };
	*c = (struct checkpoint_record){ .shard = l->shard,
					 .epoch = l->epoch,
					 .records = records,
					 .bytes = records * 1024,
					 .committed_ns = sample->snapshot.read_ns - SECOND / 10 };
	sample->behind_ms[i] = 1000 * (i + 1);
	snprintf(c->cursor.text, sizeof(c->cursor.text), "%lld",
		 (long long)(NOW - (i + 1) * SECOND));
}

void
watch_bed_add_event(enum event_kind kind, const char *shard, const char *text)
{
	struct snapshot *s = &watch_bed_now()->snapshot;
	struct event_record *e = &s->events[s->n_events++];
	*e = (struct event_record){ .number = s->n_events,
				    .time_ns = NOW - 3 * SECOND,
				    .kind = kind,
				    .shard = shard_of(shard),
				    .epoch = epoch_of(2, 1),
				    .cursor = cursor_of("100") };
	snprintf(e->text, sizeof(e->text), "%s", text);
}

/* Of each shard 100 records a second, and 10 more for each number it has. */
void
watch_bed_fill(size_t workers, size_t shards)
{
	for (int i = 0; i < 2; i++) {
		struct watch_sample *sample = &watch_bed.samples[i];
		struct snapshot *s = &sample->snapshot;
		s->n_workers = workers;
		s->n_leases = s->n_checkpoints = shards;
		for (uint32_t w = 0; w < workers; w++)
			fill_worker(sample, w, i ? 3000 : 1000);
		for (uint32_t n = 0; n < shards; n++)
			fill_shard(sample, n, (uint32_t)(n % workers),
				   i ? 1000000 + 200 + 20 * n : 1000000);
	}
}

void
watch_bed_setup(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	watch_bed = (struct watch_bed){ 0 };
	for (int i = 0; i < 2; i++) {
		struct watch_sample *sample = &watch_bed.samples[i];
		struct snapshot *s = &sample->snapshot;
		sample->taken_ms = 5000 + 2000 * i;
		sample->supervisor_pid = 600;
		sample->supervisor = PROC_LIVE;
		sample->supervisor_up_ms = 66000;
		sample->workers = xcalloc(WORKERS_MAX, sizeof(*sample->workers));
		sample->behind_ms = xcalloc(SHARDS_MAX, sizeof(*sample->behind_ms));
		s->read_ns = NOW - 2 * SECOND * (1 - i);
		s->has_identity = true;
		s->identity = identity_of_test();
		s->leases = xcalloc(SHARDS_MAX, sizeof(*s->leases));
		s->checkpoints = xcalloc(SHARDS_MAX, sizeof(*s->checkpoints));
		s->workers = xcalloc(WORKERS_MAX, sizeof(*s->workers));
		s->events = xcalloc(EVENTS_MAX, sizeof(*s->events));
	}
	watch_view_init(&watch_bed.view);
	watch_bed.in = (struct watch_input){ .state_dir = "DIR",
					     .now = &watch_bed.samples[1],
					     .before = &watch_bed.samples[0],
					     .now_ms = 7000 };
	watch_bed_fill(4, 12);
	watch_bed_add_event(EVENT_TAKEN, "3", "position: start");
}

void
watch_bed_teardown(void)
{
	watch_screen_fini(&watch_bed.screen);
	watch_sample_fini(&watch_bed.samples[0]);
	watch_sample_fini(&watch_bed.samples[1]);
}

/* Draws, and holds every line to the width. */
void
watch_bed_draw(unsigned width, unsigned height)
{
	watch_screen_fini(&watch_bed.screen);
	watch_view_render(&watch_bed.view, &watch_bed.in, width, height, &watch_bed.screen);
	for (unsigned y = 0; y < height; y++)
		ck_assert_msg(watch_line_columns(watch_bed.screen.lines[y].text) == width,
			      "%ux%u, line %u: %s", width, height, y,
			      watch_bed.screen.lines[y].text);
}

/* The line that begins so, after blanks; -1: there is none. */
int
watch_bed_line_of(const char *start)
{
	for (unsigned y = 0; y < watch_bed.screen.height; y++) {
		const char *text = watch_bed.screen.lines[y].text;
		if (strncmp(text + strspn(text, " "), start, strlen(start)) == 0)
			return (int)y;
	}
	return -1;
}

const char *
watch_bed_text_of(const char *start)
{
	int y = watch_bed_line_of(start);
	ck_assert_msg(y >= 0, "no line begins with %s", start);
	return watch_bed.screen.lines[y].text;
}

bool
watch_bed_shows(const char *text)
{
	for (unsigned y = 0; y < watch_bed.screen.height; y++)
		if (strstr(watch_bed.screen.lines[y].text, text))
			return true;
	return false;
}

void
watch_bed_press(const char *keys)
{
	for (; *keys; keys++)
		ck_assert(watch_view_key(&watch_bed.view, *keys, &watch_bed.screen));
	watch_bed_draw(watch_bed.screen.width, watch_bed.screen.height);
}

void
watch_bed_press_key(int key)
{
	ck_assert(watch_view_key(&watch_bed.view, key, &watch_bed.screen));
	watch_bed_draw(watch_bed.screen.width, watch_bed.screen.height);
}
