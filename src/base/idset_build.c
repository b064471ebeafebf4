/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making id sets: containers from arrays and bitmaps, trees from containers, sets from ids, ranges
 * and other sets. A result is computed in scratch memory first and then allocated in its exact
 * size, so a set made here has no spare room.
 */
#include "base/idset_priv.h"

#include <string.h>

#include "base/assert.h"

#define IDSET_BUILD_CAPACITY_MIN 2u

/* ---- containers from scratch memory ---- */

uint32_t vv_idset_words_count(const uint64_t *words)
{
    uint32_t count = 0;
    for (size_t index = 0; index < VV_IDSET_WORDS; index++) {
        count += vv_popcount64(words[index]);
    }
    return count;
}

void vv_idset_words_to_array(const uint64_t *words, uint16_t *array)
{
    size_t count = 0;
    for (uint32_t index = 0; index < VV_IDSET_WORDS; index++) {
        for (uint64_t word = words[index]; word != 0; word &= word - 1) {
            array[count] = (uint16_t)(index * 64 + vv_ctz64(word));
            count += 1;
        }
    }
}

void vv_idset_array_to_words(const uint16_t *array, uint32_t count, uint64_t *words)
{
    memset(words, 0, VV_IDSET_BITMAP_BYTES);
    for (uint32_t index = 0; index < count; index++) {
        vv_bits_set(words, array[index]);
    }
}

/* A container in the form that its count asks for, from count (not 0) ascending items. */
varve_status vv_idset_container_of_array(const uint16_t *array, uint32_t count, uint16_t key,
                                         vv_alloc *alloc, vv_idset_container *out_container)
{
    vv_idset_container made = {.count = count, .key = key};
    if (count > VV_IDSET_ARRAY_MAX) {
        made.u.words = (uint64_t *)vv_alloc_new(alloc, VV_IDSET_BITMAP_BYTES);
        if (made.u.words == NULL) {
            return VARVE_E_NOMEM;
        }
        vv_idset_array_to_words(array, count, made.u.words);
    } else {
        made.u.array = (uint16_t *)vv_alloc_array(alloc, count, sizeof *array);
        if (made.u.array == NULL) {
            return VARVE_E_NOMEM;
        }
        memcpy(made.u.array, array, count * sizeof *array);
        made.capacity = (uint16_t)count;
    }
    *out_container = made;
    return VARVE_OK;
}

/* The same from a bitmap with count (not 0) bits. */
varve_status vv_idset_container_of_words(const uint64_t *words, uint32_t count, uint16_t key,
                                         vv_alloc *alloc, vv_idset_container *out_container)
{
    vv_idset_container made = {.count = count, .key = key};
    if (count > VV_IDSET_ARRAY_MAX) {
        made.u.words = (uint64_t *)vv_alloc_new(alloc, VV_IDSET_BITMAP_BYTES);
        if (made.u.words == NULL) {
            return VARVE_E_NOMEM;
        }
        memcpy(made.u.words, words, VV_IDSET_BITMAP_BYTES);
    } else {
        made.u.array = (uint16_t *)vv_alloc_array(alloc, count, sizeof *made.u.array);
        if (made.u.array == NULL) {
            return VARVE_E_NOMEM;
        }
        vv_idset_words_to_array(words, made.u.array);
        made.capacity = (uint16_t)count;
    }
    *out_container = made;
    return VARVE_OK;
}

static varve_status idset_build_copy(const vv_idset_container *source, vv_alloc *alloc,
                                     vv_idset_container *out_container)
{
    if (vv_idset_is_bitmap(source)) {
        return vv_idset_container_of_words(source->u.words, source->count, source->key, alloc,
                                           out_container);
    }
    return vv_idset_container_of_array(source->u.array, source->count, source->key, alloc,
                                       out_container);
}

/* ---- building trees ---- */

