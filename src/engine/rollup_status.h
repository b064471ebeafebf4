/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_ROLLUP_STATUS_H
#define VV_ENGINE_ROLLUP_STATUS_H

/*
 * How rollups stand, found out when asked: nothing of it is kept but the figures of runs.
 */

#include "engine/rollup.h"
#include "model/selection.h"

/** The selection of a rollup, compiled for one thread. */
VV_MUST_CHECK varve_status vv_rollup_selection(const vv_rollup *rollup, vv_alloc *alloc,
                                               vv_selection **out_selection, varve_error *out_err);
/** varve_rollup_status is a thin wrapper of this. */
VV_MUST_CHECK varve_status vv_rollups_tell(varve_db *db, varve_task *task,
                                           varve_rollup_visitor visit, void *context,
                                           varve_error *out_err);

#endif
