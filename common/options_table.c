/*
 * options_table.c - every option once: name, type, default, range, help.
 *
 * In every process. Command line, environment, configuration file, --help and the
 * README's table are all read from here. Owns nothing; must never hold a value. Held by
 * tests/common/test_options.c.
 */
#include "common/options_table.h"

#include <string.h>

#include "common/log.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

enum { PATH_BYTES = 3000, NEAREST_MAX = 32 };

/* clang-format off */
static const struct option_word formats[] = {
	{ "labels", RECORD_LABELS }, { "content", RECORD_CONTENT }, { NULL, 0 }
};
static const struct option_word content_newlines[] = {
	{ "escape", RECORD_CONTENT }, { "keep", RECORD_CONTENT_KEEP },
	{ "nul", RECORD_CONTENT_NUL }, { NULL, 0 }
};
static const struct option_word expired_policies[] = {
	{ "stop", EXPIRED_STOP }, { "begin", EXPIRED_BEGIN }, { "end", EXPIRED_END }, { NULL, 0 }
};
static const struct option_word checkpoint_modes[] = {
	{ "auto", CHECKPOINT_AUTO }, { "manual", CHECKPOINT_MANUAL }, { NULL, 0 }
};
static const struct option_word poison_policies[] = {
	{ "deadletter", POISON_DEADLETTER }, { "stop", POISON_STOP }, { NULL, 0 }
};
static const struct option_word agencies[] = {
	{ "off", AGENCY_OFF }, { "ecs", AGENCY_ECS }, { NULL, 0 }
};
static const struct option_word sign_dates[] = {
	{ "short", SIGN_DATE_SHORT }, { "full", SIGN_DATE_FULL }, { NULL, 0 }
};
/* Without `online` it is as good as a BOOL. */
static const struct option_word check_scopes[] = {
	{ "off", CHECK_OFF },   { "on", CHECK_LOCAL },   { "online", CHECK_ONLINE },
	{ "false", CHECK_OFF }, { "true", CHECK_LOCAL }, { "no", CHECK_OFF },
	{ "yes", CHECK_LOCAL }, { "0", CHECK_OFF },      { "1", CHECK_LOCAL }, { NULL, 0 }
};
static const struct option_word log_formats[] = {
	{ "logfmt", LOG_FORMAT_LOGFMT }, { "json", LOG_FORMAT_JSON }, { NULL, 0 }
};
/* The others are the levels of the seed's logger. */
static const struct option_word log_levels[] = {
	{ "debug", LOG_LEVEL_DEBUG }, { "info", LOG_LEVEL_INFO },     { "warn", LOG_LEVEL_WARN },
	{ "error", LOG_LEVEL_ERROR }, { "trace", LOG_LEVEL_DEBUG },   { "success", LOG_LEVEL_INFO },
	{ "warning", LOG_LEVEL_WARN }, { "critical", LOG_LEVEL_ERROR }, { NULL, 0 }
};

#define AT(field) .offset = offsetof(struct options, field)
#define OPT(n, t, g) .name = #n, .type = OPTION_##t, .group = GROUP_##g
#define RANGE(lo, hi) .min = (lo), .max = (hi)
#define LIVE .reload = RELOAD_LIVE
#define WORKERS .reload = RELOAD_WORKERS

