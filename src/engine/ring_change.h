/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_RING_CHANGE_H
#define VV_ENGINE_RING_CHANGE_H

/*
 * Making a series a ring, giving it another shape, dropping it. Bodies of varve_policy_ring and its
 * kin; arguments are checked for NULL only by the callers.
 */

#include "engine/db.h"

VV_MUST_CHECK varve_status vv_ring_set_policy(varve_db *db, uint32_t series,
                                              const varve_ring *wanted, varve_error *out_err);
VV_MUST_CHECK varve_status vv_ring_drop(varve_db *db, uint32_t series, varve_error *out_err);
/** See varve_ring_info and varve_ring_list. */
VV_MUST_CHECK varve_status vv_ring_info(varve_db *db, uint32_t series, varve_ring *out_ring,
                                        varve_ring_field *out_fields, size_t capacity,
                                        varve_error *out_err);
void vv_ring_list(varve_db *db, varve_series *out_series, size_t capacity, size_t *out_count);

#endif
