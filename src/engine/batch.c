/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Building a batch: the checks of rows and handles, and rows one by one into columns. Columns of
 * the caller are batch_columns.c, what happens to the batch then is write.c.
 */

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "engine/rollup_set.h"
#include "engine/write_priv.h"
#include "index/catalogue.h"
#include "model/histogram.h"
#include "model/presence.h"
#include "model/value.h"
#include "wal/payload.h"

enum { BATCH_ROWS_MIN = 8 }; /* first capacity of an open run (arbitrary) */

varve_db *vv_batch_db(const varve_batch *batch)
{
    return batch->db;
}

static void batch_free(void *handle)
{
    varve_batch *batch = handle;
    varve_db *db = batch->db;
    vv_db_remove_batch(db, &batch->user);
    vv_batch_clear(batch);
    vv_vec_deinit(&batch->ops);
    vv_vec_deinit(&batch->refusals);
    vv_arena_deinit(&batch->arena);
    vv_write_memory_deinit(&batch->memory);
    vv_alloc_free(&db->alloc, batch, sizeof *batch);
}

static varve_status batch_create(varve_db *db, bool is_internal, varve_batch **out_batch,
                                 varve_error *out_err)
{
    *out_batch = NULL;
    varve_batch *batch = vv_alloc_zeroed(&db->alloc, sizeof *batch);
    if (batch == NULL) {
        return vv_fail_nomem(out_err, "batch", sizeof *batch);
    }
    batch->db = db;
    /* No bounds of their own: the database's allocator has one, and a batch lives in memory of the
     * caller as well. */
    vv_arena_init(&batch->arena, &db->alloc, SIZE_MAX);
    vv_write_memory_init(&batch->memory, &db->alloc);
    vv_vec_init(&batch->ops, &db->alloc, sizeof(vv_batch_op), SIZE_MAX);
    vv_vec_init(&batch->refusals, &db->alloc, sizeof(vv_batch_refusal), SIZE_MAX);
    batch->user = (vv_db_user){.handle = batch, .free = batch_free, .is_internal = is_internal};
    vv_db_add_batch(db, &batch->user);
    *out_batch = batch;
    return VARVE_OK;
}

varve_status vv_batch_create(varve_db *db, varve_batch **out_batch, varve_error *out_err)
{
    return batch_create(db, /* is_internal */ false, out_batch, out_err);
}

varve_status vv_batch_create_internal(varve_db *db, varve_batch **out_batch, varve_error *out_err)
{
    return batch_create(db, /* is_internal */ true, out_batch, out_err);
}

void vv_batch_clear(varve_batch *batch)
{
    for (size_t i = 0; i < batch->ops.count; i++) {
        vv_selection_free(VV_VEC_AT(&batch->ops, vv_batch_op, i)->selection);
    }
    vv_vec_clear(&batch->ops);
    vv_vec_clear(&batch->refusals);
    vv_arena_reset(&batch->arena);
    batch->open = (vv_batch_open){0};
    batch->open_deletes = (vv_batch_deletes){0};
    batch->row_count = 0;
}

void vv_batch_free(varve_batch *batch)
{
    if (batch != NULL &&
        vv_db_check(batch->db, NULL) == VARVE_OK) { /* else varve_abandon does it */
        batch_free(batch);
    }
}

void vv_batch_prefix(const varve_batch *batch, uint64_t row, uint32_t field, varve_error *out_err)
{
    varve_text name = vv_catalogue_field_name(batch->db->catalogue, field);
    vv_error_prefix(out_err, "row %llu, field \"%.*s\"", (unsigned long long)row,
                    VV_TEXT_ARGS(name));
}

/* ---- handles ---- */

static varve_status batch_check_series(const varve_batch *batch, varve_series series,
                                       varve_error *out_err)
{
    if (series.id == 0 || series.id > vv_catalogue_series_count(batch->db->catalogue)) {
        return vv_fail(out_err, VARVE_E_INVALID, "row %llu: %llu is not a series of this database",
                       (unsigned long long)batch->row_count, (unsigned long long)series.id);
    }
    return VARVE_OK;
}

