/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SEGMENT_SEGMENT_PRIV_H
#define VV_SEGMENT_SEGMENT_PRIV_H

/* An open segment, for reader.c and the walks over the whole file. */

#include <stdatomic.h>

#include "base/arena.h"
#include "segment/cache_priv.h"
#include "segment/tables_priv.h"

struct vv_segment {
    /* fixed after open */
    vv_alloc *alloc;
    vv_block_cache *cache;
    vv_file *file;
    uint64_t owner; /* in the cache */
    bool verify_always;
    vv_segment_footer footer;
    vv_section sections[VV_SECTION_COUNT];
    vv_segment_tables tables;
    vv_chunk_index index;
    vv_arena arena; /* tables, index, payloads */

    atomic_uint refs;
};

/** Where the footer begins: behind the last section. */
static inline uint64_t vv_segment_footer_offset(const vv_segment_footer *footer)
{
    const vv_segment_section *last = &footer->sections[footer->section_count - 1];
    return last->offset + vv_segment_section_bytes(last->size);
}

/** Footer and trailer as they are now. */
VV_MUST_CHECK varve_status vv_segment_footer_check(const vv_segment *segment, vv_bytes bytes,
                                                   varve_error *out_err);

#endif
