/*
 * options.h - every option once: name, type, unit, default, range, help.
 *
 * Sources, first wins: command line (--name value, --name=value, - and _ the same), environment
 * (LTS_<NAME>; also HUAWEICLOUD_SDK_AK, _SK, _SECURITY_TOKEN), the file named by --config
 * (`name = value`). In every process: the supervisor loads, workers import what it exported.
 */
#ifndef COMMON_OPTIONS_H
#define COMMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"

enum time_kind { TIME_NONE, TIME_BEGIN, TIME_END, TIME_AT };

/* `begin`, `end`, or nanoseconds since 1970 (only with TIME_AT). */
struct time_spec {
	enum time_kind kind;
	int64_t ns;
};

enum record_format { RECORD_LABELS, RECORD_CONTENT, RECORD_CONTENT_KEEP, RECORD_CONTENT_NUL };
enum expired_policy { EXPIRED_STOP, EXPIRED_BEGIN, EXPIRED_END };
enum checkpoint_mode { CHECKPOINT_AUTO, CHECKPOINT_MANUAL };
enum poison_policy { POISON_DEADLETTER, POISON_STOP };
enum agency_kind { AGENCY_OFF, AGENCY_ECS };
/* What --check_config looks at. */
enum check_scope { CHECK_OFF, CHECK_LOCAL, CHECK_ONLINE };
enum sign_date { SIGN_DATE_SHORT, SIGN_DATE_FULL };

/* Texts are NULL when not given and have no default; they belong to the struct. ca_file
 * NULL is the system's certificates, log_file NULL is stderr; end_time is never
 * TIME_BEGIN. `_ms` are milliseconds, `_bytes` bytes. Enumerations hold the values of the
 * enums named. */
struct options {
	char *config, *endpoint, *region, *project_id, *group_id, *stream_id;
	char *consumer_group_name, *ak, *sk, *security_token, *credentials_file;
	int64_t agency;   /* enum agency_kind */
	char *agency_url; /* NULL: the host's own */
	struct time_spec start_time, end_time;
	int64_t consume_batch_size, max_body_bytes, consumer_count;
	char *state_dir, *identity, *sink; /* identity NULL: the host's name */
	int64_t format, content_newline; /* enum record_format: see options_record_format */
	int64_t fetch_interval_ms, heartbeat_interval_ms, heartbeat_timeout_ms;
	int64_t worker_beat_timeout_ms, process_timeout_ms;
	int64_t checkpoint_interval_ms, publish_interval_ms, shutdown_timeout_ms;
	int64_t memory_budget_bytes;
	char *ca_file, *proxy, *tls_name, *tls_pin;
	int64_t on_expired;                       /* enum expired_policy */
	int64_t rotate_bytes, rotate_interval_ms; /* 0: off */
	int64_t checkpoint_mode;                  /* enum checkpoint_mode */
	int64_t max_attempts;
	int64_t on_poison;                          /* enum poison_policy */
	char *deadletter_dir;                       /* NULL: `deadletter` in state_dir */
	int64_t batch_max_records, batch_linger_ms; /* 0: off */
	int64_t log_level, log_format;              /* enum log_level, enum log_format */
	bool is_test, sandbox, batch_parallel;
	char *log_file, *user, *metrics_listen, *metrics_file; /* NULL: off; stderr */
	int64_t sign_date; /* enum sign_date */
	char *replay_deadletter;
	int64_t check_config; /* enum check_scope */
	bool help, version;
	char *odd_variables; /* names of LTS_ variables that no option has; NULL: none */
	bool keys_wiped; /* ak came by command line or environment: not to be read again */
};

void options_init(struct options *options);
/* Wipes ak, sk and the token before freeing. */
void options_fini(struct options *options);

/* Reads all three sources and checks the whole. On LTS_INVALID `error_out` holds one
 * line: the option, the value, where it came from, what is allowed. Wipes secrets in argv
 * and envp, and unsets their variables: in a second call (HUP) they read as not given.
 * Unknown LTS_ variables are only named. With help, version set, nothing required is missed. */
enum lts_err options_load(struct options *options, int argc, char **argv, char **envp,
			  struct buf *error_out) LTS_MUST_USE;
/* What a second reading has brought. */
struct options_news {
	struct buf changed; /* names, ", " between them: in force now */
	struct buf restart; /* the same: only after a restart of the agent */
	bool workers;       /* some of the former concern workers, which must be started anew */
};

/* Takes from `fresh` what may change in a running agent; fresh's old values go the other way.
 * LTS_INVALID: what would come of it does not fit together; nothing was taken, `error_out` has a
 * line. Secrets are no news, and stay if keys_wiped: see common/credentials.h. */
enum lts_err options_reload(struct options *options, struct options *fresh,
			    struct options_news *out, struct buf *error_out) LTS_MUST_USE;

/* The handoff to workers and back: every set option as `name=value` lines, without secrets. */
enum lts_err options_export(const struct options *options, struct buf *text_out) LTS_MUST_USE;
enum lts_err options_import(struct options *options, const char *text,
			    struct buf *error_out) LTS_MUST_USE;

/* The text of --help; README's table (markdown); the man page's list (mdoc); a commented
 * configuration file. */
void options_print_help(FILE *out);
void options_print_table(FILE *out);
void options_print_man(FILE *out);
void options_print_example(FILE *out);

enum record_format options_record_format(const struct options *options);
/* "https://host:port" of endpoint, or of region when there is no endpoint; caller frees. */
char *options_endpoint_url(const struct options *options);

#endif
