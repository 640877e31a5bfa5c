/*
 * book_bed.h - a lease book with a fake supervisor around it: what it asks for becomes
 * lines of text, time is a number, and what is committed is what the test says.
 *
 * Epochs are told by their sequence (e1, e2, ...), heartbeat_timeout is 60 s, so a lease
 * lasts 50 s.
 */
#ifndef TESTS_SUPERVISOR_BOOK_BED_H
#define TESTS_SUPERVISOR_BOOK_BED_H

#include "common/buf.h"
#include "supervisor/lease_book.h"

enum {
	BED_WORKERS = 3,
	BED_BOOT = 7,
	BED_TIMEOUT_MS = 60000,
	BED_LEASE_MS = 50000,
	BED_SHARDS = 8,
};

struct book_bed {
	struct lease_book *book;
	int64_t now_ms;
	struct buf said;  /* what the book did since the last look */
	struct buf notes; /* what it told people */
	struct checkpoint_record committed[BED_SHARDS];
	size_t n_committed;
	uint64_t question; /* the last one's number */
	int64_t deadline_ms; /* of the last assignment */
};

void book_bed_init(struct book_bed *bed, int64_t end_ns);
void book_bed_fini(struct book_bed *bed);

/* Fails unless the book did exactly that since the last look: lines of
 *   assign A w0 e1 [service=C] [ours] [unbroken] [seal] [reset=C]
 *   [killed w2|died w2] [suspect C N DEATHS [from FIRST]] |
 *   reset A ok | reset A GONE | revoke A w0 e1 | renew w0 e1 e2 until MS |
 *   told A w0 e1 C | ask A |
 *   publish h0 A=C B=C | left h0 */
void book_bed_expect(struct book_bed *bed, const char *lines);
/* Fails unless this was noted since the last look. */
void book_bed_expect_note(struct book_bed *bed, const char *note);

/* Lists are names with spaces between. A heartbeat that lists what the book says; its
 * answer now. */
void book_bed_heartbeat(struct book_bed *bed, uint32_t home, const char *owned);
/* The first of a life, whose list says what the state remembers. */
void book_bed_first_answer(struct book_bed *bed, uint32_t home, const char *listed,
			   const char *owned);
/* One whose list and time of sending the test says. */
void book_bed_answer(struct book_bed *bed, uint32_t home, const char *listed, const char *owned,
		     int64_t sent_ms);
void book_bed_expect_list(struct book_bed *bed, uint32_t home, const char *listed);
/* The service's checkpoint, as an answer to the last question; "": none, said again when it is
 * asked again. */
void book_bed_service(struct book_bed *bed, const char *shard, const char *cursor, bool ours);
void book_bed_service_once(struct book_bed *bed, const char *shard, const char *cursor,
			   bool ours);
void book_bed_written(struct book_bed *bed, const char *shard, const char *cursor,
		      enum lts_err err);
void book_bed_message(struct book_bed *bed, uint32_t worker, enum message_type type,
		      const char *shard, uint32_t sequence);
void book_bed_commit(struct book_bed *bed, const char *shard, uint32_t sequence,
		     const char *cursor);
enum lts_err book_bed_reset(struct book_bed *bed, const char *shard, const char *cursor);
void book_bed_live(struct book_bed *bed, uint32_t worker);
void book_bed_gone(struct book_bed *bed, uint32_t worker, enum fate fate);
void book_bed_tick(struct book_bed *bed, int64_t later_ms);
void book_bed_publish(struct book_bed *bed);
/* Granted to its home, asked, assigned there as the next epoch, held; all of that looked
 * at. */
void book_bed_hold(struct book_bed *bed, uint32_t home, const char *owned);
struct book_shard book_bed_shard(struct book_bed *bed, const char *shard);

#endif
