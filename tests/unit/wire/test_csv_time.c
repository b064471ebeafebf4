/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "wire/csv_cell.h"

static vv_csv_time form(const char *text)
{
    vv_csv_time time;
    varve_error err = {.message = ""};
    check_ok(vv_csv_time_parse(vv_text_from_string(text), &time, &err), &err);
    return time;
}

static void csv_times_are_read_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *form;
        const char *cell;
        uint32_t precision;
        int64_t wanted;
        bool loses;
    } cases[] = {
        {"unix_s", "1700000000", VARVE_PRECISION_S, 1700000000, false},
        {"unix_s", " 1700000000 ", VARVE_PRECISION_NS, 1700000000000000000, false},
        {"unix_s", "1700000000.25", VARVE_PRECISION_MS, 1700000000250, false},
        {"unix_s", "1700000000.2509", VARVE_PRECISION_MS, 1700000000250, true},
        {"unix_s", "-0.5", VARVE_PRECISION_S, -1, true},
        {"unix_s", "-1.5", VARVE_PRECISION_MS, -1500, false},
        {"unix_s", "-1.0000000001", VARVE_PRECISION_NS, -1000000001, true},
        {"unix_s", "1.0000000009", VARVE_PRECISION_NS, 1000000000, true},
        {"unix_s", "1.7e9", VARVE_PRECISION_S, 1700000000, false},
        {"unix_s", "9223372036854775807", VARVE_PRECISION_S, INT64_MAX, false},
        {"unix_s", "-9223372036854775808", VARVE_PRECISION_S, INT64_MIN, false},
        {"unix_ms", "1700000000123", VARVE_PRECISION_MS, 1700000000123, false},
        {"unix_ms", "1700000000123", VARVE_PRECISION_S, 1700000000, true},
        {"unix_ms", "-1", VARVE_PRECISION_S, -1, true},
        {"unix_us", "5.5", VARVE_PRECISION_NS, 5500, false},
        {"unix_ns", "-9223372036854775808", VARVE_PRECISION_NS, INT64_MIN, false},
        {"unix_ns", "9223372036854775807", VARVE_PRECISION_NS, INT64_MAX, false},
        {"unix_ns", "-9223372036854775808", VARVE_PRECISION_US, -9223372036854776, true},
        {"rfc3339", "2026-01-02T03:04:05.678Z", VARVE_PRECISION_MS, 1767323045678, false},
        {"rfc3339", "2026-01-02T03:04:05+01:00", VARVE_PRECISION_S, 1767319445, false},
        {"rfc3339", "2026-01-02 03:04:05", VARVE_PRECISION_S, 1767323045, false},
        {"rfc3339", "2026-01-02T03:04", VARVE_PRECISION_S, 1767323040, false},
        {"rfc3339", "2026-01-02 03:04:05.5", VARVE_PRECISION_MS, 1767323045500, false},
        {"rfc3339", "2026-01-02 03:04:05 +0100", VARVE_PRECISION_S, 1767319445, false},
        {"rfc3339", "2026-01-02", VARVE_PRECISION_S, 1767312000, false},
        {"rfc3339", "0001-01-01", VARVE_PRECISION_S, -62135596800, false},
        {"custom:%b %d %Y", "Jan 1 2000", VARVE_PRECISION_S, 946684800, false},
        {"custom:%b %d %Y", "january 01 2000", VARVE_PRECISION_S, 946684800, false},
        {"custom:%A, %d %B %Y", "Saturday, 1 January 2000", VARVE_PRECISION_S, 946684800, false},
        {"custom:%m/%d/%Y %I:%M %p", "1/2/2026 12:30 am", VARVE_PRECISION_S, 1767313800, false},
        {"custom:%m/%d/%Y %I:%M %p", "01/02/2026 12:30 PM", VARVE_PRECISION_S, 1767357000, false},
        {"custom:%F %T.%f%z", "2026-01-02 03:04:05.678+0100", VARVE_PRECISION_MS, 1767319445678,
         false},
        {"custom:%D %R %Z", "01/02/26 03:04 UTC", VARVE_PRECISION_S, 1767323040, false},
        {"custom:%y%m%d", "690101", VARVE_PRECISION_S, -31536000, false},
        {"custom:%y%m%d", "680101", VARVE_PRECISION_S, 3092601600, false},
        {"custom:%Y-%j", "2024-366", VARVE_PRECISION_S, 1735603200, false},
        {"custom:%s", "-5", VARVE_PRECISION_S, -5, false},
        {"custom:%Y", "1970", VARVE_PRECISION_S, 0, false},
        {"custom:%Y%%", "1970%", VARVE_PRECISION_S, 0, false},
        {"custom:%H h %Y", "7 h 1970", VARVE_PRECISION_S, 25200, false},
        {"custom:%F %T", "2016-12-31 23:59:60", VARVE_PRECISION_S, 1483228800, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vv_csv_time time = form(cases[i].form);
        int64_t timestamp = 0;
        bool has_lost = false;
        varve_error err = {.message = ""};
        check_ok(vv_csv_time_read(&time, vv_text_from_string(cases[i].cell), cases[i].precision,
                                  &timestamp, &has_lost, &err),
                 &err);
        if (timestamp != cases[i].wanted || has_lost != cases[i].loses) {
            print_error("%s as %s: %lld, %d\n", cases[i].cell, cases[i].form, (long long)timestamp,
                        has_lost);
        }
        assert_true(timestamp == cases[i].wanted);
        assert_int_equal(has_lost, cases[i].loses);
    }
}

