/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON lines as one of the formats of wire/decode.h: a line is rows of one series, and its key is
 * metric and labels, each with its size before it.
 */

#include <string.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "model/time_range.h"
#include "wire/decode.h"
#include "wire/json_lines.h"
#include "wire/lines.h"

/* A parsed line: its text many times over ("1," becomes a value of 32 bytes). */
#define JSON_LINES_DECODE_ARENA_FACTOR 64u

typedef struct json_lines_decode {
    vv_alloc *alloc;                   /* borrowed */
    vv_decoder *base;                  /* borrowed */
    const vv_decoder_options *options; /* borrowed */
    vv_lines lines;
    vv_arena arena; /* of one line */
    vv_buf key;     /* of that line */
    vv_json_line line;
} json_lines_decode;

static varve_status json_lines_decode_create(vv_decoder *base, vv_alloc *alloc,
                                             const vv_decoder_options *options, void **out_state,
                                             varve_error *out_err)
{
    json_lines_decode *decode = vv_alloc_zeroed(alloc, sizeof *decode);
    if (decode == NULL) {
        return vv_fail_nomem(out_err, "a decoder of JSON lines", sizeof *decode);
    }
    size_t bytes_max =
        options->line_bytes_max == 0 ? VV_JSON_LINE_BYTES_MAX : options->line_bytes_max;
    decode->alloc = alloc;
    decode->base = base;
    decode->options = options;
    vv_lines_init(&decode->lines, alloc, bytes_max);
    decode->lines.passes_blank = true;
    vv_arena_init(&decode->arena, alloc, bytes_max * JSON_LINES_DECODE_ARENA_FACTOR);
    vv_buf_init(&decode->key, alloc, SIZE_MAX); /* what it holds is in the arena as well */
    *out_state = decode;
    return VARVE_OK;
}

/** Parse a line; a long one when there is room for its tree. */
static varve_status json_lines_decode_parse(json_lines_decode *decode, varve_text text,
                                            varve_error *out_err)
{
    const vv_json_lines_turns *turns = decode->options->format_options;
    if (turns == NULL || text.size <= turns->free_bytes) {
        return vv_json_lines_parse(text, &decode->arena, &decode->line, out_err);
    }
    VV_TRY(turns->take(turns->context, out_err));
    varve_status status = vv_json_lines_parse(text, &decode->arena, &decode->line, out_err);
    turns->give(turns->context);
    return status;
}

static varve_status json_lines_decode_key(json_lines_decode *decode, varve_error *out_err)
{
    vv_buf *key = &decode->key;
    vv_buf_reset(key);
    vv_buf_append_varint(key, decode->line.metric.size);
    vv_buf_append_text(key, decode->line.metric);
    for (size_t i = 0; i < decode->line.label_count; i++) {
        const varve_label *label = &decode->line.labels[i];
        vv_buf_append_varint(key, label->name.size);
        vv_buf_append_text(key, label->name);
        vv_buf_append_varint(key, label->value.size);
        vv_buf_append_text(key, label->value);
    }
    return vv_buf_check(key, out_err);
}

/**
 * The times in the precision wanted. A row whose time does not fit is rejected and moved out:
 * `kept` of the rows remain, in new arrays.
 */
static varve_status json_lines_decode_times(json_lines_decode *decode, varve_text text,
                                            varve_error *out_err)
{
    vv_json_line *line = &decode->line;
    const vv_decoder_options *options = decode->options;
    size_t count = line->row_count;
    bool has_lost = false;
    if (options->unit == VARVE_PRECISION_STORED || options->unit == options->precision) {
        return VARVE_OK;
    }
    int64_t *times = vv_arena_array(&decode->arena, count + 1, sizeof *times);
    size_t *places = vv_arena_array(&decode->arena, count + 1, sizeof *places);
    if (times == NULL || places == NULL) {
        return vv_arena_fail(&decode->arena, (count + 1) * sizeof *times, out_err);
    }
    size_t kept = 0;
    for (size_t row = 0; row < count; row++) {
        varve_error why;
        if (vv_time_convert(line->timestamps[row], options->unit, options->precision, &times[kept],
                            &has_lost, &why) == VARVE_OK) {
            places[kept] = row;
            kept += 1;
        } else {
            vv_decoder_reject(decode->base, decode->lines.line, text, &why);
        }
    }
    if (has_lost) {
        vv_decoder_note_lost_digits(decode->base);
    }
    line->timestamps = times;
    if (kept < count) {
        varve_value *values =
            vv_arena_array(&decode->arena, kept * line->field_count + 1, sizeof *values);
        if (values == NULL) {
            return vv_arena_fail(&decode->arena, kept * line->field_count, out_err);
        }
        for (size_t i = 0; i < kept * line->field_count; i++) {
            values[i] = line->values[i / kept * count + places[i % kept]];
        }
        line->values = values;
        line->row_count = kept;
    }
    return VARVE_OK;
}

