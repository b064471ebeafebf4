/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_world.h"
#include "wire/prom_text.h"

static const vv_decoder_options in_ms = {
    .precision = VARVE_PRECISION_MS, .unit = VARVE_PRECISION_STORED, .now = 7};

static void open_metrics_reads_every_type(void **state)
{
    (void)state;
    world w;
    begin(&w);
    static const char text[] =
        "# TYPE up gauge\n"
        "# HELP up whether it \\\"is\\\"\n"
        "up 1\n"
        "# TYPE acme_http_router_request_seconds summary\n"
        "# UNIT acme_http_router_request_seconds seconds\n"
        "# HELP acme_http_router_request_seconds Latency\\nof all.\n"
        "acme_http_router_request_seconds_sum{path=\"/api\"} 9036.32\n"
        "acme_http_router_request_seconds_count{path=\"/api\"} 807283.0\n"
        "acme_http_router_request_seconds{path=\"/api\",quantile=\"0.5\"} 0.1\n"
        "acme_http_router_request_seconds{path=\"/api\",quantile=\"1.0\"} NaN\n"
        "acme_http_router_request_seconds_created{path=\"/api\"} 1605281325.0\n"
        "# TYPE go_goroutines gauge\n"
        "go_goroutines 69 1520879607.7894\n"
        "# TYPE process_cpu_seconds counter\n"
        "process_cpu_seconds_total 4.20072246e+06\n"
        "process_cpu_seconds_created 1\n"
        "# TYPE foo histogram\n"
        "foo_bucket{le=\"0.0\"} 0\n"
        "foo_bucket{le=\"10\"} 17 # {trace_id=\"o\\\"HT\"} 9.8 1520879607.789\n"
        "foo_bucket{le=\"+Inf\"} 17 # {} 1\n"
        "foo_count 17\n"
        "foo_sum 324789.3\n"
        "foo_created 1520430000.123\n"
        "# TYPE g gaugehistogram\n"
        "g_bucket{a=\"b\",le=\"-1\"} 2\n"
        "g_bucket{a=\"b\",le=\"+Inf\"} 4\n"
        "g_gcount{a=\"b\"} 4\n"
        "g_gsum{a=\"b\"} -3\n"
        "g_bucket{a=\"c\",le=\"+Inf\"} 4\n"
        "# TYPE mood stateset\n"
        "mood{mood=\"happy\"} 0\n"
        "mood{mood=\"sad\"} 1\n"
        "# TYPE build info\n"
        "build_info{version=\"1\"} 1\n"
        "# TYPE other unknown\n"
        "other 1 1\n"
        "other 2 2.0\n"
        "bare{x=\"\"} 1\n"
        "# EOF\n";
    static const char rows[] =
        "3 up{} @7 value:1\n"
        "7 acme_http_router_request_seconds_sum{path=/api,} @7 value:9036.32\n"
        "8 acme_http_router_request_seconds_count{path=/api,} @7 value:807283\n"
        "9 acme_http_router_request_seconds{path=/api,quantile=0.5,} @7 value:0.1\n"
        "10 acme_http_router_request_seconds{path=/api,quantile=1.0,} @7 value:NaN\n"
        "13 go_goroutines{} @1520879607789 value:69\n"
        "15 process_cpu_seconds_total{} @7 value:4200722.46\n"
        "18 foo_bucket{le=0.0,} @7 value:0\n"
        "19 foo_bucket{le=10,} @7 value:17\n"
        "20 foo_bucket{le=+Inf,} @7 value:17\n"
        "21 foo_count{} @7 value:17\n"
        "22 foo_sum{} @7 value:324789.3\n"
        "25 g_bucket{a=b,le=-1,} @7 value:2\n"
        "26 g_bucket{a=b,le=+Inf,} @7 value:4\n"
        "27 g_gcount{a=b,} @7 value:4\n"
        "28 g_gsum{a=b,} @7 value:-3\n"
        "29 g_bucket{a=c,le=+Inf,} @7 value:4\n"
        "31 mood{mood=happy,} @7 value:0\n"
        "32 mood{mood=sad,} @7 value:1\n"
        "34 build_info{version=1,} @7 value:1\n"
        "36 other{} @1000 value:1\n"
        "37 other{} @2000 value:2\n"
        "38 bare{} @7 value:1\n"
        "lost digits\n";
    expect(&w, VV_FORMAT_OPENMETRICS, &in_ms, text, VARVE_OK, rows);
    end(&w);
}

