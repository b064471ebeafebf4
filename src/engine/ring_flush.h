/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_RING_FLUSH_H
#define VV_ENGINE_RING_FLUSH_H

/*
 * What a flush does to rings: the rows of the frozen head and the deletes up to its freeze point go
 * into pages, the pages into files, and the set with these pages becomes the one of the version
 * when the flush is published.
 */

#include "base/vec.h"
#include "engine/ring.h"
#include "engine/view.h"

typedef struct vv_ring_flush {
    vv_ring_set *set; /* after the flush, a reference; NULL: there are no rings */
    vv_vec items;     /* ring_flush_item: rings whose pages change */
    vv_vec add, drop; /* uint64_t: files for the manifest */
} vv_ring_flush;

void vv_ring_flush_init(vv_ring_flush *flush, varve_db *db);
/** The log is synced up to the freeze point of the head, the only one of the view. When it returns
 *  the files are written and synced. flush_lock is held. */
VV_MUST_CHECK varve_status vv_ring_flush_write(vv_ring_flush *flush, vv_view *view, vv_head *head,
                                               varve_error *out_err);
/** The edit of the manifest is durable, or surely not, or in doubt (then files stay). */
void vv_ring_flush_end(vv_ring_flush *flush, varve_db *db, bool is_published, bool is_in_doubt);
void vv_ring_flush_deinit(vv_ring_flush *flush, varve_db *db);

#endif
