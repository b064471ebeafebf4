/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Orders over all series in bounded memory. A pass goes through the series one after another and
 * keeps the first rows, in order of output, that come after those given before; they are given, and
 * the next pass begins behind them.
 *
 *   pass 1   keeps  a b c      (room for three)  bound: d
 *   pass 2          d e f                        bound: g
 *   pass 3          g h                          no bound: the end
 *
 *   P1  The order is total: time, row id, place of the series, and which one it is among the rows
 *       of its series at that time; of ARRIVAL the row id alone. So a pass knows where to begin.
 *   P2  Kept rows lie in a heap with the last one on top. What is left out or pushed out lowers the
 *       bound; rows at or behind the bound are not kept, so what is kept are always the first ones.
 *   P3  By time a series ascends (descending: descends), so its first row behind the bound ends it;
 *       and a pass scans the range that begins where the pass before ended.
 *
 * The room is what limit and offset leave to give, or a share of memory_max where that is less. A
 * query with a small limit takes one pass that decodes little more than one vector of each series.
 */

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "query/rows_priv.h"

enum {
    ROWS_PASS_MEMORY_SHARE = 4, /* of memory_max for rows, and as much for their bytes */
    ROWS_PASS_ROWS_FIRST = 256  /* room at first; doubled */
};

typedef struct pass_key {
    int64_t time;
    uint64_t row_id;
    size_t place;
    uint64_t nth; /* among the rows of the series at this time, in order of output */
} pass_key;

typedef struct pass_row {
    pass_key key;
    size_t slot; /* values[slot * output_count] onward */
} pass_row;

typedef struct vv_rows_pass {
    pass_row *rows;      /* a heap while the pass runs, then in order of output */
    varve_value *values; /* blobs are owned, each allocated on its own */
    size_t count, capacity, most;
    uint64_t blob_bytes, blob_bytes_max;
    size_t given_at;
    bool is_filled;
    bool has_after, has_bound;
    pass_key after; /* the last row given by the pass before */
    pass_key bound; /* P2 */
} vv_rows_pass;

/** Whether a comes before b in the order of output (P1). */
static bool rows_pass_precedes(const vv_plan *plan, const pass_key *a, const pass_key *b)
{
    bool is_descending = vv_plan_is_descending(plan);
    if (plan->order == VARVE_ORDER_TIME && a->time != b->time) {
        return is_descending ? a->time > b->time : a->time < b->time;
    }
    if (a->row_id != b->row_id) {
        return is_descending ? a->row_id > b->row_id : a->row_id < b->row_id;
    }
    if (a->place != b->place) {
        return is_descending ? a->place > b->place : a->place < b->place;
    }
    return a->nth < b->nth;
}

/* ---- the heap ---- */

static void rows_pass_swap(vv_rows_pass *pass, size_t a, size_t b)
{
    pass_row row = pass->rows[a];
    pass->rows[a] = pass->rows[b];
    pass->rows[b] = row;
}

static void rows_pass_sift_up(const vv_plan *plan, vv_rows_pass *pass, size_t at)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!rows_pass_precedes(plan, &pass->rows[parent].key, &pass->rows[at].key)) {
            return;
        }
        rows_pass_swap(pass, parent, at);
        at = parent;
    }
}

static void rows_pass_sift_down(const vv_plan *plan, vv_rows_pass *pass)
{
    size_t at = 0;
    for (;;) {
        size_t last = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < pass->count; child++) {
            if (rows_pass_precedes(plan, &pass->rows[last].key, &pass->rows[child].key)) {
                last = child;
            }
        }
        if (last == at) {
            return;
        }
        rows_pass_swap(pass, at, last);
        at = last;
    }
}

static void rows_pass_free_blobs(varve_cursor *cursor, const vv_plan *plan, vv_rows_pass *pass,
                                 size_t slot)
{
    varve_value *values = pass->values + slot * plan->output_count;
    for (size_t i = 0; i < plan->output_count; i++) {
        if (vv_type_is_blob(values[i].type) && values[i].as.bytes.size > 0) {
            void *bytes;
            memcpy(&bytes, &values[i].as.bytes.data, sizeof bytes); /* ours: see rows_pass_copy */
            vv_alloc_free(&cursor->alloc, bytes, values[i].as.bytes.size);
            pass->blob_bytes -= values[i].as.bytes.size;
        }
        values[i] = (varve_value){0};
    }
}

