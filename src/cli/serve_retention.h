/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SERVE_RETENTION_H
#define VV_CLI_SERVE_RETENTION_H

/*
 * What the settings of `varve serve` say of retention, put into the database that was opened. What
 * they do not mention stays as it is stored.
 *
 *     --retention 30d --retention-metric cpu=1y --retention-metric debug=2h
 */

#include "base/compiler.h"
#include "varve.h"

struct vv_config;

/** Check the parts that the table of settings cannot: "METRIC=TIME", or "METRIC=database".
 * E_INVALID names the one that makes no sense. */
VV_MUST_CHECK varve_status vv_serve_check_retention(const struct vv_config *config,
                                                    varve_error *out_err);
/** Apply all of them, checked. Errors: those of varve_policy_retention. */
VV_MUST_CHECK varve_status vv_serve_apply_retention(const struct vv_config *config, varve_db *db,
                                                    varve_error *out_err);

#endif
