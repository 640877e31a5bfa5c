/*
 * filter.c - a plugin that keeps the records with a word in them, one file for each shard.
 *
 *   cc -shared -fPIC -o filter.so filter.c -I/usr/local/include
 *   lts-supervisor ... --sink 'plugin:./filter.so?word=ERROR&dir=/var/log/errors'
 *
 * What it returns OK for may be forgotten by the agent, so it writes and syncs first. When a
 * worker dies between that and the checkpoint's commit, the batch comes again: lines may be there
 * twice, and none is missing; half a line is cut off at the next start. A write that fails is
 * undone, and refuses the batch: the agent tries it again.
 */
#define _GNU_SOURCE 1 /* memmem */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lts_processor.h>

struct filter { /* one for each shard */
	char word[128], dir[1024];
	int fd;
};

/* "word=ERROR&dir=/somewhere", in any order. False: it is not there, or too long. */
static int
read_arg(const char *args, const char *name, char *out, size_t room)
{
	size_t len = strlen(name);
	while (strncmp(args, name, len) != 0 || args[len] != '=') {
		args += strcspn(args, "&");
		if (*args++ == '\0')
			return 0;
	}
	args += len + 1;
	size_t value = strcspn(args, "&");
	if (value == 0 || value >= room)
		return 0;
	memcpy(out, args, value);
	out[value] = '\0';
	return 1;
}

static void *
filter_create(const char *args)
{
	struct filter *filter = calloc(1, sizeof(*filter));
	if (!filter)
		return NULL;
	filter->fd = -1;
	if (read_arg(args, "word", filter->word, sizeof(filter->word)) &&
	    read_arg(args, "dir", filter->dir, sizeof(filter->dir)))
		return filter;
	fprintf(stderr, "filter: give ?word=WORD&dir=DIR\n");
	free(filter);
	return NULL; /* the shard stops, and says so */
}

/* Of a worker that died in the middle of a line: the next line must not be glued to it. */
static int
cut_half_line(int fd)
{
	char c;
	off_t end = lseek(fd, 0, SEEK_END);
	while (end > 0 && pread(fd, &c, 1, end - 1) == 1 && c != '\n')
		end--;
	return end < 0 ? -1 : ftruncate(fd, end);
}

/* A new file is durable only once its directory is. */
static int
sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int failed = fsync(fd);
	close(fd);
	return failed;
}

static int
filter_initialize(void *self, const char *shard)
{
	struct filter *filter = self;
	char path[1200];
	snprintf(path, sizeof(path), "%s/%s.log", filter->dir, shard);
	filter->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (filter->fd >= 0 && cut_half_line(filter->fd) == 0 && sync_directory(filter->dir) == 0)
		return 0;
	fprintf(stderr, "filter: %s: %s\n", path, strerror(errno));
	return -1; /* the shard stops; destroy closes the file */
}

static int
write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
write_matching(const struct filter *filter, const struct lts_batch *batch)
{
	for (size_t i = 0; i < batch->n_records; i++) {
		const struct lts_record *record = &batch->records[i];
		if (!memmem(record->text, record->len, filter->word, strlen(filter->word)))
			continue;
		if (write_all(filter->fd, record->text, record->len) ||
		    write_all(filter->fd, "\n", 1))
			return -1;
	}
	return fdatasync(filter->fd);
}

static int
filter_process(void *self, const struct lts_batch *batch, struct lts_tracker *tracker)
{
	struct filter *filter = self;
	off_t before = lseek(filter->fd, 0, SEEK_END);
	if (before >= 0 && write_matching(filter, batch) == 0)
		return LTS_PROCESSOR_OK;
	tracker->refuse(tracker, SIZE_MAX, strerror(errno)); /* of no record in particular */
	if (before >= 0 && ftruncate(filter->fd, before) < 0)
		fprintf(stderr, "filter: half a batch stays: %s\n", strerror(errno));
	return LTS_PROCESSOR_FAILED;
}

static void
filter_destroy(void *self)
{
	struct filter *filter = self;
	if (filter->fd >= 0)
		close(filter->fd);
	free(filter);
}

const struct lts_processor_ops *
lts_processor(void)
{
	static const struct lts_processor_ops ops = {
		.version = LTS_PROCESSOR_VERSION,
		.size = sizeof(ops),
		.create = filter_create,
		.initialize = filter_initialize,
		.process = filter_process,
		.destroy = filter_destroy,
	};
	return &ops;
}
