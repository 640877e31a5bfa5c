/*
 * commands.h - what lts-state can be asked to do: struct command's run, one file each.
 */
#ifndef STATE_COMMANDS_H
#define STATE_COMMANDS_H

#include "state/request.h"

/* The command's tables. EXIT_FAILED: a record is damaged; the good ones are shown. */
enum exit_code command_show(const struct request *request, FILE *out);
/* EXIT_FAILED: a record is damaged, or some do not fit together. */
enum exit_code command_verify(const struct request *request, FILE *out);
/* EXIT_FAILED: not all of it was done; standard output says which was. */
enum exit_code command_reset(const struct request *request, FILE *out);

#endif
