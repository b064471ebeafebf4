/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edit.h"

#include "base/assert.h"
#include "engine/health.h"
#include "engine/space.h"

void vv_edit_begin(vv_edit *turn, varve_db *db)
{
    *turn = (vv_edit){.db = db};
    vv_mutex_lock(&db->manifest_lock);
}

varve_status vv_edit_append(vv_edit *turn, const vv_manifest_edit *edit, vv_edit_space space,
                            varve_error *out_err)
{
    varve_db *db = turn->db;
    vv_mutex_assert_held(&db->manifest_lock);
    VV_ASSERT(!turn->is_in_doubt);
    varve_status status = vv_manifest_append(db->manifest, edit, &turn->failure);
    if (status == VARVE_E_NOSPACE && space == VV_EDIT_RELEASES && vv_space_release(db)) {
        status = vv_manifest_append(db->manifest, edit, &turn->failure);
    }
    if (status == VARVE_OK) {
        return VARVE_OK;
    }
    /* Y2. One that was refused because an earlier one is in doubt was not written. */
    turn->is_in_doubt = status != VARVE_E_FENCED && vv_manifest_has_failed(db->manifest);
    vv_error_copy(out_err, &turn->failure);
    return status;
}

void vv_edit_end(vv_edit *turn)
{
    varve_db *db = turn->db;
    vv_mutex_unlock(&db->manifest_lock);
    if (turn->is_in_doubt) {
        vv_health_fail_writes(db, &turn->failure); /* Y3 */
    }
}
