/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_world.h"
#include "wire/csv.h"
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

/** Text of many kinds of lines that say nothing, behind a good line and before another. */
/* However it is cut (D1), and for the CSV that no guess has looked at too. */
static void decode_passes_over_the_mark_of_utf8_at_the_beginning_only(void **state)
{
    (void)state;
    static const struct {
        vv_format format;
        const char *text; /* one line, sound */
        const char *says; /* what the sink sees of it */
    } cases[] = {
        {VV_FORMAT_LP, "cpu v=1 1", "1 cpu{} @1 v:1\n"},
        {VV_FORMAT_JSONL, "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1]}",
         "1 m{} @1 value:1\n"},
        {VV_FORMAT_PROMETHEUS, "m 1 1\n", "1 m{} @1 value:1\n"},
        {VV_FORMAT_OPENMETRICS, "m 1 1\n# EOF\n", "1 m{} @1 value:1\n"},
        {VV_FORMAT_CSV, "time:unix_s,m:f64\n1,1\n", "2 cpu{} @1 m:1\n"},
    };
    static const char mark[] = "\xEF\xBB\xBF";
    world w;
    begin(&w);
    vv_csv_options csv = {.separator = ',', .has_header = true, .metric = VARVE_STR("cpu")};
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        vv_decoder_options options = {
            .precision = VARVE_PRECISION_S,
            .unit = cases[i].format == VV_FORMAT_CSV ? VARVE_PRECISION_STORED : VARVE_PRECISION_S,
            .format_options = cases[i].format == VV_FORMAT_CSV ? &csv : NULL};
        char text[256];
        expect(&w, cases[i].format, &options, cases[i].text, VARVE_OK, cases[i].says);
        (void)snprintf(text, sizeof text, "%s%s", mark, cases[i].text);
        expect(&w, cases[i].format, &options, text, VARVE_OK, cases[i].says);
    }
    vv_decoder_options options = {.precision = VARVE_PRECISION_S, .unit = VARVE_PRECISION_S};
    static const char *const texts[] = {"",
                                        "a v=1 1\n\xEF\xBB\xBF"
                                        "b v=1 1\n",
                                        "\xEF\xBB\xBF\xEF\xBB\xBF"
                                        "a v=1 1\n",
                                        "\xEF\xBB",
                                        "\xEF\xBB"
                                        "a v=1 1\n"};
    static const char *const wanted[] = {"",
                                         "1 a{} @1 v:1\n2 \xEF\xBB\xBF"
                                         "b{} @1 v:1\n",
                                         "1 \xEF\xBB\xBF"
                                         "a{} @1 v:1\n",
                                         "1 bad 1: missing fields\n",
                                         "1 \xEF\xBB"
                                         "a{} @1 v:1\n"};
    expect(&w, VV_FORMAT_LP, &options, mark, VARVE_OK, "");
    for (size_t i = 0; i < VV_ARRAY_COUNT(texts); i++) {
        expect(&w, VV_FORMAT_LP, &options, texts[i], VARVE_OK, wanted[i]);
    }
    end(&w);
}

static void put_blank_lines(vv_buf *text, bool has_blanks, bool has_comments)
{
    for (int i = 0; i < 300; i++) {
        vv_buf_append_text(text, i % 7 == 0 ? VV_TEXT("\r\n") : VV_TEXT("\n"));
    }
    for (int i = 0; i < 40; i++) {
        vv_buf_append_text(text, VV_TEXT("\r\n"));
    }
    for (int i = 0; has_blanks && i < 40; i++) {
        vv_buf_append_format(text, "%*s\t \r\n%*s\n", i, "", 40 - i, "");
    }
    for (int i = 0; has_comments && i < 20; i++) {
        vv_buf_append_format(text, "#\n  # TY %d\n#%*s\r\n# \xc3\xa9\n", i, i, "");
    }
}

