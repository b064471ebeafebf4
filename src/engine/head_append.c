/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Appending, in two passes over the rows of a batch:
 *
 *   reserve   finds or makes the series, makes room (sealing what is visible), writes values and
 *             times behind the last row. Everything that can fail is here; nobody sees it.
 *   append    stamps the sequence and counts the row. Cannot fail.
 *
 * The fast forms of both (numbers only, every row has every field, the tail has room and the
 * layout of the run) touch two cache lines of a series: its head and its record. They are walked
 * with prefetches ahead, because a scrape visits every series once and none is in the cache.
 */

#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/head_priv.h"
#include "index/catalogue.h"
#include "index/schemas.h"

enum {
    /* Rows ahead: the slot, then what hangs off it, then off that. Measured on a two-core server
     * with 20 000 series: flat between 8 and 16 a stage. */
    APPEND_AHEAD_SLOT = 36,
    APPEND_AHEAD_SERIES = 24,
    APPEND_AHEAD_RECORD = 12,
    APPEND_FIRST_ROWS = 4,   /* capacity of a new tail */
    APPEND_SEALED_ROWS = 16, /* capacity of a tail that was sealed: the series is alive */
    APPEND_BLOB_UNITS_MAX = VV_HEAD_RAW_BYTES_MAX / 64
};

/* A delta of more than this to the visible sequence seals (H6); the rest is for rows on their way.
 */
#define APPEND_DELTA_MAX (UINT64_C(1) << 31)

/** Fields of the row at hand, where rows differ. Apart, so that a run of one dense row does not pay
 * for clearing it. */
typedef struct append_row_shape {
    uint32_t count;
    uint32_t fields[VV_ROW_FIELDS_MAX];
    uint8_t types[VV_ROW_FIELDS_MAX];
    uint16_t columns[VV_ROW_FIELDS_MAX];
} append_row_shape;

/** A run being reserved. */
typedef struct append_run {
    vv_head *head;
    const vv_run *run;
    const vv_head_reserve_options *options;
    vv_head_reserved *result;
    uint64_t shards; /* a bit for each */
    bool is_dense;   /* every row has every field */
    bool is_cells;   /* dense, and every column is of 8-byte numbers */
    /* Of the run: */
    uint32_t column_count;
    uint8_t types[VV_ROW_FIELDS_MAX];
    const vv_head_layout *layouts[VV_SHARD_COUNT]; /* dense; NULL: not looked up yet */
    append_row_shape *row;                         /* not dense, vectors; else NULL */
} append_run;

static inline uint32_t append_series_of(const vv_run *run, size_t row)
{
    return run->series[run->series_count == 1 ? 0 : row];
}

static inline int64_t append_time_of(const vv_run *run, size_t row)
{
    return run->times[run->time_count == 1 ? 0 : row];
}

/** Whether a row belongs to one of some shards. */
static inline bool append_is_in(const vv_run *run, size_t row, uint64_t shards)
{
    return (shards >> (append_series_of(run, row) & (VV_SHARD_COUNT - 1)) & 1) != 0;
}

/** Only of some shards: another thread may be making slots of the others. */
static inline void append_prefetch(vv_head *head, const vv_run *run, size_t row, uint64_t shards)
{
    if (run->series_count == 1) {
        return;
    }
    if (row + APPEND_AHEAD_SLOT < run->count &&
        append_is_in(run, row + APPEND_AHEAD_SLOT, shards)) {
        uint32_t id = run->series[row + APPEND_AHEAD_SLOT];
        VV_PREFETCH(vv_head_slot(vv_head_shard_of(head, id), id));
    }
    if (row + APPEND_AHEAD_SERIES < run->count &&
        append_is_in(run, row + APPEND_AHEAD_SERIES, shards)) {
        uint32_t id = run->series[row + APPEND_AHEAD_SERIES];
        const vv_head_series *series = vv_head_find(vv_head_shard_of(head, id), id);
        VV_PREFETCH_WRITE(series);
        VV_PREFETCH_WRITE(series == NULL ? NULL : &series->newest_limit);
    }
    if (row + APPEND_AHEAD_RECORD < run->count &&
        append_is_in(run, row + APPEND_AHEAD_RECORD, shards)) {
        uint32_t id = run->series[row + APPEND_AHEAD_RECORD];
        const vv_head_series *series = vv_head_find(vv_head_shard_of(head, id), id);
        if (series != NULL && series->tail.piece != NULL) {
            VV_PREFETCH_WRITE(
                vv_head_record(&series->tail, series->tail.count + series->tail.pending));
        }
    }
}

/* ---- types ---- */