/** Fields ascending, and where each came from; distinct and known. */
static varve_status batch_sort_fields(const varve_batch *batch, const varve_field *given,
                                      size_t count, uint32_t *fields, uint16_t *order,
                                      varve_error *out_err)
{
    uint32_t known = vv_catalogue_field_count(batch->db->catalogue);
    for (size_t i = 0; i < count; i++) {
        if (given[i].id == 0 || given[i].id > known) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "row %llu: %llu is not a field of this database",
                           (unsigned long long)batch->row_count, (unsigned long long)given[i].id);
        }
        uint32_t field = (uint32_t)given[i].id;
        size_t at = i;
        for (; at > 0 && fields[at - 1] > field; at--) {
            fields[at] = fields[at - 1];
            order[at] = order[at - 1];
        }
        fields[at] = field;
        order[at] = (uint16_t)i;
    }
    for (size_t i = 1; i < count; i++) {
        if (fields[i - 1] == fields[i]) {
            varve_text name = vv_catalogue_field_name(batch->db->catalogue, fields[i]);
            return vv_fail(out_err, VARVE_E_INVALID, "row %llu has the field \"%.*s\" twice",
                           (unsigned long long)batch->row_count, VV_TEXT_ARGS(name));
        }
    }
    return VARVE_OK;
}

static varve_status batch_check_count(const varve_batch *batch, size_t count, varve_error *out_err)
{
    if (count == 0 || count > VV_ROW_FIELDS_MAX) {
        return vv_fail(out_err, count == 0 ? VARVE_E_INVALID : VARVE_E_LIMIT,
                       "row %llu has %zu fields; a row has 1 to %d",
                       (unsigned long long)batch->row_count, count, VV_ROW_FIELDS_MAX);
    }
    return VARVE_OK;
}

/* ---- the open run ---- */

static varve_status batch_close_deletes(varve_batch *batch, varve_error *out_err)
{
    vv_batch_deletes *open = &batch->open_deletes;
    if (open->count > 0) {
        vv_batch_op op = {.targets = open->targets, .target_count = open->count};
        varve_status status = vv_vec_push(&batch->ops, &op);
        if (status != VARVE_OK) {
            return vv_vec_fail(&batch->ops, status, out_err);
        }
    }
    *open = (vv_batch_deletes){0};
    return VARVE_OK;
}

varve_status vv_batch_close_run(varve_batch *batch, varve_error *out_err)
{
    vv_batch_open *open = &batch->open;
    VV_TRY(batch_close_deletes(batch, out_err));
    if (open->count > 0) {
        vv_batch_op op = {
            .run =
                {
                    .count = open->count,
                    .series = open->series,
                    .series_count = open->count,
                    .times = open->times,
                    .time_count = open->count,
                    .fields = open->fields,
                    .columns = open->columns,
                    .column_count = open->column_count,
                },
            .targets = open->targets,
            .target_count = open->targets == NULL ? 0 : open->count,
            .first_row = batch->row_count - open->count,
        };
        varve_status status = vv_vec_push(&batch->ops, &op);
        if (status != VARVE_OK) {
            return vv_vec_fail(&batch->ops, status, out_err);
        }
    }
    *open = (vv_batch_open){0};
    return VARVE_OK;
}

/** Whether a row has the fields and types of the open run, in the order of its first row. */
static bool batch_fits_open(const vv_batch_open *open, const varve_row *row, bool is_replacement)
{
    if (open->capacity == 0 || open->column_count != row->count ||
        open->is_replacing != is_replacement || open->count >= VV_PAYLOAD_RUN_ROWS_MAX ||
        memcmp(open->given, row->fields, row->count * sizeof *row->fields) != 0) {
        return false;
    }
    for (size_t i = 0; i < row->count; i++) {
        if (open->given_types[i] != row->values[i].type) {
            return false;
        }
    }
    return true;
}

