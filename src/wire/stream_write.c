/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The stream, written; wire/stream_read.c has the other direction, docs/formats/stream.md the form.
 *
 *     rows of a cursor -> runs in `raw` -> a block: head, payload packed by zstd -> out
 *
 * T1  A block explains itself: it names its series and fields, so that those before it may be lost.
 * T2  A run has at least one field, and every row of it a value: what has none is left out.
 * T3  What a run looks like depends on its rows alone, so equal rows give equal streams.
 */

#include "wire/stream.h"

#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY /* for the database's allocator */
#include <zstd.h>

#include "base/crc.h"
#include "base/status.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "wire/json_lines.h"
#include "wire/stream_priv.h"

/* The library's default; text of exports costs more than packing it. */
#define STREAM_ZSTD_LEVEL 3

/* Packing less gains nothing: frame and headers take about 20 (arbitrary). */
#define STREAM_ZSTD_BYTES_MIN 64u

struct vv_stream_writer {
    vv_alloc *alloc; /* borrowed */
    uint32_t precision;
    bool has_begun;     /* the header is written */
    uint64_t blocks;    /* of rows, closed */
    uint64_t runs;      /* in closed blocks */
    uint64_t rows;      /* in closed blocks */
    uint64_t open_runs; /* in raw */
    uint64_t open_rows;
    uint32_t chain;  /* checksum of the head before */
    vv_buf raw;      /* payload of the block under way */
    vv_buf identity; /* of the run before, in the same block; else empty */
    vv_buf series;   /* identity of the rows under way */
    ZSTD_CCtx *zstd; /* owned */
    varve_value values[VV_STREAM_RUN_ROWS_MAX];
    uint64_t numbers[VV_STREAM_RUN_ROWS_MAX];
};

/* ---- blocks --------------------------------------------------------------------------------- */

static void stream_put_header(vv_stream_writer *writer, vv_buf *out)
{
    size_t at = out->size;
    vv_buf_append(out, VV_STREAM_MAGIC, VV_STREAM_MAGIC_BYTES);
    vv_buf_append_u16(out, VV_STREAM_VERSION);
    vv_buf_append_u16(out, VV_STREAM_HEADER_BYTES);
    vv_buf_append_u32(out, 0);
    vv_buf_append_u8(out, (uint8_t)writer->precision);
    vv_buf_append_fill(out, 0, VV_STREAM_HEADER_BYTES - 17 - 4);
    if (out->status == VARVE_OK) {
        writer->chain = vv_crc32c(0, out->data + at, VV_STREAM_HEADER_BYTES - 4);
        vv_buf_append_u32(out, writer->chain);
    }
    writer->has_begun = true;
}

/** A block whose payload, `size` bytes, lies already behind the room for its head. */
static void stream_put_head(vv_stream_writer *writer, uint8_t kind, uint8_t flags,
                            uint32_t unpacked_bytes, uint8_t *head, size_t size)
{
    uint32_t number = (uint32_t)writer->blocks;
    uint32_t bytes = (uint32_t)size;
    uint32_t payload_crc = vv_crc32c(0, head + VV_STREAM_HEAD_BYTES, size);
    memset(head, 0, VV_STREAM_HEAD_BYTES);
    head[0] = kind;
    head[1] = flags;
    memcpy(head + 4, &number, sizeof number);
    memcpy(head + 8, &bytes, sizeof bytes);
    memcpy(head + 12, &unpacked_bytes, sizeof unpacked_bytes);
    memcpy(head + 16, &payload_crc, sizeof payload_crc);
    uint32_t chain = vv_crc32c(0, &writer->chain, sizeof writer->chain);
    writer->chain = vv_crc32c(chain, head, VV_STREAM_HEAD_BYTES - 4);
    memcpy(head + 20, &writer->chain, sizeof writer->chain);
}

/** Put the payload at `target`, which has room for `capacity`; its size. */
static size_t stream_pack(vv_stream_writer *writer, uint8_t *target, size_t capacity,
                          uint8_t *out_flags)
{
    const vv_buf *raw = &writer->raw;
    if (raw->size >= STREAM_ZSTD_BYTES_MIN) {
        size_t size = ZSTD_compress2(writer->zstd, target, capacity, raw->data, raw->size);
        if (!ZSTD_isError(size) && size < raw->size) {
            *out_flags = VV_STREAM_FLAG_ZSTD;
            return size;
        }
    }
    *out_flags = 0;
    memcpy(target, raw->data, raw->size);
    return raw->size;
}

