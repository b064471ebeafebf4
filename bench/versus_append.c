/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I1 beside `promtool tsdb bench write`: scrapes of many series whose identity is known, log
 * written without a sync. promtool makes its own samples, so varve is given the same ones: the ten
 * tags of tsbs-cpu and the metric as labels, a value that grows by 1000 every 30 s and begins again
 * every 100 scrapes. promtool commits 1000 series at a time, varve one batch a scrape for each
 * thread; promtool stops its clock when the last scrape is in memory and in the log, so
 * append_rows_per_s is what compares. rows_per_s of varve goes on until everything is in a segment.
 * CPU time is that of the whole of promtool, and of varve until then.
 *
 * S2 beside Prometheus: the same samples are left in the log of each, as after a kill; varve_open
 * is timed, and what the log of Prometheus says that its replay took; its CPU time is from its
 * start until it is ready. Verified is the number of samples.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "servers.h"

enum { APPEND_PATH_BYTES = 512, APPEND_TEXT_BYTES = 1 << 16, APPEND_THREADS_MAX = 2 };

static const double append_first_value = 123456789;
static const int64_t append_step_ns = INT64_C(30000000000);

typedef struct append_job {
    const bench_options *options;
    const bench_peer *peer;
    const bench_peer *promtool; /* S2: who makes the log; I1: the peer */
    size_t series, scrapes, threads;
    bool is_verifying;
    char names[APPEND_PATH_BYTES]; /* the file of label sets */
    char out[APPEND_PATH_BYTES];   /* what promtool makes; its database is `storage` in it */
} append_job;

/** The value of scrape k, as promtool makes it. */
static double append_value(size_t k)
{
    return append_first_value + 1000 * (double)(k % 100 + 1);
}

/* ---- promtool ---- */

static void append_write_names(append_job *job)
{
    snprintf(job->names, sizeof job->names, "%s/series.json", bench_scratch(job->options));
    FILE *file = fopen(job->names, "we");
    if (file == NULL) {
        bench_die("%s cannot be created", job->names);
    }
    bench_rows rows = bench_rows_of(BENCH_TSBS_CPU, BENCH_STD);
    for (size_t i = 0; i < job->series; i++) {
        bench_tags tags;
        bench_tags_of(i / rows.fields, &tags);
        fprintf(file, "{\"__name__\":\"cpu_%s\"", bench_rows_field(&rows, i % rows.fields));
        for (size_t k = 0; k < BENCH_TAGS; k++) {
            fprintf(file, ",\"%s\":\"%s\"", bench_tag_name(k), tags.values[k]);
        }
        fputs("}\n", file);
    }
    if (fclose(file) != 0) {
        bench_die("%s cannot be written", job->names);
    }
}

/** The number behind a title in what promtool prints. */
static double append_find(const char *text, const char *title)
{
    const char *at = strstr(text, title);
    if (at == NULL) {
        bench_die("promtool prints no \"%s\": %s", title, text);
    }
    return strtod(at + strlen(title), NULL);
}

/** Run promtool; what it says lives until the next run. */
static const char *append_run_promtool(append_job *job, double *out_cpu_s)
{
    char log[APPEND_PATH_BYTES];
    char series[24];
    char scrapes[24];
    char threads[32];
    static char text[APPEND_TEXT_BYTES];
    snprintf(log, sizeof log, "%s/promtool.log", bench_scratch(job->options));
    snprintf(job->out, sizeof job->out, "%s/promtool", bench_scratch(job->options));
    snprintf(series, sizeof series, "--metrics=%zu", job->series);
    snprintf(scrapes, sizeof scrapes, "--scrapes=%zu", job->scrapes);
    snprintf(threads, sizeof threads, "GOMAXPROCS=%zu", job->threads);
    char directory[APPEND_PATH_BYTES + 8];
    snprintf(directory, sizeof directory, "--out=%s", job->out);
    const char *const argv[] = {
        job->promtool->path, "tsdb", "bench", "write", directory, series, scrapes,
        job->names,          NULL};
    const char *const environment[] = {threads, NULL};
    *out_cpu_s = bench_child_run(
        &(bench_command){.argv = argv, .environment = environment, .log = log}, text, sizeof text);
    double rows = (double)(job->series * job->scrapes);
    if (append_find(text, "total samples: ") != rows) {
        bench_die("promtool does not verify: %s", text);
    }
    return text;
}