static void open_metrics_makes_series_of_created_when_asked(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_prom_text_options own = {.keeps_created = true};
    vv_decoder_options options = in_ms;
    options.format_options = &own;
    static const char text[] = "# TYPE a counter\na_total 1\na_created 2.5\n# EOF";
    expect(&w, VV_FORMAT_OPENMETRICS, &options, text, VARVE_OK,
           "2 a_total{} @7 value:1\n3 a_created{} @7 value:2.5\n");
    own.keeps_created = false;
    expect(&w, VV_FORMAT_OPENMETRICS, &options, text, VARVE_OK, "2 a_total{} @7 value:1\n");
    end(&w);
}

static void open_metrics_refuses_every_violation(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* without # EOF */
        const char *why;  /* NULL: it is good */
    } cases[] = {
        /* the text */
        {"", NULL},
        {"\n", "line 1: an empty line, or a comment without a space"},
        {"a 1\n\n", "line 2: an empty line, or a comment without a space"},
        {"a 1\r\n", "line 1: no number at byte 3"},
        {"# a comment\n", "line 1: a comment that is none of TYPE, HELP, UNIT and EOF"},
        {"#TYPE a gauge\n", "line 1: an empty line, or a comment without a space"},
        {"#  TYPE a gauge\n", "line 1: a comment that is none of TYPE, HELP, UNIT and EOF"},
        {"# EOF\n", "line 2: text behind # EOF"},
        {"a{b=\"\xff\"} 1\n", "line 1: the line is not UTF-8"},
        /* blanks */
        {" a 1\n", "line 1: no metric at byte 1"},
        {"a  1\n", "line 1: no number at byte 3"},
        {"a\t1\n", "line 1: no value at byte 2"},
        {"a 1 \n", "line 1: a blank that separates nothing at byte 5"},
        {"a{} 1\n", NULL},
        {"a{b=\"c\" } 1\n", "line 1: no comma or brace behind a label at byte 8"},
        {"a{b=\"c\",} 1\n", "line 1: no name of a label at byte 9"},
        {"a{b =\"c\"} 1\n", "line 1: no equal sign behind a label at byte 4"},
        {"a{}1\n", "line 1: no value at byte 4"},
        /* labels and numbers */
        {"a{b=\"c\",b=\"d\"} 1\n", "line 1: the label \"b\" stands twice"},
        {"a 0x1\n", "line 1: no number at byte 3"},
        {"a -INFINITY\n", NULL},
        {"a 1 x\n", "line 1: the time is no number of seconds"},
        {"a 1 NaN\n", "line 1: the time is no number of seconds"},
        {"a 1 1e\n", "line 1: the time is no number of seconds"},
        {"a 1 1.e1\n", NULL},
        {"a 1 1 1\n", "line 1: unexpected text behind the sample"},
        /* descriptors */
        {"# TYPE a thing\n", "line 1: an unknown type"},
        {"# TYPE a\n", "line 1: an unknown type"},
        {"# TYPE 1 gauge\n", "line 1: no name of a metric at byte 8"},
        {"# TYPE a gauge\n# TYPE a gauge\n", "line 2: a description that stands twice"},
        {"# HELP a x\n# HELP a x\n", "line 2: a description that stands twice"},
        {"# HELP a\n# TYPE a gauge\n", NULL},
        {"a 1\n# TYPE a gauge\n", "line 2: a description behind samples of its metric"},
        {"# UNIT a_s s\n# TYPE a_s gauge\na_s 1\n", NULL},
        {"# UNIT a_s\na_s 1\n", NULL},
        {"# UNIT as s\nas 1\n", "line 2: the unit does not end the name"},
        {"# UNIT s s\n", "line 2: the unit does not end the name"},
        {"# UNIT a_s s\n# TYPE a_s info\n", "line 3: infos and statesets have no unit"},
        /* families */
        {"a 1\nb 1\na{c=\"d\"} 1\n", "line 3: the name \"a\" is that of an earlier metric too"},
        {"# TYPE a gauge\n# TYPE b gauge\n# TYPE a gauge\n",
         "line 4: the name \"a\" is that of an earlier metric too"},
        {"# TYPE a counter\na_total 1\n# TYPE a_total gauge\na_total 1\n",
         "line 4: the name \"a_total\" is that of an earlier metric too"},
        {"# TYPE a_count gauge\na_count 1\n# TYPE a summary\na_count 1\n",
         "line 4: the name \"a_count\" is that of an earlier metric too"},
        {"# TYPE a counter\na 1\n", "line 2: a sample without the suffix that its type has"},
        {"# TYPE a gauge\na_total 1\n", NULL},
        {"# TYPE a info\na 1\n", "line 2: a sample without the suffix that its type has"},
        /* groups */
        {"a{b=\"1\"} 1\na{b=\"2\"} 1\na{b=\"1\"} 1\n",
         "line 3: samples of one metric do not stand together"},
        {"a 1\na 1\n", "line 2: a sample stands twice"},
        {"a 1 1\na 1 1.0\n", "line 2: a sample stands twice"},
        {"a 1 1\na 1 1.0000000001\n", "line 2: a sample stands twice"},
        {"a 1 1\na 1 1.5\n", NULL},
        {"a 1 2\na 1 1\n", "line 2: the time of a metric goes back"},
        {"a 1\na 1 1\n", "line 2: some samples of a metric have a time and some have none"},
        /* counters */
        {"# TYPE a counter\na_total NaN\n",
         "line 2: a total, count or sum is negative, or no number"},
        {"# TYPE a counter\na_total -1\n",
         "line 2: a total, count or sum is negative, or no number"},
        {"# TYPE a counter\na_total 0 1 # {b=\"c\"} 1 1.5\n", NULL},
        {"# TYPE a counter\na_created 0 # {b=\"c\"} 1 1.5\n",
         "line 2: only counters and buckets have exemplars"},
        {"a 0 # {b=\"c\"} 1\n", "line 1: only counters and buckets have exemplars"},
        {"# TYPE a counter\na_total 0 # {b=\"c\"}\n", "line 2: an exemplar without a value"},
        {"# TYPE a counter\na_total 0 # {b=\"c\"} 1 \n",
         "line 2: the time of an exemplar is no number of seconds"},
        {"# TYPE a counter\na_total 0 # {b=\"c\"} 1 1 1\n",
         "line 2: unexpected text behind the exemplar"},
        {"# TYPE a counter\na_total 0 # b 1\n", "line 2: no labels at byte 13"},
        {"# TYPE a counter\na_total 0 #{b=\"c\"} 1\n", "line 2: unexpected text behind the sample"},
        {"# TYPE a counter\na_total 0 # {\"b\"} 1\n", "line 2: a metric among labels at byte 17"},
        /* statesets and infos */
        {"# TYPE a stateset\na{a=\"x\"} 0.5\n",
         "line 2: a stateset has a label of its name, and the value 0 or 1"},
        {"# TYPE a stateset\na{b=\"x\"} 1\n",
         "line 2: a stateset has a label of its name, and the value 0 or 1"},
        {"# TYPE a info\na_info 2\n", "line 2: the value of an info is 1"},
        /* summaries */
        {"# TYPE a summary\na{quantile=\"1.1\"} 1\n",
         "line 2: a summary has a label quantile from 0 to 1, and no negative values"},
        {"# TYPE a summary\na 1\n",
         "line 2: a summary has a label quantile from 0 to 1, and no negative values"},
        {"# TYPE a summary\na{quantile=\"1\"} -1\n",
         "line 2: a summary has a label quantile from 0 to 1, and no negative values"},
        {"# TYPE a summary\na_sum NaN\n",
         "line 2: a total, count or sum is negative, or no number"},
        /* histograms */
        {"# TYPE a histogram\na_bucket 1\n", "line 2: a bucket without a number as its label le"},
        {"# TYPE a histogram\na_bucket{le=\"x\"} 1\n",
         "line 2: a bucket without a number as its label le"},
        {"# TYPE a histogram\na_bucket{le=\"NaN\"} 1\n",
         "line 2: a bucket without a number as its label le"},
        {"# TYPE a histogram\na_bucket{le=\"2\"} 1\na_bucket{le=\"1\"} 1\n",
         "line 3: the buckets of a histogram are not in order"},
        {"# TYPE a histogram\na_bucket{le=\"2\"} 1\na_bucket{le=\"3\"} 0\n",
         "line 3: a bucket counts less than the one before"},
        {"# TYPE a histogram\na_bucket{le=\"2\"} 1\n",
         "line 3: a histogram before this line has no bucket le=\"+Inf\""},
        {"# TYPE a histogram\na_sum 2\n",
         "line 3: a histogram before this line has no bucket le=\"+Inf\""},
        {"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 2\na_sum 1\n",
         "line 5: the count of a histogram before this line is not that of its bucket le=\"+Inf\""},
        {"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\n",
         "line 4: a histogram before this line has only one of sum and count"},
        {"# TYPE a histogram\na_bucket{le=\"-1\"} 0\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum 1\n",
         "line 6: a histogram before this line has a sum and negative buckets"},
        {"# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\na_gsum NaN\n",
         "line 3: a sum that is no number"},
        {"# TYPE a histogram\na_bucket{le=\"+Inf\"} 1 1\na_bucket{le=\"+Inf\"} 2 2\n", NULL},
        {"# TYPE a histogram\na_bucket{le=\"5\"} 1 1\na_bucket{le=\"+Inf\"} 2 2\n",
         "line 3: a histogram before this line has no bucket le=\"+Inf\""},
    };
    world w;
    begin(&w);
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        char text[512];
        varve_error err = {.message = ""};
        size_t size = (size_t)snprintf(text, sizeof text, "%s# EOF\n", cases[i].text);
        for (size_t piece = 1; piece <= size; piece += size - 1) {
            varve_status status =
                decode(&w, VV_FORMAT_OPENMETRICS, &in_ms, vv_text_make(text, size), piece, &err);
            if ((status == VARVE_OK) != (cases[i].why == NULL)) {
                print_error("%s%s\n", text, err.message);
            }
            assert_int_equal(status, cases[i].why == NULL ? VARVE_OK : VARVE_E_INVALID);
            assert_string_equal(status == VARVE_OK ? "" : err.message,
                                cases[i].why == NULL ? "" : cases[i].why);
        }
    }
    end(&w);
}

