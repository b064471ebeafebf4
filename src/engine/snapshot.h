/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_SNAPSHOT_H
#define VV_ENGINE_SNAPSHOT_H

/*
 * A copy of a database at one row sequence, as a directory of its own: taken while writing goes on
 * (snapshot: shares immutable files by hard links), or made from one at rest (restore: copies).
 */

#include "engine/db.h"

/** On success out_copied is filled, struct_size as given. See varve_snapshot. */
VV_MUST_CHECK varve_status vv_snapshot(varve_db *db, const char *path, varve_task *task,
                                       varve_copied *out_copied, varve_error *out_err);
/** See varve_restore; options may be NULL. */
VV_MUST_CHECK varve_status vv_restore(const char *source, const char *path,
                                      const varve_options *options, varve_task *task,
                                      varve_copied *out_copied, varve_error *out_err);

#endif
