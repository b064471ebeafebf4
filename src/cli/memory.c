/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/memory.h"

#include <string.h>

#include "base/alloc.h"

void *vv_memory_new(size_t size)
{
    varve_allocator heap = vv_alloc_system();
    void *memory = heap.allocate(heap.context, size);
    if (memory != NULL) {
        memset(memory, 0, size);
    }
    return memory;
}

void vv_memory_free(void *memory, size_t size)
{
    varve_allocator heap = vv_alloc_system();
    heap.release(heap.context, memory, size);
}
