/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, samples, memory, temporary directories: what every workload measures with. */
#include "bench.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- failures and memory ---- */

void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "varve-bench: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(2);
}

void bench_must(varve_status status, const varve_error *err, const char *what)
{
    if (status != VARVE_OK) {
        bench_die("%s: %s: %s", what, varve_status_text(status), err->message);
    }
}

void *bench_memory(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) {
        bench_die("no memory for %zu items of %zu bytes", count, size);
    }
    return memory;
}

/* ---- time ---- */

static int64_t measure_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t bench_now_ns(void)
{
    return measure_clock_ns(CLOCK_MONOTONIC);
}

int64_t bench_cpu_ns(void)
{
    return measure_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* ---- samples ---- */

void bench_sample(bench_samples *samples, double value)
{
    if (samples->count < BENCH_SAMPLES_MAX) {
        samples->values[samples->count] = value;
        samples->count++;
    }
}

static int measure_compare_f64(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

double bench_median(const bench_samples *samples)
{
    bench_samples sorted = *samples;
    if (sorted.count == 0) {
        return 0;
    }
    qsort(sorted.values, sorted.count, sizeof sorted.values[0], measure_compare_f64);
    size_t middle = sorted.count / 2;
    return sorted.count % 2 != 0 ? sorted.values[middle]
                                 : (sorted.values[middle - 1] + sorted.values[middle]) / 2;
}

double bench_least(const bench_samples *samples)
{
    double least = samples->count > 0 ? samples->values[0] : 0;
    for (size_t i = 1; i < samples->count; i++) {
        least = samples->values[i] < least ? samples->values[i] : least;
    }
    return least;
}

double bench_greatest(const bench_samples *samples)
{
    double greatest = samples->count > 0 ? samples->values[0] : 0;
    for (size_t i = 1; i < samples->count; i++) {
        greatest = samples->values[i] > greatest ? samples->values[i] : greatest;
    }
    return greatest;
}

static int measure_compare_i64(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

double bench_quantile(int64_t *latencies, size_t count, double quantile)
{
    if (count == 0) {
        return 0;
    }
    qsort(latencies, count, sizeof latencies[0], measure_compare_i64);
    return (double)latencies[(size_t)(quantile * (double)(count - 1))];
}

/* ---- memory of the process and of the machine ---- */

uint64_t bench_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char line[128] = "";
    if (file == NULL || fgets(line, sizeof line, file) == NULL) {
        bench_die("/proc/self/statm cannot be read");
    }
    fclose(file);
    const char *second = strchr(line, ' ');
    uint64_t pages = second == NULL ? 0 : strtoull(second, NULL, 10);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

double bench_copy_rate(void)
{
    enum { COPY_BYTES = 64 << 20, COPY_ROUNDS = 4 };
    static uint8_t *source;
    static uint8_t *target;
    if (source == NULL) {
        source = bench_memory(COPY_BYTES, 1);
        target = bench_memory(COPY_BYTES, 1);
        memset(source, 1, COPY_BYTES);
        memset(target, 2, COPY_BYTES);
    }
    int64_t start = bench_cpu_ns();
    for (int i = 0; i < COPY_ROUNDS; i++) {
        source[i] = (uint8_t)i; /* so that no round can be left out */
        memcpy(target, source, COPY_BYTES);
    }
    return COPY_ROUNDS * (double)COPY_BYTES / ((double)(bench_cpu_ns() - start) * 1e-9);
}

/* ---- temporary directories: one at a time ---- */

static char measure_directory[512];

static int measure_remove_entry(const char *path, const struct stat *status, int kind,
                                struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

void bench_tree_remove(const char *path)
{
    nftw(path, measure_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void bench_directory_remove(void)
{
    if (measure_directory[0] != '\0') {
        bench_tree_remove(measure_directory);
        measure_directory[0] = '\0';
    }
}

const char *bench_directory_create(const bench_options *options)
{
    static bool is_registered;
    if (!is_registered) {
        atexit(bench_directory_remove);
        is_registered = true;
    }
    bench_directory_remove();
    snprintf(measure_directory, sizeof measure_directory, "%s/varve-bench-XXXXXX", options->base);
    if (mkdtemp(measure_directory) == NULL) {
        measure_directory[0] = '\0';
        bench_die("no temporary directory below %s", options->base);
    }
    return measure_directory;
}
