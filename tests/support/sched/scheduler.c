/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sched/scheduler.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/random.h"
#include "support/sched/scheduler_priv.h"
#include "sys/clock.h"

enum {
    SCHEDULER_STEPS_MAX = 5000000,
    SCHEDULER_LEAP_EVERY = 1000, /* hooks, on average; arbitrary */
};
/* The clock leaps to no deadline further off: waits of minutes stand for "never". */
#define SCHEDULER_LEAP_NS (2 * VV_NS_PER_S)
/* What a yield takes beside the tick, so that loops of them do not last for ever. */
#define SCHEDULER_YIELD_NS VV_NS_PER_US

/* What the seed has drawn. */
typedef struct scheduler_manner {
    bool has_priorities;
    uint64_t spurious_every; /* a condition wakes for no reason; 0: never */
    uint64_t change_every;   /* hooks, on average: another thread, or another priority */
    int64_t tick_ns;
} scheduler_manner;

/* Touched by the thread that has the baton. */
static struct {
    scheduler_thread *threads[SCHEDULER_THREADS_MAX];
    uint32_t count;
    scheduler_options options;
    scheduler_manner manner;
    scheduler_report *report;
    vv_random random;
    int64_t now_ns;
    int64_t lowest; /* priority */
    bool is_ending; /* it failed: every thread leaves where it stands */
    atomic_uint living;
    sem_t done;
    char note[100]; /* for those who find the core */
    struct sigaction before_abort, before_segv;
} scheduler;

static _Thread_local scheduler_thread *scheduler_me;
static _Thread_local uint32_t scheduler_outside;

scheduler_thread *scheduler_mine(void)
{
    return scheduler_outside == 0 ? scheduler_me : NULL;
}

void scheduler_set_outside(bool is_outside)
{
    scheduler_outside = is_outside ? scheduler_outside + 1 : scheduler_outside - 1;
}

int64_t scheduler_now_ns(void)
{
    return scheduler.now_ns;
}

uint32_t scheduler_thread_number(void)
{
    return scheduler_me == NULL ? 0 : scheduler_me->number;
}

const char *scheduler_thread_name(void)
{
    return scheduler_me == NULL ? "" : scheduler_me->name;
}

uint64_t scheduler_lock_name(const vv_mutex *lock)
{
    return (uint64_t)lock->rank * 10000 + lock->order;
}

void scheduler_note_taken(scheduler_thread *me, const vv_mutex *lock)
{
    VV_ASSERT(me->held_count < SCHEDULER_HELD_MAX);
    me->held[me->held_count++] = lock;
}

void scheduler_note_given(scheduler_thread *me, const vv_mutex *lock)
{
    for (size_t i = me->held_count; i > 0; --i) {
        if (me->held[i - 1] == lock) {
            me->held[i - 1] = me->held[--me->held_count];
            return;
        }
    }
}

static void scheduler_must(int result)
{
    VV_ASSERT(result == 0);
}

/* ---- leaving -------------------------------------------------------------------------------- */

static void scheduler_take_baton(scheduler_thread *me)
{
    while (sem_wait(&me->baton) != 0) {
        VV_ASSERT(errno == EINTR);
    }
}

/* The last one lets scheduler_run go on. */
static void scheduler_leave(void)
{
    scheduler_me = NULL;
    if (atomic_fetch_sub(&scheduler.living, 1) == 1) {
        scheduler_must(sem_post(&scheduler.done));
    }
}

/* Nothing can be given back of what the threads hold: they stop where they stand. */
static void scheduler_die(void)
{
    scheduler_leave();
    pthread_exit(NULL);
}

static void scheduler_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void scheduler_say(const char *format, ...)
{
    scheduler_report *report = scheduler.report;
    size_t used = strlen(report->failure);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(report->failure + used, sizeof report->failure - used, format, arguments);
    va_end(arguments);
}

static const scheduler_thread *scheduler_holder(const vv_mutex *lock)
{
    for (uint32_t i = 0; i < scheduler.count; i++) {
        for (size_t k = 0; k < scheduler.threads[i]->held_count; k++) {
            if (scheduler.threads[i]->held[k] == lock) {
                return scheduler.threads[i];
            }
        }
    }
    return NULL;
}

