/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One run at a time:
 *
 *     caller   put job | even shards ......... | wait for the helper | next run
 *     helper     wait  | odd shards .......... | done
 *
 *   J1  A run is done when both parts are. Nothing else touches the head or the catalogue
 * meanwhile, so that both threads see the definitions and policies between two runs.
 *
 *   J2  After a failure of either the caller gives back the whole run, alone.
 */

#include "engine/replay_crew.h"

#include "base/status.h"
#include "engine/head.h"
#include "engine/write.h"

/* Series are numbered as they come, and those of one scrape alternate between the two. One half
 * each, though the caller has read the run as well: the helper waits meanwhile, so what counts is
 * the larger part (512 MiB of log, doubles that use all their bits: 3.7 s; with three shards of
 * eight for the caller, which evens out CPU time, 4.2 s). */
#define CREW_SHARDS_CALLER UINT64_C(0x5555555555555555)
#define CREW_SHARDS_HELPER UINT64_C(0xAAAAAAAAAAAAAAAA)

struct vv_replay_crew {
    /* fixed */
    varve_db *db;
    vv_head *head;
    vv_thread thread;

    vv_mutex lock;
    vv_cond changed; /* a job came, was done, or the end did */
    /* guarded by lock */
    const vv_run *run; /* NULL: nothing to do */
    uint64_t first_sequence;
    bool is_stopping;
    varve_status status; /* of the last job */
    varve_error error;
};

static void crew_main(void *context)
{
    vv_replay_crew *crew = context;
    vv_mutex_lock(&crew->lock);
    for (;;) {
        while (crew->run == NULL && !crew->is_stopping) {
            VV_IGNORE(vv_cond_wait_until(&crew->changed, &crew->lock, VV_NO_DEADLINE));
        }
        if (crew->run == NULL) {
            break;
        }
        const vv_run *run = crew->run;
        uint64_t first_sequence = crew->first_sequence;
        vv_mutex_unlock(&crew->lock);
        varve_error error;
        varve_status status = vv_write_replay_part(crew->db, crew->head, run, first_sequence,
                                                   CREW_SHARDS_HELPER, &error);
        vv_mutex_lock(&crew->lock);
        crew->status = status;
        if (status != VARVE_OK) {
            crew->error = error;
        }
        crew->run = NULL;
        vv_cond_broadcast(&crew->changed);
    }
    vv_mutex_unlock(&crew->lock);
}

varve_status vv_replay_crew_create(varve_db *db, vv_head *head, vv_replay_crew **out_crew,
                                   varve_error *out_err)
{
    *out_crew = NULL;
    vv_replay_crew *crew = vv_alloc_zeroed(&db->alloc, sizeof *crew);
    if (crew == NULL) {
        return vv_fail_nomem(out_err, "a thread of the replay", sizeof *crew);
    }
    crew->db = db;
    crew->head = head;
    varve_status status = vv_mutex_init(&crew->lock, VV_RANK_QUEUE, 0, out_err);
    if (status == VARVE_OK) {
        status = vv_cond_init(&crew->changed, out_err);
        if (status == VARVE_OK) {
            status = vv_thread_start(&crew->thread, "varve-replay", crew_main, crew, out_err);
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

varve_status vv_replay_crew_run(vv_replay_crew *crew, const vv_run *run, uint64_t first_sequence,
                                varve_error *out_err)
{
    vv_mutex_lock(&crew->lock);
    crew->run = run;
    crew->first_sequence = first_sequence;
    vv_cond_broadcast(&crew->changed);
    vv_mutex_unlock(&crew->lock);
    varve_status status = vv_write_replay_part(crew->db, crew->head, run, first_sequence,
                                               CREW_SHARDS_CALLER, out_err);
    vv_mutex_lock(&crew->lock);
    while (crew->run != NULL) {
        VV_IGNORE(vv_cond_wait_until(&crew->changed, &crew->lock, VV_NO_DEADLINE));
    }
    if (status == VARVE_OK && crew->status != VARVE_OK) {
        status = crew->status;
        vv_error_copy(out_err, &crew->error);
    }
    vv_mutex_unlock(&crew->lock);
    if (status != VARVE_OK) {
        vv_write_replay_undo(crew->db, crew->head, run);
    }
    return status;
}

void vv_replay_crew_free(vv_replay_crew *crew)
{
    if (crew == NULL) {
        return;
    }
    vv_mutex_lock(&crew->lock);
    crew->is_stopping = true;
    vv_cond_broadcast(&crew->changed);
    vv_mutex_unlock(&crew->lock);
    vv_thread_join(&crew->thread);
    vv_cond_deinit(&crew->changed);
    vv_mutex_deinit(&crew->lock);
    vv_alloc_free(&crew->db->alloc, crew, sizeof *crew);
}
