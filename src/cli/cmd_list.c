/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve series, varve metrics and varve labels: what a database knows, a line each.
 */

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "base/status.h"
#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/remote.h"
#include "sys/clock.h"
#include "sys/signals.h"
#include "wire/json_lines.h"

#define LIST_ARENA_BYTES_MAX ((size_t)1024 * 1024 * 1024)
#define LIST_PIECE_BYTES     (64u * 1024u)

typedef enum list_kind { LIST_SERIES, LIST_METRICS, LIST_LABELS, LIST_LABEL_VALUES } list_kind;

/** What the commands are given, and where they write. */
typedef struct list_job {
    const char *verb;
    list_kind kind;
    vv_target target;
    bool is_json;
    uint64_t limit; /* 0: all */
    vv_ask_words words;
    vv_ask_fault fault;
    const char *match; /* labels: --match */
    varve_text label;  /* of LIST_LABEL_VALUES */
    vv_alloc alloc;
    vv_arena arena;
    vv_output *output;
    vv_buf buf;
    vv_json json;
    vv_grid grid;
} list_job;

static varve_status list_flush(list_job *job, varve_error *out_err)
{
    VV_TRY(vv_buf_check(&job->buf, out_err));
    VV_TRY(vv_output_write(job->output, vv_buf_bytes(&job->buf), out_err));
    vv_buf_reset(&job->buf);
    return VARVE_OK;
}

/* ---- one row -------------------------------------------------------------------------------- */

static varve_status list_series_row(list_job *job, varve_db *db, const varve_block *block,
                                    size_t row, varve_error *out_err)
{
    varve_text metric;
    const varve_label *labels;
    size_t label_count;
    VV_TRY(varve_series_name(db, block->row_series[row], &metric, &labels, &label_count, out_err));
    if (job->is_json) {
        vv_json_metric(&job->json, metric, labels, label_count);
        return VARVE_OK;
    }
    vv_listing_print_series(&job->buf, metric, labels, label_count);
    vv_buf_append_char(&job->buf, '\n');
    return job->buf.size < LIST_PIECE_BYTES ? VARVE_OK : list_flush(job, out_err);
}

/** A row of metric, field and type. */
static varve_status list_metrics_row(list_job *job, const varve_text cells[3], varve_error *out_err)
{
    static const varve_text keys[] = {VV_TEXT_INIT("metric"), VV_TEXT_INIT("field"),
                                      VV_TEXT_INIT("type")};
    if (job->is_json) {
        vv_json_object_begin(&job->json);
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(keys); i++) {
        if (job->is_json) {
            vv_json_key_text(&job->json, keys[i], cells[i]);
        } else {
            vv_grid_cell(&job->grid, cells[i], false);
        }
    }
    if (job->is_json) {
        vv_json_object_end(&job->json);
        return VARVE_OK;
    }
    return vv_grid_end_row(&job->grid, &job->buf, out_err);
}

/** A label's name or value. */
static varve_status list_text_row(list_job *job, varve_text text, varve_error *out_err)
{
    if (job->is_json) {
        vv_json_text(&job->json, text);
        return VARVE_OK;
    }
    vv_listing_print_line(&job->buf, text);
    vv_buf_append_char(&job->buf, '\n');
    return job->buf.size < LIST_PIECE_BYTES ? VARVE_OK : list_flush(job, out_err);
}

/* ---- the whole of an answer ----------------------------------------------------------------- */

static varve_status list_head(list_job *job, varve_error *out_err)
{
    if (job->is_json) {
        vv_json_init_sink(&job->json, &job->buf, LIST_PIECE_BYTES, vv_output_sink, job->output);
        vv_json_array_begin(&job->json);
    } else if (job->kind == LIST_METRICS) {
        vv_grid_cell(&job->grid, VV_TEXT("metric"), false);
        vv_grid_cell(&job->grid, VV_TEXT("field"), false);
        vv_grid_cell(&job->grid, VV_TEXT("type"), false);
        return vv_grid_end_row(&job->grid, &job->buf, out_err);
    }
    return VARVE_OK;
}

static varve_status list_tail(list_job *job, varve_error *out_err)
{
    if (job->is_json) {
        vv_json_array_end(&job->json);
        VV_TRY(vv_json_end(&job->json, out_err));
        vv_buf_append_char(&job->buf, '\n');
    } else if (job->kind == LIST_METRICS) {
        VV_TRY(vv_grid_end(&job->grid, &job->buf, out_err));
    }
    return list_flush(job, out_err);
}

/* ---- a directory ---------------------------------------------------------------------------- */

