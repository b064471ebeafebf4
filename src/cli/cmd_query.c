/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve query and varve export: rows or aggregates of a selection as text. They differ in what they
 * are for: query shows a part to people, export writes all of it for programs.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "base/status.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/csv_export.h"
#include "cli/field_hint.h"
#include "cli/progress.h"
#include "cli/remote.h"
#include "cli/rows_print.h"
#include "cli/screen.h"
#include "sys/clock.h"
#include "sys/signals.h"
#include "wire/stream.h"

/** The memory of what words and listings become. */
#define QUERY_ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* Higher charts show no more. */
#define QUERY_CHART_LINES 20u

/** What both commands are given. */
typedef struct query_job {
    const char *verb;
    vv_target target;
    vv_ask_words words;
    vv_rows_format format;
    uint32_t unit;    /* VARVE_PRECISION_STORED: not given */
    bool has_metric;  /* the column is there in any case */
    bool is_export;   /* all rows, for programs */
    const char *path; /* of the output; NULL: standard output */
    vv_ask_fault fault;
    vv_chart_style chart;
} query_job;

/** How far it is, where the rows go elsewhere than to the terminal. */
static void query_show(const query_job *job, const varve_task *task, const vv_rows_print *print,
                       vv_progress *progress)
{
    vv_progress_state state = {
        .what = job->verb, .unit = "rows", .items = vv_rows_print_result(print)->rows};
    if (task != NULL) {
        varve_task_progress(task, &state.done, &state.total);
    }
    vv_progress_show(progress, &state);
}

static varve_status query_print(const query_job *job, varve_db *db, const vv_ask *ask,
                                vv_rows_print *print, varve_error *out_err)
{
    vv_progress progress;
    vv_progress_init(&progress);
    progress.is_terminal = progress.is_terminal && (job->path != NULL || !vv_is_terminal(1));
    varve_cursor *cursor = NULL;
    const varve_block *block = NULL;
    varve_status status = varve_query(db, &ask->query, &cursor, out_err);
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, out_err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        status = vv_rows_print_block(print, block, out_err);
        query_show(job, ask->query.task, print, &progress);
    }
    vv_progress_end(&progress);
    varve_cursor_close(cursor);
    return status == VARVE_OK ? vv_rows_print_end(print, out_err) : status;
}

/** An export that goes no further: what is whole of it is written, and it is told how much. */
static varve_status query_stop(vv_rows_print *print, const vv_output *output, varve_status status,
                               varve_error *out_err)
{
    varve_error stop_error;
    VV_IGNORE(vv_rows_print_stop(print, &stop_error)); /* the output remembers */
    return vv_output_stopped(output, vv_rows_print_result(print)->rows, status, out_err);
}

static varve_status query_to(const query_job *job, varve_db *db, const vv_ask *ask,
                             const vv_rows_style *style, varve_error *out_err)
{
    vv_output *output;
    vv_rows_print *print = NULL;
    varve_error close_error;
    VV_TRY(vv_output_open(job->path, &output, out_err));
    varve_status status = vv_rows_print_create(style, output, &print, out_err);
    if (status == VARVE_OK) {
        status = query_print(job, db, ask, print, out_err);
    }
    if (status != VARVE_OK && print != NULL && job->is_export) {
        status = query_stop(print, output, status, out_err);
    }
    varve_status closed = vv_output_close(output, &close_error);
    if (status == VARVE_OK && closed != VARVE_OK) {
        *out_err = close_error;
        status = closed;
    }
    if (status == VARVE_OK) {
        vv_rows_print_note(print, job->verb);
    }
    vv_rows_print_free(print);
    return status;
}

static varve_status query_database(const query_job *job, varve_db *db, varve_task *task,
                                   vv_arena *arena, varve_error *out_err)
{
    varve_info info;
    vv_ask ask;
    varve_info_init(&info);
    VV_TRY(varve_db_info(db, &info, out_err));
    VV_TRY(vv_ask_parse(&job->words, db, info.precision, vv_wall_now_ns(), arena, &ask, out_err));
    ask.query.task = task;
    vv_rows_style style = {.format = job->format,
                           .from = info.precision,
                           .unit = job->unit,
                           .has_metric = job->has_metric,
                           .sorts_fields = ask.query.output_count == 0,
                           .names = ask.names,
                           .name_count = ask.name_count,
                           .chart = job->chart};
    if (vv_rows_format_has_columns(job->format)) {
        VV_TRY(vv_ask_columns(&ask, db, arena, &style, out_err));
    } else if (job->format == VV_ROWS_LINE_PROTOCOL && style.unit == VARVE_PRECISION_STORED) {
        style.unit = VARVE_PRECISION_NS; /* what readers of line protocol expect */
    }
    VV_TRY(query_to(job, db, &ask, &style, out_err));
    return job->words.fields == NULL ? VARVE_OK
                                     : vv_field_hint_database(job->verb, &ask, db, arena, out_err);
}

