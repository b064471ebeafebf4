/* SPDX-License-Identifier: Apache-2.0 */
/* A broken rule of locking is reported by one thread alone. Release builds check nothing. */
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "sys/thread.h"

typedef struct report {
    unsigned count;
    char text[200];
} report;

static void note_report(void *context, const char *text)
{
    report *r = context;
    r->count += 1;
    snprintf(r->text, sizeof r->text, "%s", text);
}

#ifdef NDEBUG
#define skip_in_release() skip()
#else
#define skip_in_release() ((void)0)
#endif

/* Thread sanitizer finds the same mistake in its own way, and fails the program for it. */
#ifdef __SANITIZE_THREAD__
#define skip_beside_tsan() skip()
#else
#define skip_beside_tsan() ((void)0)
#endif

static report last;
static vv_mutex low;
static vv_mutex high;
static vv_mutex shards[2];

static int begin(void **state)
{
    (void)state;
    memset(&last, 0, sizeof last);
    vv_lock_set_failure_hook(note_report, &last);
    check_ok(vv_mutex_init(&low, VV_RANK_FLUSH, 0, NULL), NULL);
    check_ok(vv_mutex_init(&high, VV_RANK_CACHE, 0, NULL), NULL);
    check_ok(vv_mutex_init(&shards[0], VV_RANK_SHARD, 0, NULL), NULL);
    check_ok(vv_mutex_init(&shards[1], VV_RANK_SHARD, 1, NULL), NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    vv_mutex_deinit(&low);
    vv_mutex_deinit(&high);
    vv_mutex_deinit(&shards[0]);
    vv_mutex_deinit(&shards[1]);
    vv_lock_set_failure_hook(NULL, NULL);
    return 0;
}

static void rising_ranks_are_fine(void **state)
{
    (void)state;
    vv_mutex_lock(&low);
    vv_mutex_lock(&shards[0]);
    vv_mutex_lock(&shards[1]);
    vv_mutex_lock(&high);
    vv_mutex_unlock(&low); /* in any order */
    vv_mutex_unlock(&high);
    vv_mutex_lock(&high);
    vv_mutex_unlock(&shards[1]);
    vv_mutex_unlock(&high);
    vv_mutex_unlock(&shards[0]);
    vv_mutex_assert_none_held();
    assert_int_equal(0, last.count);
}

static void a_lower_rank_is_reported(void **state)
{
    (void)state;
    skip_in_release();
    vv_mutex_lock(&high);
    vv_mutex_lock(&low);
    assert_int_equal(1, last.count);
    assert_string_equal("lock FLUSH/0 is taken while CACHE/0 is held", last.text);
    vv_mutex_unlock(&low);
    vv_mutex_unlock(&high);
    assert_int_equal(1, last.count);
}

static void shards_in_falling_order_are_reported(void **state)
{
    (void)state;
    skip_in_release();
    vv_mutex_lock(&shards[1]);
    vv_mutex_lock(&shards[0]);
    assert_int_equal(1, last.count);
    assert_string_equal("lock SHARD/0 is taken while SHARD/1 is held", last.text);
    vv_mutex_unlock(&shards[0]);
    vv_mutex_unlock(&shards[1]);
}

static void a_lower_lock_below_a_higher_that_was_taken_earlier_is_reported(void **state)
{
    (void)state;
    skip_in_release();
    vv_mutex_lock(&low);
    vv_mutex_lock(&high);
    vv_mutex_lock(&shards[0]); /* above low, but below high */
    assert_int_equal(1, last.count);
    vv_mutex_unlock(&shards[0]);
    vv_mutex_unlock(&high);
    vv_mutex_unlock(&low);
}

static void trying_is_not_waiting(void **state)
{
    (void)state;
    vv_mutex_lock(&high);
    assert_true(vv_mutex_try_lock(&low));
    assert_int_equal(0, last.count);
    vv_mutex_assert_held(&low);
    vv_mutex_unlock(&low);
    vv_mutex_unlock(&high);
}

static void assertions_know_what_is_held(void **state)
{
    (void)state;
    skip_in_release();
    vv_mutex_assert_held(&low);
    assert_int_equal(1, last.count);
    assert_string_equal("lock FLUSH is not held", last.text);
    vv_mutex_lock(&low);
    vv_mutex_assert_held(&low);
    assert_int_equal(1, last.count);
    vv_mutex_assert_none_held();
    assert_int_equal(2, last.count);
    assert_string_equal("lock FLUSH is held", last.text);
    vv_mutex_unlock(&low);
}

static void waiting_below_a_held_lock_is_reported(void **state)
{
    (void)state;
    skip_in_release();
    skip_beside_tsan();
    vv_cond cond;
    check_ok(vv_cond_init(&cond, NULL), NULL);
    vv_mutex_lock(&low);
    vv_mutex_lock(&high);
    assert_false(vv_cond_wait_until(&cond, &low, 0));
    assert_int_equal(1, last.count);
    assert_false(vv_cond_wait_until(&cond, &high, 0)); /* with an earlier one held: allowed */
    assert_int_equal(1, last.count);
    vv_mutex_unlock(&high);
    vv_mutex_unlock(&low);
    vv_cond_deinit(&cond);
}

static void ranks_have_names_and_rise_in_the_table(void **state)
{
    (void)state;
    int previous = 0;
#define CHECK_RANK(id, number, text)                           \
    assert_true(VV_RANK_##id > previous);                      \
    assert_string_equal(#id, vv_lock_rank_name(VV_RANK_##id)); \
    previous = VV_RANK_##id;
    VV_LOCK_RANK_MAP(CHECK_RANK)
#undef CHECK_RANK
    assert_string_equal("?", vv_lock_rank_name((vv_lock_rank)5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rising_ranks_are_fine, begin, end),
        cmocka_unit_test(ranks_have_names_and_rise_in_the_table),
        cmocka_unit_test_setup_teardown(a_lower_rank_is_reported, begin, end),
        cmocka_unit_test_setup_teardown(shards_in_falling_order_are_reported, begin, end),
        cmocka_unit_test_setup_teardown(
            a_lower_lock_below_a_higher_that_was_taken_earlier_is_reported, begin, end),
        cmocka_unit_test_setup_teardown(trying_is_not_waiting, begin, end),
        cmocka_unit_test_setup_teardown(assertions_know_what_is_held, begin, end),
        cmocka_unit_test_setup_teardown(waiting_below_a_held_lock_is_reported, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
