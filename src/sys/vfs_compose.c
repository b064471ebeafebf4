/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compositions of file operations whose order matters.
 *
 * Publishing a file (durability.md section 5.1): a name never leads to half a file, because the
 * bytes are synced before the rename, and the rename is durable once the directory is synced.
 */
#include <string.h>

#include "base/assert.h"
#include "sys/vfs.h"

/* Deepest tree that is removed: varve's own are 3 deep (arbitrary). */
#define VV_TREE_DEPTH_MAX 32

/* ---- publishing ----------------------------------------------------------------------------- */

static varve_status vfs_compose_write(const vv_vfs *vfs, vv_alloc *alloc, const char *path,
                                      const void *data, size_t size, vv_sync_site site,
                                      varve_error *out_err)
{
    vv_file *file = NULL;
    VV_TRY(vv_file_open(vfs, alloc, path, VV_OPEN_WRITE | VV_OPEN_CREATE | VV_OPEN_EXCLUSIVE, &file,
                        out_err));
    varve_status status = vv_file_write_all(file, 0, data, size, out_err);
    if (status == VARVE_OK) {
        status = vv_file_fsync(file, site, out_err);
    }
    if (status == VARVE_OK) {
        return vv_file_close(file, out_err);
    }
    VV_IGNORE(vv_file_close(file, NULL)); /* already failing */
    return status;
}

varve_status vv_vfs_write_file_atomically(const vv_vfs *vfs, vv_alloc *alloc,
                                          const char *temporary_path, const char *final_path,
                                          const void *data, size_t size,
                                          const vv_publish_sites *sites, varve_error *out_err)
{
    char directory[VV_PATH_BYTES_MAX];
    VV_TRY(vv_path_parent(final_path, directory, out_err));
    varve_status status = vv_vfs_unlink(vfs, temporary_path, out_err); /* left by a crash */
    if (status != VARVE_OK && status != VARVE_E_NOT_FOUND) {
        return status;
    }
    status = vfs_compose_write(vfs, alloc, temporary_path, data, size, sites->file, out_err);
    if (status == VARVE_OK) {
        status = vv_vfs_rename(vfs, temporary_path, final_path, sites->rename, out_err);
    }
    if (status != VARVE_OK) {
        VV_IGNORE(vv_vfs_unlink(vfs, temporary_path, NULL)); /* as far as possible */
        return status;
    }
    VV_TRY(vv_vfs_sync_dir(vfs, directory, sites->dir, out_err));
    vv_error_clear(out_err);
    return VARVE_OK;
}

varve_status vv_vfs_ensure_dir(const vv_vfs *vfs, const char *path, vv_sync_site site,
                               varve_error *out_err)
{
    varve_status status = vv_vfs_mkdir(vfs, path, out_err);
    if (status == VARVE_E_EXISTS) {
        vv_file_info info;
        VV_TRY(vv_vfs_stat(vfs, path, &info, out_err));
        if (info.kind != VV_KIND_DIRECTORY) {
            return vv_fail(out_err, VARVE_E_INVALID, "%s is not a directory", path);
        }
    } else {
        VV_TRY(status);
    }
    /* Also when it was there: a process may have died between mkdir and sync. */
    char parent[VV_PATH_BYTES_MAX];
    VV_TRY(vv_path_parent(path, parent, out_err));
    VV_TRY(vv_vfs_sync_dir(vfs, parent, site, out_err));
    vv_error_clear(out_err);
    return VARVE_OK;
}

/* ---- reading whole files -------------------------------------------------------------------- */

static varve_status vfs_compose_read(vv_file *file, vv_alloc *alloc, size_t size_max,
                                     void **out_data, size_t *out_size, varve_error *out_err)
{
    vv_file_info info;
    VV_TRY(vv_file_stat(file, &info, out_err));
    if (info.size < 0 || (uint64_t)info.size > size_max) {
        return vv_fail(out_err, VARVE_E_LIMIT, "read %s: %lld bytes are more than %zu", file->path,
                       (long long)info.size, size_max);
    }
    size_t size = (size_t)info.size;
    void *data = vv_alloc_new(alloc, size);
    if (data == NULL) {
        return vv_fail_nomem(out_err, "the content of a file", size);
    }
    varve_status status = vv_file_read_exact(file, 0, data, size, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(alloc, data, size);
        return status;
    }
    *out_data = data;
    *out_size = size;
    return VARVE_OK;
}

