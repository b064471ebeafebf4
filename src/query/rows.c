/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Queries of rows. A stream gives the rows of one series that satisfy the predicates, slice by
 * slice:
 *
 *   orders SERIES, GIVEN, NONE   one stream, restarted for each series
 *   order TIME                   a stream for each series, merged by a heap of (time, row id,
 * place) order ARRIVAL                rows are gathered and sorted by row id; with a limit only
 * those that can be among the first (their ids are found in a pass of their own)
 *
 * Slices then pass offset, limit and limit_per_series, and go into blocks.
 */

#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"
#include "engine/scan.h"
#include "engine/task.h"
#include "index/catalogue.h"
#include "model/predicate.h"
#include "model/rows.h"
#include "query/cursor_priv.h"

enum { ROWS_WORDS = VV_VECTOR_ROWS_MAX / 64 };

typedef struct rows_stream {
    vv_scan *scan;
    size_t place; /* index in plan->series */
    vv_rows rows; /* of the current part */
    uint64_t selected[ROWS_WORDS];
    size_t begin, end; /* rows of the part not given yet */
    uint64_t given;    /* of this series, for limit_per_series */
    bool is_done;
} rows_stream;

/** A gathered row (order ARRIVAL). */
typedef struct rows_gathered {
    uint64_t row_id;
    int64_t time;
    size_t place;
    varve_value *values; /* one for each output */
} rows_gathered;

typedef struct rows_state {
    vv_plan *plan;
    size_t place; /* next series of the sequential orders */
    rows_stream single;
    rows_stream *streams; /* order TIME; in the arena */
    size_t *heap;         /* indexes of streams that have a row */
    size_t heap_count;
    bool is_merging;
    rows_gathered *gathered; /* order ARRIVAL; in the arena */
    size_t gathered_count, gathered_at;
    bool is_gathered;
    uint64_t skipped, given; /* against offset and limit */
    uint64_t counted_rows;   /* decoded, already in the counters */
} rows_state;

static bool rows_is_descending(const vv_plan *plan)
{
    return (plan->flags & VARVE_QUERY_DESCENDING) != 0;
}

/* ---- streams ---- */

static vv_scan_options rows_scan_options(varve_cursor *cursor, const vv_plan *plan)
{
    static const uint32_t nothing = 0;
    return (vv_scan_options){
        .range = plan->range,
        .fields = plan->wants_all_fields   ? NULL
                  : plan->field_count == 0 ? &nothing
                                           : plan->fields,
        .field_count = plan->field_count,
        .is_descending = rows_is_descending(plan),
        .with_row_ids = plan->with_row_ids,
        .alloc = &cursor->alloc,
        .scratch = cursor->scratch,
    };
}

static varve_status rows_stream_start(varve_cursor *cursor, rows_state *state, rows_stream *stream,
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
    vv_scan_options options = rows_scan_options(cursor, state->plan);
    return vv_scan_open(cursor->view, series, &options, &stream->scan, out_err);
}

static varve_status rows_count(varve_cursor *cursor, rows_state *state, size_t rows,
                               varve_error *out_err)
{
    state->counted_rows += rows;
    atomic_fetch_add_explicit(&cursor->db->counters.rows_scanned, rows, memory_order_relaxed);
    if (state->counted_rows > state->plan->scanned_rows_max) {
        return vv_fail(out_err, VARVE_E_LIMIT, "the query decoded more than %llu rows",
                       (unsigned long long)state->plan->scanned_rows_max);
    }
    return VARVE_OK;
}

/** Rows without any wanted output are left out (a scan keeps those that have a predicate's field).
 */
static void rows_drop_empty(const vv_plan *plan, const vv_rows *rows, uint64_t *selected)
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

/** Skip what a damaged place leaves unreadable, when the caller wants the rest. */
static bool rows_may_skip(varve_cursor *cursor, const vv_plan *plan, varve_status status)
{
    if ((status == VARVE_E_CORRUPT || status == VARVE_E_IO) &&
        (plan->flags & VARVE_QUERY_PARTIAL) != 0) {
        cursor->is_partial = true;
        return true;
    }
    return false;
}