static void scheduler_say_lock(const vv_mutex *lock)
{
    const scheduler_thread *holder = scheduler_holder(lock);
    scheduler_say("lock %s/%u", vv_lock_rank_name(lock->rank), lock->order);
    if (holder != NULL) {
        scheduler_say(" (held by thread %u, %s)", holder->number, holder->name);
    }
}

static void scheduler_say_thread(const scheduler_thread *thread)
{
    scheduler_say("\n  thread %u, %s: ", thread->number, thread->name);
    switch (thread->state) {
    case SCHEDULER_READY:
        scheduler_say("runs");
        break;
    case SCHEDULER_WAITS_LOCK:
        scheduler_say("waits for ");
        scheduler_say_lock(thread->lock);
        break;
    case SCHEDULER_WAITS_COND:
        scheduler_say("waits for a signal, with ");
        scheduler_say_lock(thread->lock);
        break;
    case SCHEDULER_WAITS_EVENT:
        scheduler_say("waits for an event");
        break;
    case SCHEDULER_WAITS_JOIN:
        scheduler_say("waits for the end of thread %u", thread->joined);
        break;
    case SCHEDULER_ENDED:
        scheduler_say("has ended");
        break;
    }
}

/* The run is over: the others leave, then the caller does. */
static void scheduler_fail(const scheduler_thread *me, const char *what)
{
    scheduler.report->has_failed = true;
    scheduler_say("seed %llu, hook %llu: %s", (unsigned long long)scheduler.options.seed,
                  (unsigned long long)scheduler.report->steps, what);
    for (uint32_t i = 0; i < scheduler.count; i++) {
        scheduler_say_thread(scheduler.threads[i]);
    }
    scheduler.is_ending = true;
    for (uint32_t i = 0; i < scheduler.count; i++) {
        if (scheduler.threads[i] != me && scheduler.threads[i]->state != SCHEDULER_ENDED) {
            scheduler_must(sem_post(&scheduler.threads[i]->baton));
        }
    }
    scheduler_die();
}

/* ---- drawing -------------------------------------------------------------------------------- */

static bool scheduler_chance(uint64_t every)
{
    return vv_random_below(&scheduler.random, every) == 0;
}

/* It sleeps until it is woken or its time is up. */
static bool scheduler_is_asleep(const scheduler_thread *thread)
{
    return thread->state == SCHEDULER_WAITS_COND || thread->state == SCHEDULER_WAITS_EVENT;
}

static bool scheduler_is_ready(const scheduler_thread *thread)
{
    return thread->state == SCHEDULER_READY ||
           (scheduler_is_asleep(thread) && thread->deadline_ns <= scheduler.now_ns);
}

static scheduler_thread *scheduler_highest(void)
{
    scheduler_thread *highest = NULL;
    for (uint32_t i = 0; i < scheduler.count; i++) {
        scheduler_thread *thread = scheduler.threads[i];
        if (scheduler_is_ready(thread) &&
            (highest == NULL || thread->priority > highest->priority)) {
            highest = thread;
        }
    }
    return highest;
}

static scheduler_thread *scheduler_any(void)
{
    scheduler_thread *ready[SCHEDULER_THREADS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < scheduler.count; i++) {
        if (scheduler_is_ready(scheduler.threads[i])) {
            ready[count++] = scheduler.threads[i];
        }
    }
    return count == 0 ? NULL : ready[vv_random_below(&scheduler.random, count)];
}

static int64_t scheduler_next_deadline(void)
{
    int64_t next_ns = VV_NO_DEADLINE;
    for (uint32_t i = 0; i < scheduler.count; i++) {
        const scheduler_thread *thread = scheduler.threads[i];
        if (scheduler_is_asleep(thread) && thread->deadline_ns < next_ns) {
            next_ns = thread->deadline_ns;
        }
    }
    return next_ns;
}

/* Z2 */
static void scheduler_pass_time(void)
{
    scheduler.now_ns += scheduler.manner.tick_ns;
    if (scheduler_chance(SCHEDULER_LEAP_EVERY)) {
        int64_t next_ns = scheduler_next_deadline();
        if (next_ns > scheduler.now_ns && next_ns - scheduler.now_ns <= SCHEDULER_LEAP_NS) {
            scheduler.now_ns = next_ns;
        }
    }
}

/* Z5 */
static void scheduler_wake_for_nothing(void)
{
    uint64_t every = scheduler.manner.spurious_every;
    if (every == 0 || !scheduler_chance(every)) {
        return;
    }
    uint64_t which = vv_random_below(&scheduler.random, scheduler.count);
    scheduler_thread *thread = scheduler.threads[which];
    if (scheduler_is_asleep(thread)) {
        thread->state = SCHEDULER_READY;
        thread->is_woken = true;
    }
}

