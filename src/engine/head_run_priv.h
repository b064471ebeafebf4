/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_HEAD_RUN_PRIV_H
#define VV_ENGINE_HEAD_RUN_PRIV_H

/*
 * Rows of a run on their way into the head, for the two passes over them: inlined into each, since
 * most rows are a few nanoseconds of work.
 */

#include "base/compiler.h"
#include "engine/head_priv.h"

enum {
    /* Rows ahead: the slot, then what hangs off it, then off that. Measured on a two-core server
     * with 20 000 series: flat between 8 and 16 a stage. */
    HEAD_RUN_AHEAD_SLOT = 36,
    HEAD_RUN_AHEAD_SERIES = 24,
    HEAD_RUN_AHEAD_RECORD = 12
};

static inline uint32_t vv_head_run_series(const vv_run *run, size_t row)
{
    return run->series[run->series_count == 1 ? 0 : row];
}

static inline int64_t vv_head_run_time(const vv_run *run, size_t row)
{
    return run->times[run->time_count == 1 ? 0 : row];
}

/** Whether a row belongs to one of some shards. */
static inline bool vv_head_run_is_in(const vv_run *run, size_t row, uint64_t shards)
{
    return (shards >> (vv_head_run_series(run, row) & (VV_SHARD_COUNT - 1)) & 1) != 0;
}

/** Only of some shards: another thread may be making slots of the others. */
static inline void vv_head_run_prefetch(vv_head *head, const vv_run *run, size_t row,
                                        uint64_t shards)
{
    if (run->series_count == 1) {
        return;
    }
    if (row + HEAD_RUN_AHEAD_SLOT < run->count &&
        vv_head_run_is_in(run, row + HEAD_RUN_AHEAD_SLOT, shards)) {
        uint32_t id = run->series[row + HEAD_RUN_AHEAD_SLOT];
        VV_PREFETCH(vv_head_slot(vv_head_shard_of(head, id), id));
    }
    if (row + HEAD_RUN_AHEAD_SERIES < run->count &&
        vv_head_run_is_in(run, row + HEAD_RUN_AHEAD_SERIES, shards)) {
        uint32_t id = run->series[row + HEAD_RUN_AHEAD_SERIES];
        const vv_head_series *series = vv_head_find(vv_head_shard_of(head, id), id);
        VV_PREFETCH_WRITE(series);
        VV_PREFETCH_WRITE(series == NULL ? NULL : &series->newest_limit);
    }
    if (row + HEAD_RUN_AHEAD_RECORD < run->count &&
        vv_head_run_is_in(run, row + HEAD_RUN_AHEAD_RECORD, shards)) {
        uint32_t id = run->series[row + HEAD_RUN_AHEAD_RECORD];
        const vv_head_series *series = vv_head_find(vv_head_shard_of(head, id), id);
        if (series != NULL && series->tail.piece != NULL) {
            VV_PREFETCH_WRITE(
                vv_head_record(&series->tail, series->tail.count + series->tail.pending));
        }
    }
}

#endif