static void decode_counts_lines_that_say_nothing(void **state)
{
    (void)state;
    static const struct {
        vv_format format;
        const char *head;
        const char *row;
        bool has_blanks, has_comments;
        int lines;
    } cases[] = {
        {VV_FORMAT_LP, "", "m value=1 5\n", true, true, 500},
        {VV_FORMAT_PROMETHEUS, "", "m 1 5\n", true, true, 500},
        {VV_FORMAT_JSONL, "",
         "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[5]}\n", true, false, 420},
        {VV_FORMAT_CSV, "metric:name,time:unix_ns,value:f64\n", "m,5,1\n", false, false, 340},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        world w;
        vv_buf text;
        char log[128];
        int head = cases[i].head[0] == '\0' ? 0 : 1;
        begin(&w);
        vv_buf_init(&text, &w.alloc, SIZE_MAX);
        vv_buf_append_text(&text, vv_text_from_string(cases[i].head));
        vv_buf_append_text(&text, vv_text_from_string(cases[i].row));
        put_blank_lines(&text, cases[i].has_blanks, cases[i].has_comments);
        vv_buf_append_text(&text, vv_text_from_string(cases[i].row));
        snprintf(log, sizeof log, "%d m{} @5 value:1\n%d m{} @5 value:1\n", head + 1,
                 head + 2 + cases[i].lines);
        vv_decoder_options options = {.precision = VARVE_PRECISION_NS, .unit = VARVE_PRECISION_NS};
        expect_text(&w, cases[i].format, &options, vv_buf_text(&text), VARVE_OK, log);
        vv_buf_deinit(&text);
        end(&w);
    }
}

static void decode_tells_the_text_of_lines(void **state)
{
    (void)state;
    world w;
    begin(&w);
    w.notes_texts = true;
    vv_decoder_options options = {.precision = VARVE_PRECISION_NS, .unit = VARVE_PRECISION_NS};
    expect(&w, VV_FORMAT_LP, &options,
           "\n m,a=\\\\ v=\"x\ny\" 5 \r\n,bad line\r\nm s=\"never\nm v=2 6", VARVE_OK,
           "2 m{a=\\\\,} @5 v:type 6\n< m,a=\\\\ v=\"x\ny\" 5 >\n"
           "4 bad 1: missing measurement\n<,bad line>\n"
           "5 bad 1: string without an end\n<m s=\"never>\n6 m{} @6 v:2\n<m v=2 6>\n");
    expect(&w, VV_FORMAT_PROMETHEUS, &options, "m{a=\"b\"}  1 5 \r\n{ 1\n# TYPE\tm x\nm 1",
           VARVE_OK,
           "1 m{a=b,} @5 value:1\n<m{a=\"b\"}  1 5 >\n"
           "2 bad 1: no name of a label at byte 3\n<{ 1>\n"
           "3 bad 1: no type: counter, gauge, histogram, summary or untyped at byte 11\n"
           "<# TYPE\tm x>\n"
           "4 bad 1: the last line does not end in a line feed: it may be cut off\n<m 1>\n");
    expect(&w, VV_FORMAT_JSONL, &options,
           "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[5]} \n{}\n", VARVE_OK,
           "1 m{} @5 value:1\n"
           "<{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[5]}>\n"
           "2 bad 1: \"metric\" is no object\n<{}>\n");
    expect(&w, VV_FORMAT_CSV, &options,
           "metric:name,time:unix_ns,value:f64\r\n\"m\",5,1\r\nm,x,1\nm,\"5\"x,1\n", VARVE_OK,
           "2 m{} @5 value:1\n<\"m\",5,1>\n"
           "3 bad 1: column 2: \"x\" is no time as unix_ns\n<m,x,1>\n"
           "4 bad 1: column 2: text behind the closing quote (a quote inside is doubled)\n"
           "<m,\"5\"x,1>\n");
    expect(&w, VV_FORMAT_OPENMETRICS, &options, "m{a=\"b\"} 1 5\n# EOF\n", VARVE_OK,
           "1 m{a=b,} @5000000000 value:1\n<m{a=\"b\"} 1 5>\n");
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
           "1 m{} @5000000000 a:1\n2 bad 1: missing fields\n! line 2: missing fields\n");
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
        cmocka_unit_test(decode_passes_over_the_mark_of_utf8_at_the_beginning_only),
        cmocka_unit_test(decode_counts_lines_that_say_nothing),
        cmocka_unit_test(decode_tells_the_text_of_lines),
        cmocka_unit_test(decode_makes_series_of_the_fields_of_a_line),
        cmocka_unit_test(decode_adds_labels_to_series_that_lack_them),
        cmocka_unit_test(decode_takes_lines_up_to_their_bound),
        cmocka_unit_test(decode_leaves_out_rows_whose_time_does_not_fit),
        cmocka_unit_test(decode_ends_with_the_failure_of_its_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
