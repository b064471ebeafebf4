/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E1, E2: an embedded database beside varve, both given the same doubles. The peer is a program of
 * bench/peers that drives the library and prints its figures; varve runs in this process, through
 * varve.h. Rows name their series (metric and label) in every call on both sides; `"by":"handle"`
 * is varve with handles that were resolved within the time that is measured.
 *
 *   insert    calls of one scrape, then of single rows. tsink hands its log to the system in every
 *             call (`none`), tstorage whenever 4 KiB are full (`buffered`). append_* is the time of
 *             the calls, the other figure goes on until all is on the disk and closed
 *   select    a closed database is opened again; whole series, then 100 rows of a series; long
 *             series (E2)
 *   durable   single rows, synced before the call returns, by 1 and 16 threads (E2)
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "versus.h"

enum {
    EMBEDDED_PATH_BYTES = 512,
    EMBEDDED_NAME_BYTES = 32,
    EMBEDDED_ANSWER_BYTES = 4096,
    EMBEDDED_SPAN = 100, /* rows of a short select */
    EMBEDDED_ARGUMENTS_MAX = 20,
};

typedef struct embedded_job {
    const bench_options *options;
    const bench_peer *peer;
    bench_matrix matrix;
    size_t call;          /* rows of an insert */
    size_t selects, span; /* how many selects of how many rows; 0: every series from end to end */
    size_t threads;       /* of durable rows */
    uint32_t sync;        /* of inserts: what is nearest to what the peer does */
    bool is_by_handle;
    varve_label *labels; /* of each series */
    char (*names)[EMBEDDED_NAME_BYTES];
    char values[EMBEDDED_PATH_BYTES], own[EMBEDDED_PATH_BYTES], theirs[EMBEDDED_PATH_BYTES];
} embedded_job;

static const varve_text embedded_metric = {"cpu_usage_user", sizeof "cpu_usage_user" - 1};

/* ---- the data ---- */

static void embedded_write_values(const embedded_job *job)
{
    size_t count = job->matrix.series * job->matrix.scrapes;
    FILE *file = fopen(job->values, "we");
    if (file == NULL || fwrite(job->matrix.values, sizeof(double), count, file) != count ||
        fclose(file) != 0) {
        bench_die("%s cannot be written", job->values);
    }
}

static void embedded_prepare(embedded_job *job, size_t series, size_t steps)
{
    const char *scratch = bench_scratch(job->options);
    job->matrix = bench_matrix_make(series, steps);
    job->labels = bench_memory(series, sizeof *job->labels);
    job->names = bench_memory(series, sizeof *job->names);
    for (size_t i = 0; i < series; i++) {
        snprintf(job->names[i], sizeof job->names[i], "host_%zu", i);
        job->labels[i] = (varve_label){.name = VARVE_STR("hostname"),
                                       .value = {job->names[i], strlen(job->names[i])}};
    }
    snprintf(job->values, sizeof job->values, "%s/values.f64", scratch);
    snprintf(job->own, sizeof job->own, "%s/own", scratch);
    snprintf(job->theirs, sizeof job->theirs, "%s/theirs", scratch);
    embedded_write_values(job);
}

static void embedded_release(embedded_job *job)
{
    bench_tree_remove(job->own);
    bench_tree_remove(job->theirs);
    free(job->matrix.values);
    free(job->labels);
    free(job->names);
}

static int64_t embedded_time(size_t step)
{
    return BENCH_START_NS + (int64_t)step * BENCH_STEP_NS;
}

/* ---- the peer ---- */

