/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the codec's workloads encode: the generated sets, real columns from a directory of the user,
 * and times in the manner of four clocks.
 */
#include "bench.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_CLOCK_SEED = 321 };

static bench_column *columns_add(bench_columns *columns, const char *name, size_t name_size)
{
    if (columns->count == BENCH_COLUMNS_MAX) {
        bench_die("more than %d columns", BENCH_COLUMNS_MAX);
    }
    bench_column *column = &columns->columns[columns->count];
    columns->count++;
    *column = (bench_column){.values = bench_memory(BENCH_COLUMN_VALUES, sizeof(double))};
    size_t size = name_size < sizeof column->name ? name_size : sizeof column->name - 1;
    memcpy(column->name, name, size);
    return column;
}

static void columns_generate(bench_columns *columns, bench_set set)
{
    const char *name = bench_set_name(set);
    bench_column *column = columns_add(columns, name, strlen(name));
    bench_stream stream;
    bench_stream_init(&stream, set, 0);
    column->count = BENCH_COLUMN_VALUES;
    for (size_t i = 0; i < column->count; i++) {
        column->values[i] = bench_stream_next(&stream);
    }
}

/** One number a line. */
static void columns_read(bench_columns *columns, const char *directory, const char *file_name)
{
    char path[1024];
    char line[128];
    snprintf(path, sizeof path, "%s/%s", directory, file_name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        bench_die("%s cannot be read", path);
    }
    bench_column *column = columns_add(columns, file_name, strlen(file_name) - strlen(".csv"));
    column->is_real = true;
    while (column->count < BENCH_COLUMN_VALUES && fgets(line, sizeof line, file) != NULL) {
        char *end;
        column->values[column->count] = strtod(line, &end);
        if (end == line) {
            bench_die("%s: line %zu is no number", path, column->count + 1);
        }
        column->count++;
    }
    fclose(file);
    if (column->count == 0) {
        bench_die("%s is empty", path);
    }
}

static int columns_is_csv(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return size > 4 && strcmp(entry->d_name + size - 4, ".csv") == 0;
}

void bench_columns_load(bench_columns *columns, const bench_options *options)
{
    *columns = (bench_columns){.count = 0};
    for (bench_set set = BENCH_GAUGE_INT; set < BENCH_SET_COUNT; set++) {
        if (options->set == BENCH_SET_COUNT || options->set == set) {
            columns_generate(columns, set);
        }
    }
    if (options->data == NULL || options->set != BENCH_SET_COUNT) {
        return;
    }
    struct dirent **entries;
    int count = scandir(options->data, &entries, columns_is_csv, alphasort);
    if (count <= 0) {
        bench_die("%s has no *.csv", options->data);
    }
    for (int i = 0; i < count; i++) {
        columns_read(columns, options->data, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

void bench_columns_free(bench_columns *columns)
{
    for (size_t i = 0; i < columns->count; i++) {
        free(columns->columns[i].values);
    }
    columns->count = 0;
}

const char *bench_clock_name(size_t clock)
{
    static const char *const names[BENCH_CLOCKS] = {"ts-regular", "ts-jitter", "ts-irregular",
                                                    "ts-gaps"};
    return names[clock];
}

/** Nanoseconds; those of ts-jitter and ts-irregular are whole milliseconds. */
void bench_clock_fill(size_t clock, int64_t *times, size_t count)
{
    const double ms = 1e6;
    vv_random random;
    vv_random_init(&random, COLUMNS_CLOCK_SEED);
    int64_t time = BENCH_START_NS;
    for (size_t i = 0; i < count; i++) {
        times[i] = time;
        switch (clock) {
        case 0:
            time += BENCH_STEP_NS;
            break;
        case 1:
            times[i] += (int64_t)(round(5 * vv_random_normal(&random)) * ms);
            time += BENCH_STEP_NS;
            break;
        case 2:
            time += (int64_t)(round(-10000 * log(1 - vv_random_f64(&random))) * ms);
            break;
        default:
            do {
                time += BENCH_STEP_NS;
            } while (vv_random_below(&random, 100) == 0);
            break;
        }
    }
}
