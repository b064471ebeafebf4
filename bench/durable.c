/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I6 durable: writers of single rows that wait for the sync of their group, one row in each commit,
 * beside plain appends of 128 bytes with fdatasync on the same disk, and beside one writer alone in
 * a database of its own, in turn. Latencies are those of each commit in a closed loop.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>

enum { DURABLE_WRITERS_MAX = 64, DURABLE_RAW_BYTES = 128, DURABLE_ALONE_ROWS = 400 };

typedef struct durable_job {
    const bench_store *store;
    pthread_barrier_t *start;
    size_t series;
    size_t first, count; /* rows */
    int64_t *latencies;
} durable_job;

static double durable_value(const void *context, size_t series, size_t row)
{
    (void)context;
    return (double)(series * 1000 + row);
}

static void *durable_work(void *context)
{
    const durable_job *job = context;
    varve_batch *batch = bench_store_batch(job->store);
    varve_error err;
    pthread_barrier_wait(job->start);
    for (size_t i = 0; i < job->count; i++) {
        size_t number = job->first + i;
        varve_value value = {.type = VARVE_TYPE_F64,
                             .as.f64 = durable_value(NULL, job->series, number)};
        varve_row row = {
            .series = job->store->series[job->series],
            .timestamp = BENCH_START_NS + (int64_t)number * BENCH_STEP_NS,
            .fields = &job->store->field,
            .values = &value,
            .count = 1,
        };
        varve_written written;
        varve_written_init(&written);
        int64_t start = bench_now_ns();
        bench_must(varve_batch_row(batch, &row, &err), &err, "a row");
        bench_must(varve_batch_commit(batch, NULL, &written, &err), &err, "a durable commit");
        job->latencies[i] = bench_now_ns() - start;
        if (written.ack != VARVE_ACK_DURABLE) {
            bench_die("a commit was answered with %u instead of DURABLE", written.ack);
        }
    }
    varve_batch_free(batch);
    return NULL;
}

/** `count` rows by each writer, the first being number `first`; returns the seconds it took. */
static double durable_round(const bench_store *store, size_t writers, size_t first, size_t count,
                            int64_t *latencies)
{
    pthread_t handles[DURABLE_WRITERS_MAX];
    durable_job jobs[DURABLE_WRITERS_MAX];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)writers + 1);
    for (size_t i = 0; i < writers; i++) {
        jobs[i] = (durable_job){.store = store,
                                .start = &start,
                                .series = i,
                                .first = first,
                                .count = count,
                                .latencies = latencies + i * count};
        if (pthread_create(&handles[i], NULL, durable_work, &jobs[i]) != 0) {
            bench_die("no thread");
        }
    }
    pthread_barrier_wait(&start);
    int64_t begin = bench_now_ns();
    for (size_t i = 0; i < writers; i++) {
        pthread_join(handles[i], NULL);
    }
    pthread_barrier_destroy(&start);
    return (double)(bench_now_ns() - begin) * 1e-9;
}

typedef struct durable_figures {
    bench_samples rate, p50, p99, ratio, ratio_allocated, ratio_alone, rows_per_sync;
} durable_figures;

static void durable_report(const bench_options *options, size_t writers,
                           const durable_figures *figures)
{
    const struct {
        const char *metric, *unit, *of;
        const bench_samples *samples;
    } rows[] = {
        {"acks_per_s", "1/s", NULL, &figures->rate},
        {"acks_per_s", "", "one writer", &figures->ratio_alone},
        {"p50", "us", NULL, &figures->p50},
        {"p99", "us", NULL, &figures->p99},
        {"p50", "", "append+sync", &figures->ratio},
        {"p50", "", "allocated+sync", &figures->ratio_allocated},
        {"rows_per_sync", "", NULL, &figures->rows_per_sync},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench_result result = {
            .workload = "I6",
            .set = "",
            .params = "\"rows\":1",
            .durability = "group",
            .threads = writers,
            .metric = rows[i].metric,
            .unit = rows[i].unit,
            .of = rows[i].of,
            .samples = rows[i].samples,
        };
        bench_report(options, &result);
    }
}

/** One database, and in turn a round of it and a round of plain appends beside it. */
static void durable_measure(const bench_options *options, size_t writers)
{
    size_t count = bench_pick(options, writers == 1 ? 100 : 40, writers == 1 ? 400 : 100);
    size_t reps = bench_reps(options, 3, 7);
    size_t room = writers * count > DURABLE_ALONE_ROWS ? writers * count : DURABLE_ALONE_ROWS;
    int64_t *latencies = bench_memory(room, sizeof *latencies);
    durable_figures figures = {0};
    bench_store store;
    bench_store alone;
    bench_store_open(&store, options, 0, VARVE_SYNC_GROUP, NULL, writers);
    bench_store_open(&alone, options, 0, VARVE_SYNC_GROUP, NULL, 1);
    durable_round(&store, writers, 0, count, latencies); /* warms up */
    durable_round(&alone, 1, 0, DURABLE_ALONE_ROWS, latencies);
    for (size_t rep = 1; rep <= reps; rep++) {
        double raw = bench_raw_sync_p50(options->base, DURABLE_RAW_BYTES, 100, false);
        double allocated = bench_raw_sync_p50(options->base, DURABLE_RAW_BYTES, 100, true);
        double one = DURABLE_ALONE_ROWS / durable_round(&alone, 1, rep * DURABLE_ALONE_ROWS,
                                                        DURABLE_ALONE_ROWS, latencies);
        double syncs = bench_store_stat(&store, "varve_wal_syncs_total");
        double seconds = durable_round(&store, writers, rep * count, count, latencies);
        syncs = bench_store_stat(&store, "varve_wal_syncs_total") - syncs;
        double p50 = bench_quantile(latencies, writers * count, 0.5);
        bench_sample(&figures.rate, (double)(writers * count) / seconds);
        bench_sample(&figures.ratio_alone, (double)(writers * count) / seconds / one);
        bench_sample(&figures.p50, p50 / 1000);
        bench_sample(&figures.p99, bench_quantile(latencies, writers * count, 0.99) / 1000);
        bench_sample(&figures.ratio, p50 / raw);
        bench_sample(&figures.ratio_allocated, p50 / allocated);
        bench_sample(&figures.rows_per_sync, (double)(writers * count) / (syncs > 0 ? syncs : 1));
    }
    bench_store_verify(&store, (reps + 1) * count, durable_value, NULL);
    bench_store_drop(&store);
    bench_store_verify(&alone, (reps + 1) * DURABLE_ALONE_ROWS, durable_value, NULL);
    bench_store_drop(&alone);
    durable_report(options, writers, &figures);
    free(latencies);
}

void bench_run_durable(const bench_options *options)
{
    static const size_t writers[] = {1, 8, 64};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        if (options->threads == 0 || options->threads == writers[i]) {
            durable_measure(options, writers[i]);
        }
    }
}