/** Write what is in `raw` as a block. */
static varve_status stream_put_block(vv_stream_writer *writer, vv_buf *out, varve_error *out_err)
{
    VV_TRY(vv_buf_check(&writer->raw, out_err));
    if (writer->raw.size == 0) {
        return VARVE_OK;
    }
    if (writer->raw.size > VV_STREAM_BLOCK_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a row of %zu bytes exceeds the %d of a block",
                       writer->raw.size, (int)VV_STREAM_BLOCK_BYTES_MAX);
    }
    size_t capacity = ZSTD_compressBound(writer->raw.size);
    size_t at = out->size;
    if (vv_buf_extend(out, VV_STREAM_HEAD_BYTES + capacity) == NULL) {
        return vv_buf_check(out, out_err);
    }
    uint8_t flags;
    uint8_t *head = out->data + at;
    size_t size = stream_pack(writer, head + VV_STREAM_HEAD_BYTES, capacity, &flags);
    stream_put_head(writer, VV_STREAM_KIND_ROWS, flags, (uint32_t)writer->raw.size, head, size);
    vv_buf_truncate(out, at + VV_STREAM_HEAD_BYTES + size);
    writer->blocks += 1;
    writer->runs += writer->open_runs;
    writer->rows += writer->open_rows;
    writer->open_runs = 0;
    writer->open_rows = 0;
    vv_buf_reset(&writer->raw);
    vv_buf_reset(&writer->identity);
    return VARVE_OK;
}

/* ---- columns -------------------------------------------------------------------------------- */

/** Differences of 64-bit numbers, modulo 2^64. */
static void stream_put_deltas(vv_buf *raw, const uint64_t *numbers, size_t count)
{
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        vv_buf_append_zigzag(raw, (int64_t)(numbers[i] - before));
        before = numbers[i];
    }
}

/** Whether value * 10^digits is an integer that gives the value back, bit for bit. */
static bool stream_is_decimal(double value, uint32_t digits, int64_t *out_integer)
{
    double scaled = value * vv_stream_power(digits);
    if (!(scaled >= -(double)VV_STREAM_DECIMAL_MAX && scaled <= (double)VV_STREAM_DECIMAL_MAX)) {
        return false; /* NaN too */
    }
    int64_t integer = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    double again = (double)integer / vv_stream_power(digits);
    *out_integer = integer;
    return memcmp(&again, &value, sizeof value) == 0; /* -0.0 is none */
}

/** The fewest digits that all values need; false when they are no decimals. */
static bool stream_find_digits(const uint64_t *bits, size_t count, uint32_t *out_digits)
{
    uint32_t digits = 0;
    for (size_t i = 0; i < count; i++) {
        double value;
        int64_t integer;
        memcpy(&value, &bits[i], sizeof value);
        while (!stream_is_decimal(value, digits, &integer)) {
            digits += 1;
            if (digits > VV_STREAM_DIGITS_MAX) {
                return false;
            }
        }
    }
    *out_digits = digits;
    /* A value that few digits gave back may not be given back by more. */
    for (size_t i = 0; i < count; i++) {
        double value;
        int64_t integer;
        memcpy(&value, &bits[i], sizeof value);
        if (!stream_is_decimal(value, digits, &integer)) {
            return false;
        }
    }
    return true;
}

static void stream_put_decimals(vv_buf *raw, const uint64_t *bits, size_t count, uint32_t digits)
{
    int64_t before = 0;
    vv_buf_append_u8(raw, (uint8_t)digits);
    for (size_t i = 0; i < count; i++) {
        double value;
        int64_t integer = 0;
        memcpy(&value, &bits[i], sizeof value);
        (void)stream_is_decimal(value, digits, &integer);
        vv_buf_append_zigzag(raw, integer - before);
        before = integer;
    }
}

static void stream_put_planes(vv_buf *raw, const uint64_t *bits, size_t count)
{
    uint8_t *target = vv_buf_extend(raw, count * 8);
    if (target == NULL) {
        return;
    }
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t change = bits[i] ^ before;
        before = bits[i];
        for (size_t plane = 0; plane < 8; plane++) {
            target[plane * count + i] = (uint8_t)(change >> (8 * plane));
        }
    }
}

