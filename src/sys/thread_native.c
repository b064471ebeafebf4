/* SPDX-License-Identifier: Apache-2.0 */
/* What locks and conditions are made of: POSIX threads. Conditions wait by the monotonic clock. */
#include "sys/thread_native_priv.h"

#include <errno.h>
#include <time.h>

#include "base/assert.h"
#include "base/status.h"
#include "sys/clock.h"

varve_status vv_mutex_init(vv_mutex *mutex, vv_lock_rank rank, uint32_t order, varve_error *out_err)
{
    int result = pthread_mutex_init(&mutex->native, NULL);
    if (result != 0) {
        return vv_fail_errno(out_err, VARVE_E_NOMEM, result, "a lock could not be made");
    }
    mutex->rank = rank;
    mutex->order = order;
    return VARVE_OK;
}

void vv_mutex_deinit(vv_mutex *mutex)
{
    int result = pthread_mutex_destroy(&mutex->native);
    VV_ASSERT(result == 0);
}

varve_status vv_cond_init(vv_cond *cond, varve_error *out_err)
{
    pthread_condattr_t attributes;
    int result = pthread_condattr_init(&attributes);
    if (result == 0) {
        result = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (result == 0) {
            result = pthread_cond_init(&cond->native, &attributes);
        }
        (void)pthread_condattr_destroy(&attributes);
    }
    if (result != 0) {
        return vv_fail_errno(out_err, VARVE_E_NOMEM, result, "a condition could not be made");
    }
    return VARVE_OK;
}

void vv_cond_deinit(vv_cond *cond)
{
    int result = pthread_cond_destroy(&cond->native);
    VV_ASSERT(result == 0);
}

bool vv_cond_wait_native(vv_cond *cond, vv_mutex *mutex, int64_t deadline_mono_ns)
{
    if (deadline_mono_ns == VV_NO_DEADLINE) {
        int result = pthread_cond_wait(&cond->native, &mutex->native);
        VV_ASSERT(result == 0);
        return true;
    }
    int64_t deadline_ns = deadline_mono_ns < 0 ? 0 : deadline_mono_ns;
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / VV_NS_PER_S),
        .tv_nsec = (long)(deadline_ns % VV_NS_PER_S),
    };
    int result = pthread_cond_timedwait(&cond->native, &mutex->native, &deadline);
    VV_ASSERT(result == 0 || result == ETIMEDOUT);
    return result == 0;
}