/** Make sure that the stream stands on a row, or is done. */
static varve_status rows_stream_fill(varve_cursor *cursor, rows_state *state, rows_stream *stream,
                                     varve_error *out_err)
{
    while (!stream->is_done && stream->begin == stream->end) {
        if (stream->given >= state->plan->limit_per_series) {
            stream->is_done = true;
            break;
        }
        VV_TRY(vv_cursor_poll(cursor, out_err));
        const vv_part *part = NULL;
        varve_status status = vv_scan_next(stream->scan, &part, out_err);
        if (status == VARVE_OK && part != NULL) {
            status = vv_scan_rows(stream->scan, &stream->rows, out_err);
        }
        if (status != VARVE_OK && rows_may_skip(cursor, state->plan, status)) {
            stream->is_done = true;
            break;
        }
        VV_TRY(status);
        if (part == NULL) {
            stream->is_done = true;
            break;
        }
        size_t count;
        VV_TRY(rows_count(cursor, state, stream->rows.count, out_err));
        VV_TRY(vv_plan_filter(state->plan, &stream->rows, stream->selected, &count, out_err));
        rows_drop_empty(state->plan, &stream->rows, stream->selected);
        stream->begin = vv_bits_find_set(stream->selected, 0, stream->rows.count);
        stream->end = stream->rows.count;
        while (stream->end > stream->begin && !vv_bits_get(stream->selected, stream->end - 1)) {
            stream->end--;
        }
    }
    return VARVE_OK;
}

/** The next rows that stand together, at most `room`; [*out_begin, *out_end) of stream->rows. */
static void rows_stream_slice(const rows_state *state, const rows_stream *stream, uint64_t room,
                              size_t *out_begin, size_t *out_end)
{
    uint64_t left = state->plan->limit_per_series - stream->given;
    room = room < left ? room : left;
    if (rows_is_descending(state->plan)) {
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

static void rows_stream_consume(const rows_state *state, rows_stream *stream, size_t count)
{
    stream->given += count;
    if (rows_is_descending(state->plan)) {
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

/* ---- blocks ---- */

static const varve_column *rows_column(const vv_rows *rows, uint32_t field)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        if (rows->fields[i] == field) {
            return &rows->columns[i];
        }
    }
    return NULL;
}

/** Columns of a TABLE or ROWS block: the plan's outputs. */
static varve_status rows_begin_table(varve_cursor *cursor, const vv_plan *plan,
                                     vv_block_builder *builder, varve_error *out_err)
{
    VV_TRY(
        vv_block_begin(builder, cursor, plan->output_count, (size_t)plan->block_rows_max, out_err));
    builder->has_times = true;
    builder->has_row_series = true;
    builder->has_row_ids = plan->with_row_ids;
    for (size_t i = 0; i < plan->output_count; i++) {
        const vv_plan_output *output = &plan->outputs[i];
        if (output->kind != VARVE_OUTPUT_FIELD) {
            varve_text name = output->kind == VARVE_OUTPUT_METRIC && output->name.size == 0
                                  ? VARVE_STR("metric")
                                  : output->name;
            VV_TRY(vv_block_column_set_labels(builder, i, name, out_err));
        } else {
            uint32_t type =
                plan->layout == VARVE_LAYOUT_ROWS ? (uint32_t)VARVE_TYPE_MIXED : output->type;
            VV_TRY(vv_block_column_set(builder, i, output->name, type, out_err));
        }
    }
    return VARVE_OK;
}

static varve_status rows_put_label(varve_cursor *cursor, vv_block_builder *builder, size_t index,
                                   const vv_plan_output *output, uint32_t series, size_t count,
                                   varve_error *out_err)
{
    varve_text value;
    bool has = true;
    if (output->kind == VARVE_OUTPUT_METRIC) {
        value = vv_catalogue_metric(cursor->db->catalogue, series);
    } else {
        has = vv_catalogue_label(cursor->db->catalogue, series, output->name, &value);
    }
    return vv_block_put_label(builder, index, builder->rows, count, has ? &value : NULL, out_err);
}

/** Rows [begin, end) of a stream's part into a table; backwards when descending. */
static varve_status rows_put_table(varve_cursor *cursor, const vv_plan *plan,
                                   vv_block_builder *builder, const rows_stream *stream,
                                   size_t begin, size_t end, varve_error *out_err)
{
    bool is_reversed = rows_is_descending(plan);
    uint32_t series = plan->series[stream->place];
    for (size_t i = begin; i < end; i++) {
        size_t row = is_reversed ? end - 1 - (i - begin) : i;
        size_t to = builder->rows + (i - begin);
        builder->times[to] = stream->rows.times[row];
        builder->row_ids[to] = stream->rows.row_ids != NULL ? stream->rows.row_ids[row] : 0;
        builder->row_series[to] = (varve_series){.id = series};
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        const vv_plan_output *output = &plan->outputs[i];
        if (output->kind != VARVE_OUTPUT_FIELD) {
            VV_TRY(rows_put_label(cursor, builder, i, output, series, end - begin, out_err));
        } else {
            VV_TRY(vv_block_put_slice(builder, i, builder->rows,
                                      rows_column(&stream->rows, output->field), begin, end,
                                      is_reversed, out_err));
        }
    }
    builder->rows += end - begin;
    return VARVE_OK;
}

/** Type of an output's column in a SERIES block: the series' own. */
static uint32_t rows_series_type(const varve_cursor *cursor, const vv_plan_output *output,
                                 const varve_column *column, uint32_t series)
{
    if (output->as_type != 0) {
        return output->as_type;
    }
    if (column != NULL) {
        return column->type;
    }
    const vv_schema *schema = vv_catalogue_schema(cursor->db->catalogue, series);
    for (uint32_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].field == output->field) {
            return schema->fields[i].type;
        }
    }
    return VARVE_TYPE_F64;
}

