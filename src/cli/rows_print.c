/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/rows_print.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/listing.h"
#include "cli/memory.h"
#include "cli/nearest.h"
#include "model/time_range.h"
#include "wire/influx_write.h"
#include "wire/json_lines.h"
#include "wire/rows_json.h"
#include "wire/stream.h"

/* Text is handed to the output in pieces of this size. */
#define ROWS_PIECE_BYTES (64u * 1024u)

/* A JSON line holds about this much. */
#define ROWS_LINE_BYTES (256u * 1024u)

/* Most columns of a block. */
#define ROWS_COLUMNS_MAX 4096u

struct vv_rows_print {
    vv_alloc alloc;
    vv_rows_style style;
    vv_output *output;
    vv_rows_printed printed;
    vv_influx_skipped skipped;
    vv_buf buf;  /* text on its way to the output */
    vv_buf cell; /* one value */
    vv_json json;
    vv_rows_answer answer;
    vv_stream_writer *stream; /* native; owned */
    vv_grid grid;
    vv_chart chart;
    vv_arena arena; /* of a block */
    varve_value values[ROWS_COLUMNS_MAX];
    size_t order[ROWS_COLUMNS_MAX];
};

static const char *const rows_format_names[] = {
    [VV_ROWS_TABLE] = "table",       [VV_ROWS_CSV] = "csv",          [VV_ROWS_TSV] = "tsv",
    [VV_ROWS_JSON] = "json",         [VV_ROWS_JSON_LINES] = "jsonl", [VV_ROWS_LINE_PROTOCOL] = "lp",
    [VV_ROWS_MARKDOWN] = "markdown", [VV_ROWS_CHART] = "chart",      [VV_ROWS_NATIVE] = "native",
};

bool vv_rows_format_parse(const char *word, vv_rows_format *out_format)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(rows_format_names); i++) {
        if (strcmp(word, rows_format_names[i]) == 0) {
            *out_format = (vv_rows_format)i;
            return true;
        }
    }
    return false;
}

const char *vv_rows_format_nearest(const char *word)
{
    vv_nearest nearest = {.word = vv_text_from_string(word)};
    for (size_t i = 0; i < VV_ARRAY_COUNT(rows_format_names); i++) {
        vv_nearest_offer(&nearest, rows_format_names[i]);
    }
    return nearest.best;
}

bool vv_rows_format_has_columns(vv_rows_format format)
{
    return format == VV_ROWS_TABLE || format == VV_ROWS_CSV || format == VV_ROWS_TSV ||
           format == VV_ROWS_MARKDOWN;
}

/* ---- one value in a column ------------------------------------------------------------------ */

static void rows_put_f64(vv_buf *cell, double value)
{
    char text[VV_TEXT_F64_BYTES_MAX];
    if (isnan(value)) {
        vv_buf_append_text(cell, VV_TEXT("NaN"));
    } else if (isinf(value)) {
        vv_buf_append_text(cell, value > 0 ? VV_TEXT("+Inf") : VV_TEXT("-Inf"));
    } else {
        vv_buf_append(cell, text, vv_text_print_f64(text, value));
    }
}

static void rows_put_bytes(vv_buf *cell, varve_text bytes)
{
    uint8_t *target = vv_buf_extend(cell, vv_text_base64_size(bytes.size));
    if (target != NULL) {
        vv_text_print_base64((char *)target, bytes.data, bytes.size);
    }
}

void vv_rows_print_value(vv_buf *cell, const varve_value *value)
{
    char text[VV_TEXT_I64_BYTES_MAX];
    vv_json json;
    switch (value->type) {
    case VARVE_TYPE_F64:
        rows_put_f64(cell, value->as.f64);
        break;
    case VARVE_TYPE_I64:
        vv_buf_append(cell, text, vv_text_print_i64(text, value->as.i64));
        break;
    case VARVE_TYPE_U64:
        vv_buf_append(cell, text, vv_text_print_u64(text, value->as.u64));
        break;
    case VARVE_TYPE_BOOL:
        vv_buf_append_text(cell, value->as.boolean ? VV_TEXT("true") : VV_TEXT("false"));
        break;
    case VARVE_TYPE_STRING:
        vv_buf_append_text(cell, value->as.bytes);
        break;
    case VARVE_TYPE_BYTES:
        rows_put_bytes(cell, value->as.bytes);
        break;
    case VARVE_TYPE_HISTOGRAM:
        vv_json_init(&json, cell);
        vv_json_value(&json, value);
        break;
    default:
        break;
    }
}

