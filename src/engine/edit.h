/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_EDIT_H
#define VV_ENGINE_EDIT_H

/*
 * An edit of the manifest of a database that is served: who changes what the database is takes a
 * turn, appends one edit, changes memory to match, and ends the turn.
 *
 *   begin  -> manifest_lock is taken
 *   append -> the edit is durable; or it is not there; or nobody knows
 *   end    -> manifest_lock is given back; nobody knows: the database is WRITE_FAILED
 *
 *   Y1  What the edit changes in memory is changed within the turn, so memory goes through the
 *       same states in the same order as the manifest.
 *   Y2  An edit is in doubt when its own write or sync failed: it may be durable or not. Then what
 *       it names stays on the disk, and so does what it drops; no later edit is taken (M5 of
 *       engine/manifest.h), and nothing is acknowledged any more. Any other failure changed
 *       nothing, and what was made for the edit may go.
 *   Y3  The health changes after the lock was given back: the log function of the user hears of it.
 *
 * Opening and closing append alone, while nobody else has the handle; a failure is their answer.
 */

#include "engine/db.h"
#include "engine/manifest.h"

/** A turn. */
typedef struct vv_edit {
    varve_db *db;
    bool is_in_doubt;    /* Y2 */
    varve_error failure; /* why */
} vv_edit;

/** What an edit may use when the disk is full. */
typedef enum vv_edit_space {
    VV_EDIT_AS_IS,   /* what is free */
    VV_EDIT_RELEASES /* the ballast, too: it drops what gives space back, or is the way to it */
} vv_edit_space;

/** Begin a turn; waits for the one under way. manifest_lock is held until its end. */
void vv_edit_begin(vv_edit *turn, varve_db *db);
/** Make the edit durable, at most one of a turn. Statuses of vv_manifest_append. */
VV_MUST_CHECK varve_status vv_edit_append(vv_edit *turn, const vv_manifest_edit *edit,
                                          vv_edit_space space, varve_error *out_err);
/** End the turn; turn->is_in_doubt stays readable. */
void vv_edit_end(vv_edit *turn);

#endif
