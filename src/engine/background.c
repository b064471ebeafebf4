/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The background thread (see background.h). States: waiting (on `wake` with a deadline), working
 * (no lock held but those of flush and merge), stopping (set by stop, seen after the step in hand).
 */

#include "engine/background.h"

#include "base/status.h"
#include "engine/flush.h"
#include "engine/merge.h"
#include "engine/rollup.h"
#include "engine/scrub_watch.h"
#include "engine/task.h"
#include "wal/wal.h"

/* How often the age of the oldest row is looked at without being asked; arbitrary, well below any
 * age that makes sense to set. */
#define VV_BACKGROUND_TICK_NS (INT64_C(250) * 1000 * 1000)

#define VV_BACKGROUND_ROLLUPS_NS (INT64_C(5000) * 1000 * 1000) /* spec: every 5 s */

/** What the last pass of the rollups has seen; of the thread. */
typedef struct background_rolled {
    int64_t at_ns; /* monotonic; 0: there was none */
    uint64_t visible, flushes, changes;
    bool has_failed;
} background_rolled;

struct vv_background {
    vv_thread thread;
    vv_mutex lock; /* rank QUEUE: the members below */
    vv_cond wake;  /* to the thread: something may be due, or stop */
    vv_cond done;  /* from the thread: a step ended */
    bool is_stopping;
    bool is_kicked;
    uint64_t steps;
    vv_scrub_watch scrubs; /* of the thread */
};

/** Whether a pass would find anything: something was written, flushed, or the set has changed. */
static bool background_rollups_are_due(varve_db *db, const background_rolled *rolled)
{
    uint64_t flushes = atomic_load_explicit(&db->counters.flushes, memory_order_relaxed);
    if (atomic_load(&db->rollup_run) == NULL || !vv_rollups_were_set(db)) {
        return false;
    }
    if (rolled->at_ns == 0 || atomic_load(&db->policy_changes) != rolled->changes ||
        flushes != rolled->flushes) {
        return true;
    }
    return vv_mono_now_ns() - rolled->at_ns >= VV_BACKGROUND_ROLLUPS_NS &&
           (rolled->has_failed || vv_wal_visible(db->wal) != rolled->visible);
}

/** Asked while a pass is at work. */
static bool background_goes_on(void *context)
{
    struct vv_background *background = context;
    vv_mutex_lock(&background->lock);
    bool goes_on = !background->is_stopping;
    vv_mutex_unlock(&background->lock);
    return goes_on;
}

/** A pass; a failure is told once, and tried again 5 s later. */
static void background_roll(varve_db *db, background_rolled *rolled)
{
    varve_error error;
    rolled->changes = atomic_load(&db->policy_changes);
    varve_task task = {.check = background_goes_on, .context = db->background};
    varve_status status = atomic_load(&db->rollup_run)(db, &task, /* is_background */ true, &error);
    if (status != VARVE_OK && status != VARVE_E_CANCELLED && !rolled->has_failed) {
        vv_db_log(db, VARVE_LOG_WARN, "rollups.failed", "%s; tried again later", error.message);
    }
    rolled->has_failed = status != VARVE_OK;
    rolled->at_ns = vv_mono_now_ns();
    rolled->visible = vv_wal_visible(db->wal); /* what it wrote itself included */
    rolled->flushes = atomic_load_explicit(&db->counters.flushes, memory_order_relaxed);
}

/** One look: flush if due, else the rollups, else merge if due. What failed is not due for a while.
 */
static bool background_step(varve_db *db, background_rolled *rolled)
{
    varve_error error;
    vv_space_tick(db);
    vv_health_note(db);
    if (vv_db_check_writing(db, &error) != VARVE_OK) {
        return false; /* nothing will be due until the database is opened again */
    }
    vv_scrub_watch_tick(&db->background->scrubs);
    if (vv_retention_is_due(db)) {
        vv_retention_run(db); /* first: on a full disk it is what gives space back */
    }
    if (vv_flush_is_due(db)) {
        if (vv_flush(db, NULL, &error) != VARVE_OK) {
            vv_count(&db->counters.background_errors, 1);
            vv_db_log(db, VARVE_LOG_WARN, "flush.failed", "%s; tried again later", error.message);
        }
        return true;
    }
    if (background_rollups_are_due(db, rolled)) {
        background_roll(db, rolled); /* before merges: they leave no trace of what was flushed */
        return true;
    }
    if (vv_merge_is_due(db)) {
        if (vv_merge(db, false, NULL, &error) != VARVE_OK) {
            vv_count(&db->counters.background_errors, 1);
            vv_db_log(db, VARVE_LOG_WARN, "merge.failed", "%s; tried again later", error.message);
        }
        return true;
    }
    return false;
}

