/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bodies of varve.h: opening, closing, names, plain structs. Argument checks and nothing clever;
 * the work is done in engine/, index/ and query/.
 */

#include <string.h>

#include "api/api_figures_priv.h"
#include "base/status.h"
#include "engine/db.h"
#include "engine/flush.h"
#include "engine/merge.h"
#include "engine/rollup_set.h"
#include "index/catalogue.h"
#include "query/rollup_pass.h"

#define API_VERSION_TEXT(major, minor, patch) #major "." #minor "." #patch
#define API_VERSION(major, minor, patch)      API_VERSION_TEXT(major, minor, patch)

const char *varve_status_text(varve_status status)
{
    return vv_status_text(status);
}

const char *varve_version(void)
{
    return API_VERSION(VARVE_VERSION_MAJOR, VARVE_VERSION_MINOR, VARVE_VERSION_PATCH);
}

const char *varve_type_name(uint32_t type)
{
    static const char *const names[] = {"none",  "f64",    "i64",       "u64",  "bool",
                                        "bytes", "string", "histogram", "mixed"};
    return type < VV_ARRAY_COUNT(names) ? names[type] : "unknown";
}

/* ---- _init functions: zero means the default everywhere ---- */

void varve_options_init(varve_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
}

void varve_info_init(varve_info *info)
{
    memset(info, 0, sizeof *info);
    info->struct_size = sizeof *info;
}

void varve_write_options_init(varve_write_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
}

void varve_written_init(varve_written *written)
{
    memset(written, 0, sizeof *written);
    written->struct_size = sizeof *written;
}

void varve_columns_init(varve_columns *columns)
{
    memset(columns, 0, sizeof *columns);
    columns->struct_size = sizeof *columns;
}

void varve_query_options_init(varve_query_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->range = (varve_range){.start = VARVE_RANGE_ALL_START, .end = VARVE_RANGE_ALL_END};
    options->limit = UINT64_MAX;
    options->limit_per_series = UINT64_MAX;
    options->block_rows_max = 1024;
    options->block_bytes_max = UINT64_C(1) << 20;
    options->memory_max = UINT64_C(512) << 20;
    options->scanned_rows_max = UINT64_MAX;
}

void varve_list_options_init(varve_list_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->range = (varve_range){.start = VARVE_RANGE_ALL_START, .end = VARVE_RANGE_ALL_END};
    options->limit = UINT64_MAX;
}

void varve_metric_policy_init(varve_metric_policy *policy)
{
    memset(policy, 0, sizeof *policy);
    policy->struct_size = sizeof *policy;
}

void varve_verified_init(varve_verified *verified)
{
    memset(verified, 0, sizeof *verified);
    verified->struct_size = sizeof *verified;
}

/* ---- opening and closing ---- */

varve_status varve_open(const char *path, const varve_options *options, varve_db **out_db,
                        varve_error *out_err)
{
    if (out_db == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_open: out_db is NULL");
    }
    *out_db = NULL;
    if (path != NULL && path[0] == '\0') {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "varve_open: the path is empty; NULL opens a database in memory");
    }
    VV_TRY(vv_db_open(path, options, out_db, out_err));
    atomic_store(&(*out_db)->rollup_run, vv_rollup_pass);
    return VARVE_OK;
}

varve_status varve_refresh(varve_db *db, varve_error *out_err)
{
    return vv_db_refresh(db, out_err);
}

varve_status varve_close(varve_db *db, varve_error *out_err)
{
    return vv_db_close(db, out_err);
}

void varve_abandon(varve_db *db)
{
    vv_db_abandon(db);
}

