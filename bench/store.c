/* SPDX-License-Identifier: Apache-2.0 */
/* A database to measure: everything goes through varve.h, as in a program that embeds it. */
#include <stdlib.h>
#include <string.h>

#include "hosts.h"

enum { STORE_FIELDS = 10, STORE_STATS_MAX = 128 };

/** Metric and tags of a series: ten metrics for each host, tags as tsbs-cpu has them. */
static void store_resolve(bench_store *store, size_t number)
{
    static const char *const metrics[STORE_FIELDS] = {
        "cpu_usage_user",   "cpu_usage_system",     "cpu_usage_idle",    "cpu_usage_nice",
        "cpu_usage_iowait", "cpu_usage_irq",        "cpu_usage_softirq", "cpu_usage_steal",
        "cpu_usage_guest",  "cpu_usage_guest_nice",
    };
    size_t host = number / STORE_FIELDS;
    bench_tags tags;
    bench_tags_of(host, &tags);
    varve_label labels[BENCH_TAGS];
    for (size_t i = 0; i < BENCH_TAGS; i++) {
        const char *name = bench_tag_name(i);
        labels[i] = (varve_label){.name = {name, strlen(name)},
                                  .value = {tags.values[i], strlen(tags.values[i])}};
    }
    const char *metric = metrics[number % STORE_FIELDS];
    varve_error err;
    bench_must(varve_series_resolve(store->db, (varve_text){metric, strlen(metric)}, labels,
                                    BENCH_TAGS, 0, &store->series[number], &err),
               &err, "a series");
}

void bench_store_resolve(bench_store *store)
{
    varve_error err;
    bench_must(varve_field_resolve(store->db, VARVE_STR("value"), &store->field, &err), &err,
               "a field");
    for (size_t i = 0; i < store->series_count; i++) {
        store_resolve(store, i);
    }
}

void bench_store_open_with(bench_store *store, const bench_options *options,
                           const varve_options *open, size_t series_count)
{
    *store = (bench_store){
        .path = bench_directory_create(options), .open = *open, .series_count = series_count};
    store->series = bench_memory(series_count, sizeof *store->series);
    bench_store_reopen(store);
    bench_store_resolve(store);
}

void bench_store_open(bench_store *store, const bench_options *options, uint32_t flags,
                      uint32_t sync, const varve_allocator *alloc, size_t series_count)
{
    varve_options open;
    varve_options_init(&open);
    open.flags = flags;
    open.sync = sync;
    open.allocator = alloc;
    bench_store_open_with(store, options, &open, series_count);
}

void bench_store_kill(bench_store *store)
{
    varve_abandon(store->db);
    store->db = NULL;
}

void bench_store_reopen(bench_store *store)
{
    varve_error err;
    bench_must(varve_open(store->path, &store->open, &store->db, &err), &err, "open");
}

void bench_store_drop(bench_store *store)
{
    varve_abandon(store->db);
    free(store->series);
    *store = (bench_store){0};
    bench_directory_remove();
}

double bench_store_stat(const bench_store *store, const char *name)
{
    varve_stat stats[STORE_STATS_MAX];
    size_t count;
    varve_error err;
    bench_must(varve_stats(store->db, stats, STORE_STATS_MAX, &count, &err), &err, "stats");
    for (size_t i = 0; i < count && i < STORE_STATS_MAX; i++) {
        if (strcmp(stats[i].name, name) == 0) {
            return stats[i].value;
        }
    }
    bench_die("there is no figure %s", name);
}

void bench_store_flush(const bench_store *store)
{
    varve_error err;
    bench_must(varve_flush(store->db, NULL, &err), &err, "flush");
}

void bench_store_merge(const bench_store *store)
{
    varve_error err;
    bench_must(varve_compact(store->db, 0, NULL, &err), &err, "merge");
}

void bench_store_compact(const bench_store *store)
{
    varve_error err;
    bench_must(varve_compact(store->db, VARVE_COMPACT_ALL, NULL, &err), &err, "compact");
}

varve_batch *bench_store_batch(const bench_store *store)
{
    varve_batch *batch;
    varve_error err;
    bench_must(varve_batch_create(store->db, &batch, &err), &err, "a batch");
    return batch;
}

/* ---- writing ---- */

static void store_commit(varve_batch *batch, const varve_columns *columns, uint32_t sync)
{
    varve_error err;
    varve_write_options write;
    varve_write_options_init(&write);
    write.sync = sync;
    bench_must(varve_batch_columns(batch, columns, &err), &err, "columns");
    bench_must(varve_batch_commit(batch, &write, NULL, &err), &err, "commit");
}

