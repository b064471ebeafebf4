/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of a tour through the interface fails in turn: no crash, no leak, no descriptor
 * left, no partial effect, no wrong answer. VARVE_ALLOC_STRIDE=1 tries all of them (default: a
 * sample).
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/failing_alloc.h"
#include "support/memory_world.h"
#include "support/setting.h"
#include "support/tour.h"

typedef struct allocations {
    memory_world *world;
    failing_alloc source;
    varve_allocator allocator;
    varve_options options;
    tour tour;
} allocations;

static void allocations_begin(allocations *a)
{
    memset(a, 0, sizeof *a);
    a->world = memory_world_create();
    failing_alloc_init(&a->source);
    a->allocator = failing_alloc_source(&a->source);
    varve_options_init(&a->options);
    a->options.allocator = &a->allocator;
    a->options.environment = memory_world_environment(a->world);
    a->options.flags = VARVE_OPEN_NO_BACKGROUND;
    a->options.memory_limit_bytes = UINT64_C(64) << 20;
    a->options.cache_bytes = 1 << 20;
    a->options.log_file_bytes = 64 * 1024;
    tour_init(&a->tour, "/db", &a->options);
}

/* What is there afterwards must agree with the ledger. */
static void allocations_end(allocations *a, uint64_t number)
{
    failing_alloc_plan(&a->source, 0, false);
    tour *t = &a->tour;
    if (t->wrong[0] == '\0' && atomic_load(&a->source.live) != 0) {
        snprintf(t->wrong, sizeof t->wrong, "%llu pieces of memory were not given back",
                 (unsigned long long)atomic_load(&a->source.live));
    }
    if (t->wrong[0] == '\0') {
        assert_true(tour_open(t));
        tour_check(t, /* must_read */ true);
        tour_close(t);
    }
    if (t->wrong[0] != '\0') {
        fail_msg("allocation %llu: %s", (unsigned long long)number, t->wrong);
    }
    memory_world_free(a->world);
}

static void run_all(bool fails_once)
{
    alarm(280);
    uint64_t runs = 0;
    bool is_end = false;
    uint64_t stride = setting_number("VARVE_ALLOC_STRIDE", 13);
    /* The two samples are others: a stride of two takes every allocation. */
    for (uint64_t number = fails_once ? 1 : 2; !is_end; number += stride) {
        allocations a;
        allocations_begin(&a);
        a.tour.must_close = fails_once;
        failing_alloc_plan(&a.source, number, fails_once);
        tour_run(&a.tour);
        is_end = atomic_load(&a.source.failures) == 0;
        allocations_end(&a, number);
        runs++;
    }
    print_message("%llu runs\n", (unsigned long long)runs);
}

static void an_undisturbed_tour_has_no_failures(void **state)
{
    (void)state;
    allocations a;
    allocations_begin(&a);
    tour_run(&a.tour);
    print_message("%llu allocations\n", (unsigned long long)atomic_load(&a.source.requests));
    assert_string_equal(a.tour.wrong, "");
    assert_int_equal(a.tour.failed_calls, 0);
    allocations_end(&a, 0);
}

static void one_failed_allocation_leaves_everything_sound(void **state)
{
    (void)state;
    run_all(/* fails_once */ true);
}

static void failing_from_an_allocation_on_leaves_everything_sound(void **state)
{
    (void)state;
    run_all(/* fails_once */ false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_undisturbed_tour_has_no_failures),
        cmocka_unit_test(one_failed_allocation_leaves_everything_sound),
        cmocka_unit_test(failing_from_an_allocation_on_leaves_everything_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
