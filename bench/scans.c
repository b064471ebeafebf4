/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Q1 scan: aggregates over every row of many series, statistics disabled, by the caller's thread
 * alone. Data is at rest (flushed and merged) and in the cache after the pass that verifies. One
 * line for comparison: the same sum over a plain array in memory.
 *
 * Then the sum again with a cache that holds nothing for long: each pass reads every block from the
 * files (which the system has in memory), compares its checksum and decodes it. The share of the
 * checksums is what they cost at the rate that is measured beside it.
 */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"

enum { SCANS_OUTPUTS_MAX = 3, SCANS_BLOCK_BYTES = 65536 /* docs/formats/segment.md */ };

typedef struct scans_data {
    size_t series, rows; /* rows of each series */
    double threshold;
    double sum, absolute_sum, min, max; /* the reference */
    uint64_t count, count_above;
} scans_data;

/** Load the set, and compute what the questions must answer. */
static void scans_load(const bench_store *store, scans_data *data)
{
    enum { CALL = 4096 };
    int64_t times[CALL];
    double values[CALL];
    long double sum = 0; /* its error is far below what is allowed */
    long double absolute_sum = 0;
    data->min = INFINITY;
    data->max = -INFINITY;
    varve_batch *batch = bench_store_batch(store);
    for (size_t i = 0; i < data->series; i++) {
        bench_stream stream;
        bench_stream_init(&stream, BENCH_SENSOR_2DP, i);
        size_t filled = 0;
        for (size_t row = 0; row < data->rows; row++) {
            double value = bench_stream_next(&stream);
            times[filled] = BENCH_START_NS + (int64_t)row * BENCH_STEP_NS;
            values[filled] = value;
            filled++;
            sum += value;
            absolute_sum += fabs(value);
            data->min = value < data->min ? value : data->min;
            data->max = value > data->max ? value : data->max;
            data->count_above += value > data->threshold ? 1 : 0;
            if (filled == CALL || row + 1 == data->rows) {
                bench_store_bulk(batch, store->field, store->series[i], times, values, filled,
                                 VARVE_SYNC_NONE);
                filled = 0;
            }
        }
    }
    varve_batch_free(batch);
    data->count = (uint64_t)data->series * data->rows;
    data->sum = (double)sum;
    data->absolute_sum = (double)absolute_sum;
    bench_store_flush(store);
    bench_store_compact(store);
}

typedef struct scans_question {
    const char *name;
    uint32_t aggregations[SCANS_OUTPUTS_MAX];
    size_t count;
    bool is_filtered;
} scans_question;

/** Ask over all series as one group; the answers as doubles. */
static void scans_ask(const bench_store *store, const scans_data *data,
                      const scans_question *question, double *out_answers)
{
    varve_output outputs[SCANS_OUTPUTS_MAX] = {0};
    for (size_t i = 0; i < question->count; i++) {
        outputs[i] = (varve_output){.kind = VARVE_OUTPUT_FIELD,
                                    .aggregation = question->aggregations[i],
                                    .name = VARVE_STR("value")};
    }
    varve_predicate above = {
        .field = VARVE_STR("value"),
        .op = VARVE_OP_GREATER,
        .value = {.type = VARVE_TYPE_F64, .as.f64 = data->threshold},
    };
    varve_query_options query;
    varve_query_options_init(&query);
    query.flags = VARVE_QUERY_NO_STATISTICS;
    query.outputs = outputs;
    query.output_count = question->count;
    query.predicates = &above;
    query.predicate_count = question->is_filtered ? 1 : 0;
    query.grouping = VARVE_GROUP_ALL;
    query.threads = 1;
    varve_cursor *cursor;
    const varve_block *block;
    varve_error err;
    bench_must(varve_query(store->db, &query, &cursor, &err), &err, "query");
    bench_must(varve_cursor_next(cursor, &block, &err), &err, "scan");
    if (block == NULL || block->rows != 1 || block->column_count != question->count) {
        bench_die("%s: the answer is not one row of %zu columns", question->name, question->count);
    }
    for (size_t i = 0; i < SCANS_OUTPUTS_MAX && i < question->count; i++) {
        const varve_column *column = &block->columns[i];
        if (column->type == VARVE_TYPE_U64) {
            uint64_t value;
            memcpy(&value, column->values, sizeof value);
            out_answers[i] = (double)value;
        } else {
            memcpy(&out_answers[i], column->values, sizeof out_answers[i]);
        }
    }
    varve_cursor_close(cursor);
}

static void scans_verify(const scans_data *data, const scans_question *question,
                         const double *answers)
{
    for (size_t i = 0; i < question->count; i++) {
        double wanted = 0;
        double allowed = 0;
        switch (question->aggregations[i]) {
        case VARVE_AGG_SUM:
            wanted = data->sum;
            allowed = 1e-12 * data->absolute_sum;
            break;
        case VARVE_AGG_MIN:
            wanted = data->min;
            break;
        case VARVE_AGG_MAX:
            wanted = data->max;
            break;
        default:
            wanted = (double)(question->is_filtered ? data->count_above : data->count);
            break;
        }
        if (!(fabs(answers[i] - wanted) <= allowed)) {
            bench_die("%s: answer %zu is %.17g instead of %.17g", question->name, i, answers[i],
                      wanted);
        }
    }
}

