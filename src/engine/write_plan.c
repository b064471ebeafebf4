/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Taking a batch apart: operations into items, items into parts. Slices share the arrays of their
 * run; only bitmaps that would begin inside a word are copied.
 */

#include <string.h>

#include "base/assert.h"
#include "base/status.h"
#include "engine/write_priv.h"
#include "wal/payload.h"

enum {
    PLAN_RUN_BYTES = 64,   /* what a run takes beside its rows */
    PLAN_TIME_BYTES = 9,   /* a time, where each row has its own */
    PLAN_SERIES_BYTES = 4, /* a series, where each row has its own */
    PLAN_NUMBER_BYTES = 9,
    PLAN_BLOB_BYTES = 4,   /* the size of a blob */
    PLAN_TARGET_BYTES = 12 /* the address of a row: its time and id near those before */
};

uint64_t vv_write_estimate(const vv_run *run)
{
    uint64_t bytes = PLAN_RUN_BYTES;
    bytes += run->count * (run->time_count > 1 ? PLAN_TIME_BYTES : 0);
    bytes += run->count * (run->series_count > 1 ? PLAN_SERIES_BYTES : 0);
    for (size_t i = 0; i < run->column_count; i++) {
        const varve_column *column = &run->columns[i];
        bytes += column->present != NULL ? run->count / 8 + 8 : 0;
        if (column->type == VARVE_TYPE_BOOL) {
            bytes += run->count;
        } else if (!vv_type_is_blob(column->type)) {
            bytes += run->count * PLAN_NUMBER_BYTES;
        } else {
            const varve_text *texts = column->values;
            for (size_t row = 0; row < run->count; row++) {
                bytes += texts[row].size + PLAN_BLOB_BYTES;
            }
        }
    }
    return bytes;
}

/** Bits [begin, begin + count) as a bitmap of its own. */
static varve_status plan_slice_bits(const uint64_t *bits, size_t begin, size_t count,
                                    vv_arena *arena, const uint64_t **out_bits,
                                    varve_error *out_err)
{
    *out_bits = NULL;
    if (bits == NULL) {
        return VARVE_OK;
    }
    size_t words = vv_bits_words(count);
    uint64_t *slice = vv_arena_zeroed(arena, words * sizeof *slice);
    if (slice == NULL) {
        return vv_arena_fail(arena, words * sizeof *slice, out_err);
    }
    for (size_t i = 0; i < count; i++) {
        if (vv_bits_get(bits, begin + i)) {
            vv_bits_set(slice, i);
        }
    }
    *out_bits = slice;
    return VARVE_OK;
}

varve_status vv_write_slice(const vv_run *run, size_t begin, size_t count, vv_arena *arena,
                            vv_run *out_run, varve_error *out_err)
{
    VV_ASSERT(begin + count <= run->count && run->vector == NULL);
    *out_run = *run;
    if (begin == 0 && count == run->count) {
        return VARVE_OK;
    }
    varve_column *columns = vv_arena_array(arena, run->column_count, sizeof *columns);
    if (columns == NULL) {
        return vv_arena_fail(arena, run->column_count * sizeof *columns, out_err);
    }
    for (size_t i = 0; i < run->column_count; i++) {
        const varve_column *column = &run->columns[i];
        columns[i] = *column;
        columns[i].values = (const uint8_t *)column->values + begin * vv_type_width(column->type);
        VV_TRY(plan_slice_bits(column->present, begin, count, arena, &columns[i].present, out_err));
        VV_TRY(plan_slice_bits(column->marks, begin, count, arena, &columns[i].marks, out_err));
    }
    out_run->count = count;
    out_run->columns = columns;
    if (run->series_count > 1) {
        out_run->series = run->series + begin;
        out_run->series_count = count;
    }
    if (run->time_count > 1) {
        out_run->times = run->times + begin;
        out_run->time_count = count;
    }
    if (run->row_ids != NULL) {
        out_run->row_ids = run->row_ids + begin;
    }
    return VARVE_OK;
}

static uint64_t plan_estimate(const vv_write_item *item)
{
    uint64_t bytes = item->target_count * PLAN_TARGET_BYTES;
    return item->run.count == 0 ? bytes : bytes + vv_write_estimate(&item->run);
}

