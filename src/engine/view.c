/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Views. Opening one takes one shard lock (so that no freeze runs: every shard is locked for that)
 * and the state lock, only to take references: E1 says that a row moves from the active head to the
 * frozen list under all shard locks, and from there into a version under the state lock.
 */

#include "engine/view.h"

#include "base/status.h"
#include "wal/wal.h"

varve_status vv_view_open(varve_db *db, vv_view **out_view, varve_error *out_err)
{
    *out_view = NULL;
    vv_view *view = vv_alloc_zeroed(&db->alloc, sizeof *view);
    if (view == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a view");
    }
    atomic_init(&view->refs, 1);
    view->db = db;
    vv_mutex_lock(&db->shards[0].lock);
    vv_mutex_lock(&db->state_lock);
    view->visible = db->wal != NULL ? vv_wal_visible(db->wal) : db->readonly_visible;
    view->version = db->version;
    vv_version_ref(view->version);
    for (size_t i = 0; i < db->frozen_count; i++) {
        view->heads[view->head_count++] = db->frozen[i];
    }
    if (db->head != NULL) {
        view->heads[view->head_count++] = db->head;
    }
    for (size_t i = 0; i < view->head_count; i++) {
        vv_head_ref(view->heads[i]);
    }
    view->retention = db->retention.table;
    vv_retention_ref(view->retention);
    view->has_reference = view->retention->has_enforced;
    if (view->has_reference) { /* after `visible`: what is seen has been observed */
        view->reference = vv_retention_reference(db, view->retention);
    }
    vv_mutex_unlock(&db->state_lock);
    vv_mutex_unlock(&db->shards[0].lock);
    *out_view = view;
    return VARVE_OK;
}

varve_status vv_view_open_lasting(varve_db *db, vv_view **out_view, varve_error *out_err)
{
    VV_TRY(vv_view_open(db, out_view, out_err));
    (*out_view)->has_reference = false;
    return VARVE_OK;
}

void vv_view_take_retention(vv_view *view, const vv_view *from)
{
    vv_retention_unref(view->db, view->retention);
    view->retention = from->retention;
    vv_retention_ref(view->retention);
}

int64_t vv_view_cut(const vv_view *view, uint32_t metric)
{
    return view->has_reference
               ? vv_retention_cut(view->retention, view->db->catalogue, metric, view->reference)
               : vv_retention_recorded(view->retention, view->db->catalogue, metric);
}

varve_status vv_view_of_heads(varve_db *db, const vv_version *version, vv_head *const *heads,
                              size_t head_count, uint64_t visible, vv_view **out_view,
                              varve_error *out_err)
{
    *out_view = NULL;
    vv_view *view = vv_alloc_zeroed(&db->alloc, sizeof *view);
    if (view == NULL) {
        return vv_fail_nomem(out_err, "view of heads", sizeof *view);
    }
    atomic_init(&view->refs, 1);
    view->db = db;
    view->visible = visible;
    varve_status status =
        vv_version_edit(db, version, NULL, 0, version->segments, version->segment_count, NULL, 0,
                        NULL, 0, &view->version, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(&db->alloc, view, sizeof *view);
        return status;
    }
    for (size_t i = 0; i < head_count; i++) {
        vv_head_ref(heads[i]);
        view->heads[i] = heads[i];
    }
    view->head_count = head_count;
    view->retention = vv_retention_current(db);
    *out_view = view;
    return VARVE_OK;
}

void vv_view_ref(vv_view *view)
{
    atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
}

void vv_view_unref(vv_view *view)
{
    if (view == NULL) {
        return;
    }
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < view->head_count; i++) {
        vv_head_unref(view->heads[i]);
    }
    vv_version_unref(view->db, view->version);
    vv_retention_unref(view->db, view->retention);
    vv_alloc_free(&view->db->alloc, view, sizeof *view);
}
