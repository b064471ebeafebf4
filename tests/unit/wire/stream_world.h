/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams for tests: rows of every type go in, and what a decoder gives out is written down as
 * text, one line a row, with every bit of every value in it.
 */
#ifndef VV_TESTS_UNIT_WIRE_STREAM_WORLD_H
#define VV_TESTS_UNIT_WIRE_STREAM_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/slice.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/rows.h"
#include "support/check.h"
#include "wire/decode.h"
#include "wire/stream.h"

typedef struct stream_world {
    vv_alloc alloc;
    vv_alloc *decoder_alloc; /* that of the decoder */
    vv_arena arena;          /* of rows to write */
    vv_arena names;          /* of one call of the sink */
    vv_buf stream;
    vv_buf wrote; /* rows as text */
    vv_buf got;
    uint64_t got_rows;
    uint64_t got_runs;
    uint64_t got_blocks; /* of the last call of `lines` */
    uint64_t rejected;
    varve_status sink_fails; /* OK, or what the sink answers */
} stream_world;

static inline void world_begin(stream_world *w)
{
    memset(w, 0, sizeof *w);
    vv_alloc_init(&w->alloc, NULL);
    w->decoder_alloc = &w->alloc;
    vv_arena_init(&w->arena, &w->alloc, SIZE_MAX);
    vv_arena_init(&w->names, &w->alloc, SIZE_MAX);
    vv_buf_init(&w->stream, &w->alloc, SIZE_MAX);
    vv_buf_init(&w->wrote, &w->alloc, SIZE_MAX);
    vv_buf_init(&w->got, &w->alloc, SIZE_MAX);
}

static inline void world_forget(stream_world *w)
{
    vv_buf_reset(&w->got);
    w->got_rows = 0;
    w->got_runs = 0;
    w->got_blocks = 0;
    w->rejected = 0;
}

static inline void world_end(stream_world *w)
{
    vv_arena_deinit(&w->arena);
    vv_arena_deinit(&w->names);
    vv_buf_deinit(&w->stream);
    vv_buf_deinit(&w->wrote);
    vv_buf_deinit(&w->got);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

/* ---- rows as text --------------------------------------------------------------------------- */

static inline void world_put_hex(vv_buf *text, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        vv_buf_append_format(text, "%02x", ((const uint8_t *)bytes)[i]);
    }
}

static inline void world_put_value(vv_buf *text, const varve_value *value)
{
    if (value->type == VARVE_TYPE_HISTOGRAM) {
        size_t at = text->size;
        assert_int_equal(vv_histogram_encode(value->as.histogram, text), VARVE_OK);
        uint64_t crc = text->size - at;
        for (size_t i = at; i < text->size; i++) {
            crc = crc * 1099511628211u + text->data[i];
        }
        vv_buf_truncate(text, at);
        vv_buf_append_format(text, "h%016llx", (unsigned long long)crc);
    } else if (vv_type_is_blob(value->type)) {
        world_put_hex(text, value->as.bytes.data, value->as.bytes.size);
    } else if (value->type == VARVE_TYPE_BOOL) {
        vv_buf_append_format(text, "%d", value->as.boolean);
    } else {
        vv_buf_append_format(text, "%016llx", (unsigned long long)value->as.u64);
    }
}

static inline void world_put_rows(vv_buf *text, varve_text metric, const varve_label *labels,
                                  size_t label_count, const int64_t *times, size_t rows,
                                  const varve_text *names, const varve_value *values, size_t fields)
{
    for (size_t row = 0; row < rows; row++) {
        assert_int_equal(vv_series_print(text, metric, labels, label_count), VARVE_OK);
        vv_buf_append_format(text, " %lld", (long long)times[row]);
        for (size_t field = 0; field < fields; field++) {
            const varve_value *value = &values[field * rows + row];
            if (value->type != VARVE_TYPE_NONE) {
                vv_buf_append_format(text, " %.*s=%u:", (int)names[field].size, names[field].data,
                                     value->type);
                world_put_value(text, value);
            }
        }
        vv_buf_append_char(text, '\n');
    }
}

