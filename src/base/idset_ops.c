/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set algebra: and, or, and not of two sets, the union of many, the count of a conjunction.
 *
 * A set that is not a tree has at most 64 ids, so with one of those the work is 64 searches at
 * most, or a copy and 64 changes. Two trees are walked by key, and each pair of containers meets in
 * one of four ways:
 *
 *                 array                    bitmap
 *     array       merge, or search where   test each item
 *                 one is much longer
 *     bitmap      test each item           word by word
 */
#include "base/idset_priv.h"

#include <string.h>

#include "base/assert.h"

/* From this ratio of sizes on, searching the longer array beats walking it (computed: the search
 * takes up to 12 steps that the processor cannot foresee, about 30 that it can). */
#define IDSET_OPS_SEARCH_RATIO 32u

/* Up to here a union of many is gathered and sorted instead of spread over bitmaps (arbitrary: 4
 * KiB). */
#define IDSET_OPS_GATHER_MAX 1024u

/* ---- pairs of containers ---- */

/* Items in both arrays to target, which may be NULL for the count alone. */
static uint32_t idset_ops_array_and(const vv_idset_container *a, const vv_idset_container *b,
                                    uint16_t *target)
{
    const vv_idset_container *few = a->count <= b->count ? a : b;
    const vv_idset_container *many = few == a ? b : a;
    bool searches = many->count / IDSET_OPS_SEARCH_RATIO >= few->count;
    uint32_t count = 0;
    uint32_t at = 0;
    for (uint32_t index = 0; index < few->count; index++) {
        uint16_t item = few->u.array[index];
        if (searches) {
            at = vv_idset_find_u16(many->u.array, at, many->count, item);
        } else {
            while (at < many->count && many->u.array[at] < item) {
                at += 1;
            }
        }
        if (at == many->count) {
            break;
        }
        if (many->u.array[at] == item) {
            if (target != NULL) {
                target[count] = item;
            }
            count += 1;
        }
    }
    return count;
}

/* Items of the array whose bit is set (or clear) to target, or only counted. Without branches:
 * whether an item is there is as good as random. */
static uint32_t idset_ops_bitmap_filter(const vv_idset_container *array, const uint64_t *words,
                                        bool wanted, uint16_t *target)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < array->count; index++) {
        uint16_t item = array->u.array[index];
        if (target != NULL) {
            target[count] = item;
        }
        count += vv_bits_get(words, item) == wanted;
    }
    return count;
}

/* Items of the array that are (or are not) in the other container, to target or only counted. */
static uint32_t idset_ops_array_filter(const vv_idset_container *array,
                                       const vv_idset_container *other, bool wanted,
                                       uint16_t *target)
{
    if (vv_idset_is_bitmap(other)) {
        return idset_ops_bitmap_filter(array, other->u.words, wanted, target);
    }
    uint32_t count = 0;
    for (uint32_t index = 0; index < array->count; index++) {
        uint16_t item = array->u.array[index];
        if (vv_idset_container_contains(other, item) == wanted) {
            if (target != NULL) {
                target[count] = item;
            }
            count += 1;
        }
    }
    return count;
}

static uint32_t idset_ops_array_or(const vv_idset_container *a, const vv_idset_container *b,
                                   uint16_t *target)
{
    uint32_t count = 0;
    uint32_t a_index = 0;
    uint32_t b_index = 0;
    while (a_index < a->count && b_index < b->count) {
        uint16_t a_item = a->u.array[a_index];
        uint16_t b_item = b->u.array[b_index];
        target[count] = a_item < b_item ? a_item : b_item;
        a_index += a_item <= b_item;
        b_index += b_item <= a_item;
        count += 1;
    }
    for (; a_index < a->count; a_index++) {
        target[count] = a->u.array[a_index];
        count += 1;
    }
    for (; b_index < b->count; b_index++) {
        target[count] = b->u.array[b_index];
        count += 1;
    }
    return count;
}

static void idset_ops_words_of(const vv_idset_container *container, uint64_t *words)
{
    if (vv_idset_is_bitmap(container)) {
        memcpy(words, container->u.words, VV_IDSET_BITMAP_BYTES);
    } else {
        vv_idset_array_to_words(container->u.array, container->count, words);
    }
}

