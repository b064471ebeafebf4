/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_SCRUB_H
#define VV_ENGINE_SCRUB_H

/*
 * Reads every file of a database at a bounded rate and tells what is damaged, all of it. Unlike
 * verify it decodes nothing and goes on behind damage.
 */

#include "engine/db.h"

/** See varve_scrub. */
VV_MUST_CHECK varve_status vv_scrub(varve_db *db, const varve_scrub_options *options,
                                    varve_task *task, varve_scrubbed *out_scrubbed,
                                    varve_error *out_err);

#endif
