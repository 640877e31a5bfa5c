/*
 * sim_verify.c - `lts-sim verify`: reads a file sink's directories and says what is wrong
 * in them.
 *
 * A process of its own. Owns nothing that lasts; only reads. Must never need more than
 * the lines themselves and the numbers of records, nor stop at the first fault. The last
 * line of its output is the verdict in one line. Held by tests/support/test_sim_verify.c.
 */
#include "tests/sim/sim_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/handoff.h"
#include "tests/sim/sim_ledger.h"
#include "tests/sim/sim_line.h"
#include "tests/sim/sim_segment.h"
#include "tests/sim/sim_stream.h"
#include "tests/sim/sim_verify_status.h"

enum { SAID_MOST = 20 /* faults named one by one; all are counted */ };

struct verify {
	unsigned shards;
	bool has_records, with_parts;
	uint64_t records;
	const char *status; /* file; NULL: shards and records are given */
	struct sim_ledger *ledger;
	uint64_t torn, unsealed, partial;
	unsigned said;
	FILE *out;
};

static void
say(struct verify *verify, const struct sim_segment *segment, uint64_t line, const char *what)
{
	if (verify->said++ < SAID_MOST)
		fprintf(verify->out, "%s:%" PRIu64 ": %s\n", segment->path, line, what);
}

static void
on_lost(void *arg, unsigned shard, uint64_t from, uint64_t to)
{
	struct verify *verify = arg;
	if (verify->said++ < SAID_MOST)
		fprintf(verify->out, "lost: shard %u, seq %" PRIu64 " to %" PRIu64 "\n", shard,
			from, to);
}

/* The shard's number, or one that does not exist. */
static unsigned
shard_number(const char *name)
{
	char *end;
	unsigned long number = strtoul(name, &end, 10);
	char again[24];
	snprintf(again, sizeof(again), "%lu", number);
	return strcmp(again, name) == 0 && number < SIM_SHARDS_MAX ? (unsigned)number
								   : SIM_SHARDS_MAX;
}

static void
check_line(struct verify *verify, const struct sim_segment *segment, uint64_t number,
	   const char *text, size_t len)
{
	static const char *const words[] = {
		[SIM_DUPLICATED] = "duplicated",
		[SIM_REORDERED] = "reordered",
		[SIM_UNEXPECTED] = "no such record was made",
	};
	struct sim_line line;
	if (!sim_line_parse(text, len, &line) || line.shard_len != strlen(segment->shard) ||
	    memcmp(line.shard, segment->shard, line.shard_len) != 0) {
		verify->torn++;
		say(verify, segment, number, "torn: not a whole record of this shard");
		return;
	}
	enum sim_verdict verdict =
		sim_ledger_note(verify->ledger, shard_number(segment->shard), line.seq);
	if (verdict != SIM_FINE && verdict != SIM_REPEATED)
		say(verify, segment, number, words[verdict]);
}

static void
check_text(struct verify *verify, const struct sim_segment *segment, const char *text, size_t len)
{
	uint64_t number = 1;
	const char *end = text + len;
	for (const char *newline; text < end; text = newline + 1, number++) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (newline) {
			check_line(verify, segment, number, text, (size_t)(newline - text));
			continue;
		}
		/* What is still being written may end anywhere. */
		verify->partial += segment->is_part;
		verify->torn += !segment->is_part;
		say(verify, segment, number,
		    segment->is_part ? "partial last line" : "torn: no newline");
		return;
	}
}

