/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads and locks over POSIX threads, and the check of lock ranks.
 *
 * In debug builds each thread keeps the list of the mutexes it holds. Taking one compares its rank
 * with all of them, so an order that could deadlock is found on its first use by one thread, not by
 * the meeting of two.
 */
#include "sys/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/text.h"
#include "sys/clock.h"

const char *vv_lock_rank_name(vv_lock_rank rank)
{
    switch (rank) {
#define THREAD_RANK_NAME(id, number, text) \
    case VV_RANK_##id:                     \
        return #id;
        VV_LOCK_RANK_MAP(THREAD_RANK_NAME)
#undef THREAD_RANK_NAME
    }
    return "?";
}

/* ---- rank check ----------------------------------------------------------------------------- */

static struct {
    vv_lock_failure_hook hook;
    void *context;
} thread_failure; /* set by tests before they start threads */

void vv_lock_set_failure_hook(vv_lock_failure_hook hook, void *context)
{
    thread_failure.hook = hook;
    thread_failure.context = context;
}

#ifndef NDEBUG

/* Most locks one thread holds: all shards of the largest database, and some (arbitrary). */
#define VV_LOCKS_HELD_MAX 512

static _Thread_local struct {
    const vv_mutex *held[VV_LOCKS_HELD_MAX];
    size_t count;
} thread_locks;

static void thread_report(const char *text)
{
    if (thread_failure.hook != NULL) {
        thread_failure.hook(thread_failure.context, text);
        return;
    }
    vv_assert_failed(__FILE__, __LINE__, text);
}

/* May a thread that holds `held` wait for `wanted`? */
static bool thread_is_ordered(const vv_mutex *held, const vv_mutex *wanted)
{
    if (held->rank != wanted->rank) {
        return held->rank < wanted->rank;
    }
    return held->order < wanted->order;
}

static void thread_check_order(const vv_mutex *wanted)
{
    for (size_t index = 0; index < thread_locks.count; ++index) {
        const vv_mutex *held = thread_locks.held[index];
        if (!thread_is_ordered(held, wanted)) {
            char text[160];
            vv_text_format(text, sizeof text, "lock %s/%u is taken while %s/%u is held",
                           vv_lock_rank_name(wanted->rank), wanted->order,
                           vv_lock_rank_name(held->rank), held->order);
            thread_report(text);
            return;
        }
    }
}

static bool thread_holds(const vv_mutex *mutex)
{
    for (size_t index = thread_locks.count; index > 0; --index) {
        if (thread_locks.held[index - 1] == mutex) {
            return true;
        }
    }
    return false;
}

static void thread_note_locked(const vv_mutex *mutex)
{
    VV_ASSERT(thread_locks.count < VV_LOCKS_HELD_MAX);
    thread_locks.held[thread_locks.count] = mutex;
    thread_locks.count += 1;
}

static void thread_note_unlocked(const vv_mutex *mutex)
{
    for (size_t index = thread_locks.count; index > 0; --index) {
        if (thread_locks.held[index - 1] == mutex) {
            thread_locks.count -= 1;
            thread_locks.held[index - 1] = thread_locks.held[thread_locks.count];
            return;
        }
    }
    thread_report("a lock is released that this thread does not hold");
}

/* Waiting gives up `mutex` and takes it again, so it must come after all others that are held. */
static void thread_check_wait(const vv_mutex *mutex)
{
    for (size_t index = 0; index < thread_locks.count; ++index) {
        const vv_mutex *held = thread_locks.held[index];
        if (held != mutex && !thread_is_ordered(held, mutex)) {
            thread_report("a condition is waited for while a later lock is held");
            return;
        }
    }
}

void vv_mutex_assert_held(const vv_mutex *mutex)
{
    if (!thread_holds(mutex)) {
        char text[80];
        vv_text_format(text, sizeof text, "lock %s is not held", vv_lock_rank_name(mutex->rank));
        thread_report(text);
    }
}

void vv_mutex_assert_none_held(void)
{
    if (thread_locks.count > 0) {
        char text[80];
        vv_text_format(text, sizeof text, "lock %s is held",
                       vv_lock_rank_name(thread_locks.held[0]->rank));
        thread_report(text);
    }
}

#else

static void thread_check_order(const vv_mutex *wanted)
{
    (void)wanted;
}

static void thread_check_wait(const vv_mutex *mutex)
{
    (void)mutex;
}

static void thread_note_locked(const vv_mutex *mutex)
{
    (void)mutex;
}

static void thread_note_unlocked(const vv_mutex *mutex)
{
    (void)mutex;
}

void vv_mutex_assert_held(const vv_mutex *mutex)
{
    (void)mutex;
}

void vv_mutex_assert_none_held(void)
{
}

#endif

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
    thread_check_order(mutex);
    int result = pthread_mutex_lock(&mutex->native);
    VV_ASSERT(result == 0);
    thread_note_locked(mutex);
}

bool vv_mutex_try_lock(vv_mutex *mutex)
{
    int result = pthread_mutex_trylock(&mutex->native);
    if (result == EBUSY) {
        return false;
    }
    VV_ASSERT(result == 0);
    thread_note_locked(mutex);
    return true;
}

void vv_mutex_unlock(vv_mutex *mutex)
{
    thread_note_unlocked(mutex);
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
    thread_check_wait(mutex);
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
