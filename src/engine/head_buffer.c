/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Plain buffers: records in a piece of the slab (head_priv.h has the picture and R1 to R3). A
 * buffer changes its form by moving: more room, a wider time, one more field, presence bits. Moves
 * are rare, a buffer of 128 regular rows has seen three.
 */

#include <string.h>

#include "base/assert.h"
#include "base/bitmap.h"
#include "base/status.h"
#include "engine/head_priv.h"

static inline uint32_t buffer_presence_offset(const vv_head_buffer *buffer)
{
    return buffer->sequence_offset + 4u + buffer->layout->bool_count;
}

static inline bool buffer_has(const vv_head_buffer *buffer, const uint8_t *record, uint32_t column)
{
    return !buffer->is_sparse ||
           ((record[buffer_presence_offset(buffer) + column / 8] >> (column % 8)) & 1) != 0;
}

/** Where the value of a column lies in a record. */
static inline size_t buffer_value_offset(const vv_head_buffer *buffer, uint32_t column)
{
    size_t offset = buffer->layout->offsets[column];
    return buffer->layout->types[column] == VARVE_TYPE_BOOL ? buffer->sequence_offset + 4u + offset
                                                            : offset;
}

static inline vv_head_blob *buffer_blob(const vv_head_buffer *buffer, const uint8_t *record,
                                        uint32_t column)
{
    vv_head_blob *blob;
    memcpy(&blob, record + buffer->layout->offsets[column], sizeof blob);
    return blob;
}

/* ---- times ---- */

static inline uint64_t buffer_predicted(const vv_head_buffer *buffer, uint32_t index)
{
    return (uint64_t)buffer->base_time + index * buffer->step;
}

uint8_t vv_head_buffer_time_bytes(vv_head_buffer *buffer, uint32_t index, int64_t time)
{
    if (index == 0) {
        buffer->base_time = time;
        buffer->step = 0;
    } else if (index == 1) {
        buffer->step = (uint64_t)time - (uint64_t)buffer->base_time;
    }
    uint64_t rest = (uint64_t)time - buffer_predicted(buffer, index);
    if (rest == 0) {
        return 0;
    }
    return rest + UINT64_C(0x80000000) <= UINT32_MAX ? 4 : 8;
}

void vv_head_buffer_put_time(const vv_head_buffer *buffer, uint32_t index, int64_t time)
{
    uint8_t *place = vv_head_record(buffer, index) + buffer->sequence_offset - buffer->time_bytes;
    if (buffer->time_bytes == 4) {
        uint32_t rest = (uint32_t)((uint64_t)time - buffer_predicted(buffer, index));
        memcpy(place, &rest, sizeof rest);
    } else if (buffer->time_bytes == 8) {
        memcpy(place, &time, sizeof time);
    }
}

int64_t vv_head_buffer_time(const vv_head_buffer *buffer, uint32_t index)
{
    if (buffer->time_bytes == 0) {
        return (int64_t)buffer_predicted(buffer, index);
    }
    const uint8_t *place =
        vv_head_record(buffer, index) + buffer->sequence_offset - buffer->time_bytes;
    if (buffer->time_bytes == 4) {
        int32_t rest;
        memcpy(&rest, place, sizeof rest);
        return (int64_t)(buffer_predicted(buffer, index) + (uint64_t)(int64_t)rest);
    }
    int64_t time;
    memcpy(&time, place, sizeof time);
    return time;
}

uint32_t vv_head_buffer_visible(const vv_head_buffer *buffer, uint64_t visible)
{
    uint32_t begin = 0;
    uint32_t end = buffer->count;
    if (end > 0 && vv_head_buffer_sequence(buffer, end - 1) <= visible) {
        return end;
    }
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (vv_head_buffer_sequence(buffer, middle) <= visible) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

uint32_t vv_head_buffer_fit(const vv_head_buffer *buffer, uint32_t rows, size_t bytes)
{
    const vv_head_layout *layout = buffer->layout;
    size_t row_bytes = 8 * ((size_t)layout->cell_count + 1) + layout->bool_count;
    if (buffer->blob_units == 0) {
        size_t fit = bytes / row_bytes;
        return fit == 0 ? 1 : fit < rows ? (uint32_t)fit : rows;
    }
    size_t used = 0;
    for (uint32_t row = 0; row < rows; row++) {
        const uint8_t *record = vv_head_record(buffer, row);
        used += row_bytes;
        for (uint32_t i = 0; i < layout->count; i++) {
            if (vv_type_is_blob(layout->types[i]) && buffer_has(buffer, record, i)) {
                used += buffer_blob(buffer, record, i)->size;
            }
        }
        if (used > bytes && row > 0) {
            return row;
        }
    }
    return rows;
}

/* ---- moving ---- */

static void buffer_set_form(vv_head_buffer *buffer, vv_head_form form)
{
    const vv_head_layout *layout = form.layout;
    size_t sequence_offset = 8 * (size_t)layout->cell_count + form.time_bytes;
    size_t bytes = sequence_offset + 4 + layout->bool_count;
    if (form.is_sparse) {
        bytes += ((size_t)layout->count + 7) / 8;
    }
    buffer->layout = layout;
    buffer->capacity = form.capacity;
    buffer->time_bytes = form.time_bytes;
    buffer->is_sparse = form.is_sparse;
    buffer->is_blobby = layout->blob_count > 0;
    buffer->sequence_offset = (uint16_t)sequence_offset;
    buffer->record_bytes = (uint16_t)((bytes + 3) / 4 * 4);
}

/** The columns of the target that the columns of the source become; ascending, as both are. */
static void buffer_map_columns(const vv_head_layout *source, const vv_head_layout *target,
                               uint16_t *columns)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < source->count; i++) {
        while (target->fields[at] != source->fields[i]) {
            at++;
        }
        columns[i] = (uint16_t)at;
    }
}