/** The coding of numbers, and their bytes; a column of the type `type`. */
static uint8_t stream_choose_coding(const uint64_t *bits, size_t count, uint32_t type,
                                    uint32_t *out_digits)
{
    if (type == VARVE_TYPE_F64) {
        return stream_find_digits(bits, count, out_digits) ? VV_STREAM_DECIMAL : VV_STREAM_PLANES;
    }
    size_t size = 0;
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        size += vv_varint_size(vv_zigzag_encode((int64_t)(bits[i] - before)));
        before = bits[i];
    }
    return size < count * 8 ? VV_STREAM_DELTAS : VV_STREAM_PLAIN;
}

static void stream_put_bits(vv_buf *raw, size_t count, bool (*is_set)(const varve_value *value),
                            const varve_value *values)
{
    for (size_t at = 0; at < count; at += 8) {
        uint8_t byte = 0;
        for (size_t i = at; i < count && i < at + 8; i++) {
            byte |= (uint8_t)(is_set(&values[i]) ? 1u << (i - at) : 0);
        }
        vv_buf_append_u8(raw, byte);
    }
}

static bool stream_is_there(const varve_value *value)
{
    return value->type != VARVE_TYPE_NONE;
}

static bool stream_is_bytes(const varve_value *value)
{
    return value->type == VARVE_TYPE_BYTES;
}

static bool stream_is_true(const varve_value *value)
{
    return value->as.boolean;
}

static void stream_put_blobs(vv_buf *raw, const varve_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vv_buf_append_varint(raw, values[i].type == VARVE_TYPE_HISTOGRAM
                                      ? vv_histogram_size(values[i].as.histogram)
                                      : values[i].as.bytes.size);
    }
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == VARVE_TYPE_HISTOGRAM) {
            VV_IGNORE(vv_histogram_encode(values[i].as.histogram, raw)); /* sticky */
        } else {
            vv_buf_append_text(raw, values[i].as.bytes);
        }
    }
}

/** The values of a column that are there, `count` of them, of the type `type`; kind_at is where
 * the coding belongs. */
static void stream_put_values(vv_stream_writer *writer, uint32_t type, size_t count, size_t kind_at)
{
    vv_buf *raw = &writer->raw;
    uint64_t *bits = writer->numbers;
    if (type == VARVE_TYPE_BOOL) {
        stream_put_bits(raw, count, stream_is_true, writer->values);
        return;
    }
    if (vv_type_is_blob(type)) {
        stream_put_blobs(raw, writer->values, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(&bits[i], &writer->values[i].as.u64, sizeof bits[i]);
    }
    uint32_t digits = 0;
    uint8_t coding = stream_choose_coding(bits, count, type, &digits);
    if (raw->status == VARVE_OK) {
        raw->data[kind_at] |= (uint8_t)(coding << VV_STREAM_CODING_SHIFT);
    }
    if (coding == VV_STREAM_DECIMAL) {
        stream_put_decimals(raw, bits, count, digits);
    } else if (coding == VV_STREAM_PLANES) {
        stream_put_planes(raw, bits, count);
    } else if (coding == VV_STREAM_DELTAS) {
        stream_put_deltas(raw, bits, count);
    } else {
        vv_buf_append(raw, bits, count * sizeof *bits);
    }
}

/** A column of a run; one without a value in it is left out. */
static void stream_put_column(vv_stream_writer *writer, varve_text name, const varve_column *column,
                              size_t begin, size_t count)
{
    vv_buf *raw = &writer->raw;
    varve_value *values = writer->values;
    uint32_t type = VARVE_TYPE_NONE;
    size_t present = 0;
    size_t bytes_kinds = 0;
    for (size_t i = 0; i < count; i++) {
        values[i] = vv_column_value(column, begin + i);
        if (stream_is_there(&values[i])) {
            type = values[i].type;
            present += 1;
            bytes_kinds += stream_is_bytes(&values[i]) ? 1 : 0;
        }
    }
    if (present == 0) {
        return;
    }
    bool has_marks = bytes_kinds > 0 && bytes_kinds < present;
    type = has_marks ? (uint32_t)VARVE_TYPE_STRING : type;
    vv_buf_append_varint(raw, name.size);
    vv_buf_append_text(raw, name);
    size_t kind_at = raw->size;
    vv_buf_append_u8(raw, (uint8_t)(type | (present < count ? VV_STREAM_HAS_PRESENCE : 0) |
                                    (has_marks ? VV_STREAM_HAS_MARKS : 0)));
    if (present < count) {
        stream_put_bits(raw, count, stream_is_there, values);
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            values[kept] = values[i];
            kept += stream_is_there(&values[i]) ? 1 : 0;
        }
    }
    if (has_marks) {
        stream_put_bits(raw, present, stream_is_bytes, values);
    }
    stream_put_values(writer, type, present, kind_at);
}