static void background_main(void *context)
{
    varve_db *db = context;
    struct vv_background *background = db->background;
    background_rolled rolled = {0};
    vv_mutex_lock(&background->lock);
    while (!background->is_stopping) {
        if (!background->is_kicked) {
            int64_t deadline = vv_deadline_after_ns(VV_BACKGROUND_TICK_NS);
            VV_IGNORE(vv_cond_wait_until(&background->wake, &background->lock, deadline));
            if (background->is_stopping) {
                break;
            }
        }
        background->is_kicked = false;
        vv_mutex_unlock(&background->lock);
        bool worked = background_step(db, &rolled);
        vv_mutex_lock(&background->lock);
        if (worked) { /* look again: more may be due */
            background->steps++;
            background->is_kicked = true;
            vv_cond_broadcast(&background->done);
        }
    }
    vv_mutex_unlock(&background->lock);
}

varve_status vv_background_start(varve_db *db, varve_error *out_err)
{
    struct vv_background *background = vv_alloc_zeroed(&db->alloc, sizeof *background);
    if (background == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for the background thread");
    }
    varve_status status = vv_mutex_init(&background->lock, VV_RANK_QUEUE, 0, out_err);
    if (status != VARVE_OK) {
        goto free_memory;
    }
    status = vv_cond_init(&background->wake, out_err);
    if (status != VARVE_OK) {
        goto free_lock;
    }
    status = vv_cond_init(&background->done, out_err);
    if (status != VARVE_OK) {
        goto free_wake;
    }
    db->background = background;
    vv_scrub_watch_init(&background->scrubs, db);
    status = vv_thread_start(&background->thread, "varve-flush", background_main, db, out_err);
    if (status == VARVE_OK) {
        return VARVE_OK;
    }
    db->background = NULL;
    vv_cond_deinit(&background->done);
free_wake:
    vv_cond_deinit(&background->wake);
free_lock:
    vv_mutex_deinit(&background->lock);
free_memory:
    vv_alloc_free(&db->alloc, background, sizeof *background);
    return status;
}

void vv_background_kick(varve_db *db)
{
    struct vv_background *background = db->background;
    if (background == NULL) {
        return;
    }
    vv_mutex_lock(&background->lock);
    background->is_kicked = true;
    vv_cond_signal(&background->wake);
    vv_mutex_unlock(&background->lock);
}

void vv_background_wait(varve_db *db, int64_t deadline_mono_ns)
{
    struct vv_background *background = db->background;
    if (background == NULL) {
        return;
    }
    vv_mutex_lock(&background->lock);
    uint64_t steps = background->steps;
    background->is_kicked = true;
    vv_cond_signal(&background->wake);
    while (background->steps == steps && !background->is_stopping) {
        if (!vv_cond_wait_until(&background->done, &background->lock, deadline_mono_ns)) {
            break;
        }
    }
    vv_mutex_unlock(&background->lock);
}

void vv_background_forget(varve_db *db)
{
    vv_alloc_free(&db->alloc, db->background, sizeof *db->background);
    db->background = NULL;
}

void vv_background_stop(varve_db *db)
{
    struct vv_background *background = db->background;
    if (background == NULL) {
        return;
    }
    vv_mutex_lock(&background->lock);
    background->is_stopping = true;
    vv_cond_broadcast(&background->wake);
    vv_cond_broadcast(&background->done);
    vv_mutex_unlock(&background->lock);
    vv_thread_join(&background->thread);
    vv_scrub_watch_stop(&background->scrubs);
    vv_cond_deinit(&background->done);
    vv_cond_deinit(&background->wake);
    vv_mutex_deinit(&background->lock);
    vv_alloc_free(&db->alloc, background, sizeof *background);
    db->background = NULL;
}