static inline void buffer_move_value(const vv_head_buffer *source, const vv_head_buffer *target,
                                     uint32_t index, uint32_t column, uint32_t to_column)
{
    const uint8_t *from = vv_head_record(source, index);
    uint8_t *to = vv_head_record(target, index);
    size_t width = source->layout->types[column] == VARVE_TYPE_BOOL ? 1 : 8;
    memcpy(to + buffer_value_offset(target, to_column), from + buffer_value_offset(source, column),
           width);
    if (target->is_sparse) {
        to[buffer_presence_offset(target) + to_column / 8] |= (uint8_t)(1u << (to_column % 8));
    }
}

/** Copy the values of one record to where the new layout has them; returns how many. Of a sparse
 * record only those that are there are looked at: it may have one of many. */
static uint32_t buffer_move_values(const vv_head_buffer *source, const vv_head_buffer *target,
                                   const uint16_t *columns, uint32_t index)
{
    uint32_t count = source->layout->count;
    memset(vv_head_record(target, index), 0, target->record_bytes);
    memcpy(vv_head_record(target, index) + target->sequence_offset,
           vv_head_record(source, index) + source->sequence_offset, 4);
    if (!source->is_sparse) {
        for (uint32_t i = 0; i < count; i++) {
            buffer_move_value(source, target, index, i, columns[i]);
        }
        return count;
    }
    uint32_t moved = 0;
    const uint8_t *presence = vv_head_record(source, index) + buffer_presence_offset(source);
    for (uint32_t byte = 0; byte < (count + 7) / 8; byte++) {
        for (uint64_t bits = presence[byte]; bits != 0; bits &= bits - 1) {
            uint32_t column = 8 * byte + vv_ctz64(bits);
            buffer_move_value(source, target, index, column, columns[column]);
            moved++;
        }
    }
    return moved;
}

size_t vv_head_buffer_values(const vv_head_buffer *buffer)
{
    uint32_t rows = buffer->count + buffer->pending;
    if (!buffer->is_sparse) {
        return (size_t)rows * buffer->layout->count;
    }
    size_t values = 0;
    uint32_t bytes = (buffer->layout->count + 7) / 8;
    for (uint32_t row = 0; row < rows; row++) {
        const uint8_t *presence = vv_head_record(buffer, row) + buffer_presence_offset(buffer);
        for (uint32_t byte = 0; byte < bytes; byte++) {
            values += vv_popcount64(presence[byte]);
        }
    }
    return values;
}

static void buffer_move_rows(vv_head_shard *shard, const vv_head_buffer *source,
                             const vv_head_buffer *target, uint32_t rows)
{
    uint16_t columns[VV_ROW_FIELDS_MAX];
    buffer_map_columns(source->layout, target->layout, columns);
    shard->moved_cells += source->layout->count;
    for (uint32_t i = 0; i < rows; i++) {
        shard->moved_cells += buffer_move_values(source, target, columns, i);
        vv_head_buffer_put_time(target, i, vv_head_buffer_time(source, i));
    }
}

