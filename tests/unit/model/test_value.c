/* SPDX-License-Identifier: Apache-2.0 */
#include "model/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "support/check.h"

static varve_value f64(double value)
{
    return (varve_value){.type = VARVE_TYPE_F64, .as.f64 = value};
}

static varve_value i64(int64_t value)
{
    return (varve_value){.type = VARVE_TYPE_I64, .as.i64 = value};
}

static varve_value u64(uint64_t value)
{
    return (varve_value){.type = VARVE_TYPE_U64, .as.u64 = value};
}

static varve_value boolean(bool value)
{
    return (varve_value){.type = VARVE_TYPE_BOOL, .as.boolean = value};
}

/* Ascending; equal numbers stand in one group. */
#define GROUP_MAX 4
typedef struct group {
    size_t count;
    varve_value values[GROUP_MAX];
} group;

static size_t make_order(group *groups)
{
    const double two_63 = 9223372036854775808.0;
    const double two_64 = 18446744073709551616.0;
    const group order[] = {
        {1, {f64(-(double)INFINITY)}},
        {1, {f64(-1e300)}},
        {1, {f64(nextafter(-two_63, -(double)INFINITY))}},
        {2, {f64(-two_63), i64(INT64_MIN)}},
        {1, {i64(INT64_MIN + 1)}},
        {1, {i64(INT64_MIN + 1024)}},
        {1, {f64(nextafter(-two_63, 0))}}, /* -2^63 + 1024 */
        {2, {f64(-9007199254740992.0), i64(-9007199254740992)}},
        {2, {f64(-1.0), i64(-1)}},
        {1, {f64(-0.5)}},
        {1, {f64(-5e-324)}},
        {1, {f64(-0.0)}},
        {4, {f64(0.0), i64(0), u64(0), boolean(false)}},
        {1, {f64(5e-324)}},
        {1, {f64(0.5)}},
        {4, {f64(1.0), i64(1), u64(1), boolean(true)}},
        {3, {f64(9007199254740992.0), i64(9007199254740992), u64(9007199254740992)}},
        {2, {i64(9007199254740993), u64(9007199254740993)}},
        {3, {f64(9007199254740994.0), i64(9007199254740994), u64(9007199254740994)}},
        {1, {f64(nextafter(two_63, 0))}},
        {2, {i64(INT64_MAX), u64(INT64_MAX)}},
        {2, {f64(two_63), u64(UINT64_C(1) << 63)}},
        {1, {f64(nextafter(two_64, 0))}},
        {1, {u64(UINT64_MAX)}},
        {1, {f64(two_64)}},
        {1, {f64(1e300)}},
        {1, {f64((double)INFINITY)}},
        {2, {f64((double)NAN), f64(-(double)NAN)}},
    };
    size_t written = 0;
    for (size_t index = 0; index < VV_ARRAY_COUNT(order); index++) {
        /* -2^63 + 1024 is an integer too: it joins the double of that value. */
        if (index == 5) {
            continue;
        }
        groups[written] = order[index];
        if (index == 6) {
            groups[written].values[groups[written].count] = i64(INT64_MIN + 1024);
            groups[written].count++;
        }
        written++;
    }
    return written;
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void numbers_of_all_types_stand_in_one_exact_order(void **state)
{
    (void)state;
    group groups[32];
    size_t count = make_order(groups);
    for (size_t left = 0; left < count; left++) {
        for (size_t right = 0; right < count; right++) {
            int expected = (left > right) - (left < right);
            for (size_t a = 0; a < groups[left].count; a++) {
                for (size_t b = 0; b < groups[right].count; b++) {
                    int order =
                        vv_number_compare(&groups[left].values[a], &groups[right].values[b]);
                    assert_int_equal(sign(order), expected);
                }
            }
        }
    }
}

static void values_are_checked(void **state)
{
    (void)state;
    varve_error err;
    varve_value value = {.type = VARVE_TYPE_STRING, .as.bytes = VV_TEXT_INIT("ok")};
    assert_int_equal(vv_value_check(&value, &err), VARVE_OK);
    value.as.bytes = VV_TEXT("a\xED\xA0\x80");
    assert_int_equal(vv_value_check(&value, &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "string is not UTF-8 at byte 2");
    value.type = VARVE_TYPE_BYTES;
    assert_int_equal(vv_value_check(&value, &err), VARVE_OK);
    value.flags = 1;
    assert_int_equal(vv_value_check(&value, &err), VARVE_E_INVALID);
    value = (varve_value){.type = VARVE_TYPE_BYTES, .as.bytes = {.data = NULL, .size = 0}};
    assert_int_equal(vv_value_check(&value, &err), VARVE_OK);
    value.as.bytes.size = 1;
    assert_int_equal(vv_value_check(&value, &err), VARVE_E_INVALID);
    value.as.bytes.data = calloc(1, (size_t)VV_VALUE_BYTES_MAX + 1);
    value.as.bytes.size = VV_VALUE_BYTES_MAX;
    assert_int_equal(vv_value_check(&value, &err), VARVE_OK);
    value.as.bytes.size++;
    assert_int_equal(vv_value_check(&value, &err), VARVE_E_LIMIT);
    free((void *)(uintptr_t)value.as.bytes.data);
    value = (varve_value){.type = VARVE_TYPE_HISTOGRAM};
    assert_int_equal(vv_value_check(&value, &err), VARVE_E_INVALID);
    for (uint32_t type = 0; type < 12; type++) {
        value = (varve_value){.type = type};
        bool is_plain = type >= VARVE_TYPE_F64 && type <= VARVE_TYPE_STRING;
        assert_int_equal(vv_value_check(&value, &err), is_plain ? VARVE_OK : VARVE_E_INVALID);
    }
}

static void equality_is_of_bits(void **state)
{
    (void)state;
    varve_value plus = f64(0.0);
    varve_value minus = f64(-0.0);
    varve_value nan_a = f64((double)NAN);
    varve_value nan_b = u64(0);
    nan_b.type = VARVE_TYPE_F64;
    nan_b.as.u64 = UINT64_C(0x7ff8000000000123);
    varve_value zero = i64(0);
    varve_value text = {.type = VARVE_TYPE_STRING, .as.bytes = VV_TEXT_INIT("x")};
    varve_value bytes = {.type = VARVE_TYPE_BYTES, .as.bytes = VV_TEXT_INIT("x")};
    assert_true(vv_value_equal(&plus, &plus));
    assert_false(vv_value_equal(&plus, &minus));
    assert_true(vv_value_equal(&nan_a, &nan_a));
    assert_false(vv_value_equal(&nan_a, &nan_b));
    assert_false(vv_value_equal(&plus, &zero));
    assert_true(vv_value_equal(&text, &text));
    assert_false(vv_value_equal(&text, &bytes));
    varve_value yes = boolean(true);
    varve_value no = boolean(false);
    assert_true(vv_value_equal(&yes, &yes));
    assert_false(vv_value_equal(&yes, &no));
    const varve_histogram one = {.sum = 1.0};
    const varve_histogram same = {.sum = 1.0};
    const varve_histogram two = {.sum = 2.0};
    varve_value a = {.type = VARVE_TYPE_HISTOGRAM, .as.histogram = &one};
    varve_value b = {.type = VARVE_TYPE_HISTOGRAM, .as.histogram = &same};
    varve_value c = {.type = VARVE_TYPE_HISTOGRAM, .as.histogram = &two};
    assert_true(vv_value_equal(&a, &b));
    assert_false(vv_value_equal(&a, &c));
}

static void types_have_names(void **state)
{
    (void)state;
    assert_string_equal(vv_type_name(VARVE_TYPE_F64), "f64");
    assert_string_equal(vv_type_name(VARVE_TYPE_MIXED), "mixed");
    assert_string_equal(vv_type_name(99), "unknown");
    assert_string_equal(vv_family_name(VARVE_TYPE_BYTES), "bytes/string");
    assert_string_equal(vv_family_name(VARVE_TYPE_STRING), "bytes/string");
    assert_string_equal(vv_family_name(VARVE_TYPE_U64), "u64");
}

static void numbers_convert_to_the_nearest_double(void **state)
{
    (void)state;
    varve_value value = u64(UINT64_MAX);
    assert_true(vv_number_to_f64(&value) >= 18446744073709551616.0);
    value = i64(9007199254740993);
    assert_true(vv_number_to_f64(&value) <= 9007199254740992.0);
    value = boolean(true);
    assert_true(vv_number_to_f64(&value) >= 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_all_types_stand_in_one_exact_order),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(equality_is_of_bits),
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(numbers_convert_to_the_nearest_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
