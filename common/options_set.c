/*
 * options_set.c - one value of one option: checked and stored, and written out again.
 *
 * In every process. Owns nothing; writes to the field that the table names. Must never
 * store a value out of its range, nor a text with a control character (so that an
 * exported line is one line), and never repeats a secret in what it says. Held by
 * tests/common/test_options_value.c.
 */
#include "common/options_table.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/endpoint.h"
#include "common/listen_at.h"
#include "common/options_value.h"
#include "common/protect.h"
#include "common/xalloc.h"

/* buf_printf into a buffer with room enough: what is longer is left out. */
#define SAY(buf, ...)                               \
	do {                                        \
		if (buf_printf((buf), __VA_ARGS__)) \
			return false;               \
	} while (0)

static char **
text_of(struct options *options, const struct option_spec *option)
{
	return (char **)(void *)((char *)options + option->offset);
}

static int64_t *
number_of(struct options *options, const struct option_spec *option)
{
	return (int64_t *)(void *)((char *)options + option->offset);
}

static const void *
field_of(const struct options *options, const struct option_spec *option)
{
	return (const char *)options + option->offset;
}

void
option_free_text(const struct option_spec *option, char *text)
{
	if (text && option->type == OPTION_SECRET)
		protect_free(text, strlen(text) + 1);
	else
		free(text);
}

static void
store_text(struct options *options, const struct option_spec *option, const char *value)
{
	char **text = text_of(options, option);

	option_free_text(option, *text);
	*text = NULL;
	if (value && option->type == OPTION_SECRET)
		*text = memcpy(protect_alloc(strlen(value) + 1), value, strlen(value));
	else if (value)
		*text = xstrdup(value);
}

static bool
is_id(const char *value)
{
	if (strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		return false;
	for (; *value; value++) {
		if (!isalnum((unsigned char)*value) && !strchr("-_.", *value))
			return false;
	}
	return true;
}

static bool
is_printable(const char *value, bool blanks)
{
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c < 0x20 || c == 0x7f || (!blanks && (c == ' ' || c >= 0x80)))
			return false;
	}
	return true;
}

static const char *
check_text(const struct option_spec *option, const char *value)
{
	if (option->type == OPTION_SECRET)
		return is_printable(value, false) ? NULL : "must be printable, without blanks";
	if (option->type == OPTION_ID && !is_id(value))
		return "must be letters, digits, '-', '_' and '.'";
	if (!is_printable(value, true))
		return "must not have control characters";
	if (strcmp(option->name, "tls_pin") == 0)
		return value_check_pin(value);
	if (strcmp(option->name, "proxy") == 0)
		return value_check_proxy(value);
	if (strcmp(option->name, "consumer_group_name") == 0 &&
	    (strcmp(value, ".") == 0 || strcmp(value, "..") == 0))
		return "must be a name";
	return NULL;
}

static bool
set_text(struct options *options, const struct option_spec *option, const char *value,
	 struct buf *why_out)
{
	size_t len = strlen(value);

	if (!len && option->type == OPTION_SECRET)
		return true;
	if (option->absent && strcasecmp(value, option->absent) == 0) {
		store_text(options, option, NULL);
		return true;
	}
	const char *why = check_text(option, value);
	if (!len)
		why = "must not be empty";
	if (why) {
		SAY(why_out, "%s", why);
		return false;
	}
	if ((int64_t)len > option->max) {
		SAY(why_out, "must be at most %" PRId64 " bytes long", option->max);
		return false;
	}
	store_text(options, option, value);
	return true;
}

static bool
set_endpoint(struct options *options, const struct option_spec *option, const char *value,
	     struct buf *why_out)
{
	struct endpoint endpoint;
	const char *why;

	if (!endpoint_parse(value, &endpoint, &why)) {
		SAY(why_out, "%s", why);
		return false;
	}
	return set_text(options, option, value, why_out);
}

static bool
set_listen(struct options *options, const struct option_spec *option, const char *value,
	   struct buf *why_out)
{
	struct listen_at at;
	const char *why;

	if (strcasecmp(value, option->absent) != 0 && !listen_at_parse(value, &at, &why)) {
		SAY(why_out, "%s", why);
		return false;
	}
	return set_text(options, option, value, why_out);
}

static bool
set_sink(struct options *options, const struct option_spec *option, const char *value,
	 struct buf *why_out)
{
	static const char *const kinds[] = { "file:", "plugin:", "exec:", "batch:" };
	static const char *const words[] = { "stdout", "null" };

	for (unsigned i = 0; i < 2; i++) {
		if (strcasecmp(value, words[i]) == 0)
			return set_text(options, option, words[i], why_out);
	}
	for (unsigned i = 0; i < 4; i++) {
		size_t len = strlen(kinds[i]);
		if (strncmp(value, kinds[i], len) == 0 && value[len])
			return set_text(options, option, value, why_out);
	}
	SAY(why_out, "must be stdout, null, file:DIR, plugin:FILE.so[?args], exec:COMMAND or "
		     "batch:COMMAND");
	return false;
}

static bool
set_word(struct options *options, const struct option_spec *option, const char *value,
	 struct buf *why_out)
{
	for (const struct option_word *word = option->words; word->word; word++) {
		if (strcasecmp(value, word->word) == 0) {
			*number_of(options, option) = word->value;
			return true;
		}
	}
	SAY(why_out, "must be ");
	option_render_range(option, why_out);
	return false;
}

