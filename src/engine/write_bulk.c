/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bulk runs: many rows of one series in one call are sorted, united where the policy is `last`, and
 * encoded into vectors before any lock is taken. Log and head take the vectors as they are, so each
 * value is encoded once.
 */

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "codec/vector.h"
#include "engine/time_sort.h"
#include "engine/write_priv.h"
#include "index/catalogue.h"

enum { BULK_RAW_BYTES_MAX = 64 * 1024 }; /* raw size of a vector (design) */

/** Times as an array, where one time stands for all. */
static varve_status bulk_times(const vv_run *run, vv_arena *arena, const int64_t **out_times,
                               varve_error *out_err)
{
    *out_times = run->times;
    if (run->time_count == run->count) {
        return VARVE_OK;
    }
    int64_t *times = vv_arena_array(arena, run->count, sizeof *times);
    if (times == NULL) {
        return vv_arena_fail(arena, run->count * sizeof *times, out_err);
    }
    for (size_t i = 0; i < run->count; i++) {
        times[i] = run->times[0];
    }
    *out_times = times;
    return VARVE_OK;
}

/** For each column the rows that it takes: the newest of each group that has a value. */
static varve_status bulk_take_columns(const vv_run *run, const uint32_t *order,
                                      const uint32_t *group_ends, size_t groups, vv_arena *arena,
                                      vv_rows *rows, varve_error *out_err)
{
    varve_column *columns = vv_arena_array(arena, run->column_count, sizeof *columns);
    uint32_t *taken = vv_arena_array(arena, groups, sizeof *taken);
    if (columns == NULL || taken == NULL) {
        return vv_arena_fail(arena, groups * sizeof *taken, out_err);
    }
    for (size_t i = 0; i < run->column_count; i++) {
        uint32_t begin = 0;
        for (size_t group = 0; group < groups; group++) {
            uint32_t at = group_ends[group];
            uint32_t row = UINT32_MAX;
            while (at > begin && row == UINT32_MAX) {
                at--;
                uint32_t candidate = order == NULL ? at : order[at];
                row = vv_column_has(&run->columns[i], candidate) ? candidate : UINT32_MAX;
            }
            taken[group] = row;
            begin = group_ends[group];
        }
        VV_TRY(vv_write_take_column(&run->columns[i], taken, groups, arena, &columns[i], out_err));
    }
    rows->columns = columns;
    return VARVE_OK;
}

/** Rows in order of time; equal times are one row when is_last. */
static varve_status bulk_arrange(const vv_run *run, const int64_t *times, bool is_last,
                                 vv_arena *arena, vv_rows *out_rows, varve_error *out_err)
{
    *out_rows = (vv_rows){
        .count = run->count,
        .times = times,
        .fields = run->fields,
        .columns = run->columns,
        .column_count = run->column_count,
    };
    if (vv_time_is_sorted(times, run->count, /* strict */ is_last)) {
        return VARVE_OK;
    }
    uint32_t *order;
    VV_TRY(vv_time_sort(times, run->count, arena, &order, out_err));
    int64_t *sorted = vv_arena_array(arena, run->count, sizeof *sorted);
    uint32_t *group_ends = vv_arena_array(arena, run->count, sizeof *group_ends);
    if (sorted == NULL || group_ends == NULL) {
        return vv_arena_fail(arena, run->count * sizeof *sorted, out_err);
    }
    size_t groups = 0;
    for (size_t i = 0; i < run->count; i++) {
        int64_t time = times[order == NULL ? i : order[i]];
        if (groups == 0 || !is_last || sorted[groups - 1] != time) {
            groups++;
        }
        sorted[groups - 1] = time;
        group_ends[groups - 1] = (uint32_t)i + 1;
    }
    out_rows->count = groups;
    out_rows->times = sorted;
    return bulk_take_columns(run, order, group_ends, groups, arena, out_rows, out_err);
}

/** Columns of a vector: those that have a value in its rows. */
static void bulk_drop_empty(vv_rows *rows, uint32_t *fields, varve_column *columns)
{
    size_t count = 0;
    for (size_t i = 0; i < rows->column_count; i++) {
        const varve_column *column = &rows->columns[i];
        if (column->present == NULL ||
            vv_bits_find_set(column->present, 0, rows->count) < rows->count) {
            fields[count] = rows->fields[i];
            columns[count] = *column;
            count++;
        }
    }
    rows->fields = fields;
    rows->columns = columns;
    rows->column_count = count;
}

