/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I1 append-handle: scrapes of many series through handles, one batch each, by one and by two
 * threads with series of their own. The clock stops when everything is in a segment, so nothing is
 * put off. I2 append-bulk: one series in calls of many rows. The log is on, without a sync per
 * call; rates are per second of the clock (wall) and per second of CPU time of all threads,
 * background work included, which a machine shared with others disturbs less.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { APPENDS_THREADS_MAX = 16, APPENDS_BULK_VALUES = 1 << 20 };

/* ---- I1 ---- */

typedef struct appends_job {
    const bench_store *store;
    const bench_matrix *matrix;
    pthread_barrier_t *start;
    size_t first, count; /* series */
    uint32_t sync;
} appends_job;

static void *appends_work(void *context)
{
    const appends_job *job = context;
    varve_batch *batch = bench_store_batch(job->store);
    pthread_barrier_wait(job->start);
    for (size_t i = 0; i < job->matrix->scrapes; i++) {
        bench_store_scrape(batch, job->store->field, job->store->series + job->first,
                           job->matrix->values + i * job->matrix->series + job->first, job->count,
                           BENCH_START_NS + (int64_t)i * BENCH_STEP_NS, job->sync);
    }
    varve_batch_free(batch);
    return NULL;
}

/** Append the matrix with some threads; returns when all rows are in. */
static void appends_scrape_all(const bench_store *store, const bench_matrix *matrix, size_t threads,
                               uint32_t sync, int64_t *out_start, int64_t *out_cpu_start)
{
    pthread_t handles[APPENDS_THREADS_MAX];
    appends_job jobs[APPENDS_THREADS_MAX];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)threads + 1);
    for (size_t i = 0; i < threads; i++) {
        size_t first = matrix->series * i / threads;
        jobs[i] = (appends_job){
            .store = store,
            .matrix = matrix,
            .start = &start,
            .first = first,
            .count = matrix->series * (i + 1) / threads - first,
            .sync = sync,
        };
        if (pthread_create(&handles[i], NULL, appends_work, &jobs[i]) != 0) {
            bench_die("no thread");
        }
    }
    *out_start = bench_now_ns();
    *out_cpu_start = bench_cpu_ns();
    pthread_barrier_wait(&start);
    for (size_t i = 0; i < threads; i++) {
        pthread_join(handles[i], NULL);
    }
    pthread_barrier_destroy(&start);
}

typedef struct appends_rates {
    bench_samples wall, cpu, append_wall, append_cpu, to_copy;
    bench_samples bytes; /* of segments, for each row */
} appends_rates;

static void appends_handle_once(const bench_options *options, const bench_matrix *matrix,
                                size_t threads, uint32_t sync, appends_rates *rates)
{
    double rows = (double)(matrix->series * matrix->scrapes);
    double copied = bench_copy_rate();
    bench_store store;
    bench_store_open(&store, options, 0, sync, NULL, matrix->series);
    int64_t start;
    int64_t cpu_start;
    appends_scrape_all(&store, matrix, threads, sync, &start, &cpu_start);
    double append = (double)(bench_now_ns() - start) * 1e-9;
    double append_cpu = (double)(bench_cpu_ns() - cpu_start) * 1e-9;
    bench_store_flush(&store);
    double cpu = (double)(bench_cpu_ns() - cpu_start) * 1e-9;
    bench_sample(&rates->wall, rows / ((double)(bench_now_ns() - start) * 1e-9));
    bench_sample(&rates->cpu, rows / cpu);
    bench_sample(&rates->append_wall, rows / append);
    bench_sample(&rates->append_cpu, rows / append_cpu);
    /* A row is 16 bytes: how often one could have copied it instead. */
    bench_sample(&rates->to_copy, rows * 16 / cpu / copied);
    bench_sample(&rates->bytes, bench_store_stat(&store, "varve_segment_bytes") / rows);
    bench_store_drop(&store);
}

/** Two threads and a small matrix, every row read back. */
static void appends_handle_verify(const bench_options *options)
{
    bench_matrix matrix = bench_matrix_make(500, 300);
    bench_store store;
    bench_store_open(&store, options, 0, VARVE_SYNC_NONE, NULL, matrix.series);
    int64_t start;
    int64_t cpu_start;
    appends_scrape_all(&store, &matrix, 2, VARVE_SYNC_NONE, &start, &cpu_start);
    bench_store_verify(&store, matrix.scrapes, bench_matrix_at, &matrix);
    bench_store_flush(&store);
    bench_store_verify(&store, matrix.scrapes, bench_matrix_at, &matrix);
    bench_store_drop(&store);
    free(matrix.values);
}

static void appends_report(const bench_options *options, bench_result result,
                           const appends_rates *rates)
{
    const struct {
        const char *metric, *unit, *of;
        const bench_samples *samples;
    } rows[] = {
        {"rows_per_s", "1/s", NULL, &rates->wall},
        {"rows_per_cpu_s", "1/s", NULL, &rates->cpu},
        {"append_rows_per_s", "1/s", NULL, &rates->append_wall},
        {"append_rows_per_cpu_s", "1/s", NULL, &rates->append_cpu},
        {"ratio", "", "memcpy", &rates->to_copy},
        {"segment_bytes_per_row", "B", NULL, &rates->bytes},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        result.metric = rows[i].metric;
        result.unit = rows[i].unit;
        result.of = rows[i].of;
        result.samples = rows[i].samples;
        bench_report(options, &result);
    }
}

