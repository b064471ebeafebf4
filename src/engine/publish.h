/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_PUBLISH_H
#define VV_ENGINE_PUBLISH_H

/*
 * How a flush or a merge becomes the database: one edit of the manifest, one exchange of the
 * version. Tombstones that hide nothing any more go with it, and their del/ files.
 */

#include "engine/head.h"
#include "engine/manifest.h"
#include "engine/version.h"

struct vv_segment_info;

typedef struct vv_publish_change {
    vv_live_segment *add;         /* NULL: no row was left; the caller keeps its reference */
    vv_live_segment *const *drop; /* inputs of a merge, adjacent in the version */
    size_t drop_count;
    const vv_version *applied;         /* the tombstones of this version ... */
    uint64_t applied_sequence;         /* ... up to this sequence were applied to `add` */
    const struct vv_ring_flush *rings; /* of a flush; NULL: rings stay as they are */
    vv_head *flushed;                  /* what `add` holds the rows of; NULL: a merge */
} vv_publish_change;

/** A number for a new file in seg/ or del/, never given again while this database is open. */
uint64_t vv_publish_file_id(varve_db *db);

/** A segment as the manifest names it. */
vv_manifest_segment vv_publish_name_segment(const struct vv_segment_info *info);

/** Whether a metric has a policy that the manifest does not have; under manifest_lock. */
bool vv_publish_lacks_policies_locked(varve_db *db);

/**
 * Make the change durable, then visible. On success the dropped segments are unlinked when their
 * last reader leaves. On failure nothing changed, and the file of `add` goes with its last
 * reference; but when the write of the edit itself failed the edit may be durable all the
 * same: then the file stays (an open removes it if no manifest names it) and the database is
 * WRITE_FAILED.
 */
VV_MUST_CHECK varve_status vv_publish(varve_db *db, const vv_publish_change *change,
                                      varve_error *out_err);

/** Move a finished file from tmp/ to its directory and make its name durable. */
VV_MUST_CHECK varve_status vv_publish_segment_file(varve_db *db, uint64_t id, varve_error *out_err);

#endif
