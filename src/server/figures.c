/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The figures of /metrics: what the server counts, what the database counts, and what the process
 * takes, in the text form of Prometheus or as OpenMetrics. They are collected as lines with the
 * name of their family, sorted by it, and printed with a head before each family.
 *
 *     # HELP varve_ingest_samples_total Rows stored.
 *     # TYPE varve_ingest_samples_total counter
 *     varve_ingest_samples_total{protocol="influx"} 2
 *
 * F1  Label sets are closed: they come from tables, never from what a client sends.
 * F2  A family has one head, and its lines follow it.
 */

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "base/vec.h"
#include "server/server_priv.h"
#include "sys/process.h"

/* More than varve_stats has; what is beyond is left out. */
#define FIGURES_STATS_MAX      256u
#define FIGURES_NAME_BYTES_MAX 96u
#define FIGURES_LINES_MAX      8192u
/* Items of an Accept header that are looked at. */
#define FIGURES_ACCEPT_ITEMS_MAX 64u

typedef struct figures_line {
    char family[FIGURES_NAME_BYTES_MAX]; /* without _bucket and kin; "_total" belongs to it */
    const char *kind;
    const char *help;
    size_t offset; /* of the line in the text */
    size_t size;
} figures_line;

typedef struct figures {
    vv_server *server;
    vv_figures_form form;
    vv_vec lines;
    vv_buf text;
} figures;

/* ---- collecting ---- */

/** A line of a family; suffix is "_bucket" and kin, labels "" or in braces. */
static void figures_add_part(figures *f, const figures_line *family, const char *suffix,
                             const char *labels, double value)
{
    char number[VV_TEXT_F64_BYTES_MAX];
    figures_line line = *family;
    line.offset = f->text.size;
    vv_buf_append_format(&f->text, "%s%s%s ", family->family, suffix, labels);
    if (value - value == 0.0) {
        vv_buf_append(&f->text, number, vv_text_print_f64_plain(number, value));
    } else {
        vv_buf_append_text(&f->text, VV_TEXT("NaN"));
    }
    vv_buf_append_char(&f->text, '\n');
    line.size = f->text.size - line.offset;
    if (vv_vec_push(&f->lines, &line) != VARVE_OK) {
        f->text.status = VARVE_E_NOMEM; /* asked for once, at the end */
    }
}

static figures_line figures_family(const char *name, const char *kind, const char *help)
{
    figures_line family = {.kind = kind, .help = help};
    vv_text_format(family.family, sizeof family.family, "%s", name);
    return family;
}

static void figures_add(figures *f, const char *name, const char *kind, const char *help,
                        const char *labels, double value)
{
    figures_line family = figures_family(name, kind, help);
    figures_add_part(f, &family, "", labels, value);
}

static void figures_add_table(figures *f)
{
    static const struct {
        const char *kind, *name, *labels, *help;
    } rows[VV_METRIC_COUNT] = {
#define VV_METRIC(id, kind, name, labels, help) {kind, name, labels, help},
#include "server/metrics.def"
#undef VV_METRIC
    };
    for (size_t index = 0; index < VV_METRIC_COUNT; index++) {
        figures_add(f, rows[index].name, rows[index].kind, rows[index].help, rows[index].labels,
                    (double)atomic_load(&f->server->counters.metrics[index]));
    }
}

static void figures_add_limits(figures *f)
{
    for (uint32_t limit = VV_LIMIT_NONE + 1; limit < VV_LIMIT_COUNT; limit++) {
        char labels[64];
        vv_text_format(labels, sizeof labels, "{limit=\"%s\"}", vv_limit_name((vv_limit)limit));
        figures_add(f, "varve_limit_rejects_total", "counter", "Requests refused by a limit.",
                    labels, (double)atomic_load(&f->server->counters.limits[limit]));
    }
}

static const char *figures_path(size_t route)
{
    return route == VV_ROUTE_OTHER ? "other" : vv_route_at((vv_route_id)route)->path;
}

