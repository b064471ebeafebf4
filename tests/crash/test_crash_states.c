/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash programme: every standing workload, cut at every call, and each of its syncs failing.
 *
 *   VARVE_TEST_PERCENT=N     the share; 100 is that of `make test`, 1 when it is not set
 *   VARVE_TEST_SECONDS=N     round after round, each with seeds of its own, until the time is up
 *   VARVE_TEST_SEED=N        added to the seeds of the workloads: finds a failed round again
 *   VARVE_TEST_WORKLOAD=NAME that one alone
 *   VARVE_TEST_PROCESSES=N   at a time; 2
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/crash.h"
#include "support/setting.h"

enum { STATES_WORKLOADS_MAX = 64, STATES_PARTS_MAX = 16 };

typedef struct states_plan {
    crash_workload workloads[STATES_WORKLOADS_MAX];
    size_t workload_count;
    crash_task tasks[2 * STATES_WORKLOADS_MAX * STATES_PARTS_MAX];
    size_t task_count;
    unsigned processes;
    int64_t stop_s;
} states_plan;

static int64_t states_now_s(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return now.tv_sec;
}

/* The standing workloads, or the one that was asked for. */
static void states_plan_init(states_plan *plan, uint64_t seed)
{
    const char *only = getenv("VARVE_TEST_WORKLOAD");
    memset(plan, 0, sizeof *plan);
    assert_true(crash_workload_count <= STATES_WORKLOADS_MAX);
    for (size_t i = 0; i < crash_workload_count; i++) {
        if (only == NULL || strcmp(only, crash_workloads[i].name) == 0) {
            crash_workload *workload = &plan->workloads[plan->workload_count++];
            *workload = crash_workloads[i];
            workload->seed += seed;
        }
    }
    assert_true(plan->workload_count > 0);
    plan->processes = (unsigned)setting_number("VARVE_TEST_PROCESSES", 2);
}

/* Long ones first, so that no process ends with one alone. */
static int states_compare(const void *a, const void *b)
{
    const crash_task *left = a;
    const crash_task *right = b;
    return (int)right->workload->is_short - (int)left->workload->is_short;
}

static void states_plan_add(states_plan *plan, const crash_limits *limits, bool is_whole,
                            bool fails_syncs)
{
    for (size_t i = 0; i < plan->workload_count; i++) {
        uint32_t parts = is_whole ? (plan->workloads[i].is_short ? 16 : 8) : 1;
        if (fails_syncs && plan->workloads[i].disk_bytes > 0) {
            continue; /* a failed flush leaves it fuller: other batches are refused then */
        }
        for (uint32_t part = 0; part < parts; part++) {
            crash_task *task = &plan->tasks[plan->task_count++];
            *task = (crash_task){
                .workload = &plan->workloads[i], .limits = *limits, .fails_syncs = fails_syncs};
            task->limits.part = part;
            task->limits.parts = parts;
            task->limits.stop_s = plan->stop_s;
            if (plan->workloads[i].disk_bytes > 0) { /* its images are ten times the others' */
                task->limits.images_per_point_max = 3;
            }
        }
    }
}

static void states_print(const states_plan *plan)
{
    for (size_t i = 0; i < plan->workload_count; i++) {
        crash_report sum = {0};
        for (size_t task = 0; task < plan->task_count; task++) {
            if (plan->tasks[task].workload == &plan->workloads[i]) {
                sum.points += plan->tasks[task].report.points;
                sum.states += plan->tasks[task].report.states;
                sum.recoveries += plan->tasks[task].report.recoveries;
                sum.images += plan->tasks[task].report.images;
            }
        }
        print_message("%-22s %6llu moments %8llu states %8llu in recoveries %8llu images\n",
                      plan->workloads[i].name, (unsigned long long)sum.points,
                      (unsigned long long)sum.states, (unsigned long long)sum.recoveries,
                      (unsigned long long)sum.images);
    }
}

static crash_report states_run(states_plan *plan)
{
    qsort(plan->tasks, plan->task_count, sizeof *plan->tasks, states_compare);
    crash_crew_run(plan->tasks, plan->task_count, plan->processes);
    crash_report sum = crash_crew_sum(plan->tasks, plan->task_count);
    states_print(plan);
    return sum;
}

