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

/** Run merges until none is due; all: until one segment is left and no tombstone. E_NOSPACE before
 *  anything is written when a merge may not fit on the disk. */
VV_MUST_CHECK varve_status vv_merge(varve_db *db, bool all, varve_task *task, varve_error *out_err);
/** Whether a merge is due and fits on the disk: one that does not is postponed. */
bool vv_merge_is_due(varve_db *db);

struct vv_view;
struct vv_live_segment;
struct vv_segment_info;

/** Where a segment file is written: as <directory>/<id>.part. */
typedef struct vv_merge_target {
    const vv_env *env;
    const char *directory;
    uint64_t id;
    uint32_t level;
    bool has_helper; /* two threads may write it; the file is the same */
} vv_merge_target;

/** Write the rows of one view (segments and heads in it) as one file, series in order of names,
 *  synced. The active head may be among the heads: it is read under its shards' locks. No row left:
 *  no file, and out_info->rows is 0. */
VV_MUST_CHECK varve_status vv_merge_write_file(struct vv_view *view, const vv_merge_target *target,
                                               varve_task *task, struct vv_segment_info *out_info,
                                               varve_error *out_err);
/** The same as a segment of this database, published under its name: what flush and merge share.
 *  *out_segment NULL when no row is left. */
VV_MUST_CHECK varve_status vv_merge_write(struct vv_view *view, uint64_t id, uint32_t level,
                                          varve_task *task, struct vv_live_segment **out_segment,
                                          varve_error *out_err);

#endif