/** Run its program with an operation and numbers; its line of figures. */
static void embedded_ask(const embedded_job *job, const char *operation, char *out_answer)
{
    char log[EMBEDDED_PATH_BYTES];
    char numbers[6][24];
    snprintf(log, sizeof log, "%s/%s.log", bench_scratch(job->options), job->peer->name);
    const size_t values[6] = {job->matrix.series, job->matrix.scrapes, job->call,
                              job->selects,       job->span,           job->threads};
    for (size_t i = 0; i < VV_ARRAY_COUNT(values); i++) {
        snprintf(numbers[i], sizeof numbers[i], "%zu", values[i]);
    }
    const char *argv[EMBEDDED_ARGUMENTS_MAX] = {
        job->peer->path, operation,  "--dir",    job->theirs, "--values",
        job->values,     "--series", numbers[0], "--steps",   numbers[1],
    };
    size_t count = 10;
    if (strcmp(operation, "insert") == 0) {
        argv[count++] = "--call";
        argv[count++] = numbers[2];
    } else if (strcmp(operation, "select") == 0) {
        argv[count++] = "--selects";
        argv[count++] = numbers[3];
        argv[count++] = "--span";
        argv[count++] = numbers[4];
    } else {
        argv[count++] = "--threads";
        argv[count++] = numbers[5];
    }
    bench_child_run(&(bench_command){.argv = argv, .log = log}, out_answer, EMBEDDED_ANSWER_BYTES);
}

/** The rates of what was written; the database stays, for the selects. */
static void embedded_their_writes(void *context, double *figures)
{
    embedded_job *job = context;
    char answer[EMBEDDED_ANSWER_BYTES];
    bench_tree_remove(job->theirs);
    embedded_ask(job, job->threads > 0 ? "durable" : "insert", answer);
    double rows = (double)(job->matrix.series * job->matrix.scrapes);
    if (bench_figure(answer, "rows") != rows) {
        bench_die("%s wrote another number of rows: %s", job->peer->name, answer);
    }
    figures[0] = rows / bench_figure(answer, "append_s");
    figures[1] = rows / bench_figure(answer, "total_s");
}

/* ---- varve: writing ---- */

static varve_db *embedded_open(const embedded_job *job)
{
    varve_db *db;
    varve_error err;
    bench_must(varve_open(job->own, NULL, &db, &err), &err, "open");
    return db;
}

static void embedded_close(varve_db *db)
{
    varve_error err;
    bench_must(varve_close(db, &err), &err, "close");
}

/** Rows first to first + count of the matrix, in the order of time, in one call. */
static void embedded_write(const embedded_job *job, varve_db *db, varve_named_row *rows,
                           varve_value *values, size_t first, size_t count, uint32_t sync)
{
    static const varve_text field = {"value", 5};
    for (size_t i = 0; i < count; i++) {
        size_t series = (first + i) % job->matrix.series;
        values[i] = (varve_value){.type = VARVE_TYPE_F64, .as.f64 = job->matrix.values[first + i]};
        rows[i] = (varve_named_row){.metric = embedded_metric,
                                    .labels = &job->labels[series],
                                    .label_count = 1,
                                    .timestamp = embedded_time((first + i) / job->matrix.series),
                                    .fields = &field,
                                    .values = &values[i],
                                    .count = 1};
    }
    varve_error err;
    varve_write_options write;
    varve_write_options_init(&write);
    write.sync = sync;
    bench_must(varve_write(db, rows, count, &write, NULL, &err), &err, "write");
}

static void embedded_write_by_name(const embedded_job *job, varve_db *db)
{
    size_t total = job->matrix.series * job->matrix.scrapes;
    varve_named_row *rows = bench_memory(job->call, sizeof *rows);
    varve_value *values = bench_memory(job->call, sizeof *values);
    for (size_t at = 0; at < total; at += job->call) {
        embedded_write(job, db, rows, values, at, job->call, job->sync);
    }
    free(rows);
    free(values);
}

