/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler itself: toys with and without defects, under many seeds (scheduler.h, Z1 to Z6). */
#include "support/check.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/sched/scheduler.h"
#include "sys/clock.h"
#include "sys/thread.h"

enum { TOY_THREADS = 3, TOY_ROUNDS = 4, TOY_SEEDS = 100 };

/* What the threads of a toy share. */
typedef struct toy {
    vv_mutex first, second;
    vv_cond cond;
    vv_event event;
    void (*part)(struct toy *toy, uint32_t number);
    vv_thread threads[TOY_THREADS];
    atomic_uint next;
    bool is_locked; /* the toy without its defect */
    bool is_violated;
    uint32_t inside;
    uint32_t total;
    uint32_t woken;
    int64_t times[TOY_THREADS];
} toy;

static void toy_thread_main(void *context)
{
    toy *t = context;
    t->part(t, atomic_fetch_add(&t->next, 1));
}

static void toy_main(void *context)
{
    toy *t = context;
    varve_error err;
    static const char *const names[TOY_THREADS] = {"anna", "bert", "carl"};
    for (uint32_t i = 0; i < TOY_THREADS; i++) {
        check_ok(vv_thread_start(&t->threads[i], names[i], toy_thread_main, t, &err), &err);
    }
    for (uint32_t i = 0; i < TOY_THREADS; i++) {
        vv_thread_join(&t->threads[i]);
    }
}

static void toy_init(toy *t, void (*part)(toy *, uint32_t), bool is_locked)
{
    varve_error err;
    memset(t, 0, sizeof *t);
    check_ok(vv_mutex_init(&t->first, VV_RANK_TEST_LOW, 1, &err), &err);
    check_ok(vv_mutex_init(&t->second, VV_RANK_TEST_LOW, 2, &err), &err);
    check_ok(vv_cond_init(&t->cond, &err), &err);
    t->part = part;
    t->is_locked = is_locked;
}

static void toy_deinit(toy *t)
{
    vv_cond_deinit(&t->cond);
    vv_mutex_deinit(&t->second);
    vv_mutex_deinit(&t->first);
}

/* For runs that may fail: the memory of locks that stay locked is not used again for others. */
static toy *toy_create(void (*part)(toy *, uint32_t), bool is_locked)
{
    toy *t = malloc(sizeof *t);
    assert_non_null(t);
    toy_init(t, part, is_locked);
    return t;
}

static void toy_free(toy *t, bool has_failed)
{
    if (!has_failed) {
        toy_deinit(t);
    }
    free(t);
}

static scheduler_report toy_run(toy *t, uint64_t seed)
{
    scheduler_report report;
    scheduler_options options = {.seed = seed, .steps_max = 20000};
    scheduler_run(&options, toy_main, t, &report);
    return report;
}

/* A run that must end well. */
static scheduler_report toy_play(void (*part)(toy *, uint32_t), bool is_locked, uint64_t seed,
                                 toy *t)
{
    toy_init(t, part, is_locked);
    scheduler_report report = toy_run(t, seed);
    if (report.has_failed) {
        fail_msg("%s", report.failure);
    }
    toy_deinit(t);
    return report;
}

/* ---- toys ----------------------------------------------------------------------------------- */

/* An update that is lost when another comes between reading and writing. */
static void toy_update(toy *t, uint32_t number)
{
    (void)number;
    for (uint32_t i = 0; i < TOY_ROUNDS; i++) {
        if (t->is_locked) {
            vv_mutex_lock(&t->first);
        }
        uint32_t seen = t->total;
        scheduler_step("between", i);
        t->total = seen + 1;
        if (t->is_locked) {
            vv_mutex_unlock(&t->first);
        }
    }
}

