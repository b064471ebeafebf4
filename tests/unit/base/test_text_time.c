/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"
#include "support/check.h"

#define S INT64_C(1000000000)

static varve_text of(const char *string)
{
    return vv_text_from_string(string);
}

static void durations_are_read(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"0", 0},
        {"0s", 0},
        {"-0", 0},
        {"1ns", 1},
        {"1us", 1000},
        {"1ms", 1000000},
        {"1s", S},
        {"1m", 60 * S},
        {"1h30m", 5400 * S},
        {"1d", 86400 * S},
        {"1w", 7 * 86400 * S},
        {"1y", 365 * 86400 * S},
        {"1y1w1d1h1m1s1ms1us1ns", (365 + 7 + 1) * 86400 * S + 3661 * S + 1001001},
        {"-5m", -300 * S},
        {"1m1ms", 60 * S + 1000000},
        {"9223372036854775807ns", INT64_MAX},
        {"-9223372036854775808ns", INT64_MIN},
        {"106751d23h47m16s854ms775us807ns", INT64_MAX},
        {"0000000000000000000000001s", S},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        int64_t ns = 77;
        if (!vv_text_parse_duration(of(rows[index].text), &ns) || ns != rows[index].ns) {
            fail_msg("%s gave %" PRId64, rows[index].text, ns);
        }
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    const char *wrong[] = {"",
                           "1",
                           "s",
                           "1x",
                           "1m1h",
                           "1m1m",
                           "1h 2m",
                           "1.5h",
                           "+1h",
                           "--1h",
                           "1S",
                           "1 h",
                           "-",
                           "1h-2m",
                           "00",
                           "9223372036854775808ns",
                           "9223372036854775809ns",
                           "-9223372036854775809ns",
                           "293y",
                           "99999999999999999999s"};
    for (size_t index = 0; index < VV_ARRAY_COUNT(wrong); index++) {
        int64_t ns = 77;
        if (vv_text_parse_duration(of(wrong[index]), &ns) || ns != 77) {
            fail_msg("\"%s\" was taken", wrong[index]);
        }
    }
}

static void durations_are_scanned_up_to_what_follows(void **state)
{
    (void)state;
    int64_t ns;
    assert_int_equal(vv_text_scan_duration(of("5m]"), &ns), 2);
    assert_int_equal(vv_text_scan_duration(of("1h30m:"), &ns), 5);
    assert_true(ns == 5400 * S);
    assert_int_equal(vv_text_scan_duration(of("0,"), &ns), 1);
}

static void durations_print_in_a_form_that_reads_back(void **state)
{
    (void)state;
    const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {1500000000, "1s500ms"},
        {-90 * 60 * S, "-1h30m"},
        {14 * 86400 * S, "2w"},
        {15 * 86400 * S, "15d"},
        {730 * 86400 * S, "2y"},
        {INT64_MIN, "-106751d23h47m16s854ms775us808ns"},
    };
    char text[VV_TEXT_DURATION_BYTES_MAX + 1];
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        text[vv_text_print_duration(text, rows[index].ns)] = '\0';
        assert_string_equal(text, rows[index].text);
    }
    print_message("seed 10\n");
    vv_random random;
    vv_random_init(&random, 10);
    for (int round = 0; round < 5000; round++) {
        int64_t ns = (int64_t)vv_random_u64(&random) >> vv_random_below(&random, 64);
        size_t size = vv_text_print_duration(text, ns);
        int64_t back;
        assert_true(size <= VV_TEXT_DURATION_BYTES_MAX);
        assert_true(vv_text_parse_duration(vv_text_make(text, size), &back));
        assert_true(back == ns);
    }
}

static void instants_are_read(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00Z", 0},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T18:30:00-05:30", 0},
        {"2026-01-02T03:04:05.678Z", 1767323045 * S + 678000000},
        {"2026-01-02T03:04:05.678901234999Z", 1767323045 * S + 678901234},
        {"2000-02-29T23:59:59Z", 951868799 * S},
        {"1969-12-31T23:59:59.999999999Z", -1},
        {"2016-12-31T23:59:60Z", 1483228800 * S},
        {"2262-04-11T23:47:16.854775807Z", INT64_MAX},
        {"1677-09-21T00:12:43.145224192Z", INT64_MIN},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        int64_t ns = 77;
        if (!vv_text_parse_rfc3339(of(rows[index].text), &ns) || ns != rows[index].ns) {
            fail_msg("%s gave %" PRId64, rows[index].text, ns);
        }
    }
}

