/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary heap of pointers: the least item, by the caller's order, is on top. For merging sorted
 * sources and for timers. One thread at a time. Items that compare equal leave in no particular
 * order; where order matters the comparison must decide it.
 */
#ifndef VV_BASE_HEAP_H
#define VV_BASE_HEAP_H

#include "base/alloc.h"
#include "base/compiler.h"
#include "varve.h"

/** Whether a leaves before b; a strict order. */
typedef bool (*vv_heap_before)(const void *context, const void *a, const void *b);

typedef struct vv_heap {
    void **items;          /* owned array of borrowed pointers */
    size_t count;          /* items in use */
    size_t capacity;       /* room */
    vv_heap_before before; /* fixed after init */
    const void *context;   /* fixed after init, passed to before */
    vv_alloc *alloc;       /* borrowed, outlives the heap */
} vv_heap;

/** Allocates nothing yet. */
void vv_heap_init(vv_heap *heap, vv_alloc *alloc, vv_heap_before before, const void *context);

/** Release the memory; the heap is as after init. */
void vv_heap_deinit(vv_heap *heap);

/** Room for count items in all; pushes up to there cannot fail. */
VV_MUST_CHECK varve_status vv_heap_reserve(vv_heap *heap, size_t count);

/** Add an item: E_NOMEM. */
VV_MUST_CHECK varve_status vv_heap_push(vv_heap *heap, void *item);

/** The least item; NULL when empty. */
static inline void *vv_heap_top(const vv_heap *heap)
{
    return heap->count == 0 ? NULL : heap->items[0];
}

/** Remove and return the least item; NULL when empty. */
void *vv_heap_pop(vv_heap *heap);

/** The top item was changed in place, as after a source advanced: put it where it belongs. */
void vv_heap_top_changed(vv_heap *heap);

/** Put another item in the place of the top; the heap is not empty. Cheaper than pop and push. */
void vv_heap_replace_top(vv_heap *heap, void *item);

static inline size_t vv_heap_count(const vv_heap *heap)
{
    return heap->count;
}

static inline void vv_heap_clear(vv_heap *heap)
{
    heap->count = 0;
}

#endif
