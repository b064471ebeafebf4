/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve tail: the newest rows, then those that come, a line each, as `tail -f` shows a file.
 *
 * The library gives rows by time, not by arrival, so directory and server are asked in the same
 * way, again and again, for all rows of a window that reaches from a little before the newest row
 * on. What was not there in the look before has come since (cli/tail_seen.h):
 *
 *   T1  Every row that comes into the window is shown once. Rows of one look are in order of time;
 * a late row stands behind newer ones that came before it.
 *
 *   T2  A row that is older than the newest of all series by more than the window is not shown, nor
 *       is one that takes the place of another of its series and time.
 *
 *   T3  Rows of the first look are the newest of all series together. What comes while they are
 *       gathered is shown as well: the window is looked at before them.
 */

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "base/vec.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/listing.h"
#include "cli/remote.h"
#include "cli/rows_print.h"
#include "cli/tail_seen.h"
#include "model/time_range.h"
#include "sys/clock.h"
#include "sys/signals.h"
#include "wire/json_lines.h"

/* How far the clocks and delays of writers may lie apart, unless --window says it; arbitrary. Each
 * look reads so much again. */
#define TAIL_WINDOW_NS (60 * VV_NS_PER_S)

/* What one look may take. */
#define TAIL_BYTES_MAX ((size_t)1024 * 1024 * 1024)

typedef struct tail_row {
    int64_t timestamp;
    size_t order; /* of arrival in this look */
    size_t begin; /* of its line in texts */
    size_t size;
} tail_row;

typedef enum tail_look_kind {
    TAIL_NEWEST, /* how far the series are */
    TAIL_BEFORE, /* what is there already */
    TAIL_FIRST,  /* rows to begin with, of each series the newest first */
    TAIL_NEWS,   /* what has come */
} tail_look_kind;

typedef struct tail_job {
    vv_target target;
    varve_db *db; /* NULL: a server */
    const char *selector;
    const char *fields;
    uint64_t rows; /* of the first look */
    int64_t interval_ns;
    int64_t window_ns;
    bool is_json;
    uint32_t precision;
    bool is_reached;
    vv_alloc alloc;
    vv_ask_fault fault;
    /* what was seen */
    vv_tail_seen seen;
    int64_t newest;   /* of all; INT64_MIN: no row yet */
    int64_t start_ts; /* of the last window: it only moves on */
    /* the look under way */
    tail_look_kind kind;
    vv_buf key;
    vv_buf texts;
    vv_vec lines; /* tail_row */
    vv_arena arena;
} tail_job;

/* ---- one row -------------------------------------------------------------------------------- */

/** Whether a row is to be shown; remembers it. */
static varve_status tail_wants(tail_job *job, int64_t timestamp, bool *out_is_wanted,
                               varve_error *out_err)
{
    bool is_new = false;
    job->newest = timestamp > job->newest ? timestamp : job->newest;
    *out_is_wanted = job->kind == TAIL_FIRST;
    switch (job->kind) {
    case TAIL_NEWEST:
        return VARVE_OK;
    case TAIL_FIRST:
        return timestamp < job->start_ts ? VARVE_OK
                                         : vv_tail_seen_add(&job->seen, timestamp, out_err);
    case TAIL_BEFORE:
        return vv_tail_seen_offer(&job->seen, timestamp, &is_new, out_err);
    case TAIL_NEWS:
        return vv_tail_seen_offer(&job->seen, timestamp, out_is_wanted, out_err);
    }
    return VARVE_OK;
}

