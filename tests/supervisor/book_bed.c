/*
 * book_bed.c - a lease book with a fake supervisor around it.
 *
 * In the test runner. Owns the book and the texts. Must never call the book from inside
 * an operation: neither does the supervisor.
 */
#include "tests/supervisor/book_bed.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/state_env.h"

#define SAY(bed, ...) ck_assert_int_eq(buf_printf(&(bed)->said, __VA_ARGS__), LTS_OK)

static unsigned
sequence_of(struct epoch epoch)
{
	ck_assert_uint_eq(epoch.value >> 32, BED_BOOT);
	return (unsigned)epoch.value;
}

static void
op_assign(void *arg, uint32_t worker, const struct message_assign *m)
{
	static const char *const fates[] = { "", "", "killed", "died" };
	struct book_bed *bed = arg;
	bed->deadline_ms = m->deadline_ms;
	SAY(bed, "assign %s w%u e%u", m->shard.text, worker, sequence_of(m->epoch));
	if (!cursor_is_none(&m->service))
		SAY(bed, " service=%s", m->service.text);
	SAY(bed, "%s%s%s", m->service_is_ours ? " ours" : "", m->unbroken ? " unbroken" : "",
	    m->seal_only ? " seal" : "");
	if (!cursor_is_none(&m->reset))
		SAY(bed, " reset=%s", m->reset.text);
	if (m->fate == FATE_KILLED || m->fate == FATE_DIED)
		SAY(bed, " %s w%u", fates[m->fate], m->fate_slot);
	if (m->suspect.attempts)
		SAY(bed, " suspect %s %u %u", m->suspect.cursor.text, m->suspect.count,
		    m->suspect.attempts);
	if (m->suspect.first)
		SAY(bed, " from %u", m->suspect.first);
	SAY(bed, "\n");
}

static void
op_revoke(void *arg, uint32_t worker, const struct shard_id *shard, struct epoch epoch)
{
	struct book_bed *bed = arg;
	SAY(bed, "revoke %s w%u e%u\n", shard->text, worker, sequence_of(epoch));
}

static void
op_renew(void *arg, uint32_t worker, const struct epoch *epochs, uint32_t n, int64_t deadline_ms)
{
	struct book_bed *bed = arg;
	SAY(bed, "renew w%u", worker);
	for (uint32_t i = 0; i < n; i++)
		SAY(bed, " e%u", sequence_of(epochs[i]));
	SAY(bed, " until %lld\n", (long long)deadline_ms);
}

static void
op_published(void *arg, uint32_t worker, const struct shard_id *shard, struct epoch epoch,
	     const struct cursor *cursor)
{
	struct book_bed *bed = arg;
	SAY(bed, "told %s w%u e%u %s\n", shard->text, worker, sequence_of(epoch), cursor->text);
}

static void
op_ask_service(void *arg, const struct shard_id *shard, uint64_t question, bool again)
{
	struct book_bed *bed = arg;
	ck_assert_uint_gt(question, bed->question);
	bed->question = question;
	SAY(bed, "ask %s\n", shard->text);
}

static void
op_publish(void *arg, uint32_t home, const struct shard_id *shards, const struct cursor *cursors,
	   size_t n)
{
	struct book_bed *bed = arg;
	SAY(bed, "publish h%u", home);
	for (size_t i = 0; i < n; i++)
		SAY(bed, " %s=%s", shards[i].text, cursors[i].text);
	SAY(bed, "\n");
}

static struct checkpoint_record *
record_of(struct book_bed *bed, const struct shard_id *shard)
{
	for (size_t i = 0; i < bed->n_committed; i++)
		if (shard_id_equal(&bed->committed[i].shard, shard))
			return &bed->committed[i];
	return NULL;
}

static enum lts_err
op_committed(void *arg, const struct shard_id *shard, struct checkpoint_record *out)
{
	const struct checkpoint_record *record = record_of(arg, shard);
	if (!record)
		return LTS_NOTFOUND;
	*out = *record;
	return LTS_OK;
}

static void
op_left(void *arg, uint32_t home)
{
	struct book_bed *bed = arg;
	SAY(bed, "left h%u\n", home);
}

