/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_SPACE_H
#define VV_ENGINE_SPACE_H

/*
 * Free space on the disk of a database: when rows are refused because there is too little, what is
 * kept for the record of a delete, and when writing goes on.
 *
 *                 free < min_free
 *        ok --------------------------> low: rows are refused, VARVE_E_NOSPACE
 *           <--------------------------      reads, deletes, policies, retention, snapshots go on;
 *             free > 1.5 x min_free          flushes drop the log, merges drop what was deleted
 *
 * The ballast is a file of the name RESERVE. Where the record of a delete or an edit of the
 * manifest finds no space at all it is removed, and made again when there is plenty. It is made
 * once the disk is getting full, so that small databases on large disks do without.
 */

#include <stdatomic.h>

#include "sys/thread.h"
#include "varve.h"

typedef struct vv_space {
    /* fixed after open */
    bool is_watched; /* a disk that is written to */
    uint64_t min_free_bytes, reserve_bytes;

    vv_mutex lock;    /* rank SPACE: one look at a time; the file RESERVE, with its I/O */
    bool has_reserve; /* guarded by lock */

    /* atomic */
    atomic_bool is_low;
    atomic_uint_fast64_t free_bytes; /* as of the last look */
    atomic_int_fast64_t looked_ns;   /* clock of the environment */
    atomic_uint_fast64_t log_bytes;  /* of the files that appends have left, then */
    atomic_uint_fast64_t refusals, low_total, releases;
} vv_space;

/** Look at the disk for the first time, fill in options that depend on it (log_file_bytes,
 *  min_free_bytes, reserve_bytes), and give the ballast up where the start of a log would not fit.
 *  The lock is there. Nothing but defaults for one in memory or read-only. */
VV_MUST_CHECK varve_status vv_space_open(varve_db *db, varve_error *out_err);

/** Look at the disk: enter or leave the state, make the ballast when there is room for it. */
void vv_space_look(varve_db *db);
/** The same when the last look is a second old; the background thread calls it. */
void vv_space_tick(varve_db *db);

/** The same when the log has begun another file; cheap, after each write. */
void vv_space_note_log(varve_db *db);

/** Whether rows may be written: E_NOSPACE with the numbers. A look, where the last one is old. */
VV_MUST_CHECK varve_status vv_space_admit(varve_db *db, varve_error *out_err);
/** Whether rows are refused now. Relaxed. */
bool vv_space_is_low(const varve_db *db);
/** Whether that, or a log file that could not be made. Relaxed. */
bool vv_space_is_full(const varve_db *db);
/** The sentence of the state while it is low. */
void vv_space_describe(const varve_db *db, varve_error *out_reason);

/** Size of the ballast while it is there. */
uint64_t vv_space_reserve_bytes(varve_db *db);
/** Remove the ballast; false: there was none. Something that frees space, or records that it may be
 *  freed, found none. */
bool vv_space_release(varve_db *db);

/** Bytes of log files behind the present one at which rows wait for a flush: log_bytes_max, and no
 *  more than half of what is free, so that what is in the log always fits into a segment. */
uint64_t vv_space_log_max(const varve_db *db);
/** Half of that: a flush is due, so that nobody comes to wait. */
uint64_t vv_space_log_bytes(const varve_db *db);
/** Whether what a merge may write fits, so that it does not lead to a full disk. */
bool vv_space_has_room(varve_db *db, uint64_t needed, uint64_t *out_free);

#endif
