/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All functions of sys/thread.c and sys/clock.c, for programs that run under the scheduler. A lock
 * is the native one in both worlds (sys/thread_native.c), but in a run it is only ever tried: who
 * does not get it waits for the baton instead. So locks may be taken outside of a run and given
 * back in it.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/checked.h"
#include "support/sched/scheduler_priv.h"
#include "sys/clock.h"
#include "sys/lock_ranks_priv.h"
#include "sys/thread_native_priv.h"

/* ---- mutex ---------------------------------------------------------------------------------- */

static bool scheduler_sys_try(vv_mutex *mutex)
{
    int result = pthread_mutex_trylock(&mutex->native);
    VV_ASSERT(result == 0 || result == EBUSY);
    return result == 0;
}

static void scheduler_sys_take(scheduler_thread *me, vv_mutex *mutex)
{
    while (!scheduler_sys_try(mutex)) {
        me->lock = mutex;
        scheduler_block(me, SCHEDULER_WAITS_LOCK);
    }
    scheduler_note_taken(me, mutex);
}

static void scheduler_sys_give(scheduler_thread *me, vv_mutex *mutex)
{
    scheduler_note_given(me, mutex);
    int result = pthread_mutex_unlock(&mutex->native);
    VV_ASSERT(result == 0);
    scheduler_wake_lock(mutex);
}

void vv_mutex_lock(vv_mutex *mutex)
{
    scheduler_thread *me = scheduler_mine();
    vv_lock_check_order(mutex);
    if (me != NULL) {
        scheduler_hook(me, "lock", scheduler_lock_name(mutex));
        scheduler_sys_take(me, mutex);
    } else {
        int result = pthread_mutex_lock(&mutex->native);
        VV_ASSERT(result == 0);
    }
    vv_lock_note_taken(mutex);
}

bool vv_mutex_try_lock(vv_mutex *mutex)
{
    scheduler_thread *me = scheduler_mine();
    if (me != NULL) {
        scheduler_hook(me, "try", scheduler_lock_name(mutex));
    }
    if (!scheduler_sys_try(mutex)) {
        return false;
    }
    if (me != NULL) {
        scheduler_note_taken(me, mutex);
    }
    vv_lock_note_taken(mutex);
    return true;
}

void vv_mutex_unlock(vv_mutex *mutex)
{
    scheduler_thread *me = scheduler_mine();
    vv_lock_note_given(mutex);
    if (me == NULL) {
        int result = pthread_mutex_unlock(&mutex->native);
        VV_ASSERT(result == 0);
        return;
    }
    uint64_t name = scheduler_lock_name(mutex); /* whoever is drawn next may free it */
    scheduler_sys_give(me, mutex);
    scheduler_hook(me, "unlock", name);
}

/* ---- condition ------------------------------------------------------------------------------ */

bool vv_cond_wait_until(vv_cond *cond, vv_mutex *mutex, int64_t deadline_mono_ns)
{
    scheduler_thread *me = scheduler_mine();
    vv_mutex_assert_held(mutex);
    vv_lock_check_wait(mutex);
    if (me == NULL) {
        return vv_cond_wait_native(cond, mutex, deadline_mono_ns);
    }
    scheduler_sys_give(me, mutex);
    me->lock = mutex;
    me->cond = cond;
    me->deadline_ns = deadline_mono_ns;
    me->is_woken = false;
    scheduler_block(me, SCHEDULER_WAITS_COND);
    bool is_woken = me->is_woken;
    scheduler_sys_take(me, mutex);
    return is_woken;
}

static void scheduler_sys_signal(vv_cond *cond, bool all)
{
    scheduler_thread *me = scheduler_mine();
    if (me == NULL) {
        int result =
            all ? pthread_cond_broadcast(&cond->native) : pthread_cond_signal(&cond->native);
        VV_ASSERT(result == 0);
        return;
    }
    uint32_t woken = scheduler_wake_cond(cond, all);
    scheduler_hook(me, all ? "broadcast" : "signal", woken);
}

void vv_cond_signal(vv_cond *cond)
{
    scheduler_sys_signal(cond, false);
}

void vv_cond_broadcast(vv_cond *cond)
{
    scheduler_sys_signal(cond, true);
}

/* ---- event ---------------------------------------------------------------------------------- */

uint32_t vv_event_read(const vv_event *event)
{
    scheduler_step("read", 0);
    return atomic_load(&event->value);
}

bool vv_event_wait_until(vv_event *event, uint32_t seen, int64_t deadline_mono_ns)
{
    scheduler_thread *me = scheduler_mine();
    if (me == NULL) { /* in no run: it returns for no reason, again and again */
        (void)sched_yield();
        return vv_mono_now_ns() < deadline_mono_ns;
    }
    scheduler_hook(me, "compare", 0);
    if (atomic_load(&event->value) != seen) {
        return true;
    }
    me->event = event;
    me->deadline_ns = deadline_mono_ns;
    me->is_woken = false;
    scheduler_block(me, SCHEDULER_WAITS_EVENT);
    return me->is_woken;
}

