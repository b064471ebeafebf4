/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The server's own figures, and those of the database, as Prometheus text. Label sets are closed:
 * they come from routes.def and a list of codes, never from what a client sends.
 */

#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "server/server_priv.h"
#include "sys/process.h"

/* More than varve_stats has; what is beyond is left out. */
#define COUNTERS_STATS_MAX 256u

static const uint64_t counters_bounds_us[VV_QUERY_BUCKETS] = {1000,   5000,    25000,    100000,
                                                              500000, 2500000, 10000000, 30000000};

static const uint32_t counters_codes[VV_CODE_COUNT] = {
#define VV_CODE_NUMBER(code) code,
    VV_CODES_MAP(VV_CODE_NUMBER)
#undef VV_CODE_NUMBER
        0};

typedef struct counters_row {
    const char *kind;
    const char *name;
    const char *labels;
    const char *help;
} counters_row;

static const counters_row counters_rows[VV_METRIC_COUNT] = {
#define VV_METRIC(id, kind, name, labels, help) {kind, name, labels, help},
#include "server/metrics.def"
#undef VV_METRIC
};

void vv_count(vv_server *server, vv_metric_id id, uint64_t by)
{
    atomic_fetch_add(&server->counters.metrics[id], by);
}

void vv_count_request(vv_server *server, vv_route_id route, uint32_t code)
{
    size_t at = VV_CODE_OTHER;
    for (size_t index = 0; index < VV_CODE_OTHER; index++) {
        if (counters_codes[index] == code) {
            at = index;
        }
    }
    atomic_fetch_add(&server->counters.requests[route][at], 1);
}

void vv_count_query(vv_server *server, uint64_t duration_us)
{
    size_t at = 0;
    while (at < VV_QUERY_BUCKETS && duration_us > counters_bounds_us[at]) {
        at += 1;
    }
    atomic_fetch_add(&server->counters.query_buckets[at], 1);
    atomic_fetch_add(&server->counters.query_sum_us, duration_us);
}

static void counters_head(vv_buf *out, const char *name, const char *kind, const char *help)
{
    vv_buf_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void counters_number(vv_buf *out, const char *name, const char *labels, double value)
{
    char text[VV_TEXT_F64_BYTES_MAX];
    vv_buf_append_format(out, "%s%s ", name, labels);
    if (value - value == 0.0) {
        vv_buf_append(out, text, vv_text_print_f64_plain(text, value));
    } else {
        vv_buf_append_text(out, VV_TEXT("NaN"));
    }
    vv_buf_append_char(out, '\n');
}

static void counters_print_table(const vv_server *server, vv_buf *out)
{
    const char *last = "";
    for (size_t index = 0; index < VV_METRIC_COUNT; index++) {
        const counters_row *row = &counters_rows[index];
        if (strcmp(last, row->name) != 0) {
            counters_head(out, row->name, row->kind, row->help);
            last = row->name;
        }
        vv_buf_append_format(out, "%s%s %llu\n", row->name, row->labels,
                             (unsigned long long)atomic_load(&server->counters.metrics[index]));
    }
}

static void counters_print_requests(const vv_server *server, vv_buf *out)
{
    counters_head(out, "varve_http_requests_total", "counter", "Requests answered.");
    for (size_t route = 0; route < VV_ROUTE_COUNT; route++) {
        for (size_t code = 0; code < VV_CODE_COUNT; code++) {
            uint64_t count = atomic_load(&server->counters.requests[route][code]);
            if (count == 0) {
                continue;
            }
            const char *path =
                route == VV_ROUTE_OTHER ? "other" : vv_route_at((vv_route_id)route)->path;
            vv_buf_append_format(out, "varve_http_requests_total{path=\"%s\",code=\"", path);
            if (code == VV_CODE_OTHER) {
                vv_buf_append_text(out, VV_TEXT("other"));
            } else {
                vv_buf_append_format(out, "%u", counters_codes[code]);
            }
            vv_buf_append_format(out, "\"} %llu\n", (unsigned long long)count);
        }
    }
}

static void counters_print_queries(const vv_server *server, vv_buf *out)
{
    const char *name = "varve_query_duration_seconds";
    counters_head(out, name, "histogram", "Time from the first byte asked to the last given.");
    uint64_t total = 0;
    char text[VV_TEXT_F64_BYTES_MAX];
    for (size_t index = 0; index <= VV_QUERY_BUCKETS; index++) {
        total += atomic_load(&server->counters.query_buckets[index]);
        vv_buf_append_format(out, "%s_bucket{le=\"", name);
        if (index == VV_QUERY_BUCKETS) {
            vv_buf_append_text(out, VV_TEXT("+Inf"));
        } else {
            double seconds = (double)counters_bounds_us[index] / 1e6;
            vv_buf_append(out, text, vv_text_print_f64_plain(text, seconds));
        }
        vv_buf_append_format(out, "\"} %llu\n", (unsigned long long)total);
    }
    double sum = (double)atomic_load(&server->counters.query_sum_us) / 1e6;
    counters_number(out, "varve_query_duration_seconds_sum", "", sum);
    vv_buf_append_format(out, "%s_count %llu\n", name, (unsigned long long)total);
}

/** Whether the server has a figure of its own under this name. */
static bool counters_is_own(const char *name)
{
    for (size_t index = 0; index < VV_METRIC_COUNT; index++) {
        if (strcmp(counters_rows[index].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void counters_print_database(const vv_server *server, vv_buf *out)
{
    varve_stat stats[COUNTERS_STATS_MAX];
    size_t count = 0;
    if (varve_stats(server->db, stats, COUNTERS_STATS_MAX, &count, NULL) != VARVE_OK) {
        return;
    }
    count = count < COUNTERS_STATS_MAX ? count : COUNTERS_STATS_MAX;
    for (size_t index = 0; index < count; index++) {
        if (counters_is_own(stats[index].name)) {
            continue;
        }
        counters_head(out, stats[index].name,
                      stats[index].kind == VARVE_STAT_COUNTER ? "counter" : "gauge",
                      stats[index].help == NULL ? "" : stats[index].help);
        counters_number(out, stats[index].name, "", stats[index].value);
    }
}

void vv_counters_print(vv_server *server, vv_buf *out)
{
    counters_head(out, "varve_build_info", "gauge", "Always 1; the version is a label.");
    vv_buf_append_format(out, "varve_build_info{version=\"%s\"} 1\n", varve_version());
    counters_print_table(server, out);
    counters_print_requests(server, out);
    counters_print_queries(server, out);
    counters_head(out, "varve_http_connections", "gauge", "Connections open now.");
    counters_number(out, "varve_http_connections", "", (double)vv_http_connections(server->http));
    counters_head(out, "varve_server_memory_bytes", "gauge", "Memory of requests and caches.");
    counters_number(out, "varve_server_memory_bytes", "", (double)vv_alloc_bytes(&server->alloc));
    counters_head(out, "process_start_time_seconds", "gauge", "When the server started.");
    counters_number(out, "process_start_time_seconds", "", (double)server->start_wall_ns / 1e9);
    counters_head(out, "process_resident_memory_bytes", "gauge", "Memory in RAM.");
    counters_number(out, "process_resident_memory_bytes", "", (double)vv_process_rss_bytes());
    counters_head(out, "process_max_fds", "gauge", "Most open files.");
    counters_number(out, "process_max_fds", "", (double)vv_process_files_max());
    counters_print_database(server, out);
}
