/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adding and removing single ids. Adding may need memory and then either happens or changes nothing
 * (D5); removing never fails, and shrinks where it can (D3).
 */
#include "base/idset_priv.h"

#include <string.h>

#include "base/assert.h"

/* Half of the limits, so that an id that comes and goes at a border does not convert each time. */
#define IDSET_CHANGE_ARRAY_AGAIN (VV_IDSET_ARRAY_MAX / 2)
#define IDSET_CHANGE_PLAIN_AGAIN (VV_IDSET_PLAIN_MAX / 2)

/* Arbitrary: 16 bytes and 8. */
#define IDSET_CHANGE_PLAIN_CAPACITY_MIN 4u
#define IDSET_CHANGE_ARRAY_CAPACITY_MIN 4u

/* ---- adding ---- */

static varve_status idset_change_plain_add(vv_idset *set, vv_alloc *alloc, uint32_t id,
                                           uint32_t index)
{
    uint32_t *ids = set->u.plain;
    if (set->count == set->capacity) {
        uint32_t capacity = 2 * set->capacity;
        capacity = capacity > VV_IDSET_PLAIN_MAX ? VV_IDSET_PLAIN_MAX : capacity;
        ids = (uint32_t *)vv_alloc_resize(alloc, ids, set->capacity * sizeof *ids,
                                          capacity * sizeof *ids);
        if (ids == NULL) {
            return VARVE_E_NOMEM;
        }
        set->u.plain = ids;
        set->capacity = capacity;
    }
    memmove(ids + index + 1, ids + index, (set->count - index) * sizeof *ids);
    ids[index] = id;
    set->count += 1;
    return VARVE_OK;
}

static varve_status idset_change_inline_add(vv_idset *set, vv_alloc *alloc, uint32_t id,
                                            uint32_t index)
{
    uint32_t *ids = set->u.few;
    if (set->count == VV_IDSET_INLINE_MAX) {
        ids = (uint32_t *)vv_alloc_array(alloc, IDSET_CHANGE_PLAIN_CAPACITY_MIN, sizeof *ids);
        if (ids == NULL) {
            return VARVE_E_NOMEM;
        }
        memcpy(ids, set->u.few, sizeof set->u.few);
        set->u.plain = ids;
        set->capacity = IDSET_CHANGE_PLAIN_CAPACITY_MIN;
    }
    memmove(ids + index + 1, ids + index, (set->count - index) * sizeof *ids);
    ids[index] = id;
    set->count += 1;
    return VARVE_OK;
}

/* The 65th id makes a tree of a plain set. */
static varve_status idset_change_plain_to_tree(vv_idset *set, vv_alloc *alloc, uint32_t id,
                                               uint32_t index)
{
    uint32_t ids[VV_IDSET_PLAIN_MAX + 1];
    vv_idset tree;
    memcpy(ids, set->u.plain, index * sizeof *ids);
    ids[index] = id;
    memcpy(ids + index + 1, set->u.plain + index, (set->count - index) * sizeof *ids);
    VV_TRY(vv_idset_from_sorted(ids, VV_ARRAY_COUNT(ids), alloc, &tree));
    vv_idset_deinit(set, alloc);
    *set = tree;
    return VARVE_OK;
}

static varve_status idset_change_array_to_bitmap(vv_idset_container *container, vv_alloc *alloc)
{
    uint64_t *words = (uint64_t *)vv_alloc_new(alloc, VV_IDSET_BITMAP_BYTES);
    if (words == NULL) {
        return VARVE_E_NOMEM;
    }
    vv_idset_array_to_words(container->u.array, container->count, words);
    vv_idset_container_free(container, alloc);
    container->u.words = words;
    container->capacity = 0;
    return VARVE_OK;
}

