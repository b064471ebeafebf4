/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bodies of varve.h: writing. Handles and flags are checked here; rows in engine/batch.c.
 */

#include <string.h>

#include "base/status.h"
#include "engine/db.h"
#include "engine/rollup_set.h"
#include "engine/write.h"
#include "index/catalogue.h"
#include "model/rows.h"
#include "wal/wal.h"

static varve_status api_check_write(varve_db *db, const varve_write_options *options,
                                    varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (db->is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY, "%s was opened read-only", db->path);
    }
    if (options == NULL) {
        return VARVE_OK;
    }
    uint32_t known = VARVE_WRITE_SKIP_REJECTED | VARVE_WRITE_SPLIT;
    if (options->struct_size < sizeof *options || (options->flags & ~known) != 0 ||
        options->sync > VARVE_SYNC_NO_LOG ||
        (options->rejected == NULL && options->rejected_capacity > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "write options are not valid (struct_size %u, flags 0x%x, sync %u)",
                       options->struct_size, options->flags, options->sync);
    }
    return VARVE_OK;
}

static varve_status api_check_written(const varve_written *written, varve_error *out_err)
{
    if (written != NULL && written->struct_size < sizeof *written) {
        return vv_fail(out_err, VARVE_E_INVALID, "call varve_written_init before a write");
    }
    return VARVE_OK;
}

varve_status varve_batch_create(varve_db *db, varve_batch **out_batch, varve_error *out_err)
{
    if (out_batch == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_batch_create: out_batch is NULL");
    }
    *out_batch = NULL;
    VV_TRY(api_check_write(db, NULL, out_err));
    return vv_batch_create(db, out_batch, out_err);
}

void varve_batch_free(varve_batch *batch)
{
    vv_batch_free(batch);
}

void varve_batch_clear(varve_batch *batch)
{
    if (batch != NULL) {
        vv_batch_clear(batch);
    }
}

varve_status varve_batch_row(varve_batch *batch, const varve_row *row, varve_error *out_err)
{
    if (batch == NULL || row == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_batch_row: a pointer is NULL");
    }
    VV_TRY(vv_db_check(vv_batch_db(batch), out_err));
    return vv_batch_row(batch, row, out_err);
}

varve_status varve_batch_columns(varve_batch *batch, const varve_columns *columns,
                                 varve_error *out_err)
{
    if (batch == NULL || columns == NULL || columns->struct_size < sizeof *columns) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "varve_batch_columns: a pointer is NULL, or varve_columns_init was not "
                       "called");
    }
    VV_TRY(vv_db_check(vv_batch_db(batch), out_err));
    return vv_batch_columns(batch, columns, out_err);
}

varve_status varve_batch_delete(varve_batch *batch, const varve_selection *selections, size_t count,
                                varve_range range, varve_error *out_err)
{
    if (batch == NULL || (selections == NULL && count > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_batch_delete: a pointer is NULL");
    }
    VV_TRY(vv_db_check(vv_batch_db(batch), out_err));
    return vv_batch_delete(batch, selections, count, range, out_err);
}

varve_status varve_batch_delete_row(varve_batch *batch, const varve_row_id *id,
                                    varve_error *out_err)
{
    if (batch == NULL || id == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_batch_delete_row: a pointer is NULL");
    }
    VV_TRY(vv_db_check(vv_batch_db(batch), out_err));
    return vv_batch_delete_row(batch, id, out_err);
}

varve_status varve_batch_replace(varve_batch *batch, const varve_row_id *id, const varve_row *row,
                                 varve_error *out_err)
{
    if (batch == NULL || id == NULL || row == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_batch_replace: a pointer is NULL");
    }
    VV_TRY(vv_db_check(vv_batch_db(batch), out_err));
    return vv_batch_replace(batch, id, row, out_err);
}

varve_status varve_batch_commit(varve_batch *batch, const varve_write_options *options,
                                varve_written *out_written, varve_error *out_err)
{
    if (batch == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_batch_commit: the batch is NULL");
    }
    VV_TRY(api_check_write(vv_batch_db(batch), options, out_err));
    VV_TRY(api_check_written(out_written, out_err));
    return vv_batch_commit(batch, options, out_written, out_err);
}

varve_status varve_batch_submit(varve_batch *batch, const varve_write_options *options,
                                varve_written *out_written, varve_error *out_err)
{
    if (batch == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_batch_submit: the batch is NULL");
    }
    VV_TRY(api_check_write(vv_batch_db(batch), options, out_err));
    VV_TRY(api_check_written(out_written, out_err));
    return vv_batch_submit(batch, options, out_written, out_err);
}

varve_status varve_wait(varve_db *db, uint64_t ticket, uint64_t timeout_ms, uint32_t *out_ack,
                        varve_error *out_err)
{
    VV_TRY(api_check_write(db, NULL, out_err));
    uint32_t ack = VARVE_ACK_NONE;
    VV_TRY(vv_wal_wait(db->wal, ticket, timeout_ms, &ack, out_err));
    if (out_ack != NULL) {
        *out_ack = ack;
    }
    return VARVE_OK;
}

/** One named row into a batch. */
static varve_status api_add_named(varve_db *db, varve_batch *batch, const varve_named_row *named,
                                  varve_error *out_err)
{
    if (named->count == 0 || named->count > VV_ROW_FIELDS_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "a row has %zu fields; it must have 1..%d",
                       named->count, VV_ROW_FIELDS_MAX);
    }
    VV_NOT_CLEARED varve_field fields[VV_ROW_FIELDS_MAX];
    varve_row row = {
        .timestamp = named->timestamp,
        .fields = fields,
        .values = named->values,
        .count = named->count,
    };
    VV_TRY(varve_series_resolve(db, named->metric, named->labels, named->label_count, 0,
                                &row.series, out_err));
    for (size_t i = 0; i < named->count; i++) {
        VV_TRY(varve_field_resolve(db, named->fields[i], &fields[i], out_err));
    }
    return vv_batch_row(batch, &row, out_err);
}

