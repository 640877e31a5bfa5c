/*
 * trust.c - the certificates to trust, as bytes.
 *
 * In the supervisor, which reads them, and in workers, which are handed them. Owns the memory
 * file. Must never put what is half written, or holds no certificate, in the place of what was
 * read before. Held by tests/common/test_trust.c.
 */
#include "common/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/http.h"
#include "common/xalloc.h"

enum { TRUST_BYTES = 4 << 20, TRUST_TURNS = 16 };

void
trust_init(struct trust *trust, const char *ca_file)
{
	const char *file = ca_file ? ca_file : http_system_ca_file();
	*trust = (struct trust){ .file = file ? xstrdup(file) : NULL };
}

void
trust_fini(struct trust *trust)
{
	if (trust->fd)
		close(trust->fd);
	free(trust->file);
	*trust = (struct trust){ .fd = 0 };
}

/* libcurl keeps what it has parsed under its name, for a day: a name that differs from the last
 * ones, also where the descriptor's number comes again. */
static void
put(struct trust *trust, int fd)
{
	char turns[2 * TRUST_TURNS + 1] = "";
	trust->turn = (trust->turn + 1) % TRUST_TURNS;
	for (unsigned i = 0; i < trust->turn; i++)
		memcpy(turns + 2 * i, "./", 3);
	snprintf(trust->path, sizeof(trust->path), "/proc/self/%sfd/%d", turns, fd);
	if (trust->fd)
		close(trust->fd);
	trust->fd = fd;
}

static enum lts_err
complain(const struct trust *trust, enum lts_err err, const char *what, struct buf *why_out)
{
	int saved = errno;
	buf_clear(why_out);
	enum lts_err ignored = buf_printf(why_out, "%s: %s", trust->file, what);
	(void)ignored;
	errno = saved;
	return err;
}

static enum lts_err
read_file(int fd, struct buf *out)
{
	char piece[16 * 1024];
	ssize_t n;
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		if (buf_put(out, piece, (size_t)n))
			return LTS_TOOBIG;
	return n < 0 ? LTS_SYS : LTS_OK;
}

/* As many ends as beginnings, and some: what is just being written has not. */
static bool
is_whole(const struct buf *text)
{
	size_t begins = 0, ends = 0;
	for (const char *at = text->data; at && (at = strstr(at, "-----BEGIN ")); at++)
		begins++;
	for (const char *at = text->data; at && (at = strstr(at, "-----END ")); at++)
		ends++;
	return begins && begins == ends;
}

static int
keep(const struct buf *text)
{
	int fd = memfd_create("lts-certificates", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t at = 0;
	while (fd >= 0 && at < text->len) {
		ssize_t n = write(fd, text->data + at, text->len - at);
		if (n <= 0) {
			close(fd);
			return -1;
		}
		at += (size_t)n;
	}
	if (fd >= 0)
		(void)fcntl(fd, F_ADD_SEALS,
			    F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	return fd;
}

static enum lts_err
take_file(struct trust *trust, int file, struct buf *why_out)
{
	struct buf text;
	struct stat st;
	buf_init(&text, TRUST_BYTES);
	enum lts_err err = fstat(file, &st) < 0 ? LTS_SYS : read_file(file, &text);
	int fd = -1;
	if (err == LTS_TOOBIG) {
		err = complain(trust, LTS_INVALID, "larger than 4 MiB", why_out);
	} else if (!err && !is_whole(&text)) {
		err = complain(trust, LTS_INVALID, "has no whole certificate (PEM)", why_out);
	} else if (err || (fd = keep(&text)) < 0) {
		err = complain(trust, LTS_SYS, strerror(errno), why_out);
	} else {
		put(trust, fd);
		trust->seen = st;
	}
	buf_fini(&text);
	return err;
}

static bool
is_as_seen(const struct trust *trust, const struct stat *now)
{
	const struct stat *seen = &trust->seen;
	return trust->fd && seen->st_dev == now->st_dev && seen->st_ino == now->st_ino &&
	       seen->st_size == now->st_size && seen->st_mtim.tv_sec == now->st_mtim.tv_sec &&
	       seen->st_mtim.tv_nsec == now->st_mtim.tv_nsec &&
	       seen->st_ctim.tv_sec == now->st_ctim.tv_sec &&
	       seen->st_ctim.tv_nsec == now->st_ctim.tv_nsec;
}

enum lts_err
trust_look(struct trust *trust, struct buf *why_out)
{
	struct stat now;
	if (!trust->file)
		return LTS_AGAIN;
	if (stat(trust->file, &now) == 0 && is_as_seen(trust, &now))
		return LTS_AGAIN;
	int file = open(trust->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file < 0)
		return complain(trust, LTS_SYS, strerror(errno), why_out);
	enum lts_err err = take_file(trust, file, why_out);
	close(file);
	return err;
}

enum lts_err
trust_take(struct trust *trust, int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return LTS_SYS;
	put(trust, own);
	return LTS_OK;
}

const char *
trust_path(const struct trust *trust)
{
	return trust->fd ? trust->path : trust->file;
}
