/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_world.h"
#include "wire/prom_priv.h"
#include "wire/prom_text.h"

static const vv_decoder_options in_ms = {
    .precision = VARVE_PRECISION_MS, .unit = VARVE_PRECISION_STORED, .now = 7};

static void prom_text_reads_what_prometheus_writes(void **state)
{
    (void)state;
    world w;
    begin(&w);
    expect(&w, VV_FORMAT_PROMETHEUS, &in_ms,
           "# HELP http_requests_total The total number of \\ requests.\n"
           "# TYPE http_requests_total counter\n"
           "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n"
           "http_requests_total{method=\"post\",code=\"400\",}    3 -5\n"
           "\n"
           "# Escaping in label values:\n"
           "msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot "
           "find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9\n"
           "  metric_without_timestamp_and_labels\t12.47 \r\n"
           "something_weird { problem = \"division by zero\" , } +Inf\t-3982045\n"
           "rpc:seconds{quantile=\"0.5\"}NaN\n"
           "empty{gone=\"\",kept=\"1\"} -inf\n"
           "braces{} .5e1\n",
           VARVE_OK,
           "3 http_requests_total{code=200,method=post,} @1395066363000 value:1027\n"
           "4 http_requests_total{code=400,method=post,} @-5 value:3\n"
           "7 msdos_file_access_time_seconds{error=Cannot find file:\n\"FILE.TXT\",path=C:\\DIR\\"
           "FILE.TXT,} @7 value:1458255915\n"
           "8 metric_without_timestamp_and_labels{} @7 value:12.47\n"
           "9 something_weird{problem=division by zero,} @-3982045 value:+Inf\n"
           "10 rpc:seconds{quantile=0.5,} @7 value:NaN\n"
           "11 empty{kept=1,} @7 value:-Inf\n"
           "12 braces{} @7 value:5\n");
    end(&w);
}

static void prom_text_reads_names_in_quotes(void **state)
{
    (void)state;
    world w;
    begin(&w);
    expect(&w, VV_FORMAT_PROMETHEUS, &in_ms,
           "# TYPE \"a.b\" gauge\n"
           "{\"a.b\",\"l.x\"=\"v\"} 1\n"
           "{ \"l \\\"x\" = \"v\" , \"a.b\" } 1 5\n"
           "plain{\"l.x\"=\"v\",y=\"z\"} 2\n"
           "{\"\\\\\\n\"} 3\n"
           "a{\"b\"} 1\n"
           "{\"a\",\"b\"} 1\n"
           "{x=\"y\"} 1\n"
           "{\"\"} 1\n"
           "{} 1\n",
           VARVE_OK,
           "2 a.b{l.x=v,} @7 value:1\n"
           "3 a.b{l \"x=v,} @5 value:1\n"
           "4 plain{l.x=v,y=z,} @7 value:2\n"
           "5 \\\n{} @7 value:3\n"
           "6 bad 1: the name of the metric stands twice at byte 6\n"
           "7 bad 1: the name of the metric stands twice at byte 9\n"
           "8 bad 1: no metric at byte 8\n"
           "9 bad 1: no name of a label at byte 4\n"
           "10 bad 1: no metric at byte 3\n");
    end(&w);
}

static void prom_text_leaves_out_bad_lines_only(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *why; /* NULL: it is good */
    } cases[] = {
        {"a", "no value at byte 2"},
        {"a ", "no number at byte 3"},
        {"a x", "no number at byte 3"},
        {"a 1e400", "no number at byte 3"},
        {"a 0x10", "no number at byte 3"},
        {"a 1 x", "the time is no whole number"},
        {"a 1 1.5", "the time is no whole number"},
        {"a 1 9223372036854775808", "the time is no whole number"},
        {"a 1 9223372036854775807", NULL},
        {"a 1 -9223372036854775808", NULL},
        {"a 1 1 1", "unexpected text behind the sample at byte 7"},
        {"a 1 # {x=\"y\"} 1", "unexpected text behind the sample at byte 7"},
        {"1a 1", "no metric at byte 1"},
        {"a-b 1", "no value at byte 2"},
        {"a{b=\"c} 1", "a quote that is never closed at byte 5"},
        {"a{b=\"c\\\"} 1", "a quote that is never closed at byte 5"},
        {"a{b=c} 1", "no quoted text at byte 5"},
        {"a{b} 1", "no equal sign behind a label at byte 4"},
        {"a{1=\"c\"} 1", "no name of a label at byte 3"},
        {"a{b:c=\"c\"} 1", "no equal sign behind a label at byte 4"},
        {"a{b=\"c\" d=\"e\"} 1", "no comma or brace behind a label at byte 9"},
        {"a{b=\"c\"", "no comma or brace behind a label at byte 8"},
        {"a{,} 1", "no name of a label at byte 3"},
        {"a{__name__=\"c\"} 1", "the label \"__name__\" is the metric's at byte 12"},
        {"a{b=\"\xff\"} 1", "the line is not UTF-8"},
        {"# TYPE a", "no type: counter, gauge, histogram, summary or untyped at byte 9"},
        {"# TYPE a thing", "no type: counter, gauge, histogram, summary or untyped at byte 15"},
        {"# TYPE 1 counter", "no name of a metric at byte 8"},
        {"# TYPE a counter x", "no type: counter, gauge, histogram, summary or untyped at byte 18"},
        {"# HELP 1 x", "no name of a metric at byte 8"},
    };
    world w;
    begin(&w);
    for (size_t i = 0; i < VV_ARRAY_COUNT(cases); i++) {
        char text[256];
        char log[256];
        snprintf(text, sizeof text, "%s\ngood 1\n", cases[i].line);
        if (cases[i].why != NULL) {
            snprintf(log, sizeof log, "1 bad 1: %s\n2 good{} @7 value:1\n", cases[i].why);
            expect(&w, VV_FORMAT_PROMETHEUS, &in_ms, text, VARVE_OK, log);
        } else {
            VV_IGNORE(
                decode(&w, VV_FORMAT_PROMETHEUS, &in_ms, vv_text_from_string(text), 99, NULL));
            assert_null(strstr((const char *)w.log.data, "bad"));
        }
    }
    /* Names that stand twice are found when the series is asked for. */
    expect(&w, VV_FORMAT_PROMETHEUS, &in_ms, "a{b=\"c\",b=\"d\"} 1\n", VARVE_OK,
           "1 no series: the label \"b\" stands twice\n");
    /* Comments of any other kind are nobody's business. */
    expect(&w, VV_FORMAT_PROMETHEUS, &in_ms, "#\n#x\n# TYPE\n# HELP\n# TYPES a b\n# HELP a\n",
           VARVE_OK, "");
    end(&w);
}

