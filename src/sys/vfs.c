/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of any vv_vfs: opening, and the loops that turn short results and EINTR into all or
 * nothing. Names and directories are in vfs_name.c, compositions in vfs_compose.c.
 */
#include "sys/vfs.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

/* A call that is interrupted this often in a row is given up, so that nothing hangs (arbitrary). */
#define VV_INTERRUPTIONS_MAX 100

/* How much of a long path a message shows: the end, which tells files apart. */
#define VV_MESSAGE_PATH_BYTES_MAX ((size_t)160)

varve_status vv_os_status(int os_errno)
{
    switch (os_errno) {
    case ENOENT:
        return VARVE_E_NOT_FOUND;
    case EEXIST:
        return VARVE_E_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return VARVE_E_NOSPACE;
    case EROFS:
        return VARVE_E_READONLY;
    case ENOMEM:
        return VARVE_E_NOMEM;
    case EMFILE:
    case ENFILE:
    case EMLINK:
    case EFBIG:
    case ENAMETOOLONG:
        return VARVE_E_LIMIT;
    case EINVAL:
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
        return VARVE_E_INVALID;
    case EOPNOTSUPP:
    case ENOSYS:
    case EXDEV:
        return VARVE_E_UNSUPPORTED;
    case ENOTEMPTY:
        return VARVE_E_CONFLICT;
    case EBUSY:
        return VARVE_E_BUSY;
    default:
        return VARVE_E_IO;
    }
}

varve_status vv_os_fail(varve_error *out_err, int os_errno, const char *operation, const char *path)
{
    size_t size = strlen(path);
    if (size > VV_MESSAGE_PATH_BYTES_MAX) {
        const char *end = path + (size - VV_MESSAGE_PATH_BYTES_MAX);
        return vv_fail_errno(out_err, vv_os_status(os_errno), os_errno, "%s ...%s", operation, end);
    }
    return vv_fail_errno(out_err, vv_os_status(os_errno), os_errno, "%s %s", operation, path);
}

static size_t vfs_file_bytes(const char *path)
{
    return sizeof(vv_file) + strlen(path) + 1;
}

static varve_status vfs_check_open(const char *path, uint32_t flags, varve_error *out_err)
{
    size_t size = strlen(path);
    if (size == 0 || size >= VV_PATH_BYTES_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "open: a path has 1 to %d bytes, not %zu",
                       VV_PATH_BYTES_MAX - 1, size);
    }
    VV_ASSERT((flags & (VV_OPEN_READ | VV_OPEN_WRITE)) != 0);
    VV_ASSERT((flags & VV_OPEN_CREATE) == 0 || (flags & VV_OPEN_WRITE) != 0);
    return VARVE_OK;
}

varve_status vv_file_open(const vv_vfs *vfs, vv_alloc *alloc, const char *path, uint32_t flags,
                          vv_file **out_file, varve_error *out_err)
{
    *out_file = NULL;
    VV_TRY(vfs_check_open(path, flags, out_err));
    vv_file *file = vv_alloc_zeroed(alloc, vfs_file_bytes(path));
    if (file == NULL) {
        return vv_fail_nomem(out_err, "an open file", vfs_file_bytes(path));
    }
    file->vfs = vfs;
    file->alloc = alloc;
    file->flags = flags;
    memcpy(file->path, path, strlen(path) + 1);
    varve_status status = vfs->ops->open(vfs->context, file, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(alloc, file, vfs_file_bytes(path));
        return status;
    }
    *out_file = file;
    return VARVE_OK;
}

varve_status vv_file_close(vv_file *file, varve_error *out_err)
{
    if (file == NULL) {
        return VARVE_OK;
    }
    varve_status status = file->vfs->ops->close(file->vfs->context, file, out_err);
    vv_alloc_free(file->alloc, file, vfs_file_bytes(file->path));
    return status;
}

static varve_status vfs_check_range(const vv_file *file, int64_t offset, uint64_t size,
                                    const char *operation, varve_error *out_err)
{
    if (offset < 0 || size > (uint64_t)(INT64_MAX - offset)) {
        return vv_fail(out_err, VARVE_E_INVALID, "%s %s: no such range: offset %lld, %llu bytes",
                       operation, file->path, (long long)offset, (unsigned long long)size);
    }
    return VARVE_OK;
}

