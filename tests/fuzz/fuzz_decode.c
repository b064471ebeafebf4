/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every format of wire/decode.h: no bytes break a decoder, and how they are cut into pieces changes
 * no call of the sink. The first byte of the input chooses the format (from 128 on, of line
 * protocol with fields as series of their own), the second the cuts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/status.h"
#include "wire/decode.h"
#include "wire/influx.h"
#include "wire/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_decode_require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/** What the sink was called with. */
typedef struct fuzz_decode_outcome {
    vv_arena arena;
    uint64_t digest;
    uint64_t lines;
    varve_status status;
} fuzz_decode_outcome;

static void fuzz_decode_mix(fuzz_decode_outcome *out, const void *bytes, size_t size)
{
    out->digest = vv_hash64(bytes, size, out->digest + size);
}

static void fuzz_decode_mix_text(fuzz_decode_outcome *out, varve_text text)
{
    fuzz_decode_mix(out, text.size == 0 ? "" : text.data, text.size);
}

static void fuzz_decode_mix_value(fuzz_decode_outcome *out, const varve_value *value)
{
    fuzz_decode_mix(out, &value->type, sizeof value->type);
    switch (value->type) {
    case VARVE_TYPE_STRING:
    case VARVE_TYPE_BYTES:
        fuzz_decode_mix_text(out, value->as.bytes);
        break;
    case VARVE_TYPE_NONE:
    case VARVE_TYPE_BOOL:
    case VARVE_TYPE_HISTOGRAM:
        break;
    default: /* numbers */
        fuzz_decode_mix(out, &value->as.u64, sizeof value->as.u64);
        break;
    }
}

static varve_status fuzz_decode_rows(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                                     varve_error *out_err)
{
    fuzz_decode_outcome *out = context;
    varve_text metric;
    varve_label *labels;
    size_t count;
    fuzz_decode_require(rows->key.size > 0 && rows->row_count > 0 && rows->line > out->lines);
    fuzz_decode_mix(out, &rows->line, sizeof rows->line);
    fuzz_decode_mix_text(out, rows->key);
    fuzz_decode_mix_text(out, rows->text);
    fuzz_decode_mix(out, rows->timestamps, rows->row_count * sizeof *rows->timestamps);
    for (size_t f = 0; f < rows->field_count; f++) {
        fuzz_decode_mix_text(out, rows->names[f]);
        for (size_t r = 0; r < rows->row_count; r++) {
            fuzz_decode_mix_value(out, &rows->values[f * rows->row_count + r]);
        }
    }
    vv_arena_reset(&out->arena);
    varve_status status =
        vv_decoder_series(decoder, rows, &out->arena, &metric, &labels, &count, out_err);
    fuzz_decode_require(status == VARVE_OK || status == VARVE_E_INVALID || status == VARVE_E_LIMIT);
    bool has_extra = false;
    for (size_t i = 0; status == VARVE_OK && i < count; i++) {
        fuzz_decode_mix_text(out, labels[i].name);
        fuzz_decode_mix_text(out, labels[i].value);
        has_extra = has_extra || vv_text_equal(labels[i].name, VV_TEXT("extra"));
    }
    fuzz_decode_require(has_extra || status != VARVE_OK);
    return VARVE_OK;
}

static void fuzz_decode_reject(void *context, const vv_wire_bad *bad)
{
    fuzz_decode_outcome *out = context;
    fuzz_decode_require(bad->line > 0 && bad->count > 0 && bad->why->status != VARVE_OK);
    fuzz_decode_require(bad->text.size > 0);
    fuzz_decode_mix(out, &bad->line, sizeof bad->line);
    fuzz_decode_mix(out, &bad->count, sizeof bad->count);
    fuzz_decode_mix_text(out, bad->text);
}

static void fuzz_decode_lines(void *context, uint64_t line)
{
    fuzz_decode_outcome *out = context;
    fuzz_decode_require(line >= out->lines);
    out->lines = line;
}