static void states_expect_none_failed(const crash_report *report)
{
    if (report->failures > 0) {
        fail_msg("%llu of %llu states failed; %s", (unsigned long long)report->failures,
                 (unsigned long long)(report->states + report->recoveries), report->first_failure);
    }
}

/* What 100 percent are: every image of every moment. Less draws from them. */
static crash_limits states_limits(uint64_t percent)
{
    crash_limits limits = {.images_per_point_max = 0,
                           .recovery_every = 200,
                           .recovery_images_max = 6,
                           .depth3_every = 500,
                           .ignored = VV_SYNC_SITE_COUNT};
    if (percent < 100) {
        limits.images_per_point_max = 4;
        limits.states_max = 1 + percent * 8;
        limits.recovery_every = 100;
        limits.recovery_images_max = 2;
    }
    return limits;
}

static void every_cut_recovers_to_a_prefix(void **state)
{
    (void)state;
    static states_plan plan;
    uint64_t percent = setting_percent();
    uint64_t seed = setting_number("VARVE_TEST_SEED", 0);
    crash_limits limits = states_limits(percent);
    states_plan_init(&plan, seed);
    states_plan_add(&plan, &limits, percent >= 100, /* fails_syncs */ false);
    crash_report report = states_run(&plan);
    print_message("crash states: %llu (%llu moments, %llu different images opened)\n",
                  (unsigned long long)report.states, (unsigned long long)report.points,
                  (unsigned long long)report.images);
    print_message("crash states in recoveries: %llu\n", (unsigned long long)report.recoveries);
    states_expect_none_failed(&report);
    assert_true(report.states > 0);
}

static void every_failed_sync_keeps_what_was_answered(void **state)
{
    (void)state;
    static states_plan plan;
    uint64_t percent = setting_percent();
    crash_limits limits = {.images_per_point_max = 3, .ignored = VV_SYNC_SITE_COUNT};
    states_plan_init(&plan, setting_number("VARVE_TEST_SEED", 0));
    states_plan_add(&plan, &limits, percent >= 100, /* fails_syncs */ true);
    for (size_t i = 0; percent < 100 && i < plan.task_count; i++) {
        plan.tasks[i].limits.parts = 40; /* every 40th sync */
    }
    crash_report report = states_run(&plan);
    print_message("states behind failed syncs: %llu\n", (unsigned long long)report.states);
    states_expect_none_failed(&report);
    assert_true(plan.task_count == 0 || report.states > 0);
}

/* The campaign: new seeds each round. */
static void rounds_until_the_time_is_up(void **state)
{
    (void)state;
    static states_plan plan;
    uint64_t seconds = setting_number("VARVE_TEST_SECONDS", 0);
    uint64_t seed = setting_number("VARVE_TEST_SEED", (uint64_t)time(NULL) * 1000);
    int64_t stop_s = states_now_s() + (int64_t)seconds;
    crash_limits limits = states_limits(100);
    crash_report sum = {0};
    if (seconds == 0) {
        skip();
    }
    limits.recovery_every = 20;
    for (uint64_t round = 0; states_now_s() < stop_s; round++) {
        states_plan_init(&plan, seed + 100 * round);
        plan.stop_s = stop_s;
        states_plan_add(&plan, &limits, /* is_whole */ true, /* fails_syncs */ false);
        limits.images_per_point_max = 3;
        states_plan_add(&plan, &limits, /* is_whole */ true, /* fails_syncs */ true);
        limits.images_per_point_max = 0;
        print_message("VARVE_TEST_SEED=%llu\n", (unsigned long long)(seed + 100 * round));
        crash_report report = states_run(&plan);
        sum.states += report.states;
        sum.recoveries += report.recoveries;
        states_expect_none_failed(&report);
    }
    print_message("crash states: %llu\ncrash states in recoveries: %llu\n",
                  (unsigned long long)sum.states, (unsigned long long)sum.recoveries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_cut_recovers_to_a_prefix),
                                       cmocka_unit_test(every_failed_sync_keeps_what_was_answered)};
    const struct CMUnitTest campaign[] = {cmocka_unit_test(rounds_until_the_time_is_up)};
    return getenv("VARVE_TEST_SECONDS") != NULL ? cmocka_run_group_tests(campaign, NULL, NULL)
                                                : cmocka_run_group_tests(tests, NULL, NULL);
}