/** "2026-01-02T03:04:05.000Z  cpu{host="a"}  usage=1.5 note="x"" */
static void tail_text_line(tail_job *job, const varve_block *block, size_t row)
{
    static const uint32_t digits[] = {[VARVE_PRECISION_NS] = 9,
                                      [VARVE_PRECISION_US] = 6,
                                      [VARVE_PRECISION_MS] = 3,
                                      [VARVE_PRECISION_S] = 0};
    char text[VV_TEXT_RFC3339_BYTES_MAX];
    int64_t per_second = vv_precision_per_second(job->precision);
    int64_t s = vv_floor_div_i64(block->timestamps[row], per_second);
    int64_t rest = vv_floor_mod_i64(block->timestamps[row], per_second);
    size_t size = vv_text_print_rfc3339_parts(text, s, (uint32_t)(rest * (1000000000 / per_second)),
                                              digits[job->precision]);
    vv_buf_append(&job->texts, text, size);
    vv_buf_append_text(&job->texts, VV_TEXT("  "));
    vv_buf_append_text(&job->texts, vv_buf_text(&job->key));
    vv_buf_append_char(&job->texts, ' ');
    for (size_t i = 0; i < block->column_count; i++) {
        varve_value value = vv_column_value(&block->columns[i], row);
        if (value.type == VARVE_TYPE_NONE) {
            continue;
        }
        vv_buf_append_char(&job->texts, ' ');
        vv_listing_print_line(&job->texts, block->column_names[i]);
        vv_buf_append_char(&job->texts, '=');
        if (value.type == VARVE_TYPE_STRING) {
            vv_buf_append_char(&job->texts, '"');
            vv_json_escape(&job->texts, value.as.bytes);
            vv_buf_append_char(&job->texts, '"');
        } else {
            vv_rows_print_value(&job->texts, &value);
        }
    }
    vv_buf_append_char(&job->texts, '\n');
}

static void tail_json_line(tail_job *job, const varve_block *block, size_t row)
{
    vv_json json;
    bool has_lost = false;
    vv_json_rows rows = {
        .metric = block->metric,
        .labels = block->labels,
        .label_count = block->label_count,
        .timestamps = block->timestamps,
        .names = block->column_names,
        .columns = block->columns,
        .column_count = block->column_count,
        .begin = row,
        .end = row + 1,
        .from = job->precision,
        .unit = job->precision,
    };
    vv_json_init(&json, &job->texts);
    vv_json_lines_write(&json, &rows, &has_lost); /* the same unit: nothing is lost */
}

/** A vv_remote_block_sink whose context is a tail_job. */
static varve_status tail_block(void *context, const varve_block *given, varve_error *out_err)
{
    tail_job *job = context;
    varve_block block = *given;
    if (block.rows == 0) {
        return VARVE_OK;
    }
    if (block.timestamps == NULL) {
        return vv_fail(out_err, VARVE_E_INTERNAL, "rows without times");
    }
    if (job->fields == NULL) {
        VV_TRY(vv_columns_sort(given, &job->arena, &block.column_names, &block.columns, out_err));
    }
    vv_buf_reset(&job->key);
    vv_listing_print_series(&job->key, block.metric, block.labels, block.label_count);
    VV_TRY(vv_buf_check(&job->key, out_err));
    VV_TRY(vv_tail_seen_series(&job->seen, vv_buf_text(&job->key), out_err));
    for (size_t row = 0; row < block.rows; row++) {
        bool is_wanted;
        VV_TRY(tail_wants(job, block.timestamps[row], &is_wanted, out_err));
        if (!is_wanted) {
            continue;
        }
        tail_row line = {.timestamp = block.timestamps[row],
                         .order = job->lines.count,
                         .begin = job->texts.size};
        if (job->is_json) {
            tail_json_line(job, &block, row);
        } else {
            tail_text_line(job, &block, row);
        }
        line.size = job->texts.size - line.begin;
        VV_TRY(vv_buf_check(&job->texts, out_err));
        varve_status status = vv_vec_push(&job->lines, &line);
        if (status != VARVE_OK) {
            return vv_vec_fail(&job->lines, status, out_err);
        }
    }
    return VARVE_OK;
}

/* ---- one look ------------------------------------------------------------------------------- */

static varve_status tail_look_database(tail_job *job, const vv_ask_words *words,
                                       varve_error *out_err)
{
    vv_ask ask;
    varve_cursor *cursor = NULL;
    const varve_block *block = NULL;
    VV_TRY(varve_refresh(job->db, out_err));
    VV_TRY(
        vv_ask_parse(words, job->db, job->precision, vv_wall_now_ns(), &job->arena, &ask, out_err));
    ask.query.task = vv_cli_task();
    varve_status status = varve_query(job->db, &ask.query, &cursor, out_err);
    while (status == VARVE_OK) {
        status = varve_cursor_next(cursor, &block, out_err);
        if (status != VARVE_OK || block == NULL) {
            break;
        }
        status = tail_block(job, block, out_err);
    }
    varve_cursor_close(cursor);
    varve_task_free(ask.query.task);
    return status;
}

