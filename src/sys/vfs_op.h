/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of vv_vfs_ops by number, for the wrappers that count and disturb them.
 * One row each: VV_VFS_OP(id, name, changes), the last telling whether it may change the file
 * system.
 */
#ifndef VV_SYS_VFS_OP_H
#define VV_SYS_VFS_OP_H

#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
#define VV_VFS_OP_MAP(X)            \
    X(OPEN,      "open",      true)  \
    X(CLOSE,     "close",     false) \
    X(READ,      "read",      false) \
    X(WRITE,     "write",     true)  \
    X(SYNC,      "sync",      true)  \
    X(TRUNCATE,  "truncate",  true)  \
    X(ALLOCATE,  "allocate",  true)  \
    X(FILE_STAT, "file stat", false) \
    X(LOCK,      "lock",      false) \
    X(UNLOCK,    "unlock",    false) \
    X(ADVISE,    "advise",    false) \
    X(MAP,       "map",       false) \
    X(RENAME,    "rename",    true)  \
    X(LINK,      "link",      true)  \
    X(UNLINK,    "unlink",    true)  \
    X(MKDIR,     "mkdir",     true)  \
    X(RMDIR,     "rmdir",     true)  \
    X(LIST,      "list",      false) \
    X(SYNC_DIR,  "sync dir",  true)  \
    X(STAT,      "stat",      false) \
    X(STATVFS,   "statvfs",   false)
/* clang-format on */

typedef enum vv_vfs_op {
#define VV_VFS_OP_ENUM(id, name, changes) VV_VFS_OP_##id,
    VV_VFS_OP_MAP(VV_VFS_OP_ENUM)
#undef VV_VFS_OP_ENUM
        VV_VFS_OP_COUNT
} vv_vfs_op;

/* A set of operations. */
#define VV_VFS_OP_BIT(op) (UINT32_C(1) << (op))
#define VV_VFS_OP_ALL     (VV_VFS_OP_BIT(VV_VFS_OP_COUNT) - 1)

static inline const char *vv_vfs_op_name(vv_vfs_op op)
{
    static const char *const names[] = {
#define VV_VFS_OP_NAME(id, name, changes) name,
        VV_VFS_OP_MAP(VV_VFS_OP_NAME)
#undef VV_VFS_OP_NAME
    };
    return op < VV_VFS_OP_COUNT ? names[op] : "?";
}

static inline bool vv_vfs_op_changes(vv_vfs_op op)
{
    static const bool changes_of[] = {
#define VV_VFS_OP_CHANGES(id, name, changes) changes,
        VV_VFS_OP_MAP(VV_VFS_OP_CHANGES)
#undef VV_VFS_OP_CHANGES
    };
    return op < VV_VFS_OP_COUNT && changes_of[op];
}

#endif
