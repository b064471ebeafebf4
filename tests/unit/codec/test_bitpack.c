/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of packed bits, at every width and count, and reads at the very end of memory. */
#include "codec_fixture.h"
#include "value_sets.h"

static uint64_t values[VV_SCRATCH_COUNT];
static uint64_t decoded[VV_SCRATCH_COUNT];

/* Bit `index` of bytes, the lowest of each byte first: the layout in one line. */
static uint64_t bit_of(const uint8_t *bytes, size_t index)
{
    return (uint64_t)bytes[index / 8] >> (index % 8) & 1;
}

static void check_layout(const uint8_t *bytes, size_t count, uint32_t width)
{
    for (size_t i = 0; i < count; ++i) {
        for (uint32_t bit = 0; bit < width; ++bit) {
            assert_int_equal(bit_of(bytes, i * width + bit), values[i] >> bit & 1);
        }
    }
    for (size_t bit = count * width; bit < vv_bitpack_size(count, width) * 8; ++bit) {
        assert_int_equal(bit_of(bytes, bit), 0);
    }
}

static void fill(codec_fixture *fixture, size_t count, uint32_t width)
{
    for (size_t i = 0; i < count; ++i) {
        uint64_t value = vv_random_u64(&fixture->random);
        value = vv_random_below(&fixture->random, 8) == 0 ? UINT64_MAX : value;
        values[i] = width == 0 ? 0 : value >> (64 - width);
    }
}

/* Reads the packed values back with `behind` more bytes in the reader. */
static void check_read(codec_fixture *fixture, size_t count, uint32_t width, size_t behind)
{
    size_t size = fixture->out.size;
    uint8_t *copy = (uint8_t *)malloc(size + behind + 1);
    if (size > 0) {
        memcpy(copy, fixture->out.data, size);
    }
    memset(copy + size, 0xFF, behind);
    uint8_t *exact = (uint8_t *)realloc(copy, size + behind > 0 ? size + behind : 1);
    vv_reader reader = vv_reader_of(exact, size + behind);
    memset(decoded, 0x55, sizeof decoded);
    vv_bitpack_read(&reader, count, width, decoded);
    assert_false(vv_reader_is_bad(&reader));
    assert_int_equal(vv_reader_position(&reader), size);
    assert_memory_equal(decoded, values, count * sizeof *values);
    assert_int_equal(decoded[count], UINT64_C(0x5555555555555555)); /* nothing behind is written */
    free(exact);
}

static void every_width_and_count_comes_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (uint32_t width = 0; width <= 64; ++width) {
        for (size_t i = 0; i < VALUE_COUNT_COUNT; ++i) {
            size_t count = value_counts[i];
            fill(fixture, count, width);
            vv_buf_reset(&fixture->out);
            vv_bitpack_write(values, count, width, &fixture->out);
            assert_int_equal(fixture->out.size, (count * width + 7) / 8);
            if (count <= 129) {
                check_layout(fixture->out.data, count, width);
            }
            check_read(fixture, count, width, 0);
            check_read(fixture, count, width, 1 + vv_random_below(&fixture->random, 100));
        }
    }
}

static void every_tail_comes_back(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    for (size_t count = 1; count <= VV_VECTOR_ROWS_MAX; ++count) {
        uint32_t width = (uint32_t)(count % 64 + 1);
        fill(fixture, count, width);
        vv_buf_reset(&fixture->out);
        vv_bitpack_write(values, count, width, &fixture->out);
        check_read(fixture, count, width, count % 70);
    }
}

static void too_few_bytes_and_impossible_widths_are_bad(void **state)
{
    codec_fixture *fixture = (codec_fixture *)*state;
    (void)fixture;
    uint8_t bytes[100] = {0};
    for (uint32_t width = 1; width <= 64; ++width) {
        size_t size = vv_bitpack_size(11, width);
        vv_reader reader = vv_reader_of(bytes, size - 1);
        vv_bitpack_read(&reader, 11, width, decoded);
        assert_true(vv_reader_is_bad(&reader));
    }
    vv_reader reader = vv_reader_of(bytes, sizeof bytes);
    vv_bitpack_read(&reader, 1, 65, decoded);
    assert_true(vv_reader_is_bad(&reader));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_and_count_comes_back),
        cmocka_unit_test(every_tail_comes_back),
        cmocka_unit_test(too_few_bytes_and_impossible_widths_are_bad),
    };
    return cmocka_run_group_tests(tests, codec_setup, codec_teardown);
}