static void open_metrics_names_and_series_are_bounded(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_prom_text_options own = {.names_max = 3, .groups_max = 2};
    vv_decoder_options options = in_ms;
    options.format_options = &own;
    /* A counter has its name and two with suffixes. */
    expect(&w, VV_FORMAT_OPENMETRICS, &options, "# TYPE a counter\n# EOF\n", VARVE_OK, "");
    expect(&w, VV_FORMAT_OPENMETRICS, &options, "# TYPE a counter\nb 1\n# EOF\n", VARVE_E_INVALID,
           "! line 2: more than 3 names of metrics\n");
    expect(&w, VV_FORMAT_OPENMETRICS, &options,
           "a{b=\"1\"} 1\na{b=\"2\"} 1\nc{b=\"1\"} 1\nc{b=\"2\"} 1\n# EOF\n", VARVE_OK,
           "1 a{b=1,} @7 value:1\n2 a{b=2,} @7 value:1\n"
           "3 c{b=1,} @7 value:1\n4 c{b=2,} @7 value:1\n");
    expect(&w, VV_FORMAT_OPENMETRICS, &options, "a{b=\"1\"} 1\na{b=\"2\"} 1\na{b=\"3\"} 1\n# EOF\n",
           VARVE_E_INVALID,
           "1 a{b=1,} @7 value:1\n2 a{b=2,} @7 value:1\n"
           "! line 3: more than 2 series of one metric\n");
    end(&w);
}