/** Push the last row out; it becomes the bound. */
static void rows_pass_drop_last(varve_cursor *cursor, const vv_plan *plan, vv_rows_pass *pass)
{
    pass_row last = pass->rows[0];
    pass->bound = last.key;
    pass->has_bound = true;
    rows_pass_free_blobs(cursor, plan, pass, last.slot);
    pass->rows[0] = pass->rows[--pass->count];
    pass->rows[pass->count].slot = last.slot; /* free slots lie behind the heap */
    rows_pass_sift_down(plan, pass);
}

/* ---- keeping rows ---- */

static size_t rows_pass_values_bytes(const vv_plan *plan, size_t capacity)
{
    return capacity == 0 ? 0 : capacity * plan->output_count * sizeof(varve_value) + 1;
}

static varve_status rows_pass_grow(varve_cursor *cursor, const vv_plan *plan, vv_rows_pass *pass,
                                   varve_error *out_err)
{
    size_t old = pass->capacity;
    size_t capacity = old == 0 ? (size_t)ROWS_PASS_ROWS_FIRST : old * 2;
    capacity = capacity < pass->most ? capacity : pass->most;
    size_t old_bytes = rows_pass_values_bytes(plan, old);
    size_t bytes = rows_pass_values_bytes(plan, capacity);
    pass_row *rows = vv_alloc_array(&cursor->alloc, capacity, sizeof *rows);
    varve_value *values = vv_alloc_zeroed(&cursor->alloc, bytes);
    if (rows == NULL || values == NULL) {
        vv_alloc_free(&cursor->alloc, rows, capacity * sizeof *rows);
        vv_alloc_free(&cursor->alloc, values, bytes);
        return vv_cursor_memory(cursor, out_err);
    }
    if (old > 0) {
        memcpy(rows, pass->rows, old * sizeof *rows);
        memcpy(values, pass->values, old_bytes - 1);
    }
    for (size_t i = old; i < capacity; i++) {
        rows[i].slot = i;
    }
    vv_alloc_free(&cursor->alloc, pass->rows, old * sizeof *rows);
    vv_alloc_free(&cursor->alloc, pass->values, old_bytes);
    pass->rows = rows;
    pass->values = values;
    pass->capacity = capacity;
    return VARVE_OK;
}

/** Values of a row into its slot; on failure what was copied belongs to the slot. */
static varve_status rows_pass_copy(varve_cursor *cursor, const vv_plan *plan, vv_rows_pass *pass,
                                   size_t slot, const vv_stream *stream, size_t row,
                                   varve_error *out_err)
{
    varve_value *values = pass->values + slot * plan->output_count;
    for (size_t i = 0; i < plan->output_count; i++) {
        if (plan->outputs[i].field == 0) {
            continue;
        }
        varve_value value =
            vv_block_value_of(vv_rows_find(&stream->rows, plan->outputs[i].field), row);
        if (vv_type_is_blob(value.type) && value.as.bytes.size > 0) {
            char *bytes = vv_alloc_new(&cursor->alloc, value.as.bytes.size);
            if (bytes == NULL) {
                return vv_cursor_memory(cursor, out_err);
            }
            memcpy(bytes, value.as.bytes.data, value.as.bytes.size);
            value.as.bytes.data = bytes;
            pass->blob_bytes += value.as.bytes.size;
        }
        values[i] = value;
    }
    return VARVE_OK;
}

static varve_status rows_pass_keep(varve_cursor *cursor, const vv_plan *plan, vv_rows_pass *pass,
                                   const pass_key *key, const vv_stream *stream, size_t row,
                                   varve_error *out_err)
{
    if (pass->count == pass->most) {
        rows_pass_drop_last(cursor, plan, pass);
    } else if (pass->count == pass->capacity) {
        VV_TRY(rows_pass_grow(cursor, plan, pass, out_err));
    }
    size_t slot = pass->rows[pass->count].slot;
    VV_TRY(rows_pass_copy(cursor, plan, pass, slot, stream, row, out_err));
    pass->rows[pass->count].key = *key;
    pass->count++;
    rows_pass_sift_up(plan, pass, pass->count - 1);
    while (pass->blob_bytes > pass->blob_bytes_max && pass->count > 1) {
        rows_pass_drop_last(cursor, plan, pass);
    }
    return VARVE_OK;
}

