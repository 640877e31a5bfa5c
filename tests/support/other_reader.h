/*
 * other_reader.h - a process that reads the environment as LMDB's own tools do, and is slow about
 * it.
 */
#ifndef TESTS_SUPPORT_OTHER_READER_H
#define TESTS_SUPPORT_OTHER_READER_H

#include <sys/types.h>

/* So many transactions are open in it when this returns, each with a slot of its own, and stay so
 * until other_reader_end; it dies with the test. Nobody here may have the environment open. */
pid_t other_reader_start(const char *state_dir, unsigned transactions);
/* SIGKILL: its slots stay taken. */
void other_reader_end(pid_t pid);

#endif
