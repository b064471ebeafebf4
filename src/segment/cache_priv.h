/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SEGMENT_CACHE_PRIV_H
#define VV_SEGMENT_CACHE_PRIV_H

/* What the reader asks of the block cache; what the rest sees is in segment/segment.h. */

#include "segment/layout_priv.h"
#include "segment/segment.h"

/* A frame in memory, with its header, as it was read. */
typedef struct vv_block_entry vv_block_entry;

/** A number for one open segment; together with the block it is the key. */
uint64_t vv_block_cache_owner(vv_block_cache *cache);

/** Pin a block that is there; false: a miss. */
VV_MUST_CHECK bool vv_block_cache_find(vv_block_cache *cache, uint64_t owner, uint32_t block,
                                       vv_block_pin *out_pin);

/** Memory for a block of size payload bytes, to be filled, checked, and then added or discarded. */
VV_MUST_CHECK varve_status vv_block_entry_create(vv_block_cache *cache, uint64_t owner,
                                                 uint32_t block, size_t size,
                                                 vv_block_entry **out_entry, varve_error *out_err);
/** The whole frame: header and payload. */
uint8_t *vv_block_entry_frame(vv_block_entry *entry);
void vv_block_entry_discard(vv_block_cache *cache, vv_block_entry *entry);

/** Takes a filled entry and pins it; when another thread was faster, its entry is pinned and this
 * one freed. Without memory for the table the entry is private to the pin. */
void vv_block_cache_add(vv_block_cache *cache, vv_block_entry *entry, vv_block_pin *out_pin);

/** Whether the pin holds this block. */
bool vv_block_pin_holds(const vv_block_pin *pin, uint64_t owner, uint32_t block);

#endif