static bool append_may_retype(append_run *ctx, uint32_t series, uint32_t field)
{
    if (ctx->options->retypes_all) {
        return true;
    }
    for (size_t i = 0; i < ctx->options->retype_count; i++) {
        vv_head_retype *retype = &ctx->options->retypes[i];
        if (retype->series == series && retype->field == field && !retype->is_used) {
            retype->is_used = true;
            return true;
        }
    }
    return false;
}

/** Give the fields that differ their new types; what is in the buffers keeps the old ones. */
static VV_NOINLINE varve_status append_change_types(append_run *ctx, vv_head_shard *shard,
                                                    vv_head_series *series, vv_head_shape shape,
                                                    bool is_retyped, varve_error *out_err)
{
    const vv_schema *schema = vv_catalogue_schema(ctx->head->db->catalogue, series->id);
    vv_schema_field changes[VV_ROW_FIELDS_MAX];
    size_t count = 0;
    size_t added = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < shape.count; i++) {
        while (at < schema->count && schema->fields[at].field < shape.fields[i]) {
            at++;
        }
        bool is_known = at < schema->count && schema->fields[at].field == shape.fields[i];
        added += is_known ? 0 : 1;
        if (!is_known || schema->fields[at].type != shape.types[i]) {
            changes[count] = (vv_schema_field){.field = shape.fields[i], .type = shape.types[i]};
            count++;
        }
    }
    ctx->result->is_crowded = schema->count + added > VV_SCHEMA_FIELDS_MAX;
    if (is_retyped) {
        /* A buffer with this field and its old type would pass for one that was checked. */
        uint64_t visible = ctx->options->visible;
        series->has_staged = true;
        VV_TRY(vv_head_close(shard, series, visible, out_err));
        if (series->late != NULL) {
            VV_TRY(vv_head_close_late(shard, series->late, visible, out_err));
        }
    }
    return vv_catalogue_set_types(ctx->head->db->catalogue, series->id, changes, count, out_err);
}

/** Check the fields of a row against what the series holds, and claim those that are new. */
static varve_status append_claim_types(append_run *ctx, vv_head_shard *shard,
                                       vv_head_series *series, vv_head_shape shape, size_t row,
                                       varve_error *out_err)
{
    const vv_schema *schema = vv_catalogue_schema(ctx->head->db->catalogue, series->id);
    bool is_changed = false;
    bool is_retyped = false;
    uint32_t at = 0;
    for (uint32_t i = 0; i < shape.count; i++) {
        while (at < schema->count && schema->fields[at].field < shape.fields[i]) {
            at++;
        }
        bool is_known = at < schema->count && schema->fields[at].field == shape.fields[i];
        if (is_known && schema->fields[at].type == shape.types[i]) {
            continue;
        }
        if (is_known && !append_may_retype(ctx, series->id, shape.fields[i])) {
            ctx->result->row = row;
            ctx->result->series = series->id;
            ctx->result->field = shape.fields[i];
            ctx->result->held_type = schema->fields[at].type;
            ctx->result->given_type = shape.types[i];
            return VARVE_E_CONFLICT;
        }
        is_changed = true;
        is_retyped = is_retyped || is_known;
    }
    return is_changed ? append_change_types(ctx, shard, series, shape, is_retyped, out_err)
                      : VARVE_OK;
}

/* ---- room ---- */

