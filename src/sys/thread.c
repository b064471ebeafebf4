/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, locks and conditions over POSIX threads. The check of lock ranks is in lock_ranks.c, the
 * making of locks and conditions in thread_native.c. */
#include "sys/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/lock_ranks_priv.h"
#include "sys/thread_native_priv.h"

/* ---- mutex ---------------------------------------------------------------------------------- */

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

bool vv_cond_wait_until(vv_cond *cond, vv_mutex *mutex, int64_t deadline_mono_ns)
{
    vv_mutex_assert_held(mutex);
    vv_lock_check_wait(mutex);
    return vv_cond_wait_native(cond, mutex, deadline_mono_ns);
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
