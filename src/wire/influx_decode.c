/* SPDX-License-Identifier: Apache-2.0 */

/* Line protocol as one of the formats of wire/decode.h: a row a line. */

#include "base/slice.h"
#include "base/status.h"
#include "wire/decode.h"
#include "wire/influx.h"

typedef struct influx_decode {
    vv_alloc *alloc;  /* borrowed */
    vv_decoder *base; /* borrowed */
    vv_influx parser;
} influx_decode;

static vv_influx_unit influx_decode_unit(const vv_decoder_options *options)
{
    if (options->format_options != NULL) {
        const vv_influx_unit *unit = options->format_options;
        return *unit;
    }
    switch (options->unit) {
    case VARVE_PRECISION_US:
        return VV_INFLUX_US;
    case VARVE_PRECISION_MS:
        return VV_INFLUX_MS;
    case VARVE_PRECISION_S:
        return VV_INFLUX_S;
    default:
        return VV_INFLUX_NS;
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
    vv_influx_options parser = {
        .unit = influx_decode_unit(options),
        .precision = options->precision,
        .now = options->now,
        .line_bytes_max = options->line_bytes_max,
    };
    decode->alloc = alloc;
    decode->base = base;
    vv_influx_init(&decode->parser, alloc, &parser);
    *out_state = decode;
    return VARVE_OK;
}

static varve_status influx_decode_row(influx_decode *decode, const vv_influx_row *row,
                                      varve_error *out_err)
{
    vv_wire_rows rows = {
        .key = row->key,
        .line = row->line,
        .row_count = 1,
        .timestamps = &row->timestamp,
        .field_count = row->count,
        .names = row->names,
        .values = row->values,
    };
    if (row->has_lost_time) {
        vv_decoder_note_lost_digits(decode->base);
    }
    return vv_decoder_rows(decode->base, &rows, out_err);
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
            vv_decoder_reject(decode->base, row.line, 1, &why);
            break;
        case VV_INFLUX_MORE:
            vv_decoder_lines(decode->base, decode->parser.line - 1);
            return VARVE_OK;
        case VV_INFLUX_STOP:
            return vv_fail(out_err, why.status, "line %llu: %s", (unsigned long long)row.line,
                           why.message);
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

static varve_status influx_decode_series(void *state, const vv_wire_rows *rows, vv_arena *arena,
                                         varve_text *out_metric, varve_label **out_labels,
                                         size_t *out_count, varve_error *out_err)
{
    (void)state;
    return vv_influx_key_parse(rows->key, arena, out_metric, out_labels, out_count, out_err);
}

static void influx_decode_free(void *state)
{
    influx_decode *decode = state;
    vv_influx_deinit(&decode->parser);
    vv_alloc_free(decode->alloc, decode, sizeof *decode);
}

const vv_decoder_class vv_decoder_lp = {
    .create = influx_decode_create,
    .feed = influx_decode_feed,
    .end = influx_decode_end,
    .series = influx_decode_series,
    .free = influx_decode_free,
};
