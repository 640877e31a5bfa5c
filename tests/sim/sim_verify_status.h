/*
 * sim_verify_status.h - what must be there, as lts-sim's own status says.
 */
#ifndef TESTS_SIM_SIM_VERIFY_STATUS_H
#define TESTS_SIM_SIM_VERIFY_STATUS_H

#include "tests/sim/sim_ledger.h"

/* A ledger for the shards, their records and the unplanned moves in a file that holds an
 * answer to GET /sim/status. NULL: it does not. */
struct sim_ledger *sim_verify_status(const char *path);

#endif
