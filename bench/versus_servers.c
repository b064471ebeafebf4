/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers beside each other, fed the same lines of tsbs-cpu over HTTP, each a process of its own on
 * the same machine as the client, whose CPU time is named. Every measurement starts a server on an
 * empty directory. Neither syncs for a request: varve hands its log to the system (--sync none),
 * VictoriaMetrics has none and keeps new data in memory for a second.
 *
 *   I4   bodies of 5000 lines over four connections, each with hosts of its own. The clock stops
 * with the last answer; server_cpu_s is of its whole life, its clean end included I8   one line of
 * each host: ten fields a row as tsbs-cpu has them, or a line for each field; a series is what
 * VictoriaMetrics counts as one. Memory is what the process has resident right after, less what it
 * had before S1   bytes at rest for each value: everything in files and merged into one part,
 * indexes included; beside Prometheus the blocks that promtool makes of the same values as
 * OpenMetrics
 */
#include <stdlib.h>
#include <string.h>

#include "servers.h"

enum { VERSUS_CONNECTIONS = 4, VERSUS_PATH_BYTES = 600 };

typedef struct versus_job {
    const bench_options *options;
    const bench_peer *varve, *peer;
    bench_bodies bodies;
    const char *metrics_text; /* S1 beside Prometheus: the file */
    bool is_verifying;
} versus_job;

static void versus_verify(const versus_job *job, const bench_server *server)
{
    if (job->is_verifying) {
        bench_server_settle(server);
        bench_sum_must(server->engine, bench_server_sum(server, &job->bodies.rows),
                       job->bodies.sum);
    }
}

static bench_pairing versus_pairing(versus_job *job, const char *workload, const char *params)
{
    return (bench_pairing){.result = {.workload = workload,
                                      .set = bench_set_name(BENCH_TSBS_CPU),
                                      .params = params,
                                      .durability = "none",
                                      .threads = job->bodies.connections},
                           .peer = job->peer,
                           .context = job};
}

/** Both sides once on a set, with their answers compared. */
static void versus_check(versus_job *job, const bench_rows *rows, bool is_split,
                         bench_measure varve, bench_measure other)
{
    double figures[BENCH_FIGURES_MAX];
    job->is_verifying = true;
    job->bodies = bench_bodies_make(rows, VERSUS_CONNECTIONS, is_split);
    varve(job, figures);
    other(job, figures);
    bench_bodies_free(&job->bodies);
    job->is_verifying = false;
}

/* ---- I4 ---- */

static void versus_lines(versus_job *job, const bench_peer *engine, double *figures)
{
    bench_server server;
    bench_server_start(&server, job->options, engine);
    bench_sending sending = bench_bodies_send(&job->bodies, &server);
    versus_verify(job, &server);
    figures[0] = job->bodies.sum.rows / sending.seconds;
    figures[1] = sending.p50_ns / 1000;
    figures[2] = sending.p99_ns / 1000;
    figures[4] = sending.client_cpu_s;
    figures[3] = bench_server_stop(&server);
}

static void versus_lines_own(void *context, double *figures)
{
    versus_lines(context, ((versus_job *)context)->varve, figures);
}

static void versus_lines_other(void *context, double *figures)
{
    versus_lines(context, ((versus_job *)context)->peer, figures);
}

void bench_versus_lines(const bench_options *options, const bench_peer *peer)
{
    bench_peer varve;
    if (!bench_peer_varve("I4", options, &varve)) {
        return;
    }
    versus_job job = {.options = options, .varve = &varve, .peer = peer};
    bench_rows rows = bench_rows_of(BENCH_TSBS_CPU, BENCH_SMOKE);
    versus_check(&job, &rows, false, versus_lines_own, versus_lines_other);
    rows = bench_rows_of(BENCH_TSBS_CPU, options->preset);
    rows.steps *= bench_pick(options, 1, 2);
    job.bodies = bench_bodies_make(&rows, VERSUS_CONNECTIONS, false);
    char params[96];
    snprintf(params, sizeof params, "\"hosts\":%zu,\"steps\":%zu,\"values\":%zu", rows.hosts,
             rows.steps, bench_rows_values(&rows));
    bench_pairing pairing = versus_pairing(&job, "I4", params);
    pairing.varve = versus_lines_own;
    pairing.other = versus_lines_other;
    static const char *const metrics[] = {"values_per_s", "batch_p50", "batch_p99", "server_cpu_s",
                                          "client_cpu_s"};
    static const char *const units[] = {"1/s", "us", "us", "s", "s"};
    pairing.count = VV_ARRAY_COUNT(metrics);
    memcpy(pairing.metrics, metrics, sizeof metrics);
    memcpy(pairing.units, units, sizeof units);
    bench_pairs(options, &pairing);
    bench_bodies_free(&job.bodies);
}

/* ---- I8 ---- */

static void versus_series(versus_job *job, const bench_peer *engine, double *figures)
{
    bench_server server;
    bench_server_start(&server, job->options, engine);
    uint64_t before = bench_child_resident(&server.child, NULL);
    bench_sending sending = bench_bodies_send(&job->bodies, &server);
    uint64_t after = bench_child_resident(&server.child, NULL);
    if (!job->bodies.is_split) {
        versus_verify(job, &server);
    }
    figures[0] = job->bodies.sum.rows / sending.seconds;
    figures[1] = ((double)after - (double)before) / job->bodies.sum.rows;
    figures[2] = bench_server_stop(&server);
}