/** As a date, with as many digits as the precision has; or as a number of units. */
static varve_status rows_put_time(vv_rows_print *print, vv_buf *cell, int64_t timestamp,
                                  varve_error *out_err)
{
    static const uint32_t digits[] = {[VARVE_PRECISION_NS] = 9,
                                      [VARVE_PRECISION_US] = 6,
                                      [VARVE_PRECISION_MS] = 3,
                                      [VARVE_PRECISION_S] = 0};
    char text[VV_TEXT_RFC3339_BYTES_MAX];
    const vv_rows_style *style = &print->style;
    if (style->unit != VARVE_PRECISION_STORED) {
        VV_TRY(vv_time_convert(timestamp, style->from, style->unit, &timestamp,
                               &print->printed.has_lost, out_err));
        vv_buf_append(cell, text, vv_text_print_i64(text, timestamp));
        return VARVE_OK;
    }
    int64_t per_second = vv_precision_per_second(style->from);
    int64_t s = vv_floor_div_i64(timestamp, per_second);
    uint32_t ns = (uint32_t)(vv_floor_mod_i64(timestamp, per_second) * (1000000000 / per_second));
    vv_buf_append(cell, text, vv_text_print_rfc3339_parts(text, s, ns, digits[style->from]));
    return VARVE_OK;
}

/* ---- formats with columns ------------------------------------------------------------------- */

/** Whether columns stand in line. */
static bool rows_has_grid(const vv_rows_print *print)
{
    return print->style.format == VV_ROWS_TABLE || print->style.format == VV_ROWS_MARKDOWN;
}

/** Tell the output that what it has ends with a whole row; a grid keeps rows back, a chart all. */
static varve_status rows_mark(vv_rows_print *print, varve_error *out_err)
{
    if (rows_has_grid(print) || print->style.format == VV_ROWS_CHART) {
        return VARVE_OK;
    }
    uint64_t rows =
        print->stream != NULL ? vv_stream_writer_closed_rows(print->stream) : print->printed.rows;
    return vv_output_mark(print->output, rows, out_err);
}

static varve_status rows_flush(vv_rows_print *print, size_t above, varve_error *out_err)
{
    if (print->buf.size <= above) {
        return vv_buf_check(&print->buf, out_err);
    }
    VV_TRY(vv_buf_check(&print->buf, out_err));
    VV_TRY(vv_output_write(print->output, vv_buf_bytes(&print->buf), out_err));
    vv_buf_reset(&print->buf);
    return rows_mark(print, out_err);
}

static const char csv_special[] = ",\"\r\n";

static void rows_csv_cell(vv_buf *out, varve_text cell, bool is_text)
{
    bool is_quoted = is_text && cell.size == 0;
    for (size_t i = 0; i < cell.size && !is_quoted; i++) {
        is_quoted = memchr(csv_special, cell.data[i], sizeof csv_special - 1) != NULL;
    }
    if (!is_quoted) {
        vv_buf_append_text(out, cell);
        return;
    }
    vv_buf_append_char(out, '"');
    for (size_t i = 0; i < cell.size; i++) {
        if (cell.data[i] == '"') {
            vv_buf_append_char(out, '"');
        }
        vv_buf_append_char(out, cell.data[i]);
    }
    vv_buf_append_char(out, '"');
}

static void rows_tsv_cell(vv_buf *out, varve_text cell)
{
    for (size_t i = 0; i < cell.size; i++) {
        char c = cell.data[i];
        char escaped = c == '\t'   ? 't'
                       : c == '\n' ? 'n'
                       : c == '\r' ? 'r'
                       : c == '\\' ? '\\'
                                   : '\0';
        if (escaped != '\0') {
            vv_buf_append_char(out, '\\');
            c = escaped;
        }
        vv_buf_append_char(out, c);
    }
}