/* True when the call is to be made again. */
static bool vfs_is_interrupted(varve_status status, const varve_error *err, unsigned *interruptions)
{
    if (status != VARVE_E_IO || err->os_errno != EINTR) {
        return false;
    }
    *interruptions += 1;
    return *interruptions <= VV_INTERRUPTIONS_MAX;
}

/* One read that is not interrupted. */
static varve_status vfs_read_once(vv_file *file, int64_t offset, void *buf, size_t size,
                                  size_t *out_size, varve_error *out_err)
{
    unsigned interruptions = 0;
    varve_error err;
    varve_status status;
    do {
        status = file->vfs->ops->pread(file->vfs->context, file, offset, buf, size, out_size, &err);
    } while (vfs_is_interrupted(status, &err, &interruptions));
    if (status != VARVE_OK) {
        return vv_fail_again(out_err, &err);
    }
    VV_ASSERT(*out_size <= size);
    return VARVE_OK;
}

varve_status vv_file_read(vv_file *file, int64_t offset, void *buf, size_t size, size_t *out_size,
                          varve_error *out_err)
{
    VV_TRY(vfs_check_range(file, offset, size, "read", out_err));
    size_t done = 0;
    while (done < size) {
        size_t part = 0;
        VV_TRY(vfs_read_once(file, offset + (int64_t)done, (uint8_t *)buf + done, size - done,
                             &part, out_err));
        if (part == 0) {
            break;
        }
        done += part;
    }
    *out_size = done;
    return VARVE_OK;
}

varve_status vv_file_read_exact(vv_file *file, int64_t offset, void *buf, size_t size,
                                varve_error *out_err)
{
    size_t done = 0;
    VV_TRY(vv_file_read(file, offset, buf, size, &done, out_err));
    if (done < size) {
        return vv_fail(out_err, VARVE_E_CORRUPT,
                       "read %s: the file ends at offset %lld, %zu bytes were expected at %lld",
                       file->path, (long long)offset + (long long)done, size, (long long)offset);
    }
    return VARVE_OK;
}

/* One write that is not interrupted and makes progress. */
static varve_status vfs_write_once(vv_file *file, int64_t offset, const vv_iov *iov, size_t count,
                                   size_t *out_size, varve_error *out_err)
{
    unsigned interruptions = 0;
    varve_error err;
    varve_status status;
    do {
        status =
            file->vfs->ops->pwritev(file->vfs->context, file, offset, iov, count, out_size, &err);
    } while (vfs_is_interrupted(status, &err, &interruptions));
    if (status != VARVE_OK) {
        return vv_fail_again(out_err, &err);
    }
    if (*out_size == 0) {
        return vv_os_fail(out_err, EIO, "write", file->path);
    }
    return VARVE_OK;
}

/* Where a list of pieces stands: `skip` bytes of piece `index` are written. */
typedef struct vfs_iov_position {
    size_t index;
    size_t skip;
} vfs_iov_position;

/* The next pieces, without empty ones; returns how many. */
static size_t vfs_iov_batch(const vv_iov *iov, size_t count, vfs_iov_position position,
                            vv_iov batch[VV_IOV_COUNT_MAX])
{
    size_t used = 0;
    for (size_t index = position.index; index < count && used < VV_IOV_COUNT_MAX; ++index) {
        size_t skip = index == position.index ? position.skip : 0;
        if (iov[index].size > skip) {
            batch[used].data = (const uint8_t *)iov[index].data + skip;
            batch[used].size = iov[index].size - skip;
            used += 1;
        }
    }
    return used;
}

static vfs_iov_position vfs_iov_advance(const vv_iov *iov, size_t count, vfs_iov_position position,
                                        size_t written)
{
    while (position.index < count && written >= iov[position.index].size - position.skip) {
        written -= iov[position.index].size - position.skip;
        position.index += 1;
        position.skip = 0;
    }
    VV_ASSERT(position.index < count || written == 0);
    position.skip += written;
    return position;
}

