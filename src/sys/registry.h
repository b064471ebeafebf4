/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories that this process has open for writing, so that a second writable open inside one
 * process is refused (locks of open file descriptions do that only between processes and handles
 * that really open the lock file; this also sees a directory under a second name).
 *
 * R1  No two entries have the same device and inode.
 * R2  A forked child starts with an empty registry; removing an entry of the parent does nothing
 * there.
 */
#ifndef VV_SYS_REGISTRY_H
#define VV_SYS_REGISTRY_H

#include <stdint.h>

#include "base/compiler.h"
#include "varve.h"

/* Part of the database that is registered; zeroed before the first use, stays at its place. */
typedef struct vv_registry_entry {
    struct vv_registry_entry *next;
    uint64_t device;
    uint64_t inode;
    uint32_t generation; /* of the process that added it; 0: not in the registry */
} vv_registry_entry;

/* E_LOCKED when the directory is there already; `path` is for the message. */
VV_MUST_CHECK varve_status vv_registry_add(vv_registry_entry *entry, uint64_t device,
                                           uint64_t inode, const char *path, varve_error *out_err);
/* Does nothing for an entry that is not in it. */
void vv_registry_remove(vv_registry_entry *entry);

#endif
