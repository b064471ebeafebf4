/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve stats and varve top: what a database counts about itself, all of it once, or the gist of it
 * again and again.
 *
 * A directory is opened read-only: beside a server its counters are those of this process, and what
 * the server has written shows in the figures of rows, segments and sequence. A server is asked for
 * its /metrics.
 */

#include <math.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/progress.h"
#include "cli/remote.h"
#include "cli/screen.h"
#include "cli/stat_lines.h"
#include "cli/text_width.h"
#include "net/http_url.h"
#include "sys/clock.h"
#include "sys/signals.h"

#define STATS_BYTES_MAX ((size_t)16 * 1024 * 1024)

/* How much is shown of a directory's name, or a server's. */
#define STATS_PLACE_BYTES 512u

/** Where the figures come from. */
typedef struct stats_source {
    const char *verb;
    vv_target target;
    varve_db *db; /* NULL: a server */
    vv_alloc alloc;
    vv_buf text; /* of the server */
    bool is_reached;
} stats_source;

static bool stats_open(stats_source *source, int *out_exit)
{
    *out_exit = VV_EXIT_USAGE;
    if (!vv_cli_resolve_target(source->verb, &source->target)) {
        return false;
    }
    vv_signals_catch();
    vv_alloc_init(&source->alloc, NULL);
    vv_buf_init(&source->text, &source->alloc, STATS_BYTES_MAX);
    source->is_reached = true;
    if (source->target.url == NULL) {
        source->db = vv_cli_open_reader(source->verb, source->target.data, out_exit);
        return source->db != NULL;
    }
    return true;
}

static int stats_close(stats_source *source, int exit_code)
{
    vv_buf_deinit(&source->text);
    exit_code = source->db != NULL ? vv_cli_close(source->verb, source->db, exit_code) : exit_code;
    return source->is_reached ? exit_code : VV_EXIT_CONNECTION;
}

/** The figures as they are now; names live until the next call. */
static varve_status stats_read(stats_source *source, vv_arena *arena, vv_figures *out_figures,
                               varve_error *out_err)
{
    if (source->db != NULL) {
        VV_TRY(varve_refresh(source->db, out_err));
        return vv_figures_of_database(source->db, arena, out_figures, out_err);
    }
    vv_buf_reset(&source->text);
    VV_TRY(vv_remote_text(source->target.url, "/metrics", &source->text, &source->is_reached,
                          out_err));
    return vv_figures_parse(vv_buf_text(&source->text), arena, out_figures, out_err);
}

static size_t stats_number(char *target, double value)
{
    if (!isfinite(value)) {
        return vv_text_format(target, VV_TEXT_F64_BYTES_MAX, "null");
    }
    return vv_text_print_f64_plain(target, value);
}

/* ---- stats ---------------------------------------------------------------------------------- */

static varve_status stats_table(const vv_figures *figures, vv_alloc *alloc, vv_buf *out,
                                varve_error *out_err)
{
    vv_grid grid;
    varve_status status = VARVE_OK;
    vv_grid_init(&grid, alloc);
    for (size_t i = 0; i < figures->count && status == VARVE_OK; i++) {
        char text[VV_TEXT_F64_BYTES_MAX];
        size_t size = stats_number(text, figures->items[i].value);
        vv_grid_cell(&grid, figures->items[i].name, false);
        vv_grid_cell(&grid, vv_text_make(text, size), true);
        status = vv_grid_end_row(&grid, out, out_err);
    }
    status = status == VARVE_OK ? vv_grid_end(&grid, out, out_err) : status;
    vv_grid_deinit(&grid);
    return status;
}

static varve_status stats_json(const vv_figures *figures, vv_buf *out, varve_error *out_err)
{
    vv_json json;
    vv_json_init(&json, out);
    vv_json_object_begin(&json);
    for (size_t i = 0; i < figures->count; i++) {
        char text[VV_TEXT_F64_BYTES_MAX];
        size_t size = stats_number(text, figures->items[i].value);
        vv_json_key(&json, figures->items[i].name);
        vv_json_raw(&json, vv_text_make(text, size));
    }
    vv_json_object_end(&json);
    vv_buf_append_char(out, '\n');
    return vv_json_end(&json, out_err);
}