static uint32_t append_next_capacity(const vv_head_buffer *buffer, const vv_head_layout *layout,
                                     uint32_t needed)
{
    uint32_t capacity = buffer->capacity;
    while (capacity < needed) {
        if (capacity < VV_HEAD_TAIL_ROWS) {
            capacity = capacity < APPEND_FIRST_ROWS ? (uint32_t)APPEND_FIRST_ROWS
                       : capacity < 16              ? 16
                       : capacity < 64              ? 64
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
static varve_status append_seal(append_run *ctx, vv_head_shard *shard, vv_head_buffer *buffer,
                                vv_head_list *list, const vv_head_late *late, varve_error *out_err)
{
    uint32_t wanted = late != NULL ? buffer->layout->late_rows : buffer->layout->seal_rows;
    bool is_heavy = buffer->blob_units > APPEND_BLOB_UNITS_MAX;
    bool is_old = ctx->options->visible > buffer->base_sequence &&
                  ctx->options->visible - buffer->base_sequence >= APPEND_DELTA_MAX;
    if (buffer->count == 0 || (buffer->count < wanted && !is_heavy && !is_old)) {
        return VARVE_OK;
    }
    uint32_t visible = vv_head_buffer_visible(buffer, ctx->options->visible);
    bool is_long = buffer->count >= VV_HEAD_ROWS_SOFT_MAX;
    if (visible < wanted && !is_heavy && !is_old && !is_long) {
        return VARVE_OK;
    }
    VV_TRY(vv_head_seal(shard, buffer, list, visible, late, out_err));
    size_t piece_bytes = (size_t)buffer->capacity * buffer->record_bytes;
    if (buffer->count + buffer->pending == 0 && piece_bytes <= VV_SLAB_PIECE_BYTES_MAX) {
        /* Begin small again; pieces beyond the slab are kept, asking for them anew costs more. */
        vv_head_form form = {.layout = buffer->layout, .capacity = APPEND_SEALED_ROWS};
        if (form.capacity > buffer->capacity) {
            form.capacity = buffer->capacity;
        }
        VV_TRY(vv_head_buffer_reform(shard, buffer, form, out_err));
    }
    return VARVE_OK;
}

/** How a row fits a buffer. One that it would make thin, or wide when it has a vector's worth of
 * rows, is in conflict with it (R5): such a buffer is closed, the next one begins narrow. */
static vv_head_fit append_fit(const vv_head_buffer *buffer, vv_head_shape shape, bool is_late)
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

/** Bring the tail or side buffer of a series into a form that takes one more row of this shape and
 * time. */
static varve_status append_make_room(append_run *ctx, vv_head_shard *shard, vv_head_series *series,
                                     bool is_late, vv_head_shape shape, int64_t time,
                                     varve_error *out_err)
{
    vv_head_buffer *buffer = is_late ? &series->late->side : &series->tail;
    vv_head_list *list = is_late ? &series->late->blocks : &series->blocks;
    if (buffer->layout != NULL) {
        VV_TRY(append_seal(ctx, shard, buffer, list, is_late ? series->late : NULL, out_err));
    }
    vv_head_fit fit = append_fit(buffer, shape, is_late);
    if (fit == VV_HEAD_FIT_CONFLICT && buffer->layout != NULL) {
        series->has_staged = true; /* reserved rows of the buffer are in a closed block now */
        VV_TRY(is_late ? vv_head_close_late(shard, series->late, ctx->options->visible, out_err)
                       : vv_head_close(shard, series, ctx->options->visible, out_err));
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
        buffer->base_sequence = ctx->options->visible; /* until the first row has its own */
    }
    uint8_t time_bytes = vv_head_buffer_time_bytes(buffer, rows, time);
    if (is_late) {
        time_bytes = 8; /* late rows keep no step */
    }
    form.time_bytes = time_bytes > form.time_bytes ? time_bytes : form.time_bytes;
    form.capacity = append_next_capacity(buffer, form.layout, rows + 1);
    bool is_same = buffer->layout == form.layout && buffer->capacity == form.capacity &&
                   buffer->time_bytes == form.time_bytes && buffer->is_sparse == form.is_sparse;
    return is_same ? VARVE_OK : vv_head_buffer_reform(shard, buffer, form, out_err);
}

/* ---- one row, in general ---- */

/** Copy a blob into the slab and its address into the cell. */
static varve_status append_blob(vv_head_shard *shard, vv_head_buffer *buffer, uint8_t *cell,
                                const varve_column *column, size_t row, varve_error *out_err)
{
    varve_text text = ((const varve_text *)column->values)[row];
    vv_head_blob *blob = vv_slab_new(&shard->slab, sizeof *blob + text.size);
    if (blob == NULL) {
        return vv_fail_nomem(out_err, "head", sizeof *blob + text.size);
    }
    bool is_bytes =
        column->marks != NULL ? vv_bits_get(column->marks, row) : column->type == VARVE_TYPE_BYTES;
    *blob = (vv_head_blob){.size = (uint32_t)text.size, .is_bytes = is_bytes ? 1 : 0};
    if (text.size > 0) {
        memcpy(blob + 1, text.data, text.size);
    }
    memcpy(cell, &blob, sizeof blob);
    buffer->blob_units += vv_head_blob_units(blob->size);
    return VARVE_OK;
}

/** Take back the blobs of a record that was not finished: those of its first `count` fields. */
static void append_undo_blobs(vv_head_shard *shard, vv_head_buffer *buffer, const uint8_t *record,
                              vv_head_shape shape, uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        while (buffer->layout->fields[at] != shape.fields[i]) {
            at++;
        }
        if (vv_type_is_blob(shape.types[i])) {
            vv_head_blob *blob;
            memcpy(&blob, record + buffer->layout->offsets[at], sizeof blob);
            buffer->blob_units -= vv_head_blob_units(blob->size);
            vv_slab_free(&shard->slab, blob);
        }
    }
}

/** Write the values of a row into the record behind the last one. */
static varve_status append_write(append_run *ctx, vv_head_shard *shard, vv_head_buffer *buffer,
                                 vv_head_shape shape, size_t row, varve_error *out_err)
{
    const vv_head_layout *layout = buffer->layout;
    uint8_t *record = vv_head_record(buffer, buffer->count + buffer->pending);
    uint8_t *bools = record + buffer->sequence_offset + 4;
    uint8_t *presence = bools + layout->bool_count;
    if (buffer->is_sparse) {
        memset(record, 0, buffer->record_bytes);
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < shape.count; i++) {
        while (layout->fields[at] != shape.fields[i]) {
            at++;
        }
        const varve_column *column = &ctx->run->columns[ctx->is_dense ? i : ctx->row->columns[i]];
        uint8_t *cell = record + layout->offsets[at];
        if (shape.types[i] == VARVE_TYPE_BOOL) {
            bools[layout->offsets[at]] = ((const uint8_t *)column->values)[row];
        } else if (!vv_type_is_blob(shape.types[i])) {
            memcpy(cell, (const uint8_t *)column->values + 8 * row, 8);
        } else {
            varve_status status = append_blob(shard, buffer, cell, column, row, out_err);
            if (status != VARVE_OK) {
                append_undo_blobs(shard, buffer, record, shape, i);
                return status;
            }
        }
        if (buffer->is_sparse) {
            presence[at / 8] |= (uint8_t)(1u << (at % 8));
        }
    }
    return VARVE_OK;
}

/** The fields that a row has. */
static vv_head_shape append_shape(append_run *ctx, size_t row)
{
    if (ctx->is_dense) {
        return (vv_head_shape){
            .count = ctx->column_count, .fields = ctx->run->fields, .types = ctx->types};
    }
    ctx->row->count = 0;
    for (uint32_t i = 0; i < ctx->column_count; i++) {
        if (vv_column_has(&ctx->run->columns[i], row)) {
            ctx->row->fields[ctx->row->count] = ctx->run->fields[i];
            ctx->row->types[ctx->row->count] = ctx->types[i];
            ctx->row->columns[ctx->row->count] = (uint16_t)i;
            ctx->row->count++;
        }
    }
    return (vv_head_shape){
        .count = ctx->row->count, .fields = ctx->row->fields, .types = ctx->row->types};
}

static void append_set_newest(vv_head_series *series, int64_t newest)
{
    series->has_newest = true;
    series->newest_limit = series->is_last || newest == INT64_MIN ? newest : newest - 1;
}

/** A late vector may end after the newest in-order row: what is not newer than its end is late too,
 * so that at equal times late rows are always the newer ones (H1). */
static void append_raise_newest(vv_head_series *series)
{
    const vv_head_late *late = series->late;
    if (late != NULL && late->has_vector &&
        (!series->has_newest || late->vector_limit > series->newest_limit)) {
        series->has_newest = true;
        series->newest_limit = late->vector_limit;
    }
}

static inline bool append_is_late(const vv_head_series *series, int64_t time)
{
    return series->has_newest && time <= series->newest_limit;
}

static varve_status append_late_for(vv_head_shard *shard, vv_head_series *series,
                                    varve_error *out_err)
{
    if (series->late == NULL) {
        series->late = vv_head_arena_new(shard, sizeof *series->late);
        if (series->late == NULL) {
            return vv_fail_nomem(out_err, "head", sizeof *series->late);
        }
        *series->late = (vv_head_late){0};
    }
    return VARVE_OK;
}

/** Reserve one row: the general form. */
static varve_status append_place(append_run *ctx, size_t row, varve_error *out_err)
{
    uint32_t id = append_series_of(ctx->run, row);
    int64_t time = append_time_of(ctx->run, row);
    vv_head_shard *shard = vv_head_shard_of(ctx->head, id);
    vv_head_shape shape = append_shape(ctx, row);
    VV_ASSERT(shape.count > 0);
    vv_head_series *series;
    VV_TRY(vv_head_series_for(shard, id, &series, out_err));
    ctx->result->undefined_rows += series->is_defined ? 0 : 1;
    bool is_replacement = ctx->run->row_ids != NULL;
    bool is_late = is_replacement || append_is_late(series, time);
    if (is_late) {
        VV_TRY(append_late_for(shard, series, out_err));
    }
    if (is_replacement) {
        series->has_staged = true;
        VV_TRY(vv_head_reserve_row_id(shard, series->late, out_err));
    }
    vv_head_buffer *buffer = is_late ? &series->late->side : &series->tail;
    const vv_head_layout *known = ctx->layouts[id % VV_SHARD_COUNT];
    if (!ctx->is_dense || known == NULL || buffer->layout != known) {
        VV_TRY(append_claim_types(ctx, shard, series, shape, row, out_err));
    }
    VV_TRY(append_make_room(ctx, shard, series, is_late, shape, time, out_err));
    VV_TRY(append_write(ctx, shard, buffer, shape, row, out_err));
    vv_head_buffer_put_time(buffer, buffer->count + buffer->pending, time);
    buffer->pending++;
    if (is_late) {
        series->has_staged = true;
        ctx->result->late_rows++;
    } else {
        append_set_newest(series, time);
    }
    if (ctx->is_dense && known == NULL && buffer->layout->count == shape.count) {
        ctx->layouts[id % VV_SHARD_COUNT] = buffer->layout;
    }
    return VARVE_OK;
}

/* ---- one row, fast ---- */

/** Reserve one row of numbers in a tail that has room; false: take the general form. */
static inline bool append_place_fast(append_run *ctx, size_t row)
{
    uint32_t id = append_series_of(ctx->run, row);
    int64_t time = append_time_of(ctx->run, row);
    vv_head_series *series = vv_head_find(vv_head_shard_of(ctx->head, id), id);
    if (VV_UNLIKELY(series == NULL)) {
        return false;
    }
    vv_head_buffer *tail = &series->tail;
    uint32_t at = tail->count + tail->pending;
    if (VV_UNLIKELY(tail->layout == NULL || tail->layout != ctx->layouts[id % VV_SHARD_COUNT] ||
                    at >= tail->capacity || at < 2 || time <= series->newest_limit ||
                    tail->is_sparse || !series->is_defined ||
                    ctx->options->visible >= tail->base_sequence + APPEND_DELTA_MAX)) {
        return false;
    }
    uint64_t rest = (uint64_t)time - ((uint64_t)tail->base_time + at * tail->step);
    uint8_t *record = vv_head_record(tail, at);
    uint8_t *place = record + tail->sequence_offset - tail->time_bytes;
    if (tail->time_bytes == 0) {
        if (VV_UNLIKELY(rest != 0)) {
            return false;
        }
    } else if (tail->time_bytes == 4) {
        if (VV_UNLIKELY(rest + UINT64_C(0x80000000) > UINT32_MAX)) {
            return false;
        }
        uint32_t low = (uint32_t)rest;
        memcpy(place, &low, sizeof low);
    } else {
        memcpy(place, &time, sizeof time);
    }
    for (uint32_t i = 0; i < ctx->column_count; i++) {
        memcpy(record + 8 * (size_t)i, (const uint8_t *)ctx->run->columns[i].values + 8 * row, 8);
    }
    tail->pending++;
    series->newest_limit = time - (series->is_last ? 0 : 1);
    return true;
}

/* ---- vectors ---- */

/** Families and fields of the columns of a vector, into the row arrays. */
static varve_status append_vector_shape(append_run *ctx, const vv_vector *vector,
                                        varve_error *out_err)
{
    if (vector->column_count == 0 || vector->column_count > VV_ROW_FIELDS_MAX) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "a vector of rows has %u columns",
                       vector->column_count);
    }
    for (uint32_t i = 0; i < vector->column_count; i++) {
        vv_vector_column column;
        VV_TRY(vv_vector_column_at(vector, i, &column, out_err));
        ctx->row->fields[i] = column.field;
        ctx->row->types[i] = (uint8_t)vv_type_family(column.type);
    }
    ctx->row->count = vector->column_count;
    return VARVE_OK;
}

