/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small tree of files in memory, behind vv_vfs.
 *
 *   nodes[i] -> { path, is_directory, bytes }      handle of an open file: i + 1
 *
 * Paths are whole strings, found by comparing: a database has tens of files, and looks names up
 * when it flushes or merges, not when it reads. A file that is unlinked while open keeps its bytes
 * until the last close, as on a disk.
 */
#include "sys/vfs_memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/status.h"
#include "sys/thread.h"

enum { MEMORY_FILE_BYTES_MIN = 4096 }; /* first size of a file; doubles from there */

typedef struct memory_node {
    char *path; /* NULL: unlinked, or a free slot when `opens` is 0 as well */
    bool is_directory;
    uint32_t opens;
    const vv_file *lock_owner; /* NULL: not locked */
    uint8_t *bytes;
    size_t size, capacity;
} memory_node;

typedef struct memory_fs {
    vv_vfs vfs;
    vv_alloc *alloc;
    uint64_t device; /* different for each, so that a registry tells them apart */
    vv_mutex lock;   /* everything below */
    memory_node *nodes;
    size_t count, capacity;
} memory_fs;

/* Far from the device numbers of the machine and of simulations (arbitrary). */
static atomic_uint_least64_t memory_device_next = UINT64_C(1) << 52;

static void memory_drop(memory_fs *fs, memory_node *node)
{
    if (node->path == NULL && node->opens == 0) {
        vv_alloc_free(fs->alloc, node->bytes, node->capacity);
        memset(node, 0, sizeof *node);
    }
}

static void memory_unname(memory_fs *fs, memory_node *node)
{
    vv_alloc_free(fs->alloc, node->path, strlen(node->path) + 1);
    node->path = NULL;
    memory_drop(fs, node);
}

static memory_node *memory_find(memory_fs *fs, const char *path)
{
    for (size_t i = 0; i < fs->count; i++) {
        if (fs->nodes[i].path != NULL && strcmp(fs->nodes[i].path, path) == 0) {
            return &fs->nodes[i];
        }
    }
    return NULL;
}

/** An errno, 0 when a name may be made there: the directory that would hold it exists. What has no
 *  slash but the first lies in the root, which always exists. */
static int memory_check_parent(memory_fs *fs, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    if (size == 0) {
        return 0;
    }
    for (size_t i = 0; i < fs->count; i++) {
        const char *name = fs->nodes[i].path;
        if (name != NULL && strncmp(name, path, size) == 0 && name[size] == '\0') {
            return fs->nodes[i].is_directory ? 0 : ENOTDIR;
        }
    }
    return ENOENT;
}

static bool memory_is_root(const char *path)
{
    return strcmp(path, "/") == 0 || strcmp(path, ".") == 0;
}

/** True when `path` lies below `directory`, at any depth. */
static bool memory_is_below(const char *directory, const char *path)
{
    size_t size = strlen(directory);
    return strncmp(path, directory, size) == 0 && path[size] == '/';
}

static bool memory_has_entries(const memory_fs *fs, const char *directory)
{
    for (size_t i = 0; i < fs->count; i++) {
        if (fs->nodes[i].path != NULL && memory_is_below(directory, fs->nodes[i].path)) {
            return true;
        }
    }
    return false;
}

static memory_node *memory_free_slot(memory_fs *fs)
{
    for (size_t i = 0; i < fs->count; i++) {
        if (fs->nodes[i].path == NULL && fs->nodes[i].opens == 0) {
            return &fs->nodes[i];
        }
    }
    if (fs->count == fs->capacity) {
        size_t capacity = fs->capacity == 0 ? 16 : fs->capacity * 2;
        memory_node *nodes = vv_alloc_resize(fs->alloc, fs->nodes, fs->capacity * sizeof *nodes,
                                             capacity * sizeof *nodes);
        if (nodes == NULL) {
            return NULL;
        }
        fs->nodes = nodes;
        fs->capacity = capacity;
    }
    memset(&fs->nodes[fs->count], 0, sizeof fs->nodes[fs->count]);
    return &fs->nodes[fs->count++];
}

static memory_node *memory_add(memory_fs *fs, const char *path, bool is_directory)
{
    size_t size = strlen(path) + 1;
    char *copy = vv_alloc_new(fs->alloc, size);
    memory_node *node = copy == NULL ? NULL : memory_free_slot(fs);
    if (node == NULL) {
        vv_alloc_free(fs->alloc, copy, size);
        return NULL;
    }
    memcpy(copy, path, size);
    node->path = copy;
    node->is_directory = is_directory;
    return node;
}