/* The lock is given up for a moment, and what was seen under it is believed. */
static void toy_enter(toy *t, uint32_t number)
{
    (void)number;
    vv_mutex_lock(&t->first);
    bool is_free = t->inside == 0;
    if (!t->is_locked) {
        vv_mutex_unlock(&t->first);
        vv_mutex_lock(&t->first);
    }
    if (is_free) {
        t->inside++;
        t->is_violated = t->is_violated || t->inside > 1;
        vv_mutex_lock(&t->second);
        vv_mutex_unlock(&t->second);
        t->inside--;
    }
    vv_mutex_unlock(&t->first);
}

/* Inside of a critical section that is entered with the test alone: two may be in it. */
static void toy_overlap(toy *t, uint32_t number)
{
    (void)number;
    vv_mutex_lock(&t->first);
    bool enters = t->is_locked ? t->inside == 0 : true;
    t->inside += enters ? 1 : 0;
    t->is_violated = t->is_violated || t->inside > 1;
    vv_mutex_unlock(&t->first);
    vv_thread_yield();
    vv_mutex_lock(&t->first);
    t->inside -= enters ? 1 : 0;
    vv_mutex_unlock(&t->first);
}

/* Two locks, in an order that depends on who asks. */
static void toy_cross(toy *t, uint32_t number)
{
    bool is_crossed = number == 1 && !t->is_locked;
    vv_mutex *one = is_crossed ? &t->second : &t->first;
    vv_mutex *other = is_crossed ? &t->first : &t->second;
    vv_mutex_lock(one);
    vv_mutex_lock(other);
    vv_mutex_unlock(other);
    vv_mutex_unlock(one);
}

/* The last one who comes wakes the others. */
static void toy_meet(toy *t, uint32_t number)
{
    (void)number;
    vv_mutex_lock(&t->first);
    t->total++;
    if (t->total == TOY_THREADS) {
        if (t->is_locked) {
            vv_cond_broadcast(&t->cond);
        } else {
            vv_cond_signal(&t->cond); /* one of two */
        }
    }
    while (t->total < TOY_THREADS) {
        VV_IGNORE(vv_cond_wait_until(&t->cond, &t->first, VV_NO_DEADLINE));
    }
    vv_mutex_unlock(&t->first);
}

/* Waits without a loop, which a wake for no reason ends too early. */
static void toy_trust(toy *t, uint32_t number)
{
    vv_mutex_lock(&t->first);
    if (number == TOY_THREADS - 1) {
        t->total = 1;
        vv_cond_broadcast(&t->cond);
    } else if (t->total == 0) {
        do {
            VV_IGNORE(vv_cond_wait_until(&t->cond, &t->first, VV_NO_DEADLINE));
        } while (t->is_locked && t->total == 0);
        t->is_violated = t->is_violated || t->total == 0;
    }
    vv_mutex_unlock(&t->first);
}

/* The same without a lock. */
static void toy_gather(toy *t, uint32_t number)
{
    (void)number;
    t->total++;
    if (t->total == TOY_THREADS) {
        vv_event_advance(&t->event);
        vv_event_wake(&t->event, t->is_locked ? VV_EVENT_WAKE_ALL : 1); /* one of two */
    }
    for (;;) {
        uint32_t seen = vv_event_read(&t->event);
        if (t->total == TOY_THREADS) {
            return;
        }
        VV_IGNORE(vv_event_wait_until(&t->event, seen, VV_NO_DEADLINE));
    }
}

/* Reads the event after it has looked: what comes between is missed. */
static void toy_oversleep(toy *t, uint32_t number)
{
    if (number == TOY_THREADS - 1) {
        t->total = 1;
        vv_event_advance(&t->event);
        vv_event_wake(&t->event, VV_EVENT_WAKE_ALL);
        return;
    }
    for (;;) {
        uint32_t seen = vv_event_read(&t->event);
        bool has_come = t->total == 1;
        scheduler_step("between", number);
        if (!t->is_locked) {
            seen = vv_event_read(&t->event);
        }
        if (has_come) {
            return;
        }
        VV_IGNORE(vv_event_wait_until(&t->event, seen, VV_NO_DEADLINE));
    }
}

