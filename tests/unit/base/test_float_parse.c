/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle is the C library's strtod, which rounds correctly for any length. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"
#include "support/check.h"

/* The text is a number for both, with the same bits; or it overflows, and is none here. */
static void check_as_strtod(const char *text)
{
    double expected = strtod(text, NULL);
    double actual = 77;
    bool is_number = vv_text_parse_f64(vv_text_from_string(text), &actual);
    if (is_number != (isfinite(expected) != 0) ||
        (is_number && memcmp(&expected, &actual, sizeof expected) != 0)) {
        fail_msg("%.100s: got %a, expected %a", text, actual, expected);
    }
}

static double random_double(vv_random *random)
{
    double value;
    do {
        uint64_t bits = vv_random_u64(random);
        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return value;
}

static void printed_doubles_read_back(void **state)
{
    (void)state;
    print_message("seed 12\n");
    vv_random random;
    vv_random_init(&random, 12);
    char text[64];
    for (int round = 0; round < 20000; round++) {
        double value = random_double(&random);
        (void)snprintf(text, sizeof text, "%.17g", value);
        check_as_strtod(text);
        (void)snprintf(text, sizeof text, "%.*e", (int)vv_random_below(&random, 30), value);
        check_as_strtod(text);
    }
}

static void random_decimals_agree(void **state)
{
    (void)state;
    print_message("seed 13\n");
    vv_random random;
    vv_random_init(&random, 13);
    for (int round = 0; round < 20000; round++) {
        char text[80];
        size_t size = 0;
        size_t whole = vv_random_below(&random, 25);
        size_t fraction = 1 + vv_random_below(&random, 25);
        for (size_t digit = 0; digit < whole + 1 + fraction; digit++) {
            text[size] = digit == whole ? '.' : (char)('0' + vv_random_below(&random, 10));
            size += 1;
        }
        text[size] = '\0';
        if (round % 2 == 0) {
            (void)snprintf(text + size, sizeof text - size, "e%d",
                           (int)vv_random_between(&random, -345, 310));
        }
        check_as_strtod(text);
    }
}

/* The exact middle between two doubles, and a little above and below it: F1 and the third way. */
static void halfway_cases_round_to_even(void **state)
{
    (void)state;
    print_message("seed 14\n");
    vv_random random;
    vv_random_init(&random, 14);
    static char text[2000];
    for (int round = 0; round < 600; round++) {
        double value = fabs(random_double(&random));
        if (round % 4 == 0) {
            value = ldexp(value, -1100); /* often subnormal */
        } else if (round % 4 == 1) {
            value = vv_random_f64(&random) * 1e16;
        }
        double next = nextafter(value, VV_F64_INFINITY);
        if (!isfinite(value) || !isfinite(next)) {
            continue;
        }
        long double middle = ((long double)value + (long double)next) / 2; /* exact: 64 bits */
        (void)snprintf(text, sizeof text, "%.1200Lf", middle);
        check_as_strtod(text);
        size_t size = strlen(text);
        text[size] = '1';
        text[size + 1] = '\0';
        check_as_strtod(text); /* above */
        (void)snprintf(text, sizeof text, "%.1200Le", middle);
        check_as_strtod(text);
        (void)snprintf(text, sizeof text, "%.25Le", middle);
        check_as_strtod(text);
    }
}

static void hard_numbers_are_right(void **state)
{
    (void)state;
    const char *rows[] = {
        "0",
        "-0",
        "+0.0",
        "000",
        ".5",
        "5.",
        "1e0",
        "1E+05",
        "1e-5",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "9007199254740993.000000000000000000000000000000000000000000001",
        "9007199254740992.99999999999999999999999999999999999999999999",
        "9007199254740995",
        "18014398509481990",
        "1e22",
        "1e23",
        "8.5e22",
        "9.5e-10",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e308",
        "1e309",
        "4.9e-324",
        "2.4703282292062327208e-324",
        "2.4703282292062327209e-324",
        "2.4703282292062328e-324",
        "1e-324",
        "1e-400",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "2.225073858507201136057409796709131975934819546351645648023426109724822222021"
        "0769455165295239081350879141491589130396211068700864386945946455276572074078"
        "2062174337998814106326732925355228688137214901298112245145188984905722230728"
        "5255133155755015914397476397983411801999323962548289017107081850690630666655"
        "9949382757725720157630626906633326475653000092458883164330377797918696120494"
        "9739037782970490505108060994073026293712895895000358379996720725430436028407"
        "8895771796150945516748243471030702609144621572289880258182545180325707018860"
        "8721131280795122334262883686223215037756666225039825343359745688844239002654"
        "9819838548794829220689472168983109969836584681402285424333066033985088644580"
        "4001034933970427567186443383770486037861622771738545623065874679014086723327"
        "636718751234567890123456789012345678901e-308",
        "6.631236846766476e-316",
        "3.2378839133029012895883524125015321748630376694231e-319",
        "7.2057594037927933e16",
        "0.3",
        "0.1e-99999999999999999999",
        "0e99999999999999999999",
        "123456789012345678901234567890",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649"
        "017977587207096330286416692887910946555547851940402630657488671505820681908902000708383"
        "676273854845817711531764475730270069855571366959622842914819860834936475292719074168444"
        "365510704342711559699508093042880",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649"
        "017977587207096330286416692887910946555547851940402630657488671505820681908902000708383"
        "676273854845817711531764475730270069855571366959622842914819860834936475292719074168444"
        "365510704342711559699508093042879",
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        check_as_strtod(rows[index]);
    }
}

static void neighbours_of_powers_are_right(void **state)
{
    (void)state;
    char text[64];
    for (int power = -326; power <= 309; power++) {
        for (int digit = 1; digit <= 9; digit++) {
            (void)snprintf(text, sizeof text, "%de%d", digit, power);
            check_as_strtod(text);
        }
    }
    for (int power = -1074; power < 1024; power++) {
        double value = ldexp(1, power);
        (void)snprintf(text, sizeof text, "%.17g", value);
        check_as_strtod(text);
        (void)snprintf(text, sizeof text, "%.17g", nextafter(value, 0));
        check_as_strtod(text);
        (void)snprintf(text, sizeof text, "%.17g", nextafter(value, VV_F64_INFINITY));
        check_as_strtod(text);
    }
}

static void long_texts_are_right(void **state)
{
    (void)state;
    static char text[4000];
    memset(text, '0', sizeof text);
    text[1] = '.';
    text[2000] = '7';
    (void)snprintf(text + 2001, 20, "e1990");
    check_as_strtod(text); /* 7e-9, behind 1998 zeros */
    memset(text, '9', 900);
    (void)snprintf(text + 900, 20, "e-800");
    check_as_strtod(text);
    memset(text, '3', 309);
    text[309] = '\0';
    check_as_strtod(text);
    text[308] = '\0';
    check_as_strtod(text);
    memset(text, '0', 3000); /* 1, zeros, 1: only the digit behind F1's limit tells */
    (void)snprintf(text, sizeof text, "9007199254740993");
    text[16] = '.';
    text[2500] = '1';
    text[2501] = '\0';
    check_as_strtod(text);
    text[2500] = '0';
    check_as_strtod(text);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    const char *wrong[] = {"",    ".",     "+",   "-",     "e5",     "1e",  "1e+",      "1.2.3",
                           " 1",  "1 ",    "nan", "inf",   "0x10",   "1_0", "1,5",      "--1",
                           "+-1", "1e5.5", "1d5", "1e309", "-1e309", "1f",  "Infinity", ".e1"};
    for (size_t index = 0; index < VV_ARRAY_COUNT(wrong); index++) {
        double value = 77;
        if (vv_text_parse_f64(vv_text_from_string(wrong[index]), &value) || value != 77) {
            fail_msg("\"%s\" was taken", wrong[index]);
        }
    }
}

static void scanning_stops_at_the_first_other_character(void **state)
{
    (void)state;
    const struct {
        const char *text;
        size_t used;
        double value;
    } rows[] = {
        {"1.5,", 3, 1.5},
        {"1.5e", 3, 1.5},
        {"1.5e+", 3, 1.5},
        {"1.5ex", 3, 1.5},
        {"1.5e2x", 5, 150},
        {"1..5", 2, 1},
        {"-2i", 2, -2},
        {"1234567812345678,", 16, 1234567812345678.0},
        {"0.12345678 12", 10, 0.12345678},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        double value = 0;
        assert_int_equal(vv_text_scan_f64(vv_text_from_string(rows[index].text), &value),
                         rows[index].used);
        assert_true(value == rows[index].value);
    }
    double value = 0;
    assert_int_equal(vv_text_scan_f64(vv_text_make("12345678", 3), &value), 3);
    assert_true(value == 123);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_doubles_read_back),
        cmocka_unit_test(random_decimals_agree),
        cmocka_unit_test(halfway_cases_round_to_even),
        cmocka_unit_test(hard_numbers_are_right),
        cmocka_unit_test(neighbours_of_powers_are_right),
        cmocka_unit_test(long_texts_are_right),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(scanning_stops_at_the_first_other_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
