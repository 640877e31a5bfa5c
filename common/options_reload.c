/*
 * options_reload.c - a second reading of the options, beside the values in force.
 *
 * In the supervisor, on HUP. Owns nothing. Must never take a part of what does not fit
 * together, nor pass over a value that waits for a restart without a word. Held by
 * tests/common/test_options_reload.c.
 */
#include "common/options_table.h"

#include <string.h>

const char *
option_reload_name(const struct option_spec *option)
{
	static const char *const names[] = {
		[RELOAD_RESTART] = "restart", [RELOAD_LIVE] = "live", [RELOAD_WORKERS] = "workers"
	};
	return names[option->reload];
}

static bool
differs(const struct options *a, const struct options *b, const struct option_spec *option)
{
	struct buf left, right;
	buf_init(&left, 0);
	buf_init(&right, 0);
	bool one = option_render(a, option, &left), other = option_render(b, option, &right);
	bool result = one != other || (one && strcmp(left.data, right.data) != 0);
	buf_fini(&left);
	buf_fini(&right);
	return result;
}

static size_t
size_of(const struct option_spec *option)
{
	switch (option->type) {
	case OPTION_TIME:
		return sizeof(struct time_spec);
	case OPTION_INT:
	case OPTION_BYTES:
	case OPTION_MS:
	case OPTION_WORD:
		return sizeof(int64_t);
	case OPTION_BOOL:
		return sizeof(bool);
	default:
		return sizeof(char *);
	}
}

static void
swap(struct options *a, struct options *b, const struct option_spec *option)
{
	char kept[sizeof(struct time_spec)];
	char *left = (char *)a + option->offset, *right = (char *)b + option->offset;
	size_t size = size_of(option);
	memcpy(kept, left, size);
	memcpy(left, right, size);
	memcpy(right, kept, size);
}

/* Keys that were wiped where they came from stay: what is read now ranks below them. */
static void
swap_all(struct options *a, struct options *b)
{
	for (unsigned i = 0; i < options_table_count; i++) {
		const struct option_spec *option = &options_table[i];
		if (option->reload == RELOAD_RESTART ||
		    (option->type == OPTION_SECRET && a->keys_wiped))
			continue;
		swap(a, b, option);
	}
}

/* `options` has its new values, and `fresh` the former ones of those. */
static void
tell(const struct options *options, const struct options *fresh, struct options_news *out)
{
	for (unsigned i = 0; i < options_table_count; i++) {
		const struct option_spec *option = &options_table[i];
		if (option->type == OPTION_SECRET || option->program ||
		    !differs(options, fresh, option))
			continue;
		struct buf *list =
			option->reload == RELOAD_RESTART ? &out->restart : &out->changed;
		if (buf_printf(list, "%s%s", list->len ? ", " : "", option->name))
			return; /* longer than its ceiling */
		out->workers |= option->reload == RELOAD_WORKERS;
	}
}

enum lts_err
options_reload(struct options *options, struct options *fresh, struct options_news *out,
	       struct buf *error_out)
{
	swap_all(options, fresh);
	if (options_check(options, error_out)) {
		swap_all(options, fresh);
		return LTS_INVALID;
	}
	tell(options, fresh, out);
	return LTS_OK;
}
