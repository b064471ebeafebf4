/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/remote_rows.h"

#include <jansson.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/status.h"
#include "base/vec.h"
#include "cli/listing.h"
#include "cli/memory.h"
#include "cli/progress.h"
#include "cli/row_count.h"
#include "model/time_range.h"
#include "sys/clock.h"
#include "sys/signals.h"
#include "wire/json_lines.h"

/* Longest line of an export; the server cuts its lines far below. */
#define REMOTE_LINE_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Rows that are kept because their format has columns. */
#define REMOTE_KEPT_BYTES_MAX ((size_t)1024 * 1024 * 1024)

/* Stands for the metric of a group, which has none. */
#define REMOTE_NO_METRIC "*"

struct vv_remote_printer {
    vv_alloc alloc;
    const vv_remote_rows *rows; /* borrowed */
    vv_ask ask;
    vv_arena words; /* what ask points to, and columns */
    vv_rows_style style;
    vv_output *output;
    vv_rows_print *print; /* NULL: not begun */
    bool passes;          /* bytes go to the output as they are */
    bool keeps;           /* lines wait for the end */
    bool shows;           /* how many rows have come */
    vv_progress progress;
    vv_row_count count; /* of bytes that pass, or that are kept elsewhere until all are there */
    vv_buf carry;       /* beginning of a line, or of what else is whole in what passes */
    vv_arena arena;     /* of the line, or of all kept ones */
    vv_vec kept;        /* vv_json_line */
};

/* ---- create --------------------------------------------------------------------------------- */

static varve_status remote_printer_init(vv_remote_printer *printer, uint32_t precision,
                                        varve_error *out_err)
{
    const vv_remote_rows *rows = printer->rows;
    VV_TRY(vv_ask_parse(rows->words, NULL, precision, vv_wall_now_ns(), &printer->words,
                        &printer->ask, out_err));
    bool is_aggregate = printer->ask.names != NULL;
    printer->style = (vv_rows_style){
        .format = rows->format,
        .from = precision,
        .unit = rows->unit,
        .has_time = !is_aggregate || printer->ask.query.bucket.kind != VARVE_BUCKET_NONE,
        .has_metric = rows->has_metric,
        .sorts_fields = printer->ask.query.output_count == 0,
        .chart = rows->chart,
    };
    if (rows->format == VV_ROWS_LINE_PROTOCOL && rows->unit == VARVE_PRECISION_STORED) {
        printer->style.unit = VARVE_PRECISION_NS;
    }
    printer->passes = rows->is_export
                          ? rows->format == VV_ROWS_JSON_LINES || rows->format == VV_ROWS_CSV ||
                                rows->format == VV_ROWS_NATIVE
                          : rows->format == VV_ROWS_JSON;
    printer->keeps = !printer->passes && vv_rows_format_has_columns(rows->format);
    if (rows->sink != NULL) {
        return VARVE_OK;
    }
    vv_row_form form = !rows->is_export                 ? VV_ROW_FORM_DOCUMENT
                       : rows->format == VV_ROWS_CSV    ? VV_ROW_FORM_CSV
                       : rows->format == VV_ROWS_NATIVE ? VV_ROW_FORM_NATIVE
                                                        : VV_ROW_FORM_JSON_LINES;
    VV_TRY(vv_row_count_init(&printer->count, form, out_err));
    vv_progress_init(&printer->progress);
    /* Rows of an export that go to the terminal show themselves. */
    printer->shows = !rows->is_export || rows->path != NULL || !vv_is_terminal(1);
    VV_TRY(vv_output_open(rows->path, &printer->output, out_err));
    return printer->passes ? vv_output_mark(printer->output, 0, out_err)
           : printer->keeps
               ? VARVE_OK
               : vv_rows_print_create(&printer->style, printer->output, &printer->print, out_err);
}

