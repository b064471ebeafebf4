/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_writer.h"

#include <math.h>
#include <string.h>

#include "support/check.h"
#include "support/failing_alloc.h"

static vv_alloc alloc;
static vv_buf buf;
static vv_json json;

static int setup(void **state)
{
    (void)state;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&buf, &alloc, 100000);
    vv_json_init(&json, &buf);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vv_buf_deinit(&buf);
    return vv_alloc_bytes(&alloc) == 0 ? 0 : -1;
}

static void check_written(const char *expected)
{
    varve_error err;
    check_ok(vv_json_end(&json, &err), &err);
    check_ok(vv_buf_append_u8(&buf, 0), NULL);
    assert_string_equal((const char *)buf.data, expected);
    vv_buf_reset(&buf);
}

static void nested_values_get_their_commas(void **state)
{
    (void)state;
    vv_json_object_begin(&json);
    vv_json_key(&json, VV_TEXT("a"));
    vv_json_array_begin(&json);
    vv_json_i64(&json, -1);
    vv_json_bool(&json, true);
    vv_json_null(&json);
    vv_json_object_begin(&json);
    vv_json_object_end(&json);
    vv_json_array_begin(&json);
    vv_json_array_end(&json);
    vv_json_array_end(&json);
    vv_json_key_text(&json, VV_TEXT("b"), VV_TEXT("x"));
    vv_json_key_i64(&json, VV_TEXT("c"), INT64_MIN);
    vv_json_key_u64(&json, VV_TEXT("d"), 7);
    vv_json_key_f64(&json, VV_TEXT("e"), 2);
    vv_json_key_bool(&json, VV_TEXT("f"), false);
    vv_json_key(&json, VV_TEXT("g"));
    vv_json_raw(&json, VV_TEXT("[1]"));
    vv_json_object_end(&json);
    check_written("{\"a\":[-1,true,null,{},[]],\"b\":\"x\",\"c\":-9223372036854775808,"
                  "\"d\":7,\"e\":2.0,\"f\":false,\"g\":[1]}");
}

static void numbers_keep_their_type(void **state)
{
    (void)state;
    vv_json_array_begin(&json);
    vv_json_f64(&json, 1);
    vv_json_f64(&json, -0.0);
    vv_json_f64(&json, 1e22);
    vv_json_f64(&json, VV_F64_NAN);
    vv_json_f64(&json, VV_F64_INFINITY);
    vv_json_f64(&json, -VV_F64_INFINITY);
    vv_json_u64(&json, INT64_MAX);
    vv_json_u64(&json, (uint64_t)INT64_MAX + 1);
    vv_json_u64(&json, UINT64_MAX);
    vv_json_f64_text(&json, 1);
    vv_json_f64_text(&json, 1e-7);
    vv_json_f64_text(&json, -VV_F64_INFINITY);
    vv_json_array_end(&json);
    check_written("[1.0,-0.0,1e+22,\"NaN\",\"+Inf\",\"-Inf\",9223372036854775807,"
                  "\"9223372036854775808\",\"18446744073709551615\",\"1\",\"1e-7\",\"-Inf\"]");
}

static void texts_are_escaped(void **state)
{
    (void)state;
    vv_json_text(&json, VV_TEXT("q\" b\\ \b\f\n\r\t \0 \x1F \x7F / \xC3\xA4 \xF0\x9F\x98\x80"));
    check_written(
        "\"q\\\" b\\\\ \\b\\f\\n\\r\\t \\u0000 \\u001f \x7F / \xC3\xA4 \xF0\x9F\x98\x80\"");
}

