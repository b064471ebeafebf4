/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of vectors; docs/formats/vector.md has the whole format.
 *
 *     u8      version, 1
 *     u8      bit 0: row ids; bit 1: times strictly ascend; bits 2..3, 4..5: width of fields and of
 *             offsets below, 0: 1 byte, 1: 2 bytes, 2: 4 bytes
 *     varint  rows
 *     varint  columns
 *             times
 *            [row ids: ints]
 *             data and statistics of each column
 *     directory:
 *       offset  end of the times
 *      [offset  end of the row ids]
 *       for each column, fields ascending:
 *         field   id
 *         u8      bits 0..3: type; bit 6: some rows have no value; bit 7: there are marks
 *         u8      bytes of its statistics
 *         offset  end of its statistics, which stand behind its data
 *
 * The directory stands at the end, where its widths are known, and its entries have one size, so
 * that a column is found by bisection. The container knows the size of the whole.
 *
 * Data of a column: [varint values; bitset of the rows that have one] where some rows have none,
 * and only the values that are there from then on; [bitset of those that are BYTES]; the values by
 * type: floats, ints, bools, blobs.
 */
#include "base/status.h"
#include "codec/codec_priv.h"
#include "codec/vector_priv.h"

/* What the directory will say of a column. */
typedef struct vector_entry {
    uint32_t field;
    uint32_t end;
    uint8_t type;
    uint8_t stats_size;
} vector_entry;

/* A column without gaps: its values side by side. */
typedef struct vector_dense {
    uint32_t type;
    size_t count;
    const void *values;
    const uint64_t *marks; /* NULL: none */
} vector_dense;

static uint32_t vector_width_code(uint64_t greatest)
{
    return greatest <= UINT8_MAX ? 0 : greatest <= UINT16_MAX ? 1 : 2;
}

/* Marks of the values that are present, side by side, into scratch->marks. */
static void vector_gather_marks(const varve_column *column, size_t count, const uint64_t *present,
                                vv_codec_scratch *scratch)
{
    memset(scratch->marks, 0, sizeof scratch->marks);
    size_t taken = 0;
    for (size_t i = 0; i < count; ++i) {
        if (present == NULL || vv_bits_get(present, i)) {
            vv_bits_put(scratch->marks, taken, vv_bits_get(column->marks, i));
            taken += 1;
        }
    }
}

/* The kind of a bytes column: BYTES, STRING, or STRING with marks. */
static void vector_set_kind(const varve_column *column, size_t count, const uint64_t *present,
                            vv_codec_scratch *scratch, vector_dense *dense)
{
    if (column->marks == NULL) {
        return;
    }
    vector_gather_marks(column, count, present, scratch);
    size_t marked = vv_bits_count(scratch->marks, 0, dense->count);
    if (marked == dense->count && marked > 0) {
        dense->type = VARVE_TYPE_BYTES;
    } else {
        dense->type = VARVE_TYPE_STRING;
        dense->marks = marked > 0 ? scratch->marks : NULL;
    }
}

static void vector_compact(const uint8_t *values, size_t width, const uint64_t *present,
                           size_t count, uint8_t *target)
{
    for (size_t i = vv_bits_find_set(present, 0, count); i < count;
         i = vv_bits_find_set(present, i + 1, count)) {
        memcpy(target, values + i * width, width);
        target += width;
    }
}

/* The values of a column that are present; present is NULL where all are. */
static vector_dense vector_gather(const varve_column *column, size_t count, const uint64_t *present,
                                  size_t present_count, vv_codec_scratch *scratch)
{
    vector_dense dense = {.type = column->type, .count = present_count, .values = column->values};
    if (present != NULL) {
        bool is_blob = vv_type_is_blob(column->type);
        void *target = is_blob ? (void *)scratch->texts : (void *)scratch->dense;
        vector_compact((const uint8_t *)column->values, vv_type_width(column->type), present, count,
                       (uint8_t *)target);
        dense.values = target;
    }
    vector_set_kind(column, count, present, scratch, &dense);
    return dense;
}

static varve_status vector_write_blobs(const vector_dense *dense, vv_codec_scratch *scratch,
                                       vv_buf *out, varve_error *out_err)
{
    if (dense->marks != NULL) {
        vv_bitset_write(dense->marks, dense->count, scratch, out);
    }
    return vv_blobs_write((const varve_text *)dense->values, dense->count, scratch, out, out_err);
}

/* Values, then statistics; their size into *out_stats_size. */
static varve_status vector_write_values(const vector_dense *dense, vv_codec_scratch *scratch,
                                        vv_buf *out, size_t *out_stats_size, varve_error *out_err)
{
    size_t data_end = 0;
    vv_decimal_fit fit;
    switch (dense->type) {
    case VARVE_TYPE_F64:
        vv_floats_write((const double *)dense->values, dense->count, scratch, out, &fit);
        data_end = out->size;
        vv_stats_write_f64((const double *)dense->values, dense->count, &fit, scratch->ints, out);
        break;
    case VARVE_TYPE_I64:
    case VARVE_TYPE_U64:
        vv_ints_write((const int64_t *)dense->values, dense->count, scratch, out);
        data_end = out->size;
        vv_stats_write_ints((const int64_t *)dense->values, dense->count, dense->type, out);
        break;
    case VARVE_TYPE_BOOL:
        vv_bools_write((const uint8_t *)dense->values, dense->count, scratch, out);
        data_end = out->size;
        vv_stats_write_bools((const uint8_t *)dense->values, dense->count, out);
        break;
    default:
        VV_TRY(vector_write_blobs(dense, scratch, out, out_err));
        data_end = out->size;
        break;
    }
    *out_stats_size = out->size - data_end;
    return VARVE_OK;
}