/** One column of doubles. */
static void store_append(varve_batch *batch, varve_field field, varve_columns columns,
                         const double *values, uint32_t sync)
{
    varve_column column = {.type = VARVE_TYPE_F64, .values = values};
    columns.struct_size = sizeof columns;
    columns.fields = &field;
    columns.columns = &column;
    columns.column_count = 1;
    store_commit(batch, &columns, sync);
}

void bench_store_scrape(varve_batch *batch, varve_field field, const varve_series *series,
                        const double *values, size_t count, int64_t time, uint32_t sync)
{
    store_append(batch, field,
                 (varve_columns){.rows = count,
                                 .series = series,
                                 .series_count = count,
                                 .timestamps = &time,
                                 .timestamp_count = 1},
                 values, sync);
}

void bench_store_rows(varve_batch *batch, varve_field field, const varve_series *series,
                      const int64_t *times, const double *values, size_t count, uint32_t sync)
{
    store_append(batch, field,
                 (varve_columns){.rows = count,
                                 .series = series,
                                 .series_count = count,
                                 .timestamps = times,
                                 .timestamp_count = count},
                 values, sync);
}

void bench_store_bulk(varve_batch *batch, varve_field field, varve_series series,
                      const int64_t *times, const double *values, size_t count, uint32_t sync)
{
    store_append(batch, field,
                 (varve_columns){.rows = count,
                                 .series = &series,
                                 .series_count = 1,
                                 .timestamps = times,
                                 .timestamp_count = count},
                 values, sync);
}

/* ---- reading back ---- */

static void store_compare(const varve_block *block, size_t series, size_t first,
                          bench_expected expected, const void *context)
{
    if (block->column_count != 1 || block->columns[0].type != VARVE_TYPE_F64 ||
        block->columns[0].present != NULL) {
        bench_die("series %zu came back in another shape", series);
    }
    const double *values = block->columns[0].values;
    for (size_t i = 0; i < block->rows; i++) {
        double wanted = expected(context, series, first + i);
        if (memcmp(&wanted, &values[i], sizeof wanted) != 0 ||
            block->timestamps[i] != BENCH_START_NS + (int64_t)(first + i) * BENCH_STEP_NS) {
            bench_die("series %zu, row %zu: %.17g at %lld came back where %.17g was written",
                      series, first + i, values[i], (long long)block->timestamps[i], wanted);
        }
    }
}

void bench_store_verify(const bench_store *store, size_t rows, bench_expected expected,
                        const void *context)
{
    varve_selection all = {
        .kind = VARVE_SELECT_LIST, .series = store->series, .series_count = store->series_count};
    varve_query_options query;
    varve_query_options_init(&query);
    query.selections = &all;
    query.selection_count = 1;
    query.order = VARVE_ORDER_GIVEN;
    varve_cursor *cursor;
    const varve_block *block;
    varve_error err;
    bench_must(varve_query(store->db, &query, &cursor, &err), &err, "query");
    size_t series = 0;
    size_t row = 0;
    for (;;) {
        bench_must(varve_cursor_next(cursor, &block, &err), &err, "reading back");
        if (block == NULL) {
            break;
        }
        if (series >= store->series_count || block->series.id != store->series[series].id) {
            bench_die("series %zu did not come back", series);
        }
        store_compare(block, series, row, expected, context);
        row += block->rows;
        if ((block->flags & VARVE_BLOCK_LAST_OF_SERIES) != 0) {
            if (row != rows) {
                bench_die("series %zu: %zu rows came back of %zu", series, row, rows);
            }
            row = 0;
            series++;
        }
    }
    varve_cursor_close(cursor);
    if (series != store->series_count) {
        bench_die("%zu series came back of %zu", series, store->series_count);
    }
}

void bench_store_sum(varve_db *db, const varve_query_options *query, bench_sum *sum)
{
    varve_cursor *cursor;
    const varve_block *block;
    varve_error err;
    bench_must(varve_query(db, query, &cursor, &err), &err, "query");
    for (;;) {
        bench_must(varve_cursor_next(cursor, &block, &err), &err, "reading back");
        if (block == NULL) {
            break;
        }
        const double *values = block->columns[0].values;
        for (size_t i = 0; i < block->rows; i++) {
            sum->sum += values[i];
        }
        sum->rows += (double)block->rows;
    }
    varve_cursor_close(cursor);
}

void bench_sum_must(const char *engine, bench_sum got, bench_sum expected)
{
    if (got.rows != expected.rows || got.sum != expected.sum) {
        bench_die(
            "%s does not verify: %.0f values with the sum %.17g came back where %.0f with the "
            "sum %.17g were written",
            engine, got.rows, got.sum, expected.rows, expected.sum);
    }
}