static varve_status rows_series_columns(varve_cursor *cursor, const vv_plan *plan,
                                        vv_block_builder *builder, const rows_stream *stream,
                                        size_t begin, size_t end, varve_error *out_err)
{
    const vv_rows *rows = &stream->rows;
    bool is_reversed = rows_is_descending(plan);
    for (size_t i = 0; i < builder->column_count; i++) {
        const varve_column *column = NULL;
        varve_text name;
        uint32_t type;
        if (plan->wants_all_fields) {
            column = &rows->columns[i];
            name = vv_catalogue_field_name(cursor->db->catalogue, rows->fields[i]);
            type = column->type;
        } else {
            const vv_plan_output *output = &plan->outputs[i];
            column = output->field != 0 ? rows_column(rows, output->field) : NULL;
            name = output->name;
            type = rows_series_type(cursor, output, column, plan->series[stream->place]);
        }
        VV_TRY(vv_block_column_set(builder, i, name, type, out_err));
        VV_TRY(vv_block_put_slice(builder, i, 0, column, begin, end, is_reversed, out_err));
    }
    return VARVE_OK;
}

/** A block of one slice of one series. */
static varve_status rows_make_series(varve_cursor *cursor, const vv_plan *plan,
                                     const rows_stream *stream, size_t begin, size_t end,
                                     varve_error *out_err)
{
    vv_block_builder builder;
    size_t columns = plan->wants_all_fields ? stream->rows.column_count : plan->output_count;
    uint32_t series = plan->series[stream->place];
    bool is_reversed = rows_is_descending(plan);
    VV_TRY(vv_block_begin(&builder, cursor, columns, end - begin, out_err));
    builder.has_times = true;
    builder.has_row_ids = plan->with_row_ids;
    builder.rows = end - begin;
    for (size_t i = begin; i < end; i++) {
        size_t row = is_reversed ? end - 1 - (i - begin) : i;
        builder.times[i - begin] = stream->rows.times[row];
        builder.row_ids[i - begin] = stream->rows.row_ids != NULL ? stream->rows.row_ids[row] : 0;
    }
    VV_TRY(rows_series_columns(cursor, plan, &builder, stream, begin, end, out_err));
    const varve_label *labels;
    size_t label_count;
    VV_TRY(vv_catalogue_labels(cursor->db->catalogue, series, &labels, &label_count, out_err));
    VV_TRY(vv_block_name(&builder, vv_catalogue_metric(cursor->db->catalogue, series), labels,
                         label_count, out_err));
    VV_TRY(vv_block_finish(&builder, out_err));
    cursor->frame->block.series = (varve_series){.id = series};
    return VARVE_OK;
}