static void remote_printer_free(vv_remote_printer *printer)
{
    vv_row_count_deinit(&printer->count);
    vv_rows_print_free(printer->print);
    vv_vec_deinit(&printer->kept);
    vv_arena_deinit(&printer->arena);
    vv_buf_deinit(&printer->carry);
    vv_arena_deinit(&printer->words);
    vv_memory_free(printer, sizeof *printer);
}

varve_status vv_remote_printer_create(const vv_remote_rows *rows, uint32_t precision,
                                      vv_remote_printer **out_printer, varve_error *out_err)
{
    *out_printer = NULL;
    vv_remote_printer *printer = vv_memory_new(sizeof *printer);
    if (printer == NULL) {
        return vv_fail_nomem(out_err, "a printer of rows", sizeof *printer);
    }
    vv_alloc_init(&printer->alloc, NULL);
    printer->rows = rows;
    vv_arena_init(&printer->words, &printer->alloc, REMOTE_KEPT_BYTES_MAX);
    vv_arena_init(&printer->arena, &printer->alloc, REMOTE_KEPT_BYTES_MAX);
    vv_buf_init(&printer->carry, &printer->alloc, REMOTE_LINE_BYTES_MAX);
    vv_vec_init(&printer->kept, &printer->alloc, sizeof(vv_json_line), SIZE_MAX);
    varve_status status = remote_printer_init(printer, precision, out_err);
    if (status != VARVE_OK) {
        VV_IGNORE(printer->output == NULL ? VARVE_OK : vv_output_close(printer->output, NULL));
        remote_printer_free(printer);
        return status;
    }
    *out_printer = printer;
    return VARVE_OK;
}

const char *vv_remote_printer_unit(const vv_remote_printer *printer)
{
    bool is_asked = printer->passes && printer->style.unit != VARVE_PRECISION_STORED;
    return vv_precision_name(is_asked ? printer->style.unit : printer->style.from);
}

const vv_ask *vv_remote_printer_ask(const vv_remote_printer *printer)
{
    return &printer->ask;
}

/* ---- lines to blocks ------------------------------------------------------------------------ */

/** The type that all values have; MIXED when they have several. */
static uint32_t remote_rows_type(const varve_value *values, size_t count)
{
    uint32_t type = VARVE_TYPE_NONE;
    for (size_t row = 0; row < count; row++) {
        if (values[row].type == VARVE_TYPE_NONE || values[row].type == type) {
            continue;
        }
        if (type != VARVE_TYPE_NONE) {
            return VARVE_TYPE_MIXED;
        }
        type = values[row].type;
    }
    return type == VARVE_TYPE_HISTOGRAM ? (uint32_t)VARVE_TYPE_MIXED : type;
}

/** Bytes of one value of a typed column. */
static size_t remote_rows_width(uint32_t type)
{
    bool is_text = type == VARVE_TYPE_BYTES || type == VARVE_TYPE_STRING;
    return type == VARVE_TYPE_BOOL ? 1 : is_text ? sizeof(varve_text) : sizeof(uint64_t);
}

/** A column of a line as one of a block. Values of one type stand packed, so that the type shows.
 */
static bool remote_rows_column(const vv_json_line *line, size_t field, vv_arena *arena,
                               varve_column *out_column)
{
    const varve_value *values = line->values + field * line->row_count;
    uint32_t type = remote_rows_type(values, line->row_count);
    size_t width = remote_rows_width(type);
    uint64_t *present =
        vv_arena_zeroed(arena, (vv_bits_words(line->row_count) + 1) * sizeof *present);
    uint8_t *packed = vv_arena_zeroed(arena, (line->row_count + 1) * width);
    if (present == NULL || packed == NULL) {
        return false;
    }
    for (size_t row = 0; row < line->row_count; row++) {
        if (values[row].type == VARVE_TYPE_NONE) {
            continue;
        }
        present[row / 64] |= UINT64_C(1) << (row % 64);
        if (type == VARVE_TYPE_BOOL) {
            packed[row] = values[row].as.boolean;
        } else { /* every other member of the union begins at its start */
            memcpy(packed + row * width, &values[row].as, width);
        }
    }
    *out_column = (varve_column){.type = type, .values = packed, .present = present};
    if (type == VARVE_TYPE_MIXED) {
        out_column->values = values;
    }
    return true;
}

