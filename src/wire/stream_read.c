/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The stream, read; wire/stream_write.c has the other direction, docs/formats/stream.md the form.
 *
 *      HEADER 32 --> HEAD 24 --> PAYLOAD (as the head says) --> HEAD ...
 *                                    `-- of the kind END --> END: nothing may follow
 *
 * T4  A head is used only after its checksum matched, which covers that of the head before; a
 *     payload only after its own did. So blocks cannot be lost, swapped or repeated unnoticed.
 * T5  A payload is read twice: first nothing of it is given out, and everything is checked. A block
 *     is good or refused as a whole.
 * T6  Memory follows from bytes that are there: a payload is gathered as it comes, unpacked up to
 *     the bound of a block, and read run by run in an arena.
 */

#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY /* for the database's allocator */
#include <zstd.h>

#include "base/crc.h"
#include "base/reader.h"
#include "base/status.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/time_range.h"
#include "model/value.h"
#include "wire/decode.h"
#include "wire/stream_priv.h"

/* What a run becomes: values of 32 bytes, histograms of eight times their size. The largest row
 * that the log takes fits, if it is not all histograms. */
#define STREAM_ARENA_BYTES_MAX ((size_t)128 * 1024 * 1024)

typedef enum stream_state {
    STREAM_HEADER,
    STREAM_HEAD,
    STREAM_PAYLOAD,
    STREAM_END,
} stream_state;

typedef struct stream_head {
    uint8_t kind;
    uint8_t flags;
    uint32_t bytes;
    uint32_t unpacked_bytes;
    uint32_t payload_crc;
} stream_head;

typedef struct stream_reader {
    vv_decoder *base; /* borrowed */
    vv_alloc *alloc;  /* borrowed */
    vv_decoder_options options;
    vv_stream_watch watch;
    stream_state state;
    size_t want;          /* bytes of what comes next */
    uint64_t offset;      /* of what comes next */
    uint64_t head_offset; /* of the block under way */
    vv_buf carry;         /* its beginning, when a piece cut it */
    uint32_t precision;   /* of the stream */
    uint32_t chain;       /* checksum of the head before */
    stream_head head;     /* of the block under way */
    uint64_t blocks;      /* heads seen */
    uint64_t row_blocks;  /* of which good, with rows */
    uint64_t runs;
    uint64_t rows;
    vv_buf unpacked;
    vv_arena arena;  /* of one run */
    ZSTD_DCtx *zstd; /* owned */
    /* Of one column: its rows with a value, and their numbers or sizes. */
    uint16_t slots[VV_STREAM_RUN_ROWS_MAX];
    uint64_t numbers[VV_STREAM_RUN_ROWS_MAX];
    uint8_t covered[VV_STREAM_RUN_ROWS_MAX]; /* of one run: the row has a value */
} stream_reader;

/** A run while it is read; arrays lie in the arena, texts in the payload. */
typedef struct stream_run {
    varve_text series; /* identity; that of the run before stays */
    size_t rows;
    size_t fields;
    int64_t *times;
    varve_text *names;
    varve_value *values;
} stream_run;

_Static_assert((int)VV_STREAM_RUN_ROWS_MAX <= UINT16_MAX, "slots are numbers of rows");
_Static_assert((int)VV_ROW_FIELDS_MAX <= (int)VV_STREAM_RUN_CELLS_MAX, "a row fits a run");

/* ---- columns -------------------------------------------------------------------------------- */

/** Bits of `count` things, of which the last byte has nothing else; NULL when that is not so. */
static const uint8_t *stream_get_bits(vv_reader *reader, size_t count)
{
    const uint8_t *bits = vv_reader_bytes(reader, (count + 7) / 8);
    if (bits != NULL && count % 8 != 0 && bits[count / 8] >> (count % 8) != 0) {
        vv_reader_spoil(reader);
        return NULL;
    }
    return bits;
}

static bool stream_bit(const uint8_t *bits, size_t index)
{
    return ((bits[index / 8] >> (index % 8)) & 1) != 0;
}

/** Which rows have a value: their number. */
static size_t stream_get_presence(stream_reader *stream, vv_reader *reader, bool is_listed,
                                  size_t rows)
{
    size_t count = 0;
    const uint8_t *bits = is_listed ? stream_get_bits(reader, rows) : NULL;
    if (is_listed && bits == NULL) {
        return 0;
    }
    for (size_t row = 0; row < rows; row++) {
        if (!is_listed || stream_bit(bits, row)) {
            stream->slots[count] = (uint16_t)row;
            stream->covered[row] = 1;
            count += 1;
        }
    }
    if (is_listed && (count == 0 || count == rows)) {
        vv_reader_spoil(reader);
    }
    return count;
}

static void stream_get_plain(vv_reader *reader, uint64_t *numbers, size_t count)
{
    const uint8_t *bytes = vv_reader_bytes(reader, count * sizeof *numbers);
    if (bytes != NULL) {
        memcpy(numbers, bytes, count * sizeof *numbers);
    }
}

static void stream_get_deltas(vv_reader *reader, uint64_t *numbers, size_t count)
{
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        before += (uint64_t)vv_reader_zigzag(reader);
        numbers[i] = before;
    }
}

static void stream_get_decimals(vv_reader *reader, uint64_t *numbers, size_t count)
{
    uint32_t digits = vv_reader_u8(reader);
    if (digits > VV_STREAM_DIGITS_MAX) {
        vv_reader_spoil(reader);
        return;
    }
    double power = vv_stream_power(digits);
    stream_get_deltas(reader, numbers, count);
    for (size_t i = 0; i < count; i++) {
        double value = (double)(int64_t)numbers[i] / power;
        memcpy(&numbers[i], &value, sizeof value);
    }
}

static void stream_get_planes(vv_reader *reader, uint64_t *numbers, size_t count)
{
    const uint8_t *bytes = vv_reader_bytes(reader, count * 8);
    uint64_t before = 0;
    if (bytes == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t plane = 0; plane < 8; plane++) {
            before ^= (uint64_t)bytes[plane * count + i] << (8 * plane);
        }
        numbers[i] = before;
    }
}

/** Numbers of 64 bits; false for a coding that the type does not have. */
static bool stream_get_numbers(vv_reader *reader, uint32_t type, uint32_t coding, uint64_t *numbers,
                               size_t count)
{
    bool is_float = type == VARVE_TYPE_F64;
    switch (coding) {
    case VV_STREAM_PLAIN:
        stream_get_plain(reader, numbers, count);
        return true;
    case VV_STREAM_DELTAS:
        stream_get_deltas(reader, numbers, count);
        return !is_float;
    case VV_STREAM_DECIMAL:
        stream_get_decimals(reader, numbers, count);
        return is_float;
    case VV_STREAM_PLANES:
        stream_get_planes(reader, numbers, count);
        return is_float;
    default:
        return false;
    }
}

static void stream_get_bools(stream_reader *stream, vv_reader *reader, varve_value *values,
                             size_t count)
{
    const uint8_t *bits = stream_get_bits(reader, count);
    for (size_t i = 0; bits != NULL && i < count; i++) {
        values[stream->slots[i]] =
            (varve_value){.type = VARVE_TYPE_BOOL, .as.boolean = stream_bit(bits, i)};
    }
}

static varve_status stream_get_histogram(stream_reader *stream, varve_text bytes,
                                         varve_value *value, varve_error *out_err)
{
    varve_histogram *histogram = vv_arena_new(&stream->arena, sizeof *histogram);
    if (histogram == NULL) {
        return vv_arena_fail(&stream->arena, sizeof *histogram, out_err);
    }
    VV_TRY(vv_histogram_decode(vv_bytes_of_text(bytes), &stream->arena, histogram, out_err));
    value->as.histogram = histogram;
    return VARVE_OK;
}

/** Strings, bytes, histograms. marks: which of the strings are bytes; NULL: none. */
static varve_status stream_get_blobs(stream_reader *stream, vv_reader *reader, uint32_t type,
                                     const uint8_t *marks, varve_value *values, size_t count,
                                     varve_error *out_err)
{
    for (size_t i = 0; i < count; i++) {
        stream->numbers[i] = vv_reader_varint_max(reader, VV_VALUE_BYTES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        varve_value *value = &values[stream->slots[i]];
        varve_text bytes = vv_reader_text(reader, (size_t)stream->numbers[i]);
        if (vv_reader_is_bad(reader)) {
            return VARVE_OK; /* told by the caller */
        }
        value->type = marks != NULL && stream_bit(marks, i) ? (uint32_t)VARVE_TYPE_BYTES : type;
        if (type == VARVE_TYPE_HISTOGRAM) {
            VV_TRY(stream_get_histogram(stream, bytes, value, out_err));
        } else {
            value->as.bytes = bytes;
        }
        VV_TRY(vv_value_check(value, out_err));
    }
    return VARVE_OK;
}

/** A column into values[0..rows), which hold nothing yet. */
static varve_status stream_get_column(stream_reader *stream, vv_reader *reader, size_t rows,
                                      varve_value *values, varve_error *out_err)
{
    uint32_t kind = vv_reader_u8(reader);
    uint32_t type = kind & VV_STREAM_TYPE_MASK;
    uint32_t coding = kind >> VV_STREAM_CODING_SHIFT;
    bool has_marks = (kind & VV_STREAM_HAS_MARKS) != 0;
    bool is_number = type == VARVE_TYPE_F64 || type == VARVE_TYPE_I64 || type == VARVE_TYPE_U64;
    size_t count = stream_get_presence(stream, reader, (kind & VV_STREAM_HAS_PRESENCE) != 0, rows);
    if (type == VARVE_TYPE_NONE || (has_marks && type != VARVE_TYPE_STRING) ||
        (!is_number && coding != 0)) {
        vv_reader_spoil(reader);
        return VARVE_OK;
    }
    if (type == VARVE_TYPE_BOOL) {
        stream_get_bools(stream, reader, values, count);
        return VARVE_OK;
    }
    if (!is_number) {
        const uint8_t *marks = has_marks ? stream_get_bits(reader, count) : NULL;
        return stream_get_blobs(stream, reader, type, marks, values, count, out_err);
    }
    if (!stream_get_numbers(reader, type, coding, stream->numbers, count)) {
        vv_reader_spoil(reader);
    }
    for (size_t i = 0; !vv_reader_is_bad(reader) && i < count; i++) {
        varve_value *value = &values[stream->slots[i]];
        value->type = type;
        memcpy(&value->as.u64, &stream->numbers[i], sizeof value->as.u64);
    }
    return VARVE_OK;
}

/* ---- runs ----------------------------------------------------------------------------------- */

static varve_status stream_get_times(stream_reader *stream, vv_reader *reader, int64_t *times,
                                     size_t count, varve_error *out_err)
{
    uint64_t before = 0;
    uint64_t step = 0;
    bool has_lost = false;
    for (size_t i = 0; i < count; i++) {
        uint64_t next = step + (uint64_t)vv_reader_zigzag(reader);
        before += next;
        step = i == 0 ? 0 : next;
        VV_TRY(vv_time_convert((int64_t)before, stream->precision, stream->options.precision,
                               &times[i], &has_lost, out_err));
    }
    if (has_lost) {
        vv_decoder_note_lost_digits(stream->base);
    }
    return VARVE_OK;
}

/** Fields ascend by name, so none comes twice. */
static varve_status stream_get_name(vv_reader *reader, stream_run *run, size_t field,
                                    varve_error *out_err)
{
    varve_text name =
        vv_reader_text(reader, (size_t)vv_reader_varint_max(reader, VV_FIELD_NAME_BYTES_MAX));
    if (vv_reader_is_bad(reader)) {
        return VARVE_OK;
    }
    VV_TRY(vv_field_name_check(name, out_err));
    if (field > 0 && vv_text_compare(run->names[field - 1], name) >= 0) {
        vv_reader_spoil(reader);
    }
    run->names[field] = name;
    return VARVE_OK;
}

/** No text can name such a label, since it means the metric there; so no stream brings one. */
static varve_status stream_check_labels(const varve_label *labels, size_t count,
                                        varve_error *out_err)
{
    for (size_t i = 0; i < count; i++) {
        if (vv_text_equal(labels[i].name, VV_TEXT(VV_METRIC_LABEL))) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "the label \"" VV_METRIC_LABEL "\" is the metric's");
        }
    }
    return VARVE_OK;
}

/** Sizes of a run, its series, and memory for it. */
static varve_status stream_get_shape(stream_reader *stream, vv_reader *reader, stream_run *run,
                                     varve_error *out_err)
{
    varve_text series = vv_reader_text(reader, (size_t)vv_reader_varint(reader));
    run->rows = (size_t)vv_reader_varint_max(reader, VV_STREAM_RUN_ROWS_MAX);
    run->fields = (size_t)vv_reader_varint_max(reader, VV_ROW_FIELDS_MAX);
    run->series = series.size > 0 ? series : run->series;
    if (run->series.size == 0 || run->rows == 0 || run->fields == 0 ||
        run->rows * run->fields > VV_STREAM_RUN_CELLS_MAX) {
        vv_reader_spoil(reader);
        return VARVE_OK;
    }
    if (series.size > 0) {
        varve_text metric;
        const varve_label *labels;
        size_t label_count;
        VV_TRY(vv_series_identity_read(vv_bytes_of_text(series), &stream->arena, &metric, &labels,
                                       &label_count, out_err));
        VV_TRY(stream_check_labels(labels, label_count, out_err));
    }
    size_t cells = run->rows * run->fields;
    run->times = vv_arena_array(&stream->arena, run->rows, sizeof *run->times);
    run->names = vv_arena_array(&stream->arena, run->fields, sizeof *run->names);
    run->values = vv_arena_zeroed(&stream->arena, cells * sizeof *run->values);
    if (run->times == NULL || run->names == NULL || run->values == NULL) {
        return vv_arena_fail(&stream->arena, cells * sizeof *run->values, out_err);
    }
    return VARVE_OK;
}

/** The next run; what makes no sense turns the reader bad, or is told. */
static varve_status stream_get_run(stream_reader *stream, vv_reader *reader, stream_run *run,
                                   varve_error *out_err)
{
    vv_arena_reset(&stream->arena);
    VV_TRY(stream_get_shape(stream, reader, run, out_err));
    if (vv_reader_is_bad(reader)) {
        return VARVE_OK;
    }
    memset(stream->covered, 0, run->rows);
    VV_TRY(stream_get_times(stream, reader, run->times, run->rows, out_err));
    for (size_t field = 0; field < run->fields && !vv_reader_is_bad(reader); field++) {
        VV_TRY(stream_get_name(reader, run, field, out_err));
        VV_TRY(
            stream_get_column(stream, reader, run->rows, run->values + field * run->rows, out_err));
    }
    if (memchr(stream->covered, 0, run->rows) != NULL) {
        vv_reader_spoil(reader);
    }
    return VARVE_OK;
}

/** Walk the runs of a payload: to check them, or to give them to the sink (T5). */
static varve_status stream_walk(stream_reader *stream, vv_bytes payload, bool gives,
                                vv_stream_block *block, varve_error *out_err)
{
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    stream_run run = {.series = {.data = NULL}};
    block->runs = 0;
    block->rows = 0;
    while (!vv_reader_is_done(&reader)) {
        VV_TRY(stream_get_run(stream, &reader, &run, out_err));
        block->runs += 1;
        if (vv_reader_is_bad(&reader)) {
            return vv_fail(out_err, VARVE_E_INVALID, "run %llu makes no sense",
                           (unsigned long long)block->runs);
        }
        block->rows += run.rows;
        if (gives) {
            vv_wire_rows rows = {.key = run.series,
                                 .line = block->number,
                                 .row_count = run.rows,
                                 .timestamps = run.times,
                                 .field_count = run.fields,
                                 .names = run.names,
                                 .values = run.values};
            VV_TRY(vv_decoder_rows(stream->base, &rows, out_err));
        }
    }
    return VARVE_OK;
}

/* ---- blocks --------------------------------------------------------------------------------- */

/** What is wrong with the block under way. */
static varve_status stream_refuse(const stream_reader *stream, varve_status status,
                                  varve_error *out_err)
{
    vv_error_prefix(out_err, "block %llu at byte %llu", (unsigned long long)stream->blocks + 1,
                    (unsigned long long)stream->head_offset);
    if (status == VARVE_E_CORRUPT) { /* of what model reads: here it is the sender's mistake */
        status = VARVE_E_INVALID;
        if (out_err != NULL) {
            out_err->status = status;
        }
    }
    return status;
}

static varve_status stream_unpack(stream_reader *stream, vv_bytes payload, vv_bytes *out_bytes,
                                  varve_error *out_err)
{
    if ((stream->head.flags & VV_STREAM_FLAG_ZSTD) == 0) {
        *out_bytes = payload;
        return VARVE_OK;
    }
    vv_buf_reset(&stream->unpacked);
    uint8_t *target = vv_buf_extend(&stream->unpacked, stream->head.unpacked_bytes);
    if (target == NULL) {
        return vv_buf_check(&stream->unpacked, out_err);
    }
    size_t size = ZSTD_decompressDCtx(stream->zstd, target, stream->head.unpacked_bytes,
                                      payload.data, payload.size);
    if (ZSTD_isError(size)) {
        return vv_fail(out_err, VARVE_E_INVALID, "zstd: %s", ZSTD_getErrorName(size));
    }
    if (size != stream->head.unpacked_bytes) {
        return vv_fail(out_err, VARVE_E_INVALID, "unpacks to %zu bytes, not to %u", size,
                       stream->head.unpacked_bytes);
    }
    *out_bytes = vv_buf_bytes(&stream->unpacked);
    return VARVE_OK;
}

static varve_status stream_take_end(stream_reader *stream, vv_bytes payload, varve_error *out_err)
{
    vv_reader reader = vv_reader_of(payload.data, payload.size);
    uint64_t blocks = vv_reader_u64(&reader);
    uint64_t runs = vv_reader_u64(&reader);
    uint64_t rows = vv_reader_u64(&reader);
    if (!vv_reader_is_done(&reader)) {
        return vv_fail(out_err, VARVE_E_INVALID, "the end has %zu bytes, not %d", payload.size,
                       (int)VV_STREAM_END_BYTES);
    }
    if (blocks != stream->row_blocks || runs != stream->runs || rows != stream->rows) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "the end tells of %llu blocks and %llu rows, but there were %llu and %llu",
                       (unsigned long long)blocks, (unsigned long long)rows,
                       (unsigned long long)stream->row_blocks, (unsigned long long)stream->rows);
    }
    return VARVE_OK;
}

/** Check a payload whole; *out_bytes is what it unpacks to. */
static varve_status stream_check_payload(stream_reader *stream, vv_bytes payload,
                                         vv_stream_block *block, vv_bytes *out_bytes,
                                         varve_error *out_err)
{
    if (vv_crc32c(0, payload.data, payload.size) != stream->head.payload_crc) {
        return vv_fail(out_err, VARVE_E_INVALID, "the checksum of its payload does not match");
    }
    if (block->is_skipped) {
        return VARVE_OK;
    }
    VV_TRY(stream_unpack(stream, payload, out_bytes, out_err));
    return block->is_end ? stream_take_end(stream, *out_bytes, out_err)
                         : stream_walk(stream, *out_bytes, false, block, out_err);
}

static varve_status stream_take_payload(stream_reader *stream, vv_bytes payload,
                                        varve_error *out_err)
{
    const stream_head *head = &stream->head;
    vv_stream_block block = {.number = stream->blocks + 1,
                             .offset = stream->head_offset,
                             .bytes = head->bytes,
                             .unpacked_bytes = head->unpacked_bytes,
                             .is_end = head->kind == VV_STREAM_KIND_END,
                             .is_skipped = head->kind >= VV_STREAM_KIND_OPTIONAL};
    vv_bytes bytes = {.data = NULL};
    varve_status status = stream_check_payload(stream, payload, &block, &bytes, out_err);
    if (status != VARVE_OK) {
        return stream_refuse(stream, status, out_err);
    }
    if (!block.is_end && !block.is_skipped) {
        VV_TRY(stream_walk(stream, bytes, true, &block, out_err));
        stream->row_blocks += 1;
        stream->runs += block.runs;
        stream->rows += block.rows;
    }
    stream->blocks += 1;
    vv_decoder_lines(stream->base, block.number);
    if (stream->watch.block != NULL) {
        stream->watch.block(stream->watch.context, &block);
    }
    stream->state = block.is_end ? STREAM_END : STREAM_HEAD;
    stream->want = VV_STREAM_HEAD_BYTES;
    return VARVE_OK;
}

static varve_status stream_check_head(const stream_reader *stream, uint32_t number, uint16_t zero,
                                      varve_error *out_err)
{
    const stream_head *head = &stream->head;
    size_t bytes_max = VV_STREAM_BLOCK_BYTES_MAX;
    if (stream->options.line_bytes_max != 0 && stream->options.line_bytes_max < bytes_max) {
        bytes_max = stream->options.line_bytes_max;
    }
    if (number != (uint32_t)stream->blocks) {
        return vv_fail(out_err, VARVE_E_INVALID, "it says that it is block %llu",
                       (unsigned long long)number + 1);
    }
    if (head->kind < VV_STREAM_KIND_OPTIONAL && head->kind != VV_STREAM_KIND_ROWS &&
        head->kind != VV_STREAM_KIND_END) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED, "kind %u: a later version of varve wrote it",
                       head->kind);
    }
    if (zero != 0 || (head->flags & ~(unsigned)VV_STREAM_FLAG_ZSTD) != 0) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED, "flags %#x: a later version of varve wrote it",
                       (unsigned)head->flags | (unsigned)zero << 8);
    }
    if (head->bytes == 0 || (head->flags == 0 && head->bytes != head->unpacked_bytes)) {
        return vv_fail(out_err, VARVE_E_INVALID, "%u bytes cannot be %u unpacked", head->bytes,
                       head->unpacked_bytes);
    }
    if (head->bytes > bytes_max || head->unpacked_bytes > bytes_max) {
        return vv_fail(out_err, VARVE_E_LIMIT, "%u bytes, %u unpacked; at most %zu are taken",
                       head->bytes, head->unpacked_bytes, bytes_max);
    }
    return VARVE_OK;
}

static varve_status stream_take_head(stream_reader *stream, vv_bytes bytes, varve_error *out_err)
{
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    stream->head_offset = stream->offset;
    stream->head.kind = vv_reader_u8(&reader);
    stream->head.flags = vv_reader_u8(&reader);
    uint16_t zero = vv_reader_u16(&reader);
    uint32_t number = vv_reader_u32(&reader);
    stream->head.bytes = vv_reader_u32(&reader);
    stream->head.unpacked_bytes = vv_reader_u32(&reader);
    stream->head.payload_crc = vv_reader_u32(&reader);
    uint32_t head_crc = vv_reader_u32(&reader);
    uint32_t chain = vv_crc32c(0, &stream->chain, sizeof stream->chain);
    varve_status status;
    if (vv_crc32c(chain, bytes.data, VV_STREAM_HEAD_BYTES - 4) != head_crc) {
        status = vv_fail(out_err, VARVE_E_INVALID, "the checksum of its head does not match");
    } else {
        status = stream_check_head(stream, number, zero, out_err);
    }
    if (status != VARVE_OK) {
        return stream_refuse(stream, status, out_err);
    }
    stream->chain = head_crc;
    stream->state = STREAM_PAYLOAD;
    stream->want = stream->head.bytes;
    return VARVE_OK;
}

static varve_status stream_take_header(stream_reader *stream, vv_bytes bytes, varve_error *out_err)
{
    vv_reader reader = vv_reader_of(bytes.data, bytes.size);
    varve_text magic = vv_reader_text(&reader, VV_STREAM_MAGIC_BYTES);
    uint32_t version = vv_reader_u16(&reader);
    uint32_t size = vv_reader_u16(&reader);
    uint32_t flags = vv_reader_u32(&reader);
    stream->precision = vv_reader_u8(&reader);
    bool is_zero = true;
    for (size_t i = 0; i < VV_STREAM_ZERO_BYTES; i++) {
        is_zero = vv_reader_u8(&reader) == 0 && is_zero;
    }
    memcpy(&stream->chain, bytes.data + VV_STREAM_HEADER_BYTES - 4, sizeof stream->chain);
    if (!vv_text_equal(magic, VV_TEXT(VV_STREAM_MAGIC))) {
        return vv_fail(out_err, VARVE_E_INVALID, "this is no stream of varve");
    }
    if (vv_crc32c(0, bytes.data, VV_STREAM_HEADER_BYTES - 4) != stream->chain) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "the checksum of the stream's header does not match");
    }
    if (version != VV_STREAM_VERSION || size != VV_STREAM_HEADER_BYTES || flags != 0) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "stream of version %u, flags %#x; this varve reads version %d", version,
                       flags, (int)VV_STREAM_VERSION);
    }
    if (!is_zero) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "the stream's header has something where this varve knows of nothing: a "
                       "later version wrote it");
    }
    if (vv_precision_per_second(stream->precision) == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "the stream's header names precision %u",
                       stream->precision);
    }
    if (stream->watch.header != NULL) {
        stream->watch.header(stream->watch.context, version, stream->precision);
    }
    stream->state = STREAM_HEAD;
    stream->want = VV_STREAM_HEAD_BYTES;
    return VARVE_OK;
}

/** What was wanted is there. */
static varve_status stream_take(stream_reader *stream, vv_bytes bytes, varve_error *out_err)
{
    switch (stream->state) {
    case STREAM_HEADER:
        VV_TRY(stream_take_header(stream, bytes, out_err));
        break;
    case STREAM_HEAD:
        VV_TRY(stream_take_head(stream, bytes, out_err));
        break;
    case STREAM_PAYLOAD:
        VV_TRY(stream_take_payload(stream, bytes, out_err));
        break;
    case STREAM_END:
        break;
    }
    stream->offset += bytes.size;
    return VARVE_OK;
}

/* ---- the decoder ---------------------------------------------------------------------------- */

static void stream_reader_free(void *state)
{
    stream_reader *stream = state;
    if (stream == NULL) {
        return;
    }
    (void)ZSTD_freeDCtx(stream->zstd);
    vv_arena_deinit(&stream->arena);
    vv_buf_deinit(&stream->unpacked);
    vv_buf_deinit(&stream->carry);
    vv_alloc_free(stream->alloc, stream, sizeof *stream);
}

static varve_status stream_reader_create(vv_decoder *base, vv_alloc *alloc,
                                         const vv_decoder_options *options, void **out_state,
                                         varve_error *out_err)
{
    *out_state = NULL;
    stream_reader *stream = vv_alloc_zeroed(alloc, sizeof *stream);
    if (stream == NULL) {
        return vv_fail_nomem(out_err, "a stream", sizeof *stream);
    }
    stream->base = base;
    stream->alloc = alloc;
    stream->options = *options;
    stream->want = VV_STREAM_HEADER_BYTES;
    if (options->format_options != NULL) {
        stream->watch = *(const vv_stream_watch *)options->format_options;
    }
    vv_arena_init(&stream->arena, alloc, STREAM_ARENA_BYTES_MAX);
    vv_buf_init(&stream->carry, alloc, VV_STREAM_BLOCK_BYTES_MAX);
    vv_buf_init(&stream->unpacked, alloc, VV_STREAM_BLOCK_BYTES_MAX);
    stream->zstd =
        ZSTD_createDCtx_advanced((ZSTD_customMem){vv_alloc_sized_new, vv_alloc_sized_free, alloc});
    if (stream->zstd == NULL) {
        stream_reader_free(stream);
        return vv_fail(out_err, VARVE_E_NOMEM, "out of memory: a zstd decompressor");
    }
    *out_state = stream;
    return VARVE_OK;
}

static varve_status stream_reader_feed(void *state, vv_bytes piece, varve_error *out_err)
{
    stream_reader *stream = state;
    while (piece.size > 0) {
        if (stream->state == STREAM_END) {
            return vv_fail(out_err, VARVE_E_INVALID, "byte %llu: something follows the end",
                           (unsigned long long)stream->offset);
        }
        size_t missing = stream->want - stream->carry.size;
        size_t size = piece.size < missing ? piece.size : missing;
        vv_bytes unit = vv_bytes_make(piece.data, size);
        piece = vv_bytes_make(piece.data + size, piece.size - size);
        if (size < missing || stream->carry.size > 0) {
            vv_buf_append(&stream->carry, unit.data, unit.size);
            VV_TRY(vv_buf_check(&stream->carry, out_err));
            unit = vv_buf_bytes(&stream->carry);
        }
        if (size == missing) {
            VV_TRY(stream_take(stream, unit, out_err));
            vv_buf_reset(&stream->carry);
        }
    }
    return VARVE_OK;
}

static varve_status stream_reader_end(void *state, varve_error *out_err)
{
    const stream_reader *stream = state;
    uint64_t end = stream->offset + stream->carry.size;
    if (stream->state == STREAM_END) {
        return VARVE_OK;
    }
    if (stream->state == STREAM_HEADER) {
        return vv_fail(out_err, VARVE_E_INVALID, "%llu bytes are no stream of varve",
                       (unsigned long long)end);
    }
    return vv_fail(out_err, VARVE_E_INVALID,
                   "block %llu: the stream was cut at byte %llu; %llu rows before it are whole",
                   (unsigned long long)stream->blocks + 1, (unsigned long long)end,
                   (unsigned long long)stream->rows);
}

static varve_status stream_reader_series(void *state, const vv_wire_rows *rows, vv_arena *arena,
                                         varve_text *out_metric, varve_label **out_labels,
                                         size_t *out_count, varve_error *out_err)
{
    (void)state;
    const varve_label *labels;
    VV_TRY(vv_series_identity_read(vv_bytes_of_text(rows->key), arena, out_metric, &labels,
                                   out_count, out_err));
    *out_labels = vv_arena_array(arena, *out_count, sizeof **out_labels);
    if (*out_labels == NULL) {
        return vv_arena_fail(arena, *out_count * sizeof **out_labels, out_err);
    }
    for (size_t i = 0; i < *out_count; i++) {
        (*out_labels)[i] = labels[i];
    }
    return VARVE_OK;
}

const vv_decoder_class vv_decoder_native = {
    .create = stream_reader_create,
    .feed = stream_reader_feed,
    .end = stream_reader_end,
    .series = stream_reader_series,
    .free = stream_reader_free,
};
