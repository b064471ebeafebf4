/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SYS_VFS_MEMORY_H
#define VV_SYS_VFS_MEMORY_H

/*
 * Files in memory: what a database without a path lies on. The engine runs unchanged over it, so
 * that a database in memory flushes, merges and gives back what was deleted like any other. Syncs
 * do nothing. Shareable; its bytes are counted by the allocator it was made with.
 */

#include "sys/vfs.h"

/** Ended with vv_vfs_memory_free, after all its files. */
VV_MUST_CHECK varve_status vv_vfs_memory_create(vv_alloc *alloc, vv_vfs **out_vfs,
                                                varve_error *out_err);
void vv_vfs_memory_free(vv_vfs *vfs); /* takes NULL */

#endif
