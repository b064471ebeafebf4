/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From the items of a part to what log and head take: runs without rejected rows, vectors of bulk
 * runs, deletes, and the payloads of the records with their checksums. Everything here happens
 * without a lock, and nothing of it is seen by anybody.
 */

#include <string.h>

#include "base/bitmap.h"
#include "base/crc.h"
#include "base/limit.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/write_priv.h"
#include "index/catalogue.h"
#include "wal/payload.h"

enum {
    /* What a hidden row takes where there is no log to tell: about as much as in one. */
    PREPARE_HIDE_BYTES = 12,
    /* Of a batch that may be longer than a record: what a record has before the next one begins,
     * and the most that is put into it at once. Their sum is well below what a record may have. */
    PREPARE_RECORD_BYTES = 32 * 1024 * 1024,
    PREPARE_SLICE_BYTES = 8 * 1024 * 1024
};

void vv_write_memory_init(vv_batch_memory *memory, vv_alloc *alloc)
{
    vv_arena_init(&memory->call, alloc, SIZE_MAX);
    vv_arena_init(&memory->attempt, alloc, SIZE_MAX);
    vv_buf_init(&memory->vectors, alloc, SIZE_MAX);
    vv_buf_init(&memory->payload, alloc, SIZE_MAX);
    vv_buf_init(&memory->definitions, alloc, SIZE_MAX);
    vv_vec_init(&memory->items, alloc, sizeof(vv_write_item), SIZE_MAX);
    vv_vec_init(&memory->rejected, alloc, sizeof(varve_rejected), SIZE_MAX);
    vv_vec_init(&memory->runs, alloc, sizeof(vv_write_run), SIZE_MAX);
    vv_vec_init(&memory->deletes, alloc, sizeof(vv_write_delete), SIZE_MAX);
    vv_vec_init(&memory->records, alloc, sizeof(vv_write_record), SIZE_MAX);
    vv_vec_init(&memory->retypes, alloc, sizeof(vv_head_retype), SIZE_MAX);
    vv_vec_init(&memory->targets, alloc, sizeof(vv_write_target), SIZE_MAX);
    vv_vec_init(&memory->found, alloc, sizeof(vv_row_address), SIZE_MAX);
    vv_vec_init(&memory->hides, alloc, sizeof(vv_row_address), SIZE_MAX);
}

void vv_write_memory_deinit(vv_batch_memory *memory)
{
    vv_arena_deinit(&memory->call);
    vv_arena_deinit(&memory->attempt);
    vv_buf_deinit(&memory->vectors);
    vv_buf_deinit(&memory->payload);
    vv_buf_deinit(&memory->definitions);
    vv_vec_deinit(&memory->items);
    vv_vec_deinit(&memory->rejected);
    vv_vec_deinit(&memory->runs);
    vv_vec_deinit(&memory->deletes);
    vv_vec_deinit(&memory->records);
    vv_vec_deinit(&memory->retypes);
    vv_vec_deinit(&memory->targets);
    vv_vec_deinit(&memory->found);
    vv_vec_deinit(&memory->hides);
    vv_codec_scratch_free(memory->scratch);
}

varve_status vv_write_scratch(vv_write *write, varve_error *out_err)
{
    if (write->memory->scratch != NULL) {
        return VARVE_OK;
    }
    return vv_codec_scratch_create(&write->db->alloc, &write->memory->scratch, out_err);
}

/* ---- rows by number ---- */