/* Who runs next. NULL: nobody ever (Z3). */
static scheduler_thread *scheduler_draw(scheduler_thread *me, bool must_change)
{
    bool changes = scheduler_chance(scheduler.manner.change_every) || must_change;
    if (changes && scheduler.manner.has_priorities) {
        me->priority = --scheduler.lowest;
    }
    if (!changes && !scheduler.manner.has_priorities && me->state == SCHEDULER_READY) {
        return me;
    }
    scheduler_thread *next =
        scheduler.manner.has_priorities ? scheduler_highest() : scheduler_any();
    if (next == NULL && scheduler_next_deadline() != VV_NO_DEADLINE) {
        scheduler.now_ns = scheduler_next_deadline();
        next = scheduler.manner.has_priorities ? scheduler_highest() : scheduler_any();
    }
    return next;
}

static void scheduler_mix(uint64_t value)
{
    uint64_t hash = scheduler.report->trace ^ value;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    scheduler.report->trace = hash ^ (hash >> 29);
}

static void scheduler_note(const scheduler_thread *me, const char *what, uint64_t object)
{
    scheduler.report->steps++;
    scheduler_mix(me->number);
    for (const char *at = what; *at != '\0'; at++) {
        scheduler_mix((uint8_t)*at);
    }
    scheduler_mix(object);
    scheduler_mix((uint64_t)scheduler.now_ns);
    if (scheduler.options.trace != NULL) {
        (void)fprintf(scheduler.options.trace, "%llu %lld %u %s %s %llu\n",
                      (unsigned long long)scheduler.report->steps, (long long)scheduler.now_ns,
                      me->number, me->name, what, (unsigned long long)object);
    }
    if (scheduler.report->steps == scheduler.options.steps_max) {
        scheduler_fail(me, "the run does not end"); /* Z4 */
    }
    scheduler_pass_time();
    scheduler_wake_for_nothing();
}

static scheduler_thread *scheduler_next(scheduler_thread *me, bool must_change)
{
    scheduler_thread *next = scheduler_draw(me, must_change);
    if (next == NULL) {
        scheduler_fail(me, "deadlock");
    }
    return next;
}

/* Gives the baton to whoever is drawn, until it comes back. */
static void scheduler_go_on(scheduler_thread *me, bool must_change)
{
    scheduler_thread *next = scheduler_next(me, must_change);
    if (next != me) {
        scheduler.report->switches++;
        scheduler_must(sem_post(&next->baton));
        scheduler_take_baton(me);
        if (scheduler.is_ending) {
            scheduler_die();
        }
    }
    me->state = SCHEDULER_READY; /* of a condition: signalled or not, its wait is over */
}

void scheduler_hook(scheduler_thread *me, const char *what, uint64_t object)
{
    scheduler_note(me, what, object);
    scheduler_go_on(me, /* must change */ false);
}

void scheduler_hook_yield(scheduler_thread *me)
{
    scheduler.now_ns += SCHEDULER_YIELD_NS;
    scheduler_note(me, "yield", 0);
    scheduler_go_on(me, /* must change */ true);
}

void scheduler_step(const char *what, uint64_t object)
{
    scheduler_thread *me = scheduler_mine();
    if (me != NULL) {
        scheduler_hook(me, what, object);
    }
}

void scheduler_block(scheduler_thread *me, scheduler_state state)
{
    static const char *const names[] = {"ready",      "wait-lock", "wait",
                                        "wait-event", "wait-join", "ended"};
    uint64_t object = 0; /* events have no name but their address */
    if (state == SCHEDULER_WAITS_JOIN) {
        object = me->joined;
    } else if (state != SCHEDULER_WAITS_EVENT) {
        object = scheduler_lock_name(me->lock);
    }
    scheduler_note(me, names[state], object);
    me->state = state;
    scheduler_go_on(me, /* must change */ false);
}

/* ---- waking --------------------------------------------------------------------------------- */

void scheduler_wake_lock(const vv_mutex *lock)
{
    for (uint32_t i = 0; i < scheduler.count; i++) {
        scheduler_thread *thread = scheduler.threads[i];
        if (thread->state == SCHEDULER_WAITS_LOCK && thread->lock == lock) {
            thread->state = SCHEDULER_READY;
        }
    }
}

