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
/* Makes FILE. */
enum exit_code command_backup(const struct request *request, FILE *out);
/* The state is nobody's, and a new instance. EXIT_IN_USE: an agent runs. */
enum exit_code command_adopt(const struct request *request, FILE *out);
/* FILE in the place of the environment. EXIT_IN_USE: an agent runs. */
enum exit_code command_restore(const struct request *request, FILE *out);
/* An empty environment in the place of a damaged one. EXIT_IN_USE: an agent runs. */
enum exit_code command_rebuild(const struct request *request, FILE *out);
/* EXIT_FAILED: some shard is not published as it is committed, or a record is damaged. */
enum exit_code command_diff(const struct request *request, FILE *out);
/* A screen, until the user leaves: nothing goes to `out`. EXIT_USAGE: there is no terminal that
 * can show one. */
enum exit_code command_watch(const struct request *request, FILE *out);

#endif