static varve_status batch_grow_open(varve_batch *batch, varve_error *out_err)
{
    vv_batch_open *open = &batch->open;
    size_t capacity = open->capacity == 0 ? BATCH_ROWS_MIN : 2 * open->capacity;
    uint32_t *series = vv_arena_array(&batch->arena, capacity, sizeof *series);
    int64_t *times = vv_arena_array(&batch->arena, capacity, sizeof *times);
    void **values = vv_arena_array(&batch->arena, open->column_count, sizeof *values);
    vv_row_address *targets = NULL;
    bool has_all = series != NULL && times != NULL && values != NULL;
    if (open->is_replacing) {
        targets = vv_arena_array(&batch->arena, capacity, sizeof *targets);
        has_all = has_all && targets != NULL;
    }
    for (size_t i = 0; i < open->column_count && has_all; i++) {
        values[i] = vv_arena_array(&batch->arena, capacity, vv_type_width(open->columns[i].type));
        has_all = values[i] != NULL;
    }
    if (!has_all) {
        return vv_fail_nomem(out_err, "batch", capacity * sizeof *times);
    }
    if (open->count > 0) {
        memcpy(series, open->series, open->count * sizeof *series);
        memcpy(times, open->times, open->count * sizeof *times);
    }
    if (targets != NULL && open->targets != NULL) {
        memcpy(targets, open->targets, open->count * sizeof *targets);
    }
    for (size_t i = 0; i < open->column_count; i++) {
        if (open->count > 0) {
            memcpy(values[i], open->values[i], open->count * vv_type_width(open->columns[i].type));
        }
        open->columns[i].values = values[i];
    }
    open->series = series;
    open->times = times;
    open->targets = targets;
    open->values = values;
    open->capacity = capacity;
    return VARVE_OK;
}

/** Open a run of the shape of a row, whose values are checked. */
static varve_status batch_open_run(varve_batch *batch, const varve_row *row, bool is_replacement,
                                   varve_error *out_err)
{
    VV_TRY(vv_batch_close_run(batch, out_err));
    size_t count = row->count;
    vv_arena *arena = &batch->arena;
    uint32_t *fields = vv_arena_array(arena, count, sizeof *fields);
    uint16_t *order = vv_arena_array(arena, count, sizeof *order);
    uint16_t *places = vv_arena_array(arena, count, sizeof *places);
    uint32_t *types = vv_arena_array(arena, count, sizeof *types);
    varve_field *given =
        vv_arena_copy_bytes(arena, row->fields, count * sizeof *given); /* of bytes: see memcmp */
    varve_column *columns = vv_arena_array(arena, count, sizeof *columns);
    if (fields == NULL || order == NULL || places == NULL || types == NULL || given == NULL ||
        columns == NULL) {
        return vv_fail_nomem(out_err, "batch", count * sizeof *columns);
    }
    VV_TRY(batch_sort_fields(batch, row->fields, count, fields, order, out_err));
    for (size_t i = 0; i < count; i++) {
        columns[i] = (varve_column){.type = row->values[order[i]].type};
        places[order[i]] = (uint16_t)i;
        types[i] = row->values[i].type;
    }
    vv_batch_open open = {
        .column_count = count,
        .given = given,
        .given_types = types,
        .places = places,
        .fields = fields,
        .columns = columns,
        .is_replacing = is_replacement,
    };
    batch->open = open;
    varve_status status = batch_grow_open(batch, out_err);
    if (status != VARVE_OK) {
        batch->open = (vv_batch_open){0};
    }
    return status;
}

