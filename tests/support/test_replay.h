/*
 * test_replay.h - dead letters that a real agent made, letters.log, and a replay of them; the
 * simulator is gone by then, and there are no keys.
 */
#ifndef TESTS_SUPPORT_TEST_REPLAY_H
#define TESTS_SUPPORT_TEST_REPLAY_H

#include "tests/support/test_plugin.h"

enum { TEST_REPLAY_LETTERS = 30 }; /* records 0 to 29 of shard 0, an attempt each */

struct test_replay {
	struct one_host h; /* its agent made the letters; its rules are the replay's */
	struct agent replay;
	bool began;
};

/* Every record of the stream becomes a dead letter; no rules from now on. */
void test_replay_begin(struct test_replay *b);
/* The replay has ended. */
void test_replay_end(struct test_replay *b);
/* sink NULL: the plugin of tests/plugin. */
void test_replay_start(struct test_replay *b, const char *sink, const char *options);
/* The same, to its end: the exit code. */
int test_replay(struct test_replay *b, const char *sink, const char *options);
/* Lines that FILE.progress says were delivered; 0: there is none. */
unsigned long test_replay_saved(const struct test_replay *b);
/* One at a time, up to a record drawn, over which the plugin does `what`; all before it is done,
 * and saved. */
void test_replay_stand_in_front(struct test_replay *b, const char *what);
/* letters.log gets a line in front, one in the middle, and its last one loses its end. */
void test_replay_spoil(const struct test_replay *b);

/* Whether a file of that name is in the scenario's directory. */
bool test_replay_has(const struct test_replay *b, const char *name);
/* On stdout, by any replay so far. */
bool test_replay_printed(const struct test_replay *b, const char *text);
/* The plugin (or who writes as it does) has taken all once, but for these two. */
void test_replay_expect_all_but(const struct test_replay *b, unsigned one, unsigned two);
void test_replay_expect_all(const struct test_replay *b);
/* It says so, and nothing is left of it. */
void test_replay_expect_complete(const struct test_replay *b);

#endif