static void prom_text_takes_no_line_that_is_cut_off(void **state)
{
    (void)state;
    world w;
    begin(&w);
    expect(&w, VV_FORMAT_PROMETHEUS, &in_ms, "a 1\na 12", VARVE_OK,
           "1 a{} @7 value:1\n"
           "2 bad 1: the last line does not end in a line feed: it may be cut off\n");
    expect(&w, VV_FORMAT_PROMETHEUS, &in_ms, "a 1\n# EOF", VARVE_OK, "1 a{} @7 value:1\n");
    expect(&w, VV_FORMAT_PROMETHEUS, &in_ms, "", VARVE_OK, "");
    end(&w);
}

static void prom_text_converts_times(void **state)
{
    (void)state;
    world w;
    begin(&w);
    vv_decoder_options options = in_ms;
    options.precision = VARVE_PRECISION_S;
    expect(&w, VV_FORMAT_PROMETHEUS, &options, "a 1 1999\na 1 -1\n", VARVE_OK,
           "1 a{} @1 value:1\n2 a{} @-1 value:1\nlost digits\n");
    options.precision = VARVE_PRECISION_NS;
    expect(&w, VV_FORMAT_PROMETHEUS, &options, "a 1 9223372036854\na 1 9223372036855\n", VARVE_OK,
           "1 a{} @9223372036854000000 value:1\n"
           "2 bad 1: time 9223372036855 ms does not fit 64 bits of ns\n");
    options.unit = VARVE_PRECISION_S;
    expect(&w, VV_FORMAT_PROMETHEUS, &options, "a 1 2\n", VARVE_OK, "1 a{} @2000000000 value:1\n");
    end(&w);
}

static void prom_text_holds_its_limits(void **state)
{
    (void)state;
    world w;
    begin(&w);
    char *text = malloc(200000);
    assert_non_null(text);
    for (size_t size = VV_PROM_LINE_BYTES_MAX; size <= VV_PROM_LINE_BYTES_MAX + 1; size++) {
        int used = snprintf(text, 64, "a{b=\"c\"} 1");
        memset(text + used, ' ', size - (size_t)used);
        text[size] = '\n';
        bool fits = size == VV_PROM_LINE_BYTES_MAX;
        expect_text(&w, VV_FORMAT_PROMETHEUS, &in_ms, vv_text_make(text, size + 1),
                    fits ? VARVE_OK : VARVE_E_LIMIT,
                    fits ? "1 a{b=c,} @7 value:1\n" : "! line 1: longer than 65536 bytes\n");
    }
    for (uint32_t count = VV_PROM_LABELS_MAX; count <= VV_PROM_LABELS_MAX + 1; count++) {
        size_t size = (size_t)snprintf(text, 16, "a{");
        for (uint32_t i = 0; i < count; i++) {
            size += (size_t)snprintf(text + size, 32, "l%u=\"\",", i);
        }
        size += (size_t)snprintf(text + size, 16, "} 1\n");
        bool fits = count == VV_PROM_LABELS_MAX;
        expect_text(&w, VV_FORMAT_PROMETHEUS, &in_ms, vv_text_make(text, size), VARVE_OK,
                    fits ? "1 a{} @7 value:1\n" : "1 bad 1: more than 256 labels\n");
    }
    free(text);
    end(&w);
}

static void prom_text_frees_all_when_memory_is_out(void **state)
{
    (void)state;
    static const char text[] = "# TYPE a gauge\na{b=\"c\\n\",d=\"e\"} 1\nb 2\n";
    expect_survives_failed_allocations(VV_FORMAT_PROMETHEUS, &in_ms, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prom_text_reads_what_prometheus_writes),
        cmocka_unit_test(prom_text_reads_names_in_quotes),
        cmocka_unit_test(prom_text_leaves_out_bad_lines_only),
        cmocka_unit_test(prom_text_takes_no_line_that_is_cut_off),
        cmocka_unit_test(prom_text_converts_times),
        cmocka_unit_test(prom_text_holds_its_limits),
        cmocka_unit_test(prom_text_frees_all_when_memory_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
