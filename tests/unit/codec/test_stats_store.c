/* SPDX-License-Identifier: Apache-2.0 */
/* Stored statistics: bit-exact minimum and maximum, sums within the bounds, few bytes. */
#include <float.h>

#include "codec_fixture.h"
#include "value_sets.h"

static double values[VV_SCRATCH_COUNT];

/* Writes the column and its statistics; returns those read back, and their size. */
static vv_stats store_f64(codec_fixture *fixture, size_t count, size_t *out_size)
{
    vv_decimal_fit fit;
    vv_buf_reset(&fixture->out);
    vv_floats_write(values, count, fixture->scratch, &fixture->out, &fit);
    vv_buf_reset(&fixture->out);
    vv_stats_write_f64(values, count, &fit, fixture->scratch->ints, &fixture->out);
    *out_size = fixture->out.size;
    assert_true(fixture->out.size <= VV_STATS_BYTES_MAX);
    uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
    vv_reader reader = vv_reader_of(copy, fixture->out.size);
    vv_stats stats;
    vv_stats_read(&reader, VARVE_TYPE_F64, count, &stats);
    assert_true(vv_reader_is_done(&reader));
    for (size_t cut = 0; cut < fixture->out.size; ++cut) {
        vv_stats ignored;
        reader = vv_reader_of(copy, cut);
        vv_stats_read(&reader, VARVE_TYPE_F64, count, &ignored);
        assert_true(vv_reader_is_bad(&reader));
    }
    free(copy);
    return stats;
}

static void check_near(double stored, double computed, double bound)
{
    bool is_same = codec_bits(stored) == codec_bits(computed);
    assert_true(is_same || fabs(stored - computed) <= bound);
}

/* Stored statistics against those of the values. */
static size_t check_stored(codec_fixture *fixture, size_t count)
{
    size_t size;
    vv_stats stored = store_f64(fixture, count, &size);
    vv_stats expected;
    vv_stats_init(&expected, VARVE_TYPE_F64);
    vv_stats_add_f64(&expected, values, NULL, count);
    assert_int_equal(stored.count, expected.count);
    assert_int_equal(stored.nan_count, expected.nan_count);
    assert_int_equal(stored.flags & VV_STATS_HAS_MOMENTS, VV_STATS_HAS_MOMENTS);
    if (expected.count == 0) {
        return size;
    }
    assert_int_equal(codec_bits(stored.min.f64), codec_bits(expected.min.f64));
    assert_int_equal(codec_bits(stored.max.f64), codec_bits(expected.max.f64));
    double sizes = 0;
    double squares = 0;
    for (size_t i = 0; i < count; ++i) {
        sizes += isnan(values[i]) ? 0 : fabs(values[i]);
        squares += isnan(values[i]) ? 0 : values[i] * values[i];
    }
    double q = squares / (double)expected.count;
    double v = vv_stats_variance(&expected);
    check_near(vv_stats_sum(&stored), vv_stats_sum(&expected), 1e-13 * sizes);
    check_near(vv_stats_mean(&stored), vv_stats_mean(&expected),
               1e-13 * sizes / (double)expected.count);
    check_near(vv_stats_variance(&stored), v, 1e-12 * sqrt(v * q) + 1e-24 * q);
    return size;
}

static void statistics_of_every_value_set_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t set = 0; set < VALUE_SET_COUNT; ++set) {
        for (size_t i = 0; i < VALUE_COUNT_COUNT; ++i) {
            value_sets[set].fill(&fixture->random, values, value_counts[i]);
            check_stored(fixture, value_counts[i]);
        }
    }
}

static void statistics_of_decimals_are_small(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    value_sensor(&fixture->random, values, 1024);
    assert_true(check_stored(fixture, 1024) <= 16);
    value_gauge_int(&fixture->random, values, 1024);
    assert_true(check_stored(fixture, 1024) <= 16);
    value_daily(&fixture->random, values, 1024);
    values[3] = (double)NAN;
    assert_true(check_stored(fixture, 1024) <= 17);
    for (size_t i = 0; i < 1024; ++i) {
        values[i] = 21.5;
    }
    assert_true(check_stored(fixture, 1024) <= 5);
}

