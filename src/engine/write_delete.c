/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Deletes of a batch. A delete becomes a tombstone of the current version and a TOMBSTONE record of
 * the log; both hold the selection, not the series. Made again over the catalogue of a later day
 * the same rows must be hidden, so a delete takes every shard lock: a series that is unknown under
 * the locks has no row with a smaller sequence.
 *
 *   D1  Selections are resolved before the locks; under them only series that came since are looked
 *       at, one by one.
 *   D2  Everything that can fail is done before the log gives the order: the new version is made
 *       with tombstones whose sequences are set afterwards, before anybody sees them. Installing it
 *       is the exchange of a pointer, unless a flush or merge has installed one meanwhile; that is
 *       kept away by the manifest lock, which whoever installs a version holds.
 */

#include "base/bitmap.h"
#include "base/status.h"
#include "engine/scan.h"
#include "engine/view.h"
#include "engine/write_priv.h"
#include "index/catalogue.h"
#include "model/time_range.h"

/* ---- selections ---- */

static varve_status delete_exact(vv_catalogue *catalogue, uint32_t series, vv_selection_item *out,
                                 varve_error *out_err)
{
    if (series == 0 || series > vv_catalogue_series_count(catalogue)) {
        return vv_fail(out_err, VARVE_E_INVALID, "%u is not a series of this database", series);
    }
    *out = (vv_selection_item){
        .kind = VARVE_SELECT_EXACT,
        .has_metric = true,
        .metric = vv_catalogue_metric(catalogue, series),
    };
    return vv_catalogue_labels(catalogue, series, &out->labels, &out->label_count, out_err);
}

/** Handles mean nothing in a file: LIST items become the names of their series. */
static varve_status delete_name_lists(vv_catalogue *catalogue, vv_selection *selection,
                                      varve_error *out_err)
{
    size_t count = 0;
    bool has_lists = false;
    for (size_t i = 0; i < selection->item_count; i++) {
        bool is_list = selection->items[i].kind == VARVE_SELECT_LIST;
        count += is_list ? selection->items[i].series_count : 1;
        has_lists = has_lists || is_list;
    }
    if (!has_lists) {
        return VARVE_OK;
    }
    if (count > VV_SELECTION_ITEMS_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a delete selects %zu series by handle, max %u",
                       count, VV_SELECTION_ITEMS_MAX);
    }
    vv_selection_item *items = vv_arena_array(&selection->arena, count, sizeof *items);
    if (items == NULL) {
        return vv_arena_fail(&selection->arena, count * sizeof *items, out_err);
    }
    size_t at = 0;
    for (size_t i = 0; i < selection->item_count; i++) {
        const vv_selection_item *item = &selection->items[i];
        if (item->kind != VARVE_SELECT_LIST) {
            items[at] = *item;
            at++;
            continue;
        }
        for (size_t k = 0; k < item->series_count; k++) {
            VV_TRY(delete_exact(catalogue, item->series[k], &items[at], out_err));
            at++;
        }
    }
    selection->items = items;
    selection->item_count = count;
    return VARVE_OK;
}

varve_status vv_write_selection(varve_db *db, const varve_selection *selections, size_t count,
                                vv_selection **out_selection, varve_error *out_err)
{
    VV_TRY(vv_selection_compile(selections, count, /* with_internal */ false, &db->alloc,
                                out_selection, out_err));
    varve_status status = delete_name_lists(db->catalogue, *out_selection, out_err);
    if (status != VARVE_OK) {
        vv_selection_free(*out_selection);
        *out_selection = NULL;
    }
    return status;
}

/** A copy that a tombstone owns: through its stored form, which is what a later open reads. */
static varve_status delete_copy_selection(vv_write *write, const vv_selection *selection,
                                          vv_selection **out_copy, varve_error *out_err)
{
    vv_buf buf;
    vv_buf_init(&buf, &write->db->alloc, SIZE_MAX);
    varve_status status = vv_selection_encode(selection, &buf, out_err);
    if (status == VARVE_OK) {
        status = vv_selection_decode(vv_buf_bytes(&buf), &write->db->alloc, out_copy, out_err);
    }
    vv_buf_deinit(&buf);
    return status;
}

/* ---- tombstones ---- */

varve_status vv_write_make_tombstones(vv_write *write, varve_error *out_err)
{
    varve_db *db = write->db;
    vv_write_delete *deletes = VV_VEC_ITEMS(&write->memory->deletes, vv_write_delete);
    for (size_t i = 0; i < write->memory->deletes.count; i++) {
        if (deletes[i].op == NULL) {
            continue; /* rows, not a selection */
        }
        vv_selection *copy;
        VV_TRY(delete_copy_selection(write, deletes[i].op->selection, &copy, out_err));
        deletes[i].resolved_series = vv_catalogue_series_count(db->catalogue);
        varve_status status = vv_tombstone_create(db, UINT64_MAX, deletes[i].op->range, copy,
                                                  &deletes[i].tombstone, out_err);
        if (status != VARVE_OK) {
            vv_selection_free(copy);
            return status;
        }
    }
    return VARVE_OK;
}

void vv_write_drop_tombstones(vv_write *write)
{
    vv_write_delete *deletes = VV_VEC_ITEMS(&write->memory->deletes, vv_write_delete);
    for (size_t i = 0; i < write->memory->deletes.count; i++) {
        if (deletes[i].tombstone != NULL) {
            vv_tombstone_unref(write->db, deletes[i].tombstone);
        }
    }
    vv_vec_clear(&write->memory->deletes);
    if (write->version != NULL) {
        vv_version_unref(write->db, write->version);
        write->version = NULL;
    }
}