/** What a large family has taken is given back: those behind it cost what they hold. */
static void open_metrics_forgets_large_families(void **state)
{
    (void)state;
    world w;
    vv_buf text;
    begin(&w);
    vv_buf_init(&text, &w.alloc, SIZE_MAX);
    for (int i = 0; i < 5000; i++) {
        vv_buf_append_format(&text, "a{b=\"%d\"} 1\n", i);
    }
    vv_buf_append_text(&text, VV_TEXT("c 1\nd{b=\"1\"} 1\nd{b=\"2\"} 1\nd{b=\"1\"} 1\n"));
    varve_error err;
    varve_status status =
        decode(&w, VV_FORMAT_OPENMETRICS, &in_ms, vv_buf_text(&text), 65536, &err);
    check_status(VARVE_E_INVALID, status);
    assert_string_equal(err.message, "line 5004: samples of one metric do not stand together");
    vv_buf_deinit(&text);
    end(&w);
}

static void open_metrics_ends_with_eof(void **state)
{
    (void)state;
    world w;
    begin(&w);
    expect(&w, VV_FORMAT_OPENMETRICS, &in_ms, "", VARVE_E_INVALID,
           "! line 1: the text does not end with # EOF\n");
    expect(&w, VV_FORMAT_OPENMETRICS, &in_ms, "a 1\n", VARVE_E_INVALID,
           "1 a{} @7 value:1\n! line 2: the text does not end with # EOF\n");
    expect(&w, VV_FORMAT_OPENMETRICS, &in_ms, "# EO", VARVE_E_INVALID,
           "! line 1: a comment that is none of TYPE, HELP, UNIT and EOF\n");
    expect(&w, VV_FORMAT_OPENMETRICS, &in_ms, "# EOF", VARVE_OK, "");
    expect(&w, VV_FORMAT_OPENMETRICS, &in_ms, "# EOF\n\n", VARVE_E_INVALID,
           "! line 2: text behind # EOF\n");
    end(&w);
}