void bench_run_append_handle(const bench_options *options)
{
    appends_handle_verify(options);
    bench_matrix matrix = bench_matrix_make(20000, bench_pick(options, 100, 1000));
    size_t reps = bench_reps(options, 1, 5);
    char params[96];
    snprintf(params, sizeof params, "\"series\":%zu,\"scrapes\":%zu", matrix.series,
             matrix.scrapes);
    for (size_t threads = 1; threads <= 2; threads++) {
        if (options->threads != 0 && options->threads != threads) {
            continue;
        }
        for (int is_interval = 0; is_interval < 2; is_interval++) {
            appends_rates rates = {0};
            for (size_t rep = 0; rep < reps; rep++) {
                appends_handle_once(options, &matrix, threads,
                                    is_interval ? VARVE_SYNC_INTERVAL : VARVE_SYNC_NONE, &rates);
            }
            bench_result result = {
                .workload = "I1",
                .set = bench_set_name(BENCH_TSBS_CPU),
                .params = params,
                .durability = is_interval ? "interval" : "none",
                .threads = threads,
            };
            appends_report(options, result, &rates);
        }
    }
    free(matrix.values);
}

/* ---- I2 ---- */

typedef struct appends_column {
    double *values; /* APPENDS_BULK_VALUES of them, again and again */
    int64_t *times;
    size_t rows;
} appends_column;

static double appends_column_at(const void *context, size_t series, size_t row)
{
    const appends_column *column = context;
    (void)series;
    return column->values[row % APPENDS_BULK_VALUES];
}

static appends_column appends_column_make(bench_set set, size_t rows)
{
    appends_column column = {.rows = rows};
    column.values = bench_memory(APPENDS_BULK_VALUES, sizeof *column.values);
    column.times = bench_memory(rows, sizeof *column.times);
    bench_stream stream;
    bench_stream_init(&stream, set, 0);
    for (size_t i = 0; i < APPENDS_BULK_VALUES; i++) {
        column.values[i] = bench_stream_next(&stream);
    }
    for (size_t i = 0; i < rows; i++) {
        column.times[i] = BENCH_START_NS + (int64_t)i * BENCH_STEP_NS;
    }
    return column;
}

static void appends_bulk_all(const bench_store *store, const appends_column *column, size_t call)
{
    varve_batch *batch = bench_store_batch(store);
    for (size_t at = 0; at < column->rows; at += call) {
        bench_store_bulk(batch, store->field, store->series[0], column->times + at,
                         column->values + at % APPENDS_BULK_VALUES, call, VARVE_SYNC_NONE);
    }
    varve_batch_free(batch);
}

static void appends_bulk_once(const bench_options *options, const appends_column *column,
                              size_t call, appends_rates *rates)
{
    double rows = (double)column->rows;
    double copied = bench_copy_rate();
    bench_store store;
    bench_store_open(&store, options, 0, VARVE_SYNC_NONE, NULL, 1);
    int64_t start = bench_now_ns();
    int64_t cpu_start = bench_cpu_ns();
    appends_bulk_all(&store, column, call);
    double append = (double)(bench_now_ns() - start) * 1e-9;
    double append_cpu = (double)(bench_cpu_ns() - cpu_start) * 1e-9;
    bench_store_flush(&store);
    double cpu = (double)(bench_cpu_ns() - cpu_start) * 1e-9;
    bench_sample(&rates->wall, rows / ((double)(bench_now_ns() - start) * 1e-9));
    bench_sample(&rates->cpu, rows / cpu);
    bench_sample(&rates->append_wall, rows / append);
    bench_sample(&rates->append_cpu, rows / append_cpu);
    bench_sample(&rates->to_copy, rows * 16 / cpu / copied);
    bench_sample(&rates->bytes, bench_store_stat(&store, "varve_segment_bytes") / rows);
    bench_store_drop(&store);
}

static void appends_bulk_set(const bench_options *options, bench_set set)
{
    appends_column column = appends_column_make(set, bench_pick(options, 1 << 20, 8 << 20));
    size_t reps = bench_reps(options, 1, 5);
    for (size_t call = 1024; call <= 65536; call *= 8) {
        appends_rates rates = {0};
        for (size_t rep = 0; rep < reps; rep++) {
            appends_bulk_once(options, &column, call, &rates);
        }
        char params[96];
        snprintf(params, sizeof params, "\"call\":%zu,\"rows\":%zu", call, column.rows);
        bench_result result = {
            .workload = "I2",
            .set = bench_set_name(set),
            .params = params,
            .durability = "none",
            .threads = 1,
        };
        appends_report(options, result, &rates);
    }
    free(column.values);
    free(column.times);
}

static void appends_bulk_verify(const bench_options *options, bench_set set)
{
    appends_column column = appends_column_make(set, 1 << 16);
    bench_store store;
    bench_store_open(&store, options, 0, VARVE_SYNC_NONE, NULL, 1);
    appends_bulk_all(&store, &column, 2048);
    bench_store_verify(&store, column.rows, appends_column_at, &column);
    bench_store_flush(&store);
    bench_store_verify(&store, column.rows, appends_column_at, &column);
    bench_store_drop(&store);
    free(column.values);
    free(column.times);
}

void bench_run_append_bulk(const bench_options *options)
{
    for (bench_set set = BENCH_GAUGE_INT; set < BENCH_STORED_END; set++) {
        if (options->set == BENCH_SET_COUNT || options->set == set) {
            appends_bulk_verify(options, set);
            appends_bulk_set(options, set);
        }
    }
}
