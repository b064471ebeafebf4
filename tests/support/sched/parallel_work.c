/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sched/parallel_work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/sched/parallel_priv.h"
#include "support/sched/scheduler.h"
#include "sys/clock.h"
#include "sys/thread.h"

enum {
    PARALLEL_DELETES = 30,      /* in 100 steps */
    PARALLEL_MOMENT_EVERY = 25, /* changing calls, on average */
    PARALLEL_FLUSHES = 3,
    PARALLEL_MERGES = 3,
};

/* What a thread is given. */
typedef struct parallel_part {
    parallel_work *work;
    uint32_t number; /* among those that do the same */
} parallel_part;

void parallel_fail(parallel_work *work, const char *what, const char *detail)
{
    parallel_report *report = work->report;
    if (report->has_failed) {
        return;
    }
    report->has_failed = true;
    (void)snprintf(report->failure, sizeof report->failure,
                   "seed %llu (sync %u, flags %u), thread %s, changing call %llu: %s: %s",
                   (unsigned long long)work->seed, (unsigned)work->options.sync,
                   (unsigned)work->options.flags, scheduler_thread_name(),
                   (unsigned long long)vv_sim_changing_calls(work->world.sim), what, detail);
}

/* What a call may answer: OK, and once a sync has failed, that it cannot. */
static bool parallel_went_well(parallel_work *work, varve_status status, const char *what,
                               const varve_error *err)
{
    if (status == VARVE_OK) {
        return true;
    }
    if (vv_sim_sync_faults(work->world.sim) == 0 || status == VARVE_E_CORRUPT ||
        status == VARVE_E_INTERNAL) {
        parallel_fail(work, what, err->message);
    }
    return false;
}

typedef struct parallel_rows_of_step {
    int64_t times[PARALLEL_ROWS_MAX];
    double values[PARALLEL_ROWS_MAX];
} parallel_rows_of_step;

/* ---- writers -------------------------------------------------------------------------------- */

/* No state of a writer comes twice: the newest rows are never those that go. */
static void parallel_plan_steps(parallel_work *work)
{
    for (uint32_t writer = 0; writer < PARALLEL_WRITERS; writer++) {
        uint32_t there[PARALLEL_STEPS];
        uint32_t count = 0;
        for (uint32_t i = 0; i < PARALLEL_STEPS; i++) {
            parallel_step *step = &work->steps[writer][i];
            if (count >= 2 && vv_random_below(&work->random, 100) < PARALLEL_DELETES) {
                uint64_t which = vv_random_below(&work->random, count - 1);
                *step = (parallel_step){.is_delete = true, .target = there[which]};
                memmove(&there[which], &there[which + 1], (count - 1 - which) * sizeof there[0]);
                count--;
            } else {
                there[count++] = i;
            }
        }
    }
}

/* Looks twice whether it is done, then waits. */
static varve_status parallel_wait(parallel_work *work, varve_written *written, varve_error *err)
{
    static const uint64_t timeouts_ms[] = {0, 1, UINT64_MAX};
    varve_status status = VARVE_E_TIMEOUT;
    for (size_t i = 0; i < VV_ARRAY_COUNT(timeouts_ms) && status == VARVE_E_TIMEOUT; i++) {
        status = varve_wait(work->db, written->ticket, timeouts_ms[i], &written->ack, err);
    }
    return status;
}

/* The times of a step, of all writers' in turn. */
static varve_range parallel_range(const parallel_work *work, uint32_t writer, uint32_t step)
{
    int64_t start = (int64_t)(step * PARALLEL_WRITERS + writer) * work->rows_each;
    return (varve_range){start, start + work->rows_each};
}

/* The rows of one series: each value is its time. Borrowed by the batch. */
static varve_status parallel_add(parallel_work *work, varve_batch *batch,
                                 const varve_series *series, const parallel_rows_of_step *rows,
                                 varve_error *err)
{
    varve_columns columns;
    varve_column column;
    varve_columns_init(&columns);
    memset(&column, 0, sizeof column);
    column.type = VARVE_TYPE_F64;
    column.values = rows->values;
    columns.rows = work->rows_each;
    columns.series = series;
    columns.series_count = 1;
    columns.timestamps = rows->times;
    columns.timestamp_count = work->rows_each;
    columns.fields = &work->field;
    columns.columns = &column;
    columns.column_count = 1;
    return varve_batch_columns(batch, &columns, err);
}

