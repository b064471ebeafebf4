/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"

#include "base/reader.h"
#include "support/check.h"

static void everything_written_reads_back(void **state)
{
    (void)state;
    uint8_t memory[100];
    vv_writer writer;
    vv_writer_init(&writer, memory, sizeof memory);
    vv_writer_u8(&writer, 1);
    vv_writer_u16(&writer, 2);
    vv_writer_u32(&writer, 3);
    vv_writer_u64(&writer, 4);
    vv_writer_i64(&writer, -5);
    vv_writer_f64(&writer, 0.25);
    vv_writer_varint(&writer, 300);
    vv_writer_zigzag(&writer, -300);
    vv_writer_text(&writer, VV_TEXT("ab"));
    vv_writer_fill(&writer, 7, 2);
    vv_writer_bytes(&writer, NULL, 0);
    assert_false(vv_writer_is_bad(&writer));
    vv_reader reader = vv_reader_of(memory, vv_writer_position(&writer));
    assert_int_equal(vv_reader_u8(&reader), 1);
    assert_int_equal(vv_reader_u16(&reader), 2);
    assert_int_equal(vv_reader_u32(&reader), 3);
    assert_int_equal(vv_reader_u64(&reader), 4);
    assert_int_equal(vv_reader_i64(&reader), -5);
    assert_true(vv_reader_f64(&reader) == 0.25);
    assert_int_equal(vv_reader_varint(&reader), 300);
    assert_int_equal(vv_reader_zigzag(&reader), -300);
    assert_memory_equal(vv_reader_bytes(&reader, 4), "ab\7\7", 4);
    assert_true(vv_reader_is_done(&reader));
    assert_int_equal(vv_writer_left(&writer), sizeof memory - vv_writer_position(&writer));
}

static void what_does_not_fit_is_not_written(void **state)
{
    (void)state;
    uint8_t memory[5] = {9, 9, 9, 9, 9};
    vv_writer writer = vv_writer_of(memory, 4);
    vv_writer_u32(&writer, 1);
    assert_false(vv_writer_is_bad(&writer));
    vv_writer_u8(&writer, 1);
    assert_true(vv_writer_is_bad(&writer));
    assert_int_equal(memory[4], 9);
    writer = vv_writer_of(memory, 4);
    vv_writer_u64(&writer, 0);
    vv_writer_u8(&writer, 0); /* would fit */
    assert_true(vv_writer_is_bad(&writer));
    assert_int_equal(vv_writer_position(&writer), 0);
    assert_int_equal(vv_writer_left(&writer), 0);
    assert_int_equal(memory[0], 1);
    writer = vv_writer_of(memory, 4);
    assert_null(vv_writer_extend(&writer, SIZE_MAX));
}

static void no_memory_takes_no_bytes(void **state)
{
    (void)state;
    vv_writer writer = vv_writer_of(NULL, 0);
    vv_writer_bytes(&writer, "", 0);
    assert_false(vv_writer_is_bad(&writer));
    vv_writer_u8(&writer, 1);
    assert_true(vv_writer_is_bad(&writer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_written_reads_back),
        cmocka_unit_test(what_does_not_fit_is_not_written),
        cmocka_unit_test(no_memory_takes_no_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