/** Rows of a vector that are not newer than the series is. */
static varve_status append_count_late(const vv_head_series *series, vv_head_shard *shard,
                                      const vv_vector *vector, uint64_t *out_count,
                                      varve_error *out_err)
{
    int64_t times[VV_VECTOR_ROWS_MAX];
    VV_TRY(vv_vector_times(vector, shard->scratch, times, out_err));
    for (uint32_t i = 0; i < vector->count; i++) {
        *out_count += append_is_late(series, times[i]) ? 1 : 0;
    }
    return VARVE_OK;
}

static varve_status append_place_vector(append_run *ctx, varve_error *out_err)
{
    const vv_run *run = ctx->run;
    vv_vector vector;
    VV_TRY(vv_vector_parse(vv_bytes_make(run->vector, run->vector_size), &vector, out_err));
    if (vector.count != run->count) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "a run of %zu rows has a vector of %u", run->count,
                       vector.count);
    }
    VV_TRY(append_vector_shape(ctx, &vector, out_err));
    vv_head_shard *shard = vv_head_shard_of(ctx->head, run->series[0]);
    vv_head_series *series;
    VV_TRY(vv_head_series_for(shard, run->series[0], &series, out_err));
    ctx->result->undefined_rows += series->is_defined ? 0 : vector.count;
    vv_head_shape shape = {
        .count = ctx->row->count, .fields = ctx->row->fields, .types = ctx->row->types};
    VV_TRY(append_claim_types(ctx, shard, series, shape, 0, out_err));
    bool is_late =
        append_is_late(series, vector.first_time) || (series->is_last && !vector.is_strict);
    series->has_staged = true;
    if (!is_late) {
        VV_TRY(vv_head_close(shard, series, ctx->options->visible, out_err));
        VV_TRY(vv_head_stage_vector(shard, &series->blocks, &vector, out_err));
        append_set_newest(series, vector.last_time);
        return VARVE_OK;
    }
    VV_TRY(append_late_for(shard, series, out_err));
    VV_TRY(append_count_late(series, shard, &vector, &ctx->result->late_rows, out_err));
    VV_TRY(vv_head_close_late(shard, series->late, ctx->options->visible, out_err));
    VV_TRY(vv_head_stage_vector(shard, &series->late->blocks, &vector, out_err));
    vv_head_late *late = series->late;
    if (!late->has_vector || vector.last_time > late->vector_limit) {
        late->has_vector = true;
        late->vector_limit = vector.last_time;
    }
    append_raise_newest(series);
    return VARVE_OK;
}