static void
op_was_reset(void *arg, const struct shard_id *shard, enum lts_err err)
{
	struct book_bed *bed = arg;
	SAY(bed, "reset %s %s\n", shard->text, err ? lts_err_name(err) : "ok");
}

static void
op_note(void *arg, const struct shard_id *shard, const char *what, const char *why)
{
	struct book_bed *bed = arg;
	ck_assert_int_eq(buf_printf(&bed->notes, "%s %s\n", shard->text, what), LTS_OK);
}

static const struct book_ops ops = {
	.assign = op_assign,
	.revoke = op_revoke,
	.renew = op_renew,
	.published = op_published,
	.ask_service = op_ask_service,
	.publish = op_publish,
	.committed = op_committed,
	.left = op_left,
	.was_reset = op_was_reset,
	.note = op_note,
};

void
book_bed_init(struct book_bed *bed, int64_t end_ns)
{
	struct book_config config = { .workers = BED_WORKERS,
				      .boot_count = BED_BOOT,
				      .timeout_ms = BED_TIMEOUT_MS };
	memset(bed, 0, sizeof(*bed));
	bed->now_ms = 1000;
	buf_init(&bed->said, 0);
	buf_init(&bed->notes, 0);
	bed->book = lease_book_create(&config, &ops, bed);
	lease_book_set_times(bed->book, "begin", 0, end_ns);
}

void
book_bed_fini(struct book_bed *bed)
{
	lease_book_destroy(&bed->book);
	buf_fini(&bed->said);
	buf_fini(&bed->notes);
}

void
book_bed_expect(struct book_bed *bed, const char *lines)
{
	ck_assert_str_eq(bed->said.data ? bed->said.data : "", lines);
	buf_clear(&bed->said);
	if (bed->said.data)
		bed->said.data[0] = '\0';
}

void
book_bed_expect_note(struct book_bed *bed, const char *note)
{
	const char *notes = bed->notes.data ? bed->notes.data : "";
	ck_assert_msg(strstr(notes, note) != NULL, "no note '%s' in: %s", note, notes);
	buf_clear(&bed->notes);
}

static size_t
parse_list(const char *text, struct shard_id *shards)
{
	char word[64];
	int used;
	size_t n = 0;
	for (; sscanf(text, " %63s%n", word, &used) == 1; text += used)
		shards[n++] = shard_of(word);
	return n;
}

void
book_bed_answer(struct book_bed *bed, uint32_t home, const char *listed, const char *owned,
		int64_t sent_ms)
{
	struct shard_id was[BED_SHARDS], is[BED_SHARDS];
	size_t n_was = parse_list(listed, was), n_is = parse_list(owned, is);
	book_on_answer(bed->book, home, was, n_was, is, n_is, sent_ms, bed->now_ms);
}

void
book_bed_first_answer(struct book_bed *bed, uint32_t home, const char *listed, const char *owned)
{
	struct shard_id was[BED_SHARDS], is[BED_SHARDS];
	size_t n_was = parse_list(listed, was), n_is = parse_list(owned, is);
	book_on_first_answer(bed->book, home, was, n_was, is, n_is, bed->now_ms);
	book_bed_answer(bed, home, listed, owned, bed->now_ms);
}

void
book_bed_heartbeat(struct book_bed *bed, uint32_t home, const char *owned)
{
	struct shard_id is[BED_SHARDS];
	size_t n_is = parse_list(owned, is), n_was;
	struct shard_id *was = lease_book_list(bed->book, home, &n_was, bed->now_ms);
	book_on_answer(bed->book, home, was, n_was, is, n_is, bed->now_ms, bed->now_ms);
	free(was);
}

void
book_bed_expect_list(struct book_bed *bed, uint32_t home, const char *listed)
{
	struct shard_id wanted[BED_SHARDS];
	size_t n_wanted = parse_list(listed, wanted), n, found = 0;
	struct shard_id *list = lease_book_list(bed->book, home, &n, bed->now_ms);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n_wanted; j++)
			found += shard_id_equal(&list[i], &wanted[j]);
	ck_assert_uint_eq(n, n_wanted);
	ck_assert_uint_eq(found, n_wanted);
	free(list);
}