/* Any of those who wait: POSIX and the system's own order promise no more. */
static uint32_t scheduler_wake(scheduler_thread *const *waiting, uint32_t count, uint32_t most)
{
    scheduler_thread *left[SCHEDULER_THREADS_MAX];
    memcpy(left, waiting, count * sizeof *left);
    uint32_t woken = 0;
    for (; woken < count && woken < most; woken++) {
        uint32_t last = count - woken - 1;
        uint64_t at = most < count ? vv_random_below(&scheduler.random, last + 1) : last;
        left[at]->state = SCHEDULER_READY;
        left[at]->is_woken = true;
        left[at] = left[last];
    }
    return woken;
}

uint32_t scheduler_wake_cond(const vv_cond *cond, bool all)
{
    scheduler_thread *waiting[SCHEDULER_THREADS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < scheduler.count; i++) {
        scheduler_thread *thread = scheduler.threads[i];
        if (thread->state == SCHEDULER_WAITS_COND && thread->cond == cond) {
            waiting[count++] = thread;
        }
    }
    return scheduler_wake(waiting, count, all ? SCHEDULER_THREADS_MAX : 1);
}

uint32_t scheduler_wake_event(const vv_event *event, uint32_t most)
{
    scheduler_thread *waiting[SCHEDULER_THREADS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < scheduler.count; i++) {
        scheduler_thread *thread = scheduler.threads[i];
        if (thread->state == SCHEDULER_WAITS_EVENT && thread->event == event) {
            waiting[count++] = thread;
        }
    }
    return scheduler_wake(waiting, count, most);
}

/* ---- threads -------------------------------------------------------------------------------- */

static scheduler_thread *scheduler_add(const char *name, vv_thread *handle, scheduler_main main,
                                       void *context)
{
    VV_ASSERT(scheduler.count < SCHEDULER_THREADS_MAX);
    scheduler_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) {
        abort();
    }
    thread->number = scheduler.count;
    (void)snprintf(thread->name, sizeof thread->name, "%s", name);
    thread->handle = handle;
    thread->main = main;
    thread->context = context;
    thread->priority = (int64_t)(vv_random_u64(&scheduler.random) >> 2);
    scheduler_must(sem_init(&thread->baton, 0, 0));
    scheduler.threads[scheduler.count++] = thread;
    return thread;
}

static void scheduler_end_of(scheduler_thread *me)
{
    me->state = SCHEDULER_ENDED;
    for (uint32_t i = 0; i < scheduler.count; i++) {
        scheduler_thread *thread = scheduler.threads[i];
        if (thread->state == SCHEDULER_WAITS_JOIN && thread->joined == me->number) {
            thread->state = SCHEDULER_READY;
        }
    }
    bool is_last = true;
    for (uint32_t i = 0; i < scheduler.count; i++) {
        is_last = is_last && scheduler.threads[i]->state == SCHEDULER_ENDED;
    }
    if (is_last) {
        return;
    }
    if (me->number == 0) {
        scheduler_fail(me, "the first thread has ended, and not all others"); /* Z4 */
    }
    scheduler_must(sem_post(&scheduler_next(me, /* must change */ false)->baton));
}

static void *scheduler_trampoline(void *argument)
{
    scheduler_thread *me = argument;
    scheduler_take_baton(me);
    if (scheduler.is_ending) {
        scheduler_leave();
        return NULL;
    }
    scheduler_me = me;
    me->main(me->context);
    vv_mutex_assert_none_held();
    scheduler_note(me, "end", 0);
    scheduler_end_of(me);
    scheduler_leave();
    return NULL;
}

static int scheduler_launch(scheduler_thread *thread)
{
    atomic_fetch_add(&scheduler.living, 1);
    int result = pthread_create(&thread->native, NULL, scheduler_trampoline, thread);
    if (result != 0) {
        thread->state = SCHEDULER_ENDED;
        thread->is_joined = true;
        atomic_fetch_sub(&scheduler.living, 1);
    }
    return result;
}

int scheduler_start(scheduler_thread *me, vv_thread *handle)
{
    scheduler_thread *thread = scheduler_add(handle->name, handle, handle->main, handle->context);
    int result = scheduler_launch(thread);
    if (result == 0) {
        scheduler_hook(me, "start", thread->number);
    }
    return result;
}