static varve_status parallel_write(parallel_work *work, uint32_t writer, uint32_t step,
                                   varve_written *written, varve_error *err)
{
    parallel_rows_of_step rows;
    varve_batch *batch;
    VV_TRY(varve_batch_create(work->db, &batch, err));
    for (uint32_t i = 0; i < work->rows_each; i++) {
        rows.times[i] = parallel_range(work, writer, step).start + i;
        rows.values[i] = (double)rows.times[i];
    }
    varve_status status = VARVE_OK;
    for (size_t i = 0; i <= PARALLEL_SPREAD && status == VARVE_OK; i++) {
        status = parallel_add(work, batch, &work->series[writer][i], &rows, err);
    }
    if (status == VARVE_OK && step % 3 == 0) {
        status = varve_batch_submit(batch, NULL, written, err);
        work->steps[writer][step].ticket = status == VARVE_OK ? written->ticket : 0;
        status = status == VARVE_OK ? parallel_wait(work, written, err) : status;
    } else if (status == VARVE_OK) {
        status = varve_batch_commit(batch, NULL, written, err);
    }
    varve_batch_free(batch);
    return status;
}

static varve_status parallel_delete(parallel_work *work, uint32_t writer, uint32_t target,
                                    varve_written *written, varve_error *err)
{
    varve_selection selection;
    memset(&selection, 0, sizeof selection);
    selection.kind = VARVE_SELECT_LIST;
    selection.series = work->series[writer];
    selection.series_count = PARALLEL_SPREAD + 1;
    return varve_delete(work->db, &selection, 1, parallel_range(work, writer, target), NULL,
                        written, err);
}

static void parallel_writer_main(void *context)
{
    const parallel_part *part = context;
    parallel_work *work = part->work;
    uint32_t writer = part->number;
    varve_error err;
    for (uint32_t i = 0; i < PARALLEL_STEPS && !work->report->has_failed; i++) {
        parallel_step *step = &work->steps[writer][i];
        varve_written written;
        varve_written_init(&written);
        work->issued.of[writer] = i + 1;
        varve_status status = step->is_delete
                                  ? parallel_delete(work, writer, step->target, &written, &err)
                                  : parallel_write(work, writer, i, &written, &err);
        if (!parallel_went_well(work, status, step->is_delete ? "delete" : "write", &err)) {
            return;
        }
        if (step->is_delete && written.series_deleted != PARALLEL_SPREAD + 1) {
            parallel_fail(work, "delete", "does not find the rows");
        }
        step->ticket = written.ticket;
        work->answered.of[writer] = i + 1;
        if (written.ack == VARVE_ACK_DURABLE) {
            work->durable.of[writer] = i + 1;
        } else if (work->options.sync == VARVE_SYNC_GROUP) {
            parallel_fail(work, "write", "was not answered as durable");
        }
    }
}

/* ---- the others ----------------------------------------------------------------------------- */

static void parallel_flusher_main(void *context)
{
    parallel_work *work = ((const parallel_part *)context)->work;
    varve_error err;
    for (uint32_t i = 0; i < PARALLEL_FLUSHES && !work->report->has_failed; i++) {
        parallel_counts answered = work->answered;
        if (!parallel_went_well(work, varve_flush(work->db, NULL, &err), "flush", &err)) {
            return;
        }
        for (uint32_t k = 0; k < PARALLEL_WRITERS; k++) { /* what was visible is on disk now */
            if (work->durable.of[k] < answered.of[k]) {
                work->durable.of[k] = answered.of[k];
            }
        }
    }
}

static void parallel_merger_main(void *context)
{
    parallel_work *work = ((const parallel_part *)context)->work;
    varve_error err;
    for (uint32_t i = 0; i < PARALLEL_MERGES && !work->report->has_failed; i++) {
        uint32_t flags = i == 1 ? VARVE_COMPACT_ALL : 0;
        if (!parallel_went_well(work, varve_compact(work->db, flags, NULL, &err), "merge", &err)) {
            return;
        }
    }
}

static void parallel_reader_main(void *context)
{
    const parallel_part *part = context;
    parallel_work *work = part->work;
    uint32_t reader = part->number;
    for (uint32_t i = 0; i < PARALLEL_READS && !work->report->has_failed; i++) {
        parallel_counts counts;
        parallel_bounds bounds = {.least = work->answered};
        if (!parallel_read(work, work->db, "a query", &counts)) {
            return;
        }
        bounds.most = work->issued;
        parallel_judge(work, &counts, &bounds, "a query");
        parallel_judge_sum(work);
        for (uint32_t k = 0; k < PARALLEL_WRITERS; k++) {
            if (counts.of[k] < work->seen[reader].of[k]) {
                parallel_fail(work, "a query", "does not show what the one before it showed");
            }
        }
        work->seen[reader] = counts;
        work->report->reads++;
    }
}

