/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing array: doubles, never beyond count_max items.
 *
 * E1: count <= capacity, count <= count_max; items is NULL exactly while capacity is 0.
 */
#include "base/vec.h"

#include <string.h>

#include "base/checked.h"
#include "base/status.h"

/* Arbitrary: most vectors of a request stay below. */
#define VEC_CAPACITY_MIN 8u

void vv_vec_init(vv_vec *vec, vv_alloc *alloc, size_t item_size, size_t count_max)
{
    VV_ASSERT(item_size > 0);
    *vec = (vv_vec){.alloc = alloc, .item_size = item_size, .count_max = count_max};
}

void vv_vec_deinit(vv_vec *vec)
{
    vv_alloc_free(vec->alloc, vec->items, vec->capacity * vec->item_size);
    vv_vec_init(vec, vec->alloc, vec->item_size, vec->count_max);
}

varve_status vv_vec_reserve(vv_vec *vec, size_t extra)
{
    if (extra <= vec->capacity - vec->count) {
        return VARVE_OK;
    }
    if (extra > vec->count_max - vec->count) {
        return VARVE_E_LIMIT;
    }
    size_t needed = vec->count + extra;
    size_t capacity = vec->capacity > SIZE_MAX / 2 ? needed : vec->capacity * 2;
    capacity = capacity < VEC_CAPACITY_MIN ? VEC_CAPACITY_MIN : capacity;
    capacity = capacity > vec->count_max ? vec->count_max : capacity;
    capacity = capacity < needed ? needed : capacity;
    size_t size;
    if (!vv_mul_size(capacity, vec->item_size, &size)) {
        return VARVE_E_NOMEM;
    }
    uint8_t *items =
        (uint8_t *)vv_alloc_resize(vec->alloc, vec->items, vec->capacity * vec->item_size, size);
    if (items == NULL) {
        return VARVE_E_NOMEM;
    }
    vec->items = items;
    vec->capacity = capacity;
    return VARVE_OK;
}

varve_status vv_vec_push(vv_vec *vec, const void *item)
{
    return vv_vec_push_many(vec, item, 1);
}

varve_status vv_vec_push_many(vv_vec *vec, const void *items, size_t count)
{
    if (count == 0) {
        return VARVE_OK;
    }
    VV_TRY(vv_vec_reserve(vec, count));
    memcpy(vec->items + vec->count * vec->item_size, items, count * vec->item_size);
    vec->count += count;
    return VARVE_OK;
}

void *vv_vec_extend(vv_vec *vec)
{
    if (vv_vec_reserve(vec, 1) != VARVE_OK) {
        return NULL;
    }
    void *item = vec->items + vec->count * vec->item_size;
    memset(item, 0, vec->item_size);
    vec->count += 1;
    return item;
}

varve_status vv_vec_insert(vv_vec *vec, size_t index, const void *item)
{
    VV_ASSERT(index <= vec->count);
    VV_TRY(vv_vec_reserve(vec, 1));
    uint8_t *place = vec->items + index * vec->item_size;
    memmove(place + vec->item_size, place, (vec->count - index) * vec->item_size);
    memcpy(place, item, vec->item_size);
    vec->count += 1;
    return VARVE_OK;
}

void vv_vec_remove(vv_vec *vec, size_t index)
{
    VV_ASSERT(index < vec->count);
    uint8_t *place = vec->items + index * vec->item_size;
    vec->count -= 1;
    memmove(place, place + vec->item_size, (vec->count - index) * vec->item_size);
}

void vv_vec_remove_unordered(vv_vec *vec, size_t index)
{
    VV_ASSERT(index < vec->count);
    vec->count -= 1;
    if (index < vec->count) {
        memcpy(vec->items + index * vec->item_size, vec->items + vec->count * vec->item_size,
               vec->item_size);
    }
}

varve_status vv_vec_fail(const vv_vec *vec, varve_status status, varve_error *out_err)
{
    if (status == VARVE_E_LIMIT) {
        return vv_fail(out_err, status, "limit of %zu items reached", vec->count_max);
    }
    return vv_fail(out_err, status, "out of memory: an array of %zu items of %zu bytes cannot grow",
                   vec->count, vec->item_size);
}
