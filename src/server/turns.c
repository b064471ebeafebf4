/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Turns: how many queries compute at once. A query takes a turn for each block it reads and gives
 * it back before the block is sent, so a client that reads slowly holds up nobody.
 */

#include "base/limit.h"
#include "base/status.h"
#include "server/server_priv.h"
#include "sys/clock.h"

/* Threads that may wait for a turn; more are refused at once (security.md, section 4). */
#define TURNS_WAITING_MAX 100u

varve_status vv_turns_init(vv_turns *turns, uint32_t most, uint32_t wait_ms, varve_error *out_err)
{
    turns->most = most;
    turns->wait_ms = wait_ms;
    VV_TRY(vv_mutex_init(&turns->lock, VV_RANK_SESSION, 0, out_err));
    varve_status status = vv_cond_init(&turns->freed, out_err);
    if (status != VARVE_OK) {
        vv_mutex_deinit(&turns->lock);
        turns->most = 0;
    }
    return status;
}

void vv_turns_deinit(vv_turns *turns)
{
    if (turns->most > 0) {
        vv_cond_deinit(&turns->freed);
        vv_mutex_deinit(&turns->lock);
    }
}

varve_status vv_turns_take(vv_turns *turns, varve_error *out_err)
{
    int64_t deadline = vv_deadline_after_ns((int64_t)turns->wait_ms * VV_NS_PER_MS);
    vv_mutex_lock(&turns->lock);
    bool may_wait = turns->taken < turns->most || turns->waiting < TURNS_WAITING_MAX;
    turns->waiting += 1;
    while (may_wait && turns->taken >= turns->most) {
        may_wait = vv_cond_wait_until(&turns->freed, &turns->lock, deadline);
    }
    turns->waiting -= 1;
    bool is_taken = turns->taken < turns->most;
    if (is_taken) {
        turns->taken += 1;
    }
    vv_mutex_unlock(&turns->lock);
    return is_taken ? VARVE_OK
                    : vv_fail_limit(out_err, VARVE_E_BUSY, turns->limit,
                                    "%u others are at work already", turns->most);
}

void vv_turns_give(vv_turns *turns)
{
    vv_mutex_lock(&turns->lock);
    turns->taken -= 1;
    vv_cond_signal(&turns->freed);
    vv_mutex_unlock(&turns->lock);
}
