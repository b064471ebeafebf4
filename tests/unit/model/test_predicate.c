/* SPDX-License-Identifier: Apache-2.0 */
#include "model/predicate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "base/slice.h"
#include "model/value.h"
#include "support/check.h"

/* The oracle: 64 bits of mantissa hold every number of every type exactly. */
_Static_assert(sizeof(long double) >= 10, "the oracle needs an extended double");

static long double exact(const varve_value *value)
{
    switch (value->type) {
    case VARVE_TYPE_F64:
        return (long double)value->as.f64;
    case VARVE_TYPE_I64:
        return (long double)value->as.i64;
    case VARVE_TYPE_U64:
        return (long double)value->as.u64;
    default:
        return value->as.boolean ? 1.0L : 0.0L;
    }
}

static bool naive_holds(uint32_t op, const varve_value *value, const varve_value *constant)
{
    long double a = exact(value);
    long double b = exact(constant);
    switch (op) {
    case VARVE_OP_EQUAL:
        return a >= b && a <= b;
    case VARVE_OP_NOT_EQUAL:
        return !(a >= b && a <= b);
    case VARVE_OP_LESS:
        return a < b;
    case VARVE_OP_LESS_EQUAL:
        return a <= b;
    case VARVE_OP_GREATER:
        return a > b;
    default:
        return a >= b;
    }
}

static const double special_doubles[] = {0.0,
                                         -0.0,
                                         0.5,
                                         -0.5,
                                         1.0,
                                         -1.0,
                                         1.5,
                                         2.0,
                                         5e-324,
                                         -5e-324,
                                         9007199254740992.0,
                                         9007199254740994.0,
                                         -9007199254740992.0,
                                         9223372036854774784.0,
                                         9223372036854775808.0,
                                         -9223372036854775808.0,
                                         -9223372036854777856.0,
                                         18446744073709549568.0,
                                         18446744073709551616.0,
                                         1e300,
                                         -1e300,
                                         (double)INFINITY,
                                         -(double)INFINITY,
                                         (double)NAN};
/* As U64 the negative ones stand for the upper half. */
static const int64_t special_integers[] = {0,
                                           1,
                                           -1,
                                           2,
                                           -2,
                                           9007199254740992,
                                           9007199254740993,
                                           -9007199254740993,
                                           INT64_MAX,
                                           INT64_MAX - 1,
                                           INT64_MIN,
                                           INT64_MIN + 1,
                                           9223372036854774784};

static const uint32_t number_types[] = {VARVE_TYPE_F64, VARVE_TYPE_I64, VARVE_TYPE_U64,
                                        VARVE_TYPE_BOOL};

static size_t special_count(uint32_t type)
{
    return type == VARVE_TYPE_F64    ? VV_ARRAY_COUNT(special_doubles)
           : type == VARVE_TYPE_BOOL ? 2
                                     : VV_ARRAY_COUNT(special_integers);
}

static varve_value special_number(uint32_t type, size_t index)
{
    varve_value value = {.type = type};
    if (type == VARVE_TYPE_F64) {
        value.as.f64 = special_doubles[index];
    } else if (type == VARVE_TYPE_I64) {
        value.as.i64 = special_integers[index];
    } else if (type == VARVE_TYPE_U64) {
        value.as.u64 = (uint64_t)special_integers[index];
    } else {
        value.as.boolean = index == 1;
    }
    return value;
}

static varve_value random_number(vv_random *random, uint32_t type)
{
    return special_number(type, (size_t)vv_random_below(random, special_count(type)));
}

#define ROWS_MAX 150

typedef struct numbers {
    varve_value values[ROWS_MAX];
    bool is_present[ROWS_MAX];
    uint64_t packed[ROWS_MAX]; /* of 8-byte types */
    uint8_t bools[ROWS_MAX];
    uint64_t present[3];
    varve_column column;
} numbers;