static varve_status idset_change_array_grow(vv_idset_container *container, vv_alloc *alloc)
{
    uint32_t capacity = 2u * container->capacity;
    capacity =
        capacity < IDSET_CHANGE_ARRAY_CAPACITY_MIN ? IDSET_CHANGE_ARRAY_CAPACITY_MIN : capacity;
    capacity = capacity > VV_IDSET_ARRAY_MAX ? VV_IDSET_ARRAY_MAX : capacity;
    uint16_t *array = (uint16_t *)vv_alloc_resize(
        alloc, container->u.array, vv_idset_container_bytes(container), capacity * sizeof *array);
    if (array == NULL) {
        return VARVE_E_NOMEM;
    }
    container->u.array = array;
    container->capacity = (uint16_t)capacity;
    return VARVE_OK;
}

/* Add an item that is not there. */
static varve_status idset_change_container_add(vv_idset_container *container, vv_alloc *alloc,
                                               uint16_t item)
{
    if (!vv_idset_is_bitmap(container)) {
        if (container->count == VV_IDSET_ARRAY_MAX) {
            VV_TRY(idset_change_array_to_bitmap(container, alloc));
        } else if (container->count == container->capacity) {
            VV_TRY(idset_change_array_grow(container, alloc));
        }
    }
    if (vv_idset_is_bitmap(container)) {
        vv_bits_set(container->u.words, item);
    } else {
        uint16_t *array = container->u.array;
        uint32_t index = vv_idset_find_u16(array, 0, container->count, item);
        memmove(array + index + 1, array + index, (container->count - index) * sizeof *array);
        array[index] = item;
    }
    container->count += 1;
    return VARVE_OK;
}

/* A container of one item before index. */
static varve_status idset_change_tree_insert(vv_idset *set, vv_alloc *alloc, uint32_t id,
                                             uint32_t index)
{
    vv_idset_builder builder = {.alloc = alloc, .tree = set->u.tree};
    varve_status status = vv_idset_builder_grow(&builder);
    set->u.tree = builder.tree; /* moved or not, it is the same tree with more room */
    VV_TRY(status);
    vv_idset_container container = {.count = 1, .key = (uint16_t)(id >> 16)};
    container.u.array = (uint16_t *)vv_alloc_array(alloc, IDSET_CHANGE_ARRAY_CAPACITY_MIN,
                                                   sizeof *container.u.array);
    if (container.u.array == NULL) {
        return VARVE_E_NOMEM;
    }
    container.capacity = IDSET_CHANGE_ARRAY_CAPACITY_MIN;
    container.u.array[0] = (uint16_t)id;
    vv_idset_tree *tree = set->u.tree;
    memmove(tree->items + index + 1, tree->items + index,
            (tree->count - index) * sizeof *tree->items);
    tree->items[index] = container;
    tree->count += 1;
    set->count += 1;
    return VARVE_OK;
}

static varve_status idset_change_tree_add(vv_idset *set, vv_alloc *alloc, uint32_t id)
{
    vv_idset_tree *tree = set->u.tree;
    uint32_t index = vv_idset_find_key(tree, 0, id >> 16);
    if (index == tree->count || tree->items[index].key != id >> 16) {
        return idset_change_tree_insert(set, alloc, id, index);
    }
    if (vv_idset_container_contains(&tree->items[index], (uint16_t)id)) {
        return VARVE_OK;
    }
    VV_TRY(idset_change_container_add(&tree->items[index], alloc, (uint16_t)id));
    set->count += 1;
    return VARVE_OK;
}

varve_status vv_idset_add(vv_idset *set, vv_alloc *alloc, uint32_t id)
{
    VV_ASSERT(id <= VV_IDSET_ID_MAX);
    if (vv_idset_is_tree(set)) {
        return idset_change_tree_add(set, alloc, id);
    }
    const uint32_t *ids = vv_idset_plain(set);
    uint32_t index = vv_idset_find_u32(ids, 0, set->count, id);
    if (index < set->count && ids[index] == id) {
        return VARVE_OK;
    }
    if (set->capacity == 0) {
        return idset_change_inline_add(set, alloc, id, index);
    }
    if (set->count == VV_IDSET_PLAIN_MAX) {
        return idset_change_plain_to_tree(set, alloc, id, index);
    }
    return idset_change_plain_add(set, alloc, id, index);
}

