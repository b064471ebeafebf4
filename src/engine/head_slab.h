/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_HEAD_SLAB_H
#define VV_ENGINE_HEAD_SLAB_H

/*
 * Memory of the plain rows of one shard of a head: pieces of size classes that come and go while
 * tails grow and are sealed, and end all at once with the generation.
 *
 * One thread at a time: the shard's lock.
 */

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/compiler.h"

enum {
    /* Unit in which memory moves between the classes. Computed: three tails of 128 single-valued
     * rows with irregular times (2568 B each), or five with regular ones (1544 B), leave less than
     * 6 % unused. */
    VV_SLAB_PAGE_BYTES = 8192,
    /* The largest class: two pieces a page. What is larger comes from the allocator. */
    VV_SLAB_PIECE_BYTES_MAX = 3584,
    VV_SLAB_CLASS_COUNT = 27
};

typedef struct vv_slab_page vv_slab_page;
typedef struct vv_slab_block vv_slab_block;
typedef struct vv_slab_large vv_slab_large;

typedef struct vv_slab {
    vv_alloc *alloc;                            /* borrowed, outlives the slab */
    atomic_size_t *held_bytes;                  /* borrowed; what the owner has taken from alloc */
    vv_slab_page *partial[VV_SLAB_CLASS_COUNT]; /* pages of a class that have room */
    vv_slab_page *empty;                        /* pages of no class, kept for any */
    vv_slab_block *blocks;                      /* where the pages lie */
    vv_slab_large *large;                       /* pieces beyond the classes */
    size_t page_count;
} vv_slab;

/** Allocates nothing yet. */
void vv_slab_init(vv_slab *slab, vv_alloc *alloc, atomic_size_t *held_bytes);

/** Release everything; the slab is as after init. */
void vv_slab_deinit(vv_slab *slab);

/** A piece of at least size bytes of undefined content, aligned to 8; NULL when memory is out. */
VV_MUST_CHECK void *vv_slab_new(vv_slab *slab, size_t size);

/** Give a piece back; NULL is fine. */
void vv_slab_free(vv_slab *slab, void *piece);

/** Bytes that vv_slab_new(size) makes usable: size rounded up to its class. */
size_t vv_slab_usable(size_t size);

#endif
