/* SPDX-License-Identifier: Apache-2.0 */
/* Each form of integers is chosen for the values it is meant for, and is read with care. */
#include "codec_fixture.h"
#include "value_sets.h"

enum {
    CONSTANT = 0,
    FRAME = 1,
    DELTA = 2,
    CURVE = 3,
    RUNS = 4,
    DICTIONARY = 5,
    OTHER = 6 /* any but a dictionary */
};

static int64_t values[VV_SCRATCH_COUNT];
static int64_t decoded[VV_SCRATCH_COUNT];

/* Encodes and decodes; the form is that of the first byte. Returns the size. */
static size_t check_ints(codec_fixture *fixture, size_t count, uint8_t form)
{
    vv_buf_reset(&fixture->out);
    vv_ints_write(values, count, fixture->scratch, &fixture->out);
    size_t size = fixture->out.size;
    uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
    assert_true(form == OTHER ? copy[0] != DICTIONARY : copy[0] == form);
    vv_reader reader = vv_reader_of(copy, size);
    vv_ints_read(&reader, count, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
    assert_memory_equal(decoded, values, count * sizeof *values);
    for (size_t cut = 0; cut < size; cut += 1 + size / 50) {
        reader = vv_reader_of(copy, cut);
        vv_ints_read(&reader, count, fixture->scratch, decoded);
        assert_true(vv_reader_is_bad(&reader));
    }
    free(copy);
    return size;
}

static void equal_values_are_constant(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static const int64_t edges[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    for (size_t i = 0; i < VV_ARRAY_COUNT(edges); ++i) {
        for (size_t count = 1; count <= VV_VECTOR_ROWS_MAX; count *= 4) {
            for (size_t at = 0; at < count; ++at) {
                values[at] = edges[i];
            }
            assert_true(check_ints(fixture, count, CONSTANT) <= 11);
        }
    }
}

static void noise_is_a_frame(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t i = 0; i < 1000; ++i) {
        values[i] = -50 + (int64_t)vv_random_below(&fixture->random, 100);
    }
    assert_int_equal(check_ints(fixture, 1000, FRAME), 1 + 1 + 1 + 875);
}

static void a_walk_is_deltas(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    int64_t value = INT64_MAX - 1000; /* passes the end of the range */
    for (size_t i = 0; i < 1000; ++i) {
        values[i] = value;
        value = (int64_t)((uint64_t)value + vv_random_below(&fixture->random, 16));
    }
    assert_true(check_ints(fixture, 1000, DELTA) <= 1 + 10 + 2 + 500);
}

static void a_parabola_is_a_curve(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (int64_t i = 0; i < 1000; ++i) {
        values[i] = 5 * i * i - 300 * i;
    }
    assert_true(check_ints(fixture, 1000, CURVE) <= 10);
}

static void levels_that_last_are_runs(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t i = 0; i < 1000; ++i) {
        values[i] = (int64_t)(i / 77 * 48271 % 1000);
    }
    assert_true(check_ints(fixture, 1000, RUNS) <= 40);
}

static void few_far_values_are_a_dictionary(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (uint32_t levels = 2; levels <= 32; levels *= 2) {
        uint32_t bits = vv_bits_for(levels - 1);
        for (size_t i = 0; i < 1000; ++i) {
            uint64_t level = vv_random_below(&fixture->random, levels);
            values[i] = (int64_t)(level * UINT64_C(0x9E3779B97F4A7C15));
        }
        assert_true(check_ints(fixture, 1000, DICTIONARY) <= 20 + 125 * bits + 8 * levels);
    }
}

static void dictionaries_grow_until_codes_cost_what_they_save(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static int64_t far[VV_VECTOR_ROWS_MAX];
    static const size_t levels[] = {128, 255, 256, 257, 511, 512, 513, 640, 1024};
    vv_random_fill(&fixture->random, far, sizeof far);
    for (size_t round = 0; round < VV_ARRAY_COUNT(levels); ++round) {
        for (size_t i = 0; i < VV_VECTOR_ROWS_MAX; ++i) {
            size_t level = i < levels[round] ? i : vv_random_below(&fixture->random, levels[round]);
            values[i * 5 % VV_VECTOR_ROWS_MAX] = far[level];
        }
        size_t bits = vv_bits_for(levels[round] - 1);
        size_t size = check_ints(fixture, VV_VECTOR_ROWS_MAX,
                                 levels[round] < VV_VECTOR_ROWS_MAX ? DICTIONARY : OTHER);
        assert_true(size <= VV_VECTOR_ROWS_MAX * bits / 8 + levels[round] * 8 + 16 ||
                    levels[round] == VV_VECTOR_ROWS_MAX);
    }
}

static void values_of_a_dictionary_cost_their_differences(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t i = 0; i < 1000; ++i) {
        /* 400 values 1000 to 1015 apart: neither they nor their neighbours' differences are narrow.
         */
        int64_t level = i < 400 ? (int64_t)i : (int64_t)vv_random_below(&fixture->random, 400);
        values[i * 7 % 1000] = level * 1000000 + level * level % 16;
    }
    assert_true(check_ints(fixture, 1000, DICTIONARY) <= 1000 * 9 / 8 + 400 * 6 / 8 + 16);
}

