/* SPDX-License-Identifier: Apache-2.0 */
/* Which form doubles take, decimal codes, and damage in each form. */
#include "codec/kernels_priv.h"
#include "codec_fixture.h"
#include "value_sets.h"

enum { RAW = 0, DECIMAL = 1, BITS = 2, SPLIT = 3 };

static double values[VV_SCRATCH_COUNT];
static double decoded[VV_SCRATCH_COUNT];

static size_t check_floats(codec_fixture *fixture, size_t count, uint8_t form,
                           vv_decimal_fit *out_fit)
{
    vv_buf_reset(&fixture->out);
    vv_floats_write(values, count, fixture->scratch, &fixture->out, out_fit);
    size_t size = fixture->out.size;
    uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
    assert_int_equal(copy[0], form);
    vv_reader reader = vv_reader_of(copy, size);
    vv_floats_read(&reader, count, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
    assert_memory_equal(decoded, values, count * sizeof *values);
    for (size_t cut = 0; cut < size; cut += 1 + size / 50) {
        reader = vv_reader_of(copy, cut);
        vv_floats_read(&reader, count, fixture->scratch, decoded);
        assert_true(vv_reader_is_bad(&reader));
    }
    free(copy);
    return size;
}

static void decimals_of_every_number_of_digits_are_found(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    double scale = 1;
    for (uint8_t digits = 0; digits <= 22; ++digits) {
        for (size_t i = 0; i < 500; ++i) {
            values[i] = (double)vv_random_between(&fixture->random, -99999, 99999) / scale;
        }
        values[0] = 1 / scale; /* needs all digits */
        values[1] = 7 / scale;
        vv_decimal_fit fit;
        size_t size = check_floats(fixture, 500, DECIMAL, &fit);
        assert_true(fit.is_exact);
        assert_int_equal(fit.code, digits);
        assert_true(size <= 500 * 18 / 8 + 20);
        scale *= 10;
    }
}

static void products_with_a_fraction_are_decimals_too(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t i = 0; i < 500; ++i) {
        values[i] = (double)i * 0.1; /* 3 * 0.1 is not 0.3 */
    }
    vv_decimal_fit fit;
    check_floats(fixture, 500, DECIMAL, &fit);
    assert_true(fit.is_exact);
    assert_int_equal(fit.code, 0x81);
}

static void a_third_digit_now_and_then_is_worth_it_or_an_exception(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    vv_decimal_fit fit;
    for (size_t every = 2; every <= 512; every *= 4) {
        value_sensor(&fixture->random, values, 1024);
        for (size_t i = 1; i < 1024; i += every) {
            values[i] = round(values[i] * 1000 + 1) / 1000;
        }
        size_t size = check_floats(fixture, 1024, DECIMAL, &fit);
        print_message("one of %zu: code %u, %zu bytes\n", every, fit.code, size);
        assert_true(size <= 1024 * 13 / 8);
        assert_true(every > 8 || fit.code == 3);
    }
}

static void whole_numbers_have_a_limit(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    vv_decimal_fit fit;
    for (size_t i = 0; i < 100; ++i) {
        values[i] = 0x1p51 - (double)i;
    }
    check_floats(fixture, 100, DECIMAL, &fit);
    assert_true(fit.is_exact);
    values[50] = 0x1p51 + 1; /* an exception, and no NaN */
    check_floats(fixture, 100, DECIMAL, &fit);
    assert_false(fit.is_exact);
}

static void only_nans_leave_the_statistics_exact(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    vv_decimal_fit fit;
    value_sensor(&fixture->random, values, 300);
    values[0] = codec_double(UINT64_C(0x7FF0000000000002));
    values[7] = (double)NAN;
    values[8] = (double)NAN;
    values[299] = -(double)NAN;
    check_floats(fixture, 300, DECIMAL, &fit);
    assert_true(fit.is_exact);
    assert_int_equal(fit.nan_count, 4);
    /* The integers of the others, in order. */
    vv_buf_reset(&fixture->out);
    vv_floats_write(values, 300, fixture->scratch, &fixture->out, &fit);
    assert_int_equal(fixture->scratch->ints[0], lround(values[1] * 100));
    assert_int_equal(fixture->scratch->ints[6], lround(values[9] * 100));
    assert_int_equal(fixture->scratch->ints[295], lround(values[298] * 100));
    values[100] = -0.0;
    check_floats(fixture, 300, DECIMAL, &fit);
    assert_false(fit.is_exact);
}

static void other_doubles_have_other_forms(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    vv_decimal_fit fit;
    value_float32(&fixture->random, values, 1024);
    assert_true(check_floats(fixture, 1024, BITS, &fit) < 1024 * 4);
    assert_false(fit.is_exact);
    value_random(&fixture->random, values, 1024);
    for (size_t i = 0; i < 1024; i += 2) {
        values[i] = -values[i]; /* both signs: no frame of the bits is narrow */
    }
    assert_true(check_floats(fixture, 1024, SPLIT, &fit) < 1024 * 57 / 8);
    value_any_bits(&fixture->random, values, 1024);
    assert_int_equal(check_floats(fixture, 1024, RAW, &fit), 1 + 1024 * 8);
    for (size_t i = 0; i < 1024; ++i) {
        values[i] = 0.12345678901234567;
    }
    assert_true(check_floats(fixture, 1024, BITS, &fit) <= 12);
    for (size_t i = 0; i < 1024; ++i) {
        values[i] = (double)NAN;
    }
    assert_true(check_floats(fixture, 1024, BITS, &fit) <= 12);
}

