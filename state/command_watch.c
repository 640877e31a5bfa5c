/*
 * command_watch.c - the live screen: ncurses, keys, signals, and when to look.
 *
 * In lts-state. Owns the terminal between start_screen and stop_screen. Must never read the
 * environment itself: that may wait or crash, and a child does it (watch_look.h). Signals are
 * heard only while it waits, so that none finds the terminal half drawn. What is shown is
 * watch_view.c's. Held by tests/scenario/watch.c.
 */
#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "state/commands.h"
#include "state/watch_look.h"
#include "state/watch_view.h"

#include <term.h> /* the last: its macros are common words */
#undef lines

enum { ESCAPE_MS = 50, CTRL_L = 'L' & 0x1f };

struct watch {
	const char *state_dir;
	int64_t interval_ms, next_ms; /* when to look again, CLOCK_MONOTONIC */
	struct watch_view view;
	struct watch_screen screen;
	struct watch_look look;
	struct watch_sample now, before;
	bool has_now, has_before, stale; /* stale: the screen shows what was */
	char trouble[WATCH_TEXT_MAX];    /* "": none */
	SCREEN *terminal;
	int signal_fd;
	sigset_t old, waiting; /* masks: the caller's, and while we wait */
	bool leave;
	enum exit_code code;
};

static enum exit_code
refuse(const char *what, const char *why)
{
	fprintf(stderr, "lts-state: watch: %s%s: use lts-state dump\n", what, why);
	return EXIT_USAGE;
}

static enum exit_code
check_terminal(void)
{
	int found;
	const char *term = getenv("TERM");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return refuse("standard input and output", " are not a terminal");
	if (!term || !*term)
		return refuse("TERM", " is not set");
	if (strcmp(term, "dumb") == 0)
		return refuse("TERM=dumb", " cannot show a screen");
	if (setupterm(NULL, STDOUT_FILENO, &found) == ERR)
		return refuse(term, " is a TERM that this host does not know");
	bool moves = cursor_address != NULL;
	del_curterm(cur_term);
	if (!moves)
		return refuse(term, " is a TERM that cannot show a screen");
	return EXIT_DONE;
}

/* Blocked for good are those that the descriptor tells of; the others are ncurses' own, and heard
 * while we wait. */
static enum lts_err
start_signals(struct watch *w)
{
	static const int told[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGCONT };
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		sigaddset(&set, told[i]);
	w->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (w->signal_fd < 0)
		return LTS_SYS;
	sigprocmask(SIG_BLOCK, &set, &w->old);
	sigprocmask(SIG_BLOCK, NULL, &w->waiting);
	sigdelset(&w->waiting, SIGWINCH);
	sigdelset(&w->waiting, SIGTSTP);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return LTS_OK;
}

static void
stop_signals(struct watch *w)
{
	sigprocmask(SIG_SETMASK, &w->old, NULL);
	close(w->signal_fd);
}

static void
stop_screen(struct watch *w)
{
	endwin();
	delscreen(w->terminal);
}

static enum exit_code
start_screen(struct watch *w)
{
	w->terminal = newterm(NULL, stdout, stdin);
	if (!w->terminal)
		return refuse("ncurses", " finds no screen here");
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(1, COLOR_RED, -1);
	}
	return EXIT_DONE;
}

/* Also asked for, not only told: a stopped process is told of no change. */
static void
follow_size(void)
{
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		return;
	if (is_term_resized(size.ws_row, size.ws_col))
		resizeterm(size.ws_row, size.ws_col);
}

/* A terminal that takes nothing (Ctrl-S, a dead line) must not hold us up: signals would not be
 * heard. */
static bool
takes_output(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	return poll(&out, 1, 0) == 1 && out.revents & POLLOUT;
}

static void
draw(struct watch *w)
{
	const int styles[] = {
		[WATCH_PLAIN] = (int)A_NORMAL,
		[WATCH_STRONG] = (int)A_BOLD,
		[WATCH_FOCUSED] = (int)A_REVERSE,
		[WATCH_ALARM] = (int)(has_colors() ? A_BOLD | (attr_t)COLOR_PAIR(1) : A_BOLD),
	};
	const struct watch_input in = { .state_dir = w->state_dir,
					.now = w->has_now ? &w->now : NULL,
					.before = w->has_before ? &w->before : NULL,
					.trouble = *w->trouble ? w->trouble : NULL,
					.now_ms = clock_mono_ms() };
	follow_size();
	watch_screen_fini(&w->screen);
	watch_view_render(&w->view, &in, (unsigned)COLS, (unsigned)LINES, &w->screen);
	erase();
	for (unsigned y = 0; y < w->screen.height; y++) {
		attrset(styles[w->screen.lines[y].style]);
		if (w->screen.lines[y].text)
			mvaddstr((int)y, 0, w->screen.lines[y].text);
	}
	attrset(A_NORMAL);
	refresh();
	w->stale = false;
}

