/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_MERGE_H
#define VV_ENGINE_MERGE_H

/*
 * Merge segments that are adjacent in sequence into one of the next level: tombstones applied
 * (those below every sequence that remains are dropped, with their del files), duplicates resolved,
 * vectors re-encoded to 1024 rows. When merge_fan_in adjacent segments of one level exist, the
 * oldest run of them is merged. Inputs are read through a view of just those segments, so results
 * do not depend on when it runs. The edit adds and drops at once; inputs are unlinked when their
 * last reader leaves.
 */

#include "engine/db.h"

/** Run merges until none is due; all: until one segment is left and no tombstone. */
VV_MUST_CHECK varve_status vv_merge(varve_db *db, bool all, varve_task *task, varve_error *out_err);
bool vv_merge_is_due(varve_db *db);

/** Write the rows of one view (segments and heads in it) as one segment, series in order of names;
 *  shared by flush and merge. *out_segment NULL when no row is left. */
struct vv_view;
struct vv_live_segment;
VV_MUST_CHECK varve_status vv_merge_write(struct vv_view *view, uint64_t id, uint32_t level,
                                          varve_task *task, struct vv_live_segment **out_segment,
                                          varve_error *out_err);

#endif
