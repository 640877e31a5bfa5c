/*
 * watch_view.c - lays out header, panes and footer.
 *
 * In lts-state. Owns nothing. Must never ask the system for anything, nor write past the size it
 * is given. Held by tests/state/test_watch_view.c.
 */
#include "state/watch_view.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "state/human.h"
#include "state/watch_line.h"

enum { TROUBLE_LINES = 3, GAP = 1 };

struct painter {
	const struct watch_view *view;
	const struct watch_input *in;
	struct watch_screen *screen;
	unsigned y; /* the next line */
};

static const char *const help[] = {
	"q, Ctrl-C      leave",
	"Tab            the next pane: workers, shards, events; it gets the room",
	"up, down, k, j, PgUp, PgDn, Home, End, g, G    scroll that pane",
	"s, S           sort it by its next column, the one before",
	"r              the other way round",
	"p, space       pause, and go on",
	"?, h           this text; any key leaves it",
	"",
	"REC/S, BYTES/S between two looks, from what is committed",
	"BEHIND         how long ago the oldest undelivered record came in, as the agent",
	"               says; - where none does",
	"AGE            since the last commit of the shard, since the event",
	"EPOCH          start.sequence of the lease",
	"",
	"Columns that have no room are left out. `lts-state dump` has all there is.",
};

/* One more line: `left` is cut where `right` begins. */
static void
add_line(struct painter *p, enum watch_style style, const char *left, const char *right)
{
	struct watch_line line = { 0 };
	unsigned width = p->screen->width, taken = watch_line_columns(right);
	if (p->y == p->screen->height)
		return;
	if (taken >= width)
		taken = width;
	watch_line_put(&line, width - taken, false, left);
	watch_line_put(&line, taken, true, right);
	p->screen->lines[p->y].style = style;
	p->screen->lines[p->y++].text = line.text;
}

/* Over as many lines as it needs, up to TROUBLE_LINES, at its blanks. */
static void
add_wrapped(struct painter *p, enum watch_style style, const char *text)
{
	char piece[WATCH_TEXT_MAX];
	for (int n = 0; *text && n < TROUBLE_LINES; n++) {
		size_t len = strlen(text), fits = len < p->screen->width ? len : p->screen->width;
		while (fits < len && fits > p->screen->width / 2 && text[fits] != ' ')
			fits--;
		if (n + 1 == TROUBLE_LINES || fits >= sizeof(piece))
			fits = sizeof(piece) - 1; /* add_line cuts it, visibly */
		snprintf(piece, sizeof(piece), "%.*s", (int)fits, text);
		add_line(p, style, piece, "");
		text += fits < len ? fits : len;
		text += strspn(text, " ");
	}
}

static void
add_title(struct painter *p)
{
	char left[600], right[60];
	struct human_text time;
	const struct snapshot *s = &p->in->now->snapshot;
	if (s->has_identity)
		snprintf(left, sizeof(left), "%s of stream %s", s->identity.consumer_group,
			 s->identity.stream_id);
	else
		snprintf(left, sizeof(left), "lts-state watch");
	time = human_time(s->read_ns);
	time.text[19] = '\0'; /* without the fraction */
	snprintf(right, sizeof(right), " %sZ", time.text);
	add_line(p, WATCH_STRONG, left, right);
}

static void
render_supervisor(const struct watch_sample *now, char *text, size_t size)
{
	if (now->supervisor_err == LTS_OK)
		snprintf(text, size, "supervisor %u%s up %s", now->supervisor_pid,
			 now->supervisor == PROC_STOPPED ? " stopped," : "",
			 human_age(now->supervisor_up_ms * 1000000).text);
	else
		snprintf(text, size, "%s",
			 now->supervisor_err == LTS_NOTFOUND ? "no supervisor"
							     : "supervisor unknown");
}