static memory_node *memory_of(memory_fs *fs, const vv_file *file)
{
    return &fs->nodes[file->handle - 1];
}

/** Make the file at least `size` bytes, new ones zero. */
static varve_status memory_grow(memory_fs *fs, memory_node *node, size_t size, const char *path,
                                varve_error *out_err)
{
    if (size > node->capacity) {
        size_t capacity =
            node->capacity < MEMORY_FILE_BYTES_MIN ? (size_t)MEMORY_FILE_BYTES_MIN : node->capacity;
        while (capacity < size) {
            capacity = capacity > SIZE_MAX / 2 ? size : capacity * 2;
        }
        uint8_t *bytes = vv_alloc_resize(fs->alloc, node->bytes, node->capacity, capacity);
        if (bytes == NULL) {
            return vv_fail(out_err, VARVE_E_NOMEM, "%s: no memory for %zu bytes", path, capacity);
        }
        node->bytes = bytes;
        node->capacity = capacity;
    }
    if (size > node->size) {
        memset(node->bytes + node->size, 0, size - node->size);
        node->size = size;
    }
    return VARVE_OK;
}

/* ---- files ---- */

static varve_status memory_open_locked(memory_fs *fs, vv_file *file, varve_error *out_err)
{
    memory_node *node = memory_find(fs, file->path);
    if (node == NULL) {
        if ((file->flags & VV_OPEN_CREATE) == 0) {
            return vv_os_fail(out_err, ENOENT, "open", file->path);
        }
        int os_errno = memory_check_parent(fs, file->path);
        if (os_errno != 0) {
            return vv_os_fail(out_err, os_errno, "open", file->path);
        }
        node = memory_add(fs, file->path, /* is_directory */ false);
        if (node == NULL) {
            return vv_fail(out_err, VARVE_E_NOMEM, "open %s: no memory", file->path);
        }
    } else if ((file->flags & VV_OPEN_EXCLUSIVE) != 0) {
        return vv_os_fail(out_err, EEXIST, "open", file->path);
    } else if (node->is_directory) {
        return vv_fail(out_err, VARVE_E_INVALID, "open %s: not a regular file", file->path);
    }
    node->opens++;
    file->handle = (uint64_t)(node - fs->nodes) + 1;
    return VARVE_OK;
}

static varve_status memory_open(void *context, vv_file *file, varve_error *out_err)
{
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    varve_status status = memory_open_locked(fs, file, out_err);
    vv_mutex_unlock(&fs->lock);
    return status;
}

static varve_status memory_close(void *context, vv_file *file, varve_error *out_err)
{
    (void)out_err;
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    memory_node *node = memory_of(fs, file);
    node->opens--;
    if (node->lock_owner == file) {
        node->lock_owner = NULL;
    }
    memory_drop(fs, node);
    vv_mutex_unlock(&fs->lock);
    return VARVE_OK;
}

static varve_status memory_pread(void *context, vv_file *file, int64_t offset, void *buf,
                                 size_t size, size_t *out_size, varve_error *out_err)
{
    (void)out_err;
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    const memory_node *node = memory_of(fs, file);
    size_t from = (size_t)offset;
    size_t left = from < node->size ? node->size - from : 0;
    size_t done = size < left ? size : left;
    if (done > 0) {
        memcpy(buf, node->bytes + from, done);
    }
    vv_mutex_unlock(&fs->lock);
    *out_size = done;
    return VARVE_OK;
}

static varve_status memory_pwritev(void *context, vv_file *file, int64_t offset, const vv_iov *iov,
                                   size_t count, size_t *out_size, varve_error *out_err)
{
    memory_fs *fs = context;
    if ((file->flags & VV_OPEN_WRITE) == 0) {
        return vv_os_fail(out_err, EBADF, "write", file->path);
    }
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += iov[i].size;
    }
    vv_mutex_lock(&fs->lock);
    memory_node *node = memory_of(fs, file);
    varve_status status = memory_grow(fs, node, (size_t)offset + total, file->path, out_err);
    if (status == VARVE_OK) {
        size_t at = (size_t)offset;
        for (size_t i = 0; i < count; i++) {
            if (iov[i].size > 0) {
                memcpy(node->bytes + at, iov[i].data, iov[i].size);
            }
            at += iov[i].size;
        }
        *out_size = total;
    }
    vv_mutex_unlock(&fs->lock);
    return status;
}

