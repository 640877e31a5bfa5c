/*
 * child_env.h - the environment of a process that we start.
 */
#ifndef COMMON_CHILD_ENV_H
#define COMMON_CHILD_ENV_H

/* `first` (NULL-terminated, or NULL), then what we have ourselves and is neither named there, nor
 * a secret, nor between the service manager and us. Free the array alone: its entries are
 * borrowed. */
char **child_env(const char *const *first);

#endif