/** One row of a series; *out_goes_on false: no later row of the series can be kept (P3). */
static varve_status rows_pass_offer(varve_cursor *cursor, const vv_plan *plan, vv_rows_pass *pass,
                                    const pass_key *key, const vv_stream *stream, size_t row,
                                    bool *out_goes_on, varve_error *out_err)
{
    *out_goes_on = true;
    if (pass->has_after && !rows_pass_precedes(plan, &pass->after, key)) {
        return VARVE_OK; /* given already */
    }
    bool is_full = pass->count == pass->most;
    if (is_full && rows_pass_precedes(plan, &pass->rows[0].key, key) &&
        (!pass->has_bound || rows_pass_precedes(plan, key, &pass->bound))) {
        pass->bound = *key;
        pass->has_bound = true;
    }
    if (pass->has_bound && !rows_pass_precedes(plan, key, &pass->bound)) {
        *out_goes_on = plan->order == VARVE_ORDER_ARRIVAL;
        return VARVE_OK;
    }
    return rows_pass_keep(cursor, plan, pass, key, stream, row, out_err);
}

/** The selected rows of the stream's part, in order of output. */
static varve_status rows_pass_part(varve_cursor *cursor, const vv_rows_state *state,
                                   vv_stream *stream, pass_key *key, varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    bool is_descending = vv_plan_is_descending(plan);
    while (stream->begin < stream->end) {
        size_t row = is_descending ? stream->end - 1 : stream->begin;
        int64_t time = stream->rows.times[row];
        key->nth = time == key->time && stream->given > 0 ? key->nth + 1 : 0;
        key->time = time;
        key->row_id = stream->rows.row_ids != NULL ? stream->rows.row_ids[row] : 0;
        bool goes_on;
        VV_TRY(rows_pass_offer(cursor, plan, state->pass, key, stream, row, &goes_on, out_err));
        vv_stream_consume(state, stream, 1);
        if (!goes_on) {
            stream->begin = stream->end;
            stream->is_done = true;
        }
    }
    return VARVE_OK;
}

/* ---- a pass ---- */

/** What the scans of the next pass need not look at (P3). */
static void rows_pass_set_range(vv_rows_state *state)
{
    const vv_plan *plan = state->plan;
    const vv_rows_pass *pass = state->pass;
    bool counts_series = plan->limit_per_series != UINT64_MAX; /* from the first row of each */
    if (!pass->has_after || counts_series) {
        return;
    }
    if (plan->order == VARVE_ORDER_ARRIVAL) {
        state->after_row_id = vv_plan_is_descending(plan) ? plan->after_row_id : pass->after.row_id;
    } else if (!vv_plan_is_descending(plan)) {
        state->range.start = pass->after.time;
    } else if (pass->after.time < INT64_MAX - 1) {
        state->range.end = pass->after.time + 1;
    }
}

static varve_status rows_pass_create(varve_cursor *cursor, vv_rows_state *state,
                                     varve_error *out_err)
{
    const vv_plan *plan = state->plan;
    vv_rows_pass *pass = vv_arena_zeroed(&cursor->arena, sizeof *pass);
    if (pass == NULL) {
        return vv_cursor_memory(cursor, out_err);
    }
    uint64_t share = cursor->memory_max / ROWS_PASS_MEMORY_SHARE;
    uint64_t fit = share / (2 * sizeof(pass_row) + plan->output_count * sizeof(varve_value));
    uint64_t wanted =
        plan->limit > UINT64_MAX - plan->offset ? UINT64_MAX : plan->limit + plan->offset;
    uint64_t most = wanted < fit ? wanted : fit;
    pass->most = most == 0 ? 1 : (size_t)most;
    pass->blob_bytes_max = share;
    state->pass = pass;
    return VARVE_OK;
}

static int rows_pass_compare(const void *context, const void *a, const void *b)
{
    const pass_row *x = a;
    const pass_row *y = b;
    return rows_pass_precedes(context, &x->key, &y->key) ? -1 : 1;
}