varve_status vv_write_take_column(const varve_column *column, const uint32_t *rows, size_t count,
                                  vv_arena *arena, varve_column *out_column, varve_error *out_err)
{
    size_t width = vv_type_width(column->type);
    size_t words = vv_bits_words(count);
    uint8_t *values = vv_arena_zeroed(arena, count * width);
    uint64_t *present = vv_arena_zeroed(arena, words * sizeof *present);
    uint64_t *marks = column->marks == NULL ? NULL : vv_arena_zeroed(arena, words * sizeof *marks);
    if (values == NULL || present == NULL || (marks == NULL && column->marks != NULL)) {
        return vv_arena_fail(arena, count * width, out_err);
    }
    size_t has_count = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        if (row == UINT32_MAX || !vv_column_has(column, row)) {
            continue;
        }
        has_count++;
        vv_bits_set(present, i);
        memcpy(values + i * width, (const uint8_t *)column->values + row * width, width);
        if (marks != NULL && vv_bits_get(column->marks, row)) {
            vv_bits_set(marks, i);
        }
    }
    *out_column = (varve_column){
        .type = column->type,
        .values = values,
        .present = has_count == count ? NULL : present,
        .marks = marks,
    };
    return VARVE_OK;
}

/** A run without its rejected rows. */
static varve_status prepare_filter(vv_write *write, const vv_write_item *item, vv_run *out_run,
                                   varve_error *out_err)
{
    *out_run = item->run;
    if (write->rejected_rows == NULL) {
        return VARVE_OK;
    }
    vv_arena *arena = &write->memory->attempt;
    const vv_run *run = &item->run;
    uint32_t *rows = vv_arena_array(arena, run->count, sizeof *rows);
    uint32_t *series = vv_arena_array(arena, run->count, sizeof *series);
    int64_t *times = vv_arena_array(arena, run->count, sizeof *times);
    varve_column *columns = vv_arena_array(arena, run->column_count, sizeof *columns);
    if (rows == NULL || series == NULL || times == NULL || columns == NULL) {
        return vv_arena_fail(arena, run->count * sizeof *times, out_err);
    }
    size_t count = 0;
    for (size_t i = 0; i < run->count; i++) {
        if (!vv_bits_get(write->rejected_rows, item->first_row + i)) {
            rows[count] = (uint32_t)i;
            series[count] = run->series[run->series_count == 1 ? 0 : i];
            times[count] = run->times[run->time_count == 1 ? 0 : i];
            count++;
        }
    }
    if (count == run->count) {
        return VARVE_OK;
    }
    for (size_t i = 0; i < run->column_count; i++) {
        VV_TRY(vv_write_take_column(&run->columns[i], rows, count, arena, &columns[i], out_err));
    }
    out_run->count = count;
    out_run->series = series;
    out_run->series_count = run->series_count == 1 ? 1 : count;
    out_run->times = times;
    out_run->time_count = count;
    out_run->columns = columns;
    return VARVE_OK;
}

/* ---- runs ---- */

static uint64_t prepare_points(const vv_run *run)
{
    uint64_t points = 0;
    for (size_t i = 0; i < run->column_count; i++) {
        const uint64_t *present = run->columns[i].present;
        points += present == NULL ? run->count : vv_bits_count(present, 0, run->count);
    }
    return points;
}

varve_status vv_write_add_run(vv_write *write, const vv_run *run, varve_error *out_err)
{
    vv_vec *runs = &write->memory->runs;
    write->rows += run->count;
    write->points += prepare_points(run);
    if (!write->is_logged) {
        write->payload_bytes += vv_write_estimate(run);
    }
    bool has_rings = vv_write_has_rings(write, run);
    if (run->series_count == 1 && run->count >= VV_VECTOR_ROWS_MAX && !has_rings) {
        bool is_done;
        VV_TRY(vv_write_bulk(write, run, &is_done, out_err));
        if (is_done) {
            return VARVE_OK;
        }
    }
    vv_write_run made = {.run = *run, .has_rings = has_rings};
    varve_status status = vv_vec_push(runs, &made);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(runs, status, out_err);
}

static varve_status prepare_run(vv_write *write, const vv_write_item *item, varve_error *out_err)
{
    vv_run run;
    VV_TRY(prepare_filter(write, item, &run, out_err));
    return run.count == 0 ? VARVE_OK : vv_write_add_run(write, &run, out_err);
}

/* ---- records ---- */

/** What cannot be divided: a row, a selection, definitions. */
static varve_status prepare_check_record(size_t size, varve_error *out_err)
{
    if (size > VV_WAL_RECORD_BYTES_MAX - sizeof(uint64_t)) { /* its sequence comes behind */
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_BATCH,
                             "a part of the batch takes %zu bytes, a record of the log may have %d",
                             size, VV_WAL_RECORD_BYTES_MAX);
    }
    return VARVE_OK;
}