void
book_bed_service_once(struct book_bed *bed, const char *shard, const char *cursor, bool ours)
{
	struct shard_id id = shard_of(shard);
	struct cursor at = cursor_of(cursor);
	book_on_service(bed->book, &id, bed->question, LTS_OK, &at, ours, bed->now_ms);
}

void
book_bed_service(struct book_bed *bed, const char *shard, const char *cursor, bool ours)
{
	struct shard_id id = shard_of(shard);
	struct cursor at = cursor_of(cursor);
	book_bed_service_once(bed, shard, cursor, ours);
	/* Of a question that comes next. */
	if (!cursor[0])
		book_on_service(bed->book, &id, bed->question + 1, LTS_OK, &at, ours, bed->now_ms);
}

void
book_bed_written(struct book_bed *bed, const char *shard, const char *cursor, enum lts_err err)
{
	struct shard_id id = shard_of(shard);
	struct cursor at = cursor_of(cursor);
	book_on_written(bed->book, &id, &at, err, bed->now_ms);
}

void
book_bed_message(struct book_bed *bed, uint32_t worker, enum message_type type, const char *shard,
		 uint32_t sequence)
{
	struct message message = { .type = type };
	message.lease.shard = shard_of(shard);
	message.lease.epoch = epoch_of(BED_BOOT, sequence);
	if (type == MSG_STUCK)
		snprintf(message.lease.text, sizeof(message.lease.text), "the reason");
	book_on_message(bed->book, worker, &message, bed->now_ms);
}

void
book_bed_commit(struct book_bed *bed, const char *shard, uint32_t sequence, const char *cursor)
{
	struct shard_id id = shard_of(shard);
	struct checkpoint_record *record = record_of(bed, &id);
	if (!record)
		record = &bed->committed[bed->n_committed++];
	*record = (struct checkpoint_record){ .shard = id,
					      .epoch = epoch_of(BED_BOOT, sequence),
					      .cursor = cursor_of(cursor) };
}

enum lts_err
book_bed_reset(struct book_bed *bed, const char *shard, const char *cursor)
{
	struct shard_id id = shard_of(shard);
	struct cursor to = cursor_of(cursor);
	return book_reset(bed->book, &id, &to, bed->now_ms);
}

void
book_bed_live(struct book_bed *bed, uint32_t worker)
{
	book_on_live(bed->book, worker, bed->now_ms);
}

void
book_bed_gone(struct book_bed *bed, uint32_t worker, enum fate fate)
{
	book_on_gone(bed->book, worker, fate, bed->now_ms);
}

void
book_bed_tick(struct book_bed *bed, int64_t later_ms)
{
	bed->now_ms += later_ms;
	book_on_tick(bed->book, bed->now_ms);
}

void
book_bed_publish(struct book_bed *bed)
{
	book_publish(bed->book, bed->now_ms);
}

struct book_shard
book_bed_shard(struct book_bed *bed, const char *shard)
{
	struct shard_id id = shard_of(shard);
	struct book_shard found;
	for (size_t i = 0; i < lease_book_count(bed->book); i++) {
		lease_book_get(bed->book, i, &found);
		if (shard_id_equal(&found.shard, &id))
			return found;
	}
	ck_abort_msg("shard %s is not in the book", shard);
	return found;
}

void
book_bed_hold(struct book_bed *bed, uint32_t home, const char *owned)
{
	struct shard_id shards[BED_SHARDS];
	size_t n = parse_list(owned, shards);
	book_bed_heartbeat(bed, home, owned);
	for (size_t i = 0; i < n; i++)
		book_bed_service(bed, shards[i].text, "", false);
	for (size_t i = 0; i < n; i++) {
		struct book_shard at = book_bed_shard(bed, shards[i].text);
		book_bed_message(bed, (uint32_t)at.holder, MSG_HELD, shards[i].text,
				 (uint32_t)at.epoch.value);
		ck_assert_str_eq(book_bed_shard(bed, shards[i].text).state, "held");
	}
	buf_clear(&bed->said);
	buf_clear(&bed->notes);
	if (bed->said.data)
		bed->said.data[0] = '\0';
}
