/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash programme: every standing workload, cut at every call. VARVE_TEST_PERCENT sets the
 * share: 100 is that of `make test`, at least 10000 distinct states; 1 when it is not set.
 * VARVE_TEST_WORKLOAD=NAME runs all states of that workload.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash.h"

static uint64_t crash_setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void every_cut_recovers_to_a_prefix(void **state)
{
    (void)state;
    crash_report report;
    memset(&report, 0, sizeof report);
    /* What is drawn; images that are alike count once, which leaves about two fifths. */
    uint64_t wanted = 400 * crash_setting("VARVE_TEST_PERCENT", 1);
    crash_limits limits = {
        .images_per_point_max = wanted < 100000 ? 24 : 200,
        .states_max = wanted / crash_workload_count + 1,
        .recovery_every = 200,
        .ignored = VV_SYNC_SITE_COUNT,
    };
    for (size_t i = 0; i < crash_workload_count; i++) {
        uint64_t before = report.states;
        crash_run(&crash_workloads[i], &limits, &report);
        print_message("%-22s %6llu states\n", crash_workloads[i].name,
                      (unsigned long long)(report.states - before));
    }
    print_message("crash states: %llu (%llu moments, %llu more in the middle of a recovery)\n",
                  (unsigned long long)report.states, (unsigned long long)report.points,
                  (unsigned long long)report.recoveries);
    if (report.failures > 0) {
        fail_msg("%llu of %llu states failed; %s", (unsigned long long)report.failures,
                 (unsigned long long)report.states, report.first_failure);
    }
    assert_true(report.states >= wanted / 4);
}

static void every_cut_of_one_workload_recovers(void **state)
{
    (void)state;
    const char *only = getenv("VARVE_TEST_WORKLOAD");
    crash_report report;
    memset(&report, 0, sizeof report);
    crash_limits limits = {
        .images_per_point_max = 24, .recovery_every = 200, .ignored = VV_SYNC_SITE_COUNT};
    for (size_t i = 0; only != NULL && i < crash_workload_count; i++) {
        if (strcmp(only, crash_workloads[i].name) == 0) {
            crash_run(&crash_workloads[i], &limits, &report);
            print_message("crash states: %llu (%llu moments)\n", (unsigned long long)report.states,
                          (unsigned long long)report.points);
        }
    }
    if (report.failures > 0) {
        fail_msg("%llu of %llu states failed; %s", (unsigned long long)report.failures,
                 (unsigned long long)report.states, report.first_failure);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_cut_recovers_to_a_prefix),
                                       cmocka_unit_test(every_cut_of_one_workload_recovers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