static void fuzz_decode_run(uint8_t chosen, vv_bytes text, size_t piece, vv_alloc *alloc,
                            fuzz_decode_outcome *out)
{
    static const vv_influx_format flat = {
        .unit = VV_INFLUX_AUTO, .is_flat = true, .separator = VV_TEXT_INIT("_")};
    vv_format format = (vv_format)(chosen % VV_FORMAT_COUNT);
    varve_label extra = {VARVE_STR("extra"), VARVE_STR("x")};
    vv_decoder_options options = {.precision = VARVE_PRECISION_MS,
                                  .unit = VARVE_PRECISION_STORED,
                                  .line_bytes_max = 4096,
                                  .extra = &extra,
                                  .extra_count = 1};
    if (format == VV_FORMAT_LP && chosen >= 128) {
        options.format_options = &flat;
    }
    vv_wire_sink sink = {.context = out,
                         .rows = fuzz_decode_rows,
                         .reject = fuzz_decode_reject,
                         .lines = fuzz_decode_lines};
    vv_decoder *decoder;
    *out = (fuzz_decode_outcome){.status = VARVE_OK};
    vv_arena_init(&out->arena, alloc, SIZE_MAX);
    out->status = vv_decoder_create(format, alloc, &options, &sink, &decoder, NULL);
    for (size_t at = 0; out->status == VARVE_OK && at < text.size; at += piece) {
        size_t part = text.size - at < piece ? text.size - at : piece;
        out->status = vv_decoder_feed(decoder, vv_bytes_make(text.data + at, part), NULL);
    }
    if (out->status == VARVE_OK) {
        out->status = vv_decoder_end(decoder, NULL);
    }
    vv_decoder_free(decoder);
    vv_arena_deinit(&out->arena);
}

/** Lines, cut: the same ones. */
static void fuzz_decode_count_lines(vv_bytes text, size_t piece, vv_alloc *alloc, uint64_t *out)
{
    vv_lines lines;
    vv_lines_init(&lines, alloc, 64);
    varve_status status = VARVE_OK;
    for (size_t at = 0; status == VARVE_OK && at <= text.size; at += piece) {
        bool is_end = text.size - at < piece;
        bool has_line = true;
        vv_lines_feed(&lines, vv_text_sub(vv_text_of_bytes(text), at, piece));
        while (status == VARVE_OK && has_line) {
            varve_text line;
            status = vv_lines_next(&lines, is_end, &line, &has_line, NULL);
        }
    }
    *out = lines.line + (status == VARVE_OK ? 0 : UINT64_C(1) << 32);
    vv_lines_deinit(&lines);
}

static bool fuzz_decode_is_comment(varve_text line)
{
    return line.size % 2 == 1;
}

/** Whether a line, without its line feed, is passed over; slowly. */
static bool fuzz_decode_is_blank(varve_text line, size_t bytes_max)
{
    size_t at = 0;
    while (at < line.size && (line.data[at] == ' ' || line.data[at] == '\t')) {
        at += 1;
    }
    varve_text rest = vv_text_sub(line, at, line.size);
    bool is_idle = rest.size == 0 || vv_text_equal(rest, VV_TEXT("\r")) ||
                   (rest.data[0] == '#' && fuzz_decode_is_comment(rest));
    return is_idle && line.size <= bytes_max;
}

/** Lines that say nothing are those that a slow reader finds. */
static void fuzz_decode_skip_lines(varve_text text, size_t bytes_max)
{
    uint64_t lines[2] = {0, 0};
    uint64_t wanted[2] = {0, 0};
    size_t sizes[2] = {0, 0};
    bool goes_on[2] = {true, true};
    for (size_t at = 0; goes_on[0] || goes_on[1];) {
        varve_text rest = vv_text_sub(text, at, text.size);
        size_t size = vv_text_find_char(rest, '\n');
        varve_text line = vv_text_sub(rest, 0, size);
        bool is_whole = size < rest.size;
        bool is_empty = line.size == 0 || vv_text_equal(line, VV_TEXT("\r"));
        goes_on[0] = goes_on[0] && is_whole && is_empty;
        goes_on[1] = goes_on[1] && is_whole && fuzz_decode_is_blank(line, bytes_max);
        at += size + 1;
        for (size_t kind = 0; kind < 2; kind++) {
            wanted[kind] += goes_on[kind] ? 1 : 0;
            sizes[kind] = goes_on[kind] ? at : sizes[kind];
        }
    }
    fuzz_decode_require(vv_lines_skip_empty(text, &lines[0]) == sizes[0]);
    fuzz_decode_require(vv_lines_skip_blank(text, bytes_max, fuzz_decode_is_comment, &lines[1]) ==
                        sizes[1]);
    fuzz_decode_require(lines[0] == wanted[0] && lines[1] == wanted[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    size_t piece = 1 + data[1];
    vv_bytes text = vv_bytes_make(data + 2, size - 2);
    fuzz_decode_outcome whole;
    fuzz_decode_outcome cut;
    fuzz_decode_run(data[0], text, text.size + 1, &alloc, &whole);
    fuzz_decode_run(data[0], text, piece, &alloc, &cut);
    fuzz_decode_require(whole.status == cut.status && whole.digest == cut.digest);
    fuzz_decode_skip_lines(vv_text_of_bytes(text), data[0]);
    uint64_t lines;
    uint64_t cut_lines;
    fuzz_decode_count_lines(text, text.size + 1, &alloc, &lines);
    fuzz_decode_count_lines(text, piece, &alloc, &cut_lines);
    fuzz_decode_require(lines == cut_lines);
    fuzz_decode_require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
