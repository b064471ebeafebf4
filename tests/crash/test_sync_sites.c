/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every sync has a reason: with one site left out the crash programme must fail. Sites that no
 * standing workload reaches belong to features to come; they are named and left alone.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash.h"
#include "sys/sync_sites.h"

/* Whether some workload fails without the site. */
static bool is_caught(vv_sync_site site, uint64_t *out_calls, crash_report *report)
{
    memset(report, 0, sizeof *report);
    *out_calls = 0;
    for (size_t i = 0; i < crash_workload_count && report->failures == 0; i++) {
        uint64_t calls = crash_site_calls(&crash_workloads[i], site);
        *out_calls += calls;
        if (calls > 0) {
            crash_limits limits = {
                .images_per_point_max = 200,
                .states_max = 0,
                .recovery_every = 20,
                .stops_at_failure = true,
                .ignored = site,
                .ignores_in_recovery = true,
            };
            crash_run(&crash_workloads[i], &limits, report);
        }
    }
    return report->failures > 0;
}

static void every_sync_is_needed(void **state)
{
    (void)state;
    size_t missed = 0;
    size_t reached = 0;
    for (int i = 0; i < (int)VV_SYNC_SITE_COUNT; i++) {
        vv_sync_site site = (vv_sync_site)i;
        if (vv_sync_site_get(site)->kind == VV_SITE_KIND_RENAME) {
            continue; /* durable with the directory beside it */
        }
        uint64_t calls;
        crash_report report;
        bool caught = is_caught(site, &calls, &report);
        reached += calls > 0;
        const char *verdict = calls == 0 ? "not reached" : caught ? "caught" : "MISSED";
        print_message("%-20s %5llu calls  %-11s %s\n", vv_sync_site_get(site)->name,
                      (unsigned long long)calls, verdict, caught ? report.first_failure : "");
        missed += calls > 0 && !caught;
    }
    assert_true(reached >= 10);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_sync_is_needed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
