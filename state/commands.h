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
/* A screen, until the user leaves: nothing goes to `out`. EXIT_USAGE: there is no terminal that
 * can show one. */
enum exit_code command_watch(const struct request *request, FILE *out);

#endif