/* words |= container */
static void idset_ops_words_or(uint64_t *words, const vv_idset_container *container)
{
    if (vv_idset_is_bitmap(container)) {
        vv_bits_or(words, container->u.words, VV_IDSET_WORDS);
        return;
    }
    for (uint32_t index = 0; index < container->count; index++) {
        vv_bits_set(words, container->u.array[index]);
    }
}

/* words &= ~container */
static void idset_ops_words_andnot(uint64_t *words, const vv_idset_container *container)
{
    if (vv_idset_is_bitmap(container)) {
        vv_bits_andnot(words, container->u.words, VV_IDSET_WORDS);
        return;
    }
    for (uint32_t index = 0; index < container->count; index++) {
        vv_bits_clear(words, container->u.array[index]);
    }
}

typedef varve_status (*idset_ops_pair)(vv_idset_builder *builder, const vv_idset_container *a,
                                       const vv_idset_container *b, vv_idset_scratch *scratch);

static varve_status idset_ops_pair_and(vv_idset_builder *builder, const vv_idset_container *a,
                                       const vv_idset_container *b, vv_idset_scratch *scratch)
{
    if (vv_idset_is_bitmap(a) && vv_idset_is_bitmap(b)) {
        memcpy(scratch->u.words, a->u.words, VV_IDSET_BITMAP_BYTES);
        vv_bits_and(scratch->u.words, b->u.words, VV_IDSET_WORDS);
        return vv_idset_builder_add_words(builder, scratch->u.words,
                                          vv_idset_words_count(scratch->u.words), a->key);
    }
    uint32_t count;
    if (vv_idset_is_bitmap(a)) {
        count = idset_ops_array_filter(b, a, /* wanted */ true, scratch->u.array);
    } else if (vv_idset_is_bitmap(b)) {
        count = idset_ops_array_filter(a, b, /* wanted */ true, scratch->u.array);
    } else {
        count = idset_ops_array_and(a, b, scratch->u.array);
    }
    return vv_idset_builder_add_array(builder, scratch->u.array, count, a->key);
}

static varve_status idset_ops_pair_or(vv_idset_builder *builder, const vv_idset_container *a,
                                      const vv_idset_container *b, vv_idset_scratch *scratch)
{
    if (!vv_idset_is_bitmap(a) && !vv_idset_is_bitmap(b)) {
        uint32_t count = idset_ops_array_or(a, b, scratch->u.array);
        return vv_idset_builder_add_array(builder, scratch->u.array, count, a->key);
    }
    idset_ops_words_of(a, scratch->u.words);
    idset_ops_words_or(scratch->u.words, b);
    return vv_idset_builder_add_words(builder, scratch->u.words,
                                      vv_idset_words_count(scratch->u.words), a->key);
}

static varve_status idset_ops_pair_andnot(vv_idset_builder *builder, const vv_idset_container *a,
                                          const vv_idset_container *b, vv_idset_scratch *scratch)
{
    if (!vv_idset_is_bitmap(a)) {
        uint32_t count = idset_ops_array_filter(a, b, /* wanted */ false, scratch->u.array);
        return vv_idset_builder_add_array(builder, scratch->u.array, count, a->key);
    }
    idset_ops_words_of(a, scratch->u.words);
    idset_ops_words_andnot(scratch->u.words, b);
    return vv_idset_builder_add_words(builder, scratch->u.words,
                                      vv_idset_words_count(scratch->u.words), a->key);
}

/* ---- two trees ---- */

