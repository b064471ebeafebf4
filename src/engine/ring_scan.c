/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A ring as a source of a scan: what its slots hold in the range, sorted by time, as plain pieces.
 * It is the only source of its series; deletes and duplicates have been settled when the slots were
 * (ring_apply.c), so the merge above has nothing left to do.
 */

#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"
#include "engine/ring_apply.h"
#include "engine/scan_priv.h"
#include "engine/time_sort.h"
#include "model/time_range.h"

/** The occupied slots of a range, by time. */
typedef struct ring_scan_rows {
    const vv_ring_overlay *overlay;
    const vv_ring_shape *shape;
    size_t count;
    int64_t *times;  /* ascending */
    uint32_t *slots; /* of the whole ring */
} ring_scan_rows;

/** The page and the slot in it; false: empty. */
static bool ring_scan_find(const ring_scan_rows *rows, uint32_t slot, const uint8_t **out_page,
                           uint32_t *out_slot)
{
    *out_page = vv_ring_overlay_page(rows->overlay, slot / rows->shape->slots_per_page);
    *out_slot = slot % rows->shape->slots_per_page;
    return *out_page != NULL && vv_ring_slot_lap(rows->shape, *out_page, *out_slot) != 0;
}

/** Slots in range, into the arrays when there are any; returns how many. */
static size_t ring_scan_walk(const ring_scan_rows *rows, varve_range range, int64_t *times,
                             uint32_t *slots)
{
    uint32_t first;
    uint32_t windows = vv_ring_slots_in(rows->shape, range, &first);
    size_t count = 0;
    for (uint32_t i = 0; i < windows; i++) {
        vv_ring_place place = {.slot = (uint32_t)(((uint64_t)first + i) % rows->shape->slots)};
        const uint8_t *page;
        uint32_t slot;
        if (!ring_scan_find(rows, place.slot, &page, &slot)) {
            continue;
        }
        place.lap = vv_ring_slot_lap(rows->shape, page, slot);
        int64_t time = vv_ring_time_of(rows->shape, place);
        if (!vv_range_contains(range, time)) {
            continue;
        }
        if (times != NULL) {
            times[count] = time;
            slots[count] = place.slot;
        }
        count++;
    }
    return count;
}

static varve_status ring_scan_collect(vv_scan *scan, ring_scan_rows *rows, varve_error *out_err)
{
    rows->count = ring_scan_walk(rows, scan->range, NULL, NULL);
    int64_t *times = vv_arena_array(&scan->arena, rows->count, sizeof *times);
    uint32_t *slots = vv_arena_array(&scan->arena, rows->count, sizeof *slots);
    if (times == NULL || slots == NULL) {
        return vv_arena_fail(&scan->arena, rows->count * sizeof *times, out_err);
    }
    (void)ring_scan_walk(rows, scan->range, times, slots);
    uint32_t *order;
    VV_TRY(vv_time_sort(times, rows->count, &scan->arena, &order, out_err));
    rows->times = times;
    rows->slots = slots;
    if (order == NULL) {
        return VARVE_OK;
    }
    rows->times = vv_arena_array(&scan->arena, rows->count, sizeof *times);
    if (rows->times == NULL) {
        return vv_arena_fail(&scan->arena, rows->count * sizeof *times, out_err);
    }
    for (size_t i = 0; i < rows->count; i++) {
        rows->times[i] = times[order[i]];
        order[i] = slots[order[i]];
    }
    rows->slots = order;
    return VARVE_OK;
}

