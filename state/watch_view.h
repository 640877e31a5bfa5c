/*
 * watch_view.h - what `lts-state watch` shows, as lines of text: a function of two samples, what
 * the user has chosen, and the terminal's size.
 */
#ifndef STATE_WATCH_VIEW_H
#define STATE_WATCH_VIEW_H

#include "state/watch_rows.h"

enum { WATCH_WIDTH_MIN = 60, WATCH_HEIGHT_MIN = 16 };

/* Keys that are no character. */
enum watch_key {
	WATCH_UP = 0x110000,
	WATCH_DOWN,
	WATCH_PAGE_UP,
	WATCH_PAGE_DOWN,
	WATCH_HOME,
	WATCH_END,
};

/* What the user has chosen. */
struct watch_view {
	enum watch_pane focus; /* scrolled, sorted, and given the room */
	bool help, paused;
	struct {
		unsigned sort; /* a column */
		bool reverse;
		size_t top; /* rows above the first that is shown */
	} panes[WATCH_PANES];
};

struct watch_input {
	const char *state_dir;
	const struct watch_sample *now, *before; /* NULL: none yet */
	const char *trouble; /* why the last look found nothing; NULL: it did not fail */
	int64_t now_ms;      /* CLOCK_MONOTONIC */
};

enum watch_style {
	WATCH_PLAIN,
	WATCH_STRONG,  /* the header, titles of columns */
	WATCH_FOCUSED, /* titles of the pane that has the focus */
	WATCH_ALARM,   /* something is wrong */
};

struct watch_screen {
	unsigned width, height;
	struct {
		enum watch_style style;
		char *text; /* `width` columns, in the encoding of LC_CTYPE */
	} * lines;          /* `height` of them */
	struct {
		size_t first, shown, total; /* rows */
	} panes[WATCH_PANES];
};

void watch_view_init(struct watch_view *view);
/* Frees with watch_screen_fini. */
void watch_view_render(const struct watch_view *view, const struct watch_input *in,
		       unsigned width, unsigned height, struct watch_screen *out);
void watch_screen_fini(struct watch_screen *screen);
/* One key, pressed before that screen. False: the user wants to leave. */
bool watch_view_key(struct watch_view *view, int key, const struct watch_screen *screen);

#endif
