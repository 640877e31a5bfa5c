/*
 * scrape.c - asks an agent for its metrics.
 *
 * In the test process. Owns its connection for one call.
 */
#include "tests/support/scrape.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/listen_at.h"
#include "common/xalloc.h"

static void
exchange(int fd, const char *path, struct buf *out)
{
	char piece[65536];
	ssize_t n;
	int len = snprintf(piece, sizeof(piece), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	if (send(fd, piece, (size_t)len, MSG_NOSIGNAL) != len)
		return;
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
		ck_assert_int_eq(buf_put(out, piece, (size_t)n), LTS_OK);
}

char *
scrape(const char *where, const char *path, int *status_out)
{
	struct listen_at at;
	const char *why;
	struct buf heard;
	int status = 0;
	buf_init(&heard, 0);
	ck_assert(listen_at_parse(where, &at, &why));
	int fd = socket(at.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&at.address, at.len) == 0)
		exchange(fd, path, &heard);
	close(fd);
	char *body = heard.data ? strstr(heard.data, "\r\n\r\n") : NULL;
	if (body)
		sscanf(heard.data, "HTTP/1.1 %d", &status);
	body = xstrdup(body ? body + 4 : "");
	buf_fini(&heard);
	if (status_out)
		*status_out = status;
	return body;
}

double
scrape_sum(const char *text, const char *family, const char *label)
{
	double sum = NAN;
	size_t len = strlen(family);
	for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		if (strncmp(line, family, len) != 0 || (line[len] != ' ' && line[len] != '{'))
			continue;
		const char *value = memrchr(line, ' ', (size_t)(end - line));
		if (*label && !memmem(line, (size_t)(value - line), label, strlen(label)))
			continue;
		sum = (isnan(sum) ? 0 : sum) + strtod(value, NULL);
	}
	return sum;
}

double
scrape_number(const char *where, const char *family, const char *label)
{
	char *text = scrape(where, "/metrics", NULL);
	double sum = scrape_sum(text, family, label);
	free(text);
	return sum;
}

bool
scrape_says(const char *where, const char *path, int status, const char *text)
{
	int is;
	char *body = scrape(where, path, &is);
	bool said = is == status && strstr(body, text);
	free(body);
	return said;
}