static void random_column(vv_random *random, uint32_t type, size_t rows, numbers *n)
{
    bool is_full = vv_random_below(random, 3) == 0;
    memset(n, 0, sizeof *n);
    for (size_t row = 0; row < rows; row++) {
        n->values[row] = random_number(random, type);
        n->is_present[row] = is_full || vv_random_below(random, 4) > 0;
        if (n->is_present[row]) {
            memcpy(&n->packed[row], &n->values[row].as, sizeof n->packed[row]);
            n->bools[row] = type == VARVE_TYPE_BOOL && n->values[row].as.boolean;
            vv_bits_set(n->present, row);
        }
    }
    n->column.type = type;
    n->column.values = type == VARVE_TYPE_BOOL ? (const void *)n->bools : (const void *)n->packed;
    n->column.present = is_full ? NULL : n->present;
}

static vv_bounds naive_bounds(const numbers *n, size_t rows)
{
    vv_bounds bounds = {.rows = rows};
    for (size_t row = 0; row < rows; row++) {
        const varve_value *value = &n->values[row];
        if (!n->is_present[row]) {
            continue;
        }
        bounds.values++;
        if (value->type == VARVE_TYPE_F64 && isnan(value->as.f64)) {
            bounds.nans++;
            continue;
        }
        if (!bounds.has_range || vv_number_compare(value, &bounds.min) < 0) {
            bounds.min = *value;
        }
        if (!bounds.has_range || vv_number_compare(value, &bounds.max) > 0) {
            bounds.max = *value;
        }
        bounds.has_range = true;
    }
    return bounds;
}

static void check_against_naive(vv_random *random, size_t rows)
{
    varve_predicate given = {.field = VV_TEXT_INIT("f")};
    given.op = (uint32_t)vv_random_below(random, 6);
    given.value = random_number(random, number_types[vv_random_below(random, 4)]);
    numbers n;
    random_column(random, number_types[vv_random_below(random, 4)], rows, &n);
    vv_predicate predicate;
    varve_error err;
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_OK);
    uint64_t selected[3] = {vv_random_u64(random), vv_random_u64(random), vv_random_u64(random)};
    uint64_t before[3];
    memcpy(before, selected, sizeof before);
    assert_int_equal(vv_predicate_eval(&predicate, &n.column, rows, selected, &err), VARVE_OK);
    size_t hits = 0;
    for (size_t row = 0; row < ROWS_MAX; row++) {
        bool expected = vv_bits_get(before, row);
        if (row < rows) {
            bool naive = n.is_present[row] && naive_holds(given.op, &n.values[row], &given.value);
            bool holds;
            assert_int_equal(vv_predicate_holds(&predicate,
                                                n.is_present[row] ? &n.values[row] : NULL, &holds,
                                                &err),
                             VARVE_OK);
            assert_int_equal(holds, naive);
            hits += naive;
            expected = expected && naive;
        }
        assert_int_equal(vv_bits_get(selected, row), expected);
    }
    vv_bounds bounds = naive_bounds(&n, rows);
    vv_verdict verdict = vv_predicate_prune(&predicate, &bounds);
    assert_true(verdict != VV_VERDICT_NONE || hits == 0);
    assert_true(verdict != VV_VERDICT_ALL || hits == rows);
}

/* One value against one constant: holds says what is true, and bounds of one row are decisive. */
static void check_pair(uint32_t op, const varve_value *value, const varve_value *constant)
{
    varve_predicate given = {.field = VV_TEXT_INIT("f"), .op = op, .value = *constant};
    vv_predicate predicate;
    varve_error err;
    check_ok(vv_predicate_compile(&given, &predicate, &err), &err);
    bool holds;
    check_ok(vv_predicate_holds(&predicate, value, &holds, &err), &err);
    assert_int_equal(holds, naive_holds(op, value, constant));
    bool is_nan = value->type == VARVE_TYPE_F64 && isnan(value->as.f64);
    vv_bounds bounds = {.rows = 1, .values = 1, .nans = is_nan, .has_range = !is_nan};
    if (!is_nan) {
        bounds.min = *value;
        bounds.max = *value;
    }
    assert_int_equal(vv_predicate_prune(&predicate, &bounds),
                     holds ? VV_VERDICT_ALL : VV_VERDICT_NONE);
}