static void bad_bytes_become_replacement_characters(void **state)
{
    (void)state;
    vv_json_text(&json, VV_TEXT("a\xFFz\xC3"));
    check_written("\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
    vv_json_text(&json, VV_TEXT("\xEF\xBF\xBD")); /* a real one stays one */
    check_written("\"\xEF\xBF\xBD\"");
    vv_json_text(&json, vv_text_make(NULL, 0));
    check_written("\"\"");
}

static void documents_follow_each_other(void **state)
{
    (void)state;
    for (int line = 0; line < 2; line++) {
        vv_json_object_begin(&json);
        vv_json_object_end(&json);
        vv_json_between(&json, VV_TEXT("\n"));
    }
    check_written("{}\n{}\n");
}

static void depth_64_is_written(void **state)
{
    (void)state;
    for (uint32_t depth = 0; depth < VV_JSON_DEPTH_MAX; depth++) {
        if (depth % 2 == 0) {
            vv_json_array_begin(&json);
        } else {
            vv_json_object_begin(&json);
            vv_json_key(&json, VV_TEXT("k"));
        }
    }
    vv_json_null(&json);
    for (uint32_t depth = VV_JSON_DEPTH_MAX; depth > 0; depth--) {
        if (depth % 2 == 1) {
            vv_json_array_end(&json);
        } else {
            vv_json_object_end(&json);
        }
    }
    varve_error err;
    check_ok(vv_json_end(&json, &err), &err);
    assert_memory_equal(buf.data, "[{\"k\":[{\"k\":", 12);
    vv_buf_reset(&buf);
}

typedef struct sink {
    char taken[20000];
    size_t size;
    size_t calls;
    size_t fail_at;
} sink;

static varve_status sink_take(void *context, const uint8_t *bytes, size_t size,
                              varve_error *out_err)
{
    sink *taker = context;
    taker->calls += 1;
    if (taker->calls == taker->fail_at) {
        return vv_fail(out_err, VARVE_E_IO, "client went away");
    }
    memcpy(taker->taken + taker->size, bytes, size);
    taker->size += size;
    return VARVE_OK;
}

static void write_numbers(vv_json *writer)
{
    vv_json_array_begin(writer);
    for (int64_t number = 1000; number < 3000; number++) {
        vv_json_i64(writer, number);
    }
    vv_json_array_end(writer);
}

static void a_sink_gets_the_document_in_pieces(void **state)
{
    (void)state;
    static sink taker;
    memset(&taker, 0, sizeof taker);
    vv_json_init_sink(&json, &buf, 100, sink_take, &taker);
    write_numbers(&json);
    varve_error err;
    check_ok(vv_json_end(&json, &err), &err);
    assert_int_equal(taker.size, 2 + 2000 * 5 - 1);
    assert_memory_equal(taker.taken, "[1000,1001,", 11);
    assert_memory_equal(taker.taken + taker.size - 6, ",2999]", 6);
    assert_in_range(taker.calls, 90, 110);
    assert_int_equal(buf.size, 0);
    assert_in_range(buf.capacity, 100, 256);
}

static void a_failing_sink_ends_the_writing(void **state)
{
    (void)state;
    static sink taker;
    memset(&taker, 0, sizeof taker);
    taker.fail_at = 3;
    vv_json_init_sink(&json, &buf, 100, sink_take, &taker);
    write_numbers(&json);
    varve_error err;
    check_status(VARVE_E_IO, vv_json_end(&json, &err));
    assert_string_equal(err.message, "client went away");
    assert_int_equal(taker.calls, 3);
    assert_in_range(buf.capacity, 100, 256); /* what nobody takes is not kept */
    check_status(VARVE_E_IO, vv_json_end(&json, NULL));
}

static void a_full_buffer_is_reported_at_the_end(void **state)
{
    (void)state;
    vv_buf small;
    vv_buf_init(&small, &alloc, 1000);
    vv_json_init(&json, &small);
    write_numbers(&json);
    varve_error err;
    check_status(VARVE_E_LIMIT, vv_json_end(&json, &err));
    vv_buf_deinit(&small);
}

static void each_failing_allocation_is_reported(void **state)
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
        vv_buf output;
        vv_buf_init(&output, &failing, 100000);
        vv_json_init(&json, &output);
        write_numbers(&json);
        status = vv_json_end(&json, NULL);
        check_status(status == VARVE_OK ? VARVE_OK : VARVE_E_NOMEM, status);
        vv_buf_deinit(&output);
    }
    assert_true(source.requests > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nested_values_get_their_commas, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_keep_their_type, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_are_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_bytes_become_replacement_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(documents_follow_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_64_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sink_gets_the_document_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_sink_ends_the_writing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_reported_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(each_failing_allocation_is_reported, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
