/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Turns (see merge_crew.h):
 *
 *     caller   |-- group 0 --|write|-- group 2 --|write|-- group 3 --|  ...
 *     helper   |--- group 1 --- wait |write|-- group 4 ------|  ...
 *     turn     0                     1     2             3
 *
 *   U1  A group is claimed once, and groups are claimed in their order: the one whose turn it is,
 *       is being worked on. So whoever waits for a turn waits for a thread that does not wait.
 *
 *   U2  What the file is written with belongs to the thread whose turn it is; the lock of the crew
 *       hands it on.
 *
 *   U3  After a failure of either no group is claimed any more and no turn is given.
 */

#include "engine/merge_crew.h"

#include "base/assert.h"
#include "base/status.h"
#include "sys/thread.h"

struct vv_merge_crew {
    /* fixed */
    varve_db *db;
    size_t group_count;
    vv_merge_crew_work work;
    void *context;
    vv_thread thread;

    vv_mutex lock;
    vv_cond changed; /* a turn was passed on, or one of the two has failed */
    /* guarded by lock */
    size_t claimed; /* groups */
    size_t turn;
    varve_status status;
    varve_error error;
};

static void merge_crew_main(void *context)
{
    vv_merge_crew *crew = context;
    crew->work(crew, crew->context);
}

varve_status vv_merge_crew_create(varve_db *db, size_t group_count, vv_merge_crew_work work,
                                  void *context, vv_merge_crew **out_crew, varve_error *out_err)
{
    *out_crew = NULL;
    vv_merge_crew *crew = vv_alloc_zeroed(&db->alloc, sizeof *crew);
    if (crew == NULL) {
        return vv_fail_nomem(out_err, "a thread that writes a segment", sizeof *crew);
    }
    crew->db = db;
    crew->group_count = group_count;
    crew->work = work;
    crew->context = context;
    varve_status status = vv_mutex_init(&crew->lock, VV_RANK_QUEUE, 0, out_err);
    if (status == VARVE_OK) {
        status = vv_cond_init(&crew->changed, out_err);
        if (status == VARVE_OK) {
            status = vv_thread_start(&crew->thread, "varve-write", merge_crew_main, crew, out_err);
            if (status != VARVE_OK) {
                vv_cond_deinit(&crew->changed);
            }
        }
        if (status != VARVE_OK) {
            vv_mutex_deinit(&crew->lock);
        }
    }
    if (status != VARVE_OK) {
        vv_alloc_free(&db->alloc, crew, sizeof *crew);
        return status;
    }
    *out_crew = crew;
    return VARVE_OK;
}

bool vv_merge_crew_claim(vv_merge_crew *crew, size_t *out_group)
{
    vv_mutex_lock(&crew->lock);
    bool is_claimed = crew->status == VARVE_OK && crew->claimed < crew->group_count;
    if (is_claimed) {
        *out_group = crew->claimed++;
    }
    vv_mutex_unlock(&crew->lock);
    return is_claimed;
}

varve_status vv_merge_crew_take_turn(vv_merge_crew *crew, size_t group, varve_error *out_err)
{
    vv_mutex_lock(&crew->lock);
    while (crew->status == VARVE_OK && crew->turn != group) {
        VV_ASSERT(crew->turn < group); /* U1 */
        VV_IGNORE(vv_cond_wait_until(&crew->changed, &crew->lock, VV_NO_DEADLINE));
    }
    varve_status status = crew->status;
    if (status != VARVE_OK && out_err != NULL) {
        *out_err = crew->error;
    }
    vv_mutex_unlock(&crew->lock);
    return status;
}

void vv_merge_crew_pass_turn(vv_merge_crew *crew)
{
    vv_mutex_lock(&crew->lock);
    crew->turn++;
    vv_cond_broadcast(&crew->changed);
    vv_mutex_unlock(&crew->lock);
}

void vv_merge_crew_fail(vv_merge_crew *crew, varve_status status, const varve_error *error)
{
    vv_mutex_lock(&crew->lock);
    if (crew->status == VARVE_OK) {
        crew->status = status;
        crew->error = *error;
    }
    vv_cond_broadcast(&crew->changed);
    vv_mutex_unlock(&crew->lock);
}

varve_status vv_merge_crew_end(vv_merge_crew *crew, varve_error *out_err)
{
    vv_thread_join(&crew->thread);
    varve_status status = crew->status;
    if (status != VARVE_OK && out_err != NULL) {
        *out_err = crew->error;
    }
    vv_cond_deinit(&crew->changed);
    vv_mutex_deinit(&crew->lock);
    vv_alloc_free(&crew->db->alloc, crew, sizeof *crew);
    return status;
}
