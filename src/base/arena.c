/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocation: blocks are chained newest first, and objects are cut from the newest.
 *
 *     arena.newest -> [header|objects......|room]  -> [header|objects..........]  -> NULL
 *                            used ^     ^ capacity
 *
 * What does not fit the newest block opens a new one; the rest of the old is lost until reset.
 * Blocks double from 4 KiB to 64 KiB, larger objects get a block of their size, and near the limit
 * a block shrinks to what is needed, so the limit is exact for the last object.
 *
 * R1: held_bytes is the sum of the capacities and at most limit_bytes.
 */
#include "base/arena.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/status.h"

struct vv_arena_block {
    vv_arena_block *older; /* chain */
    size_t capacity;       /* bytes allocated, header included */
    size_t used;           /* bytes taken, header included */
};

#define ARENA_ALIGN 16u

/* The header rounded up, so that the first object needs no padding. */
#define ARENA_HEADER_BYTES \
    ((sizeof(struct vv_arena_block) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN)

void vv_arena_init(vv_arena *arena, vv_alloc *alloc, size_t limit_bytes)
{
    *arena = (vv_arena){
        .alloc = alloc,
        .limit_bytes = limit_bytes,
        .next_bytes = VV_ARENA_BLOCK_BYTES_MIN,
    };
}

static void arena_drop_newest(vv_arena *arena)
{
    vv_arena_block *block = arena->newest;
    arena->newest = block->older;
    arena->held_bytes -= block->capacity;
    vv_alloc_free(arena->alloc, block, block->capacity);
}

void vv_arena_deinit(vv_arena *arena)
{
    while (arena->newest != NULL) {
        arena_drop_newest(arena);
    }
    arena->next_bytes = VV_ARENA_BLOCK_BYTES_MIN;
}

void vv_arena_reset(vv_arena *arena)
{
    vv_arena_block *kept = arena->newest;
    if (kept == NULL || kept->capacity > VV_ARENA_BLOCK_BYTES_MAX) {
        vv_arena_deinit(arena);
        return;
    }
    arena->newest = kept->older;
    while (arena->newest != NULL) {
        arena_drop_newest(arena);
    }
    kept->older = NULL;
    kept->used = ARENA_HEADER_BYTES;
    arena->newest = kept;
    arena->held_bytes = kept->capacity;
}

/* An object from the newest block, or NULL when it does not fit. */
static void *arena_cut(vv_arena *arena, size_t size, size_t align)
{
    vv_arena_block *block = arena->newest;
    if (block == NULL) {
        return NULL;
    }
    uint8_t *free_begin = (uint8_t *)block + block->used;
    size_t padding = (size_t)(0 - (uintptr_t)free_begin) & (align - 1);
    size_t room = block->capacity - block->used;
    if (padding > room || size > room - padding) {
        return NULL;
    }
    block->used += padding + size;
    return free_begin + padding;
}

/* Open a block that surely holds size bytes with any padding; false when memory or the limit is
 * out. */
static bool arena_grow(vv_arena *arena, size_t size, size_t align)
{
    size_t padding = align > ARENA_ALIGN ? align - ARENA_ALIGN : 0;
    size_t needed;
    if (!vv_add_size(size, ARENA_HEADER_BYTES + padding, &needed)) {
        return false;
    }
    size_t left = arena->limit_bytes - arena->held_bytes;
    if (needed > left) {
        return false;
    }
    size_t capacity = needed > arena->next_bytes ? needed : arena->next_bytes;
    capacity = capacity > left ? left : capacity;
    vv_arena_block *block = (vv_arena_block *)vv_alloc_new(arena->alloc, capacity);
    if (block == NULL) {
        return false;
    }
    *block = (vv_arena_block){
        .older = arena->newest,
        .capacity = capacity,
        .used = ARENA_HEADER_BYTES,
    };
    arena->newest = block;
    arena->held_bytes += capacity;
    if (arena->next_bytes < VV_ARENA_BLOCK_BYTES_MAX) {
        arena->next_bytes *= 2;
    }
    return true;
}

void *vv_arena_aligned(vv_arena *arena, size_t size, size_t align)
{
    VV_ASSERT(align != 0 && (align & (align - 1)) == 0 && align <= VV_ARENA_ALIGN_MAX);
    void *object = arena_cut(arena, size, align);
    if (VV_LIKELY(object != NULL)) {
        return object;
    }
    if (!arena_grow(arena, size, align)) {
        return NULL;
    }
    object = arena_cut(arena, size, align);
    VV_ASSERT(object != NULL);
    return object;
}

void *vv_arena_new(vv_arena *arena, size_t size)
{
    return vv_arena_aligned(arena, size, ARENA_ALIGN);
}

void *vv_arena_zeroed(vv_arena *arena, size_t size)
{
    void *object = vv_arena_new(arena, size);
    if (object != NULL) {
        memset(object, 0, size);
    }
    return object;
}

void *vv_arena_array(vv_arena *arena, size_t count, size_t item_size)
{
    size_t size;
    if (!vv_mul_size(count, item_size, &size)) {
        return NULL;
    }
    return vv_arena_new(arena, size);
}

void *vv_arena_copy_bytes(vv_arena *arena, const void *bytes, size_t size)
{
    void *copy = vv_arena_aligned(arena, size, 1);
    if (copy != NULL && size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

varve_status vv_arena_copy(vv_arena *arena, varve_text text, varve_text *out_copy)
{
    size_t size;
    char *copy = vv_add_size(text.size, 1, &size) ? (char *)vv_arena_aligned(arena, size, 1) : NULL;
    if (copy == NULL) {
        return vv_arena_fail(arena, text.size, NULL);
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    copy[text.size] = '\0';
    *out_copy = vv_text_make(copy, text.size);
    return VARVE_OK;
}

varve_status vv_arena_fail(const vv_arena *arena, size_t size, varve_error *out_err)
{
    size_t left = arena->limit_bytes - arena->held_bytes;
    if (size >= left || left - size < ARENA_HEADER_BYTES + VV_ARENA_ALIGN_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT,
                       "memory limit of %zu bytes reached: %zu in use, %zu more needed",
                       arena->limit_bytes, arena->held_bytes, size);
    }
    return vv_fail_nomem(out_err, "arena", size);
}

vv_arena_mark vv_arena_save(const vv_arena *arena)
{
    return (vv_arena_mark){
        .block = arena->newest,
        .used = arena->newest == NULL ? 0 : arena->newest->used,
    };
}

void vv_arena_restore(vv_arena *arena, vv_arena_mark mark)
{
    while (arena->newest != mark.block) {
        VV_ASSERT(arena->newest != NULL);
        arena_drop_newest(arena);
    }
    if (mark.block != NULL) {
        VV_ASSERT(mark.used <= mark.block->used);
        mark.block->used = mark.used;
    }
}
