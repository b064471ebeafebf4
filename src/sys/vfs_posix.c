/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system of Linux behind vv_vfs: one system call per operation, no state of its own.
 *
 * handle      the file descriptor
 * open        O_NOFOLLOW and O_CLOEXEC always; O_NONBLOCK so that a pipe put in the place of a file
 *             cannot block the open (it has no effect on regular files, and others are refused)
 * lock        exclusive lock of the open file description; flock where the kernel has none
 * permissions files 0600 and directories 0700: a database belongs to one user
 * EINTR       is passed on for reads and writes; closing is never repeated, the descriptor is gone
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/vfs.h"

_Static_assert(sizeof(off_t) == 8, "offsets have 64 bits");
_Static_assert(VV_IOV_COUNT_MAX <= IOV_MAX, "one writev takes a batch");

/* Numbers of linux/magic.h, of file systems whose files live on another machine. */
static const uint64_t vfs_posix_network_types[] = {
    0x6969,     /* NFS */
    0x517B,     /* SMB */
    0xFF534D42, /* CIFS */
    0xFE534D42, /* SMB2 */
    0x01021997, /* 9P */
    0x5346414F, /* AFS */
    0x6B414653, /* kAFS */
    0x73757245, /* Coda */
    0x00C36400, /* Ceph */
    0x0BD00BD0, /* Lustre */
    0x47504653, /* GPFS */
    0x013111A8, /* IBRIX */
};

static int vfs_posix_fd(const vv_file *file)
{
    return (int)file->handle;
}

/* ---- files ---------------------------------------------------------------------------------- */

static int vfs_posix_open_flags(uint32_t flags)
{
    int result = O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    bool reads = (flags & VV_OPEN_READ) != 0;
    bool writes = (flags & VV_OPEN_WRITE) != 0;
    result |= reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
    result |= (flags & VV_OPEN_CREATE) != 0 ? O_CREAT : 0;
    result |= (flags & VV_OPEN_EXCLUSIVE) != 0 ? O_EXCL : 0;
    return result;
}

static varve_status vfs_posix_check_regular(int fd, const char *path, varve_error *out_err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return vv_os_fail(out_err, errno, "stat", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return vv_fail(out_err, VARVE_E_INVALID, "open %s: not a regular file", path);
    }
    return VARVE_OK;
}

/**
 * Away from the numbers of the standard streams: in a process that was started with one of them
 * closed, what is printed would go into the file, and the file would be read as its input. Returns
 * -1 and leaves errno when there is no other number.
 */
static int vfs_posix_leave_standard(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO) {
        return fd;
    }
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int saved = errno;
    (void)close(fd); /* nothing was written */
    errno = saved;
    return moved;
}

static varve_status vfs_posix_open(void *context, vv_file *file, varve_error *out_err)
{
    (void)context;
    int fd = -1;
    do {
        fd = open(file->path, vfs_posix_open_flags(file->flags), S_IRUSR | S_IWUSR);
    } while (fd < 0 && errno == EINTR);
    fd = vfs_posix_leave_standard(fd);
    if (fd < 0) {
        return vv_os_fail(out_err, errno, "open", file->path);
    }
    varve_status status = vfs_posix_check_regular(fd, file->path, out_err);
    if (status != VARVE_OK) {
        (void)close(fd); /* nothing was written */
        return status;
    }
    file->handle = (uint64_t)fd;
    return VARVE_OK;
}

static varve_status vfs_posix_close(void *context, vv_file *file, varve_error *out_err)
{
    (void)context;
    if (close(vfs_posix_fd(file)) != 0 && errno != EINTR) {
        return vv_os_fail(out_err, errno, "close", file->path);
    }
    return VARVE_OK;
}

static varve_status vfs_posix_pread(void *context, vv_file *file, int64_t offset, void *buf,
                                    size_t size, size_t *out_size, varve_error *out_err)
{
    (void)context;
    ssize_t done = pread(vfs_posix_fd(file), buf, size, offset);
    if (done < 0) {
        return vv_os_fail(out_err, errno, "read", file->path);
    }
    *out_size = (size_t)done;
    return VARVE_OK;
}