/* ---- runs ----------------------------------------------------------------------------------- */

static bool stream_has_value(const vv_stream_rows *rows, size_t row)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        if (vv_column_has(&rows->columns[i], row)) {
            return true;
        }
    }
    return false;
}

static bool stream_column_has_rows(const varve_column *column, size_t begin, size_t count)
{
    for (size_t row = begin; row < begin + count; row++) {
        if (vv_column_has(column, row)) {
            return true;
        }
    }
    return false;
}

/** About how many bytes of a row are not bounded by its number of fields. */
static size_t stream_row_bytes(const vv_stream_rows *rows, size_t row)
{
    size_t bytes = 0;
    for (size_t i = 0; i < rows->column_count; i++) {
        const varve_column *column = &rows->columns[i];
        uint32_t type = column->codes != NULL ? column->dictionary->type : column->type;
        if (!vv_type_is_blob(type) && type != VARVE_TYPE_MIXED) {
            continue;
        }
        varve_value value = vv_column_value(column, row);
        if (value.type == VARVE_TYPE_HISTOGRAM) {
            bytes += vv_histogram_size(value.as.histogram);
        } else if (vv_type_is_blob(value.type)) {
            bytes += value.as.bytes.size;
        }
    }
    return bytes;
}

/** How many rows from `begin` on make a run: at least 1. The first of them has a value. */
static size_t stream_fit(const vv_stream_rows *rows, size_t begin, size_t *out_bytes)
{
    /* A row has no more fields than a run may have, several together could. */
    size_t row_max =
        rows->column_count > VV_ROW_FIELDS_MAX ? 1 : VV_STREAM_RUN_CELLS_MAX / rows->column_count;
    row_max = row_max < VV_STREAM_RUN_ROWS_MAX ? row_max : VV_STREAM_RUN_ROWS_MAX;
    for (size_t i = 0; i < rows->column_count; i++) {
        row_max = rows->columns[i].type == VARVE_TYPE_MIXED ? 1 : row_max;
    }
    size_t count = 0;
    *out_bytes = 0;
    while (begin + count < rows->row_count && count < row_max) {
        size_t bytes = stream_row_bytes(rows, begin + count);
        if (count > 0 && (*out_bytes + bytes > VV_STREAM_BLOCK_BYTES_AIM ||
                          !stream_has_value(rows, begin + count))) {
            break;
        }
        *out_bytes += bytes;
        count += 1;
    }
    return count;
}

static void stream_put_times(vv_buf *raw, const int64_t *times, size_t count)
{
    uint64_t before = 0;
    uint64_t step = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t next = (uint64_t)times[i] - before;
        vv_buf_append_zigzag(raw, (int64_t)(next - step));
        before = (uint64_t)times[i];
        step = i == 0 ? 0 : next;
    }
}

static void stream_put_run(vv_stream_writer *writer, const vv_stream_rows *rows, size_t begin,
                           size_t count)
{
    vv_buf *raw = &writer->raw;
    if (vv_text_equal(vv_buf_text(&writer->identity), vv_buf_text(&writer->series))) {
        vv_buf_append_varint(raw, 0);
    } else {
        vv_buf_append_varint(raw, writer->series.size);
        vv_buf_append_text(raw, vv_buf_text(&writer->series));
        vv_buf_reset(&writer->identity);
        vv_buf_append_text(&writer->identity, vv_buf_text(&writer->series));
    }
    size_t fields = 0;
    for (size_t i = 0; i < rows->column_count; i++) {
        fields += stream_column_has_rows(&rows->columns[i], begin, count) ? 1 : 0;
    }
    vv_buf_append_varint(raw, count);
    vv_buf_append_varint(raw, fields);
    stream_put_times(raw, rows->timestamps + begin, count);
    for (size_t i = 0; i < rows->column_count; i++) {
        stream_put_column(writer, rows->names[i], &rows->columns[i], begin, count);
    }
    writer->open_runs += 1;
    writer->open_rows += count;
}