static varve_status list_row(list_job *job, varve_db *db, const varve_block *block, size_t row,
                             varve_error *out_err)
{
    varve_text cells[3];
    switch (job->kind) {
    case LIST_SERIES:
        return list_series_row(job, db, block, row, out_err);
    case LIST_METRICS:
        for (size_t i = 0; i < VV_ARRAY_COUNT(cells); i++) {
            cells[i] = vv_listing_cell(block, i, row);
        }
        return list_metrics_row(job, cells, out_err);
    case LIST_LABELS:
    case LIST_LABEL_VALUES:
        return list_text_row(job, vv_listing_cell(block, 0, row), out_err);
    }
    return VARVE_OK;
}

static varve_status list_rows(list_job *job, varve_db *db, varve_cursor *cursor,
                              varve_error *out_err)
{
    for (;;) {
        const varve_block *block;
        VV_TRY(varve_cursor_next(cursor, &block, out_err));
        if (block == NULL) {
            return VARVE_OK;
        }
        for (size_t row = 0; row < block->rows; row++) {
            VV_TRY(list_row(job, db, block, row, out_err));
        }
    }
}

static varve_status list_query(list_job *job, varve_db *db, varve_task *task,
                               varve_cursor **out_cursor, varve_error *out_err)
{
    varve_info info;
    varve_list_options options;
    vv_ask ask;
    varve_info_init(&info);
    VV_TRY(varve_db_info(db, &info, out_err));
    VV_TRY(vv_ask_parse(&job->words, db, info.precision, vv_wall_now_ns(), &job->arena, &ask,
                        out_err));
    varve_list_options_init(&options);
    options.limit = job->limit == 0 ? UINT64_MAX : job->limit;
    options.selections = ask.query.selections;
    options.selection_count = ask.query.selection_count;
    options.range = ask.query.range;
    options.task = task;
    switch (job->kind) {
    case LIST_SERIES:
        return varve_series_list(db, &options, out_cursor, out_err);
    case LIST_METRICS:
        return varve_field_names(db, &options, out_cursor, out_err);
    case LIST_LABELS:
        return varve_label_names(db, &options, out_cursor, out_err);
    case LIST_LABEL_VALUES:
        return varve_label_values(db, job->label, &options, out_cursor, out_err);
    }
    return VARVE_OK;
}

static varve_status list_database(list_job *job, varve_db *db, varve_error *out_err)
{
    varve_cursor *cursor = NULL;
    varve_task *task = vv_cli_task();
    varve_status status = list_query(job, db, task, &cursor, out_err);
    status = status == VARVE_OK ? list_head(job, out_err) : status;
    status = status == VARVE_OK ? list_rows(job, db, cursor, out_err) : status;
    varve_cursor_close(cursor);
    varve_task_free(task);
    return status == VARVE_OK ? list_tail(job, out_err) : status;
}

/* ---- a server ------------------------------------------------------------------------------- */

static varve_status list_server_row(list_job *job, const varve_text *texts, size_t index,
                                    varve_error *out_err)
{
    switch (job->kind) {
    case LIST_SERIES:
        if (job->is_json) {
            vv_json_raw(&job->json, texts[index]);
            return VARVE_OK;
        }
        return list_text_row(job, texts[index], out_err);
    case LIST_METRICS:
        return list_metrics_row(job, &texts[3 * index], out_err);
    case LIST_LABELS: /* the metric is no label of its own here, as in a directory */
        return vv_text_equal(texts[index], VV_TEXT("__name__"))
                   ? VARVE_OK
                   : list_text_row(job, texts[index], out_err);
    case LIST_LABEL_VALUES:
        return list_text_row(job, texts[index], out_err);
    }
    return VARVE_OK;
}

static varve_status list_server(list_job *job, bool *out_is_reached, varve_error *out_err)
{
    static const vv_remote_listing listings[] = {
        [LIST_SERIES] = VV_REMOTE_SERIES,
        [LIST_METRICS] = VV_REMOTE_FIELDS,
        [LIST_LABELS] = VV_REMOTE_LABELS,
        [LIST_LABEL_VALUES] = VV_REMOTE_LABEL_VALUES,
    };
    varve_text *texts;
    size_t count;
    vv_remote_list_request wanted = {.url = job->target.url,
                                     .what = listings[job->kind],
                                     .words = &job->words,
                                     .label = job->label,
                                     .is_json = job->is_json,
                                     .limit = job->limit};
    if (job->limit > 0 && job->kind == LIST_LABELS) {
        wanted.limit += 1; /* for __name__, which is left out */
    }
    VV_TRY(vv_remote_list(&wanted, &job->arena, &texts, &count, out_is_reached, out_err));
    VV_TRY(list_head(job, out_err));
    for (size_t i = 0; i < count; i++) {
        VV_TRY(list_server_row(job, texts, i, out_err));
    }
    return list_tail(job, out_err);
}

