/*
 * options_value.h - values of options, from text and to text. For the options_*.c files.
 *
 * A parser returns NULL, or a static text that says what is allowed; nothing is stored
 * then.
 */
#ifndef COMMON_OPTIONS_VALUE_H
#define COMMON_OPTIONS_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/options.h"

enum { VALUE_TEXT = 48 };

/* Decimal digits and nothing else, that fit; false otherwise. */
bool value_digits(const char *text, int64_t *out);
/* "1048576", "64MiB", "1GB": powers of 1024 with an i, of 1000 without. */
const char *value_parse_bytes(const char *text, int64_t *out);
/* "200ms", "1s", "5m", "1h", "7d". */
const char *value_parse_ms(const char *text, int64_t *out);
const char *value_parse_bool(const char *text, bool *out);
const char *value_parse_time(const char *text, struct time_spec *out);

/* Of texts that are kept as they are. */
const char *value_check_pin(const char *text);
const char *value_check_proxy(const char *text);

/* In the largest unit that is exact. */
void value_render_bytes(int64_t bytes, char out[VALUE_TEXT]);
void value_render_ms(int64_t ms, char out[VALUE_TEXT]);
void value_render_time(const struct time_spec *spec, char out[VALUE_TEXT]);

#endif