static void parallel_copier_main(void *context)
{
    parallel_work *work = ((const parallel_part *)context)->work;
    varve_error err;
    char path[16];
    for (uint32_t i = 0; i < PARALLEL_COPIES && !work->report->has_failed; i++) {
        work->copies[i].least = work->answered;
        varve_status status = varve_snapshot(work->db, crash_copy_path(i, path), NULL, NULL, &err);
        if (!parallel_went_well(work, status, "snapshot", &err)) {
            return;
        }
        work->copies[i].most = work->issued;
        work->copy_count++;
    }
}

/* ---- a run ---------------------------------------------------------------------------------- */

/* Others may run meanwhile: what was durable is read before, what had begun after it. */
static void parallel_capture(parallel_work *work, uint64_t call)
{
    parallel_moment *moment = &work->moments[work->moment_count++];
    moment->call = call;
    moment->bounds.least = work->durable;
    moment->point = vv_sim_capture(work->world.sim);
    moment->bounds.most = work->issued;
    (void)snprintf(moment->thread, sizeof moment->thread, "%s", scheduler_thread_name());
}

static void parallel_hook(void *context, uint64_t call, vv_vfs_op op, const char *path,
                          vv_sync_site site)
{
    parallel_work *work = context;
    uint64_t name = site;
    for (const char *at = path; *at != '\0'; at++) {
        name = name * 31 + (uint8_t)*at;
    }
    scheduler_step(vv_vfs_op_name(op), name);
    if (work->moment_count < work->limits->moments_max &&
        vv_random_below(&work->random, PARALLEL_MOMENT_EVERY) == 0) {
        parallel_capture(work, call);
    }
}

static bool parallel_open(parallel_work *work)
{
    varve_error err;
    if (varve_open("/db", &work->options, &work->db, &err) != VARVE_OK ||
        varve_field_resolve(work->db, VARVE_STR("value"), &work->field, &err) != VARVE_OK) {
        parallel_fail(work, "open", err.message);
        return false;
    }
    for (uint32_t writer = 0; writer < PARALLEL_WRITERS; writer++) {
        for (uint32_t i = 0; i <= PARALLEL_SPREAD; i++) {
            char host = (char)('a' + writer);
            char part = (char)('0' + i);
            bool is_shared = i == PARALLEL_SPREAD;
            varve_label labels[2] = {{VARVE_STR("host"), {&host, 1}},
                                     {VARVE_STR("part"), {&part, 1}}};
            if (varve_series_resolve(work->db, VARVE_STR("m"), labels, is_shared ? 0 : 2, 0,
                                     &work->series[writer][i], &err) != VARVE_OK) {
                parallel_fail(work, "resolve", err.message);
                return false;
            }
        }
    }
    return true;
}

static void parallel_play(parallel_work *work)
{
    static const struct {
        const char *name;
        vv_thread_main main;
        uint32_t number;
    } cast[] = {
        {"writer 0", parallel_writer_main, 0}, {"writer 1", parallel_writer_main, 1},
        {"writer 2", parallel_writer_main, 2}, {"writer 3", parallel_writer_main, 3},
        {"reader 0", parallel_reader_main, 0}, {"reader 1", parallel_reader_main, 1},
        {"flusher", parallel_flusher_main, 0}, {"merger", parallel_merger_main, 0},
        {"copier", parallel_copier_main, 0},
    };
    varve_error err;
    vv_thread threads[VV_ARRAY_COUNT(cast)];
    parallel_part parts[VV_ARRAY_COUNT(cast)];
    for (size_t i = 0; i < VV_ARRAY_COUNT(cast); i++) {
        parts[i] = (parallel_part){.work = work, .number = cast[i].number};
        if (vv_thread_start(&threads[i], cast[i].name, cast[i].main, &parts[i], &err) != VARVE_OK) {
            abort();
        }
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(cast); i++) {
        vv_thread_join(&threads[i]);
    }
}

/* A clean close makes all durable that was answered; a database that cannot be closed is left. */
static void parallel_close(parallel_work *work)
{
    varve_error err;
    bool is_closed = !work->report->has_failed &&
                     parallel_went_well(work, varve_close(work->db, &err), "close", &err);
    if (is_closed) {
        work->durable = work->answered;
    } else {
        varve_abandon(work->db);
    }
    work->db = NULL;
}

static void parallel_main(void *context)
{
    parallel_work *work = context;
    if (parallel_open(work)) {
        vv_sim_set_sync_fault(work->world.sim, &work->fault);
        parallel_play(work);
    }
    parallel_counts counts;
    parallel_bounds bounds = {.least = work->answered, .most = work->issued};
    if (!work->report->has_failed && parallel_read(work, work->db, "the end", &counts)) {
        parallel_judge(work, &counts, &bounds, "the end");
    }
    parallel_close(work);
    work->report->sync_faults = vv_sim_sync_faults(work->world.sim);
}