/** Write one value behind the rows of its column. */
static varve_status batch_put(varve_batch *batch, const varve_value *value, void *values,
                              size_t row, varve_error *out_err)
{
    switch (value->type) {
    case VARVE_TYPE_F64:
    case VARVE_TYPE_I64:
    case VARVE_TYPE_U64:
        memcpy((uint8_t *)values + 8 * row, &value->as, 8);
        return VARVE_OK;
    case VARVE_TYPE_BOOL:
        ((uint8_t *)values)[row] = value->as.boolean ? 1 : 0;
        return VARVE_OK;
    case VARVE_TYPE_HISTOGRAM: {
        size_t size = vv_histogram_size(value->as.histogram);
        uint8_t *bytes = vv_arena_aligned(&batch->arena, size, 1);
        if (bytes == NULL) {
            return vv_fail_nomem(out_err, "batch", size);
        }
        VV_IGNORE(vv_histogram_write(value->as.histogram, bytes)); /* writes size bytes */
        ((varve_text *)values)[row] = vv_text_make((const char *)bytes, size);
        return VARVE_OK;
    }
    default:
        ((varve_text *)values)[row] = value->as.bytes;
        return VARVE_OK;
    }
}

static varve_status batch_check_row(const varve_batch *batch, const varve_row *row,
                                    varve_error *out_err)
{
    VV_TRY(batch_check_count(batch, row->count, out_err));
    if (row->fields == NULL || row->values == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "row %llu has no fields or values",
                       (unsigned long long)batch->row_count);
    }
    VV_TRY(batch_check_series(batch, row->series, out_err));
    for (size_t i = 0; i < row->count; i++) {
        const varve_value *value = &row->values[i];
        bool is_plain =
            value->flags == 0 && value->type >= VARVE_TYPE_F64 && value->type <= VARVE_TYPE_BOOL;
        varve_status status = is_plain ? VARVE_OK : vv_value_check(value, out_err);
        if (VV_UNLIKELY(status != VARVE_OK)) {
            uint64_t field = row->fields[i].id;
            bool is_known = field != 0 && field <= vv_catalogue_field_count(batch->db->catalogue);
            vv_batch_prefix(batch, batch->row_count, is_known ? (uint32_t)field : 0, out_err);
            return status;
        }
    }
    return VARVE_OK;
}

/** A checked row; target not NULL: it replaces that one. */
static varve_status batch_add_row(varve_batch *batch, const varve_row *row,
                                  const vv_row_address *target, varve_error *out_err)
{
    vv_batch_open *open = &batch->open;
    if (!batch_fits_open(open, row, target != NULL)) {
        VV_TRY(batch_open_run(batch, row, target != NULL, out_err));
    } else if (open->count == open->capacity) {
        VV_TRY(batch_grow_open(batch, out_err));
    }
    for (size_t i = 0; i < row->count; i++) {
        VV_TRY(
            batch_put(batch, &row->values[i], open->values[open->places[i]], open->count, out_err));
    }
    open->series[open->count] = (uint32_t)row->series.id;
    open->times[open->count] = row->timestamp;
    if (target != NULL) {
        VV_ASSERT(open->targets != NULL);
        open->targets[open->count] = *target;
    }
    open->count++;
    batch->row_count++;
    return VARVE_OK;
}

varve_status vv_batch_row(varve_batch *batch, const varve_row *row, varve_error *out_err)
{
    VV_TRY(batch_check_row(batch, row, out_err));
    return batch_add_row(batch, row, NULL, out_err);
}

/* ---- rows that are there ---- */

static varve_status batch_check_row_ids(const varve_batch *batch, varve_series series,
                                        varve_error *out_err)
{
    VV_TRY(batch_check_series(batch, series, out_err));
    return vv_write_check_row_ids(batch->db, (uint32_t)series.id, out_err);
}

/** The address of a row, checked. */
static varve_status batch_target(const varve_batch *batch, const varve_row_id *id,
                                 vv_row_address *out_target, varve_error *out_err)
{
    VV_TRY(batch_check_row_ids(batch, id->series, out_err));
    if (id->row_id == 0 || id->row_id > INT64_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "%llu is not the id of a row",
                       (unsigned long long)id->row_id);
    }
    *out_target = (vv_row_address){
        .series = (uint32_t)id->series.id,
        .time = id->timestamp,
        .row_id = id->row_id,
    };
    return VARVE_OK;
}

