/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S2 recover: scrapes of many series stay in the log, the process is as if killed, and the next
 * open replays them: from the log into memory, into segments, synced and published. The clock runs
 * over varve_open alone.
 */
#include "bench.h"

#include <stdlib.h>

/** Values of series as streams that go on: the rows of one series after another. */
typedef struct reopen_expected {
    bench_set set;
    bench_stream stream;
    size_t next_row;
} reopen_expected;

static double reopen_value(const void *context, size_t series, size_t row)
{
    reopen_expected *expected = *(reopen_expected *const *)context;
    if (row == 0) {
        bench_stream_init(&expected->stream, expected->set, series);
        expected->next_row = 0;
    }
    if (row != expected->next_row) {
        bench_die("rows of series %zu are not compared in order", series);
    }
    expected->next_row++;
    return bench_stream_next(&expected->stream);
}

/** Load, kill: everything is in the log, nothing in a segment. */
static void reopen_load(bench_store *store, const bench_options *options, bench_set set,
                        size_t series, size_t scrapes)
{
    varve_options open;
    varve_options_init(&open);
    open.sync = VARVE_SYNC_NONE;
    open.log_bytes_max = UINT64_C(16) << 30;
    open.flush_bytes = UINT64_C(8) << 30;
    open.flush_rows = UINT64_MAX;
    open.memory_limit_bytes = UINT64_C(12) << 30;
    bench_store_open_with(store, options, &open, series);
    bench_stream *streams = bench_memory(series, sizeof *streams);
    double *values = bench_memory(series, sizeof *values);
    for (size_t i = 0; i < series; i++) {
        bench_stream_init(&streams[i], set, i);
    }
    varve_batch *batch = bench_store_batch(store);
    for (size_t k = 0; k < scrapes; k++) {
        for (size_t i = 0; i < series; i++) {
            values[i] = bench_stream_next(&streams[i]);
        }
        bench_store_scrape(batch, store->field, store->series, values, series,
                           BENCH_START_NS + (int64_t)k * BENCH_STEP_NS, VARVE_SYNC_NONE);
    }
    varve_batch_free(batch);
    free(values);
    free(streams);
    if (bench_store_stat(store, "varve_segments") != 0) {
        bench_die("rows that were to be replayed are in segments already");
    }
}

typedef struct reopen_figures {
    bench_samples rate, cpu_rate, log_rate, open_ms, log_bytes, log_size;
} reopen_figures;

static void reopen_once(const bench_options *options, bench_set set, size_t series, size_t scrapes,
                        bool is_verified, reopen_figures *figures)
{
    bench_store store;
    reopen_load(&store, options, set, series, scrapes);
    double rows = (double)(series * scrapes);
    double log = bench_store_stat(&store, "varve_wal_written_bytes_total");
    bench_store_kill(&store);
    int64_t cpu_start = bench_cpu_ns();
    int64_t start = bench_now_ns();
    bench_store_reopen(&store);
    double seconds = (double)(bench_now_ns() - start) * 1e-9;
    double cpu = (double)(bench_cpu_ns() - cpu_start) * 1e-9;
    if (bench_store_stat(&store, "varve_wal_replayed_rows_total") != rows) {
        bench_die("%.0f rows were replayed of %.0f",
                  bench_store_stat(&store, "varve_wal_replayed_rows_total"), rows);
    }
    if (is_verified) {
        reopen_expected expected = {.set = set};
        reopen_expected *context = &expected;
        bench_store_resolve(&store);
        bench_store_verify(&store, scrapes, reopen_value, &context);
    }
    bench_sample(&figures->rate, rows / seconds);
    bench_sample(&figures->cpu_rate, rows / cpu);
    bench_sample(&figures->log_rate, log / seconds);
    bench_sample(&figures->open_ms, seconds * 1e3);
    bench_sample(&figures->log_bytes, log / rows);
    bench_sample(&figures->log_size, log);
    bench_store_drop(&store);
}

static void reopen_set(const bench_options *options, bench_set set, size_t scrapes)
{
    enum { SERIES = 20000 };
    reopen_figures ignored = {0};
    reopen_once(options, set, 500, 300, true, &ignored);
    size_t reps = bench_reps(options, 1, 3);
    reopen_figures figures = {0};
    for (size_t rep = 0; rep < reps; rep++) {
        reopen_once(options, set, SERIES, scrapes, false, &figures);
    }
    char params[96];
    snprintf(params, sizeof params, "\"series\":%d,\"scrapes\":%zu", SERIES, scrapes);
    const struct {
        const char *metric, *unit;
        const bench_samples *samples;
    } rows[] = {
        {"replayed_rows_per_s", "1/s", &figures.rate},
        {"replayed_rows_per_cpu_s", "1/s", &figures.cpu_rate},
        {"log_bytes_per_s", "B/s", &figures.log_rate},
        {"open", "ms", &figures.open_ms},
        {"log_bytes_per_row", "B", &figures.log_bytes},
        {"log_bytes", "B", &figures.log_size},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench_result result = {
            .workload = "S2",
            .set = bench_set_name(set),
            .params = params,
            .durability = "none",
            .threads = 1,
            .metric = rows[i].metric,
            .unit = rows[i].unit,
            .samples = rows[i].samples,
        };
        bench_report(options, &result);
    }
}

void bench_run_reopen(const bench_options *options)
{
    /* Standard: a log of small integers, and one of 512 MiB of doubles that use all their bits. */
    const struct {
        bench_set set;
        size_t scrapes;
    } logs[] = {
        {BENCH_TSBS_CPU, bench_pick(options, 100, 5000)},
        {BENCH_GAUGE_WALK, bench_pick(options, 100, 3330)},
    };
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        if (options->set == BENCH_SET_COUNT || options->set == logs[i].set) {
            reopen_set(options, logs[i].set, logs[i].scrapes);
        }
    }
}
