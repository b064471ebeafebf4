/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, locks and conditions over POSIX threads. The check of lock ranks is in lock_ranks.c. */
#include "sys/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/clock.h"
#include "sys/lock_ranks_priv.h"

/* ---- mutex ---------------------------------------------------------------------------------- */

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

void vv_mutex_lock(vv_mutex *mutex)
{
    vv_lock_check_order(mutex);
    int result = pthread_mutex_lock(&mutex->native);
    VV_ASSERT(result == 0);
    vv_lock_note_taken(mutex);
}

bool vv_mutex_try_lock(vv_mutex *mutex)
{
    int result = pthread_mutex_trylock(&mutex->native);
    if (result == EBUSY) {
        return false;
    }
    VV_ASSERT(result == 0);
    vv_lock_note_taken(mutex);
    return true;
}

void vv_mutex_unlock(vv_mutex *mutex)
{
    vv_lock_note_given(mutex);
    int result = pthread_mutex_unlock(&mutex->native);
    VV_ASSERT(result == 0);
}

/* ---- condition ------------------------------------------------------------------------------ */

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

bool vv_cond_wait_until(vv_cond *cond, vv_mutex *mutex, int64_t deadline_mono_ns)
{
    vv_mutex_assert_held(mutex);
    vv_lock_check_wait(mutex);
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

void vv_cond_signal(vv_cond *cond)
{
    int result = pthread_cond_signal(&cond->native);
    VV_ASSERT(result == 0);
}

void vv_cond_broadcast(vv_cond *cond)
{
    int result = pthread_cond_broadcast(&cond->native);
    VV_ASSERT(result == 0);
}

/* ---- thread --------------------------------------------------------------------------------- */

static void *thread_trampoline(void *argument)
{
    vv_thread *thread = argument;
    (void)pthread_setname_np(pthread_self(), thread->name); /* for debuggers only */
    thread->main(thread->context);
    vv_mutex_assert_none_held();
    return NULL;
}

/* Signals are the application's: none is delivered to a thread of varve. */
static int thread_create_masked(vv_thread *thread)
{
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    int result = pthread_sigmask(SIG_SETMASK, &all, &old);
    if (result != 0) {
        return result;
    }
    result = pthread_create(&thread->native, NULL, thread_trampoline, thread);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

varve_status vv_thread_start(vv_thread *thread, const char *name, vv_thread_main main,
                             void *context, varve_error *out_err)
{
    size_t size = strlen(name);
    size_t kept = size < VV_THREAD_NAME_BYTES_MAX ? size : VV_THREAD_NAME_BYTES_MAX;
    *thread = (vv_thread){.main = main, .context = context};
    memcpy(thread->name, name, kept);
    int result = thread_create_masked(thread);
    if (result != 0) {
        return vv_fail_errno(out_err, result == EAGAIN ? VARVE_E_LIMIT : VARVE_E_NOMEM, result,
                             "thread %s could not be started", thread->name);
    }
    thread->is_started = true;
    return VARVE_OK;
}

void vv_thread_join(vv_thread *thread)
{
    if (!thread->is_started) {
        return;
    }
    int result = pthread_join(thread->native, NULL);
    VV_ASSERT(result == 0);
    thread->is_started = false;
}

void vv_thread_yield(void)
{
    (void)sched_yield();
}

uint64_t vv_thread_id(void)
{
    return (uint64_t)gettid();
}

/* ---- once ----------------------------------------------------------------------------------- */

void vv_once_run(vv_once *once, void (*function)(void))
{
    int result = pthread_once(&once->native, function);
    VV_ASSERT(result == 0);
}