static void open_metrics_takes_exemplars_of_128_characters(void **state)
{
    (void)state;
    world w;
    begin(&w);
    for (int length = 127; length <= 128; length++) {
        char text[512] = "# TYPE a counter\na_total 1 # {b=\"";
        for (int i = 0; i < length; i++) {
            text[strlen(text) + 2] = 0;
            memcpy(text + strlen(text), "\xc3\xa9", 2);
        }
        memcpy(text + strlen(text), "\"} 1\n# EOF\n", 12);
        expect(&w, VV_FORMAT_OPENMETRICS, &in_ms, text, length == 127 ? VARVE_OK : VARVE_E_INVALID,
               length == 127 ? "2 a_total{} @7 value:1\n"
                             : "! line 2: the labels of an exemplar are longer than 128\n");
    }
    end(&w);
}

static void open_metrics_times_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *ns; /* NULL: it does not fit */
        bool is_lost;
    } cases[] = {
        {"0", "0", false},
        {"-0.0", "0", false},
        {"+1.5", "1500000000", false},
        {"1395066363.000000001", "1395066363000000001", false},
        {"1395066363.0000000019", "1395066363000000001", true},
        {"-1.5", "-1500000000", false},
        {"-1.0000000001", "-1000000001", true},
        {".25", "250000000", false},
        {"0.000000000000000000000000000000000000001", "0", true},
        {"-0.000000000000000000000000000000000000001", "-1", true},
        {"1e-9", "1", false},
        {"15e-10", "1", true},
        {"1.5e9", "1500000000000000000", false},
        {"0.00000015e16", "1500000000000000000", false},
        {"0e99999999999999999999", "0", false},
        {"9223372036.854775807", "9223372036854775807", false},
        {"9223372036.854775808", NULL, false},
        {"-9223372036.854775808", "-9223372036854775808", false},
        {"-9223372036.854775809", NULL, false},
        {"1e99999999999999999999", NULL, false},
        {"1e-99999999999999999999", "0", true},
    };
    world w;
    begin(&w);
    vv_decoder_options options = in_ms;
    options.precision = VARVE_PRECISION_NS;
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        char text[128];
        char log[128];
        size_t size = (size_t)snprintf(text, sizeof text, "a 1 %s\n# EOF\n", cases[i].text);
        varve_status status =
            decode(&w, VV_FORMAT_OPENMETRICS, &options, vv_text_make(text, size), 99, NULL);
        snprintf(log, sizeof log, "1 a{} @%s value:1\n%s", cases[i].ns,
                 cases[i].is_lost ? "lost digits\n" : "");
        if (status != VARVE_OK || cases[i].ns == NULL) {
            assert_int_equal(status, VARVE_E_INVALID);
            assert_null(cases[i].ns);
        } else {
            assert_string_equal((const char *)w.log.data, log);
        }
    }
    end(&w);
}

static void open_metrics_frees_all_when_memory_is_out(void **state)
{
    (void)state;
    static const char text[] =
        "# TYPE a_s counter\n# UNIT a_s s\na_s_total{b=\"c\\n\"} 1 # {d=\"e\"} "
        "1\na_s_total{b=\"d\"} 2\nb 2\n# EOF\n";
    expect_survives_failed_allocations(VV_FORMAT_OPENMETRICS, &in_ms, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_metrics_reads_every_type),
        cmocka_unit_test(open_metrics_makes_series_of_created_when_asked),
        cmocka_unit_test(open_metrics_refuses_every_violation),
        cmocka_unit_test(open_metrics_names_and_series_are_bounded),
        cmocka_unit_test(open_metrics_forgets_large_families),
        cmocka_unit_test(open_metrics_ends_with_eof),
        cmocka_unit_test(open_metrics_takes_exemplars_of_128_characters),
        cmocka_unit_test(open_metrics_times_are_exact),
        cmocka_unit_test(open_metrics_frees_all_when_memory_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
