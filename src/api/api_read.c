/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bodies of varve.h: reading and listing. Cursors are made and driven in query/.
 */

#include "api/api_figures_priv.h"
#include "base/status.h"
#include "engine/db.h"
#include "query/query.h"
#include "wal/wal.h"

varve_status varve_query(varve_db *db, const varve_query_options *options,
                         varve_cursor **out_cursor, varve_error *out_err)
{
    if (out_cursor == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_query: out_cursor is NULL");
    }
    *out_cursor = NULL;
    VV_TRY(vv_db_check(db, out_err));
    varve_query_options defaults;
    if (options == NULL) {
        varve_query_options_init(&defaults);
        options = &defaults;
    }
    if (options->struct_size < sizeof *options) {
        return vv_fail(out_err, VARVE_E_INVALID, "call varve_query_options_init before a query");
    }
    return vv_api_queried(db, vv_query_open(db, options, out_cursor, out_err));
}

varve_status varve_last(varve_db *db, const varve_selection *selections, size_t count,
                        varve_cursor **out_cursor, varve_error *out_err)
{
    varve_query_options options;
    varve_query_options_init(&options);
    options.selections = selections;
    options.selection_count = count;
    options.limit_per_series = 1;
    options.flags = VARVE_QUERY_DESCENDING;
    return varve_query(db, &options, out_cursor, out_err);
}

varve_status varve_cursor_next(varve_cursor *cursor, const varve_block **out_block,
                               varve_error *out_err)
{
    if (cursor == NULL || out_block == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_cursor_next: a pointer is NULL");
    }
    *out_block = NULL;
    return vv_cursor_next(cursor, out_block, out_err);
}

const varve_block *varve_cursor_keep(varve_cursor *cursor)
{
    return cursor == NULL ? NULL : vv_cursor_keep(cursor);
}

void varve_block_free(const varve_block *block)
{
    vv_block_release(block);
}

varve_status varve_cursor_split(varve_cursor *cursor, varve_cursor **out_parts, size_t capacity,
                                size_t *out_count, varve_error *out_err)
{
    if (cursor == NULL || out_parts == NULL || capacity == 0 || out_count == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "varve_cursor_split: a pointer is NULL or the capacity is 0");
    }
    return vv_cursor_split(cursor, out_parts, capacity, out_count, out_err);
}

uint64_t varve_cursor_last_row_id(const varve_cursor *cursor)
{
    return cursor == NULL ? 0 : vv_cursor_last_row_id(cursor);
}

void varve_cursor_close(varve_cursor *cursor)
{
    vv_cursor_close(cursor);
}

varve_status varve_cursor_arrow(varve_cursor *cursor, struct ArrowArrayStream *out_stream,
                                varve_error *out_err)
{
    if (cursor == NULL || out_stream == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_cursor_arrow: a pointer is NULL");
    }
    return vv_cursor_arrow(cursor, out_stream, out_err);
}

varve_status varve_wait_visible(varve_db *db, uint64_t after_row_id, uint64_t timeout_ms,
                                uint64_t *out_row_id, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (db->wal == NULL) {
        return vv_fail(out_err, VARVE_E_READONLY,
                       "a read-only handle sees new rows after varve_refresh");
    }
    VV_TRY(vv_wal_wait_visible(db->wal, after_row_id, timeout_ms, out_err));
    if (out_row_id != NULL) {
        *out_row_id = vv_wal_visible(db->wal);
    }
    return VARVE_OK;
}

/* ---- the catalogue ---- */

static varve_status api_list(varve_db *db, vv_list_kind kind, varve_text name,
                             const varve_list_options *options, varve_cursor **out_cursor,
                             varve_error *out_err)
{
    if (out_cursor == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "a listing: out_cursor is NULL");
    }
    *out_cursor = NULL;
    VV_TRY(vv_db_check(db, out_err));
    varve_list_options defaults;
    if (options == NULL) {
        varve_list_options_init(&defaults);
        options = &defaults;
    }
    if (options->struct_size < sizeof *options) {
        return vv_fail(out_err, VARVE_E_INVALID, "call varve_list_options_init before a listing");
    }
    return vv_api_queried(db, vv_list_open(db, kind, name, options, out_cursor, out_err));
}

varve_status varve_metrics(varve_db *db, const varve_list_options *options,
                           varve_cursor **out_cursor, varve_error *out_err)
{
    return api_list(db, VV_LIST_METRICS, (varve_text){0}, options, out_cursor, out_err);
}

varve_status varve_series_list(varve_db *db, const varve_list_options *options,
                               varve_cursor **out_cursor, varve_error *out_err)
{
    return api_list(db, VV_LIST_SERIES, (varve_text){0}, options, out_cursor, out_err);
}

varve_status varve_label_names(varve_db *db, const varve_list_options *options,
                               varve_cursor **out_cursor, varve_error *out_err)
{
    return api_list(db, VV_LIST_LABEL_NAMES, (varve_text){0}, options, out_cursor, out_err);
}

varve_status varve_label_values(varve_db *db, varve_text name, const varve_list_options *options,
                                varve_cursor **out_cursor, varve_error *out_err)
{
    return api_list(db, VV_LIST_LABEL_VALUES, name, options, out_cursor, out_err);
}

varve_status varve_field_names(varve_db *db, const varve_list_options *options,
                               varve_cursor **out_cursor, varve_error *out_err)
{
    return api_list(db, VV_LIST_FIELD_NAMES, (varve_text){0}, options, out_cursor, out_err);
}