/* ---- writing -------------------------------------------------------------------------------- */

/** Values as a column of an answer. */
static inline varve_column world_column(stream_world *w, const varve_value *values, size_t count)
{
    uint32_t type = VARVE_TYPE_F64;
    for (size_t row = 0; row < count; row++) {
        if (values[row].type != VARVE_TYPE_NONE) {
            type = values[row].type;
        }
    }
    type = type == VARVE_TYPE_BYTES ? (uint32_t)VARVE_TYPE_STRING : type;
    size_t width = type == VARVE_TYPE_HISTOGRAM ? sizeof(varve_histogram) : vv_type_width(type);
    uint64_t *present = vv_arena_zeroed(&w->arena, vv_bits_words(count) * sizeof *present);
    uint64_t *marks = vv_arena_zeroed(&w->arena, vv_bits_words(count) * sizeof *marks);
    uint8_t *target = vv_arena_zeroed(&w->arena, count * width);
    bool are_all = true;
    for (size_t row = 0; row < count; row++) {
        uint64_t bit = UINT64_C(1) << (row % 64);
        const varve_value *value = &values[row];
        if (value->type == VARVE_TYPE_NONE) {
            are_all = false;
            continue;
        }
        present[row / 64] |= bit;
        marks[row / 64] |= value->type == VARVE_TYPE_BYTES ? bit : 0;
        if (type == VARVE_TYPE_HISTOGRAM) {
            memcpy(target + row * width, value->as.histogram, width);
        } else if (type == VARVE_TYPE_BOOL) {
            target[row] = value->as.boolean;
        } else {
            memcpy(target + row * width, &value->as, width);
        }
    }
    return (varve_column){.type = type,
                          .values = target,
                          .present = are_all ? NULL : present,
                          .marks = type == VARVE_TYPE_STRING ? marks : NULL};
}

/** Rows of values, as vv_wire_rows has them, into the stream; and down as text. */
static inline void world_write(stream_world *w, vv_stream_writer *writer, varve_text metric,
                               const varve_label *labels, size_t label_count, const int64_t *times,
                               size_t rows, const varve_text *names, const varve_value *values,
                               size_t fields)
{
    varve_error err;
    varve_column *columns = vv_arena_array(&w->arena, fields, sizeof *columns);
    for (size_t field = 0; field < fields; field++) {
        columns[field] = world_column(w, values + field * rows, rows);
    }
    vv_stream_rows batch = {.metric = metric,
                            .labels = labels,
                            .label_count = label_count,
                            .row_count = rows,
                            .timestamps = times,
                            .names = names,
                            .columns = columns,
                            .column_count = fields};
    check_ok(vv_stream_write_rows(writer, &batch, &w->stream, &err), &err);
    world_put_rows(&w->wrote, metric, labels, label_count, times, rows, names, values, fields);
}