varve_status vv_idset_builder_reserve(vv_idset_builder *builder, uint32_t capacity)
{
    uint32_t old_capacity = builder->tree == NULL ? 0 : builder->tree->capacity;
    if (capacity <= old_capacity) {
        return VARVE_OK;
    }
    size_t old_bytes = builder->tree == NULL ? 0 : vv_idset_tree_bytes(old_capacity);
    vv_idset_tree *tree = (vv_idset_tree *)vv_alloc_resize(builder->alloc, builder->tree, old_bytes,
                                                           vv_idset_tree_bytes(capacity));
    if (tree == NULL) {
        return VARVE_E_NOMEM;
    }
    if (builder->tree == NULL) {
        tree->count = 0;
    }
    tree->capacity = capacity;
    builder->tree = tree;
    return VARVE_OK;
}

/* Room for one more container. */
varve_status vv_idset_builder_grow(vv_idset_builder *builder)
{
    uint32_t count = builder->tree == NULL ? 0 : builder->tree->count;
    uint32_t capacity = builder->tree == NULL ? 0 : builder->tree->capacity;
    if (count < capacity) {
        return VARVE_OK;
    }
    return vv_idset_builder_reserve(
        builder, capacity < IDSET_BUILD_CAPACITY_MIN ? IDSET_BUILD_CAPACITY_MIN : 2 * capacity);
}

/* Put a container, of which the builder takes the memory, behind the others; there is room. */
void vv_idset_builder_put(vv_idset_builder *builder, vv_idset_container container)
{
    vv_idset_tree *tree = builder->tree;
    VV_ASSERT(tree->count < tree->capacity);
    VV_ASSERT(tree->count == 0 || tree->items[tree->count - 1].key < container.key);
    tree->items[tree->count] = container;
    tree->count += 1;
    builder->id_count += container.count;
}

varve_status vv_idset_builder_add_array(vv_idset_builder *builder, const uint16_t *array,
                                        uint32_t count, uint16_t key)
{
    if (count == 0) {
        return VARVE_OK;
    }
    vv_idset_container container;
    VV_TRY(vv_idset_builder_grow(builder));
    VV_TRY(vv_idset_container_of_array(array, count, key, builder->alloc, &container));
    vv_idset_builder_put(builder, container);
    return VARVE_OK;
}

varve_status vv_idset_builder_add_words(vv_idset_builder *builder, const uint64_t *words,
                                        uint32_t count, uint16_t key)
{
    if (count == 0) {
        return VARVE_OK;
    }
    vv_idset_container container;
    VV_TRY(vv_idset_builder_grow(builder));
    VV_TRY(vv_idset_container_of_words(words, count, key, builder->alloc, &container));
    vv_idset_builder_put(builder, container);
    return VARVE_OK;
}

varve_status vv_idset_builder_add_copy(vv_idset_builder *builder, const vv_idset_container *source)
{
    vv_idset_container container;
    VV_TRY(vv_idset_builder_grow(builder));
    VV_TRY(idset_build_copy(source, builder->alloc, &container));
    vv_idset_builder_put(builder, container);
    return VARVE_OK;
}

static void idset_build_drop(vv_idset_builder *builder)
{
    vv_idset_tree_free(builder->tree, builder->alloc);
    builder->tree = NULL;
}

/* At most 64 ids as inline or plain set. */
varve_status vv_idset_make_plain(const uint32_t *ids, uint32_t count, vv_alloc *alloc,
                                 vv_idset *out_set)
{
    VV_ASSERT(count <= VV_IDSET_PLAIN_MAX);
    vv_idset made = {.count = count};
    if (count > VV_IDSET_INLINE_MAX) {
        made.u.plain = (uint32_t *)vv_alloc_array(alloc, count, sizeof *ids);
        if (made.u.plain == NULL) {
            return VARVE_E_NOMEM;
        }
        made.capacity = count;
    }
    if (count > 0) {
        memcpy(made.capacity == 0 ? made.u.few : made.u.plain, ids, count * sizeof *ids);
    }
    *out_set = made;
    return VARVE_OK;
}

/* The finished set, in the form its count asks for; status is that of the building. Ends the
 * builder. */
