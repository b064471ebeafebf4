/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Appending, in two passes over the rows of a batch:
 *
 *   reserve   finds or makes the series, makes room (head_room.c), writes values and times behind
 *             the last row. Everything that can fail is here; nobody sees it.
 *   append    stamps the sequence and counts the row. Cannot fail. (head_stamp.c)
 *
 * The fast forms of both (numbers only, every row has every field, the tail has room and the
 * layout of the run) touch two cache lines of a series: its head and its record. They are walked
 * with prefetches ahead (head_run_priv.h), because a scrape visits every series once and none is in
 * the cache.
 */

#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/head_priv.h"
#include "engine/head_run_priv.h"
#include "index/catalogue.h"
#include "index/schemas.h"

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
    VV_NOT_CLEARED vv_schema_field changes[VV_ROW_FIELDS_MAX];
    size_t count = 0;
    size_t added = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < shape.count; i++) {
        at = vv_schema_place(schema, at, shape.fields[i]);
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
        at = vv_schema_place(schema, at, shape.fields[i]);
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
    uint32_t id = vv_head_run_series(ctx->run, row);
    int64_t time = vv_head_run_time(ctx->run, row);
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
    vv_head_row wanted = {
        .shape = shape, .time = time, .visible = ctx->options->visible, .is_late = is_late};
    VV_TRY(vv_head_make_room(shard, series, &wanted, out_err));
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
    uint32_t id = vv_head_run_series(ctx->run, row);
    int64_t time = vv_head_run_time(ctx->run, row);
    vv_head_series *series = vv_head_find(vv_head_shard_of(ctx->head, id), id);
    if (VV_UNLIKELY(series == NULL)) {
        return false;
    }
    vv_head_buffer *tail = &series->tail;
    uint32_t at = tail->count + tail->pending;
    if (VV_UNLIKELY(tail->layout == NULL || tail->layout != ctx->layouts[id % VV_SHARD_COUNT] ||
                    at >= tail->capacity || at < 2 || time <= series->newest_limit ||
                    tail->is_sparse || !series->is_defined ||
                    ctx->options->visible >= tail->base_sequence + VV_HEAD_DELTA_MAX)) {
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
        vv_head_run_prefetch(ctx->head, ctx->run, i, ctx->shards);
        if (vv_head_run_is_in(ctx->run, i, ctx->shards)) {
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
        vv_head_run_prefetch(ctx->head, ctx->run, row, shards);
        if (vv_head_run_is_in(ctx->run, row, shards) &&
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
        uint32_t id = vv_head_run_series(run, row);
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
