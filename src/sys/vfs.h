/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between varve and a file system.
 *
 * A vv_vfs is a table of functions and a context. All file access of the engine goes through it, so
 * that tests can put a failing or a simulated file system below an unchanged engine:
 *
 *      engine -> vv_file_* and vv_vfs_* (here) -> vv_vfs_ops
 *                                                   -> vfs_posix  the real one
 *                                                   -> vfs_fault  fails on request
 *                                                   -> vfs_sim    has a power switch
 *
 *   V1  A file is a regular file: links are not followed, devices, pipes and directories are
 *       refused.
 *
 *   V2  Every operation that fails fills varve_error with path, operation and reason; os_errno
 *       holds the errno. Pointer outputs are then NULL, other outputs untouched.
 *
 *   V3  The _all and _exact helpers continue after short results and EINTR. A write of zero bytes
 *       counts as EIO. Syncs and renames are never repeated: after a failed sync nothing written
 *       since the last good one is trusted.
 *
 *   V4  Paths are UTF-8 without "..", below VV_PATH_BYTES_MAX, '/' between names.
 *
 * Offsets are given with each call; there is no file position. A vv_file may be used by several
 * threads at once, except that closing it ends all use. The size of a file that is read grows
 * stale; ask vv_file_stat.
 */
#ifndef VV_SYS_VFS_H
#define VV_SYS_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/status.h"
#include "sys/sync_sites.h"
#include "varve.h"

/* Longest path including its NUL: what Linux accepts. */
#define VV_PATH_BYTES_MAX 4096
/* Longest name in a directory, without NUL: what common file systems accept. */
#define VV_NAME_BYTES_MAX 255

/* How to open a file. Links are never followed, the descriptor never passes exec. */
typedef enum vv_open_flags {
    VV_OPEN_READ = 1,
    VV_OPEN_WRITE = 2,
    VV_OPEN_CREATE = 4,    /* when it does not exist */
    VV_OPEN_EXCLUSIVE = 8, /* with CREATE: E_EXISTS when it does */
} vv_open_flags;

typedef enum vv_file_kind {
    VV_KIND_FILE,
    VV_KIND_DIRECTORY,
    VV_KIND_OTHER, /* link, device, pipe, socket */
} vv_file_kind;

typedef struct vv_file_info {
    vv_file_kind kind;
    int64_t size;
    uint64_t device; /* together with inode: identity of the file */
    uint64_t inode;
} vv_file_info;

typedef struct vv_fs_info {
    uint64_t total_bytes;
    uint64_t free_bytes; /* for this user */
    bool is_network;     /* locks and syncs of such file systems are not to be trusted */
    bool is_readonly;
} vv_fs_info;

typedef enum vv_sync_kind {
    VV_SYNC_DATA, /* fdatasync: content and size */
    VV_SYNC_FULL, /* fsync */
} vv_sync_kind;

typedef enum vv_advice {
    VV_ADVICE_WILLNEED,
    VV_ADVICE_DONTNEED, /* forget cached pages, so that the next read asks the disk */
} vv_advice;

/* A piece of memory to write. */
typedef struct vv_iov {
    const void *data;
    size_t size;
} vv_iov;
/* Most pieces one call takes; the helpers split longer lists. */
#define VV_IOV_COUNT_MAX 64

typedef struct vv_vfs vv_vfs;

/* An open file. Made by vv_file_open, ended by vv_file_close. */
typedef struct vv_file {
    const vv_vfs *vfs;
    vv_alloc *alloc;
    uint64_t handle; /* belongs to the vfs */
    uint32_t flags;  /* vv_open_flags it was opened with */
    char path[];     /* for messages */
} vv_file;

/* Called once for each entry of a directory, in no order; a failure ends the walk. */
typedef varve_status (*vv_dir_visitor)(void *context, const char *name, vv_file_kind kind,
                                       varve_error *out_err);

/*
 * What a file system implements; `context` is the vv_vfs's. Callers use the functions below.
 * One operation of the file system per call, short results and EINTR (E_IO with os_errno EINTR) as
 * they come.
 */