static int stats_print(stats_source *source, bool is_json)
{
    varve_error error;
    vv_arena arena;
    vv_buf out;
    vv_figures figures;
    vv_arena_init(&arena, &source->alloc, STATS_BYTES_MAX);
    vv_buf_init(&out, &source->alloc, STATS_BYTES_MAX);
    varve_status status = stats_read(source, &arena, &figures, &error);
    if (status == VARVE_OK) {
        status = is_json ? stats_json(&figures, &out, &error)
                         : stats_table(&figures, &source->alloc, &out, &error);
    }
    int exit_code = vv_cli_report(source->verb, status, &error);
    if (status == VARVE_OK) {
        exit_code = vv_cli_print(source->verb, vv_buf_text(&out));
    }
    vv_buf_deinit(&out);
    vv_arena_deinit(&arena);
    return exit_code;
}

int vv_cmd_stats(int argc, char **argv)
{
    stats_source source = {.verb = "stats"};
    bool is_json = false;
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&source.target),
        {"json", VV_OPTION_FLAG, &is_json, NULL, "as one JSON object"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("stats", "varve stats --url http://127.0.0.1:9428", table,
                      VV_ARRAY_COUNT(table), argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("stats", operands, argv)) {
        return VV_EXIT_USAGE;
    }
    if (!stats_open(&source, &exit_code)) {
        return exit_code;
    }
    return stats_close(&source, stats_print(&source, is_json));
}

/* ---- top ------------------------------------------------------------------------------------ */

/** What top shows; rates are NaN before there are two samples. */
typedef struct stats_gist {
    int64_t mono_ns;
    double rows_written; /* a count that grows with every row */
    double queries;
    double rows_per_s;
    double queries_per_s;
    double rows;
    double series;
    double metrics;
    double memory_bytes;
    double memory_limit_bytes;
    double segments;
    double segment_bytes;
    double wal_bytes;
    double health;
} stats_gist;

static varve_status stats_gist_read(stats_source *source, vv_arena *arena, const stats_gist *before,
                                    stats_gist *out_gist, varve_error *out_err)
{
    vv_figures figures;
    vv_arena_reset(arena);
    VV_TRY(stats_read(source, arena, &figures, out_err));
    const vv_figures *f = &figures;
    *out_gist = (stats_gist){
        .mono_ns = vv_mono_now_ns(),
        /* The sequence counts rows of whoever writes, a read-only handle's own counter none. */
        .rows_written = vv_figures_get(f, source->db != NULL ? "varve_visible_sequence"
                                                             : "varve_rows_written_total"),
        .queries = vv_figures_get(f, "varve_queries_total"),
        .rows_per_s = (double)NAN,
        .queries_per_s = (double)NAN,
        .rows = vv_figures_get(f, "varve_segment_rows") + vv_figures_get(f, "varve_head_rows"),
        .series = vv_figures_get(f, "varve_series"),
        .metrics = vv_figures_get(f, "varve_metrics"),
        .memory_bytes = vv_figures_get(f, "varve_memory_bytes"),
        .memory_limit_bytes = vv_figures_get(f, "varve_memory_limit_bytes"),
        .segments = vv_figures_get(f, "varve_segments"),
        .segment_bytes = vv_figures_get(f, "varve_segment_bytes"),
        .wal_bytes = vv_figures_get(f, "varve_wal_bytes"),
        .health = vv_figures_get(f, "varve_health"),
    };
    double seconds = (double)(out_gist->mono_ns - before->mono_ns) / 1e9;
    if (before->mono_ns != 0 && seconds > 0.0) {
        out_gist->rows_per_s = (out_gist->rows_written - before->rows_written) / seconds;
        out_gist->queries_per_s = (out_gist->queries - before->queries) / seconds;
    }
    return VARVE_OK;
}

static const char *stats_health(double health)
{
    static const char *const names[] = {
        [VARVE_HEALTH_OK] = "ok",           [VARVE_HEALTH_DEGRADED] = "degraded",
        [VARVE_HEALTH_NOSPACE] = "nospace", [VARVE_HEALTH_WRITE_FAILED] = "write_failed",
        [VARVE_HEALTH_CORRUPT] = "corrupt",
    };
    bool is_known = health >= 0.0 && health < (double)VV_ARRAY_COUNT(names);
    return is_known ? names[(size_t)health] : "unknown";
}