/** Values a second that a plain array of doubles is summed at, larger than the caches. */
static double scans_array_rate(void)
{
    enum { VALUES = 8 << 20 };
    static double *array;
    if (array == NULL) {
        array = bench_memory(VALUES, sizeof *array);
        for (size_t i = 0; i < VALUES; i++) {
            array[i] = (double)(i % 1000);
        }
    }
    double sums[8] = {0};
    int64_t start = bench_cpu_ns();
    for (size_t i = 0; i < VALUES; i += 8) {
        for (size_t lane = 0; lane < 8; lane++) {
            sums[lane] += array[i + lane];
        }
    }
    double seconds = (double)(bench_cpu_ns() - start) * 1e-9;
    double total = 0;
    for (size_t lane = 0; lane < 8; lane++) {
        total += sums[lane];
    }
    if (total < 0) {
        bench_die("the sum of an array is wrong");
    }
    return VALUES / seconds;
}

/** Bytes a second that checksums are made at, of a block that was just read. */
static double scans_checksum_rate(void)
{
    enum { ROUNDS = 2000 };
    static uint8_t block[SCANS_BLOCK_BYTES];
    uint32_t sum = 0;
    int64_t start = bench_cpu_ns();
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(block, &sum, sizeof sum); /* each needs the one before */
        sum = vv_crc32c(sum, block, sizeof block);
    }
    return (double)SCANS_BLOCK_BYTES * ROUNDS / ((double)(bench_cpu_ns() - start) * 1e-9);
}

static void scans_report(const bench_options *options, const char *params, const char *metric,
                         const char *unit, const char *of, const bench_samples *samples)
{
    bench_result result = {
        .workload = "Q1",
        .set = bench_set_name(BENCH_SENSOR_2DP),
        .params = params,
        .durability = "",
        .threads = 1,
        .metric = metric,
        .unit = unit,
        .of = of,
        .samples = samples,
    };
    bench_report(options, &result);
}

static void scans_measure_files(const bench_options *options, const bench_store *store,
                                const scans_data *data, const scans_question *question)
{
    size_t reps = bench_reps(options, 3, 9);
    double bytes = bench_store_stat(store, "varve_segment_bytes");
    bench_samples cpu = {0};
    bench_samples share = {0};
    for (size_t rep = 0; rep <= reps; rep++) {
        double answers[SCANS_OUTPUTS_MAX];
        double checksums = scans_checksum_rate();
        double missed = bench_store_stat(store, "varve_cache_misses_total");
        int64_t start = bench_cpu_ns();
        scans_ask(store, data, question, answers);
        double seconds = (double)(bench_cpu_ns() - start) * 1e-9;
        scans_verify(data, question, answers);
        missed = bench_store_stat(store, "varve_cache_misses_total") - missed;
        if (missed * SCANS_BLOCK_BYTES < bytes * 0.9) {
            bench_die("the scan read only %.0f blocks from the files", missed);
        }
        if (rep > 0) {
            bench_sample(&cpu, (double)data->count / seconds);
            bench_sample(&share, bytes / checksums / seconds);
        }
    }
    char params[96];
    snprintf(params, sizeof params, "\"ask\":\"%s\",\"rows\":%llu,\"from\":\"files\"",
             question->name, (unsigned long long)data->count);
    scans_report(options, params, "pts_per_cpu_s", "1/s", NULL, &cpu);
    scans_report(options, params, "checksum_share", "", "CPU of the scan", &share);
}

static void scans_measure(const bench_options *options, const bench_store *store,
                          const scans_data *data, const scans_question *question)
{
    size_t reps = bench_reps(options, 3, 9);
    bench_samples wall = {0};
    bench_samples cpu = {0};
    bench_samples ratio = {0};
    for (size_t rep = 0; rep <= reps; rep++) {
        double answers[SCANS_OUTPUTS_MAX];
        double array = scans_array_rate();
        int64_t start = bench_now_ns();
        int64_t cpu_start = bench_cpu_ns();
        scans_ask(store, data, question, answers);
        double cpu_seconds = (double)(bench_cpu_ns() - cpu_start) * 1e-9;
        double seconds = (double)(bench_now_ns() - start) * 1e-9;
        scans_verify(data, question, answers);
        if (rep > 0) { /* the first one warms up */
            bench_sample(&wall, (double)data->count / seconds);
            bench_sample(&cpu, (double)data->count / cpu_seconds);
            bench_sample(&ratio, (double)data->count / cpu_seconds / array);
        }
    }
    char params[96];
    snprintf(params, sizeof params, "\"ask\":\"%s\",\"rows\":%llu", question->name,
             (unsigned long long)data->count);
    scans_report(options, params, "pts_per_s", "1/s", NULL, &wall);
    scans_report(options, params, "pts_per_cpu_s", "1/s", NULL, &cpu);
    scans_report(options, params, "ratio", "", "array sum", &ratio);
}

void bench_run_scan(const bench_options *options)
{
    static const scans_question questions[] = {
        {.name = "sum", .aggregations = {VARVE_AGG_SUM}, .count = 1},
        {.name = "min+max+count",
         .aggregations = {VARVE_AGG_MIN, VARVE_AGG_MAX, VARVE_AGG_COUNT},
         .count = 3},
        {.name = "count>x", .aggregations = {VARVE_AGG_COUNT}, .count = 1, .is_filtered = true},
    };
    scans_data data = {
        .series = bench_pick(options, 100, 1000),
        .rows = bench_pick(options, 10000, 20000),
        .threshold = 50,
    };
    bench_store store;
    bench_store_open(&store, options, VARVE_OPEN_NO_BACKGROUND, VARVE_SYNC_NONE, NULL, data.series);
    scans_load(&store, &data);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        scans_measure(options, &store, &data, &questions[i]);
    }
    bench_store_kill(&store);
    store.open.cache_bytes = 1 << 20; /* one of its blocks is let go for each that is read */
    bench_store_reopen(&store);
    scans_measure_files(options, &store, &data, &questions[0]);
    bench_store_drop(&store);
}
