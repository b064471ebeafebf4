/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"
#include "support/check.h"

static void forms_are_as_documented(void **state)
{
    (void)state;
    const struct {
        double value;
        const char *text;
        const char *plain;
    } rows[] = {
        {0.0, "0.0", "0"},
        {-0.0, "-0.0", "-0"},
        {1.0, "1.0", "1"},
        {-1.5, "-1.5", "-1.5"},
        {0.1, "0.1", "0.1"},
        {100, "100.0", "100"},
        {0.000123, "0.000123", "0.000123"},
        {1e-6, "0.000001", "0.000001"},
        {1e-7, "1e-7", "1e-7"},
        {9.99e-7, "9.99e-7", "9.99e-7"},
        {123456789012345678.0, "123456789012345680.0", "123456789012345680"},
        {1e20, "100000000000000000000.0", "100000000000000000000"},
        {999999999999999900000.0, "999999999999999900000.0", "999999999999999900000"},
        {1e21, "1e+21", "1e+21"},
        {1e22, "1e+22", "1e+22"},
        {1.5e300, "1.5e+300", "1.5e+300"},
        {1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157e+308"},
        {5e-324, "5e-324", "5e-324"},
        {-2.2250738585072014e-308, "-2.2250738585072014e-308", "-2.2250738585072014e-308"},
        {9007199254740992.0, "9007199254740992.0", "9007199254740992"},
        {9007199254740994.0, "9007199254740994.0", "9007199254740994"},
        {2e-44, "2e-44", "2e-44"},
        {4.35, "4.35", "4.35"},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(rows); index++) {
        char text[VV_TEXT_F64_BYTES_MAX + 1];
        text[vv_text_print_f64(text, rows[index].value)] = '\0';
        assert_string_equal(text, rows[index].text);
        text[vv_text_print_f64_plain(text, rows[index].value)] = '\0';
        assert_string_equal(text, rows[index].plain);
    }
}

/* Reads back; no shorter text does; among those of its length it is the nearest, which %.*e gives.
 */
static void check_shortest(double value)
{
    char text[VV_TEXT_F64_BYTES_MAX + 1];
    size_t size = vv_text_print_f64(text, value);
    assert_true(size <= VV_TEXT_F64_BYTES_MAX);
    text[size] = '\0';
    double back = strtod(text, NULL);
    if (memcmp(&back, &value, sizeof value) != 0) {
        fail_msg("%s reads back as %a, not %a", text, back, value);
    }
    char digits[17];
    int32_t point;
    size_t count = vv_text_shortest_digits(fabs(value), digits, &point);
    char other[64];
    if (count > 1) {
        (void)snprintf(other, sizeof other, "%.*e", (int)count - 2, fabs(value));
        if (strtod(other, NULL) == fabs(value)) {
            fail_msg("%s is shorter than %s", other, text);
        }
    }
    (void)snprintf(other, sizeof other, "%.*e", (int)count - 1, fabs(value));
    if (strtod(other, NULL) == fabs(value)) {
        char mine[64];
        (void)snprintf(mine, sizeof mine, "%c%s%.*s", digits[0], count > 1 ? "." : "",
                       (int)count - 1, digits + 1);
        if (strncmp(mine, other, strlen(mine)) != 0 || other[strlen(mine)] != 'e' ||
            atoi(strchr(other, 'e') + 1) != point - 1) {
            fail_msg("%s is nearer than %s", other, text);
        }
    }
}

static void random_doubles_are_shortest_and_nearest(void **state)
{
    (void)state;
    print_message("seed 15\n");
    vv_random random;
    vv_random_init(&random, 15);
    for (int round = 0; round < 15000; round++) {
        double value;
        uint64_t bits = vv_random_u64(&random);
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value) && value != 0) {
            check_shortest(value);
        }
        check_shortest((double)vv_random_between(&random, 1, 1000000) / 1000);
        check_shortest(1 + vv_random_f64(&random) * 1e17);
    }
}

static void powers_of_two_and_their_neighbours_are_shortest(void **state)
{
    (void)state;
    for (int power = -1074; power < 1024; power++) {
        double value = ldexp(1, power);
        check_shortest(value);
        check_shortest(nextafter(value, VV_F64_INFINITY));
        if (power > -1074) {
            check_shortest(nextafter(value, 0));
        }
    }
}

static void powers_of_ten_are_one_digit(void **state)
{
    (void)state;
    for (int power = -323; power <= 308; power++) {
        char text[16];
        char digits[17];
        int32_t point;
        (void)snprintf(text, sizeof text, "1e%d", power);
        assert_int_equal(vv_text_shortest_digits(strtod(text, NULL), digits, &point), 1);
        assert_int_equal(point, power + 1);
        assert_int_equal(digits[0], '1');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_as_documented),
        cmocka_unit_test(random_doubles_are_shortest_and_nearest),
        cmocka_unit_test(powers_of_two_and_their_neighbours_are_shortest),
        cmocka_unit_test(powers_of_ten_are_one_digit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