static void every_special_number_compares_with_every_other(void **state)
{
    (void)state;
    for (uint32_t pair = 0; pair < 16; pair++) {
        uint32_t left = number_types[pair / 4];
        uint32_t right = number_types[pair % 4];
        for (size_t a = 0; a < special_count(left); a++) {
            for (size_t b = 0; b < special_count(right); b++) {
                varve_value value = special_number(left, a);
                varve_value constant = special_number(right, b);
                for (uint32_t op = VARVE_OP_EQUAL; op <= VARVE_OP_GREATER_EQUAL; op++) {
                    check_pair(op, &value, &constant);
                }
            }
        }
    }
}

static void columns_are_filtered_as_their_values_are(void **state)
{
    (void)state;
    uint64_t seed = 496;
    print_message("seed %llu\n", (unsigned long long)seed);
    vv_random random;
    vv_random_init(&random, seed);
    for (int round = 0; round < 1200; round++) {
        check_against_naive(&random, (size_t)vv_random_below(&random, ROWS_MAX + 1));
    }
}

static void bytes_compare_bytewise_whatever_their_kind(void **state)
{
    (void)state;
    const varve_text values[] = {VV_TEXT_INIT(""), VV_TEXT_INIT("a"), VV_TEXT_INIT("ab"),
                                 VV_TEXT_INIT("b"), VV_TEXT_INIT("\xFF")};
    varve_column column = {.type = VARVE_TYPE_STRING, .values = values};
    static const struct {
        uint32_t op;
        uint64_t expected; /* bit per value, against "ab" */
    } cases[] = {
        {VARVE_OP_EQUAL, 0x04},      {VARVE_OP_NOT_EQUAL, 0x1B}, {VARVE_OP_LESS, 0x03},
        {VARVE_OP_LESS_EQUAL, 0x07}, {VARVE_OP_GREATER, 0x18},   {VARVE_OP_GREATER_EQUAL, 0x1C},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(cases); index++) {
        varve_predicate given = {.field = VV_TEXT_INIT("f"), .op = cases[index].op};
        given.value.type = VARVE_TYPE_BYTES;
        given.value.as.bytes = VV_TEXT("ab");
        vv_predicate predicate;
        varve_error err;
        assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_OK);
        uint64_t selected = UINT64_MAX;
        assert_int_equal(vv_predicate_eval(&predicate, &column, 5, &selected, &err), VARVE_OK);
        assert_int_equal(selected & 0x1F, cases[index].expected);
        assert_int_equal(selected >> 5, UINT64_MAX >> 5);
        for (size_t row = 0; row < 5; row++) {
            varve_value value = {.type = VARVE_TYPE_STRING, .as.bytes = values[row]};
            bool holds;
            assert_int_equal(vv_predicate_holds(&predicate, &value, &holds, &err), VARVE_OK);
            assert_int_equal(holds, (cases[index].expected >> row) & 1);
        }
        vv_bounds bounds = {.rows = 5, .values = 5};
        assert_int_equal(vv_predicate_prune(&predicate, &bounds), VV_VERDICT_SOME);
    }
}

static void presence_is_asked_of_any_type(void **state)
{
    (void)state;
    const varve_text values[3] = {{0}};
    const uint64_t present = 5;
    varve_column column = {.type = VARVE_TYPE_HISTOGRAM, .values = values, .present = &present};
    varve_predicate given = {.field = VV_TEXT_INIT("f"), .op = VARVE_OP_PRESENT};
    vv_predicate predicate;
    varve_error err;
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_OK);
    uint64_t selected = 7;
    assert_int_equal(vv_predicate_eval(&predicate, &column, 3, &selected, &err), VARVE_OK);
    assert_int_equal(selected, 5);
    assert_int_equal(vv_predicate_eval(&predicate, NULL, 3, &selected, &err), VARVE_OK);
    assert_int_equal(selected, 0);
    vv_bounds bounds = {.rows = 4, .values = 4};
    assert_int_equal(vv_predicate_prune(&predicate, &bounds), VV_VERDICT_ALL);
    bounds.values = 0;
    assert_int_equal(vv_predicate_prune(&predicate, &bounds), VV_VERDICT_NONE);
    given.op = VARVE_OP_ABSENT;
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_OK);
    selected = 7;
    assert_int_equal(vv_predicate_eval(&predicate, &column, 3, &selected, &err), VARVE_OK);
    assert_int_equal(selected, 2);
    selected = 7;
    assert_int_equal(vv_predicate_eval(&predicate, NULL, 3, &selected, &err), VARVE_OK);
    assert_int_equal(selected, 7);
    assert_int_equal(vv_predicate_prune(&predicate, &bounds), VV_VERDICT_ALL);
    bounds.values = 2;
    assert_int_equal(vv_predicate_prune(&predicate, &bounds), VV_VERDICT_SOME);
}

