/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_ROLLUP_H
#define VV_ENGINE_ROLLUP_H

/*
 * Rollups: which there are, and which part of what they keep is right. docs/decisions/0022.
 *
 * What a rollup keeps of a source series lies in one series of its own: metric "varve.rollup.N" (N:
 * the generation), the labels of the source, a row for each bucket at the bucket's start. A row has
 * the source's fields, each with the partial aggregate of its values as bytes (query/partial.h).
 * The newest row that has the field "varve.sequence" says how far the rollup is: every bucket up to
 * and with that row's is kept, and is right as of that row sequence. These are ordinary rows: what
 * a view sees of them belongs together.
 *
 *   source   ----rows----+----+----------+--  late row, sequence 90        through
 *   kept     [b0][b1][b2][b3][b4]...[b9: varve.sequence 80]                   |
 *   dirty                 ^^^^                                   raw: behind b9
 *
 *   U1  A kept bucket is right in a view unless something of its source with a sequence above the
 *       kept one lies in it: a row, or a delete. Nothing is written down for that: sequences of
 *       rows, chunks and deletes say it (rollup_spans.c), through flushes, merges and restarts.
 *
 *   U2  A delete stays in the version, even when it was applied to every file, until a pass that
 * has seen it is itself in files: vv_rollups_need.
 *
 *   U3  What a set says is durable before the call that sets it returns; generations (S2 of
 *       rollup_set.h) keep what was made under another definition apart.
 *
 *   U5  Metrics with row ids are not kept: their rows go one by one, and of what a flush applies to
 *       its own rows nothing is left to see. Nor are rings, whose slots are overwritten.
 *
 *   U4  After holes in the log (salvage) rows may be gone that a rollup has counted: every rollup
 *       starts anew, under new generations.
 */

#include "engine/db.h"
#include "engine/rollup_set.h"
#include "engine/tombstone.h"

/** The set in force, referenced; NULL: there never was one. */
vv_rollup_set *vv_rollups_current(varve_db *db);
/** Whether there ever was a set: an empty one may have left something to delete. */
bool vv_rollups_were_set(varve_db *db);
/** Whether any rollup is in force. */
bool vv_rollups_exist(varve_db *db);
/** Replace the whole set, durably. E_INVALID, and the errors of a write. */
VV_MUST_CHECK varve_status vv_rollups_replace(varve_db *db, const varve_rollup *rollups,
                                              size_t count, varve_error *out_err);
/** Opening: the set is what stored bytes say (empty bytes: none). */
VV_MUST_CHECK varve_status vv_rollups_load(varve_db *db, vv_bytes stored, varve_error *out_err);
/** Opening after holes: U4. */
VV_MUST_CHECK varve_status vv_rollups_distrust(varve_db *db, varve_error *out_err);
/** A pass over all rollups has seen every delete up to the row sequence `visible` (U2). */
void vv_rollups_passed(varve_db *db, uint64_t visible);
/** A pass has committed rows: what it knows is in files when they are. */
void vv_rollups_wrote(varve_db *db);
/** A head with everything up to a row sequence is in a file. */
void vv_rollups_flushed_locked(varve_db *db, uint64_t last_sequence);
/** Whether a delete must be kept for passes to come (U2). */
bool vv_rollups_need(varve_db *db, const vv_tombstone *tombstone);
/** Closing: drop the reference. */
void vv_rollups_forget(varve_db *db);

#endif
