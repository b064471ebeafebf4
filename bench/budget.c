/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: figures that do not depend on the machine, against bench/baseline.json, a flat object of
 * name and number. More than the budget over the baseline fails; less is said, so that the baseline
 * follows. To make a new baseline: copy the printed lines.
 *
 *   bytes_per_row.SET    all segments after flush and merge, divided by rows
 *   allocs_per_row.WAY   calls of the allocator while rows are appended to buffers that have room;
 *                        memory for the rows themselves comes in slabs when 128 are encoded
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { BUDGET_ROWS = 1 << 16, BUDGET_CALL = 4096, BUDGET_SERIES = 400, BUDGET_SCRAPES = 384 };

/* Scrapes with room in every buffer: between the encoding of 128 rows and of the next 128. */
enum { BUDGET_STEADY_FIRST = 140, BUDGET_STEADY_END = 250 };

static const double budget_tolerance = 0.02;  /* benchmarks.md, section 6 */
static const double budget_allocs_max = 1e-4; /* of allocations: absolute, zero has no percent */

/* ---- an allocator that counts ---- */

typedef struct budget_counter {
    atomic_uint_least64_t calls;
} budget_counter;

static void *budget_allocate(void *context, size_t size)
{
    budget_counter *counter = context;
    atomic_fetch_add(&counter->calls, 1);
    return malloc(size);
}

static void *budget_reallocate(void *context, void *memory, size_t old_size, size_t new_size)
{
    budget_counter *counter = context;
    (void)old_size;
    atomic_fetch_add(&counter->calls, 1);
    return realloc(memory, new_size);
}

static void budget_release(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

/* ---- the baseline ---- */

typedef struct budget {
    const bench_options *options;
    budget_counter counter;
    varve_allocator alloc;
    char *baseline; /* text of the file */
    size_t failures;
} budget;

static char *budget_read(const char *path)
{
    enum { BASELINE_BYTES_MAX = 1 << 16 };
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        bench_die("%s cannot be opened", path);
    }
    char *text = bench_memory(BASELINE_BYTES_MAX, 1);
    size_t size = fread(text, 1, BASELINE_BYTES_MAX - 1, file);
    text[size] = '\0';
    fclose(file);
    return text;
}

/** The number of a name in the flat object; false: none. */
static bool budget_find(const budget *check, const char *name, double *out_value)
{
    char key[96];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(check->baseline, key);
    if (at == NULL) {
        return false;
    }
    *out_value = strtod(at + strlen(key), NULL);
    return true;
}

static void budget_judge(budget *check, const char *name, double value, double slack)
{
    double wanted = 0;
    const char *verdict = "ok";
    if (!budget_find(check, name, &wanted)) {
        verdict = "not in the baseline";
        check->failures++;
    } else if (value > wanted + slack) {
        verdict = "OVER BUDGET";
        check->failures++;
    } else if (value < wanted - slack) {
        verdict = "better: lower the baseline";
    }
    printf("\"%s\": %.6g,  baseline %.6g: %s\n", name, value, wanted, verdict);
}

static void budget_judge_size(budget *check, const char *set, double value)
{
    char name[64];
    snprintf(name, sizeof name, "bytes_per_row.%s", set);
    double wanted = 0;
    budget_find(check, name, &wanted);
    budget_judge(check, name, value, budget_tolerance * wanted);
}

static void budget_open(budget *check, bench_store *store, size_t series)
{
    bench_store_open(store, check->options, VARVE_OPEN_NO_BACKGROUND, VARVE_SYNC_NONE,
                     &check->alloc, series);
}

static double budget_bytes_per_row(const bench_store *store, double rows)
{
    bench_store_flush(store);
    bench_store_compact(store);
    return bench_store_stat(store, "varve_segment_bytes") / rows;
}

/* ---- the figures ---- */

