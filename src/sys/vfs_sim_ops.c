/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of the simulated file system. Each is a system call of its own: it begins by
 * taking the lock and counting, does its work in a function that answers an errno (0: done), and
 * ends by giving the lock back.
 */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "sys/vfs_sim_priv.h"

/* What statvfs says when there is no limit (arbitrary). */
#define VV_SIM_FREE_BYTES_DEFAULT (UINT64_C(1) << 40)

/* ---- beginning and end ---------------------------------------------------------------------- */

static bool vfs_sim_ops_stops_here(vv_sim *sim)
{
    bool at_call = sim->stop_at_call != 0 && sim->calls >= sim->stop_at_call;
    bool at_change =
        sim->stop_at_changing_call != 0 && sim->changing_calls >= sim->stop_at_changing_call;
    sim->is_stopped = sim->is_stopped || at_call || at_change;
    return sim->is_stopped;
}

/* On success the lock is held. site: VV_SYNC_SITE_COUNT for none. */
static varve_status vfs_sim_ops_begin(vv_sim *sim, vv_vfs_op op, bool is_changing, const char *path,
                                      vv_sync_site site, varve_error *out_err)
{
    vv_mutex_lock(&sim->lock);
    sim->calls += 1;
    sim->changing_calls += is_changing ? 1 : 0;
    uint64_t number = sim->changing_calls;
    if (vfs_sim_ops_stops_here(sim)) {
        vv_mutex_unlock(&sim->lock);
        return vv_os_fail(out_err, EIO, vv_vfs_op_name(op), path);
    }
    if (is_changing && sim->lacks.is_readonly) {
        vv_mutex_unlock(&sim->lock);
        return vv_os_fail(out_err, EROFS, vv_vfs_op_name(op), path);
    }
    if (is_changing && sim->hook != NULL) {
        vv_mutex_unlock(&sim->lock);
        sim->hook(sim->hook_context, number, op, path, site);
        vv_mutex_lock(&sim->lock);
    }
    if (site < VV_SYNC_SITE_COUNT) {
        sim->site_calls[site] += 1;
    }
    return VARVE_OK;
}

static varve_status vfs_sim_ops_begin_op(vv_sim *sim, vv_vfs_op op, const char *path,
                                         varve_error *out_err)
{
    return vfs_sim_ops_begin(sim, op, vv_vfs_op_changes(op), path, VV_SYNC_SITE_COUNT, out_err);
}

static varve_status vfs_sim_ops_end(vv_sim *sim, int os_errno, vv_vfs_op op, const char *path,
                                    varve_error *out_err)
{
    vv_mutex_unlock(&sim->lock);
    return os_errno == 0 ? VARVE_OK : vv_os_fail(out_err, os_errno, vv_vfs_op_name(op), path);
}

/* ---- opening and closing -------------------------------------------------------------------- */

static varve_status vfs_sim_ops_open(void *context, vv_file *file, varve_error *out_err)
{
    vv_sim *sim = context;
    bool is_changing = (file->flags & VV_OPEN_CREATE) != 0;
    VV_TRY(vfs_sim_ops_begin(sim, VV_VFS_OP_OPEN, is_changing, file->path, VV_SYNC_SITE_COUNT,
                             out_err));
    return vfs_sim_ops_end(sim, vv_sim_open_locked(sim, file), VV_VFS_OP_OPEN, file->path, out_err);
}

static vv_sim_inode_state *vfs_sim_ops_state_of(vv_sim *sim, const vv_file *file)
{
    return &sim->states[file->handle];
}

static vv_sim_content *vfs_sim_ops_content_of(const vv_sim *sim, const vv_file *file)
{
    return sim->cache.nodes[file->handle].content;
}

/* Works after a stop too: a dead process has its files closed. */
static varve_status vfs_sim_ops_close(void *context, vv_file *file, varve_error *out_err)
{
    vv_sim *sim = context;
    vv_mutex_lock(&sim->lock);
    sim->calls += 1;
    bool is_stopped = vfs_sim_ops_stops_here(sim);
    vv_sim_inode_state *state = vfs_sim_ops_state_of(sim, file);
    VV_ASSERT(state->open_count > 0);
    state->open_count -= 1;
    sim->open_files -= 1;
    if (state->lock_owner == file) {
        state->lock_owner = NULL;
    }
    return vfs_sim_ops_end(sim, is_stopped ? EIO : 0, VV_VFS_OP_CLOSE, file->path, out_err);
}

/* ---- reading -------------------------------------------------------------------------------- */