static enum lts_err
check_file(struct verify *verify, const struct sim_segment *segment)
{
	struct stat st;
	enum lts_err err = LTS_SYS;
	int fd = open(segment->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		goto out;
	size_t len = (size_t)st.st_size;
	if (len) {
		void *text = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (text == MAP_FAILED)
			goto out;
		check_text(verify, segment, text, len);
		munmap(text, len);
	}
	err = LTS_OK;
out:
	if (fd >= 0)
		close(fd);
	return err;
}

static enum lts_err
check_all(struct verify *verify, const struct sim_segments *segments)
{
	for (size_t i = 0; i < segments->n; i++) {
		const struct sim_segment *segment = &segments->list[i];
		const struct sim_segment *before = i ? segment - 1 : NULL;
		bool other = !before || strcmp(before->shard, segment->shard) != 0 ||
			     before->host != segment->host;
		if (other)
			sim_ledger_begin_host(verify->ledger, shard_number(segment->shard));
		if (other || strcmp(before->instance, segment->instance) != 0)
			sim_ledger_begin(verify->ledger);
		verify->unsealed += segment->is_part;
		if (segment->is_part && !verify->with_parts)
			continue;
		enum lts_err err = check_file(verify, segment);
		if (err) {
			fprintf(stderr, "lts-sim verify: %s: %s\n", segment->path,
				strerror(errno));
			return err;
		}
	}
	return LTS_OK;
}

static int
report(struct verify *verify, const struct sim_segments *segments)
{
	struct sim_totals totals;
	sim_ledger_close(verify->ledger, on_lost, verify, &totals);
	if (verify->said > SAID_MOST)
		fprintf(verify->out, "... and %u more\n", verify->said - SAID_MOST);
	if (totals.unexpected)
		fprintf(verify->out, "verify: %" PRIu64 " records that were never made\n",
			totals.unexpected);
	if (verify->partial)
		fprintf(verify->out, "verify: %" PRIu64 " partial last lines in .part files\n",
			verify->partial);
	if (segments->ignored)
		fprintf(verify->out, "verify: %zu other files ignored\n", segments->ignored);
	fprintf(verify->out,
		"verify: %" PRIu64 " records, %" PRIu64 " lost, %" PRIu64 " duplicated, %" PRIu64
		" reordered, %" PRIu64 " torn, %" PRIu64 " unsealed",
		totals.records, totals.lost, totals.duplicated, totals.reordered, verify->torn,
		verify->unsealed);
	if (verify->status)
		fprintf(verify->out, ", %" PRIu64 " repeated after unplanned moves",
			totals.repeated);
	fputc('\n', verify->out);
	bool fine = !totals.lost && !totals.duplicated && !totals.reordered &&
		    !totals.unexpected && !verify->torn;
	return fine ? EXIT_DONE : EXIT_FAILED;
}

static void
print_help(FILE *out)
{
	fputs("lts-sim verify --shards N [--records M] [--parts] DIR...\n"
	      "lts-sim verify --status FILE [--parts] DIR...\n"
	      "Checks a file sink's segments, <shard>-<instance>-<number>.log, against "
	      "what lts-sim makes.\n"
	      "  --shards N    shards of the stream\n"
	      "  --records M   records that each shard holds; without: up to the latest "
	      "delivered\n"
	      "  --status FILE GET /sim/status, kept after the run: how many records each shard "
	      "holds,\n"
	      "                also with a rate, splits and merges; and which may be repeated "
	      "because a\n"
	      "                host was lost: those come last, and are not called duplicated\n"
	      "  --parts       read unsealed segments (.part) too, up to their last "
	      "newline\n"
	      "Each directory is one host's. Lost and duplicated are counted over all of them, "
	      "order within\n"
	      "each instance's segments of a shard. Exit 0: every record is there once, in order "
	      "and\n"
	      "whole; 1: not.\n",
	      out);
}

static bool
parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	char *end;
	errno = 0;
	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	unsigned long long number = strtoull(text, &end, 10);
	if (*end || errno || number < least || number > most)
		return false;
	*out = number;
	return true;
}

/* The value of --name when arg is that option, else NULL; a value in the next word
 * advances *at. */
static const char *
option_value(char **argv, int *at, const char *name)
{
	size_t len = strlen(name);
	const char *arg = argv[*at];
	if (strncmp(arg, name, len) != 0 || (arg[len] && arg[len] != '='))
		return NULL;
	if (arg[len])
		return arg + len + 1;
	return argv[*at + 1] ? argv[++*at] : "";
}

/* Returns -1 to go on, else the exit code. Directories are moved to the front of argv. */
static int
parse_args(struct verify *verify, int argc, char **argv, int *dirs_out)
{
	uint64_t shards = 0;
	int dirs = 0;
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i], *value;
		bool ok = true;
		if (strcmp(arg, "--help") == 0) {
			print_help(stdout);
			return EXIT_DONE;
		}
		if (strcmp(arg, "--parts") == 0) {
			verify->with_parts = true;
		} else if ((value = option_value(argv, &i, "--shards"))) {
			ok = parse_number(value, 1, SIM_SHARDS_MAX, &shards);
		} else if ((value = option_value(argv, &i, "--records"))) {
			ok = parse_number(value, 0, 1000000000, &verify->records);
			verify->has_records = true;
		} else if ((value = option_value(argv, &i, "--status"))) {
			verify->status = value;
		} else if (arg[0] == '-') {
			ok = false;
		} else {
			argv[dirs++] = argv[i];
		}
		if (!ok) {
			fprintf(stderr,
				"lts-sim verify: %s: not an option, or a bad value (see "
				"--help)\n",
				arg);
			return EXIT_USAGE;
		}
	}
	if ((shards != 0) == (verify->status != NULL) || dirs == 0 ||
	    (verify->status && verify->has_records)) {
		fprintf(stderr, "lts-sim verify: --shards or --status, and a directory, are "
				"needed (see --help)\n");
		return EXIT_USAGE;
	}
	verify->shards = (unsigned)shards;
	*dirs_out = dirs;
	return -1;
}

int
sim_verify_main(int argc, char **argv)
{
	struct verify verify = { .out = stdout };
	struct sim_segments segments = { 0 };
	int dirs = 0;
	int code = parse_args(&verify, argc, argv, &dirs);
	if (code >= 0)
		return code;
	verify.ledger = verify.status ? sim_verify_status(verify.status)
				      : sim_ledger_create(verify.shards, verify.has_records,
							  verify.records);
	code = EXIT_USAGE;
	if (!verify.ledger) {
		fprintf(stderr, "lts-sim verify: %s: not what GET /sim/status answers\n",
			verify.status);
		goto out;
	}
	for (int i = 0; i < dirs; i++) {
		if (sim_segments_add(&segments, argv[i])) {
			fprintf(stderr, "lts-sim verify: %s: %s\n", argv[i], strerror(errno));
			goto out;
		}
	}
	sim_segments_sort(&segments);
	code = check_all(&verify, &segments) ? EXIT_FAILED : report(&verify, &segments);
out:
	sim_segments_fini(&segments);
	sim_ledger_destroy(&verify.ledger);
	return code;
}