static void stats_gist_json(const stats_gist *gist, vv_buf *out)
{
    const struct {
        varve_text key;
        double value;
    } members[] = {
        {VV_TEXT("rows_per_s"), gist->rows_per_s},
        {VV_TEXT("queries_per_s"), gist->queries_per_s},
        {VV_TEXT("rows"), gist->rows},
        {VV_TEXT("series"), gist->series},
        {VV_TEXT("metrics"), gist->metrics},
        {VV_TEXT("memory_bytes"), gist->memory_bytes},
        {VV_TEXT("memory_limit_bytes"), gist->memory_limit_bytes},
        {VV_TEXT("segments"), gist->segments},
        {VV_TEXT("segment_bytes"), gist->segment_bytes},
        {VV_TEXT("wal_bytes"), gist->wal_bytes},
    };
    char text[VV_TEXT_RFC3339_BYTES_MAX];
    vv_json json;
    vv_json_init(&json, out);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("time"),
                     vv_text_make(text, vv_text_print_rfc3339(text, vv_wall_now_ns())));
    for (size_t i = 0; i < VV_ARRAY_COUNT(members); i++) {
        char number[VV_TEXT_F64_BYTES_MAX];
        vv_json_key(&json, members[i].key);
        vv_json_raw(&json, vv_text_make(number, stats_number(number, members[i].value)));
    }
    vv_json_key_text(&json, VV_TEXT("health"), vv_text_from_string(stats_health(gist->health)));
    vv_json_object_end(&json);
    vv_buf_append_char(out, '\n');
}

static void stats_gist_line(vv_buf *out, const char *what, double value, const char *unit)
{
    char count[VV_PROGRESS_COUNT_BYTES] = "-";
    if (isfinite(value)) {
        vv_progress_count(count, value);
    }
    vv_buf_append_format(out, "%-14s %10s%s\n", what, count, unit);
}

static void stats_gist_lines(const stats_source *source, const stats_gist *gist, vv_buf *out)
{
    char text[VV_TEXT_RFC3339_BYTES_MAX + 1];
    char place[STATS_PLACE_BYTES];
    if (source->db != NULL) {
        vv_text_format(place, sizeof place, "%s", source->target.data);
    } else {
        vv_http_url_print(place, sizeof place, source->target.url);
    }
    size_t size = vv_text_print_rfc3339_parts(text, vv_wall_now_ns() / VV_NS_PER_S, 0, 0);
    vv_buf_append_format(out, "%s  %.*s  %s\n\n", place, (int)size, text,
                         stats_health(gist->health));
    stats_gist_line(out, "rows written", gist->rows_per_s, "/s");
    stats_gist_line(out, "queries", gist->queries_per_s, "/s");
    stats_gist_line(out, "rows", gist->rows, "");
    stats_gist_line(out, "series", gist->series, "");
    stats_gist_line(out, "metrics", gist->metrics, "");
    stats_gist_line(out, "memory", gist->memory_bytes, "B");
    stats_gist_line(out, "memory limit", gist->memory_limit_bytes, "B");
    stats_gist_line(out, "segments", gist->segments, "");
    stats_gist_line(out, "in segments", gist->segment_bytes, "B");
    stats_gist_line(out, "in the log", gist->wal_bytes, "B");
}

/* Lines of it, with the empty one and the one behind the last. */
#define STATS_GIST_LINES 13u

/** What top was asked for. */
typedef struct stats_top {
    stats_source source;
    int64_t interval_ns;
    bool is_once;
    bool is_json;
    bool is_terminal;
    vv_arena arena;
    vv_buf out;
    vv_buf view; /* the part of it that a screen holds */
} stats_top;

