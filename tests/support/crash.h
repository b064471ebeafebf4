/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash-point enumerator: a scripted workload runs once on the simulated file system; before
 * each call that changes something the moment is captured; for each moment every legal image of the
 * disk is made, opened, and compared with what had been promised by then.
 *
 * The oracle. Steps are batches in order. expected[k] is the digest of the contents after k
 * batches. A moment at which `issued` batches had begun and `durable` had been answered as durable
 * must open, in strict mode and without help, to the contents after k batches for one k in
 * [durable, issued] (I1 to I5). Rows written then must survive the next cut, and the next recovery
 * must show the same (I7, I8); crash_oracle.c has the other checks.
 *
 * Snapshots and restored databases of the workload: one that was answered is there with the digest
 * of its moment (I9), one that had begun is there as a whole or not at all, and making it again
 * succeeds.
 */
#ifndef VV_TESTS_SUPPORT_CRASH_H
#define VV_TESTS_SUPPORT_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/sync_sites.h"

typedef struct crash_workload {
    const char *name;
    uint64_t seed;
    uint32_t steps;
    uint32_t sync;    /* VARVE_SYNC_... */
    bool keeps_all;   /* policy `all` */
    bool has_row_ids; /* and row ids, which are part of what is compared */
    bool is_short;    /* fewer than 300 calls: the recovery of every image is cut at every call */
    bool is_wide;     /* new series all the time */
    bool is_late;     /* half of the rows are late, or at times that were written before */
    uint32_t sync_interval_ms;
    /* Chance of each in 100 steps; changes are of rows one by one. */
    uint32_t deletes, flushes, merges, reopens, bulks, snapshots, restores, expiries;
    uint32_t rollups; /* passes over a rollup, which the first one sets */
    uint32_t scrubs;
    uint64_t
        disk_bytes; /* 0: no end; else batches are refused when it is full, and half is deleted */
    uint32_t changes, moves;
    uint32_t rings; /* changes of a ring: made, reshaped, dropped; other batches hold ring rows */
    uint64_t flush_rows;
    uint64_t log_file_bytes;
} crash_workload;

typedef struct crash_report {
    uint64_t points;     /* moments */
    uint64_t states;     /* distinct (moment, image) */
    uint64_t recoveries; /* distinct (image, moment of its recovery, image) */
    uint64_t images;     /* different images among all of them: each was opened and examined */
    uint64_t failures;
    char first_failure[512];
} crash_report;

typedef struct crash_limits {
    uint64_t images_per_point_max; /* more are sampled evenly; 0: all */
    uint64_t states_max;           /* stop after so many; 0: none */
    uint64_t recovery_every;       /* crash the recovery of every n-th state too; 0: never */
    bool stops_at_failure;
    vv_sync_site ignored;         /* a sync that does nothing while the workload runs;
                                     VV_SYNC_SITE_COUNT: none */
    bool ignores_in_recovery;     /* and while the recoveries run that are crashed */
    uint64_t recovery_images_max; /* of one moment of a recovery; 0: all */
    uint64_t depth3_every;        /* cut the recovery of every n-th such image too; 0: never */
    uint32_t part, parts;         /* the moments of one part of several; 0 of 0: all */
    int64_t stop_s;               /* of the monotonic clock: no new state after it; 0: none */
} crash_limits;

/* Adds to the report. */
void crash_run(const crash_workload *workload, const crash_limits *limits, crash_report *report);
/*
 * Each sync of the workload fails in turn, in each way that the simulator knows: nothing may be
 * answered as durable afterwards, the next open shows a prefix, and what it shows stays.
 */
void crash_run_failed_syncs(const crash_workload *workload, const crash_limits *limits,
                            crash_report *report);

/* One piece of a programme. */
typedef struct crash_task {
    const crash_workload *workload;
    crash_limits limits;
    bool fails_syncs; /* crash_run_failed_syncs */
    crash_report report;
} crash_task;

/* Runs all of them, in so many processes at a time; each gets its report. One that dies or hangs is
 * a failure of its task. */
void crash_crew_run(crash_task *tasks, size_t count, unsigned processes);
/* The sum; the first failure. */
crash_report crash_crew_sum(const crash_task *tasks, size_t count);

/* Whether the workload reaches the site at all. */
uint64_t crash_site_calls(const crash_workload *workload, vv_sync_site site);

/* The standing workloads. */
extern const crash_workload crash_workloads[];
extern const size_t crash_workload_count;

#endif