static void versus_series_own(void *context, double *figures)
{
    versus_series(context, ((versus_job *)context)->varve, figures);
}

static void versus_series_other(void *context, double *figures)
{
    versus_series(context, ((versus_job *)context)->peer, figures);
}

void bench_versus_series(const bench_options *options, const bench_peer *peer)
{
    bench_peer varve;
    if (!bench_peer_varve("I8", options, &varve)) {
        return;
    }
    versus_job job = {.options = options, .varve = &varve, .peer = peer};
    bench_rows rows = {.set = BENCH_TSBS_CPU,
                       .hosts = bench_pick(options, 1000, 100000),
                       .steps = 1,
                       .fields = BENCH_FIELDS_MAX};
    versus_check(&job, &rows, false, versus_series_own, versus_series_other);
    for (int is_split = 0; is_split < 2; is_split++) {
        job.bodies = bench_bodies_make(&rows, VERSUS_CONNECTIONS, is_split != 0);
        char params[96];
        snprintf(params, sizeof params, "\"series\":%zu,\"fields_each_line\":%zu",
                 bench_rows_values(&rows), is_split ? (size_t)1 : rows.fields);
        bench_pairing pairing = versus_pairing(&job, "I8", params);
        pairing.varve = versus_series_own;
        pairing.other = versus_series_other;
        static const char *const metrics[] = {"series_per_s", "resident_per_series",
                                              "server_cpu_s"};
        static const char *const units[] = {"1/s", "B", "s"};
        pairing.count = VV_ARRAY_COUNT(metrics);
        memcpy(pairing.metrics, metrics, sizeof metrics);
        memcpy(pairing.units, units, sizeof units);
        bench_pairs(options, &pairing);
        bench_bodies_free(&job.bodies);
    }
}

/* ---- S1 ---- */

static void versus_size(versus_job *job, const bench_peer *engine, double *figures)
{
    bench_server server;
    bench_server_start(&server, job->options, engine);
    bench_bodies_send(&job->bodies, &server);
    versus_verify(job, &server);
    figures[0] =
        (double)bench_server_rest_bytes(&server, job->options, engine) / job->bodies.sum.rows;
}

static void versus_size_own(void *context, double *figures)
{
    versus_size(context, ((versus_job *)context)->varve, figures);
}

static void versus_size_other(void *context, double *figures)
{
    versus_size(context, ((versus_job *)context)->peer, figures);
}

/** promtool lists the samples of each block it makes. */
static double versus_samples(const char *text)
{
    double samples = 0;
    bool is_title = true;
    while (*text != '\0') {
        const char *at = text;
        for (int column = 0; column < 4 && !is_title; column++) {
            at += strcspn(at, " \t\n");
            at += strspn(at, " \t");
        }
        /* BLOCK ULID, MIN TIME, MAX TIME, DURATION, NUM SAMPLES, ... */
        samples += is_title ? 0 : strtod(at, NULL);
        is_title = false;
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return samples;
}

static void versus_size_blocks(void *context, double *figures)
{
    versus_job *job = context;
    static char text[1 << 16];
    char out[VERSUS_PATH_BYTES];
    char log[VERSUS_PATH_BYTES];
    snprintf(out, sizeof out, "%s/blocks", bench_scratch(job->options));
    snprintf(log, sizeof log, "%s/promtool.log", bench_scratch(job->options));
    bench_tree_remove(out);
    const char *const argv[] = {
        job->peer->path, "tsdb", "create-blocks-from", "openmetrics", job->metrics_text, out, NULL};
    bench_child_run(&(bench_command){.argv = argv, .log = log}, text, sizeof text);
    double samples = versus_samples(text);
    if (samples != job->bodies.sum.rows) {
        bench_die("promtool does not verify, it made blocks of %.0f samples: %s", samples, text);
    }
    figures[0] = (double)bench_tree_bytes(out) / job->bodies.sum.rows;
}

void bench_versus_size(const bench_options *options, const bench_peer *peer)
{
    bench_peer varve;
    if (!bench_peer_varve("S1", options, &varve)) {
        return;
    }
    bool is_promtool = strcmp(peer->name, "promtool") == 0;
    versus_job job = {.options = options, .varve = &varve, .peer = peer};
    bench_rows rows = bench_rows_of(BENCH_TSBS_CPU, options->preset);
    job.bodies = bench_bodies_make(&rows, VERSUS_CONNECTIONS, false);
    if (is_promtool) {
        job.metrics_text = bench_rows_write(&rows, bench_scratch(options), "om");
    }
    job.is_verifying = true;
    char params[96];
    snprintf(params, sizeof params, "\"hosts\":%zu,\"steps\":%zu,\"values\":%zu", rows.hosts,
             rows.steps, bench_rows_values(&rows));
    bench_pairing pairing = versus_pairing(&job, "S1", params);
    pairing.result.durability = "";
    pairing.varve = versus_size_own;
    pairing.other = is_promtool ? versus_size_blocks : versus_size_other;
    pairing.metrics[0] = "bytes_per_value";
    pairing.units[0] = "B";
    pairing.count = 1;
    bench_options once = *options; /* sizes hardly vary */
    once.reps = options->reps != 0 ? options->reps : 1;
    bench_pairs(&once, &pairing);
    bench_bodies_free(&job.bodies);
}
