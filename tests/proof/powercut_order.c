/*
 * powercut_order.c - published <= committed <= durable, read from the three places.
 *
 * In the proof's process, between two lives of the agent. Owns nothing. Must never take the
 * agent's word for what is in a file: its lines are counted.
 */
#include "tests/proof/powercut.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/json_path.h"

/* What the agent's state says of a shard. */
struct stand {
	const char *shard, *instance;
	long long cursor;
	double records;
	unsigned segment;
	size_t offset;
};

/* Lines in the first `len` bytes, or in all of it; -1: it is not there, or shorter. */
static double
count_lines(const char *path, const size_t *len)
{
	struct stat st;
	double n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ck_assert_int_eq(fstat(fd, &st), 0);
	size_t size = len ? *len : (size_t)st.st_size;
	if (size > (size_t)st.st_size)
		n = -1;
	else if (size) {
		char *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
		ck_assert_ptr_ne(text, MAP_FAILED);
		for (char *at = text;
		     (at = memchr(at, '\n', (size_t)(text + size - at))) && ++at;)
			n++;
		munmap(text, size);
	}
	close(fd);
	return n;
}

/* By its final name, or as the part that it still is. */
static double
count_segment(const struct cut_bed *bed, const struct stand *stand, unsigned segment,
	      const size_t *len)
{
	char *path = xasprintf("%s/%s/%s-%s-%08u.log.part", bed->scenario.dir, bed->sink,
			       stand->shard, stand->instance, segment);
	double n = count_lines(path, len);
	if (n < 0 && !len) {
		*strrchr(path, '.') = '\0';
		n = count_lines(path, len);
	}
	free(path);
	return n;
}

/* Each segment below the committed position, whole, and that position's own up to there. */
static void
expect_durable(const struct cut_bed *bed, const struct stand *stand)
{
	double lines = 0;
	for (unsigned segment = 0; segment <= stand->segment; segment++) {
		bool last = segment == stand->segment;
		if (last && !stand->offset)
			break;
		double n = count_segment(bed, stand, segment, last ? &stand->offset : NULL);
		ck_assert_msg(n >= 0,
			      "shard %s: committed up to %u:%zu, and segment %u is not "
			      "there, or shorter",
			      stand->shard, stand->segment, stand->offset, segment);
		lines += n;
	}
	ck_assert_msg(lines == stand->records,
		      "shard %s: %.0f records committed, %.0f in the files", stand->shard,
		      stand->records, lines);
}

/* Not there yet: nothing of the shard is committed. */
static bool
find_stand(const cJSON *state, const char *shard, struct stand *out)
{
	const cJSON *row;
	cJSON_ArrayForEach(row, json_path_at(state, "checkpoints"))
	{
		if (strcmp(json_path_text(row, "shard"), shard) != 0)
			continue;
		*out = (struct stand){
			.shard = shard,
			.instance = json_path_text(state, "meta/identity/instance"),
			.cursor = strtoll(json_path_text(row, "cursor"), NULL, 10),
			.records = json_path_number(row, "records"),
			.segment = (unsigned)json_path_number(row, "sink/segment"),
			.offset = (size_t)json_path_number(row, "sink/offset"),
		};
		return true;
	}
	return false;
}

/* In the agent's last life: what it did not hold is as an earlier life left it. */
static bool
was_held(const struct agent *agent, const char *shard)
{
	size_t n = 0;
	for (int worker = 0; worker < CUT_WORKERS_MOST; worker++) {
		char *line = xasprintf("msg=\"shard held\" worker=%d shard=%s ", worker, shard);
		n += agent_said(agent, line);
		free(line);
	}
	return n > 0;
}

/* Cursors of lts-sim count records: their difference is one of indexes. */
static void
expect_shard(const struct cut_bed *bed, const cJSON *service, const cJSON *state, bool settled)
{
	struct stand stand;
	const char *shard = json_path_text(service, "shard");
	double published = json_path_number(service, "checkpoint");
	const char *cursor = json_path_text(service, "cursor");
	if (!find_stand(state, shard, &stand)) {
		ck_assert_msg(!*cursor, "shard %s: published, and nothing is committed", shard);
		return;
	}
	expect_durable(bed, &stand);
	if (!*cursor) {
		ck_assert_msg(!settled, "shard %s: nothing published", shard);
		return;
	}
	double committed = published + (double)(stand.cursor - strtoll(cursor, NULL, 10));
	ck_assert_msg(committed == stand.records, "shard %s: record %.0f is after %.0f records",
		      shard, committed, stand.records);
	ck_assert_msg(settled ? published == committed : published <= committed,
		      "shard %s: published %.0f, committed %.0f", shard, published, committed);
}

static void
expect_sealed(const struct cut_bed *bed, const char *shard)
{
	glob_t parts;
	char *pattern = xasprintf("%s/%s/%s-*.part", bed->scenario.dir, bed->sink, shard);
	if (glob(pattern, 0, NULL, &parts) == 0)
		ck_assert_msg(false, "%s after a clean end", parts.gl_pathv[0]);
	globfree(&parts);
	free(pattern);
}

void
powercut_expect_order(const struct cut_bed *bed, bool settled)
{
	cJSON *status = sim_status(&bed->sim), *state = agent_state_if_any(&bed->agent);
	const cJSON *service;
	cJSON_ArrayForEach(service, json_path_at(status, "shards"))
	{
		const char *shard = json_path_text(service, "shard");
		bool done = settled && was_held(&bed->agent, shard);
		expect_shard(bed, service, state, done);
		if (done)
			expect_sealed(bed, shard);
	}
	cJSON_Delete(state);
	cJSON_Delete(status);
}