/* ---- removing ---- */

/* Without memory for the array the bitmap stays (D3). Tried at powers of two only, not at each
 * removal. */
static void idset_change_bitmap_shrink(vv_idset_container *container, vv_alloc *alloc)
{
    if (container->count > IDSET_CHANGE_ARRAY_AGAIN ||
        (container->count & (container->count - 1)) != 0) {
        return;
    }
    vv_idset_container smaller;
    if (vv_idset_container_of_words(container->u.words, container->count, container->key, alloc,
                                    &smaller) == VARVE_OK) {
        vv_idset_container_free(container, alloc);
        *container = smaller;
    }
}

static void idset_change_container_remove(vv_idset_container *container, vv_alloc *alloc,
                                          uint16_t item)
{
    container->count -= 1;
    if (vv_idset_is_bitmap(container)) {
        vv_bits_clear(container->u.words, item);
        if (container->count > 0) {
            idset_change_bitmap_shrink(container, alloc);
        }
        return;
    }
    uint16_t *array = container->u.array;
    uint32_t index = vv_idset_find_u16(array, 0, container->count + 1, item);
    memmove(array + index, array + index + 1, (container->count - index) * sizeof *array);
}

/* As idset_change_bitmap_shrink, for the whole set. */
static void idset_change_tree_shrink(vv_idset *set, vv_alloc *alloc)
{
    if (set->count > IDSET_CHANGE_PLAIN_AGAIN || (set->count & (set->count - 1)) != 0) {
        return;
    }
    uint32_t ids[IDSET_CHANGE_PLAIN_AGAIN];
    vv_idset_cursor cursor;
    vv_idset smaller;
    vv_idset_cursor_init(&cursor, set);
    size_t count = vv_idset_cursor_read(&cursor, ids, VV_ARRAY_COUNT(ids));
    if (vv_idset_make_plain(ids, (uint32_t)count, alloc, &smaller) == VARVE_OK) {
        vv_idset_deinit(set, alloc);
        *set = smaller;
    }
}

static bool idset_change_tree_remove(vv_idset *set, vv_alloc *alloc, uint32_t id)
{
    vv_idset_tree *tree = set->u.tree;
    uint32_t index = vv_idset_find_key(tree, 0, id >> 16);
    if (index == tree->count || tree->items[index].key != id >> 16 ||
        !vv_idset_container_contains(&tree->items[index], (uint16_t)id)) {
        return false;
    }
    idset_change_container_remove(&tree->items[index], alloc, (uint16_t)id);
    set->count -= 1;
    if (tree->items[index].count == 0) {
        vv_idset_container_free(&tree->items[index], alloc);
        tree->count -= 1;
        memmove(tree->items + index, tree->items + index + 1,
                (tree->count - index) * sizeof *tree->items);
    }
    idset_change_tree_shrink(set, alloc);
    return true;
}

bool vv_idset_remove(vv_idset *set, vv_alloc *alloc, uint32_t id)
{
    if (vv_idset_is_tree(set)) {
        return idset_change_tree_remove(set, alloc, id);
    }
    uint32_t *ids = set->capacity == 0 ? set->u.few : set->u.plain;
    uint32_t index = vv_idset_find_u32(ids, 0, set->count, id);
    if (index == set->count || ids[index] != id) {
        return false;
    }
    set->count -= 1;
    memmove(ids + index, ids + index + 1, (set->count - index) * sizeof *ids);
    if (set->capacity > 0 && set->count <= VV_IDSET_INLINE_MAX) {
        uint32_t few[VV_IDSET_INLINE_MAX] = {0};
        memcpy(few, ids, set->count * sizeof *few);
        vv_alloc_free(alloc, ids, set->capacity * sizeof *ids);
        memcpy(set->u.few, few, sizeof few);
        set->capacity = 0;
    }
    return true;
}