/** A whole line. Only what ends the reading is a failure. */
static varve_status json_lines_decode_line(json_lines_decode *decode, varve_text text,
                                           varve_error *out_err)
{
    text = vv_text_trim(text);
    if (text.size == 0) {
        return VARVE_OK;
    }
    varve_error why;
    vv_arena_reset(&decode->arena);
    varve_status status = json_lines_decode_parse(decode, text, &why);
    if (status == VARVE_OK) {
        status = json_lines_decode_key(decode, &why);
    }
    if (status == VARVE_OK) {
        status = json_lines_decode_times(decode, text, &why);
    }
    if (status == VARVE_E_INVALID || status == VARVE_E_LIMIT) {
        vv_decoder_reject(decode->base, decode->lines.line, text, &why);
        return VARVE_OK;
    }
    if (status != VARVE_OK) {
        *out_err = why;
        return status;
    }
    vv_wire_rows rows = {
        .key = vv_buf_text(&decode->key),
        .line = decode->lines.line,
        .text = text,
        .row_count = decode->line.row_count,
        .timestamps = decode->line.timestamps,
        .field_count = decode->line.field_count,
        .names = decode->line.names,
        .values = decode->line.values,
    };
    return rows.row_count == 0 ? VARVE_OK : vv_decoder_rows(decode->base, &rows, out_err);
}

static varve_status json_lines_decode_take(json_lines_decode *decode, varve_text text, bool is_end,
                                           varve_error *out_err)
{
    vv_lines_feed(&decode->lines, text);
    for (;;) {
        varve_text line;
        bool has_line;
        VV_TRY(vv_lines_next(&decode->lines, is_end, &line, &has_line, out_err));
        if (!has_line) {
            vv_decoder_lines(decode->base, decode->lines.line);
            return VARVE_OK;
        }
        VV_TRY(json_lines_decode_line(decode, line, out_err));
    }
}

static varve_status json_lines_decode_feed(void *state, vv_bytes piece, varve_error *out_err)
{
    return json_lines_decode_take(state, vv_text_of_bytes(piece), false, out_err);
}

static varve_status json_lines_decode_end(void *state, varve_error *out_err)
{
    return json_lines_decode_take(state, VV_TEXT(""), true, out_err);
}

static varve_status json_lines_decode_series(void *state, const vv_wire_rows *rows, vv_arena *arena,
                                             varve_text *out_metric, varve_label **out_labels,
                                             size_t *out_count, varve_error *out_err)
{
    const json_lines_decode *decode = state;
    (void)rows; /* of the line at hand */
    (void)arena;
    (void)out_err;
    *out_metric = decode->line.metric;
    *out_labels = decode->line.labels;
    *out_count = decode->line.label_count;
    return VARVE_OK;
}

static void json_lines_decode_free(void *state)
{
    json_lines_decode *decode = state;
    vv_lines_deinit(&decode->lines);
    vv_arena_deinit(&decode->arena);
    vv_buf_deinit(&decode->key);
    vv_alloc_free(decode->alloc, decode, sizeof *decode);
}

const vv_decoder_class vv_decoder_jsonl = {
    .create = json_lines_decode_create,
    .feed = json_lines_decode_feed,
    .end = json_lines_decode_end,
    .series = json_lines_decode_series,
    .free = json_lines_decode_free,
};
