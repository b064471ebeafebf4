/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the environment steers a test: its share of `make test`, what a campaign asks for, and the
 * seed of a failure that is to be seen again. What is set must be a whole number above 0; anything
 * else ends the program, so that a mistyped setting tests nothing in silence.
 */
#ifndef VV_TESTS_SUPPORT_SETTING_H
#define VV_TESTS_SUPPORT_SETTING_H

#include <stdint.h>

uint64_t setting_number(const char *name, uint64_t otherwise);

/* VARVE_TEST_PERCENT: 100 is the share of `make test`; 1 when it is not set. */
uint64_t setting_percent(void);

typedef struct setting_seeds {
    uint64_t first, last; /* both included */
} setting_seeds;

/*
 * VARVE_TEST_SEED=N: that one alone. VARVE_TEST_SEEDS=N: so many, from VARVE_TEST_FIRST (1) on.
 * Neither: the share of `whole` that VARVE_TEST_PERCENT says, `least` at least.
 */
setting_seeds setting_seeds_of(uint64_t whole, uint64_t least);

/* Run each of them, and print how many they were. */
void setting_run_seeds(uint64_t whole, uint64_t least, void (*run)(uint64_t seed));
/* Teardown of the test that did: prints the seed that ran last, after a failure the one to see
 * again. */
int setting_tell_seed(void **state);

#endif
