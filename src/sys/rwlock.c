/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock that many readers or one writer hold.
 *
 *     state      mutex                 readers
 *     free       free                  0
 *     read       free                  > 0
 *     written    held by the writer    0
 *
 * R1  readers changes under the mutex only, so a writer that holds it and sees 0 is alone.
 * R2  Readers that arrive while a writer waits, wait for it: a stream of readers cannot keep
 *     writers out. Writers can keep readers out, but each of their turns is short.
 */
#include "sys/rwlock.h"

#include "base/assert.h"

varve_status vv_rwlock_init(vv_rwlock *lock, vv_lock_rank rank, varve_error *out_err)
{
    lock->readers = 0;
    lock->writers_waiting = 0;
    VV_TRY(vv_mutex_init(&lock->mutex, rank, 0, out_err));
    varve_status status = vv_cond_init(&lock->changed, out_err);
    if (status != VARVE_OK) {
        vv_mutex_deinit(&lock->mutex);
    }
    return status;
}

void vv_rwlock_deinit(vv_rwlock *lock)
{
    vv_cond_deinit(&lock->changed);
    vv_mutex_deinit(&lock->mutex);
}

void vv_rwlock_read_lock(vv_rwlock *lock)
{
    vv_mutex_lock(&lock->mutex);
    while (lock->writers_waiting > 0) {                                              /* R2 */
        VV_IGNORE(vv_cond_wait_until(&lock->changed, &lock->mutex, VV_NO_DEADLINE)); /* loop asks */
    }
    lock->readers += 1;
    vv_mutex_unlock(&lock->mutex);
}

void vv_rwlock_read_unlock(vv_rwlock *lock)
{
    vv_mutex_lock(&lock->mutex);
    VV_ASSERT(lock->readers > 0);
    lock->readers -= 1;
    if (lock->readers == 0 && lock->writers_waiting > 0) {
        vv_cond_broadcast(&lock->changed);
    }
    vv_mutex_unlock(&lock->mutex);
}

void vv_rwlock_write_lock(vv_rwlock *lock)
{
    vv_mutex_lock(&lock->mutex);
    lock->writers_waiting += 1;
    while (lock->readers > 0) {                                                      /* R1 */
        VV_IGNORE(vv_cond_wait_until(&lock->changed, &lock->mutex, VV_NO_DEADLINE)); /* loop asks */
    }
    lock->writers_waiting -= 1;
}

void vv_rwlock_write_unlock(vv_rwlock *lock)
{
    if (lock->writers_waiting == 0) {
        vv_cond_broadcast(&lock->changed);
    }
    vv_mutex_unlock(&lock->mutex);
}

void vv_rwlock_assert_written(const vv_rwlock *lock)
{
    vv_mutex_assert_held(&lock->mutex);
}
