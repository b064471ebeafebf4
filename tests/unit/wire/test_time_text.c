/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "wire/time_text.h"

/* 2026-01-02T03:04:05.678901234Z */
#define NOW INT64_C(1767323045678901234)

static void expect(const char *text, uint32_t precision, int64_t wanted)
{
    int64_t time = 0;
    varve_error err;
    check_ok(vv_time_text_parse(vv_text_from_string(text), NOW, precision, &time, &err), &err);
    if (time != wanted) {
        print_error("%s: %lld, not %lld\n", text, (long long)time, (long long)wanted);
    }
    assert_true(time == wanted);
}

static void time_text_reads_unix_times(void **state)
{
    (void)state;
    expect("0", VARVE_PRECISION_NS, 0);
    expect("-1", VARVE_PRECISION_NS, INT64_C(-1000000000));
    expect("1700000000", VARVE_PRECISION_MS, INT64_C(1700000000000));
    expect("1700000000.25", VARVE_PRECISION_NS, INT64_C(1700000000250000000));
    expect("1700000000.0000000019", VARVE_PRECISION_NS, INT64_C(1700000000000000001));
    expect("-0.5", VARVE_PRECISION_NS, INT64_C(-500000000));
    expect("-1.25", VARVE_PRECISION_S, -2);
    expect("99999999999", VARVE_PRECISION_S, INT64_C(99999999999));
    expect("100000000000", VARVE_PRECISION_S, INT64_C(100000000));
    expect("1700000000123", VARVE_PRECISION_US, INT64_C(1700000000123000));
    expect("99999999999999999", VARVE_PRECISION_S, INT64_C(99999999999999));
    expect("100000000000000000", VARVE_PRECISION_NS, INT64_C(100000000000000000));
    expect("9223372036854775807", VARVE_PRECISION_NS, INT64_MAX);
    expect("1.7e9", VARVE_PRECISION_S, INT64_C(1700000000));
}

static void time_text_reads_the_calendar(void **state)
{
    (void)state;
    expect("2026", VARVE_PRECISION_S, INT64_C(1767225600));
    expect("2026-01", VARVE_PRECISION_S, INT64_C(1767225600));
    expect("2026-01-02", VARVE_PRECISION_S, INT64_C(1767312000));
    expect("2026-01-02T03", VARVE_PRECISION_S, INT64_C(1767322800));
    expect("2026-01-02 03:04", VARVE_PRECISION_S, INT64_C(1767323040));
    expect("2026-01-02T03:04:05", VARVE_PRECISION_S, INT64_C(1767323045));
    expect("2026-01-02T03:04:05.678901234Z", VARVE_PRECISION_NS, NOW);
    expect("2026-01-02T05:04:05.678901234+02:00", VARVE_PRECISION_NS, NOW);
    expect("2024-02-29", VARVE_PRECISION_S, INT64_C(1709164800));
    expect("0001-01-01", VARVE_PRECISION_S, INT64_C(-62135596800));
}

static void time_text_reads_relative_times(void **state)
{
    (void)state;
    expect("now", VARVE_PRECISION_NS, NOW);
    expect("now", VARVE_PRECISION_S, INT64_C(1767323045));
    expect("-1h", VARVE_PRECISION_NS, NOW - INT64_C(3600000000000));
    expect("now-1d", VARVE_PRECISION_NS, NOW - INT64_C(86400000000000));
    expect("now+1h30m", VARVE_PRECISION_NS, NOW + INT64_C(5400000000000));
    expect("+5m", VARVE_PRECISION_NS, NOW + INT64_C(300000000000));
}

static void time_text_refuses_all_else(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "nowish",
        "now-",
        "now--1h",
        "--1h",
        "1h",
        "2026-13",
        "2026-00-01",
        "2026-02-29",
        "2026-01-32",
        "2026-1-1",
        "2026-01-02T24",
        "2026-01-02T03:60",
        "2026-01-02T03:04:5",
        "2026/01/02",
        "20260",
        "1.2.3",
        "0x10",
        "NaN",
        "Inf",
        "1e400",
        " 1",
        "1 ",
        "99999999999999999999",
        "2026-01-02T03:04:05+25:00",
        ".5.",
        "-",
        "+",
    };
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        int64_t time = 42;
        varve_error err;
        varve_status status = vv_time_text_parse(vv_text_from_string(bad[index]), NOW,
                                                 VARVE_PRECISION_NS, &time, &err);
        if (strcmp(bad[index], "20260") == 0) {
            check_status(VARVE_OK, status); /* a number of seconds */
            continue;
        }
        if (status != VARVE_E_INVALID) {
            print_error("taken: \"%s\"\n", bad[index]);
        }
        check_status(VARVE_E_INVALID, status);
        assert_true(time == 42);
    }
    int64_t time;
    check_status(VARVE_E_INVALID,
                 vv_time_text_parse(VARVE_STR("9999-01-01"), NOW, VARVE_PRECISION_NS, &time, NULL));
    expect("9999-01-01", VARVE_PRECISION_S, INT64_C(253370764800));
    /* The lowest second has no fraction before it. */
    expect("-9223372036854775808.0", VARVE_PRECISION_S, INT64_MIN);
    expect("-9223372036854775807.5", VARVE_PRECISION_S, INT64_MIN);
    check_status(VARVE_E_INVALID, vv_time_text_parse(VARVE_STR("-9223372036854775808.5"), NOW,
                                                     VARVE_PRECISION_S, &time, NULL));
}

static void time_text_reads_durations(void **state)
{
    (void)state;
    int64_t ns;
    check_ok(vv_duration_text_parse(VARVE_STR("1h30m"), &ns, NULL), NULL);
    assert_true(ns == INT64_C(5400000000000));
    check_ok(vv_duration_text_parse(VARVE_STR("15"), &ns, NULL), NULL);
    assert_true(ns == INT64_C(15000000000));
    check_ok(vv_duration_text_parse(VARVE_STR("0.25"), &ns, NULL), NULL);
    assert_true(ns == INT64_C(250000000));
    check_status(VARVE_E_INVALID, vv_duration_text_parse(VARVE_STR("1x"), &ns, NULL));
    check_status(VARVE_E_INVALID, vv_duration_text_parse(VARVE_STR(""), &ns, NULL));
    check_status(VARVE_E_INVALID, vv_duration_text_parse(VARVE_STR("1e10"), &ns, NULL));
    uint32_t precision = 0;
    assert_true(vv_precision_text_parse(VARVE_STR("us"), VARVE_PRECISION_MS, &precision));
    assert_int_equal(precision, VARVE_PRECISION_US);
    assert_true(vv_precision_text_parse(VARVE_STR(""), VARVE_PRECISION_MS, &precision));
    assert_int_equal(precision, VARVE_PRECISION_MS);
    assert_false(vv_precision_text_parse(VARVE_STR("m"), VARVE_PRECISION_MS, &precision));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_text_reads_unix_times),
        cmocka_unit_test(time_text_reads_the_calendar),
        cmocka_unit_test(time_text_reads_relative_times),
        cmocka_unit_test(time_text_refuses_all_else),
        cmocka_unit_test(time_text_reads_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