/* ---- reserve ---- */

static void append_begin(append_run *ctx)
{
    const vv_run *run = ctx->run;
    VV_ASSERT(run->column_count > 0 && run->column_count <= VV_ROW_FIELDS_MAX);
    ctx->column_count = (uint32_t)run->column_count;
    ctx->is_dense = true;
    ctx->is_cells = true;
    for (size_t i = 0; i < run->column_count; i++) {
        uint32_t type = vv_type_family(run->columns[i].type);
        ctx->types[i] = (uint8_t)type;
        ctx->is_dense = ctx->is_dense && run->columns[i].present == NULL;
        ctx->is_cells = ctx->is_cells && vv_type_width(type) == 8;
    }
    ctx->is_cells = ctx->is_cells && ctx->is_dense && run->row_ids == NULL; /* those are late */
    memset(ctx->layouts, 0, sizeof ctx->layouts);
}

/** Vectors, and runs whose rows differ in their fields. */
static VV_NOINLINE varve_status append_reserve_wide(append_run *ctx, varve_error *out_err)
{
    append_row_shape row = {0};
    ctx->row = &row;
    varve_status status = VARVE_OK;
    if (ctx->run->vector != NULL) {
        status = append_place_vector(ctx, out_err);
    }
    for (size_t i = 0; ctx->run->vector == NULL && i < ctx->run->count && status == VARVE_OK; i++) {
        append_prefetch(ctx->head, ctx->run, i, ctx->shards);
        if (append_is_in(ctx->run, i, ctx->shards)) {
            status = append_place(ctx, i, out_err);
        }
    }
    ctx->row = NULL;
    return status;
}