/** How many rows of [begin, end) a block may take before its bytes exceed the limit; at least one.
 */
static size_t rows_fit(const vv_plan *plan, const vv_rows *rows, size_t begin, size_t end,
                       uint64_t used, bool is_reversed)
{
    bool has_blobs = false;
    for (size_t i = 0; i < rows->column_count; i++) {
        has_blobs = has_blobs || vv_type_is_blob(rows->columns[i].type);
    }
    uint64_t per_row = 16 + 8 * rows->column_count;
    for (size_t count = 0; count < end - begin; count++) {
        size_t row = is_reversed ? end - 1 - count : begin + count;
        uint64_t bytes = per_row;
        for (size_t i = 0; has_blobs && i < rows->column_count; i++) {
            if (vv_type_is_blob(rows->columns[i].type) && vv_column_has(&rows->columns[i], row)) {
                bytes += ((const varve_text *)rows->columns[i].values)[row].size;
            }
        }
        used += bytes;
        if (used > plan->block_bytes_max && count > 0) {
            return count;
        }
    }
    return end - begin;
}

/* ---- offset and limit ---- */

/** Leave out what the offset takes of a slice. */
static void rows_apply_offset(const vv_plan *plan, rows_state *state, size_t *begin, size_t *end)
{
    uint64_t skip = plan->offset - state->skipped;
    uint64_t count = *end - *begin;
    skip = skip < count ? skip : count;
    state->skipped += skip;
    if (rows_is_descending(plan)) {
        *end -= (size_t)skip;
    } else {
        *begin += (size_t)skip;
    }
}

static uint64_t rows_room(const vv_plan *plan, const rows_state *state, uint64_t block_rows)
{
    /* While rows are skipped, whole slices may be: the limit counts only what is given. */
    uint64_t left = plan->limit - state->given;
    uint64_t skip = plan->offset - state->skipped;
    uint64_t room = plan->block_rows_max - block_rows;
    if (skip > 0) {
        return VV_VECTOR_ROWS_MAX;
    }
    return left < room ? left : room;
}

/* ---- sequential orders ---- */

/** Stand on a row of the next series that has one; false at the end. */
static varve_status rows_advance(varve_cursor *cursor, rows_state *state, bool *out_has,
                                 varve_error *out_err)
{
    rows_stream *stream = &state->single;
    *out_has = false;
    for (;;) {
        if (stream->scan != NULL && !stream->is_done) {
            VV_TRY(rows_stream_fill(cursor, state, stream, out_err));
            if (!stream->is_done) {
                *out_has = true;
                return VARVE_OK;
            }
        }
        if (state->place >= state->plan->series_count) {
            return VARVE_OK;
        }
        vv_task_add(cursor->task, 1);
        varve_status status = rows_stream_start(cursor, state, stream, state->place++, out_err);
        if (status != VARVE_OK) {
            if (stream->scan == NULL || !rows_may_skip(cursor, state->plan, status)) {
                return status;
            }
            stream->is_done = true;
        }
    }
}

/** The next slice after the offset, with the stream it is of; *out_stream NULL at the end. */
static varve_status rows_next_slice(varve_cursor *cursor, rows_state *state, uint64_t block_rows,
                                    rows_stream **out_stream, size_t *out_begin, size_t *out_end,
                                    varve_error *out_err);