/* Each sleeps for another time: carl the longest. */
static void toy_sleep(toy *t, uint32_t number)
{
    vv_mutex_lock(&t->first);
    int64_t until_ns = vv_deadline_after_ns((1 + (int64_t)number) * 3600 * VV_NS_PER_S);
    while (vv_mono_now_ns() < until_ns) {
        if (vv_cond_wait_until(&t->cond, &t->first, until_ns)) {
            t->woken++;
        }
    }
    t->times[number] = vv_mono_now_ns() - until_ns;
    t->is_violated = t->is_violated || t->total != number;
    t->total++;
    vv_mutex_unlock(&t->first);
}

static void toy_doze(toy *t, uint32_t number)
{
    int64_t until_ns = vv_deadline_after_ns((1 + (int64_t)number) * 3600 * VV_NS_PER_S);
    while (vv_event_wait_until(&t->event, 0, until_ns)) {
        t->woken++;
    }
    t->times[number] = vv_mono_now_ns() - until_ns;
    t->is_violated = t->is_violated || t->total != number || t->times[number] < 0;
    t->total++;
}

static void toy_spin(toy *t, uint32_t number)
{
    while (number == 0 && t->total == 0) {
        vv_thread_yield();
    }
}

static void toy_try(toy *t, uint32_t number)
{
    (void)number;
    if (vv_mutex_try_lock(&t->first)) {
        t->inside++;
        t->is_violated = t->is_violated || t->inside > 1;
        vv_thread_yield();
        t->inside--;
        vv_mutex_unlock(&t->first);
    } else {
        t->total++;
    }
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* Z1 */
static void the_same_seed_gives_the_same_trace(void **state)
{
    (void)state;
    static void (*const parts[])(toy *, uint32_t) = {
        toy_update, toy_enter, toy_meet, toy_gather, toy_oversleep, toy_doze, toy_sleep, toy_try};
    for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++) {
        for (uint64_t seed = 0; seed < TOY_SEEDS; seed++) {
            toy one;
            toy other;
            scheduler_report first = toy_play(parts[part], true, seed, &one);
            scheduler_report second = toy_play(parts[part], true, seed, &other);
            assert_true(first.trace == second.trace);
            assert_int_equal(first.steps, second.steps);
            assert_int_equal(first.switches, second.switches);
            assert_int_equal(first.threads, TOY_THREADS + 1);
        }
    }
}

static void different_seeds_give_different_traces(void **state)
{
    (void)state;
    static uint64_t traces[TOY_SEEDS];
    uint32_t distinct = 0;
    for (uint64_t seed = 0; seed < TOY_SEEDS; seed++) {
        toy t;
        traces[seed] = toy_play(toy_update, true, seed, &t).trace;
        uint64_t before = 0;
        while (traces[before] != traces[seed]) {
            before++;
        }
        distinct += before == seed ? 1 : 0;
    }
    assert_true(distinct > TOY_SEEDS / 2); /* some change threads so seldom that a toy has ended */
}

static void a_lost_update_is_found(void **state)
{
    (void)state;
    uint32_t lost = 0;
    uint32_t outcomes[TOY_THREADS * TOY_ROUNDS + 1] = {0};
    for (uint64_t seed = 0; seed < TOY_SEEDS; seed++) {
        toy t;
        toy_play(toy_update, false, seed, &t);
        lost += t.total < TOY_THREADS * TOY_ROUNDS ? 1 : 0;
        outcomes[t.total]++;
        toy_play(toy_update, true, seed, &t);
        assert_int_equal(t.total, TOY_THREADS * TOY_ROUNDS);
    }
    assert_in_range(lost, TOY_SEEDS / 4, TOY_SEEDS - 1);
    uint32_t kinds = 0;
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        kinds += outcomes[i] > 0 ? 1 : 0;
    }
    assert_true(kinds > 4);
}

