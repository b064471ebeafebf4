/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "support/check.h"
#include "sys/rwlock.h"

#define ROUNDS 1000

static vv_rwlock lock;
static atomic_int readers;
static atomic_int readers_max;
static atomic_int writers;
static long counter; /* written by the writer only */

static void read_rounds(void *context)
{
    (void)context;
    for (int round = 0; round < ROUNDS; ++round) {
        vv_rwlock_read_lock(&lock);
        int now = atomic_fetch_add(&readers, 1) + 1;
        int max = atomic_load(&readers_max);
        while (now > max && !atomic_compare_exchange_weak(&readers_max, &max, now)) {
        }
        assert_int_equal(0, atomic_load(&writers));
        atomic_fetch_sub(&readers, 1);
        vv_rwlock_read_unlock(&lock);
    }
}

static void write_rounds(void *context)
{
    (void)context;
    for (int round = 0; round < ROUNDS; ++round) {
        vv_rwlock_write_lock(&lock);
        vv_rwlock_assert_written(&lock);
        assert_int_equal(1, atomic_fetch_add(&writers, 1) + 1);
        assert_int_equal(0, atomic_load(&readers));
        counter += 1;
        atomic_fetch_sub(&writers, 1);
        vv_rwlock_write_unlock(&lock);
    }
}

static void a_writer_is_alone(void **state)
{
    (void)state;
    vv_thread threads[5];
    check_ok(vv_rwlock_init(&lock, VV_RANK_TEST_LOW, NULL), NULL);
    for (size_t i = 0; i < 5; ++i) {
        vv_thread_main main = i < 3 ? read_rounds : write_rounds;
        check_ok(vv_thread_start(&threads[i], "rwlock", main, NULL, NULL), NULL);
    }
    for (size_t i = 0; i < 5; ++i) {
        vv_thread_join(&threads[i]);
    }
    assert_int_equal(2 * ROUNDS, counter);
    vv_rwlock_deinit(&lock);
}

static void read_once(void *context)
{
    (void)context;
    vv_rwlock_read_lock(&lock);
    atomic_fetch_add(&readers_max, 1);
    vv_rwlock_read_unlock(&lock);
}

static void readers_hold_it_together(void **state)
{
    (void)state;
    vv_thread thread;
    atomic_store(&readers_max, 0);
    check_ok(vv_rwlock_init(&lock, VV_RANK_TEST_LOW, NULL), NULL);
    vv_rwlock_read_lock(&lock);
    check_ok(vv_thread_start(&thread, "reader", read_once, NULL, NULL), NULL);
    vv_thread_join(&thread); /* would hang if it had to wait for this thread */
    assert_int_equal(1, atomic_load(&readers_max));
    vv_rwlock_read_unlock(&lock);
    vv_rwlock_deinit(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_is_alone),
        cmocka_unit_test(readers_hold_it_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
