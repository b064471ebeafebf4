/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads on one database, under the scheduler, on the simulated disk.
 *
 *      writer 0..3   batches and deletes of their own, each of PARALLEL_SPREAD + 1 series and 1, 40
 *                    or 1100 times; the last series is shared by all writers
 *      flusher       varve_flush         reader 0, 1   everything there is, and whether it may be
 *      merger        varve_compact       copier        varve_snapshot
 *      varve-flush, varve-log            the database's own (three seeds of four)
 *
 * In one seed of five a sync of the disk fails somewhere. Calls may fail from then on, and what
 * they were to do may be there or not; all that was answered before and after stays as promised.
 *
 * The oracle. The steps of a writer follow each other, and no two of its states hold the same rows,
 * so what is found tells for each writer how many of its steps are in it: a state is four numbers.
 *
 *   Y1  A batch is seen whole or not at all, and every value is the one that was written; counts of
 *       aggregates are multiples of a batch.
 *   Y2  Steps that had been answered before a query began are in it; steps that had not begun when
 *       it ended are not. What one reader has seen, it sees again.
 *   Y3  The tickets of all steps that are in a state lie below those of all that are not: one
 *       prefix of the one order in which the log has them.
 *   Y4  So it is with snapshots, and after a power cut at any changing call: the image opens, what
 *       was answered DURABLE by then is in it (I1), nothing is that had not begun (I2), one prefix
 *       (I3), whole batches (I4), deletes hold (I5); and whatever crash_oracle.c demands of an
 *       image: a second recovery shows the same (I7), rows written then survive (I8), files, index
 *       and statistics agree.
 */
#ifndef VV_TESTS_SUPPORT_SCHED_PARALLEL_WORK_H
#define VV_TESTS_SUPPORT_SCHED_PARALLEL_WORK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct parallel_limits {
    uint32_t moments_max; /* power cuts of the run */
    uint32_t images_each; /* drawn at each, beside `all lost` and `all kept` */
    FILE *trace;          /* as of scheduler_options */
} parallel_limits;

typedef struct parallel_report {
    uint64_t trace, steps, switches; /* as of scheduler_report */
    uint64_t calls;                  /* that change the disk */
    uint64_t moments, images, reads, copies, sync_faults;
    bool has_failed;
    char failure[5000]; /* the first */
} parallel_report;

/* One run, and the images of its moments; the report is filled, not added to. */
void parallel_work_run(uint64_t seed, const parallel_limits *limits, parallel_report *out_report);

#endif
