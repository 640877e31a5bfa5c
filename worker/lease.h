/*
 * lease.h - one grant of one shard to this worker, as both of its threads see it.
 *
 * Made by the loop at ASSIGN, freed by the loop after the delivery thread's last
 * completion for it. Only the deadline and one flag are shared; each thread keeps what it
 * knows of the shard behind its own pointer.
 */
#ifndef WORKER_LEASE_H
#define WORKER_LEASE_H

#include <stdatomic.h>

#include "common/ids.h"
#include "common/message.h"

struct lease {
	struct shard_id shard;
	struct epoch epoch;
	_Atomic int64_t deadline_ms; /* CLOCK_BOOTTIME; past it the shard may be another host's */
	_Atomic bool letting_go;     /* set by the loop: what cannot be delivered now is given
					back */
	struct suspect suspect;      /* the loop's until the take, then the delivery thread's */
	struct shard *loop_side;     /* touched on the loop only */
	struct track *delivery_side; /* touched on the delivery thread only */
};

#endif
