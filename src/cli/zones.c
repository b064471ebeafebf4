/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/zones.h"

#include "base/text.h"
#include "sys/env.h"

void vv_zones_init(vv_zones *zones)
{
    *zones = (vv_zones){.count = 0};
    vv_alloc_init(&zones->alloc, NULL);
}

void vv_zones_deinit(vv_zones *zones)
{
    while (zones->count > 0) {
        zones->count -= 1;
        vv_zone_free(zones->zones[zones->count]);
    }
}

static int32_t zones_offset_at(const void *context, int64_t unix_s)
{
    return vv_zone_offset_at(context, unix_s);
}

static int64_t zones_next_change(const void *context, int64_t unix_s)
{
    return vv_zone_next_change(context, unix_s);
}

static int64_t zones_local_to_utc(const void *context, int64_t local_s)
{
    return vv_zone_local_to_utc(context, local_s);
}

bool vv_zones_find(void *context, varve_text name, vv_calendar_zone *out_zone)
{
    vv_zones *zones = context;
    char terminated[VV_ZONE_NAME_BYTES_MAX + 1];
    vv_env env;
    vv_zone *zone;
    if (name.size >= sizeof terminated || zones->count == VV_ZONES_MAX) {
        return false;
    }
    vv_text_format(terminated, sizeof terminated, "%.*s", VV_TEXT_ARGS(name));
    vv_env_init_system(&env, &zones->alloc);
    if (vv_zone_load(&env, terminated, &zone, NULL) != VARVE_OK) {
        return false;
    }
    zones->zones[zones->count] = zone;
    zones->count += 1;
    *out_zone = (vv_calendar_zone){.context = zone,
                                   .offset_at = zones_offset_at,
                                   .next_change = zones_next_change,
                                   .local_to_utc = zones_local_to_utc};
    return true;
}
