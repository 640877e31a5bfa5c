/*
 * schema.h - the records in LMDB, who writes each, and their bytes.
 *
 * Every value is a version (earlier ones are read, too), its fields (common/pack.h), and a CRC-32
 * of both. What does not decode, or lies under another key than it names, is LTS_BADDATA. Every
 * start writes "identity" anew; later versions keep its first byte and its CRC.
 *
 *   table        key                   written by
 *   meta         "identity"            the supervisor, before the first worker exists
 *                "start"               the take that first needs it (start_time `end`)
 *   leases       shard                 the worker that holds the shard
 *   checkpoints  shard                 the worker that holds the shard
 *   workers      slot (4, big-endian)  that worker
 *   events       number (8, big-end.)  the worker that it happened to
 *
 * `_ns`: since 1970 by this host's clock, for people; they decide nothing.
 */
#ifndef STATE_SCHEMA_H
#define STATE_SCHEMA_H

#include "common/err.h"
#include "common/ids.h"
#include "state/asides.h"

enum { SCHEMA_VERSION = 4, SCHEMA_VERSION_ESCAPES = 4 /* content */, SCHEMA_VALUE_MAX = 1024 };

struct identity_record {
	uint32_t schema;
	char project_id[128], group_id[128], stream_id[128], consumer_group[128];
	char host[65], machine_id[33]; /* host: the identity; "": whoever starts next takes it */
	char instance[16];   /* made once; part of every consumer's and segment's name */
	uint32_t boot_count; /* starts of the supervisor; upper half of every epoch */
	int64_t created_ns;
	/* Since version 4: as of the last start. */
	uint64_t data_inode, pid_namespace; /* of data.mdb, 0: not known; of noted pids, and */
	char boot_id[40];                   /* their boot */
	bool plain_names; /* at the service still named as before version 4 */
};

struct start_record {
	int64_t start_ns; /* what `end` meant when this instance first started */
};
enum lease_state {
	LEASE_HELD = 1,
	LEASE_RELEASED, /* given up: to a sibling, or back to the service */
	LEASE_FINISHED, /* at its end cursor; still this consumer's */
	LEASE_PAUSED,   /* let go as the agent stops; still this consumer's */
	LEASE_STUCK,    /* held, and stopped: the last event says why */
};

struct lease_record {
	struct shard_id shard;
	struct epoch epoch;
	enum lease_state state;
	uint32_t slot, home, pid; /* home: the consumer that the service granted the shard to */
	int64_t since_ns;
};

/* Where a sink stands: for the file sink the segment's number and the bytes in it. */
struct sink_position {
	uint64_t segment, offset;
};

struct checkpoint_record {
	struct shard_id shard;
	struct epoch epoch;    /* of the commit */
	struct cursor cursor;  /* the next record to fetch */
	struct cursor service; /* the last known to stand at the service; none: never one */
	struct sink_position position, letters;
	uint64_t records, bytes; /* delivered since the beginning, by this instance */
	int64_t committed_ns, finished_end_ns; /* the end_time it was finished for; 0: not */
	bool has_letters, forced; /* since version 4, else `letters` is not known; by a reset */
	uint64_t done;           /* records behind `cursor` that are done with; since version 2 */
	uint64_t dead_letters;   /* put aside since the beginning, by this instance */
	uint32_t attempts;       /* that failed with the records that come next */
	struct asides asides;    /* since version 3 */
};

struct worker_record {
	uint32_t slot, pid;
	struct consumer_name name;
	uint64_t pid_start; /* field 22 of /proc/PID/stat: tells a recycled pid */
	int64_t started_ns, updated_ns;
	uint64_t records, bytes, commits; /* of this process */
	bool exited;                      /* left in order */
};

enum event_kind {
	EVENT_TAKEN = 1, EVENT_RELEASED, EVENT_FINISHED, /* cursor, text: whose position won */
	EVENT_INHERITED, /* the last holder did not release it; text: its fate */
	EVENT_STUCK,     /* the shard stopped; text: why */
	EVENT_EXPIRED,   /* the service had dropped what the cursor pointed at */
	EVENT_RESET,     /* people moved it: cursor: where to; text: from where */
	/* Of no shard: the environment was made anew from a backup, or empty, or went to another
	 * owner, as a new instance; text: out of what, whose it was. */
	EVENT_RESTORED, EVENT_REBUILT, EVENT_ADOPTED,
};

struct event_record {
	uint64_t number;
	int64_t time_ns;
	enum event_kind kind;
	struct shard_id shard;
	struct epoch epoch;
	uint32_t slot;
	struct cursor cursor;
	char text[200];
};

#endif
