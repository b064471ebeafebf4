/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A deterministic scheduler: threads that take turns as a seed says.
 *
 * This library defines all of sys/thread.c and of sys/clock.c itself. Programs that link it before
 * libvarve never get the files of the product, so no lock of the product knows about tests:
 *
 *      engine --> vv_mutex_lock, vv_cond_wait_until, vv_mono_now_ns ...
 *                    |                              |
 *          sys/thread.c, sys/clock.c         scheduler_sys.c --> scheduler.c
 *          (every other program)             (programs of tests/sched)
 *
 * The threads are real ones, so that sanitizers, debuggers and thread-local variables work, but
 * only the one that has the baton runs. It gives the baton away at hooks alone:
 *
 *      lock, try, unlock, wait, signal, broadcast, read, advance and wake of an event, start, join,
 *      end, yield, and what the workload adds by scheduler_step (each changing call of the
 * simulated file system)
 *
 *                 hook: another one is drawn                       drawn
 *      RUNNING --------------------------------> READY ------------------------> RUNNING
 *         |                                        ^
 *         | lock is taken, condition, join         | unlocked; signalled, time is up; ended
 *         +-----------------> WAITING -------------+
 *
 *   Z1  Same seed and same program: same trace. The trace is a hash over (thread, hook, object) of
 *       every hook; it also covers what the clock said at each. Threads are numbered as they start,
 *       the first is 0; a lock is named by its rank and order, never by its address.
 *
 *   Z2  Time stands but for a tick at each hook. When every thread waits, it jumps to the next
 *       deadline. Sometimes it jumps although others could run: a thread may be slow without limit.
 *
 *   Z3  When every thread waits and no deadline is left, that is a deadlock: the run fails and the
 *       report names each thread, what it waits for, and who holds that.
 *
 *   Z4  A run that does not end after so many hooks fails in the same way. A run whose first thread
 *       ends while others live fails too, and names them.
 *
 *   Z5  Whatever POSIX allows may happen: a signal wakes any one of those who wait, a condition or
 *       event may wake for no reason (in every second seed), a lock goes to anyone who wants it.
 *
 *   Z6  Lock ranks are checked as ever (debug builds). Threads that no run has started, and all of
 *       them outside of a run, get ordinary locks and the clocks of the system.
 *
 * How the next thread is drawn differs from seed to seed, since each way is blind for something: a
 * walk that changes threads at every hook, at every 2nd ... 256th on average, or priorities that
 * change at a few places ("A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs",
 * Burckhardt, Kothari, Musuvathi, Nagarakatte).
 *
 * Not simulated: reordering of memory accesses between hooks. The baton orders everything, so that
 * is what the thread sanitizer is for, in programs without this library.
 */
#ifndef VV_TESTS_SUPPORT_SCHED_SCHEDULER_H
#define VV_TESTS_SUPPORT_SCHED_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Wall clock at the start of each run. */
#define SCHEDULER_WALL_NS INT64_C(1700000000000000000)

enum { SCHEDULER_FAILURE_BYTES = 4000 };

typedef struct scheduler_options {
    uint64_t seed;
    uint64_t steps_max; /* hooks of all threads together; 0: 5 million */
    FILE *trace;        /* a line for each hook; NULL: none */
} scheduler_options;

typedef struct scheduler_report {
    uint64_t trace; /* Z1 */
    uint64_t steps, switches;
    uint32_t threads; /* that took part, the first included */
    bool has_failed;  /* Z3, Z4: the threads are gone, what they held is lost */
    char failure[SCHEDULER_FAILURE_BYTES];
} scheduler_report;

typedef void (*scheduler_main)(void *context);

/* Runs `main(context)` as thread 0 and returns when all threads have ended. One run at a time. */
void scheduler_run(const scheduler_options *options, scheduler_main main, void *context,
                   scheduler_report *out_report);

/* A hook of the caller's own; outside of a run nothing. `what` is of static storage. */
void scheduler_step(const char *what, uint64_t object);

/* Number and name of the calling thread; 0 and "" outside of a run. */
uint32_t scheduler_thread_number(void);
const char *scheduler_thread_name(void);

#endif
