/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table that is read without a lock; the picture stands in the header.
 *
 *   K1  A slot changes once, from 0 to its entry, and a table is never shrunk: a probe that ends
 *       at an empty slot has seen every entry that was published before it began.
 *
 *   K2  The entry is stored after the thing it stands for was completed, so who finds the id may
 *       read the thing.
 */
#include "index/lookup.h"

#include "base/assert.h"

#define LOOKUP_SLOTS_MIN 16u /* arbitrary: two cache lines */

struct vv_lookup_slots {
    size_t mask;            /* slots - 1; the number of slots is a power of two */
    vv_lookup_slots *older; /* outgrown, kept for its readers */
    _Atomic uint64_t items[];
};

static size_t lookup_bytes(size_t slot_count)
{
    return sizeof(vv_lookup_slots) + slot_count * sizeof(_Atomic uint64_t);
}

static uint32_t lookup_fingerprint(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

void vv_lookup_init(vv_lookup *lookup, vv_alloc *alloc)
{
    lookup->alloc = alloc;
    lookup->count = 0;
    atomic_init(&lookup->slots, NULL);
}

void vv_lookup_deinit(vv_lookup *lookup)
{
    vv_lookup_slots *slots = atomic_load(&lookup->slots);
    while (slots != NULL) {
        vv_lookup_slots *older = slots->older;
        vv_alloc_free(lookup->alloc, slots, lookup_bytes(slots->mask + 1));
        slots = older;
    }
    vv_lookup_init(lookup, lookup->alloc);
}

uint32_t vv_lookup_find(const vv_lookup *lookup, uint64_t hash, vv_lookup_equal equal,
                        const void *context, const void *key)
{
    const vv_lookup_slots *slots = atomic_load(&lookup->slots);
    if (slots == NULL) {
        return 0;
    }
    uint32_t fingerprint = lookup_fingerprint(hash);
    size_t place = fingerprint & slots->mask;
    for (;;) {
        uint64_t item = atomic_load(&slots->items[place]);
        if (item == 0) {
            return 0; /* K1 */
        }
        if (item >> 32 == fingerprint && equal(context, key, (uint32_t)item)) {
            return (uint32_t)item;
        }
        place = (place + 1) & slots->mask;
    }
}

static void lookup_put(vv_lookup_slots *slots, uint64_t item)
{
    size_t place = (size_t)(item >> 32) & slots->mask;
    while (atomic_load(&slots->items[place]) != 0) {
        place = (place + 1) & slots->mask;
    }
    atomic_store(&slots->items[place], item); /* K2 */
}

varve_status vv_lookup_reserve(vv_lookup *lookup)
{
    vv_lookup_slots *slots = atomic_load(&lookup->slots);
    size_t slot_count = slots == NULL ? 0 : slots->mask + 1;
    if (lookup->count + 1 <= slot_count / 4 * 3) {
        return VARVE_OK;
    }
    size_t wanted = slot_count == 0 ? LOOKUP_SLOTS_MIN : slot_count * 2;
    vv_lookup_slots *grown = vv_alloc_zeroed(lookup->alloc, lookup_bytes(wanted));
    if (grown == NULL) {
        return VARVE_E_NOMEM;
    }
    grown->mask = wanted - 1;
    grown->older = slots;
    for (size_t place = 0; place < slot_count; place++) {
        uint64_t item = atomic_load(&slots->items[place]);
        if (item != 0) {
            lookup_put(grown, item);
        }
    }
    atomic_store(&lookup->slots, grown);
    return VARVE_OK;
}

void vv_lookup_insert(vv_lookup *lookup, uint64_t hash, uint32_t id)
{
    vv_lookup_slots *slots = atomic_load(&lookup->slots);
    VV_ASSERT(id != 0 && slots != NULL && lookup->count + 1 <= (slots->mask + 1) / 4 * 3);
    lookup_put(slots, (uint64_t)lookup_fingerprint(hash) << 32 | id);
    lookup->count += 1;
}
