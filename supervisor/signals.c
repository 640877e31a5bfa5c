/*
 * signals.c - signals as calls on the loop.
 *
 * Runs in the supervisor. Owns the watchers. Must never do anything in a signal handler:
 * libev coalesces and delivers them on the loop. Held by the scenarios of TERM, HUP, USR1
 * and QUIT.
 */
#include "supervisor/signals.h"

#include <ev.h>
#include <signal.h>
#include <stdlib.h>

#include "common/xalloc.h"

static const int watched[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 };

enum { WATCHED = sizeof(watched) / sizeof(watched[0]) };

struct signals {
	struct ev_loop *loop;
	struct ev_signal watchers[WATCHED];
	struct signals_events events;
	void *arg;
};

static void
on_signal(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	struct signals *s = watcher->data;
	switch (watcher->signum) {
	case SIGTERM:
	case SIGINT:
		s->events.stop(s->arg);
		break;
	case SIGQUIT:
		s->events.quit(s->arg);
		break;
	case SIGHUP:
		s->events.reload(s->arg);
		break;
	case SIGUSR1:
		s->events.flush(s->arg);
		break;
	default:
		s->events.summary(s->arg);
	}
}

struct signals *
signals_create(struct ev_loop *loop, const struct signals_events *events, void *arg)
{
	struct signals *s = xcalloc(1, sizeof(*s));
	s->loop = loop;
	s->events = *events;
	s->arg = arg;
	for (size_t i = 0; i < WATCHED; i++) {
		ev_signal_init(&s->watchers[i], on_signal, watched[i]);
		s->watchers[i].data = s;
		ev_signal_start(loop, &s->watchers[i]);
	}
	return s;
}

void
signals_destroy(struct signals **signals)
{
	struct signals *s = *signals;
	sigset_t set;
	if (!s)
		return;
	/* One more TERM must not end the process before it has cleaned up. */
	sigemptyset(&set);
	for (size_t i = 0; i < WATCHED; i++)
		sigaddset(&set, watched[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < WATCHED; i++)
		ev_signal_stop(s->loop, &s->watchers[i]);
	free(s);
	*signals = NULL;
}