const struct option_spec options_table[] = {
	{ OPT(endpoint, ENDPOINT, SERVICE), AT(endpoint), RANGE(1, 300), .argument = "URL",
	  .help = "where the service is: a URL, or host[:port], which is https with port 8102; "
		  "plain http only to this machine; without it the region's endpoint" },
	{ OPT(region, ID, SERVICE), AT(region), RANGE(1, 64), .argument = "NAME",
	  .help = "the region of the service, as cn-north-4; part of every signature; read from an "
		  "endpoint lts-access.REGION... when not given" },
	{ OPT(project_id, ID, SERVICE), AT(project_id), RANGE(1, 128), .required = true,
	  .argument = "ID", .help = "the account's project" },
	{ OPT(group_id, ID, SERVICE), AT(group_id), RANGE(1, 128), .required = true,
	  .argument = "ID", .help = "the log group" },
	{ OPT(stream_id, ID, SERVICE), AT(stream_id), RANGE(1, 128), .required = true,
	  .argument = "ID", .help = "the log stream" },
	{ OPT(consumer_group_name, TEXT, SERVICE), AT(consumer_group_name), RANGE(1, 127),
	  .required = true, .argument = "NAME",
	  .help = "the consumer group; hosts with the same one share the stream" },
	{ OPT(ca_file, TEXT, SERVICE), AT(ca_file), RANGE(1, PATH_BYTES), .absent = "system",
	  .argument = "FILE",
	  .help = "certificates to trust, looked at again when they change; TLS is always "
		  "verified" },
	{ OPT(tls_name, ID, SERVICE), AT(tls_name), RANGE(1, 253), .absent = "endpoint",
	  .argument = "NAME",
	  .help = "the name that the service's certificate has, where that is not the endpoint's" },
	{ OPT(tls_pin, TEXT, SERVICE), AT(tls_pin), RANGE(1, 400), .absent = "none",
	  .argument = "sha256//HASH",
	  .help = "the service's public key, whoever vouches for it and whatever its name: base64 "
		  "of its hash; several with ; between them" },
	{ OPT(proxy, TEXT, SERVICE), AT(proxy), RANGE(1, 300), .absent = "none",
	  .argument = "URL",
	  .help = "the way to an https service: none, env (what https_proxy and no_proxy say), or "
		  "http://HOST:PORT, https://, socks5h://" },
	{ OPT(sign_date, WORD, SERVICE), AT(sign_date), .initial = "short", .words = sign_dates,
	  .argument = "WORD", .help = "the date inside the signature: the day, or the full time" },

	{ OPT(ak, SECRET, CREDENTIALS), AT(ak), LIVE, RANGE(1, 127), .argument = "KEY",
	  .help = "access key; also HUAWEICLOUD_SDK_AK" },
	{ OPT(sk, SECRET, CREDENTIALS), AT(sk), LIVE, RANGE(1, 127), .argument = "KEY",
	  .help = "secret key; also HUAWEICLOUD_SDK_SK; better not on the command line" },
	{ OPT(security_token, SECRET, CREDENTIALS), AT(security_token), LIVE, RANGE(1, 8191),
	  .argument = "TOKEN",
	  .help = "token of temporary keys; also HUAWEICLOUD_SDK_SECURITY_TOKEN" },
	{ OPT(credentials_file, TEXT, CREDENTIALS), AT(credentials_file), LIVE,
	  RANGE(1, PATH_BYTES),
	  .absent = "~/.huaweicloud/credentials", .argument = "FILE",
	  .help = "where ak, sk and security_token stand under [basic] when they are not given "
		  "otherwise; under systemd first $CREDENTIALS_DIRECTORY/credentials, a copy "
		  "made at the start; looked at again when it changes" },
	{ OPT(agency, WORD, CREDENTIALS), AT(agency), .initial = "off", .words = agencies,
	  .argument = "WORD",
	  .help = "where no keys are given: ecs asks this host's metadata service for those of its "
		  "agency, and again before they expire" },
	{ OPT(agency_url, ENDPOINT, CREDENTIALS), AT(agency_url), RANGE(1, 300),
	  .absent = "http://169.254.169.254", .argument = "URL",
	  .help = "of the metadata service; for tests" },

	{ OPT(start_time, TIME, CONSUMING), AT(start_time), .required = true, .argument = "TIME",
	  .help = "where a shard without a checkpoint starts: begin, end, an RFC 3339 time, or an "
		  "integer since 1970, in s, ms, us or ns by its size; the service's time" },
	{ OPT(end_time, TIME, CONSUMING), AT(end_time), .absent = "none", .argument = "TIME",
	  .help = "where to stop, and exit 0: as start_time, but not begin; 0 is none" },
	{ OPT(consumer_count, INT, CONSUMING), AT(consumer_count), LIVE,
	  .initial = "1", RANGE(1, 256),
	  .argument = "N", .help = "worker processes, each one consumer of the group" },
	{ OPT(consume_batch_size, INT, CONSUMING), AT(consume_batch_size), WORKERS,
	  .initial = "1000",
	  RANGE(10, 1000), .argument = "N", .help = "records asked for in one request" },
	{ OPT(max_body_bytes, BYTES, CONSUMING), AT(max_body_bytes), WORKERS, .initial = "16MiB",
	  RANGE(64 * KIB, GIB), .argument = "SIZE",
	  .help = "largest answer, decoded; above it fewer records are asked for" },
	{ OPT(memory_budget, BYTES, CONSUMING), AT(memory_budget_bytes), WORKERS,
	  .initial = "64MiB",
	  RANGE(MIB, 64 * GIB), .argument = "SIZE",
	  .help = "records held in memory, per worker; one batch may always exceed it" },
	{ OPT(fetch_interval, MS, CONSUMING), AT(fetch_interval_ms), WORKERS, .initial = "200ms",
	  RANGE(1, HOUR), .argument = "SPAN",
	  .help = "longest wait after an empty batch; in that time at most 100 idle shards of a "
		  "worker ask, so with more of them each waits longer, up to 5s" },
	{ OPT(on_expired, WORD, CONSUMING), AT(on_expired), WORKERS, .initial = "stop",
	  .words = expired_policies, .argument = "WORD",
	  .help = "what to do when the records at a cursor are no longer kept: stop that shard, or "
		  "go on at its begin or end; the gap is logged and counted" },

	{ OPT(state_dir, TEXT, OUTPUT), AT(state_dir), .initial = "./lts-state.d",
	  RANGE(1, PATH_BYTES), .argument = "DIR",
	  .help = "checkpoints and locks; made with mode 0700; one supervisor each" },
	{ OPT(identity, ID, OUTPUT), AT(identity), RANGE(1, 64), .absent = "the host's name",
	  .argument = "NAME",
	  .help = "whose the state is, wherever it runs: for a pod, or a host that may be renamed; "
		  "no two agents of a consumer group may have the same" },
	{ OPT(sink, SINK, OUTPUT), AT(sink), .initial = "stdout", RANGE(1, PATH_BYTES),
	  .argument = "SINK",
	  .help = "where records go: stdout, null, file:DIR; or to code of yours: "
		  "plugin:FILE.so[?args], exec:COMMAND, batch:COMMAND" },
	{ OPT(format, WORD, OUTPUT), AT(format), WORKERS, .initial = "labels", .words = formats,
	  .argument = "WORD",
	  .help = "of a record, on one line: labels is its JSON object, byte for byte; content is "
		  "its log_content, as text" },
	{ OPT(content_newline, WORD, OUTPUT), AT(content_newline), WORKERS, .initial = "escape",
	  .words = content_newlines, .argument = "WORD",
	  .help = "with format=content, a line break inside a record: escape writes it as \\n "
		  "(\\r, and a backslash as \\\\), so that each line is a record; keep writes it "
		  "as it is; nul does, too, and ends each record with a NUL instead of a newline" },
	{ OPT(rotate_bytes, BYTES, OUTPUT), AT(rotate_bytes), WORKERS, .initial = "256MiB",
	  RANGE(KIB, 1024 * GIB), .off = true, .argument = "SIZE",
	  .help = "the file sink begins a new file after this much" },
	{ OPT(rotate_interval, MS, OUTPUT), AT(rotate_interval_ms), WORKERS, .initial = "off",
	  RANGE(SECOND, 366 * DAY), .off = true, .argument = "SPAN",
	  .help = "the file sink begins a new file after this long" },

	{ OPT(checkpoint_mode, WORD, PROCESSING), AT(checkpoint_mode), WORKERS, .initial = "auto",
	  .words = checkpoint_modes, .argument = "WORD",
	  .help = "auto: what your code has acknowledged is behind the checkpoint; manual: only "
		  "what it has saved" },
	{ OPT(max_attempts, INT, PROCESSING), AT(max_attempts), WORKERS,
	  .initial = "5", RANGE(1, 1000),
	  .argument = "N",
	  .help = "failures of the same records before they are tried in halves, until the one "
		  "that fails stands alone" },
	{ OPT(on_poison, WORD, PROCESSING), AT(on_poison), WORKERS, .initial = "deadletter",
	  .words = poison_policies, .argument = "WORD",
	  .help = "what becomes of a record that fails alone, or cannot be read: it is put aside "
		  "in deadletter_dir, or its shard stops" },
	{ OPT(deadletter_dir, TEXT, PROCESSING), AT(deadletter_dir), RANGE(1, PATH_BYTES),
	  .absent = "STATE_DIR/deadletter", .argument = "DIR",
	  .help = "records that were put aside, a line of JSON each" },
	{ OPT(batch_max_records, INT, PROCESSING), AT(batch_max_records), WORKERS,
	  .initial = "10000",
	  RANGE(1, 1000000), .argument = "N", .help = "most records for one batch:COMMAND" },
	{ OPT(batch_linger, MS, PROCESSING), AT(batch_linger_ms), WORKERS, .initial = "1s",
	  RANGE(1, MINUTE), .off = true, .argument = "SPAN",
	  .help = "longest wait for more records for one batch:COMMAND" },
	{ OPT(batch_parallel, BOOL, PROCESSING), AT(batch_parallel), WORKERS, .initial = "false",
	  .argument = "BOOL",
	  .help = "up to eight of batch:COMMAND a worker at once, rather than one at a time over "
		  "all workers" },

	{ OPT(heartbeat_interval, MS, TIMING), AT(heartbeat_interval_ms), LIVE, .initial = "1s",
	  RANGE(10, 10 * MINUTE), .argument = "SPAN",
	  .help = "between heartbeats to the service; below a sixth of heartbeat_timeout" },
	{ OPT(heartbeat_timeout, MS, TIMING), AT(heartbeat_timeout_ms), .initial = "60s",
	  RANGE(SECOND, HOUR), .argument = "SPAN",
	  .help = "after which the service gives an unheard consumer's shards away; must not be "
		  "longer than the service's own" },
	{ OPT(worker_beat_timeout, MS, TIMING), AT(worker_beat_timeout_ms), WORKERS,
	  .initial = "3s",
	  RANGE(100, HOUR), .argument = "SPAN",
	  .help = "a worker whose loop stands still for this long is killed" },
	{ OPT(process_timeout, MS, TIMING), AT(process_timeout_ms), WORKERS, .initial = "5m",
	  RANGE(100, DAY), .argument = "SPAN",
	  .help = "a worker whose sink's code of yours does not return for this long is killed" },
	{ OPT(checkpoint_interval, MS, TIMING), AT(checkpoint_interval_ms), WORKERS,
	  .initial = "200ms",
	  RANGE(1, 10 * MINUTE), .argument = "SPAN",
	  .help = "between commits of checkpoints here" },
	{ OPT(publish_interval, MS, TIMING), AT(publish_interval_ms), LIVE, .initial = "5s",
	  RANGE(10, HOUR), .argument = "SPAN",
	  .help = "between writes of checkpoints to the service" },
	{ OPT(shutdown_timeout, MS, TIMING), AT(shutdown_timeout_ms), WORKERS, .initial = "30s",
	  RANGE(100, HOUR), .argument = "SPAN",
	  .help = "after TERM: longest time to drain, commit and publish" },

	{ OPT(log_level, WORD, LOG), AT(log_level), LIVE, .initial = "info", .words = log_levels,
	  .argument = "WORD", .help = "least level that is logged" },
	{ OPT(log_format, WORD, LOG), AT(log_format), .initial = "logfmt", .words = log_formats,
	  .argument = "WORD", .help = "of a log line" },
	{ OPT(log_file, TEXT, LOG), AT(log_file), RANGE(1, PATH_BYTES), .absent = "stderr",
	  .argument = "FILE", .help = "where the log goes" },
	{ OPT(is_test, BOOL, LOG), AT(is_test), .initial = "false", .argument = "BOOL",
	  .help = "a debug log to debug.log in state_dir as well" },

	{ OPT(metrics_listen, LISTEN, WATCH), AT(metrics_listen), RANGE(1, 300), .absent = "off",
	  .argument = "WHERE",
	  .help = "serves /metrics (Prometheus), /healthz and /readyz: ADDRESS:PORT, as "
		  "127.0.0.1:9464 for this machine alone, or unix:PATH" },
	{ OPT(metrics_file, TEXT, WATCH), AT(metrics_file), RANGE(1, PATH_BYTES), .absent = "off",
	  .argument = "FILE",
	  .help = "the same metrics every 15s, for node_exporter's textfile collector: a name "
		  "that ends in .prom" },

	{ OPT(user, TEXT, SAFETY), AT(user), RANGE(1, 256), .argument = "NAME",
	  .help = "started as root: whom to become, for good, once the configuration is read" },
	{ OPT(sandbox, BOOL, SAFETY), AT(sandbox), WORKERS, .initial = "true", .argument = "BOOL",
	  .help = "workers without code of yours give up the files and system calls that they have "
		  "no use for, where the kernel can" },

	{ OPT(config, TEXT, PROGRAM), AT(config), RANGE(1, PATH_BYTES), .argument = "FILE",
	  .help = "configuration file: lines of name = value" },
	{ OPT(check_config, WORD, PROGRAM), AT(check_config), .program = true, .initial = "off",
	  .words = check_scopes, .alone = "on", .argument = "[online]",
	  .help = "check the configuration, its files, directories and code, with online by one "
		  "question to the service too; then exit: 0, or 1 when something cannot be read, "
		  "written or reached, or 2" },
	{ OPT(replay_deadletter, TEXT, PROGRAM), AT(replay_deadletter), RANGE(1, PATH_BYTES),
	  .program = true, .argument = "FILE",
	  .help = "send the records of this file of deadletter_dir through the sink again, then "
		  "exit: 0, or 1 when some failed again; those are in FILE.failed" },
	{ OPT(help, BOOL, PROGRAM), AT(help), .program = true, .help = "print this text" },
	{ OPT(version, BOOL, PROGRAM), AT(version), .program = true, .help = "print the version" },
};

