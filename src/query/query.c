/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Opening a query: a cursor, its plan, and the kind that answers it.
 */

#include "query/query.h"

#include "base/status.h"
#include "engine/task.h"
#include "query/cursor_priv.h"

static const vv_cursor_ops query_no_ops = {0};

varve_status vv_query_start(varve_cursor *cursor, vv_plan *plan, varve_error *out_err)
{
    cursor->layout = plan->layout;
    if (!cursor->is_part) {
        vv_task_begin(cursor->task, plan->series_count);
    }
    return plan->is_aggregate ? vv_aggregate_start(cursor, plan, out_err)
                              : vv_rows_start(cursor, plan, out_err);
}

varve_status vv_query_open(varve_db *db, const varve_query_options *options,
                           varve_cursor **out_cursor, varve_error *out_err)
{
    varve_cursor *cursor;
    VV_TRY(vv_cursor_create(db, &query_no_ops, options->memory_max, &cursor, out_err));
    cursor->task = options->task;
    if (options->deadline_ms != 0) {
        uint64_t most = INT64_MAX / 2000000;
        uint64_t wait = options->deadline_ms < most ? options->deadline_ms : most;
        cursor->deadline_ns = vv_env_mono_ns(&db->env) + (int64_t)wait * 1000000;
    }
    vv_plan *plan;
    varve_status status = vv_plan_make(cursor, options, &plan, out_err);
    if (status == VARVE_OK) {
        status = vv_query_start(cursor, plan, out_err);
    }
    if (status == VARVE_E_NOMEM) {
        status = vv_cursor_memory(cursor, out_err);
    }
    if (status != VARVE_OK) {
        vv_cursor_close(cursor);
        return status;
    }
    *out_cursor = cursor;
    return VARVE_OK;
}

/** A cursor over series [begin, end) of another's plan, of the same view. */
static varve_status query_part(varve_cursor *cursor, const vv_plan *plan, size_t begin, size_t end,
                               varve_cursor **out_part, varve_error *out_err)
{
    varve_cursor *part;
    VV_TRY(vv_cursor_create(cursor->db, &query_no_ops, cursor->memory_max, &part, out_err));
    vv_view_unref(part->view);
    part->view = cursor->view;
    vv_view_ref(part->view);
    part->task = cursor->task;
    part->is_part = true;
    part->deadline_ns = cursor->deadline_ns;
    vv_plan *copy;
    varve_status status = vv_plan_copy(part, plan, begin, end, &copy, out_err);
    if (status == VARVE_OK) {
        status = vv_query_start(part, copy, out_err);
    }
    if (status != VARVE_OK) {
        vv_cursor_close(part);
        return status;
    }
    *out_part = part;
    return VARVE_OK;
}

varve_status vv_query_split(varve_cursor *cursor, const vv_plan *plan, varve_cursor **out_parts,
                            size_t capacity, size_t *out_count, varve_error *out_err)
{
    bool is_by_series = plan->order != VARVE_ORDER_TIME && plan->order != VARVE_ORDER_ARRIVAL &&
                        plan->grouping == VARVE_GROUP_SERIES;
    if (plan->limit != UINT64_MAX || plan->offset != 0 || !is_by_series) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "a cursor with limit, offset, grouping, or order TIME or ARRIVAL cannot be "
                       "split");
    }
    size_t count = plan->series_count < capacity ? plan->series_count : capacity;
    count = count == 0 ? 1 : count;
    for (size_t i = 0; i < count; i++) {
        size_t begin = plan->series_count * i / count;
        size_t end = plan->series_count * (i + 1) / count;
        varve_status status = query_part(cursor, plan, begin, end, &out_parts[i], out_err);
        if (status != VARVE_OK) {
            while (i-- > 0) {
                vv_cursor_close(out_parts[i]);
                out_parts[i] = NULL;
            }
            return status;
        }
    }
    *out_count = count;
    cursor->is_end = true;
    cursor->was_read = true; /* its rows are the parts' now */
    return VARVE_OK;
}