varve_status varve_db_info(varve_db *db, varve_info *out_info, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_info == NULL || out_info->struct_size < sizeof(uint32_t)) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_db_info: call varve_info_init first");
    }
    varve_info info = {
        .precision = db->precision,
        .duplicates = db->options.duplicates,
        .row_ids = db->options.row_ids,
        .sync = db->options.sync,
        .is_readonly = db->is_readonly ? 1 : 0,
        .created_ns = db->created_ns,
        .is_snapshot = db->is_snapshot ? 1 : 0,
    };
    memcpy(info.store_id, db->store_id, sizeof info.store_id);
    info.struct_size =
        out_info->struct_size < sizeof info ? out_info->struct_size : (uint32_t)sizeof info;
    memcpy(out_info, &info, info.struct_size);
    return VARVE_OK;
}

/* ---- names ---- */

varve_status varve_series_resolve(varve_db *db, varve_text metric, const varve_label *labels,
                                  size_t label_count, uint32_t flags, varve_series *out_series,
                                  varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_series == NULL || (labels == NULL && label_count > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_series_resolve: a pointer is NULL");
    }
    if ((flags & ~(uint32_t)VARVE_RESOLVE_EXISTING) != 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_series_resolve: unknown flags 0x%x", flags);
    }
    uint32_t id;
    if (vv_rollup_generation_of(metric) != 0 && (flags & VARVE_RESOLVE_EXISTING) == 0) {
        return vv_rollup_refuse(metric, out_err);
    }
    VV_TRY(vv_catalogue_resolve(db->catalogue, metric, labels, label_count,
                                (flags & VARVE_RESOLVE_EXISTING) != 0, &id, out_err));
    *out_series = (varve_series){.id = id};
    return VARVE_OK;
}

varve_status varve_field_resolve(varve_db *db, varve_text name, varve_field *out_field,
                                 varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_field == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_field_resolve: out_field is NULL");
    }
    uint32_t id;
    VV_TRY(vv_catalogue_field(db->catalogue, name, /* existing_only */ false, &id, out_err));
    *out_field = (varve_field){.id = id};
    return VARVE_OK;
}

varve_status varve_series_name(varve_db *db, varve_series series, varve_text *out_metric,
                               const varve_label **out_labels, size_t *out_label_count,
                               varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (series.id == 0 || series.id > vv_catalogue_series_count(db->catalogue)) {
        return vv_fail(out_err, VARVE_E_INVALID, "%llu is no series of this database",
                       (unsigned long long)series.id);
    }
    const varve_label *labels;
    size_t count;
    VV_TRY(vv_catalogue_labels(db->catalogue, (uint32_t)series.id, &labels, &count, out_err));
    *out_metric = vv_catalogue_metric(db->catalogue, (uint32_t)series.id);
    *out_labels = labels;
    *out_label_count = count;
    return VARVE_OK;
}

varve_status varve_field_name(varve_db *db, varve_field field, varve_text *out_name,
                              varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (field.id == 0 || field.id > vv_catalogue_field_count(db->catalogue)) {
        return vv_fail(out_err, VARVE_E_INVALID, "%llu is no field of this database",
                       (unsigned long long)field.id);
    }
    *out_name = vv_catalogue_field_name(db->catalogue, (uint32_t)field.id);
    return VARVE_OK;
}

/* ---- maintenance ---- */

static varve_status api_check_writable(varve_db *db, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (db->is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY, "%s was opened read-only", db->path);
    }
    return VARVE_OK;
}

varve_status varve_flush(varve_db *db, varve_task *task, varve_error *out_err)
{
    VV_TRY(api_check_writable(db, out_err));
    return vv_api_maintained(db, vv_flush(db, task, out_err));
}

varve_status varve_compact(varve_db *db, uint32_t flags, varve_task *task, varve_error *out_err)
{
    VV_TRY(api_check_writable(db, out_err));
    if ((flags & ~(uint32_t)VARVE_COMPACT_ALL) != 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_compact: unknown flags 0x%x", flags);
    }
    varve_status status = vv_flush(db, task, out_err);
    if (status == VARVE_OK) {
        status = vv_merge(db, (flags & VARVE_COMPACT_ALL) != 0, task, out_err);
    }
    return vv_api_maintained(db, status);
}