/** varve export --format csv: rows that import takes back. */
static varve_status query_export_csv(const query_job *job, varve_db *db, varve_task *task,
                                     vv_arena *arena, varve_error *out_err)
{
    varve_info info;
    vv_ask ask;
    bool has_lost = false;
    varve_info_init(&info);
    VV_TRY(varve_db_info(db, &info, out_err));
    VV_TRY(vv_ask_parse(&job->words, db, info.precision, vv_wall_now_ns(), arena, &ask, out_err));
    ask.query.task = task;
    vv_csv_export export = {
        .query = &ask.query, .path = job->path, .from = info.precision, .unit = job->unit};
    VV_TRY(vv_csv_export_run(db, &export, arena, &has_lost, out_err));
    if (has_lost) {
        vv_cli_fail(job->verb, "digits of times were cut; give a finer --precision");
    }
    return VARVE_OK;
}

static int query_directory(const query_job *job)
{
    int exit_code;
    varve_db *db = vv_cli_open_reader(job->verb, job->target.data, &exit_code);
    if (db == NULL) {
        return exit_code;
    }
    varve_error error;
    vv_alloc alloc;
    vv_arena arena;
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, QUERY_ARENA_BYTES_MAX);
    varve_task *task = vv_cli_task();
    bool is_csv_export = job->is_export && job->format == VV_ROWS_CSV;
    varve_status status = is_csv_export ? query_export_csv(job, db, task, &arena, &error)
                                        : query_database(job, db, task, &arena, &error);
    exit_code = vv_cli_report_at(job->verb, status, &error, job->fault.text);
    exit_code = vv_cli_close(job->verb, db, exit_code);
    varve_task_free(task);
    vv_arena_deinit(&arena);
    return exit_code;
}

static int query_run(query_job *job)
{
    job->words.fault = &job->fault;
    if (!vv_cli_resolve_target(job->verb, &job->target)) {
        return VV_EXIT_USAGE;
    }
    vv_signals_catch();
    if (job->target.url == NULL) {
        return query_directory(job);
    }
    varve_error error;
    vv_remote_rows rows = {.url = job->target.url,
                           .words = &job->words,
                           .format = job->format,
                           .unit = job->unit,
                           .has_metric = job->has_metric,
                           .path = job->path,
                           .chart = job->chart,
                           .is_export = job->is_export};
    bool is_reached = true;
    varve_status status = vv_remote_rows_print(&rows, &is_reached, &error);
    int exit_code = vv_cli_report_at(job->verb, status, &error, job->fault.text);
    return is_reached ? exit_code : VV_EXIT_CONNECTION;
}

/** --format, or one of its short forms. */
static bool query_format(const char *verb, const char *word, vv_rows_format *format)
{
    if (word != NULL && !vv_rows_format_parse(word, format)) {
        const char *nearest = vv_rows_format_nearest(word);
        vv_cli_fail(verb,
                    "--format is table, csv, tsv, json, jsonl, lp, markdown, chart or native, not "
                    "\"%s\"%s%s%s",
                    word, nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                    nearest != NULL ? "?" : "");
        return false;
    }
    return true;
}

/** Most of a terminal in height; all of it in width. */
static bool query_chart(query_job *job, const char *color, uint64_t width, uint64_t height)
{
    vv_screen screen;
    if (!vv_screen_init(&screen, color)) {
        vv_cli_fail(job->verb, "--color is auto, always or never, not \"%s\"", color);
        return false;
    }
    size_t lines = screen.lines * 2 / 3;
    job->chart = (vv_chart_style){
        .columns = screen.columns,
        .lines = lines < QUERY_CHART_LINES ? lines : QUERY_CHART_LINES,
        .is_utf8 = screen.is_utf8,
        .has_color = screen.has_color,
    };
    if (width > 0) {
        job->chart.columns = width < VV_CHART_COLUMNS_MAX ? (size_t)width : VV_CHART_COLUMNS_MAX;
    }
    if (height > 0) {
        job->chart.lines = height < VV_CHART_LINES_MAX ? (size_t)height : VV_CHART_LINES_MAX;
    }
    return true;
}

/** True after saying that rows for people have no such format. */
static bool query_is_binary(vv_rows_format format)
{
    if (format == VV_ROWS_NATIVE) {
        vv_cli_fail("query", "native is a format of varve export");
    }
    return format == VV_ROWS_NATIVE;
}