/* clang-format on */

const unsigned options_table_count = sizeof(options_table) / sizeof(options_table[0]);

static bool
same_name(const char *own, const char *name, size_t len)
{
	if (strlen(own) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (own[i] != (name[i] == '-' ? '_' : name[i]))
			return false;
	}
	return true;
}

const struct option_spec *
option_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < options_table_count; i++) {
		if (same_name(options_table[i].name, name, len))
			return &options_table[i];
	}
	return NULL;
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters to insert, delete, replace; both texts are at most NEAREST_MAX long. */
static unsigned
edit_distance(const char *a, const char *b)
{
	unsigned row[NEAREST_MAX + 1];
	size_t b_len = strlen(b);

	for (unsigned j = 0; j <= b_len; j++)
		row[j] = j;
	for (unsigned i = 1; *a; a++, i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned above = row[j];
			char letter = *a == '-' ? '_' : *a;
			unsigned replaced = diagonal + (letter != b[j - 1]);
			row[j] = least(replaced, least(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[b_len];
}

const struct option_spec *
option_nearest(const char *name)
{
	const struct option_spec *best = NULL;
	size_t len = strlen(name);
	unsigned best_distance = 2 + (unsigned)(len > NEAREST_MAX ? 0 : len / 6);

	if (len < 2 || len > NEAREST_MAX)
		return NULL;
	for (unsigned i = 0; i < options_table_count; i++) {
		unsigned distance = edit_distance(name, options_table[i].name);

		if (distance < best_distance || (distance == best_distance && !best)) {
			best = &options_table[i];
			best_distance = distance;
		}
	}
	return best;
}
