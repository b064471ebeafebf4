/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map from keys that the caller stores to 64-bit values (an index, an id or a pointer as
 * uintptr_t). The map holds the 64-bit hash and the value; whether an entry is the one looked for
 * is asked of the caller. One writer, or several readers, at a time.
 *
 * Hashes come from vv_map_hash, which mixes the map's seed in (random per process where keys come
 * from outside). The order of entries follows from it and must never reach a file, answer or log.
 */
#ifndef VV_BASE_MAP_H
#define VV_BASE_MAP_H

#include "base/alloc.h"
#include "base/compiler.h"
#include "varve.h"

/** Whether the entry with this value has this key. */
typedef bool (*vv_map_equal)(const void *context, const void *key, uint64_t value);

typedef struct vv_map_slot {
    uint64_t hash;
    uint64_t value;
} vv_map_slot;

typedef struct vv_map {
    vv_map_slot *slots;   /* owned; NULL while slot_count is 0 */
    uint8_t *tags;        /* one byte a slot, in the same allocation */
    size_t slot_count;    /* 0 or a power of two, at least 8 */
    size_t count;         /* entries */
    size_t removed_count; /* slots that held an entry and must not end a search */
    uint64_t seed;        /* fixed after init */
    vv_map_equal equal;   /* fixed after init */
    const void *context;  /* fixed after init, passed to equal */
    vv_alloc *alloc;      /* borrowed, outlives the map */
} vv_map;

/** Allocates nothing yet. */
void vv_map_init(vv_map *map, vv_alloc *alloc, uint64_t seed, vv_map_equal equal,
                 const void *context);

/** Release the memory; the map is as after init. */
void vv_map_deinit(vv_map *map);

/** Remove all entries, keep the memory. */
void vv_map_clear(vv_map *map);

/** The hash of a key of these bytes, with the map's seed. */
uint64_t vv_map_hash(const vv_map *map, const void *key, size_t size);

/** Room for count entries in all; inserts up to there cannot fail while nothing is removed. */
VV_MUST_CHECK varve_status vv_map_reserve(vv_map *map, size_t count);

/** False, and *out_value untouched, when there is no such key. */
bool vv_map_find(const vv_map *map, uint64_t hash, const void *key, uint64_t *out_value);

/** Add an entry whose key is known to be absent: E_NOMEM. */
VV_MUST_CHECK varve_status vv_map_insert(vv_map *map, uint64_t hash, uint64_t value);

/** Give an existing key another value; false when there is no such key. */
bool vv_map_replace(vv_map *map, uint64_t hash, const void *key, uint64_t value);

/** Remove; false when there is no such key. out_value (may be NULL) gets its value. */
bool vv_map_remove(vv_map *map, uint64_t hash, const void *key, uint64_t *out_value);

/** Visit entries in an order that means nothing: *position starts at 0; false at the end. For
 *  teardown and eviction; the map must not change between calls. */
bool vv_map_next(const vv_map *map, size_t *position, uint64_t *out_value);

static inline size_t vv_map_count(const vv_map *map)
{
    return map->count;
}

/** Bytes the map has allocated. */
size_t vv_map_bytes(const vv_map *map);

#endif
