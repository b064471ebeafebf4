/* SPDX-License-Identifier: Apache-2.0 */
#include "model/calendar.h"

#include <stdlib.h>

#include "base/random.h"
#include "base/slice.h"
#include "base/text.h"
#include "model/time_range.h"
#include "support/check.h"

/* ---- a zone of a few changes, asked naively ---- */

#define CHANGES_MAX 6

typedef struct test_zone {
    size_t count;
    int64_t times[CHANGES_MAX];
    int32_t offsets[CHANGES_MAX + 1]; /* offsets[i] holds before times[i] */
} test_zone;

static int32_t zone_offset_at(const void *context, int64_t unix_s)
{
    const test_zone *zone = context;
    size_t index = 0;
    while (index < zone->count && zone->times[index] <= unix_s) {
        index++;
    }
    return zone->offsets[index];
}

static int64_t zone_next_change(const void *context, int64_t unix_s)
{
    const test_zone *zone = context;
    for (size_t index = 0; index < zone->count; index++) {
        if (zone->times[index] > unix_s && zone->offsets[index] != zone->offsets[index + 1]) {
            return zone->times[index];
        }
    }
    return INT64_MAX;
}

static int64_t zone_local_to_utc(const void *context, int64_t local_s)
{
    int64_t start_s = local_s - 2 * 86400;
    for (;;) {
        int64_t end_s = zone_next_change(context, start_s);
        int64_t unix_s = local_s - zone_offset_at(context, start_s);
        if (unix_s < end_s) {
            return unix_s > start_s ? unix_s : start_s;
        }
        start_s = end_s;
    }
}

static vv_calendar_zone as_zone(const test_zone *zone)
{
    return (vv_calendar_zone){
        .context = zone,
        .offset_at = zone_offset_at,
        .next_change = zone_next_change,
        .local_to_utc = zone_local_to_utc,
    };
}

static int64_t at(const char *text)
{
    int64_t ns;
    assert_true(vv_text_parse_rfc3339(vv_text_from_string(text), &ns));
    return ns / 1000000000;
}

static void assert_bucket(const vv_calendar *calendar, const char *time, const char *start,
                          const char *end)
{
    varve_range bucket = vv_calendar_bucket(calendar, at(time));
    assert_int_equal(bucket.start, at(start));
    assert_int_equal(bucket.end, at(end));
}

static vv_calendar make(uint32_t unit, int64_t width, int32_t offset_s,
                        const vv_calendar_zone *zone)
{
    vv_calendar calendar;
    varve_error err;
    assert_int_equal(
        vv_calendar_init(&calendar, unit, width, VARVE_PRECISION_S, offset_s, zone, &err),
        VARVE_OK);
    return calendar;
}

