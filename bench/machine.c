/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of the machine: what memory, disk, kernel and clock cost without a database. */
#include "bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MACHINE_REPS = 5 };

static void machine_report(const bench_options *options, const char *params, const char *metric,
                           const char *unit, const bench_samples *samples)
{
    bench_result result = {
        .workload = "L",
        .set = "",
        .params = params,
        .durability = "",
        .threads = 1,
        .metric = metric,
        .unit = unit,
        .samples = samples,
    };
    bench_report(options, &result);
}

/* ---- memory ---- */

static double machine_copy(uint8_t *target, const uint8_t *source, size_t size, size_t rounds)
{
    int64_t start = bench_now_ns();
    for (size_t i = 0; i < rounds; i++) {
        memcpy(target, source, size);
        __asm__ volatile("" : : "r"(target) : "memory"); /* the copy is wanted */
    }
    return (double)size * (double)rounds / ((double)(bench_now_ns() - start) * 1e-9);
}

/** Eight sums, so that the loop waits for memory and not for additions. */
static double machine_sum(const uint8_t *bytes, size_t size, size_t rounds)
{
    uint64_t sums[8] = {0};
    int64_t start = bench_now_ns();
    for (size_t i = 0; i < rounds; i++) {
        for (size_t at = 0; at < size; at += sizeof sums) {
            uint64_t words[8];
            memcpy(words, bytes + at, sizeof words);
            for (size_t lane = 0; lane < 8; lane++) {
                sums[lane] += words[lane];
            }
        }
        __asm__ volatile("" : : "r"(sums) : "memory");
    }
    return (double)size * (double)rounds / ((double)(bench_now_ns() - start) * 1e-9);
}

static void machine_memory(const bench_options *options)
{
    static const size_t sizes[] = {16 << 10, 256 << 10, 4 << 20, 256 << 20};
    static const char *const names[] = {"\"bytes\":16384", "\"bytes\":262144", "\"bytes\":4194304",
                                        "\"bytes\":268435456"};
    size_t most = bench_pick(options, 4 << 20, 256 << 20);
    uint8_t *source = bench_memory(most, 1);
    uint8_t *target = bench_memory(most, 1);
    memset(source, 1, most);
    memset(target, 2, most);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && sizes[i] <= most; i++) {
        size_t rounds = (size_t)(256 << 20) / sizes[i];
        bench_samples copies = {0};
        bench_samples sums = {0};
        for (int rep = 0; rep < MACHINE_REPS; rep++) {
            bench_sample(&copies, machine_copy(target, source, sizes[i], rounds));
            bench_sample(&sums, machine_sum(source, sizes[i], rounds));
        }
        machine_report(options, names[i], "memcpy", "B/s", &copies);
        machine_report(options, names[i], "read", "B/s", &sums);
    }
    free(source);
    free(target);
}

/* ---- disk ---- */

double bench_raw_sync_p50(const char *directory, size_t size, size_t count, bool is_allocated)
{
    char path[600];
    snprintf(path, sizeof path, "%s/raw", directory);
    int file = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || (is_allocated && posix_fallocate(file, 0, (off_t)(size * count)) != 0)) {
        bench_die("%s cannot be created", path);
    }
    uint8_t *bytes = bench_memory(size, 1);
    int64_t *latencies = bench_memory(count, sizeof *latencies);
    memset(bytes, 7, size);
    for (size_t i = 0; i < count; i++) {
        int64_t start = bench_now_ns();
        if (pwrite(file, bytes, size, (off_t)(size * i)) != (ssize_t)size || fdatasync(file) != 0) {
            bench_die("%s cannot be written", path);
        }
        latencies[i] = bench_now_ns() - start;
    }
    double median = bench_quantile(latencies, count, 0.5);
    close(file);
    unlink(path);
    free(bytes);
    free(latencies);
    return median;
}

static void machine_disk(const bench_options *options)
{
    static const size_t sizes[] = {128, 4 << 10, 64 << 10, 1 << 20};
    const char *directory = bench_directory_create(options);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t count = bench_pick(options, 20, sizes[i] < (1 << 20) ? 200 : 50);
        bench_samples plain = {0};
        bench_samples allocated = {0};
        for (int rep = 0; rep < MACHINE_REPS; rep++) {
            bench_sample(&plain, bench_raw_sync_p50(directory, sizes[i], count, false) / 1000);
            bench_sample(&allocated, bench_raw_sync_p50(directory, sizes[i], count, true) / 1000);
        }
        char params[64];
        snprintf(params, sizeof params, "\"bytes\":%zu", sizes[i]);
        machine_report(options, params, "append_sync_p50", "us", &plain);
        machine_report(options, params, "append_sync_p50_allocated", "us", &allocated);
    }
    bench_directory_remove();
}

/* ---- kernel and clock ---- */

static void machine_calls(const bench_options *options)
{
    enum { CALLS = 200000 };
    bench_samples calls = {0};
    bench_samples clocks = {0};
    for (int rep = 0; rep < MACHINE_REPS; rep++) {
        int64_t start = bench_now_ns();
        for (int i = 0; i < CALLS; i++) {
            syscall(SYS_getppid);
        }
        int64_t middle = bench_now_ns();
        for (int i = 0; i < CALLS; i++) {
            bench_now_ns();
        }
        bench_sample(&calls, (double)(middle - start) / CALLS);
        bench_sample(&clocks, (double)(bench_now_ns() - middle) / CALLS);
    }
    machine_report(options, "", "system_call", "ns", &calls);
    machine_report(options, "", "clock", "ns", &clocks);
}

void bench_run_limits(const bench_options *options)
{
    machine_memory(options);
    machine_disk(options);
    machine_calls(options);
}