varve_status vv_head_buffer_reform(vv_head_shard *shard, vv_head_buffer *buffer, vv_head_form form,
                                   varve_error *out_err)
{
    uint32_t rows = buffer->count + buffer->pending;
    VV_ASSERT(form.capacity >= rows);
    vv_head_buffer next = *buffer;
    buffer_set_form(&next, form);
    size_t bytes = (size_t)next.capacity * next.record_bytes;
    next.piece = vv_slab_new(&shard->slab, bytes);
    if (next.piece == NULL) {
        return vv_fail_nomem(out_err, "head", bytes);
    }
    bool is_same = buffer->layout == next.layout && buffer->time_bytes == next.time_bytes &&
                   buffer->is_sparse == next.is_sparse;
    if (is_same && rows > 0) {
        memcpy(next.piece, buffer->piece, (size_t)rows * buffer->record_bytes);
    }
    if (!is_same && rows > 0) {
        buffer_move_rows(shard, buffer, &next, rows);
    }
    vv_slab_free(&shard->slab, buffer->piece);
    *buffer = next;
    return VARVE_OK;
}

/* ---- dropping ---- */

static void buffer_free_blobs(vv_head_shard *shard, vv_head_buffer *buffer, uint32_t first,
                              uint32_t end)
{
    if (!buffer->is_blobby) {
        return;
    }
    for (uint32_t row = first; row < end; row++) {
        const uint8_t *record = vv_head_record(buffer, row);
        for (uint32_t i = 0; i < buffer->layout->count; i++) {
            if (vv_type_is_blob(buffer->layout->types[i]) && buffer_has(buffer, record, i)) {
                vv_head_blob *blob = buffer_blob(buffer, record, i);
                buffer->blob_units -= vv_head_blob_units(blob->size);
                vv_slab_free(&shard->slab, blob);
            }
        }
    }
}

void vv_head_buffer_drop(vv_head_shard *shard, vv_head_buffer *buffer, uint32_t rows)
{
    VV_ASSERT(rows <= buffer->count);
    buffer_free_blobs(shard, buffer, 0, rows);
    uint32_t left = buffer->count - rows;
    uint64_t base = left > 0 ? vv_head_buffer_sequence(buffer, rows) : buffer->base_sequence;
    uint32_t shift = (uint32_t)(base - buffer->base_sequence);
    if (left + buffer->pending > 0) {
        memmove(buffer->piece, vv_head_record(buffer, rows),
                (size_t)(left + buffer->pending) * buffer->record_bytes);
    }
    buffer->base_time = (int64_t)buffer_predicted(buffer, rows);
    buffer->base_sequence = base;
    buffer->count = left;
    for (uint32_t i = 0; i < left; i++) {
        uint8_t *place = vv_head_record(buffer, i) + buffer->sequence_offset;
        uint32_t delta;
        memcpy(&delta, place, sizeof delta);
        delta -= shift;
        memcpy(place, &delta, sizeof delta);
    }
}

void vv_head_buffer_clear(vv_head_shard *shard, vv_head_buffer *buffer)
{
    buffer_free_blobs(shard, buffer, 0, buffer->count + buffer->pending);
    vv_slab_free(&shard->slab, buffer->piece);
    *buffer = (vv_head_buffer){0};
}

void vv_head_buffer_unreserve(vv_head_shard *shard, vv_head_buffer *buffer)
{
    if (buffer->count == 0) {
        vv_head_buffer_clear(shard, buffer);
        return;
    }
    buffer_free_blobs(shard, buffer, buffer->count, buffer->count + buffer->pending);
    buffer->pending = 0;
}

/* ---- rows to columns ---- */

/** What gathering needs for each column. */
typedef struct buffer_gather {
    const vv_head_buffer *buffer;
    const vv_head_gather *what;
    vv_arena *arena;
    uint32_t column;    /* of the layout */
    uint64_t *bits;     /* present, then marks */
    size_t has_count;   /* rows with a value ... */
    size_t bytes_count; /* ... and with one that is BYTES */
} buffer_gather;

static inline uint32_t buffer_row(const vv_head_gather *what, uint32_t index)
{
    return what->order != NULL ? what->order[index] : what->first + index;
}

static void buffer_gather_numbers(buffer_gather *gather, void *values)
{
    const vv_head_buffer *buffer = gather->buffer;
    size_t offset = buffer_value_offset(buffer, gather->column);
    bool is_bool = buffer->layout->types[gather->column] == VARVE_TYPE_BOOL;
    for (uint32_t i = 0; i < gather->what->count; i++) {
        const uint8_t *record = vv_head_record(buffer, buffer_row(gather->what, i));
        if (is_bool) {
            ((uint8_t *)values)[i] = record[offset];
        } else {
            memcpy((uint8_t *)values + 8 * (size_t)i, record + offset, 8);
        }
        if (buffer_has(buffer, record, gather->column)) {
            gather->has_count++;
            vv_bits_set(gather->bits, i);
        }
    }
}

