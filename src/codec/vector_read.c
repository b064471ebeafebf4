/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of vectors; vector_write.c has the picture.
 *
 *   V1  After vv_vector_parse the directory is known to be sound: fields ascend, parts follow one
 *       another inside of the bytes, types are known. What the parts hold is checked by who reads
 *       them; a part must be used up to its last byte.
 */
#include "base/checked.h"
#include "base/status.h"
#include "codec/codec_priv.h"
#include "codec/kernels_priv.h"
#include "codec/vector_priv.h"

/* A little-endian number of 1, 2 or 4 bytes. */
static uint32_t vector_read_width(vv_reader *reader, uint32_t width)
{
    return width == 1   ? vv_reader_u8(reader)
           : width == 2 ? vv_reader_u16(reader)
                        : vv_reader_u32(reader);
}

/* An entry of the directory as it stands there. */
typedef struct vector_row {
    uint32_t field;
    uint32_t type;
    uint32_t flags;
    uint32_t stats_size;
    uint32_t end;
} vector_row;

static vector_row vector_read_row(vv_reader *reader, const vv_vector *vector)
{
    vector_row row = {.field = vector_read_width(reader, vector->field_width)};
    uint8_t type = vv_reader_u8(reader);
    row.type = type & VV_ENTRY_TYPE_MASK;
    row.flags = type & (uint32_t)~VV_ENTRY_TYPE_MASK;
    row.stats_size = vv_reader_u8(reader);
    row.end = vector_read_width(reader, vector->offset_width);
    return row;
}

static size_t vector_row_size(const vv_vector *vector)
{
    return (size_t)vector->field_width + 2 + vector->offset_width;
}

/* The entry of a column; index is below the count. */
static vector_row vector_row_at(const vv_vector *vector, uint32_t index)
{
    size_t size = vector_row_size(vector);
    vv_reader reader = vv_reader_of(vector->bytes.data, vector->bytes.size);
    vv_reader_skip(&reader, vector->directory_offset + index * size);
    return vector_read_row(&reader, vector);
}

static bool vector_is_row_sound(const vector_row *row, uint32_t begin)
{
    bool is_type = row->type >= VARVE_TYPE_F64 && row->type <= VARVE_TYPE_HISTOGRAM;
    bool has_marks = (row->flags & VV_ENTRY_HAS_MARKS) != 0;
    return is_type && (row->flags & VV_ENTRY_FLAGS_UNKNOWN) == 0 &&
           (!has_marks || row->type == VARVE_TYPE_STRING) && row->end >= begin &&
           row->stats_size <= row->end - begin && row->stats_size <= VV_STATS_BYTES_MAX;
}

static void vector_read_head(vv_reader *reader, vv_vector *vector)
{
    if (vv_reader_u8(reader) != VV_VECTOR_VERSION) {
        vv_reader_spoil(reader);
    }
    uint32_t flags = vv_reader_u8(reader);
    uint32_t field_code = flags >> VV_VECTOR_FIELD_SHIFT & 3;
    uint32_t offset_code = flags >> VV_VECTOR_OFFSET_SHIFT & 3;
    if ((flags & VV_VECTOR_FLAGS_UNKNOWN) != 0 || field_code > 2 || offset_code > 2) {
        vv_reader_spoil(reader);
    }
    vector->has_row_ids = (flags & VV_VECTOR_HAS_ROW_IDS) != 0;
    vector->is_strict = (flags & VV_VECTOR_IS_STRICT) != 0;
    vector->field_width = (uint8_t)(1u << field_code);
    vector->offset_width = (uint8_t)(1u << offset_code);
    vector->count = (uint32_t)vv_reader_varint_max(reader, VV_VECTOR_ROWS_MAX);
    /* An entry takes vector_row_size bytes, all of them behind the head. */
    vector->column_count = (uint32_t)vv_reader_count(reader, vector_row_size(vector), UINT32_MAX);
    if (vector->count == 0) {
        vv_reader_spoil(reader);
    }
}

