/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_INDEX_TABLE_H
#define VV_INDEX_TABLE_H

/*
 * An array whose items never move: it grows by further chunks, eight to a doubling, so that at most
 * an eighth of it is unused.
 *
 *     index + 64 = 1 sss ooo...o      sss and the width choose the chunk, the rest the item in it
 *
 *     chunk   0..7 hold 8 items each, 8..15 hold 16 each, 16..23 hold 32 each, ...
 *
 * One thread at a time adds chunks. Any thread reads items that it knows to exist: it learnt their
 * index through something that was published after the item.
 */

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "varve.h"

#define VV_TABLE_FIRST_BITS                                               \
    6u /* 64 items in the first eight chunks (arbitrary: half a kilobyte) \
        */
#define VV_TABLE_CHUNK_COUNT ((33u - VV_TABLE_FIRST_BITS) * 8u)

typedef struct vv_table {
    vv_alloc *alloc; /* fixed after init */
    size_t item_size;
    _Atomic(uint8_t *) chunks[VV_TABLE_CHUNK_COUNT]; /* NULL: not there yet */
} vv_table;

void vv_table_init(vv_table *table, vv_alloc *alloc, size_t item_size);
void vv_table_deinit(vv_table *table);

/** Make sure that item `index` exists; new items are zero. */
VV_MUST_CHECK varve_status vv_table_reserve(vv_table *table, uint32_t index);

/** The chunk of an index, and the offset of its item there. */
static inline uint32_t vv_table_chunk(uint32_t index, uint64_t *out_offset)
{
    uint64_t place = (uint64_t)index + (UINT64_C(1) << VV_TABLE_FIRST_BITS);
    uint32_t shift = vv_bit_width64(place) - 4; /* three bits below the highest stay */
    *out_offset = place & ((UINT64_C(1) << shift) - 1);
    return (shift + 3 - VV_TABLE_FIRST_BITS) * 8 + (uint32_t)((place >> shift) & 7);
}

/** An item that exists. */
static inline void *vv_table_at(const vv_table *table, uint32_t index)
{
    uint64_t offset;
    uint32_t chunk = vv_table_chunk(index, &offset);
    return atomic_load(&table->chunks[chunk]) + offset * table->item_size;
}

#define VV_TABLE_AT(table, type, index) ((type *)vv_table_at((table), (index)))

#endif
