/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of reference: sizes are what was planned, outliers are set apart, damage is found. */
#include "codec_fixture.h"

static uint64_t values[VV_SCRATCH_COUNT];
static uint64_t decoded[VV_SCRATCH_COUNT];

static size_t check_frame(codec_fixture *fixture, size_t count)
{
    vv_buf_reset(&fixture->out);
    vv_int_frame_write_best(values, count, fixture->scratch, &fixture->out);
    size_t size = fixture->out.size;
    uint8_t *copy = codec_copy(vv_buf_bytes(&fixture->out));
    vv_reader reader = vv_reader_of(copy, size);
    vv_int_frame_read(&reader, count, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
    assert_memory_equal(decoded, values, count * sizeof *values);
    for (size_t cut = 0; cut < size; cut += 1 + size / 40) {
        reader = vv_reader_of(copy, cut);
        vv_int_frame_read(&reader, count, fixture->scratch, decoded);
        assert_true(vv_reader_is_bad(&reader));
    }
    free(copy);
    return size;
}

static void the_planned_size_is_the_written_one(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t round = 0; round < 300; ++round) {
        size_t count = 1 + vv_random_below(&fixture->random, VV_VECTOR_ROWS_MAX);
        uint64_t share = vv_random_below(&fixture->random, 60) + 1;
        uint64_t shift = vv_random_below(&fixture->random, 64);
        uint64_t far_shift = vv_random_below(&fixture->random, 64);
        uint64_t base = vv_random_u64(&fixture->random);
        int64_t min = INT64_MAX;
        int64_t max = INT64_MIN;
        for (size_t i = 0; i < count; ++i) {
            bool is_far = vv_random_below(&fixture->random, share) == 0;
            values[i] = base + (vv_random_u64(&fixture->random) >> (is_far ? far_shift : shift));
            min = (int64_t)values[i] < min ? (int64_t)values[i] : min;
            max = (int64_t)values[i] > max ? (int64_t)values[i] : max;
        }
        vv_int_frame frame = vv_int_frame_plan(values, count, min, max);
        assert_int_equal(check_frame(fixture, count), frame.size);
        assert_true(frame.size <= vv_int_frame_plain(count, min, max).size);
    }
}

static void outliers_widen_nothing(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t outliers = 0; outliers <= 40; outliers += 5) {
        for (size_t i = 0; i < VV_VECTOR_ROWS_MAX; ++i) {
            values[i] = 1000 + vv_random_below(&fixture->random, 16);
        }
        for (size_t i = 0; i < outliers; ++i) { /* of both signs */
            uint64_t far = vv_random_u64(&fixture->random) >> 20;
            values[i * 25 + 3] = i % 2 == 0 ? far : 0 - far;
        }
        size_t size = check_frame(fixture, VV_VECTOR_ROWS_MAX);
        assert_true(size <= 512 + 12 + outliers * 8);
    }
}

static void frames_reach_from_end_to_end(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    values[0] = UINT64_C(1) << 63; /* INT64_MIN */
    values[1] = UINT64_MAX >> 1;   /* INT64_MAX */
    assert_true(check_frame(fixture, 2) <= 1 + 10 + 16);
    for (size_t i = 0; i < VV_VECTOR_ROWS_MAX; ++i) {
        values[i] = i % 100 == 0 ? UINT64_MAX >> 1 : UINT64_C(1) << 63;
    }
    assert_true(check_frame(fixture, VV_VECTOR_ROWS_MAX) < 150);
    for (size_t i = 0; i < VV_VECTOR_ROWS_MAX; ++i) {
        values[i] = UINT64_MAX;
    }
    assert_int_equal(check_frame(fixture, VV_VECTOR_ROWS_MAX), 2);
}

static void check_bad(codec_fixture *fixture, const uint8_t *bytes, size_t size, size_t count)
{
    vv_reader reader = vv_reader_of(bytes, size);
    vv_int_frame_read(&reader, count, fixture->scratch, decoded);
    assert_true(vv_reader_is_bad(&reader));
}

static void senseless_exceptions_are_bad(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    /* 8 values of width 0 from base 0, two exceptions of 8 bits at 1 and 4 (positions of 3 bits).
     */
    const uint8_t sound[] = {0x80, 0, 2, 8, 1 | 4 << 3, 14, 17};
    vv_reader reader = vv_reader_of(sound, sizeof sound);
    vv_int_frame_read(&reader, 8, fixture->scratch, decoded);
    assert_true(vv_reader_is_done(&reader));
    assert_int_equal(decoded[1], 7);
    assert_int_equal((int64_t)decoded[4], -9);
    assert_int_equal(decoded[5], 0);
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 0xC1},               /* width 65 */
        {2, 0},          {2, 9}, /* none; more than values */
        {3, 65},                 /* width of the exceptions */
        {4, 1 | 1 << 3},         /* twice the same place */
        {4, 4 | 1 << 3},         /* descending */
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(changes); ++i) {
        uint8_t bytes[sizeof sound];
        memcpy(bytes, sound, sizeof sound);
        bytes[changes[i].at] = changes[i].value;
        check_bad(fixture, bytes, sizeof bytes, 8);
    }
    const uint8_t beyond[] = {0x80, 0, 1, 8, 6, 7}; /* place 6 of 6 */
    check_bad(fixture, beyond, sizeof beyond, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_planned_size_is_the_written_one),
        cmocka_unit_test(outliers_widen_nothing),
        cmocka_unit_test(frames_reach_from_end_to_end),
        cmocka_unit_test(senseless_exceptions_are_bad),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