static void a_row_without_the_field_satisfies_no_comparison(void **state)
{
    (void)state;
    varve_predicate given = {.field = VV_TEXT_INIT("f"), .op = VARVE_OP_NOT_EQUAL};
    given.value.type = VARVE_TYPE_I64;
    vv_predicate predicate;
    varve_error err;
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_OK);
    uint64_t selected = 7;
    assert_int_equal(vv_predicate_eval(&predicate, NULL, 3, &selected, &err), VARVE_OK);
    assert_int_equal(selected, 0);
    bool holds = true;
    assert_int_equal(vv_predicate_holds(&predicate, NULL, &holds, &err), VARVE_OK);
    assert_false(holds);
}

static void numbers_and_bytes_do_not_compare(void **state)
{
    (void)state;
    varve_predicate given = {.field = VV_TEXT_INIT("load"), .op = VARVE_OP_EQUAL};
    given.value.type = VARVE_TYPE_I64;
    vv_predicate predicate;
    varve_error err;
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_OK);
    const varve_text values[1] = {VV_TEXT_INIT("x")};
    varve_column column = {.type = VARVE_TYPE_BYTES, .values = values};
    uint64_t selected = 1;
    assert_int_equal(vv_predicate_eval(&predicate, &column, 1, &selected, &err), VARVE_E_INVALID);
    assert_string_equal(err.message,
                        "field 'load' holds bytes/string: it does not compare with a number");
    assert_int_equal(selected, 1);
    column.type = VARVE_TYPE_HISTOGRAM;
    assert_int_equal(vv_predicate_eval(&predicate, &column, 1, &selected, &err), VARVE_E_INVALID);
    given.value.type = VARVE_TYPE_STRING;
    given.value.as.bytes = VV_TEXT("x");
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_OK);
    column.type = VARVE_TYPE_F64;
    assert_int_equal(vv_predicate_eval(&predicate, &column, 1, &selected, &err), VARVE_E_INVALID);
    assert_string_equal(err.message,
                        "field 'load' holds f64: it does not compare with bytes or a string");
}

static void bad_predicates_are_refused(void **state)
{
    (void)state;
    const varve_histogram histogram = {.schema = 0};
    vv_predicate predicate;
    varve_error err;
    varve_predicate given = {.field = VV_TEXT_INIT("f"), .op = VARVE_OP_ABSENT + 1};
    given.value.type = VARVE_TYPE_I64;
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_E_INVALID);
    given.op = VARVE_OP_EQUAL;
    given.flags = 1;
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_E_INVALID);
    given.flags = 0;
    given.field = VV_TEXT("");
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_E_INVALID);
    given.field = VV_TEXT("f");
    given.value.type = VARVE_TYPE_HISTOGRAM;
    given.value.as.histogram = &histogram;
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_E_INVALID);
    assert_string_equal(err.message, "predicate on 'f': a histogram compares with nothing");
    given.value.type = VARVE_TYPE_NONE;
    assert_int_equal(vv_predicate_compile(&given, &predicate, &err), VARVE_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_special_number_compares_with_every_other),
        cmocka_unit_test(columns_are_filtered_as_their_values_are),
        cmocka_unit_test(bytes_compare_bytewise_whatever_their_kind),
        cmocka_unit_test(presence_is_asked_of_any_type),
        cmocka_unit_test(a_row_without_the_field_satisfies_no_comparison),
        cmocka_unit_test(numbers_and_bytes_do_not_compare),
        cmocka_unit_test(bad_predicates_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
