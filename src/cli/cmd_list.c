/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve series and varve metrics: what a database knows, a line each.
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
#include "wire/json_lines.h"

#define LIST_ARENA_BYTES_MAX ((size_t)1024 * 1024 * 1024)
#define LIST_PIECE_BYTES     (64u * 1024u)

/** What both commands are given, and where they write. */
typedef struct list_job {
    const char *verb;
    bool is_metrics;
    vv_target target;
    bool is_json;
    uint64_t limit; /* 0: all */
    char *const *selectors;
    size_t selector_count;
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

static varve_status list_metrics_row(list_job *job, const varve_block *block, size_t row,
                                     varve_error *out_err)
{
    static const varve_text keys[] = {VV_TEXT_INIT("metric"), VV_TEXT_INIT("field"),
                                      VV_TEXT_INIT("type")};
    if (job->is_json) {
        vv_json_object_begin(&job->json);
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(keys); i++) {
        varve_text cell = vv_listing_cell(block, i, row);
        if (job->is_json) {
            vv_json_key_text(&job->json, keys[i], cell);
        } else {
            vv_grid_cell(&job->grid, cell, false);
        }
    }
    if (job->is_json) {
        vv_json_object_end(&job->json);
        return VARVE_OK;
    }
    return vv_grid_end_row(&job->grid, &job->buf, out_err);
}

/* ---- a directory ---------------------------------------------------------------------------- */

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
            VV_TRY(job->is_metrics ? list_metrics_row(job, block, row, out_err)
                                   : list_series_row(job, db, block, row, out_err));
        }
    }
}

static varve_status list_query(list_job *job, varve_db *db, varve_cursor **out_cursor,
                               varve_error *out_err)
{
    varve_list_options options;
    varve_list_options_init(&options);
    options.limit = job->limit == 0 ? UINT64_MAX : job->limit;
    varve_selection *selections =
        vv_arena_zeroed(&job->arena, job->selector_count * sizeof *selections + 1);
    if (selections == NULL) {
        return vv_fail_nomem(out_err, "selectors", job->selector_count);
    }
    for (size_t i = 0; i < job->selector_count; i++) {
        selections[i].kind = VARVE_SELECT_TEXT;
        selections[i].text = vv_text_from_string(job->selectors[i]);
    }
    options.selections = selections;
    options.selection_count = job->selector_count;
    return job->is_metrics ? varve_field_names(db, &options, out_cursor, out_err)
                           : varve_series_list(db, &options, out_cursor, out_err);
}

static varve_status list_database(list_job *job, varve_db *db, varve_error *out_err)
{
    varve_cursor *cursor = NULL;
    VV_TRY(list_query(job, db, &cursor, out_err));
    if (job->is_json) {
        vv_json_init_sink(&job->json, &job->buf, LIST_PIECE_BYTES, vv_output_sink, job->output);
        vv_json_array_begin(&job->json);
    } else if (job->is_metrics) {
        vv_grid_cell(&job->grid, VV_TEXT("metric"), false);
        vv_grid_cell(&job->grid, VV_TEXT("field"), false);
        vv_grid_cell(&job->grid, VV_TEXT("type"), false);
    }
    varve_status status = VARVE_OK;
    if (job->is_metrics && !job->is_json) {
        status = vv_grid_end_row(&job->grid, &job->buf, out_err);
    }
    status = status == VARVE_OK ? list_rows(job, db, cursor, out_err) : status;
    varve_cursor_close(cursor);
    VV_TRY(status);
    if (job->is_json) {
        vv_json_array_end(&job->json);
        VV_TRY(vv_json_end(&job->json, out_err));
        vv_buf_append_char(&job->buf, '\n');
    } else if (job->is_metrics) {
        VV_TRY(vv_grid_end(&job->grid, &job->buf, out_err));
    }
    return list_flush(job, out_err);
}

/* ---- a server ------------------------------------------------------------------------------- */

static varve_status list_server(list_job *job, bool *out_is_reached, varve_error *out_err)
{
    varve_text *lines;
    size_t count;
    VV_TRY(vv_remote_list(job->target.url, job->is_metrics, job->is_json, job->selectors,
                          job->selector_count, &job->arena, &lines, &count, out_is_reached,
                          out_err));
    if (job->limit > 0 && job->limit < count) {
        count = (size_t)job->limit;
    }
    if (job->is_json) {
        vv_json_init(&job->json, &job->buf);
        vv_json_array_begin(&job->json);
    }
    for (size_t i = 0; i < count; i++) {
        if (job->is_json) {
            vv_json_raw(&job->json, lines[i]);
        } else {
            vv_buf_append_text(&job->buf, lines[i]);
            vv_buf_append_char(&job->buf, '\n');
        }
    }
    if (job->is_json) {
        vv_json_array_end(&job->json);
        VV_TRY(vv_json_end(&job->json, out_err));
        vv_buf_append_char(&job->buf, '\n');
    }
    return list_flush(job, out_err);
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
    int exit_code = status != VARVE_OK ? vv_cli_report(job->verb, status, &error)
                                       : vv_cli_report(job->verb, closed, &close_error);
    return is_reached ? exit_code : VV_EXIT_CONNECTION;
}

static int list_run(list_job *job, int operands, char **argv)
{
    int exit_code;
    varve_db *db = NULL;
    if (!vv_cli_resolve_target(job->verb, &job->target)) {
        return VV_EXIT_USAGE;
    }
    job->selectors = argv;
    job->selector_count = (size_t)operands;
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

static int list_command(list_job *job, const char *example, int argc, char **argv)
{
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&job->target),
        {"limit", VV_OPTION_UNSIGNED, &job->limit, "N", "at most so many"},
        {"json", VV_OPTION_FLAG, &job->is_json, NULL, "as one JSON array"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin(job->verb, example, table, VV_ARRAY_COUNT(table), argc, argv, &operands,
                      &exit_code)) {
        return exit_code;
    }
    return list_run(job, operands, argv);
}

int vv_cmd_series(int argc, char **argv)
{
    list_job job = {.verb = "series"};
    return list_command(&job, "varve series 'cpu_percent{host=~\"web.*\"}'", argc, argv);
}

int vv_cmd_metrics(int argc, char **argv)
{
    list_job job = {.verb = "metrics", .is_metrics = true};
    return list_command(&job, "varve metrics --url http://127.0.0.1:9428", argc, argv);
}
