/*
 * sink_bed.c - a file sink over a directory of its own.
 *
 * In the test runner. Owns the directory, the sink and one stream.
 */
#include "tests/worker/sink_bed.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/state_env.h"
#include "tests/support/tmpdir.h"

enum { RECORDS_MAX = 900 };

void
sink_bed_init(struct sink_bed *bed, int64_t rotate_bytes)
{
	memset(bed, 0, sizeof(*bed));
	bed->dir = tmpdir_make();
	snprintf(bed->spec, sizeof(bed->spec), "file:%s", bed->dir);
	bed->config = (struct sink_config){ .spec = bed->spec,
					    .instance = "abc",
					    .rotate_bytes = rotate_bytes };
	buf_init(&bed->why, 0);
	ck_assert_int_eq(sink_create(&bed->config, &bed->sink, &bed->why), LTS_OK);
}

void
sink_bed_fini(struct sink_bed *bed)
{
	sink_bed_close(bed);
	bed->sink->ops->destroy(&bed->sink);
	buf_fini(&bed->why);
	tmpdir_remove(&bed->dir);
}

enum lts_err
sink_bed_open(struct sink_bed *bed, uint64_t segment, uint64_t offset)
{
	struct shard_id shard = shard_of("7");
	buf_clear(&bed->why);
	return bed->sink->ops->open(bed->sink, &shard, (struct sink_position){ segment, offset },
				    &bed->stream, &bed->why);
}

enum lts_err
sink_bed_submit(struct sink_bed *bed, unsigned first, unsigned last)
{
	static char texts[RECORDS_MAX][16];
	struct record records[RECORDS_MAX];
	size_t n = 0;
	for (unsigned i = first; i <= last; i++, n++) {
		snprintf(texts[n], sizeof(texts[n]), "{\"n\":%u}", i);
		records[n] = (struct record){ texts[n], strlen(texts[n]) };
	}
	buf_clear(&bed->why);
	return bed->sink->ops->submit(bed->stream, records, n, &bed->why);
}

struct sink_position
sink_bed_flush(struct sink_bed *bed, bool seal)
{
	struct sink_position position;
	ck_assert_int_eq(bed->sink->ops->flush(bed->stream, seal, &position), LTS_OK);
	return position;
}

void
sink_bed_commit(struct sink_bed *bed, bool seal)
{
	sink_bed_flush(bed, seal);
	ck_assert_int_eq(bed->sink->ops->committed(bed->stream), LTS_OK);
}

void
sink_bed_close(struct sink_bed *bed)
{
	if (bed->stream)
		bed->sink->ops->close(&bed->stream);
}

static int
is_segment(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void
sink_bed_expect_files(struct sink_bed *bed, const char *names)
{
	struct dirent **list;
	struct buf found;
	buf_init(&found, 0);
	ck_assert_int_eq(buf_put_text(&found, ""), LTS_OK);
	int n = scandir(bed->dir, &list, is_segment, alphasort);
	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; free(list[i++]))
		ck_assert_int_eq(buf_printf(&found, "%s%s", i ? " " : "", list[i]->d_name),
				 LTS_OK);
	free(list);
	ck_assert_str_eq(found.data, names);
	buf_fini(&found);
}

void
sink_bed_expect_records(struct sink_bed *bed, unsigned first, unsigned last)
{
	struct dirent **list;
	struct buf found, wanted;
	buf_init(&found, 0);
	buf_init(&wanted, 0);
	ck_assert_int_eq(buf_put_text(&found, ""), LTS_OK);
	ck_assert_int_eq(buf_put_text(&wanted, ""), LTS_OK);
	int n = scandir(bed->dir, &list, is_segment, alphasort);
	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; free(list[i++])) {
		size_t len;
		char *text = tmpdir_read(bed->dir, list[i]->d_name, &len);
		ck_assert_int_eq(buf_put(&found, text, len), LTS_OK);
		free(text);
	}
	free(list);
	for (unsigned i = first; i <= last; i++)
		ck_assert_int_eq(buf_printf(&wanted, "{\"n\":%u}\n", i), LTS_OK);
	ck_assert_str_eq(found.data, wanted.data);
	buf_fini(&found);
	buf_fini(&wanted);
}