static void embedded_write_by_handle(const embedded_job *job, varve_db *db)
{
    bench_store store = {.db = db, .series_count = job->matrix.series};
    store.series = bench_memory(store.series_count, sizeof *store.series);
    varve_error err;
    bench_must(varve_field_resolve(db, VARVE_STR("value"), &store.field, &err), &err, "a field");
    for (size_t i = 0; i < store.series_count; i++) {
        bench_must(varve_series_resolve(db, embedded_metric, &job->labels[i], 1, 0,
                                        &store.series[i], &err),
                   &err, "a series");
    }
    varve_batch *batch = bench_store_batch(&store);
    size_t total = store.series_count * job->matrix.scrapes;
    for (size_t at = 0; at < total; at += job->call) {
        bench_store_scrape(batch, store.field, store.series + at % store.series_count,
                           job->matrix.values + at, job->call,
                           embedded_time(at / store.series_count), job->sync);
    }
    varve_batch_free(batch);
    free(store.series);
}

static void embedded_own_inserts(void *context, double *figures)
{
    embedded_job *job = context;
    bench_tree_remove(job->own);
    varve_db *db = embedded_open(job);
    int64_t start = bench_now_ns();
    if (job->is_by_handle) {
        embedded_write_by_handle(job, db);
    } else {
        embedded_write_by_name(job, db);
    }
    double appended = (double)(bench_now_ns() - start);
    varve_error err;
    bench_must(varve_flush(db, NULL, &err), &err, "flush");
    embedded_close(db);
    double rows = (double)(job->matrix.series * job->matrix.scrapes);
    figures[0] = rows / (appended * 1e-9);
    figures[1] = rows / ((double)(bench_now_ns() - start) * 1e-9);
}

/* ---- varve: durable rows ---- */

typedef struct embedded_writer {
    const embedded_job *job;
    varve_db *db;
    pthread_barrier_t *start;
    size_t series;
} embedded_writer;

static void *embedded_writer_work(void *context)
{
    const embedded_writer *writer = context;
    const embedded_job *job = writer->job;
    varve_named_row row;
    varve_value value;
    pthread_barrier_wait(writer->start);
    for (size_t step = 0; step < job->matrix.scrapes; step++) {
        embedded_write(job, writer->db, &row, &value, step * job->matrix.series + writer->series, 1,
                       VARVE_SYNC_GROUP);
    }
    return NULL;
}

static void embedded_own_durable(void *context, double *figures)
{
    enum { THREADS_MAX = 16 };
    embedded_job *job = context;
    pthread_t threads[THREADS_MAX];
    embedded_writer writers[THREADS_MAX];
    pthread_barrier_t start;
    bench_tree_remove(job->own);
    varve_db *db = embedded_open(job);
    pthread_barrier_init(&start, NULL, (unsigned)job->threads + 1);
    for (size_t i = 0; i < job->threads; i++) {
        writers[i] = (embedded_writer){.job = job, .db = db, .start = &start, .series = i};
        if (pthread_create(&threads[i], NULL, embedded_writer_work, &writers[i]) != 0) {
            bench_die("no thread");
        }
    }
    pthread_barrier_wait(&start);
    int64_t began = bench_now_ns();
    for (size_t i = 0; i < job->threads; i++) {
        pthread_join(threads[i], NULL);
    }
    double rows = (double)(job->matrix.series * job->matrix.scrapes);
    figures[0] = rows / ((double)(bench_now_ns() - began) * 1e-9);
    figures[1] = figures[0];
    pthread_barrier_destroy(&start);
    embedded_close(db);
}

/* ---- reading ---- */

typedef struct embedded_sum {
    bench_sum of;
    double seconds;
} embedded_sum;

/** Which rows select number i takes: the same on both sides. */
static void embedded_choose(const embedded_job *job, size_t i, size_t *out_series,
                            size_t *out_first, size_t *out_span)
{
    size_t steps = job->matrix.scrapes;
    *out_series = i * 7919 % job->matrix.series;
    *out_span = job->selects > 0 ? job->span : steps;
    *out_first = *out_span < steps ? i * 104729 % (steps - *out_span) : 0;
}

static size_t embedded_selects(const embedded_job *job)
{
    return job->selects > 0 ? job->selects : job->matrix.series;
}

