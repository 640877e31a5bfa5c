/*
 * options_check.c - the options as a whole: what is required, and what depends on each
 * other.
 *
 * In every process. Pure, but for the region that it takes from the endpoint's host. Must
 * never let a set of options pass that cannot work, nor name the value of a secret. Held
 * by tests/common/test_options_check.c.
 */
#include "common/options_table.h"

#include "common/endpoint.h"
#include "common/options_value.h"
#include "common/xalloc.h"

/* options_table's row has been checked: the endpoint parses. */
static void
region_from_endpoint(struct options *options)
{
	struct endpoint endpoint;
	const char *why;
	char region[64];

	if (options->region || !options->endpoint ||
	    !endpoint_parse(options->endpoint, &endpoint, &why))
		return;
	if (endpoint_region(&endpoint, region, sizeof(region)))
		options->region = xstrdup(region);
}

static bool
is_missing(const struct options *options, const struct option_spec *option)
{
	struct buf text;
	bool missing;

	buf_init(&text, 0);
	missing = option->required && !option_render(options, option, &text);
	buf_fini(&text);
	return missing;
}

/* Names all that are missing at once, in the table's order. */
static enum lts_err
check_required(const struct options *options, struct buf *error_out)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < options_table_count; i++) {
		if (!is_missing(options, &options_table[i]))
			continue;
		(void)!buf_printf(error_out, missing++ ? ", '%s'" : "option '%s'",
				  options_table[i].name);
	}
	if (missing) {
		(void)!buf_put_text(error_out,
				    ": required, and not given by command line, environment "
				    "or configuration file");
		return LTS_INVALID;
	}
	if (options->region)
		return LTS_OK;
	(void)!buf_put_text(
		error_out,
		options->endpoint
			? "option 'region': required: it is part of every signature, and "
			  "the "
			  "endpoint's host is not lts-access.REGION..., that would name "
			  "it"
			: "option 'endpoint' or 'region': one of them is required");
	return LTS_INVALID;
}

static enum lts_err
check_credentials(const struct options *options, struct buf *error_out)
{
	if (!options->ak == !options->sk && (options->ak || !options->security_token))
		return LTS_OK;
	(void)!buf_printf(error_out, "option '%s': required when '%s' is given",
			  options->ak ? "sk" : "ak",
			  options->ak   ? "ak"
			  : options->sk ? "sk"
					: "security_token");
	return LTS_INVALID;
}

static enum lts_err
check_times(const struct options *options, struct buf *error_out)
{
	const struct time_spec *start = &options->start_time, *end = &options->end_time;
	char start_text[VALUE_TEXT], end_text[VALUE_TEXT];

	if (start->kind != TIME_AT || end->kind != TIME_AT || start->ns <= end->ns)
		return LTS_OK;
	value_render_time(start, start_text);
	value_render_time(end, end_text);
	(void)!buf_printf(error_out, "option 'start_time': %s is after end_time, %s", start_text,
			  end_text);
	return LTS_INVALID;
}

static enum lts_err
check_heartbeat(const struct options *options, struct buf *error_out)
{
	char interval[VALUE_TEXT], timeout[VALUE_TEXT];

	if (options->heartbeat_interval_ms * 6 < options->heartbeat_timeout_ms)
		return LTS_OK;
	value_render_ms(options->heartbeat_interval_ms, interval);
	value_render_ms(options->heartbeat_timeout_ms, timeout);
	(void)!buf_printf(error_out,
			  "option 'heartbeat_interval': %s: must be below a sixth of "
			  "heartbeat_timeout, "
			  "which is %s",
			  interval, timeout);
	return LTS_INVALID;
}

enum lts_err
options_check(struct options *options, struct buf *error_out)
{
	enum lts_err err;

	buf_clear(error_out);
	region_from_endpoint(options);
	err = check_required(options, error_out);
	if (!err)
		err = check_credentials(options, error_out);
	if (!err)
		err = check_times(options, error_out);
	if (!err)
		err = check_heartbeat(options, error_out);
	return err;
}
