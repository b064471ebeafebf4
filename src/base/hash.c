/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XXH3 from its header, compiled in here and nowhere else, so that its version and flags are one
 * place's business and callers see two functions.
 */
#include "base/hash.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(XXH3_state_t) <= sizeof(vv_hash_stream), "the stream holds the state");
_Static_assert(_Alignof(vv_hash_stream) % _Alignof(XXH3_state_t) == 0, "and is aligned for it");

uint64_t vv_hash64(const void *bytes, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size, seed);
}

static vv_hash128 hash_of_xxh(XXH128_hash_t hash)
{
    return (vv_hash128){.low = hash.low64, .high = hash.high64};
}

vv_hash128 vv_hash128_of(const void *bytes, size_t size, uint64_t seed)
{
    return hash_of_xxh(XXH3_128bits_withSeed(bytes, size, seed));
}

/* The stream's bytes are the library's state; void * carries the cast and the alignment is asserted
 * above. */
static XXH3_state_t *hash_state(vv_hash_stream *stream)
{
    return (XXH3_state_t *)(void *)stream->state;
}

static const XXH3_state_t *hash_state_const(const vv_hash_stream *stream)
{
    return (const XXH3_state_t *)(const void *)stream->state;
}

/* 64 and 128 bits share one state and differ only at the end. The library's calls below fail for
 * NULL pointers only, so their results say nothing. */
void vv_hash_stream_init(vv_hash_stream *stream, uint64_t seed)
{
    XXH3_INITSTATE(hash_state(stream));
    (void)XXH3_128bits_reset_withSeed(hash_state(stream), seed);
}

void vv_hash_stream_add(vv_hash_stream *stream, const void *bytes, size_t size)
{
    if (size > 0) {
        (void)XXH3_128bits_update(hash_state(stream), bytes, size);
    }
}

uint64_t vv_hash_stream_end64(const vv_hash_stream *stream)
{
    return XXH3_64bits_digest(hash_state_const(stream));
}

vv_hash128 vv_hash_stream_end128(const vv_hash_stream *stream)
{
    return hash_of_xxh(XXH3_128bits_digest(hash_state_const(stream)));
}