/** E_LIMIT before the first series of a batch is made that has too many; what is wrong with a name
 *  comes first, as without a limit. */
static varve_status api_check_series(varve_db *db, const varve_named_row *rows, size_t count,
                                     varve_error *out_err)
{
    VV_NOT_CLEARED varve_error limit;
    varve_status status = vv_catalogue_check_rows(db->catalogue, rows, count, &limit);
    for (size_t i = 0; i < count && status == VARVE_E_LIMIT; i++) {
        uint32_t series;
        varve_error reason;
        if (vv_catalogue_resolve(db->catalogue, rows[i].metric, rows[i].labels, rows[i].label_count,
                                 /* existing_only */ true, &series, &reason) == VARVE_E_INVALID) {
            vv_error_prefix(&reason, "row %zu", i);
            limit = reason;
            status = VARVE_E_INVALID;
        }
    }
    if (status != VARVE_OK && out_err != NULL) {
        *out_err = limit;
    }
    return status;
}

varve_status varve_write(varve_db *db, const varve_named_row *rows, size_t count,
                         const varve_write_options *options, varve_written *out_written,
                         varve_error *out_err)
{
    VV_TRY(api_check_write(db, options, out_err));
    VV_TRY(api_check_written(out_written, out_err));
    if (rows == NULL && count > 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_write: rows is NULL");
    }
    if (options == NULL || (options->flags & VARVE_WRITE_SKIP_REJECTED) == 0) {
        VV_TRY(api_check_series(db, rows, count, out_err));
    }
    varve_batch *batch;
    VV_TRY(vv_batch_create(db, &batch, out_err));
    varve_status status = VARVE_OK;
    for (size_t i = 0; i < count && status == VARVE_OK; i++) {
        VV_NOT_CLEARED varve_error reason;
        status = api_add_named(db, batch, &rows[i], &reason);
        if (status == VARVE_E_INVALID || status == VARVE_E_LIMIT) {
            /* The commit decides: it fails with this reason, or leaves the row out. */
            vv_error_prefix(&reason, "row %zu", i);
            status = vv_batch_refuse(batch, &reason, out_err);
        } else if (status != VARVE_OK && out_err != NULL) {
            *out_err = reason;
        }
    }
    if (status == VARVE_OK) {
        status = vv_batch_commit(batch, options, out_written, out_err);
    }
    vv_batch_free(batch);
    return status;
}

varve_status varve_delete(varve_db *db, const varve_selection *selections, size_t count,
                          varve_range range, const varve_write_options *options,
                          varve_written *out_written, varve_error *out_err)
{
    VV_TRY(api_check_write(db, options, out_err));
    VV_TRY(api_check_written(out_written, out_err));
    if (selections == NULL && count > 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_delete: selections is NULL");
    }
    varve_batch *batch;
    VV_TRY(vv_batch_create(db, &batch, out_err));
    varve_status status = vv_batch_delete(batch, selections, count, range, out_err);
    if (status == VARVE_OK) {
        status = vv_batch_commit(batch, options, out_written, out_err);
    }
    vv_batch_free(batch);
    return status;
}

varve_status varve_policy_metric(varve_db *db, varve_text metric, const varve_metric_policy *policy,
                                 varve_error *out_err)
{
    VV_TRY(api_check_write(db, NULL, out_err));
    if (vv_rollup_generation_of(metric) != 0) {
        return vv_rollup_refuse(metric, out_err);
    }
    if (policy == NULL || policy->struct_size < sizeof *policy ||
        policy->duplicates > VARVE_DUPLICATES_ALL || policy->row_ids > VARVE_ROW_IDS_ON) {
        return vv_fail(out_err, VARVE_E_INVALID, "the policy of a metric is not valid");
    }
    return vv_write_policy(db, metric, policy, out_err);
}
