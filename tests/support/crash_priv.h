/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the crash programme: what its files share.
 *
 *   crash.c          the standing workloads, and the run of one: moments, expected contents
 *   crash_oracle.c   opens an image and tells what is in it, and whether that is sound in itself
 *   crash_enum.c     every image of every moment, recoveries cut again, what was promised by then
 *   crash_syncs.c    every sync of a workload fails in turn
 *   crash_crew.c     shares a programme out to several processes
 */
#ifndef VV_TESTS_SUPPORT_CRASH_PRIV_H
#define VV_TESTS_SUPPORT_CRASH_PRIV_H

#include "base/random.h"
#include "support/crash.h"
#include "support/manual_clock.h"
#include "sys/env.h"
#include "sys/vfs_sim.h"
#include "varve.h"

enum {
    CRASH_SERIES = 6,
    CRASH_FIELDS = 7,
    CRASH_POINTS_MAX = 20000,
    CRASH_BATCHES_MAX = 1000,
    CRASH_ROWS_AFTER = 100,
    CRASH_COPIES_MAX = 16,
    CRASH_INTERVAL = 500, /* of the rollup */
    CRASH_RINGS = 3
};

/* ---- a run ---------------------------------------------------------------------------------- */

typedef struct crash_moment {
    vv_sim_point *point;
    uint32_t issued, durable; /* batches */
    uint32_t copies_begun, copies_done;
    uint64_t call;
} crash_moment;

/* A snapshot, or what was restored from one. */
typedef struct crash_copy {
    uint32_t batch; /* expected[batch] is in it */
    bool is_restored;
} crash_copy;

/* The contents of a database. */
typedef struct crash_digest {
    uint64_t digest[2];
    uint64_t rows;
    uint64_t row_ids; /* a sum; 0 where rows have none */
} crash_digest;

/* What the counters of a database had reached. */
typedef struct crash_counters {
    uint64_t sequence; /* the highest that was given out */
    uint64_t lsn;      /* known to be durable */
} crash_counters;

typedef struct crash_world {
    vv_sim *sim;
    vv_env env;
    manual_clock clock;
    vv_random entropy;
} crash_world;

typedef struct crash_script {
    const crash_workload *workload;
    crash_world world;
    vv_random random;
    varve_db *db;
    varve_series series[CRASH_SERIES];
    varve_series rings[CRASH_RINGS];
    varve_field fields[CRASH_FIELDS];
    int64_t time;
    int64_t deleted_before; /* to make room on a full disk */
    uint32_t issued, durable;
    uint32_t remembered; /* expected[] and counters[] are this run's own up to here */
    crash_digest expected[CRASH_BATCHES_MAX + 1];
    crash_counters counters[CRASH_BATCHES_MAX + 1];
    crash_copy copies[CRASH_COPIES_MAX];
    uint32_t copies_begun, copies_done;
    crash_moment *moments;
    size_t moment_count;
    uint32_t refused; /* batches, by a full disk */
    bool has_failed;
    varve_status failed_status; /* of the step that failed */
    char failure[400];
    char label[160]; /* what is special about this run, for messages */
} crash_script;

/* How a workload is run. */
typedef struct crash_play_options {
    vv_sync_site ignored;           /* VV_SYNC_SITE_COUNT: none */
    bool captures;                  /* moments are kept */
    const vv_sim_sync_fault *fault; /* NULL: no sync fails */
    bool stays_open;                /* the database is left as it is after a failed step */
} crash_play_options;

void crash_world_init(crash_world *world, const vv_sim_image *image, uint64_t seed);
/* The wall clock that the workload is recovered under. */
void crash_world_set_clock(crash_world *world, const crash_workload *workload);
void crash_world_deinit(crash_world *world);
varve_options crash_options(const crash_workload *workload, const crash_world *world);
const char *crash_copy_path(uint32_t copy, char buffer[16]);
/* What is in it, every block verified. */
varve_status crash_contents(const crash_workload *workload, varve_db *db, crash_digest *out_digest,
                            varve_error *err);
/* What one row adds to crash_digest.row_ids. */
uint64_t crash_row_id_hash(uint64_t row_id, uint64_t time);
/* Ended with crash_end. */
crash_script *crash_play(const crash_workload *workload, const crash_play_options *options);
void crash_end(crash_script *script);

/* ---- the oracle ----------------------------------------------------------------------------- */

typedef enum crash_copy_state {
    CRASH_COPY_ABSENT,
    CRASH_COPY_WHOLE, /* with the rows it was made with */
} crash_copy_state;

/* What an image turned out to hold: the same for equal images (everything is seeded). */
typedef struct crash_outcome {
    uint64_t key;  /* of the image, see crash_key; 0: an empty place of the table */
    char *failure; /* what is wrong whatever had been promised; NULL: nothing; owned */
    crash_digest found;
    uint64_t sequence; /* of the first row written afterwards */
    uint64_t lsn;      /* durable after recovery */
    uint8_t copies[CRASH_COPIES_MAX];
} crash_outcome;

/* Where an image comes from, as far as the answer depends on it. */
typedef struct crash_subject {
    const crash_script *script;
    uint32_t copies_begun, copies_done;
    bool ignores_site; /* in the recovery as well */
    vv_sync_site ignored;
} crash_subject;

/* Opens the image, checks what is true of every sound database, writes, cuts, opens again. */
crash_outcome crash_examine(const crash_subject *subject, uint64_t key, const vv_sim_image *image);

/* All images of one moment, as the limits say; adds to the report. */
void crash_check_moment(const crash_script *script, const crash_moment *moment,
                        const crash_limits *limits, crash_report *report);

/* Figures that checks compare. */
typedef struct crash_figures {
    uint64_t sequence, lsn;
    uint64_t segments, segment_bytes, tombstones;
} crash_figures;
crash_figures crash_figures_of(varve_db *db);

#endif