static varve_status memory_sync(void *context, vv_file *file, vv_sync_kind kind, vv_sync_site site,
                                varve_error *out_err)
{
    (void)context;
    (void)file;
    (void)kind;
    (void)site;
    (void)out_err;
    return VARVE_OK;
}

static varve_status memory_truncate(void *context, vv_file *file, int64_t size,
                                    varve_error *out_err)
{
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    memory_node *node = memory_of(fs, file);
    varve_status status = memory_grow(fs, node, (size_t)size, file->path, out_err);
    if (status == VARVE_OK) {
        node->size = (size_t)size;
    }
    vv_mutex_unlock(&fs->lock);
    return status;
}

static varve_status memory_allocate(void *context, vv_file *file, int64_t offset, int64_t size,
                                    varve_error *out_err)
{
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    varve_status status =
        memory_grow(fs, memory_of(fs, file), (size_t)(offset + size), file->path, out_err);
    vv_mutex_unlock(&fs->lock);
    return status;
}

static vv_file_info memory_info(const memory_fs *fs, const memory_node *node)
{
    return (vv_file_info){
        .kind = node->is_directory ? VV_KIND_DIRECTORY : VV_KIND_FILE,
        .size = (int64_t)node->size,
        .device = fs->device,
        .inode = (uint64_t)(node - fs->nodes) + 1,
    };
}

static varve_status memory_file_stat(void *context, vv_file *file, vv_file_info *out_info,
                                     varve_error *out_err)
{
    (void)out_err;
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    *out_info = memory_info(fs, memory_of(fs, file));
    vv_mutex_unlock(&fs->lock);
    return VARVE_OK;
}

static varve_status memory_lock(void *context, vv_file *file, varve_error *out_err)
{
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    memory_node *node = memory_of(fs, file);
    bool is_mine = node->lock_owner == NULL || node->lock_owner == file;
    if (is_mine) {
        node->lock_owner = file;
    }
    vv_mutex_unlock(&fs->lock);
    if (!is_mine) {
        return vv_fail(out_err, VARVE_E_LOCKED, "lock %s: held by another writer", file->path);
    }
    return VARVE_OK;
}

static varve_status memory_unlock(void *context, vv_file *file, varve_error *out_err)
{
    (void)out_err;
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    memory_node *node = memory_of(fs, file);
    if (node->lock_owner == file) {
        node->lock_owner = NULL;
    }
    vv_mutex_unlock(&fs->lock);
    return VARVE_OK;
}

static varve_status memory_advise(void *context, vv_file *file, int64_t offset, int64_t size,
                                  vv_advice advice, varve_error *out_err)
{
    (void)context;
    (void)file;
    (void)offset;
    (void)size;
    (void)advice;
    (void)out_err;
    return VARVE_OK;
}

static varve_status memory_map(void *context, vv_file *file, size_t size, const void **out_memory,
                               varve_error *out_err)
{
    (void)context;
    (void)size;
    *out_memory = NULL;
    return vv_fail(out_err, VARVE_E_UNSUPPORTED, "map %s: files in memory move when they grow",
                   file->path);
}

static void memory_unmap(void *context, const void *memory, size_t size)
{
    (void)context;
    (void)memory;
    (void)size;
}

/* ---- names ---- */

/** An errno, 0 when the source may take the target's place. */
static int memory_check_rename(memory_fs *fs, const memory_node *source, const char *target_path)
{
    const memory_node *target = memory_find(fs, target_path);
    if (source == NULL) {
        return ENOENT;
    }
    if (memory_is_below(source->path, target_path)) {
        return EINVAL;
    }
    if (target == NULL || target == source) {
        return memory_check_parent(fs, target_path);
    }
    if (source->is_directory != target->is_directory) {
        return source->is_directory ? ENOTDIR : EISDIR;
    }
    return memory_has_entries(fs, target->path) ? ENOTEMPTY : 0;
}

/** Gives the node the name; false, with nothing changed, when there is no memory. */
static bool memory_name(memory_fs *fs, memory_node *node, const char *head, const char *tail)
{
    size_t head_size = strlen(head);
    size_t tail_size = strlen(tail);
    char *path = vv_alloc_new(fs->alloc, head_size + tail_size + 1);
    if (path == NULL) {
        return false;
    }
    memcpy(path, head, head_size);
    memcpy(path + head_size, tail, tail_size + 1);
    vv_alloc_free(fs->alloc, node->path, strlen(node->path) + 1);
    node->path = path;
    return true;
}

