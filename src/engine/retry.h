/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_RETRY_H
#define VV_ENGINE_RETRY_H

/*
 * When work that failed in the background is tried again: after 1 s, 2 s, 4 s ... 64 s. A call that
 * asks for it by name does not wait. Times are of the clock of the environment.
 */

#include <stdatomic.h>

#include "sys/env.h"

typedef struct vv_retry {
    uint32_t failures;                 /* in a row; guarded by the lock of the work */
    uint32_t io_failures;              /* of them, those of the disk */
    atomic_int_fast64_t not_before_ns; /* 0: at once; relaxed */
} vv_retry;

#define VV_RETRY_FIRST_NS VV_NS_PER_S
enum { VV_RETRY_SHIFT_MAX = 6 };

static inline void vv_retry_note_success(vv_retry *retry)
{
    retry->failures = 0;
    retry->io_failures = 0;
    atomic_store_explicit(&retry->not_before_ns, 0, memory_order_relaxed);
}

static inline void vv_retry_note_failure(vv_retry *retry, const vv_env *env, varve_status status)
{
    uint32_t shift =
        retry->failures < VV_RETRY_SHIFT_MAX ? retry->failures : (uint32_t)VV_RETRY_SHIFT_MAX;
    retry->failures++;
    retry->io_failures += status == VARVE_E_IO ? 1 : 0;
    atomic_store_explicit(&retry->not_before_ns, vv_env_mono_ns(env) + (VV_RETRY_FIRST_NS << shift),
                          memory_order_relaxed);
}

/** Whether the time to try again has not come. */
static inline bool vv_retry_is_waiting(const vv_retry *retry, const vv_env *env)
{
    int64_t not_before = atomic_load_explicit(&retry->not_before_ns, memory_order_relaxed);
    return not_before != 0 && vv_env_mono_ns(env) < not_before;
}

#endif