/* Pairs of equal keys go through pair; containers whose key only one tree has are kept as asked. */
static varve_status idset_ops_trees(const vv_idset_tree *a, const vv_idset_tree *b, bool keeps_a,
                                    bool keeps_b, idset_ops_pair pair, vv_alloc *alloc,
                                    vv_idset *out_set)
{
    vv_idset_builder builder = {.alloc = alloc};
    vv_idset_scratch scratch;
    varve_status status = VARVE_OK;
    uint32_t a_index = 0;
    uint32_t b_index = 0;
    while ((a_index < a->count || b_index < b->count) && status == VARVE_OK) {
        uint32_t a_key = a_index < a->count ? a->items[a_index].key : UINT32_MAX;
        uint32_t b_key = b_index < b->count ? b->items[b_index].key : UINT32_MAX;
        if (a_key == b_key) {
            status = pair(&builder, &a->items[a_index], &b->items[b_index], &scratch);
        } else if (a_key < b_key && keeps_a) {
            status = vv_idset_builder_add_copy(&builder, &a->items[a_index]);
        } else if (b_key < a_key && keeps_b) {
            status = vv_idset_builder_add_copy(&builder, &b->items[b_index]);
        }
        a_index += a_key <= b_key;
        b_index += b_key <= a_key;
    }
    return vv_idset_builder_end(&builder, status, out_set);
}

/* ---- sets ---- */

/* The ids of a set that is no tree that are (or are not) in other. */
static varve_status idset_ops_plain_filter(const vv_idset *set, const vv_idset *other, bool wanted,
                                           vv_alloc *alloc, vv_idset *out_set)
{
    uint32_t ids[VV_IDSET_PLAIN_MAX];
    uint32_t count = 0;
    const uint32_t *source = vv_idset_plain(set);
    for (uint32_t index = 0; index < set->count; index++) {
        if (vv_idset_contains(other, source[index]) == wanted) {
            ids[count] = source[index];
            count += 1;
        }
    }
    return vv_idset_make_plain(ids, count, alloc, out_set);
}

varve_status vv_idset_and(const vv_idset *a, const vv_idset *b, vv_alloc *alloc, vv_idset *out_set)
{
    vv_idset_init(out_set);
    if (!vv_idset_is_tree(a)) {
        return idset_ops_plain_filter(a, b, /* wanted */ true, alloc, out_set);
    }
    if (!vv_idset_is_tree(b)) {
        return idset_ops_plain_filter(b, a, /* wanted */ true, alloc, out_set);
    }
    return idset_ops_trees(a->u.tree, b->u.tree, /* keeps_a */ false, /* keeps_b */ false,
                           idset_ops_pair_and, alloc, out_set);
}

/* A copy of the tree with the ids of the other set added. */
static varve_status idset_ops_tree_or_plain(const vv_idset *tree, const vv_idset *plain,
                                            vv_alloc *alloc, vv_idset *out_set)
{
    varve_status status = vv_idset_copy(tree, alloc, out_set);
    const uint32_t *ids = vv_idset_plain(plain);
    for (uint32_t index = 0; index < plain->count && status == VARVE_OK; index++) {
        status = vv_idset_add(out_set, alloc, ids[index]);
    }
    if (status != VARVE_OK) {
        vv_idset_deinit(out_set, alloc);
    }
    return status;
}

static varve_status idset_ops_plain_or_plain(const vv_idset *a, const vv_idset *b, vv_alloc *alloc,
                                             vv_idset *out_set)
{
    uint32_t ids[2 * VV_IDSET_PLAIN_MAX];
    const uint32_t *a_ids = vv_idset_plain(a);
    const uint32_t *b_ids = vv_idset_plain(b);
    uint32_t count = 0;
    uint32_t a_index = 0;
    uint32_t b_index = 0;
    while (a_index < a->count || b_index < b->count) {
        uint32_t a_id = a_index < a->count ? a_ids[a_index] : UINT32_MAX;
        uint32_t b_id = b_index < b->count ? b_ids[b_index] : UINT32_MAX;
        ids[count] = a_id < b_id ? a_id : b_id;
        a_index += a_id <= b_id;
        b_index += b_id <= a_id;
        count += 1;
    }
    return vv_idset_from_sorted(ids, count, alloc, out_set);
}

varve_status vv_idset_or(const vv_idset *a, const vv_idset *b, vv_alloc *alloc, vv_idset *out_set)
{
    vv_idset_init(out_set);
    if (vv_idset_is_tree(a) && vv_idset_is_tree(b)) {
        return idset_ops_trees(a->u.tree, b->u.tree, /* keeps_a */ true, /* keeps_b */ true,
                               idset_ops_pair_or, alloc, out_set);
    }
    if (vv_idset_is_tree(a)) {
        return idset_ops_tree_or_plain(a, b, alloc, out_set);
    }
    if (vv_idset_is_tree(b)) {
        return idset_ops_tree_or_plain(b, a, alloc, out_set);
    }
    return idset_ops_plain_or_plain(a, b, alloc, out_set);
}

