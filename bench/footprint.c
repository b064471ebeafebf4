/* SPDX-License-Identifier: Apache-2.0 */
/*
 * M1 memory: N single-valued series with ten tags each, all active, filled scrape by scrape to 128
 * rows. Measured at 127 rows, when every tail is as large as it gets, at 128, when they have been
 * encoded, and at rest, when all is flushed and the series are only known. `counted` is what the
 * database says it holds, `resident` what the process grew by, `trimmed` after malloc_trim.
 */
#include "bench.h"

#include <malloc.h>
#include <stdlib.h>

enum { FOOTPRINT_ROWS = 128, FOOTPRINT_SCRAPE = 20000 };

/** Made again from the start for every row: for small sets. */
static double footprint_value(const void *context, size_t series, size_t row)
{
    (void)context;
    bench_stream stream;
    bench_stream_init(&stream, BENCH_TSBS_CPU, series);
    double value = bench_stream_next(&stream);
    for (size_t i = 0; i < row; i++) {
        value = bench_stream_next(&stream);
    }
    return value;
}

static bench_stream *footprint_streams(size_t count)
{
    bench_stream *streams = bench_memory(count, sizeof *streams);
    for (size_t i = 0; i < count; i++) {
        bench_stream_init(&streams[i], BENCH_TSBS_CPU, i);
    }
    return streams;
}

/** One row for every series. */
static void footprint_scrape(const bench_store *store, varve_batch *batch, bench_stream *streams,
                             double *values, size_t row)
{
    for (size_t first = 0; first < store->series_count; first += FOOTPRINT_SCRAPE) {
        size_t left = store->series_count - first;
        size_t count = left < FOOTPRINT_SCRAPE ? left : FOOTPRINT_SCRAPE;
        for (size_t i = 0; i < count; i++) {
            values[i] = bench_stream_next(&streams[first + i]);
        }
        bench_store_scrape(batch, store->field, store->series + first, values, count,
                           BENCH_START_NS + (int64_t)row * BENCH_STEP_NS, VARVE_SYNC_NONE);
    }
}

static void footprint_report(const bench_options *options, const bench_store *store,
                             uint64_t before, const char *state)
{
    double count = (double)store->series_count;
    bench_samples resident = {0};
    bench_samples counted = {0};
    bench_sample(&resident, (double)(bench_resident_bytes() - before) / count);
    bench_sample(&counted, bench_store_stat(store, "varve_memory_bytes") / count);
    char params[96];
    snprintf(params, sizeof params, "\"series\":%zu,\"at\":\"%s\"", store->series_count, state);
    bench_result result = {
        .workload = "M1",
        .set = bench_set_name(BENCH_TSBS_CPU),
        .params = params,
        .durability = "none",
        .threads = 1,
        .metric = "resident_per_series",
        .unit = "B",
        .samples = &resident,
    };
    bench_report(options, &result);
    result.metric = "counted_per_series";
    result.samples = &counted;
    bench_report(options, &result);
}

static void footprint_verify(const bench_options *options)
{
    enum { SERIES = 1000 };
    double values[SERIES];
    bench_stream *streams = footprint_streams(SERIES);
    bench_store store;
    bench_store_open(&store, options, VARVE_OPEN_NO_BACKGROUND, VARVE_SYNC_NONE, NULL, SERIES);
    varve_batch *batch = bench_store_batch(&store);
    for (size_t row = 0; row < FOOTPRINT_ROWS; row++) {
        footprint_scrape(&store, batch, streams, values, row);
    }
    bench_store_verify(&store, FOOTPRINT_ROWS, footprint_value, NULL);
    bench_store_flush(&store);
    bench_store_verify(&store, FOOTPRINT_ROWS, footprint_value, NULL);
    varve_batch_free(batch);
    bench_store_drop(&store);
    free(streams);
}

void bench_run_footprint(const bench_options *options)
{
    footprint_verify(options);
    size_t count = bench_pick(options, 100000, 1000000);
    bench_stream *streams = footprint_streams(count);
    double *values = bench_memory(FOOTPRINT_SCRAPE, sizeof *values);
    uint64_t before = bench_resident_bytes();
    bench_store store;
    bench_store_open(&store, options, VARVE_OPEN_NO_BACKGROUND, VARVE_SYNC_NONE, NULL, count);
    footprint_report(options, &store, before, "resolved");
    varve_batch *batch = bench_store_batch(&store);
    for (size_t row = 0; row < FOOTPRINT_ROWS; row++) {
        footprint_scrape(&store, batch, streams, values, row);
        if (row + 2 >= FOOTPRINT_ROWS) {
            footprint_report(options, &store, before,
                             row + 1 == FOOTPRINT_ROWS ? "128 rows" : "127 rows");
        }
    }
    bench_store_flush(&store);
    footprint_report(options, &store, before, "rest");
    malloc_trim(0); /* what the C library keeps for the next head */
    footprint_report(options, &store, before, "rest, trimmed");
    varve_batch_free(batch);
    bench_store_drop(&store);
    free(streams);
    free(values);
}
