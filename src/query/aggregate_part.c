/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The parts of a series' scan into slots, by the cheapest way that answers what is asked:
 *
 *   a VECTOR part inside one bucket, all rows selected:
 *     statistics suffice                       merged, nothing decoded
 *     only sums and counts, F64, no gaps       decoded and summed in one pass
 *   everything else                            decoded, filtered, cut at buckets
 */

#include "base/bitmap.h"
#include "base/limit.h"
#include "base/status.h"
#include "codec/vector.h"
#include "model/rows.h"
#include "model/value.h"
#include "query/aggregate_priv.h"

static varve_status aggregate_part_slice(varve_cursor *cursor, vv_aggregate *state,
                                         const vv_rows *rows, const uint64_t *selected,
                                         size_t begin, size_t end, varve_error *out_err)
{
    vv_aggregate_slot *slot;
    VV_TRY(vv_aggregate_slot_of(cursor, state, &slot, out_err));
    for (size_t i = 0; i < state->field_count; i++) {
        const vv_aggregate_field *field = &state->fields[i];
        const varve_column *column = vv_rows_find(rows, field->field);
        if (column == NULL || field->type == VARVE_TYPE_NONE) {
            continue;
        }
        uint64_t added;
        VV_TRY(vv_accumulator_add(&slot->accumulators[i], field->type, field->needs, column,
                                  rows->times, selected, begin, end, state->gather,
                                  &state->slots_arena, &added, out_err));
        slot->added += added;
    }
    return VARVE_OK;
}

/** First row of [begin, end) behind the bucket in hand. */
static size_t aggregate_part_bucket_end(const vv_aggregate *state, const int64_t *times,
                                        size_t begin, size_t end)
{
    if (vv_aggregate_in_bucket(state, times[end - 1])) {
        return end;
    }
    size_t low = begin;
    size_t high = end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (vv_aggregate_in_bucket(state, times[middle])) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/** Rows were decoded. */
static varve_status aggregate_part_count(varve_cursor *cursor, vv_aggregate *state, size_t rows,
                                         varve_error *out_err)
{
    state->scanned += rows;
    atomic_fetch_add_explicit(&cursor->db->counters.rows_scanned, rows, memory_order_relaxed);
    if (state->scanned > state->plan->scanned_rows_max) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_QUERY_ROWS,
                             "the query decoded more than %llu rows",
                             (unsigned long long)state->plan->scanned_rows_max);
    }
    return VARVE_OK;
}

static varve_status aggregate_part_rows(varve_cursor *cursor, vv_aggregate *state,
                                        const vv_rows *rows, varve_error *out_err)
{
    uint64_t bits[VV_VECTOR_ROWS_MAX / 64];
    const uint64_t *selected = NULL;
    size_t begin = 0;
    VV_TRY(aggregate_part_count(cursor, state, rows->count, out_err));
    if (state->plan->predicate_count > 0 || state->plan->after_row_id > 0) {
        size_t count;
        VV_TRY(vv_plan_filter(state->plan, rows, bits, &count, out_err));
        if (count == 0) {
            return VARVE_OK;
        }
        selected = count < rows->count ? bits : NULL;
    }
    while (begin < rows->count) {
        if (selected != NULL) {
            begin = vv_bits_find_set(selected, begin, rows->count);
            if (begin == rows->count) {
                break;
            }
        }
        if (!vv_aggregate_in_bucket(state, rows->times[begin])) {
            vv_aggregate_set_bucket(state, rows->times[begin]);
        }
        size_t end = aggregate_part_bucket_end(state, rows->times, begin, rows->count);
        VV_TRY(aggregate_part_slice(cursor, state, rows, selected, begin, end, out_err));
        begin = end;
    }
    return VARVE_OK;
}

/** Whether the statistics of the part in hand say all that the field's outputs ask. */
static bool aggregate_part_has_statistics(const vv_aggregate *state,
                                          const vv_aggregate_field *field,
                                          const vv_vector_column *column)
{
    uint32_t known = VV_NEEDS_STATS | VV_NEEDS_MORE;
    return (state->plan->flags & VARVE_QUERY_NO_STATISTICS) == 0 &&
           vv_type_is_number(field->type) && column->type == field->type &&
           (field->needs & ~known) == 0;
}

/** Decode-and-sum covers a column when only sums and counts are asked of it. */
static bool aggregate_part_can_sum(const vv_aggregate_field *field, const vv_vector_column *column)
{
    return field->needs == VV_NEEDS_STATS && field->type == VARVE_TYPE_F64 &&
           column->type == VARVE_TYPE_F64 && column->present_count == column->count;
}

