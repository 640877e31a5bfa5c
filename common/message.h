/*
 * message.h - the bodies of the channel's messages, and their bytes.
 *
 * What each one means stands in common/handoff.h. All times are CLOCK_BOOTTIME
 * milliseconds unless named otherwise. A decoded message borrows `text` from the bytes it
 * was decoded from.
 */
#ifndef COMMON_MESSAGE_H
#define COMMON_MESSAGE_H

#include <stddef.h>

#include "common/err.h"
#include "common/handoff.h"
#include "common/ids.h"

enum {
	MESSAGE_MAX_RENEW = 4096,
	SUSPECT_ATTEMPTS_MAX = 5, /* deaths over one batch that stop its shard */
};

/* A batch over which workers died or hung inside the sink; attempts 0: there is none. */
struct suspect {
	struct cursor cursor; /* where it starts */
	uint32_t first;       /* the first of its records that is meant */
	uint32_t count;       /* of records; 0: not known */
	uint32_t attempts;    /* deaths so far */
};

/* Why the last holder of a shard is not its holder any more. */
enum fate { FATE_NONE, FATE_RELEASED, FATE_KILLED, FATE_DIED };

struct message_config {
	uint32_t slot;     /* this worker's index, 0 .. consumer_count - 1 */
	uint8_t thrift;    /* so often there was too little memory: less is taken at a time */
	char instance[16]; /* this installation's id */
	struct consumer_name name;
	const char *options; /* options_export's text */
	size_t options_len;
	const char *ak, *sk, *token; /* borrowed, NUL-terminated in the message */
	/* Descriptors that go with it; received, they are the channel's until the next receive.
	 * 0: none. */
	int log_fd;   /* log_file, as the supervisor has it open now */
	int trust_fd; /* the certificates to trust: common/trust.h */
};

struct message_assign {
	struct shard_id shard;
	struct epoch epoch;
	int64_t deadline_ms;
	uint32_t home;         /* the consumer that the service granted the shard to */
	struct cursor service; /* the service's checkpoint; none when it has none */
	bool service_is_ours;  /* written under a name of this instance */
	bool unbroken;         /* the grant has not changed since the last holder: local wins */
	bool seal_only;        /* not to be served: close it in order, then RELEASED */
	struct cursor reset;   /* people's wish: go on there, whatever else is known; none */
	struct epoch
		reset_first; /* the first that was assigned with it: done, if that committed */
	char start[24];      /* where to begin without any position: "begin" or nanoseconds */
	int64_t start_ns;    /* what start_time `end` meant, to be kept; 0: nothing */
	int64_t end_ns;      /* 0: no end */
	int64_t certain_ahead_ns; /* the service's clock: service_clock_certain */
	enum fate fate;           /* of the previous holder under this supervisor */
	uint32_t fate_slot;
	struct suspect suspect;
};

struct message_lease { /* REVOKE, HELD, RELEASED, FINISHED, STUCK, PUBLISHED */
	struct shard_id shard;
	struct epoch epoch;
	enum lts_err err;     /* RELEASED, STUCK: why */
	struct cursor cursor; /* PUBLISHED: what stands at the service */
	char text[200];       /* STUCK: for people */
};

struct message_renew {
	int64_t deadline_ms;
	int64_t certain_ahead_ns; /* as in ASSIGN */
	uint32_t count;
	const struct epoch *epochs; /* to encode: count of them */
	const uint8_t *packed;      /* decoded: read with message_renew_epoch */
};

struct message_replay {
	uint32_t count, attempts; /* workers died so often over the first `count` letters that are
				     not done with; attempts 0: none did */
	const char *path; /* of the dead letters; borrowed, NUL-terminated in the message */
};

struct message {
	enum message_type type;
	union {
		struct message_config config;
		struct message_assign assign;
		struct message_lease lease;
		struct message_renew renew;
		struct message_replay replay;
	};
};

/* Encodes into data[HANDOFF_MESSAGE_MAX]; LTS_TOOBIG if it does not fit. */
enum lts_err message_encode(const struct message *message, uint8_t *data,
			    size_t *len_out) LTS_MUST_USE;
/* LTS_BADDATA: not a message of this version, or something is missing or left over. */
enum lts_err message_decode(const uint8_t *data, size_t len, struct message *out) LTS_MUST_USE;
struct epoch message_renew_epoch(const struct message_renew *renew, uint32_t index);
/* "ASSIGN", ...; "?" for an unknown type. */
const char *message_name(enum message_type type);

#endif
