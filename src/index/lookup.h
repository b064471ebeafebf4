/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_INDEX_LOOKUP_H
#define VV_INDEX_LOOKUP_H

/*
 * A hash table from keys that lie elsewhere to ids, read without a lock while one thread adds.
 * Nothing is ever removed.
 *
 *     slot:  fingerprint (32 bits of the hash) | id (32 bits, never 0)     0: empty
 *
 * Linear probing; the fingerprint also gives the place, so growing needs no key. A table that was
 * outgrown is kept, since a reader may still be in it: all of them together are no larger than the
 * present one. What a reader misses there was added after it had begun.
 */

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "varve.h"

typedef struct vv_lookup_slots vv_lookup_slots;

typedef struct vv_lookup {
    vv_alloc *alloc;                  /* fixed after init */
    _Atomic(vv_lookup_slots *) slots; /* NULL: empty */
    size_t count;                     /* of the writer: slots in use */
} vv_lookup;

/** Whether the thing with this id has this key. */
typedef bool (*vv_lookup_equal)(const void *context, const void *key, uint32_t id);

void vv_lookup_init(vv_lookup *lookup, vv_alloc *alloc);
void vv_lookup_deinit(vv_lookup *lookup);

/** The id of a key, or 0. Any thread. */
uint32_t vv_lookup_find(const vv_lookup *lookup, uint64_t hash, vv_lookup_equal equal,
                        const void *context, const void *key);

/** Writer: make sure that one more insert has room. */
VV_MUST_CHECK varve_status vv_lookup_reserve(vv_lookup *lookup);
/** Writer: publish an id whose key is absent, after vv_lookup_reserve. */
void vv_lookup_insert(vv_lookup *lookup, uint64_t hash, uint32_t id);

#endif
