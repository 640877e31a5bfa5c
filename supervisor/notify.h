/*
 * notify.h - what the service manager is told, in the datagrams of sd_notify(3).
 *
 * Without one (no NOTIFY_SOCKET) every call does nothing.
 */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

struct notify;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment:
 * they are meant for this process, not for its children. */
struct notify *notify_create(void);
void notify_destroy(struct notify **notify);
/* "READY=1", "STOPPING=1", "STATUS=...": one assignment a line. Never waits; what cannot be
 * sent at once is lost. */
void notify_say(struct notify *notify, const char *text);
/* RELOADING=1 with the time that goes with it; READY=1 ends it. */
void notify_reloading(struct notify *notify, int64_t mono_ms);
/* Call it at every turn: says WATCHDOG=1 three times in each of the manager's intervals. */
void notify_alive(struct notify *notify, int64_t now_ms);

#endif
