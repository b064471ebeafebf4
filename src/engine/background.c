/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The background thread (see background.h). States: waiting (on `wake` with a deadline), working
 * (no lock held but those of flush and merge), stopping (set by stop, seen after the step in hand).
 */

#include "engine/background.h"

#include "base/status.h"
#include "engine/flush.h"
#include "engine/merge.h"

/* How often the age of the oldest row is looked at without being asked; arbitrary, well below any
 * age that makes sense to set. */
#define VV_BACKGROUND_TICK_NS  (INT64_C(250) * 1000 * 1000)
#define VV_BACKGROUND_RETRY_NS (INT64_C(1000) * 1000 * 1000)
enum { VV_BACKGROUND_FLUSH_FAILURES_MAX = 3, VV_BACKGROUND_RETRY_SHIFT_MAX = 6 };

struct vv_background {
    vv_thread thread;
    vv_mutex lock; /* rank QUEUE: the members below */
    vv_cond wake;  /* to the thread: something may be due, or stop */
    vv_cond done;  /* from the thread: a step ended */
    bool is_stopping;
    bool is_kicked;
    uint64_t steps;
};

/** One look: flush if due, else merge if due. Returns whether something was done. */
static bool background_step(varve_db *db, uint32_t failures, bool *out_failed)
{
    varve_error error;
    if (vv_db_check_writing(db, &error) != VARVE_OK) {
        return false; /* nothing will be due until the database is opened again */
    }
    if (vv_retention_is_due(db)) {
        vv_retention_run(db); /* first: on a full disk it is what gives space back */
    }
    if (vv_flush_is_due(db)) {
        *out_failed = vv_flush(db, NULL, &error) != VARVE_OK;
        if (*out_failed) {
            vv_db_log(db, VARVE_LOG_WARN, "flush.failed", "%s; tried again later", error.message);
        }
        if (*out_failed && error.status == VARVE_E_IO &&
            failures + 1 >= VV_BACKGROUND_FLUSH_FAILURES_MAX) {
            vv_db_set_health(db, VARVE_HEALTH_WRITE_FAILED, &error);
        }
        return true;
    }
    if (vv_merge_is_due(db)) {
        *out_failed = vv_merge(db, false, NULL, &error) != VARVE_OK;
        if (*out_failed) {
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
    uint32_t failures = 0;
    int64_t not_before = 0;
    vv_mutex_lock(&background->lock);
    while (!background->is_stopping) {
        int64_t now = vv_mono_now_ns();
        if (!background->is_kicked || now < not_before) {
            int64_t deadline = now + VV_BACKGROUND_TICK_NS;
            if (now < not_before && not_before < deadline) {
                deadline = not_before;
            }
            VV_IGNORE(vv_cond_wait_until(&background->wake, &background->lock, deadline));
            if (background->is_stopping) {
                break;
            }
            if (vv_mono_now_ns() < not_before) {
                continue;
            }
        }
        background->is_kicked = false;
        vv_mutex_unlock(&background->lock);
        bool failed = false;
        bool worked = background_step(db, failures, &failed);
        vv_mutex_lock(&background->lock);
        background->steps++;
        vv_cond_broadcast(&background->done);
        if (failed) {
            uint32_t shift = failures < VV_BACKGROUND_RETRY_SHIFT_MAX
                                 ? failures
                                 : (uint32_t)VV_BACKGROUND_RETRY_SHIFT_MAX;
            not_before = vv_mono_now_ns() + (VV_BACKGROUND_RETRY_NS << shift);
            failures++;
        } else if (worked) {
            failures = 0;
            background->is_kicked = true; /* look again: more may be due */
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
    vv_cond_deinit(&background->done);
    vv_cond_deinit(&background->wake);
    vv_mutex_deinit(&background->lock);
    vv_alloc_free(&db->alloc, background, sizeof *background);
    db->background = NULL;
}