varve_status vv_idset_andnot(const vv_idset *a, const vv_idset *b, vv_alloc *alloc,
                             vv_idset *out_set)
{
    vv_idset_init(out_set);
    if (!vv_idset_is_tree(a)) {
        return idset_ops_plain_filter(a, b, /* wanted */ false, alloc, out_set);
    }
    if (vv_idset_is_tree(b)) {
        return idset_ops_trees(a->u.tree, b->u.tree, /* keeps_a */ true, /* keeps_b */ false,
                               idset_ops_pair_andnot, alloc, out_set);
    }
    VV_TRY(vv_idset_copy(a, alloc, out_set));
    const uint32_t *ids = vv_idset_plain(b);
    for (uint32_t index = 0; index < b->count; index++) {
        VV_IGNORE(vv_idset_remove(out_set, alloc, ids[index])); /* there or not */
    }
    return VARVE_OK;
}

static uint32_t idset_ops_pair_and_count(const vv_idset_container *a, const vv_idset_container *b)
{
    if (vv_idset_is_bitmap(a) && vv_idset_is_bitmap(b)) {
        uint32_t count = 0;
        for (size_t index = 0; index < VV_IDSET_WORDS; index++) {
            count += vv_popcount64(a->u.words[index] & b->u.words[index]);
        }
        return count;
    }
    if (vv_idset_is_bitmap(a)) {
        return idset_ops_array_filter(b, a, /* wanted */ true, NULL);
    }
    if (vv_idset_is_bitmap(b)) {
        return idset_ops_array_filter(a, b, /* wanted */ true, NULL);
    }
    return idset_ops_array_and(a, b, NULL);
}

uint32_t vv_idset_and_count(const vv_idset *a, const vv_idset *b)
{
    uint32_t count = 0;
    if (!vv_idset_is_tree(a) || !vv_idset_is_tree(b)) {
        const vv_idset *plain = vv_idset_is_tree(a) ? b : a;
        const vv_idset *other = plain == a ? b : a;
        for (uint32_t index = 0; index < plain->count; index++) {
            count += vv_idset_contains(other, vv_idset_plain(plain)[index]) ? 1 : 0;
        }
        return count;
    }
    uint32_t b_index = 0;
    for (uint32_t a_index = 0; a_index < a->u.tree->count; a_index++) {
        const vv_idset_container *container = &a->u.tree->items[a_index];
        b_index = vv_idset_find_key(b->u.tree, b_index, container->key);
        if (b_index == b->u.tree->count) {
            break;
        }
        if (b->u.tree->items[b_index].key == container->key) {
            count += idset_ops_pair_and_count(container, &b->u.tree->items[b_index]);
        }
    }
    return count;
}

/* ---- the union of many ---- */

static void idset_ops_sink(uint32_t *ids, size_t index, size_t count)
{
    uint32_t id = ids[index];
    for (size_t child = 2 * index + 1; child < count; child = 2 * index + 1) {
        child += child + 1 < count && ids[child + 1] > ids[child];
        if (ids[child] <= id) {
            break;
        }
        ids[index] = ids[child];
        index = child;
    }
    ids[index] = id;
}

/* Heap sort: qsort may allocate behind the allocator's back. */
static void idset_ops_sort(uint32_t *ids, size_t count)
{
    for (size_t index = count / 2; index > 0; index--) {
        idset_ops_sink(ids, index - 1, count);
    }
    for (size_t end = count; end > 1; end--) {
        uint32_t greatest = ids[0];
        ids[0] = ids[end - 1];
        ids[end - 1] = greatest;
        idset_ops_sink(ids, 0, end - 1);
    }
}

