/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bodies of varve.h: retention. Argument checks; the work is done in engine/retention_policy.c.
 */

#include <string.h>

#include "base/status.h"
#include "engine/db.h"
#include "engine/retention.h"

void varve_retention_init(varve_retention *retention)
{
    memset(retention, 0, sizeof *retention);
    retention->struct_size = sizeof *retention;
}

void varve_retention_info_init(varve_retention_info *info)
{
    memset(info, 0, sizeof *info);
    info->struct_size = sizeof *info;
}

void varve_retention_times_init(varve_retention_times *times)
{
    memset(times, 0, sizeof *times);
    times->struct_size = sizeof *times;
}

varve_status varve_policy_retention(varve_db *db, varve_text metric,
                                    const varve_retention *retention, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (db->is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY, "%s was opened read-only", db->path);
    }
    if (retention != NULL && retention->struct_size < sizeof *retention) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "varve_policy_retention: call varve_retention_init first");
    }
    return vv_retention_set(db, metric, retention, out_err);
}

varve_status varve_retention_get(varve_db *db, varve_text metric, varve_retention_info *out_info,
                                 varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_info == NULL || out_info->struct_size < sizeof *out_info) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "varve_retention_get: call varve_retention_info_init first");
    }
    return vv_retention_get(db, metric, out_info, out_err);
}

varve_status varve_retention_list(varve_db *db, varve_retention_info *out_items, size_t capacity,
                                  size_t *out_count, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_count == NULL || (out_items == NULL && capacity > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_retention_list: a pointer is NULL");
    }
    vv_retention_list(db, out_items, capacity, out_count);
    return VARVE_OK;
}

varve_status varve_retention_seen(varve_db *db, varve_retention_times *out_times,
                                  varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_times == NULL || out_times->struct_size < sizeof *out_times) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "varve_retention_seen: call varve_retention_times_init first");
    }
    vv_retention_seen(db, out_times);
    return VARVE_OK;
}
