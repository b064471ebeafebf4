/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process-wide list of open writable directories. Entries are part of the databases, so nothing
 * is allocated and nothing is left behind.
 *
 * Around a fork the lock is held by the forking thread, so the child finds the list whole; it then
 * forgets it (R2), because the memory of the entries belongs to handles that are dead there.
 */
#include "sys/registry.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/status.h"
#include "sys/fork_guard.h"
#include "sys/thread.h"

static vv_once registry_once = VV_ONCE_INIT;
static bool registry_works; /* set by the once function */
static vv_mutex registry_lock = VV_MUTEX_INIT(VV_RANK_REGISTRY);
static vv_registry_entry *registry_first; /* guarded by registry_lock */

/* These use the native lock: a fork is legal while higher ranks are held. */
static void registry_before_fork(void)
{
    (void)pthread_mutex_lock(&registry_lock.native);
}

static void registry_in_parent(void)
{
    (void)pthread_mutex_unlock(&registry_lock.native);
}

static void registry_in_child(void)
{
    registry_first = NULL;
    (void)pthread_mutex_unlock(&registry_lock.native);
}

static void registry_install(void)
{
    (void)vv_process_generation(); /* its handler must be there before the first entry */
    registry_works =
        pthread_atfork(registry_before_fork, registry_in_parent, registry_in_child) == 0;
}

static bool registry_has_locked(uint64_t device, uint64_t inode)
{
    vv_mutex_assert_held(&registry_lock);
    for (const vv_registry_entry *at = registry_first; at != NULL; at = at->next) {
        if (at->device == device && at->inode == inode) {
            return true;
        }
    }
    return false;
}

varve_status vv_registry_add(vv_registry_entry *entry, uint64_t device, uint64_t inode,
                             const char *path, varve_error *out_err)
{
    VV_ASSERT(entry->generation == 0);
    vv_once_run(&registry_once, registry_install);
    if (!registry_works) {
        return vv_fail(out_err, VARVE_E_NOMEM, "the fork handler could not be installed");
    }
    vv_mutex_lock(&registry_lock);
    bool is_new = !registry_has_locked(device, inode);
    if (is_new) {
        entry->device = device;
        entry->inode = inode;
        entry->generation = vv_process_generation();
        entry->next = registry_first;
        registry_first = entry;
    }
    vv_mutex_unlock(&registry_lock);
    if (!is_new) {
        return vv_fail(out_err, VARVE_E_LOCKED, "%s is already open for writing in this process",
                       path);
    }
    return VARVE_OK;
}

static void registry_unlink_locked(const vv_registry_entry *entry)
{
    vv_mutex_assert_held(&registry_lock);
    vv_registry_entry **link = &registry_first;
    while (*link != entry) {
        VV_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = entry->next;
}

void vv_registry_remove(vv_registry_entry *entry)
{
    /* In a child the list is empty, and the lock is not touched: abandoning takes none. */
    if (entry->generation == vv_process_generation()) {
        vv_mutex_lock(&registry_lock);
        registry_unlink_locked(entry);
        vv_mutex_unlock(&registry_lock);
    }
    *entry = (vv_registry_entry){0};
}