static varve_status rows_next_series(varve_cursor *cursor, varve_error *out_err)
{
    rows_state *state = cursor->state;
    rows_stream *stream;
    size_t begin;
    size_t end;
    VV_TRY(rows_next_slice(cursor, state, 0, &stream, &begin, &end, out_err));
    if (stream == NULL) {
        cursor->is_end = true;
        return VARVE_OK;
    }
    bool is_reversed = rows_is_descending(state->plan);
    size_t fit = rows_fit(state->plan, &stream->rows, begin, end, 0, is_reversed);
    if (is_reversed) {
        begin = end - fit;
    } else {
        end = begin + fit;
    }
    VV_TRY(rows_make_series(cursor, state->plan, stream, begin, end, out_err));
    state->given += fit;
    rows_stream_consume(state, stream, fit);
    VV_TRY(rows_stream_fill(cursor, state, stream, out_err));
    if (stream->is_done || state->given == state->plan->limit) {
        cursor->frame->block.flags |= VARVE_BLOCK_LAST_OF_SERIES;
    }
    return VARVE_OK;
}

/* ---- order TIME ---- */

static int64_t rows_stream_time(const rows_state *state, const rows_stream *stream)
{
    return rows_is_descending(state->plan) ? stream->rows.times[stream->end - 1]
                                           : stream->rows.times[stream->begin];
}

static uint64_t rows_stream_row_id(const rows_state *state, const rows_stream *stream)
{
    if (stream->rows.row_ids == NULL) {
        return 0;
    }
    return rows_is_descending(state->plan) ? stream->rows.row_ids[stream->end - 1]
                                           : stream->rows.row_ids[stream->begin];
}

/** Whether stream a's row comes before stream b's. */
static bool rows_comes_first(const rows_state *state, size_t a, size_t b)
{
    bool is_descending = rows_is_descending(state->plan);
    const rows_stream *x = &state->streams[a];
    const rows_stream *y = &state->streams[b];
    int64_t x_time = rows_stream_time(state, x);
    int64_t y_time = rows_stream_time(state, y);
    if (x_time != y_time) {
        return is_descending ? x_time > y_time : x_time < y_time;
    }
    uint64_t x_id = rows_stream_row_id(state, x);
    uint64_t y_id = rows_stream_row_id(state, y);
    if (x_id != y_id) {
        return is_descending ? x_id > y_id : x_id < y_id;
    }
    return is_descending ? x->place > y->place : x->place < y->place;
}