typedef struct vv_vfs_ops {
    varve_status (*open)(void *context, vv_file *file, varve_error *out_err);
    varve_status (*close)(void *context, vv_file *file, varve_error *out_err);
    varve_status (*pread)(void *context, vv_file *file, int64_t offset, void *buf, size_t size,
                          size_t *out_size, varve_error *out_err);
    varve_status (*pwritev)(void *context, vv_file *file, int64_t offset, const vv_iov *iov,
                            size_t count, size_t *out_size, varve_error *out_err);
    varve_status (*sync)(void *context, vv_file *file, vv_sync_kind kind, vv_sync_site site,
                         varve_error *out_err);
    varve_status (*truncate)(void *context, vv_file *file, int64_t size, varve_error *out_err);
    varve_status (*allocate)(void *context, vv_file *file, int64_t offset, int64_t size,
                             varve_error *out_err);
    varve_status (*file_stat)(void *context, vv_file *file, vv_file_info *out_info,
                              varve_error *out_err);
    varve_status (*lock)(void *context, vv_file *file, varve_error *out_err);
    varve_status (*unlock)(void *context, vv_file *file, varve_error *out_err);
    varve_status (*advise)(void *context, vv_file *file, int64_t offset, int64_t size,
                           vv_advice advice, varve_error *out_err);
    varve_status (*map)(void *context, vv_file *file, size_t size, const void **out_memory,
                        varve_error *out_err);
    void (*unmap)(void *context, const void *memory, size_t size);
    varve_status (*rename)(void *context, const char *source, const char *target, vv_sync_site site,
                           varve_error *out_err);
    varve_status (*link)(void *context, const char *source, const char *target,
                         varve_error *out_err);
    varve_status (*unlink)(void *context, const char *path, varve_error *out_err);
    varve_status (*mkdir)(void *context, const char *path, varve_error *out_err);
    varve_status (*rmdir)(void *context, const char *path, varve_error *out_err);
    varve_status (*list)(void *context, const char *path, vv_dir_visitor visit, void *visit_context,
                         varve_error *out_err);
    varve_status (*sync_dir)(void *context, const char *path, vv_sync_site site,
                             varve_error *out_err);
    varve_status (*stat)(void *context, const char *path, vv_file_info *out_info,
                         varve_error *out_err);
    varve_status (*statvfs)(void *context, const char *path, vv_fs_info *out_info,
                            varve_error *out_err);
} vv_vfs_ops;

struct vv_vfs {
    const vv_vfs_ops *ops;
    void *context;
};

/* The file system of the operating system; lives as long as the process. */
const vv_vfs *vv_vfs_system(void);

/* ---- files ---------------------------------------------------------------------------------- */

/* flags: of vv_open_flags. E_NOT_FOUND, E_EXISTS, E_INVALID (not a regular file), E_READONLY, E_IO.
 */
VV_MUST_CHECK varve_status vv_file_open(const vv_vfs *vfs, vv_alloc *alloc, const char *path,
                                        uint32_t flags, vv_file **out_file, varve_error *out_err);

/* Ends the file in any case; takes NULL. A failure means that written data may be lost. */
varve_status vv_file_close(vv_file *file, varve_error *out_err);

/* Up to `size` bytes; fewer only at the end of the file. */
VV_MUST_CHECK varve_status vv_file_read(vv_file *file, int64_t offset, void *buf, size_t size,
                                        size_t *out_size, varve_error *out_err);

/* Exactly `size` bytes; a file that ends before is E_CORRUPT. */
VV_MUST_CHECK varve_status vv_file_read_exact(vv_file *file, int64_t offset, void *buf, size_t size,
                                              varve_error *out_err);

/* All of the bytes at `offset`. After a failure any part of them may have been written. */
VV_MUST_CHECK varve_status vv_file_write_all(vv_file *file, int64_t offset, const void *buf,
                                             size_t size, varve_error *out_err);

/*
 * All pieces, one behind the other, at *offset, which moves behind what was written. After a
 * failure *offset is behind the bytes that are known to be written.
 */
VV_MUST_CHECK varve_status vv_file_append_all(vv_file *file, int64_t *offset, const vv_iov *iov,
                                              size_t count, varve_error *out_err);

/* Never repeated after a failure, see V3. */
VV_MUST_CHECK varve_status vv_file_fdatasync(vv_file *file, vv_sync_site site,
                                             varve_error *out_err);
VV_MUST_CHECK varve_status vv_file_fsync(vv_file *file, vv_sync_site site, varve_error *out_err);

/* Cuts or grows (with zeros). */
VV_MUST_CHECK varve_status vv_file_truncate(vv_file *file, int64_t size, varve_error *out_err);

/* Reserves space and grows the file to offset + size with zeros. E_UNSUPPORTED, E_NOSPACE. */
VV_MUST_CHECK varve_status vv_file_allocate(vv_file *file, int64_t offset, int64_t size,
                                            varve_error *out_err);

VV_MUST_CHECK varve_status vv_file_stat(vv_file *file, vv_file_info *out_info,
                                        varve_error *out_err);

/* Exclusive lock of this open file; E_LOCKED when another holds it. Ends with unlock or close. */
VV_MUST_CHECK varve_status vv_file_lock(vv_file *file, varve_error *out_err);
VV_MUST_CHECK varve_status vv_file_unlock(vv_file *file, varve_error *out_err);

/* A hint; size 0 means to the end. Where it is not supported nothing happens. */
VV_MUST_CHECK varve_status vv_file_advise(vv_file *file, int64_t offset, int64_t size,
                                          vv_advice advice, varve_error *out_err);

/* The first `size` bytes as memory to read; E_UNSUPPORTED where there is no such thing. */
VV_MUST_CHECK varve_status vv_file_map(vv_file *file, size_t size, const void **out_memory,
                                       varve_error *out_err);
/* Takes memory of vv_file_map, also after the file was closed. */
void vv_vfs_unmap(const vv_vfs *vfs, const void *memory, size_t size);

/* ---- names ---------------------------------------------------------------------------------- */

