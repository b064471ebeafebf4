/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus text and OpenMetrics from any bytes: how they are cut changes no call of the sink, and
 * a series that is read, written with all names in quotes, is read as the same series.
 */
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/status.h"
#include "wire/decode.h"
#include "wire/prom_priv.h"
#include "wire/prom_text.h"
#include "wire/seconds_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_prom_require(bool holds)
{
    if (!holds) {
        abort();
    }
}

typedef struct fuzz_prom_outcome {
    vv_alloc *alloc;
    uint64_t digest;
    uint64_t rows;
    varve_status status;
} fuzz_prom_outcome;

static void fuzz_prom_quote(vv_buf *buf, varve_text text)
{
    vv_buf_append_char(buf, '"');
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '\\' || c == '"' || c == '\n') {
            vv_buf_append_char(buf, '\\');
        }
        vv_buf_append_char(buf, c == '\n' ? 'n' : c);
    }
    vv_buf_append_char(buf, '"');
}

/** Metric and labels, written and read again. */
static void fuzz_prom_again(varve_text metric, const varve_label *labels, size_t count,
                            vv_arena *arena)
{
    vv_buf buf;
    varve_text metric_again;
    varve_label *again;
    size_t again_count;
    vv_buf_init(&buf, arena->alloc, SIZE_MAX);
    vv_buf_append_char(&buf, '{');
    fuzz_prom_quote(&buf, metric);
    for (size_t i = 0; i < count; i++) {
        vv_buf_append_char(&buf, ',');
        fuzz_prom_quote(&buf, labels[i].name);
        vv_buf_append_char(&buf, '=');
        fuzz_prom_quote(&buf, labels[i].value);
    }
    vv_buf_append_char(&buf, '}');
    varve_status status =
        vv_prom_series(vv_buf_text(&buf), arena, &metric_again, &again, &again_count, NULL);
    fuzz_prom_require(status == VARVE_OK && vv_text_equal(metric, metric_again));
    fuzz_prom_require(count == again_count);
    for (size_t i = 0; i < count; i++) {
        fuzz_prom_require(vv_text_equal(labels[i].name, again[i].name));
        fuzz_prom_require(vv_text_equal(labels[i].value, again[i].value));
    }
    vv_buf_deinit(&buf);
}

static void fuzz_prom_series(varve_text key, vv_alloc *alloc)
{
    vv_arena arena;
    varve_text metric;
    varve_label *labels;
    size_t count;
    vv_arena_init(&arena, alloc, SIZE_MAX);
    varve_status status = vv_prom_series(key, &arena, &metric, &labels, &count, NULL);
    fuzz_prom_require(status == VARVE_OK || status == VARVE_E_INVALID || status == VARVE_E_LIMIT);
    if (status == VARVE_OK) {
        fuzz_prom_again(metric, labels, count, &arena);
    }
    vv_arena_deinit(&arena);
}

static varve_status fuzz_prom_rows(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                                   varve_error *out_err)
{
    fuzz_prom_outcome *out = context;
    (void)decoder;
    (void)out_err;
    fuzz_prom_require(rows->row_count == 1 && rows->field_count == 1);
    out->rows += 1;
    out->digest = vv_hash64(rows->key.data, rows->key.size, out->digest + rows->line);
    out->digest = vv_hash64(rows->timestamps, sizeof *rows->timestamps, out->digest);
    out->digest = vv_hash64(&rows->values->as.f64, sizeof rows->values->as.f64, out->digest);
    fuzz_prom_series(rows->key, out->alloc);
    return VARVE_OK;
}

static void fuzz_prom_reject(void *context, const vv_wire_bad *bad)
{
    fuzz_prom_outcome *out = context;
    fuzz_prom_require(bad->count == 1 && bad->why->status != VARVE_OK && bad->text.size > 0);
    out->digest = vv_hash64(&bad->line, sizeof bad->line, out->digest);
    out->digest = vv_hash64(bad->text.data, bad->text.size, out->digest);
}

static fuzz_prom_outcome fuzz_prom_run(vv_format format, varve_text text, size_t piece,
                                       vv_alloc *alloc)
{
    vv_prom_text_options own = {.keeps_created = true};
    vv_decoder_options options = {.precision = VARVE_PRECISION_US,
                                  .unit = VARVE_PRECISION_STORED,
                                  .line_bytes_max = 1024,
                                  .format_options = &own};
    fuzz_prom_outcome out = {.alloc = alloc};
    vv_wire_sink sink = {.context = &out, .rows = fuzz_prom_rows, .reject = fuzz_prom_reject};
    vv_decoder *decoder;
    out.status = vv_decoder_create(format, alloc, &options, &sink, &decoder, NULL);
    for (size_t at = 0; out.status == VARVE_OK && at < text.size; at += piece) {
        out.status = vv_decoder_feed(decoder, vv_bytes_of_text(vv_text_sub(text, at, piece)), NULL);
    }
    if (out.status == VARVE_OK) {
        out.status = vv_decoder_end(decoder, NULL);
    }
    vv_decoder_free(decoder);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    varve_text text = vv_text_make((const char *)data, size);
    double number;
    vv_seconds seconds;
    VV_IGNORE(vv_prom_number(text, &number));
    fuzz_prom_require(!vv_seconds_text_parse(text, &seconds) || seconds.ns < 1000000000);
    fuzz_prom_series(text, &alloc);
    for (uint32_t format = VV_FORMAT_PROMETHEUS; format <= VV_FORMAT_OPENMETRICS; format++) {
        fuzz_prom_outcome whole = fuzz_prom_run((vv_format)format, text, size + 1, &alloc);
        fuzz_prom_outcome cut = fuzz_prom_run((vv_format)format, text, 1 + size / 7, &alloc);
        fuzz_prom_require(whole.status == cut.status && whole.digest == cut.digest);
        fuzz_prom_require(whole.rows == cut.rows);
        fuzz_prom_require(whole.status == VARVE_OK || whole.status == VARVE_E_LIMIT ||
                          (whole.status == VARVE_E_INVALID && format == VV_FORMAT_OPENMETRICS));
    }
    fuzz_prom_require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