/** End print->cell as the next cell of the row; the first has index 0. */
static void rows_end_cell(vv_rows_print *print, size_t index, bool is_text)
{
    varve_text cell = vv_buf_text(&print->cell);
    if (print->cell.status != VARVE_OK) {
        print->buf.status = print->cell.status; /* reported with the next flush */
        return;
    }
    if (rows_has_grid(print)) {
        vv_grid_cell(&print->grid, cell, !is_text);
        return;
    }
    if (index > 0) {
        vv_buf_append_char(&print->buf, print->style.format == VV_ROWS_CSV ? ',' : '\t');
    }
    if (print->style.format == VV_ROWS_CSV) {
        rows_csv_cell(&print->buf, cell, is_text);
    } else {
        rows_tsv_cell(&print->buf, cell);
    }
}

static varve_status rows_end_row(vv_rows_print *print, varve_error *out_err)
{
    if (rows_has_grid(print)) {
        return vv_grid_end_row(&print->grid, &print->buf, out_err) == VARVE_OK
                   ? rows_flush(print, ROWS_PIECE_BYTES, out_err)
                   : out_err->status;
    }
    vv_buf_append_text(&print->buf,
                       print->style.format == VV_ROWS_CSV ? VV_TEXT("\r\n") : VV_TEXT("\n"));
    return rows_flush(print, ROWS_PIECE_BYTES, out_err);
}

static void rows_text_cell(vv_rows_print *print, size_t *index, varve_text text)
{
    vv_buf_reset(&print->cell);
    vv_buf_append_text(&print->cell, text);
    rows_end_cell(print, *index, true);
    *index += 1;
}

static varve_status rows_header(vv_rows_print *print, varve_error *out_err)
{
    const vv_rows_style *style = &print->style;
    size_t index = 0;
    if (style->has_time) {
        rows_text_cell(print, &index, VV_TEXT("time"));
    }
    if (style->has_metric) {
        rows_text_cell(print, &index, VV_TEXT("metric"));
    }
    for (size_t i = 0; i < style->label_count; i++) {
        rows_text_cell(print, &index, style->labels[i]);
    }
    for (size_t i = 0; i < style->field_count; i++) {
        rows_text_cell(print, &index, style->fields[i]);
    }
    return rows_end_row(print, out_err);
}

/** A label's cell; one the series does not have is missing. */
static void rows_label_cell(vv_rows_print *print, size_t *index, const varve_block *block,
                            varve_text name)
{
    vv_buf_reset(&print->cell);
    bool has_label = false;
    for (size_t i = 0; i < block->label_count && !has_label; i++) {
        has_label = vv_text_equal(block->labels[i].name, name);
        if (has_label) {
            vv_buf_append_text(&print->cell, block->labels[i].value);
        }
    }
    rows_end_cell(print, *index, has_label);
    *index += 1;
}

static varve_status rows_columns_row(vv_rows_print *print, const varve_block *block, size_t row,
                                     const size_t *columns, varve_error *out_err)
{
    const vv_rows_style *style = &print->style;
    size_t index = 0;
    if (style->has_time) {
        vv_buf_reset(&print->cell);
        if (block->timestamps != NULL) {
            VV_TRY(rows_put_time(print, &print->cell, block->timestamps[row], out_err));
        }
        rows_end_cell(print, index, false);
        index += 1;
    }
    if (style->has_metric) {
        rows_text_cell(print, &index, block->metric);
    }
    for (size_t i = 0; i < style->label_count; i++) {
        rows_label_cell(print, &index, block, style->labels[i]);
    }
    for (size_t i = 0; i < style->field_count; i++) {
        varve_value value = {.type = VARVE_TYPE_NONE};
        if (columns[i] < block->column_count) {
            value = vv_column_value(&block->columns[columns[i]], row);
        }
        vv_buf_reset(&print->cell);
        vv_rows_print_value(&print->cell, &value);
        rows_end_cell(print, index, value.type == VARVE_TYPE_STRING);
        index += 1;
    }
    print->printed.rows += 1;
    return rows_end_row(print, out_err);
}

static varve_status rows_columns_block(vv_rows_print *print, const varve_block *block,
                                       varve_error *out_err)
{
    const vv_rows_style *style = &print->style;
    for (size_t i = 0; i < style->field_count; i++) {
        size_t at = 0;
        while (at < block->column_count &&
               !vv_text_equal(block->column_names[at], style->fields[i])) {
            at += 1;
        }
        print->order[i] = at;
    }
    for (size_t row = 0; row < block->rows; row++) {
        VV_TRY(rows_columns_row(print, block, row, print->order, out_err));
    }
    return VARVE_OK;
}