static inline double world_f64(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** Ten rows with every type, some of each missing, three at one time. */
static inline void world_write_types(stream_world *w, vv_stream_writer *writer)
{
    enum { ROWS = 10, FIELDS = 8 };
    static const varve_text names[FIELDS] = {VV_TEXT_INIT("blob"),      VV_TEXT_INIT("bool"),
                                             VV_TEXT_INIT("decimal"),   VV_TEXT_INIT("f64"),
                                             VV_TEXT_INIT("histogram"), VV_TEXT_INIT("i64"),
                                             VV_TEXT_INIT("text"),      VV_TEXT_INIT("u64")};
    static const uint64_t floats[ROWS] = {
        UINT64_C(0x7ff8000000000001), UINT64_C(0xfff00000deadbeef), UINT64_C(0x8000000000000000),
        UINT64_C(0x7ff0000000000000), UINT64_C(0xfff0000000000000), 1,
        UINT64_C(0x3ff3c0ca428c59fb), UINT64_C(0x7fefffffffffffff), 0,
        UINT64_C(0x3fd5555555555555)};
    static const varve_span spans[] = {{-2, 1}, {3, 2}};
    static const int64_t deltas[] = {5, -3, 1000000};
    static const double counts[] = {0.5, 2.25, 1e300};
    static const double bounds[] = {0.1, 0.5};
    static const varve_histogram histograms[] = {{.schema = 3,
                                                  .reset_hint = 2,
                                                  .zero_threshold = 1e-128,
                                                  .sum = -1.5,
                                                  .count.u64 = 77,
                                                  .zero_count.u64 = 2,
                                                  .positive_spans = spans,
                                                  .positive_span_count = 2,
                                                  .positive_deltas = deltas,
                                                  .positive_bucket_count = 3},
                                                 {.flags = VARVE_HISTOGRAM_FLOAT,
                                                  .schema = -53,
                                                  .count.f64 = 7.5,
                                                  .positive_spans = spans,
                                                  .positive_span_count = 2,
                                                  .positive_counts = counts,
                                                  .positive_bucket_count = 3,
                                                  .custom_values = bounds,
                                                  .custom_value_count = 2}};
    static const int64_t times[ROWS] = {INT64_MIN, -7, 0, 5, 5, 5, 9, 10, 1000, INT64_MAX};
    static const varve_label labels[] = {{VV_TEXT_INIT("a"), VV_TEXT_INIT("x y\n\"")},
                                         {VV_TEXT_INIT("empty"), VV_TEXT_INIT("")}};
    varve_value values[FIELDS * ROWS];
    memset(values, 0, sizeof values);
    for (size_t row = 0; row < ROWS; row++) {
        varve_value at[FIELDS] = {
            {.type = VARVE_TYPE_BYTES, .as.bytes = VARVE_STR("\0\xff")},
            {.type = VARVE_TYPE_BOOL, .as.boolean = row % 3 == 0},
            {.type = VARVE_TYPE_F64, .as.f64 = 20.25 + 0.1 * (double)row},
            {.type = VARVE_TYPE_F64, .as.f64 = world_f64(floats[row])},
            {.type = VARVE_TYPE_HISTOGRAM, .as.histogram = &histograms[row % 2]},
            {.type = VARVE_TYPE_I64, .as.i64 = row % 2 == 0 ? INT64_MIN : INT64_MAX},
            {.type = row % 2 == 0 ? VARVE_TYPE_STRING : VARVE_TYPE_BYTES,
             .as.bytes = {.data = "d\xc3\xa9j\xc3\xa0", .size = row == 4 ? 0 : 6}},
            {.type = VARVE_TYPE_U64, .as.u64 = UINT64_MAX - row},
        };
        for (size_t field = 0; field < FIELDS; field++) {
            bool is_there = field == 3 || (row + field) % 4 != 0;
            values[field * ROWS + row] = is_there ? at[field] : (varve_value){.type = 0};
        }
    }
    world_write(w, writer, VV_TEXT("every type"), labels, 2, times, ROWS, names, values, FIELDS);
}

/** Rows of one field on a grid, as most series are. */
static inline void world_write_plain(stream_world *w, vv_stream_writer *writer, const char *host,
                                     int64_t start, size_t rows)
{
    static const varve_text names[] = {VV_TEXT_INIT("value")};
    varve_label label = {VV_TEXT("host"), vv_text_from_string(host)};
    int64_t *times = vv_arena_array(&w->arena, rows, sizeof *times);
    varve_value *values = vv_arena_zeroed(&w->arena, rows * sizeof *values);
    for (size_t row = 0; row < rows; row++) {
        times[row] = start + (int64_t)row * 10000000000;
        values[row].type = VARVE_TYPE_F64;
        values[row].as.f64 = (double)((row * 7919) % 1000) / 10;
    }
    world_write(w, writer, VV_TEXT("cpu"), &label, 1, times, rows, names, values, 1);
}

/** A stream of several blocks. */
static inline void world_write_sample(stream_world *w)
{
    varve_error err;
    vv_stream_writer *writer;
    check_ok(vv_stream_writer_create(&w->alloc, VARVE_PRECISION_NS, &writer, &err), &err);
    world_write_types(w, writer);
    char big[4][2] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        world_write_plain(w, writer, big[i], 1700000000000000000, 1000);
        world_write_plain(w, writer, big[i], 1700010000000000000, 24);
    }
    /* Long texts, so that blocks end by themselves. */
    enum { LONG = 200 * 1024 };
    char *text = vv_arena_new(&w->arena, LONG);
    for (size_t i = 0; i < LONG; i++) {
        text[i] = (char)('a' + i * i % 29 % 23);
    }
    for (int64_t i = 0; i < 3; i++) {
        varve_value value = {.type = VARVE_TYPE_STRING, .as.bytes = {text, LONG}};
        varve_text name = VV_TEXT("text");
        world_write(w, writer, VV_TEXT("log"), NULL, 0, &i, 1, &name, &value, 1);
    }
    world_write_types(w, writer);
    check_ok(vv_stream_write_end(writer, &w->stream, &err), &err);
    vv_stream_writer_free(writer);
}