static varve_status vfs_posix_pwritev(void *context, vv_file *file, int64_t offset,
                                      const vv_iov *iov, size_t count, size_t *out_size,
                                      varve_error *out_err)
{
    (void)context;
    struct iovec native[VV_IOV_COUNT_MAX];
    VV_ASSERT(count <= VV_IOV_COUNT_MAX);
    for (size_t index = 0; index < count; ++index) {
        /* iovec has no const; the memory is only read. */
        memcpy(&native[index].iov_base, &iov[index].data, sizeof native[index].iov_base);
        native[index].iov_len = iov[index].size;
    }
    ssize_t done = pwritev(vfs_posix_fd(file), native, (int)count, offset);
    if (done < 0) {
        return vv_os_fail(out_err, errno, "write", file->path);
    }
    *out_size = (size_t)done;
    return VARVE_OK;
}

static varve_status vfs_posix_sync(void *context, vv_file *file, vv_sync_kind kind,
                                   vv_sync_site site, varve_error *out_err)
{
    (void)context;
    (void)site;
    int fd = vfs_posix_fd(file);
    int result = kind == VV_SYNC_DATA ? fdatasync(fd) : fsync(fd);
    if (result != 0) {
        return vv_os_fail(out_err, errno, "sync", file->path);
    }
    return VARVE_OK;
}

static varve_status vfs_posix_truncate(void *context, vv_file *file, int64_t size,
                                       varve_error *out_err)
{
    (void)context;
    if (ftruncate(vfs_posix_fd(file), size) != 0) {
        return vv_os_fail(out_err, errno, "truncate", file->path);
    }
    return VARVE_OK;
}

static varve_status vfs_posix_allocate(void *context, vv_file *file, int64_t offset, int64_t size,
                                       varve_error *out_err)
{
    (void)context;
    if (fallocate(vfs_posix_fd(file), 0, offset, size) != 0) {
        return vv_os_fail(out_err, errno, "allocate", file->path);
    }
    return VARVE_OK;
}

static varve_status vfs_posix_advise(void *context, vv_file *file, int64_t offset, int64_t size,
                                     vv_advice advice, varve_error *out_err)
{
    (void)context;
    int native = advice == VV_ADVICE_DONTNEED ? POSIX_FADV_DONTNEED : POSIX_FADV_WILLNEED;
    int result = posix_fadvise(vfs_posix_fd(file), offset, size, native);
    if (result != 0 && result != EINVAL && result != ENOSYS) { /* a hint may be unknown */
        return vv_os_fail(out_err, result, "advise", file->path);
    }
    return VARVE_OK;
}

/* ---- locks ---------------------------------------------------------------------------------- */

/* Of the open file description: ends with it, not with another descriptor of the same file. */
static int vfs_posix_lock_call(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    int result = fcntl(fd, F_OFD_SETLK, &lock);
    if (result != 0 && errno == EINVAL) { /* a kernel or file system without such locks */
        result = flock(fd, (type == F_UNLCK ? LOCK_UN : LOCK_EX) | LOCK_NB);
    }
    return result;
}

static varve_status vfs_posix_lock(void *context, vv_file *file, varve_error *out_err)
{
    (void)context;
    if (vfs_posix_lock_call(vfs_posix_fd(file), F_WRLCK) == 0) {
        return VARVE_OK;
    }
    if (errno == EAGAIN || errno == EACCES) {
        return vv_fail(out_err, VARVE_E_LOCKED, "lock %s: held by another writer", file->path);
    }
    return vv_os_fail(out_err, errno, "lock", file->path);
}

static varve_status vfs_posix_unlock(void *context, vv_file *file, varve_error *out_err)
{
    (void)context;
    if (vfs_posix_lock_call(vfs_posix_fd(file), F_UNLCK) != 0) {
        return vv_os_fail(out_err, errno, "unlock", file->path);
    }
    return VARVE_OK;
}

/* ---- mappings ------------------------------------------------------------------------------- */

