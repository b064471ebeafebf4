/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A cursor that answers a request: it lives as long as the request, stops when the client has gone,
 * and takes its turn with the others for every block.
 */

#include "base/status.h"
#include "server/server_priv.h"
#include "sys/clock.h"

/** Ends the work of a client that has left, or of a server that ends. */
static bool reading_goes_on(void *context)
{
    vv_reading *reading = context;
    return !vv_http_request_is_gone(reading->call->request);
}

static void reading_end(void *state)
{
    vv_reading *reading = state;
    varve_cursor_close(reading->cursor);
    varve_task_free(reading->task);
    uint64_t passed_ns = (uint64_t)(vv_mono_now_ns() - reading->begin_ns);
    vv_count_query(reading->call->server, reading->call->route_id, passed_ns / 1000);
    atomic_fetch_sub(&reading->call->server->counters.queries_in_flight, 1);
}

vv_reading *vv_reading_create(vv_call *call)
{
    vv_arena *arena = vv_http_request_arena(call->request);
    vv_reading *reading = vv_arena_zeroed(arena, sizeof *reading);
    if (reading == NULL) {
        return NULL;
    }
    reading->call = call;
    reading->begin_ns = vv_mono_now_ns();
    reading->task = varve_task_create();
    if (reading->task == NULL) {
        return NULL;
    }
    varve_task_set_check(reading->task, reading_goes_on, reading);
    if (vv_http_request_cleanup(call->request, reading_end, reading) != VARVE_OK) {
        varve_task_free(reading->task);
        return NULL;
    }
    vv_count(call->server, VV_METRIC_QUERIES, 1);
    atomic_fetch_add(&call->server->counters.queries_in_flight, 1);
    return reading;
}

varve_status vv_reading_next(vv_reading *reading, const varve_block **out_block,
                             varve_error *out_err)
{
    vv_server *server = reading->call->server;
    varve_error own;
    varve_error *err = out_err == NULL ? &own : out_err;
    varve_status status = vv_turns_take(&server->turns, err);
    if (status == VARVE_OK) {
        status = varve_cursor_next(reading->cursor, out_block, err);
        vv_turns_give(&server->turns);
    }
    if (status != VARVE_OK) {
        /* Also in the middle of an answer, where nobody can be told any more. */
        vv_limit_refuse(reading->call, vv_limit_of(reading->call, status, err));
        return status;
    }
    if (*out_block != NULL) {
        vv_count(server, VV_METRIC_QUERY_ROWS, (*out_block)->rows);
    }
    return VARVE_OK;
}