static varve_status tail_look(tail_job *job, vv_ask_words *words, varve_error *out_err)
{
    words->selectors = &job->selector;
    words->selector_count = 1;
    words->fields = job->fields;
    words->fault = &job->fault;
    vv_arena_reset(&job->arena);
    vv_buf_reset(&job->texts);
    vv_vec_clear(&job->lines);
    if (job->db != NULL) {
        return tail_look_database(job, words, out_err);
    }
    vv_remote_rows rows = {.url = job->target.url,
                           .words = words,
                           .format = VV_ROWS_JSON_LINES,
                           .sink = tail_block,
                           .sink_context = job};
    return vv_remote_rows_print(&rows, &job->is_reached, out_err);
}

static int tail_compare(const void *a, const void *b)
{
    const tail_row *one = a;
    const tail_row *two = b;
    if (one->timestamp != two->timestamp) {
        return one->timestamp < two->timestamp ? -1 : 1;
    }
    return (one->order > two->order) - (one->order < two->order);
}

static int tail_print(tail_job *job)
{
    if (job->lines.count > 0) {
        qsort(job->lines.items, job->lines.count, sizeof(tail_row), tail_compare);
    }
    bool is_cut = job->kind == TAIL_FIRST && job->lines.count > job->rows;
    for (size_t i = is_cut ? job->lines.count - (size_t)job->rows : 0; i < job->lines.count; i++) {
        const tail_row *line = VV_VEC_AT(&job->lines, tail_row, i);
        varve_text text = vv_text_sub(vv_buf_text(&job->texts), line->begin, line->size);
        if (fwrite(text.data, 1, text.size, stdout) != text.size) {
            break; /* told by the flush */
        }
    }
    return vv_cli_print("tail", (varve_text){.data = ""});
}

/** All rows of the window, as far back as the newest one or the clock says, but never farther than
 * before. */
static varve_status tail_look_window(tail_job *job, tail_look_kind kind, varve_error *out_err)
{
    varve_text text;
    char start[VV_TEXT_RFC3339_BYTES_MAX + 1] = "";
    vv_ask_words words = {.start = NULL};
    int64_t now = vv_time_convert_saturating(vv_wall_now_ns(), VARVE_PRECISION_NS, job->precision);
    int64_t window = vv_time_convert_saturating(job->window_ns, VARVE_PRECISION_NS, job->precision);
    if (job->newest != INT64_MIN) {
        int64_t newest = job->newest < now ? job->newest : now;
        int64_t start_ts = vv_sat_sub_i64(newest, window);
        job->start_ts = start_ts > job->start_ts ? start_ts : job->start_ts;
        VV_TRY(vv_ask_print_time(job->start_ts, job->precision, &job->arena, &text, out_err));
        vv_text_format(start, sizeof start, "%.*s", VV_TEXT_ARGS(text));
        words.start = text.size > 0 ? start : NULL;
    }
    job->kind = kind;
    vv_tail_seen_begin(&job->seen);
    VV_TRY(tail_look(job, &words, out_err));
    vv_tail_seen_end(&job->seen);
    return VARVE_OK;
}

