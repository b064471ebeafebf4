/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_FLUSH_H
#define VV_ENGINE_FLUSH_H

/*
 * Freeze the active head and write it as one level-0 segment; publish; drop the log behind it.
 *
 * Freeze: every shard locked, wal position taken, a fresh head becomes active, the old one joins
 * db->frozen (state_lock). Step 0: vv_wal_sync(last_lsn). Then series by series in order of names:
 * scan (the frozen head alone, tombstones of the version applied) -> vectors of up to 1024 rows ->
 * writer. Rename, directory sync, manifest edit (add segment, del file of new tombstones,
 * flush_lsn, log_start, next ids), then under state_lock the new version is installed and the
 * frozen head leaves the list, then log files go. A frozen head without visible rows publishes only
 * the edit. A failed attempt keeps the frozen head (later flushes take the oldest first) and is
 * tried again with a new file number.
 */

#include "engine/db.h"

/** Flush everything written before this call. A no-op when there is nothing. */
VV_MUST_CHECK varve_status vv_flush(varve_db *db, varve_task *task, varve_error *out_err);
/** The same with flush_lock held, and without the merges that may follow. */
VV_MUST_CHECK varve_status vv_flush_locked(varve_db *db, varve_task *task, varve_error *out_err);
/** Whether a bound asks for a flush: bytes, rows, age, log size. */
bool vv_flush_is_due(varve_db *db);

#endif