static void figures_add_requests(figures *f)
{
    for (size_t route = 0; route < VV_ROUTE_COUNT; route++) {
        for (size_t code = 0; code < VV_CODE_COUNT; code++) {
            char labels[256];
            char number[16] = "other";
            uint64_t count = atomic_load(&f->server->counters.requests[route][code]);
            if (count == 0) {
                continue;
            }
            if (code != VV_CODE_OTHER) {
                vv_text_format(number, sizeof number, "%u", vv_codes[code]);
            }
            vv_text_format(labels, sizeof labels, "{path=\"%s\",code=\"%s\"}", figures_path(route),
                           number);
            figures_add(f, "varve_http_requests_total", "counter", "Requests answered.", labels,
                        (double)count);
        }
    }
}

/** The times of the queries of one route. */
static void figures_add_times(figures *f, size_t route)
{
    const vv_counters *counters = &f->server->counters;
    figures_line family =
        figures_family("varve_query_duration_seconds", "histogram",
                       "Time of queries from the first byte asked to the last given.");
    uint64_t total = 0;
    char labels[256];
    for (size_t index = 0; index <= VV_QUERY_BUCKETS; index++) {
        char bound[VV_TEXT_F64_BYTES_MAX + 1] = "+Inf";
        total += atomic_load(&counters->query_buckets[route][index]);
        if (index < VV_QUERY_BUCKETS) {
            double seconds = (double)vv_query_bounds_us[index] / 1e6;
            bool has_point = f->form == VV_FIGURES_OPENMETRICS;
            bound[has_point ? vv_text_print_f64(bound, seconds)
                            : vv_text_print_f64_plain(bound, seconds)] = '\0';
        }
        vv_text_format(labels, sizeof labels, "{api=\"%s\",le=\"%s\"}", figures_path(route), bound);
        figures_add_part(f, &family, "_bucket", labels, (double)total);
    }
    vv_text_format(labels, sizeof labels, "{api=\"%s\"}", figures_path(route));
    figures_add_part(f, &family, "_sum", labels,
                     (double)atomic_load(&counters->query_sum_us[route]) / 1e6);
    figures_add_part(f, &family, "_count", labels, (double)total);
}

static void figures_add_queries(figures *f)
{
    const vv_counters *counters = &f->server->counters;
    for (size_t route = 0; route < VV_ROUTE_COUNT; route++) {
        uint64_t count = 0;
        for (size_t index = 0; index <= VV_QUERY_BUCKETS; index++) {
            count += atomic_load(&counters->query_buckets[route][index]);
        }
        if (count > 0) {
            figures_add_times(f, route);
        }
    }
    figures_add(f, "varve_queries_in_flight", "gauge", "Queries that have not ended.", "",
                (double)atomic_load(&counters->queries_in_flight));
}

static void figures_add_process(figures *f)
{
    const vv_server *server = f->server;
    char labels[128];
    vv_text_format(labels, sizeof labels, "{version=\"%s\"}", varve_version());
    figures_add(f, "varve_build_info", "gauge", "Always 1; the version is a label.", labels, 1.0);
    figures_add(f, "varve_http_connections", "gauge", "Connections open now.", "",
                (double)vv_http_connections(server->http));
    figures_add(f, "varve_server_memory_bytes", "gauge", "Memory of requests and caches.", "",
                (double)vv_alloc_bytes(&server->alloc));
    figures_add(f, "process_start_time_seconds", "gauge", "When the server started.", "",
                (double)server->start_wall_ns / 1e9);
    figures_add(f, "process_cpu_seconds_total", "counter", "Time on processors.", "",
                (double)vv_process_cpu_ns() / 1e9);
    figures_add(f, "process_resident_memory_bytes", "gauge", "Memory in RAM.", "",
                (double)vv_process_rss_bytes());
    figures_add(f, "process_open_fds", "gauge", "Files open now.", "",
                (double)vv_process_files_open());
    figures_add(f, "process_max_fds", "gauge", "Most open files.", "",
                (double)vv_process_files_max());
}

/* ---- the database ---- */