static varve_status remote_rows_print_line(vv_remote_printer *printer, const vv_json_line *line,
                                           varve_error *out_err)
{
    varve_column *columns =
        vv_arena_zeroed(&printer->arena, (line->field_count + 1) * sizeof *columns);
    bool has_memory = columns != NULL;
    for (size_t f = 0; f < line->field_count && has_memory; f++) {
        has_memory = remote_rows_column(line, f, &printer->arena, &columns[f]);
    }
    if (!has_memory) {
        return vv_arena_fail(&printer->arena, line->row_count, out_err);
    }
    bool is_group = vv_text_equal(line->metric, VV_TEXT(REMOTE_NO_METRIC));
    varve_block block = {
        .struct_size = sizeof block,
        .rows = line->row_count,
        .timestamps = printer->style.has_time ? line->timestamps : NULL,
        .metric = is_group ? (varve_text){0} : line->metric,
        .labels = line->labels,
        .label_count = line->label_count,
        .columns = columns,
        .column_names = line->names,
        .column_count = line->field_count,
    };
    return printer->rows->sink != NULL
               ? printer->rows->sink(printer->rows->sink_context, &block, out_err)
               : vv_rows_print_block(printer->print, &block, out_err);
}

static varve_status remote_rows_line(vv_remote_printer *printer, varve_text text,
                                     varve_error *out_err)
{
    vv_json_line line;
    if (text.size == 0) {
        return VARVE_OK;
    }
    if (!printer->keeps) {
        vv_arena_reset(&printer->arena);
    }
    VV_TRY(vv_json_lines_parse(text, &printer->arena, &line, out_err));
    if (!printer->keeps) {
        return remote_rows_print_line(printer, &line, out_err);
    }
    varve_status status = vv_vec_push(&printer->kept, &line);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&printer->kept, status, out_err);
}

static uint64_t remote_rows_so_far(const vv_remote_printer *printer)
{
    return printer->print != NULL ? vv_rows_print_result(printer->print)->rows
                                  : printer->count.rows;
}

static void remote_rows_show(vv_remote_printer *printer)
{
    if (printer->shows && printer->rows->sink == NULL) {
        vv_progress_state state = {.what = printer->rows->is_export ? "export" : "query",
                                   .unit = "rows",
                                   .items = remote_rows_so_far(printer)};
        vv_progress_show(&printer->progress, &state);
    }
}

void vv_remote_printer_watch(vv_remote_printer *printer, vv_bytes piece)
{
    if (printer->rows->sink == NULL) {
        VV_IGNORE(vv_row_count_feed(&printer->count, piece)); /* where rows end is of no use here */
        remote_rows_show(printer);
    }
}

/** Bytes that go on as they are, as far as they are whole rows; the rest waits for its own. */
static varve_status remote_rows_pass(vv_remote_printer *printer, vv_bytes piece,
                                     varve_error *out_err)
{
    size_t end = vv_row_count_feed(&printer->count, piece);
    if (end > 0) {
        VV_TRY(vv_output_write(printer->output, vv_buf_bytes(&printer->carry), out_err));
        VV_TRY(vv_output_write(printer->output, vv_bytes_make(piece.data, end), out_err));
        VV_TRY(vv_output_mark(printer->output, printer->count.rows, out_err));
        vv_buf_reset(&printer->carry);
    }
    VV_IGNORE(vv_buf_append(&printer->carry, piece.data + end, piece.size - end)); /* sticky */
    return vv_buf_check(&printer->carry, out_err);
}