/** Rows [begin, begin + count) of an item, or its targets where it has no rows. */
static varve_status plan_slice(const vv_write_item *item, size_t begin, size_t count,
                               vv_arena *arena, vv_write_item *out_item, varve_error *out_err)
{
    *out_item = *item;
    if (item->run.count > 0) {
        VV_TRY(vv_write_slice(&item->run, begin, count, arena, &out_item->run, out_err));
        out_item->first_row = item->first_row + begin;
    }
    if (item->target_count > 0) {
        out_item->targets = item->targets + begin;
        out_item->target_count = count;
    }
    return VARVE_OK;
}

/** Items of one run: whole where it may be. */
static varve_status plan_run(vv_write *write, const vv_batch_op *op, varve_error *out_err)
{
    const vv_write_item whole = {
        .op = op,
        .run = op->run,
        .first_row = op->first_row,
        .targets = op->targets,
        .target_count = op->target_count,
    };
    size_t count = op->run.count > 0 ? op->run.count : op->target_count;
    size_t rows_max = VV_PAYLOAD_RUN_ROWS_MAX;
    if ((write->flags & VARVE_WRITE_SPLIT) != 0) {
        uint64_t pieces = plan_estimate(&whole) / write->db->options.batch_bytes_max + 1;
        size_t rows = count / (size_t)pieces + 1;
        rows_max = rows < rows_max ? rows : rows_max;
    }
    for (size_t begin = 0; begin < count; begin += rows_max) {
        size_t left = count - begin;
        vv_write_item item;
        VV_TRY(plan_slice(&whole, begin, left < rows_max ? left : rows_max, &write->memory->call,
                          &item, out_err));
        varve_status status = vv_vec_push(&write->memory->items, &item);
        if (status != VARVE_OK) {
            return vv_vec_fail(&write->memory->items, status, out_err);
        }
    }
    return VARVE_OK;
}

varve_status vv_write_plan(vv_write *write, varve_error *out_err)
{
    vv_vec_clear(&write->memory->items);
    for (size_t i = 0; i < write->batch->ops.count; i++) {
        const vv_batch_op *op = VV_VEC_AT(&write->batch->ops, vv_batch_op, i);
        if (op->selection == NULL) {
            VV_TRY(plan_run(write, op, out_err));
            continue;
        }
        vv_write_item item = {.op = op};
        varve_status status = vv_vec_push(&write->memory->items, &item);
        if (status != VARVE_OK) {
            return vv_vec_fail(&write->memory->items, status, out_err);
        }
    }
    return VARVE_OK;
}

void vv_write_plan_part(vv_write *write)
{
    size_t count = write->memory->items.count;
    if ((write->flags & VARVE_WRITE_SPLIT) == 0) {
        write->item_end = count;
        return;
    }
    const vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    uint64_t bytes = 0;
    size_t end = write->item_begin;
    while (end < count) {
        bytes += items[end].op->selection != NULL ? 0 : plan_estimate(&items[end]);
        if (end > write->item_begin && bytes > write->db->options.batch_bytes_max) {
            break;
        }
        end++;
    }
    write->item_end = end;
}

bool vv_write_plan_smaller(vv_write *write, varve_status *out_status, varve_error *out_err)
{
    *out_status = VARVE_OK;
    size_t count = write->item_end - write->item_begin;
    if (count > 1) {
        write->item_end = write->item_begin + count / 2;
        return true;
    }
    vv_vec *items = &write->memory->items;
    vv_write_item *item = VV_VEC_AT(items, vv_write_item, write->item_begin);
    size_t rows = item->run.count > 0 ? item->run.count : item->target_count;
    if (item->op->selection != NULL || rows < 2) {
        return false;
    }
    vv_write_item first;
    vv_write_item second;
    vv_arena *arena = &write->memory->call;
    varve_status status = plan_slice(item, rows / 2, rows - rows / 2, arena, &second, out_err);
    if (status == VARVE_OK) {
        status = plan_slice(item, 0, rows / 2, arena, &first, out_err);
    }
    if (status == VARVE_OK) {
        *item = first;
        status = vv_vec_insert(items, write->item_begin + 1, &second);
        if (status != VARVE_OK) {
            VV_IGNORE(vv_vec_fail(items, status, out_err)); /* gives the sentence */
        }
    }
    write->item_end = write->item_begin + 1;
    *out_status = status;
    return true;
}
