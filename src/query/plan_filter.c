/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Predicates at work: on the statistics of a vector before it is decoded, on rows after.
 */

#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"
#include "engine/scan.h"
#include "model/rows.h"
#include "model/value.h"
#include "query/cursor_priv.h"

const varve_column *vv_rows_find(const vv_rows *rows, uint32_t field)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        if (rows->fields[i] == field) {
            return &rows->columns[i];
        }
    }
    return NULL;
}

/** What statistics say about a column of a VECTOR part. */
static varve_status plan_filter_bounds(const vv_vector_column *column, size_t rows,
                                       vv_bounds *out_bounds, varve_error *out_err)
{
    *out_bounds = (vv_bounds){.rows = rows, .values = column->present_count};
    if (!vv_type_is_number(column->type)) {
        return VARVE_OK;
    }
    vv_stats stats;
    VV_TRY(vv_vector_stats(column, &stats, out_err));
    out_bounds->nans = stats.nan_count;
    out_bounds->has_range = stats.count > 0;
    out_bounds->min.type = column->type;
    out_bounds->max.type = column->type;
    if (column->type == VARVE_TYPE_BOOL) {
        out_bounds->min.as.boolean = stats.min.u64 != 0;
        out_bounds->max.as.boolean = stats.max.u64 != 0;
    } else {
        memcpy(&out_bounds->min.as, &stats.min, sizeof stats.min);
        memcpy(&out_bounds->max.as, &stats.max, sizeof stats.max);
    }
    return VARVE_OK;
}

varve_status vv_plan_prune(const vv_plan *plan, const vv_scan *scan, const vv_part *part,
                           vv_verdict *out_verdict, varve_error *out_err)
{
    vv_verdict verdict = VV_VERDICT_ALL;
    for (size_t i = 0; i < plan->predicate_count && verdict != VV_VERDICT_NONE; i++) {
        vv_vector_column column;
        vv_bounds bounds = {.rows = part->count};
        if (plan->predicate_fields[i] != 0 &&
            vv_scan_column(scan, plan->predicate_fields[i], &column)) {
            VV_TRY(plan_filter_bounds(&column, part->count, &bounds, out_err));
        }
        vv_verdict one = vv_predicate_prune(&plan->predicates[i], &bounds);
        verdict = one == VV_VERDICT_ALL ? verdict : one;
    }
    *out_verdict = verdict;
    return VARVE_OK;
}

varve_status vv_plan_filter(const vv_plan *plan, const vv_rows *rows, uint64_t *selected,
                            size_t *out_count, varve_error *out_err)
{
    memset(selected, 0, vv_bits_words(VV_VECTOR_ROWS_MAX) * sizeof *selected);
    vv_bits_set_range(selected, 0, rows->count);
    for (size_t i = 0; i < plan->predicate_count; i++) {
        const varve_column *column = vv_rows_find(rows, plan->predicate_fields[i]);
        VV_TRY(vv_predicate_eval(&plan->predicates[i], column, rows->count, selected, out_err));
    }
    if (plan->after_row_id > 0 && rows->row_ids != NULL) {
        for (size_t row = 0; row < rows->count; row++) {
            if (rows->row_ids[row] <= plan->after_row_id) {
                vv_bits_clear(selected, row);
            }
        }
    }
    *out_count = vv_bits_count(selected, 0, rows->count);
    return VARVE_OK;
}