static varve_status vfs_sim_ops_pread(void *context, vv_file *file, int64_t offset, void *buf,
                                      size_t size, size_t *out_size, varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_READ, file->path, out_err));
    int os_errno = (file->flags & VV_OPEN_READ) != 0 ? 0 : EBADF;
    if (os_errno == 0) {
        *out_size = vv_sim_read(vfs_sim_ops_content_of(sim, file), offset, buf, size);
    }
    return vfs_sim_ops_end(sim, os_errno, VV_VFS_OP_READ, file->path, out_err);
}

/* ---- writing -------------------------------------------------------------------------------- */

static varve_status vfs_sim_ops_pwritev(void *context, vv_file *file, int64_t offset,
                                        const vv_iov *iov, size_t count, size_t *out_size,
                                        varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_WRITE, file->path, out_err));
    int os_errno =
        (file->flags & VV_OPEN_WRITE) != 0
            ? vv_sim_write_locked(sim, (uint32_t)file->handle, offset, iov, count, out_size)
            : EBADF;
    return vfs_sim_ops_end(sim, os_errno, VV_VFS_OP_WRITE, file->path, out_err);
}

static varve_status vfs_sim_ops_truncate(void *context, vv_file *file, int64_t size,
                                         varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_TRUNCATE, file->path, out_err));
    return vfs_sim_ops_end(sim, vv_sim_resize_locked(sim, (uint32_t)file->handle, size),
                           VV_VFS_OP_TRUNCATE, file->path, out_err);
}

static varve_status vfs_sim_ops_allocate(void *context, vv_file *file, int64_t offset, int64_t size,
                                         varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_ALLOCATE, file->path, out_err));
    int os_errno = 0;
    if (sim->lacks.allocate) {
        os_errno = EOPNOTSUPP;
    } else if (offset + size > vfs_sim_ops_content_of(sim, file)->size) {
        os_errno = vv_sim_resize_locked(sim, (uint32_t)file->handle, offset + size);
    }
    return vfs_sim_ops_end(sim, os_errno, VV_VFS_OP_ALLOCATE, file->path, out_err);
}

/* ---- syncs ---------------------------------------------------------------------------------- */

/* Does the fault set by the test hit this sync? */
static bool vfs_sim_ops_sync_fails_locked(vv_sim *sim, vv_sync_site site)
{
    const vv_sim_sync_fault *fault = &sim->fault;
    if (fault->first_sync == 0 || (fault->site != VV_SYNC_SITE_COUNT && fault->site != site)) {
        return false;
    }
    sim->fault_matched += 1;
    bool is_hit = sim->fault_matched == fault->first_sync ||
                  (fault->is_permanent && sim->fault_matched > fault->first_sync);
    sim->fault_fired += is_hit ? 1 : 0;
    return is_hit;
}

static varve_status vfs_sim_ops_sync(void *context, vv_file *file, vv_sync_kind kind,
                                     vv_sync_site site, varve_error *out_err)
{
    (void)kind; /* both make content and size durable */
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin(sim, VV_VFS_OP_SYNC, true, file->path, site, out_err));
    sim->syncs += 1;
    int os_errno = 0;
    if (vfs_sim_ops_sync_fails_locked(sim, site)) {
        os_errno = sim->fault.os_errno;
        vv_sim_lose_file_locked(sim, (uint32_t)file->handle, sim->fault.mode);
    } else if (!sim->ignored_sites[site]) {
        vv_sim_sync_file_locked(sim, (uint32_t)file->handle);
    }
    return vfs_sim_ops_end(sim, os_errno, VV_VFS_OP_SYNC, file->path, out_err);
}

static int vfs_sim_ops_sync_dir_path_locked(vv_sim *sim, const char *path, vv_sync_site site)
{
    vv_sim_place place;
    int os_errno = vv_sim_find_locked(sim, path, &place);
    if (os_errno != 0) {
        return os_errno;
    }
    if (sim->cache.nodes[place.inode].dir == NULL) {
        return ENOTDIR;
    }
    sim->syncs += 1;
    if (vfs_sim_ops_sync_fails_locked(sim, site)) {
        return sim->fault.os_errno;
    }
    if (!sim->ignored_sites[site]) {
        vv_sim_sync_dir_locked(sim, place.inode);
    }
    return 0;
}

static varve_status vfs_sim_ops_sync_dir(void *context, const char *path, vv_sync_site site,
                                         varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin(sim, VV_VFS_OP_SYNC_DIR, true, path, site, out_err));
    return vfs_sim_ops_end(sim, vfs_sim_ops_sync_dir_path_locked(sim, path, site),
                           VV_VFS_OP_SYNC_DIR, path, out_err);
}

