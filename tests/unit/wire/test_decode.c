/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_world.h"
#include "wire/influx.h"

static void decode_gives_the_same_calls_however_the_text_is_cut(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_decoder_options options = {.precision = VARVE_PRECISION_MS, .unit = VARVE_PRECISION_NS};
    expect(&w, VV_FORMAT_LP, &options,
           "cpu,host=a u=1,v=2 1000000\n"
           "# a comment\n"
           "nonsense\r\n"
           "mem a=\"x\ny\" 3000001\n"
           "mem a=5 7000000",
           VARVE_OK,
           "1 cpu{host=a,} @1 u:1 v:2\n"
           "3 bad 1: missing fields\n"
           "4 mem{} @3 a:type 6\n"
           "6 mem{} @7 a:5\n"
           "lost digits\n");
    expect(&w, VV_FORMAT_JSONL, &options,
           "{\"metric\":{\"__name__\":\"cpu\",\"host\":\"a\"},\"values\":[1,null],"
           "\"timestamps\":[1000000,2000000]}\n"
           "\r\n"
           "nonsense\n"
           "{\"metric\":{\"__name__\":\"mem\"},\"fields\":{\"b\":[3],\"a\":[true]},"
           "\"timestamps\":[5]}",
           VARVE_OK,
           "1 cpu{host=a,} @1 value:1 @2 value:type 0\n"
           "3 bad 1: no JSON: '[' or '{' expected near 'nonsense' at byte 8\n"
           "4 mem{} @0 a:type 4 b:3\n"
           "lost digits\n");
    end(&w);
}

static void decode_makes_series_of_the_fields_of_a_line(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_influx_format format = {.is_flat = true, .separator = VARVE_STR("_")};
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS, .format_options = &format};
    static const char text[] = "m\\,n,host=a u=1,value=2,w\\ x=3 5\nnonsense\nm only=4 6\n";
    expect(&w, VV_FORMAT_LP, &options, text, VARVE_OK,
           "1 m,n_u{host=a,} @5 value:1\n"
           "1 m,n{host=a,} @5 value:2\n"
           "1 m,n_w x{host=a,} @5 value:3\n"
           "2 bad 1: missing fields\n"
           "3 m_only{} @6 value:4\n");
    format = (vv_influx_format){.is_flat = true, .skips_single = true, .separator = VARVE_STR("")};
    expect(&w, VV_FORMAT_LP, &options, "m a=1,b=2 5\nm only=4 6\n", VARVE_OK,
           "1 ma{} @5 value:1\n1 mb{} @5 value:2\n2 m{} @6 value:4\n");
    format = (vv_influx_format){.is_strict = true, .unit = VV_INFLUX_AUTO};
    expect(&w, VV_FORMAT_LP, &options, "m a=1 5\nnonsense\nm a=2 6\n", VARVE_E_INVALID,
           "1 m{} @5000000000 a:1\n! line 2: missing fields\n");
    end(&w);
}

static void decode_adds_labels_to_series_that_lack_them(void **state)
{
    (void)state;
    world w;
    begin(&w);
    varve_label extra[] = {{VARVE_STR("zone"), VARVE_STR("z")},
                           {VARVE_STR("host"), VARVE_STR("h")},
                           {VARVE_STR("a"), VARVE_STR("1")}};
    vv_decoder_options options = {
        .precision = VARVE_PRECISION_NS, .extra = extra, .extra_count = 3};
    expect(&w, VV_FORMAT_LP, &options, "m v=1 1\nm,host=x v=2 2\n", VARVE_OK,
           "1 m{a=1,host=h,zone=z,} @1 v:1\n2 m{a=1,host=x,zone=z,} @2 v:2\n");
    expect(&w, VV_FORMAT_JSONL, &options,
           "{\"metric\":{\"__name__\":\"m\",\"b\":\"2\"},\"values\":[1],\"timestamps\":[1]}\n",
           VARVE_OK, "1 m{a=1,b=2,host=h,zone=z,} @1 value:1\n");
    options.extra_wins = 2;
    expect(&w, VV_FORMAT_LP, &options, "m,host=x,zone=y,a=z v=2 2\n", VARVE_OK,
           "1 m{a=z,host=h,zone=z,} @2 v:2\n");
    extra[1].name = VARVE_STR("__name__");
    assert_int_equal(decode(&w, VV_FORMAT_LP, &options, VV_TEXT("m v=1 1\n"), 99, NULL),
                     VARVE_E_INVALID);
    extra[1].name = VARVE_STR("");
    assert_int_equal(decode(&w, VV_FORMAT_LP, &options, VV_TEXT("m v=1 1\n"), 99, NULL),
                     VARVE_E_INVALID);
    end(&w);
}

