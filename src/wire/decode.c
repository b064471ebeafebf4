/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The common part of all decoders: which format is which, the labels that every series gets, and
 * what is left of a decoder that has failed. The formats are in files of their own.
 */

#include "wire/decode.h"

#include <string.h>

#include "base/status.h"
#include "model/labels.h"
#include "wire/text_mark.h"

struct vv_decoder {
    /* fixed after create */
    const vv_decoder_class *class;
    const vv_decoder_options *options; /* borrowed */
    const vv_wire_sink *sink;          /* borrowed */
    vv_alloc *alloc;                   /* borrowed */
    void *state;                       /* of the format; owned */
    /* while it runs */
    bool has_lost_digits;
    vv_text_mark mark;   /* before a text; of the native format, which is none, it is decided */
    varve_status status; /* OK, or what it has failed with (D3), and why */
    varve_error why;
};

/** One row a format; a build without one has no row, and says so. */
static const vv_decoder_class *const decode_classes[VV_FORMAT_COUNT] = {
    [VV_FORMAT_LP] = &vv_decoder_lp,
    [VV_FORMAT_JSONL] = &vv_decoder_jsonl,
    [VV_FORMAT_CSV] = &vv_decoder_csv,
    [VV_FORMAT_PROMETHEUS] = &vv_decoder_prometheus,
    [VV_FORMAT_OPENMETRICS] = &vv_decoder_openmetrics,
    [VV_FORMAT_NATIVE] = &vv_decoder_native,
};

static varve_status decode_check_extra(const vv_decoder_options *options, varve_error *out_err)
{
    for (size_t i = 0; i < options->extra_count; i++) {
        varve_text name = options->extra[i].name;
        if (name.size == 0 || vv_text_equal(name, VV_TEXT(VV_METRIC_LABEL))) {
            return vv_fail(out_err, VARVE_E_INVALID, "an extra label cannot be named \"%.*s\"",
                           VV_TEXT_ARGS(name));
        }
    }
    return VARVE_OK;
}

varve_status vv_decoder_create(vv_format format, vv_alloc *alloc, const vv_decoder_options *options,
                               const vv_wire_sink *sink, vv_decoder **out_decoder,
                               varve_error *out_err)
{
    *out_decoder = NULL;
    const vv_decoder_class *class = format < VV_FORMAT_COUNT ? decode_classes[format] : NULL;
    if (class == NULL) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED, "this build does not read format %u",
                       (unsigned)format);
    }
    VV_TRY(decode_check_extra(options, out_err));
    vv_decoder *decoder = vv_alloc_zeroed(alloc, sizeof *decoder);
    if (decoder == NULL) {
        return vv_fail_nomem(out_err, "a decoder", sizeof *decoder);
    }
    decoder->class = class;
    decoder->options = options;
    decoder->sink = sink;
    decoder->alloc = alloc;
    decoder->mark.seen = format == VV_FORMAT_NATIVE ? VV_TEXT_MARK_BYTES : 0;
    varve_status status = class->create(decoder, alloc, options, &decoder->state, out_err);
    if (status != VARVE_OK) {
        decoder->state = NULL;
        vv_decoder_free(decoder);
        return status;
    }
    *out_decoder = decoder;
    return VARVE_OK;
}

/** Keep a failure (D3) and tell it. */
static varve_status decode_result(vv_decoder *decoder, varve_status status, varve_error *out_err)
{
    decoder->status = status;
    if (status != VARVE_OK && out_err != NULL) {
        *out_err = decoder->why;
    }
    return status;
}

static varve_status decode_feed(vv_decoder *decoder, varve_text piece)
{
    return piece.size == 0
               ? VARVE_OK
               : decoder->class->feed(decoder->state, vv_bytes_of_text(piece), &decoder->why);
}

varve_status vv_decoder_feed(vv_decoder *decoder, vv_bytes piece, varve_error *out_err)
{
    varve_status status = decoder->status;
    if (status == VARVE_OK) {
        varve_text text = vv_text_of_bytes(piece);
        status = decode_feed(decoder, vv_text_mark_pass(&decoder->mark, &text));
        status = status == VARVE_OK ? decode_feed(decoder, text) : status;
    }
    return decode_result(decoder, status, out_err);
}

varve_status vv_decoder_end(vv_decoder *decoder, varve_error *out_err)
{
    varve_status status = decoder->status;
    if (status == VARVE_OK) {
        status = decode_feed(decoder, vv_text_mark_end(&decoder->mark));
    }
    if (status == VARVE_OK) {
        status = decoder->class->end(decoder->state, &decoder->why);
    }
    return decode_result(decoder, status, out_err);
}

bool vv_decoder_has_lost_digits(const vv_decoder *decoder)
{
    return decoder->has_lost_digits;
}

void vv_decoder_free(vv_decoder *decoder)
{
    if (decoder == NULL) {
        return;
    }
    if (decoder->state != NULL) {
        decoder->class->free(decoder->state);
    }
    vv_alloc_free(decoder->alloc, decoder, sizeof *decoder);
}

/* ---- series --------------------------------------------------------------------------------- */

/** Put a label into the sorted array; one of its name that is there is replaced, or stays. */
static void decode_put_label(varve_label *labels, size_t *count, varve_label label, bool wins)
{
    size_t at = 0;
    while (at < *count && vv_text_compare(labels[at].name, label.name) < 0) {
        at += 1;
    }
    if (at < *count && vv_text_equal(labels[at].name, label.name)) {
        labels[at] = wins ? label : labels[at];
        return;
    }
    memmove(&labels[at + 1], &labels[at], (*count - at) * sizeof *labels);
    labels[at] = label;
    *count += 1;
}

varve_status vv_decoder_series(vv_decoder *decoder, const vv_wire_rows *rows, vv_arena *arena,
                               varve_text *out_metric, varve_label **out_labels, size_t *out_count,
                               varve_error *out_err)
{
    const vv_decoder_options *options = decoder->options;
    varve_label *own;
    size_t count;
    VV_TRY(decoder->class->series(decoder->state, rows, arena, out_metric, &own, &count, out_err));
    if (options->extra_count > 0) {
        varve_label *labels = vv_arena_array(arena, count + options->extra_count, sizeof *labels);
        if (labels == NULL) {
            return vv_arena_fail(arena, (count + options->extra_count) * sizeof *labels, out_err);
        }
        if (count > 0) {
            memcpy(labels, own, count * sizeof *labels);
        }
        for (size_t i = 0; i < options->extra_count; i++) {
            decode_put_label(labels, &count, options->extra[i], i < options->extra_wins);
        }
        own = labels;
    }
    *out_labels = own;
    *out_count = count;
    return VARVE_OK;
}

/* ---- for the formats ------------------------------------------------------------------------ */

varve_status vv_decoder_rows(vv_decoder *base, const vv_wire_rows *rows, varve_error *out_err)
{
    return base->sink->rows(base->sink->context, base, rows, out_err);
}

void vv_decoder_reject(vv_decoder *base, uint64_t line, varve_text text, const varve_error *why)
{
    const vv_wire_bad bad = {.line = line, .count = 1, .text = text, .why = why};
    base->sink->reject(base->sink->context, &bad);
}

void vv_decoder_lines(vv_decoder *base, uint64_t line)
{
    if (base->sink->lines != NULL) {
        base->sink->lines(base->sink->context, line);
    }
}

void vv_decoder_note_lost_digits(vv_decoder *base)
{
    base->has_lost_digits = true;
}