varve_status vv_batch_replace(varve_batch *batch, const varve_row_id *id, const varve_row *row,
                              varve_error *out_err)
{
    vv_row_address target;
    VV_TRY(batch_target(batch, id, &target, out_err));
    VV_TRY(batch_check_row(batch, row, out_err));
    VV_TRY(batch_check_row_ids(batch, row->series, out_err));
    return batch_add_row(batch, row, &target, out_err);
}

varve_status vv_batch_delete_row(varve_batch *batch, const varve_row_id *id, varve_error *out_err)
{
    vv_batch_deletes *open = &batch->open_deletes;
    vv_row_address target;
    VV_TRY(batch_target(batch, id, &target, out_err));
    if (open->count == 0) {
        VV_TRY(vv_batch_close_run(batch, out_err));
    }
    if (open->count == open->capacity) {
        size_t capacity = open->capacity == 0 ? BATCH_ROWS_MIN : 2 * open->capacity;
        vv_row_address *targets = vv_arena_array(&batch->arena, capacity, sizeof *targets);
        if (targets == NULL) {
            return vv_fail_nomem(out_err, "batch", capacity * sizeof *targets);
        }
        if (open->count > 0) {
            memcpy(targets, open->targets, open->count * sizeof *targets);
        }
        open->targets = targets;
        open->capacity = capacity;
    }
    open->targets[open->count] = target;
    open->count++;
    return VARVE_OK;
}

/* ---- columns ---- */

static varve_status batch_check_columns(const varve_batch *batch, const varve_columns *given,
                                        varve_error *out_err)
{
    VV_TRY(batch_check_count(batch, given->column_count, out_err));
    if (given->flags != 0 || given->fields == NULL || given->columns == NULL ||
        given->series == NULL || given->timestamps == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "columns: flags 0x%x must be 0, and no array may be missing", given->flags);
    }
    if ((given->series_count != 1 && given->series_count != given->rows) ||
        (given->timestamp_count != 1 && given->timestamp_count != given->rows)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "columns of %zu rows have %zu series and %zu timestamps; each is 1 or the "
                       "number of rows",
                       given->rows, given->series_count, given->timestamp_count);
    }
    return VARVE_OK;
}

/** The 32-bit ids of the handles. */
static varve_status batch_series_ids(varve_batch *batch, const varve_columns *given,
                                     const uint32_t **out_ids, varve_error *out_err)
{
    uint64_t known = vv_catalogue_series_count(batch->db->catalogue);
    uint32_t *ids = vv_arena_array(&batch->arena, given->series_count, sizeof *ids);
    if (ids == NULL) {
        return vv_fail_nomem(out_err, "batch", given->series_count * sizeof *ids);
    }
    uint64_t unknown = 0; /* collected without a branch: all are right but in a caller's mistake */
    for (size_t i = 0; i < given->series_count; i++) {
        unknown |= (uint64_t)(given->series[i].id - 1 >= known);
        ids[i] = (uint32_t)given->series[i].id;
    }
    for (size_t i = 0; i < given->series_count && unknown != 0; i++) {
        if (given->series[i].id - 1 >= known) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "row %zu of the columns: %llu is not a series of this database", i,
                           (unsigned long long)given->series[i].id);
        }
    }
    *out_ids = ids;
    return VARVE_OK;
}

/** K1: every row has a value. */
static varve_status batch_check_presence(const varve_column *columns, size_t count, size_t rows,
                                         varve_error *out_err)
{
    size_t row = vv_columns_find_empty(columns, count, rows);
    return row == rows
               ? VARVE_OK
               : vv_fail(out_err, VARVE_E_INVALID, "row %zu of the columns has no value", row);
}

