/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/reader.h"
#include "support/check.h"
#include "support/failing_alloc.h"

static vv_alloc alloc;

static int setup(void **state)
{
    (void)state;
    vv_alloc_init(&alloc, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return vv_alloc_bytes(&alloc) == 0 ? 0 : -1;
}

static void everything_appended_reads_back(void **state)
{
    (void)state;
    vv_buf buf;
    vv_buf_init(&buf, &alloc, 1000);
    check_ok(vv_buf_append_u8(&buf, 0xFE), NULL);
    check_ok(vv_buf_append_u16(&buf, 0x1234), NULL);
    check_ok(vv_buf_append_u32(&buf, 0xDEADBEEF), NULL);
    check_ok(vv_buf_append_u64(&buf, UINT64_MAX - 1), NULL);
    check_ok(vv_buf_append_i64(&buf, INT64_MIN), NULL);
    check_ok(vv_buf_append_f64(&buf, -0.5), NULL);
    check_ok(vv_buf_append_varint(&buf, 300), NULL);
    check_ok(vv_buf_append_zigzag(&buf, -300), NULL);
    check_ok(vv_buf_append_text(&buf, VV_TEXT("text")), NULL);
    check_ok(vv_buf_append_char(&buf, '!'), NULL);
    check_ok(vv_buf_append_fill(&buf, 9, 3), NULL);
    check_ok(vv_buf_append_fill(&buf, 9, 0), NULL);
    check_ok(vv_buf_append(&buf, NULL, 0), NULL);
    vv_reader reader = vv_reader_of(buf.data, buf.size);
    assert_int_equal(vv_reader_u8(&reader), 0xFE);
    assert_int_equal(vv_reader_u16(&reader), 0x1234);
    assert_int_equal(vv_reader_u32(&reader), 0xDEADBEEF);
    assert_true(vv_reader_u64(&reader) == UINT64_MAX - 1);
    assert_true(vv_reader_i64(&reader) == INT64_MIN);
    assert_true(vv_reader_f64(&reader) == -0.5);
    assert_int_equal(vv_reader_varint(&reader), 300);
    assert_int_equal(vv_reader_zigzag(&reader), -300);
    assert_memory_equal(vv_reader_bytes(&reader, 8), "text!\x09\x09\x09", 8);
    assert_true(vv_reader_is_done(&reader));
    vv_buf_deinit(&buf);
}

static void integers_are_little_endian(void **state)
{
    (void)state;
    vv_buf buf;
    vv_buf_init(&buf, &alloc, 100);
    check_ok(vv_buf_append_u32(&buf, 0x04030201), NULL);
    assert_memory_equal(buf.data, "\x01\x02\x03\x04", 4);
    vv_buf_patch_u32(&buf, 0, 0x0D0C0B0A);
    assert_memory_equal(buf.data, "\x0A\x0B\x0C\x0D", 4);
    check_ok(vv_buf_append_u64(&buf, 0), NULL);
    vv_buf_patch_u64(&buf, 4, 1);
    assert_int_equal(buf.data[4], 1);
    vv_buf_deinit(&buf);
}

/* B1 */
static void the_limit_holds_to_the_byte(void **state)
{
    (void)state;
    vv_buf buf;
    vv_buf_init(&buf, &alloc, 100);
    check_ok(vv_buf_append_fill(&buf, 'x', 99), NULL);
    check_ok(vv_buf_append_u8(&buf, 'y'), NULL);
    assert_int_equal(buf.size, 100);
    assert_in_range(buf.capacity, 100, 100);
    check_ok(vv_buf_check(&buf, NULL), NULL);
    check_status(VARVE_E_LIMIT, vv_buf_append_u8(&buf, 'z'));
    varve_error err;
    check_status(VARVE_E_LIMIT, vv_buf_check(&buf, &err));
    assert_string_equal(err.message, "buffer limit of 100 bytes reached");
    vv_buf_deinit(&buf);
    vv_buf_init(&buf, &alloc, 100);
    check_status(VARVE_E_LIMIT, vv_buf_reserve(&buf, SIZE_MAX));
    vv_buf_deinit(&buf);
}

/* B2 */
static void failure_is_sticky_until_reset(void **state)
{
    (void)state;
    vv_buf buf;
    vv_buf_init(&buf, &alloc, 10);
    check_ok(vv_buf_append(&buf, "1234567", 7), NULL);
    check_status(VARVE_E_LIMIT, vv_buf_append_u64(&buf, 1));
    check_status(VARVE_E_LIMIT, vv_buf_append_u8(&buf, 1)); /* would fit */
    check_status(VARVE_E_LIMIT, vv_buf_append_varint(&buf, 1));
    check_status(VARVE_E_LIMIT, vv_buf_append_fill(&buf, 1, 1));
    check_status(VARVE_E_LIMIT, vv_buf_append(&buf, "a", 1));
    check_status(VARVE_E_LIMIT, vv_buf_reserve(&buf, 0));
    check_status(VARVE_E_LIMIT, vv_buf_append_format(&buf, "a"));
    assert_null(vv_buf_extend(&buf, 1));
    assert_int_equal(buf.size, 7);
    assert_memory_equal(buf.data, "1234567", 7);
    vv_buf_reset(&buf);
    check_ok(vv_buf_append_u64(&buf, 1), NULL);
    vv_buf_deinit(&buf);
}

static void formats_are_appended_whole_or_not_at_all(void **state)
{
    (void)state;
    vv_buf buf;
    vv_buf_init(&buf, &alloc, 20);
    check_ok(vv_buf_append_format(&buf, "%s-%d", "abc", 42), NULL);
    check_ok(vv_buf_append_format(&buf, "%s", ""), NULL);
    assert_memory_equal(buf.data, "abc-42", 6);
    assert_int_equal(buf.size, 6);
    check_ok(vv_buf_append_format(&buf, "%13d", 7), NULL);
    assert_int_equal(buf.size, 19);
    check_status(VARVE_E_LIMIT, vv_buf_append_format(&buf, "%d", 7));
    assert_int_equal(buf.size, 19);
    vv_buf_deinit(&buf);
}

static void padding_fills_with_zeros_up_to_the_multiple(void **state)
{
    (void)state;
    vv_buf buf;
    vv_buf_init(&buf, &alloc, 100);
    check_ok(vv_buf_append_padding(&buf, 8), NULL);
    assert_int_equal(buf.size, 0);
    check_ok(vv_buf_append(&buf, "abc", 3), NULL);
    check_ok(vv_buf_append_padding(&buf, 8), NULL);
    assert_int_equal(buf.size, 8);
    assert_memory_equal(buf.data, "abc\0\0\0\0\0", 8);
    check_ok(vv_buf_append_padding(&buf, 8), NULL);
    assert_int_equal(buf.size, 8);
    vv_buf_deinit(&buf);
}

static void take_hands_the_memory_over(void **state)
{
    (void)state;
    vv_buf buf;
    size_t size;
    size_t capacity;
    vv_buf_init(&buf, &alloc, 100);
    assert_null(vv_buf_take(&buf, &size, &capacity));
    assert_int_equal(size + capacity, 0);
    check_ok(vv_buf_append(&buf, "abc", 3), NULL);
    uint8_t *taken = vv_buf_take(&buf, &size, &capacity);
    assert_memory_equal(taken, "abc", 3);
    assert_int_equal(size, 3);
    assert_int_equal(buf.size + buf.capacity, 0);
    vv_alloc_free(&alloc, taken, capacity);
    vv_buf_deinit(&buf);
}

static void parts_can_be_extended_truncated_and_dropped(void **state)
{
    (void)state;
    vv_buf buf;
    vv_buf_init(&buf, &alloc, 1000);
    assert_non_null(vv_buf_extend(&buf, 0));
    memcpy(vv_buf_extend(&buf, 6), "abcdef", 6);
    check_ok(vv_buf_reserve(&buf, 2), NULL);
    memcpy(buf.data + buf.size, "gh", 2);
    vv_buf_advance(&buf, 2);
    vv_buf_drop_front(&buf, 2);
    assert_true(vv_text_equal(vv_buf_text(&buf), VV_TEXT("cdefgh")));
    vv_buf_drop_front(&buf, 0);
    vv_buf_truncate(&buf, 3);
    assert_true(vv_bytes_equal(vv_buf_bytes(&buf), vv_bytes_make("cde", 3)));
    vv_buf_deinit(&buf);
}

static void each_failing_allocation_is_survived(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    varve_allocator functions = failing_alloc_source(&source);
    vv_alloc failing;
    vv_alloc_init(&failing, &functions);
    varve_status status = VARVE_E_NOMEM;
    for (uint64_t number = 1; status != VARVE_OK; number++) {
        failing_alloc_plan(&source, number, false);
        vv_buf buf;
        vv_buf_init(&buf, &failing, SIZE_MAX);
        for (uint32_t index = 0; index < 1000; index++) {
            (void)vv_buf_append_u32(&buf, index);
        }
        varve_error err;
        status = vv_buf_check(&buf, &err);
        for (uint32_t index = 0; index < buf.size / 4; index++) {
            uint32_t value;
            memcpy(&value, buf.data + 4 * (size_t)index, sizeof value);
            assert_int_equal(value, index);
        }
        check_status(status == VARVE_OK ? VARVE_OK : VARVE_E_NOMEM, status);
        vv_buf_deinit(&buf);
        assert_int_equal(vv_alloc_bytes(&failing), 0);
    }
    assert_true(source.requests > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_appended_reads_back),
        cmocka_unit_test(integers_are_little_endian),
        cmocka_unit_test(the_limit_holds_to_the_byte),
        cmocka_unit_test(failure_is_sticky_until_reset),
        cmocka_unit_test(formats_are_appended_whole_or_not_at_all),
        cmocka_unit_test(padding_fills_with_zeros_up_to_the_multiple),
        cmocka_unit_test(take_hands_the_memory_over),
        cmocka_unit_test(parts_can_be_extended_truncated_and_dropped),
        cmocka_unit_test(each_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