static void statistics_of_odd_columns_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static const double odd[] = {0.0,    -0.0,    HUGE_VAL,  -HUGE_VAL, DBL_MAX,    -DBL_MAX,
                                 5e-324, -5e-324, 1e300,     -1e300,    0x1p448,    0x1p449,
                                 1,      0.1,     1.0 / 3.0, -1e-200,   (double)NAN};
    for (size_t a = 0; a < VV_ARRAY_COUNT(odd); ++a) {
        for (size_t b = 0; b < VV_ARRAY_COUNT(odd); ++b) {
            for (size_t count = 1; count <= 9; count += 4) {
                for (size_t i = 0; i < count; ++i) {
                    values[i] = i % 3 == 1 ? odd[b] : odd[a];
                }
                check_stored(fixture, count);
            }
        }
    }
}

static void check_ints(codec_fixture *fixture, const int64_t *ints, size_t count, uint32_t type)
{
    vv_stats stored;
    vv_stats expected;
    vv_stats_init(&expected, type);
    vv_buf_reset(&fixture->out);
    vv_stats_write_ints(ints, count, type, &fixture->out);
    assert_true(fixture->out.size <= VV_STATS_BYTES_MAX);
    vv_reader reader = vv_reader_of(fixture->out.data, fixture->out.size);
    vv_stats_read(&reader, type, count, &stored);
    assert_true(vv_reader_is_done(&reader));
    if (type == VARVE_TYPE_I64) {
        vv_stats_add_i64(&expected, ints, NULL, count);
    } else {
        vv_stats_add_u64(&expected, (const uint64_t *)ints, NULL, count);
    }
    assert_int_equal(stored.count, count);
    assert_int_equal(stored.min.u64, expected.min.u64);
    assert_int_equal(stored.max.u64, expected.max.u64);
    assert_true(stored.sum == expected.sum);
    double v = vv_stats_variance(&expected);
    assert_true(fabs(vv_stats_variance(&stored) - v) <= 1e-12 * v);
}

static void statistics_of_integers_are_exact(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static int64_t ints[VV_VECTOR_ROWS_MAX];
    for (uint32_t bits = 0; bits <= 64; ++bits) {
        size_t count = 1 + vv_random_below(&fixture->random, VV_VECTOR_ROWS_MAX);
        for (size_t i = 0; i < count; ++i) {
            uint64_t value = bits == 0 ? 0 : vv_random_u64(&fixture->random) >> (64 - bits);
            ints[i] = (int64_t)((UINT64_C(1) << 63) + value);
        }
        check_ints(fixture, ints, count, VARVE_TYPE_I64);
        check_ints(fixture, ints, count, VARVE_TYPE_U64);
        ints[0] = INT64_MAX;
        check_ints(fixture, ints, count, VARVE_TYPE_I64);
        check_ints(fixture, ints, count, VARVE_TYPE_U64);
    }
}

static void statistics_of_bools_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    uint8_t bools[40] = {0};
    for (size_t ones = 0; ones <= 40; ++ones) {
        memset(bools, 1, ones);
        vv_stats stored;
        vv_buf_reset(&fixture->out);
        vv_stats_write_bools(bools, 40, &fixture->out);
        assert_int_equal(fixture->out.size, 2);
        vv_reader reader = vv_reader_of(fixture->out.data, fixture->out.size);
        vv_stats_read(&reader, VARVE_TYPE_BOOL, 40, &stored);
        assert_true(vv_reader_is_done(&reader));
        assert_int_equal((uint64_t)stored.sum, ones);
        assert_int_equal(stored.min.u64, ones == 40);
        assert_int_equal(stored.max.u64, ones > 0);
    }
}

static void check_bad(uint32_t type, size_t count, const uint8_t *bytes, size_t size)
{
    vv_stats stats;
    vv_reader reader = vv_reader_of(bytes, size);
    vv_stats_read(&reader, type, count, &stats);
    assert_true(vv_reader_is_bad(&reader));
}

