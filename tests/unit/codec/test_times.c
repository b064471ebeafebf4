/* SPDX-License-Identifier: Apache-2.0 */
/* Times of any count: sizes of the usual kinds, the whole range, and T1. */
#include "codec_fixture.h"
#include "value_sets.h"

enum { MANY = 5000 };

static int64_t times[MANY];
static int64_t decoded[MANY];

static size_t check_times(codec_fixture *fixture, size_t count)
{
    varve_error err;
    vv_buf_reset(&fixture->out);
    check_ok(vv_times_encode(times, count, fixture->scratch, &fixture->out, &err), &err);
    size_t size = fixture->out.size;
    uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
    memset(decoded, 0xAA, sizeof decoded);
    check_ok(vv_times_decode(vv_bytes_make(copy, size), count, fixture->scratch, decoded, &err),
             &err);
    assert_memory_equal(decoded, times, count * sizeof *times);
    for (size_t cut = 0; cut < size; cut += 1 + size / 30) {
        check_status(VARVE_E_CORRUPT, vv_times_decode(vv_bytes_make(copy, cut), count,
                                                      fixture->scratch, decoded, &err));
    }
    free(copy);
    return size;
}

static void times_of_any_count_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static const size_t counts[] = {0, 1, 2, 3, 1023, 1024, 1025, 2047, 2048, 2049, 5000};
    for (size_t i = 0; i < VV_ARRAY_COUNT(counts); ++i) {
        for (uint64_t step = 0; step < 3; ++step) {
            int64_t time = INT64_MIN;
            for (size_t at = 0; at < counts[i]; ++at) {
                times[at] = time;
                uint64_t jitter = step == 2 ? vv_random_below(&fixture->random, 100) : 0;
                time += (int64_t)(step + jitter);
            }
            size_t size = check_times(fixture, counts[i]);
            assert_true(step == 2 || size <= 12 * (counts[i] + 1023) / 1024);
        }
    }
}

static double bits_of(codec_fixture *fixture)
{
    return (double)check_times(fixture, VV_VECTOR_ROWS_MAX) * 8 / VV_VECTOR_ROWS_MAX;
}

static void the_usual_kinds_are_small(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    const int64_t start = INT64_C(1451606400000);
    codec_fill_times(times, MANY, start, 10000);
    assert_true(check_times(fixture, VV_VECTOR_ROWS_MAX) <= 24);

    /* Milliseconds with a normal jitter of 5: 4.37 bits of noise. */
    for (size_t i = 0; i < VV_VECTOR_ROWS_MAX; ++i) {
        times[i] = start + (int64_t)i * 10000 + (int64_t)(5 * vv_random_normal(&fixture->random));
    }
    double bits = bits_of(fixture);
    print_message("jitter %.2f bits\n", bits);
    assert_true(bits <= 6.5);

    /* Regular, one in a hundred missing. */
    int64_t time = start;
    for (size_t i = 0; i < VV_VECTOR_ROWS_MAX; ++i) {
        times[i] = time;
        time += 10000 * (vv_random_below(&fixture->random, 100) == 0 ? 2 : 1);
    }
    bits = bits_of(fixture);
    print_message("gaps %.2f bits\n", bits);
    assert_true(bits <= 1);

    /* Exponential gaps of 10 s in milliseconds: 14.7 bits. */
    time = start;
    for (size_t i = 0; i < VV_VECTOR_ROWS_MAX; ++i) {
        times[i] = time;
        time += (int64_t)(-10000 * log(1 - vv_random_f64(&fixture->random)));
    }
    bits = bits_of(fixture);
    print_message("irregular %.2f bits\n", bits);
    assert_true(bits <= 17);

    /* A clock that drifts by 3 us a tick, in nanoseconds. */
    for (size_t i = 0; i < VV_VECTOR_ROWS_MAX; ++i) {
        int64_t tick = (int64_t)i;
        times[i] = start * 1000000 + tick * 1000000000 + tick * tick * 3000;
    }
    bits = bits_of(fixture);
    print_message("drift %.2f bits\n", bits);
    assert_true(bits <= 0.5);
}

static void extreme_times_come_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    static const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    for (size_t round = 0; round < 300; ++round) {
        size_t count = 1 + vv_random_below(&fixture->random, 60);
        size_t edge = 0;
        for (size_t i = 0; i < count; ++i) {
            edge +=
                vv_random_below(&fixture->random, count) < 6 && edge + 1 < VV_ARRAY_COUNT(edges);
            times[i] = edges[edge];
        }
        check_times(fixture, count);
    }
}

static void check_corrupt(codec_fixture *fixture, const uint8_t *bytes, size_t size, size_t count)
{
    varve_error err;
    check_status(VARVE_E_CORRUPT, vv_times_decode(vv_bytes_make(bytes, size), count,
                                                  fixture->scratch, decoded, &err));
}

static void times_that_descend_are_corrupt(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    varve_error err;
    /* Line from 0 to 6 with slope 2: frame of the distances 0, 1, 1, 0. */
    const uint8_t sound[] = {1, 0, 6, 2, 1, 1, 0, 0x6};
    check_ok(
        vv_times_decode(vv_bytes_make(sound, sizeof sound), 4, fixture->scratch, decoded, &err),
        &err);
    const int64_t expected[] = {0, 3, 5, 6};
    assert_memory_equal(decoded, expected, sizeof expected);
    /* The slope 0 with distances 0, 1, 0, 0 descends; with 0, 0, 0, 1 the last is not that of the
     * head. */
    const uint8_t descending[] = {1, 0, 0, 0, 1, 1, 0, 0x2};
    check_corrupt(fixture, descending, sizeof descending, 4);
    const uint8_t wrong_last[] = {1, 0, 0, 0, 1, 1, 0, 0x8};
    check_corrupt(fixture, wrong_last, sizeof wrong_last, 4);
    const uint8_t wrong_first[] = {1, 0, 1, 0, 1, 1, 0, 0xF};
    check_corrupt(fixture, wrong_first, sizeof wrong_first, 4);
    const uint8_t unknown[] = {2, 0, 0, 0};
    check_corrupt(fixture, unknown, sizeof unknown, 1);
    const uint8_t trailing[] = {0, 0, 0, 0};
    check_corrupt(fixture, trailing, sizeof trailing, 1);
    check_corrupt(fixture, trailing, 1, 0);
    /* 2^64 / 3 times 4 rows wraps around. */
    const uint8_t wrapping[] = {0, 0, 0xD6, 0xAA, 0xD5, 0xAA, 0xD5, 0xAA, 0xD5, 0xAA, 0x55, 0};
    check_corrupt(fixture, wrapping, sizeof wrapping - 1, 4);
}

static void pieces_that_descend_are_corrupt(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    varve_error err;
    codec_fill_times(times, 1024, 5000, 1);
    codec_fill_times(times + 1024, 10, 0, 1);
    vv_buf_reset(&fixture->out);
    check_ok(vv_times_encode(times, 1024, fixture->scratch, &fixture->out, &err), &err);
    check_ok(vv_times_encode(times + 1024, 10, fixture->scratch, &fixture->out, &err), &err);
    check_corrupt(fixture, fixture->out.data, fixture->out.size, 1034);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_any_count_come_back),
        cmocka_unit_test(the_usual_kinds_are_small),
        cmocka_unit_test(extreme_times_come_back),
        cmocka_unit_test(times_that_descend_are_corrupt),
        cmocka_unit_test(pieces_that_descend_are_corrupt),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