static void rows_sift_down(rows_state *state, size_t at)
{
    for (;;) {
        size_t first = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < state->heap_count &&
                rows_comes_first(state, state->heap[child], state->heap[first])) {
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

static varve_status rows_merge_start(varve_cursor *cursor, rows_state *state, varve_error *out_err)
{
    size_t count = state->plan->series_count;
    state->streams = vv_arena_zeroed(&cursor->arena, (count + 1) * sizeof *state->streams);
    state->heap = vv_arena_array(&cursor->arena, count + 1, sizeof *state->heap);
    if (state->streams == NULL || state->heap == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    state->is_merging = true;
    for (size_t i = 0; i < count; i++) {
        rows_stream *stream = &state->streams[i];
        VV_TRY(rows_stream_start(cursor, state, stream, i, out_err));
        VV_TRY(rows_stream_fill(cursor, state, stream, out_err));
        if (stream->is_done) {
            vv_scan_close(stream->scan); /* a series without rows keeps no buffers */
            stream->scan = NULL;
        } else {
            state->heap[state->heap_count++] = i;
        }
    }
    for (size_t i = state->heap_count / 2; i-- > 0;) {
        rows_sift_down(state, i);
    }
    return VARVE_OK;
}

/** After a row was taken from the stream on top. */
static varve_status rows_merge_next(varve_cursor *cursor, rows_state *state, varve_error *out_err)
{
    rows_stream *stream = &state->streams[state->heap[0]];
    VV_TRY(rows_stream_fill(cursor, state, stream, out_err));
    if (stream->is_done) {
        vv_scan_close(stream->scan);
        stream->scan = NULL;
        state->heap[0] = state->heap[--state->heap_count];
    }
    if (state->heap_count > 0) {
        rows_sift_down(state, 0);
    }
    return VARVE_OK;
}

static varve_status rows_next_slice(varve_cursor *cursor, rows_state *state, uint64_t block_rows,
                                    rows_stream **out_stream, size_t *out_begin, size_t *out_end,
                                    varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    *out_stream = NULL;
    for (;;) {
        uint64_t room = rows_room(plan, state, block_rows);
        rows_stream *stream = &state->single;
        if (room == 0) {
            return VARVE_OK;
        }
        if (plan->order == VARVE_ORDER_TIME) {
            if (state->heap_count == 0) {
                return VARVE_OK;
            }
            stream = &state->streams[state->heap[0]];
            room = 1; /* the next row may be another series' */
        } else {
            bool has;
            VV_TRY(rows_advance(cursor, state, &has, out_err));
            if (!has) {
                return VARVE_OK;
            }
        }
        rows_stream_slice(state, stream, room, out_begin, out_end);
        size_t count = *out_end - *out_begin;
        rows_apply_offset(plan, state, out_begin, out_end);
        if (*out_begin < *out_end) {
            size_t skipped = count - (*out_end - *out_begin);
            rows_stream_consume(state, stream, skipped);
            uint64_t left = plan->limit - state->given;
            uint64_t space = plan->block_rows_max - block_rows;
            uint64_t most = left < space ? left : space;
            if (*out_end - *out_begin > most) {
                if (rows_is_descending(plan)) {
                    *out_begin = *out_end - (size_t)most;
                } else {
                    *out_end = *out_begin + (size_t)most;
                }
            }
            if (most == 0) {
                return VARVE_OK;
            }
            *out_stream = stream;
            return VARVE_OK;
        }
        rows_stream_consume(state, stream, count);
        if (plan->order == VARVE_ORDER_TIME) {
            VV_TRY(rows_merge_next(cursor, state, out_err));
        }
    }
}

/** TABLE and ROWS of all orders but ARRIVAL. */
static varve_status rows_next_table(varve_cursor *cursor, varve_error *out_err)
{
    rows_state *state = cursor->state;
    const vv_plan *plan = state->plan;
    bool is_reversed = rows_is_descending(plan);
    if (plan->order == VARVE_ORDER_TIME && !state->is_merging) {
        VV_TRY(rows_merge_start(cursor, state, out_err));
    }
    vv_block_builder builder;
    VV_TRY(rows_begin_table(cursor, plan, &builder, out_err));
    uint64_t bytes = 0;
    while (builder.rows < plan->block_rows_max && bytes < plan->block_bytes_max) {
        rows_stream *stream;
        size_t begin;
        size_t end;
        VV_TRY(rows_next_slice(cursor, state, builder.rows, &stream, &begin, &end, out_err));
        if (stream == NULL) {
            break;
        }
        uint64_t used = bytes + builder.bytes;
        size_t fit = rows_fit(plan, &stream->rows, begin, end, used, is_reversed);
        if (is_reversed) {
            begin = end - fit;
        } else {
            end = begin + fit;
        }
        VV_TRY(rows_put_table(cursor, plan, &builder, stream, begin, end, out_err));
        bytes += fit * (16 + 8 * stream->rows.column_count);
        state->given += fit;
        rows_stream_consume(state, stream, fit);
        if (plan->order == VARVE_ORDER_TIME) {
            VV_TRY(rows_merge_next(cursor, state, out_err));
        }
        if (bytes + builder.bytes >= plan->block_bytes_max) {
            break;
        }
    }
    if (builder.rows == 0) {
        cursor->is_end = true;
        return VARVE_OK;
    }
    return vv_block_finish(&builder, out_err);
}

/* ---- order ARRIVAL ---- */

static int rows_compare_u64(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static int rows_compare_gathered(const void *a, const void *b)
{
    return rows_compare_u64(&((const rows_gathered *)a)->row_id,
                            &((const rows_gathered *)b)->row_id);
}

typedef varve_status (*rows_visit)(varve_cursor *cursor, rows_state *state,
                                   const rows_stream *stream, size_t row, void *context,
                                   varve_error *out_err);

/** Every row of every series that satisfies the predicates. */
static varve_status rows_visit_all(varve_cursor *cursor, rows_state *state, rows_visit visit,
                                   void *context, varve_error *out_err)
{
    state->place = 0;
    state->single.is_done = true;
    for (;;) {
        bool has;
        VV_TRY(rows_advance(cursor, state, &has, out_err));
        if (!has) {
            return VARVE_OK;
        }
        rows_stream *stream = &state->single;
        for (size_t row = stream->begin; row < stream->end; row++) {
            if (vv_bits_get(stream->selected, row)) {
                VV_TRY(visit(cursor, state, stream, row, context, out_err));
            }
        }
        stream->begin = stream->end;
    }
}

typedef struct rows_ids {
    uint64_t *ids;
    size_t count, capacity;
} rows_ids;

static varve_status rows_collect_id(varve_cursor *cursor, rows_state *state,
                                    const rows_stream *stream, size_t row, void *context,
                                    varve_error *out_err)
{
    (void)state;
    rows_ids *found = context;
    if (found->count == found->capacity) {
        size_t capacity = found->capacity == 0 ? 1024 : found->capacity * 2;
        uint64_t *ids = vv_alloc_resize(&cursor->alloc, found->ids, found->capacity * sizeof *ids,
                                        capacity * sizeof *ids);
        if (ids == NULL) {
            return vv_cursor_memory(cursor, out_err);
        }
        found->ids = ids;
        found->capacity = capacity;
    }
    found->ids[found->count++] = stream->rows.row_ids[row];
    return VARVE_OK;
}

typedef struct rows_bounds {
    uint64_t first, last; /* row ids that are wanted */
} rows_bounds;

static varve_status rows_copy_blob(varve_cursor *cursor, varve_value *value, varve_error *out_err)
{
    if (!vv_type_is_blob(value->type) || value->as.bytes.size == 0) {
        return VARVE_OK;
    }
    value->as.bytes.data =
        vv_arena_copy_bytes(&cursor->arena, value->as.bytes.data, value->as.bytes.size);
    return value->as.bytes.data != NULL ? VARVE_OK : vv_cursor_memory(cursor, out_err);
}

static varve_status rows_gather(varve_cursor *cursor, rows_state *state, const rows_stream *stream,
                                size_t row, void *context, varve_error *out_err)
{
    const rows_bounds *bounds = context;
    const vv_plan *plan = state->plan;
    uint64_t row_id = stream->rows.row_ids[row];
    if (row_id < bounds->first || row_id > bounds->last) {
        return VARVE_OK;
    }
    rows_gathered *gathered = &state->gathered[state->gathered_count++];
    gathered->row_id = row_id;
    gathered->time = stream->rows.times[row];
    gathered->place = stream->place;
    gathered->values =
        vv_arena_zeroed(&cursor->arena, (plan->output_count + 1) * sizeof *gathered->values);
    if (gathered->values == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        if (plan->outputs[i].field != 0) {
            gathered->values[i] =
                vv_block_value_of(rows_column(&stream->rows, plan->outputs[i].field), row);
            VV_TRY(rows_copy_blob(cursor, &gathered->values[i], out_err));
        }
    }
    return VARVE_OK;
}

/** Find the row ids that offset and limit leave, then gather those rows. */
static varve_status rows_gather_all(varve_cursor *cursor, rows_state *state, varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    rows_ids found = {0};
    varve_status status = rows_visit_all(cursor, state, rows_collect_id, &found, out_err);
    size_t wanted = 0;
    rows_bounds bounds = {.first = 1, .last = 0};
    if (status == VARVE_OK && found.count > plan->offset) {
        qsort(found.ids, found.count, sizeof *found.ids, rows_compare_u64);
        uint64_t left = found.count - plan->offset;
        wanted = (size_t)(left < plan->limit ? left : plan->limit);
        size_t first = rows_is_descending(plan) ? found.count - (size_t)plan->offset - wanted
                                                : (size_t)plan->offset;
        if (wanted > 0) {
            bounds =
                (rows_bounds){.first = found.ids[first], .last = found.ids[first + wanted - 1]};
        }
    }
    vv_alloc_free(&cursor->alloc, found.ids, found.capacity * sizeof *found.ids);
    VV_TRY(status);
    state->gathered = vv_arena_array(&cursor->arena, wanted + 1, sizeof *state->gathered);
    if (state->gathered == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    if (wanted > 0) {
        VV_TRY(rows_visit_all(cursor, state, rows_gather, &bounds, out_err));
        qsort(state->gathered, state->gathered_count, sizeof *state->gathered,
              rows_compare_gathered);
    }
    state->is_gathered = true;
    return VARVE_OK;
}

static varve_status rows_put_gathered(varve_cursor *cursor, const vv_plan *plan,
                                      vv_block_builder *builder, const rows_gathered *gathered,
                                      varve_error *out_err)
{
    uint32_t series = plan->series[gathered->place];
    builder->times[builder->rows] = gathered->time;
    builder->row_ids[builder->rows] = gathered->row_id;
    builder->row_series[builder->rows] = (varve_series){.id = series};
    for (size_t i = 0; i < plan->output_count; i++) {
        if (plan->outputs[i].kind != VARVE_OUTPUT_FIELD) {
            VV_TRY(rows_put_label(cursor, builder, i, &plan->outputs[i], series, 1, out_err));
        } else {
            VV_TRY(vv_block_put(builder, i, builder->rows, &gathered->values[i], out_err));
        }
    }
    builder->rows++;
    return VARVE_OK;
}

static varve_status rows_next_arrival(varve_cursor *cursor, varve_error *out_err)
{
    rows_state *state = cursor->state;
    const vv_plan *plan = state->plan;
    if (!state->is_gathered) {
        VV_TRY(rows_gather_all(cursor, state, out_err));
    }
    if (state->gathered_at == state->gathered_count) {
        cursor->is_end = true;
        return VARVE_OK;
    }
    vv_block_builder builder;
    VV_TRY(rows_begin_table(cursor, plan, &builder, out_err));
    while (state->gathered_at < state->gathered_count && builder.rows < plan->block_rows_max &&
           builder.bytes + builder.rows * 16 < plan->block_bytes_max) {
        size_t at = rows_is_descending(plan) ? state->gathered_count - 1 - state->gathered_at
                                             : state->gathered_at;
        VV_TRY(rows_put_gathered(cursor, plan, &builder, &state->gathered[at], out_err));
        state->gathered_at++;
    }
    return vv_block_finish(&builder, out_err);
}

/* ---- the cursor ---- */

static varve_status rows_next(varve_cursor *cursor, varve_error *out_err)
{
    rows_state *state = cursor->state;
    if (state->plan->order == VARVE_ORDER_ARRIVAL) {
        return rows_next_arrival(cursor, out_err);
    }
    return cursor->layout == VARVE_LAYOUT_SERIES ? rows_next_series(cursor, out_err)
                                                 : rows_next_table(cursor, out_err);
}

static void rows_deinit(varve_cursor *cursor)
{
    rows_state *state = cursor->state;
    if (state == NULL) {
        return;
    }
    vv_scan_close(state->single.scan);
    for (size_t i = 0; state->streams != NULL && i < state->plan->series_count; i++) {
        vv_scan_close(state->streams[i].scan);
    }
}

static varve_status rows_split(varve_cursor *cursor, varve_cursor **out_parts, size_t capacity,
                               size_t *out_count, varve_error *out_err)
{
    const rows_state *state = cursor->state;
    return vv_query_split(cursor, state->plan, out_parts, capacity, out_count, out_err);
}

static const vv_cursor_ops rows_ops = {
    .next = rows_next, .split = rows_split, .deinit = rows_deinit};

varve_status vv_rows_start(varve_cursor *cursor, vv_plan *plan, varve_error *out_err)
{
    rows_state *state = vv_arena_zeroed(&cursor->arena, sizeof *state);
    if (state == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    state->plan = plan;
    cursor->state = state;
    cursor->ops = &rows_ops;
    vv_task_begin(cursor->task, plan->series_count);
    return VARVE_OK;
}
