/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV from any bytes. The first byte tells what is tried:
 *
 *   0  records: the same events however the text is cut; the first one may be a typed header
 *   1  the text up to the first line feed is a format; by it, or by its own header, the rest is
 *      decoded, and the sink sees the same however it is cut
 *   2  a cell under each type: what is read is written and read again the same
 *   3  a form of times and a cell
 *   4  a guess; the text is decoded by it
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/slice.h"
#include "model/value.h"
#include "wire/csv_guess.h"
#include "wire/csv_write.h"
#include "wire/decode.h"
#include "wire/json_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small, so that fuzzers reach it. */
#define FUZZ_CSV_LINE_BYTES 4096u

static void fuzz_csv_require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static uint64_t fuzz_csv_mix(uint64_t digest, const void *bytes, size_t size)
{
    return vv_hash64(size == 0 ? "" : bytes, size, digest + size);
}

/* ---- records ---- */

static uint64_t fuzz_csv_event(uint64_t digest, vv_csv_event event, const vv_csv_record *record)
{
    digest = fuzz_csv_mix(digest, &event, sizeof event);
    digest = fuzz_csv_mix(digest, &record->line, sizeof record->line);
    if (event == VV_CSV_RECORD) {
        fuzz_csv_require(record->count > 0 && record->count <= VV_CSV_COLUMNS_MAX &&
                         record->last_line >= record->line);
        for (size_t i = 0; i < record->count; i++) {
            const vv_csv_cell *cell = &record->cells[i];
            digest = fuzz_csv_mix(digest, cell->text.data, cell->text.size);
            digest = fuzz_csv_mix(digest, &cell->is_quoted, sizeof cell->is_quoted);
        }
    }
    return digest;
}

static uint64_t fuzz_csv_records(vv_alloc *alloc, varve_text text, size_t piece, uint64_t skip)
{
    uint64_t digest = 0;
    vv_csv_reader reader;
    vv_csv_record record;
    vv_csv_event event = VV_CSV_MORE;
    varve_error err;
    vv_csv_reader_init(&reader, alloc, ',', skip, FUZZ_CSV_LINE_BYTES);
    for (size_t at = 0; event == VV_CSV_MORE && at <= text.size; at += piece) {
        vv_csv_reader_feed(&reader, vv_text_sub(text, at, piece), piece > text.size - at);
        do {
            event = vv_csv_reader_next(&reader, &record, &err);
            if (event != VV_CSV_MORE) {
                digest = fuzz_csv_event(digest, event, &record);
            }
        } while (event == VV_CSV_RECORD || event == VV_CSV_ERROR);
    }
    vv_csv_reader_deinit(&reader);
    return digest;
}

/** The first record as a header: typed ones are read, others are not. */
static void fuzz_csv_header(vv_alloc *alloc, vv_arena *arena, varve_text text)
{
    vv_csv_reader reader;
    vv_csv_record record;
    vv_csv_mapping mapping;
    vv_csv_reader_init(&reader, alloc, ',', 0, FUZZ_CSV_LINE_BYTES);
    vv_csv_reader_feed(&reader, text, true);
    if (vv_csv_reader_next(&reader, &record, NULL) == VV_CSV_RECORD) {
        bool is_typed = vv_csv_header_is_typed(&record);
        varve_status status = vv_csv_header_parse(&record, VV_TEXT("m"), arena, &mapping, NULL);
        fuzz_csv_require(is_typed || status != VARVE_OK);
    }
    vv_csv_reader_deinit(&reader);
}

/* ---- rows ---- */

typedef struct fuzz_csv_sink {
    vv_arena arena;
    uint64_t digest;
} fuzz_csv_sink;

static varve_status fuzz_csv_rows(void *context, vv_decoder *decoder, const vv_wire_rows *rows,
                                  varve_error *out_err)
{
    fuzz_csv_sink *sink = context;
    varve_text metric;
    varve_label *labels;
    size_t count;
    vv_arena_reset(&sink->arena);
    VV_TRY(vv_decoder_series(decoder, rows, &sink->arena, &metric, &labels, &count, out_err));
    fuzz_csv_require(metric.size > 0 && rows->key.size > 0 && rows->row_count == 1);
    sink->digest = fuzz_csv_mix(sink->digest, metric.data, metric.size);
    for (size_t i = 0; i < count; i++) {
        fuzz_csv_require(i == 0 || vv_text_compare(labels[i - 1].name, labels[i].name) < 0);
        sink->digest = fuzz_csv_mix(sink->digest, labels[i].value.data, labels[i].value.size);
    }
    sink->digest = fuzz_csv_mix(sink->digest, rows->timestamps, sizeof *rows->timestamps);
    for (size_t i = 0; i < rows->field_count; i++) {
        sink->digest = fuzz_csv_mix(sink->digest, &rows->values[i].type, sizeof(uint32_t));
    }
    return VARVE_OK;
}