void vv_event_advance(vv_event *event)
{
    scheduler_step("advance", 0);
    atomic_fetch_add(&event->value, 1);
}

void vv_event_wake(vv_event *event, uint32_t count)
{
    scheduler_thread *me = scheduler_mine();
    if (me != NULL) {
        scheduler_hook(me, "wake", scheduler_wake_event(event, count));
    }
}

/* ---- thread --------------------------------------------------------------------------------- */

static void *scheduler_sys_ordinary(void *argument)
{
    vv_thread *thread = argument;
    thread->main(thread->context);
    vv_mutex_assert_none_held();
    return NULL;
}

varve_status vv_thread_start(vv_thread *thread, const char *name, vv_thread_main main,
                             void *context, varve_error *out_err)
{
    scheduler_thread *me = scheduler_mine();
    size_t size = strlen(name);
    size_t kept = size < VV_THREAD_NAME_BYTES_MAX ? size : VV_THREAD_NAME_BYTES_MAX;
    *thread = (vv_thread){.main = main, .context = context};
    memcpy(thread->name, name, kept);
    int result = me != NULL ? scheduler_start(me, thread)
                            : pthread_create(&thread->native, NULL, scheduler_sys_ordinary, thread);
    if (result != 0) {
        return vv_fail_errno(out_err, result == EAGAIN ? VARVE_E_LIMIT : VARVE_E_NOMEM, result,
                             "thread %s could not be started", thread->name);
    }
    thread->is_started = true;
    return VARVE_OK;
}

void vv_thread_join(vv_thread *thread)
{
    scheduler_thread *me = scheduler_mine();
    if (!thread->is_started) {
        return;
    }
    if (me == NULL || !scheduler_join(me, thread)) {
        int result = pthread_join(thread->native, NULL);
        VV_ASSERT(result == 0);
    }
    thread->is_started = false;
}

void vv_thread_yield(void)
{
    scheduler_thread *me = scheduler_mine();
    if (me != NULL) {
        scheduler_hook_yield(me);
    } else {
        (void)sched_yield();
    }
}

uint64_t vv_thread_id(void)
{
    const scheduler_thread *me = scheduler_mine();
    return me != NULL ? me->number + UINT64_C(1) : (uint64_t)gettid();
}

/* ---- once ----------------------------------------------------------------------------------- */

/* Without hooks in it: it runs once in a process, not once in a run. */
void vv_once_run(vv_once *once, void (*function)(void))
{
    scheduler_set_outside(true);
    int result = pthread_once(&once->native, function);
    scheduler_set_outside(false);
    VV_ASSERT(result == 0);
}

/* ---- clock ---------------------------------------------------------------------------------- */

static int64_t scheduler_sys_clock(clockid_t id)
{
    struct timespec now;
    int result = clock_gettime(id, &now);
    VV_ASSERT(result == 0);
    return vv_sat_add_i64(vv_sat_mul_i64(now.tv_sec, VV_NS_PER_S), now.tv_nsec);
}

int64_t vv_mono_now_ns(void)
{
    return scheduler_mine() != NULL ? scheduler_now_ns() : scheduler_sys_clock(CLOCK_MONOTONIC);
}

int64_t vv_wall_now_ns(void)
{
    return scheduler_mine() != NULL ? SCHEDULER_WALL_NS + scheduler_now_ns()
                                    : scheduler_sys_clock(CLOCK_REALTIME);
}

int64_t vv_thread_cpu_ns(void)
{
    return scheduler_mine() != NULL ? scheduler_now_ns()
                                    : scheduler_sys_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t vv_deadline_after_ns(int64_t delay_ns)
{
    return vv_sat_add_i64(vv_mono_now_ns(), delay_ns < 0 ? 0 : delay_ns);
}

int64_t vv_deadline_after_ms(uint64_t delay_ms)
{
    return delay_ms > (uint64_t)(INT64_MAX / VV_NS_PER_MS)
               ? INT64_MAX
               : vv_deadline_after_ns((int64_t)delay_ms * VV_NS_PER_MS);
}

static int64_t scheduler_sys_mono(void *context)
{
    (void)context;
    return vv_mono_now_ns();
}

static int64_t scheduler_sys_wall(void *context)
{
    (void)context;
    return vv_wall_now_ns();
}

vv_clock vv_clock_system(void)
{
    return (vv_clock){.mono_ns = scheduler_sys_mono, .wall_ns = scheduler_sys_wall};
}
