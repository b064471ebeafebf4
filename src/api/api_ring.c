/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Bodies of varve.h: rings.
 */

#include <string.h>

#include "base/status.h"
#include "engine/db.h"
#include "engine/ring_change.h"
#include "index/catalogue.h"

void varve_ring_init(varve_ring *ring)
{
    memset(ring, 0, sizeof *ring);
    ring->struct_size = sizeof *ring;
}

varve_status varve_policy_ring(varve_db *db, varve_text metric, const varve_label *labels,
                               size_t label_count, const varve_ring *ring, varve_series *out_series,
                               varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (ring == NULL || (labels == NULL && label_count > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_policy_ring: a pointer is NULL");
    }
    if (ring->struct_size < sizeof *ring || (ring->fields == NULL && ring->field_count > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_policy_ring: call varve_ring_init first");
    }
    if (ring->flags != 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_policy_ring: unknown flags 0x%x",
                       ring->flags);
    }
    uint32_t series;
    VV_TRY(vv_catalogue_resolve(db->catalogue, metric, labels, label_count,
                                /* existing_only */ false, &series, out_err));
    VV_TRY(vv_ring_set_policy(db, series, ring, out_err));
    if (out_series != NULL) {
        *out_series = (varve_series){.id = series};
    }
    return VARVE_OK;
}

varve_status varve_policy_ring_drop(varve_db *db, varve_text metric, const varve_label *labels,
                                    size_t label_count, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (labels == NULL && label_count > 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_policy_ring_drop: a pointer is NULL");
    }
    uint32_t series;
    VV_TRY(vv_catalogue_resolve(db->catalogue, metric, labels, label_count,
                                /* existing_only */ true, &series, out_err));
    return vv_ring_drop(db, series, out_err);
}

varve_status varve_ring_info(varve_db *db, varve_series series, varve_ring *out_ring,
                             varve_ring_field *out_fields, size_t capacity, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_ring == NULL || out_ring->struct_size < sizeof *out_ring ||
        (out_fields == NULL && capacity > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_ring_info: call varve_ring_init first");
    }
    if (series.id == 0 || series.id > vv_catalogue_series_count(db->catalogue)) {
        return vv_fail(out_err, VARVE_E_INVALID, "%llu is no series of this database",
                       (unsigned long long)series.id);
    }
    return vv_ring_info(db, (uint32_t)series.id, out_ring, out_fields, capacity, out_err);
}

varve_status varve_ring_list(varve_db *db, varve_series *out_series, size_t capacity,
                             size_t *out_count, varve_error *out_err)
{
    VV_TRY(vv_db_check(db, out_err));
    if (out_count == NULL || (out_series == NULL && capacity > 0)) {
        return vv_fail(out_err, VARVE_E_INVALID, "varve_ring_list: a pointer is NULL");
    }
    vv_ring_list(db, out_series, capacity, out_count);
    return VARVE_OK;
}