static void two_in_one_critical_section_are_found(void **state)
{
    (void)state;
    static void (*const parts[])(toy *, uint32_t) = {toy_overlap, toy_trust};
    for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++) {
        uint32_t violated = 0;
        for (uint64_t seed = 0; seed < TOY_SEEDS; seed++) {
            toy t;
            toy_play(parts[part], false, seed, &t);
            violated += t.is_violated ? 1 : 0;
            toy_play(parts[part], true, seed, &t);
            assert_false(t.is_violated);
        }
        assert_true(violated > 0);
    }
}

static void a_held_lock_keeps_others_out(void **state)
{
    (void)state;
    uint32_t refused = 0;
    for (uint64_t seed = 0; seed < TOY_SEEDS; seed++) {
        toy t;
        toy_play(toy_try, true, seed, &t);
        assert_false(t.is_violated);
        refused += t.total;
        toy_play(toy_enter, true, seed, &t);
        assert_false(t.is_violated);
    }
    assert_true(refused > 0);
}

static void toy_ignore_ranks(void *context, const char *text)
{
    (void)text;
    atomic_fetch_add((atomic_uint *)context, 1);
}

/* Z3, Z6. The failed run leaves its locks locked: they are not ended. */
static void a_deadlock_is_reported_with_names(void **state)
{
    (void)state;
    uint32_t found = 0;
    atomic_uint ranks = 0;
    vv_lock_set_failure_hook(toy_ignore_ranks, &ranks);
    for (uint64_t seed = 0; seed < TOY_SEEDS; seed++) {
        toy *crossed = toy_create(toy_cross, false);
        scheduler_report report = toy_run(crossed, seed);
        if (report.has_failed) {
            char begin[40];
            snprintf(begin, sizeof begin, "seed %llu, hook ", (unsigned long long)seed);
            found++;
            assert_non_null(strstr(report.failure, begin));
            assert_non_null(strstr(report.failure, "deadlock"));
            assert_non_null(strstr(report.failure, "waits for lock TEST_LOW/1 (held by thread"));
            assert_non_null(strstr(report.failure, "waits for lock TEST_LOW/2 (held by thread"));
            assert_non_null(strstr(report.failure, "thread 1, anna"));
            assert_non_null(strstr(report.failure, "thread 0, first: waits for the end of"));
        }
        toy_free(crossed, report.has_failed);
        toy t;
        toy_play(toy_cross, true, seed, &t);
    }
    vv_lock_set_failure_hook(NULL, NULL);
    assert_in_range(found, 1, TOY_SEEDS - 1);
#ifndef NDEBUG
    assert_true(atomic_load(&ranks) > 0);
#endif
}

/* Z3, Z5 */
static void a_signal_wakes_one_and_a_broadcast_all(void **state)
{
    (void)state;
    uint32_t hung = 0;
    for (uint64_t seed = 0; seed < TOY_SEEDS; seed++) {
        toy t;
        toy_play(toy_meet, true, seed, &t);
        toy *hasty = toy_create(toy_meet, false);
        scheduler_report report = toy_run(hasty, seed);
        if (report.has_failed) {
            hung++;
            assert_non_null(strstr(report.failure, "waits for a signal, with lock TEST_LOW/1"));
        }
        toy_free(hasty, report.has_failed);
    }
    assert_in_range(hung, TOY_SEEDS / 2, TOY_SEEDS);
}

/* Z3, Z5 */
static void a_missed_event_is_found(void **state)
{
    (void)state;
    static void (*const parts[])(toy *, uint32_t) = {toy_gather, toy_oversleep};
    for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++) {
        uint32_t hung = 0;
        for (uint64_t seed = 0; seed < TOY_SEEDS; seed++) {
            toy t;
            toy_play(parts[part], true, seed, &t);
            toy *hasty = toy_create(parts[part], false);
            scheduler_report report = toy_run(hasty, seed);
            if (report.has_failed) {
                hung++;
                assert_non_null(strstr(report.failure, "deadlock"));
                assert_non_null(strstr(report.failure, "waits for an event"));
            }
            toy_free(hasty, report.has_failed);
        }
        assert_in_range(hung, 3, TOY_SEEDS);
    }
}