/* ---- the whole ------------------------------------------------------------------------------ */

varve_status vv_stream_writer_create(vv_alloc *alloc, uint32_t precision,
                                     vv_stream_writer **out_writer, varve_error *out_err)
{
    *out_writer = NULL;
    vv_stream_writer *writer = vv_alloc_zeroed(alloc, sizeof *writer);
    if (writer == NULL) {
        return vv_fail_nomem(out_err, "a stream", sizeof *writer);
    }
    writer->alloc = alloc;
    writer->precision = precision;
    vv_buf_init(&writer->raw, alloc, SIZE_MAX); /* rows of a cursor bound them */
    vv_buf_init(&writer->identity, alloc, SIZE_MAX);
    vv_buf_init(&writer->series, alloc, SIZE_MAX);
    writer->zstd =
        ZSTD_createCCtx_advanced((ZSTD_customMem){vv_alloc_sized_new, vv_alloc_sized_free, alloc});
    if (writer->zstd == NULL) {
        vv_stream_writer_free(writer);
        return vv_fail(out_err, VARVE_E_NOMEM, "out of memory: a zstd compressor");
    }
    (void)ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, STREAM_ZSTD_LEVEL);
    *out_writer = writer;
    return VARVE_OK;
}

varve_status vv_stream_write_rows(vv_stream_writer *writer, const vv_stream_rows *rows, vv_buf *out,
                                  varve_error *out_err)
{
    if (!writer->has_begun) {
        stream_put_header(writer, out);
    }
    vv_buf_reset(&writer->series);
    VV_IGNORE(vv_series_identity_write(&writer->series, rows->metric, rows->labels,
                                       rows->label_count)); /* sticky */
    VV_TRY(vv_buf_check(&writer->series, out_err));
    size_t begin = 0;
    while (begin < rows->row_count) {
        if (!stream_has_value(rows, begin)) {
            begin += 1; /* T2 */
            continue;
        }
        size_t bytes;
        size_t count = stream_fit(rows, begin, &bytes);
        if (writer->raw.size + bytes > VV_STREAM_BLOCK_BYTES_AIM) {
            VV_TRY(stream_put_block(writer, out, out_err));
        }
        stream_put_run(writer, rows, begin, count);
        if (writer->raw.size >= VV_STREAM_BLOCK_BYTES_AIM) {
            VV_TRY(stream_put_block(writer, out, out_err));
        }
        begin += count;
    }
    VV_TRY(vv_buf_check(&writer->raw, out_err));
    VV_TRY(vv_buf_check(&writer->identity, out_err));
    return vv_buf_check(out, out_err);
}

varve_status vv_stream_write_block(vv_stream_writer *writer, vv_buf *out, varve_error *out_err)
{
    if (!writer->has_begun) {
        stream_put_header(writer, out);
    }
    VV_TRY(stream_put_block(writer, out, out_err));
    return vv_buf_check(out, out_err);
}

varve_status vv_stream_write_end(vv_stream_writer *writer, vv_buf *out, varve_error *out_err)
{
    VV_TRY(vv_stream_write_block(writer, out, out_err));
    size_t at = out->size;
    vv_buf_append_fill(out, 0, VV_STREAM_HEAD_BYTES);
    vv_buf_append_u64(out, writer->blocks);
    vv_buf_append_u64(out, writer->runs);
    vv_buf_append_u64(out, writer->rows);
    VV_TRY(vv_buf_check(out, out_err));
    stream_put_head(writer, VV_STREAM_KIND_END, 0, VV_STREAM_END_BYTES, out->data + at,
                    VV_STREAM_END_BYTES);
    return VARVE_OK;
}

uint64_t vv_stream_writer_closed_rows(const vv_stream_writer *writer)
{
    return writer->rows;
}

uint64_t vv_stream_writer_rows(const vv_stream_writer *writer)
{
    return writer->rows + writer->open_rows;
}

void vv_stream_writer_free(vv_stream_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    (void)ZSTD_freeCCtx(writer->zstd);
    vv_buf_deinit(&writer->raw);
    vv_buf_deinit(&writer->identity);
    vv_buf_deinit(&writer->series);
    vv_alloc_free(writer->alloc, writer, sizeof *writer);
}
