/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_RING_APPLY_H
#define VV_ENGINE_RING_APPLY_H

/*
 * What a ring holds in a view: the pages of its state with the rows of the view's heads and the
 * view's deletes on top, in the order of arrival (R2 of ring.h). Reading, flushing and snapshots
 * share it.
 */

#include "engine/ring.h"
#include "engine/view.h"

struct vv_codec_scratch;

typedef struct vv_ring_apply_options {
    int64_t start; /* windows that start before do not matter: INT64_MIN for all */
    varve_status (*poll)(void *context, varve_error *out_err); /* as of a scan; may be NULL */
    void *poll_context;
    vv_alloc *alloc; /* of the pages that are made */
    struct vv_codec_scratch *scratch;
} vv_ring_apply_options;

/** The pages that differ from those of the state; NULL: as there. */
typedef struct vv_ring_overlay {
    vv_alloc *alloc;
    const vv_ring_state *state; /* borrowed from the view */
    uint64_t sequence;          /* of the set of the state */
    vv_ring_page **pages;
    uint32_t changed; /* how many there are */
} vv_ring_overlay;

VV_MUST_CHECK varve_status vv_ring_apply(vv_view *view, const vv_ring_state *state,
                                         const vv_ring_apply_options *options,
                                         vv_ring_overlay *out_overlay, varve_error *out_err);
void vv_ring_overlay_deinit(vv_ring_overlay *overlay);
/** A page as the view has it; NULL: empty. */
const uint8_t *vv_ring_overlay_page(const vv_ring_overlay *overlay, uint32_t number);

#endif
