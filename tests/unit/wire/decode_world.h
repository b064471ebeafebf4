/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoders for tests: what a sink is called with is written down as text, and has to be the same
 * however the text is cut (D1).
 */
#ifndef VV_TESTS_UNIT_WIRE_DECODE_WORLD_H
#define VV_TESTS_UNIT_WIRE_DECODE_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "wire/decode.h"

typedef struct world {
    vv_alloc alloc;
    vv_alloc *decoder_alloc; /* that of the decoder */
    vv_arena arena;
    vv_buf log;
    uint64_t fails_at; /* rows call that fails; 0: none */
    uint64_t calls;
    bool notes_texts; /* lines of the text too */
} world;

static inline void begin(world *w)
{
    *w = (world){.calls = 0};
    vv_alloc_init(&w->alloc, NULL);
    w->decoder_alloc = &w->alloc;
    vv_arena_init(&w->arena, &w->alloc, SIZE_MAX);
    vv_buf_init(&w->log, &w->alloc, SIZE_MAX);
}

static inline void end(world *w)
{
    vv_arena_deinit(&w->arena);
    vv_buf_deinit(&w->log);
    assert_int_equal(vv_alloc_bytes(&w->alloc), 0);
}

/** " a:1" of a number, " a:TYPE" of another value. */
static inline void note_value(world *w, varve_text name, const varve_value *value)
{
    char text[VV_TEXT_F64_BYTES_MAX + 1];
    vv_buf_append_format(&w->log, " %.*s:", VV_TEXT_ARGS(name));
    if (value->type == VARVE_TYPE_F64 && value->as.f64 - value->as.f64 == 0) {
        text[vv_text_print_f64_plain(text, value->as.f64)] = '\0';
        vv_buf_append_format(&w->log, "%s", text);
    } else if (value->type == VARVE_TYPE_F64) {
        vv_buf_append_format(&w->log, "%s",
                             value->as.f64 > 0   ? "+Inf"
                             : value->as.f64 < 0 ? "-Inf"
                                                 : "NaN");
    } else {
        vv_buf_append_format(&w->log, "type %u", value->type);
    }
}

static inline varve_status note_rows(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                                     varve_error *out_err)
{
    world *w = context;
    varve_text metric;
    varve_label *labels;
    size_t count;
    w->calls += 1;
    if (w->calls == w->fails_at) {
        return vv_fail(out_err, VARVE_E_BUSY, "no more");
    }
    vv_arena_reset(&w->arena);
    varve_error why;
    if (vv_decoder_series(decoder, rows, &w->arena, &metric, &labels, &count, &why) != VARVE_OK) {
        vv_buf_append_format(&w->log, "%llu no series: %s\n", (unsigned long long)rows->line,
                             why.message);
        return VARVE_OK;
    }
    vv_buf_append_format(&w->log, "%llu %.*s{", (unsigned long long)rows->line,
                         VV_TEXT_ARGS(metric));
    for (size_t i = 0; i < count; i++) {
        vv_buf_append_format(&w->log, "%.*s=%.*s,", VV_TEXT_ARGS(labels[i].name),
                             VV_TEXT_ARGS(labels[i].value));
    }
    vv_buf_append_char(&w->log, '}');
    for (size_t r = 0; r < rows->row_count; r++) {
        vv_buf_append_format(&w->log, " @%lld", (long long)rows->timestamps[r]);
        for (size_t f = 0; f < rows->field_count; f++) {
            note_value(w, rows->names[f], &rows->values[f * rows->row_count + r]);
        }
    }
    vv_buf_append_char(&w->log, '\n');
    if (w->notes_texts) {
        vv_buf_append_format(&w->log, "<%.*s>\n", VV_TEXT_ARGS(rows->text));
    }
    (void)out_err;
    return VARVE_OK;
}

static inline void note_reject(void *context, const vv_wire_bad *bad)
{
    world *w = context;
    vv_buf_append_format(&w->log, "%llu bad %llu: %s\n", (unsigned long long)bad->line,
                         (unsigned long long)bad->count, bad->why->message);
    if (w->notes_texts) {
        vv_buf_append_format(&w->log, "<%.*s>\n", VV_TEXT_ARGS(bad->text));
    }
}

/** Decode in pieces of a size; what the sink saw is in w->log, terminated. */
static inline varve_status decode(world *w, vv_format format, const vv_decoder_options *options,
                                  varve_text text, size_t piece, varve_error *out_err)
{
    vv_wire_sink sink = {.context = w, .rows = note_rows, .reject = note_reject};
    vv_decoder *decoder;
    vv_buf_reset(&w->log);
    varve_status status =
        vv_decoder_create(format, w->decoder_alloc, options, &sink, &decoder, out_err);
    for (size_t at = 0; status == VARVE_OK && at < text.size; at += piece) {
        status = vv_decoder_feed(decoder, vv_bytes_of_text(vv_text_sub(text, at, piece)), out_err);
    }
    if (status == VARVE_OK) {
        status = vv_decoder_end(decoder, out_err);
    }
    if (status != VARVE_OK && decoder != NULL) {
        assert_int_equal(vv_decoder_end(decoder, NULL), status); /* D3 */
    }
    if (decoder != NULL && vv_decoder_has_lost_digits(decoder)) {
        vv_buf_append_text(&w->log, VV_TEXT("lost digits\n"));
    }
    vv_decoder_free(decoder);
    vv_buf_append_char(&w->log, '\0');
    return status;
}

/** The same however the text is cut (D1). `log` is what the sink sees, behind it the failure. */
static inline void expect_text(world *w, vv_format format, const vv_decoder_options *options,
                               varve_text text, varve_status wanted, const char *log)
{
    size_t step = text.size > 2000 ? text.size / 7 : 1;
    for (size_t piece = 1; piece <= text.size + 1; piece += step) {
        varve_error err = {.message = ""};
        varve_status status = decode(w, format, options, text, piece, &err);
        w->log.size -= 1;
        if (status != VARVE_OK) {
            vv_buf_append_format(&w->log, "! %s\n", err.message);
        }
        vv_buf_append_char(&w->log, '\0');
        if (status != wanted || strcmp((const char *)w->log.data, log) != 0) {
            print_error("in pieces of %zu: %s\n", piece, (const char *)w->log.data);
        }
        assert_int_equal(status, wanted);
        assert_string_equal((const char *)w->log.data, log);
    }
}

static inline void expect(world *w, vv_format format, const vv_decoder_options *options,
                          const char *text, varve_status wanted, const char *log)
{
    expect_text(w, format, options, vv_text_from_string(text), wanted, log);
}

/** Each allocation fails in turn: E_NOMEM every time, and nothing is left behind. */
static inline void expect_survives_failed_allocations(vv_format format,
                                                      const vv_decoder_options *options,
                                                      const char *text)
{
    bool is_done = false;
    for (uint64_t at = 1; !is_done; at++) {
        world w;
        vv_alloc alloc;
        failing_alloc failing;
        begin(&w);
        failing_alloc_init(&failing);
        varve_allocator source = failing_alloc_source(&failing);
        vv_alloc_init(&alloc, &source);
        w.decoder_alloc = &alloc;
        failing_alloc_plan(&failing, at, false);
        varve_status status = decode(&w, format, options, vv_text_from_string(text), 5, NULL);
        assert_int_equal(failing.live, 0);
        end(&w);
        is_done = failing.failures == 0;
        assert_int_equal(status, is_done ? VARVE_OK : VARVE_E_NOMEM);
    }
}

#endif
