/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scrub_watch.h"

#include "base/status.h"
#include "engine/scrub.h"
#include "engine/scrub_status.h"
#include "engine/task.h"

#define SCRUB_WATCH_REST_NS  (INT64_C(600) * VV_NS_PER_S)  /* arbitrary */
#define SCRUB_WATCH_RETRY_NS (INT64_C(3600) * VV_NS_PER_S) /* arbitrary */

void vv_scrub_watch_init(vv_scrub_watch *watch, varve_db *db)
{
    uint64_t interval_ms = db->options.scrub_interval_ms;
    int64_t rest_ns = interval_ms < (uint64_t)(SCRUB_WATCH_REST_NS / VV_NS_PER_MS)
                          ? (int64_t)interval_ms * VV_NS_PER_MS
                          : SCRUB_WATCH_REST_NS;
    *watch = (vv_scrub_watch){.db = db, .not_before_ns = vv_env_mono_ns(&db->env) + rest_ns};
}

static bool scrub_watch_goes_on(void *context)
{
    const vv_scrub_watch *watch = context;
    return !atomic_load(&watch->is_stopping);
}

static void scrub_watch_main(void *context)
{
    vv_scrub_watch *watch = context;
    varve_db *db = watch->db;
    varve_error error;
    varve_scrubbed found = {.struct_size = sizeof found};
    varve_scrub_options options = {.struct_size = sizeof options};
    varve_task task = {.check = scrub_watch_goes_on, .context = watch};
    varve_status status = vv_scrub(db, &options, &task, &found, &error);
    if (status == VARVE_OK) {
        vv_db_log(db, VARVE_LOG_INFO, "scrub.done", "%llu files, %llu bytes, %llu damaged places",
                  (unsigned long long)found.files, (unsigned long long)found.bytes,
                  (unsigned long long)found.damaged_places);
    } else if (status != VARVE_E_CANCELLED) {
        vv_db_log(db, VARVE_LOG_WARN, "scrub.failed", "%s; tried again later", error.message);
    }
    atomic_store(&watch->is_done, true);
}

/** Q1. */
static bool scrub_watch_is_due(vv_scrub_watch *watch)
{
    varve_db *db = watch->db;
    uint64_t interval_ms = db->options.scrub_interval_ms;
    if (db->is_memory || interval_ms == VARVE_SCRUB_NEVER ||
        vv_env_mono_ns(&db->env) < watch->not_before_ns) {
        return false;
    }
    int64_t last_ns = db->created_ns;
    (void)vv_scrub_last(db, &last_ns);
    int64_t now_ns = vv_env_wall_ns(&db->env);
    return now_ns > last_ns &&
           ((uint64_t)now_ns - (uint64_t)last_ns) / (uint64_t)VV_NS_PER_MS >= interval_ms;
}

static void scrub_watch_join(vv_scrub_watch *watch)
{
    vv_thread_join(&watch->thread);
    watch->has_thread = false;
}

void vv_scrub_watch_tick(vv_scrub_watch *watch)
{
    if (watch->has_thread) {
        if (atomic_load(&watch->is_done)) {
            scrub_watch_join(watch);
        }
        return;
    }
    if (!scrub_watch_is_due(watch)) {
        return;
    }
    varve_error error;
    watch->not_before_ns = vv_env_mono_ns(&watch->db->env) + SCRUB_WATCH_RETRY_NS; /* Q2 */
    atomic_store(&watch->is_done, false);
    if (vv_thread_start(&watch->thread, "varve-scrub", scrub_watch_main, watch, &error) ==
        VARVE_OK) {
        watch->has_thread = true;
    } else {
        vv_db_log(watch->db, VARVE_LOG_WARN, "scrub.failed", "%s; tried again later",
                  error.message);
    }
}

void vv_scrub_watch_stop(vv_scrub_watch *watch)
{
    atomic_store(&watch->is_stopping, true);
    if (watch->has_thread) {
        scrub_watch_join(watch);
    }
}
