/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/csv_import.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/memory.h"
#include "model/labels.h"
#include "wire/csv_guess.h"
#include "wire/decode.h"

/* Rows that --dry-run shows. */
#define CSV_IMPORT_DRY_ROWS 5u

#define CSV_IMPORT_PARAMS_MAX 5u

struct vv_csv_plan {
    vv_alloc alloc;
    vv_arena arena;
    const char *name; /* of the input, for people; borrowed */
    vv_csv_guess guess;
    vv_load_param params[CSV_IMPORT_PARAMS_MAX];
    size_t param_count;
};

bool vv_csv_words_are_given(const vv_csv_words *words)
{
    return words->metric != NULL || words->metric_column != NULL || words->time != NULL ||
           words->labels != NULL || words->fields != NULL || words->columns != NULL ||
           words->separator != NULL || words->skip_lines > 0 || words->has_no_header ||
           words->is_dry_run;
}

/* ---- the plan ------------------------------------------------------------------------------- */

/** weather of data/weather.csv.gz; nothing of standard input. */
static varve_text csv_import_stem(const char *path)
{
    varve_text name = vv_text_from_string(path);
    if (strcmp(path, "-") == 0) {
        return (varve_text){0};
    }
    size_t slash = vv_text_find_last_char(name, '/');
    name = slash < name.size ? vv_text_sub(name, slash + 1, name.size) : name;
    if (vv_text_ends_with(name, VV_TEXT(".gz"))) {
        name.size -= 3;
    } else if (vv_text_ends_with(name, VV_TEXT(".zst"))) {
        name.size -= 4;
    }
    size_t dot = vv_text_find_last_char(name, '.');
    return dot > 0 ? vv_text_sub(name, 0, dot) : name;
}

static const char *csv_import_separator_name(char separator)
{
    return separator == ';'    ? "semicolon"
           : separator == '\t' ? "tab"
           : separator == '|'  ? "pipe"
                               : "comma";
}

static void csv_import_param(vv_csv_plan *plan, const char *name, varve_text value)
{
    plan->params[plan->param_count] = (vv_load_param){.name = name, .value = value};
    plan->param_count += 1;
}

/** The mapping as a format, without the columns that are not read; in the arena. */
static varve_status csv_import_format(vv_csv_plan *plan, varve_text *out_format,
                                      varve_error *out_err)
{
    const vv_csv_mapping *mapping = &plan->guess.mapping;
    vv_csv_column *columns = vv_arena_array(&plan->arena, mapping->count, sizeof *columns);
    vv_csv_mapping read = {.columns = columns};
    vv_buf format;
    if (columns == NULL) {
        return vv_arena_fail(&plan->arena, mapping->count * sizeof *columns, out_err);
    }
    for (size_t i = 0; i < mapping->count; i++) {
        if (mapping->columns[i].role != VV_CSV_SKIP) {
            columns[read.count] = mapping->columns[i];
            read.count += 1;
        }
    }
    vv_buf_init(&format, &plan->alloc, SIZE_MAX);
    vv_csv_mapping_print(&format, &read);
    varve_status status = vv_buf_check(&format, out_err);
    if (status == VARVE_OK) {
        status = vv_arena_copy(&plan->arena, vv_buf_text(&format), out_format);
    }
    vv_buf_deinit(&format);
    return status == VARVE_OK ? VARVE_OK : vv_fail_nomem(out_err, "the columns of a text", 0);
}