static void
take_look(struct watch *w)
{
	struct watch_sample sample;
	enum lts_err err = watch_look_take(&w->look, w->state_dir, &sample, w->trouble);
	if (err == LTS_AGAIN)
		return;
	w->stale = true;
	if (err)
		return;
	*w->trouble = '\0';
	watch_sample_fini(&w->before);
	w->before = w->now;
	w->has_before = w->has_now;
	w->now = sample;
	w->has_now = true;
}

static void
start_look(struct watch *w)
{
	int64_t now_ms = clock_mono_ms();
	if (w->look.pid || w->view.paused || now_ms < w->next_ms)
		return;
	w->next_ms = now_ms + w->interval_ms;
	if (!watch_look_start(&w->look, w->state_dir))
		return;
	snprintf(w->trouble, sizeof(w->trouble), "cannot start looking: %s", strerror(errno));
	w->stale = true;
}

static void
on_signal(struct watch *w, uint32_t signo)
{
	if (signo == SIGCHLD)
		return;
	if (signo == SIGCONT) { /* the shell may have had the terminal */
		reset_prog_mode();
		clearok(stdscr, TRUE);
		w->stale = true;
		return;
	}
	w->leave = true;
	w->code = signo == SIGQUIT ? EXIT_FAILED : EXIT_DONE;
}

static void
on_key(struct watch *w, int key)
{
	static const struct {
		int key, is;
	} keys[] = { { KEY_UP, WATCH_UP },         { KEY_DOWN, WATCH_DOWN },
		     { KEY_PPAGE, WATCH_PAGE_UP }, { KEY_NPAGE, WATCH_PAGE_DOWN },
		     { KEY_HOME, WATCH_HOME },     { KEY_END, WATCH_END } };
	int known = key < KEY_MIN ? key : 0;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].key == key)
			known = keys[i].is;
	w->stale = true;
	if (key == CTRL_L)
		clearok(stdscr, TRUE);
	else if (known && !watch_view_key(&w->view, known, &w->screen))
		w->leave = true;
}

static int64_t
wait_ms(const struct watch *w)
{
	int64_t ms = w->next_ms - clock_mono_ms();
	return w->look.pid || w->view.paused ? -1 : ms > 0 ? ms : 0;
}

static void
wait_for_something(struct watch *w)
{
	int key;
	struct signalfd_siginfo info;
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = w->signal_fd, .events = POLLIN },
				{ .fd = STDOUT_FILENO,
				  .events = (short)(w->stale ? POLLOUT : 0) } };
	int64_t ms = wait_ms(w);
	const struct timespec limit = { ms / 1000, ms % 1000 * 1000000 };
	if (ppoll(fds, 3, ms < 0 ? NULL : &limit, &w->waiting) < 0)
		w->stale = true; /* a signal of ncurses' */
	while (read(w->signal_fd, &info, sizeof(info)) == sizeof(info))
		on_signal(w, info.ssi_signo);
	while (!w->leave && (key = getch()) != ERR)
		on_key(w, key);
	if ((fds[0].revents | fds[2].revents) & (POLLHUP | POLLERR | POLLNVAL))
		w->leave = true;
}

static void
run(struct watch *w)
{
	while (!w->leave) {
		if (w->look.pid)
			take_look(w);
		start_look(w);
		if (w->stale && takes_output())
			draw(w);
		wait_for_something(w);
	}
}

enum exit_code
command_watch(const struct request *request, FILE *out)
{
	struct watch w = { .state_dir = request->state_dir,
			   .interval_ms = request->interval_ms,
			   .stale = true };
	setlocale(LC_CTYPE, "");
	enum exit_code code = check_terminal();
	if (code)
		return code;
	if (start_signals(&w)) {
		fprintf(stderr, "lts-state: watch: signalfd: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	watch_view_init(&w.view);
	w.code = start_screen(&w);
	if (!w.code) {
		run(&w);
		stop_screen(&w);
	}
	stop_signals(&w);
	watch_look_end(&w.look);
	watch_screen_fini(&w.screen);
	watch_sample_fini(&w.now);
	watch_sample_fini(&w.before);
	return w.code;
}