/** One field of the rows [begin, begin + count); *out_has false: none of them has it. */
static varve_status ring_scan_column(vv_scan *scan, const ring_scan_rows *rows, uint32_t field,
                                     size_t begin, size_t count, varve_column *out_column,
                                     bool *out_has, varve_error *out_err)
{
    size_t width = vv_type_width(rows->shape->types[field]);
    size_t words = vv_bits_words(count);
    uint8_t *values = vv_arena_zeroed(&scan->arena, count * width);
    uint64_t *present = vv_arena_zeroed(&scan->arena, words * sizeof *present);
    if (values == NULL || present == NULL) {
        return vv_arena_fail(&scan->arena, count * width, out_err);
    }
    size_t has_count = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *page;
        uint32_t slot;
        uint64_t value;
        if (ring_scan_find(rows, rows->slots[begin + i], &page, &slot) &&
            vv_ring_slot_field(rows->shape, page, slot, field, &value)) {
            memcpy(values + i * width, &value, width);
            vv_bits_set(present, i);
            has_count++;
        }
    }
    *out_has = has_count > 0;
    *out_column = (varve_column){
        .type = rows->shape->types[field],
        .values = values,
        .present = has_count == count ? NULL : present,
    };
    return VARVE_OK;
}

static varve_status ring_scan_piece(vv_scan *scan, const ring_scan_rows *rows, size_t begin,
                                    vv_head_piece *piece, varve_error *out_err)
{
    const vv_ring *ring = rows->overlay->state->ring;
    size_t left = rows->count - begin;
    size_t count = left < VV_VECTOR_ROWS_MAX ? left : VV_VECTOR_ROWS_MAX;
    uint32_t *fields = vv_arena_array(&scan->arena, scan->column_count, sizeof *fields);
    varve_column *columns = vv_arena_array(&scan->arena, scan->column_count, sizeof *columns);
    uint64_t *row_ids = vv_arena_zeroed(&scan->arena, count * sizeof *row_ids);
    if (fields == NULL || columns == NULL || row_ids == NULL) {
        return vv_arena_fail(&scan->arena, count * sizeof *row_ids, out_err);
    }
    size_t column_count = 0;
    for (size_t i = 0; i < scan->column_count; i++) {
        uint32_t field = vv_ring_field_of(ring, scan->columns[i]);
        bool has = false;
        if (field < VV_RING_FIELDS_MAX) {
            VV_TRY(ring_scan_column(scan, rows, field, begin, count, &columns[column_count], &has,
                                    out_err));
        }
        if (has) {
            fields[column_count] = scan->columns[i];
            column_count++;
        }
    }
    *piece = (vv_head_piece){
        .rows = (uint32_t)count,
        .first_time = rows->times[begin],
        .last_time = rows->times[begin + count - 1],
        .plain = {.count = count,
                  .times = rows->times + begin,
                  .fields = fields,
                  .columns = columns,
                  .column_count = column_count},
        .sequences = row_ids, /* rows of a ring have no ids */
    };
    return VARVE_OK;
}

static varve_status ring_scan_add(vv_scan *scan, const vv_ring_overlay *overlay,
                                  varve_error *out_err)
{
    ring_scan_rows rows = {.overlay = overlay, .shape = &overlay->state->ring->shape};
    VV_TRY(ring_scan_collect(scan, &rows, out_err));
    if (rows.count == 0) {
        return VARVE_OK;
    }
    size_t count = (rows.count + VV_VECTOR_ROWS_MAX - 1) / VV_VECTOR_ROWS_MAX;
    vv_head_piece *pieces = vv_arena_array(&scan->arena, count, sizeof *pieces);
    if (pieces == NULL) {
        return vv_arena_fail(&scan->arena, count * sizeof *pieces, out_err);
    }
    for (size_t i = 0; i < count; i++) {
        VV_TRY(ring_scan_piece(scan, &rows, i * VV_VECTOR_ROWS_MAX, &pieces[i], out_err));
    }
    return vv_scan_add_pieces(scan, pieces, count, out_err);
}

varve_status vv_scan_add_ring(vv_scan *scan, const vv_ring_state *state, varve_error *out_err)
{
    vv_ring_apply_options options = {
        .start = scan->range.start,
        .poll = scan->options.poll,
        .poll_context = scan->options.poll_context,
        .alloc = scan->options.alloc,
        .scratch = scan->options.scratch,
    };
    vv_ring_overlay overlay;
    VV_TRY(vv_ring_apply(scan->view, state, &options, &overlay, out_err));
    varve_status status = ring_scan_add(scan, &overlay, out_err);
    vv_ring_overlay_deinit(&overlay);
    return status;
}