/* The directory, V1. */
static void vector_read_directory(vv_reader *reader, uint32_t head_size, uint32_t directory_offset,
                                  vv_vector *vector)
{
    uint32_t times_end = vector_read_width(reader, vector->offset_width);
    uint32_t row_ids_end =
        vector->has_row_ids ? vector_read_width(reader, vector->offset_width) : times_end;
    if (times_end < head_size || row_ids_end < times_end) {
        vv_reader_spoil(reader);
        return;
    }
    vector->times_offset = head_size;
    vector->times_size = times_end - head_size;
    vector->row_ids_offset = times_end;
    vector->row_ids_size = row_ids_end - times_end;
    vector->columns_offset = row_ids_end;
    vector->directory_offset = (uint32_t)vv_reader_position(reader);
    uint32_t begin = row_ids_end;
    uint64_t field_min = 0;
    for (uint32_t i = 0; i < vector->column_count; ++i) {
        vector_row row = vector_read_row(reader, vector);
        if (row.field < field_min || !vector_is_row_sound(&row, begin)) {
            vv_reader_spoil(reader);
            return;
        }
        field_min = (uint64_t)row.field + 1;
        begin = row.end;
    }
    if (begin != directory_offset) {
        vv_reader_spoil(reader);
    }
}

static void vector_read_times_head(vv_vector *vector, vv_reader *reader)
{
    vv_reader times = vv_reader_of(vector->bytes.data + vector->times_offset, vector->times_size);
    vv_times_head head;
    vv_times_read_head(&times, vector->count, &head);
    vector->first_time = head.first;
    vector->last_time = head.last;
    /* Told only where i * stride is an int64_t for all rows. */
    bool fits = vv_distance_i64(head.first, head.last) <= INT64_MAX;
    vector->stride = vector->count > 1 && fits ? (int64_t)vv_times_stride(&head) : 0;
    bool is_equal = vector->count > 1 && head.first == head.last;
    if (vv_reader_is_bad(&times) || (is_equal && vector->is_strict)) {
        vv_reader_spoil(reader);
    }
}

varve_status vv_vector_parse(vv_bytes bytes, vv_vector *out_vector, varve_error *out_err)
{
    vv_vector vector = {.bytes = bytes};
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    if (bytes.size > VV_VECTOR_BYTES_MAX) {
        vv_reader_spoil(&reader);
    }
    vector_read_head(&reader, &vector);
    uint32_t head_size = (uint32_t)vv_reader_position(&reader);
    size_t directory_size = (vector.has_row_ids ? 2u : 1u) * (size_t)vector.offset_width +
                            vector.column_count * vector_row_size(&vector);
    size_t left = vv_reader_left(&reader);
    if (directory_size > left) {
        vv_reader_spoil(&reader);
    }
    vv_reader_skip(&reader, left - directory_size);
    if (!vv_reader_is_bad(&reader)) {
        vector_read_directory(&reader, head_size, (uint32_t)vv_reader_position(&reader), &vector);
    }
    if (vv_reader_is_done(&reader)) {
        vector_read_times_head(&vector, &reader);
    }
    if (!vv_reader_is_done(&reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "a vector of %zu bytes has no sound directory",
                       bytes.size);
    }
    *out_vector = vector;
    return VARVE_OK;
}

varve_status vv_vector_column_at(const vv_vector *vector, uint32_t index,
                                 vv_vector_column *out_column, varve_error *out_err)
{
    VV_ASSERT(index < vector->column_count);
    vector_row row = vector_row_at(vector, index);
    uint32_t begin = index == 0 ? vector->columns_offset : vector_row_at(vector, index - 1).end;
    vv_reader reader = vv_reader_of(vector->bytes.data + begin, row.end - begin - row.stats_size);
    vv_vector_column column = {.field = row.field,
                               .type = row.type,
                               .count = vector->count,
                               .present_count = vector->count,
                               .has_presence = (row.flags & VV_ENTRY_HAS_PRESENCE) != 0,
                               .has_marks = (row.flags & VV_ENTRY_HAS_MARKS) != 0};
    if (column.has_presence) {
        column.present_count = (uint32_t)vv_reader_varint_max(&reader, vector->count - 1);
    }
    if (vv_reader_is_bad(&reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "column of field %u: bad count of values",
                       (unsigned)row.field);
    }
    column.data = vv_bytes_make(reader.data + reader.position, vv_reader_left(&reader));
    column.stats = vv_bytes_make(vector->bytes.data + row.end - row.stats_size, row.stats_size);
    *out_column = column;
    return VARVE_OK;
}