/** Rows that all have all fields. */
static inline varve_status append_reserve_dense(append_run *ctx, uint64_t shards,
                                                varve_error *out_err)
{
    for (size_t row = 0; row < ctx->run->count; row++) {
        append_prefetch(ctx->head, ctx->run, row, shards);
        if (append_is_in(ctx->run, row, shards) &&
            (!ctx->is_cells || !append_place_fast(ctx, row))) {
            VV_TRY(append_place(ctx, row, out_err));
        }
    }
    return VARVE_OK;
}

varve_status vv_head_reserve(vv_head *head, const vv_run *run,
                             const vv_head_reserve_options *options, vv_head_reserved *out_reserved,
                             varve_error *out_err)
{
    VV_DEBUG_ASSERT(!vv_head_is_frozen(head));
    *out_reserved = (vv_head_reserved){0};
    append_run ctx;
    ctx.head = head;
    ctx.run = run;
    ctx.options = options;
    ctx.result = out_reserved;
    ctx.shards = options->shards == 0 ? UINT64_MAX : options->shards;
    ctx.row = NULL;
    if (run->vector != NULL) {
        return append_reserve_wide(&ctx, out_err);
    }
    append_begin(&ctx);
    if (!ctx.is_dense) {
        return append_reserve_wide(&ctx, out_err);
    }
    /* Apart, so that a test of the shard costs only those who need it. */
    return ctx.shards == UINT64_MAX ? append_reserve_dense(&ctx, UINT64_MAX, out_err)
                                    : append_reserve_dense(&ctx, ctx.shards, out_err);
}

/* ---- unreserve ---- */

static int64_t append_block_last_time(const vv_head_block *block)
{
    return block->kind == VV_HEAD_PLAIN
               ? vv_head_buffer_time(&block->buffer, block->buffer.count - 1)
               : block->last_time;
}

