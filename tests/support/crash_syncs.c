/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every sync of a workload fails in turn. What a failed sync leaves behind differs from system to
 * system: the simulator keeps the pages dirty, marks them clean, or brings back what the disk
 * holds. In each of them
 *
 *   - no batch is answered as durable by the handle whose log failed (P8);
 *   - a power cut at that moment leaves a prefix with all that had been answered before;
 *   - a process that opens the files again, without a cut, sees such a prefix too, and what it has
 *     seen survives the next cut, although the page cache may have held bytes that no disk has.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash_priv.h"

static const char *const syncs_modes[] = {"pages dirty", "pages clean", "pages reverted"};

typedef struct syncs_run {
    const crash_script *reference; /* the same workload without a failure */
    const crash_limits *limits;
    crash_report *report;
    crash_script *script;
} syncs_run;

static void crash_syncs_failed(const syncs_run *run, const char *what, const char *detail)
{
    crash_report *report = run->report;
    if (report->failures++ == 0) {
        snprintf(report->first_failure, sizeof report->first_failure, "workload %s, %s%s %s",
                 run->script->workload->name, run->script->label, what, detail);
    }
}

/* P8: the handle refuses writes from now on. */
static void crash_syncs_probe(const syncs_run *run)
{
    varve_error err;
    varve_value value = {.type = VARVE_TYPE_F64};
    varve_text field = VARVE_STR("value");
    varve_named_row row = {
        .metric = VARVE_STR("probe"), .fields = &field, .values = &value, .count = 1};
    varve_db *db = run->script->db;
    if (db == NULL || varve_health(db, NULL) != VARVE_HEALTH_WRITE_FAILED) {
        return; /* the log is whole: a segment could not be stored, say */
    }
    for (int i = 0; i < 2; i++) {
        varve_written written;
        varve_written_init(&written);
        if (varve_write(db, &row, 1, NULL, &written, &err) == VARVE_OK) {
            crash_syncs_failed(run, "a write succeeds", "after a failed sync");
        }
    }
}

static crash_moment crash_syncs_moment(const syncs_run *run, uint64_t number)
{
    const crash_script *script = run->script;
    return (crash_moment){.point = vv_sim_capture(script->world.sim),
                          .issued = script->issued,
                          .durable = script->durable,
                          .copies_begun = script->copies_begun,
                          .copies_done = script->copies_done,
                          .call = number};
}

/* Which prefix the files hold for a process that opens them now; UINT32_MAX: none. */
static uint32_t crash_syncs_reopen(const syncs_run *run)
{
    crash_script *script = run->script;
    varve_options options = crash_options(script->workload, &script->world);
    varve_error err;
    crash_digest found;
    varve_abandon(script->db);
    script->db = NULL;
    if (varve_open("/db", &options, &script->db, &err) != VARVE_OK ||
        crash_contents(script->workload, script->db, &found, &err) != VARVE_OK) {
        crash_syncs_failed(run, "opening again:", err.message);
        return UINT32_MAX;
    }
    for (uint32_t k = script->durable; k <= script->issued; k++) {
        if (memcmp(&found, &script->expected[k], sizeof found) == 0) {
            return k;
        }
    }
    crash_syncs_failed(run, "opening again:", "no prefix of what was written");
    return UINT32_MAX;
}

/* What this run has seen is the same, but for what rollups keep: their source may lie in other
 * files here, so that its sums were added in another order. The run stopped at the failure, or went
 * on to the end when it was a flush within a write that failed; the reference knows what the
 * batches to come would have been, and the sequences they would have had. What was durable in the
 * log each run knows of itself: a batch may be answered before a flush within the same step adds to
 * the log, and it is that sync which fails. */
static void crash_syncs_take_reference(const syncs_run *run)
{
    crash_counters *own = run->script->counters;
    const crash_counters *reference = run->reference->counters;
    size_t first = run->script->remembered + 1u;
    if (run->script->workload->rollups == 0 &&
        memcmp(run->script->expected, run->reference->expected,
               first * sizeof run->script->expected[0]) != 0) {
        crash_syncs_failed(run, "the handle shows", "other rows than without the failure");
    }
    memcpy(&run->script->expected[first], &run->reference->expected[first],
           (VV_ARRAY_COUNT(run->script->expected) - first) * sizeof run->script->expected[0]);
    for (size_t k = 0; k < VV_ARRAY_COUNT(run->script->counters); k++) {
        own[k].sequence = reference[k].sequence;
        if (k > 0 && own[k].lsn < own[k - 1].lsn) {
            own[k].lsn = own[k - 1].lsn;
        }
    }
}

static void crash_syncs_one(syncs_run *run, uint64_t number, vv_sim_fsync_fail_mode mode)
{
    vv_sim_sync_fault fault = {
        .site = VV_SYNC_SITE_COUNT, .first_sync = number, .os_errno = EIO, .mode = mode};
    crash_play_options options = {
        .ignored = VV_SYNC_SITE_COUNT, .fault = &fault, .stays_open = true};
    crash_script *script = crash_play(run->reference->workload, &options);
    run->script = script;
    snprintf(script->label, sizeof script->label, "sync %llu fails (%s; %.60s), ",
             (unsigned long long)number, syncs_modes[mode], script->failure);
    crash_syncs_take_reference(run);
    crash_syncs_probe(run);
    crash_moment moment = crash_syncs_moment(run, number);
    crash_check_moment(script, &moment, run->limits, run->report);
    vv_sim_point_free(moment.point);
    uint32_t kept = crash_syncs_reopen(run);
    if (kept != UINT32_MAX) {
        moment = crash_syncs_moment(run, number);
        moment.issued = kept;
        moment.durable = kept;
        crash_check_moment(script, &moment, run->limits, run->report);
        vv_sim_point_free(moment.point);
    }
    crash_end(script);
}

void crash_run_failed_syncs(const crash_workload *workload, const crash_limits *limits,
                            crash_report *report)
{
    crash_play_options options = {.ignored = VV_SYNC_SITE_COUNT};
    crash_script *reference = crash_play(workload, &options);
    syncs_run run = {.reference = reference, .limits = limits, .report = report};
    uint64_t syncs = vv_sim_syncs(reference->world.sim);
    uint64_t parts = limits->parts == 0 ? 1 : limits->parts;
    for (uint64_t number = 1 + limits->part; number <= syncs; number += parts) {
        for (int mode = VV_SIM_PAGES_DIRTY; mode <= VV_SIM_PAGES_REVERTED; mode++) {
            crash_syncs_one(&run, number, (vv_sim_fsync_fail_mode)mode);
        }
    }
    crash_end(reference);
}
