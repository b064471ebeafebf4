/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_ZONES_H
#define VV_CLI_ZONES_H

/*
 * Time zones of the system by their names, for the times that people write.
 *
 *     vv_zones zones;
 *     vv_zones_init(&zones);
 *     vv_time_world world = {.now_ns = ..., .find_zone = vv_zones_find, .context = &zones};
 *     ...
 *     vv_zones_deinit(&zones);
 */

#include "base/alloc.h"
#include "model/calendar.h"
#include "sys/zoneinfo.h"
#include "varve.h"

/* Of one command line; more are not found. */
#define VV_ZONES_MAX 8u

typedef struct vv_zones {
    vv_alloc alloc;
    vv_zone *zones[VV_ZONES_MAX]; /* owned */
    size_t count;
} vv_zones;

/** The object stays at its place until deinit. */
void vv_zones_init(vv_zones *zones);
void vv_zones_deinit(vv_zones *zones);

/** As vv_time_world wants it; context is a vv_zones. What it gives lives until deinit. */
bool vv_zones_find(void *context, varve_text name, vv_calendar_zone *out_zone);

#endif
