/*
 * options_table.h - the one table of options, and what its columns mean. For the
 * options_*.c files.
 */
#ifndef COMMON_OPTIONS_TABLE_H
#define COMMON_OPTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/options.h"

enum option_type {
	OPTION_TEXT,     /* printable text of min..max bytes */
	OPTION_ID,       /* goes into a path of the service: letters, digits, - _ . */
	OPTION_SECRET,   /* printed nowhere, wiped where it came from; empty is "not given"
			  */
	OPTION_ENDPOINT, /* see common/endpoint.h */
	OPTION_SINK,
	OPTION_LISTEN, /* see common/listen_at.h */
	OPTION_TIME,
	OPTION_INT,
	OPTION_BYTES,
	OPTION_MS,
	OPTION_WORD,
	OPTION_BOOL,
};

enum option_group {
	GROUP_SERVICE,
	GROUP_CREDENTIALS,
	GROUP_CONSUMING,
	GROUP_OUTPUT,
	GROUP_PROCESSING,
	GROUP_TIMING,
	GROUP_LOG,
	GROUP_WATCH,
	GROUP_SAFETY,
	GROUP_PROGRAM,
	OPTION_GROUPS,
};

/* How a changed value comes into force when the configuration is read again (HUP). */
enum option_reload {
	RELOAD_RESTART, /* not before the agent's next start, and that is said */
	RELOAD_LIVE,    /* at once */
	RELOAD_WORKERS, /* as each worker is started anew, one after the other */
};

/* Several words may have one value: the first is the one that is shown. `word` NULL ends
 * the list. */
struct option_word {
	const char *word;
	int64_t value;
};

struct option_spec {
	const char *name; /* with _ */
	enum option_type type;
	enum option_group group;
	size_t offset;       /* in struct options */
	const char *initial; /* the default, parsed like any value; NULL: none */
	const char *absent;  /* a word that stands for "not given", and is shown as the
				default */
	int64_t min, max;    /* of the value, or of a text's length */
	bool off;            /* 0 and `off` are allowed as well, and mean off */
	enum option_reload reload;
	bool program; /* only on the command line: it is about this one start */
	bool required;
	const struct option_word *words;
	const char *alone; /* --name without a value is this one */
	const char *argument; /* what --help calls the value */
	const char *help;
};

extern const struct option_spec options_table[];
extern const unsigned options_table_count;

/* By name, - and _ the same; NULL when there is none. `len` bytes of `name`. */
const struct option_spec *option_find(const char *name, size_t len);
/* The name most like `name`, NULL when none is near. */
const struct option_spec *option_nearest(const char *name);

/* Parses `value` and stores it; false: nothing stored, and `why_out` says what is
 * allowed. */
bool option_set(struct options *options, const struct option_spec *option, const char *value,
		struct buf *why_out) LTS_MUST_USE;
/* A stored text; a secret is wiped first. NULL-safe. */
void option_free_text(const struct option_spec *option, char *text);
/* The value as option_set takes it; false when it is not set. */
bool option_render(const struct options *options, const struct option_spec *option,
		   struct buf *text_out);
/* "10 to 1000", "64KiB to 1GiB", "stop, begin, end"; "" for texts. */
void option_render_range(const struct option_spec *option, struct buf *text_out);

/* "restart", "live", "workers". */
const char *option_reload_name(const struct option_spec *option);

/* Checks the whole: what is required, and what depends on each other. Fills region from
 * endpoint. */
enum lts_err options_check(struct options *options, struct buf *error_out) LTS_MUST_USE;

#endif
