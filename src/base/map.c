/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing in groups of eight slots, each slot with a one-byte tag; one 64-bit load tests a
 * whole group. After the idea of "Swiss tables" and F14, in plain C on any processor.
 *
 *     one allocation:  [ slots: slot_count * {hash, value} | tags: slot_count bytes ]
 *     tag              0 empty | 1 removed | 0x80 + the top seven bits of the hash
 *
 * A search visits groups hash, hash + 1, hash + 3, hash + 6 ... (triangular, so all of them) and
 * ends at the first group with an empty slot. Therefore
 *
 *   M1: a group that was ever full keeps no empty slot until the next rehash: its slots become
 * removed, not empty. A group with an empty slot was never passed over, so its slots may become
 * empty. M2: count + removed_count <= 7/8 of slot_count, so there always is a group with an empty
 * slot.
 */
#include "base/map.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/hash.h"

#define MAP_GROUP       8u
#define MAP_TAG_EMPTY   0u
#define MAP_TAG_REMOVED 1u

#define MAP_LOW_BITS  UINT64_C(0x0101010101010101)
#define MAP_HIGH_BITS UINT64_C(0x8080808080808080)

void vv_map_init(vv_map *map, vv_alloc *alloc, uint64_t seed, vv_map_equal equal,
                 const void *context)
{
    *map = (vv_map){.alloc = alloc, .seed = seed, .equal = equal, .context = context};
}

static size_t map_bytes_of(size_t slot_count)
{
    return slot_count * (sizeof(vv_map_slot) + 1);
}

void vv_map_deinit(vv_map *map)
{
    vv_alloc_free(map->alloc, map->slots, map_bytes_of(map->slot_count));
    vv_map_init(map, map->alloc, map->seed, map->equal, map->context);
}

void vv_map_clear(vv_map *map)
{
    if (map->slot_count > 0) {
        memset(map->tags, MAP_TAG_EMPTY, map->slot_count);
    }
    map->count = 0;
    map->removed_count = 0;
}

size_t vv_map_bytes(const vv_map *map)
{
    return map_bytes_of(map->slot_count);
}

uint64_t vv_map_hash(const vv_map *map, const void *key, size_t size)
{
    return vv_hash64(key, size, map->seed);
}

static uint8_t map_tag(uint64_t hash)
{
    return (uint8_t)(0x80 | (hash >> 57));
}

static uint64_t map_group_load(const vv_map *map, size_t group)
{
    uint64_t tags;
    memcpy(&tags, map->tags + group * MAP_GROUP, sizeof tags);
    return tags;
}

/* The high bit of each byte of tags that may equal tag: surely of those that do, and by the borrow
 * of the subtraction sometimes of a full neighbour, which the comparison of hashes then drops. */
static uint64_t map_group_match(uint64_t tags, uint8_t tag)
{
    uint64_t difference = tags ^ (MAP_LOW_BITS * tag);
    return (difference - MAP_LOW_BITS) & ~difference & MAP_HIGH_BITS;
}

/* Full tags have the high bit; empty and removed have not. */
static uint64_t map_group_free(uint64_t tags)
{
    return ~tags & MAP_HIGH_BITS;
}

static bool map_group_has_empty(uint64_t tags)
{
    return ((tags - MAP_LOW_BITS) & ~tags & MAP_HIGH_BITS) != 0;
}

/* Slot of the key, or SIZE_MAX. */
static size_t map_lookup(const vv_map *map, uint64_t hash, const void *key)
{
    if (map->slot_count == 0) {
        return SIZE_MAX;
    }
    size_t group_mask = map->slot_count / MAP_GROUP - 1;
    size_t group = (size_t)hash & group_mask;
    for (size_t step = 1;; step++) {
        uint64_t tags = map_group_load(map, group);
        for (uint64_t match = map_group_match(tags, map_tag(hash)); match != 0;
             match &= match - 1) {
            size_t slot = group * MAP_GROUP + vv_ctz64(match) / 8;
            if (map->slots[slot].hash == hash &&
                map->equal(map->context, key, map->slots[slot].value)) {
                return slot;
            }
        }
        if (map_group_has_empty(tags)) {
            return SIZE_MAX;
        }
        group = (group + step) & group_mask;
    }
}