varve_status vv_file_append_all(vv_file *file, int64_t *offset, const vv_iov *iov, size_t count,
                                varve_error *out_err)
{
    uint64_t total = 0;
    for (size_t index = 0; index < count; ++index) {
        total += iov[index].size;
    }
    VV_TRY(vfs_check_range(file, *offset, total, "write", out_err));
    vfs_iov_position position = {0};
    vv_iov batch[VV_IOV_COUNT_MAX];
    size_t batch_count = vfs_iov_batch(iov, count, position, batch);
    while (batch_count > 0) {
        size_t written = 0;
        VV_TRY(vfs_write_once(file, *offset, batch, batch_count, &written, out_err));
        *offset += (int64_t)written;
        position = vfs_iov_advance(iov, count, position, written);
        batch_count = vfs_iov_batch(iov, count, position, batch);
    }
    return VARVE_OK;
}

varve_status vv_file_write_all(vv_file *file, int64_t offset, const void *buf, size_t size,
                               varve_error *out_err)
{
    vv_iov iov = {.data = buf, .size = size};
    return vv_file_append_all(file, &offset, &iov, 1, out_err);
}

varve_status vv_file_fdatasync(vv_file *file, vv_sync_site site, varve_error *out_err)
{
    return file->vfs->ops->sync(file->vfs->context, file, VV_SYNC_DATA, site, out_err);
}

varve_status vv_file_fsync(vv_file *file, vv_sync_site site, varve_error *out_err)
{
    return file->vfs->ops->sync(file->vfs->context, file, VV_SYNC_FULL, site, out_err);
}

varve_status vv_file_truncate(vv_file *file, int64_t size, varve_error *out_err)
{
    VV_TRY(vfs_check_range(file, size, 0, "truncate", out_err));
    unsigned interruptions = 0;
    varve_error err;
    varve_status status;
    do {
        status = file->vfs->ops->truncate(file->vfs->context, file, size, &err);
    } while (vfs_is_interrupted(status, &err, &interruptions));
    return status == VARVE_OK ? VARVE_OK : vv_fail_again(out_err, &err);
}

varve_status vv_file_allocate(vv_file *file, int64_t offset, int64_t size, varve_error *out_err)
{
    VV_ASSERT(size > 0);
    VV_TRY(vfs_check_range(file, offset, (uint64_t)size, "allocate", out_err));
    unsigned interruptions = 0;
    varve_error err;
    varve_status status;
    do {
        status = file->vfs->ops->allocate(file->vfs->context, file, offset, size, &err);
    } while (vfs_is_interrupted(status, &err, &interruptions));
    return status == VARVE_OK ? VARVE_OK : vv_fail_again(out_err, &err);
}

varve_status vv_file_stat(vv_file *file, vv_file_info *out_info, varve_error *out_err)
{
    return file->vfs->ops->file_stat(file->vfs->context, file, out_info, out_err);
}

varve_status vv_file_lock(vv_file *file, varve_error *out_err)
{
    return file->vfs->ops->lock(file->vfs->context, file, out_err);
}

varve_status vv_file_unlock(vv_file *file, varve_error *out_err)
{
    return file->vfs->ops->unlock(file->vfs->context, file, out_err);
}

varve_status vv_file_advise(vv_file *file, int64_t offset, int64_t size, vv_advice advice,
                            varve_error *out_err)
{
    VV_TRY(
        vfs_check_range(file, offset, size < 0 ? UINT64_MAX : (uint64_t)size, "advise", out_err));
    return file->vfs->ops->advise(file->vfs->context, file, offset, size, advice, out_err);
}

varve_status vv_file_map(vv_file *file, size_t size, const void **out_memory, varve_error *out_err)
{
    *out_memory = NULL;
    return file->vfs->ops->map(file->vfs->context, file, size, out_memory, out_err);
}

void vv_vfs_unmap(const vv_vfs *vfs, const void *memory, size_t size)
{
    vfs->ops->unmap(vfs->context, memory, size);
}
