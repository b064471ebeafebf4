/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed sets of 32-bit ids, in three forms by size:
 *
 *     inline   0 to 2 ids in the struct         most label values of a fleet name one or two series
 *     plain    up to 64 ids, one sorted array
 *     tree     containers of 2^16 ids each, sorted by the upper half of the id ("key"):
 *
 *         tree -> [key 0 | array of uint16_t, sorted, up to 4096]
 *                 [key 1 | bitmap of 65536 bits, 8 KiB          ]
 *                 [key 7 | array ...                            ]
 *
 * After "Better bitmap performance with Roaring bitmaps" (Chambi, Lemire, Kaser, Godin): at 4096
 * ids an array is as large as a bitmap, so each container takes the smaller form.
 *
 *   D1: plain ids, array items and keys are strictly ascending; no container is empty.
 *   D2: count is the number of ids; a container's count the number of its own.
 *   D3: an array holds at most 4096 ids. A bitmap may hold fewer: removing shrinks lazily, and not
 * at all where the smaller form cannot be allocated. A tree may thus hold 64 ids or fewer. D4: the
 * stored form depends on the ids alone, never on D3: it says which form by the count. D5: a failed
 * allocation leaves the set as it was.
 *
 * Stored form, little endian:
 *
 *     count           varint
 *     up to 64 ids:   first id, then each difference minus 1, as varints
 *     above:          container count, varint; then for each container
 *         key u16 | count - 1 u16 | count <= 4096: count * u16   else: 1024 * u64
 *
 * What it does not do: runs. Ids of series are dense where they are many, and a full bitmap costs
 * one bit an id.
 */
#include "base/idset_priv.h"

#include <string.h>

#include "base/assert.h"

/* ---- forms ---- */

size_t vv_idset_container_bytes(const vv_idset_container *container)
{
    return vv_idset_is_bitmap(container) ? VV_IDSET_BITMAP_BYTES
                                         : container->capacity * sizeof *container->u.array;
}

void vv_idset_container_free(vv_idset_container *container, vv_alloc *alloc)
{
    void *memory =
        vv_idset_is_bitmap(container) ? (void *)container->u.words : (void *)container->u.array;
    vv_alloc_free(alloc, memory, vv_idset_container_bytes(container));
}

size_t vv_idset_tree_bytes(uint32_t capacity)
{
    return sizeof(vv_idset_tree) + capacity * sizeof(vv_idset_container);
}

void vv_idset_tree_free(vv_idset_tree *tree, vv_alloc *alloc)
{
    if (tree == NULL) {
        return;
    }
    for (uint32_t index = 0; index < tree->count; index++) {
        vv_idset_container_free(&tree->items[index], alloc);
    }
    vv_alloc_free(alloc, tree, vv_idset_tree_bytes(tree->capacity));
}

void vv_idset_init(vv_idset *set)
{
    *set = (vv_idset){.count = 0};
}

void vv_idset_deinit(vv_idset *set, vv_alloc *alloc)
{
    if (vv_idset_is_tree(set)) {
        vv_idset_tree_free(set->u.tree, alloc);
    } else if (set->capacity > 0) {
        vv_alloc_free(alloc, set->u.plain, set->capacity * sizeof *set->u.plain);
    }
    vv_idset_init(set);
}

size_t vv_idset_bytes(const vv_idset *set)
{
    if (!vv_idset_is_tree(set)) {
        return set->capacity * sizeof *set->u.plain;
    }
    const vv_idset_tree *tree = set->u.tree;
    size_t bytes = vv_idset_tree_bytes(tree->capacity);
    for (uint32_t index = 0; index < tree->count; index++) {
        bytes += vv_idset_container_bytes(&tree->items[index]);
    }
    return bytes;
}

/* ---- searching ---- */

