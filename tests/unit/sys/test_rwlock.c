/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/rwlock.h"

#include <stdatomic.h>
#include <string.h>

#include "support/check.h"
#include "sys/thread.h"

#define ROUNDS 2000

typedef struct shared {
    vv_rwlock lock;
    uint64_t left, right; /* equal whenever nobody writes */
    atomic_uint readers;
    atomic_uint readers_most;
    atomic_uint failures;
    atomic_uint inside; /* readers that wait for each other */
} shared;

static void writer_main(void *context)
{
    shared *all = context;
    for (int round = 0; round < ROUNDS; round++) {
        vv_rwlock_write_lock(&all->lock);
        vv_rwlock_assert_written(&all->lock);
        if (atomic_load(&all->readers) != 0) {
            atomic_fetch_add(&all->failures, 1);
        }
        all->left++;
        all->right++;
        vv_rwlock_write_unlock(&all->lock);
    }
}

static void reader_main(void *context)
{
    shared *all = context;
    for (int round = 0; round < ROUNDS; round++) {
        vv_rwlock_read_lock(&all->lock);
        atomic_fetch_add(&all->readers, 1);
        if (all->left != all->right) {
            atomic_fetch_add(&all->failures, 1);
        }
        atomic_fetch_sub(&all->readers, 1);
        vv_rwlock_read_unlock(&all->lock);
    }
}

static void run(shared *all, const vv_thread_main *mains, size_t count)
{
    vv_thread threads[4];
    memset(threads, 0, sizeof threads);
    varve_error err = {.status = VARVE_OK};
    for (size_t index = 0; index < count; index++) {
        check_ok(vv_thread_start(&threads[index], "rwlock", mains[index], all, &err), &err);
    }
    for (size_t index = 0; index < count; index++) {
        vv_thread_join(&threads[index]);
    }
}

static void writers_are_alone(void **state)
{
    (void)state;
    static shared all;
    varve_error err = {.status = VARVE_OK};
    check_ok(vv_rwlock_init(&all.lock, VV_RANK_TEST_LOW, &err), &err);
    const vv_thread_main mains[] = {writer_main, reader_main, writer_main, reader_main};
    run(&all, mains, 4);
    assert_int_equal(all.failures, 0);
    assert_int_equal(all.left, 2 * ROUNDS);
    vv_rwlock_deinit(&all.lock);
}

/* Each waits inside for the other: only readers that share the lock come out again. */
static void meeting_main(void *context)
{
    shared *all = context;
    vv_rwlock_read_lock(&all->lock);
    atomic_fetch_add(&all->inside, 1);
    while (atomic_load(&all->inside) < 2) {
        vv_thread_yield();
    }
    vv_rwlock_read_unlock(&all->lock);
}

static void readers_share(void **state)
{
    (void)state;
    static shared all;
    varve_error err = {.status = VARVE_OK};
    check_ok(vv_rwlock_init(&all.lock, VV_RANK_TEST_LOW, &err), &err);
    const vv_thread_main mains[] = {meeting_main, meeting_main};
    run(&all, mains, 2);
    assert_int_equal(all.inside, 2);
    vv_rwlock_write_lock(&all.lock);
    vv_rwlock_write_unlock(&all.lock);
    vv_rwlock_deinit(&all.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_are_alone),
        cmocka_unit_test(readers_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
