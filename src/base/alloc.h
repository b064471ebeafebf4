/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator of one database: a varve_allocator with a byte count and a hard limit before it.
 * base/alloc.c is the only file that calls malloc and kin.
 *
 * All functions may be called from several threads at once, as long as the varve_allocator given
 * may. Sizes are handed back on release, so no header is stored per allocation.
 * Size 0 is allowed and gives a pointer of its own, to be released with size 0.
 */
#ifndef VV_BASE_ALLOC_H
#define VV_BASE_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "varve.h"

typedef struct vv_alloc {
    varve_allocator source;   /* fixed after init */
    size_t limit_bytes;       /* fixed after init; SIZE_MAX: none */
    atomic_size_t used_bytes; /* bytes handed out and not yet back */
    atomic_bool was_limited;  /* the limit has refused something */
} vv_alloc;

/** malloc, realloc and free of the C library. */
varve_allocator vv_alloc_system(void);

/** source is copied; NULL means vv_alloc_system(). No limit. */
void vv_alloc_init(vv_alloc *alloc, const varve_allocator *source);

/** As vv_alloc_init, refusing what would exceed limit_bytes; 0: none. */
void vv_alloc_init_limited(vv_alloc *alloc, const varve_allocator *source, size_t limit_bytes);

/** Memory of undefined content, aligned for any type; NULL when there is none or the limit is hit.
 */
VV_MUST_CHECK void *vv_alloc_new(vv_alloc *alloc, size_t size);

/** As vv_alloc_new, all bytes zero. */
VV_MUST_CHECK void *vv_alloc_zeroed(vv_alloc *alloc, size_t size);

/** As vv_alloc_new of count * item_size; NULL also when the product overflows. */
VV_MUST_CHECK void *vv_alloc_array(vv_alloc *alloc, size_t count, size_t item_size);

/** Grow or shrink; memory NULL (old_size 0) allocates. On NULL the old memory is untouched. */
VV_MUST_CHECK void *vv_alloc_resize(vv_alloc *alloc, void *memory, size_t old_size,
                                    size_t new_size);

/** Release; size is the one it was allocated with. NULL is fine. */
void vv_alloc_free(vv_alloc *alloc, void *memory, size_t size);

/**
 * For libraries that release memory without saying its size: it stands before the memory. context
 * is a vv_alloc; what `sized_new` gave only `sized_free` takes. NULL as vv_alloc_new.
 */
VV_MUST_CHECK void *vv_alloc_sized_new(void *context, size_t size);
void vv_alloc_sized_free(void *context, void *memory);

/** Memory that was released goes back to the system where the C library keeps it; for after
 * something large. Nothing where the source is another than vv_alloc_system, or the library has no
 * such call.
 */
void vv_alloc_trim(const vv_alloc *alloc);

/** Bytes handed out and not yet released. */
size_t vv_alloc_bytes(const vv_alloc *alloc);

/** Whether the limit has refused an allocation so far: then a failure is the limit's. */
bool vv_alloc_was_limited(const vv_alloc *alloc);

#endif