/* Put an entry into the first free slot of its path; M2 says there is one. */
static void map_place(vv_map *map, uint64_t hash, uint64_t value)
{
    size_t group_mask = map->slot_count / MAP_GROUP - 1;
    size_t group = (size_t)hash & group_mask;
    uint64_t free_slots = map_group_free(map_group_load(map, group));
    for (size_t step = 1; free_slots == 0; step++) {
        group = (group + step) & group_mask;
        free_slots = map_group_free(map_group_load(map, group));
    }
    size_t slot = group * MAP_GROUP + vv_ctz64(free_slots) / 8;
    map->removed_count -= map->tags[slot] == MAP_TAG_REMOVED;
    map->tags[slot] = map_tag(hash);
    map->slots[slot] = (vv_map_slot){.hash = hash, .value = value};
    map->count += 1;
}

static varve_status map_rehash(vv_map *map, size_t slot_count)
{
    size_t bytes;
    if (!vv_mul_size(slot_count, sizeof(vv_map_slot) + 1, &bytes)) {
        return VARVE_E_NOMEM;
    }
    vv_map_slot *slots = (vv_map_slot *)vv_alloc_new(map->alloc, bytes);
    if (slots == NULL) {
        return VARVE_E_NOMEM;
    }
    vv_map old = *map;
    map->slots = slots;
    map->tags = (uint8_t *)(slots + slot_count);
    map->slot_count = slot_count;
    vv_map_clear(map);
    for (size_t slot = 0; slot < old.slot_count; slot++) {
        if (old.tags[slot] >= 0x80) {
            map_place(map, old.slots[slot].hash, old.slots[slot].value);
        }
    }
    VV_ASSERT(map->count == old.count);
    vv_alloc_free(map->alloc, old.slots, map_bytes_of(old.slot_count));
    return VARVE_OK;
}

static size_t map_load_max(size_t slot_count)
{
    return slot_count - slot_count / 8;
}

varve_status vv_map_reserve(vv_map *map, size_t count)
{
    size_t extra = count > map->count ? count - map->count : 0;
    if (extra == 0 || map->count + map->removed_count + extra <= map_load_max(map->slot_count)) {
        return VARVE_OK;
    }
    size_t slot_count = MAP_GROUP;
    while (map_load_max(slot_count) < count) {
        if (slot_count > SIZE_MAX / 2) {
            return VARVE_E_NOMEM;
        }
        slot_count *= 2;
    }
    return map_rehash(map, slot_count);
}

/* Doubles when more than half full of entries; else it is the removed slots that fill it, and the
 * same size without them has room for as many more entries as there are. */
static VV_NOINLINE varve_status map_grow(vv_map *map)
{
    size_t slot_count = map->slot_count < MAP_GROUP ? MAP_GROUP : map->slot_count;
    if (map->count >= slot_count / 2) {
        if (slot_count > SIZE_MAX / 2) {
            return VARVE_E_NOMEM;
        }
        slot_count *= 2;
    }
    return map_rehash(map, slot_count);
}

varve_status vv_map_insert(vv_map *map, uint64_t hash, uint64_t value)
{
    if (VV_UNLIKELY(map->count + map->removed_count >= map_load_max(map->slot_count))) {
        VV_TRY(map_grow(map));
    }
    map_place(map, hash, value);
    return VARVE_OK;
}

bool vv_map_find(const vv_map *map, uint64_t hash, const void *key, uint64_t *out_value)
{
    size_t slot = map_lookup(map, hash, key);
    if (slot == SIZE_MAX) {
        return false;
    }
    *out_value = map->slots[slot].value;
    return true;
}

bool vv_map_replace(vv_map *map, uint64_t hash, const void *key, uint64_t value)
{
    size_t slot = map_lookup(map, hash, key);
    if (slot == SIZE_MAX) {
        return false;
    }
    map->slots[slot].value = value;
    return true;
}

bool vv_map_remove(vv_map *map, uint64_t hash, const void *key, uint64_t *out_value)
{
    size_t slot = map_lookup(map, hash, key);
    if (slot == SIZE_MAX) {
        return false;
    }
    if (out_value != NULL) {
        *out_value = map->slots[slot].value;
    }
    bool may_be_empty = map_group_has_empty(map_group_load(map, slot / MAP_GROUP)); /* M1 */
    map->tags[slot] = (uint8_t)(may_be_empty ? MAP_TAG_EMPTY : MAP_TAG_REMOVED);
    map->removed_count += may_be_empty ? 0 : 1;
    map->count -= 1;
    return true;
}

bool vv_map_next(const vv_map *map, size_t *position, uint64_t *out_value)
{
    while (*position < map->slot_count) {
        size_t slot = *position;
        *position += 1;
        if (map->tags[slot] >= 0x80) {
            *out_value = map->slots[slot].value;
            return true;
        }
    }
    return false;
}
