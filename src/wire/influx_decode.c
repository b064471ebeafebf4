/* SPDX-License-Identifier: Apache-2.0 */

/* Line protocol as one of the formats of wire/decode.h: a row a line, or one a field. */

#include <string.h>

#include "base/buf.h"
#include "base/limit.h"
#include "base/reader.h"
#include "base/slice.h"
#include "base/status.h"
#include "wire/decode.h"
#include "wire/influx.h"

typedef struct influx_decode {
    vv_alloc *alloc;  /* borrowed */
    vv_decoder *base; /* borrowed */
    vv_influx_format format;
    vv_influx parser;
    vv_buf key; /* of a field that is a series of its own */
} influx_decode;

static vv_influx_format influx_decode_format(const vv_decoder_options *options)
{
    if (options->format_options != NULL) {
        return *(const vv_influx_format *)options->format_options;
    }
    switch (options->unit) {
    case VARVE_PRECISION_US:
        return (vv_influx_format){.unit = VV_INFLUX_US};
    case VARVE_PRECISION_MS:
        return (vv_influx_format){.unit = VV_INFLUX_MS};
    case VARVE_PRECISION_S:
        return (vv_influx_format){.unit = VV_INFLUX_S};
    default:
        return (vv_influx_format){.unit = VV_INFLUX_NS};
    }
}

static varve_status influx_decode_create(vv_decoder *base, vv_alloc *alloc,
                                         const vv_decoder_options *options, void **out_state,
                                         varve_error *out_err)
{
    influx_decode *decode = vv_alloc_new(alloc, sizeof *decode);
    if (decode == NULL) {
        return vv_fail_nomem(out_err, "a decoder of line protocol", sizeof *decode);
    }
    decode->alloc = alloc;
    decode->base = base;
    decode->format = influx_decode_format(options);
    vv_buf_init(&decode->key, alloc, SIZE_MAX); /* a line is bounded */
    vv_influx_options parser = {
        .unit = decode->format.unit,
        .precision = options->precision,
        .now = options->now,
        .line_bytes_max = options->line_bytes_max,
    };
    vv_influx_init(&decode->parser, alloc, &parser);
    *out_state = decode;
    return VARVE_OK;
}

/* ---- rows ---- */

/**
 * A field as a series of its own: its key is that of the line, the field's name, and the size of
 * that in four bytes, from the least, by which influx_decode_series takes it apart again.
 */
static varve_status influx_decode_field(influx_decode *decode, const vv_influx_row *row,
                                        size_t index, vv_wire_rows *rows, varve_error *out_err)
{
    static const varve_text value = VV_TEXT_INIT("value");
    varve_text name = row->names[index];
    bool is_alone = decode->format.skips_single && row->count == 1;
    if (is_alone || vv_text_equal(name, value)) {
        name = VV_TEXT("");
    }
    vv_buf *key = &decode->key;
    vv_buf_reset(key);
    vv_buf_append_text(key, row->key);
    vv_buf_append_text(key, name);
    vv_buf_append_u32(key, (uint32_t)name.size); /* within a line */
    VV_TRY(vv_buf_check(key, out_err));
    rows->key = vv_buf_text(key);
    rows->names = &value;
    rows->values = &row->values[index];
    rows->field_count = 1;
    return vv_decoder_rows(decode->base, rows, out_err);
}

static varve_status influx_decode_row(influx_decode *decode, const vv_influx_row *row,
                                      varve_error *out_err)
{
    vv_wire_rows rows = {
        .key = row->key,
        .line = row->line,
        .text = row->text,
        .row_count = 1,
        .timestamps = &row->timestamp,
        .field_count = row->count,
        .names = row->names,
        .values = row->values,
    };
    if (row->has_lost_time) {
        vv_decoder_note_lost_digits(decode->base);
    }
    if (!decode->format.is_flat) {
        return vv_decoder_rows(decode->base, &rows, out_err);
    }
    for (size_t index = 0; index < row->count; index++) {
        VV_TRY(influx_decode_field(decode, row, index, &rows, out_err));
    }
    return VARVE_OK;
}