static void budget_bulk(budget *check, bench_set set)
{
    int64_t times[BUDGET_CALL];
    double values[BUDGET_CALL];
    bench_stream stream;
    bench_stream_init(&stream, set, 0);
    bench_store store;
    budget_open(check, &store, 1);
    varve_batch *batch = bench_store_batch(&store);
    uint64_t calls = 0;
    for (size_t at = 0; at < BUDGET_ROWS; at += BUDGET_CALL) {
        for (size_t i = 0; i < BUDGET_CALL; i++) {
            times[i] = BENCH_START_NS + (int64_t)(at + i) * BENCH_STEP_NS;
            values[i] = bench_stream_next(&stream);
        }
        if (at == BUDGET_ROWS / 2) {
            calls = atomic_load(&check->counter.calls);
        }
        bench_store_bulk(batch, store.field, store.series[0], times, values, BUDGET_CALL,
                         VARVE_SYNC_NONE);
    }
    calls = atomic_load(&check->counter.calls) - calls;
    varve_batch_free(batch);
    if (set == BENCH_SENSOR_2DP) {
        budget_judge(check, "allocs_per_row.bulk", (double)calls / (BUDGET_ROWS / 2.0),
                     budget_allocs_max);
    }
    budget_judge_size(check, bench_set_name(set), budget_bytes_per_row(&store, BUDGET_ROWS));
    bench_store_drop(&store);
}

/** Scrapes, or the same rows one by one in a batch for each scrape. */
static void budget_scrapes(budget *check, bool is_by_row)
{
    static bench_stream streams[BUDGET_SERIES];
    double values[BUDGET_SERIES];
    varve_error err;
    bench_store store;
    budget_open(check, &store, BUDGET_SERIES);
    for (size_t i = 0; i < BUDGET_SERIES; i++) {
        bench_stream_init(&streams[i], BENCH_TSBS_CPU, i);
    }
    varve_batch *batch = bench_store_batch(&store);
    uint64_t calls = 0;
    for (size_t scrape = 0; scrape < BUDGET_SCRAPES; scrape++) {
        if (scrape == BUDGET_STEADY_FIRST || scrape == BUDGET_STEADY_END) {
            calls = atomic_load(&check->counter.calls) - calls;
        }
        int64_t time = BENCH_START_NS + (int64_t)scrape * BENCH_STEP_NS;
        for (size_t i = 0; i < BUDGET_SERIES; i++) {
            values[i] = bench_stream_next(&streams[i]);
        }
        if (!is_by_row) {
            bench_store_scrape(batch, store.field, store.series, values, BUDGET_SERIES, time,
                               VARVE_SYNC_NONE);
            continue;
        }
        for (size_t i = 0; i < BUDGET_SERIES; i++) {
            varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = values[i]};
            varve_row row = {.series = store.series[i],
                             .timestamp = time,
                             .fields = &store.field,
                             .values = &value,
                             .count = 1};
            bench_must(varve_batch_row(batch, &row, &err), &err, "a row");
        }
        bench_must(varve_batch_commit(batch, NULL, NULL, &err), &err, "commit");
    }
    varve_batch_free(batch);
    double rows = (double)BUDGET_SERIES * BUDGET_SCRAPES;
    double steady = (double)BUDGET_SERIES * (BUDGET_STEADY_END - BUDGET_STEADY_FIRST);
    budget_judge(check, is_by_row ? "allocs_per_row.rows" : "allocs_per_row.scrape",
                 (double)calls / steady, budget_allocs_max);
    if (!is_by_row) {
        budget_judge_size(check, bench_set_name(BENCH_TSBS_CPU),
                          budget_bytes_per_row(&store, rows));
    }
    bench_store_drop(&store);
}

int bench_check(const bench_options *options, const char *baseline)
{
    budget check = {.options = options, .baseline = budget_read(baseline)};
    check.alloc = (varve_allocator){
        .context = &check.counter,
        .allocate = budget_allocate,
        .reallocate = budget_reallocate,
        .release = budget_release,
    };
    budget_scrapes(&check, false);
    budget_scrapes(&check, true);
    for (bench_set set = BENCH_GAUGE_INT; set < BENCH_STORED_END; set++) {
        budget_bulk(&check, set);
    }
    free(check.baseline);
    printf("%zu over budget\n", check.failures);
    return check.failures == 0 ? 0 : 1;
}