/** How many rows from `begin` make a vector. */
static size_t bulk_fit(const vv_rows *rows, size_t begin)
{
    size_t left = rows->count - begin;
    size_t count = left < VV_VECTOR_ROWS_MAX ? left : (size_t)VV_VECTOR_ROWS_MAX;
    size_t row_bytes = sizeof(int64_t);
    bool has_blobs = false;
    for (size_t i = 0; i < rows->column_count; i++) {
        bool is_blob = vv_type_is_blob(rows->columns[i].type);
        row_bytes += is_blob ? 0 : vv_type_width(rows->columns[i].type);
        has_blobs = has_blobs || is_blob;
    }
    if (!has_blobs) {
        size_t fit = BULK_RAW_BYTES_MAX / row_bytes;
        return fit == 0 ? 1 : fit < count ? fit : count;
    }
    size_t used = 0;
    for (size_t row = 0; row < count; row++) {
        used += row_bytes;
        for (size_t i = 0; i < rows->column_count; i++) {
            if (vv_type_is_blob(rows->columns[i].type)) {
                used += ((const varve_text *)rows->columns[i].values)[begin + row].size;
            }
        }
        if (used > BULK_RAW_BYTES_MAX && row > 0) {
            return row;
        }
    }
    return count;
}

static varve_status bulk_encode(vv_write *write, const vv_run *run, const vv_rows *all,
                                size_t begin, size_t count, bool is_last, varve_error *out_err)
{
    vv_batch_memory *memory = write->memory;
    vv_arena *arena = &memory->attempt;
    vv_arena_mark mark = vv_arena_save(arena);
    vv_run whole = {
        .count = all->count,
        .series = run->series,
        .series_count = 1,
        .times = all->times,
        .time_count = all->count,
        .fields = all->fields,
        .columns = all->columns,
        .column_count = all->column_count,
    };
    vv_run slice;
    VV_TRY(vv_write_slice(&whole, begin, count, arena, &slice, out_err));
    vv_rows rows = {
        .count = count,
        .times = slice.times,
        .fields = slice.fields,
        .columns = slice.columns,
        .column_count = slice.column_count,
    };
    uint32_t fields[VV_ROW_FIELDS_MAX];
    varve_column *columns = vv_arena_array(arena, rows.column_count, sizeof *columns);
    if (columns == NULL) {
        return vv_arena_fail(arena, rows.column_count * sizeof *columns, out_err);
    }
    bulk_drop_empty(&rows, fields, columns);
    vv_write_run made = {
        .run = {.count = count, .series = run->series, .series_count = 1},
        .vector_offset = memory->vectors.size,
        .is_vector = true,
        .is_last = is_last,
    };
    VV_TRY(vv_vector_encode(&rows, memory->scratch, &memory->vectors, out_err));
    made.run.vector_size = memory->vectors.size - made.vector_offset;
    varve_status status = vv_vec_push(&memory->runs, &made);
    vv_arena_restore(arena, mark);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&memory->runs, status, out_err);
}

varve_status vv_write_bulk(vv_write *write, const vv_run *run, bool *out_is_done,
                           varve_error *out_err)
{
    const vv_catalogue *catalogue = write->db->catalogue;
    vv_metric_policy policy =
        vv_catalogue_policy(catalogue, vv_catalogue_metric_id(catalogue, run->series[0]));
    bool is_last = policy.duplicates == VARVE_DUPLICATES_LAST;
    vv_arena *arena = &write->memory->attempt;
    const int64_t *times;
    VV_TRY(bulk_times(run, arena, &times, out_err));
    /* Row ids are sequences in the order of the call: rows that would change places stay plain. */
    *out_is_done = !policy.has_row_ids || vv_time_is_sorted(times, run->count, /* strict */ false);
    if (!*out_is_done) {
        return VARVE_OK;
    }
    VV_TRY(vv_write_scratch(write, out_err));
    vv_rows rows;
    VV_TRY(bulk_arrange(run, times, is_last, arena, &rows, out_err));
    for (size_t begin = 0; begin < rows.count;) {
        size_t count = bulk_fit(&rows, begin);
        VV_TRY(bulk_encode(write, run, &rows, begin, count, is_last, out_err));
        begin += count;
    }
    return VARVE_OK;
}