/** From the corner of the screen, and no more than it holds: what scrolls cannot be renewed. */
static void stats_top_fit(stats_top *top)
{
    vv_screen screen;
    varve_text line;
    varve_text rest = vv_buf_text(&top->out);
    size_t lines = 0;
    VV_IGNORE(vv_screen_init(&screen, NULL)); /* false for a bad word, and there is none */
    vv_buf_reset(&top->view);
    vv_buf_append_text(&top->view, VV_TEXT("\033[H"));
    while (lines + 1 < screen.lines && rest.size > 0 && vv_text_split(&rest, '\n', &line)) {
        bool is_gap = line.size == 0;
        if (is_gap && screen.lines <= STATS_GIST_LINES) {
            continue;
        }
        vv_buf_append_text(&top->view, vv_text_width_cut(line, screen.columns));
        vv_buf_append_text(&top->view, VV_TEXT("\033[K\n"));
        lines += 1;
    }
    vv_buf_append_text(&top->view, VV_TEXT("\033[J"));
    vv_buf_reset(&top->out);
    VV_IGNORE(vv_buf_append_text(&top->out, vv_buf_text(&top->view))); /* sticky */
    top->out.status = top->view.status != VARVE_OK ? top->view.status : top->out.status;
}

static int stats_top_show(stats_top *top, const stats_gist *gist)
{
    vv_buf_reset(&top->out);
    if (top->is_json) {
        stats_gist_json(gist, &top->out);
    } else {
        stats_gist_lines(&top->source, gist, &top->out);
        if (top->is_terminal && !top->is_once) {
            stats_top_fit(top);
        }
    }
    varve_error error;
    varve_status status = vv_buf_check(&top->out, &error);
    return status != VARVE_OK ? vv_cli_report("top", status, &error)
                              : vv_cli_print("top", vv_buf_text(&top->out));
}

/** Samples until SIGINT, or the two that one answer needs. */
static int stats_top_run(stats_top *top)
{
    stats_gist before = {.mono_ns = 0};
    int64_t deadline_ns = vv_mono_now_ns();
    for (;;) {
        varve_error error;
        stats_gist gist;
        varve_status status = stats_gist_read(&top->source, &top->arena, &before, &gist, &error);
        if (status == VARVE_E_CANCELLED && vv_signals_is_stop_asked()) {
            return VV_EXIT_INTERRUPTED; /* while it asked, and not while it waited */
        }
        if (status != VARVE_OK) {
            return vv_cli_report("top", status, &error);
        }
        bool is_last = top->is_once && before.mono_ns != 0;
        if (is_last || !top->is_once) {
            int exit_code = stats_top_show(top, &gist);
            if (exit_code != VV_EXIT_OK || is_last) {
                return exit_code;
            }
        }
        before = gist;
        deadline_ns += top->interval_ns;
        if (vv_signals_wait_stop_until(deadline_ns)) {
            return VV_EXIT_INTERRUPTED;
        }
    }
}

int vv_cmd_top(int argc, char **argv)
{
    stats_top top = {.source = {.verb = "top"}, .interval_ns = VV_NS_PER_S};
    const char *interval = NULL;
    const vv_option table[] = {
        VV_TARGET_OPTIONS(&top.source.target),
        {"interval", VV_OPTION_TEXT, &interval, "SPAN", "between two looks (1s)"},
        {"once", VV_OPTION_FLAG, &top.is_once, NULL, "one answer, after one interval"},
        {"json", VV_OPTION_FLAG, &top.is_json, NULL, "a JSON object in a line each time"},
    };
    int operands;
    int exit_code;
    if (!vv_cli_begin("top", "varve top --url http://127.0.0.1:9428", table, VV_ARRAY_COUNT(table),
                      argc, argv, &operands, &exit_code)) {
        return exit_code;
    }
    if (!vv_cli_takes_none("top", operands, argv) ||
        !vv_cli_parse_interval("top", "--interval", interval, &top.interval_ns)) {
        return VV_EXIT_USAGE;
    }
    if (!stats_open(&top.source, &exit_code)) {
        return exit_code;
    }
    top.is_terminal = vv_is_terminal(1);
    top.is_once = top.is_once || (!top.is_terminal && !top.is_json);
    vv_arena_init(&top.arena, &top.source.alloc, STATS_BYTES_MAX);
    vv_buf_init(&top.out, &top.source.alloc, STATS_BYTES_MAX);
    vv_buf_init(&top.view, &top.source.alloc, STATS_BYTES_MAX);
    exit_code = stats_top_run(&top);
    vv_buf_deinit(&top.view);
    vv_buf_deinit(&top.out);
    vv_arena_deinit(&top.arena);
    return stats_close(&top.source, exit_code);
}