/** Set the newest time to that of the rows that are there; nothing is reserved. */
static void append_renew_newest(vv_head_series *series)
{
    series->has_newest = series->tail.count > 0 || series->blocks.last != NULL;
    series->newest_limit = INT64_MIN;
    if (series->tail.count > 0) {
        append_set_newest(series, vv_head_buffer_time(&series->tail, series->tail.count - 1));
    } else if (series->has_newest) {
        append_set_newest(series, append_block_last_time(series->blocks.last));
    }
    append_raise_newest(series);
}

void vv_head_unreserve(vv_head *head, const vv_run *run)
{
    for (size_t row = 0; row < run->count; row++) {
        uint32_t id = append_series_of(run, row);
        vv_head_shard *shard = vv_head_shard_of(head, id);
        vv_head_series *series = vv_head_find(shard, id);
        if (series == NULL || (series->tail.pending == 0 && !series->has_staged)) {
            continue;
        }
        vv_head_buffer_unreserve(shard, &series->tail);
        vv_head_list_unreserve(shard, &series->blocks);
        if (series->late != NULL) {
            vv_head_buffer_unreserve(shard, &series->late->side);
            vv_head_list_unreserve(shard, &series->late->blocks);
            series->late->row_id_pending = 0;
        }
        series->has_staged = false;
        append_renew_newest(series);
    }
}

varve_status vv_head_set_policy(vv_head *head, uint32_t metric_id, uint64_t visible,
                                varve_error *out_err)
{
    const vv_catalogue *catalogue = head->db->catalogue;
    bool is_last = vv_catalogue_policy(catalogue, metric_id).duplicates == VARVE_DUPLICATES_LAST;
    uint32_t count = vv_catalogue_series_count(catalogue);
    for (uint32_t id = 1; id <= count; id++) {
        vv_head_shard *shard = vv_head_shard_of(head, id);
        vv_head_series *series = vv_head_find(shard, id);
        if (series == NULL || vv_catalogue_metric_id(catalogue, id) != metric_id) {
            continue;
        }
        /* What is there is hidden, and was ordered by the old rule: it stays apart. */
        VV_TRY(vv_head_close(shard, series, visible, out_err));
        if (series->late != NULL) {
            VV_TRY(vv_head_close_late(shard, series->late, visible, out_err));
        }
        series->is_last = is_last && !vv_catalogue_is_ring(catalogue, id);
        append_renew_newest(series);
    }
    return VARVE_OK;
}

void vv_head_renew_series(vv_head *head, uint32_t series)
{
    const vv_catalogue *catalogue = head->db->catalogue;
    vv_head_series *found = vv_head_find(vv_head_shard_of(head, series), series);
    if (found == NULL) {
        return;
    }
    VV_ASSERT(!vv_head_series_has_rows(found));
    vv_metric_policy policy =
        vv_catalogue_policy(catalogue, vv_catalogue_metric_id(catalogue, series));
    found->is_last =
        policy.duplicates == VARVE_DUPLICATES_LAST && !vv_catalogue_is_ring(catalogue, series);
    append_renew_newest(found);
}

/* ---- append ---- */

static inline void append_stamp(vv_head_buffer *buffer, uint64_t sequence)
{
    VV_DEBUG_ASSERT(buffer->pending > 0);
    if (buffer->count == 0) {
        buffer->base_sequence = sequence;
    }
    VV_DEBUG_ASSERT(sequence - buffer->base_sequence <= UINT32_MAX); /* H6 */
    uint32_t delta = (uint32_t)(sequence - buffer->base_sequence);
    memcpy(vv_head_record(buffer, buffer->count) + buffer->sequence_offset, &delta, sizeof delta);
    buffer->count++;
    buffer->pending--;
}

/** Move the mark of a list behind what is appended. */
static void append_advance(vv_head_list *list)
{
    while (list->staged != NULL && !vv_head_block_is_reserved(list->staged)) {
        list->staged = list->staged->next;
    }
}

/** Nothing is reserved outside of the tail any more? */
static void append_settle(vv_head_series *series)
{
    series->has_staged = series->blocks.staged != NULL ||
                         (series->late != NULL &&
                          (series->late->side.pending > 0 || series->late->blocks.staged != NULL));
}

/** Stamp the next reserved late row. */
static void append_late_row(vv_head_series *series, uint64_t sequence)
{
    VV_ASSERT(series->late != NULL);
    vv_head_block *block = series->late->blocks.staged;
    VV_ASSERT(block == NULL || block->kind == VV_HEAD_PLAIN);
    append_stamp(block != NULL ? &block->buffer : &series->late->side, sequence);
    append_advance(&series->late->blocks);
}