/** A figure of varve_stats that has another name or labels here. */
typedef struct figures_name {
    const char *stat;
    const char *name;   /* "": not shown */
    const char *labels; /* NULL: its own */
    const char *help;   /* NULL: its own */
} figures_name;

static const figures_name figures_names[] = {
    {"varve_cache_hits_total", "varve_cache_hits_total", "{cache=\"blocks\"}", NULL},
    {"varve_cache_misses_total", "varve_cache_misses_total", "{cache=\"blocks\"}", NULL},
    {"varve_segments", "", "", NULL}, /* the sum of the levels */
    {"varve_level_segments", "varve_segments", NULL, NULL},
    {"varve_merges_total", "varve_compactions_total", "{result=\"ok\"}", "Merges of segments."},
    {"varve_merge_failures_total", "varve_compactions_total", "{result=\"failed\"}",
     "Merges of segments."},
    {"varve_query_rows_scanned_total", "varve_query_samples_read_total", "",
     "Rows decoded for queries."},
    {"varve_queries_total", "", "", NULL}, /* the server counts its own */
    {"varve_segment_bytes", "varve_disk_bytes", "{kind=\"segments\"}", "Bytes of files."},
    {"varve_wal_bytes", "varve_disk_bytes", "{kind=\"wal\"}", "Bytes of files."},
    {"varve_wal_bytes", "varve_wal_bytes", "", NULL},
};

static const char *figures_kind(uint32_t kind)
{
    return kind == VARVE_STAT_COUNTER     ? "counter"
           : kind == VARVE_STAT_HISTOGRAM ? "histogram"
                                          : "gauge";
}

/** The family of a histogram's part: what stands before one of three endings. */
static size_t figures_base_size(varve_text name, uint32_t kind)
{
    static const varve_text endings[] = {VV_TEXT_INIT("_bucket"), VV_TEXT_INIT("_sum"),
                                         VV_TEXT_INIT("_count")};
    for (size_t index = 0; kind == VARVE_STAT_HISTOGRAM && index < VV_ARRAY_COUNT(endings);
         index++) {
        if (vv_text_ends_with(name, endings[index])) {
            return name.size - endings[index].size;
        }
    }
    return name.size;
}

static void figures_add_stat(figures *f, const varve_stat *stat)
{
    char name[FIGURES_NAME_BYTES_MAX];
    size_t name_size = strcspn(stat->name, "{");
    const char *labels = stat->name + name_size;
    const char *help = stat->help == NULL ? "" : stat->help;
    bool is_listed = false;
    vv_text_format(name, sizeof name, "%.*s", (int)name_size, stat->name);
    for (size_t index = 0; index < VV_ARRAY_COUNT(figures_names); index++) {
        const figures_name *row = &figures_names[index];
        if (strcmp(name, row->stat) != 0) {
            continue;
        }
        is_listed = true;
        if (row->name[0] != '\0') {
            figures_add(f, row->name, figures_kind(stat->kind),
                        row->help == NULL ? help : row->help,
                        row->labels == NULL ? labels : row->labels, stat->value);
        }
    }
    if (!is_listed) {
        char suffix[FIGURES_NAME_BYTES_MAX];
        size_t base_size = figures_base_size(vv_text_from_string(name), stat->kind);
        vv_text_format(suffix, sizeof suffix, "%s", name + base_size);
        name[base_size] = '\0';
        figures_line family = figures_family(name, figures_kind(stat->kind), help);
        figures_add_part(f, &family, suffix, labels, stat->value);
    }
}

static void figures_add_database(figures *f)
{
    varve_stat stats[FIGURES_STATS_MAX];
    size_t count = 0;
    if (varve_stats(f->server->db, stats, FIGURES_STATS_MAX, &count, NULL) != VARVE_OK) {
        return;
    }
    count = count < FIGURES_STATS_MAX ? count : FIGURES_STATS_MAX;
    for (size_t index = 0; index < count; index++) {
        figures_add_stat(f, &stats[index]);
    }
}

/* ---- printing ---- */