bool vv_vector_find(const vv_vector *vector, uint32_t field, vv_vector_column *out_column)
{
    uint32_t begin = 0;
    uint32_t end = vector->column_count;
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (vector_row_at(vector, middle).field < field) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin < vector->column_count && vector_row_at(vector, begin).field == field &&
           vv_vector_column_at(vector, begin, out_column, NULL) == VARVE_OK;
}

varve_status vv_vector_times(const vv_vector *vector, vv_codec_scratch *scratch, int64_t *out_times,
                             varve_error *out_err)
{
    vv_reader reader = vv_reader_of(vector->bytes.data + vector->times_offset, vector->times_size);
    vv_times_read(&reader, vector->count, scratch, out_times);
    bool has_equal = false;
    if (vector->is_strict && vector->stride == 0 && !vv_reader_is_bad(&reader)) {
        for (size_t i = 1; i < vector->count; ++i) {
            has_equal |= out_times[i] == out_times[i - 1];
        }
    }
    if (!vv_reader_is_done(&reader) || has_equal) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "the times of a vector make no sense");
    }
    return VARVE_OK;
}

varve_status vv_vector_row_ids(const vv_vector *vector, vv_codec_scratch *scratch,
                               uint64_t *out_row_ids, varve_error *out_err)
{
    vv_reader reader =
        vv_reader_of(vector->bytes.data + vector->row_ids_offset, vector->row_ids_size);
    vv_ints_read(&reader, vector->count, scratch, (int64_t *)out_row_ids);
    if (!vector->has_row_ids || !vv_reader_is_done(&reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT, "the row ids of a vector make no sense");
    }
    return VARVE_OK;
}

static varve_status vector_fail_column(const vv_vector_column *column, varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_CORRUPT, "column of field %u: %zu bytes make no sense",
                   (unsigned)column->field, column->data.size);
}

/* Presence into scratch->present, marks of the values into scratch->marks. */
static void vector_read_bitsets(vv_reader *reader, const vv_vector_column *column,
                                vv_codec_scratch *scratch)
{
    memset(scratch->present, 0, sizeof scratch->present);
    if (!column->has_presence) {
        vv_bits_set_range(scratch->present, 0, column->count);
    } else if (column->present_count > 0) {
        vv_bitset_read(reader, column->count, scratch, scratch->present);
        if (vv_bits_count(scratch->present, 0, column->count) != column->present_count) {
            vv_reader_spoil(reader);
        }
    }
    if (column->has_marks && column->present_count > 0) {
        vv_bitset_read(reader, column->present_count, scratch, scratch->marks);
    } else {
        memset(scratch->marks, column->type == VARVE_TYPE_BYTES ? 0xFF : 0, sizeof scratch->marks);
    }
}

/* The values that are there, side by side. */
static varve_status vector_read_values(vv_reader *reader, const vv_vector_column *column,
                                       vv_codec_scratch *scratch, vv_arena *arena, void *out_values,
                                       varve_error *out_err)
{
    size_t count = column->present_count;
    if (count == 0) {
        return VARVE_OK;
    }
    switch (column->type) {
    case VARVE_TYPE_F64:
        vv_floats_read(reader, count, scratch, (double *)out_values);
        return VARVE_OK;
    case VARVE_TYPE_I64:
    case VARVE_TYPE_U64:
        vv_ints_read(reader, count, scratch, (int64_t *)out_values);
        return VARVE_OK;
    case VARVE_TYPE_BOOL:
        vv_bools_read(reader, count, scratch, (uint8_t *)out_values);
        return VARVE_OK;
    default:
        return vv_blobs_read(reader, count, scratch, arena, (varve_text *)out_values, out_err);
    }
}

