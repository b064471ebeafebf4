/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rows of one series that satisfy the predicates. Parts of a scan are pruned by statistics,
 * decoded, filtered; what is selected is given in slices of rows that stand together. Damage that
 * the caller wants passed over costs its vector (engine/scan.h), not the series.
 */

#include "base/bitmap.h"
#include "base/limit.h"
#include "base/status.h"
#include "model/predicate.h"
#include "query/rows_priv.h"

static vv_scan_options rows_stream_options(varve_cursor *cursor, const vv_rows_state *state)
{
    static const uint32_t nothing = 0;
    const vv_plan *plan = state->plan;
    return (vv_scan_options){
        .range = state->range,
        .fields = plan->wants_all_fields   ? NULL
                  : plan->field_count == 0 ? &nothing
                                           : plan->fields,
        .field_count = plan->field_count,
        .is_descending = vv_plan_is_descending(plan),
        .with_row_ids = plan->with_row_ids,
        .skip_damage = (plan->flags & VARVE_QUERY_PARTIAL) != 0,
        .after_row_id = state->after_row_id,
        .poll = vv_cursor_poll_context,
        .poll_context = cursor,
        .alloc = &cursor->alloc,
        .scratch = cursor->scratch,
    };
}

varve_status vv_stream_start(varve_cursor *cursor, vv_rows_state *state, vv_stream *stream,
                             size_t place, varve_error *out_err)
{
    uint32_t series = state->plan->series[place];
    stream->place = place;
    stream->begin = 0;
    stream->end = 0;
    stream->given = 0;
    stream->is_done = false;
    if (stream->scan != NULL) {
        return vv_scan_restart(stream->scan, series, out_err);
    }
    vv_scan_options options = rows_stream_options(cursor, state);
    return vv_scan_open(cursor->view, series, &options, &stream->scan, out_err);
}

static varve_status rows_stream_count(varve_cursor *cursor, vv_rows_state *state, size_t rows,
                                      varve_error *out_err)
{
    state->counted_rows += rows;
    atomic_fetch_add_explicit(&cursor->db->counters.rows_scanned, rows, memory_order_relaxed);
    if (state->counted_rows > state->plan->scanned_rows_max) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_QUERY_ROWS,
                             "the query decoded more than %llu rows",
                             (unsigned long long)state->plan->scanned_rows_max);
    }
    return VARVE_OK;
}

/** Rows without any wanted output are left out (a scan keeps those that have a predicate's field).
 */
static void rows_stream_drop_empty(const vv_plan *plan, const vv_rows *rows, uint64_t *selected)
{
    bool keeps_all = plan->wants_all_fields || plan->predicate_count == 0;
    for (size_t row = 0; !keeps_all && row < rows->count; row++) {
        bool has = false;
        for (size_t i = 0; !has && i < rows->column_count; i++) {
            for (size_t at = 0; !has && at < plan->output_count; at++) {
                has = plan->outputs[at].field == rows->fields[i] &&
                      vv_column_has(&rows->columns[i], row);
            }
        }
        if (!has) {
            vv_bits_clear(selected, row);
        }
    }
}

/** Stand on the wanted rows of the part in hand, where there are any. */
static varve_status rows_stream_take(varve_cursor *cursor, vv_rows_state *state, vv_stream *stream,
                                     const vv_part *part, varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    vv_verdict verdict = VV_VERDICT_SOME;
    if (part->kind == VV_PART_VECTOR) {
        VV_TRY(vv_plan_prune(plan, stream->scan, part, &verdict, out_err));
    }
    if (verdict == VV_VERDICT_NONE) {
        return VARVE_OK;
    }
    VV_TRY(vv_scan_rows(stream->scan, &stream->rows, out_err));
    size_t count;
    VV_TRY(rows_stream_count(cursor, state, stream->rows.count, out_err));
    VV_TRY(vv_plan_filter(plan, &stream->rows, stream->selected, &count, out_err));
    rows_stream_drop_empty(plan, &stream->rows, stream->selected);
    stream->begin = vv_bits_find_set(stream->selected, 0, stream->rows.count);
    stream->end = stream->rows.count;
    while (stream->end > stream->begin && !vv_bits_get(stream->selected, stream->end - 1)) {
        stream->end--;
    }
    return VARVE_OK;
}

varve_status vv_stream_fill(varve_cursor *cursor, vv_rows_state *state, vv_stream *stream,
                            varve_error *out_err)
{
    while (!stream->is_done && stream->begin == stream->end) {
        if (stream->given >= state->plan->limit_per_series) {
            stream->is_done = true;
            break;
        }
        VV_TRY(vv_cursor_poll(cursor, out_err));
        const vv_part *part;
        VV_TRY(vv_scan_next(stream->scan, &part, out_err));
        cursor->is_partial = cursor->is_partial || vv_scan_has_damage(stream->scan);
        if (part == NULL) {
            stream->is_done = true;
            break;
        }
        varve_status status = rows_stream_take(cursor, state, stream, part, out_err);
        if (status != VARVE_OK && !vv_cursor_may_skip(cursor, state->plan, status)) {
            return status;
        }
    }
    return VARVE_OK;
}

void vv_stream_slice(const vv_rows_state *state, const vv_stream *stream, uint64_t room,
                     size_t *out_begin, size_t *out_end)
{
    uint64_t left = state->plan->limit_per_series - stream->given;
    room = room < left ? room : left;
    if (vv_plan_is_descending(state->plan)) {
        size_t begin = stream->end;
        while (begin > stream->begin && vv_bits_get(stream->selected, begin - 1) &&
               stream->end - begin < room) {
            begin--;
        }
        *out_begin = begin;
        *out_end = stream->end;
        return;
    }
    size_t end = vv_bits_find_clear(stream->selected, stream->begin, stream->end);
    if (end - stream->begin > room) {
        end = stream->begin + (size_t)room;
    }
    *out_begin = stream->begin;
    *out_end = end;
}

void vv_stream_consume(const vv_rows_state *state, vv_stream *stream, size_t count)
{
    stream->given += count;
    if (vv_plan_is_descending(state->plan)) {
        stream->end -= count;
        while (stream->end > stream->begin && !vv_bits_get(stream->selected, stream->end - 1)) {
            stream->end--;
        }
    } else {
        stream->begin += count;
        stream->begin = vv_bits_find_set(stream->selected, stream->begin, stream->end);
    }
    if (stream->given >= state->plan->limit_per_series) {
        stream->begin = stream->end;
    }
}