/** By family; lines of one family in the order in which they came. */
static int figures_compare(const void *left, const void *right)
{
    const figures_line *a = left;
    const figures_line *b = right;
    int order = strcmp(a->family, b->family);
    return order != 0 ? order : (a->offset > b->offset) - (a->offset < b->offset);
}

static void figures_head(const figures *f, const figures_line *line, vv_buf *out)
{
    varve_text name = vv_text_from_string(line->family);
    varve_text total = VV_TEXT("_total");
    if (f->form == VV_FIGURES_OPENMETRICS && vv_text_ends_with(name, total)) {
        name.size -= total.size; /* there it belongs to the line */
    }
    vv_buf_append_format(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", VV_TEXT_ARGS(name), line->help,
                         VV_TEXT_ARGS(name), line->kind);
}

static void figures_print_sorted(figures *f, vv_buf *out)
{
    figures_line *lines = VV_VEC_ITEMS(&f->lines, figures_line);
    const char *family = "";
    if (f->lines.count > 0) {
        qsort(lines, f->lines.count, sizeof *lines, figures_compare);
    }
    for (size_t index = 0; index < f->lines.count; index++) {
        if (strcmp(family, lines[index].family) != 0) {
            family = lines[index].family;
            figures_head(f, &lines[index], out);
        }
        vv_buf_append(out, f->text.data + lines[index].offset, lines[index].size);
    }
    if (f->form == VV_FIGURES_OPENMETRICS) {
        vv_buf_append_text(out, VV_TEXT("# EOF\n"));
    }
}

varve_status vv_figures_print(vv_server *server, vv_figures_form form, vv_buf *out,
                              varve_error *out_err)
{
    figures f = {.server = server, .form = form};
    vv_vec_init(&f.lines, &server->alloc, sizeof(figures_line), FIGURES_LINES_MAX);
    vv_buf_init(&f.text, &server->alloc, SIZE_MAX);
    figures_add_table(&f);
    figures_add_limits(&f);
    figures_add_requests(&f);
    figures_add_queries(&f);
    figures_add_process(&f);
    figures_add_database(&f);
    varve_status status = vv_buf_check(&f.text, out_err);
    if (status == VARVE_OK) {
        figures_print_sorted(&f, out);
        status = vv_buf_check(out, out_err);
    }
    vv_buf_deinit(&f.text);
    vv_vec_deinit(&f.lines);
    return status;
}

/* ---- which form ---- */

const char *vv_figures_type(vv_figures_form form)
{
    return form == VV_FIGURES_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

/** The weight of an item, in thousandths: what "q" says, 1000 without. */
static uint32_t figures_weight(varve_text parameters)
{
    varve_text part;
    while (vv_text_split(&parameters, ';', &part)) {
        double weight;
        part = vv_text_trim(part);
        if (vv_text_starts_with(part, VV_TEXT("q=")) &&
            vv_text_parse_f64(vv_text_sub(part, 2, part.size), &weight)) {
            return weight > 0.0 && weight <= 1.0 ? (uint32_t)(weight * 1000.0) : 0;
        }
    }
    return 1000;
}

vv_figures_form vv_figures_choose(varve_text accept)
{
    uint32_t plain = 0;
    uint32_t open = 0;
    varve_text item;
    varve_text rest = accept;
    for (size_t count = 0; count < FIGURES_ACCEPT_ITEMS_MAX && vv_text_split(&rest, ',', &item);
         count++) {
        size_t semicolon = vv_text_find_char(item, ';');
        varve_text type = vv_text_trim(vv_text_make(item.data, semicolon));
        uint32_t weight = figures_weight(vv_text_sub(item, semicolon, item.size));
        if (vv_text_equal_nocase(type, VV_TEXT("application/openmetrics-text"))) {
            open = weight > open ? weight : open;
        } else if (vv_text_equal_nocase(type, VV_TEXT("text/plain"))) {
            plain = weight > plain ? weight : plain;
        }
    }
    return open > 0 && open >= plain ? VV_FIGURES_OPENMETRICS : VV_FIGURES_PROMETHEUS;
}