static varve_status buffer_gather_blobs(buffer_gather *gather, varve_text *values, uint64_t *marks,
                                        varve_error *out_err)
{
    const vv_head_buffer *buffer = gather->buffer;
    for (uint32_t i = 0; i < gather->what->count; i++) {
        const uint8_t *record = vv_head_record(buffer, buffer_row(gather->what, i));
        values[i] = (varve_text){0};
        if (!buffer_has(buffer, record, gather->column)) {
            continue;
        }
        const vv_head_blob *blob = buffer_blob(buffer, record, gather->column);
        const void *bytes = blob + 1;
        if (gather->what->copies_blobs) {
            bytes = vv_arena_copy_bytes(gather->arena, bytes, blob->size);
            if (bytes == NULL) {
                return vv_arena_fail(gather->arena, blob->size, out_err);
            }
        }
        values[i] = vv_text_make(bytes, blob->size);
        gather->has_count++;
        vv_bits_set(gather->bits, i);
        if (blob->is_bytes != 0) {
            gather->bytes_count++;
            vv_bits_set(marks, i);
        }
    }
    return VARVE_OK;
}

/** One column; its type is NONE when no row has a value. */
static varve_status buffer_gather_column(buffer_gather *gather, varve_column *out_column,
                                         varve_error *out_err)
{
    uint32_t type = gather->buffer->layout->types[gather->column];
    size_t count = gather->what->count;
    size_t words = vv_bits_words(count);
    bool is_blob = vv_type_is_blob(type);
    void *values = vv_arena_array(gather->arena, count, vv_type_width(type));
    gather->bits = vv_arena_zeroed(gather->arena, 2 * words * sizeof *gather->bits);
    if (values == NULL || gather->bits == NULL) {
        return vv_arena_fail(gather->arena, count * vv_type_width(type), out_err);
    }
    gather->has_count = 0;
    gather->bytes_count = 0;
    uint64_t *marks = gather->bits + words;
    if (is_blob) {
        VV_TRY(buffer_gather_blobs(gather, values, marks, out_err));
    } else {
        buffer_gather_numbers(gather, values);
    }
    *out_column = (varve_column){.type = type, .values = values};
    if (gather->has_count == 0) {
        out_column->type = VARVE_TYPE_NONE;
    }
    if (gather->has_count < count) {
        out_column->present = gather->bits;
    }
    if (gather->bytes_count > 0 && gather->bytes_count == gather->has_count) {
        out_column->type = VARVE_TYPE_BYTES;
    } else if (gather->bytes_count > 0) {
        out_column->marks = marks;
    }
    return VARVE_OK;
}

static varve_status buffer_gather_columns(buffer_gather *gather, vv_rows *rows,
                                          varve_error *out_err)
{
    const vv_head_layout *layout = gather->buffer->layout;
    uint32_t *fields = vv_arena_array(gather->arena, layout->count, sizeof *fields);
    varve_column *columns = vv_arena_array(gather->arena, layout->count, sizeof *columns);
    if (fields == NULL || columns == NULL) {
        return vv_arena_fail(gather->arena, layout->count * sizeof *columns, out_err);
    }
    size_t count = 0;
    size_t wanted = 0;
    for (uint32_t i = 0; i < layout->count; i++) {
        if (gather->what->fields != NULL) {
            while (wanted < gather->what->field_count &&
                   gather->what->fields[wanted] < layout->fields[i]) {
                wanted++;
            }
            if (wanted == gather->what->field_count ||
                gather->what->fields[wanted] != layout->fields[i]) {
                continue;
            }
        }
        gather->column = i;
        VV_TRY(buffer_gather_column(gather, &columns[count], out_err));
        if (columns[count].type != VARVE_TYPE_NONE) {
            fields[count] = layout->fields[i];
            count++;
        }
    }
    rows->fields = fields;
    rows->columns = columns;
    rows->column_count = count;
    return VARVE_OK;
}

varve_status vv_head_buffer_gather(const vv_head_buffer *buffer, const vv_head_gather *what,
                                   vv_arena *arena, vv_rows *out_rows, uint64_t **out_sequences,
                                   varve_error *out_err)
{
    int64_t *times = vv_arena_array(arena, what->count, sizeof *times);
    uint64_t *sequences = vv_arena_array(arena, what->count, sizeof *sequences);
    if (times == NULL || sequences == NULL) {
        return vv_arena_fail(arena, what->count * sizeof *times, out_err);
    }
    for (uint32_t i = 0; i < what->count; i++) {
        uint32_t row = buffer_row(what, i);
        times[i] = vv_head_buffer_time(buffer, row);
        sequences[i] = vv_head_buffer_sequence(buffer, row);
    }
    *out_sequences = sequences;
    *out_rows = (vv_rows){.count = what->count, .times = times};
    buffer_gather gather = {.buffer = buffer, .what = what, .arena = arena};
    return buffer_gather_columns(&gather, out_rows, out_err);
}
