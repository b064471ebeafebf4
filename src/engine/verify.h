/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_VERIFY_H
#define VV_ENGINE_VERIFY_H

/*
 * Read everything: every block of every segment against its checksums, every visible row, and a
 * digest of the visible rows that does not depend on how they are stored.
 */

#include "engine/db.h"

VV_MUST_CHECK varve_status vv_verify(varve_db *db, varve_task *task, varve_verified *out_verified,
                                     varve_error *out_err);

#endif
