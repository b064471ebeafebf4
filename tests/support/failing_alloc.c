/* SPDX-License-Identifier: Apache-2.0 */
#include "support/failing_alloc.h"

#include <stdlib.h>

void failing_alloc_init(failing_alloc *alloc)
{
    atomic_init(&alloc->requests, 0);
    atomic_init(&alloc->fail_from, 0);
    atomic_init(&alloc->fails_once, false);
    atomic_init(&alloc->failures, 0);
    atomic_init(&alloc->live, 0);
}

void failing_alloc_plan(failing_alloc *alloc, uint64_t fail_from, bool fails_once)
{
    atomic_store(&alloc->requests, 0);
    atomic_store(&alloc->failures, 0);
    atomic_store(&alloc->fails_once, fails_once);
    atomic_store(&alloc->fail_from, fail_from);
}

static bool failing_alloc_fails(failing_alloc *alloc)
{
    uint64_t number = atomic_fetch_add(&alloc->requests, 1) + 1;
    uint64_t fail_from = atomic_load(&alloc->fail_from);
    bool fails = fail_from != 0 &&
                 (number == fail_from || (number > fail_from && !atomic_load(&alloc->fails_once)));
    if (fails) {
        atomic_fetch_add(&alloc->failures, 1);
    }
    return fails;
}

static void *failing_alloc_allocate(void *context, size_t size)
{
    failing_alloc *alloc = context;
    void *memory = failing_alloc_fails(alloc) ? NULL : malloc(size == 0 ? 1 : size);
    if (memory != NULL) {
        atomic_fetch_add(&alloc->live, 1);
    }
    return memory;
}

static void *failing_alloc_reallocate(void *context, void *memory, size_t old_size, size_t new_size)
{
    (void)old_size;
    failing_alloc *alloc = context;
    if (memory == NULL) {
        return failing_alloc_allocate(context, new_size);
    }
    return failing_alloc_fails(alloc) ? NULL : realloc(memory, new_size == 0 ? 1 : new_size);
}

static void failing_alloc_release(void *context, void *memory, size_t size)
{
    (void)size;
    failing_alloc *alloc = context;
    if (memory != NULL) {
        atomic_fetch_sub(&alloc->live, 1);
        free(memory);
    }
}

varve_allocator failing_alloc_source(failing_alloc *alloc)
{
    return (varve_allocator){
        .context = alloc,
        .allocate = failing_alloc_allocate,
        .reallocate = failing_alloc_reallocate,
        .release = failing_alloc_release,
    };
}
