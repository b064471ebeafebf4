/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "base/text.h"
#include "support/check.h"
#include "wire/span_text.h"
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
    static const char *const exact[] = {"1h30m",        "0.1",          "1.5",  "1.5us",
                                        "0.000000001",  "1.0ns",        "0.5d", "3153600000.5",
                                        "1.000000001s", "0.0000000000w"};
    static const char *const cut[] = {"1.5ns",    "0.0000000015",     "1.0000000001s",
                                      "0.0015us", "1.0000000000001w", "1e-10"};
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        assert_true(vv_duration_text_is_exact(vv_text_make(exact[i], strlen(exact[i]))));
    }
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        assert_false(vv_duration_text_is_exact(vv_text_make(cut[i], strlen(cut[i]))));
    }
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

/* ---- the tables of docs/reference/times.md ---- */

/* Europe/Prague, as far as the page goes: an hour, two from April to October. */
static int32_t prague_offset_at(const void *context, int64_t unix_s)
{
    (void)context;
    return unix_s >= INT64_C(1775000000) && unix_s < INT64_C(1793000000) ? 7200 : 3600;
}

static int64_t prague_to_utc(const void *context, int64_t local_s)
{
    return local_s - prague_offset_at(context, local_s);
}

static bool find_prague(void *context, varve_text name, vv_calendar_zone *out_zone)
{
    (void)context;
    *out_zone = (vv_calendar_zone){.offset_at = prague_offset_at, .local_to_utc = prague_to_utc};
    return vv_text_equal(name, VARVE_STR("Europe/Prague"));
}

static void expect_place(const varve_error *err, varve_text wanted)
{
    char place[32];
    vv_text_format(place, sizeof place, "%.*s: ", VV_TEXT_ARGS(wanted));
    if (strncmp(err->message, place, strlen(place)) != 0) {
        print_error("%s, not %s\n", err->message, place);
    }
    assert_int_equal(strncmp(err->message, place, strlen(place)), 0);
}

static void expect_page_time(varve_text text, varve_text wanted)
{
    vv_time_world world = {.now_ns = NOW - INT64_C(678901234), .find_zone = find_prague};
    int64_t time = 0;
    varve_error err;
    varve_status status = vv_time_text_parse_in(text, &world, VARVE_PRECISION_NS, &time, &err);
    if (vv_text_starts_with(wanted, VARVE_STR("at "))) {
        check_status(VARVE_E_INVALID, status);
        expect_place(&err, wanted);
        return;
    }
    check_ok(status, &err);
    int64_t right;
    assert_true(vv_text_parse_rfc3339(wanted, &right));
    if (time != right) {
        print_error("%.*s\n", VV_TEXT_ARGS(text));
    }
    assert_true(time == right);
}

static void expect_page_span(varve_text text, varve_text wanted)
{
    vv_span_text span;
    varve_error err;
    varve_status status = vv_span_text_parse(text, &span, &err);
    if (vv_text_starts_with(wanted, VARVE_STR("error "))) {
        check_status(VARVE_E_INVALID, status);
        expect_place(&err, vv_text_sub(wanted, strlen("error "), wanted.size));
        return;
    }
    check_ok(status, &err);
    uint64_t months;
    size_t digits = vv_text_scan_u64(wanted, &months);
    if (vv_text_starts_with(vv_text_sub(wanted, digits, wanted.size), VARVE_STR(" month"))) {
        assert_true(span.months == (int64_t)months && span.ns == 0);
        return;
    }
    int64_t ns;
    assert_true(vv_text_parse_duration(wanted, &ns));
    assert_true(span.ns == ns && span.months == 0);
}

/* "| `text` | what it is | ..." */
static bool page_cells(varve_text line, varve_text *out_text, varve_text *out_is)
{
    if (!vv_text_starts_with(line, VARVE_STR("| `"))) {
        return false;
    }
    line = vv_text_sub(line, 3, line.size);
    *out_text = vv_text_sub(line, 0, vv_text_find_char(line, '`'));
    line = vv_text_sub(line, out_text->size + strlen("` | "), line.size);
    *out_is = vv_text_trim(vv_text_sub(line, 0, vv_text_find_char(line, '|')));
    return true;
}