/** Renames what lies below a directory; false when memory ran out in the middle. */
static bool memory_rename_below(memory_fs *fs, const char *source, const char *target)
{
    size_t size = strlen(source);
    for (size_t i = 0; i < fs->count; i++) {
        memory_node *node = &fs->nodes[i];
        if (node->path != NULL && memory_is_below(source, node->path) &&
            !memory_name(fs, node, target, node->path + size)) {
            return false;
        }
    }
    return true;
}

static varve_status memory_rename_locked(memory_fs *fs, const char *source, const char *target,
                                         varve_error *out_err)
{
    memory_node *node = memory_find(fs, source);
    int os_errno = memory_check_rename(fs, node, target);
    if (os_errno != 0) {
        return vv_os_fail(out_err, os_errno, "rename to", target);
    }
    memory_node *old = memory_find(fs, target);
    if (old == node) {
        return VARVE_OK;
    }
    if (node->is_directory && !memory_rename_below(fs, source, target)) {
        /* The names moved so far go back into the room they came from, or stay: nothing is lost. */
        VV_IGNORE(memory_rename_below(fs, target, source));
        return vv_fail(out_err, VARVE_E_NOMEM, "rename to %s: no memory", target);
    }
    if (!memory_name(fs, node, target, "")) {
        return vv_fail(out_err, VARVE_E_NOMEM, "rename to %s: no memory", target);
    }
    if (old != NULL) {
        memory_unname(fs, old);
    }
    return VARVE_OK;
}

static varve_status memory_rename(void *context, const char *source, const char *target,
                                  vv_sync_site site, varve_error *out_err)
{
    (void)site;
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    varve_status status = memory_rename_locked(fs, source, target, out_err);
    vv_mutex_unlock(&fs->lock);
    return status;
}

static varve_status memory_link(void *context, const char *source, const char *target,
                                varve_error *out_err)
{
    (void)context;
    (void)target;
    return vv_fail(out_err, VARVE_E_UNSUPPORTED, "link %s: there are no links in memory", source);
}

/** An errno, 0 when it is gone. */
static int memory_remove_locked(memory_fs *fs, const char *path, bool is_directory)
{
    memory_node *node = memory_find(fs, path);
    if (node == NULL) {
        return ENOENT;
    }
    if (node->is_directory != is_directory) {
        return is_directory ? ENOTDIR : EISDIR;
    }
    if (is_directory && memory_has_entries(fs, path)) {
        return ENOTEMPTY;
    }
    memory_unname(fs, node);
    return 0;
}

static varve_status memory_remove(memory_fs *fs, const char *path, bool is_directory,
                                  const char *operation, varve_error *out_err)
{
    vv_mutex_lock(&fs->lock);
    int os_errno = memory_remove_locked(fs, path, is_directory);
    vv_mutex_unlock(&fs->lock);
    return os_errno == 0 ? VARVE_OK : vv_os_fail(out_err, os_errno, operation, path);
}

static varve_status memory_unlink(void *context, const char *path, varve_error *out_err)
{
    return memory_remove(context, path, /* is_directory */ false, "unlink", out_err);
}

static varve_status memory_rmdir(void *context, const char *path, varve_error *out_err)
{
    return memory_remove(context, path, /* is_directory */ true, "rmdir", out_err);
}

static varve_status memory_mkdir(void *context, const char *path, varve_error *out_err)
{
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    int os_errno = memory_find(fs, path) != NULL ? EEXIST : memory_check_parent(fs, path);
    if (os_errno == 0 && memory_add(fs, path, /* is_directory */ true) == NULL) {
        os_errno = ENOMEM;
    }
    vv_mutex_unlock(&fs->lock);
    return os_errno == 0 ? VARVE_OK : vv_os_fail(out_err, os_errno, "mkdir", path);
}

/** Name of an entry when `path` lies directly in `directory`, else NULL. */
static const char *memory_entry(const char *directory, const char *path)
{
    size_t size = strlen(directory);
    if (strncmp(path, directory, size) != 0 || path[size] != '/') {
        return NULL;
    }
    return strchr(path + size + 1, '/') == NULL ? path + size + 1 : NULL;
}

