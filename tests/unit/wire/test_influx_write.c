/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/slice.h"
#include "support/check.h"
#include "wire/influx.h"
#include "wire/influx_write.h"

#define NAN_BITS UINT64_C(0x7ff8000000000000)

static void influx_write_gives_what_reads_back(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_buf buf;
    vv_buf_init(&buf, &alloc, SIZE_MAX);
    vv_buf key;
    vv_buf_init(&key, &alloc, SIZE_MAX);
    static const varve_label labels[] = {
        {VV_TEXT_INIT("a b"), VV_TEXT_INIT("x,y=z")},
        {VV_TEXT_INIT("empty"), VV_TEXT_INIT("")},
        {VV_TEXT_INIT("k=1"), VV_TEXT_INIT("C:\\dir")},
    };
    vv_influx_skipped skipped = {0};
    assert_true(vv_influx_write_key(&key, VV_TEXT("m, n=o"), labels, 3, &skipped));
    assert_int_equal(skipped.labels, 1);
    static const varve_text names[] = {VV_TEXT_INIT("b"),   VV_TEXT_INIT("f, ="), VV_TEXT_INIT("i"),
                                       VV_TEXT_INIT("nan"), VV_TEXT_INIT("none"), VV_TEXT_INIT("s"),
                                       VV_TEXT_INIT("u")};
    varve_value values[7] = {
        {.type = VARVE_TYPE_BOOL, .as.boolean = true},
        {.type = VARVE_TYPE_F64, .as.f64 = 1},
        {.type = VARVE_TYPE_I64, .as.i64 = INT64_MIN},
        {.type = VARVE_TYPE_F64},
        {.type = VARVE_TYPE_NONE},
        {.type = VARVE_TYPE_STRING, .as.bytes = VARVE_STR("a\"b\\c\nd e,f=g")},
        {.type = VARVE_TYPE_U64, .as.u64 = UINT64_MAX},
    };
    uint64_t bits = NAN_BITS;
    memcpy(&values[3].as.f64, &bits, sizeof bits);
    check_ok(vv_influx_write_row(&buf, vv_buf_text(&key), names, values, 7, -5, &skipped), NULL);
    assert_int_equal(skipped.values, 1);
    vv_buf_append_char(&buf, '\0');
    assert_string_equal((const char *)buf.data,
                        "m\\,\\ n=o,a\\ b=x\\,y\\=z,k\\=1=C:\\dir "
                        "b=true,f\\,\\ \\==1.0,i=-9223372036854775808i,"
                        "s=\"a\\\"b\\\\c\nd e,f=g\",u=18446744073709551615u -5\n");
    vv_influx parser;
    vv_influx_options options = {.precision = VARVE_PRECISION_NS};
    vv_influx_init(&parser, &alloc, &options);
    vv_influx_feed(&parser, vv_text_make((const char *)buf.data, buf.size - 1), true);
    vv_influx_row row;
    varve_error err;
    assert_int_equal(vv_influx_next(&parser, &row, &err), VV_INFLUX_ROW);
    assert_int_equal(row.count, 5);
    assert_true(vv_text_equal(row.names[1], names[1]));
    assert_true(vv_text_equal(row.values[3].as.bytes, values[5].as.bytes));
    vv_arena arena;
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    varve_text metric;
    varve_label *parsed;
    size_t count;
    check_ok(vv_influx_key_parse(row.key, &arena, &metric, &parsed, &count, &err), &err);
    assert_true(vv_text_equal(metric, VV_TEXT("m, n=o")));
    assert_int_equal(count, 2);
    assert_true(vv_text_equal(parsed[0].value, labels[0].value));
    assert_true(vv_text_equal(parsed[1].name, labels[2].name));
    vv_arena_deinit(&arena);
    vv_influx_deinit(&parser);
    vv_buf_deinit(&key);
    vv_buf_deinit(&buf);
    assert_int_equal(vv_alloc_bytes(&alloc), 0);
}

static void influx_write_leaves_out_what_has_no_form(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_buf buf;
    vv_buf_init(&buf, &alloc, SIZE_MAX);
    vv_influx_skipped skipped = {0};
    static const varve_text bad[] = {VV_TEXT_INIT("a\nb"), VV_TEXT_INIT("a\\"),
                                     VV_TEXT_INIT("a\\,b"), VV_TEXT_INIT("a\\ "), VV_TEXT_INIT("")};
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        varve_label label = {bad[index], VV_TEXT("x")};
        assert_false(vv_influx_write_key(&buf, bad[index], NULL, 0, &skipped));
        assert_false(vv_influx_write_key(&buf, VV_TEXT("m"), &label, 1, &skipped));
    }
    assert_false(vv_influx_write_key(&buf, VV_TEXT("#m"), NULL, 0, &skipped));
    assert_int_equal(buf.size, 0);
    static const varve_text name = VV_TEXT_INIT("v");
    varve_value bytes = {.type = VARVE_TYPE_BYTES, .as.bytes = VARVE_STR("x")};
    check_ok(vv_influx_write_row(&buf, VV_TEXT("m"), &name, &bytes, 1, 0, &skipped), NULL);
    assert_int_equal(buf.size, 0);
    assert_int_equal(skipped.rows, 1);
    vv_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(influx_write_gives_what_reads_back),
        cmocka_unit_test(influx_write_leaves_out_what_has_no_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