static void
add_totals(struct painter *p)
{
	char supervisor[100], left[200], right[120];
	const struct watch_sample *now = p->in->now;
	const struct snapshot *s = &now->snapshot;
	struct watch_rate total = watch_rows_total(now, p->in->before);
	bool well = now->supervisor_err == LTS_OK && now->supervisor != PROC_STOPPED;
	size_t alive = 0;
	for (size_t i = 0; i < s->n_workers; i++)
		alive += !s->workers[i].exited && now->workers[i] == PROC_LIVE;
	render_supervisor(now, supervisor, sizeof(supervisor));
	snprintf(left, sizeof(left), "%s; workers %zu/%zu alive; shards %zu", supervisor, alive,
		 s->n_workers, s->n_leases);
	snprintf(right, sizeof(right), " %s/s %s/s", watch_rate_records(total).text,
		 watch_rate_bytes(total).text);
	add_line(p, well ? WATCH_STRONG : WATCH_ALARM, left, right);
}

/* What is wrong with the looking, or where it looks. */
static void
add_state(struct painter *p)
{
	char text[3 * WATCH_TEXT_MAX];
	const struct watch_input *in = p->in;
	const struct watch_sample *now = in->now;
	if (in->trouble && now)
		snprintf(text, sizeof(text), "%s; still looking, below is what was there %s ago",
			 in->trouble, human_age((in->now_ms - now->taken_ms) * 1000000).text);
	else if (in->trouble)
		snprintf(text, sizeof(text), "%s; still looking", in->trouble);
	else if (!now)
		snprintf(text, sizeof(text), "looking at %s", in->state_dir);
	else if (now->n_problems)
		snprintf(text, sizeof(text), "%zu bad records, see lts-state verify: %s",
			 now->n_problems, now->problem);
	else
		snprintf(text, sizeof(text), "state_dir %s, instance %s, start %u", in->state_dir,
			 now->snapshot.identity.instance, now->snapshot.identity.boot_count);
	if (in->trouble || (now && now->n_problems))
		add_wrapped(p, WATCH_ALARM, text);
	else
		add_line(p, WATCH_PLAIN, text, "");
}

/* Of the last column there may be less than its texts need. */
static unsigned
natural_columns(const struct watch_rows *rows, unsigned column)
{
	const struct watch_column *c = &rows->columns[column];
	bool last = column + 1 == rows->n_columns;
	unsigned columns = last ? watch_line_columns(c->title) : c->width;
	for (size_t row = 0; row < rows->n; row++) {
		unsigned needed = watch_line_columns(watch_rows_text(rows, row, column));
		if (needed > columns)
			columns = needed;
	}
	return last && columns > c->width ? c->width : columns;
}

/* What every column gets; 0: left out. */
static void
fit_columns(const struct watch_rows *rows, unsigned width, unsigned *columns_out)
{
	unsigned last = rows->n_columns - 1, total = 0;
	for (unsigned c = 0; c <= last; c++) {
		columns_out[c] = natural_columns(rows, c);
		total += columns_out[c] + GAP;
	}
	while (total > width + GAP) {
		unsigned victim = 0;
		for (unsigned c = 1; c <= last; c++)
			if (columns_out[c] &&
			    (!columns_out[victim] ||
			     rows->columns[c].rank > rows->columns[victim].rank))
				victim = c;
		if (!rows->columns[victim].rank)
			return;
		total -= columns_out[victim] + GAP;
		columns_out[victim] = 0;
	}
	if (columns_out[last])
		columns_out[last] += width + GAP - total;
}

/* The row, or the titles with SIZE_MAX. */
static void
add_row(struct painter *p, const struct watch_rows *rows, size_t row, const unsigned *columns,
	enum watch_style style)
{
	struct watch_line line = { 0 };
	unsigned width = p->screen->width;
	for (unsigned c = 0; c < rows->n_columns; c++) {
		unsigned room = line.columns < width ? width - line.columns : 0;
		if (!columns[c] || !room)
			continue;
		const char *text =
			row == SIZE_MAX ? rows->columns[c].title : watch_rows_text(rows, row, c);
		watch_line_put(&line, columns[c] < room ? columns[c] : room,
			       rows->columns[c].right, text);
		watch_line_put(&line, line.columns < width ? GAP : 0, false, "");
	}
	add_line(p, style, line.text, "");
	free(line.text);
}

