/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_ROLLUP_SPANS_H
#define VV_ENGINE_ROLLUP_SPANS_H

/*
 * Which buckets of a series something happened in, told by sequences (U1 of rollup.h), and how far
 * a rollup is. Buckets go by their numbers (vv_buckets).
 */

#include "base/vec.h"
#include "engine/rollup.h"
#include "engine/view.h"

struct vv_codec_scratch;

/** Buckets [first, last]. */
typedef struct vv_rollup_span {
    uint64_t first, last;
} vv_rollup_span;

/** How far a rollup is for one series, in one view. */
typedef struct vv_rollup_checkpoint {
    bool exists;
    uint64_t through;  /* buckets below are kept ... */
    uint64_t sequence; /* ... as of this row sequence */
} vv_rollup_checkpoint;

/** What is looked at, and with what. */
typedef struct vv_rollup_look {
    vv_view *view;
    const vv_buckets *buckets;
    vv_alloc *alloc;
    struct vv_codec_scratch *scratch;
} vv_rollup_look;

/** A list of spans; count_max of spans is not bounded: memory is. */
void vv_rollup_spans_init(vv_vec *spans, vv_alloc *alloc);

/**
 * Append the buckets up to and with `last` in which the view has rows of the series with a sequence
 * above `after`, or a delete above it that concerns the series: those, perhaps more, never fewer.
 * after 0: every bucket that may have rows; deletes are left aside. The list is ascending and
 * joined afterwards.
 */
VV_MUST_CHECK varve_status vv_rollup_spans(const vv_rollup_look *look, uint32_t series,
                                           uint64_t after, uint64_t last, vv_vec *spans,
                                           varve_error *out_err);
/** Add one span; the list stays ascending and joined. */
VV_MUST_CHECK varve_status vv_rollup_spans_add(vv_vec *spans, vv_rollup_span span,
                                               varve_error *out_err);
/** Whether a series of the view is one that rollups keep: no ring (U5). */
bool vv_rollup_can_keep(const vv_view *view, uint32_t series);
/** How far a rollup is, by the series that holds what it keeps. */
VV_MUST_CHECK varve_status vv_rollup_read_checkpoint(const vv_rollup_look *look, uint32_t kept,
                                                     vv_rollup_checkpoint *out_checkpoint,
                                                     varve_error *out_err);
/** The series that holds what a rollup keeps of a source; 0: there is none yet. */
VV_MUST_CHECK varve_status vv_rollup_kept_series(varve_db *db, const vv_rollup *rollup,
                                                 uint32_t series, uint32_t *out_kept,
                                                 varve_error *out_err);

/** The newest time in the view that is not above `limit`, about: an encoded block or vector that
 *  reaches beyond counts with its first time. Internal metrics do not count. */
VV_MUST_CHECK varve_status vv_rollup_newest(vv_view *view, int64_t limit, bool *out_has,
                                            int64_t *out_newest, varve_error *out_err);
/** The clock, and 15 minutes, in the database's precision: what lies ahead is not believed. */
int64_t vv_rollup_horizon(const varve_db *db);

#endif
