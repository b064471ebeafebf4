/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that stands until a test moves it, and randomness from a seed. */
#ifndef VV_TESTS_SUPPORT_MANUAL_CLOCK_H
#define VV_TESTS_SUPPORT_MANUAL_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/random.h"
#include "sys/clock.h"
#include "sys/entropy.h"

typedef struct manual_clock {
    atomic_int_least64_t mono_ns;
    atomic_int_least64_t wall_ns;
} manual_clock;

void manual_clock_init(manual_clock *clock, int64_t wall_ns);
/* Both move on. */
void manual_clock_advance(manual_clock *clock, int64_t ns);
/* The wall clock jumps. */
void manual_clock_set_wall(manual_clock *clock, int64_t wall_ns);
vv_clock manual_clock_of(manual_clock *clock);

/* Reproducible "entropy"; one thread at a time. */
vv_entropy manual_entropy_of(vv_random *random);

#endif
