/*
 * watch_bed.h - two looks at an agent, made up, and the screen that shows them.
 */
#ifndef TESTS_SUPPORT_WATCH_BED_H
#define TESTS_SUPPORT_WATCH_BED_H

#include "state/watch_view.h"

#define WATCH_BED_SECOND INT64_C(1000000000)
#define WATCH_BED_NOW (INT64_C(1767409445) * WATCH_BED_SECOND) /* 2026-01-03T03:04:05Z */

struct watch_bed {
	struct watch_sample samples[2]; /* before, now: two seconds later */
	struct watch_view view;
	struct watch_input in;
	struct watch_screen screen;
};

extern struct watch_bed watch_bed;

/* Four workers, twelve shards, one event; LC_CTYPE is C.UTF-8. */
void watch_bed_setup(void);
void watch_bed_teardown(void);
struct watch_sample *watch_bed_now(void);
/* Up to 100 workers, 400 shards: of shard n 100 + 10 n records of 1 KiB a second. */
void watch_bed_fill(size_t workers, size_t shards);
void watch_bed_add_event(enum event_kind kind, const char *shard, const char *text);

/* Every line has that width, or the test fails. */
void watch_bed_draw(unsigned width, unsigned height);
/* The line that begins so, after blanks; -1: there is none. */
int watch_bed_line_of(const char *start);
/* The same one's text: there must be one. */
const char *watch_bed_text_of(const char *start);
bool watch_bed_shows(const char *text);
/* And draws again. */
void watch_bed_press(const char *keys);
void watch_bed_press_key(int key);

#endif