static void senseless_statistics_are_bad(void **state)
{
    (void)state;
    vv_stats stats;
    /* Two values, 3 and 8: min 3, range 5, sum 5 above 2 * 3, m2 * count 25. */
    const uint8_t sound[] = {1, 6, 5, 5, 25};
    vv_reader reader = vv_reader_of(sound, sizeof sound);
    vv_stats_read(&reader, VARVE_TYPE_I64, 2, &stats);
    assert_true(vv_reader_is_done(&reader));
    assert_int_equal((int64_t)stats.sum, 11);
    assert_true(fabs(vv_stats_variance(&stats) - 6.25) < 1e-12);
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 0},  {0, 2}, {0, 7}, {0, 0x41}, {0, 0x09}, /* forms, unknown bits, NaNs of integers */
        {2, 0},                                        /* no range and not equal */
        {3, 11},                                       /* a sum beyond the greatest */
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(changes); ++i) {
        uint8_t bytes[sizeof sound];
        memcpy(bytes, sound, sizeof sound);
        bytes[changes[i].at] = changes[i].value;
        check_bad(VARVE_TYPE_I64, 2, bytes, sizeof bytes);
    }
    /* INT64_MAX and a range. */
    const uint8_t beyond[] = {1,    0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                              0xFF, 0xFF, 0xFF, 0x01, 1,    1,    1};
    check_bad(VARVE_TYPE_I64, 2, beyond, sizeof beyond);
    const uint8_t unsigned_beyond[] = {2,    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                       0xFF, 0xFF, 0xFF, 0x01, 1,    1,    1};
    check_bad(VARVE_TYPE_U64, 2, unsigned_beyond, sizeof unsigned_beyond);
    const uint8_t ones[] = {3, 6};
    check_bad(VARVE_TYPE_BOOL, 5, ones, sizeof ones);
    const uint8_t nans[] = {8, 4}; /* four NaNs of five values, and no form for the fifth */
    check_bad(VARVE_TYPE_F64, 5, nans, sizeof nans);
    const uint8_t digits[] = {4 | 16, 23, 6};
    check_bad(VARVE_TYPE_F64, 5, digits, sizeof digits);
    /* The decimals -2^51 and one less. */
    const uint8_t least[] = {4 | 16, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x07};
    reader = vv_reader_of(least, sizeof least);
    vv_stats_read(&reader, VARVE_TYPE_F64, 5, &stats);
    assert_true(vv_reader_is_done(&reader));
    assert_true(stats.min.f64 <= -0x1p51 && stats.min.f64 >= -0x1p51);
    const uint8_t below[] = {4 | 16, 0, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x08};
    check_bad(VARVE_TYPE_F64, 5, below, sizeof below);
    const uint8_t equal_nan[] = {5 | 16, 0, 0, 0, 0, 0, 0, 0xF8, 0x7F};
    check_bad(VARVE_TYPE_F64, 5, equal_nan, sizeof equal_nan);
    uint8_t doubles[41] = {5};
    const double swapped[] = {2, 1, 3, 0, 1};
    memcpy(doubles + 1, swapped, sizeof swapped);
    check_bad(VARVE_TYPE_F64, 2, doubles, sizeof doubles);
    const double no_sum[] = {1, 2, (double)NAN, 0, 1};
    memcpy(doubles + 1, no_sum, sizeof no_sum);
    check_bad(VARVE_TYPE_F64, 2, doubles, sizeof doubles);
    const double negative[] = {1, 2, 3, 0, -1};
    memcpy(doubles + 1, negative, sizeof negative);
    check_bad(VARVE_TYPE_F64, 2, doubles, sizeof doubles);
    const double good[] = {1, 2, 3, 0, 0.5};
    memcpy(doubles + 1, good, sizeof good);
    reader = vv_reader_of(doubles, sizeof doubles);
    vv_stats_read(&reader, VARVE_TYPE_F64, 2, &stats);
    assert_true(vv_reader_is_done(&reader));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_of_every_value_set_come_back),
        cmocka_unit_test(statistics_of_decimals_are_small),
        cmocka_unit_test(statistics_of_odd_columns_come_back),
        cmocka_unit_test(statistics_of_integers_are_exact),
        cmocka_unit_test(statistics_of_bools_come_back),
        cmocka_unit_test(senseless_statistics_are_bad),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