static varve_status batch_add_columns(varve_batch *batch, const varve_columns *given,
                                      varve_error *out_err)
{
    size_t count = given->column_count;
    uint32_t *fields = vv_arena_array(&batch->arena, count, sizeof *fields);
    uint16_t *order = vv_arena_array(&batch->arena, count, sizeof *order);
    varve_column *columns = vv_arena_array(&batch->arena, count, sizeof *columns);
    if (fields == NULL || order == NULL || columns == NULL) {
        return vv_fail_nomem(out_err, "batch", count * sizeof *columns);
    }
    VV_TRY(batch_sort_fields(batch, given->fields, count, fields, order, out_err));
    vv_batch_op op = {
        .run =
            {
                .count = given->rows,
                .series_count = given->series_count,
                .times = given->timestamps,
                .time_count = given->timestamp_count,
                .fields = fields,
                .columns = columns,
                .column_count = count,
            },
        .first_row = batch->row_count,
    };
    VV_TRY(batch_series_ids(batch, given, &op.run.series, out_err));
    for (size_t i = 0; i < count; i++) {
        VV_TRY(vv_batch_convert(batch, &given->columns[order[i]], given->rows, fields[i],
                                &columns[i], out_err));
    }
    VV_TRY(batch_check_presence(columns, count, given->rows, out_err));
    varve_status status = vv_vec_push(&batch->ops, &op);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&batch->ops, status, out_err);
}

varve_status vv_batch_columns(varve_batch *batch, const varve_columns *columns,
                              varve_error *out_err)
{
    if (columns->rows == 0) {
        return VARVE_OK;
    }
    VV_TRY(batch_check_columns(batch, columns, out_err));
    VV_TRY(vv_batch_close_run(batch, out_err));
    vv_arena_mark mark = vv_arena_save(&batch->arena);
    varve_status status = batch_add_columns(batch, columns, out_err);
    if (status != VARVE_OK) {
        vv_arena_restore(&batch->arena, mark);
        return status;
    }
    batch->row_count += columns->rows;
    return VARVE_OK;
}

/* ---- deletes and refusals ---- */

/** What rollups keep is deleted by them alone. */
static varve_status batch_check_delete(const varve_batch *batch, const vv_selection *selection,
                                       varve_error *out_err)
{
    for (size_t i = 0; i < selection->item_count && !batch->user.is_internal; i++) {
        const vv_selection_item *item = &selection->items[i];
        if (item->has_metric && vv_rollup_generation_of(item->metric) != 0) {
            return vv_rollup_refuse(item->metric, out_err);
        }
    }
    return VARVE_OK;
}

varve_status vv_batch_delete(varve_batch *batch, const varve_selection *selections, size_t count,
                             varve_range range, varve_error *out_err)
{
    if (range.start >= range.end) {
        return vv_fail(out_err, VARVE_E_INVALID, "a delete of the range %lld to %lld is empty",
                       (long long)range.start, (long long)range.end);
    }
    VV_TRY(vv_batch_close_run(batch, out_err));
    vv_batch_op op = {.range = range};
    VV_TRY(vv_write_selection(batch->db, selections, count, &op.selection, out_err));
    varve_status status = batch_check_delete(batch, op.selection, out_err);
    if (status == VARVE_OK) {
        status = vv_vec_push(&batch->ops, &op);
        if (status != VARVE_OK) {
            VV_IGNORE(vv_vec_fail(&batch->ops, status, out_err)); /* gives the sentence */
        }
    }
    if (status != VARVE_OK) {
        vv_selection_free(op.selection);
    }
    return status;
}

varve_status vv_batch_refuse(varve_batch *batch, const varve_error *reason, varve_error *out_err)
{
    vv_batch_refusal refusal = {.row = batch->row_count, .error = *reason};
    VV_TRY(vv_batch_close_run(batch, out_err)); /* rows of a run are consecutive in the batch */
    varve_status status = vv_vec_push(&batch->refusals, &refusal);
    if (status != VARVE_OK) {
        return vv_vec_fail(&batch->refusals, status, out_err);
    }
    batch->row_count++;
    return VARVE_OK;
}
