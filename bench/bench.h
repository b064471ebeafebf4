/* SPDX-License-Identifier: Apache-2.0 */
/*
 * varve-bench: how fast and how small varve is, and how near to what the machine can do. Absolute
 * times of different runs say little; what counts are ratios within one run, figures per second of
 * CPU time, and exact sizes and counts.
 *
 *   suite.c      commands and options        results.c   tables and JSON lines
 *   measure.c    clocks, samples, memory     generate.c  data sets
 *   store.c      a database to measure: opening, loading, reading back
 *   machine.c    limits   appends.c  I1, I2   durable.c  I6   late.c  I7   reopen.c  S2
 *   scans.c      Q1       footprint.c  M1
 *   codecs.c     C1 to C4            columns.c  what they encode: sets, real columns, times
 *   plain_alp.c  sizes to compare with
 *   budget.c     check: exact figures against bench/baseline.json
 *   hosts.c, writers.c  data sets as rows and as files (hosts.h)
 *   the rest is comparisons with other engines (versus.h)
 *
 * All but codecs.c see nothing of the engine but varve.h; that one times the codec alone, by the
 * functions that head, log and segments call (codec/vector.h).
 *
 * A workload first verifies: the same code on a small set, its result compared with a plain
 * computation. What fails there reports no time. A failure ends the program with status 2.
 */
#ifndef VV_BENCH_BENCH_H
#define VV_BENCH_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/random.h"
#include "varve.h"

/* ---- options ---- */

typedef enum bench_set {
    BENCH_TSBS_CPU,   /* integers in doubles: a walk in 0..100, truncated */
    BENCH_GAUGE_INT,  /* the same as one long column */
    BENCH_GAUGE_WALK, /* that walk untruncated: full-precision doubles */
    BENCH_COUNTER,    /* cumulative, increments floor(N(5, 2)), rare resets */
    BENCH_SENSOR_2DP, /* walk of deviation 0.1, rounded to two decimals */
    /* Of the codec's workloads only: */
    BENCH_DAILY_1DP,   /* 20 + 5 * sin(2 pi i / 31416) + N(0, 0.3), rounded to one decimal */
    BENCH_RANDOM_F64,  /* uniform in [0, 1) */
    BENCH_STATUS,      /* one of 5 levels, drawn anew once in 100 values */
    BENCH_SPARSE_NAN,  /* sensor-2dp with NaNs, infinities, stale markers, -0.0 */
    BENCH_MIXED_SCALE, /* two decimals times a power of ten that changes every 500 values */
    BENCH_SET_COUNT
} bench_set;

/* Sets before this one are also loaded into databases (I2, check). */
#define BENCH_STORED_END BENCH_DAILY_1DP

enum { BENCH_ISA_ANY = -1 };

typedef enum bench_preset { BENCH_SMOKE, BENCH_STD } bench_preset;

typedef struct bench_options {
    bench_preset preset;
    size_t reps;      /* 0: the workload's own number */
    size_t threads;   /* 0: one, then two */
    bench_set set;    /* where a workload has several; BENCH_SET_COUNT: all */
    FILE *json;       /* NULL: no JSON lines */
    const char *base; /* where temporary directories are made */
    const char *data; /* directory of real columns; NULL: none */
    int isa;          /* vv_codec_isa that was asked for; BENCH_ISA_ANY: the best, or each (C1) */
} bench_options;

typedef struct bench_workload {
    const char *id;
    const char *help;
    void (*run)(const bench_options *options);
} bench_workload;

/** One value of the preset. */
static inline size_t bench_pick(const bench_options *options, size_t smoke, size_t standard)
{
    return options->preset == BENCH_SMOKE ? smoke : standard;
}

static inline size_t bench_reps(const bench_options *options, size_t smoke, size_t standard)
{
    return options->reps != 0 ? options->reps : bench_pick(options, smoke, standard);
}

/* ---- measure.c ---- */

enum { BENCH_SAMPLES_MAX = 64 };

typedef struct bench_samples {
    double values[BENCH_SAMPLES_MAX];
    size_t count;
} bench_samples;