/* Three seeds of four have the threads of the database, and batches that are durable when they are
 * answered. */
static void parallel_draw_options(parallel_work *work)
{
    static const uint32_t syncs[] = {VARVE_SYNC_NONE, VARVE_SYNC_INTERVAL};
    static const uint64_t batches[] = {2, 5, 100};
    static const uint32_t rows[] = {1, 1, 1, 1, 1, 1, 40, PARALLEL_ROWS_MAX};
    crash_workload *workload = &work->workload;
    vv_random *random = &work->random;
    bool is_group = vv_random_below(random, 4) > 0;
    workload->name = "parallel";
    workload->seed = work->seed;
    workload->sync = is_group ? VARVE_SYNC_GROUP : syncs[vv_random_below(random, 2)];
    workload->sync_interval_ms = 1;
    workload->keeps_all = vv_random_below(random, 2) == 0;
    work->rows_each = rows[vv_random_below(random, VV_ARRAY_COUNT(rows))];
    workload->flush_rows = batches[vv_random_below(random, VV_ARRAY_COUNT(batches))] *
                           (PARALLEL_SPREAD + 1) * work->rows_each;
    workload->log_file_bytes = 65536;
    work->options = crash_options(workload, &work->world);
    work->options.flags = vv_random_below(random, 4) == 0 ? VARVE_OPEN_NO_BACKGROUND : 0;
    work->options.group_delay_us = vv_random_below(random, 4) == 0 ? 50 : 0;
    work->options.write_timeout_ms = 3600 * 1000; /* time leaps: scheduler.h, Z2 */
}

/* One seed of five has a sync that fails. */
static void parallel_draw_fault(parallel_work *work)
{
    static const vv_sim_fsync_fail_mode modes[] = {VV_SIM_PAGES_DIRTY, VV_SIM_PAGES_CLEAN,
                                                   VV_SIM_PAGES_REVERTED};
    vv_random *random = &work->random;
    bool fails = vv_random_below(random, 5) == 0;
    work->fault = (vv_sim_sync_fault){
        .site = VV_SYNC_SITE_COUNT,
        .first_sync = fails ? 1 + vv_random_below(random, 40) : 0,
        .is_permanent = vv_random_below(random, 2) == 0,
        .os_errno = EIO,
        .mode = modes[vv_random_below(random, VV_ARRAY_COUNT(modes))],
    };
}

static parallel_work *parallel_begin(uint64_t seed, const parallel_limits *limits,
                                     parallel_report *report)
{
    parallel_work *work = calloc(1, sizeof *work);
    if (work == NULL || limits->moments_max > PARALLEL_MOMENTS_MAX) {
        abort();
    }
    memset(report, 0, sizeof *report);
    work->seed = seed;
    work->limits = limits;
    work->report = report;
    vv_random_init(&work->random, seed);
    crash_world_init(&work->world, NULL, seed);
    work->world.env.clock = vv_clock_system(); /* that of the scheduler */
    parallel_draw_options(work);
    parallel_draw_fault(work);
    parallel_plan_steps(work);
    return work;
}

static void parallel_end(parallel_work *work)
{
    for (uint32_t i = 0; i < work->moment_count; i++) {
        vv_sim_point_free(work->moments[i].point);
    }
    crash_world_deinit(&work->world);
    free(work);
}

void parallel_work_run(uint64_t seed, const parallel_limits *limits, parallel_report *out_report)
{
    parallel_work *work = parallel_begin(seed, limits, out_report);
    scheduler_options options = {.seed = seed, .trace = limits->trace};
    scheduler_report schedule;
    vv_sim_set_hook(work->world.sim, parallel_hook, work);
    scheduler_run(&options, parallel_main, work, &schedule);
    out_report->trace = schedule.trace;
    out_report->steps = schedule.steps;
    out_report->switches = schedule.switches;
    if (schedule.has_failed) {
        parallel_fail(work, "schedule", schedule.failure);
        return; /* the threads are gone with locks and memory that they held */
    }
    vv_sim_set_hook(work->world.sim, NULL, NULL);
    vv_sim_set_sync_fault(work->world.sim, &(vv_sim_sync_fault){.site = VV_SYNC_SITE_COUNT});
    out_report->calls = vv_sim_changing_calls(work->world.sim);
    out_report->moments = work->moment_count;
    out_report->copies = work->copy_count;
    parallel_judge_end(work);
    parallel_judge_copies(work);
    parallel_judge_moments(work);
    parallel_end(work);
}
