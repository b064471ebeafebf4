/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Room for one more row in the tail or side buffer of a series:
 *
 *   seal     a full buffer gives its visible rows to a block
 *   fit      the fields of the row are those of the buffer, or some of them, or widen it, or are in
 *            conflict with it: then it is closed and begins anew (R5 of head_priv.h)
 *   reform   what must be larger, wider or sparse moves
 *
 * Rows of numbers in a tail that has room never come here (append_place_fast of head_append.c).
 */

#include "base/status.h"
#include "engine/head_priv.h"

enum {
    ROOM_FIRST_ROWS = 4,   /* capacity of a new tail */
    ROOM_SEALED_ROWS = 16, /* capacity of a tail that was sealed: the series is alive */
    ROOM_BLOB_UNITS_MAX = VV_HEAD_RAW_BYTES_MAX / 64
};

static uint32_t room_next_capacity(const vv_head_buffer *buffer, const vv_head_layout *layout,
                                   uint32_t needed)
{
    uint32_t capacity = buffer->capacity;
    while (capacity < needed) {
        if (capacity < VV_HEAD_TAIL_ROWS) {
            capacity = capacity < ROOM_FIRST_ROWS ? (uint32_t)ROOM_FIRST_ROWS
                       : capacity < 16            ? 16
                       : capacity < 64            ? 64
                                                  : (uint32_t)VV_HEAD_TAIL_ROWS;
            if (capacity > layout->seal_rows && needed <= layout->seal_rows) {
                capacity = layout->seal_rows;
            }
        } else {
            capacity *= 2;
        }
    }
    return capacity;
}

/** Seal what a full buffer may: a vector's worth of visible rows, or whatever is visible before the
 * buffer grows beyond bounds. */
static varve_status room_seal(vv_head_shard *shard, vv_head_buffer *buffer, vv_head_list *list,
                              const vv_head_late *late, uint64_t now_visible, varve_error *out_err)
{
    uint32_t wanted = late != NULL ? buffer->layout->late_rows : buffer->layout->seal_rows;
    bool is_heavy = buffer->blob_units > ROOM_BLOB_UNITS_MAX;
    bool is_old = now_visible > buffer->base_sequence &&
                  now_visible - buffer->base_sequence >= VV_HEAD_DELTA_MAX;
    if (buffer->count == 0 || (buffer->count < wanted && !is_heavy && !is_old)) {
        return VARVE_OK;
    }
    uint32_t visible = vv_head_buffer_visible(buffer, now_visible);
    bool is_long = buffer->count >= VV_HEAD_ROWS_SOFT_MAX;
    if (visible < wanted && !is_heavy && !is_old && !is_long) {
        return VARVE_OK;
    }
    VV_TRY(vv_head_seal(shard, buffer, list, visible, late, out_err));
    size_t piece_bytes = (size_t)buffer->capacity * buffer->record_bytes;
    if (buffer->count + buffer->pending == 0 && piece_bytes <= VV_SLAB_PIECE_BYTES_MAX) {
        /* Begin small again; pieces beyond the slab are kept, asking for them anew costs more. */
        vv_head_form form = {.layout = buffer->layout, .capacity = ROOM_SEALED_ROWS};
        if (form.capacity > buffer->capacity) {
            form.capacity = buffer->capacity;
        }
        VV_TRY(vv_head_buffer_reform(shard, buffer, form, out_err));
    }
    return VARVE_OK;
}

/** How a row fits a buffer. One that it would make thin, or wide when it has a vector's worth of
 * rows, is in conflict with it (R5): such a buffer is closed, the next one begins narrow. */
static vv_head_fit room_fit(const vv_head_buffer *buffer, vv_head_shape shape, bool is_late)
{
    if (buffer->layout == NULL) {
        return VV_HEAD_FIT_CONFLICT;
    }
    uint32_t missing;
    vv_head_fit fit = vv_head_layout_fit(buffer->layout, shape, &missing);
    size_t rows = (size_t)buffer->count + buffer->pending;
    bool widens = fit == VV_HEAD_FIT_WIDENS;
    if (rows == 0 || !(widens || (fit == VV_HEAD_FIT_INSIDE && rows == buffer->capacity))) {
        return fit;
    }
    if (widens && rows >= (is_late ? buffer->layout->late_rows : buffer->layout->seal_rows)) {
        return VV_HEAD_FIT_CONFLICT;
    }
    size_t fields = (size_t)buffer->layout->count + missing;
    bool is_thin =
        fields > VV_HEAD_THIN_FIELDS &&
        (rows + 1) * fields > VV_HEAD_THIN_CELLS * (vv_head_buffer_values(buffer) + shape.count);
    return is_thin ? VV_HEAD_FIT_CONFLICT : fit;
}

varve_status vv_head_make_room(vv_head_shard *shard, vv_head_series *series,
                               const vv_head_row *wanted, varve_error *out_err)
{
    bool is_late = wanted->is_late;
    uint64_t visible = wanted->visible;
    vv_head_shape shape = wanted->shape;
    vv_head_buffer *buffer = is_late ? &series->late->side : &series->tail;
    vv_head_list *list = is_late ? &series->late->blocks : &series->blocks;
    if (buffer->layout != NULL) {
        VV_TRY(room_seal(shard, buffer, list, is_late ? series->late : NULL, visible, out_err));
    }
    vv_head_fit fit = room_fit(buffer, shape, is_late);
    if (fit == VV_HEAD_FIT_CONFLICT && buffer->layout != NULL) {
        series->has_staged = true; /* reserved rows of the buffer are in a closed block now */
        VV_TRY(is_late ? vv_head_close_late(shard, series->late, visible, out_err)
                       : vv_head_close(shard, series, visible, out_err));
    }
    uint32_t rows = buffer->count + buffer->pending;
    vv_head_form form = {
        .layout = buffer->layout,
        .time_bytes = buffer->time_bytes,
        .is_sparse = buffer->is_sparse,
    };
    if (fit == VV_HEAD_FIT_CONFLICT || (rows == 0 && fit != VV_HEAD_FIT_EQUAL)) {
        VV_TRY(vv_head_layout_of(shard, shape, &form.layout, out_err));
        form.is_sparse = false;
    } else if (fit == VV_HEAD_FIT_WIDENS) {
        VV_TRY(vv_head_layout_unite(shard, buffer->layout, shape, &form.layout, out_err));
        form.is_sparse = true;
    } else if (fit == VV_HEAD_FIT_INSIDE) {
        form.is_sparse = true;
    }
    if (rows == 0) {
        buffer->base_sequence = visible; /* until the first row has its own */
    }
    uint8_t time_bytes = vv_head_buffer_time_bytes(buffer, rows, wanted->time);
    if (is_late) {
        time_bytes = 8; /* late rows keep no step */
    }
    form.time_bytes = time_bytes > form.time_bytes ? time_bytes : form.time_bytes;
    form.capacity = room_next_capacity(buffer, form.layout, rows + 1);
    bool is_same = buffer->layout == form.layout && buffer->capacity == form.capacity &&
                   buffer->time_bytes == form.time_bytes && buffer->is_sparse == form.is_sparse;
    return is_same ? VARVE_OK : vv_head_buffer_reform(shard, buffer, form, out_err);
}