static bool
set_number(struct options *options, const struct option_spec *option, const char *value,
	   struct buf *why_out)
{
	int64_t number = 0;
	const char *why = NULL;

	if (option->off && (strcasecmp(value, "off") == 0 || strcmp(value, "0") == 0)) {
		*number_of(options, option) = 0;
		return true;
	}
	if (option->type == OPTION_BYTES)
		why = value_parse_bytes(value, &number);
	else if (option->type == OPTION_MS)
		why = value_parse_ms(value, &number);
	else if (!value_digits(value, &number))
		why = "must be a whole number";
	if (!why && number >= option->min && number <= option->max) {
		*number_of(options, option) = number;
		return true;
	}
	SAY(why_out, "%s", why ? why : "must be");
	SAY(why_out, "%s", why ? ", " : " ");
	option_render_range(option, why_out);
	return false;
}

static bool
set_time(struct options *options, const struct option_spec *option, const char *value,
	 struct buf *why_out)
{
	struct time_spec *field = (struct time_spec *)(void *)((char *)options + option->offset);
	struct time_spec spec = { .kind = TIME_NONE };
	bool may_be_none = option->absent != NULL; /* end_time, where the seed's 0 is none too */
	const char *why = NULL;

	if (!may_be_none || strcasecmp(value, option->absent) != 0)
		why = value_parse_time(value, &spec);
	if (may_be_none && spec.kind == TIME_AT && spec.ns == 0)
		spec.kind = TIME_NONE;
	if (may_be_none && spec.kind == TIME_BEGIN)
		why = "must be a time, end or none: nothing is before the begin";
	if (why) {
		SAY(why_out, "%s", why);
		return false;
	}
	*field = spec;
	return true;
}

bool
option_set(struct options *options, const struct option_spec *option, const char *value,
	   struct buf *why_out)
{
	const char *why;

	switch (option->type) {
	case OPTION_TEXT:
	case OPTION_ID:
	case OPTION_SECRET:
		return set_text(options, option, value, why_out);
	case OPTION_ENDPOINT:
		return set_endpoint(options, option, value, why_out);
	case OPTION_SINK:
		return set_sink(options, option, value, why_out);
	case OPTION_LISTEN:
		return set_listen(options, option, value, why_out);
	case OPTION_TIME:
		return set_time(options, option, value, why_out);
	case OPTION_INT:
	case OPTION_BYTES:
	case OPTION_MS:
		return set_number(options, option, value, why_out);
	case OPTION_WORD:
		return set_word(options, option, value, why_out);
	case OPTION_BOOL:
		break;
	}
	why = value_parse_bool(value, (bool *)((char *)options + option->offset));
	if (why)
		SAY(why_out, "%s", why);
	return !why;
}

static bool
render_number(const struct option_spec *option, int64_t number, struct buf *text_out)
{
	char text[VALUE_TEXT];

	if (option->off && !number) {
		SAY(text_out, "off");
		return true;
	}
	if (option->type == OPTION_BYTES)
		value_render_bytes(number, text);
	else if (option->type == OPTION_MS)
		value_render_ms(number, text);
	else
		(void)snprintf(text, sizeof(text), "%" PRId64, number);
	SAY(text_out, "%s", text);
	return true;
}

bool
option_render(const struct options *options, const struct option_spec *option,
	      struct buf *text_out)
{
	const void *field = field_of(options, option);
	const char *text;
	char time_text[VALUE_TEXT];

	switch (option->type) {
	case OPTION_TEXT:
	case OPTION_ID:
	case OPTION_SECRET:
	case OPTION_ENDPOINT:
	case OPTION_SINK:
	case OPTION_LISTEN:
		text = *(char *const *)field;
		if (!text)
			return false;
		SAY(text_out, "%s", text);
		return true;
	case OPTION_TIME:
		if (((const struct time_spec *)field)->kind == TIME_NONE)
			return false;
		value_render_time(field, time_text);
		SAY(text_out, "%s", time_text);
		return true;
	case OPTION_WORD:
		for (const struct option_word *word = option->words; word->word; word++) {
			if (word->value == *(const int64_t *)field) {
				SAY(text_out, "%s", word->word);
				return true;
			}
		}
		return false;
	case OPTION_BOOL:
		SAY(text_out, "%s", *(const bool *)field ? "true" : "false");
		return true;
	case OPTION_INT:
	case OPTION_BYTES:
	case OPTION_MS:
		break;
	}
	return render_number(option, *(const int64_t *)field, text_out);
}

static bool
render_words(const struct option_word *words, struct buf *text_out)
{
	for (const struct option_word *word = words; word->word; word++) {
		bool alias = false;

		for (const struct option_word *before = words; before < word; before++)
			alias |= before->value == word->value;
		if (!alias)
			SAY(text_out, "%s%s", word == words ? "" : ", ", word->word);
	}
	return true;
}

void
option_render_range(const struct option_spec *option, struct buf *text_out)
{
	bool number = option->type == OPTION_INT || option->type == OPTION_BYTES ||
		      option->type == OPTION_MS;

	if (option->type == OPTION_WORD)
		(void)(!buf_put_text(text_out, "one of ") &&
		       render_words(option->words, text_out));
	if (!number)
		return;
	if (!render_number(option, option->min, text_out) || buf_put_text(text_out, " to ") ||
	    !render_number(option, option->max, text_out))
		return;
	if (option->off)
		(void)!buf_put_text(text_out, ", or off");
}