static embedded_sum embedded_own_sum(const embedded_job *job)
{
    embedded_sum sum = {0};
    varve_db *db = embedded_open(job);
    int64_t start = bench_now_ns();
    for (size_t i = 0; i < embedded_selects(job); i++) {
        size_t series;
        size_t first;
        size_t span;
        embedded_choose(job, i, &series, &first, &span);
        varve_selection selection = {.kind = VARVE_SELECT_EXACT,
                                     .text = embedded_metric,
                                     .labels = &job->labels[series],
                                     .label_count = 1};
        varve_query_options query;
        varve_query_options_init(&query);
        query.selections = &selection;
        query.selection_count = 1;
        query.range = (varve_range){embedded_time(first), embedded_time(first + span)};
        bench_store_sum(db, &query, &sum.of);
    }
    sum.seconds = (double)(bench_now_ns() - start) * 1e-9;
    embedded_close(db);
    return sum;
}

static embedded_sum embedded_their_sum(const embedded_job *job)
{
    char answer[EMBEDDED_ANSWER_BYTES];
    embedded_ask(job, "select", answer);
    return (embedded_sum){
        .of = {.sum = bench_figure(answer, "sum"), .rows = bench_figure(answer, "rows")},
        .seconds = bench_figure(answer, "seconds")};
}

static bench_sum embedded_expected(const embedded_job *job)
{
    bench_sum sum = {0};
    for (size_t i = 0; i < embedded_selects(job); i++) {
        size_t series;
        size_t first;
        size_t span;
        embedded_choose(job, i, &series, &first, &span);
        for (size_t step = first; step < first + span; step++) {
            sum.sum += job->matrix.values[step * job->matrix.series + series];
        }
        sum.rows += (double)span;
    }
    return sum;
}

/** What both hold must be what was written. */
static void embedded_compare(const embedded_job *job)
{
    bench_sum expected = embedded_expected(job);
    bench_sum_must("varve", embedded_own_sum(job).of, expected);
    bench_sum_must(job->peer->name, embedded_their_sum(job).of, expected);
}

static void embedded_own_selects(void *context, double *figures)
{
    embedded_job *job = context;
    embedded_sum sum = embedded_own_sum(job);
    figures[0] = sum.of.rows / sum.seconds;
    figures[1] = sum.seconds / (double)embedded_selects(job) * 1e6;
}

static void embedded_their_selects(void *context, double *figures)
{
    embedded_job *job = context;
    embedded_sum sum = embedded_their_sum(job);
    figures[0] = sum.of.rows / sum.seconds;
    figures[1] = sum.seconds / (double)embedded_selects(job) * 1e6;
}

static void embedded_verify(embedded_job *job, bench_measure own_writes)
{
    double figures[BENCH_FIGURES_MAX];
    own_writes(job, figures);
    embedded_their_writes(job, figures);
    embedded_compare(job);
}

/* ---- the comparisons ---- */

static bench_pairing embedded_pairing(embedded_job *job, const char *workload, const char *params,
                                      const char *durability)
{
    return (bench_pairing){
        .result = {.workload = workload,
                   .set = bench_set_name(BENCH_TSBS_CPU),
                   .params = params,
                   .durability = durability,
                   .threads = job->threads > 0 ? job->threads : 1},
        .peer = job->peer,
        .context = job,
    };
}

static void embedded_run_inserts(embedded_job *job, const char *workload)
{
    embedded_verify(job, embedded_own_inserts);
    for (int is_by_handle = 0; is_by_handle <= 1; is_by_handle++) {
        char params[128];
        job->is_by_handle = is_by_handle != 0;
        snprintf(params, sizeof params, "\"op\":\"insert\",\"call\":%zu,\"rows\":%zu,\"by\":\"%s\"",
                 job->call, job->matrix.series * job->matrix.scrapes,
                 is_by_handle ? "handle" : "name");
        bench_pairing pairing = embedded_pairing(
            job, workload, params, job->sync == VARVE_SYNC_BUFFERED ? "buffered" : "none");
        pairing.varve = embedded_own_inserts;
        pairing.other = embedded_their_writes;
        pairing.metrics[0] = "append_rows_per_s";
        pairing.metrics[1] = "rows_per_s";
        pairing.units[0] = pairing.units[1] = "1/s";
        pairing.count = 2;
        bench_pairs(job->options, &pairing);
    }
    job->is_by_handle = false;
}