static varve_status vfs_posix_map(void *context, vv_file *file, size_t size,
                                  const void **out_memory, varve_error *out_err)
{
    (void)context;
    void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, vfs_posix_fd(file), 0);
    if (memory == MAP_FAILED) {
        return vv_os_fail(out_err, errno, "map", file->path);
    }
    *out_memory = memory;
    return VARVE_OK;
}

static void vfs_posix_unmap(void *context, const void *memory, size_t size)
{
    (void)context;
    void *start = NULL;
    memcpy(&start, &memory, sizeof start); /* munmap has no const */
    int result = munmap(start, size);
    VV_ASSERT(result == 0);
}

/* ---- facts ---------------------------------------------------------------------------------- */

static void vfs_posix_info(const struct stat *native, vv_file_info *out_info)
{
    out_info->kind = S_ISREG(native->st_mode)   ? VV_KIND_FILE
                     : S_ISDIR(native->st_mode) ? VV_KIND_DIRECTORY
                                                : VV_KIND_OTHER;
    out_info->size = native->st_size;
    out_info->device = native->st_dev;
    out_info->inode = native->st_ino;
}

static varve_status vfs_posix_file_stat(void *context, vv_file *file, vv_file_info *out_info,
                                        varve_error *out_err)
{
    (void)context;
    struct stat native;
    if (fstat(vfs_posix_fd(file), &native) != 0) {
        return vv_os_fail(out_err, errno, "stat", file->path);
    }
    vfs_posix_info(&native, out_info);
    return VARVE_OK;
}

static varve_status vfs_posix_stat(void *context, const char *path, vv_file_info *out_info,
                                   varve_error *out_err)
{
    (void)context;
    struct stat native;
    if (lstat(path, &native) != 0) {
        return vv_os_fail(out_err, errno, "stat", path);
    }
    vfs_posix_info(&native, out_info);
    return VARVE_OK;
}

static bool vfs_posix_is_network(uint64_t type)
{
    for (size_t index = 0; index < VV_ARRAY_COUNT(vfs_posix_network_types); ++index) {
        if (vfs_posix_network_types[index] == type) {
            return true;
        }
    }
    return false;
}

static varve_status vfs_posix_statvfs(void *context, const char *path, vv_fs_info *out_info,
                                      varve_error *out_err)
{
    (void)context;
    struct statvfs space;
    struct statfs type;
    if (statvfs(path, &space) != 0 || statfs(path, &type) != 0) {
        return vv_os_fail(out_err, errno, "statvfs", path);
    }
    out_info->total_bytes = (uint64_t)space.f_blocks * space.f_frsize;
    out_info->free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    /* f_type is signed and as wide as a register; the numbers have 32 bits. */
    out_info->is_network = vfs_posix_is_network((uint32_t)type.f_type);
    out_info->is_readonly = (space.f_flag & ST_RDONLY) != 0;
    return VARVE_OK;
}

/* ---- names ---------------------------------------------------------------------------------- */

static varve_status vfs_posix_rename(void *context, const char *source, const char *target,
                                     vv_sync_site site, varve_error *out_err)
{
    (void)context;
    (void)site;
    if (rename(source, target) != 0) {
        return vv_os_fail(out_err, errno, "rename to", target);
    }
    return VARVE_OK;
}

static varve_status vfs_posix_link(void *context, const char *source, const char *target,
                                   varve_error *out_err)
{
    (void)context;
    if (link(source, target) != 0) {
        /* EPERM is what file systems without hard links say. */
        int os_errno = errno == EPERM ? EOPNOTSUPP : errno;
        return vv_os_fail(out_err, os_errno, "link to", target);
    }
    return VARVE_OK;
}

static varve_status vfs_posix_unlink(void *context, const char *path, varve_error *out_err)
{
    (void)context;
    if (unlink(path) != 0) {
        return vv_os_fail(out_err, errno, "unlink", path);
    }
    return VARVE_OK;
}

static varve_status vfs_posix_mkdir(void *context, const char *path, varve_error *out_err)
{
    (void)context;
    if (mkdir(path, S_IRWXU) != 0) {
        return vv_os_fail(out_err, errno, "mkdir", path);
    }
    return VARVE_OK;
}

