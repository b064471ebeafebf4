/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The cursor of queries of rows: which way of rows_priv.h an order takes, and offset, limit and the
 * size of blocks, which count rows after everything else.
 *
 *   orders SERIES, GIVEN, NONE   one stream, restarted for each series
 *   order TIME                   streams merged by time, or passes where they are too many
 *   order ARRIVAL                passes
 */

#include "base/status.h"
#include "engine/task.h"
#include "query/rows_priv.h"

/* ---- offset and limit ---- */

/** Leave out what the offset takes of a slice. */
static void rows_apply_offset(const vv_plan *plan, vv_rows_state *state, size_t *begin, size_t *end)
{
    uint64_t skip = plan->offset - state->skipped;
    uint64_t count = *end - *begin;
    skip = skip < count ? skip : count;
    state->skipped += skip;
    if (vv_plan_is_descending(plan)) {
        *end -= (size_t)skip;
    } else {
        *begin += (size_t)skip;
    }
}

varve_status vv_rows_advance(varve_cursor *cursor, vv_rows_state *state, bool *out_has,
                             varve_error *out_err)
{
    vv_stream *stream = &state->single;
    *out_has = false;
    for (;;) {
        if (stream->scan != NULL && !stream->is_done) {
            VV_TRY(vv_stream_fill(cursor, state, stream, out_err));
            if (!stream->is_done) {
                *out_has = true;
                return VARVE_OK;
            }
        }
        if (state->place >= state->plan->series_count) {
            return VARVE_OK;
        }
        VV_TRY(vv_cursor_poll(cursor, out_err));
        vv_task_add(cursor->task, 1);
        VV_TRY(vv_stream_start(cursor, state, stream, state->place++, out_err));
    }
}

/** The stream whose row comes next, and how many of its rows may come together; NULL: the end. */
static varve_status rows_next_stream(varve_cursor *cursor, vv_rows_state *state, uint64_t *room,
                                     vv_stream **out_stream, varve_error *out_err)
{
    *out_stream = NULL;
    if (state->plan->order == VARVE_ORDER_TIME) {
        *room = 1; /* the next row may be another series' */
        *out_stream = state->heap_count == 0 ? NULL : &state->streams[state->heap[0]];
        return VARVE_OK;
    }
    bool has;
    VV_TRY(vv_rows_advance(cursor, state, &has, out_err));
    *out_stream = has ? &state->single : NULL;
    return VARVE_OK;
}

/** Rows were given or skipped. */
static varve_status rows_consume(varve_cursor *cursor, vv_rows_state *state, vv_stream *stream,
                                 size_t count, varve_error *out_err)
{
    vv_stream_consume(state, stream, count);
    return state->plan->order == VARVE_ORDER_TIME ? vv_rows_merge_next(cursor, state, out_err)
                                                  : VARVE_OK;
}

/** Keep the first `most` rows of a slice, in order of output. */
static void rows_cut(const vv_plan *plan, uint64_t most, size_t *begin, size_t *end)
{
    if (*end - *begin > most) {
        if (vv_plan_is_descending(plan)) {
            *begin = *end - (size_t)most;
        } else {
            *end = *begin + (size_t)most;
        }
    }
}

/** The next slice after the offset, with the stream it is of; *out_stream NULL: the end, or the
 * block is full. */
static varve_status rows_next_slice(varve_cursor *cursor, vv_rows_state *state, uint64_t block_rows,
                                    vv_stream **out_stream, size_t *out_begin, size_t *out_end,
                                    varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    *out_stream = NULL;
    for (;;) {
        uint64_t left = plan->limit - state->given;
        uint64_t space = plan->block_rows_max - block_rows;
        uint64_t most = left < space ? left : space;
        uint64_t room = VV_VECTOR_ROWS_MAX; /* whole slices may be skipped: see the offset below */
        vv_stream *stream;
        if (most == 0) {
            return VARVE_OK;
        }
        VV_TRY(rows_next_stream(cursor, state, &room, &stream, out_err));
        if (stream == NULL) {
            return VARVE_OK;
        }
        vv_stream_slice(state, stream, room, out_begin, out_end);
        size_t count = *out_end - *out_begin;
        rows_apply_offset(plan, state, out_begin, out_end);
        if (*out_begin < *out_end) {
            vv_stream_consume(state, stream, count - (*out_end - *out_begin));
            rows_cut(plan, most, out_begin, out_end);
            *out_stream = stream;
            return VARVE_OK;
        }
        VV_TRY(rows_consume(cursor, state, stream, count, out_err));
    }
}

