/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary heap: the children of item i are 2 i + 1 and 2 i + 2.
 *
 * H1: no item leaves before its parent.
 */
#include "base/heap.h"

#include "base/assert.h"
#include "base/checked.h"

#define HEAP_CAPACITY_MIN 16u

void vv_heap_init(vv_heap *heap, vv_alloc *alloc, vv_heap_before before, const void *context)
{
    *heap = (vv_heap){.alloc = alloc, .before = before, .context = context};
}

void vv_heap_deinit(vv_heap *heap)
{
    vv_alloc_free(heap->alloc, (void *)heap->items, heap->capacity * sizeof *heap->items);
    vv_heap_init(heap, heap->alloc, heap->before, heap->context);
}

varve_status vv_heap_reserve(vv_heap *heap, size_t count)
{
    if (count <= heap->capacity) {
        return VARVE_OK;
    }
    size_t size;
    if (!vv_mul_size(count, sizeof *heap->items, &size)) {
        return VARVE_E_NOMEM;
    }
    void **items = (void **)vv_alloc_resize(heap->alloc, (void *)heap->items,
                                            heap->capacity * sizeof *heap->items, size);
    if (items == NULL) {
        return VARVE_E_NOMEM;
    }
    heap->items = items;
    heap->capacity = count;
    return VARVE_OK;
}

/* Move the item at index up to where H1 holds. */
static void heap_rise(vv_heap *heap, size_t index)
{
    void *item = heap->items[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!heap->before(heap->context, item, heap->items[parent])) {
            break;
        }
        heap->items[index] = heap->items[parent];
        index = parent;
    }
    heap->items[index] = item;
}

/* Move the item at the top down to where H1 holds. */
static void heap_sink(vv_heap *heap)
{
    void *item = heap->items[0];
    size_t index = 0;
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count &&
            heap->before(heap->context, heap->items[child + 1], heap->items[child])) {
            child += 1;
        }
        if (!heap->before(heap->context, heap->items[child], item)) {
            break;
        }
        heap->items[index] = heap->items[child];
        index = child;
    }
    heap->items[index] = item;
}

varve_status vv_heap_push(vv_heap *heap, void *item)
{
    if (heap->count == heap->capacity) {
        size_t capacity =
            heap->capacity < HEAP_CAPACITY_MIN ? HEAP_CAPACITY_MIN : heap->capacity * 2;
        VV_TRY(vv_heap_reserve(heap, capacity));
    }
    heap->items[heap->count] = item;
    heap->count += 1;
    heap_rise(heap, heap->count - 1);
    return VARVE_OK;
}

void *vv_heap_pop(vv_heap *heap)
{
    if (heap->count == 0) {
        return NULL;
    }
    void *top = heap->items[0];
    heap->count -= 1;
    if (heap->count > 0) {
        heap->items[0] = heap->items[heap->count];
        heap_sink(heap);
    }
    return top;
}

void vv_heap_top_changed(vv_heap *heap)
{
    VV_ASSERT(heap->count > 0);
    heap_sink(heap);
}

void vv_heap_replace_top(vv_heap *heap, void *item)
{
    VV_ASSERT(heap->count > 0);
    heap->items[0] = item;
    heap_sink(heap);
}
