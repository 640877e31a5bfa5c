/*
 * handoff.h - all that a worker inherits from its supervisor, and all that they say to
 * each other.
 *
 * They meet in three places only: LMDB (what must survive: state/schema.h), the channel
 * (one SOCK_SEQPACKET pair per worker: commands and answers; its closing means that the
 * other side is dead), and the board (one memory file per worker: what survives the worker
 * but need not survive the machine: its beat, its stage, its counters, and a cell for each of its
 * shards: common/board.h; a part of this version as well). The bodies of the messages are in
 * common/message.h.
 */
#ifndef COMMON_HANDOFF_H
#define COMMON_HANDOFF_H

/* Exit codes of all programs. */
enum exit_code {
	EXIT_DONE = 0,        /* did what was asked */
	EXIT_FAILED = 1,      /* failed, or a check found something, or QUIT */
	EXIT_USAGE = 2,       /* usage or configuration: starting again cannot help */
	EXIT_IN_USE = 3,      /* state_dir belongs to another running supervisor */
	EXIT_NO_MEMORY = 4,   /* out of memory */
	EXIT_SYNC_FAILED = 5, /* an fsync failed: recovery goes on from the last commit */
	EXIT_DAMAGED = 6,     /* the state environment is damaged */
	EXIT_ORPHANED = 7,    /* the supervisor is gone */
	EXIT_UNREAD = 8,      /* of a worker: nobody reads standard output any more */
};

/* Its environment: common/child_env.h. Descriptors that a worker starts with; everything above is
 * closed. */
enum handoff_fd {
	HANDOFF_CHANNEL = 3,    /* its end of the channel, close-on-exec towards its children */
	HANDOFF_BOARD = 4,      /* the memory file with its board */
	HANDOFF_GENERATION = 5, /* generation.lock, held by every worker of this supervisor; of a
				   replay: the dead-letter file, locked and to be read */
	HANDOFF_STDOUT = 6,     /* the file whose lock makes a record on stdout whole */
	HANDOFF_END = 7,
};

/* Argument 1 of a worker that sends dead letters through the sink again, and nothing else: no
 * consumer has that name. It gets CONFIG, without keys, REPLAY and maybe DRAIN; it says nothing:
 * its board and the files beside the dead letters tell. */
#define HANDOFF_REPLAY "replay"

/* The socket in state_dir by which lts-state asks a running supervisor for something: a line of
 * JSON there, lines of JSON back, until the end of file.
 *   {"reset":PLACE,"shards":["0",...],"dry_run":true}   PLACE as state/place.h has it; without
 *                                                       shards: all that this host has
 *   {"shard":"0","from":CURSOR,"to":CURSOR}             done, or would be; from "": nowhere
 *   {"shard":"0","error":"..."}                         it stays where it is
 *   {"error":"..."}                                     nothing of it
 *   {"done":true}                                       the last line
 *   {"behind":true}                                     of each shard that this host has...
 *   {"shard":"0","behind_ms":1234}                      ...how long ago the oldest record that is
 *                                                       not delivered came in
 *   {"done":true}                                       the last line
 *   {"waits":true}                                      of each thing that stands still...
 *   {"waits":"worker 0: no space ...","ms":1234}        ...what it waits for, and how long
 *   {"unready":"the consumer group is not joined"}      as /readyz, when that is 503
 *   {"done":true}                                       the last line */
#define CONTROL_SOCKET "control"

/* Message types. The version is the first byte of every message, the type the second; an
 * unknown one of either means that the peer is broken, and ends the connection. */
enum { HANDOFF_VERSION = 7, HANDOFF_MESSAGE_MAX = 64 * 1024 };

enum message_type {
	/* supervisor to worker */
	MSG_CONFIG = 1,    /* options, credentials, who you are, the log and the certificates as
			      descriptors; again after HUP, and when one of them has changed */
	MSG_ASSIGN = 2,    /* this shard is yours under this epoch, until this deadline */
	MSG_REVOKE = 3,    /* finish the batch in hand, commit, answer RELEASED */
	MSG_RENEW = 4,     /* these epochs now live until this deadline */
	MSG_PUBLISHED = 5, /* this cursor stands at the service; store it with the next commit */
	MSG_FLUSH = 6,     /* make sinks durable, commit, answer FLUSHED */
	MSG_DRAIN = 7,     /* release every shard, then exit 0 */
	MSG_REPLAY = 8,    /* this file's records go through the sink again */
	/* worker to supervisor */
	MSG_READY = 32,    /* the loop runs; shards may come */
	MSG_HELD = 33,     /* the take committed: fetching begins */
	MSG_RELEASED = 34, /* the delivery thread has done its last for this shard */
	MSG_FINISHED = 35, /* the shard stands at its end cursor, committed and sealed */
	MSG_STUCK = 36,    /* the shard stopped, loudly: it stays where it is, the text says
			      why */
	MSG_FLUSHED = 37,  /* everything taken before FLUSH is durable and committed */
};

#endif
