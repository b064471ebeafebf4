/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the workload of many threads: the run, and the oracle of its states. */
#ifndef VV_TESTS_SUPPORT_SCHED_PARALLEL_PRIV_H
#define VV_TESTS_SUPPORT_SCHED_PARALLEL_PRIV_H

#include "support/crash_priv.h"
#include "support/sched/parallel_work.h"

enum {
    PARALLEL_WRITERS = 4,
    PARALLEL_STEPS = 10, /* of each writer */
    PARALLEL_SPREAD = 3,
    PARALLEL_READERS = 2,
    PARALLEL_READS = 5,
    PARALLEL_COPIES = 2,
    PARALLEL_MOMENTS_MAX = 64,
    PARALLEL_ROWS_MAX = 1100, /* of one series in a batch: enough to be encoded before the locks */
};

typedef struct parallel_step {
    bool is_delete;
    uint32_t target; /* the step whose rows go */
    uint64_t ticket; /* 0: not known */
} parallel_step;

/* How many steps of each writer. */
typedef struct parallel_counts {
    uint32_t of[PARALLEL_WRITERS];
} parallel_counts;

/* What was to be seen, at least and at most. */
typedef struct parallel_bounds {
    parallel_counts least, most;
} parallel_bounds;

typedef struct parallel_moment {
    vv_sim_point *point;
    parallel_bounds bounds;
    uint64_t call;
    char thread[16];
} parallel_moment;

typedef struct parallel_work {
    crash_world world;
    crash_workload workload; /* of the options */
    varve_options options;
    varve_db *db;
    varve_series series[PARALLEL_WRITERS][PARALLEL_SPREAD + 1];
    varve_field field;
    uint32_t rows_each; /* of a series in a batch */
    parallel_step steps[PARALLEL_WRITERS][PARALLEL_STEPS];
    vv_sim_sync_fault fault; /* from the moment when it is open */
    parallel_counts issued, answered, durable;
    parallel_counts seen[PARALLEL_READERS]; /* by each reader, last */
    parallel_bounds copies[PARALLEL_COPIES];
    uint32_t copy_count;
    parallel_moment moments[PARALLEL_MOMENTS_MAX];
    uint32_t moment_count;
    vv_random random; /* of steps and moments, not of the schedule */
    const parallel_limits *limits;
    parallel_report *report;
    uint64_t seed;
} parallel_work;

/* The first failure stays. */
void parallel_fail(parallel_work *work, const char *what, const char *detail);
/* What is in a database, Y1; false: it has failed. */
bool parallel_read(parallel_work *work, varve_db *db, const char *where,
                   parallel_counts *out_counts);
/* Y2, Y3 */
void parallel_judge(parallel_work *work, const parallel_counts *counts,
                    const parallel_bounds *bounds, const char *where);
/* Y1, of an aggregate over all series: statistics, and what is in no file yet. */
void parallel_judge_sum(parallel_work *work);
/* Y4 */
void parallel_judge_copies(parallel_work *work);
void parallel_judge_moments(parallel_work *work);
void parallel_judge_end(parallel_work *work);

#endif