static void check_bad(codec_fixture *fixture, const uint8_t *bytes, size_t size, size_t count)
{
    uint8_t *copy = codec_copy(vv_bytes_make(bytes, size));
    vv_reader reader = vv_reader_of(copy, size);
    vv_floats_read(&reader, count, fixture->scratch, decoded);
    assert_true(vv_reader_is_bad(&reader));
    free(copy);
}

static void senseless_bytes_are_bad(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    /* Decimals with one digit: 0.5 and an exception, then two equal ones. */
    const uint8_t decimal[] = {DECIMAL, 1, 1, 1, 0, 0, 0, 10};
    vv_reader reader = vv_reader_of(decimal, sizeof decimal);
    vv_floats_read(&reader, 2, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
    assert_true(decoded[0] >= 0.5 && decoded[0] <= 0.5 && codec_bits(decoded[1]) == 0);
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 4},                        /* form */
        {1, 23}, {1, 0x21}, {1, 0x41}, /* digits, unknown bits */
        {2, 3},                        /* more exceptions than values */
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(changes); ++i) {
        uint8_t bytes[sizeof decimal];
        memcpy(bytes, decimal, sizeof decimal);
        bytes[changes[i].at] = changes[i].value;
        check_bad(fixture, bytes, sizeof bytes, 2);
    }
    const uint8_t twice[] = {DECIMAL, 1, 2, 0x3, 0, 0, 0, 10}; /* both exceptions at 1 */
    check_bad(fixture, twice, sizeof twice, 2);
    const uint8_t shift[] = {BITS, 64, 0, 0};
    check_bad(fixture, shift, sizeof shift, 1);
    const uint8_t raw[] = {RAW, 0, 0, 0, 0, 0, 0, 0};
    check_bad(fixture, raw, sizeof raw, 1);
}

static void senseless_splits_are_bad(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    /* Two values of left part 0x3FF0 >> 0 and right parts 0, one exception of left part 7 at 1. */
    const uint8_t sound[] = {48, 1, 0xF0, 0x3F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 7, 0};
    vv_reader reader = vv_reader_of(sound, sizeof sound);
    vv_split_read(&reader, 2, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
    assert_int_equal(codec_bits(decoded[0]), UINT64_C(0x3FF0000000000000));
    assert_int_equal(codec_bits(decoded[1]), UINT64_C(0x0007000000000000));
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 47}, {0, 57}, /* where it is cut */
        {1, 0},  {1, 9},  /* size of the dictionary */
        {16, 3},          /* exceptions */
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(changes); ++i) {
        uint8_t bytes[sizeof sound];
        memcpy(bytes, sound, sizeof sound);
        bytes[changes[i].at] = changes[i].value;
        reader = vv_reader_of(bytes, sizeof bytes);
        vv_split_read(&reader, 2, fixture->scratch, decoded);
        assert_true(vv_reader_is_bad(&reader));
    }
    uint8_t twice[sizeof sound + 2]; /* two exceptions, both at 1 */
    memcpy(twice, sound, sizeof sound);
    memcpy(twice + 16, (const uint8_t[]){2, 3, 7, 0, 7, 0}, 6);
    reader = vv_reader_of(twice, sizeof twice);
    vv_split_read(&reader, 2, fixture->scratch, decoded);
    assert_true(vv_reader_is_bad(&reader));
}

static void a_split_keeps_any_bits(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t i = 0; i < VALUE_COUNT_COUNT; ++i) {
        size_t count = value_counts[i];
        value_random(&fixture->random, values, count);
        for (size_t at = 0; at < count; at += 1 + vv_random_below(&fixture->random, 30)) {
            values[at] = codec_double(vv_random_u64(&fixture->random));
        }
        vv_buf_reset(&fixture->out);
        if (vv_split_write(values, count, SIZE_MAX, fixture->scratch, &fixture->out)) {
            size_t size = fixture->out.size;
            assert_true(size >= vv_split_size_min(count));
            assert_false(vv_split_write(values, count, size - 1, fixture->scratch, &fixture->out));
            assert_int_equal(fixture->out.size, size);
            vv_buf_reset(&fixture->out);
            assert_true(vv_split_write(values, count, size, fixture->scratch, &fixture->out));
            assert_int_equal(fixture->out.size, size);
            vv_reader reader = vv_reader_of(fixture->out.data, fixture->out.size);
            vv_split_read(&reader, count, fixture->scratch, decoded);
            assert_true(vv_reader_is_done(&reader));
            assert_memory_equal(decoded, values, count * sizeof *values);
        } else {
            assert_true(count < 16);
            assert_int_equal(fixture->out.size, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_of_every_number_of_digits_are_found),
        cmocka_unit_test(products_with_a_fraction_are_decimals_too),
        cmocka_unit_test(a_third_digit_now_and_then_is_worth_it_or_an_exception),
        cmocka_unit_test(whole_numbers_have_a_limit),
        cmocka_unit_test(only_nans_leave_the_statistics_exact),
        cmocka_unit_test(other_doubles_have_other_forms),
        cmocka_unit_test(senseless_bytes_are_bad),
        cmocka_unit_test(senseless_splits_are_bad),
        cmocka_unit_test(a_split_keeps_any_bits),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