/* ---- locks and hints ------------------------------------------------------------------------ */

static varve_status vfs_sim_ops_lock(void *context, vv_file *file, varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_LOCK, file->path, out_err));
    vv_sim_inode_state *state = vfs_sim_ops_state_of(sim, file);
    bool is_mine = state->lock_owner == NULL || state->lock_owner == file;
    if (is_mine) {
        state->lock_owner = file;
    }
    vv_mutex_unlock(&sim->lock);
    if (!is_mine) {
        return vv_fail(out_err, VARVE_E_LOCKED, "lock %s: held by another writer", file->path);
    }
    return VARVE_OK;
}

static varve_status vfs_sim_ops_unlock(void *context, vv_file *file, varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_UNLOCK, file->path, out_err));
    vv_sim_inode_state *state = vfs_sim_ops_state_of(sim, file);
    if (state->lock_owner == file) {
        state->lock_owner = NULL;
    }
    return vfs_sim_ops_end(sim, 0, VV_VFS_OP_UNLOCK, file->path, out_err);
}

static varve_status vfs_sim_ops_advise(void *context, vv_file *file, int64_t offset, int64_t size,
                                       vv_advice advice, varve_error *out_err)
{
    (void)offset;
    (void)size;
    (void)advice;
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_ADVISE, file->path, out_err));
    return vfs_sim_ops_end(sim, 0, VV_VFS_OP_ADVISE, file->path, out_err);
}

static varve_status vfs_sim_ops_map(void *context, vv_file *file, size_t size,
                                    const void **out_memory, varve_error *out_err)
{
    (void)size;
    (void)out_memory;
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_MAP, file->path, out_err));
    return vfs_sim_ops_end(sim, EOPNOTSUPP, VV_VFS_OP_MAP, file->path, out_err);
}

static void vfs_sim_ops_unmap(void *context, const void *memory, size_t size)
{
    (void)context;
    (void)size;
    VV_ASSERT(memory == NULL); /* nothing was ever mapped */
}

/* ---- names ---------------------------------------------------------------------------------- */

static varve_status vfs_sim_ops_rename(void *context, const char *source, const char *target,
                                       vv_sync_site site, varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin(sim, VV_VFS_OP_RENAME, true, target, site, out_err));
    return vfs_sim_ops_end(sim, vv_sim_rename_locked(sim, source, target, site), VV_VFS_OP_RENAME,
                           target, out_err);
}

static varve_status vfs_sim_ops_link(void *context, const char *source, const char *target,
                                     varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_LINK, target, out_err));
    return vfs_sim_ops_end(sim, vv_sim_link_locked(sim, source, target), VV_VFS_OP_LINK, target,
                           out_err);
}

static varve_status vfs_sim_ops_unlink(void *context, const char *path, varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_UNLINK, path, out_err));
    return vfs_sim_ops_end(sim, vv_sim_remove_locked(sim, path, /* is_dir_wanted */ false),
                           VV_VFS_OP_UNLINK, path, out_err);
}

static varve_status vfs_sim_ops_rmdir(void *context, const char *path, varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_RMDIR, path, out_err));
    return vfs_sim_ops_end(sim, vv_sim_remove_locked(sim, path, /* is_dir_wanted */ true),
                           VV_VFS_OP_RMDIR, path, out_err);
}

static varve_status vfs_sim_ops_mkdir(void *context, const char *path, varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_MKDIR, path, out_err));
    return vfs_sim_ops_end(sim, vv_sim_mkdir_locked(sim, path), VV_VFS_OP_MKDIR, path, out_err);
}

/* ---- looking -------------------------------------------------------------------------------- */

static vv_file_kind vfs_sim_ops_kind_locked(const vv_sim *sim, uint32_t inode)
{
    return sim->cache.nodes[inode].dir != NULL ? VV_KIND_DIRECTORY : VV_KIND_FILE;
}

static void vfs_sim_ops_info_locked(const vv_sim *sim, uint32_t inode, vv_file_info *out_info)
{
    const vv_sim_content *content = sim->cache.nodes[inode].content;
    *out_info = (vv_file_info){
        .kind = vfs_sim_ops_kind_locked(sim, inode),
        .size = content == NULL ? 0 : content->size,
        .device = sim->device,
        .inode = (uint64_t)inode + 1,
    };
}

static varve_status vfs_sim_ops_file_stat(void *context, vv_file *file, vv_file_info *out_info,
                                          varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_FILE_STAT, file->path, out_err));
    vfs_sim_ops_info_locked(sim, (uint32_t)file->handle, out_info);
    return vfs_sim_ops_end(sim, 0, VV_VFS_OP_FILE_STAT, file->path, out_err);
}