bool scheduler_join(scheduler_thread *me, vv_thread *handle)
{
    scheduler_thread *thread = NULL;
    for (uint32_t i = 0; i < scheduler.count; i++) {
        if (scheduler.threads[i]->handle == handle && !scheduler.threads[i]->is_joined) {
            thread = scheduler.threads[i];
        }
    }
    if (thread == NULL) {
        return false;
    }
    scheduler_hook(me, "join", thread->number);
    if (thread->state != SCHEDULER_ENDED) {
        me->joined = thread->number;
        scheduler_block(me, SCHEDULER_WAITS_JOIN);
    }
    VV_ASSERT(thread->state == SCHEDULER_ENDED);
    scheduler_must(pthread_join(thread->native, NULL));
    thread->is_joined = true;
    return true;
}

/* ---- a run ---------------------------------------------------------------------------------- */

/* A failed assertion tells the seed too, then goes its way. */
static void scheduler_on_signal(int number)
{
    const char *name = scheduler_thread_name();
    (void)!write(STDERR_FILENO, scheduler.note, strlen(scheduler.note));
    (void)!write(STDERR_FILENO, name, strlen(name));
    (void)!write(STDERR_FILENO, "\n", 1);
    (void)sigaction(number, number == SIGABRT ? &scheduler.before_abort : &scheduler.before_segv,
                    NULL);
}

static void scheduler_catch_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = scheduler_on_signal;
    (void)snprintf(scheduler.note, sizeof scheduler.note, "schedule of seed %llu, thread ",
                   (unsigned long long)scheduler.options.seed);
    (void)sigaction(SIGABRT, &action, &scheduler.before_abort);
    (void)sigaction(SIGSEGV, &action, &scheduler.before_segv);
}

static void scheduler_draw_manner(void)
{
    static const uint64_t walks[] = {1, 2, 4, 16, 64, 256};
    static const uint64_t changes[] = {50, 300, 2000};
    static const uint64_t spurious[] = {0, 0, 20, 300};
    static const int64_t ticks_ns[] = {100, 1000, 10000};
    scheduler_manner *manner = &scheduler.manner;
    vv_random *random = &scheduler.random;
    manner->has_priorities = vv_random_below(random, 3) == 0;
    manner->spurious_every = spurious[vv_random_below(random, VV_ARRAY_COUNT(spurious))];
    manner->change_every = manner->has_priorities
                               ? changes[vv_random_below(random, VV_ARRAY_COUNT(changes))]
                               : walks[vv_random_below(random, VV_ARRAY_COUNT(walks))];
    manner->tick_ns = ticks_ns[vv_random_below(random, VV_ARRAY_COUNT(ticks_ns))];
}

void scheduler_run(const scheduler_options *options, scheduler_main main, void *context,
                   scheduler_report *out_report)
{
    VV_ASSERT(scheduler.count == 0 && scheduler_me == NULL);
    memset(out_report, 0, sizeof *out_report);
    scheduler.options = *options;
    if (options->steps_max == 0) {
        scheduler.options.steps_max = SCHEDULER_STEPS_MAX;
    }
    scheduler.report = out_report;
    scheduler.now_ns = VV_NS_PER_S; /* not 0, which could hide an unset time */
    scheduler.lowest = 0;
    scheduler.is_ending = false;
    vv_random_init(&scheduler.random, options->seed);
    scheduler_draw_manner();
    scheduler_must(sem_init(&scheduler.done, 0, 0));
    scheduler_catch_signals();
    scheduler_thread *first = scheduler_add("first", NULL, main, context);
    int result = scheduler_launch(first);
    VV_ASSERT(result == 0);
    scheduler_must(sem_post(&first->baton));
    while (sem_wait(&scheduler.done) != 0) {
        VV_ASSERT(errno == EINTR);
    }
    (void)sigaction(SIGABRT, &scheduler.before_abort, NULL);
    (void)sigaction(SIGSEGV, &scheduler.before_segv, NULL);
    out_report->threads = scheduler.count;
    for (uint32_t i = 0; i < scheduler.count; i++) {
        scheduler_thread *thread = scheduler.threads[i];
        if (!thread->is_joined) {
            scheduler_must(pthread_join(thread->native, NULL));
        }
        scheduler_must(sem_destroy(&thread->baton));
        free(thread);
    }
    scheduler.count = 0;
    scheduler_must(sem_destroy(&scheduler.done));
}