static void units_begin_where_the_calendar_says(void **state)
{
    (void)state;
    static const struct {
        uint32_t unit;
        int64_t width;
        const char *time, *start, *end;
    } cases[] = {
        {VARVE_UNIT_HOUR, 1, "2024-02-29T23:59:59Z", "2024-02-29T23:00:00Z",
         "2024-03-01T00:00:00Z"},
        {VARVE_UNIT_HOUR, 6, "2024-02-29T05:00:00Z", "2024-02-29T00:00:00Z",
         "2024-02-29T06:00:00Z"},
        {VARVE_UNIT_DAY, 1, "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"},
        {VARVE_UNIT_DAY, 1, "1969-12-31T23:59:59Z", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"},
        {VARVE_UNIT_DAY, 10, "1970-01-10T12:00:00Z", "1970-01-01T00:00:00Z",
         "1970-01-11T00:00:00Z"},
        {VARVE_UNIT_WEEK, 1, "2024-03-03T23:59:59Z", "2024-02-26T00:00:00Z",
         "2024-03-04T00:00:00Z"},
        {VARVE_UNIT_WEEK, 1, "2024-03-04T00:00:00Z", "2024-03-04T00:00:00Z",
         "2024-03-11T00:00:00Z"},
        {VARVE_UNIT_MONTH, 1, "2023-02-28T23:59:59Z", "2023-02-01T00:00:00Z",
         "2023-03-01T00:00:00Z"},
        {VARVE_UNIT_MONTH, 6, "2023-12-31T00:00:00Z", "2023-07-01T00:00:00Z",
         "2024-01-01T00:00:00Z"},
        {VARVE_UNIT_QUARTER, 1, "2024-05-15T00:00:00Z", "2024-04-01T00:00:00Z",
         "2024-07-01T00:00:00Z"},
        {VARVE_UNIT_YEAR, 1, "1999-12-31T23:59:59Z", "1999-01-01T00:00:00Z",
         "2000-01-01T00:00:00Z"},
        {VARVE_UNIT_YEAR, 10, "1999-12-31T23:59:59Z", "1990-01-01T00:00:00Z",
         "2000-01-01T00:00:00Z"},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        vv_calendar calendar = make(cases[index].unit, cases[index].width, 0, NULL);
        assert_bucket(&calendar, cases[index].time, cases[index].start, cases[index].end);
    }
}

static void fixed_offsets_shift_the_day(void **state)
{
    (void)state;
    vv_calendar calendar = make(VARVE_UNIT_DAY, 1, 2 * 3600, NULL);
    assert_bucket(&calendar, "2024-05-01T21:59:59Z", "2024-04-30T22:00:00Z",
                  "2024-05-01T22:00:00Z");
    calendar = make(VARVE_UNIT_HOUR, 1, 5 * 3600 + 1800, NULL);
    assert_bucket(&calendar, "2024-05-01T00:29:59Z", "2024-04-30T23:30:00Z",
                  "2024-05-01T00:30:00Z");
}

static test_zone prague(void)
{
    return (test_zone){
        .count = 2,
        .times = {at("2024-03-31T01:00:00Z"), at("2024-10-27T01:00:00Z")},
        .offsets = {3600, 7200, 3600},
    };
}

static void days_of_a_zone_have_23_to_25_hours(void **state)
{
    (void)state;
    test_zone zone = prague();
    vv_calendar_zone asked = as_zone(&zone);
    vv_calendar calendar = make(VARVE_UNIT_DAY, 1, 0, &asked);
    assert_bucket(&calendar, "2024-03-31T12:00:00Z", "2024-03-30T23:00:00Z",
                  "2024-03-31T22:00:00Z");
    assert_bucket(&calendar, "2024-10-27T22:59:59Z", "2024-10-26T22:00:00Z",
                  "2024-10-27T23:00:00Z");
    calendar = make(VARVE_UNIT_MONTH, 1, 0, &asked);
    assert_bucket(&calendar, "2024-03-31T12:00:00Z", "2024-02-29T23:00:00Z",
                  "2024-03-31T22:00:00Z");
}

static void repeated_hours_are_two_buckets(void **state)
{
    (void)state;
    test_zone zone = prague();
    vv_calendar_zone asked = as_zone(&zone);
    vv_calendar calendar = make(VARVE_UNIT_HOUR, 1, 0, &asked);
    assert_bucket(&calendar, "2024-10-27T00:59:59Z", "2024-10-27T00:00:00Z",
                  "2024-10-27T01:00:00Z");
    assert_bucket(&calendar, "2024-10-27T01:00:00Z", "2024-10-27T01:00:00Z",
                  "2024-10-27T02:00:00Z");
    assert_bucket(&calendar, "2024-03-31T00:30:00Z", "2024-03-31T00:00:00Z",
                  "2024-03-31T01:00:00Z");
    assert_bucket(&calendar, "2024-03-31T01:30:00Z", "2024-03-31T01:00:00Z",
                  "2024-03-31T02:00:00Z");
    calendar = make(VARVE_UNIT_HOUR, 6, 0, &asked);
    assert_bucket(&calendar, "2024-03-31T03:59:59Z", "2024-03-30T23:00:00Z",
                  "2024-03-31T04:00:00Z");
    assert_bucket(&calendar, "2024-10-27T04:00:00Z", "2024-10-26T22:00:00Z",
                  "2024-10-27T05:00:00Z");
    calendar = make(VARVE_UNIT_HOUR, 2, 0, &asked);
    assert_bucket(&calendar, "2024-03-31T01:00:00Z", "2024-03-31T01:00:00Z",
                  "2024-03-31T02:00:00Z");
    assert_bucket(&calendar, "2024-10-27T00:30:00Z", "2024-10-27T00:00:00Z",
                  "2024-10-27T01:00:00Z");
}

/* Clocks that go back over midnight: the second showing belongs to the day that had begun. */
static void a_day_begins_once(void **state)
{
    (void)state;
    test_zone zone = {
        .count = 1,
        .times = {at("2009-11-01T02:31:00Z")}, /* 00:01 back to 23:01 */
        .offsets = {-9000, -12600},
    };
    vv_calendar_zone asked = as_zone(&zone);
    vv_calendar calendar = make(VARVE_UNIT_DAY, 1, 0, &asked);
    assert_bucket(&calendar, "2009-11-01T02:29:59Z", "2009-10-31T02:30:00Z",
                  "2009-11-01T02:30:00Z");
    assert_bucket(&calendar, "2009-11-01T02:32:00Z", "2009-11-01T02:30:00Z",
                  "2009-11-02T03:30:00Z");
}

/* Clocks that skip a whole day: it has no bucket. */
static void a_skipped_day_has_no_bucket(void **state)
{
    (void)state;
    test_zone zone = {
        .count = 1,
        .times = {at("2011-12-30T10:00:00Z")}, /* the end of 29 December becomes 31 December */
        .offsets = {-36000, 50400},
    };
    vv_calendar_zone asked = as_zone(&zone);
    vv_calendar calendar = make(VARVE_UNIT_DAY, 1, 0, &asked);
    assert_bucket(&calendar, "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z",
                  "2011-12-30T10:00:00Z");
    assert_bucket(&calendar, "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z",
                  "2011-12-31T10:00:00Z");
}

/* ---- against a walk over every minute ---- */

#define WALK_STEP_S  60
#define WALK_MINUTES (4 * 1440)

static int64_t wall_day(int64_t local_s)
{
    return vv_floor_div_i64(local_s, 86400);
}

static int64_t wall_hours(int64_t local_s, int64_t width)
{
    return vv_floor_div_i64(local_s, 3600 * width);
}

static test_zone random_zone(vv_random *random, int64_t begin_s)
{
    test_zone zone = {.count = (size_t)vv_random_below(random, 4)};
    int64_t time_s = begin_s;
    for (size_t index = 0; index < zone.count; index++) {
        time_s += 60 * (1 + (int64_t)vv_random_below(random, 2000));
        zone.times[index] = time_s;
    }
    for (size_t index = 0; index <= zone.count; index++) {
        zone.offsets[index] = 60 * (int32_t)vv_random_between(random, -14 * 60, 14 * 60);
        if (vv_random_below(random, 2) == 0) {
            zone.offsets[index] -= zone.offsets[index] % 3600;
        }
    }
    return zone;
}

static void hours_agree_with_a_walk(void **state)
{
    (void)state;
    uint64_t seed = 137438691328;
    print_message("seed %llu\n", (unsigned long long)seed);
    vv_random random;
    vv_random_init(&random, seed);
    for (int round = 0; round < 60; round++) {
        int64_t begin_s = at("2020-06-01T00:00:00Z");
        test_zone zone = random_zone(&random, begin_s);
        vv_calendar_zone asked = as_zone(&zone);
        int64_t width = 1 + (int64_t)vv_random_below(&random, 8);
        vv_calendar calendar = make(VARVE_UNIT_HOUR, width, 0, &asked);
        int64_t start_s = INT64_MIN; /* of the present bucket, once one has begun in the walk */
        for (int64_t minute = 1; minute < WALK_MINUTES; minute++) {
            int64_t now_s = begin_s + minute * WALK_STEP_S;
            int64_t wall_s = now_s + zone_offset_at(&zone, now_s);
            int64_t before_s = now_s - 1 + zone_offset_at(&zone, now_s - 1);
            int64_t number = wall_hours(wall_s, width);
            if (number * 3600 * width == wall_s || number > wall_hours(before_s, width)) {
                if (start_s != INT64_MIN) {
                    assert_int_equal(vv_calendar_bucket(&calendar, start_s).end, now_s);
                    assert_int_equal(vv_calendar_bucket(&calendar, now_s - 1).end, now_s);
                }
                start_s = now_s;
            }
            if (start_s != INT64_MIN) {
                assert_int_equal(vv_calendar_bucket(&calendar, now_s).start, start_s);
            }
        }
    }
}

static void days_agree_with_a_walk(void **state)
{
    (void)state;
    uint64_t seed = 2305843008139952128;
    print_message("seed %llu\n", (unsigned long long)seed);
    vv_random random;
    vv_random_init(&random, seed);
    for (int round = 0; round < 60; round++) {
        int64_t begin_s = at("2020-06-01T00:00:00Z");
        test_zone zone = random_zone(&random, begin_s + 86400);
        vv_calendar_zone asked = as_zone(&zone);
        vv_calendar calendar = make(VARVE_UNIT_DAY, 1, 0, &asked);
        int64_t day = wall_day(begin_s + zone.offsets[0]);
        int64_t start_s = INT64_MIN;
        for (int64_t minute = 1; minute < WALK_MINUTES; minute++) {
            int64_t now_s = begin_s + minute * WALK_STEP_S;
            int64_t shown = wall_day(now_s + zone_offset_at(&zone, now_s));
            if (shown > day) {
                day = shown; /* the greatest day shown so far */
                if (start_s != INT64_MIN) {
                    assert_int_equal(vv_calendar_bucket(&calendar, start_s).end, now_s);
                }
                start_s = now_s;
            }
            if (start_s != INT64_MIN) {
                assert_int_equal(vv_calendar_bucket(&calendar, now_s).start, start_s);
            }
        }
    }
}

static void the_ends_of_the_axis_are_cut(void **state)
{
    (void)state;
    static const uint32_t precisions[] = {VARVE_PRECISION_NS, VARVE_PRECISION_US,
                                          VARVE_PRECISION_MS, VARVE_PRECISION_S};
    static const int32_t offsets[] = {-50400, 0, 50400};
    static const int64_t widths[] = {1, 7, VV_CALENDAR_WIDTH_MAX};
    for (size_t index = 0; index < 4u * 3 * 3 * 6; index++) {
        vv_calendar calendar;
        varve_error err;
        assert_int_equal(vv_calendar_init(&calendar, (uint32_t)(index / 36), widths[index / 12 % 3],
                                          precisions[index % 4], offsets[index / 4 % 3], NULL,
                                          &err),
                         VARVE_OK);
        varve_range first = vv_calendar_bucket(&calendar, INT64_MIN);
        assert_true(first.start == INT64_MIN && vv_range_contains(first, INT64_MIN));
        if (first.end == INT64_MAX) {
            continue; /* one bucket holds the whole axis */
        }
        varve_range second = vv_calendar_bucket(&calendar, first.end);
        assert_true(second.start == first.end);
        varve_range last = vv_calendar_bucket(&calendar, INT64_MAX);
        assert_true(last.end == INT64_MAX && vv_range_contains(last, INT64_MAX));
        varve_range before = vv_calendar_bucket(&calendar, last.start - 1);
        assert_true(before.end == last.start);
    }
}

static void calendars_are_checked(void **state)
{
    (void)state;
    vv_calendar calendar;
    varve_error err;
    assert_int_equal(
        vv_calendar_init(&calendar, VARVE_UNIT_YEAR + 1, 1, VARVE_PRECISION_NS, 0, NULL, &err),
        VARVE_E_INVALID);
    assert_int_equal(vv_calendar_init(&calendar, 0, 0, VARVE_PRECISION_NS, 0, NULL, &err),
                     VARVE_E_INVALID);
    assert_int_equal(
        vv_calendar_init(&calendar, 0, VV_CALENDAR_WIDTH_MAX, VARVE_PRECISION_NS, 0, NULL, &err),
        VARVE_OK);
    assert_int_equal(vv_calendar_init(&calendar, 0, VV_CALENDAR_WIDTH_MAX + 1, VARVE_PRECISION_NS,
                                      0, NULL, &err),
                     VARVE_E_INVALID);
    assert_int_equal(vv_calendar_init(&calendar, 0, 1, 0, 0, NULL, &err), VARVE_E_INVALID);
}

static void offsets_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_offset;
        int32_t offset_s;
    } cases[] = {
        {"", true, 0},          {"Z", true, 0},
        {"+02:00", true, 7200}, {"-0330", true, -12600},
        {"+02", true, 7200},    {"-23:59", true, -86340},
        {"+24:00", false, 0},   {"+02:60", false, 0},
        {"02:00", false, 0},    {"+2:00", false, 0},
        {"+02:0", false, 0},    {"+02:000", false, 0},
        {"+", false, 0},        {"Europe/Prague", false, 0},
        {"+02:", false, 0},     {"+-2:00", false, 0},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        int32_t offset_s = 99;
        bool is_offset =
            vv_calendar_parse_offset(vv_text_from_string(cases[index].text), &offset_s);
        assert_int_equal(is_offset, cases[index].is_offset);
        assert_int_equal(offset_s, is_offset ? cases[index].offset_s : 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_begin_where_the_calendar_says),
        cmocka_unit_test(fixed_offsets_shift_the_day),
        cmocka_unit_test(days_of_a_zone_have_23_to_25_hours),
        cmocka_unit_test(repeated_hours_are_two_buckets),
        cmocka_unit_test(a_day_begins_once),
        cmocka_unit_test(a_skipped_day_has_no_bucket),
        cmocka_unit_test(hours_agree_with_a_walk),
        cmocka_unit_test(days_agree_with_a_walk),
        cmocka_unit_test(the_ends_of_the_axis_are_cut),
        cmocka_unit_test(calendars_are_checked),
        cmocka_unit_test(offsets_are_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