static void values_of_runs_have_any_other_form(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static int64_t far[50];
    vv_random_fill(&fixture->random, far, sizeof far);
    int64_t level = 0;
    for (size_t i = 0; i < 1020; ++i) {
        level = i % 3 == 0 ? (int64_t)vv_random_below(&fixture->random, 50) : level;
        values[i] = far[level];
    }
    size_t size = check_ints(fixture, 1020, RUNS);
    assert_int_equal(fixture->out.data[3], DICTIONARY); /* behind the number of runs */
    assert_true(size <= 50 * 8 + 340 * 6 / 8 + 340 / 4 + 24);
    for (size_t i = 0; i < 1020; ++i) {
        values[i] = (int64_t)(i / 3) * 1000;
    }
    assert_true(check_ints(fixture, 1020, RUNS) <= 20);
    assert_int_equal(fixture->out.data[3], DELTA);
}

static void a_reset_of_a_counter_widens_nothing(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    int64_t value = 1000000;
    for (size_t i = 0; i < 1000; ++i) {
        value = i == 500 ? 0 : value + (int64_t)vv_random_below(&fixture->random, 8);
        values[i] = value;
    }
    assert_true(check_ints(fixture, 1000, DELTA) <= 400);
}

static void check_bad(codec_fixture *fixture, const uint8_t *bytes, size_t size, size_t count)
{
    uint8_t *copy = codec_copy(vv_bytes_make(bytes, size));
    vv_reader reader = vv_reader_of(copy, size);
    vv_ints_read(&reader, count, fixture->scratch, decoded);
    assert_true(vv_reader_is_bad(&reader));
    free(copy);
}

static void senseless_bytes_are_bad(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    const uint8_t unknown[] = {6, 0};
    check_bad(fixture, unknown, sizeof unknown, 1);
    const uint8_t delta_of_one[] = {DELTA, 2, 0, 0};
    check_bad(fixture, delta_of_one, sizeof delta_of_one, 1);
    const uint8_t curve_of_two[] = {CURVE, 2, 2, 0, 0};
    check_bad(fixture, curve_of_two, sizeof curve_of_two, 2);
    /* Runs of 2 and 3 are 5 rows: not 4, not 6. */
    const uint8_t runs[] = {RUNS, 2, 0, 4, 1, 2, 1 | 2 << 1};
    vv_reader reader = vv_reader_of(runs, sizeof runs);
    vv_ints_read(&reader, 5, fixture->scratch, decoded);
    assert_false(vv_reader_is_bad(&reader));
    assert_int_equal(decoded[4], 2);
    check_bad(fixture, runs, sizeof runs, 4);
    check_bad(fixture, runs, sizeof runs, 6);
    const uint8_t no_runs[] = {RUNS, 0, 0, 0, 0, 0};
    check_bad(fixture, no_runs, sizeof no_runs, 5);
    const uint8_t endless_run[] = {RUNS, 1, 0, 0, 64, 0, 255, 255, 255, 255, 255, 255, 255, 255};
    check_bad(fixture, endless_run, sizeof endless_run, 5);
    /* Three values, codes of two bits: code 3 is none. */
    const uint8_t dictionary[] = {DICTIONARY, 2, 2, 0, 0x24, 0x24};
    reader = vv_reader_of(dictionary, sizeof dictionary);
    vv_ints_read(&reader, 4, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
    const uint8_t code_beyond[] = {DICTIONARY, 2, 2, 0, 0x24, 0xE4};
    check_bad(fixture, code_beyond, sizeof code_beyond, 4);
    /* 1024 values, all the codes 0; then 1025. */
    uint8_t large[6 + VV_VECTOR_ROWS_MAX * 10 / 8] = {DICTIONARY, 0xFF, 7, 0, 0, 2};
    reader = vv_reader_of(large, sizeof large);
    vv_ints_read(&reader, VV_VECTOR_ROWS_MAX, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
    large[1] = 0x80;
    large[2] = 8;
    check_bad(fixture, large, sizeof large, VV_VECTOR_ROWS_MAX);
    const uint8_t runs_of_runs[] = {RUNS, 1, RUNS, 1, 0, 4, 0, 0, 0, 8};
    check_bad(fixture, runs_of_runs, sizeof runs_of_runs, 5);
    const uint8_t runs_of_one[] = {RUNS, 1, CONSTANT, 4, 0, 8};
    reader = vv_reader_of(runs_of_one, sizeof runs_of_one);
    vv_ints_read(&reader, 5, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_values_are_constant),
        cmocka_unit_test(noise_is_a_frame),
        cmocka_unit_test(a_walk_is_deltas),
        cmocka_unit_test(a_parabola_is_a_curve),
        cmocka_unit_test(levels_that_last_are_runs),
        cmocka_unit_test(few_far_values_are_a_dictionary),
        cmocka_unit_test(dictionaries_grow_until_codes_cost_what_they_save),
        cmocka_unit_test(values_of_a_dictionary_cost_their_differences),
        cmocka_unit_test(values_of_runs_have_any_other_form),
        cmocka_unit_test(a_reset_of_a_counter_widens_nothing),
        cmocka_unit_test(senseless_bytes_are_bad),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