void bench_sample(bench_samples *samples, double value);
double bench_median(const bench_samples *samples);
double bench_least(const bench_samples *samples);
double bench_greatest(const bench_samples *samples);

int64_t bench_now_ns(void);
/** CPU time of all threads of the process, user and system. */
int64_t bench_cpu_ns(void);
/** Sorts the latencies and gives the one at a quantile. */
double bench_quantile(int64_t *latencies, size_t count, double quantile);
/** Resident memory now, in bytes. */
uint64_t bench_resident_bytes(void);
/** Bytes per second of CPU time that memcpy moves between buffers of 64 MiB. */
double bench_copy_rate(void);

/** Print a sentence and end with status 2; temporary directories are removed. */
VV_NORETURN void bench_die(const char *format, ...) VV_PRINTF(1, 2);
/** Ends the program unless the status is OK. */
void bench_must(varve_status status, const varve_error *err, const char *what);
/** Memory, or the end of the program; zeroed. Freed with free(). */
void *bench_memory(size_t count, size_t size);

/** A new directory below the base; removed by bench_directory_remove or at exit. */
const char *bench_directory_create(const bench_options *options);
void bench_directory_remove(void);
/** Remove a directory with all that is in it; what cannot be removed stays. */
void bench_tree_remove(const char *path);

/* ---- results.c ---- */

typedef struct bench_result {
    const char *workload, *set, *params; /* params: members of a JSON object, "" for none */
    const char *durability;              /* "" where it has no meaning */
    size_t threads;
    const char *metric, *unit;
    const char *of; /* of a ratio: what it is a ratio to; else NULL */
    /* Of a comparison, else NULL: "promtool", or "varve/promtool" with `of` naming the metric. */
    const char *engine, *engine_version;
    const bench_samples *samples;
} bench_result;

/** A line of the table, and a JSON line where asked. */
void bench_report(const bench_options *options, const bench_result *result);

/* ---- generate.c ---- */

const char *bench_set_name(bench_set set);

typedef struct bench_stream {
    vv_random random;
    double state;
    double scale; /* mixed-scale */
    uint64_t index;
    bench_set set;
} bench_stream;

/** The values of series number `series` of a set; each series is generated on its own. */
void bench_stream_init(bench_stream *stream, bench_set set, uint64_t series);
double bench_stream_next(bench_stream *stream);

/** Values of the tsbs-cpu set for scrapes of many series, time-major; free(values) releases it. */
typedef struct bench_matrix {
    double *values;
    size_t series, scrapes;
} bench_matrix;

bench_matrix bench_matrix_make(size_t series, size_t scrapes);
/** A bench_expected of it. */
double bench_matrix_at(const void *context, size_t series, size_t row);

/* ---- columns.c ---- */

enum { BENCH_COLUMNS_MAX = 64, BENCH_COLUMN_VALUES = 16 * 1024 };

/** Values that fit the second-level cache, encoded or not. */
typedef struct bench_column {
    char name[32];
    bool is_real;
    size_t count; /* of values; a multiple of 1024 unless it is real */
    double *values;
} bench_column;

typedef struct bench_columns {
    bench_column columns[BENCH_COLUMNS_MAX];
    size_t count;
} bench_columns;

/** The sets that the options allow, and the real columns where a directory is given, by name. */
void bench_columns_load(bench_columns *columns, const bench_options *options);
void bench_columns_free(bench_columns *columns);

/** Times of one series in the manner of a clock: ts-regular, ts-jitter, ts-irregular, ts-gaps. */
enum { BENCH_CLOCKS = 4 };
const char *bench_clock_name(size_t clock);
void bench_clock_fill(size_t clock, int64_t *times, size_t count);

/* ---- plain_alp.c ---- */

/** Bits of up to 1024 values as "ALP: Adaptive Lossless floating-Point Compression" has them: one
 * pair of exponents for the vector, exceptions, frame of reference; ALP_rd where that is less. The
 * pair is the best of all, where the paper takes it from a sample: never more bits than that. */
