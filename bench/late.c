/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I7 ooo: scrapes of which 5 rows in 100 come 1 to 600 s late, 1 in 1000 comes 1 to 24 h late and
 * 5 in 1000 come twice, under default settings, until everything is in segments and no merge is
 * due. Every row is then read back.
 *
 * Bytes written are those of the log, of flushes and of merges. They are compared with the rows as
 * handed over, 16 bytes each (write_amplification), and those of flushes and merges with the
 * segments that are left (rewrites).
 */
#include "bench.h"

#include <stdlib.h>

#include "base/hash.h"

enum {
    LATE_MINUTES_STEPS = 60, /* 600 s */
    LATE_HOUR_STEPS = 360,
    LATE_DAY_STEPS = 8640,
};

/** The rows that are delivered at one scrape although they belong to an earlier one. */
typedef struct late_list {
    uint64_t *rows; /* scrape * series + series number */
    size_t count, capacity;
} late_list;

typedef struct late_plan {
    const bench_matrix *matrix;
    late_list *lists; /* one for each scrape, and one for what comes after the last */
    varve_series *series;
    int64_t *times;
    double *values;
    size_t capacity;
} late_plan;

/** By how many scrapes a row is late, 0: not at all; *out_twice: it comes in time as well. */
static size_t late_delay(const late_plan *plan, size_t series, size_t scrape, bool *out_twice)
{
    uint64_t dice = vv_hash_mix(scrape * plan->matrix->series + series + 1);
    uint64_t chance = dice % 1000;
    uint64_t draw = dice >> 32;
    *out_twice = chance >= 51 && chance < 56;
    if (chance < 50 || *out_twice) {
        return 1 + draw % LATE_MINUTES_STEPS;
    }
    return chance == 50 ? LATE_HOUR_STEPS + draw % (LATE_DAY_STEPS - LATE_HOUR_STEPS) : 0;
}

static void late_put_off(late_list *list, uint64_t row)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        list->rows = realloc(list->rows, list->capacity * sizeof *list->rows);
        if (list->rows == NULL) {
            bench_die("no memory for %zu late rows", list->capacity);
        }
    }
    list->rows[list->count] = row;
    list->count++;
}

static void late_add(late_plan *plan, const bench_store *store, size_t *count, uint64_t row)
{
    if (*count == plan->capacity) {
        bench_die("more than %zu rows in one scrape", plan->capacity);
    }
    size_t series = row % plan->matrix->series;
    size_t scrape = row / plan->matrix->series;
    plan->series[*count] = store->series[series];
    plan->times[*count] = BENCH_START_NS + (int64_t)scrape * BENCH_STEP_NS;
    plan->values[*count] = bench_matrix_at(plan->matrix, series, scrape);
    (*count)++;
}

/** Fill the arrays with what comes at a scrape; returns how many rows. */
static size_t late_scrape(late_plan *plan, const bench_store *store, size_t scrape)
{
    const bench_matrix *matrix = plan->matrix;
    size_t count = 0;
    for (size_t i = 0; i < matrix->series && scrape < matrix->scrapes; i++) {
        uint64_t row = scrape * matrix->series + i;
        bool is_twice;
        size_t delay = late_delay(plan, i, scrape, &is_twice);
        if (delay != 0) {
            size_t at = scrape + delay < matrix->scrapes ? scrape + delay : matrix->scrapes;
            late_put_off(&plan->lists[at], row);
        }
        if (delay == 0 || is_twice) {
            late_add(plan, store, &count, row);
        }
    }
    late_list *list = &plan->lists[scrape];
    for (size_t i = 0; i < list->count; i++) {
        late_add(plan, store, &count, list->rows[i]);
    }
    free(list->rows);
    *list = (late_list){0};
    return count;
}

typedef struct late_figures {
    bench_samples rate, cpu_rate, amplification, rewrites, bytes;
} late_figures;