static void fuzz_csv_reject(void *context, const vv_wire_bad *bad)
{
    fuzz_csv_sink *sink = context;
    const char *message = bad->why->message;
    fuzz_csv_require(bad->line > 0 && bad->count == 1 && message[0] != '\0' && bad->text.size > 0);
    sink->digest = fuzz_csv_mix(sink->digest, message, strlen(message));
    sink->digest = fuzz_csv_mix(sink->digest, bad->text.data, bad->text.size);
}

static uint64_t fuzz_csv_decode(vv_alloc *alloc, const vv_csv_options *csv, varve_text text,
                                size_t piece)
{
    fuzz_csv_sink seen = {.digest = 0};
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS,
                                  .line_bytes_max = FUZZ_CSV_LINE_BYTES,
                                  .format_options = csv};
    vv_wire_sink sink = {.context = &seen, .rows = fuzz_csv_rows, .reject = fuzz_csv_reject};
    vv_decoder *decoder;
    vv_arena_init(&seen.arena, alloc, SIZE_MAX);
    varve_status status = vv_decoder_create(VV_FORMAT_CSV, alloc, &options, &sink, &decoder, NULL);
    fuzz_csv_require(status == VARVE_OK);
    for (size_t at = 0; at < text.size && status == VARVE_OK; at += piece) {
        status = vv_decoder_feed(decoder, vv_bytes_of_text(vv_text_sub(text, at, piece)), NULL);
    }
    if (status == VARVE_OK) {
        status = vv_decoder_end(decoder, NULL);
    }
    vv_decoder_free(decoder);
    vv_arena_deinit(&seen.arena);
    return fuzz_csv_mix(seen.digest, &status, sizeof status);
}

static void fuzz_csv_format(vv_alloc *alloc, vv_arena *arena, varve_text text)
{
    vv_csv_mapping mapping;
    vv_csv_mapping again;
    const vv_csv_column *columns;
    size_t count;
    size_t feed = vv_text_find_char(text, '\n');
    varve_text format = vv_text_sub(text, 0, feed);
    vv_csv_options csv = {.has_header = true, .metric = VV_TEXT("m")};
    if (vv_csv_mapping_parse(format, VV_TEXT("m"), arena, &mapping, NULL) == VARVE_OK) {
        vv_buf printed;
        vv_buf_init(&printed, alloc, SIZE_MAX);
        vv_csv_mapping_print(&printed, &mapping);
        fuzz_csv_require(vv_csv_mapping_parse(vv_buf_text(&printed), VV_TEXT("m"), arena, &again,
                                              NULL) == VARVE_OK &&
                         again.count == mapping.count);
        vv_buf_deinit(&printed);
        csv.mapping = &mapping;
        csv.has_header = false;
    }
    VV_IGNORE(vv_csv_export_parse(format, arena, &columns, &count, NULL)); /* any answer is good */
    text = vv_text_sub(text, feed + 1, text.size);
    uint64_t whole = fuzz_csv_decode(alloc, &csv, text, text.size + 1);
    fuzz_csv_require(fuzz_csv_decode(alloc, &csv, text, 1) == whole);
    fuzz_csv_require(fuzz_csv_decode(alloc, &csv, text, 7) == whole);
}

/* ---- cells ---- */