double bench_plain_alp_bits(const double *values, size_t count);
/** Bits a value of the entropy of first differences of the decimals (of the bits of doubles where
 * they are no decimals): what an order-0 coder of differences cannot beat. */
double bench_delta_entropy(const double *values, size_t count);
/** Bits of the raw doubles after zstd. */
double bench_zstd_bits(const double *values, size_t count, int level);

/* ---- store.c ---- */

#define BENCH_START_NS INT64_C(1451606400000000000) /* 2016-01-01T00:00:00Z */
#define BENCH_STEP_NS  INT64_C(10000000000)

typedef struct bench_store {
    varve_db *db;
    const char *path;
    varve_options open; /* how it was opened */
    varve_field field;  /* "value" */
    varve_series *series;
    size_t series_count;
} bench_store;

/** A database in a new temporary directory with series resolved that have the ten tags of the
 * tsbs-cpu set. alloc may be NULL. */
void bench_store_open(bench_store *store, const bench_options *options, uint32_t flags,
                      uint32_t sync, const varve_allocator *alloc, size_t series_count);
/** The same with options of one's own. */
void bench_store_open_with(bench_store *store, const bench_options *options,
                           const varve_options *open, size_t series_count);
/** Leave the database as a killed process would. */
void bench_store_kill(bench_store *store);
/** Open it again; series and field are resolved afterwards, by bench_store_resolve. */
void bench_store_reopen(bench_store *store);
void bench_store_resolve(bench_store *store);
/** Close without flushing, and remove the directory. */
void bench_store_drop(bench_store *store);
double bench_store_stat(const bench_store *store, const char *name);
void bench_store_flush(const bench_store *store);
/** Merge what is due. */
void bench_store_merge(const bench_store *store);
/** Merge into one segment. */
void bench_store_compact(const bench_store *store);
varve_batch *bench_store_batch(const bench_store *store);

/** Append one scrape: row i of series[i] holds values[i]. */
void bench_store_scrape(varve_batch *batch, varve_field field, const varve_series *series,
                        const double *values, size_t count, int64_t time, uint32_t sync);
/** Append rows of any series and times, in one batch. */
void bench_store_rows(varve_batch *batch, varve_field field, const varve_series *series,
                      const int64_t *times, const double *values, size_t count, uint32_t sync);
/** Append rows of one series. */
void bench_store_bulk(varve_batch *batch, varve_field field, varve_series series,
                      const int64_t *times, const double *values, size_t count, uint32_t sync);

/** What series must hold: the value of row `row` at BENCH_START_NS + row * BENCH_STEP_NS. */
typedef double (*bench_expected)(const void *context, size_t series, size_t row);
/** Read every row back and compare times and bits; ends the program at a difference. */
void bench_store_verify(const bench_store *store, size_t rows, bench_expected expected,
                        const void *context);

typedef struct bench_sum {
    double sum, rows;
} bench_sum;

/** Add what a query of one column of doubles answers. */
void bench_store_sum(varve_db *db, const varve_query_options *query, bench_sum *sum);
/** For integers, whose sum is exact in any order: ends the program where they differ. */
void bench_sum_must(const char *engine, bench_sum got, bench_sum expected);

/* ---- workloads ---- */

void bench_run_limits(const bench_options *options);
void bench_run_append_handle(const bench_options *options);
void bench_run_append_bulk(const bench_options *options);
void bench_run_durable(const bench_options *options);
void bench_run_late(const bench_options *options);
void bench_run_reopen(const bench_options *options);
void bench_run_scan(const bench_options *options);
void bench_run_footprint(const bench_options *options);
void bench_run_codec_decode(const bench_options *options);
void bench_run_codec_encode(const bench_options *options);
void bench_run_codec_size(const bench_options *options);
void bench_run_codec_times(const bench_options *options);

/** p50 in ns of appending `size` bytes and syncing, over `count` times, in a directory. */
double bench_raw_sync_p50(const char *directory, size_t size, size_t count, bool is_allocated);

/* ---- budget.c ---- */

/** Compare the exact figures with a baseline; the exit status. */
int bench_check(const bench_options *options, const char *baseline);

#endif
