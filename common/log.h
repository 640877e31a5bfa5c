/*
 * log.h - one event, one line, as logfmt or JSON, never waiting.
 *
 * A line that the destination has no room for is dropped and counted; the count goes out
 * with the next line that gets through. More than so many lines of one message are held back
 * and counted likewise: common/log_rate.h. Where stderr is the journal's (JOURNAL_STREAM), each
 * line begins with its priority, as <4>. Lines are at most 4,096 bytes, so that lines of
 * several processes on one pipe stay whole; a longer value is cut, marked by "...". Not
 * thread-safe by accident but by construction: a line is built on the stack and leaves in
 * one write.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum log_kind { LOG_KIND_TEXT, LOG_KIND_INT, LOG_KIND_UINT };

struct log_field {
	const char *key;
	enum log_kind kind;
	union {
		const char *text; /* NULL: the field is left out */
		int64_t i;
		uint64_t u;
	};
};

#define LOG_TEXT(k, v)                                         \
	{                                                      \
		.key = (k), .kind = LOG_KIND_TEXT, .text = (v) \
	}
#define LOG_INT(k, v)                                      \
	{                                                  \
		.key = (k), .kind = LOG_KIND_INT, .i = (v) \
	}
#define LOG_UINT(k, v)                                      \
	{                                                   \
		.key = (k), .kind = LOG_KIND_UINT, .u = (v) \
	}

struct log;

/* `who` (borrowed for the log's life) is put into every line: "supervisor", or a
 * consumer's name. */
struct log *log_create(const char *who);
void log_destroy(struct log **log);
/* Adds a destination (at most two): a descriptor that stays the caller's. */
void log_add_fd(struct log *log, int fd, enum log_level least, enum log_format format);
/* Whether the service manager has connected that descriptor to its journal. */
bool log_fd_is_journal(int fd);
/* Adds a file, appended to, created 0600; LTS_SYS with errno. */
enum lts_err log_add_file(struct log *log, const char *path, enum log_level least,
			  enum log_format format) LTS_MUST_USE;
/* A file that another process has opened for us, under a descriptor that stays the caller's. */
enum lts_err log_add_handed(struct log *log, int fd, enum log_level least,
			    enum log_format format) LTS_MUST_USE;
/* Another one takes its place; LTS_NOTFOUND: none was handed. */
enum lts_err log_hand_again(struct log *log, int fd) LTS_MUST_USE;
/* The file of log_add_file, to be handed on; 0: there is none. */
int log_file_fd(const struct log *log);
/* Opens files again under their names, for logrotate. One that cannot be opened stays as
 * it was, and a line says so. */
void log_reopen(struct log *log);
/* Of the first destination; the second (the debug log of is_test) keeps its own. */
void log_set_level(struct log *log, enum log_level least);
uint64_t log_dropped(const struct log *log);

void log_write(struct log *log, enum log_level level, const char *event,
	       const struct log_field *fields, unsigned count);

#define log_at(log, level, event, ...)                                                \
	log_write((log), (level), (event),                                            \
		  (const struct log_field[]){ { .key = 0 }, ##__VA_ARGS__ },          \
		  sizeof((const struct log_field[]){ { .key = 0 }, ##__VA_ARGS__ }) / \
			  sizeof(struct log_field))
#define log_debug(log, event, ...) log_at(log, LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)
#define log_info(log, event, ...) log_at(log, LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_warn(log, event, ...) log_at(log, LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_error(log, event, ...) log_at(log, LOG_LEVEL_ERROR, event, ##__VA_ARGS__)

#endif