varve_status vv_remote_printer_feed(void *context, vv_bytes piece, varve_error *out_err)
{
    vv_remote_printer *printer = context;
    varve_text text = vv_text_of_bytes(piece);
    remote_rows_show(printer);
    if (printer->passes) {
        return remote_rows_pass(printer, piece, out_err);
    }
    for (;;) {
        size_t end = vv_text_find_char(text, '\n');
        vv_buf_append_text(&printer->carry, vv_text_sub(text, 0, end));
        VV_TRY(vv_buf_check(&printer->carry, out_err));
        if (end == text.size) {
            return VARVE_OK;
        }
        VV_TRY(remote_rows_line(printer, vv_buf_text(&printer->carry), out_err));
        vv_buf_reset(&printer->carry);
        text = vv_text_sub(text, end + 1, text.size);
    }
}

/* ---- the document of /api/v1/rows ----------------------------------------------------------- */

/** A json_dump_callback into a vv_buf. */
static int remote_rows_dump(const char *bytes, size_t size, void *context)
{
    return vv_buf_append(context, bytes, size) == VARVE_OK ? 0 : -1;
}

static void remote_rows_dump_value(vv_buf *buf, const json_t *value)
{
    VV_IGNORE(json_dump_callback(value, remote_rows_dump, buf,
                                 JSON_COMPACT | JSON_ENCODE_ANY)); /* failures stay in buf */
}

static void remote_rows_dump_text(vv_buf *buf, varve_text text)
{
    vv_buf_append_char(buf, '"');
    vv_json_escape(buf, text);
    vv_buf_append_char(buf, '"');
}

/** The name of a column: those of aggregates are the command line's. */
static varve_text remote_rows_name(const vv_remote_printer *printer, const json_t *columns,
                                   size_t index)
{
    const json_t *name = json_array_get(columns, index);
    if (printer->ask.names != NULL && printer->ask.name_count + 1 == json_array_size(columns)) {
        return printer->ask.names[index - 1];
    }
    return (varve_text){json_string_value(name), json_string_length(name)};
}

/** ,"types":{...},"fields":{"a":[...],...} ; column 0 is the time. */
static void remote_rows_fields(const vv_remote_printer *printer, vv_buf *buf, const json_t *columns,
                               const json_t *types, const json_t *rows)
{
    bool needs_comma = false;
    vv_buf_append_text(buf, VV_TEXT(",\"types\":{"));
    for (size_t c = 1; c < json_array_size(columns); c++) {
        const json_t *type = json_array_get(types, c);
        const char *word = json_string_value(type);
        /* Values of such columns say themselves what they are. */
        if (word == NULL || strcmp(word, "mixed") == 0 || strcmp(word, "none") == 0) {
            continue;
        }
        vv_buf_append_text(buf, needs_comma ? VV_TEXT(",") : VV_TEXT(""));
        remote_rows_dump_text(buf, remote_rows_name(printer, columns, c));
        vv_buf_append_char(buf, ':');
        remote_rows_dump_value(buf, type);
        needs_comma = true;
    }
    vv_buf_append_text(buf, VV_TEXT("},\"fields\":{"));
    for (size_t c = 1; c < json_array_size(columns); c++) {
        vv_buf_append_text(buf, c > 1 ? VV_TEXT(",") : VV_TEXT(""));
        remote_rows_dump_text(buf, remote_rows_name(printer, columns, c));
        vv_buf_append_text(buf, VV_TEXT(":["));
        for (size_t r = 0; r < json_array_size(rows); r++) {
            vv_buf_append_text(buf, r > 0 ? VV_TEXT(",") : VV_TEXT(""));
            remote_rows_dump_value(buf, json_array_get(json_array_get(rows, r), c));
        }
        vv_buf_append_char(buf, ']');
    }
    vv_buf_append_char(buf, '}');
}

