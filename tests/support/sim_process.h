/*
 * sim_process.h - a running lts-sim: started, steered, asked.
 */
#ifndef TESTS_SUPPORT_SIM_PROCESS_H
#define TESTS_SUPPORT_SIM_PROCESS_H

#include <cjson/cJSON.h>

#include "tests/support/scenario.h"

struct sim_process {
	const struct scenario *scenario;
	struct process process;
	char url[64];
	char ca_file[256]; /* "" without TLS */
};

/* options as on its command line; it listens when this returns. */
void sim_start(struct sim_process *sim, const struct scenario *scenario, const char *options);
void sim_stop(struct sim_process *sim);

/* POST /sim/faults: one rule a line, replaces all; "" ends them. */
void sim_faults(const struct sim_process *sim, const char *rules);
/* The same, but a rule that stays goes on with its counts. */
void sim_faults_changed(const struct sim_process *sim, const char *rules);
/* How often the n-th of its rules has struck so far. */
unsigned long long sim_struck(const struct sim_process *sim, size_t n);
/* POST to another of its paths, "/sim/expire?before=5000". */
void sim_post(const struct sim_process *sim, const char *path);
/* GET /sim/status; the caller deletes it. */
cJSON *sim_status(const struct sim_process *sim);

/* The same into a file of the scenario, for `lts-sim verify --status`. */
void sim_keep_status(const struct sim_process *sim, const char *name);

/* Everything that was ever made, in whichever shard, once, whole and in order in these sealed
 * directories, one for each host. */
void sim_expect_exact(const struct sim_process *sim, const char *dirs);

/* One number of the status: "served_records", "requests/batch/429". */
double sim_number(const struct sim_process *sim, const char *path);
/* One text of the status; the caller frees. */
char *sim_text(const struct sim_process *sim, const char *path);
/* So many members, each shard on offer listed by the one that owns it, and nobody has two more
 * than another. */
bool sim_is_settled(const struct sim_process *sim, unsigned members);
/* "shard=owner ..." of all shards, then the names of the members; the caller frees. */
char *sim_describe_group(const struct sim_process *sim);
/* The sum of the shards' checkpoints, as numbers of records. */
double sim_published(const struct sim_process *sim);

#endif
