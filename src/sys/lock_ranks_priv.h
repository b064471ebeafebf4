/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of locks: what thread.c reports to the check of ranks. Nothing happens in release builds.
 */
#ifndef VV_SYS_LOCK_RANKS_PRIV_H
#define VV_SYS_LOCK_RANKS_PRIV_H

#include "sys/thread.h"

#ifdef NDEBUG
#define VV_LOCKS_ARE_CHECKED 0
#else
#define VV_LOCKS_ARE_CHECKED 1
#endif

/* Before waiting for a mutex. */
void vv_lock_check_order(const vv_mutex *wanted);
/* Before waiting for a condition. */
void vv_lock_check_wait(const vv_mutex *mutex);
void vv_lock_note_taken(const vv_mutex *mutex);
void vv_lock_note_given(const vv_mutex *mutex);

#endif