/** An element of "data" as a JSON line. */
static varve_status remote_rows_element(vv_remote_printer *printer, json_t *element, vv_buf *buf,
                                        varve_error *out_err)
{
    json_t *metric = json_object_get(element, "metric");
    const json_t *rows = json_object_get(element, "rows");
    vv_buf_reset(buf);
    if (json_is_object(metric) && json_object_get(metric, "__name__") == NULL &&
        json_object_set_new(metric, "__name__", json_string(REMOTE_NO_METRIC)) != 0) {
        return vv_fail_nomem(out_err, "an answer", 0);
    }
    vv_buf_append_text(buf, VV_TEXT("{\"metric\":"));
    remote_rows_dump_value(buf, metric);
    remote_rows_fields(printer, buf, json_object_get(element, "columns"),
                       json_object_get(element, "types"), rows);
    vv_buf_append_text(buf, VV_TEXT(",\"timestamps\":["));
    for (size_t r = 0; r < json_array_size(rows); r++) {
        const json_t *time = json_array_get(json_array_get(rows, r), 0);
        vv_buf_append_text(buf, r > 0 ? VV_TEXT(",") : VV_TEXT(""));
        if (json_is_integer(time)) {
            remote_rows_dump_value(buf, time);
        } else {
            vv_buf_append_char(buf, '0'); /* aggregates without buckets have none */
        }
    }
    vv_buf_append_text(buf, VV_TEXT("]}"));
    VV_TRY(vv_buf_check(buf, out_err));
    return remote_rows_line(printer, vv_buf_text(buf), out_err);
}

varve_status vv_remote_printer_document(vv_remote_printer *printer, varve_text text,
                                        varve_error *out_err)
{
    if (printer->passes) {
        VV_TRY(vv_output_write(printer->output, vv_bytes_of_text(text), out_err));
        bool has_end = text.size > 0 && text.data[text.size - 1] == '\n';
        return has_end ? VARVE_OK
                       : vv_output_write(printer->output, vv_bytes_make("\n", 1), out_err);
    }
    json_error_t why;
    VV_TRY(vv_json_scan(text, VV_JSON_LINE_DEPTH_MAX, out_err));
    json_t *root = json_loadb(text.data, text.size, JSON_ALLOW_NUL, &why);
    if (root == NULL) {
        return vv_fail(out_err, VARVE_E_INTERNAL, "the server's answer is no JSON: %s", why.text);
    }
    vv_buf buf;
    vv_buf_init(&buf, &printer->alloc, REMOTE_KEPT_BYTES_MAX);
    const json_t *data = json_object_get(root, "data");
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < json_array_size(data) && status == VARVE_OK; i++) {
        status = remote_rows_element(printer, json_array_get(data, i), &buf, out_err);
    }
    vv_buf_deinit(&buf);
    json_decref(root);
    return status;
}

/* ---- columns and end ------------------------------------------------------------------------ */

/** Names of labels (or of fields, or metrics) of all kept lines. */
static varve_status remote_rows_names(vv_remote_printer *printer, int what, varve_text **out_names,
                                      size_t *out_count, varve_error *out_err)
{
    size_t count = 0;
    const vv_json_line *lines = VV_VEC_ITEMS(&printer->kept, vv_json_line);
    for (size_t i = 0; i < printer->kept.count; i++) {
        count += what == 0 ? lines[i].label_count : what == 1 ? lines[i].field_count : 1;
    }
    varve_text *names = vv_arena_array(&printer->words, count + 1, sizeof *names);
    if (names == NULL) {
        return vv_arena_fail(&printer->words, count, out_err);
    }
    size_t at = 0;
    for (size_t i = 0; i < printer->kept.count; i++) {
        for (size_t k = 0; what == 0 && k < lines[i].label_count; k++, at++) {
            names[at] = lines[i].labels[k].name;
        }
        for (size_t k = 0; what == 1 && k < lines[i].field_count; k++, at++) {
            names[at] = lines[i].names[k];
        }
        if (what == 2) {
            names[at] = lines[i].metric;
            at += 1;
        }
    }
    *out_names = names;
    *out_count = vv_text_sort_unique(names, count);
    return VARVE_OK;
}

