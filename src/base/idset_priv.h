/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of vv_idset, shared by idset.c (forms, reading), idset_build.c (making),
 * idset_change.c (adding and removing), idset_ops.c (and, or, and not) and idset_store.c (bytes).
 * The essay is in idset.c.
 */
#ifndef VV_BASE_IDSET_PRIV_H
#define VV_BASE_IDSET_PRIV_H

#include "base/bitmap.h"

/* vv_idset.capacity of the form tree. */
#define VV_IDSET_IS_TREE      UINT32_MAX
#define VV_IDSET_ARRAY_MAX    4096u
#define VV_IDSET_SPAN         65536u
#define VV_IDSET_WORDS        (VV_IDSET_SPAN / 64)
#define VV_IDSET_BITMAP_BYTES (VV_IDSET_WORDS * sizeof(uint64_t))

typedef struct vv_idset_container {
    union {
        uint16_t *array; /* capacity is not 0; owned */
        uint64_t *words; /* capacity is 0: VV_IDSET_WORDS of them; owned */
    } u;
    uint32_t count;    /* 1 to VV_IDSET_SPAN */
    uint16_t key;      /* upper half of its ids */
    uint16_t capacity; /* room in the array; 0: bitmap */
} vv_idset_container;

_Static_assert(sizeof(vv_idset_container) == 16, "containers stay small");
_Static_assert(VV_IDSET_ARRAY_MAX * sizeof(uint16_t) == VV_IDSET_BITMAP_BYTES,
               "D3: the break-even");

typedef struct vv_idset_tree {
    uint32_t count;    /* containers in use */
    uint32_t capacity; /* room in items */
    vv_idset_container items[];
} vv_idset_tree;

/* Where a container is computed before it gets memory of its own size. */
typedef struct vv_idset_scratch {
    union {
        uint16_t array[2 * VV_IDSET_ARRAY_MAX]; /* room for two arrays united */
        uint64_t words[VV_IDSET_WORDS];
    } u;
} vv_idset_scratch;

/* A tree being made; containers are added in the order of their keys. */
typedef struct vv_idset_builder {
    vv_alloc *alloc;
    vv_idset_tree *tree; /* owned; NULL while there is no container */
    uint32_t id_count;
} vv_idset_builder;

static inline bool vv_idset_is_tree(const vv_idset *set)
{
    return set->capacity == VV_IDSET_IS_TREE;
}

/** The ids of a set that is not a tree. */
static inline const uint32_t *vv_idset_plain(const vv_idset *set)
{
    return set->capacity == 0 ? set->u.few : set->u.plain;
}

static inline bool vv_idset_is_bitmap(const vv_idset_container *container)
{
    return container->capacity == 0;
}

/* ---- idset.c ---- */

size_t vv_idset_container_bytes(const vv_idset_container *container);
void vv_idset_container_free(vv_idset_container *container, vv_alloc *alloc);
bool vv_idset_container_contains(const vv_idset_container *container, uint16_t item);
size_t vv_idset_tree_bytes(uint32_t capacity);
void vv_idset_tree_free(vv_idset_tree *tree, vv_alloc *alloc);

/** Index from begin on of the first id, item or key that is not below the one given; count when
 * none. */
uint32_t vv_idset_find_u32(const uint32_t *ids, uint32_t begin, uint32_t count, uint32_t id);
uint32_t vv_idset_find_u16(const uint16_t *items, uint32_t begin, uint32_t count, uint16_t item);
uint32_t vv_idset_find_key(const vv_idset_tree *tree, uint32_t begin, uint32_t key);

/* ---- idset_build.c; all that fails fails with E_NOMEM and leaves nothing behind ---- */

uint32_t vv_idset_words_count(const uint64_t *words);
void vv_idset_words_to_array(const uint64_t *words, uint16_t *array);
void vv_idset_array_to_words(const uint16_t *array, uint32_t count, uint64_t *words);

/** A container of count (not 0) items, in the form the count asks for. */
VV_MUST_CHECK varve_status vv_idset_container_of_array(const uint16_t *array, uint32_t count,
                                                       uint16_t key, vv_alloc *alloc,
                                                       vv_idset_container *out_container);
VV_MUST_CHECK varve_status vv_idset_container_of_words(const uint64_t *words, uint32_t count,
                                                       uint16_t key, vv_alloc *alloc,
                                                       vv_idset_container *out_container);

/** At most 64 ids as inline or plain set. */
VV_MUST_CHECK varve_status vv_idset_make_plain(const uint32_t *ids, uint32_t count, vv_alloc *alloc,
                                               vv_idset *out_set);

/** Room for capacity containers in all; for one more. */
VV_MUST_CHECK varve_status vv_idset_builder_reserve(vv_idset_builder *builder, uint32_t capacity);
VV_MUST_CHECK varve_status vv_idset_builder_grow(vv_idset_builder *builder);

/** Take a container where there is room. */
void vv_idset_builder_put(vv_idset_builder *builder, vv_idset_container container);

/** Add a container; count 0 adds none. */
VV_MUST_CHECK varve_status vv_idset_builder_add_array(vv_idset_builder *builder,
                                                      const uint16_t *array, uint32_t count,
                                                      uint16_t key);
VV_MUST_CHECK varve_status vv_idset_builder_add_words(vv_idset_builder *builder,
                                                      const uint64_t *words, uint32_t count,
                                                      uint16_t key);
VV_MUST_CHECK varve_status vv_idset_builder_add_copy(vv_idset_builder *builder,
                                                     const vv_idset_container *source);

/** End the builder: the set in the form its count asks for, or nothing and status where that
 * failed. */
VV_MUST_CHECK varve_status vv_idset_builder_end(vv_idset_builder *builder, varve_status status,
                                                vv_idset *out_set);

#endif
