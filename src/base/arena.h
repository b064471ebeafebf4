/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that dies together: objects are cut one after another from large blocks and never released
 * alone. An arena belongs to one object or request; nothing in it is pointed to once that has
 * ended. One thread at a time.
 */
#ifndef VV_BASE_ARENA_H
#define VV_BASE_ARENA_H

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

/* First block; later ones double up to the maximum (arbitrary: a page, and 1/16 of a 1 MiB L2). */
/* In a coverage build each object has a block of its own, so that tests can let each one fail. */
#ifdef VV_COVERAGE
#define VV_ARENA_BLOCK_BYTES_MIN 1u
#define VV_ARENA_BLOCK_BYTES_MAX 1u
#else
#define VV_ARENA_BLOCK_BYTES_MIN 4096u
#define VV_ARENA_BLOCK_BYTES_MAX 65536u
#endif
#define VV_ARENA_ALIGN_MAX 64u

typedef struct vv_arena_block vv_arena_block;

typedef struct vv_arena {
    vv_alloc *alloc;        /* borrowed, outlives the arena */
    size_t limit_bytes;     /* of all blocks together */
    size_t held_bytes;      /* size of all blocks */
    vv_arena_block *newest; /* chain, newest first; NULL: none yet */
    size_t next_bytes;      /* size aimed at for the next block */
} vv_arena;

/** Where an arena stood; valid until the arena is reset, ended or restored to an earlier mark. */
typedef struct vv_arena_mark {
    vv_arena_block *block;
    size_t used;
} vv_arena_mark;

/** Allocates nothing yet. limit_bytes bounds the sum of the blocks; SIZE_MAX where the owner bounds
 * it. */
void vv_arena_init(vv_arena *arena, vv_alloc *alloc, size_t limit_bytes);

/** Release all blocks; the arena is as after init. */
void vv_arena_deinit(vv_arena *arena);

/** Forget all objects, keep one block for reuse. */
void vv_arena_reset(vv_arena *arena);

/** Undefined bytes, aligned to 16; NULL when memory or the limit is out (then vv_arena_fail). */
VV_MUST_CHECK void *vv_arena_new(vv_arena *arena, size_t size);

/** As vv_arena_new with an alignment of 1, 2, 4 ... VV_ARENA_ALIGN_MAX. */
VV_MUST_CHECK void *vv_arena_aligned(vv_arena *arena, size_t size, size_t align);

/** As vv_arena_new, all bytes zero. */
VV_MUST_CHECK void *vv_arena_zeroed(vv_arena *arena, size_t size);

/** As vv_arena_new of count * item_size; NULL also when the product overflows. */
VV_MUST_CHECK void *vv_arena_array(vv_arena *arena, size_t count, size_t item_size);

/** Copy text into the arena (with a zero byte behind it, not counted in its size). */
VV_MUST_CHECK varve_status vv_arena_copy(vv_arena *arena, varve_text text, varve_text *out_copy);

/** Copy bytes into the arena, unaligned; NULL as vv_arena_new. */
VV_MUST_CHECK void *vv_arena_copy_bytes(vv_arena *arena, const void *bytes, size_t size);

/** Why an allocation of size failed: E_LIMIT naming the limit, else E_NOMEM. */
varve_status vv_arena_fail(const vv_arena *arena, size_t size, varve_error *out_err);

vv_arena_mark vv_arena_save(const vv_arena *arena);

/** Forget everything allocated since the mark. */
void vv_arena_restore(vv_arena *arena, vv_arena_mark mark);

#endif
