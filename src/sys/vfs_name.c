/* SPDX-License-Identifier: Apache-2.0 */
/* Names: paths, entries of directories, and the calls of a vv_vfs that take a path. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sys/vfs.h"

varve_status vv_path_join(const char *directory, const char *name, char out_path[VV_PATH_BYTES_MAX],
                          varve_error *out_err)
{
    size_t directory_size = strlen(directory);
    size_t name_size = strlen(name);
    bool has_slash = directory_size > 0 && directory[directory_size - 1] == '/';
    size_t slash_size = has_slash || directory_size == 0 ? 0 : 1;
    size_t room = VV_PATH_BYTES_MAX - 1;
    if (directory_size > room || name_size > room ||
        directory_size + slash_size + name_size > room) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a path of %zu and %zu bytes is longer than %zu",
                       directory_size, name_size, room);
    }
    memmove(out_path, directory, directory_size);
    if (slash_size == 1) {
        out_path[directory_size] = '/';
    }
    memcpy(out_path + directory_size + slash_size, name, name_size + 1);
    return VARVE_OK;
}

varve_status vv_path_parent(const char *path, char out_path[VV_PATH_BYTES_MAX],
                            varve_error *out_err)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') { /* "dir//" names the same as "dir" */
        end -= 1;
    }
    while (end > 0 && path[end - 1] != '/') {
        end -= 1;
    }
    while (end > 1 && path[end - 1] == '/') { /* but "/" stays */
        end -= 1;
    }
    if (end >= VV_PATH_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a path of %zu bytes is longer than %d",
                       strlen(path), VV_PATH_BYTES_MAX - 1);
    }
    if (end == 0) {
        memcpy(out_path, ".", 2);
        return VARVE_OK;
    }
    memmove(out_path, path, end);
    out_path[end] = '\0';
    return VARVE_OK;
}

varve_status vv_vfs_rename(const vv_vfs *vfs, const char *source, const char *target,
                           vv_sync_site site, varve_error *out_err)
{
    return vfs->ops->rename(vfs->context, source, target, site, out_err);
}

varve_status vv_vfs_link(const vv_vfs *vfs, const char *source, const char *target,
                         varve_error *out_err)
{
    return vfs->ops->link(vfs->context, source, target, out_err);
}

varve_status vv_vfs_unlink(const vv_vfs *vfs, const char *path, varve_error *out_err)
{
    return vfs->ops->unlink(vfs->context, path, out_err);
}

varve_status vv_vfs_mkdir(const vv_vfs *vfs, const char *path, varve_error *out_err)
{
    return vfs->ops->mkdir(vfs->context, path, out_err);
}

varve_status vv_vfs_rmdir(const vv_vfs *vfs, const char *path, varve_error *out_err)
{
    return vfs->ops->rmdir(vfs->context, path, out_err);
}

varve_status vv_vfs_sync_dir(const vv_vfs *vfs, const char *path, vv_sync_site site,
                             varve_error *out_err)
{
    return vfs->ops->sync_dir(vfs->context, path, site, out_err);
}

varve_status vv_vfs_stat(const vv_vfs *vfs, const char *path, vv_file_info *out_info,
                         varve_error *out_err)
{
    return vfs->ops->stat(vfs->context, path, out_info, out_err);
}

varve_status vv_vfs_statvfs(const vv_vfs *vfs, const char *path, vv_fs_info *out_info,
                            varve_error *out_err)
{
    return vfs->ops->statvfs(vfs->context, path, out_info, out_err);
}

varve_status vv_vfs_exists(const vv_vfs *vfs, const char *path, bool *out_exists,
                           varve_error *out_err)
{
    vv_file_info info;
    varve_status status = vv_vfs_stat(vfs, path, &info, out_err);
    if (status == VARVE_E_NOT_FOUND) {
        vv_error_clear(out_err);
        *out_exists = false;
        return VARVE_OK;
    }
    VV_TRY(status);
    *out_exists = true;
    return VARVE_OK;
}

/* ---- listing -------------------------------------------------------------------------------- */

static varve_status vfs_name_grow(vv_dir_list *list, varve_error *out_err)
{
    size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
    size_t bytes = capacity * sizeof *list->entries;
    vv_dir_entry *entries =
        vv_alloc_resize(list->alloc, list->entries, list->capacity * sizeof *list->entries, bytes);
    if (entries == NULL) {
        return vv_fail_nomem(out_err, "a list of file names", bytes);
    }
    list->entries = entries;
    list->capacity = capacity;
    return VARVE_OK;
}

/* A vv_dir_visitor that appends to a vv_dir_list. */
static varve_status vfs_name_collect(void *context, const char *name, vv_file_kind kind,
                                     varve_error *out_err)
{
    vv_dir_list *list = context;
    if (list->count >= VV_DIR_ENTRIES_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "a directory has more than %zu entries",
                       VV_DIR_ENTRIES_MAX);
    }
    if (list->count == list->capacity) {
        VV_TRY(vfs_name_grow(list, out_err));
    }
    size_t size = strlen(name) + 1;
    char *copy = vv_alloc_new(list->alloc, size);
    if (copy == NULL) {
        return vv_fail_nomem(out_err, "a file name", size);
    }
    memcpy(copy, name, size);
    list->entries[list->count] = (vv_dir_entry){.name = copy, .kind = kind};
    list->count += 1;
    return VARVE_OK;
}

static int vfs_name_compare(const void *a, const void *b)
{
    return strcmp(((const vv_dir_entry *)a)->name, ((const vv_dir_entry *)b)->name);
}

varve_status vv_vfs_list(const vv_vfs *vfs, vv_alloc *alloc, const char *path,
                         vv_dir_list *out_list, varve_error *out_err)
{
    *out_list = (vv_dir_list){.alloc = alloc};
    varve_status status = vfs->ops->list(vfs->context, path, vfs_name_collect, out_list, out_err);
    if (status != VARVE_OK) {
        vv_dir_list_deinit(out_list);
        return status;
    }
    if (out_list->count > 1) {
        qsort(out_list->entries, out_list->count, sizeof *out_list->entries, vfs_name_compare);
    }
    return VARVE_OK;
}

void vv_dir_list_deinit(vv_dir_list *list)
{
    for (size_t index = 0; index < list->count; ++index) {
        char *name = list->entries[index].name;
        vv_alloc_free(list->alloc, name, strlen(name) + 1);
    }
    vv_alloc_free(list->alloc, list->entries, list->capacity * sizeof *list->entries);
    *list = (vv_dir_list){.alloc = list->alloc};
}