static varve_status remote_rows_columns(vv_remote_printer *printer, varve_error *out_err)
{
    vv_rows_style *style = &printer->style;
    const vv_ask *ask = &printer->ask;
    varve_text *names = NULL;
    size_t metrics = 0;
    const vv_remote_columns *told = printer->rows->columns;
    if (ask->query.grouping != VARVE_GROUP_SERIES) {
        style->labels = ask->query.group_labels;
        style->label_count = ask->query.group_label_count;
        style->has_metric = false;
    } else if (told != NULL) {
        style->labels = told->labels;
        style->label_count = told->label_count;
        style->has_metric = style->has_metric || told->metric_count > 1;
    } else {
        VV_TRY(remote_rows_names(printer, 0, &names, &style->label_count, out_err));
        style->labels = names;
        VV_TRY(remote_rows_names(printer, 2, &names, &metrics, out_err));
        style->has_metric = style->has_metric || metrics > 1;
    }
    if (ask->query.output_count > 0) {
        return vv_ask_output_columns(ask, &printer->words, style, out_err);
    }
    if (told != NULL) {
        style->fields = told->fields;
        style->field_count = told->field_count;
        return VARVE_OK;
    }
    VV_TRY(remote_rows_names(printer, 1, &names, &style->field_count, out_err));
    style->fields = names;
    return VARVE_OK;
}

static varve_status remote_rows_finish(vv_remote_printer *printer, varve_error *out_err)
{
    if (printer->passes) { /* what ends no row, such as nothing at all */
        return vv_output_write(printer->output, vv_buf_bytes(&printer->carry), out_err);
    }
    if (printer->rows->sink != NULL) {
        return VARVE_OK;
    }
    if (printer->keeps) {
        VV_TRY(remote_rows_columns(printer, out_err));
        VV_TRY(vv_rows_print_create(&printer->style, printer->output, &printer->print, out_err));
    }
    for (size_t i = 0; i < printer->kept.count; i++) {
        VV_TRY(
            remote_rows_print_line(printer, VV_VEC_AT(&printer->kept, vv_json_line, i), out_err));
    }
    VV_TRY(vv_rows_print_end(printer->print, out_err));
    vv_rows_print_note(printer->print, printer->rows->is_export ? "export" : "query");
    return VARVE_OK;
}

/** An export that goes no further: what is whole of it is written, and it is told how much. */
static varve_status remote_rows_stop(vv_remote_printer *printer, varve_status status,
                                     varve_error *out_err)
{
    varve_error stop_error;
    if (printer->print != NULL) {
        VV_IGNORE(vv_rows_print_stop(printer->print, &stop_error)); /* the output remembers */
    }
    return vv_output_stopped(printer->output, remote_rows_so_far(printer), status, out_err);
}

varve_status vv_remote_printer_end(vv_remote_printer *printer, varve_status status,
                                   varve_error *out_err)
{
    varve_error close_error;
    vv_progress_end(&printer->progress);
    if (status == VARVE_OK) {
        status = remote_rows_finish(printer, out_err);
    }
    if (status != VARVE_OK && printer->rows->is_export && printer->output != NULL) {
        status = remote_rows_stop(printer, status, out_err);
    }
    varve_status closed =
        printer->output == NULL ? VARVE_OK : vv_output_close(printer->output, &close_error);
    if (status == VARVE_OK && closed != VARVE_OK) {
        *out_err = close_error;
        status = closed;
    }
    remote_printer_free(printer);
    return status;
}

/* ---- asking --------------------------------------------------------------------------------- */

/** "avg", or "quantile" with its parameter. */
static void remote_rows_output(vv_json *json, const varve_output *output, varve_text word)
{
    vv_json_object_begin(json);
    vv_json_key_text(json, VV_TEXT("field"), output->name);
    if (output->aggregation == VARVE_AGG_QUANTILE) {
        vv_json_key_text(json, VV_TEXT("agg"), VV_TEXT("quantile"));
        vv_json_key_f64(json, VV_TEXT("parameter"), output->parameter);
    } else if (output->aggregation != VARVE_AGG_NONE) {
        vv_json_key_text(json, VV_TEXT("agg"), word);
    }
    vv_json_object_end(json);
}