/** The plan as the server's parameters. */
static varve_status csv_import_params(vv_csv_plan *plan, varve_error *out_err)
{
    const vv_csv_guess *guess = &plan->guess;
    varve_text format;
    char number[VV_TEXT_I64_BYTES_MAX];
    if (!guess->is_typed) {
        VV_TRY(csv_import_format(plan, &format, out_err));
        csv_import_param(plan, "format", format);
        csv_import_param(plan, "header", guess->options.has_header ? VV_TEXT("1") : VV_TEXT("0"));
    }
    if (guess->mapping.metric.size > 0) {
        csv_import_param(plan, "metric", guess->mapping.metric);
    }
    csv_import_param(plan, "separator",
                     vv_text_from_string(csv_import_separator_name(guess->options.separator)));
    if (guess->options.skip_lines > 0) {
        varve_text text;
        size_t size = vv_text_print_u64(number, guess->options.skip_lines);
        if (vv_arena_copy(&plan->arena, vv_text_make(number, size), &text) != VARVE_OK) {
            return vv_arena_fail(&plan->arena, size, out_err);
        }
        csv_import_param(plan, "skip_lines", text);
    }
    return VARVE_OK;
}

static varve_status csv_import_make(vv_csv_plan *plan, const vv_csv_words *words, const char *path,
                                    vv_input *input, varve_error *out_err)
{
    vv_bytes sample;
    bool is_whole;
    vv_csv_wish wish = {.metric = words->metric,
                        .metric_column = words->metric_column,
                        .time = words->time,
                        .labels = words->labels,
                        .fields = words->fields,
                        .columns = words->columns,
                        .fallback = csv_import_stem(path),
                        .has_no_header = words->has_no_header,
                        .skip_lines = words->skip_lines};
    if (words->separator != NULL &&
        !vv_csv_separator_parse(vv_text_from_string(words->separator), &wish.separator)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "--separator is comma, semicolon, tab or pipe, not \"%s\"",
                       words->separator);
    }
    VV_TRY(vv_input_peek(input, VV_CSV_GUESS_BYTES, &sample, &is_whole, out_err));
    VV_TRY(vv_csv_guess_make(&wish, sample, is_whole, &plan->alloc, &plan->arena, &plan->guess,
                             out_err));
    return plan->guess.rows > 0 ? csv_import_params(plan, out_err) : VARVE_OK;
}

varve_status vv_csv_plan_create(const vv_csv_words *words, const char *path, vv_input *input,
                                vv_csv_plan **out_plan, bool *out_is_text_bad, varve_error *out_err)
{
    *out_plan = NULL;
    vv_csv_plan *plan = vv_memory_new(sizeof *plan);
    if (plan == NULL) {
        return vv_fail_nomem(out_err, "the columns of a text", sizeof *plan);
    }
    vv_alloc_init(&plan->alloc, NULL);
    vv_arena_init(&plan->arena, &plan->alloc, SIZE_MAX); /* the sample bounds it */
    plan->name = strcmp(path, "-") == 0 ? "standard input" : path;
    varve_status status = csv_import_make(plan, words, path, input, out_err);
    if (status != VARVE_OK) {
        *out_is_text_bad = plan->guess.is_text_bad;
        vv_csv_plan_free(plan);
        return status;
    }
    *out_plan = plan;
    return VARVE_OK;
}

bool vv_csv_plan_has_rows(const vv_csv_plan *plan)
{
    return plan->guess.rows > 0;
}

void vv_csv_plan_apply(const vv_csv_plan *plan, vv_load_options *options)
{
    options->format_options = &plan->guess.options;
    options->params = plan->params;
    options->param_count = plan->param_count;
}

void vv_csv_plan_free(vv_csv_plan *plan)
{
    if (plan != NULL) {
        vv_arena_deinit(&plan->arena);
        vv_memory_free(plan, sizeof *plan);
    }
}

/* ---- what was guessed ----------------------------------------------------------------------- */

static const char *csv_import_role(vv_csv_role role)
{
    switch (role) {
    case VV_CSV_SKIP:
        return "not read";
    case VV_CSV_TIME:
        return "time";
    case VV_CSV_NAME:
        return "metric";
    case VV_CSV_LABEL:
        return "label";
    case VV_CSV_FIELD:
    case VV_CSV_METRIC:
        return "field";
    }
    return "";
}

