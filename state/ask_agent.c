/*
 * ask_agent.c - a line to the control socket, and the lines that come back.
 *
 * In lts-state. Owns the connection. Must never wait for longer than it was told. Held by
 * tests/scenario/resets.c.
 */
#include "state/ask_agent.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/control_address.h"

enum { LOOK_AGAIN_MS = 20 };

static int
open_control(const char *state_dir, int64_t until_ms)
{
	struct sockaddr_un address;
	int dir = control_address(state_dir, &address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool good = false;
	while (dir >= 0 && fd >= 0 && !good) {
		good = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
		/* EAGAIN: more ask than it has taken on. */
		if (!good && (errno != EAGAIN || clock_mono_ms() >= until_ms))
			break;
		if (!good)
			poll(NULL, 0, LOOK_AGAIN_MS);
	}
	int saved = errno;
	if (dir >= 0)
		close(dir);
	if (!good && fd >= 0)
		close(fd);
	errno = saved;
	return good ? fd : -1;
}

static bool
wait_for(int fd, short what, int64_t until_ms)
{
	struct pollfd ready = { .fd = fd, .events = what };
	int64_t left_ms = until_ms - clock_mono_ms();
	return left_ms > 0 && poll(&ready, 1, (int)left_ms) > 0;
}

static enum lts_err
send_all(int fd, const char *text, int64_t until_ms)
{
	size_t len = strlen(text);
	while (len) {
		if (!wait_for(fd, POLLOUT, until_ms))
			return LTS_AGAIN;
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return LTS_AGAIN;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return LTS_OK;
}

enum lts_err
ask_agent(const char *state_dir, const char *line, int timeout_ms, struct buf *out)
{
	int64_t until_ms = clock_mono_ms() + timeout_ms;
	int fd = open_control(state_dir, until_ms);
	if (fd < 0 && errno == EAGAIN)
		return LTS_AGAIN;
	if (fd < 0)
		return errno == ENOENT || errno == ECONNREFUSED ? LTS_NOTFOUND : LTS_SYS;
	char bytes[4096];
	ssize_t n = -1;
	enum lts_err err = send_all(fd, line, until_ms);
	while (!err && n && wait_for(fd, POLLIN, until_ms)) {
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			break;
		if (n > 0)
			err = buf_put(out, bytes, (size_t)n);
	}
	close(fd);
	/* Gone while something was still to be read of it: the end, too. */
	return err || n == 0 || (n < 0 && errno == ECONNRESET) ? err : LTS_AGAIN;
}