static void append_theirs(void *context, double *figures)
{
    append_job *job = context;
    double cpu;
    const char *text = append_run_promtool(job, &cpu);
    figures[0] = append_find(text, "samples/sec: ");
    figures[1] = (double)(job->series * job->scrapes) / cpu;
    bench_tree_remove(job->out);
}

/* ---- varve ---- */

typedef struct append_worker {
    const append_job *job;
    const bench_store *store;
    pthread_barrier_t *start;
    size_t first, count; /* series */
} append_worker;

static void *append_work(void *context)
{
    const append_worker *worker = context;
    double *values = bench_memory(worker->count, sizeof *values);
    varve_batch *batch = bench_store_batch(worker->store);
    pthread_barrier_wait(worker->start);
    for (size_t k = 0; k < worker->job->scrapes; k++) {
        for (size_t i = 0; i < worker->count; i++) {
            values[i] = append_value(k);
        }
        bench_store_scrape(batch, worker->store->field, worker->store->series + worker->first,
                           values, worker->count, (int64_t)(k + 1) * append_step_ns,
                           VARVE_SYNC_NONE);
    }
    varve_batch_free(batch);
    free(values);
    return NULL;
}

static void append_all(const append_job *job, const bench_store *store, int64_t *out_start,
                       int64_t *out_cpu_start)
{
    pthread_t threads[APPEND_THREADS_MAX];
    append_worker workers[APPEND_THREADS_MAX];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)job->threads + 1);
    for (size_t i = 0; i < job->threads; i++) {
        size_t first = job->series * i / job->threads;
        workers[i] = (append_worker){.job = job,
                                     .store = store,
                                     .start = &start,
                                     .first = first,
                                     .count = job->series * (i + 1) / job->threads - first};
        if (pthread_create(&threads[i], NULL, append_work, &workers[i]) != 0) {
            bench_die("no thread");
        }
    }
    *out_start = bench_now_ns();
    *out_cpu_start = bench_cpu_ns();
    pthread_barrier_wait(&start);
    for (size_t i = 0; i < job->threads; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&start);
}

static void append_verify(const append_job *job, const bench_store *store)
{
    bench_sum expected = {.rows = (double)(job->series * job->scrapes)};
    for (size_t k = 0; k < job->scrapes; k++) {
        expected.sum += append_value(k) * (double)job->series;
    }
    varve_query_options query;
    varve_query_options_init(&query);
    bench_sum got = {0};
    bench_store_sum(store->db, &query, &got);
    bench_sum_must("varve", got, expected);
}

static void append_own(void *context, double *figures)
{
    append_job *job = context;
    double rows = (double)(job->series * job->scrapes);
    bench_store store;
    bench_store_open(&store, job->options, 0, VARVE_SYNC_NONE, NULL, job->series);
    int64_t start;
    int64_t cpu_start;
    append_all(job, &store, &start, &cpu_start);
    figures[0] = rows / ((double)(bench_now_ns() - start) * 1e-9);
    bench_store_flush(&store);
    figures[1] = rows / ((double)(bench_cpu_ns() - cpu_start) * 1e-9);
    figures[2] = rows / ((double)(bench_now_ns() - start) * 1e-9);
    if (job->is_verifying) {
        append_verify(job, &store);
    }
    bench_store_drop(&store);
}

void bench_versus_append(const bench_options *options, const bench_peer *peer)
{
    append_job job = {.options = options,
                      .peer = peer,
                      .promtool = peer,
                      .series = bench_pick(options, 2000, 20000),
                      .scrapes = bench_pick(options, 100, 1000),
                      .threads = 2};
    append_write_names(&job);
    double figures[BENCH_FIGURES_MAX];
    job.is_verifying = true;
    append_own(&job, figures);
    job.is_verifying = false;
    char params[128];
    snprintf(params, sizeof params, "\"series\":%zu,\"scrapes\":%zu", job.series, job.scrapes);
    for (job.threads = 1; job.threads <= APPEND_THREADS_MAX; job.threads++) {
        if (options->threads != 0 && options->threads != job.threads) {
            continue;
        }
        bench_pairs(options, &(bench_pairing){
                                 .result = {.workload = "I1",
                                            .set = "promtool",
                                            .params = params,
                                            .durability = "none",
                                            .threads = job.threads},
                                 .peer = peer,
                                 .context = &job,
                                 .varve = append_own,
                                 .other = append_theirs,
                                 .metrics = {"append_rows_per_s", "rows_per_cpu_s", "rows_per_s"},
                                 .units = {"1/s", "1/s", "1/s"},
                                 .count = 3,
                             });
    }
}