static void csv_times_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *form;
        const char *cell;
        uint32_t precision;
        const char *reason;
    } cases[] = {
        {"unix_s", "", VARVE_PRECISION_S, "\"\" is no time as unix_s"},
        {"unix_s", "yesterday", VARVE_PRECISION_S, "is no time"},
        {"unix_s", "1.2.3", VARVE_PRECISION_S, "is no time"},
        {"unix_s", "--1", VARVE_PRECISION_S, "is no time"},
        {"unix_s", "nan", VARVE_PRECISION_S, "is no time"},
        {"unix_s", "9223372036854775807", VARVE_PRECISION_NS, "outside of what ns can hold"},
        {"unix_s", "9223372036854775808", VARVE_PRECISION_S, "outside of what s can hold"},
        {"unix_s", "1e30", VARVE_PRECISION_S, "is no time"},
        {"unix_s", "10000000000000000000000000000000000000000000000000000000000000000.5",
         VARVE_PRECISION_S, "is no time"},
        {"rfc3339", "2026-02-29", VARVE_PRECISION_S, "is no time as rfc3339"},
        {"rfc3339", "2026", VARVE_PRECISION_S, "is no time"},
        {"rfc3339", "2026-01-02x", VARVE_PRECISION_S, "is no time"},
        {"rfc3339", "1500-01-01", VARVE_PRECISION_NS, "outside of what ns can hold"},
        {"custom:%F %T", "2026-01-02 24:00:00", VARVE_PRECISION_S, "is no time as %F %T"},
        {"custom:%F %T", "2026-01-02 23:60:00", VARVE_PRECISION_S, "is no time"},
        {"custom:%F", "2026-13-01", VARVE_PRECISION_S, "is no time"},
        {"custom:%F", "2026-00-01", VARVE_PRECISION_S, "is no time"},
        {"custom:%F", "2026-01-00", VARVE_PRECISION_S, "is no time"},
        {"custom:%Y-%j", "2025-366", VARVE_PRECISION_S, "is no time"},
        {"custom:%Y-%j", "2025-000", VARVE_PRECISION_S, "is no time"},
        {"custom:%F %I", "2025-01-01 13", VARVE_PRECISION_S, "is no time"},
        {"custom:%F %z", "2025-01-01 +24:00", VARVE_PRECISION_S, "is no time"},
        {"custom:%F %z", "2025-01-01 +1", VARVE_PRECISION_S, "is no time"},
        {"custom:%F %Z", "2025-01-01 CET", VARVE_PRECISION_S, "is no time"},
        {"custom:%Y", "19x", VARVE_PRECISION_S, "is no time"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vv_csv_time time = form(cases[i].form);
        int64_t timestamp = 5;
        bool has_lost = false;
        varve_error err = {.message = ""};
        varve_status status = vv_csv_time_read(&time, vv_text_from_string(cases[i].cell),
                                               cases[i].precision, &timestamp, &has_lost, &err);
        if (status != VARVE_E_INVALID || strstr(err.message, cases[i].reason) == NULL) {
            print_error("%s as %s: %s\n", cases[i].cell, cases[i].form, err.message);
        }
        check_status(VARVE_E_INVALID, status);
        assert_non_null(strstr(err.message, cases[i].reason));
        assert_true(timestamp == 5);
    }
}

