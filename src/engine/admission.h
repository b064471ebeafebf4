/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_ADMISSION_H
#define VV_ENGINE_ADMISSION_H

/*
 * Whether a write may begin: what is waited for before anything is locked (docs/internals/
 * architecture.md, "A write").
 *
 *   disk     rows are refused at once while it is full (engine/space.h)            E_NOSPACE
 *   memory   counted bytes at memory_limit_bytes: a flush is forced                E_BUSY
 *   log      files behind the present one hold log_bytes_max: a flush is forced    E_BUSY
 *
 * A1  Nobody waits beyond the deadline of the write, and nobody where waiting cannot help: without
 *     a background thread the flush is done here, and what it leaves is refused at once.
 * A2  A refusal has no effect.
 */

#include "engine/db.h"

typedef struct vv_admission {
    bool has_rows;       /* deletes and policies pass a full disk: they free space */
    bool is_logged;      /* it goes to log files */
    int64_t deadline_ns; /* of vv_mono_now_ns */
} vv_admission;

/** E_BUSY, E_NOSPACE, E_FENCED. */
VV_MUST_CHECK varve_status vv_admission_wait(varve_db *db, const vv_admission *write,
                                             varve_error *out_err);
/** Room in the log, for that many bytes and records. What frees space takes the ballast where there
 *  is no other (Z4). As vv_wal_reserve, but E_BUSY where the time was over. */
VV_MUST_CHECK varve_status vv_admission_reserve(varve_db *db, const vv_admission *write,
                                                size_t payload_bytes, size_t record_count,
                                                varve_error *out_err);

#endif