static varve_status memory_list(void *context, const char *path, vv_dir_visitor visit,
                                void *visit_context, varve_error *out_err)
{
    memory_fs *fs = context;
    varve_status status = VARVE_OK;
    vv_mutex_lock(&fs->lock);
    memory_node *directory = memory_find(fs, path);
    if (directory == NULL || !directory->is_directory) {
        status = vv_os_fail(out_err, ENOENT, "list", path);
    }
    for (size_t i = 0; i < fs->count && status == VARVE_OK; i++) {
        const memory_node *node = &fs->nodes[i];
        const char *name = node->path != NULL ? memory_entry(path, node->path) : NULL;
        if (name != NULL) {
            status = visit(visit_context, name,
                           node->is_directory ? VV_KIND_DIRECTORY : VV_KIND_FILE, out_err);
        }
    }
    vv_mutex_unlock(&fs->lock);
    return status;
}

static varve_status memory_sync_dir(void *context, const char *path, vv_sync_site site,
                                    varve_error *out_err)
{
    (void)site;
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    const memory_node *node = memory_find(fs, path);
    bool is_there = memory_is_root(path) || (node != NULL && node->is_directory);
    vv_mutex_unlock(&fs->lock);
    return is_there ? VARVE_OK : vv_os_fail(out_err, ENOENT, "sync directory", path);
}

static varve_status memory_stat(void *context, const char *path, vv_file_info *out_info,
                                varve_error *out_err)
{
    memory_fs *fs = context;
    vv_mutex_lock(&fs->lock);
    memory_node *node = memory_find(fs, path);
    bool is_there = node != NULL || memory_is_root(path);
    if (node != NULL) {
        *out_info = memory_info(fs, node);
    } else if (is_there) {
        *out_info =
            (vv_file_info){.kind = VV_KIND_DIRECTORY, .device = fs->device, .inode = UINT64_MAX};
    }
    vv_mutex_unlock(&fs->lock);
    return is_there ? VARVE_OK : vv_os_fail(out_err, ENOENT, "stat", path);
}

static varve_status memory_statvfs(void *context, const char *path, vv_fs_info *out_info,
                                   varve_error *out_err)
{
    (void)context;
    (void)path;
    (void)out_err;
    /* Bounded by the database's memory limit, not by a disk. */
    *out_info = (vv_fs_info){.total_bytes = INT64_MAX, .free_bytes = INT64_MAX};
    return VARVE_OK;
}

static const vv_vfs_ops memory_ops = {
    .open = memory_open,
    .close = memory_close,
    .pread = memory_pread,
    .pwritev = memory_pwritev,
    .sync = memory_sync,
    .truncate = memory_truncate,
    .allocate = memory_allocate,
    .file_stat = memory_file_stat,
    .lock = memory_lock,
    .unlock = memory_unlock,
    .advise = memory_advise,
    .map = memory_map,
    .unmap = memory_unmap,
    .rename = memory_rename,
    .link = memory_link,
    .unlink = memory_unlink,
    .mkdir = memory_mkdir,
    .rmdir = memory_rmdir,
    .list = memory_list,
    .sync_dir = memory_sync_dir,
    .stat = memory_stat,
    .statvfs = memory_statvfs,
};

varve_status vv_vfs_memory_create(vv_alloc *alloc, vv_vfs **out_vfs, varve_error *out_err)
{
    *out_vfs = NULL;
    memory_fs *fs = vv_alloc_zeroed(alloc, sizeof *fs);
    if (fs == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for files in memory");
    }
    varve_status status = vv_mutex_init(&fs->lock, VV_RANK_VFS_SIM, 0, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(alloc, fs, sizeof *fs);
        return status;
    }
    fs->alloc = alloc;
    fs->device = atomic_fetch_add(&memory_device_next, 1);
    fs->vfs = (vv_vfs){.ops = &memory_ops, .context = fs};
    *out_vfs = &fs->vfs;
    return VARVE_OK;
}

void vv_vfs_memory_free(vv_vfs *vfs)
{
    if (vfs == NULL) {
        return;
    }
    memory_fs *fs = vfs->context;
    for (size_t i = 0; i < fs->count; i++) {
        memory_node *node = &fs->nodes[i];
        if (node->path != NULL) {
            vv_alloc_free(fs->alloc, node->path, strlen(node->path) + 1);
        }
        vv_alloc_free(fs->alloc, node->bytes, node->capacity);
    }
    vv_alloc_free(fs->alloc, fs->nodes, fs->capacity * sizeof *fs->nodes);
    vv_mutex_deinit(&fs->lock);
    vv_alloc_free(fs->alloc, fs, sizeof *fs);
}