/** Of the databases that the inserts have left. */
static void embedded_run_selects(embedded_job *job, const char *workload, size_t selects,
                                 size_t span)
{
    char params[128];
    job->selects = selects;
    job->span = span;
    embedded_compare(job);
    snprintf(params, sizeof params, "\"op\":\"select\",\"selects\":%zu,\"span\":%zu", selects,
             span);
    bench_pairing pairing = embedded_pairing(job, workload, params, "");
    pairing.varve = embedded_own_selects;
    pairing.other = embedded_their_selects;
    pairing.metrics[0] = "rows_per_s";
    pairing.units[0] = "1/s";
    pairing.metrics[1] = "us_per_select";
    pairing.units[1] = "us";
    pairing.count = 2;
    bench_pairs(job->options, &pairing);
    job->selects = 0;
}

static void embedded_run_durable(const bench_options *options, const bench_peer *peer,
                                 const char *workload, size_t threads, size_t rows)
{
    embedded_job job = {.options = options, .peer = peer, .threads = threads};
    embedded_prepare(&job, threads, rows);
    embedded_verify(&job, embedded_own_durable);
    char params[128];
    snprintf(params, sizeof params, "\"op\":\"durable\",\"call\":1,\"rows\":%zu", threads * rows);
    bench_pairing pairing = embedded_pairing(&job, workload, params, "group");
    pairing.varve = embedded_own_durable;
    pairing.other = embedded_their_writes;
    pairing.metrics[0] = "rows_per_s";
    pairing.units[0] = "1/s";
    pairing.count = 1;
    bench_pairs(options, &pairing);
    embedded_release(&job);
}

/** Selects of long series, of which the fixed cost of a query is a small part. */
static void embedded_run_long(const bench_options *options, const bench_peer *peer,
                              const char *workload)
{
    embedded_job job = {.options = options, .peer = peer, .sync = VARVE_SYNC_NONE, .call = 1000};
    embedded_prepare(&job, 4, bench_pick(options, 5000, 100000));
    embedded_verify(&job, embedded_own_inserts);
    embedded_run_selects(&job, workload, bench_pick(options, 4, 200), job.matrix.scrapes);
    embedded_release(&job);
}

void bench_versus_embedded(const bench_options *options, const bench_peer *peer)
{
    bool is_tsink = strcmp(peer->name, "tsink") == 0;
    const char *workload = is_tsink ? "E2" : "E1";
    uint32_t sync = is_tsink ? VARVE_SYNC_NONE : VARVE_SYNC_BUFFERED;
    embedded_job job = {.options = options, .peer = peer, .sync = sync};
    embedded_job single = {.options = options, .peer = peer, .sync = sync, .call = 1};
    size_t series = bench_pick(options, 50, 1000);
    embedded_prepare(&job, series, bench_pick(options, 200, is_tsink ? 400 : 2000));
    job.call = job.matrix.series;
    embedded_run_inserts(&job, workload);
    embedded_run_selects(&job, workload, bench_pick(options, 20, 200), job.matrix.scrapes);
    embedded_run_selects(&job, workload, bench_pick(options, 100, 2000), EMBEDDED_SPAN);
    embedded_release(&job);
    if (!is_tsink) {
        embedded_prepare(&single, series, bench_pick(options, 20, 200));
        embedded_run_inserts(&single, workload);
        embedded_release(&single);
        return;
    }
    embedded_run_long(options, peer, workload);
    embedded_run_durable(options, peer, workload, 1, bench_pick(options, 100, 5000));
    embedded_run_durable(options, peer, workload, 16, bench_pick(options, 20, 1000));
}
