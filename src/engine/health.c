/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The state of health (see health.h). Nothing is kept as "the state": it follows from its sources
 * whenever somebody asks, so that none can be forgotten and what heals is seen at once.
 */

#include "engine/health.h"

#include "base/assert.h"
#include "base/status.h"
#include "engine/db.h"
#include "engine/space.h"
#include "wal/wal.h"

const char *vv_health_name(uint32_t health)
{
    static const char *const names[] = {
        [VARVE_HEALTH_OK] = "ok",           [VARVE_HEALTH_DEGRADED] = "degraded",
        [VARVE_HEALTH_NOSPACE] = "nospace", [VARVE_HEALTH_WRITE_FAILED] = "write_failed",
        [VARVE_HEALTH_CORRUPT] = "corrupt",
    };
    return health < VV_ARRAY_COUNT(names) ? names[health] : "unknown";
}

const char *vv_health_reason_name(vv_health_reason reason)
{
    static const char *const names[VV_REASON_COUNT] = {
#define HEALTH_REASON_NAME(id, name, help) [VV_REASON_##id] = (name),
        VV_HEALTH_REASON_MAP(HEALTH_REASON_NAME)
#undef HEALTH_REASON_NAME
    };
    VV_ASSERT(reason < VV_REASON_COUNT);
    return names[reason];
}

/** A sentence for what has none of its own. */
static void health_name_reason(varve_error *reason, vv_health_reason id)
{
    vv_error_prefix(reason, "%s", vv_health_reason_name(id));
}

/** What the engine knows itself. */
static uint32_t health_own(varve_db *db, varve_error *out_reason)
{
    const vv_health *health = &db->health;
    uint32_t state = VARVE_HEALTH_OK;
    vv_mutex_lock(&db->state_lock);
    if (health->is_corrupt || health->is_write_failed) {
        state = health->is_corrupt ? VARVE_HEALTH_CORRUPT : VARVE_HEALTH_WRITE_FAILED;
        *out_reason = health->failure;
    }
    for (uint32_t id = 0; id < VV_REASON_COUNT && state == VARVE_HEALTH_OK; id++) {
        if ((health->reasons & 1u << id) != 0) {
            state = VARVE_HEALTH_DEGRADED;
            *out_reason = health->errors[id];
            health_name_reason(out_reason, (vv_health_reason)id);
        }
    }
    vv_mutex_unlock(&db->state_lock);
    return state;
}

uint32_t vv_health_get(varve_db *db, varve_error *out_reason)
{
    varve_error reason = {.status = VARVE_OK};
    uint32_t state = health_own(db, &reason);
    if (state < VARVE_HEALTH_NOSPACE && vv_space_is_low(db)) {
        state = VARVE_HEALTH_NOSPACE;
        vv_space_describe(db, &reason);
    }
    varve_error log_reason = {.status = VARVE_OK};
    uint32_t log_state =
        db->wal != NULL ? vv_wal_health(db->wal, &log_reason) : (uint32_t)VARVE_HEALTH_OK;
    if (log_state > state) {
        state = log_state;
        reason = log_reason;
    }
    if (out_reason != NULL) {
        *out_reason = reason;
    }
    return state;
}

uint32_t vv_health_reasons(varve_db *db)
{
    vv_mutex_lock(&db->state_lock);
    uint32_t reasons = db->health.reasons;
    vv_mutex_unlock(&db->state_lock);
    return reasons;
}

void vv_health_note(varve_db *db)
{
    varve_error reason;
    uint32_t state = vv_health_get(db, &reason);
    uint32_t told = atomic_exchange(&db->health.told, state);
    if (told == state) {
        return;
    }
    uint32_t level = state > told ? VARVE_LOG_ERROR : VARVE_LOG_INFO;
    if (state == VARVE_HEALTH_OK) {
        vv_db_log(db, level, "health.changed", "ok, after %s", vv_health_name(told));
    } else {
        vv_db_log(db, level, "health.changed", "%s: %s", vv_health_name(state), reason.message);
    }
}

void vv_health_degrade(varve_db *db, vv_health_reason reason, const varve_error *error)
{
    VV_ASSERT(reason < VV_REASON_COUNT);
    vv_mutex_lock(&db->state_lock);
    db->health.reasons |= 1u << reason;
    db->health.errors[reason] = *error;
    vv_mutex_unlock(&db->state_lock);
    vv_health_note(db);
}

void vv_health_mend(varve_db *db, vv_health_reason reason)
{
    VV_ASSERT(reason < VV_REASON_COUNT);
    vv_mutex_lock(&db->state_lock);
    bool was_there = (db->health.reasons & 1u << reason) != 0;
    db->health.reasons &= ~(1u << reason);
    vv_mutex_unlock(&db->state_lock);
    if (was_there) {
        vv_health_note(db);
    }
}

void vv_health_fail_writes(varve_db *db, const varve_error *error)
{
    vv_mutex_lock(&db->state_lock);
    if (!db->health.is_write_failed && !db->health.is_corrupt) {
        db->health.failure = *error;
    }
    db->health.is_write_failed = true;
    vv_mutex_unlock(&db->state_lock);
    if (db->wal != NULL) {
        vv_wal_fail(db->wal, error); /* what is under way gets no answer either (P8) */
    }
    vv_health_note(db);
}

void vv_health_set_corrupt(varve_db *db, const varve_error *error)
{
    vv_mutex_lock(&db->state_lock);
    db->health.is_corrupt = true;
    db->health.failure = *error;
    vv_mutex_unlock(&db->state_lock);
    vv_health_note(db);
}
