/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_SNAPSHOT_STAGE_H
#define VV_ENGINE_SNAPSHOT_STAGE_H

/*
 * A directory that appears whole: it is made under another name and renamed when nothing is
 * missing.
 *
 *   <target>.tmp/LOCK      whoever holds its lock works here
 *   <target>.tmp/new/      becomes <target>
 *
 * The states: nothing -> staged (open) -> published, or nothing again (close). What a crash leaves
 * behind is <target>.tmp with these two names, which no database has: the next call for the same
 * target takes it over and clears it.
 */

#include "engine/lockfile.h"
#include "sys/env.h"

typedef struct vv_stage {
    vv_env env; /* its vfs is that of the target */
    vv_lockfile lock;
    bool is_made, is_ours,
        is_published; /* the wrapper by us; the wrapper locked; the target there */
    char parent[VV_PATH_BYTES_MAX];
    char target[VV_PATH_BYTES_MAX];
    char wrapper[VV_PATH_BYTES_MAX]; /* <target>.tmp */
    char root[VV_PATH_BYTES_MAX];    /* <target>.tmp/new */
} vv_stage;

/** Make the empty directory stage->root. *stage is zeroed but for env, and stays at its place.
 *  E_EXISTS (there is something at the target), E_NOT_FOUND (its parent is not there), E_CONFLICT
 *  (something else is called <target>.tmp), E_LOCKED (somebody is at work there). */
VV_MUST_CHECK varve_status vv_stage_open(vv_stage *stage, const char *target, varve_error *out_err);
/** A directory in stage->root; its path into out_path. */
VV_MUST_CHECK varve_status vv_stage_mkdir(vv_stage *stage, const char *name,
                                          char out_path[VV_PATH_BYTES_MAX], varve_error *out_err);
/** Everything below stage->root is durable but for its own entries: these, then the name. After a
 *  failure nothing is at the target, as far as that can be. */
VV_MUST_CHECK varve_status vv_stage_publish(vv_stage *stage, varve_error *out_err);
/** Remove what is not the target; also after a failed open. */
void vv_stage_close(vv_stage *stage);

#endif