/* ---- JSON and line protocol ----------------------------------------------------------------- */

static varve_status rows_json_lines_block(vv_rows_print *print, const varve_block *block,
                                          varve_error *out_err)
{
    const vv_rows_style *style = &print->style;
    static const int64_t no_time = 0;
    vv_json_rows rows = {
        .metric = block->metric,
        .labels = block->labels,
        .label_count = block->label_count,
        .timestamps = block->timestamps != NULL ? block->timestamps : &no_time,
        .names = block->column_names,
        .columns = block->columns,
        .column_count = block->column_count,
        .from = style->from,
        .unit = style->unit == VARVE_PRECISION_STORED ? style->from : style->unit,
    };
    if (block->timestamps == NULL && block->rows > 1) {
        return vv_fail(out_err, VARVE_E_INTERNAL, "rows without times in a series");
    }
    while (rows.begin < block->rows) {
        rows.end = block->rows;
        rows.end = rows.begin + vv_json_lines_fit(&rows, ROWS_LINE_BYTES);
        vv_json_lines_write(&print->json, &rows, &print->printed.has_lost);
        print->printed.rows += rows.end - rows.begin;
        VV_TRY(rows_flush(print, ROWS_PIECE_BYTES, out_err));
        rows.begin = rows.end;
    }
    return VARVE_OK;
}

static varve_status rows_influx_block(vv_rows_print *print, const varve_block *block,
                                      varve_error *out_err)
{
    const vv_rows_style *style = &print->style;
    uint32_t unit = style->unit == VARVE_PRECISION_STORED ? style->from : style->unit;
    vv_buf_reset(&print->cell);
    if (block->timestamps == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "line protocol needs times: give --every");
    }
    if (!vv_influx_write_key(&print->cell, block->metric, block->labels, block->label_count,
                             &print->skipped)) {
        print->skipped.rows += block->rows;
        return vv_buf_check(&print->cell, out_err);
    }
    VV_TRY(vv_buf_check(&print->cell, out_err));
    for (size_t row = 0; row < block->rows; row++) {
        int64_t timestamp;
        if (vv_time_convert(block->timestamps[row], style->from, unit, &timestamp,
                            &print->printed.has_lost, NULL) != VARVE_OK) {
            print->skipped.rows += 1; /* before 1677 or after 2262, in nanoseconds */
            continue;
        }
        for (size_t i = 0; i < block->column_count; i++) {
            print->values[i] = vv_column_value(&block->columns[i], row);
        }
        uint64_t skipped = print->skipped.rows;
        VV_IGNORE(vv_influx_write_row(&print->buf, vv_buf_text(&print->cell), block->column_names,
                                      print->values, block->column_count, timestamp,
                                      &print->skipped)); /* sticky */
        print->printed.rows += print->skipped.rows == skipped ? 1 : 0;
        VV_TRY(rows_flush(print, ROWS_PIECE_BYTES, out_err));
    }
    return VARVE_OK;
}

/* ---- charts --------------------------------------------------------------------------------- */

/** Whether a value is a number, and which. */
static bool rows_number(const varve_value *value, double *out_number)
{
    switch (value->type) {
    case VARVE_TYPE_F64:
        *out_number = value->as.f64;
        return true;
    case VARVE_TYPE_I64:
        *out_number = (double)value->as.i64;
        return true;
    case VARVE_TYPE_U64:
        *out_number = (double)value->as.u64;
        return true;
    case VARVE_TYPE_BOOL:
        *out_number = value->as.boolean ? 1.0 : 0.0;
        return true;
    default: /* a type is a number of the interface, not an enum */
        return false;
    }
}

/** "cpu{host="a"} usage" into print->cell; a lone field "value" needs no name. */
static void rows_chart_name(vv_rows_print *print, const varve_block *block, size_t column)
{
    vv_buf_reset(&print->cell);
    if (block->metric.size > 0) {
        vv_listing_print_series(&print->cell, block->metric, block->labels, block->label_count);
    } else {
        vv_listing_print_labels(&print->cell, block->labels, block->label_count);
    }
    bool needs_name =
        print->cell.size == 0 || !vv_text_equal(block->column_names[column], VV_TEXT("value"));
    if (needs_name) {
        vv_buf_append_text(&print->cell, print->cell.size > 0 ? VV_TEXT(" ") : VV_TEXT(""));
        vv_listing_print_line(&print->cell, block->column_names[column]);
    }
}