static varve_status csv_import_grid_row(vv_grid *grid, const vv_csv_column *column,
                                        const vv_csv_guess_column *seen, vv_buf *text,
                                        varve_error *out_err)
{
    vv_buf form;
    vv_buf_init(&form, text->alloc, SIZE_MAX);
    if (column->role == VV_CSV_TIME) {
        vv_csv_time_print(&form, &column->time);
    } else if (column->role == VV_CSV_FIELD) {
        vv_buf_append_text(&form, vv_text_from_string(vv_csv_type_name(column->type)));
    }
    varve_text shown = vv_buf_text(&form);
    bool is_custom = vv_text_starts_with(shown, VV_TEXT("custom:"));
    vv_grid_cell(grid, VV_TEXT(" "), false);
    vv_grid_cell(grid, seen->name, false);
    vv_grid_cell(grid, vv_text_from_string(csv_import_role(column->role)), false);
    vv_grid_cell(grid, is_custom ? vv_text_sub(shown, 7, shown.size) : shown, false);
    vv_grid_cell(grid, vv_text_sub(seen->example, 0, 40), false);
    varve_status status = vv_grid_end_row(grid, text, out_err);
    vv_buf_deinit(&form);
    return status;
}

static varve_status csv_import_grid(const vv_csv_plan *plan, vv_buf *text, varve_error *out_err)
{
    static const char *const heads[] = {" ", "column", "is", "type", "such as"};
    vv_grid grid;
    vv_grid_init(&grid, text->alloc);
    for (size_t i = 0; i < VV_ARRAY_COUNT(heads); i++) {
        vv_grid_cell(&grid, vv_text_from_string(heads[i]), false);
    }
    varve_status status = vv_grid_end_row(&grid, text, out_err);
    for (size_t i = 0; status == VARVE_OK && i < plan->guess.mapping.count; i++) {
        status = csv_import_grid_row(&grid, &plan->guess.mapping.columns[i],
                                     &plan->guess.columns[i], text, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_grid_end(&grid, text, out_err);
    }
    vv_grid_deinit(&grid);
    return status;
}

/** Rows that replace each other are most often a label that was not named. */
static void csv_import_warn(const vv_csv_plan *plan, vv_buf *text)
{
    const vv_csv_mapping *mapping = &plan->guess.mapping;
    const uint64_t *lines = plan->guess.same_lines;
    bool is_first = true;
    if (lines[0] == 0) {
        return;
    }
    vv_buf_append_format(text,
                         "lines %llu and %llu have the same time and series, so the later takes "
                         "the place of the earlier",
                         (unsigned long long)lines[0], (unsigned long long)lines[1]);
    for (size_t i = 0; i < mapping->count; i++) {
        if (mapping->columns[i].role == VV_CSV_FIELD &&
            mapping->columns[i].type == VARVE_TYPE_STRING) {
            vv_buf_append_text(text, is_first ? VV_TEXT("; what tells them apart is a label: "
                                                        "--labels ")
                                              : VV_TEXT(" or "));
            vv_buf_append_text(text, plan->guess.columns[i].name);
            is_first = false;
        }
    }
    vv_buf_append_char(text, '\n');
}

void vv_csv_plan_show(const vv_csv_plan *plan)
{
    const vv_csv_guess *guess = &plan->guess;
    vv_buf text;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&text, &alloc, SIZE_MAX);
    if (guess->rows == 0) {
        vv_buf_append_format(&text, "%s: no rows\n", plan->name);
    } else if (!guess->is_typed) {
        vv_buf_append_format(&text, "%s: separator %s", plan->name,
                             csv_import_separator_name(guess->options.separator));
        if (guess->mapping.metric.size > 0) {
            vv_buf_append_text(&text, VV_TEXT(", metric "));
            vv_buf_append_text(&text, guess->mapping.metric);
        }
        vv_buf_append_char(&text, '\n');
        VV_IGNORE(csv_import_grid(plan, &text, NULL)); /* a text that helps, no more */
        csv_import_warn(plan, &text);
    }
    if (text.size > 0) {
        fwrite(text.data, 1, text.size, stderr);
    }
    vv_buf_deinit(&text);
}

