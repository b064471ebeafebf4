/* SPDX-License-Identifier: Apache-2.0 */

/* What the figures of the engine are made of (see api_figures_priv.h). */

#include "api/api_figures_priv.h"

#include "base/bitmap.h"
#include "engine/version.h"

double vv_api_counter(const atomic_uint_fast64_t *counter)
{
    return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

double vv_api_seconds(const atomic_uint_fast64_t *counter)
{
    return vv_api_counter(counter) / 1e9;
}

varve_status vv_api_maintained(varve_db *db, varve_status status)
{
    if (status != VARVE_OK && status != VARVE_E_CANCELLED) {
        vv_count(&db->counters.maintenance_errors, 1);
    }
    return status;
}

varve_status vv_api_queried(varve_db *db, varve_status status)
{
    if (status != VARVE_OK) {
        vv_count(&db->counters.query_errors, 1);
    }
    return status;
}

static void figures_gather_version(varve_db *db, api_engine_figures *f)
{
    vv_version *version = vv_version_current(db);
    for (size_t i = 0; i < version->tombstone_count; i++) {
        const vv_tombstone *tombstone = version->tombstones[i];
        f->tombstone_bytes += sizeof *tombstone + vv_idset_bytes(&tombstone->series);
    }
    f->segment_memory_bytes = vv_version_memory_bytes(version);
    vv_version_unref(db, version);
}

void vv_api_gather_engine(varve_db *db, api_engine_figures *out_figures)
{
    api_engine_figures *f = out_figures;
    *f = (api_engine_figures){.counters = &db->counters, .space = &db->space};
    f->has_log = db->wal != NULL && !db->is_memory && db->options.sync != VARVE_SYNC_NO_LOG;
    if (db->wal != NULL) {
        vv_wal_get_stats(db->wal, &f->wal);
        f->log_left_bytes = vv_wal_left_bytes(db->wal);
        f->log_bytes_max = vv_space_log_max(db);
    }
    f->reserve_bytes = vv_space_reserve_bytes(db);
    f->health = vv_health_get(db, NULL);
    f->reasons = vv_health_reasons(db);
    figures_gather_version(db, f);
}
