/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that knows malloc. Everything else asks a vv_alloc, which counts what it hands out
 * and stops at its limit, so the memory budget of a database holds whatever its rooms do.
 *
 * A1: used_bytes is the sum of the sizes of all live allocations, and at most limit_bytes when
 * there is one. The count goes up before memory is asked for and down after it is back, so it never
 * shows less.
 */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"

#if defined(__GLIBC__)
#include <malloc.h>
#define ALLOC_TRIM() ((void)malloc_trim(0)) /* whether anything went is all it says */
#else
#define ALLOC_TRIM() ((void)0)
#endif

static void *alloc_system_allocate(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void *alloc_system_reallocate(void *context, void *memory, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    return realloc(memory, new_size);
}

static void alloc_system_release(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

varve_allocator vv_alloc_system(void)
{
    return (varve_allocator){
        .context = NULL,
        .allocate = alloc_system_allocate,
        .reallocate = alloc_system_reallocate,
        .release = alloc_system_release,
    };
}

void vv_alloc_init(vv_alloc *alloc, const varve_allocator *source)
{
    vv_alloc_init_limited(alloc, source, 0);
}

void vv_alloc_init_limited(vv_alloc *alloc, const varve_allocator *source, size_t limit_bytes)
{
    alloc->source = source == NULL ? vv_alloc_system() : *source;
    alloc->limit_bytes = limit_bytes == 0 ? SIZE_MAX : limit_bytes;
    atomic_init(&alloc->used_bytes, 0);
    atomic_init(&alloc->was_limited, false);
}

/* Size 0 is one byte to the source: what malloc gives for 0 differs between systems. */
static size_t alloc_real_size(size_t size)
{
    return size == 0 ? 1 : size;
}

/* The counter orders nothing else, so relaxed is enough: each change is still atomic and none is
 * lost. */
static bool alloc_count_up(vv_alloc *alloc, size_t size)
{
    size_t before = atomic_fetch_add_explicit(&alloc->used_bytes, size, memory_order_relaxed);
    if (VV_LIKELY(before <= alloc->limit_bytes && size <= alloc->limit_bytes - before)) {
        return true;
    }
    atomic_fetch_sub_explicit(&alloc->used_bytes, size, memory_order_relaxed);
    atomic_store_explicit(&alloc->was_limited, true, memory_order_relaxed);
    return false;
}

static void alloc_count_down(vv_alloc *alloc, size_t size)
{
    size_t before = atomic_fetch_sub_explicit(&alloc->used_bytes, size, memory_order_relaxed);
    VV_ASSERT(before >= size);
}

void *vv_alloc_new(vv_alloc *alloc, size_t size)
{
    size = alloc_real_size(size);
    if (!alloc_count_up(alloc, size)) {
        return NULL;
    }
    void *memory = alloc->source.allocate(alloc->source.context, size);
    if (VV_UNLIKELY(memory == NULL)) {
        alloc_count_down(alloc, size);
    }
    return memory;
}

void *vv_alloc_zeroed(vv_alloc *alloc, size_t size)
{
    void *memory = vv_alloc_new(alloc, size);
    if (memory != NULL) {
        memset(memory, 0, size);
    }
    return memory;
}

void *vv_alloc_array(vv_alloc *alloc, size_t count, size_t item_size)
{
    size_t size;
    if (!vv_mul_size(count, item_size, &size)) {
        return NULL;
    }
    return vv_alloc_new(alloc, size);
}

void *vv_alloc_resize(vv_alloc *alloc, void *memory, size_t old_size, size_t new_size)
{
    if (memory == NULL) {
        VV_ASSERT(old_size == 0);
        return vv_alloc_new(alloc, new_size);
    }
    old_size = alloc_real_size(old_size);
    new_size = alloc_real_size(new_size);
    if (new_size > old_size && !alloc_count_up(alloc, new_size - old_size)) {
        return NULL;
    }
    void *moved = alloc->source.reallocate(alloc->source.context, memory, old_size, new_size);
    if (VV_UNLIKELY(moved == NULL)) {
        if (new_size > old_size) {
            alloc_count_down(alloc, new_size - old_size);
        }
        return NULL;
    }
    if (new_size < old_size) {
        alloc_count_down(alloc, old_size - new_size);
    }
    return moved;
}

void vv_alloc_free(vv_alloc *alloc, void *memory, size_t size)
{
    if (memory == NULL) {
        return;
    }
    size = alloc_real_size(size);
    alloc->source.release(alloc->source.context, memory, size);
    alloc_count_down(alloc, size);
}

/* Keeps what follows it aligned for any type. */
typedef union alloc_size {
    size_t size; /* of the whole */
    max_align_t align;
} alloc_size;

void *vv_alloc_sized_new(void *context, size_t size)
{
    if (size > SIZE_MAX - sizeof(alloc_size)) {
        return NULL;
    }
    alloc_size *head = vv_alloc_new(context, size + sizeof *head);
    if (head == NULL) {
        return NULL;
    }
    head->size = size + sizeof *head;
    return head + 1;
}

void vv_alloc_sized_free(void *context, void *memory)
{
    if (memory != NULL) {
        alloc_size *head = (alloc_size *)memory - 1;
        vv_alloc_free(context, head, head->size);
    }
}

void vv_alloc_trim(const vv_alloc *alloc)
{
    if (alloc->source.allocate == alloc_system_allocate) {
        ALLOC_TRIM();
    }
}

size_t vv_alloc_bytes(const vv_alloc *alloc)
{
    return atomic_load_explicit(&alloc->used_bytes, memory_order_relaxed);
}

bool vv_alloc_was_limited(const vv_alloc *alloc)
{
    return atomic_load_explicit(&alloc->was_limited, memory_order_relaxed);
}
