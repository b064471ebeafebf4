/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule at the end of a TZif file: a POSIX TZ string with the extensions of RFC 8536 ("The Time
 * Zone Information Format"), section 3.3.1: hours of changes from -167 to 167.
 *
 *      CET-1CEST,M3.5.0,M10.5.0/3
 *      |  |  |   start  end/time      offsets in a TZ string are positive to the west
 *
 * A moment is decided by the events around it: the changes of the year before, of its year and of
 * the year after are computed, and the latest one that is not later than the moment holds. So
 * southern zones, changes that fall into a neighbouring year, and daylight time all year need no
 * special case. Where an end and a start coincide the start holds: "all year" is written that way.
 */
#include "base/checked.h"
#include "base/civil.h"
#include "base/slice.h"
#include "sys/zoneinfo_priv.h"

#define ZONE_DAY_S    86400
#define ZONE_HOUR_S   3600
#define ZONE_HOUR_MAX 167
/* Events looked at: two a year, in the year of a moment and its neighbours. */
#define ZONE_EVENTS_MAX 6

/* ---- parsing -------------------------------------------------------------------------------- */

/* The text that is left; parsing functions consume from its front. */
typedef varve_text zone_rule_text;

static char zone_rule_peek(const zone_rule_text *text)
{
    return text->size > 0 ? text->data[0] : '\0';
}

static void zone_rule_skip(zone_rule_text *text)
{
    text->data += 1;
    text->size -= 1;
}

static bool zone_rule_take(zone_rule_text *text, char wanted)
{
    if (text->size == 0 || text->data[0] != wanted) {
        return false;
    }
    zone_rule_skip(text);
    return true;
}

static bool zone_rule_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool zone_rule_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A name: three letters or more, or anything quoted in <>. */
static bool zone_rule_name(zone_rule_text *text)
{
    bool is_quoted = zone_rule_take(text, '<');
    size_t size = 0;
    while (text->size > 0) {
        char c = text->data[0];
        bool is_extra = zone_rule_is_digit(c) || c == '+' || c == '-';
        if (!(zone_rule_is_letter(c) || (is_quoted && is_extra))) {
            break;
        }
        zone_rule_skip(text);
        size += 1;
    }
    return size >= 3 && (!is_quoted || zone_rule_take(text, '>'));
}

static bool zone_rule_number(zone_rule_text *text, uint32_t max, uint32_t *out_number)
{
    uint32_t number = 0;
    size_t digits = 0;
    while (text->size > 0 && zone_rule_is_digit(text->data[0]) && digits < 4) {
        number = number * 10 + (uint32_t)(text->data[0] - '0');
        zone_rule_skip(text);
        digits += 1;
    }
    *out_number = number;
    return digits > 0 && number <= max;
}

/* [+-]hh[:mm[:ss]] */
static bool zone_rule_time(zone_rule_text *text, uint32_t hour_max, int32_t *out_s)
{
    bool is_negative = zone_rule_take(text, '-');
    if (!is_negative) {
        VV_IGNORE(zone_rule_take(text, '+')); /* optional */
    }
    uint32_t hour = 0;
    uint32_t minute = 0;
    uint32_t second = 0;
    if (!zone_rule_number(text, hour_max, &hour)) {
        return false;
    }
    if (zone_rule_take(text, ':')) {
        if (!zone_rule_number(text, 59, &minute)) {
            return false;
        }
        if (zone_rule_take(text, ':') && !zone_rule_number(text, 59, &second)) {
            return false;
        }
    }
    int32_t total_s = (int32_t)(hour * ZONE_HOUR_S + minute * 60 + second);
    *out_s = is_negative ? -total_s : total_s;
    return true;
}

static bool zone_rule_is_offset(int32_t east_s)
{
    return east_s >= VV_ZONE_OFFSET_S_MIN && east_s <= VV_ZONE_OFFSET_S_MAX;
}

/* An offset as seconds east. */
static bool zone_rule_offset(zone_rule_text *text, int32_t *out_s)
{
    int32_t west_s = 0;
    if (!zone_rule_time(text, /* hour_max */ 25, &west_s)) {
        return false;
    }
    *out_s = -west_s;
    return zone_rule_is_offset(*out_s);
}

static bool zone_rule_day(zone_rule_text *text, vv_zone_change *out_change)
{
    if (zone_rule_take(text, 'M')) {
        out_change->kind = VV_ZONE_DAY_WEEK_OF_MONTH;
        return zone_rule_number(text, 12, &out_change->month) && out_change->month >= 1 &&
               zone_rule_take(text, '.') && zone_rule_number(text, 5, &out_change->week) &&
               out_change->week >= 1 && zone_rule_take(text, '.') &&
               zone_rule_number(text, 6, &out_change->day);
    }
    if (zone_rule_take(text, 'J')) {
        out_change->kind = VV_ZONE_DAY_JULIAN;
        return zone_rule_number(text, 365, &out_change->day) && out_change->day >= 1;
    }
    out_change->kind = VV_ZONE_DAY_OF_YEAR;
    return zone_rule_number(text, 365, &out_change->day);
}

static bool zone_rule_change(zone_rule_text *text, vv_zone_change *out_change)
{
    *out_change = (vv_zone_change){.time_s = 2 * ZONE_HOUR_S};
    if (!zone_rule_take(text, ',') || !zone_rule_day(text, out_change)) {
        return false;
    }
    return !zone_rule_take(text, '/') || zone_rule_time(text, ZONE_HOUR_MAX, &out_change->time_s);
}

bool vv_zone_rule_parse(varve_text text, vv_zone_rule *out_rule)
{
    vv_zone_rule rule = {0};
    if (!zone_rule_name(&text) || !zone_rule_offset(&text, &rule.standard_offset_s)) {
        return false;
    }
    if (text.size == 0) {
        *out_rule = rule;
        return true;
    }
    rule.has_daylight = true;
    if (!zone_rule_name(&text)) {
        return false;
    }
    rule.daylight_offset_s = rule.standard_offset_s + ZONE_HOUR_S;
    if (zone_rule_peek(&text) != ',' && !zone_rule_offset(&text, &rule.daylight_offset_s)) {
        return false;
    }
    if (!zone_rule_is_offset(rule.daylight_offset_s)) { /* the hour may have led out of range */
        return false;
    }
    if (!zone_rule_change(&text, &rule.start) || !zone_rule_change(&text, &rule.end) ||
        text.size > 0) {
        return false;
    }
    *out_rule = rule;
    return true;
}

/* ---- evaluation ----------------------------------------------------------------------------- */

static int64_t zone_rule_week_day(int64_t year, const vv_zone_change *change)
{
    int64_t first = vv_civil_to_days((vv_civil){.year = year, .month = change->month, .day = 1});
    uint32_t wanted = (change->day + 6) % 7; /* base counts from Monday, TZ from Sunday */
    uint32_t ahead = (wanted + 7 - vv_civil_weekday(first)) % 7;
    uint32_t day = ahead + (change->week - 1) * 7; /* from 0 */
    if (day >= vv_civil_month_days(year, change->month)) {
        day -= 7; /* week 5 is the last, whether fourth or fifth */
    }
    return first + day;
}

/* The day of a change in a year, in days since 1970. */
static int64_t zone_rule_change_day(int64_t year, const vv_zone_change *change)
{
    int64_t first = vv_civil_to_days((vv_civil){.year = year, .month = 1, .day = 1});
    switch (change->kind) {
    case VV_ZONE_DAY_JULIAN: {
        bool is_after_leap_day = vv_civil_is_leap(year) && change->day >= 60;
        return first + change->day - 1 + (is_after_leap_day ? 1 : 0);
    }
    case VV_ZONE_DAY_OF_YEAR:
        return first + change->day;
    case VV_ZONE_DAY_WEEK_OF_MONTH:
        return zone_rule_week_day(year, change);
    }
    return first;
}

/* Clocks show another offset from this moment on. */
typedef struct zone_rule_event {
    int64_t unix_s;
    int32_t offset_s;
} zone_rule_event;

static int64_t zone_rule_event_s(int64_t day, int32_t time_s, int32_t offset_s)
{
    return vv_sat_add_i64(vv_sat_mul_i64(day, ZONE_DAY_S), (int64_t)time_s - offset_s);
}

/* The events of the year of unix_s and its neighbours, in no order; ends stand before starts. */
static void zone_rule_events(const vv_zone_rule *rule, int64_t unix_s,
                             zone_rule_event events[ZONE_EVENTS_MAX])
{
    int64_t local_s = vv_sat_add_i64(unix_s, rule->standard_offset_s);
    int64_t year = vv_civil_of_days(vv_floor_div_i64(local_s, ZONE_DAY_S)).year;
    for (size_t index = 0; index < 3; ++index) {
        int64_t at = year - 1 + (int64_t)index;
        events[index] = (zone_rule_event){
            .unix_s = zone_rule_event_s(zone_rule_change_day(at, &rule->end), rule->end.time_s,
                                        rule->daylight_offset_s),
            .offset_s = rule->standard_offset_s,
        };
        events[3 + index] = (zone_rule_event){
            .unix_s = zone_rule_event_s(zone_rule_change_day(at, &rule->start), rule->start.time_s,
                                        rule->standard_offset_s),
            .offset_s = rule->daylight_offset_s,
        };
    }
}

int32_t vv_zone_rule_offset_at(const vv_zone_rule *rule, int64_t unix_s)
{
    if (!rule->has_daylight) {
        return rule->standard_offset_s;
    }
    zone_rule_event events[ZONE_EVENTS_MAX];
    zone_rule_events(rule, unix_s, events);
    int64_t latest_s = INT64_MIN;
    int32_t offset_s = rule->standard_offset_s;
    for (size_t index = 0; index < ZONE_EVENTS_MAX; ++index) {
        /* >=: at equal times the later in the list, a start, holds. */
        if (events[index].unix_s <= unix_s && events[index].unix_s >= latest_s) {
            latest_s = events[index].unix_s;
            offset_s = events[index].offset_s;
        }
    }
    return offset_s;
}

int64_t vv_zone_rule_next_change(const vv_zone_rule *rule, int64_t unix_s)
{
    if (!rule->has_daylight) {
        return INT64_MAX;
    }
    int32_t offset_s = vv_zone_rule_offset_at(rule, unix_s);
    zone_rule_event events[ZONE_EVENTS_MAX];
    zone_rule_events(rule, unix_s, events);
    int64_t next_s = INT64_MAX;
    for (size_t index = 0; index < ZONE_EVENTS_MAX; ++index) {
        int64_t event_s = events[index].unix_s;
        if (event_s > unix_s && event_s < next_s &&
            vv_zone_rule_offset_at(rule, event_s) != offset_s) {
            next_s = event_s;
        }
    }
    return next_s;
}
