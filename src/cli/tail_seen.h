/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_TAIL_SEEN_H
#define VV_CLI_TAIL_SEEN_H

/*
 * Which rows of a window were there before: how a command that can only ask for ranges of time
 * tells the rows that came since. Each look is offered all rows of its window; of each series the
 * times of the look before are kept:
 *
 *     before   10 20 20    40
 *     now      10 20 20 30 40 50
 *     new               ^     ^
 *
 * S1  A row is new exactly when its series has more rows of its time than in the look before.
 * S2  Memory is that of the times of two looks.
 */

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/vec.h"
#include "cli/names.h"
#include "varve.h"

typedef struct vv_tail_seen {
    vv_alloc *alloc; /* borrowed */
    vv_names names;  /* texts of series to indices */
    vv_vec series;   /* tail_seen_series */
    uint64_t look;   /* number of the look under way */
    size_t current;  /* series of the rows offered */
    int64_t last;    /* time of the last row that was added, */
    size_t run;      /* and how many of that time in a row */
} vv_tail_seen;

void vv_tail_seen_init(vv_tail_seen *seen, vv_alloc *alloc);
void vv_tail_seen_deinit(vv_tail_seen *seen);

/** A look begins. */
void vv_tail_seen_begin(vv_tail_seen *seen);

/** The rows that follow belong to the series of this text. E_NOMEM. */
VV_MUST_CHECK varve_status vv_tail_seen_series(vv_tail_seen *seen, varve_text key,
                                               varve_error *out_err);

/** The next row of the series, in ascending time, and whether it is new. E_NOMEM. */
VV_MUST_CHECK varve_status vv_tail_seen_offer(vv_tail_seen *seen, int64_t timestamp,
                                              bool *out_is_new, varve_error *out_err);

/** All rows of the window were offered: those of the look before are forgotten. */
void vv_tail_seen_end(vv_tail_seen *seen);

/** Between looks: a row that was met elsewhere, rows of one time behind each other. E_NOMEM. */
VV_MUST_CHECK varve_status vv_tail_seen_add(vv_tail_seen *seen, int64_t timestamp,
                                            varve_error *out_err);

#endif