static void csv_forms_of_times_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "unix",         "custom:",    "custom:%H",
                                      "custom:%Q", "custom:%Y%",   "rfc3339 ",   "custom:abc",
                                      "UNIX_S",    "custom:%Y %N", "custom:%%Y", "unix_s:"};
    vv_csv_time time;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_status(VARVE_E_INVALID, vv_csv_time_parse(vv_text_from_string(bad[i]), &time, NULL));
    }
    char text[7 + VV_CSV_LAYOUT_BYTES_MAX + 2];
    memset(text, 'x', sizeof text);
    memcpy(text, "custom:%Y", 9);
    check_ok(vv_csv_time_parse(vv_text_make(text, 7 + VV_CSV_LAYOUT_BYTES_MAX), &time, NULL), NULL);
    check_status(VARVE_E_INVALID,
                 vv_csv_time_parse(vv_text_make(text, 8 + VV_CSV_LAYOUT_BYTES_MAX), &time, NULL));
}

static void csv_times_are_written_in_the_same_forms(void **state)
{
    (void)state;
    static const struct {
        const char *form;
        int64_t timestamp;
        uint32_t precision;
        const char *wanted;
        bool loses;
    } cases[] = {
        {"unix_s", 1700000000123, VARVE_PRECISION_MS, "1700000000", true},
        {"unix_ms", -1, VARVE_PRECISION_US, "-1", true},
        {"unix_ns", 1700000000, VARVE_PRECISION_S, "1700000000000000000", false},
        {"unix_ns", INT64_MAX, VARVE_PRECISION_S, "9223372036854775807000000000", false},
        {"unix_ns", INT64_MIN, VARVE_PRECISION_NS, "-9223372036854775808", false},
        {"rfc3339", 1767323045678, VARVE_PRECISION_MS, "2026-01-02T03:04:05.678Z", false},
        {"custom:%F %T", 1767323045678, VARVE_PRECISION_MS, "2026-01-02 03:04:05", true},
        {"custom:%F %T.%f", 1767323045678, VARVE_PRECISION_MS, "2026-01-02 03:04:05.678", false},
        {"custom:%a %b %e %I:%M %p %z %Z %y %j %A %B %%", 1767323045, VARVE_PRECISION_S,
         "Fri Jan 2 03:04 AM +0000 UTC 26 002 Friday January %", false},
        {"custom:%s.%f", 5, VARVE_PRECISION_S, "5.0", false},
        {"custom:%D %R", -1, VARVE_PRECISION_S, "12/31/69 23:59", false},
    };
    vv_alloc alloc;
    vv_buf buf;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&buf, &alloc, SIZE_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vv_csv_time time = form(cases[i].form);
        bool has_lost = false;
        vv_buf_reset(&buf);
        vv_csv_time_write(&buf, &time, cases[i].timestamp, cases[i].precision, &has_lost);
        vv_buf_append_char(&buf, '\0');
        assert_string_equal((const char *)buf.data, cases[i].wanted);
        assert_int_equal(has_lost, cases[i].loses);
        vv_buf_reset(&buf);
        vv_csv_time_print(&buf, &time);
        assert_true(vv_text_equal(vv_buf_text(&buf), vv_text_from_string(cases[i].form)));
    }
    vv_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_times_are_read_exactly),
        cmocka_unit_test(csv_times_that_are_none_are_refused),
        cmocka_unit_test(csv_forms_of_times_are_checked),
        cmocka_unit_test(csv_times_are_written_in_the_same_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