/** The newest rows of all series, when it is known what there is. */
static varve_status tail_look_first(tail_job *job, varve_error *out_err)
{
    vv_ask_words words = {.limit_per_series = 1, .is_descending = true};
    job->kind = TAIL_NEWEST;
    VV_TRY(tail_look(job, &words, out_err));
    VV_TRY(tail_look_window(job, TAIL_BEFORE, out_err));
    if (job->rows == 0) {
        return VARVE_OK;
    }
    /* Which series have the newest rows is known when all were asked. */
    words.limit_per_series = job->rows;
    job->kind = TAIL_FIRST;
    return tail_look(job, &words, out_err);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int tail_follow(tail_job *job)
{
    varve_error error;
    int64_t deadline_ns = vv_mono_now_ns();
    varve_status status = tail_look_first(job, &error);
    for (;;) {
        if (status == VARVE_E_CANCELLED && vv_signals_is_stop_asked()) {
            return VV_EXIT_INTERRUPTED;
        }
        int exit_code = status == VARVE_OK
                            ? tail_print(job)
                            : vv_cli_report_at("tail", status, &error, job->fault.text);
        if (exit_code != VV_EXIT_OK) {
            return job->is_reached ? exit_code : VV_EXIT_CONNECTION;
        }
        deadline_ns += job->interval_ns;
        if (vv_signals_wait_stop_until(deadline_ns)) {
            return VV_EXIT_INTERRUPTED;
        }
        status = tail_look_window(job, TAIL_NEWS, &error);
    }
}

static varve_status tail_precision(tail_job *job, varve_error *out_err)
{
    varve_info info;
    if (job->db == NULL) {
        return vv_remote_precision(job->target.url, &job->precision, &job->is_reached, out_err);
    }
    varve_info_init(&info);
    VV_TRY(varve_db_info(job->db, &info, out_err));
    job->precision = info.precision;
    return VARVE_OK;
}

static int tail_run(tail_job *job)
{
    varve_error error;
    vv_alloc_init(&job->alloc, NULL);
    vv_tail_seen_init(&job->seen, &job->alloc);
    vv_vec_init(&job->lines, &job->alloc, sizeof(tail_row), SIZE_MAX);
    vv_buf_init(&job->key, &job->alloc, TAIL_BYTES_MAX);
    vv_buf_init(&job->texts, &job->alloc, TAIL_BYTES_MAX);
    vv_arena_init(&job->arena, &job->alloc, TAIL_BYTES_MAX);
    job->newest = INT64_MIN;
    job->start_ts = INT64_MIN;
    job->is_reached = true;
    varve_status status = tail_precision(job, &error);
    int exit_code = vv_cli_report("tail", status, &error);
    if (status == VARVE_OK) {
        exit_code = tail_follow(job);
    } else if (!job->is_reached) {
        exit_code = VV_EXIT_CONNECTION;
    }
    vv_arena_deinit(&job->arena);
    vv_buf_deinit(&job->texts);
    vv_buf_deinit(&job->key);
    vv_vec_deinit(&job->lines);
    vv_tail_seen_deinit(&job->seen);
    return exit_code;
}

int vv_cmd_tail(int argc, char **argv)
{
    tail_job job = {.selector = "{__name__!=\"\"}",
                    .rows = 10,
                    .interval_ns = VV_NS_PER_S,
                    .window_ns = TAIL_WINDOW_NS};
    const char *interval = NULL;
    const char *window = NULL;
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&job.target),
        {"rows", VV_OPTION_UNSIGNED, &job.rows, "N", "of those there are, at first (10)"},
        {"fields", VV_OPTION_TEXT, &job.fields, "A,B", "these fields (all)"},
        {"interval", VV_OPTION_TEXT, &interval, "SPAN", "between two looks (1s)"},
        {"window", VV_OPTION_TEXT, &window, "SPAN", "how late rows may come to be shown (1m)"},
        {"json", VV_OPTION_FLAG, &job.is_json, NULL, "JSON lines, one for each row"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("tail", "varve tail 'cpu_percent{host=\"a\"}'", table, VV_ARRAY_COUNT(table),
                      argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (operands > 1) {
        vv_cli_fail("tail", "takes one selector, but was given %d", operands);
        return VV_EXIT_USAGE;
    }
    if (!vv_cli_parse_interval("tail", "--interval", interval, &job.interval_ns) ||
        !vv_cli_parse_interval("tail", "--window", window, &job.window_ns) ||
        !vv_cli_resolve_target("tail", &job.target)) {
        return VV_EXIT_USAGE;
    }
    job.selector = operands == 1 ? argv[0] : job.selector;
    vv_signals_catch();
    if (job.target.url == NULL) {
        job.db = vv_cli_open_reader("tail", job.target.data, &exit_code);
        if (job.db == NULL) {
            return exit_code;
        }
    }
    exit_code = tail_run(&job);
    return job.db == NULL ? exit_code : vv_cli_close("tail", job.db, exit_code);
}
