/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rows on their way in: those before a cut are refused, the times of the others are observed.
 *
 * The cut is that of the moment the call begins, before its own rows move the reference: rows of
 * one batch do not refuse each other. What a later observation hides was written first.
 */

#include "base/bitmap.h"
#include "base/checked.h"
#include "base/status.h"
#include "engine/retention.h"
#include "engine/write_priv.h"
#include "index/catalogue.h"
#include "model/time_range.h"

static int64_t retention_row_time(const vv_run *run, size_t row)
{
    return run->times[run->time_count == 1 ? 0 : row];
}

static uint32_t retention_row_series(const vv_run *run, size_t row)
{
    return run->series[run->series_count == 1 ? 0 : row];
}

static int64_t retention_least_time(const vv_run *run)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < run->time_count; i++) {
        least = run->times[i] < least ? run->times[i] : least;
    }
    return least;
}

/* ---- refusing ---- */

typedef struct retention_check {
    vv_write *write;
    const vv_retention *table;
    int64_t reference;
    uint32_t series; /* whose cut this is; 0: of none yet */
    int64_t cut;
} retention_check;

static varve_status retention_check_row(retention_check *check, const vv_batch_op *op, size_t row,
                                        varve_error *out_err)
{
    const vv_catalogue *catalogue = check->write->db->catalogue;
    uint32_t series = retention_row_series(&op->run, row);
    int64_t time = retention_row_time(&op->run, row);
    if (series != check->series) {
        check->series = series;
        check->cut = vv_retention_cut(check->table, catalogue,
                                      vv_catalogue_metric_id(catalogue, series), check->reference);
    }
    if (time >= check->cut) {
        return VARVE_OK;
    }
    const varve_rejected rejected = {.row = op->first_row + row,
                                     .status = VARVE_E_INVALID,
                                     .reason = VARVE_REJECTED_RETENTION,
                                     .timestamp = time,
                                     .limit = check->cut};
    if ((check->write->flags & VARVE_WRITE_SKIP_REJECTED) != 0) {
        return vv_write_reject(check->write, &rejected, out_err);
    }
    vv_write_blame(check->write, &rejected);
    varve_text metric = vv_catalogue_metric(catalogue, series);
    return vv_fail(out_err, VARVE_E_INVALID,
                   "row %llu: the time %lld is before %lld, where the retention window of \"%.*s\" "
                   "begins",
                   (unsigned long long)(op->first_row + row), (long long)time,
                   (long long)check->cut, VV_TEXT_ARGS(metric));
}

varve_status vv_retention_check_rows(vv_write *write, varve_error *out_err)
{
    varve_db *db = write->db;
    if (!atomic_load(&db->retention.cuts_any)) {
        return VARVE_OK;
    }
    vv_retention *table = vv_retention_current(db);
    retention_check check = {.write = write, .table = table};
    check.reference = vv_retention_reference(db, table);
    int64_t cut_last = vv_retention_cut_last(table, check.reference);
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < write->batch->ops.count && status == VARVE_OK; i++) {
        const vv_batch_op *op = VV_VEC_AT(&write->batch->ops, vv_batch_op, i);
        bool is_late = op->selection == NULL && retention_least_time(&op->run) < cut_last;
        for (size_t row = 0; is_late && row < op->run.count && status == VARVE_OK; row++) {
            status = retention_check_row(&check, op, row, out_err);
        }
    }
    vv_retention_unref(db, table);
    return status;
}

/* ---- observing ---- */

static void retention_measure_row(vv_retention_times *times, int64_t time, int64_t limit,
                                  uint64_t rows)
{
    if (time <= limit) {
        times->newest = time > times->newest ? time : times->newest;
    } else {
        times->skew_rows += rows;
        times->skew_newest = time > times->skew_newest ? time : times->skew_newest;
    }
}

/** The greatest time alone, where no row has to be looked at by itself. */
static int64_t retention_greatest_time(const vv_run *run)
{
    int64_t greatest = INT64_MIN;
    for (size_t i = 0; i < run->time_count; i++) {
        greatest = run->times[i] > greatest ? run->times[i] : greatest;
    }
    return greatest;
}

static void retention_measure_run(const vv_write *write, const vv_write_item *item, int64_t limit,
                                  vv_retention_times *times)
{
    const vv_run *run = &item->run;
    int64_t greatest = retention_greatest_time(run);
    if (write->rejected_rows == NULL && item->target_count == 0 &&
        (greatest <= limit || run->time_count == 1)) {
        retention_measure_row(times, greatest, limit, run->count);
        return;
    }
    for (size_t row = 0; row < run->count; row++) {
        if (vv_write_counts_row(write, item, row)) {
            retention_measure_row(times, retention_row_time(run, row), limit, 1);
        }
    }
}

vv_retention_times vv_retention_measure(const vv_write *write)
{
    varve_db *db = write->db;
    vv_retention_times times = {.newest = VV_RETENTION_NONE, .skew_newest = VV_RETENTION_NONE};
    if (write->batch->user.is_internal) {
        return times; /* what background work writes, and when, changes no answer */
    }
    int64_t ahead_ns = vv_sat_add_i64(vv_env_wall_ns(&db->env), VV_RETENTION_SKEW_S * VV_NS_PER_S);
    int64_t limit = vv_time_convert_saturating(ahead_ns, VARVE_PRECISION_NS, db->precision);
    const vv_write_item *items = VV_VEC_ITEMS(&write->memory->items, vv_write_item);
    for (size_t i = write->item_begin; i < write->item_end; i++) {
        if (items[i].op->selection == NULL) {
            retention_measure_run(write, &items[i], limit, &times);
        }
    }
    return times;
}

static void retention_raise(atomic_int_least64_t *to, int64_t value)
{
    int_least64_t before = atomic_load(to);
    while (value > before && !atomic_compare_exchange_weak(to, &before, value)) {
    }
}

void vv_retention_observe(varve_db *db, const vv_retention_times *times)
{
    retention_raise(&db->retention.newest, times->newest);
    if (times->skew_rows > 0) {
        retention_raise(&db->retention.skew_newest, times->skew_newest);
        atomic_fetch_add_explicit(&db->retention.skew_rows, times->skew_rows, memory_order_relaxed);
    }
}
