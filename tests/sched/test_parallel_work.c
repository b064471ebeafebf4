/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads on one database, under schedules that seeds draw, and power cuts in them:
 * support/sched/parallel_work.h.
 *
 *   VARVE_TEST_PERCENT, VARVE_TEST_SEED, VARVE_TEST_SEEDS, VARVE_TEST_FIRST: support/setting.h
 *   VARVE_TEST_SECONDS=N   seed after seed, from a new one on, until the time is up
 *   VARVE_TEST_TRACE=FILE  a line for each hook: with VARVE_TEST_SEED, what has happened
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "support/sched/parallel_work.h"
#include "support/setting.h"

enum { SCHEDULES = 300, SCHEDULES_LEAST = 4, SCHEDULES_REPEATED_EVERY = 10 };

typedef struct schedules_sum {
    uint64_t seeds, steps, switches, calls, moments, images, reads, copies, failing;
} schedules_sum;

static int64_t schedules_now_s(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return now.tv_sec;
}

/* One seed; some of them twice, for the trace. */
static void schedules_run(uint64_t seed, schedules_sum *sum)
{
    static parallel_report report;
    static parallel_report again;
    const char *path = getenv("VARVE_TEST_TRACE");
    FILE *trace = path == NULL ? NULL : fopen(path, "w");
    parallel_limits limits = {.moments_max = 6, .images_each = 2, .trace = trace};
    parallel_work_run(seed, &limits, &report);
    if (trace != NULL) {
        (void)fclose(trace);
    }
    if (report.has_failed) {
        print_error("VARVE_TEST_SEED=%llu\n%s\n", (unsigned long long)seed, report.failure);
        fail();
    }
    if (seed % SCHEDULES_REPEATED_EVERY == 0) {
        parallel_limits bare = limits;
        bare.trace = NULL;
        parallel_work_run(seed, &bare, &again);
        if (again.trace != report.trace || again.steps != report.steps) {
            fail_msg("seed %llu took another way: %llu hooks, then %llu", (unsigned long long)seed,
                     (unsigned long long)report.steps, (unsigned long long)again.steps);
        }
    }
    sum->seeds++;
    sum->steps += report.steps;
    sum->switches += report.switches;
    sum->calls += report.calls;
    sum->moments += report.moments;
    sum->images += report.images;
    sum->reads += report.reads;
    sum->copies += report.copies;
    sum->failing += report.sync_faults > 0 ? 1 : 0;
}

static void schedules_print(const schedules_sum *sum)
{
    print_message("schedules: %llu (%llu hooks, %llu changes of threads, %llu reads, %llu "
                  "snapshots, %llu with failed syncs)\ncrash states in schedules: %llu (%llu "
                  "moments of %llu calls)\n",
                  (unsigned long long)sum->seeds, (unsigned long long)sum->steps,
                  (unsigned long long)sum->switches, (unsigned long long)sum->reads,
                  (unsigned long long)sum->copies, (unsigned long long)sum->failing,
                  (unsigned long long)sum->images, (unsigned long long)sum->moments,
                  (unsigned long long)sum->calls);
}

static void every_schedule_keeps_what_was_promised(void **state)
{
    (void)state;
    schedules_sum sum = {0};
    setting_seeds seeds = setting_seeds_of(SCHEDULES, SCHEDULES_LEAST);
    for (uint64_t seed = seeds.first; seed <= seeds.last; seed++) {
        schedules_run(seed, &sum);
    }
    schedules_print(&sum);
}

/* The campaign. */
static void schedules_until_the_time_is_up(void **state)
{
    (void)state;
    schedules_sum sum = {0};
    uint64_t seed = setting_number("VARVE_TEST_FIRST", (uint64_t)time(NULL) * 1000000);
    int64_t stop_s = schedules_now_s() + (int64_t)setting_number("VARVE_TEST_SECONDS", 0);
    print_message("VARVE_TEST_FIRST=%llu\n", (unsigned long long)seed);
    while (schedules_now_s() < stop_s) {
        schedules_run(seed++, &sum);
    }
    schedules_print(&sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_schedule_keeps_what_was_promised)};
    const struct CMUnitTest campaign[] = {cmocka_unit_test(schedules_until_the_time_is_up)};
    return getenv("VARVE_TEST_SECONDS") != NULL ? cmocka_run_group_tests(campaign, NULL, NULL)
                                                : cmocka_run_group_tests(tests, NULL, NULL);
}
