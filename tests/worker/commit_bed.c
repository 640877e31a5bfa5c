/*
 * commit_bed.c - what a committer needs around it.
 *
 * In the test runner. Owns the directories, the board and the log.
 */
#include "tests/worker/commit_bed.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/support/sys_spy.h"
#include "tests/support/tmpdir.h"

enum { HOUR_MS = 3600 * 1000 };

void
commit_bed_init(struct commit_bed *bed)
{
	memset(bed, 0, sizeof(*bed));
	state_env_init(&bed->env);
	store_close(&bed->env.store);
	bed->sink_dir = tmpdir_make();
	bed->letters_dir = tmpdir_make();
	snprintf(bed->spec, sizeof(bed->spec), "file:%s", bed->sink_dir);
	ck_assert_int_eq(board_create(&bed->board_fd, &bed->board), LTS_OK);
	bed->log = log_create("test");
	bed->config = (struct committer_config){
		.state_dir = bed->env.dir,
		.sink = { .spec = bed->spec, .instance = "abc" },
		.board = bed->board,
		.log = bed->log,
		.self = { .slot = 3, .pid = 555 },
		.interval_ms = HOUR_MS,
		.process = { .deadletter_dir = bed->letters_dir },
	};
	buf_init(&bed->why, 0);
	buf_init(&bed->said, 0);
	bed->a = commit_bed_lease("A", 1);
	bed->b = commit_bed_lease("B", 2);
}

void
commit_bed_fini(struct commit_bed *bed)
{
	sys_spy_set(NULL);
	commit_bed_drop(bed);
	buf_fini(&bed->why);
	buf_fini(&bed->said);
	log_destroy(&bed->log);
	board_unmap(&bed->board);
	close(bed->board_fd);
	tmpdir_remove(&bed->sink_dir);
	tmpdir_remove(&bed->letters_dir);
	state_env_fini(&bed->env);
}

struct state_env *
commit_bed_state(struct commit_bed *bed)
{
	if (!bed->env.store)
		ck_assert_int_eq(store_open(bed->env.dir, STORE_WRITE, &bed->env.store), LTS_OK);
	return &bed->env;
}

struct lease
commit_bed_lease(const char *shard, uint32_t sequence)
{
	struct lease lease = { .shard = shard_of(shard), .epoch = epoch_of(1, sequence) };
	atomic_store(&lease.deadline_ms, clock_boot_ms() + HOUR_MS);
	return lease;
}

struct lease_take
commit_bed_order(const struct lease *lease, const char *start)
{
	return (struct lease_take){ .shard = lease->shard,
				    .epoch = lease->epoch,
				    .slot = 3,
				    .home = 3,
				    .pid = 555,
				    .start = cursor_of(start),
				    .now_ns = 1000 };
}

struct batch *
commit_bed_batch(struct lease *lease, const char *from, const char *to, unsigned first,
		 unsigned last)
{
	struct cursor at = cursor_of(from);
	struct batch *batch = batch_create(lease, &at);
	batch->to = cursor_of(to);
	buf_init(&batch->body, 0);
	for (unsigned n = first; first && n <= last; n++)
		ck_assert_int_eq(buf_printf(&batch->body, "{\"n\":%u}", n), LTS_OK);
	batch->bytes = batch->body.cap;
	batch->n_records = first ? last - first + 1 : 0;
	batch->records = xcalloc(batch->n_records, sizeof(*batch->records));
	char *text = batch->body.data;
	for (size_t i = 0; i < batch->n_records; i++) {
		size_t len = (size_t)(strchr(text, '}') + 1 - text);
		batch->records[i] = (struct record){ text, len };
		text += len;
	}
	return batch;
}

static char *
content_of(const char *dir, const char *shard)
{
	struct dirent **list;
	struct buf found;
	size_t len;
	buf_init(&found, 0);
	ck_assert_int_eq(buf_put_text(&found, ""), LTS_OK);
	int n = scandir(dir, &list, NULL, alphasort);
	for (int i = 0; i < n; free(list[i++])) {
		const char *name = list[i]->d_name;
		if (strncmp(name, shard, strlen(shard)) != 0 || name[strlen(shard)] != '-')
			continue;
		char *text = tmpdir_read(dir, name, &len);
		ck_assert_int_eq(buf_put(&found, text, len), LTS_OK);
		free(text);
	}
	free(list);
	return found.data;
}

char *
commit_bed_content(struct commit_bed *bed, const char *shard)
{
	return content_of(bed->sink_dir, shard);
}

char *
commit_bed_letters(struct commit_bed *bed, const char *shard)
{
	return content_of(bed->letters_dir, shard);
}

void
commit_bed_expect(struct commit_bed *bed, const char *shard, unsigned first, unsigned last)
{
	struct buf wanted;
	buf_init(&wanted, 0);
	ck_assert_int_eq(buf_put_text(&wanted, ""), LTS_OK);
	for (unsigned n = first; n <= last; n++)
		ck_assert_int_eq(buf_printf(&wanted, "{\"n\":%u}\n", n), LTS_OK);
	char *found = commit_bed_content(bed, shard);
	ck_assert_str_eq(found, wanted.data);
	free(found);
	buf_fini(&wanted);
}

void
commit_bed_expect_checkpoint(struct commit_bed *bed, const char *shard, const char *cursor,
			     uint64_t segment, uint64_t offset)
{
	struct checkpoint_record record;
	ck_assert_int_eq(state_env_checkpoint(commit_bed_state(bed), shard, &record), LTS_OK);
	ck_assert_str_eq(record.cursor.text, cursor);
	ck_assert_uint_eq(record.position.segment, segment);
	ck_assert_uint_eq(record.position.offset, offset);
}

void
commit_bed_open(struct commit_bed *bed)
{
	ck_assert_int_eq(committer_create(&bed->config, &bed->committer, &bed->why), LTS_OK);
}

void
commit_bed_drop(struct commit_bed *bed)
{
	if (!bed->committer)
		return;
	committer_forget(bed->committer, &bed->a);
	committer_forget(bed->committer, &bed->b);
	committer_destroy(&bed->committer);
}

enum lts_err
commit_bed_take(struct commit_bed *bed, struct lease *lease, const char *start)
{
	struct lease_take order = commit_bed_order(lease, start);
	struct lease_taken taken;
	return committer_take(bed->committer, lease, &order, &taken, &bed->why);
}

enum lts_err
commit_bed_submit(struct commit_bed *bed, struct lease *lease, const char *from, const char *to,
		  unsigned first, unsigned last)
{
	struct batch *batch = commit_bed_batch(lease, from, to, first, last);
	int64_t due_ms;
	enum lts_err err = committer_submit(bed->committer, batch, &due_ms, &bed->why);
	batch_destroy(&batch);
	return err;
}

static void
on_report(void *arg, struct lease *lease, enum lts_err result, bool closed)
{
	struct commit_bed *bed = arg;
	ck_assert_int_eq(buf_printf(&bed->said, "%s %s%s\n", lease->shard.text,
				    lts_err_name(result), closed ? " closed" : ""),
			 LTS_OK);
}

void
commit_bed_commit(struct commit_bed *bed)
{
	ck_assert_int_eq(committer_commit(bed->committer, on_report, bed), LTS_OK);
}

void
commit_bed_expect_reports(struct commit_bed *bed, const char *lines)
{
	ck_assert_str_eq(bed->said.len ? bed->said.data : "", lines);
	buf_clear(&bed->said);
}