/* `directory/name` into out_path (VV_PATH_BYTES_MAX bytes). E_LIMIT when too long. */
VV_MUST_CHECK varve_status vv_path_join(const char *directory, const char *name,
                                        char out_path[VV_PATH_BYTES_MAX], varve_error *out_err);

/* The directory that holds `path` ("." when none is named). */
VV_MUST_CHECK varve_status vv_path_parent(const char *path, char out_path[VV_PATH_BYTES_MAX],
                                          varve_error *out_err);

/* Replaces target. Atomic; durable after a sync of the target's directory. */
VV_MUST_CHECK varve_status vv_vfs_rename(const vv_vfs *vfs, const char *source, const char *target,
                                         vv_sync_site site, varve_error *out_err);
/* E_EXISTS; E_UNSUPPORTED where the file system has no hard links or the two are on different ones.
 */
VV_MUST_CHECK varve_status vv_vfs_link(const vv_vfs *vfs, const char *source, const char *target,
                                       varve_error *out_err);
VV_MUST_CHECK varve_status vv_vfs_unlink(const vv_vfs *vfs, const char *path, varve_error *out_err);
VV_MUST_CHECK varve_status vv_vfs_mkdir(const vv_vfs *vfs, const char *path, varve_error *out_err);
/* E_CONFLICT when it is not empty. */
VV_MUST_CHECK varve_status vv_vfs_rmdir(const vv_vfs *vfs, const char *path, varve_error *out_err);
VV_MUST_CHECK varve_status vv_vfs_sync_dir(const vv_vfs *vfs, const char *path, vv_sync_site site,
                                           varve_error *out_err);
VV_MUST_CHECK varve_status vv_vfs_stat(const vv_vfs *vfs, const char *path, vv_file_info *out_info,
                                       varve_error *out_err);
VV_MUST_CHECK varve_status vv_vfs_statvfs(const vv_vfs *vfs, const char *path, vv_fs_info *out_info,
                                          varve_error *out_err);

/* ---- directories ---------------------------------------------------------------------------- */

typedef struct vv_dir_entry {
    char *name; /* owned by the list */
    vv_file_kind kind;
} vv_dir_entry;

/* What a directory held, without "." and "..", sorted by the bytes of the name. */
typedef struct vv_dir_list {
    vv_alloc *alloc;
    vv_dir_entry *entries;
    size_t count;
    size_t capacity;
} vv_dir_list;

/* Most entries that are listed; a directory with more is E_LIMIT (arbitrary, 100 bytes each). */
#define VV_DIR_ENTRIES_MAX ((size_t)1 << 22)

/* On success *out_list is to be released with vv_dir_list_deinit; on failure it is empty. */
VV_MUST_CHECK varve_status vv_vfs_list(const vv_vfs *vfs, vv_alloc *alloc, const char *path,
                                       vv_dir_list *out_list, varve_error *out_err);
void vv_dir_list_deinit(vv_dir_list *list);

/* ---- compositions --------------------------------------------------------------------------- */

/* The sites of writing a file beside its final name and moving it there. */
typedef struct vv_publish_sites {
    vv_sync_site file;
    vv_sync_site rename;
    vv_sync_site dir;
} vv_publish_sites;

/*
 * Write, fsync, close, rename, fsync the target's directory. On failure temporary_path is removed
 * as far as possible and final_path holds what it held or all of the bytes.
 */
VV_MUST_CHECK varve_status vv_vfs_write_file_atomically(const vv_vfs *vfs, vv_alloc *alloc,
                                                        const char *temporary_path,
                                                        const char *final_path, const void *data,
                                                        size_t size, const vv_publish_sites *sites,
                                                        varve_error *out_err);

/* A whole file of at most size_max bytes (E_LIMIT); *out_data is released with vv_alloc of `alloc`.
 */
VV_MUST_CHECK varve_status vv_vfs_read_file(const vv_vfs *vfs, vv_alloc *alloc, const char *path,
                                            size_t size_max, void **out_data, size_t *out_size,
                                            varve_error *out_err);

/* Makes `path` a directory if it is not one yet, and then syncs its parent. Parents must exist. */
VV_MUST_CHECK varve_status vv_vfs_ensure_dir(const vv_vfs *vfs, const char *path, vv_sync_site site,
                                             varve_error *out_err);

/* Removes a file or a directory with all it holds (at most 32 deep); a missing path is success. */
VV_MUST_CHECK varve_status vv_vfs_remove_tree(const vv_vfs *vfs, vv_alloc *alloc, const char *path,
                                              varve_error *out_err);

/* Is there anything under this name? Any failure but E_NOT_FOUND is reported. */
VV_MUST_CHECK varve_status vv_vfs_exists(const vv_vfs *vfs, const char *path, bool *out_exists,
                                         varve_error *out_err);

/* ---- for implementations -------------------------------------------------------------------- */

/* Status and sentence for an errno: "open /data/x: no space left on device". */
varve_status vv_os_fail(varve_error *out_err, int os_errno, const char *operation,
                        const char *path);
/* The status that an errno stands for. */
varve_status vv_os_status(int os_errno);

#endif