/** D1: series that the catalogue has learned since the tombstone was made. */
static varve_status delete_resolve_new(vv_write *write, vv_write_delete *delete,
                                       varve_error *out_err)
{
    vv_catalogue *catalogue = write->db->catalogue;
    uint32_t count = vv_catalogue_series_count(catalogue);
    for (uint32_t series = delete->resolved_series + 1; series <= count; series++) {
        const varve_label *labels;
        size_t label_count;
        bool is_selected;
        VV_TRY(vv_catalogue_labels(catalogue, series, &labels, &label_count, out_err));
        VV_TRY(vv_selection_matches(delete->op->selection, vv_catalogue_metric(catalogue, series),
                                    labels, label_count, &is_selected, out_err));
        if (is_selected &&
            vv_idset_add(&delete->tombstone->series, &write->db->alloc, series) != VARVE_OK) {
            return vv_fail_nomem(out_err, "delete", sizeof series);
        }
    }
    delete->resolved_series = count;
    return VARVE_OK;
}

varve_status vv_write_add_tombstones_locked(vv_write *write, varve_error *out_err)
{
    varve_db *db = write->db;
    vv_batch_memory *memory = write->memory;
    vv_write_delete *deletes = VV_VEC_ITEMS(&memory->deletes, vv_write_delete);
    size_t count = memory->deletes.count;
    vv_tombstone **added = vv_arena_array(&memory->attempt, count, sizeof *added);
    if (added == NULL) {
        return vv_arena_fail(&memory->attempt, count * sizeof *added, out_err);
    }
    size_t added_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (deletes[i].op != NULL) {
            VV_TRY(delete_resolve_new(write, &deletes[i], out_err));
            added[added_count] = deletes[i].tombstone;
            added_count++;
        }
    }
    vv_version *current = vv_version_current(db);
    varve_status status = vv_version_edit(db, current, NULL, 0, NULL, 0, added, added_count, NULL,
                                          0, &write->version, out_err);
    vv_version_unref(db, current);
    return status;
}

void vv_write_install_tombstones_locked(vv_write *write)
{
    varve_db *db = write->db;
    vv_mutex_lock(&db->state_lock);
    vv_version_install_locked(db, write->version);
    vv_mutex_unlock(&db->state_lock);
    write->version = NULL; /* the database has the reference */
}

/* ---- how many series are concerned ---- */

static varve_status delete_count_series(vv_write *write, uint32_t series, varve_error *out_err)
{
    return vv_idset_add(&write->deleted_series, &write->db->alloc, series) == VARVE_OK
               ? VARVE_OK
               : vv_fail_nomem(out_err, "delete", sizeof series);
}

/** Series of earlier rows of the part that are in range and among the ids. */
static varve_status delete_count_batch(vv_write *write, size_t item_end, const vv_idset *ids,
                                       varve_range range, varve_error *out_err)
{
    const vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    for (size_t i = write->item_begin; i < item_end; i++) {
        const vv_run *run = &items[i].run;
        size_t rows = items[i].op->selection != NULL ? 0 : run->count;
        for (size_t row = 0; row < rows; row++) {
            uint32_t series = run->series[run->series_count == 1 ? 0 : row];
            if (vv_write_counts_row(write, &items[i], row) &&
                vv_range_contains(range, run->times[run->time_count == 1 ? 0 : row]) &&
                vv_idset_contains(ids, series)) {
                VV_TRY(delete_count_series(write, series, out_err));
            }
        }
    }
    return VARVE_OK;
}

static varve_status delete_count_item(vv_write *write, vv_view *view, size_t item,
                                      varve_error *out_err)
{
    varve_db *db = write->db;
    const vv_batch_op *op = VV_VEC_AT(&write->memory->items, vv_write_item, item)->op;
    vv_idset ids;
    VV_TRY(vv_catalogue_select(db->catalogue, op->selection, &ids, out_err));
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, &ids);
    varve_status status = VARVE_OK;
    uint32_t series;
    while (status == VARVE_OK && vv_idset_cursor_next(&cursor, &series)) {
        bool exists = false;
        status = vv_scan_exists(view, series, op->range, write->memory->scratch, &exists, out_err);
        if (status == VARVE_OK && exists) {
            status = delete_count_series(write, series, out_err);
        }
    }
    if (status == VARVE_OK) {
        status = delete_count_batch(write, item, &ids, op->range, out_err);
    }
    vv_idset_deinit(&ids, &db->alloc);
    return status;
}

varve_status vv_write_count_deleted(vv_write *write, varve_error *out_err)
{
    bool has_deletes = false;
    for (size_t i = write->item_begin; i < write->item_end && !has_deletes; i++) {
        has_deletes = VV_VEC_AT(&write->memory->items, vv_write_item, i)->op->selection != NULL;
    }
    if (!has_deletes || !write->counts_deleted) {
        return VARVE_OK;
    }
    VV_TRY(vv_write_scratch(write, out_err));
    vv_view *view;
    VV_TRY(vv_view_open(write->db, &view, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = write->item_begin; i < write->item_end && status == VARVE_OK; i++) {
        if (VV_VEC_AT(&write->memory->items, vv_write_item, i)->op->selection != NULL) {
            status = delete_count_item(write, view, i, out_err);
        }
    }
    vv_view_unref(view);
    return status;
}