varve_status vv_idset_builder_end(vv_idset_builder *builder, varve_status status, vv_idset *out_set)
{
    vv_idset tree_set = {
        .u.tree = builder->tree, .count = builder->id_count, .capacity = VV_IDSET_IS_TREE};
    if (status == VARVE_OK && builder->id_count > VV_IDSET_PLAIN_MAX) {
        *out_set = tree_set;
        return VARVE_OK;
    }
    if (status == VARVE_OK) {
        uint32_t ids[VV_IDSET_PLAIN_MAX];
        size_t count = 0;
        if (builder->tree != NULL) {
            vv_idset_cursor cursor;
            vv_idset_cursor_init(&cursor, &tree_set);
            count = vv_idset_cursor_read(&cursor, ids, VV_ARRAY_COUNT(ids));
        }
        status = vv_idset_make_plain(ids, (uint32_t)count, builder->alloc, out_set);
    }
    idset_build_drop(builder);
    if (status != VARVE_OK) {
        vv_idset_init(out_set);
    }
    return status;
}

/* ---- from ids and ranges ---- */

/* Ids of one key, which are count from ids[0] on. */
static varve_status idset_build_add_ids(vv_idset_builder *builder, const uint32_t *ids,
                                        size_t count, vv_idset_scratch *scratch)
{
    uint16_t key = (uint16_t)(ids[0] >> 16);
    if (count <= VV_IDSET_ARRAY_MAX) {
        for (size_t index = 0; index < count; index++) {
            scratch->u.array[index] = (uint16_t)ids[index];
        }
        return vv_idset_builder_add_array(builder, scratch->u.array, (uint32_t)count, key);
    }
    memset(scratch->u.words, 0, VV_IDSET_BITMAP_BYTES);
    for (size_t index = 0; index < count; index++) {
        vv_bits_set(scratch->u.words, ids[index] & 0xFFFF);
    }
    return vv_idset_builder_add_words(builder, scratch->u.words, (uint32_t)count, key);
}

varve_status vv_idset_from_sorted(const uint32_t *ids, size_t count, vv_alloc *alloc,
                                  vv_idset *out_set)
{
    vv_idset_init(out_set);
    VV_ASSERT(count == 0 || ids[count - 1] <= VV_IDSET_ID_MAX);
    if (count <= VV_IDSET_PLAIN_MAX) {
        return vv_idset_make_plain(ids, (uint32_t)count, alloc, out_set);
    }
    vv_idset_builder builder = {.alloc = alloc};
    vv_idset_scratch scratch;
    varve_status status = VARVE_OK;
    size_t begin = 0;
    while (begin < count && status == VARVE_OK) {
        size_t end = begin + 1;
        while (end < count && ids[end] >> 16 == ids[begin] >> 16) {
            VV_DEBUG_ASSERT(ids[end - 1] < ids[end]);
            end += 1;
        }
        status = idset_build_add_ids(&builder, ids + begin, end - begin, &scratch);
        begin = end;
    }
    return vv_idset_builder_end(&builder, status, out_set);
}

varve_status vv_idset_from_range(uint32_t begin, uint32_t end, vv_alloc *alloc, vv_idset *out_set)
{
    vv_idset_init(out_set);
    vv_idset_builder builder = {.alloc = alloc};
    vv_idset_scratch scratch;
    varve_status status = VARVE_OK;
    while (begin < end && status == VARVE_OK) {
        uint32_t key = begin >> 16;
        uint32_t first = begin & 0xFFFF;
        uint32_t count = end - begin < VV_IDSET_SPAN - first ? end - begin : VV_IDSET_SPAN - first;
        memset(scratch.u.words, 0, VV_IDSET_BITMAP_BYTES);
        vv_bits_set_range(scratch.u.words, first, first + count);
        status = vv_idset_builder_add_words(&builder, scratch.u.words, count, (uint16_t)key);
        begin += count;
    }
    return vv_idset_builder_end(&builder, status, out_set);
}

varve_status vv_idset_copy(const vv_idset *source, vv_alloc *alloc, vv_idset *out_set)
{
    vv_idset_init(out_set);
    if (!vv_idset_is_tree(source)) {
        return vv_idset_make_plain(vv_idset_plain(source), source->count, alloc, out_set);
    }
    vv_idset_builder builder = {.alloc = alloc};
    varve_status status = vv_idset_builder_reserve(&builder, source->u.tree->count);
    for (uint32_t index = 0; index < source->u.tree->count && status == VARVE_OK; index++) {
        status = vv_idset_builder_add_copy(&builder, &source->u.tree->items[index]);
    }
    return vv_idset_builder_end(&builder, status, out_set);
}