/* Values side by side to the rows that have one; the others become zero (R5). */
static void vector_spread(const uint8_t *dense, size_t width, const uint64_t *present, size_t count,
                          uint8_t *out_values)
{
    memset(out_values, 0, count * width);
    for (size_t i = vv_bits_find_set(present, 0, count); i < count;
         i = vv_bits_find_set(present, i + 1, count)) {
        memcpy(out_values + i * width, dense, width);
        dense += width;
    }
}

static void vector_spread_marks(const vv_vector_column *column, const vv_codec_scratch *scratch,
                                uint64_t *out_marks)
{
    size_t words = vv_bits_words(column->count);
    if (!column->has_marks) { /* all values are of one kind */
        if (column->type == VARVE_TYPE_BYTES) {
            memcpy(out_marks, scratch->present, words * sizeof *out_marks);
        } else {
            memset(out_marks, 0, words * sizeof *out_marks);
        }
        return;
    }
    memset(out_marks, 0, words * sizeof *out_marks);
    size_t taken = 0;
    for (size_t i = 0; i < column->count; ++i) {
        if (vv_bits_get(scratch->present, i)) {
            vv_bits_put(out_marks, i, vv_bits_get(scratch->marks, taken));
            taken += 1;
        }
    }
}

varve_status vv_vector_decode(const vv_vector_column *column, vv_codec_scratch *scratch,
                              vv_arena *arena, void *out_values, uint64_t *out_present,
                              uint64_t *out_marks, varve_error *out_err)
{
    vv_reader reader = vv_reader_of(column->data.data, column->data.size);
    vector_read_bitsets(&reader, column, scratch);
    bool is_blob = vv_type_is_blob(column->type);
    void *dense = !column->has_presence ? out_values
                  : is_blob             ? (void *)scratch->texts
                                        : (void *)scratch->dense;
    VV_TRY(vector_read_values(&reader, column, scratch, arena, dense, out_err));
    if (!vv_reader_is_done(&reader)) {
        return vector_fail_column(column, out_err);
    }
    if (column->has_presence) {
        vector_spread((const uint8_t *)dense, vv_type_width(column->type), scratch->present,
                      column->count, (uint8_t *)out_values);
    }
    if (out_present != NULL) {
        memcpy(out_present, scratch->present, vv_bits_words(column->count) * sizeof *out_present);
    }
    if (out_marks != NULL) {
        vector_spread_marks(column, scratch, out_marks);
    }
    return VARVE_OK;
}

varve_status vv_vector_stats(const vv_vector_column *column, vv_stats *out_stats,
                             varve_error *out_err)
{
    vv_reader reader = vv_reader_of(column->stats.data, column->stats.size);
    vv_stats stats;
    vv_stats_read(&reader, column->type, column->present_count, &stats);
    if (!vv_reader_is_done(&reader)) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "column of field %u: %zu bytes of statistics make no sense",
                       (unsigned)column->field, column->stats.size);
    }
    *out_stats = stats;
    return VARVE_OK;
}

varve_status vv_vector_sum_f64(const vv_vector_column *column, vv_codec_scratch *scratch,
                               vv_stats *stats, varve_error *out_err)
{
    VV_ASSERT(column->type == VARVE_TYPE_F64);
    vv_reader reader = vv_reader_of(column->data.data, column->data.size);
    if (column->has_presence) {
        vector_read_bitsets(&reader, column, scratch);
    }
    double *values = (double *)scratch->dense;
    if (column->present_count > 0) {
        vv_floats_read(&reader, column->present_count, scratch, values);
    }
    if (!vv_reader_is_done(&reader)) {
        return vector_fail_column(column, out_err);
    }
    vv_stats_sum_f64(stats, values, column->present_count);
    return VARVE_OK;
}
