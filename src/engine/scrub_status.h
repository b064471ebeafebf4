/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_SCRUB_STATUS_H
#define VV_ENGINE_SCRUB_STATUS_H

/*
 * What the last complete scrub found, as this process tells it and as the manifest keeps it.
 *
 *   pass: create -> fills its record -> keep: one turn of the manifest: edit, then db->scrubbed
 *   status: a reference on db->scrubbed and one on the version, under one short lock
 *
 *   K1  A record that was kept does not change any more: it is counted, and read without a lock.
 *       Asking never waits for the manifest.
 *   K2  Of passes that end at the same time the last one in the manifest is the last one in memory,
 *       and no record is older than one before it by the wall clock of its edit (Y1 of
 *       engine/edit.h). A disk that takes no record leaves memory ahead of the manifest.
 */

#include <stdatomic.h>

#include "engine/db.h"
#include "engine/scrub_record.h"

typedef struct vv_scrub_kept {
    atomic_uint refs;
    vv_scrub_record record;
} vv_scrub_kept;

enum { VV_SCRUB_FILE_BYTES = 64 }; /* "warm/seg/<20 digits>.vsg" and its NUL */

/** A file of a database: its directory, its number, its suffix. */
void vv_scrub_name_file(char out_file[VV_SCRUB_FILE_BYTES], const char *directory,
                        const char *suffix, uint64_t id);

/** An empty record for a pass that begins; the caller's reference. E_NOMEM. */
VV_MUST_CHECK varve_status vv_scrub_kept_create(varve_db *db, vv_scrub_kept **out_kept,
                                                varve_error *out_err);
/** NULL is allowed. */
void vv_scrub_kept_unref(varve_db *db, vv_scrub_kept *kept);

/**
 * The pass has come to its end now: record it in the manifest, where this handle writes one, and
 * make it what is told. The record is not to be changed any more; the caller's reference stays.
 * A disk that does not take it is logged. E_NOMEM: nothing was kept.
 */
VV_MUST_CHECK varve_status vv_scrub_keep(varve_db *db, vv_scrub_kept *kept, varve_error *out_err);

/** When the last complete pass ended, by the wall clock; false: none is known. */
bool vv_scrub_last(varve_db *db, int64_t *out_completed_ns);

/** See varve_scrub_status; visit may be NULL. */
void vv_scrub_status(varve_db *db, varve_scrub_state *out_state, varve_damage_visitor visit,
                     void *context);
/** Take the record of the manifest; places that are still of the database make the health DEGRADED.
 *  The version is installed. E_CORRUPT, E_NOMEM. */
VV_MUST_CHECK varve_status vv_scrub_load(varve_db *db, vv_bytes stored, varve_error *out_err);

#endif