/* Index of the first id that is at least id, from begin on. */
uint32_t vv_idset_find_u32(const uint32_t *ids, uint32_t begin, uint32_t count, uint32_t id)
{
    uint32_t end = count;
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (ids[middle] < id) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

uint32_t vv_idset_find_u16(const uint16_t *items, uint32_t begin, uint32_t count, uint16_t item)
{
    uint32_t end = count;
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (items[middle] < item) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

/* Index of the first container whose key is at least key, from begin on. */
uint32_t vv_idset_find_key(const vv_idset_tree *tree, uint32_t begin, uint32_t key)
{
    uint32_t end = tree->count;
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (tree->items[middle].key < key) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

bool vv_idset_container_contains(const vv_idset_container *container, uint16_t item)
{
    if (vv_idset_is_bitmap(container)) {
        return vv_bits_get(container->u.words, item);
    }
    uint32_t index = vv_idset_find_u16(container->u.array, 0, container->count, item);
    return index < container->count && container->u.array[index] == item;
}

bool vv_idset_contains(const vv_idset *set, uint32_t id)
{
    if (!vv_idset_is_tree(set)) {
        const uint32_t *ids = vv_idset_plain(set);
        uint32_t index = vv_idset_find_u32(ids, 0, set->count, id);
        return index < set->count && ids[index] == id;
    }
    uint32_t index = vv_idset_find_key(set->u.tree, 0, id >> 16);
    return index < set->u.tree->count && set->u.tree->items[index].key == id >> 16 &&
           vv_idset_container_contains(&set->u.tree->items[index], (uint16_t)id);
}

bool vv_idset_first(const vv_idset *set, uint32_t *out_id)
{
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, set);
    return vv_idset_cursor_next(&cursor, out_id);
}

bool vv_idset_last(const vv_idset *set, uint32_t *out_id)
{
    if (set->count == 0) {
        return false;
    }
    if (!vv_idset_is_tree(set)) {
        *out_id = vv_idset_plain(set)[set->count - 1];
        return true;
    }
    const vv_idset_container *container = &set->u.tree->items[set->u.tree->count - 1];
    size_t item = vv_idset_is_bitmap(container)
                      ? vv_bits_find_last_set(container->u.words, 0, VV_IDSET_SPAN)
                      : container->u.array[container->count - 1];
    *out_id = (uint32_t)container->key << 16 | (uint32_t)item;
    return true;
}

/* ---- walking ---- */

void vv_idset_cursor_init(vv_idset_cursor *cursor, const vv_idset *set)
{
    *cursor = (vv_idset_cursor){.set = set};
}

/* Items of a bitmap from *position on, with the key put before them; *position moves behind the
 * last one given. */
static size_t idset_read_bitmap(const vv_idset_container *container, uint32_t *position,
                                uint32_t *ids, size_t capacity)
{
    size_t count = 0;
    uint32_t base = (uint32_t)container->key << 16;
    uint32_t index = *position / 64;
    uint64_t word =
        index < VV_IDSET_WORDS ? container->u.words[index] & (UINT64_MAX << (*position % 64)) : 0;
    while (index < VV_IDSET_WORDS && count < capacity) {
        for (; word != 0 && count < capacity; word &= word - 1) {
            ids[count] = base | (index * 64 + vv_ctz64(word));
            count += 1;
        }
        if (word == 0) {
            index += 1;
            word = index < VV_IDSET_WORDS ? container->u.words[index] : 0;
        }
    }
    *position = index < VV_IDSET_WORDS && word != 0 ? index * 64 + vv_ctz64(word) : index * 64;
    return count;
}

static size_t idset_read_array(const vv_idset_container *container, uint32_t *position,
                               uint32_t *ids, size_t capacity)
{
    uint32_t base = (uint32_t)container->key << 16;
    size_t left = container->count - *position;
    size_t count = left < capacity ? left : capacity;
    for (size_t index = 0; index < count; index++) {
        ids[index] = base | container->u.array[*position + index];
    }
    *position += (uint32_t)count;
    return count;
}

size_t vv_idset_cursor_read(vv_idset_cursor *cursor, uint32_t *ids, size_t capacity)
{
    const vv_idset *set = cursor->set;
    if (!vv_idset_is_tree(set)) {
        size_t left = set->count - cursor->position;
        size_t count = left < capacity ? left : capacity;
        memcpy(ids, vv_idset_plain(set) + cursor->position, count * sizeof *ids);
        cursor->position += (uint32_t)count;
        return count;
    }
    size_t count = 0;
    while (count < capacity && cursor->container < set->u.tree->count) {
        const vv_idset_container *container = &set->u.tree->items[cursor->container];
        count +=
            vv_idset_is_bitmap(container)
                ? idset_read_bitmap(container, &cursor->position, ids + count, capacity - count)
                : idset_read_array(container, &cursor->position, ids + count, capacity - count);
        if (count < capacity) {
            cursor->container += 1;
            cursor->position = 0;
        }
    }
    return count;
}

bool vv_idset_cursor_next(vv_idset_cursor *cursor, uint32_t *out_id)
{
    uint32_t id;
    if (vv_idset_cursor_read(cursor, &id, 1) == 0) {
        return false;
    }
    *out_id = id;
    return true;
}

void vv_idset_cursor_seek(vv_idset_cursor *cursor, uint32_t id)
{
    const vv_idset *set = cursor->set;
    if (!vv_idset_is_tree(set)) {
        cursor->position = vv_idset_find_u32(vv_idset_plain(set), cursor->position, set->count, id);
        return;
    }
    uint32_t index = vv_idset_find_key(set->u.tree, cursor->container, id >> 16);
    if (index > cursor->container) {
        cursor->container = index;
        cursor->position = 0;
    }
    if (index == set->u.tree->count || set->u.tree->items[index].key != id >> 16) {
        return;
    }
    const vv_idset_container *container = &set->u.tree->items[index];
    uint32_t item = id & 0xFFFF;
    if (!vv_idset_is_bitmap(container)) {
        cursor->position = vv_idset_find_u16(container->u.array, cursor->position, container->count,
                                             (uint16_t)item);
    } else if (cursor->position < item) {
        cursor->position = item;
    }
}

bool vv_idset_equal(const vv_idset *a, const vv_idset *b)
{
    if (a->count != b->count) {
        return false;
    }
    uint32_t a_ids[256];
    uint32_t b_ids[VV_ARRAY_COUNT(a_ids)];
    vv_idset_cursor a_cursor;
    vv_idset_cursor b_cursor;
    vv_idset_cursor_init(&a_cursor, a);
    vv_idset_cursor_init(&b_cursor, b);
    for (;;) {
        size_t count = vv_idset_cursor_read(&a_cursor, a_ids, VV_ARRAY_COUNT(a_ids));
        VV_IGNORE(vv_idset_cursor_read(&b_cursor, b_ids, count)); /* as many, by the counts */
        if (memcmp(a_ids, b_ids, count * sizeof *a_ids) != 0) {
            return false;
        }
        if (count < VV_ARRAY_COUNT(a_ids)) {
            return true;
        }
    }
}