int vv_cmd_query(int argc, char **argv)
{
    query_job job = {.verb = "query", .format = VV_ROWS_TABLE};
    vv_ask_words *words = &job.words;
    const char *format = NULL;
    const char *precision = NULL;
    bool is_json = false;
    bool is_csv = false;
    const char *color = NULL;
    uint64_t width = 0;
    uint64_t height = 0;
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&job.target),
        {"fields", VV_OPTION_TEXT, &words->fields, "A,B", "these fields (all)"},
        {"last", VV_OPTION_TEXT, &words->last, "SPAN", "the last 15m, 1h, 7d ..."},
        {"start", VV_OPTION_TEXT, &words->start, "TIME", "from here: 2026-01-02T03:04, now-1h ..."},
        {"end", VV_OPTION_TEXT, &words->end, "TIME", "up to here, without it"},
        {"agg", VV_OPTION_TEXT, &words->aggregations, "A,B", "sum, avg, min, max, last, p95 ..."},
        {"every", VV_OPTION_TEXT, &words->every, "SPAN", "a row for each 1m, 1h, day, month ..."},
        {"zone", VV_OPTION_TEXT, &words->zone, "ZONE",
         "of times and buckets, such as Europe/Prague"},
        {"by", VV_OPTION_TEXT, &words->by, "LABELS", "group by them; \"\" takes all together"},
        {"limit", VV_OPTION_UNSIGNED, &words->limit, "N", "at most so many rows"},
        {"descending", VV_OPTION_FLAG, &words->is_descending, NULL, "newest first"},
        {"format", VV_OPTION_TEXT, &format, "FORMAT",
         "table, csv, tsv, json, jsonl, lp, markdown, chart"},
        {"json", VV_OPTION_FLAG, &is_json, NULL, "the same as --format json"},
        {"csv", VV_OPTION_FLAG, &is_csv, NULL, "the same as --format csv"},
        {"precision", VV_OPTION_TEXT, &precision, "UNIT", "times as numbers of ns, us, ms or s"},
        {"width", VV_OPTION_UNSIGNED, &width, "N", "columns of a chart (the terminal's)"},
        {"height", VV_OPTION_UNSIGNED, &height, "N", "lines of its plot"},
        {"color", VV_OPTION_TEXT, &color, "WHEN", "auto, always, never (auto)"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("query", "varve query 'cpu_percent{host=\"a\"}' --last 1h --every 1m", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (operands != 1) {
        vv_cli_fail("query", "takes one selector, but was given %d", operands);
        return VV_EXIT_USAGE;
    }
    job.format = is_json ? VV_ROWS_JSON : is_csv ? VV_ROWS_CSV : VV_ROWS_TABLE;
    if ((int)is_json + (int)is_csv + (int)(format != NULL) > 1) {
        vv_cli_fail("query", "--format, --json and --csv exclude each other");
        return VV_EXIT_USAGE;
    }
    if (!query_format("query", format, &job.format) || query_is_binary(job.format) ||
        !vv_cli_parse_precision("query", precision, &job.unit) ||
        !query_chart(&job, color, width, height)) {
        return VV_EXIT_USAGE;
    }
    words->selectors = (const char *const *)argv;
    words->selector_count = 1;
    return query_run(&job);
}

int vv_cmd_export(int argc, char **argv)
{
    query_job job = {
        .verb = "export", .format = VV_ROWS_JSON_LINES, .has_metric = true, .is_export = true};
    vv_ask_words *words = &job.words;
    const char *format = NULL;
    const char *precision = NULL;
    bool is_json = false;
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&job.target),
        {"last", VV_OPTION_TEXT, &words->last, "SPAN", "the last 15m, 1h, 7d ..."},
        {"start", VV_OPTION_TEXT, &words->start, "TIME", "from here: 2026-01-02T03:04, now-1h ..."},
        {"end", VV_OPTION_TEXT, &words->end, "TIME", "up to here, without it"},
        {"zone", VV_OPTION_TEXT, &words->zone, "ZONE", "of these times, such as Europe/Prague"},
        {"format", VV_OPTION_TEXT, &format, "FORMAT", "jsonl, lp, csv, native (jsonl)"},
        {"precision", VV_OPTION_TEXT, &precision, "UNIT",
         "of times: ns, us, ms, s (the database's; lp: ns)"},
        {"json", VV_OPTION_FLAG, &is_json, NULL, "one JSON document: --format json"},
        {"output", VV_OPTION_TEXT, &job.path, "FILE", "or -o; .gz and .zst compress"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("export", "varve export 'cpu_percent' --last 1d -o cpu.jsonl.zst", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (job.path != NULL && job.path[0] == '\0') {
        vv_cli_fail("export", "--output is empty");
        return VV_EXIT_USAGE;
    }
    if (is_json && format != NULL) {
        vv_cli_fail("export", "--format and --json exclude each other");
        return VV_EXIT_USAGE;
    }
    if (format == NULL && !is_json && job.path != NULL &&
        vv_text_ends_with(vv_text_from_string(job.path), VV_TEXT(VV_STREAM_SUFFIX))) {
        format = "native";
    }
    if (!query_format("export", is_json ? "json" : format, &job.format) ||
        !vv_cli_parse_precision("export", precision, &job.unit)) {
        return VV_EXIT_USAGE;
    }
    if (job.format == VV_ROWS_NATIVE && precision != NULL) {
        vv_cli_fail("export", "--precision: a stream keeps the times as they are");
        return VV_EXIT_USAGE;
    }
    words->selectors = (const char *const *)argv;
    words->selector_count = (size_t)operands;
    return query_run(&job);
}
