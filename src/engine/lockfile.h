/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_LOCKFILE_H
#define VV_ENGINE_LOCKFILE_H

/*
 * LOCK: one writer of a directory. A lock of the open file keeps other processes out, the registry
 * of sys other handles of this process. The content of the file is for people only.
 *
 *   L1  A second writer gets E_LOCKED, after lock_wait_ms at most; nothing but LOCK was touched.
 *   L2  The file is never removed.
 *   L3  vv_lockfile_abandon unlocks nothing: a forked child must not end its parent's lock.
 */

#include "sys/env.h"
#include "sys/registry.h"
#include "varve.h"

typedef struct vv_lockfile {
    vv_file *file; /* NULL: not held */
    vv_registry_entry entry;
} vv_lockfile;

/** *lock is zeroed before and stays at its place. E_LOCKED, E_UNSUPPORTED (a network file system),
 *  E_READONLY, E_IO. */
VV_MUST_CHECK varve_status vv_lockfile_acquire(const vv_env *env, const char *directory,
                                               uint64_t lock_wait_ms, bool allows_network_fs,
                                               vv_lockfile *lock, varve_error *out_err);
/** Unlock and close; does nothing for a zeroed one. */
void vv_lockfile_release(vv_lockfile *lock);
/** Close only; in a forked child. */
void vv_lockfile_abandon(vv_lockfile *lock);

#endif
