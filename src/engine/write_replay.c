/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rows of the log into a head, with the sequences they had. What is replayed was accepted once:
 * types are taken as they come, and all of it is visible.
 */

#include "base/assert.h"
#include "engine/head.h"
#include "engine/write.h"

static uint64_t replay_shards(const vv_run *run)
{
    _Static_assert(VV_SHARD_COUNT <= 64, "a bit for each shard");
    uint64_t shards = 0;
    for (size_t i = 0; i < run->series_count; i++) {
        shards |= UINT64_C(1) << (run->series[i] % VV_SHARD_COUNT);
    }
    return shards;
}

static void replay_lock(varve_db *db, uint64_t shards)
{
    for (uint64_t left = shards; left != 0; left &= left - 1) {
        vv_mutex_lock(&db->shards[vv_ctz64(left)].lock);
    }
}

static void replay_unlock(varve_db *db, uint64_t shards)
{
    for (uint64_t left = shards; left != 0; left &= left - 1) {
        vv_mutex_unlock(&db->shards[vv_ctz64(left)].lock);
    }
}

/* The log that defines them is read once more by nobody: the head is flushed, or belongs to a
 * reader. The mark lets the next rows of the series take the fast way. */
static void replay_define(vv_head *head, const vv_run *run, uint64_t shards)
{
    for (size_t i = 0; i < run->series_count; i++) {
        if ((shards >> (run->series[i] % VV_SHARD_COUNT) & 1) != 0) {
            vv_head_set_series_defined(head, run->series[i]);
        }
    }
}

varve_status vv_write_replay_part(varve_db *db, vv_head *head, const vv_run *run,
                                  uint64_t first_sequence, uint64_t shards, varve_error *out_err)
{
    VV_ASSERT(first_sequence > 0 && run->vector == NULL);
    shards &= replay_shards(run);
    if (shards == 0) {
        return VARVE_OK;
    }
    replay_lock(db, shards);
    vv_head_reserve_options options = {
        .visible = first_sequence - 1, .retypes_all = true, .shards = shards};
    vv_head_reserved reserved;
    varve_status status = vv_head_reserve(head, run, &options, &reserved, out_err);
    if (status == VARVE_OK) {
        vv_head_append_part(head, run, first_sequence, reserved.late_rows, shards);
        if (reserved.undefined_rows > 0) {
            replay_define(head, run, shards);
        }
    }
    replay_unlock(db, shards);
    return status;
}

void vv_write_replay_undo(varve_db *db, vv_head *head, const vv_run *run)
{
    uint64_t shards = replay_shards(run);
    replay_lock(db, shards);
    vv_head_unreserve(head, run);
    replay_unlock(db, shards);
}

varve_status vv_write_replay_run(varve_db *db, vv_head *head, const vv_run *run,
                                 uint64_t first_sequence, varve_error *out_err)
{
    VV_ASSERT(first_sequence > 0);
    uint64_t shards = replay_shards(run);
    replay_lock(db, shards);
    vv_head_reserve_options options = {.visible = first_sequence - 1, .retypes_all = true};
    vv_head_reserved reserved;
    varve_status status = vv_head_reserve(head, run, &options, &reserved, out_err);
    if (status == VARVE_OK) {
        vv_head_append(head, run, first_sequence, reserved.late_rows);
        if (reserved.undefined_rows > 0) {
            replay_define(head, run, shards);
        }
    } else {
        vv_head_unreserve(head, run);
    }
    replay_unlock(db, shards);
    return status;
}

varve_status vv_write_replay_hide(varve_db *db, vv_head *head, const vv_row_address *row,
                                  uint64_t sequence, varve_error *out_err)
{
    vv_mutex *lock = &vv_db_shard(db, row->series)->lock;
    bool is_defined;
    vv_mutex_lock(lock);
    varve_status status = vv_head_reserve_hides(head, row->series, 1, &is_defined, out_err);
    if (status == VARVE_OK) {
        vv_head_hide_row(head, row, sequence);
    }
    vv_mutex_unlock(lock);
    return status;
}

varve_status vv_write_replay_policy(varve_db *db, vv_head *head, uint32_t metric_id,
                                    varve_error *out_err)
{
    vv_db_lock_shards(db);
    varve_status status = vv_head_set_policy(head, metric_id, vv_head_last_sequence(head), out_err);
    vv_db_unlock_shards(db);
    return status;
}
