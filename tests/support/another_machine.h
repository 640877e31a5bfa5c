/*
 * another_machine.h - what the test starts from now on runs on another machine, as far as it sees.
 */
#ifndef TESTS_SUPPORT_ANOTHER_MACHINE_H
#define TESTS_SUPPORT_ANOTHER_MACHINE_H

#include <stdbool.h>

enum machine_sign { MACHINE_NAME, MACHINE_ID };

/* From here on, for the test and what it starts: another host name, or another machine-id, whose
 * file is kept in `dir`. False: not allowed here. */
bool become_another_machine(const char *dir, enum machine_sign sign);

#endif