/** A small stream of four blocks with rows. */
static inline void world_write_small(stream_world *w)
{
    varve_error err;
    vv_stream_writer *writer;
    check_ok(vv_stream_writer_create(&w->alloc, VARVE_PRECISION_NS, &writer, &err), &err);
    world_write_plain(w, writer, "a", 0, 20);
    check_ok(vv_stream_write_block(writer, &w->stream, &err), &err);
    world_write_types(w, writer);
    check_ok(vv_stream_write_block(writer, &w->stream, &err), &err);
    world_write_plain(w, writer, "b", 0, 3);
    world_write_plain(w, writer, "b", 30000000000, 3);
    check_ok(vv_stream_write_block(writer, &w->stream, &err), &err);
    world_write_plain(w, writer, "c", 0, 1);
    check_ok(vv_stream_write_end(writer, &w->stream, &err), &err);
    vv_stream_writer_free(writer);
}

/* ---- reading -------------------------------------------------------------------------------- */

static inline varve_status world_take_rows(void *context, vv_decoder *decoder,
                                           const vv_wire_rows *rows, varve_error *out_err)
{
    stream_world *w = context;
    varve_text metric;
    varve_label *labels;
    size_t label_count;
    if (w->sink_fails != VARVE_OK) {
        return vv_fail(out_err, w->sink_fails, "the sink is full");
    }
    vv_arena_reset(&w->names);
    VV_TRY(vv_decoder_series(decoder, rows, &w->names, &metric, &labels, &label_count, out_err));
    w->got_rows += rows->row_count;
    w->got_runs += 1;
    world_put_rows(&w->got, metric, labels, label_count, rows->timestamps, rows->row_count,
                   rows->names, rows->values, rows->field_count);
    return vv_buf_check(&w->got, out_err);
}

static inline void world_reject(void *context, const vv_wire_bad *bad)
{
    stream_world *w = context;
    w->rejected += bad->count;
}

static inline void world_lines(void *context, uint64_t line)
{
    stream_world *w = context;
    w->got_blocks = line;
}

/** Read a stream in pieces of `piece` bytes. */
static inline varve_status world_read(stream_world *w, vv_bytes stream, size_t piece,
                                      const vv_decoder_options *options, varve_error *err)
{
    vv_decoder *decoder;
    vv_wire_sink sink = {
        .context = w, .rows = world_take_rows, .reject = world_reject, .lines = world_lines};
    world_forget(w);
    VV_TRY(vv_decoder_create(VV_FORMAT_NATIVE, w->decoder_alloc, options, &sink, &decoder, err));
    varve_status status = VARVE_OK;
    for (size_t at = 0; at < stream.size && status == VARVE_OK; at += piece) {
        size_t left = stream.size - at;
        /* A copy of its own, so that address sanitizer sees a read past the piece. */
        size_t size = left < piece ? left : piece;
        uint8_t *copy = malloc(size);
        memcpy(copy, stream.data + at, size);
        status = vv_decoder_feed(decoder, vv_bytes_make(copy, size), err);
        free(copy);
    }
    if (status == VARVE_OK) {
        status = vv_decoder_end(decoder, err);
    }
    vv_decoder_free(decoder);
    return status;
}

static const vv_decoder_options world_options = {.precision = VARVE_PRECISION_NS};

#endif
