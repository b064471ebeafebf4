/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reproducible pseudo-random numbers: xoshiro256** ("Scrambled Linear Pseudorandom Number
 * Generators", Blackman and Vigna) seeded by splitmix64. Not for secrets. Same seed, same numbers,
 * everywhere.
 */
#ifndef VV_BASE_RANDOM_H
#define VV_BASE_RANDOM_H

#include "base/compiler.h"

typedef struct vv_random {
    uint64_t state[4];
} vv_random;

void vv_random_init(vv_random *random, uint64_t seed);
uint64_t vv_random_u64(vv_random *random);

/** Evenly from [0, bound); bound is not 0. */
uint64_t vv_random_below(vv_random *random, uint64_t bound);

/** Evenly from [first, last]. */
int64_t vv_random_between(vv_random *random, int64_t first, int64_t last);

/** Evenly from [0, 1), 53 bits. */
double vv_random_f64(vv_random *random);

/** From the normal distribution with mean 0 and deviation 1; its last bits are those of the C
 *  library's logarithm. */
double vv_random_normal(vv_random *random);

void vv_random_fill(vv_random *random, void *target, size_t size);

#endif
