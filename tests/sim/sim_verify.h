/*
 * sim_verify.h - `lts-sim verify`: checks what a file sink wrote against what lts-sim
 * made.
 */
#ifndef TESTS_SIM_SIM_VERIFY_H
#define TESTS_SIM_SIM_VERIFY_H

/* argv[0] is "verify". Returns an exit code: 0 all there once and in order, 1 not, 2
 * usage. */
int sim_verify_main(int argc, char **argv);

#endif