static void decode_takes_lines_up_to_their_bound(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS, .line_bytes_max = 70};
    char line[256];
    for (int size = 70; size <= 71; size++) {
        int used = snprintf(line, sizeof line,
                            "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1]}");
        snprintf(line + used, sizeof line - (size_t)used, "%*s\nmore\n", size - used, "");
        if (size == 70) {
            expect(&w, VV_FORMAT_JSONL, &options, line, VARVE_OK,
                   "1 m{} @1 value:1\n"
                   "2 bad 1: no JSON: '[' or '{' expected near 'more' at byte 4\n");
        } else {
            expect(&w, VV_FORMAT_JSONL, &options, line, VARVE_E_LIMIT,
                   "! line 1: longer than 70 bytes\n");
        }
        snprintf(line, sizeof line, "m v=1 %0*d\nm v=1 2\n", size - 6, 1);
        expect(&w, VV_FORMAT_LP, &options, line, size == 70 ? VARVE_OK : VARVE_E_LIMIT,
               size == 70 ? "1 m{} @1 v:1\n2 m{} @2 v:1\n"
                          : "! line 1: line is longer than 70 bytes\n");
    }
    end(&w);
}

static void decode_leaves_out_rows_whose_time_does_not_fit(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS, .unit = VARVE_PRECISION_S};
    expect(
        &w, VV_FORMAT_JSONL, &options,
        "{\"metric\":{\"__name__\":\"m\"},\"fields\":{\"a\":[1,2,3],\"b\":[4,5,6]},"
        "\"timestamps\":[1,9223372036854775807,3]}\n"
        "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[9223372036854775807]}\n",
        VARVE_OK,
        "1 bad 1: time 9223372036854775807 s does not fit 64 bits of ns\n"
        "1 m{} @1000000000 a:1 b:4 @3000000000 a:3 b:6\n"
        "2 bad 1: time 9223372036854775807 s does not fit 64 bits of ns\n");
    end(&w);
}

static void decode_ends_with_the_failure_of_its_sink(void **state)
{
    (void)state;
    world w;
    static const char *const texts[] = {
        [VV_FORMAT_LP] = "m v=1 1\nm v=1 2\nm v=1 3\n",
        [VV_FORMAT_JSONL] = "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1]}\n"
                            "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[2]}\n"
                            "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[3]}\n",
    };
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS};
    for (uint32_t format = 0; format < VV_ARRAY_COUNT(texts); format++) {
        begin(&w);
        w.fails_at = 2;
        varve_error err;
        assert_int_equal(
            decode(&w, (vv_format)format, &options, vv_text_from_string(texts[format]), 999, &err),
            VARVE_E_BUSY);
        assert_string_equal(err.message, "no more");
        assert_int_equal(w.calls, 2);
        end(&w);
    }
    begin(&w);
    assert_int_equal(decode(&w, VV_FORMAT_COUNT, &options, VV_TEXT(""), 1, NULL),
                     VARVE_E_UNSUPPORTED);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_gives_the_same_calls_however_the_text_is_cut),
        cmocka_unit_test(decode_makes_series_of_the_fields_of_a_line),
        cmocka_unit_test(decode_adds_labels_to_series_that_lack_them),
        cmocka_unit_test(decode_takes_lines_up_to_their_bound),
        cmocka_unit_test(decode_leaves_out_rows_whose_time_does_not_fit),
        cmocka_unit_test(decode_ends_with_the_failure_of_its_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
