/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the scheduler: what the functions of sys/ ask of it. */
#ifndef VV_TESTS_SUPPORT_SCHED_SCHEDULER_PRIV_H
#define VV_TESTS_SUPPORT_SCHED_SCHEDULER_PRIV_H

#include <pthread.h>
#include <semaphore.h>

#include "support/sched/scheduler.h"
#include "sys/thread.h"

enum {
    SCHEDULER_THREADS_MAX = 64,
    SCHEDULER_HELD_MAX = 600, /* a freeze holds every shard */
};

typedef enum scheduler_state {
    SCHEDULER_READY, /* or running */
    SCHEDULER_WAITS_LOCK,
    SCHEDULER_WAITS_COND,
    SCHEDULER_WAITS_EVENT,
    SCHEDULER_WAITS_JOIN,
    SCHEDULER_ENDED,
} scheduler_state;

typedef struct scheduler_thread {
    uint32_t number;
    char name[VV_THREAD_NAME_BYTES_MAX + 1];
    pthread_t native;
    sem_t baton;
    vv_thread *handle; /* NULL: the first thread */
    scheduler_main main;
    void *context;
    scheduler_state state;
    const vv_mutex *lock;  /* WAITS_LOCK, WAITS_COND */
    const vv_cond *cond;   /* WAITS_COND */
    const vv_event *event; /* WAITS_EVENT */
    uint32_t joined;       /* WAITS_JOIN: its number */
    int64_t deadline_ns;   /* WAITS_COND, WAITS_EVENT */
    bool is_woken;         /* by a signal or for no reason, not by its deadline */
    bool is_joined;        /* the native thread is gone */
    int64_t priority;      /* the highest ready one runs, where the seed says so */
    const vv_mutex *held[SCHEDULER_HELD_MAX]; /* for reports */
    size_t held_count;
} scheduler_thread;

/* The calling thread where it belongs to a run; NULL: ordinary locks and clocks. */
scheduler_thread *scheduler_mine(void);
/* Inside, the calling thread counts as one that belongs to no run. */
void scheduler_set_outside(bool is_outside);

/* One more place where another thread may be drawn. */
void scheduler_hook(scheduler_thread *me, const char *what, uint64_t object);
/* The same, and others of its priority come first. */
void scheduler_hook_yield(scheduler_thread *me);
/* Waits as the members of `me` say; returns when it is drawn again. */
void scheduler_block(scheduler_thread *me, scheduler_state state);
/* Those who wait for the lock are ready again. */
void scheduler_wake_lock(const vv_mutex *lock);
/* Of those who wait for the condition one is ready, or all; returns how many. */
uint32_t scheduler_wake_cond(const vv_cond *cond, bool all);
/* Of those who wait for the event as many as that; returns how many there were. */
uint32_t scheduler_wake_event(const vv_event *event, uint32_t most);
void scheduler_note_taken(scheduler_thread *me, const vv_mutex *lock);
void scheduler_note_given(scheduler_thread *me, const vv_mutex *lock);
uint64_t scheduler_lock_name(const vv_mutex *lock);

/* Returns 0, or the errno of the system. */
int scheduler_start(scheduler_thread *me, vv_thread *thread);
/* False: no run has started it. */
bool scheduler_join(scheduler_thread *me, vv_thread *thread);

int64_t scheduler_now_ns(void);

#endif