static void
add_pane(struct painter *p, const struct watch_rows *rows, enum watch_pane pane, size_t room)
{
	unsigned columns[TABLE_COLUMNS_MAX];
	size_t *order =
		watch_rows_sort(rows, p->view->panes[pane].sort, p->view->panes[pane].reverse);
	size_t shown = room < rows->n ? room : rows->n, most = rows->n - shown;
	size_t top = p->view->panes[pane].top, first = top < most ? top : most;
	fit_columns(rows, p->screen->width, columns);
	add_row(p, rows, SIZE_MAX, columns,
		pane == p->view->focus ? WATCH_FOCUSED : WATCH_STRONG);
	for (size_t i = first; i < first + shown; i++)
		add_row(p, rows, order[i], columns,
			rows->alarms[order[i]] ? WATCH_ALARM : WATCH_PLAIN);
	for (size_t i = shown; i < room; i++)
		add_line(p, WATCH_PLAIN, i ? "" : "none", "");
	free(order);
	p->screen->panes[pane].first = first;
	p->screen->panes[pane].shown = shown;
	p->screen->panes[pane].total = rows->n;
}

/* Rows for each pane: a quarter each at most, then what is wanted by the pane in focus, by the
 * shards, by the rest. */
static void
share_room(const struct painter *p, const struct watch_rows *rows, size_t room,
	   size_t rooms_out[WATCH_PANES])
{
	const enum watch_pane first[] = { p->view->focus, WATCH_SHARDS, WATCH_WORKERS,
					  WATCH_EVENTS };
	size_t quarter = room / 4;
	for (int i = 0; i < WATCH_PANES; i++) {
		size_t wanted = rows[i].n ? rows[i].n : 1;
		rooms_out[i] = wanted < quarter ? wanted : quarter;
	}
	for (int i = 0; i < WATCH_PANES; i++)
		room -= rooms_out[i];
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		size_t have = rooms_out[first[i]], n = rows[first[i]].n;
		size_t more = n > have ? n - have : 0;
		if (more > room)
			more = room;
		rooms_out[first[i]] += more;
		room -= more;
	}
}

static void
add_footer(struct painter *p, const struct watch_rows *rows)
{
	char right[160]; /* its blank at the end: some terminals scroll at the last corner */
	enum watch_pane focus = p->view->focus;
	const struct watch_rows *r = &rows[focus];
	size_t first = p->screen->panes[focus].first, shown = p->screen->panes[focus].shown;
	snprintf(right, sizeof(right), " %s%s %zu-%zu of %zu by %s ",
		 p->view->paused ? "PAUSED, " : "", r->name, shown ? first + 1 : 0, first + shown,
		 r->n, r->columns[p->view->panes[focus].sort].title);
	while (p->y + 1 < p->screen->height)
		add_line(p, WATCH_PLAIN, "", "");
	add_line(p, WATCH_STRONG, "? help  q quit  Tab pane  s sort  r reverse  p pause", right);
}

static void
add_panes(struct painter *p)
{
	struct watch_rows rows[WATCH_PANES];
	size_t rooms[WATCH_PANES];
	for (int i = 0; i < WATCH_PANES; i++)
		watch_rows_init(&rows[i], (enum watch_pane)i, p->in->now, p->in->before);
	share_room(p, rows, p->screen->height - p->y - 1 - WATCH_PANES, rooms);
	for (int i = 0; i < WATCH_PANES; i++)
		add_pane(p, &rows[i], (enum watch_pane)i, rooms[i]);
	add_footer(p, rows);
	for (int i = 0; i < WATCH_PANES; i++)
		watch_rows_fini(&rows[i]);
}