/* Z2 */
static void deadlines_come_in_order_and_cost_no_time(void **state)
{
    (void)state;
    static void (*const parts[])(toy *, uint32_t) = {toy_sleep, toy_doze};
    uint32_t woken[2] = {0};
    int64_t begun_ns = vv_mono_now_ns();
    for (uint64_t seed = 0; seed < 2 * TOY_SEEDS; seed++) {
        toy t;
        toy_play(parts[seed % 2], true, seed / 2, &t);
        assert_false(t.is_violated);
        assert_int_equal(t.total, TOY_THREADS);
        woken[seed % 2] += t.woken;
        for (uint32_t i = 0; i < TOY_THREADS; i++) {
            assert_in_range(t.times[i], 0, VV_NS_PER_S);
        }
    }
    assert_true(woken[0] > 0 && woken[1] > 0); /* for no reason, in some seeds */
    assert_true(vv_mono_now_ns() - begun_ns < 3600 * VV_NS_PER_S);
}

/* Z4 */
static void a_run_without_end_is_reported(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        toy t;
        toy_init(&t, toy_spin, true);
        scheduler_report report = toy_run(&t, seed);
        assert_true(report.has_failed);
        assert_non_null(strstr(report.failure, "does not end"));
        assert_non_null(strstr(report.failure, ": has ended"));
        toy_deinit(&t);
    }
}

static void toy_main_leaves(void *context)
{
    toy *t = context;
    varve_error err;
    check_ok(vv_thread_start(&t->threads[0], "anna", toy_thread_main, t, &err), &err);
}

static void threads_that_outlive_the_first_are_named(void **state)
{
    (void)state;
    scheduler_report report;
    scheduler_options options = {.seed = 1, .steps_max = 1000};
    toy *t = toy_create(toy_meet, true); /* waits for two who never come */
    scheduler_run(&options, toy_main_leaves, t, &report);
    assert_true(report.has_failed);
    assert_non_null(strstr(report.failure, "the first thread has ended"));
    assert_non_null(strstr(report.failure, "anna"));
    toy_free(t, report.has_failed);
}

/* Z6 */
static void without_a_run_locks_and_clocks_are_ordinary(void **state)
{
    (void)state;
    toy t;
    toy_init(&t, toy_meet, true);
    int64_t begun_ns = vv_mono_now_ns();
    toy_main(&t);
    assert_int_equal(t.total, TOY_THREADS);
    vv_mutex_lock(&t.first);
    assert_false(vv_cond_wait_until(&t.cond, &t.first, vv_deadline_after_ns(1)));
    vv_mutex_unlock(&t.first);
    assert_true(vv_mono_now_ns() > begun_ns);
    toy other;
    toy_init(&other, toy_gather, true);
    atomic_store(&other.next, 0);
    other.total = TOY_THREADS - 1; /* nobody has to wait for another */
    toy_gather(&other, 0);
    assert_false(vv_event_wait_until(&other.event, 1, vv_mono_now_ns()));
    toy_deinit(&other);
    assert_string_equal(scheduler_thread_name(), "");
    toy_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
        cmocka_unit_test(different_seeds_give_different_traces),
        cmocka_unit_test(a_lost_update_is_found),
        cmocka_unit_test(two_in_one_critical_section_are_found),
        cmocka_unit_test(a_held_lock_keeps_others_out),
        cmocka_unit_test(a_deadlock_is_reported_with_names),
        cmocka_unit_test(a_signal_wakes_one_and_a_broadcast_all),
        cmocka_unit_test(a_missed_event_is_found),
        cmocka_unit_test(deadlines_come_in_order_and_cost_no_time),
        cmocka_unit_test(a_run_without_end_is_reported),
        cmocka_unit_test(threads_that_outlive_the_first_are_named),
        cmocka_unit_test(without_a_run_locks_and_clocks_are_ordinary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
