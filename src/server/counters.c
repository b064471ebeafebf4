/* SPDX-License-Identifier: Apache-2.0 */

/* Counting what the server does; server/figures.c shows it. Any thread, and never a lock. */

#include "server/server_priv.h"

const uint32_t vv_codes[VV_CODE_COUNT] = {
#define VV_CODE_NUMBER(code) code,
    VV_CODES_MAP(VV_CODE_NUMBER)
#undef VV_CODE_NUMBER
        0};

const uint64_t vv_query_bounds_us[VV_QUERY_BUCKETS] = {1000,   5000,    25000,    100000,
                                                       500000, 2500000, 10000000, 30000000};

void vv_count(vv_server *server, vv_metric_id id, uint64_t by)
{
    atomic_fetch_add(&server->counters.metrics[id], by);
}

void vv_count_request(vv_server *server, vv_route_id route, uint32_t code)
{
    size_t at = VV_CODE_OTHER;
    for (size_t index = 0; index < VV_CODE_OTHER; index++) {
        if (vv_codes[index] == code) {
            at = index;
        }
    }
    atomic_fetch_add(&server->counters.requests[route][at], 1);
}

void vv_count_query(vv_server *server, vv_route_id route, uint64_t duration_us)
{
    size_t at = 0;
    while (at < VV_QUERY_BUCKETS && duration_us > vv_query_bounds_us[at]) {
        at += 1;
    }
    atomic_fetch_add(&server->counters.query_buckets[route][at], 1);
    atomic_fetch_add(&server->counters.query_sum_us[route], duration_us);
}
