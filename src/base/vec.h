/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing array of equal items, with a limit on their count. One thread at a time.
 * Items are plain bytes to it: moved by memcpy, never constructed or destroyed.
 */
#ifndef VV_BASE_VEC_H
#define VV_BASE_VEC_H

#include "base/alloc.h"
#include "base/assert.h"
#include "base/compiler.h"
#include "varve.h"

typedef struct vv_vec {
    uint8_t *items;   /* owned */
    size_t count;     /* items in use */
    size_t capacity;  /* items allocated */
    size_t count_max; /* limit */
    size_t item_size; /* fixed after init */
    vv_alloc *alloc;  /* borrowed, outlives the vector */
} vv_vec;

/** Allocates nothing yet. count_max is a limit; SIZE_MAX where the owner bounds it. */
void vv_vec_init(vv_vec *vec, vv_alloc *alloc, size_t item_size, size_t count_max);

/** Release the memory; the vector is as after init. */
void vv_vec_deinit(vv_vec *vec);

/** Room for extra more items: E_NOMEM, or E_LIMIT above count_max. */
VV_MUST_CHECK varve_status vv_vec_reserve(vv_vec *vec, size_t extra);

/** Append a copy of *item. */
VV_MUST_CHECK varve_status vv_vec_push(vv_vec *vec, const void *item);

/** Append count items copied from an array. */
VV_MUST_CHECK varve_status vv_vec_push_many(vv_vec *vec, const void *items, size_t count);

/** Append one zeroed item and return its address (valid until the next growth); NULL on failure. */
VV_MUST_CHECK void *vv_vec_extend(vv_vec *vec);

/** Insert a copy of *item before index (at most count). */
VV_MUST_CHECK varve_status vv_vec_insert(vv_vec *vec, size_t index, const void *item);

/** Remove one, keeping the order of the rest; or moving the last into its place. */
void vv_vec_remove(vv_vec *vec, size_t index);
void vv_vec_remove_unordered(vv_vec *vec, size_t index);

/** Why a call failed with status (of the calls above), as a sentence. */
varve_status vv_vec_fail(const vv_vec *vec, varve_status status, varve_error *out_err);

/** Address of item index, valid until the next growth. */
static inline void *vv_vec_at(const vv_vec *vec, size_t index)
{
    VV_DEBUG_ASSERT(index < vec->count);
    return vec->items + index * vec->item_size;
}

static inline void vv_vec_clear(vv_vec *vec)
{
    vec->count = 0;
}

static inline void vv_vec_pop(vv_vec *vec)
{
    VV_DEBUG_ASSERT(vec->count > 0);
    vec->count -= 1;
}

/* The item, or the array, as what it is: VV_VEC_AT(&vec, my_type, 3)->member. */
#define VV_VEC_AT(vec, type, index) ((type *)vv_vec_at((vec), (index)))
#define VV_VEC_ITEMS(vec, type)     ((type *)(void *)(vec)->items)

#endif