static varve_status prepare_add_record(vv_write *write, vv_wal_type type, uint64_t sequences,
                                       size_t offset, varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    vv_write_record record = {
        .type = type,
        .sequences = sequences,
        .offset = offset,
        .size = memory->payload.size - offset,
    };
    VV_TRY(prepare_check_record(record.size, out_err));
    record.crc =
        record.size == 0 ? 0 : vv_crc32c(0, memory->payload.data + record.offset, record.size);
    varve_status status = vv_vec_push(&memory->records, &record);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&memory->records, status, out_err);
}

/** What of a run, from a row on, is put into a record at once. */
static varve_status prepare_slice(vv_write *write, const vv_run *run, size_t begin,
                                  vv_run *out_slice, varve_error *out_err)
{
    *out_slice = *run;
    if (begin == 0 && (!write->is_chain || run->vector != NULL ||
                       vv_write_estimate(run) <= PREPARE_SLICE_BYTES)) {
        return VARVE_OK;
    }
    size_t count = run->count - begin;
    for (;;) {
        vv_arena_mark mark = vv_arena_save(&write->memory->attempt);
        VV_TRY(vv_write_slice(run, begin, count, &write->memory->attempt, out_slice, out_err));
        if (count == 1 || vv_write_estimate(out_slice) <= PREPARE_SLICE_BYTES) {
            return VARVE_OK;
        }
        vv_arena_restore(&write->memory->attempt, mark);
        count /= 2;
    }
}

/** The runs [begin, end) as one ROWS record, or several where the batch may be a chain. */
static varve_status prepare_rows(vv_write *write, size_t begin, size_t end, varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    const vv_write_run *runs = VV_VEC_ITEMS(&memory->runs, vv_write_run);
    size_t offset = memory->payload.size;
    uint64_t rows = 0;
    for (size_t i = begin; i < end; i++) {
        for (size_t row = 0; row < runs[i].run.count;) {
            vv_run slice;
            VV_TRY(prepare_slice(write, &runs[i].run, row, &slice, out_err));
            if (write->is_chain && memory->payload.size - offset >= PREPARE_RECORD_BYTES) {
                VV_TRY(prepare_add_record(write, VV_WAL_ROWS, rows, offset, out_err));
                offset = memory->payload.size;
                rows = 0;
            }
            if (write->is_logged) {
                VV_TRY(vv_payload_add_run(&memory->payload, &slice, out_err));
            }
            row += slice.count;
            rows += slice.count;
        }
    }
    return rows == 0 ? VARVE_OK : prepare_add_record(write, VV_WAL_ROWS, rows, offset, out_err);
}

static varve_status prepare_delete(vv_write *write, const vv_write_delete *delete,
                                   varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    if (delete->op != NULL) {
        return write->is_logged ? vv_payload_tombstone(&memory->payload, delete->op->range,
                                                       delete->op->selection, out_err)
                                : VARVE_OK;
    }
    size_t count = delete->hide_end - delete->hide_begin;
    if (!write->is_logged) {
        write->payload_bytes += count * PREPARE_HIDE_BYTES;
        return VARVE_OK;
    }
    vv_write_sort_hides(write, delete);
    return vv_payload_row_tombstone(&memory->payload,
                                    VV_VEC_AT(&memory->hides, vv_row_address, delete->hide_begin),
                                    count, out_err);
}

static varve_status prepare_records(vv_write *write, varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    const vv_write_delete *deletes = VV_VEC_ITEMS(&memory->deletes, vv_write_delete);
    size_t begin = 0;
    for (size_t i = 0; i < memory->deletes.count; i++) {
        VV_TRY(prepare_rows(write, begin, deletes[i].run_index, out_err));
        begin = deletes[i].run_index;
        size_t offset = memory->payload.size;
        VV_TRY(prepare_delete(write, &deletes[i], out_err));
        VV_TRY(prepare_add_record(write, VV_WAL_TOMBSTONE, 1, offset, out_err));
    }
    return prepare_rows(write, begin, memory->runs.count, out_err);
}