/* ---- the first rows ------------------------------------------------------------------------- */

typedef struct csv_import_dry {
    vv_arena arena;
    vv_buf text;
    uint64_t rows;
} csv_import_dry;

static varve_status csv_import_dry_rows(void *context, vv_decoder *decoder,
                                        const vv_wire_rows *rows, varve_error *out_err)
{
    csv_import_dry *dry = context;
    varve_text metric;
    varve_label *labels;
    size_t count;
    const vv_csv_time date = {.kind = VV_CSV_RFC3339};
    bool ignored = false;
    if (dry->rows == CSV_IMPORT_DRY_ROWS) {
        return vv_fail(out_err, VARVE_E_CANCELLED, "enough");
    }
    dry->rows += 1;
    vv_arena_reset(&dry->arena);
    VV_TRY(vv_decoder_series(decoder, rows, &dry->arena, &metric, &labels, &count, out_err));
    vv_csv_time_write(&dry->text, &date, rows->timestamps[0], VARVE_PRECISION_NS, &ignored);
    vv_buf_append_char(&dry->text, ' ');
    vv_series_print(&dry->text, metric, labels, count);
    for (size_t i = 0; i < rows->field_count; i++) {
        if (rows->values[i].type != VARVE_TYPE_NONE) {
            vv_buf_append_char(&dry->text, ' ');
            vv_buf_append_text(&dry->text, rows->names[i]);
            vv_buf_append_char(&dry->text, '=');
            vv_csv_value_write(&dry->text, &rows->values[i], VV_CSV_PLAIN, &ignored);
        }
    }
    vv_buf_append_char(&dry->text, '\n');
    return vv_buf_check(&dry->text, out_err);
}

static void csv_import_dry_reject(void *context, const vv_wire_bad *bad)
{
    csv_import_dry *dry = context;
    if (dry->rows < CSV_IMPORT_DRY_ROWS) {
        vv_buf_append_format(&dry->text, "line %llu: %s\n", (unsigned long long)bad->line,
                             bad->why->message);
    }
}

static varve_status csv_import_dry_feed(vv_decoder *decoder, vv_input *input, varve_error *out_err)
{
    for (;;) {
        vv_bytes piece;
        bool is_end;
        VV_TRY(vv_input_next(input, &piece, &is_end, out_err));
        if (is_end) {
            return vv_decoder_end(decoder, out_err);
        }
        VV_TRY(vv_decoder_feed(decoder, piece, out_err));
    }
}

varve_status vv_csv_plan_print(const vv_csv_plan *plan, vv_input *input, varve_error *out_err)
{
    vv_alloc alloc;
    csv_import_dry dry = {.rows = 0};
    vv_decoder *decoder;
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS,
                                  .format_options = &plan->guess.options};
    vv_wire_sink sink = {
        .context = &dry, .rows = csv_import_dry_rows, .reject = csv_import_dry_reject};
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&dry.arena, &alloc, SIZE_MAX); /* a record bounds it */
    vv_buf_init(&dry.text, &alloc, SIZE_MAX);
    varve_status status =
        vv_decoder_create(VV_FORMAT_CSV, &alloc, &options, &sink, &decoder, out_err);
    if (status == VARVE_OK) {
        status = csv_import_dry_feed(decoder, input, out_err);
        vv_decoder_free(decoder);
    }
    status = dry.rows == CSV_IMPORT_DRY_ROWS && status == VARVE_E_CANCELLED ? VARVE_OK : status;
    if (dry.text.size > 0) {
        varve_error *error = status == VARVE_OK ? out_err : NULL; /* the first failure counts */
        varve_status written = vv_cli_write(vv_buf_text(&dry.text), error);
        status = status == VARVE_OK ? written : status;
    }
    vv_buf_deinit(&dry.text);
    vv_arena_deinit(&dry.arena);
    return status;
}
