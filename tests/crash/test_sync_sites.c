/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every sync has a reason: with one site left out the crash programme must fail. Sites that no
 * standing workload reaches belong to features to come; they are named and left alone.
 * VARVE_TEST_SITE=NAME runs that one alone, also a rename, which is then split into two changes.
 */
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash.h"
#include "support/setting.h"

typedef struct site_exception {
    vv_sync_site site;
    const char *argument;
} site_exception;

/* Left out, these lose nothing. Each with the argument. */
static const site_exception equivalent[] = {
    {VV_SITE_IDENT_DIR,
     "the directories made next (dir.create) sync the directory that holds IDENT "
     "before anything depends on it; it stays so that IDENT does not rely on that"},
};

static const char *argument_of(vv_sync_site site)
{
    for (size_t i = 0; i < sizeof equivalent / sizeof equivalent[0]; i++) {
        if (equivalent[i].site == site) {
            return equivalent[i].argument;
        }
    }
    return NULL;
}

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
                .recovery_images_max = 3,
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
    const char *only = getenv("VARVE_TEST_SITE");
    bool is_full = only != NULL || setting_percent() >= 100;
    size_t missed = 0;
    size_t reached = 0;
    for (int i = 0; i < (int)VV_SYNC_SITE_COUNT; i++) {
        vv_sync_site site = (vv_sync_site)i;
        if (only == NULL && vv_sync_site_get(site)->kind == VV_SITE_KIND_RENAME) {
            continue; /* durable with the directory beside it */
        }
        uint64_t calls;
        crash_report report;
        if (!is_full && site != VV_SITE_WAL_GROUP && site != VV_SITE_SEG_DIR) {
            continue;
        }
        if (only != NULL && strcmp(only, vv_sync_site_get(site)->name) != 0) {
            continue;
        }
        if (only == NULL && argument_of(site) != NULL) {
            print_message("%-20s equivalent: %s\n", vv_sync_site_get(site)->name,
                          argument_of(site));
            continue;
        }
        bool caught = is_caught(site, &calls, &report);
        reached += calls > 0;
        const char *verdict = calls == 0 ? "not reached" : caught ? "caught" : "MISSED";
        print_message("%-20s %5llu calls  %-11s %s\n", vv_sync_site_get(site)->name,
                      (unsigned long long)calls, verdict, caught ? report.first_failure : "");
        missed += calls > 0 && !caught;
    }
    assert_true(reached >= (only != NULL ? 1 : is_full ? 10 : 2));
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_sync_is_needed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