/** A line that is left out, or ends the text. */
static varve_status influx_decode_bad(influx_decode *decode, const vv_influx_row *row,
                                      const varve_error *why, varve_error *out_err)
{
    vv_decoder_reject(decode->base, row->line, row->text, why);
    if (decode->format.is_strict) {
        return vv_fail_limit(out_err, why->status, vv_error_limit(why), "line %llu: %s",
                             (unsigned long long)row->line, why->message);
    }
    return VARVE_OK;
}

static varve_status influx_decode_take(influx_decode *decode, varve_text text, bool is_last,
                                       varve_error *out_err)
{
    vv_influx_feed(&decode->parser, text, is_last);
    for (;;) {
        vv_influx_row row;
        varve_error why;
        switch (vv_influx_next(&decode->parser, &row, &why)) {
        case VV_INFLUX_ROW:
            VV_TRY(influx_decode_row(decode, &row, out_err));
            break;
        case VV_INFLUX_ERROR:
            VV_TRY(influx_decode_bad(decode, &row, &why, out_err));
            break;
        case VV_INFLUX_MORE:
            vv_decoder_lines(decode->base, decode->parser.line - 1);
            return VARVE_OK;
        case VV_INFLUX_STOP:
            return vv_fail_limit(out_err, why.status, vv_error_limit(&why), "line %llu: %s",
                                 (unsigned long long)row.line, why.message);
        }
    }
}

static varve_status influx_decode_feed(void *state, vv_bytes piece, varve_error *out_err)
{
    return influx_decode_take(state, vv_text_of_bytes(piece), false, out_err);
}

static varve_status influx_decode_end(void *state, varve_error *out_err)
{
    return influx_decode_take(state, VV_TEXT(""), true, out_err);
}

/** The key of a line without the name of the field that stands behind it. */
static varve_text influx_decode_split(varve_text key, varve_text *out_field)
{
    vv_reader tail;
    vv_reader_init(&tail, key.data + key.size - 4, 4);
    size_t size = vv_reader_u32(&tail);
    *out_field = vv_text_sub(key, key.size - 4 - size, size);
    return vv_text_sub(key, 0, key.size - 4 - size);
}

static varve_status influx_decode_series(void *state, const vv_wire_rows *rows, vv_arena *arena,
                                         varve_text *out_metric, varve_label **out_labels,
                                         size_t *out_count, varve_error *out_err)
{
    influx_decode *decode = state;
    varve_text field = VV_TEXT("");
    varve_text key = decode->format.is_flat ? influx_decode_split(rows->key, &field) : rows->key;
    VV_TRY(vv_influx_key_parse(key, arena, out_metric, out_labels, out_count, out_err));
    if (field.size == 0) {
        return VARVE_OK;
    }
    varve_text parts[] = {*out_metric, decode->format.separator, field};
    size_t size = parts[0].size + parts[1].size + parts[2].size;
    char *metric = vv_arena_new(arena, size);
    if (metric == NULL) {
        return vv_arena_fail(arena, size, out_err);
    }
    *out_metric = vv_text_make(metric, size);
    for (size_t index = 0; index < VV_ARRAY_COUNT(parts); index++) {
        if (parts[index].size > 0) {
            memcpy(metric, parts[index].data, parts[index].size);
        }
        metric += parts[index].size;
    }
    return VARVE_OK;
}

static void influx_decode_free(void *state)
{
    influx_decode *decode = state;
    vv_influx_deinit(&decode->parser);
    vv_buf_deinit(&decode->key);
    vv_alloc_free(decode->alloc, decode, sizeof *decode);
}

const vv_decoder_class vv_decoder_lp = {
    .create = influx_decode_create,
    .feed = influx_decode_feed,
    .end = influx_decode_end,
    .series = influx_decode_series,
    .free = influx_decode_free,
};