static void time_text_reads_every_line_of_its_page(void **state)
{
    (void)state;
    static char page[65536];
    FILE *file = fopen(VARVE_TESTS_DIR "/../docs/reference/times.md", "rb");
    assert_non_null(file);
    varve_text rest = {page, fread(page, 1, sizeof page, file)};
    fclose(file);
    varve_text line;
    varve_text section = VARVE_STR("");
    size_t count = 0;
    while (vv_text_split(&rest, '\n', &line)) {
        varve_text text;
        varve_text is;
        if (vv_text_starts_with(line, VARVE_STR("## "))) {
            section = line;
        } else if (vv_text_equal(section, VARVE_STR("## Times")) && page_cells(line, &text, &is)) {
            expect_page_time(text, is);
            count += 1;
        } else if (vv_text_equal(section, VARVE_STR("## Spans")) && page_cells(line, &text, &is)) {
            expect_page_span(text, is);
            count += 1;
        }
    }
    assert_true(count > 50);
}

static void time_text_takes_the_zone_of_its_world(void **state)
{
    (void)state;
    vv_time_world world = {
        .now_ns = NOW, .zone = VARVE_STR("Europe/Prague"), .find_zone = find_prague};
    static const struct {
        const char *text;
        int64_t wanted;
    } cases[] = {
        {"2026-01-02", INT64_C(1767308400)},     {"2026-01-02 UTC", INT64_C(1767312000)},
        {"2026-01-02T00Z", INT64_C(1767312000)}, {"today", INT64_C(1767308400)},
        {"1767312000", INT64_C(1767312000)},     {"2026-01-02T00:00:00Z", INT64_C(1767312000)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t time;
        varve_error err;
        check_ok(vv_time_text_parse_in(vv_text_from_string(cases[i].text), &world,
                                       VARVE_PRECISION_S, &time, &err),
                 &err);
        assert_true(time == cases[i].wanted);
    }
    world.zone = VARVE_STR("Mars/Olympus");
    int64_t time;
    check_status(VARVE_E_INVALID,
                 vv_time_text_parse_in(VARVE_STR("today"), &world, VARVE_PRECISION_S, &time, NULL));
}

static void time_text_bounds_months_and_spans(void **state)
{
    (void)state;
    int64_t time;
    check_status(VARVE_E_INVALID, vv_time_text_parse(VARVE_STR("now-1200001mo"), NOW,
                                                     VARVE_PRECISION_S, &time, NULL));
    varve_error err;
    check_ok(vv_time_text_parse(VARVE_STR("now-1200000mo"), NOW, VARVE_PRECISION_S, &time, &err),
             &err);
    vv_span_text span;
    check_status(VARVE_E_INVALID,
                 vv_span_text_parse(VARVE_STR("9223372037s"), &span, NULL)); /* 2^63 ns */
    check_ok(vv_span_text_parse(VARVE_STR("9223372036s"), &span, &err), &err);
    expect("2024-02-29T00:00:00Z", VARVE_PRECISION_S, INT64_C(1709164800));
    /* 2026-03-31 minus a month is the month's last day. */
    check_ok(vv_time_text_parse(VARVE_STR("now-1mo"), INT64_C(1774915200000000000),
                                VARVE_PRECISION_S, &time, &err),
             &err);
    assert_true(time == INT64_C(1772236800));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_text_reads_unix_times),
        cmocka_unit_test(time_text_reads_the_calendar),
        cmocka_unit_test(time_text_reads_relative_times),
        cmocka_unit_test(time_text_refuses_all_else),
        cmocka_unit_test(time_text_reads_durations),
        cmocka_unit_test(time_text_reads_every_line_of_its_page),
        cmocka_unit_test(time_text_takes_the_zone_of_its_world),
        cmocka_unit_test(time_text_bounds_months_and_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
