/*
 * log.c - one event, one line, never waiting: where lines go.
 *
 * In every process. Owns at most two destinations, the files it opened, and a descriptor
 * of its own for an inherited pipe or terminal. Must never block, and never set
 * O_NONBLOCK on a description that it inherited: others write there too. So pipes and
 * devices are opened again through /proc, sockets are sent to with MSG_DONTWAIT, and what
 * is left is polled first. A line that does not go through is counted, and the count goes
 * out with the next. SIGPIPE must be ignored by the program. Two threads may write at
 * once. Held by tests/common/test_log.c.
 */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log_line.h"
#include "common/log_rate.h"
#include "common/xalloc.h"

enum { DESTINATIONS = 2 };

enum way {
	WAY_WRITE, /* a regular file, or a non-blocking description of our own */
	WAY_SEND,  /* a socket */
	WAY_POLL,  /* anything else: asked whether there is room, then written to */
};

struct destination {
	int fd;
	enum way way;
	bool ours;    /* opened here, closed here */
	bool handed;  /* opened elsewhere */
	bool journal; /* takes a priority before each line */
	char *path;   /* NULL: a descriptor */
	enum log_format format;
	_Atomic enum log_level least;
	_Atomic uint64_t dropped; /* not yet told */
	_Atomic bool torn;        /* the last line ended in its middle: begin with a newline */
};

struct log {
	const char *who;
	struct destination to[DESTINATIONS];
	unsigned count;
	_Atomic uint64_t dropped;
	pthread_mutex_t lock; /* of rate; for a moment only */
	struct log_rate rate;
};

struct log *
log_create(const char *who)
{
	struct log *log = xcalloc(1, sizeof(*log));

	log->who = who;
	pthread_mutex_init(&log->lock, NULL);
	return log;
}

/* Of messages that did not come again. */
static void
tell_held_back(struct log *log)
{
	for (unsigned i = 0; i < LOG_RATE_MESSAGES; i++) {
		const struct log_rate_of *of = &log->rate.of[i];
		if (of->held_back)
			log_warn(log, "lines were held back", LOG_TEXT("of", of->event),
				 LOG_UINT("held_back", of->held_back));
	}
}

void
log_destroy(struct log **log)
{
	if (!*log)
		return;
	tell_held_back(*log);
	for (unsigned i = 0; i < (*log)->count; i++) {
		struct destination *to = &(*log)->to[i];

		if (to->ours)
			(void)close(to->fd);
		free(to->path);
	}
	pthread_mutex_destroy(&(*log)->lock);
	free(*log);
	*log = NULL;
}

static struct destination *
add(struct log *log, enum log_level least, enum log_format format)
{
	if (log->count == DESTINATIONS)
		abort();
	struct destination *to = &log->to[log->count++];
	to->least = least;
	to->format = format;
	return to;
}

/* The service manager says which device and inode its journal is. */
static bool
is_journal(const struct stat *st)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
	       device == st->st_dev && inode == st->st_ino;
}

bool
log_fd_is_journal(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && is_journal(&st);
}

void
log_add_fd(struct log *log, int fd, enum log_level least, enum log_format format)
{
	struct destination *to = add(log, least, format);
	struct stat st;
	char path[40];

	to->fd = fd;
	to->way = WAY_POLL;
	if (fstat(fd, &st) < 0)
		return;
	to->journal = is_journal(&st);
	if (S_ISREG(st.st_mode)) {
		to->way = WAY_WRITE;
	} else if (S_ISSOCK(st.st_mode)) {
		to->way = WAY_SEND;
	} else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		int own = open(path, O_WRONLY | O_NONBLOCK | O_APPEND | O_CLOEXEC | O_NOCTTY);
		if (own >= 0) {
			to->fd = own;
			to->ours = true;
			to->way = WAY_WRITE;
		}
	}
}

/* Non-blocking, so that a name that is a pipe without a reader is refused and not waited
 * for. */
static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
		    0600);
}

enum lts_err
log_add_file(struct log *log, const char *path, enum log_level least, enum log_format format)
{
	int fd = open_file(path);

	if (fd < 0)
		return LTS_SYS;
	struct destination *to = add(log, least, format);
	to->fd = fd;
	to->way = WAY_WRITE;
	to->ours = true;
	to->path = xstrdup(path);
	return LTS_OK;
}

enum lts_err
log_add_handed(struct log *log, int fd, enum log_level least, enum log_format format)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (own < 0)
		return LTS_SYS;
	struct destination *to = add(log, least, format);
	to->fd = own;
	to->way = WAY_WRITE;
	to->ours = true;
	to->handed = true;
	return LTS_OK;
}