/** Add a whole VECTOR part that lies in one bucket; *out_done false: it must be decoded. */
static varve_status aggregate_part_vector(varve_cursor *cursor, vv_aggregate *state, bool *out_done,
                                          varve_error *out_err)
{
    vv_vector_column column;
    *out_done = false;
    for (size_t i = 0; i < state->field_count; i++) {
        const vv_aggregate_field *field = &state->fields[i];
        if (field->field != 0 && vv_scan_column(state->scan, field->field, &column) &&
            !aggregate_part_has_statistics(state, field, &column) &&
            !aggregate_part_can_sum(field, &column)) {
            return VARVE_OK;
        }
    }
    vv_aggregate_slot *slot;
    VV_TRY(vv_aggregate_slot_of(cursor, state, &slot, out_err));
    for (size_t i = 0; i < state->field_count; i++) {
        const vv_aggregate_field *field = &state->fields[i];
        vv_accumulator *accumulator = &slot->accumulators[i];
        if (field->field == 0 || !vv_scan_column(state->scan, field->field, &column)) {
            continue;
        }
        slot->added += column.present_count;
        if (aggregate_part_has_statistics(state, field, &column)) {
            vv_stats stats;
            VV_TRY(vv_vector_stats(&column, &stats, out_err));
            vv_stats_merge(&accumulator->stats, &stats);
            atomic_fetch_add_explicit(&cursor->db->counters.vectors_by_statistics, 1,
                                      memory_order_relaxed);
        } else {
            VV_TRY(vv_vector_sum_f64(&column, cursor->scratch, &accumulator->stats, out_err));
            VV_TRY(aggregate_part_count(cursor, state, column.count, out_err));
        }
    }
    *out_done = true;
    return VARVE_OK;
}

static varve_status aggregate_part(varve_cursor *cursor, vv_aggregate *state, const vv_part *part,
                                   varve_error *out_err)
{
    if (part->kind == VV_PART_VECTOR && state->plan->after_row_id == 0) {
        vv_verdict verdict;
        VV_TRY(vv_plan_prune(state->plan, state->scan, part, &verdict, out_err));
        if (verdict == VV_VERDICT_NONE) {
            return VARVE_OK;
        }
        if (!vv_aggregate_in_bucket(state, part->first_time)) {
            vv_aggregate_set_bucket(state, part->first_time);
        }
        bool is_done = false;
        if (verdict == VV_VERDICT_ALL && vv_aggregate_in_bucket(state, part->last_time)) {
            VV_TRY(aggregate_part_vector(cursor, state, &is_done, out_err));
        }
        if (is_done) {
            return VARVE_OK;
        }
    }
    vv_rows rows;
    VV_TRY(vv_scan_rows(state->scan, &rows, out_err));
    atomic_fetch_add_explicit(&cursor->db->counters.vectors_decoded, 1, memory_order_relaxed);
    return aggregate_part_rows(cursor, state, &rows, out_err);
}

static varve_status aggregate_part_open(varve_cursor *cursor, vv_aggregate *state, uint32_t series,
                                        varve_range range, varve_error *out_err)
{
    static const uint32_t nothing = 0;
    const vv_plan *plan = state->plan;
    bool is_same = range.start == state->scan_range.start && range.end == state->scan_range.end;
    if (state->scan != NULL && is_same) {
        return vv_scan_restart(state->scan, series, out_err);
    }
    vv_scan_close(state->scan);
    state->scan = NULL;
    state->scan_range = range;
    vv_scan_options options = {
        .range = range,
        .fields = plan->field_count == 0 ? &nothing : plan->fields,
        .field_count = plan->field_count,
        .with_row_ids = plan->with_row_ids,
        .skip_damage = (plan->flags & VARVE_QUERY_PARTIAL) != 0,
        .after_row_id = plan->after_row_id,
        .poll = vv_cursor_poll_context,
        .poll_context = cursor,
        .alloc = &cursor->alloc,
        .scratch = cursor->scratch,
    };
    return vv_scan_open(cursor->view, series, &options, &state->scan, out_err);
}

varve_status vv_aggregate_rows(varve_cursor *cursor, vv_aggregate *state, uint32_t series,
                               varve_range range, varve_error *out_err)
{
    VV_TRY(aggregate_part_open(cursor, state, series, range, out_err));
    for (;;) {
        const vv_part *part;
        VV_TRY(vv_cursor_poll(cursor, out_err));
        VV_TRY(vv_scan_next(state->scan, &part, out_err));
        cursor->is_partial = cursor->is_partial || vv_scan_has_damage(state->scan);
        if (part == NULL) {
            return VARVE_OK;
        }
        varve_status status = aggregate_part(cursor, state, part, out_err);
        if (status != VARVE_OK && !vv_cursor_may_skip(cursor, state->plan, status)) {
            return status;
        }
        if (state->slots_max != 0 && state->slot_count > state->slots_max) {
            state->is_cut = true;
            return VARVE_OK;
        }
    }
}