static varve_status vfs_sim_ops_stat(void *context, const char *path, vv_file_info *out_info,
                                     varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_STAT, path, out_err));
    vv_sim_place place;
    int os_errno = vv_sim_find_locked(sim, path, &place);
    if (os_errno == 0) {
        vfs_sim_ops_info_locked(sim, place.inode, out_info);
    }
    return vfs_sim_ops_end(sim, os_errno, VV_VFS_OP_STAT, path, out_err);
}

static varve_status vfs_sim_ops_statvfs(void *context, const char *path, vv_fs_info *out_info,
                                        varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_STATVFS, path, out_err));
    vv_sim_place place;
    int os_errno = vv_sim_find_locked(sim, path, &place);
    if (os_errno == 0) {
        uint64_t total = sim->capacity_bytes == 0 ? VV_SIM_FREE_BYTES_DEFAULT : sim->capacity_bytes;
        uint64_t used = vv_sim_used_bytes_locked(sim);
        *out_info = (vv_fs_info){
            .total_bytes = total,
            .free_bytes = used < total ? total - used : 0,
            .is_network = sim->lacks.is_network,
            .is_readonly = sim->lacks.is_readonly,
        };
    }
    return vfs_sim_ops_end(sim, os_errno, VV_VFS_OP_STATVFS, path, out_err);
}

/* A directory as it was at one moment, so that it is visited without the lock. */
typedef struct vv_sim_listing {
    vv_sim_dir *dir;
    vv_file_kind *kinds;
} vv_sim_listing;

static int vfs_sim_ops_listing_locked(vv_sim *sim, const char *path, vv_sim_listing *out_listing)
{
    vv_sim_place place;
    int os_errno = vv_sim_find_locked(sim, path, &place);
    if (os_errno != 0) {
        return os_errno;
    }
    vv_sim_dir *dir = sim->cache.nodes[place.inode].dir;
    if (dir == NULL) {
        return ENOTDIR;
    }
    out_listing->dir = vv_sim_dir_ref(dir);
    out_listing->kinds = vv_sim_new(sim->alloc, dir->count * sizeof(vv_file_kind));
    for (size_t index = 0; index < dir->count; ++index) {
        out_listing->kinds[index] = vfs_sim_ops_kind_locked(sim, dir->entries[index].inode);
    }
    return 0;
}

static varve_status vfs_sim_ops_list(void *context, const char *path, vv_dir_visitor visit,
                                     void *visit_context, varve_error *out_err)
{
    vv_sim *sim = context;
    VV_TRY(vfs_sim_ops_begin_op(sim, VV_VFS_OP_LIST, path, out_err));
    vv_sim_listing listing = {0};
    VV_TRY(vfs_sim_ops_end(sim, vfs_sim_ops_listing_locked(sim, path, &listing), VV_VFS_OP_LIST,
                           path, out_err));
    VV_ASSERT(listing.dir != NULL);
    varve_status status = VARVE_OK;
    for (size_t index = 0; index < listing.dir->count && status == VARVE_OK; ++index) {
        status = visit(visit_context, listing.dir->entries[index].name->text, listing.kinds[index],
                       out_err);
    }
    vv_alloc_free(sim->alloc, listing.kinds, listing.dir->count * sizeof(vv_file_kind));
    vv_sim_dir_unref(sim->alloc, listing.dir);
    return status;
}

const vv_vfs_ops vv_sim_vfs_ops = {
    .open = vfs_sim_ops_open,
    .close = vfs_sim_ops_close,
    .pread = vfs_sim_ops_pread,
    .pwritev = vfs_sim_ops_pwritev,
    .sync = vfs_sim_ops_sync,
    .truncate = vfs_sim_ops_truncate,
    .allocate = vfs_sim_ops_allocate,
    .file_stat = vfs_sim_ops_file_stat,
    .lock = vfs_sim_ops_lock,
    .unlock = vfs_sim_ops_unlock,
    .advise = vfs_sim_ops_advise,
    .map = vfs_sim_ops_map,
    .unmap = vfs_sim_ops_unmap,
    .rename = vfs_sim_ops_rename,
    .link = vfs_sim_ops_link,
    .unlink = vfs_sim_ops_unlink,
    .mkdir = vfs_sim_ops_mkdir,
    .rmdir = vfs_sim_ops_rmdir,
    .list = vfs_sim_ops_list,
    .sync_dir = vfs_sim_ops_sync_dir,
    .stat = vfs_sim_ops_stat,
    .statvfs = vfs_sim_ops_statvfs,
};