enum lts_err
log_hand_again(struct log *log, int fd)
{
	for (unsigned i = 0; i < log->count; i++) {
		struct destination *to = &log->to[i];

		if (!to->handed)
			continue;
		if (dup3(fd, to->fd, O_CLOEXEC) < 0)
			return LTS_SYS;
		to->torn = false;
		return LTS_OK;
	}
	return LTS_NOTFOUND;
}

int
log_file_fd(const struct log *log)
{
	return log->count && log->to[0].path ? log->to[0].fd : 0;
}

/* The new file takes the old one's descriptor, so that a line of another thread goes to
 * either. */
void
log_reopen(struct log *log)
{
	for (unsigned i = 0; i < log->count; i++) {
		struct destination *to = &log->to[i];

		if (!to->path)
			continue;
		int fd = open_file(to->path);
		if (fd >= 0 && dup3(fd, to->fd, O_CLOEXEC) >= 0)
			to->torn = false;
		else
			log_warn(log, "cannot be opened again; the former file stays in use",
				 LOG_TEXT("path", to->path), LOG_TEXT("text", strerror(errno)));
		if (fd >= 0)
			(void)close(fd);
	}
}

/* Of the first destination: the second is is_test's debug log, which has a level of its
 * own. */
void
log_set_level(struct log *log, enum log_level least)
{
	if (log->count)
		log->to[0].least = least;
}

uint64_t
log_dropped(const struct log *log)
{
	return log->dropped;
}

static ssize_t
send_once(const struct destination *to, const char *text, size_t len)
{
	struct pollfd room = { .fd = to->fd, .events = POLLOUT };

	switch (to->way) {
	case WAY_SEND:
		return send(to->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	case WAY_POLL:
		if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT))
			return -1;
		return write(to->fd, text, len);
	case WAY_WRITE:
		break;
	}
	return write(to->fd, text, len);
}

/* False when the line did not go through whole. */
static bool
send_line(struct destination *to, const char *text, size_t len)
{
	size_t sent = 0;

	for (int tries = 0; sent < len && tries < 4; tries++) {
		ssize_t n = send_once(to, text + sent, len - sent);

		if (n > 0)
			sent += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	if (sent)
		to->torn = sent < len;
	return sent == len;
}

/* syslog's numbers. */
static const char *
priority_of(const struct destination *to, enum log_level level)
{
	static const char *const priorities[] = { [LOG_LEVEL_DEBUG] = "<7>",
						  [LOG_LEVEL_INFO] = "<6>",
						  [LOG_LEVEL_WARN] = "<4>",
						  [LOG_LEVEL_ERROR] = "<3>" };
	return to->journal ? priorities[level] : "";
}

static bool
is_wanted(const struct log *log, enum log_level level)
{
	for (unsigned i = 0; i < log->count; i++)
		if (level >= log->to[i].least)
			return true;
	return false;
}

static bool
is_allowed(struct log *log, struct log_line *line)
{
	pthread_mutex_lock(&log->lock);
	bool allowed =
		log_rate_allows(&log->rate, line->event, clock_mono_ms(), &line->held_back);
	pthread_mutex_unlock(&log->lock);
	return allowed;
}

void
log_write(struct log *log, enum log_level level, const char *event,
	  const struct log_field *fields, unsigned count)
{
	struct log_line line = { .level = level, .who = log->who, .event = event };
	char text[1 + 3 + LOG_LINE_MAX];
	int kept_errno = errno;

	if (!is_wanted(log, level) || !is_allowed(log, &line))
		return;
	line.wall_ns = clock_wall_ns();
	line.fields = fields;
	line.count = count;
	text[0] = '\n';
	for (unsigned i = 0; i < log->count; i++) {
		struct destination *to = &log->to[i];

		if (level < to->least)
			continue;
		line.format = to->format;
		line.dropped = atomic_exchange(&to->dropped, 0);
		const char *priority = priority_of(to, level);
		size_t before = strlen(priority);
		memcpy(text + 1, priority, before);
		size_t len = before + log_line_render(&line, text + 1 + before);
		bool whole =
			to->torn ? send_line(to, text, len + 1) : send_line(to, text + 1, len);
		if (!whole) {
			atomic_fetch_add(&to->dropped, line.dropped + 1);
			atomic_fetch_add(&log->dropped, 1);
		}
	}
	errno = kept_errno;
}
