/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XXH3 in 64 and 128 bits: not cryptographic. The values are those of the published algorithm, so
 * they may be stored. Tables that hold keys from outside use a seed that is random per process.
 */
#ifndef VV_BASE_HASH_H
#define VV_BASE_HASH_H

#include "base/compiler.h"

typedef struct vv_hash128 {
    uint64_t low;
    uint64_t high;
} vv_hash128;

/** State of a digest over pieces; plain memory, needs no release. */
typedef struct vv_hash_stream {
    VV_ALIGNED(64) uint8_t state[576];
} vv_hash_stream;

uint64_t vv_hash64(const void *bytes, size_t size, uint64_t seed);
vv_hash128 vv_hash128_of(const void *bytes, size_t size, uint64_t seed);

void vv_hash_stream_init(vv_hash_stream *stream, uint64_t seed);
void vv_hash_stream_add(vv_hash_stream *stream, const void *bytes, size_t size);

/** The digest of all pieces so far, equal to that of their concatenation. */
uint64_t vv_hash_stream_end64(const vv_hash_stream *stream);
vv_hash128 vv_hash_stream_end128(const vv_hash_stream *stream);

static inline bool vv_hash128_equal(vv_hash128 a, vv_hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

/** Spread one integer over 64 bits: a bijection (the finaliser of splitmix64). */
static inline uint64_t vv_hash_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

/** A hash of two integers, order mattering. */
static inline uint64_t vv_hash_mix2(uint64_t a, uint64_t b)
{
    return vv_hash_mix(vv_hash_mix(a) + UINT64_C(0x9E3779B97F4A7C15) + b);
}

#endif
