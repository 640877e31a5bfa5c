/*
 * chaos_stdout.c - the reader of each host's stdout, while everything goes wrong: quick, slow or
 * asleep.
 *
 * In the proof's process. Owns the pipes, which outlast a host's lives, and writes down each
 * whole record as code of the user's does (chaos_code.c). Half a line is what a killed process
 * left: its record comes again, or is found lost.
 */
#include "tests/proof/chaos.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/sim/sim_line.h"
#include "tests/support/tmpdir.h"

enum { QUICK_BYTES = 1 << 20, SLOW_BYTES = 2000, PIPE_BYTES = 65536 };

void
stdout_open(struct host *h)
{
	int fds[2];
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_ge(fcntl(fds[0], F_SETPIPE_SZ, PIPE_BYTES), 0);
	h->reader = (struct stdout_reader){ .fd = fds[0], .bytes_a_turn = QUICK_BYTES };
	h->agent.out_fd = fds[1];
}

void
stdout_close(struct host *h)
{
	close(h->reader.fd);
	close(h->agent.out_fd);
	free(h->reader.text);
	h->reader = (struct stdout_reader){ .fd = -1 };
	h->agent.out_fd = -1;
}

void
stdout_set_mood(struct host *h, enum stdout_mood mood)
{
	h->reader.bytes_a_turn = mood == STDOUT_QUICK ? QUICK_BYTES
				 : mood == STDOUT_SLOW ? SLOW_BYTES
						       : 0;
}

static void
note_line(struct chaos *c, const struct host *h, const char *text, size_t len)
{
	struct sim_line line;
	if (!sim_line_parse(text, len, &line)) {
		chaos_note(c, "host %s: half a line of %zu bytes", h->name, len);
		return;
	}
	char *name = xasprintf("done.%.*s", (int)line.shard_len, line.shard),
	     *path = tmpdir_path(c->scenario.dir, name);
	FILE *file = fopen(path, "ae");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "%llu\n", (unsigned long long)line.seq);
	ck_assert_int_eq(fclose(file), 0);
	free(path);
	free(name);
}

static void
note_lines(struct chaos *c, struct host *h)
{
	struct stdout_reader *r = &h->reader;
	char *at = r->text, *end;
	size_t left = r->len;
	while (left && (end = memchr(at, '\n', left))) {
		note_line(c, h, at, (size_t)(end - at));
		left -= (size_t)(end + 1 - at);
		at = end + 1;
	}
	if (left)
		memmove(r->text, at, left);
	r->len = left;
}

void
stdout_step(struct chaos *c, struct host *h)
{
	struct stdout_reader *r = &h->reader;
	for (size_t most = r->bytes_a_turn; most;) {
		size_t some = most < PIPE_BYTES ? most : PIPE_BYTES;
		if (r->room < r->len + some)
			r->text = xreallocarray(r->text, r->room = r->len + some, 1);
		ssize_t got = read(r->fd, r->text + r->len, some);
		if (got <= 0) {
			ck_assert_msg(got < 0 && errno == EAGAIN, "stdout of host %s", h->name);
			break;
		}
		r->len += (size_t)got;
		most -= (size_t)got;
	}
	note_lines(c, h);
}
