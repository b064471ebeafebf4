/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Order TIME over few series: one stream each, all open at once, merged by a heap of (time, row id,
 * place). A stream holds a decoded vector of every source of its series, so the number of series is
 * bounded by the memory of the query; above that rows_pass.c does the work.
 */

#include "base/status.h"
#include "query/rows_priv.h"

/* What an open scan may hold: times and row ids of 1024 rows, for the rows put together and for
 * each of its sources; the same for each column, values being up to 16 bytes. Sources: a guess at
 * how many overlap. */
enum {
    ROWS_MERGE_SOURCES = 3,
    ROWS_MERGE_ROWS_BYTES = 16 * VV_VECTOR_ROWS_MAX,
    ROWS_MERGE_COLUMN_BYTES = 17 * VV_VECTOR_ROWS_MAX,
    ROWS_MERGE_MEMORY_SHARE = 2
};

bool vv_rows_merge_fits(const varve_cursor *cursor, const vv_plan *plan)
{
    uint64_t fields =
        plan->field_count > plan->output_count ? plan->field_count : plan->output_count;
    uint64_t stream = sizeof(vv_stream) + ROWS_MERGE_SOURCES * (ROWS_MERGE_ROWS_BYTES +
                                                                fields * ROWS_MERGE_COLUMN_BYTES);
    return plan->series_count <= cursor->memory_max / ROWS_MERGE_MEMORY_SHARE / stream;
}

static int64_t rows_merge_time(const vv_rows_state *state, const vv_stream *stream)
{
    return vv_plan_is_descending(state->plan) ? stream->rows.times[stream->end - 1]
                                              : stream->rows.times[stream->begin];
}

static uint64_t rows_merge_row_id(const vv_rows_state *state, const vv_stream *stream)
{
    if (stream->rows.row_ids == NULL) {
        return 0;
    }
    return vv_plan_is_descending(state->plan) ? stream->rows.row_ids[stream->end - 1]
                                              : stream->rows.row_ids[stream->begin];
}

/** Whether stream a's row comes before stream b's. */
static bool rows_merge_precedes(const vv_rows_state *state, size_t a, size_t b)
{
    bool is_descending = vv_plan_is_descending(state->plan);
    const vv_stream *x = &state->streams[a];
    const vv_stream *y = &state->streams[b];
    int64_t x_time = rows_merge_time(state, x);
    int64_t y_time = rows_merge_time(state, y);
    if (x_time != y_time) {
        return is_descending ? x_time > y_time : x_time < y_time;
    }
    uint64_t x_id = rows_merge_row_id(state, x);
    uint64_t y_id = rows_merge_row_id(state, y);
    if (x_id != y_id) {
        return is_descending ? x_id > y_id : x_id < y_id;
    }
    return is_descending ? x->place > y->place : x->place < y->place;
}

static void rows_merge_sift(vv_rows_state *state, size_t at)
{
    for (;;) {
        size_t first = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < state->heap_count &&
                rows_merge_precedes(state, state->heap[child], state->heap[first])) {
                first = child;
            }
        }
        if (first == at) {
            return;
        }
        size_t swap = state->heap[at];
        state->heap[at] = state->heap[first];
        state->heap[first] = swap;
        at = first;
    }
}

varve_status vv_rows_merge_start(varve_cursor *cursor, vv_rows_state *state, varve_error *out_err)
{
    size_t count = state->plan->series_count;
    state->streams = vv_arena_zeroed(&cursor->arena, (count + 1) * sizeof *state->streams);
    state->heap = vv_arena_array(&cursor->arena, count + 1, sizeof *state->heap);
    if (state->streams == NULL || state->heap == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    state->is_merging = true;
    for (size_t i = 0; i < count; i++) {
        vv_stream *stream = &state->streams[i];
        VV_TRY(vv_stream_start(cursor, state, stream, i, out_err));
        VV_TRY(vv_stream_fill(cursor, state, stream, out_err));
        if (stream->is_done) {
            vv_scan_close(stream->scan); /* a series without rows keeps no buffers */
            stream->scan = NULL;
        } else {
            state->heap[state->heap_count++] = i;
        }
    }
    for (size_t i = state->heap_count / 2; i-- > 0;) {
        rows_merge_sift(state, i);
    }
    return VARVE_OK;
}

varve_status vv_rows_merge_next(varve_cursor *cursor, vv_rows_state *state, varve_error *out_err)
{
    vv_stream *stream = &state->streams[state->heap[0]];
    VV_TRY(vv_stream_fill(cursor, state, stream, out_err));
    if (stream->is_done) {
        vv_scan_close(stream->scan);
        stream->scan = NULL;
        state->heap[0] = state->heap[--state->heap_count];
    }
    if (state->heap_count > 0) {
        rows_merge_sift(state, 0);
    }
    return VARVE_OK;
}