/* ---- the commands --------------------------------------------------------------------------- */

static int list_print(list_job *job, varve_db *db)
{
    varve_error error;
    varve_error close_error;
    bool is_reached = true;
    varve_status status = vv_output_open(NULL, &job->output, &error);
    if (status != VARVE_OK) {
        return vv_cli_report(job->verb, status, &error);
    }
    status = db != NULL ? list_database(job, db, &error) : list_server(job, &is_reached, &error);
    varve_status closed = vv_output_close(job->output, &close_error);
    int exit_code = status != VARVE_OK
                        ? vv_cli_report_at(job->verb, status, &error, job->fault.text)
                        : vv_cli_report(job->verb, closed, &close_error);
    return is_reached ? exit_code : VV_EXIT_CONNECTION;
}

static int list_run(list_job *job, int selectors, const char *const *texts)
{
    int exit_code;
    varve_db *db = NULL;
    if (!vv_cli_resolve_target(job->verb, &job->target)) {
        return VV_EXIT_USAGE;
    }
    job->words.selectors = texts;
    job->words.selector_count = (size_t)selectors;
    job->words.fault = &job->fault;
    vv_signals_catch();
    if (job->target.url == NULL) {
        db = vv_cli_open_reader(job->verb, job->target.data, &exit_code);
        if (db == NULL) {
            return exit_code;
        }
    }
    vv_alloc_init(&job->alloc, NULL);
    vv_arena_init(&job->arena, &job->alloc, LIST_ARENA_BYTES_MAX);
    vv_buf_init(&job->buf, &job->alloc, SIZE_MAX);
    vv_grid_init(&job->grid, &job->alloc);
    exit_code = list_print(job, db);
    vv_grid_deinit(&job->grid);
    vv_buf_deinit(&job->buf);
    vv_arena_deinit(&job->arena);
    return vv_cli_close(job->verb, db, exit_code);
}

/** The rows that end the table of each command. */
#define LIST_OPTIONS(job)                                                                          \
    {"last", VV_OPTION_TEXT, &(job)->words.last, "SPAN", "what has rows of the last 15m, 7d ..."}, \
        {"start", VV_OPTION_TEXT, &(job)->words.start, "TIME",                                     \
         "or from here: 2026-01-02, now-1h"},                                                      \
        {"end", VV_OPTION_TEXT, &(job)->words.end, "TIME", "up to here, without it"},              \
        {"zone", VV_OPTION_TEXT, &(job)->words.zone, "ZONE", "of times, such as Europe/Prague"},   \
        {"limit", VV_OPTION_UNSIGNED, &(job)->limit, "N", "at most so many"},                      \
    {                                                                                              \
        "json", VV_OPTION_FLAG, &(job)->is_json, NULL, "as one JSON array"                         \
    }

static int list_command(list_job *job, const char *example, int argc, char **argv)
{
    const vv_option table[] = {VV_TARGET_OPTIONS(&job->target), LIST_OPTIONS(job)};
    int operands;
    int exit_code;
    if (!vv_cli_begin(job->verb, example, table, VV_ARRAY_COUNT(table), argc, argv, &operands,
                      &exit_code)) {
        return exit_code;
    }
    return list_run(job, operands, (const char *const *)argv);
}

int vv_cmd_series(int argc, char **argv)
{
    list_job job = {.verb = "series", .kind = LIST_SERIES};
    return list_command(&job, "varve series 'cpu_percent{host=~\"web.*\"}'", argc, argv);
}

int vv_cmd_metrics(int argc, char **argv)
{
    list_job job = {.verb = "metrics", .kind = LIST_METRICS};
    return list_command(&job, "varve metrics --url http://127.0.0.1:9428", argc, argv);
}

int vv_cmd_labels(int argc, char **argv)
{
    list_job job = {.verb = "labels", .kind = LIST_LABELS};
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&job.target),
        {"match", VV_OPTION_TEXT, &job.match, "SELECTOR", "of these series (all)"},
        LIST_OPTIONS(&job),
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("labels", "varve labels host --match cpu_percent --last 1d", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (operands > 1) {
        vv_cli_fail("labels", "takes the name of one label, but was given %d", operands);
        return VV_EXIT_USAGE;
    }
    if (operands == 1) {
        job.kind = LIST_LABEL_VALUES;
        job.label = vv_text_from_string(argv[0]);
    }
    return list_run(&job, job.match != NULL ? 1 : 0, &job.match);
}