static varve_status rows_chart_block(vv_rows_print *print, const varve_block *block,
                                     varve_error *out_err)
{
    if (block->timestamps == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "a chart needs times: give --every");
    }
    for (size_t column = 0; column < block->column_count; column++) {
        bool is_begun = false;
        for (size_t row = 0; row < block->rows; row++) {
            double number;
            varve_value value = vv_column_value(&block->columns[column], row);
            if (!rows_number(&value, &number)) {
                continue;
            }
            if (!is_begun) {
                rows_chart_name(print, block, column);
                VV_TRY(vv_buf_check(&print->cell, out_err));
                VV_TRY(vv_chart_series(&print->chart, vv_buf_text(&print->cell), out_err));
                is_begun = true;
            }
            VV_TRY(vv_chart_point(&print->chart, block->timestamps[row], number, out_err));
        }
    }
    print->printed.rows += block->rows;
    return VARVE_OK;
}

static varve_status rows_native_block(vv_rows_print *print, const varve_block *block,
                                      varve_error *out_err)
{
    vv_stream_rows rows = {
        .metric = block->metric,
        .labels = block->labels,
        .label_count = block->label_count,
        .row_count = block->rows,
        .timestamps = block->timestamps,
        .names = block->column_names,
        .columns = block->columns,
        .column_count = block->column_count,
    };
    VV_TRY(vv_stream_write_rows(print->stream, &rows, &print->buf, out_err));
    print->printed.rows += block->rows;
    return rows_flush(print, ROWS_PIECE_BYTES, out_err);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/** A vv_json_sink. The block under way is counted when it is done, so those before it are whole. */
static varve_status rows_json_sink(void *context, const uint8_t *bytes, size_t size,
                                   varve_error *out_err)
{
    vv_rows_print *print = context;
    VV_TRY(vv_output_write(print->output, vv_bytes_make(bytes, size), out_err));
    return rows_mark(print, out_err);
}

varve_status vv_rows_print_create(const vv_rows_style *style, vv_output *output,
                                  vv_rows_print **out_print, varve_error *out_err)
{
    *out_print = NULL;
    vv_rows_print *print = vv_memory_new(sizeof *print);
    if (print == NULL) {
        return vv_fail_nomem(out_err, "a printer of rows", sizeof *print);
    }
    vv_alloc_init(&print->alloc, NULL);
    print->style = *style;
    print->output = output;
    vv_buf_init(&print->buf, &print->alloc, SIZE_MAX);
    vv_buf_init(&print->cell, &print->alloc, SIZE_MAX);
    vv_grid_init(&print->grid, &print->alloc);
    print->grid.is_markdown = style->format == VV_ROWS_MARKDOWN;
    vv_chart_init(&print->chart, &print->alloc);
    vv_arena_init(&print->arena, &print->alloc, SIZE_MAX); /* the block's columns bound it */
    vv_json_init(&print->json, &print->buf);
    varve_status status = VARVE_OK;
    if (style->field_count > ROWS_COLUMNS_MAX) {
        status = vv_fail(out_err, VARVE_E_LIMIT, "%zu fields are more than the %u that fit a table",
                         style->field_count, ROWS_COLUMNS_MAX);
    } else if (vv_rows_format_has_columns(style->format)) {
        status = rows_header(print, out_err);
    } else if (style->format == VV_ROWS_JSON) {
        uint32_t unit = style->unit == VARVE_PRECISION_STORED ? style->from : style->unit;
        vv_json_init_sink(&print->json, &print->buf, ROWS_PIECE_BYTES, rows_json_sink, print);
        vv_rows_answer_begin(&print->answer, &print->json, style->from, unit);
    } else if (style->format == VV_ROWS_NATIVE) {
        status = vv_stream_writer_create(&print->alloc, style->from, &print->stream, out_err);
    }
    status = status == VARVE_OK ? rows_mark(print, out_err) : status; /* none so far */
    if (status != VARVE_OK) {
        vv_rows_print_free(print);
        return status;
    }
    *out_print = print;
    return VARVE_OK;
}

varve_status vv_rows_print_block(vv_rows_print *print, const varve_block *given,
                                 varve_error *out_err)
{
    varve_block block = *given;
    if (block.column_count > ROWS_COLUMNS_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a series has more than %u fields",
                       ROWS_COLUMNS_MAX);
    }
    if (print->style.names != NULL && print->style.name_count == block.column_count) {
        block.column_names = print->style.names;
    }
    if (print->style.sorts_fields || print->style.format == VV_ROWS_LINE_PROTOCOL ||
        print->style.format == VV_ROWS_CHART || print->style.format == VV_ROWS_NATIVE) {
        const varve_block unsorted = block;
        vv_arena_reset(&print->arena);
        VV_TRY(vv_columns_sort(&unsorted, &print->arena, &block.column_names, &block.columns,
                               out_err));
    }
    switch (print->style.format) {
    case VV_ROWS_TABLE:
    case VV_ROWS_CSV:
    case VV_ROWS_TSV:
    case VV_ROWS_MARKDOWN:
        return rows_columns_block(print, &block, out_err);
    case VV_ROWS_JSON:
        vv_rows_answer_block(&print->answer, &block, NULL, NULL);
        print->printed.rows += block.rows;
        return VARVE_OK;
    case VV_ROWS_JSON_LINES:
        return rows_json_lines_block(print, &block, out_err);
    case VV_ROWS_LINE_PROTOCOL:
        return rows_influx_block(print, &block, out_err);
    case VV_ROWS_CHART:
        return rows_chart_block(print, &block, out_err);
    case VV_ROWS_NATIVE:
        return rows_native_block(print, &block, out_err);
    }
    return VARVE_OK;
}

