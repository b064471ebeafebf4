/* SPDX-License-Identifier: Apache-2.0 */
/* Events of sys/thread.h: the same tests for each way in which they are made. */
#ifndef VV_TESTS_SYS_EVENT_SUPPORT_H
#define VV_TESTS_SYS_EVENT_SUPPORT_H

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "support/check.h"
#include "sys/clock.h"
#include "sys/thread.h"

enum {
    EVENT_ROUNDS = 2000,
    EVENT_SLEEPERS = 6,
    EVENT_SECONDS_MAX = 60 /* of the whole program; it takes less than one */
};

static void event_time_is_up(int number)
{
    static const char text[] = "an event is waited for although it has advanced\n";
    (void)number;
    _exit(write(STDERR_FILENO, text, sizeof text - 1) > 0 ? 1 : 2);
}

static int event_begin(void **state)
{
    (void)state;
    (void)signal(SIGALRM, event_time_is_up);
    (void)alarm(EVENT_SECONDS_MAX);
    return 0;
}

/* Two threads pass a ball without a lock. */
typedef struct event_ball {
    vv_event event;
    atomic_uint turn, passes;
} event_ball;

typedef struct event_player {
    event_ball *ball;
    unsigned number;
} event_player;

static void event_play(void *context)
{
    event_player *player = context;
    event_ball *ball = player->ball;
    for (unsigned round = 0; round < EVENT_ROUNDS; round++) {
        for (;;) {
            uint32_t seen = vv_event_read(&ball->event);
            if (atomic_load(&ball->turn) == player->number) {
                break;
            }
            /* In turn with and without a deadline. */
            int64_t deadline_ns =
                round % 2 == 0 ? VV_NO_DEADLINE : vv_deadline_after_ns(60 * VV_NS_PER_S);
            assert_true(vv_event_wait_until(&ball->event, seen, deadline_ns));
        }
        atomic_fetch_add(&ball->passes, 1);
        atomic_store(&ball->turn, 1 - player->number);
        vv_event_advance(&ball->event);
        vv_event_wake(&ball->event, 1);
    }
}

/* T4 */
static void an_advance_between_looking_and_waiting_is_not_missed(void **state)
{
    (void)state;
    event_ball ball = {.turn = 0};
    event_player players[] = {{&ball, 0}, {&ball, 1}};
    vv_thread threads[2];
    for (size_t i = 0; i < 2; i++) {
        check_ok(vv_thread_start(&threads[i], "player", event_play, &players[i], NULL), NULL);
    }
    for (size_t i = 0; i < 2; i++) {
        vv_thread_join(&threads[i]);
    }
    assert_int_equal(2 * EVENT_ROUNDS, atomic_load(&ball.passes));
}

static void an_event_that_has_advanced_is_not_waited_for(void **state)
{
    (void)state;
    vv_event event = {0};
    uint32_t seen = vv_event_read(&event);
    vv_event_wake(&event, VV_EVENT_WAKE_ALL); /* nobody */
    vv_event_advance(&event);
    assert_int_not_equal(seen, vv_event_read(&event));
    assert_true(vv_event_wait_until(&event, seen, VV_NO_DEADLINE));
    assert_int_equal(0, atomic_load(&event.waiters));
}

static void a_wait_for_an_event_ends_at_its_deadline(void **state)
{
    (void)state;
    vv_event event = {0};
    assert_false(vv_event_wait_until(&event, 0, -5));
    assert_false(vv_event_wait_until(&event, 0, vv_mono_now_ns()));
    int64_t deadline_ns = vv_deadline_after_ns(2 * VV_NS_PER_MS);
    while (vv_event_wait_until(&event, 0, deadline_ns)) {
    }
    assert_true(vv_mono_now_ns() >= deadline_ns);
    assert_int_equal(0, atomic_load(&event.waiters));
}

typedef struct event_sleep {
    vv_event event;
    atomic_bool is_over;
    atomic_uint awake;
} event_sleep;

static void event_sleep_main(void *context)
{
    event_sleep *sleep = context;
    for (;;) {
        uint32_t seen = vv_event_read(&sleep->event);
        if (atomic_load(&sleep->is_over)) {
            break;
        }
        VV_IGNORE(vv_event_wait_until(&sleep->event, seen, VV_NO_DEADLINE));
    }
    atomic_fetch_add(&sleep->awake, 1);
}

static void one_wake_reaches_all_who_sleep(void **state)
{
    (void)state;
    event_sleep sleep = {.awake = 0};
    vv_thread threads[EVENT_SLEEPERS];
    for (size_t i = 0; i < EVENT_SLEEPERS; i++) {
        check_ok(vv_thread_start(&threads[i], "sleeper", event_sleep_main, &sleep, NULL), NULL);
    }
    while (atomic_load(&sleep.event.waiters) < EVENT_SLEEPERS) {
        vv_thread_yield();
    }
    assert_int_equal(0, atomic_load(&sleep.awake));
    atomic_store(&sleep.is_over, true);
    vv_event_advance(&sleep.event);
    vv_event_wake(&sleep.event, VV_EVENT_WAKE_ALL);
    for (size_t i = 0; i < EVENT_SLEEPERS; i++) {
        vv_thread_join(&threads[i]);
    }
    assert_int_equal(EVENT_SLEEPERS, atomic_load(&sleep.awake));
    assert_int_equal(0, atomic_load(&sleep.event.waiters));
}

static int event_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_advance_between_looking_and_waiting_is_not_missed),
        cmocka_unit_test(an_event_that_has_advanced_is_not_waited_for),
        cmocka_unit_test(a_wait_for_an_event_ends_at_its_deadline),
        cmocka_unit_test(one_wake_reaches_all_who_sleep),
    };
    return cmocka_run_group_tests(tests, event_begin, NULL);
}

#endif