static void late_once(const bench_options *options, const bench_matrix *matrix,
                      late_figures *figures)
{
    /* What comes after the last scrape is at most what is late by hours and by minutes. */
    size_t capacity = matrix->series * matrix->scrapes / 500 + 8 * matrix->series + 1024;
    late_plan plan = {
        .matrix = matrix,
        .lists = bench_memory(matrix->scrapes + 1, sizeof *plan.lists),
        .series = bench_memory(capacity, sizeof *plan.series),
        .times = bench_memory(capacity, sizeof *plan.times),
        .values = bench_memory(capacity, sizeof *plan.values),
        .capacity = capacity,
    };
    bench_store store;
    bench_store_open(&store, options, 0, VARVE_SYNC_NONE, NULL, matrix->series);
    varve_batch *batch = bench_store_batch(&store);
    double written_rows = 0;
    double seconds = 0;
    double cpu = 0;
    for (size_t scrape = 0; scrape <= matrix->scrapes; scrape++) {
        size_t count = late_scrape(&plan, &store, scrape);
        int64_t start = bench_now_ns();
        int64_t cpu_start = bench_cpu_ns();
        bench_store_rows(batch, store.field, plan.series, plan.times, plan.values, count,
                         VARVE_SYNC_NONE);
        cpu += (double)(bench_cpu_ns() - cpu_start) * 1e-9;
        seconds += (double)(bench_now_ns() - start) * 1e-9;
        written_rows += (double)count;
    }
    varve_batch_free(batch);
    int64_t start = bench_now_ns();
    int64_t cpu_start = bench_cpu_ns();
    bench_store_flush(&store);
    bench_store_merge(&store);
    cpu += (double)(bench_cpu_ns() - cpu_start) * 1e-9;
    seconds += (double)(bench_now_ns() - start) * 1e-9;
    bench_store_verify(&store, matrix->scrapes, bench_matrix_at, matrix);
    double live = bench_store_stat(&store, "varve_segment_bytes");
    double segments = bench_store_stat(&store, "varve_flush_bytes_total") +
                      bench_store_stat(&store, "varve_merge_written_bytes_total");
    double log = bench_store_stat(&store, "varve_wal_written_bytes_total");
    bench_sample(&figures->rate, written_rows / seconds);
    bench_sample(&figures->cpu_rate, written_rows / cpu);
    bench_sample(&figures->amplification, (log + segments) / (written_rows * 16));
    bench_sample(&figures->rewrites, segments / live);
    bench_sample(&figures->bytes, live / (double)(matrix->series * matrix->scrapes));
    bench_store_drop(&store);
    free(plan.lists);
    free(plan.series);
    free(plan.times);
    free(plan.values);
}

void bench_run_late(const bench_options *options)
{
    bench_matrix matrix =
        bench_matrix_make(bench_pick(options, 2000, 20000), bench_pick(options, 300, 1500));
    size_t reps = bench_reps(options, 1, 3);
    late_figures figures = {0};
    for (size_t rep = 0; rep < reps; rep++) {
        late_once(options, &matrix, &figures);
    }
    char params[96];
    snprintf(params, sizeof params, "\"series\":%zu,\"scrapes\":%zu", matrix.series,
             matrix.scrapes);
    const struct {
        const char *metric, *unit, *of;
        const bench_samples *samples;
    } rows[] = {
        {"rows_per_s", "1/s", NULL, &figures.rate},
        {"rows_per_cpu_s", "1/s", NULL, &figures.cpu_rate},
        {"write_amplification", "", "16 B a row", &figures.amplification},
        {"rewrites", "", "segments left", &figures.rewrites},
        {"segment_bytes_per_row", "B", NULL, &figures.bytes},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench_result result = {
            .workload = "I7",
            .set = bench_set_name(BENCH_TSBS_CPU),
            .params = params,
            .durability = "none",
            .threads = 1,
            .metric = rows[i].metric,
            .unit = rows[i].unit,
            .of = rows[i].of,
            .samples = rows[i].samples,
        };
        bench_report(options, &result);
    }
    free(matrix.values);
}