static void
add_all(struct painter *p)
{
	char text[100];
	if (p->screen->width < WATCH_WIDTH_MIN || p->screen->height < WATCH_HEIGHT_MIN) {
		snprintf(text, sizeof(text), "%ux%u is too small: needs %dx%d", p->screen->width,
			 p->screen->height, WATCH_WIDTH_MIN, WATCH_HEIGHT_MIN);
		add_line(p, WATCH_ALARM, text, "");
		return;
	}
	if (p->in->now) {
		add_title(p);
		add_totals(p);
	} else {
		add_line(p, WATCH_STRONG, "lts-state watch", "");
	}
	add_state(p);
	if (p->view->help) {
		for (size_t i = 0; i < sizeof(help) / sizeof(help[0]); i++)
			add_line(p, WATCH_PLAIN, help[i], "");
		return;
	}
	if (p->in->now)
		add_panes(p);
}

void
watch_view_render(const struct watch_view *view, const struct watch_input *in, unsigned width,
		  unsigned height, struct watch_screen *out)
{
	*out = (struct watch_screen){ .width = width, .height = height };
	out->lines = xcalloc(height, sizeof(*out->lines));
	struct painter p = { view, in, out, 0 };
	add_all(&p);
	while (p.y < height)
		add_line(&p, WATCH_PLAIN, "", "");
}

void
watch_screen_fini(struct watch_screen *screen)
{
	for (unsigned y = 0; y < screen->height; y++)
		free(screen->lines[y].text);
	free(screen->lines);
	*screen = (struct watch_screen){ 0 };
}

void
watch_view_init(struct watch_view *view)
{
	*view = (struct watch_view){ .focus = WATCH_SHARDS };
}

static void
scroll(struct watch_view *view, int key, const struct watch_screen *screen)
{
	size_t *top = &view->panes[view->focus].top, page = screen->panes[view->focus].shown;
	size_t most = screen->panes[view->focus].total - page;
	size_t up = key == WATCH_UP ? 1 : key == WATCH_PAGE_UP ? page : 0;
	size_t down = key == WATCH_DOWN ? 1 : key == WATCH_PAGE_DOWN ? page : 0;
	if (*top > most)
		*top = most;
	*top = *top > up ? *top - up : 0;
	*top = most - *top > down ? *top + down : most;
	if (key == WATCH_HOME)
		*top = 0;
	if (key == WATCH_END)
		*top = most;
}

static void
sort(struct watch_view *view, unsigned step)
{
	unsigned n = watch_rows_columns(view->focus);
	view->panes[view->focus].sort = (view->panes[view->focus].sort + step) % n;
	view->panes[view->focus].reverse = false;
	view->panes[view->focus].top = 0;
}

/* The letters for keys that a terminal may not have. */
static int
known_as(int key)
{
	static const struct {
		int key, is;
	} letters[] = { { 'k', WATCH_UP },  { 'j', WATCH_DOWN }, { 'g', WATCH_HOME },
			{ 'G', WATCH_END }, { ' ', 'p' },        { 'h', '?' } };
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].key == key)
			return letters[i].is;
	return key;
}

bool
watch_view_key(struct watch_view *view, int key, const struct watch_screen *screen)
{
	if (key == 'q')
		return false;
	if (view->help) {
		view->help = false;
		return true;
	}
	key = known_as(key);
	if (key == '?')
		view->help = true;
	else if (key == 'p')
		view->paused = !view->paused;
	else if (key == '\t')
		view->focus = (view->focus + 1) % WATCH_PANES;
	else if (key == 's')
		sort(view, 1);
	else if (key == 'S')
		sort(view, watch_rows_columns(view->focus) - 1);
	else if (key == 'r')
		view->panes[view->focus].reverse = !view->panes[view->focus].reverse;
	else
		scroll(view, key, screen);
	return true;
}
