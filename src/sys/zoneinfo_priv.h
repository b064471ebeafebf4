/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of zones: the rule of a TZif footer, and the parsed file. */
#ifndef VV_SYS_ZONEINFO_PRIV_H
#define VV_SYS_ZONEINFO_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "varve.h"

/* Offsets that RFC 8536 allows: more than -25 h and less than 26 h. */
#define VV_ZONE_OFFSET_S_MIN (-25 * 3600 + 1)
#define VV_ZONE_OFFSET_S_MAX (26 * 3600 - 1)

typedef enum vv_zone_day_kind {
    VV_ZONE_DAY_JULIAN,       /* "J60": day 1 to 365, 29 February is never counted */
    VV_ZONE_DAY_OF_YEAR,      /* "59": day 0 to 365, 29 February is counted */
    VV_ZONE_DAY_WEEK_OF_MONTH /* "M10.5.0": month, week (5: the last), weekday (0: Sunday) */
} vv_zone_day_kind;

/* When, in each year, clocks change. */
typedef struct vv_zone_change {
    vv_zone_day_kind kind;
    uint32_t month;
    uint32_t week;
    uint32_t day;
    int32_t time_s; /* local time of that day, -167 h to 167 h */
} vv_zone_change;

/* What holds after the last transition of a file. */
typedef struct vv_zone_rule {
    int32_t standard_offset_s;
    int32_t daylight_offset_s; /* only with daylight */
    bool has_daylight;
    vv_zone_change start; /* of daylight time, in standard time */
    vv_zone_change end;   /* of daylight time, in daylight time */
} vv_zone_rule;

/* A POSIX TZ string as RFC 8536 extends it; false when it is none. */
VV_UNTRUSTED VV_MUST_CHECK bool vv_zone_rule_parse(varve_text text, vv_zone_rule *out_rule);

/* Seconds east of UTC at a moment. */
int32_t vv_zone_rule_offset_at(const vv_zone_rule *rule, int64_t unix_s);

/* The first moment after unix_s with another offset; INT64_MAX when there is none. */
int64_t vv_zone_rule_next_change(const vv_zone_rule *rule, int64_t unix_s);

/* Keeps Z1 of zoneinfo.h? */
bool vv_zone_name_is_valid(const char *name);

#endif
