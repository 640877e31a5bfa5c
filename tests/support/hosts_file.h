/*
 * hosts_file.h - a name whose address changes: this process and those that it starts see an
 * /etc/hosts of their own.
 */
#ifndef TESTS_SUPPORT_HOSTS_FILE_H
#define TESTS_SUPPORT_HOSTS_FILE_H

#include <stdbool.h>

#define HOSTS_FILE_NAME "service.lts-sim.test"

/* In `dir`. False: it may not be mounted here, and scenario_skip has said so. Once in a process. */
bool hosts_file_begin(const char *dir);
/* From now on HOSTS_FILE_NAME is there. */
void hosts_file_point(const char *address);

#endif