static void what_is_no_instant_is_refused(void **state)
{
    (void)state;
    const char *wrong[] = {
        "",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04Z",
        "2026-13-02T03:04:05Z",
        "2026-00-02T03:04:05Z",
        "2026-02-29T03:04:05Z",
        "2026-01-00T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05Zx",
        "2026-01-02T03:04:05+0100",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+01:60",
        "2026-01-02X03:04:05Z",
        "2026/01-02T03:04:05Z",
        "2026-01/02T03:04:05Z",
        "2026-01-02T03-04:05Z",
        "2026-01-02T03:04-05Z",
        "2026-01-02T03:x4:05Z",
        "2026-01-02Tx3:04:05Z",
        "2026-01-02T03:04:x5Z",
        "26-01-02T03:04:05Z",
        "-026-01-02T03:04:05Z",
        "2262-04-11T23:47:16.854775808Z",
        "1677-09-21T00:12:43.145224191Z",
        "9999-12-31T23:59:59Z",
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(wrong); index++) {
        int64_t ns = 77;
        if (vv_text_parse_rfc3339(of(wrong[index]), &ns) || ns != 77) {
            fail_msg("\"%s\" was taken", wrong[index]);
        }
    }
}

static void instants_beyond_nanoseconds_come_in_two_parts(void **state)
{
    (void)state;
    int64_t s;
    uint32_t ns;
    char text[VV_TEXT_RFC3339_BYTES_MAX + 1];
    assert_true(vv_text_parse_rfc3339_parts(of("9999-12-31T23:59:59.5Z"), &s, &ns));
    assert_true(s == INT64_C(253402300799) && ns == 500000000);
    text[vv_text_print_rfc3339_parts(text, s, ns, 3)] = '\0';
    assert_string_equal(text, "9999-12-31T23:59:59.500Z");
    assert_true(vv_text_parse_rfc3339_parts(of("0000-01-01T00:00:00Z"), &s, &ns));
    text[vv_text_print_rfc3339_parts(text, s - 1, 0, 0)] = '\0';
    assert_string_equal(text, "-000001-12-31T23:59:59Z");
    text[vv_text_print_rfc3339_parts(text, INT64_C(253402300800), 0, 0)] = '\0';
    assert_string_equal(text, "+010000-01-01T00:00:00Z");
    assert_true(vv_text_print_rfc3339_parts(text, INT64_MIN, 0, 9) <= VV_TEXT_RFC3339_BYTES_MAX);
    assert_true(vv_text_print_rfc3339_parts(text, INT64_MAX, 0, 9) <= VV_TEXT_RFC3339_BYTES_MAX);
}

static void instants_print_with_the_digits_they_need(void **state)
{
    (void)state;
    const struct {
        int64_t ns;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59.999999999Z"},
        {1767323045 * S + 678000000, "2026-01-02T03:04:05.678Z"},
        {100, "1970-01-01T00:00:00.0000001Z"},
        {INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
        {INT64_MIN, "1677-09-21T00:12:43.145224192Z"},
    };
    char text[VV_TEXT_RFC3339_BYTES_MAX + 1];
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        text[vv_text_print_rfc3339(text, rows[index].ns)] = '\0';
        assert_string_equal(text, rows[index].text);
    }
    text[vv_text_print_rfc3339_parts(text, 0, 999999999, 3)] = '\0';
    assert_string_equal(text, "1970-01-01T00:00:00.999Z"); /* cut, not rounded */
}

static void random_instants_round_trip(void **state)
{
    (void)state;
    print_message("seed 11\n");
    vv_random random;
    vv_random_init(&random, 11);
    for (int round = 0; round < 5000; round++) {
        int64_t ns = (int64_t)vv_random_u64(&random) >> vv_random_below(&random, 30);
        char text[VV_TEXT_RFC3339_BYTES_MAX];
        int64_t back;
        size_t size = vv_text_print_rfc3339(text, ns);
        assert_true(vv_text_parse_rfc3339(vv_text_make(text, size), &back));
        assert_true(back == ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(durations_are_scanned_up_to_what_follows),
        cmocka_unit_test(durations_print_in_a_form_that_reads_back),
        cmocka_unit_test(instants_are_read),
        cmocka_unit_test(what_is_no_instant_is_refused),
        cmocka_unit_test(instants_beyond_nanoseconds_come_in_two_parts),
        cmocka_unit_test(instants_print_with_the_digits_they_need),
        cmocka_unit_test(random_instants_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