static varve_status vector_write_column(const varve_column *column, size_t count,
                                        vv_codec_scratch *scratch, vv_buf *out,
                                        vector_entry *out_entry, varve_error *out_err)
{
    size_t present_count =
        column->present == NULL ? count : vv_bits_count(column->present, 0, count);
    const uint64_t *present = present_count == count ? NULL : column->present;
    uint32_t flags = 0;
    if (present != NULL) {
        flags = VV_ENTRY_HAS_PRESENCE;
        VV_IGNORE(vv_buf_append_varint(out, present_count));
        if (present_count > 0) {
            vv_bitset_write(present, count, scratch, out);
        }
    }
    vector_dense dense = {.type = column->type};
    size_t stats_size = 0;
    if (present_count > 0) {
        dense = vector_gather(column, count, present, present_count, scratch);
        VV_TRY(vector_write_values(&dense, scratch, out, &stats_size, out_err));
    }
    flags |= dense.marks != NULL ? VV_ENTRY_HAS_MARKS : 0;
    VV_ASSERT(stats_size <= VV_STATS_BYTES_MAX);
    out_entry->type = (uint8_t)(dense.type | flags);
    out_entry->stats_size = (uint8_t)stats_size;
    return VARVE_OK;
}

static varve_status vector_write_columns(const vv_rows *rows, vv_codec_scratch *scratch,
                                         vv_buf *out, size_t before, varve_error *out_err)
{
    vv_buf_reset(&scratch->entries);
    for (size_t i = 0; i < rows->column_count; ++i) {
        vector_entry entry = {.field = rows->fields[i]};
        VV_TRY(vector_write_column(&rows->columns[i], rows->count, scratch, out, &entry, out_err));
        VV_TRY(vv_buf_check(out, out_err));
        if (out->size - before > VV_VECTOR_BYTES_MAX) {
            return vv_fail(out_err, VARVE_E_LIMIT, "a vector of %zu rows exceeds %d bytes",
                           rows->count, VV_VECTOR_BYTES_MAX);
        }
        entry.end = (uint32_t)(out->size - before);
        VV_IGNORE(vv_buf_append(&scratch->entries, &entry, sizeof entry));
    }
    return vv_buf_check(&scratch->entries, out_err);
}

static void vector_append_width(vv_buf *out, uint32_t value, uint32_t width_code)
{
    /* Little endian: the low bytes come first. */
    VV_IGNORE(vv_buf_append(out, &value, (size_t)1 << width_code));
}

/* The directory, and the widths of its members into the second byte of the vector. */
static void vector_write_directory(const vv_rows *rows, const vv_codec_scratch *scratch,
                                   size_t before, size_t times_end, size_t row_ids_end, vv_buf *out)
{
    size_t column_count = rows->column_count;
    uint32_t field_code = vector_width_code(column_count == 0 ? 0 : rows->fields[column_count - 1]);
    uint32_t offset_code = vector_width_code(out->size - before);
    out->data[before + 1] |= (uint8_t)(field_code << VV_VECTOR_FIELD_SHIFT);
    out->data[before + 1] |= (uint8_t)(offset_code << VV_VECTOR_OFFSET_SHIFT);
    vector_append_width(out, (uint32_t)times_end, offset_code);
    if (rows->row_ids != NULL) {
        vector_append_width(out, (uint32_t)row_ids_end, offset_code);
    }
    for (size_t i = 0; i < column_count; ++i) {
        vector_entry entry;
        memcpy(&entry, scratch->entries.data + i * sizeof entry, sizeof entry);
        vector_append_width(out, entry.field, field_code);
        VV_IGNORE(vv_buf_append_u8(out, entry.type));
        VV_IGNORE(vv_buf_append_u8(out, entry.stats_size));
        vector_append_width(out, entry.end, offset_code);
    }
}

static varve_status vector_write_all(const vv_rows *rows, vv_codec_scratch *scratch, vv_buf *out,
                                     varve_error *out_err)
{
    size_t before = out->size;
    VV_IGNORE(vv_buf_append_u8(out, VV_VECTOR_VERSION));
    VV_IGNORE(vv_buf_append_u8(out, rows->row_ids != NULL ? VV_VECTOR_HAS_ROW_IDS : 0));
    VV_IGNORE(vv_buf_append_varint(out, rows->count));
    VV_IGNORE(vv_buf_append_varint(out, rows->column_count));
    bool is_strict = vv_times_write(rows->times, rows->count, scratch, out);
    size_t times_end = out->size - before;
    if (rows->row_ids != NULL) {
        vv_ints_write((const int64_t *)rows->row_ids, rows->count, scratch, out);
    }
    size_t row_ids_end = out->size - before;
    VV_TRY(vv_buf_check(out, out_err));
    out->data[before + 1] |= is_strict ? VV_VECTOR_IS_STRICT : 0;
    VV_TRY(vector_write_columns(rows, scratch, out, before, out_err));
    vector_write_directory(rows, scratch, before, times_end, row_ids_end, out);
    return vv_buf_check(out, out_err);
}

varve_status vv_vector_encode(const vv_rows *rows, vv_codec_scratch *scratch, vv_buf *out,
                              varve_error *out_err)
{
    VV_ASSERT(rows->count >= 1 && rows->count <= VV_VECTOR_ROWS_MAX);
    VV_TRY(vv_buf_check(out, out_err));
    size_t before = out->size;
    varve_status status = vector_write_all(rows, scratch, out, out_err);
    if (status != VARVE_OK) {
        vv_buf_truncate(out, before);
    }
    return status;
}
