/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_ENGINE_HEALTH_H
#define VV_ENGINE_HEALTH_H

/*
 * How a database is. Four sources, of which the worst is the state:
 *
 *   degraded      reasons, each on its own: what is damaged stays so until the next open, what
 *                 fails in the background goes when it works again
 *   nospace       the watch over the disk (engine/space.h), or a log file that cannot be made
 *   write_failed  a write or sync of log or manifest failed, or the third attempt of a flush
 *   corrupt       a read-only handle that was opened with damage and serves what is intact
 *
 * A change of the state is an event of the log, "health.changed", whose message begins with the
 * name of the new state.
 */

#include <stdatomic.h>

#include "varve.h"

/* Reasons of degraded: VV_HEALTH_REASON(id, name, what it means). */
/* clang-format off */
#define VV_HEALTH_REASON_MAP(X)                                          \
    X(LOG_HOLES, "log_holes", "salvage left holes in the log")           \
    X(DAMAGE,    "damage",    "damaged blocks were met")                 \
    X(FLUSH,     "flush",     "the last flush failed")                   \
    X(MERGE,     "merge",     "the last merge failed")
/* clang-format on */

typedef enum vv_health_reason {
#define VV_HEALTH_REASON_ENUM(id, name, help) VV_REASON_##id,
    VV_HEALTH_REASON_MAP(VV_HEALTH_REASON_ENUM)
#undef VV_HEALTH_REASON_ENUM
        VV_REASON_COUNT
} vv_health_reason;

typedef struct vv_health {
    /* guarded by state_lock */
    uint32_t reasons; /* bits of vv_health_reason */
    varve_error errors[VV_REASON_COUNT];
    bool is_write_failed, is_corrupt;
    varve_error failure; /* of the worse of the two */
    /* atomic */
    atomic_uint told; /* the state that was logged last */
} vv_health;

/** The state, VARVE_HEALTH_..., and the error behind it (may be NULL; status OK: none). */
uint32_t vv_health_get(varve_db *db, varve_error *out_reason);
/** Bits of the reasons of degraded that hold, whatever the state is. */
uint32_t vv_health_reasons(varve_db *db);

/** A reason of degraded holds, or holds no more. */
void vv_health_degrade(varve_db *db, vv_health_reason reason, const varve_error *error);
void vv_health_mend(varve_db *db, vv_health_reason reason);
/** Nothing is acknowledged any more: the log is fenced (P8). */
void vv_health_fail_writes(varve_db *db, const varve_error *error);
/** A handle that serves the intact part of what is damaged. */
void vv_health_set_corrupt(varve_db *db, const varve_error *error);

/** Log a change that somebody else has made: of the log's own state, of the space on the disk. */
void vv_health_note(varve_db *db);

/** "ok", "degraded", "nospace", "write_failed", "corrupt"; static. */
const char *vv_health_name(uint32_t health);
const char *vv_health_reason_name(vv_health_reason reason);

#endif
