/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SYS_THREAD_NATIVE_PRIV_H
#define VV_SYS_THREAD_NATIVE_PRIV_H

/*
 * The part of sys/thread.h that is the same however threads take turns: thread.c and the scheduler
 * of the tests stand on it. It defines vv_mutex_init, vv_mutex_deinit, vv_cond_init and
 * vv_cond_deinit, and needs nothing of thread.c.
 */

#include "sys/thread.h"

/** vv_cond_wait_until without its checks. */
bool vv_cond_wait_native(vv_cond *cond, vv_mutex *mutex, int64_t deadline_mono_ns);

#endif
