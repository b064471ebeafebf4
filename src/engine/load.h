/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_LOAD_H
#define VV_ENGINE_LOAD_H

/* What opening (engine/open.c) and loading (engine/recover.c) share. */

#include "engine/db.h"
#include "engine/manifest.h"

/** Load what the manifest names and replay the log above it. */
VV_MUST_CHECK varve_status vv_db_load(varve_db *db, varve_error *out_err);
/** Take what was stored at creation; another wish in the options is E_CONFLICT. */
VV_MUST_CHECK varve_status vv_db_adopt(varve_db *db, const vv_manifest_state *state,
                                       varve_error *out_err);

#endif