static varve_status idset_ops_gather(const vv_idset *const *sets, size_t set_count, vv_alloc *alloc,
                                     vv_idset *out_set)
{
    uint32_t ids[IDSET_OPS_GATHER_MAX];
    size_t count = 0;
    for (size_t index = 0; index < set_count; index++) {
        vv_idset_cursor cursor;
        vv_idset_cursor_init(&cursor, sets[index]);
        count += vv_idset_cursor_read(&cursor, ids + count, VV_ARRAY_COUNT(ids) - count);
    }
    idset_ops_sort(ids, count);
    size_t kept = 0;
    for (size_t index = 0; index < count; index++) {
        if (kept == 0 || ids[kept - 1] != ids[index]) {
            ids[kept] = ids[index];
            kept += 1;
        }
    }
    return vv_idset_from_sorted(ids, kept, alloc, out_set);
}

/* The bitmap of a key in a tree of bitmaps, made when missing; NULL without memory. Counts stay 0
 * meanwhile. */
static uint64_t *idset_ops_spread_words(vv_idset_builder *builder, uint16_t key)
{
    uint32_t index = builder->tree == NULL ? 0 : vv_idset_find_key(builder->tree, 0, key);
    if (builder->tree != NULL && index < builder->tree->count &&
        builder->tree->items[index].key == key) {
        return builder->tree->items[index].u.words;
    }
    if (vv_idset_builder_grow(builder) != VARVE_OK) {
        return NULL;
    }
    uint64_t *words = (uint64_t *)vv_alloc_zeroed(builder->alloc, VV_IDSET_BITMAP_BYTES);
    if (words == NULL) {
        return NULL;
    }
    vv_idset_tree *tree = builder->tree;
    memmove(tree->items + index + 1, tree->items + index,
            (tree->count - index) * sizeof *tree->items);
    tree->items[index] = (vv_idset_container){.u.words = words, .key = key};
    tree->count += 1;
    return words;
}

static varve_status idset_ops_spread(vv_idset_builder *builder, const vv_idset *set)
{
    if (vv_idset_is_tree(set)) {
        for (uint32_t index = 0; index < set->u.tree->count; index++) {
            const vv_idset_container *container = &set->u.tree->items[index];
            uint64_t *words = idset_ops_spread_words(builder, container->key);
            if (words == NULL) {
                return VARVE_E_NOMEM;
            }
            idset_ops_words_or(words, container);
        }
        return VARVE_OK;
    }
    for (uint32_t index = 0; index < set->count; index++) {
        uint32_t id = vv_idset_plain(set)[index];
        uint64_t *words = idset_ops_spread_words(builder, (uint16_t)(id >> 16));
        if (words == NULL) {
            return VARVE_E_NOMEM;
        }
        vv_bits_set(words, id & 0xFFFF);
    }
    return VARVE_OK;
}

/* Count the bitmaps and give the small ones the smaller form. */
static varve_status idset_ops_settle(vv_idset_builder *builder)
{
    for (uint32_t index = 0; builder->tree != NULL && index < builder->tree->count; index++) {
        vv_idset_container *container = &builder->tree->items[index];
        container->count = vv_idset_words_count(container->u.words);
        builder->id_count += container->count;
        if (container->count <= VV_IDSET_ARRAY_MAX) {
            vv_idset_container smaller;
            VV_TRY(vv_idset_container_of_words(container->u.words, container->count, container->key,
                                               builder->alloc, &smaller));
            vv_idset_container_free(container, builder->alloc);
            *container = smaller;
        }
    }
    return VARVE_OK;
}

varve_status vv_idset_or_many(const vv_idset *const *sets, size_t count, vv_alloc *alloc,
                              vv_idset *out_set)
{
    vv_idset_init(out_set);
    uint64_t id_count = 0;
    for (size_t index = 0; index < count; index++) {
        id_count += sets[index]->count;
    }
    if (id_count <= IDSET_OPS_GATHER_MAX) {
        return idset_ops_gather(sets, count, alloc, out_set);
    }
    vv_idset_builder builder = {.alloc = alloc};
    varve_status status = VARVE_OK;
    for (size_t index = 0; index < count && status == VARVE_OK; index++) {
        status = idset_ops_spread(&builder, sets[index]);
    }
    if (status == VARVE_OK) {
        status = idset_ops_settle(&builder);
    }
    return vv_idset_builder_end(&builder, status, out_set);
}
