/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock that many readers or one writer hold.
 *
 * Built on vv_mutex, so that taking it obeys the ranks. The writer holds the mutex all the time; a
 * reader holds it only while it counts itself in, so what a reader takes later is not compared with
 * this rank. A waiting writer keeps new readers out: a thread that reads must not lock again.
 */
#ifndef VV_SYS_RWLOCK_H
#define VV_SYS_RWLOCK_H

#include "sys/thread.h"

typedef struct vv_rwlock {
    vv_mutex mutex;
    vv_cond changed;          /* readers is 0, or writers_waiting is */
    uint32_t readers;         /* guarded by mutex */
    uint32_t writers_waiting; /* guarded by mutex */
} vv_rwlock;

VV_MUST_CHECK varve_status vv_rwlock_init(vv_rwlock *lock, vv_lock_rank rank, varve_error *out_err);
void vv_rwlock_deinit(vv_rwlock *lock);
void vv_rwlock_read_lock(vv_rwlock *lock);
void vv_rwlock_read_unlock(vv_rwlock *lock);
void vv_rwlock_write_lock(vv_rwlock *lock);
void vv_rwlock_write_unlock(vv_rwlock *lock);
/** Debug builds: this thread holds it as the writer. */
void vv_rwlock_assert_written(const vv_rwlock *lock);

#endif