varve_status vv_vfs_read_file(const vv_vfs *vfs, vv_alloc *alloc, const char *path, size_t size_max,
                              void **out_data, size_t *out_size, varve_error *out_err)
{
    *out_data = NULL;
    vv_file *file = NULL;
    VV_TRY(vv_file_open(vfs, alloc, path, VV_OPEN_READ, &file, out_err));
    varve_status status = vfs_compose_read(file, alloc, size_max, out_data, out_size, out_err);
    VV_IGNORE(vv_file_close(file, NULL)); /* nothing was written */
    return status;
}

/* ---- removing trees ------------------------------------------------------------------------- */

static varve_status vfs_compose_ignore_missing(varve_status status, varve_error *out_err)
{
    if (status == VARVE_E_NOT_FOUND) {
        vv_error_clear(out_err);
        return VARVE_OK;
    }
    return status;
}

/*
 * Removes what is not a directory from `path`. *out_child: `path`/first directory in it, or empty.
 */
static varve_status vfs_compose_remove_files(const vv_vfs *vfs, vv_alloc *alloc, const char *path,
                                             char out_child[VV_PATH_BYTES_MAX],
                                             varve_error *out_err)
{
    out_child[0] = '\0';
    vv_dir_list list;
    VV_TRY(vv_vfs_list(vfs, alloc, path, &list, out_err));
    varve_status status = VARVE_OK;
    for (size_t index = 0; index < list.count && status == VARVE_OK; ++index) {
        char entry[VV_PATH_BYTES_MAX];
        status = vv_path_join(path, list.entries[index].name, entry, out_err);
        if (status != VARVE_OK) {
            break;
        }
        if (list.entries[index].kind == VV_KIND_DIRECTORY) {
            memcpy(out_child, entry, sizeof entry);
            continue;
        }
        status = vfs_compose_ignore_missing(vv_vfs_unlink(vfs, entry, out_err), out_err);
    }
    vv_dir_list_deinit(&list);
    return status;
}

/* Goes down into directories as long as there are any, and up again after removing an empty one. */
static varve_status vfs_compose_remove_dir(const vv_vfs *vfs, vv_alloc *alloc, const char *path,
                                           varve_error *out_err)
{
    char current[VV_PATH_BYTES_MAX];
    char child[VV_PATH_BYTES_MAX];
    VV_TRY(vv_path_join("", path, current, out_err));
    unsigned depth = 0;
    for (;;) {
        VV_TRY(vfs_compose_remove_files(vfs, alloc, current, child, out_err));
        if (child[0] != '\0') {
            if (depth == VV_TREE_DEPTH_MAX) {
                return vv_fail(out_err, VARVE_E_LIMIT, "remove %s: deeper than %d directories",
                               path, VV_TREE_DEPTH_MAX);
            }
            memcpy(current, child, sizeof current);
            depth += 1;
            continue;
        }
        VV_TRY(vv_vfs_rmdir(vfs, current, out_err));
        if (depth == 0) {
            return VARVE_OK;
        }
        VV_TRY(vv_path_parent(current, current, out_err));
        depth -= 1;
    }
}

varve_status vv_vfs_remove_tree(const vv_vfs *vfs, vv_alloc *alloc, const char *path,
                                varve_error *out_err)
{
    vv_file_info info;
    varve_status status = vv_vfs_stat(vfs, path, &info, out_err);
    if (status != VARVE_OK) {
        return vfs_compose_ignore_missing(status, out_err);
    }
    if (info.kind != VV_KIND_DIRECTORY) {
        return vfs_compose_ignore_missing(vv_vfs_unlink(vfs, path, out_err), out_err);
    }
    return vfs_compose_remove_dir(vfs, alloc, path, out_err);
}