/** Keep what this pass gives, in order of output. */
static varve_status rows_pass_fill(varve_cursor *cursor, vv_rows_state *state, varve_error *out_err)
{
    vv_rows_pass *pass = state->pass;
    vv_stream *stream = &state->single;
    pass->has_bound = false;
    pass->given_at = 0;
    rows_pass_set_range(state);
    vv_scan_close(stream->scan); /* the next one has another range */
    stream->scan = NULL;
    state->place = 0;
    pass_key key = {0};
    for (;;) {
        bool has;
        VV_TRY(vv_rows_advance(cursor, state, &has, out_err));
        if (!has) {
            break;
        }
        key.place = stream->place;
        VV_TRY(rows_pass_part(cursor, state, stream, &key, out_err));
    }
    pass->is_filled = true;
    return vv_cursor_sort(cursor, pass->rows, pass->count, sizeof *pass->rows, rows_pass_compare,
                          state->plan, out_err);
}

/** All rows of the pass were given: begin the next one; *out_goes_on false: there is none. */
static varve_status rows_pass_restart(varve_cursor *cursor, vv_rows_state *state, bool *out_goes_on,
                                      varve_error *out_err)
{
    vv_rows_pass *pass = state->pass;
    *out_goes_on = !pass->is_filled || (pass->has_bound && state->given < state->plan->limit);
    if (!*out_goes_on) {
        return VARVE_OK;
    }
    if (pass->count > 0) {
        pass->after = pass->rows[pass->count - 1].key;
        pass->has_after = true;
    }
    for (size_t i = 0; i < pass->count; i++) {
        rows_pass_free_blobs(cursor, state->plan, pass, pass->rows[i].slot);
    }
    pass->count = 0;
    return rows_pass_fill(cursor, state, out_err);
}

/* ---- giving ---- */

static varve_status rows_pass_put(varve_cursor *cursor, const vv_plan *plan,
                                  vv_block_builder *builder, const pass_row *row,
                                  const varve_value *values, varve_error *out_err)
{
    uint32_t series = plan->series[row->key.place];
    builder->times[builder->rows] = row->key.time;
    builder->row_ids[builder->rows] = row->key.row_id;
    builder->row_series[builder->rows] = (varve_series){.id = series};
    for (size_t i = 0; i < plan->output_count; i++) {
        if (plan->outputs[i].kind != VARVE_OUTPUT_FIELD) {
            VV_TRY(vv_rows_put_label(cursor, builder, i, &plan->outputs[i], series, 1, out_err));
        } else {
            VV_TRY(vv_block_put(builder, i, builder->rows, &values[i], out_err));
        }
    }
    builder->rows++;
    return VARVE_OK;
}

varve_status vv_rows_pass_next(varve_cursor *cursor, varve_error *out_err)
{
    vv_rows_state *state = cursor->state;
    const vv_plan *plan = state->plan;
    if (state->pass == NULL) {
        VV_TRY(rows_pass_create(cursor, state, out_err));
    }
    vv_rows_pass *pass = state->pass;
    VV_ASSERT(pass != NULL);
    uint64_t row_bytes = 16 + 8 * (uint64_t)plan->output_count;
    vv_block_builder builder;
    VV_TRY(vv_rows_begin_table(cursor, plan, &builder, out_err));
    while (state->given < plan->limit && builder.rows < plan->block_rows_max &&
           builder.bytes + builder.rows * row_bytes < plan->block_bytes_max) {
        if (pass->given_at == pass->count) {
            bool goes_on;
            VV_TRY(rows_pass_restart(cursor, state, &goes_on, out_err));
            if (!goes_on) {
                break;
            }
            continue;
        }
        const pass_row *row = &pass->rows[pass->given_at++];
        if (state->skipped < plan->offset) {
            state->skipped++;
            continue;
        }
        const varve_value *values = pass->values + row->slot * plan->output_count;
        VV_TRY(rows_pass_put(cursor, plan, &builder, row, values, out_err));
        state->given++;
    }
    if (builder.rows == 0) {
        cursor->is_end = true;
        return VARVE_OK;
    }
    return vv_block_finish(&builder, out_err);
}

void vv_rows_pass_deinit(varve_cursor *cursor, vv_rows_state *state)
{
    vv_rows_pass *pass = state->pass;
    if (pass == NULL) {
        return;
    }
    const vv_plan *plan = state->plan;
    for (size_t slot = 0; slot < pass->capacity; slot++) {
        rows_pass_free_blobs(cursor, plan, pass, slot);
    }
    vv_alloc_free(&cursor->alloc, pass->rows, pass->capacity * sizeof *pass->rows);
    vv_alloc_free(&cursor->alloc, pass->values, rows_pass_values_bytes(plan, pass->capacity));
}
