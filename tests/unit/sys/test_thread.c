/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "support/check.h"
#include "sys/clock.h"
#include "sys/thread.h"

/* ---- threads -------------------------------------------------------------------------------- */

typedef struct seen_thread {
    char name[32];
    uint64_t id;
    bool signals_are_blocked;
} seen_thread;

static void look_around(void *context)
{
    seen_thread *seen = context;
    sigset_t mask;
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    seen->id = vv_thread_id();
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->signals_are_blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1;
}

static void a_thread_has_a_name_and_no_signals(void **state)
{
    (void)state;
    vv_thread thread;
    seen_thread seen = {.id = 0};
    varve_error err;
    check_ok(vv_thread_start(&thread, "varve-background-work", look_around, &seen, &err), &err);
    vv_thread_join(&thread);
    vv_thread_join(&thread); /* a second time does nothing */
    assert_string_equal("varve-backgroun", seen.name);
    assert_int_not_equal(0, seen.id);
    assert_int_not_equal(vv_thread_id(), seen.id);
    assert_true(seen.signals_are_blocked);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(0, sigismember(&mask, SIGTERM)); /* the caller's are as before */
}

static void joining_a_thread_that_never_was_does_nothing(void **state)
{
    (void)state;
    vv_thread thread = {.is_started = false};
    vv_thread_join(&thread);
}

/* ---- mutex and condition -------------------------------------------------------------------- */

#define ROUNDS 2000

/* Two threads pass a ball: each waits until it is its turn. */
typedef struct ball {
    vv_mutex lock;
    vv_cond turned;
    unsigned turn;   /* guarded by lock */
    unsigned passes; /* guarded by lock */
} ball;

typedef struct player {
    ball *ball;
    unsigned number;
} player;

static void play(void *context)
{
    player *p = context;
    for (unsigned round = 0; round < ROUNDS; ++round) {
        vv_mutex_lock(&p->ball->lock);
        while (p->ball->turn != p->number) {
            assert_true(vv_cond_wait_until(&p->ball->turned, &p->ball->lock,
                                           vv_deadline_after_ns(60 * VV_NS_PER_S)));
        }
        p->ball->turn = 1 - p->number;
        p->ball->passes += 1;
        vv_cond_signal(&p->ball->turned);
        vv_mutex_unlock(&p->ball->lock);
    }
}

static void two_threads_take_turns(void **state)
{
    (void)state;
    ball b = {.turn = 0};
    check_ok(vv_mutex_init(&b.lock, VV_RANK_TEST_LOW, 0, NULL), NULL);
    check_ok(vv_cond_init(&b.turned, NULL), NULL);
    player players[] = {{&b, 0}, {&b, 1}};
    vv_thread threads[2];
    for (size_t i = 0; i < 2; ++i) {
        check_ok(vv_thread_start(&threads[i], "player", play, &players[i], NULL), NULL);
    }
    for (size_t i = 0; i < 2; ++i) {
        vv_thread_join(&threads[i]);
    }
    assert_int_equal(2 * ROUNDS, b.passes);
    vv_cond_deinit(&b.turned);
    vv_mutex_deinit(&b.lock);
}

static void hold_until_told(void *context)
{
    ball *b = context;
    vv_mutex_lock(&b->lock);
    b->turn = 1;
    vv_cond_broadcast(&b->turned);
    while (b->turn == 1) {
        vv_cond_wait_until(&b->turned, &b->lock, VV_NO_DEADLINE);
    }
    vv_mutex_unlock(&b->lock);
}

static void an_endless_wait_ends_by_a_signal(void **state)
{
    (void)state;
    ball b = {.turn = 0};
    check_ok(vv_mutex_init(&b.lock, VV_RANK_TEST_LOW, 0, NULL), NULL);
    check_ok(vv_cond_init(&b.turned, NULL), NULL);
    vv_thread thread;
    check_ok(vv_thread_start(&thread, "holder", hold_until_told, &b, NULL), NULL);
    vv_mutex_lock(&b.lock);
    while (b.turn == 0) {
        vv_cond_wait_until(&b.turned, &b.lock, VV_NO_DEADLINE);
    }
    b.turn = 2;
    vv_cond_broadcast(&b.turned);
    vv_mutex_unlock(&b.lock);
    vv_thread_join(&thread);
    vv_cond_deinit(&b.turned);
    vv_mutex_deinit(&b.lock);
}

static void a_wait_ends_at_its_deadline(void **state)
{
    (void)state;
    vv_mutex lock;
    vv_cond cond;
    check_ok(vv_mutex_init(&lock, VV_RANK_TEST_LOW, 0, NULL), NULL);
    check_ok(vv_cond_init(&cond, NULL), NULL);
    vv_mutex_lock(&lock);
    assert_false(vv_cond_wait_until(&cond, &lock, -5));
    assert_false(vv_cond_wait_until(&cond, &lock, vv_mono_now_ns()));
    int64_t deadline_ns = vv_deadline_after_ns(2 * VV_NS_PER_MS);
    while (vv_cond_wait_until(&cond, &lock, deadline_ns)) {
    }
    assert_true(vv_mono_now_ns() >= deadline_ns);
    vv_mutex_unlock(&lock);
    vv_cond_deinit(&cond);
    vv_mutex_deinit(&lock);
}

static void try_it(void *context)
{
    vv_mutex *lock = context;
    assert_false(vv_mutex_try_lock(lock));
}

static void a_held_mutex_is_not_taken_by_trying(void **state)
{
    (void)state;
    static vv_mutex lock = VV_MUTEX_INIT(VV_RANK_TEST_LOW);
    vv_thread thread;
    vv_mutex_lock(&lock);
    check_ok(vv_thread_start(&thread, "tries", try_it, &lock, NULL), NULL);
    vv_thread_join(&thread);
    vv_mutex_unlock(&lock);
    assert_true(vv_mutex_try_lock(&lock));
    vv_mutex_unlock(&lock);
}

/* ---- once ----------------------------------------------------------------------------------- */

static vv_once once = VV_ONCE_INIT;
static atomic_uint once_calls;

static void count_call(void)
{
    atomic_fetch_add(&once_calls, 1);
}

static void run_once(void *context)
{
    (void)context;
    vv_once_run(&once, count_call);
    assert_int_equal(1, atomic_load(&once_calls));
    vv_thread_yield();
}

static void a_once_function_runs_once(void **state)
{
    (void)state;
    vv_thread threads[8];
    for (size_t i = 0; i < 8; ++i) {
        check_ok(vv_thread_start(&threads[i], "once", run_once, NULL, NULL), NULL);
    }
    for (size_t i = 0; i < 8; ++i) {
        vv_thread_join(&threads[i]);
    }
    assert_int_equal(1, atomic_load(&once_calls));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_has_a_name_and_no_signals),
        cmocka_unit_test(joining_a_thread_that_never_was_does_nothing),
        cmocka_unit_test(two_threads_take_turns),
        cmocka_unit_test(an_endless_wait_ends_by_a_signal),
        cmocka_unit_test(a_wait_ends_at_its_deadline),
        cmocka_unit_test(a_held_mutex_is_not_taken_by_trying),
        cmocka_unit_test(a_once_function_runs_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
