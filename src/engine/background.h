/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_BACKGROUND_H
#define VV_ENGINE_BACKGROUND_H

/*
 * The thread that flushes, merges and keeps rollups when a bound asks for it: woken by writers
 * (vv_background_kick), by the clock (age of the oldest row) and at close. What it does depends on
 * data and bounds only; answers never depend on when it runs. A failed flush or merge is logged,
 * reported as health where durability asks for that, and tried again after 1 s, 2 s, 4 s ...; three
 * failed flushes in a row are WRITE_FAILED.
 */

#include "engine/db.h"

VV_MUST_CHECK varve_status vv_background_start(varve_db *db, varve_error *out_err);
/** Ask it to look whether a flush or merge is due; cheap, any thread, no background: nothing. */
void vv_background_kick(varve_db *db);
/** Finish the step it is in, join it, free it. */
void vv_background_stop(varve_db *db);
/** In a forked child, which does not have the thread: free the memory. */
void vv_background_forget(varve_db *db);
/** Wait until something was flushed or the deadline passed (writers waiting for memory). */
void vv_background_wait(varve_db *db, int64_t deadline_mono_ns);

#endif