static void fuzz_csv_values(vv_alloc *alloc, vv_arena *arena, varve_text text)
{
    static const uint32_t types[] = {VARVE_TYPE_F64,  VARVE_TYPE_I64,       VARVE_TYPE_U64,
                                     VARVE_TYPE_BOOL, VARVE_TYPE_BYTES,     VARVE_TYPE_STRING,
                                     VV_CSV_TEXT,     VARVE_TYPE_HISTOGRAM, VV_CSV_MIXED};
    vv_buf written;
    uint32_t ignored;
    char separator;
    vv_buf_init(&written, alloc, SIZE_MAX);
    for (size_t i = 0; i < VV_ARRAY_COUNT(types); i++) {
        vv_csv_cell cell = {.text = text, .is_quoted = true};
        varve_value value;
        varve_value again;
        if (vv_csv_value_read(&cell, types[i], arena, &value, NULL) != VARVE_OK) {
            continue;
        }
        vv_buf_reset(&written);
        vv_csv_value_write(&written, &value, types[i], &cell.is_quoted);
        cell.text = vv_buf_text(&written);
        fuzz_csv_require(vv_csv_value_read(&cell, types[i], arena, &again, NULL) == VARVE_OK &&
                         vv_value_equal(&value, &again));
    }
    VV_IGNORE(vv_csv_type_parse(text, &ignored));        /* any answer is good */
    VV_IGNORE(vv_csv_separator_parse(text, &separator)); /* the same */
    const varve_histogram *histogram;
    VV_IGNORE(vv_json_histogram_parse(text, arena, &histogram, NULL)); /* the same */
    vv_buf_deinit(&written);
}

static void fuzz_csv_times(vv_alloc *alloc, varve_text text)
{
    size_t feed = vv_text_find_char(text, '\n');
    vv_csv_time time;
    vv_buf written;
    int64_t timestamp;
    bool has_lost = false;
    if (vv_csv_time_parse(vv_text_sub(text, 0, feed), &time, NULL) != VARVE_OK) {
        return;
    }
    vv_buf_init(&written, alloc, SIZE_MAX);
    for (uint32_t p = VARVE_PRECISION_NS; p <= VARVE_PRECISION_S; p++) {
        if (vv_csv_time_read(&time, vv_text_sub(text, feed + 1, text.size), p, &timestamp,
                             &has_lost, NULL) != VARVE_OK) {
            continue;
        }
        vv_csv_time_write(&written, &time, timestamp, p, &has_lost);
        fuzz_csv_require(written.status == VARVE_OK);
        vv_buf_reset(&written);
    }
    vv_buf_deinit(&written);
}

static void fuzz_csv_guess(vv_alloc *alloc, vv_arena *arena, varve_text text, uint32_t options)
{
    vv_csv_guess guess;
    vv_csv_wish wish = {.fallback = VV_TEXT("m"),
                        .has_no_header = (options & 1) != 0,
                        .labels = (options & 2) != 0 ? "1" : NULL,
                        .fields = (options & 4) != 0 ? "2:string" : NULL,
                        .time = (options & 8) != 0 ? "3:%Y-%m-%d" : NULL};
    vv_bytes sample = vv_bytes_of_text(text);
    if (vv_csv_guess_make(&wish, sample, true, alloc, arena, &guess, NULL) != VARVE_OK ||
        guess.rows == 0) {
        return;
    }
    fuzz_csv_require(vv_csv_mapping_check(&guess.mapping, NULL) == VARVE_OK);
    uint64_t whole = fuzz_csv_decode(alloc, &guess.options, text, text.size + 1);
    fuzz_csv_require(fuzz_csv_decode(alloc, &guess.options, text, 3) == whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_arena arena;
    if (size == 0) {
        return 0;
    }
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    varve_text text = vv_text_make((const char *)data + 1, size - 1);
    switch (data[0] % 5) {
    case 0: {
        uint64_t skip = data[0] / 5 % 3;
        uint64_t whole = fuzz_csv_records(&alloc, text, text.size + 1, skip);
        fuzz_csv_require(fuzz_csv_records(&alloc, text, 1, skip) == whole);
        fuzz_csv_require(fuzz_csv_records(&alloc, text, 5, skip) == whole);
        fuzz_csv_header(&alloc, &arena, text);
        break;
    }
    case 1:
        fuzz_csv_format(&alloc, &arena, text);
        break;
    case 2:
        fuzz_csv_values(&alloc, &arena, text);
        break;
    case 3:
        fuzz_csv_times(&alloc, text);
        break;
    default:
        fuzz_csv_guess(&alloc, &arena, text, data[0] / 5u);
        break;
    }
    vv_arena_deinit(&arena);
    fuzz_csv_require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