varve_status vv_rows_print_stop(vv_rows_print *print, varve_error *out_err)
{
    if (print->style.format == VV_ROWS_JSON) {
        return VARVE_OK; /* its writer gave the output what it has */
    }
    if (print->style.format == VV_ROWS_NATIVE) {
        VV_TRY(vv_stream_write_block(print->stream, &print->buf, out_err));
    }
    return rows_flush(print, 0, out_err);
}

varve_status vv_rows_print_end(vv_rows_print *print, varve_error *out_err)
{
    if (print->style.format == VV_ROWS_JSON) {
        vv_rows_answer_end(&print->answer);
        print->printed.has_lost = print->answer.has_lost;
        VV_TRY(vv_json_end(&print->json, out_err));
        return vv_output_write(print->output, vv_bytes_make("\n", 1), out_err);
    }
    if (print->style.format == VV_ROWS_CHART) {
        vv_chart_style chart = print->style.chart;
        chart.precision = print->style.from;
        VV_TRY(vv_chart_draw(&print->chart, &chart, &print->buf, out_err));
    }
    if (rows_has_grid(print)) {
        VV_TRY(vv_grid_end(&print->grid, &print->buf, out_err));
    } else if (print->style.format == VV_ROWS_NATIVE) {
        VV_TRY(vv_stream_write_end(print->stream, &print->buf, out_err));
    }
    return rows_flush(print, 0, out_err);
}

const vv_rows_printed *vv_rows_print_result(const vv_rows_print *print)
{
    return &print->printed;
}

void vv_rows_print_note(const vv_rows_print *print, const char *verb)
{
    const vv_influx_skipped *skipped = &print->skipped;
    if (skipped->values + skipped->rows + skipped->labels > 0) {
        vv_cli_fail(verb,
                    "left out what line protocol cannot hold: %llu values, %llu whole rows, %llu "
                    "labels",
                    (unsigned long long)skipped->values, (unsigned long long)skipped->rows,
                    (unsigned long long)skipped->labels);
    }
    if (print->printed.has_lost) {
        vv_cli_fail(verb, "digits of times were cut; give a finer --precision");
    }
}

void vv_rows_print_free(vv_rows_print *print)
{
    if (print == NULL) {
        return;
    }
    vv_stream_writer_free(print->stream);
    vv_arena_deinit(&print->arena);
    vv_chart_deinit(&print->chart);
    vv_grid_deinit(&print->grid);
    vv_buf_deinit(&print->cell);
    vv_buf_deinit(&print->buf);
    vv_memory_free(print, sizeof *print);
}
