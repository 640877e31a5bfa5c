/*
 * state_env.h - a state environment of a test's own, and short words for what goes into
 * it.
 */
#ifndef TESTS_SUPPORT_STATE_ENV_H
#define TESTS_SUPPORT_STATE_ENV_H

#include "state/checkpoint.h"
#include "state/identity.h"
#include "state/lease.h"
#include "state/store.h"

enum { STATE_ENV_NOW_MS = 1000, STATE_ENV_DEADLINE_MS = 2000 };

struct state_env {
	char *dir;
	struct store *store;
};

/* Made by STORE_CREATE, without an identity. */
void state_env_init(struct state_env *env);
void state_env_fini(struct state_env *env);

/* From now on data.mdb does not open, as on a disk that does not answer, until the descriptor is
 * closed, or for 45 seconds. Waits until nobody has it open. */
int state_env_silence(const char *dir);

/* Claims it, and takes shards "0" to n - 1 at cursor 100 under the epochs 1.1 to 1.n. */
void state_env_hold(struct state_env *env, uint32_t n);
void state_env_put_checkpoint(struct state_env *env, const struct checkpoint_record *record);
/* Shard 0 as another start of this agent has left it: at 500, while 400 stood at the service. */
struct checkpoint_record left_behind_of_test(void);

struct shard_id shard_of(const char *text);
struct cursor cursor_of(const char *text); /* "": none */
struct epoch epoch_of(uint32_t boot, uint32_t sequence);
struct identity_record identity_of_test(void);

/* Each in a transaction of its own, committed; they fail the test when it does not begin
 * or commit. */
enum lts_err state_env_take(struct state_env *env, const struct lease_take *take,
			    struct lease_taken *out);
enum lts_err state_env_move(struct state_env *env, struct checkpoint_move *moves, size_t n);
enum lts_err state_env_lease(struct state_env *env, const char *shard, struct lease_record *out);
enum lts_err state_env_checkpoint(struct state_env *env, const char *shard,
				  struct checkpoint_record *out);
/* All events, oldest first; the caller frees. */
struct event_record *state_env_events(struct state_env *env, size_t *n_out);

/* A take of `shard` that starts at cursor "100", and a move of it, both allowed. */
struct lease_take take_of(const char *shard, struct epoch epoch);
struct checkpoint_move move_of(const char *shard, struct epoch epoch, const char *from,
			       const char *to);

#endif
