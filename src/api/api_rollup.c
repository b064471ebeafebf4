/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bodies of varve.h: rollups. The set and how it stands are engine/rollup*.c.
 */

#include "base/status.h"
#include "engine/db.h"
#include "engine/rollup.h"
#include "engine/rollup_status.h"
#include "query/rollup_pass.h"

varve_status varve_policy_rollups(varve_db *db, const varve_rollup *rollups, size_t count,
                                  varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (db->is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY, "%s was opened read-only", db->path);
    }
    return vv_rollups_replace(db, rollups, count, out_err);
}

varve_status varve_rollup_run(varve_db *db, varve_task *task, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (db->is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY, "%s was opened read-only", db->path);
    }
    return vv_rollup_pass(db, task, /* is_background */ false, out_err);
}

varve_status varve_rollup_status(varve_db *db, varve_task *task, varve_rollup_visitor visit,
                                 void *context, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (visit == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_rollup_status: visit is NULL");
    }
    return vv_rollups_tell(db, task, visit, context, out_err);
}