static void remote_rows_every(vv_json *json, const vv_ask_words *words, const vv_ask *ask)
{
    vv_json_key(json, VV_TEXT("every"));
    if (ask->query.bucket.kind == VARVE_BUCKET_CALENDAR) {
        vv_json_object_begin(json);
        vv_json_key_text(json, VV_TEXT("unit"),
                         vv_text_from_string(vv_ask_unit_name(ask->query.bucket.unit)));
        vv_json_key_i64(json, VV_TEXT("width"), ask->query.bucket.width);
        vv_json_object_end(json);
    } else {
        vv_json_text(json, vv_text_from_string(words->every));
    }
    if (ask->query.bucket.zone.size > 0) {
        vv_json_key_text(json, VV_TEXT("zone"), ask->query.bucket.zone);
    }
}

static void remote_rows_key(vv_json *json, const char *key, const char *value)
{
    if (value != NULL) {
        vv_json_key_text(json, vv_text_from_string(key), vv_text_from_string(value));
    }
}

static void remote_rows_grouping(vv_json *json, const vv_ask *ask)
{
    if (ask->query.grouping == VARVE_GROUP_ALL) {
        vv_json_key_text(json, VV_TEXT("group"), VV_TEXT("all"));
    } else if (ask->query.grouping == VARVE_GROUP_BY) {
        vv_json_key(json, VV_TEXT("by"));
        vv_json_array_begin(json);
        for (size_t i = 0; i < ask->query.group_label_count; i++) {
            vv_json_text(json, ask->query.group_labels[i]);
        }
        vv_json_array_end(json);
    }
}

static varve_status remote_rows_range(vv_json *json, const vv_ask_words *words,
                                      vv_remote_printer *printer, varve_error *out_err)
{
    varve_text start;
    varve_text end = {0};
    uint32_t precision = printer->style.from;
    VV_TRY(vv_ask_start_text(words, &printer->ask, precision, &printer->words, &start, out_err));
    if (words->end != NULL) {
        VV_TRY(vv_ask_print_time(printer->ask.query.range.end, precision, &printer->words, &end,
                                 out_err));
    }
    if (start.size > 0) {
        vv_json_key_text(json, VV_TEXT("start"), start);
    }
    if (end.size > 0) {
        vv_json_key_text(json, VV_TEXT("end"), end);
    }
    return VARVE_OK;
}

varve_status vv_remote_rows_request(const vv_remote_rows *rows, vv_remote_printer *printer,
                                    vv_buf *out, varve_error *out_err)
{
    const vv_ask *ask = &printer->ask;
    const vv_ask_words *words = rows->words;
    vv_json json;
    vv_json_init(&json, out);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("select"), vv_text_from_string(words->selectors[0]));
    if (ask->query.output_count > 0) {
        vv_json_key(&json, VV_TEXT("fields"));
        vv_json_array_begin(&json);
        for (size_t i = 0; i < ask->query.output_count; i++) {
            varve_text word = {0};
            if (ask->names != NULL) { /* the name is "avg(value)" */
                word = vv_text_sub(ask->names[i], 0, vv_text_find_char(ask->names[i], '('));
            }
            remote_rows_output(&json, &ask->query.outputs[i], word);
        }
        vv_json_array_end(&json);
    }
    VV_TRY(remote_rows_range(&json, words, printer, out_err));
    if (words->every != NULL) {
        remote_rows_every(&json, words, ask);
    }
    remote_rows_grouping(&json, ask);
    if (words->limit > 0) {
        vv_json_key_u64(&json, VV_TEXT("limit"), words->limit);
    }
    if (words->limit_per_series > 0) {
        vv_json_key_u64(&json, VV_TEXT("limit_per_series"), words->limit_per_series);
    }
    if (words->is_descending) {
        vv_json_key_bool(&json, VV_TEXT("descending"), true);
    }
    remote_rows_key(&json, "precision", vv_remote_printer_unit(printer));
    vv_json_object_end(&json);
    return vv_json_end(&json, out_err);
}
