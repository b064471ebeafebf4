/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Staging (see snapshot_stage.h).
 *
 *   A1  Nothing that existed before the call is changed or removed, but for what an earlier call
 *       for the same target left in <target>.tmp.
 *
 *   A2  The rename is the moment: before it there is nothing at the target, after it everything,
 *       and everything below it was durable before.
 *
 *   A3  The lock is held until nothing is left to do. Its file goes before it is unlocked, so that
 *       who comes next begins with a directory of his own.
 */

#include "engine/snapshot_stage.h"

#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "engine/ident.h"

/* ---- names ---- */

static varve_status stage_set_names(vv_stage *stage, const char *target, varve_error *out_err)
{
    size_t size = strlen(target);
    while (size > 1 && target[size - 1] == '/') {
        size--;
    }
    if (size == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "the path of the new directory is empty");
    }
    if (size > VV_IDENT_PATH_BYTES_MAX - sizeof ".tmp/new") {
        return vv_fail(out_err, VARVE_E_LIMIT, "the path of the new directory is too long");
    }
    memcpy(stage->target, target, size);
    stage->target[size] = '\0';
    vv_text_format(stage->wrapper, sizeof stage->wrapper, "%s.tmp", stage->target);
    VV_TRY(vv_path_join(stage->wrapper, "new", stage->root, out_err));
    return vv_path_parent(stage->target, stage->parent, out_err);
}

static varve_status stage_check_target(const vv_stage *stage, varve_error *out_err)
{
    bool exists;
    VV_TRY(vv_vfs_exists(stage->env.vfs, stage->target, &exists, out_err));
    if (exists) {
        return vv_fail(out_err, VARVE_E_EXISTS, "%s exists; the new directory needs a free name",
                       stage->target);
    }
    vv_file_info parent;
    varve_status status = vv_vfs_stat(stage->env.vfs, stage->parent, &parent, out_err);
    if (status == VARVE_E_NOT_FOUND) {
        return vv_fail(out_err, status, "%s is not there; make it before %s", stage->parent,
                       stage->target);
    }
    VV_TRY(status);
    if (parent.kind == VV_KIND_FILE) {
        return vv_fail(out_err, VARVE_E_INVALID, "%s is not a directory", stage->parent);
    }
    return VARVE_OK; /* perhaps a link to a directory: making one in it tells */
}

/* ---- opening ---- */

/** A1: what is in the way must be what we leave behind. */
static varve_status stage_check_leftover(const vv_stage *stage, varve_error *out_err)
{
    vv_dir_list list;
    VV_TRY(vv_vfs_list(stage->env.vfs, stage->env.alloc, stage->wrapper, &list, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < list.count && status == VARVE_OK; i++) {
        const vv_dir_entry *entry = &list.entries[i];
        bool is_lock = entry->kind == VV_KIND_FILE && strcmp(entry->name, "LOCK") == 0;
        bool is_root = entry->kind == VV_KIND_DIRECTORY && strcmp(entry->name, "new") == 0;
        if (!is_lock && !is_root) {
            status = vv_fail(out_err, VARVE_E_CONFLICT,
                             "%s is in the way and not of an earlier attempt: it holds %s",
                             stage->wrapper, entry->name);
        }
    }
    vv_dir_list_deinit(&list);
    return status;
}

static varve_status stage_claim(vv_stage *stage, varve_error *out_err)
{
    varve_status status = vv_vfs_mkdir(stage->env.vfs, stage->wrapper, out_err);
    bool made = status == VARVE_OK;
    if (status == VARVE_E_EXISTS) {
        status = stage_check_leftover(stage, out_err);
    }
    VV_TRY(status);
    stage->is_made = made;
    /* A copy may well lie on a network file system: nothing is written there in place. */
    VV_TRY(vv_lockfile_acquire(&stage->env, stage->wrapper, /* lock_wait_ms */ 0,
                               /* allows_network_fs */ true, &stage->lock, out_err));
    stage->is_ours = true;
    return VARVE_OK;
}

varve_status vv_stage_open(vv_stage *stage, const char *target, varve_error *out_err)
{
    VV_TRY(stage_set_names(stage, target, out_err));
    VV_TRY(stage_check_target(stage, out_err));
    VV_TRY(stage_claim(stage, out_err));
    VV_TRY(vv_vfs_remove_tree(stage->env.vfs, stage->env.alloc, stage->root, out_err));
    VV_TRY(stage_check_target(stage, out_err)); /* whoever held the lock may have finished */
    return vv_vfs_mkdir(stage->env.vfs, stage->root, out_err);
}

varve_status vv_stage_mkdir(vv_stage *stage, const char *name, char out_path[VV_PATH_BYTES_MAX],
                            varve_error *out_err)
{
    VV_TRY(vv_path_join(stage->root, name, out_path, out_err));
    return vv_vfs_mkdir(stage->env.vfs, out_path, out_err);
}

/* ---- the end ---- */

varve_status vv_stage_publish(vv_stage *stage, varve_error *out_err)
{
    const vv_vfs *vfs = stage->env.vfs;
    VV_TRY(vv_vfs_sync_dir(vfs, stage->root, VV_SITE_SNAPSHOT_DIR, out_err));
    VV_TRY(stage_check_target(stage, out_err)); /* a rename would replace an empty directory */
    varve_status status =
        vv_vfs_rename(vfs, stage->root, stage->target, VV_SITE_SNAPSHOT_RENAME, out_err);
    if (status == VARVE_OK) {
        status = vv_vfs_sync_dir(vfs, stage->parent, VV_SITE_SNAPSHOT_PARENT, out_err);
        stage->is_published = status == VARVE_OK;
        if (status != VARVE_OK) {
            /* The name may be durable or not: back to where it is cleared away. */
            VV_IGNORE(
                vv_vfs_rename(vfs, stage->target, stage->root, VV_SITE_SNAPSHOT_RENAME, NULL));
        }
    }
    return status;
}

void vv_stage_close(vv_stage *stage)
{
    if (!stage->is_ours) {
        if (stage->is_made) {
            VV_IGNORE(
                vv_vfs_rmdir(stage->env.vfs, stage->wrapper, NULL)); /* not if it holds LOCK */
        }
        return;
    }
    const vv_vfs *vfs = stage->env.vfs;
    char path[VV_PATH_BYTES_MAX];
    if (!stage->is_published) {
        VV_IGNORE(vv_vfs_remove_tree(vfs, stage->env.alloc, stage->root, NULL));
    }
    if (vv_path_join(stage->wrapper, "LOCK", path, NULL) == VARVE_OK) {
        VV_IGNORE(vv_vfs_unlink(vfs, path, NULL)); /* A3 */
    }
    VV_IGNORE(vv_vfs_rmdir(vfs, stage->wrapper, NULL)); /* the next call for the target clears it */
    vv_lockfile_release(&stage->lock);
}