/* ---- S2 ---- */

static void append_own_replay(void *context, double *figures)
{
    append_job *job = context;
    bench_store store;
    bench_store_open(&store, job->options, VARVE_OPEN_NO_BACKGROUND, VARVE_SYNC_NONE, NULL,
                     job->series);
    int64_t start;
    int64_t cpu_start;
    append_all(job, &store, &start, &cpu_start);
    bench_store_kill(&store);
    start = bench_now_ns();
    cpu_start = bench_cpu_ns();
    bench_store_reopen(&store);
    double rows = (double)(job->series * job->scrapes);
    figures[0] = rows / ((double)(bench_now_ns() - start) * 1e-9);
    figures[1] = rows / ((double)(bench_cpu_ns() - cpu_start) * 1e-9);
    if (job->is_verifying) {
        append_verify(job, &store);
    }
    bench_store_drop(&store);
}

/** Seconds of a duration as Go prints it: 1m2.5s, 835.4ms. */
static double append_duration(const char *text)
{
    double seconds = 0;
    while (*text >= '0' && *text <= '9') {
        char *end;
        double number = strtod(text, &end);
        if (strncmp(end, "ms", 2) == 0) {
            return seconds + number / 1000;
        }
        if (*end != 's' && *end != 'm') {
            return 0; /* microseconds: too few samples to time */
        }
        seconds += *end == 'm' ? number * 60 : number;
        text = end + 1;
    }
    return seconds;
}

/** The samples of the ten metrics. */
static double append_their_count(const append_job *job, const bench_server *server)
{
    bench_rows rows = bench_rows_of(BENCH_TSBS_CPU, BENCH_STD);
    long long end = (long long)job->scrapes * append_step_ns / INT64_C(1000000000) + 5;
    double count = 0;
    for (size_t i = 0; i < rows.fields; i++) {
        char query[128];
        snprintf(query, sizeof query, "sum(count_over_time(cpu_%s[%llds]))",
                 bench_rows_field(&rows, i), end);
        count += bench_server_promql(server, query, end);
    }
    return count;
}

static void append_their_replay(void *context, double *figures)
{
    append_job *job = context;
    static char log[APPEND_TEXT_BYTES];
    static const char title[] = "total_replay_duration=";
    double cpu;
    bench_server server;
    char data[APPEND_PATH_BYTES + 16];
    append_run_promtool(job, &cpu);
    snprintf(data, sizeof data, "%s/storage", job->out);
    bench_server_start_prometheus(&server, job->options, job->peer, data);
    figures[1] = (double)(job->series * job->scrapes) / bench_child_cpu_s(&server.child);
    bench_server_log(&server, log, sizeof log);
    const char *at = strstr(log, title);
    double seconds = at == NULL ? 0 : append_duration(at + sizeof title - 1);
    if (seconds <= 0) {
        bench_die("prometheus does not say how long its replay took: %s", log);
    }
    double rows = (double)(job->series * job->scrapes);
    figures[0] = rows / seconds;
    if (job->is_verifying && append_their_count(job, &server) != rows) {
        bench_die("prometheus does not verify: its log has another number of samples");
    }
    bench_server_kill(&server);
    bench_tree_remove(job->out);
}

void bench_versus_replay(const bench_options *options, const bench_peer *peer)
{
    bench_peer promtool;
    if (!bench_peer_find("promtool", "S2", options, &promtool)) {
        return;
    }
    append_job job = {.options = options,
                      .peer = peer,
                      .promtool = &promtool,
                      .series = bench_pick(options, 2000, 20000),
                      .scrapes = bench_pick(options, 100, 1000),
                      .threads = 2};
    append_write_names(&job);
    double figures[BENCH_FIGURES_MAX];
    job.is_verifying = true;
    append_own_replay(&job, figures);
    append_their_replay(&job, figures);
    job.is_verifying = false;
    char params[128];
    snprintf(params, sizeof params, "\"series\":%zu,\"scrapes\":%zu", job.series, job.scrapes);
    bench_pairs(options, &(bench_pairing){
                             .result = {.workload = "S2",
                                        .set = "promtool",
                                        .params = params,
                                        .durability = "none",
                                        .threads = 2},
                             .peer = peer,
                             .context = &job,
                             .varve = append_own_replay,
                             .other = append_their_replay,
                             .metrics = {"rows_per_s", "rows_per_cpu_s"},
                             .units = {"1/s", "1/s"},
                             .count = 2,
                         });
}