static varve_status prepare_check_size(const vv_write *write, varve_error *out_err)
{
    uint64_t bytes = write->payload_bytes + write->memory->definitions.size;
    const varve_options *options = &write->db->options;
    uint64_t max = write->is_chain ? options->chain_bytes_max : options->batch_bytes_max;
    if (bytes > max) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_BATCH,
                             "the batch takes %llu bytes, %s is %llu", (unsigned long long)bytes,
                             write->is_chain ? "chain_bytes_max" : "batch_bytes_max",
                             (unsigned long long)max);
    }
    return VARVE_OK;
}

varve_status vv_write_prepare(vv_write *write, varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    vv_write_drop_tombstones(write);
    vv_arena_reset(&memory->attempt);
    vv_buf_reset(&memory->vectors);
    vv_buf_reset(&memory->payload);
    vv_vec_clear(&memory->runs);
    vv_vec_clear(&memory->records);
    vv_vec_clear(&memory->hides);
    write->group = VV_WRITE_NO_GROUP;
    write->rows = 0;
    write->points = 0;
    write->payload_bytes = 0;
    const vv_write_item *items = VV_VEC_ITEMS(&memory->items, vv_write_item);
    for (size_t i = write->item_begin; i < write->item_end; i++) {
        if (items[i].target_count > 0) {
            VV_TRY(vv_write_prepare_rows(write, &items[i], out_err));
            continue;
        }
        if (items[i].op->selection == NULL) {
            VV_TRY(prepare_run(write, &items[i], out_err));
            continue;
        }
        vv_write_delete delete = {.op = items[i].op, .run_index = memory->runs.count};
        varve_status status = vv_vec_push(&memory->deletes, &delete);
        if (status != VARVE_OK) {
            return vv_vec_fail(&memory->deletes, status, out_err);
        }
    }
    vv_write_run *runs = VV_VEC_ITEMS(&memory->runs, vv_write_run);
    for (size_t i = 0; i < memory->runs.count; i++) {
        if (runs[i].is_vector) { /* the buffer has stopped moving */
            runs[i].run.vector = memory->vectors.data + runs[i].vector_offset;
        }
    }
    VV_TRY(prepare_records(write, out_err));
    write->payload_bytes += memory->payload.size;
    write->times = vv_retention_measure(write);
    return prepare_check_size(write, out_err);
}

/* ---- definitions ---- */

static varve_status prepare_define_series(vv_write *write, varve_error *out_err)
{
    const vv_catalogue *catalogue = write->db->catalogue;
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, &write->new_series);
    uint32_t id;
    while (vv_idset_cursor_next(&cursor, &id)) {
        vv_wal_definition definition = {
            .id = id, .kind = 0, .metric = vv_catalogue_metric(catalogue, id)};
        VV_TRY(vv_catalogue_labels(write->db->catalogue, id, &definition.labels,
                                   &definition.label_count, out_err));
        VV_TRY(vv_payload_add_definition(&write->memory->definitions, &definition, out_err));
    }
    return VARVE_OK;
}

varve_status vv_write_define(vv_write *write, varve_error *out_err)
{
    vv_buf_reset(&write->memory->definitions);
    if (!write->is_logged) {
        return VARVE_OK;
    }
    VV_TRY(prepare_define_series(write, out_err));
    vv_idset_cursor cursor;
    vv_idset_cursor_init(&cursor, &write->new_fields);
    uint32_t id;
    while (vv_idset_cursor_next(&cursor, &id)) {
        vv_wal_definition definition = {
            .id = id, .kind = 1, .metric = vv_catalogue_field_name(write->db->catalogue, id)};
        VV_TRY(vv_payload_add_definition(&write->memory->definitions, &definition, out_err));
    }
    VV_TRY(prepare_check_record(write->memory->definitions.size, out_err));
    return prepare_check_size(write, out_err);
}
