/* SPDX-License-Identifier: Apache-2.0 */
/* xoshiro256**, see the header for the source. */
#include "base/random.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

void vv_random_init(vv_random *random, uint64_t seed)
{
    for (size_t index = 0; index < VV_ARRAY_COUNT(random->state); index++) {
        seed += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64: a counter through the mixer */
        random->state[index] = vv_hash_mix(seed);
    }
}

static uint64_t random_rotate(uint64_t value, uint32_t count)
{
    return (value << count) | (value >> (64 - count));
}

uint64_t vv_random_u64(vv_random *random)
{
    uint64_t *state = random->state;
    uint64_t result = random_rotate(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = random_rotate(state[3], 45);
    return result;
}

/* Multiply and reject, after "Fast Random Integer Generation in an Interval", Lemire: the high half
 * of the product is the result; the low half tells the few draws that would make some results
 * likelier. */
uint64_t vv_random_below(vv_random *random, uint64_t bound)
{
    VV_ASSERT(bound > 0);
    vv_u128 product = (vv_u128)vv_random_u64(random) * bound;
    if ((uint64_t)product < bound) {
        uint64_t threshold = (0 - bound) % bound;
        while ((uint64_t)product < threshold) {
            product = (vv_u128)vv_random_u64(random) * bound;
        }
    }
    return (uint64_t)(product >> 64);
}

int64_t vv_random_between(vv_random *random, int64_t first, int64_t last)
{
    VV_ASSERT(first <= last);
    uint64_t width = (uint64_t)last - (uint64_t)first;
    uint64_t step =
        width == UINT64_MAX ? vv_random_u64(random) : vv_random_below(random, width + 1);
    return (int64_t)((uint64_t)first + step);
}

double vv_random_f64(vv_random *random)
{
    return (double)(vv_random_u64(random) >> 11) * 0x1p-53;
}

/* The polar method of Marsaglia; the second of each pair is not kept, so a state is four words. */
double vv_random_normal(vv_random *random)
{
    for (;;) {
        double x = 2 * vv_random_f64(random) - 1;
        double y = 2 * vv_random_f64(random) - 1;
        double square = x * x + y * y;
        if (square > 0 && square < 1) {
            return x * sqrt(-2 * log(square) / square);
        }
    }
}

void vv_random_fill(vv_random *random, void *target, size_t size)
{
    uint8_t *bytes = (uint8_t *)target;
    while (size > 0) {
        uint64_t value = vv_random_u64(random);
        size_t part = size < sizeof value ? size : sizeof value;
        memcpy(bytes, &value, part);
        bytes += part;
        size -= part;
    }
}
