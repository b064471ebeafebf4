/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_VIEW_H
#define VV_ENGINE_VIEW_H

/*
 * A view: the database as of one moment. References to the heads and to one version, and the
 * sequence up to which rows are seen (E1, E2 of engine/db.h). Cheap, immutable, shareable, counted.
 */

#include "engine/db.h"
#include "engine/head.h"
#include "engine/version.h"

typedef struct vv_view {
    atomic_uint refs;
    varve_db *db;
    uint64_t visible;
    vv_version *version;
    vv_retention *retention; /* recorded cuts hide ... */
    bool has_reference;      /* ... and, where there is one, those that this gives (T3) */
    int64_t reference;
    vv_head *heads[VV_FROZEN_HEADS_MAX + 1]; /* oldest first, the active one last */
    size_t head_count;
} vv_view;

VV_MUST_CHECK varve_status vv_view_open(varve_db *db, vv_view **out_view, varve_error *out_err);
/** The same with every row that may be seen later: only recorded cuts hide. */
VV_MUST_CHECK varve_status vv_view_open_lasting(varve_db *db, vv_view **out_view,
                                                varve_error *out_err);
/** Of the same moment as another view, which it also has the recorded cuts of. */
void vv_view_take_retention(vv_view *view, const vv_view *from);
/** From when on a view shows the rows of a metric. */
int64_t vv_view_cut(const vv_view *view, uint32_t metric);
/** A view of these heads alone, with the tombstones of a version and none of its segments; only
 *  recorded cuts hide. */
VV_MUST_CHECK varve_status vv_view_of_heads(varve_db *db, const vv_version *version,
                                            vv_head *const *heads, size_t head_count,
                                            uint64_t visible, vv_view **out_view,
                                            varve_error *out_err);
void vv_view_ref(vv_view *view);
void vv_view_unref(vv_view *view);

#endif