static varve_status rows_next_series(varve_cursor *cursor, varve_error *out_err)
{
    vv_rows_state *state = cursor->state;
    vv_stream *stream;
    size_t begin;
    size_t end;
    VV_TRY(rows_next_slice(cursor, state, 0, &stream, &begin, &end, out_err));
    if (stream == NULL) {
        cursor->is_end = true;
        return VARVE_OK;
    }
    bool is_reversed = vv_plan_is_descending(state->plan);
    size_t fit = vv_rows_fit(state->plan, &stream->rows, begin, end, 0, is_reversed);
    rows_cut(state->plan, fit, &begin, &end);
    VV_TRY(vv_rows_make_series(cursor, state->plan, stream, begin, end, out_err));
    state->given += fit;
    vv_stream_consume(state, stream, fit);
    VV_TRY(vv_stream_fill(cursor, state, stream, out_err));
    if (stream->is_done || state->given == state->plan->limit) {
        cursor->frame->block.flags |= VARVE_BLOCK_LAST_OF_SERIES;
    }
    return VARVE_OK;
}

/** TABLE and ROWS of the sequential orders, and of TIME by streams. */
static varve_status rows_next_table(varve_cursor *cursor, varve_error *out_err)
{
    vv_rows_state *state = cursor->state;
    const vv_plan *plan = state->plan;
    bool is_reversed = vv_plan_is_descending(plan);
    if (plan->order == VARVE_ORDER_TIME && !state->is_merging) {
        VV_TRY(vv_rows_merge_start(cursor, state, out_err));
    }
    vv_block_builder builder;
    VV_TRY(vv_rows_begin_table(cursor, plan, &builder, out_err));
    uint64_t bytes = 0;
    while (builder.rows < plan->block_rows_max && bytes + builder.bytes < plan->block_bytes_max) {
        vv_stream *stream;
        size_t begin;
        size_t end;
        VV_TRY(rows_next_slice(cursor, state, builder.rows, &stream, &begin, &end, out_err));
        if (stream == NULL) {
            break;
        }
        size_t fit =
            vv_rows_fit(plan, &stream->rows, begin, end, bytes + builder.bytes, is_reversed);
        rows_cut(plan, fit, &begin, &end);
        VV_TRY(vv_rows_put_table(cursor, plan, &builder, stream, begin, end, out_err));
        bytes += fit * (16 + 8 * stream->rows.column_count);
        state->given += fit;
        VV_TRY(rows_consume(cursor, state, stream, fit, out_err));
    }
    if (builder.rows == 0) {
        cursor->is_end = true;
        return VARVE_OK;
    }
    return vv_block_finish(&builder, out_err);
}

/* ---- the cursor ---- */

static bool rows_takes_passes(const varve_cursor *cursor, const vv_plan *plan)
{
    return plan->order == VARVE_ORDER_ARRIVAL ||
           (plan->order == VARVE_ORDER_TIME && !vv_rows_merge_fits(cursor, plan));
}

static varve_status rows_next(varve_cursor *cursor, varve_error *out_err)
{
    const vv_rows_state *state = cursor->state;
    if (rows_takes_passes(cursor, state->plan)) {
        return vv_rows_pass_next(cursor, out_err);
    }
    return cursor->layout == VARVE_LAYOUT_SERIES ? rows_next_series(cursor, out_err)
                                                 : rows_next_table(cursor, out_err);
}

static varve_status rows_begin(varve_cursor *cursor, vv_block_builder *builder,
                               varve_error *out_err)
{
    const vv_rows_state *state = cursor->state;
    return vv_rows_begin_table(cursor, state->plan, builder, out_err);
}

static void rows_deinit(varve_cursor *cursor)
{
    vv_rows_state *state = cursor->state;
    if (state == NULL) {
        return;
    }
    vv_scan_close(state->single.scan);
    for (size_t i = 0; state->streams != NULL && i < state->plan->series_count; i++) {
        vv_scan_close(state->streams[i].scan);
    }
    vv_rows_pass_deinit(cursor, state);
}

static varve_status rows_split(varve_cursor *cursor, varve_cursor **out_parts, size_t capacity,
                               size_t *out_count, varve_error *out_err)
{
    const vv_rows_state *state = cursor->state;
    return vv_query_split(cursor, state->plan, out_parts, capacity, out_count, out_err);
}

static const vv_cursor_ops rows_ops = {
    .next = rows_next, .begin = rows_begin, .split = rows_split, .deinit = rows_deinit};

varve_status vv_rows_start(varve_cursor *cursor, vv_plan *plan, varve_error *out_err)
{
    vv_rows_state *state = vv_arena_zeroed(&cursor->arena, sizeof *state);
    if (state == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    state->plan = plan;
    state->range = plan->range;
    state->after_row_id = plan->after_row_id;
    cursor->state = state;
    cursor->ops = &rows_ops;
    return VARVE_OK;
}