/** Stamp one row where rows of its series are reserved in several places. A row is the next one in
 *  order when it has that one's time: reserved late rows are older than it (head.h, H1). */
static void append_row(vv_head *head, const vv_run *run, size_t row, uint64_t sequence)
{
    uint32_t id = append_series_of(run, row);
    int64_t time = append_time_of(run, row);
    vv_head_series *series = vv_head_find(vv_head_shard_of(head, id), id);
    VV_ASSERT(series != NULL);
    vv_head_block *closed = series->blocks.staged;
    vv_head_buffer *next = closed != NULL && closed->kind == VV_HEAD_PLAIN ? &closed->buffer
                           : closed == NULL && series->tail.pending > 0    ? &series->tail
                                                                           : NULL;
    if (run->row_ids != NULL) {
        append_late_row(series, sequence);
        vv_head_put_row_id(series->late, sequence, run->row_ids[row]);
    } else if (next != NULL && vv_head_buffer_time(next, next->count) == time) {
        append_stamp(next, sequence);
        append_advance(&series->blocks);
    } else {
        append_late_row(series, sequence);
    }
    append_settle(series);
}

static void append_vector(vv_head *head, const vv_run *run, uint64_t first_sequence)
{
    vv_head_series *series = vv_head_find(vv_head_shard_of(head, run->series[0]), run->series[0]);
    VV_ASSERT(series != NULL);
    vv_head_list *list = &series->blocks;
    vv_head_block *block = list->staged;
    if (block == NULL || block->kind == VV_HEAD_PLAIN || block->vector_size != run->vector_size ||
        memcmp(vv_head_block_bytes(block), run->vector, run->vector_size) != 0) {
        VV_ASSERT(series->late != NULL);
        list = &series->late->blocks;
        block = list->staged;
        VV_ASSERT(block != NULL && block->kind == VV_HEAD_ENCODED);
    }
    block->first_sequence = first_sequence;
    block->last_sequence = first_sequence + run->count - 1;
    block->is_staged = false;
    append_advance(list);
    append_settle(series);
}

/** Rows, time and sequences of the generation; relaxed: each is read alone. */
static void append_count(vv_head *head, const vv_run *run, uint64_t first_sequence, size_t rows)
{
    uint64_t last = first_sequence + run->count - 1;
    atomic_fetch_add_explicit(&head->rows, rows, memory_order_relaxed);
    if (vv_head_first_write_ns(head) == 0) {
        atomic_store_explicit(&head->first_write_ns, vv_env_mono_ns(&head->db->env),
                              memory_order_relaxed);
    }
    uint_fast64_t seen = atomic_load_explicit(&head->first_sequence, memory_order_relaxed);
    while ((seen == 0 || first_sequence < seen) &&
           !atomic_compare_exchange_weak_explicit(&head->first_sequence, &seen, first_sequence,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    seen = atomic_load_explicit(&head->last_sequence, memory_order_relaxed);
    while (last > seen &&
           !atomic_compare_exchange_weak_explicit(&head->last_sequence, &seen, last,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

/** Stamp the rows of some shards; returns how many. */
static inline size_t append_rows(vv_head *head, const vv_run *run, uint64_t first_sequence,
                                 uint64_t late_rows, uint64_t shards)
{
    size_t rows = 0;
    for (size_t row = 0; row < run->count; row++) {
        append_prefetch(head, run, row, shards);
        if (!append_is_in(run, row, shards)) {
            continue;
        }
        uint32_t id = append_series_of(run, row);
        vv_head_series *series = vv_head_find(vv_head_shard_of(head, id), id);
        VV_ASSERT(series != NULL); /* it was reserved */
        if (VV_LIKELY(late_rows == 0 && !series->has_staged)) {
            append_stamp(&series->tail, first_sequence + row);
        } else {
            append_row(head, run, row, first_sequence + row);
        }
        rows++;
    }
    return rows;
}

void vv_head_append(vv_head *head, const vv_run *run, uint64_t first_sequence, uint64_t late_rows)
{
    append_count(head, run, first_sequence, run->count);
    if (run->vector != NULL) {
        append_vector(head, run, first_sequence);
    } else {
        (void)append_rows(head, run, first_sequence, late_rows, UINT64_MAX);
    }
}

void vv_head_append_part(vv_head *head, const vv_run *run, uint64_t first_sequence,
                         uint64_t late_rows, uint64_t shards)
{
    VV_ASSERT(run->vector == NULL);
    size_t rows = append_rows(head, run, first_sequence, late_rows, shards);
    append_count(head, run, first_sequence, rows);
}