static varve_status vfs_posix_rmdir(void *context, const char *path, varve_error *out_err)
{
    (void)context;
    if (rmdir(path) != 0) {
        int os_errno = errno == EEXIST ? ENOTEMPTY : errno; /* POSIX allows both */
        return vv_os_fail(out_err, os_errno, "rmdir", path);
    }
    return VARVE_OK;
}

static varve_status vfs_posix_sync_dir(void *context, const char *path, vv_sync_site site,
                                       varve_error *out_err)
{
    (void)context;
    (void)site;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return vv_os_fail(out_err, errno, "open directory", path);
    }
    int result = fsync(fd);
    int os_errno = errno;
    (void)close(fd); /* nothing is written through it */
    if (result != 0) {
        return vv_os_fail(out_err, os_errno, "sync directory", path);
    }
    return VARVE_OK;
}

/* ---- directories ---------------------------------------------------------------------------- */

static varve_status vfs_posix_entry_kind(DIR *directory, const struct dirent *entry,
                                         const char *path, vv_file_kind *out_kind,
                                         varve_error *out_err)
{
    if (entry->d_type != DT_UNKNOWN) {
        *out_kind = entry->d_type == DT_REG   ? VV_KIND_FILE
                    : entry->d_type == DT_DIR ? VV_KIND_DIRECTORY
                                              : VV_KIND_OTHER;
        return VARVE_OK;
    }
    struct stat native;
    vv_file_info info;
    if (fstatat(dirfd(directory), entry->d_name, &native, AT_SYMLINK_NOFOLLOW) != 0) {
        return vv_os_fail(out_err, errno, "stat in", path);
    }
    vfs_posix_info(&native, &info);
    *out_kind = info.kind;
    return VARVE_OK;
}

static varve_status vfs_posix_walk(DIR *directory, const char *path, vv_dir_visitor visit,
                                   void *visit_context, varve_error *out_err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            return errno == 0 ? VARVE_OK : vv_os_fail(out_err, errno, "list", path);
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        vv_file_kind kind = VV_KIND_OTHER;
        varve_status status = vfs_posix_entry_kind(directory, entry, path, &kind, out_err);
        if (status == VARVE_E_NOT_FOUND) { /* removed meanwhile */
            vv_error_clear(out_err);
            continue;
        }
        VV_TRY(status);
        VV_TRY(visit(visit_context, entry->d_name, kind, out_err));
    }
}

static varve_status vfs_posix_list(void *context, const char *path, vv_dir_visitor visit,
                                   void *visit_context, varve_error *out_err)
{
    (void)context;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return vv_os_fail(out_err, errno, "list", path);
    }
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        int os_errno = errno;
        (void)close(fd);
        return vv_os_fail(out_err, os_errno, "list", path);
    }
    varve_status status = vfs_posix_walk(directory, path, visit, visit_context, out_err);
    (void)closedir(directory);
    return status;
}

/* ---- the table ------------------------------------------------------------------------------ */

static const vv_vfs_ops vfs_posix_ops = {
    .open = vfs_posix_open,
    .close = vfs_posix_close,
    .pread = vfs_posix_pread,
    .pwritev = vfs_posix_pwritev,
    .sync = vfs_posix_sync,
    .truncate = vfs_posix_truncate,
    .allocate = vfs_posix_allocate,
    .file_stat = vfs_posix_file_stat,
    .lock = vfs_posix_lock,
    .unlock = vfs_posix_unlock,
    .advise = vfs_posix_advise,
    .map = vfs_posix_map,
    .unmap = vfs_posix_unmap,
    .rename = vfs_posix_rename,
    .link = vfs_posix_link,
    .unlink = vfs_posix_unlink,
    .mkdir = vfs_posix_mkdir,
    .rmdir = vfs_posix_rmdir,
    .list = vfs_posix_list,
    .sync_dir = vfs_posix_sync_dir,
    .stat = vfs_posix_stat,
    .statvfs = vfs_posix_statvfs,
};

static const vv_vfs vfs_posix_instance = {.ops = &vfs_posix_ops, .context = NULL};

const vv_vfs *vv_vfs_system(void)
{
    return &vfs_posix_instance;
}
