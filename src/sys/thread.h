/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads, ranked locks, conditions with deadlines.
 *
 * T1  A mutex has a rank; a thread takes only ranks above all it holds (sys/lock_ranks.h). Debug
 *     builds keep a list of held mutexes per thread and report an error through the failure hook.
 * T2  Deadlines are nanoseconds of CLOCK_MONOTONIC (vv_mono_now_ns); VV_NO_DEADLINE waits for ever.
 * T3  Lock, unlock, wait and signal cannot fail on a correctly used object; misuse is an assertion.
 * T4  A thread that has read an event and then waits for it does not miss an advance that came
 *     between the two: it returns at once.
 */
#ifndef VV_SYS_THREAD_H
#define VV_SYS_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/status.h"
#include "sys/lock_ranks.h"
#include "varve.h"

#define VV_NO_DEADLINE INT64_MAX

/* ---- mutex ---------------------------------------------------------------------------------- */

typedef struct vv_mutex {
    pthread_mutex_t native;
    vv_lock_rank rank; /* fixed by init */
    uint32_t order;    /* fixed by init; among locks of one rank taken in ascending order */
} vv_mutex;

/* For a mutex of static storage, which needs no init and no deinit. */
#define VV_MUTEX_INIT(lock_rank)                                 \
    {                                                            \
        .native = PTHREAD_MUTEX_INITIALIZER, .rank = (lock_rank) \
    }

/* order: 0, or the position among locks of the same rank that one thread may hold together. */
VV_MUST_CHECK varve_status vv_mutex_init(vv_mutex *mutex, vv_lock_rank rank, uint32_t order,
                                         varve_error *out_err);
void vv_mutex_deinit(vv_mutex *mutex);
void vv_mutex_lock(vv_mutex *mutex);
/* False when another thread holds it. */
VV_MUST_CHECK bool vv_mutex_try_lock(vv_mutex *mutex);
void vv_mutex_unlock(vv_mutex *mutex);
/* Debug builds: this thread holds it. */
void vv_mutex_assert_held(const vv_mutex *mutex);
/* Debug builds: this thread holds no vv_mutex at all (before I/O and callbacks). */
void vv_mutex_assert_none_held(void);

/* Called on a broken lock rule in debug builds. NULL: the default, which stops the process. */
typedef void (*vv_lock_failure_hook)(void *context, const char *text);
void vv_lock_set_failure_hook(vv_lock_failure_hook hook, void *context);

/* ---- condition ------------------------------------------------------------------------------ */

typedef struct vv_cond {
    pthread_cond_t native;
} vv_cond;

VV_MUST_CHECK varve_status vv_cond_init(vv_cond *cond, varve_error *out_err);
void vv_cond_deinit(vv_cond *cond);
/* False when the deadline passed; may also wake without a reason, so test the claim in a loop. */
bool vv_cond_wait_until(vv_cond *cond, vv_mutex *mutex, int64_t deadline_mono_ns);
void vv_cond_signal(vv_cond *cond);
void vv_cond_broadcast(vv_cond *cond);

/* ---- event ---------------------------------------------------------------------------------- */

/*
 * A number that changes when something has happened: what a condition is, without a lock to take
 * again afterwards. Zeroed memory is an event.
 *
 *      waiter  seen = read    look: not yet   wait (seen) ......... look again
 *      other                                    it happens   advance   wake
 *
 * Advance may be called under a lock and wake after it was given back, so that the woken ones find
 * it free. It wraps: who sleeps through 2^32 advances may sleep on.
 */
typedef struct vv_event {
    _Atomic uint32_t value;
    _Atomic uint32_t waiters; /* that sleep or are about to; waking nobody costs no system call */
} vv_event;

#define VV_EVENT_WAKE_ALL UINT32_MAX

uint32_t vv_event_read(const vv_event *event);
/* Returns at once where it is not `seen`, else when a wake chooses this thread or for no reason;
 * false: the deadline passed. */
bool vv_event_wait_until(vv_event *event, uint32_t seen, int64_t deadline_mono_ns);
void vv_event_advance(vv_event *event);
/* After an advance: wakes at least so many of those who sleep, if there are. Those who are about to
 * sleep are not counted, they do not any more. */
void vv_event_wake(vv_event *event, uint32_t count);

/* ---- thread --------------------------------------------------------------------------------- */

/* Longest thread name without NUL: what Linux keeps. */
#define VV_THREAD_NAME_BYTES_MAX 15

typedef void (*vv_thread_main)(void *context);

typedef struct vv_thread {
    pthread_t native;
    bool is_started; /* and not yet joined */
    char name[VV_THREAD_NAME_BYTES_MAX + 1];
    vv_thread_main main;
    void *context;
} vv_thread;

/*
 * Starts `main(context)` in a thread with all signals blocked. *thread stays at its place until it
 * is joined. The name is cut to VV_THREAD_NAME_BYTES_MAX bytes. E_LIMIT when there are too many
 * threads.
 */
VV_MUST_CHECK varve_status vv_thread_start(vv_thread *thread, const char *name, vv_thread_main main,
                                           void *context, varve_error *out_err);
/* Waits for its end; does nothing for a zeroed or joined one. */
void vv_thread_join(vv_thread *thread);
void vv_thread_yield(void);
/* A number of the calling thread, unique in the process while it runs. */
uint64_t vv_thread_id(void);

/* ---- once ----------------------------------------------------------------------------------- */

typedef struct vv_once {
    pthread_once_t native;
} vv_once;
#define VV_ONCE_INIT                \
    {                               \
        .native = PTHREAD_ONCE_INIT \
    }

/* Calls `function` the first time; other callers wait until it has returned. */
void vv_once_run(vv_once *once, void (*function)(void));

#endif
